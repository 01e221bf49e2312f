//! Several endpoints of one chain as one.
//!
//! One of them is read, and stays so while it is healthy; all of them are asked for the newest block, which shows who lags,
//! who is gone, and who contradicts the others. Transactions go to all of them.

mod fleet;
#[cfg(test)]
mod tests;

use std::{
    cmp::Ordering,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use alloy::primitives::{Address, B256, Bytes, U256};
use futures::{
    future::{BoxFuture, join_all},
    stream::{FuturesUnordered, StreamExt as _},
};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use xenon_protocol::chain::{
    At, Call, Chain, ChainError, Endpoint, EventLog, Fees, Head, Inclusion, LogFilter, Mempool, SendError,
};

use self::fleet::Fleet;
use crate::KeeperError;

/// How long one of several endpoints may take to answer what all are asked. One that takes longer has not answered.
const LOOK_LIMIT: Duration = Duration::from_secs(2);

/// How long the others may still take once one has accepted a transaction.
const SEND_GRACE: Duration = Duration::from_millis(500);

/// When an endpoint is believed to be healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EndpointConfig {
    /// Blocks that one may be behind the freshest.
    pub max_lag: u64,
    /// Looks in a row that must fail, or lag, before one is left.
    pub fail_after: u32,
    /// Looks in a row that must go well before it is used again.
    pub recover_after: u32,
}

impl EndpointConfig {
    /// # Errors
    /// [`KeeperError::Config`] if no endpoint could ever be used with it.
    pub const fn check(&self) -> Result<(), KeeperError> {
        if self.fail_after == 0 || self.recover_after == 0 {
            return Err(KeeperError::Config {
                reason: "endpoints.fail_after and endpoints.recover_after must be 1 or more",
            });
        }
        Ok(())
    }
}

impl Default for EndpointConfig {
    fn default() -> Self {
        Self { max_lag: 3, fail_after: 2, recover_after: 5 }
    }
}

/// Endpoints of one chain. Clones are handles on the same ones.
#[derive(Clone, Debug)]
pub struct Endpoints<C> {
    chain_id: u64,
    config: EndpointConfig,
    shared: Arc<Mutex<Shared<C>>>,
}

#[derive(Debug)]
struct Shared<C> {
    members: Vec<Member<C>>,
    fleet: Fleet,
}

/// One endpoint.
#[derive(Clone, Debug)]
struct Member<C> {
    index: usize,
    endpoint: Endpoint,
    chain: C,
}

impl<C> Member<C> {
    /// An answer, if it comes in time where so many are asked. One that is alone is waited for.
    async fn bounded<T>(
        &self,
        asked: usize,
        answer: impl Future<Output = Result<T, ChainError>>,
    ) -> Result<T, ChainError> {
        if asked < 2 {
            return answer.await;
        }
        timeout(LOOK_LIMIT, answer).await.unwrap_or_else(|_| {
            let reason = format!("no answer within {} s", LOOK_LIMIT.as_secs());
            Err(ChainError::Unreachable { endpoint: self.endpoint.clone(), reason })
        })
    }
}

impl<C: Mempool> Endpoints<C> {
    /// One endpoint, to which others may be [added](Self::add).
    pub fn new(endpoint: Endpoint, chain: C, config: EndpointConfig) -> Self {
        let chain_id = chain.chain_id();
        let members = vec![Member { index: 0, endpoint, chain }];
        Self { chain_id, config, shared: Arc::new(Mutex::new(Shared { members, fleet: Fleet::new(1) })) }
    }

    /// One more endpoint, less preferred than those before it.
    ///
    /// # Errors
    /// [`ChainError::WrongChain`]
    pub fn add(&self, endpoint: Endpoint, chain: C) -> Result<(), ChainError> {
        let (expected, actual) = (self.chain_id, chain.chain_id());
        if expected != actual {
            return Err(ChainError::WrongChain { endpoint, expected, actual });
        }
        let mut shared = self.shared();
        let index = shared.members.len();
        shared.members.push(Member { index, endpoint, chain });
        shared.fleet.add();
        Ok(())
    }

    /// The endpoint that is read.
    pub fn current(&self) -> Endpoint {
        let shared = self.shared();
        shared.members[shared.fleet.current()].endpoint.clone()
    }

    /// How each of them does: the endpoint, whether it is healthy, and whether it is the one that is read.
    pub fn standing(&self) -> Vec<(Endpoint, bool, bool)> {
        let shared = self.shared();
        let fleet = &shared.fleet;
        let standing =
            |member: &Member<C>| (member.endpoint.clone(), fleet.is_up(member.index), fleet.current() == member.index);
        shared.members.iter().map(standing).collect()
    }

