//! A chain as an agent reaches it: through a line that can be cut, can kill the agent, and can lead to another fork.

use std::{
    future::{Future, pending},
    sync::{Arc, Mutex},
};

use alloy::primitives::{Address, Bytes, Selector, U256};
use tokio::sync::Notify;
use xenon_protocol::chain::{Account, Call, Chain, ChainError, Endpoint, EventLog, Head, LogFilter, Receipt};
use xenon_sim::RevmChain;

/// A line to a chain.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    state: Arc<Mutex<State>>,
    died: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    chain: RevmChain,
    /// What reads see instead, as from an endpoint that lags behind.
    past: Option<RevmChain>,
    is_down: bool,
    has_logs: bool,
    fuse: Option<Fuse>,
    /// The call at whose sending the agent dies, by its selector.
    doom: Option<(Selector, Moment)>,
    /// A transaction whose sender died before it was in a block.
    in_flight: Option<(Address, Call)>,
}

/// When the agent dies.
#[derive(Clone, Copy, Debug)]
struct Fuse {
    left: usize,
    moment: Moment,
}

/// When in an operation the agent dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Before the chain hears of it.
    Before,
    /// When the chain has done it, and the agent has not heard.
    After,
    /// When the transaction is on its way; [`Link::land`] lets it arrive.
    InFlight,
}

impl Link {
    pub(crate) fn to(chain: &RevmChain) -> Self {
        let state = State {
            chain: chain.clone(),
            past: None,
            is_down: false,
            has_logs: true,
            fuse: None,
            doom: None,
            in_flight: None,
        };
        Self { state: Arc::new(Mutex::new(state)), died: Arc::default() }
    }

    /// Cuts or mends the line.
    pub(crate) fn set_down(&self, is_down: bool) {
        self.state.lock().unwrap().is_down = is_down;
    }

    /// Makes the endpoint refuse queries of logs, or answer them.
    pub(crate) fn set_logs(&self, has_logs: bool) {
        self.state.lock().unwrap().has_logs = has_logs;
    }

    /// Lets reads see an earlier state from now on, or the present one.
    pub(crate) fn set_past(&self, past: Option<&RevmChain>) {
        self.state.lock().unwrap().past = past.cloned();
    }

    /// Leads to another fork from now on.
    pub(crate) fn switch_to(&self, chain: &RevmChain) {
        self.state.lock().unwrap().chain = chain.clone();
    }

    /// Kills the agent at its operation number `left`, counted from 0.
    pub(crate) fn kill_at(&self, left: usize, moment: Moment) {
        self.state.lock().unwrap().fuse = Some(Fuse { left, moment });
    }

    /// Kills the agent when it sends a call with this selector.
    pub(crate) fn kill_at_call(&self, selector: Selector, moment: Moment) {
        self.state.lock().unwrap().doom = Some((selector, moment));
    }

    /// Lets the transaction of the dead arrive, if there is one. The chain may refuse it.
    pub(crate) async fn land(&self) {
        let (chain, call) = {
            let mut state = self.state.lock().unwrap();
            (state.chain.clone(), state.in_flight.take())
        };
        if let Some((from, call)) = call {
            let _ = chain.account(from).send(call).await;
        }
    }

    /// Completes when the agent has been killed.
    pub(crate) async fn died(&self) {
        self.died.notified().await;
    }

    pub(crate) fn account(&self, address: Address) -> LinkAccount {
        LinkAccount { link: self.clone(), address }
    }

    /// A read passes over the line.
    async fn read<T, F>(&self, operation: impl FnOnce(RevmChain) -> F + Send) -> Result<T, ChainError>
    where
        F: Future<Output = Result<T, ChainError>> + Send,
    {
        let past = self.state.lock().unwrap().past.clone();
        self.pass(|present| operation(past.unwrap_or(present))).await
    }

    async fn pass<T, F>(&self, operation: impl FnOnce(RevmChain) -> F + Send) -> Result<T, ChainError>
    where
        F: Future<Output = Result<T, ChainError>> + Send,
    {
        let (chain, death) = self.enter()?;
        match death {
            None => operation(chain).await,
            Some(Moment::Before | Moment::InFlight) => self.die().await,
            Some(Moment::After) => {
                let _ = operation(chain).await;
                self.die().await
            }
        }
    }

    fn enter(&self) -> Result<(RevmChain, Option<Moment>), ChainError> {
        let mut state = self.state.lock().unwrap();
        if state.is_down {
            return Err(unreachable("it is down"));
        }
        let dies = state.fuse.filter(|fuse| fuse.left == 0).map(|fuse| fuse.moment);
        if let Some(fuse) = &mut state.fuse {
            fuse.left = fuse.left.wrapping_sub(1);
        }
        Ok((state.chain.clone(), dies))
    }

    /// Whether the agent dies at this call; what is in flight is kept.
    fn doomed(&self, from: Address, call: &Call) -> Option<Moment> {
        let mut state = self.state.lock().unwrap();
        let (_, moment) = state.doom.take_if(|(selector, _)| call.data.starts_with(selector.as_slice()))?;
        if moment == Moment::InFlight {
            state.in_flight = Some((from, call.clone()));
        }
        Some(moment)
    }

    async fn die<T>(&self) -> T {
        self.died.notify_one();
        pending().await
    }
}

fn unreachable(reason: &str) -> ChainError {
    ChainError::Unreachable { endpoint: Endpoint::local("a line"), reason: reason.to_owned() }
}

impl Chain for Link {
    fn chain_id(&self) -> u64 {
        self.state.lock().unwrap().chain.chain_id()
    }

    async fn head(&self) -> Result<Head, ChainError> {
        self.read(|chain| async move { chain.head().await }).await
    }

    async fn block(&self, number: u64) -> Result<Option<Head>, ChainError> {
        self.read(|chain| async move { chain.block(number).await }).await
    }

    async fn logs(&self, filter: &LogFilter) -> Result<Vec<EventLog>, ChainError> {
        let has_logs = self.state.lock().unwrap().has_logs;
        let logs = self.read(|chain| async move { chain.logs(filter).await }).await;
        if has_logs { logs } else { Err(unreachable("it has no logs")) }
    }

    async fn call(&self, from: Address, call: &Call) -> Result<Bytes, ChainError> {
        self.read(|chain| async move { chain.call(from, call).await }).await
    }

    async fn code(&self, address: Address) -> Result<Bytes, ChainError> {
        self.read(|chain| async move { chain.code(address).await }).await
    }

    async fn balance(&self, address: Address) -> Result<U256, ChainError> {
        self.read(|chain| async move { chain.balance(address).await }).await
    }
}

/// A key at the end of a line.
#[derive(Clone, Debug)]
pub(crate) struct LinkAccount {
    link: Link,
    address: Address,
}

impl Account for LinkAccount {
    type Chain = Link;

    fn address(&self) -> Address {
        self.address
    }

    fn chain(&self) -> &Link {
        &self.link
    }

    async fn send(&self, call: Call) -> Result<Receipt, ChainError> {
        let from = self.address;
        match self.link.doomed(from, &call) {
            None => self.link.pass(|chain| async move { chain.account(from).send(call).await }).await,
            Some(Moment::Before | Moment::InFlight) => self.link.die().await,
            Some(Moment::After) => {
                self.link.pass(|chain| async move { chain.account(from).send(call).await }).await?;
                self.link.die().await
            }
        }
    }
}
