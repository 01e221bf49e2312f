//! The line between a keeper and the chain, on which everything goes wrong that can.

use std::{
    collections::BTreeSet,
    fmt,
    future::{Future, poll_fn},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use alloy::{
    consensus::TxEip1559,
    primitives::{Address, B256, Bytes, U256, keccak256},
    signers::local::PrivateKeySigner,
    sol_types::SolCall as _,
};
use xenon_protocol::{
    chain::{
        At, Call, Chain, ChainError, Endpoint, EventLog, Fees, Head, Inclusion, LogFilter, Mempool, SendError, Signed,
        Signer, SignerError,
    },
    contracts::{Node, Task, TaskQueue},
};
use xenon_sim::RevmChain;

use crate::{dice::Dice, fault::Fault, story::Story};

/// A node as one keeper sees it. Clones share everything.
#[derive(Clone)]
pub struct Link {
    chain: RevmChain,
    state: Arc<Mutex<State>>,
}

struct State {
    dice: Dice,
    story: Story,
    name: String,
    /// What goes wrong now, each once in so many calls.
    faults: Vec<Fault>,
    /// A past that is shown instead of the present, for so many calls.
    stale: Option<(RevmChain, u64)>,
    /// Transactions on their way, with the number of blocks until they arrive.
    on_the_way: Vec<(u64, Bytes)>,
    /// Every transaction that was handed over, whether it arrived or not.
    sent: BTreeSet<B256>,
    /// Await points until the keeper is killed.
    killed_in: Option<u64>,
    /// Whether the keeper is killed when it has next handed a transaction over, and before it knows.
    killed_at_send: bool,
    is_killed: bool,
}

/// The one read of which a part can be missing.
const LOGS: &str = "logs";

/// Of a hundred reads, so many go wrong while faults last.
const READ_RATE: u64 = 12;

/// Of a hundred transactions, so many. There are few of them.
const SEND_RATE: u64 = 30;

impl Link {
    pub(crate) fn new(chain: RevmChain, dice: Dice, name: String, story: Story) -> Self {
        let state = State {
            dice,
            story,
            name,
            faults: Vec::new(),
            stale: None,
            on_the_way: Vec::new(),
            sent: BTreeSet::new(),
            killed_in: None,
            killed_at_send: false,
            is_killed: false,
        };
        Self { chain, state: Arc::new(Mutex::new(state)) }
    }

    /// What goes wrong from now on.
    pub(crate) fn suffer(&self, faults: Vec<Fault>) {
        let mut state = self.state();
        if faults.is_empty() {
            state.stale = None;
        }
        state.faults = faults;
    }

    /// The keeper is killed at the await point of that number from now.
    pub(crate) fn kill_in(&self, points: u64) {
        let mut state = self.state();
        (state.killed_in, state.is_killed) = (Some(points), false);
    }

    /// The keeper is killed when it has next signed or handed over a transaction, and before it knows.
    pub(crate) fn kill_at_send(&self) {
        self.state().killed_at_send = true;
    }

    /// The keeper is killed at the next await point, if it was to be when it came here.
    fn die_if_due(&self) {
        if std::mem::take(&mut self.state().killed_at_send) {
            self.kill_in(1);
        }
    }

    fn chance(&self, percent: u64) -> bool {
        self.state().dice.chance(percent)
    }

    /// Whether the keeper was killed; it is alive again after that.
    pub(crate) fn take_killed(&self) -> bool {
        let mut state = self.state();
        state.killed_in = None;
        std::mem::take(&mut state.is_killed)
    }

    pub(crate) fn is_killed(&self) -> bool {
        self.state().is_killed
    }

    /// A block has passed: what was on its way for long enough arrives.
    pub(crate) async fn pass_block(&self) {
        let arriving: Vec<Bytes> = {
            let mut state = self.state();
            state.on_the_way.iter_mut().for_each(|(blocks, _)| *blocks = blocks.saturating_sub(1));
            let (now, later): (Vec<_>, _) =
                std::mem::take(&mut state.on_the_way).into_iter().partition(|(blocks, _)| *blocks == 0);
            state.on_the_way = later;
            now.into_iter().map(|(_, raw)| raw).collect()
        };
        for raw in arriving {
            let answer = self.chain.send_raw(&raw).await;
            self.tell(&format!("late transaction {} arrives: {}", short(keccak256(&raw)), said(&answer)));
        }
    }

    /// Whether a transaction is still on its way.
    pub(crate) fn is_idle(&self) -> bool {
        self.state().on_the_way.is_empty()
    }

    /// Every transaction that was handed over, whether it arrived or not.
    pub(crate) fn sent(&self) -> BTreeSet<B256> {
        self.state().sent.clone()
    }

    pub(crate) fn tell(&self, line: &str) {
        let state = self.state();
        state.story.tell(format!("{}: {line}", state.name));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An await point. A keeper that is killed here never comes back from it.
    async fn pause(&self) {
        let mut was_here = false;
        poll_fn(|context| {
            if std::mem::replace(&mut was_here, true) {
                return Poll::Ready(());
            }
            let mut state = self.state();
            state.killed_in = state.killed_in.map(|points| points.saturating_sub(1));
            if state.killed_in == Some(0) {
                state.is_killed = true;
            } else {
                context.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await;
    }

    /// Which of these befalls the next call.
    fn draw(&self, possible: &[Fault], rate: u64) -> Option<Fault> {
        let mut state = self.state();
        let active: Vec<_> = possible.iter().copied().filter(|fault| state.faults.contains(fault)).collect();
        if active.is_empty() || !state.dice.chance(rate) {
            return None;
        }
        let which = state.dice.index(active.len());
        Some(active[which])
    }

    /// The chain that the node shows, or no answer.
    fn shown(&self, method: &'static str) -> Result<(RevmChain, Option<Fault>), ChainError> {
        if let Some(past) = self.past() {
            return Ok((past, None));
        }
        let of_logs = Fault::OF_READS.into_iter().filter(|fault| *fault != Fault::MissingLogs || method == LOGS);
        let fault = self.draw(&of_logs.collect::<Vec<_>>(), READ_RATE);
        if let Some(fault) = fault {
            self.tell(&format!("{method}: {fault}"));
        }
        match fault {
            Some(Fault::LostRequest) => Err(unreachable()),
            Some(Fault::StaleHead) => Ok((self.fall_behind(), None)),
            fault => Ok((self.chain.clone(), fault)),
        }
    }

    /// The past that the node shows at present.
    fn past(&self) -> Option<RevmChain> {
        let mut state = self.state();
        let (past, calls) = state.stale.take()?;
        state.stale = (calls > 1).then(|| (past.clone(), calls - 1));
        Some(past)
    }

    /// The node shows a block of the past, for some calls.
    fn fall_behind(&self) -> RevmChain {
        let past = self.chain.fork();
        let mut state = self.state();
        let (blocks, calls) = (state.dice.within(1..=4), state.dice.within(1..=20));
        past.reorganise(usize::try_from(blocks).unwrap_or(1));
        state.stale = Some((past.clone(), calls));
        past
    }

    async fn read<T, F>(&self, method: &'static str, ask: impl FnOnce(RevmChain) -> F) -> Result<T, ChainError>
    where
        F: Future<Output = Result<T, ChainError>>,
    {
        self.pause().await;
        let answer = match self.shown(method) {
            Ok((chain, _)) => ask(chain).await,
            Err(error) => Err(error),
        };
        self.pause().await;
        answer
    }

    async fn hand_over(&self, raw: &Bytes, fault: Option<Fault>) -> Result<B256, SendError> {
        let hash = keccak256(raw);
        match fault {
            Some(Fault::LostRequest) => Err(unreachable().into()),
            Some(Fault::LostReply) => self.chain.send_raw(raw).await.and(Err(unreachable().into())),
            Some(Fault::Delay) => {
                let mut state = self.state();
                let blocks = state.dice.within(1..=8);
                state.on_the_way.push((blocks, raw.clone()));
                Ok(hash)
            }
            Some(Fault::Duplicate) => {
                let _first = self.chain.send_raw(raw).await;
                self.chain.send_raw(raw).await
            }
            Some(Fault::AlreadyKnown) => {
                let reason = String::from("already known");
                self.chain.send_raw(raw).await.and(Err(SendError::AlreadyKnown { reason }))
            }
            Some(Fault::NonceTooLow) => {
                let reason = String::from("nonce too low");
                self.chain.send_raw(raw).await.and(Err(SendError::NonceTooLow { reason }))
            }
            Some(Fault::Forgotten) => {
                let answer = self.chain.send_raw(raw).await;
                self.chain.forget(hash);
                answer
            }
            _ => self.chain.send_raw(raw).await,
        }
    }
}

impl Chain for Link {
    fn chain_id(&self) -> u64 {
        self.chain.chain_id()
    }

    async fn head(&self) -> Result<Head, ChainError> {
        self.read("head", |chain| async move { chain.head().await }).await
    }

    async fn block(&self, number: u64) -> Result<Option<Head>, ChainError> {
        self.read("block", |chain| async move { chain.block(number).await }).await
    }

    async fn logs(&self, filter: &LogFilter) -> Result<Vec<EventLog>, ChainError> {
        self.pause().await;
        let answer = match self.shown(LOGS) {
            Ok((chain, fault)) => {
                let mut logs = chain.logs(filter).await?;
                if fault == Some(Fault::MissingLogs) && !logs.is_empty() {
                    let left_out = self.state().dice.index(logs.len());
                    logs.remove(left_out);
                }
                Ok(logs)
            }
            Err(error) => Err(error),
        };
        self.pause().await;
        answer
    }

    async fn call(&self, from: Address, call: &Call) -> Result<Bytes, ChainError> {
        let call = call.clone();
        self.read("call", |chain| async move { chain.call(from, &call).await }).await
    }

    async fn code(&self, address: Address) -> Result<Bytes, ChainError> {
        self.read("code", |chain| async move { chain.code(address).await }).await
    }

    async fn balance(&self, address: Address) -> Result<U256, ChainError> {
        self.read("balance", |chain| async move { chain.balance(address).await }).await
    }
}

impl Mempool for Link {
    async fn transaction_count(&self, account: Address, at: At) -> Result<u64, ChainError> {
        self.read("transaction_count", |chain| async move { chain.transaction_count(account, at).await }).await
    }

    async fn fees(&self) -> Result<Fees, ChainError> {
        self.read("fees", |chain| async move { chain.fees().await }).await
    }

    async fn estimate_gas(&self, from: Address, call: &Call) -> Result<u64, ChainError> {
        let call = call.clone();
        self.read("estimate_gas", |chain| async move { chain.estimate_gas(from, &call).await }).await
    }

    async fn send_raw(&self, raw: &Bytes) -> Result<B256, SendError> {
        self.pause().await;
        let fault = self.draw(&Fault::OF_SENDS, SEND_RATE);
        self.state().sent.insert(keccak256(raw));
        let answer = self.hand_over(raw, fault).await;
        let befallen = fault.map(|fault| format!(" ({fault})")).unwrap_or_default();
        self.tell(&format!("send {}{befallen}: {}", short(keccak256(raw)), said(&answer)));
        self.die_if_due();
        self.pause().await;
        answer
    }

    async fn inclusion(&self, transaction: B256) -> Result<Option<Inclusion>, ChainError> {
        self.read("inclusion", |chain| async move { chain.inclusion(transaction).await }).await
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("name", &self.state().name).finish_non_exhaustive()
    }
}

/// A key whose signatures take a while, so that the keeper can be killed before and after.
#[derive(Clone, Debug)]
pub struct Key {
    signer: PrivateKeySigner,
    link: Link,
}

impl Key {
    pub(crate) const fn new(signer: PrivateKeySigner, link: Link) -> Self {
        Self { signer, link }
    }
}

impl Signer for Key {
    fn address(&self) -> Address {
        self.signer.address()
    }

    async fn sign(&self, transaction: TxEip1559) -> Result<Signed, SignerError> {
        self.link.pause().await;
        let (nonce, max_fee, what) = (transaction.nonce, transaction.max_fee_per_gas, name(&transaction.input));
        let signed = Signer::sign(&self.signer, transaction).await?;
        self.link.tell(&format!("sign {what} {} with nonce {nonce} at {max_fee} wei", short(signed.hash)));
        if self.link.chance(50) {
            self.link.die_if_due();
        }
        self.link.pause().await;
        Ok(signed)
    }
}

/// What a keeper calls, or that it calls nothing and uses a nonce up.
fn name(input: &[u8]) -> &'static str {
    let names = [
        (TaskQueue::dispatchCall::SELECTOR, "dispatch"),
        (TaskQueue::wakeCall::SELECTOR, "wake"),
        (TaskQueue::reserveCall::SELECTOR, "reserve"),
        (Task::advanceCall::SELECTOR, "advance"),
        (Task::expireCall::SELECTOR, "expire"),
        (Node::reviewCall::SELECTOR, "review"),
        (Node::absorbCall::SELECTOR, "absorb"),
    ];
    let found = names.into_iter().find(|(selector, _)| input.starts_with(selector));
    found.map_or(if input.is_empty() { "nothing" } else { "something" }, |(_, name)| name)
}

fn unreachable() -> ChainError {
    ChainError::Unreachable { endpoint: Endpoint::local("a bad node"), reason: String::from("no answer") }
}

fn said(answer: &Result<B256, SendError>) -> String {
    answer.as_ref().map_or_else(|error| error.code().to_owned(), |_| String::from("taken"))
}

/// The first bytes of a hash tell the transactions of a run apart.
pub(crate) fn short(hash: B256) -> String {
    hash.to_string().chars().take(10).collect()
}