    fn shared(&self) -> MutexGuard<'_, Shared<C>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn members(&self) -> Vec<Member<C>> {
        self.shared().members.clone()
    }

    /// Those that are healthy, the one that is read first.
    fn in_order(&self) -> Vec<Member<C>> {
        let shared = self.shared();
        shared.fleet.order().into_iter().map(|index| shared.members[index].clone()).collect()
    }

    /// Reads from the endpoint in use, and from the next one when it does not answer.
    async fn read<T>(
        &self,
        ask: impl for<'a> Fn(&'a C) -> BoxFuture<'a, Result<T, ChainError>>,
    ) -> Result<T, ChainError> {
        let mut last = None;
        for member in self.in_order() {
            match ask(&member.chain).await {
                Err(error) if is_of_endpoint(&error) => {
                    tracing::debug!(code = error.code(), endpoint = %member.endpoint, %error, "asking another endpoint");
                    last = last.or(Some(error));
                }
                answer => return answer,
            }
        }
        Err(last.unwrap_or_else(nobody))
    }

    /// Which of the members tell another story than the one that is read, as far as it goes.
    async fn dissenters(&self, chosen: &Member<C>, head: &Head, looks: &[(Member<C>, Head)]) -> Vec<Member<C>> {
        let differs = async |member: &Member<C>, theirs: &Head| {
            let (ours, theirs) = match theirs.number.cmp(&head.number) {
                Ordering::Greater => {
                    (Some(*head), member.bounded(looks.len(), member.chain.block(head.number)).await.ok()?)
                }
                Ordering::Less => {
                    (chosen.bounded(looks.len(), chosen.chain.block(theirs.number)).await.ok()?, Some(*theirs))
                }
                Ordering::Equal => (Some(*head), Some(*theirs)),
            };
            (ours?.hash != theirs?.hash).then(|| member.clone())
        };
        let others = looks.iter().filter(|(member, _)| member.index != chosen.index);
        join_all(others.map(|(member, theirs)| differs(member, theirs))).await.into_iter().flatten().collect()
    }

    /// Puts down those that most contradict. If they are not fewer than the others nobody is believed.
    fn judge(&self, chosen: &Member<C>, head: &Head, dissenters: &[Member<C>], asked: usize) -> Result<(), ChainError> {
        let Some(first) = dissenters.first() else { return Ok(()) };
        if dissenters.len() * 2 < asked {
            for member in dissenters {
                if self.shared().fleet.is_up(member.index) {
                    tracing::warn!(code = "XK-140", endpoint = %member.endpoint, block = head.number, "it contradicts the others: left");
                }
                self.shared().fleet.distrust(member.index, self.config);
            }
            return Ok(());
        }
        if dissenters.len() + 1 == asked && asked > 2 {
            self.shared().fleet.distrust(chosen.index, self.config);
        }
        let what = format!("block {}", head.number);
        Err(ChainError::Contradiction { first: chosen.endpoint.clone(), second: first.endpoint.clone(), what })
    }
}

/// Whether an error is one of the endpoint and not an answer.
const fn is_of_endpoint(error: &ChainError) -> bool {
    matches!(error, ChainError::Unreachable { .. } | ChainError::Rejected { .. } | ChainError::Malformed { .. })
}

fn nobody() -> ChainError {
    ChainError::Unreachable { endpoint: Endpoint::local("any endpoint"), reason: String::from("none is healthy") }
}

impl<C: Mempool> Chain for Endpoints<C> {
    fn chain_id(&self) -> u64 {
        self.chain_id
    }

    async fn head(&self) -> Result<Head, ChainError> {
        let members = self.members();
        let asked = members.len();
        let looks = join_all(members.iter().map(|member| member.bounded(asked, member.chain.head()))).await;
        let numbers: Vec<_> = looks.iter().map(|look| look.as_ref().ok().map(|head| head.number)).collect();
        let chosen = self.shared().fleet.observe(&numbers, self.config);
        let mut answered = Vec::new();
        let mut failure = None;
        for (member, look) in members.into_iter().zip(looks) {
            match look {
                Ok(head) => answered.push((member, head)),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        let found = answered.iter().find(|(member, _)| Some(member.index) == chosen).cloned();
        let Some((chosen, head)) = found else { return Err(failure.unwrap_or_else(nobody)) };
        let dissenters = self.dissenters(&chosen, &head, &answered).await;
        self.judge(&chosen, &head, &dissenters, answered.len())?;
        Ok(head)
    }

    async fn block(&self, number: u64) -> Result<Option<Head>, ChainError> {
        self.read(|chain| Box::pin(chain.block(number))).await
    }

    async fn logs(&self, filter: &LogFilter) -> Result<Vec<EventLog>, ChainError> {
        let filter = filter.clone();
        self.read(move |chain| {
            let filter = filter.clone();
            Box::pin(async move { chain.logs(&filter).await })
        })
        .await
    }

    async fn call(&self, from: Address, call: &Call) -> Result<Bytes, ChainError> {
        let call = call.clone();
        self.read(move |chain| {
            let call = call.clone();
            Box::pin(async move { chain.call(from, &call).await })
        })
        .await
    }

    async fn code(&self, address: Address) -> Result<Bytes, ChainError> {
        self.read(move |chain| Box::pin(chain.code(address))).await
    }

    async fn balance(&self, address: Address) -> Result<U256, ChainError> {
        self.read(move |chain| Box::pin(chain.balance(address))).await
    }
}

impl<C: Mempool> Mempool for Endpoints<C> {
    async fn transaction_count(&self, account: Address, at: At) -> Result<u64, ChainError> {
        self.read(move |chain| Box::pin(chain.transaction_count(account, at))).await
    }

    async fn fees(&self) -> Result<Fees, ChainError> {
        self.read(|chain| Box::pin(chain.fees())).await
    }

    async fn estimate_gas(&self, from: Address, call: &Call) -> Result<u64, ChainError> {
        let call = call.clone();
        self.read(move |chain| {
            let call = call.clone();
            Box::pin(async move { chain.estimate_gas(from, &call).await })
        })
        .await
    }

    /// Handed to all, healthy or not: one that includes it is enough.
    async fn send_raw(&self, raw: &Bytes) -> Result<B256, SendError> {
        let members = self.members();
        let mut answers: FuturesUnordered<_> = members.iter().map(|member| member.chain.send_raw(raw)).collect();
        let mut refusal = None;
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(hash) => {
                    // One that hangs is not waited for.
                    let _ = timeout(SEND_GRACE, answers.count()).await;
                    return Ok(hash);
                }
                Err(error) => refusal = Some(more_telling(refusal, error)),
            }
        }
        Err(refusal.unwrap_or_else(|| nobody().into()))
    }

    /// What one healthy endpoint has found, unless another has found it in another block.
    async fn inclusion(&self, transaction: B256) -> Result<Option<Inclusion>, ChainError> {
        let members = self.in_order();
        let answers =
            join_all(members.iter().map(|member| member.bounded(members.len(), member.chain.inclusion(transaction))))
                .await;
        let (mut found, mut failure, mut has_answer): (Option<(&Endpoint, Inclusion)>, _, _) = (None, None, false);
        for (member, answer) in members.iter().zip(answers) {
            match (answer, &found) {
                (Err(error), _) => failure = failure.or(Some(error)),
                (Ok(None), _) => has_answer = true,
                (Ok(Some(inclusion)), None) => found = Some((&member.endpoint, inclusion)),
                (Ok(Some(inclusion)), Some((first, known))) => {
                    agree(transaction, (first, known), (&member.endpoint, &inclusion))?;
                }
            }
        }
        match (found, failure) {
            (Some((_, inclusion)), _) => Ok(Some(inclusion)),
            (None, Some(error)) if !has_answer => Err(error),
            _ => Ok(None),
        }
    }
}

/// Of two refusals the one that says that a node has the transaction, else the first.
fn more_telling(first: Option<SendError>, second: SendError) -> SendError {
    match first {
        Some(first) if !matches!(second, SendError::AlreadyKnown { .. }) => first,
        _ => second,
    }
}

/// Whether two endpoints found a transaction in the same block, with the same outcome.
fn agree(
    transaction: B256,
    (first, known): (&Endpoint, &Inclusion),
    (second, other): (&Endpoint, &Inclusion),
) -> Result<(), ChainError> {
    let told = |inclusion: &Inclusion| (inclusion.block_hash, inclusion.succeeded, inclusion.gas_used);
    if told(known) == told(other) {
        return Ok(());
    }
    let what = format!("transaction {transaction}");
    Err(ChainError::Contradiction { first: first.clone(), second: second.clone(), what })
}
