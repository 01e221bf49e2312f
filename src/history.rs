//! The history of tasks from chain data alone: a fold of the contracts' events.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, U256};
pub(crate) use xenon_keeper::explain::ending_name;
use xenon_protocol::{
    chain::{Chain, ChainError, EventLog, LogFilter},
    contracts::{Ending, Task, TaskQueue},
    deployment::Deployment,
    error_code,
    value::ValueRate,
};

/// One task, from its creation to its end. Blocks are block numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TaskHistory {
    pub(crate) id: u64,
    pub(crate) creator: Address,
    pub(crate) kind: u8,
    pub(crate) task_hash: B256,
    pub(crate) size: u32,
    pub(crate) fee: U256,
    pub(crate) value: ValueRate,
    pub(crate) created: u64,
    pub(crate) drawn: Option<u64>,
    pub(crate) seated: Option<Seated>,
    pub(crate) commits: Vec<(u32, u64)>,
    /// Since when results are shown.
    pub(crate) reveal_opened: Option<u64>,
    pub(crate) reveals: Vec<(u32, B256, u64)>,
    pub(crate) settled: Option<Settled>,
    pub(crate) delivered: Option<Delivered>,
    /// Left the queue without nodes, or ended without delivery.
    pub(crate) closed: Option<(u64, &'static str, U256)>,
}

/// The nodes were chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seated {
    pub(crate) block: u64,
    /// Its place among the logs of the block.
    pub(crate) log_index: u64,
    pub(crate) nodes: [u32; 3],
    pub(crate) keeper: Address,
    /// All that was paid for turning the crank of this task.
    pub(crate) crank_reward: U256,
}

/// The votes were compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) block: u64,
    pub(crate) ending: Ending,
    pub(crate) result: B256,
    pub(crate) agreeing: [bool; 3],
    pub(crate) shares: [U256; 3],
    pub(crate) refund: U256,
    pub(crate) deliverer: usize,
}

/// The content is at the relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub(crate) block: u64,
    pub(crate) node: u32,
    pub(crate) content: B256,
    pub(crate) paid: U256,
}

/// The histories of all tasks, by number.
pub(crate) type Histories = BTreeMap<u64, TaskHistory>;

impl TaskHistory {
    /// One word for where the task stands.
    pub(crate) fn status(&self) -> &'static str {
        if let Some((_, how, _)) = self.closed {
            return how;
        }
        match (&self.settled, &self.seated) {
            (Some(settled), _) if settled.ending != Ending::Agreed => ending_name(settled.ending),
            (Some(_), _) if self.delivered.is_some() => "delivered",
            (Some(_), _) => "awaiting delivery",
            (None, Some(_)) if self.reveal_opened.is_some() => "revealing",
            (None, Some(_)) => "computing",
            (None, None) if self.drawn.is_some() => "drawn",
            (None, None) => "queued",
        }
    }

    /// Whether nothing more will happen.
    pub(crate) fn is_over(&self) -> bool {
        let aborted = self.settled.as_ref().is_some_and(|settled| settled.ending != Ending::Agreed);
        self.delivered.is_some() || self.closed.is_some() || aborted
    }

    /// Why the task gave no answer, in words, if it gave none.
    pub(crate) fn failure(&self) -> Option<String> {
        if let Some((_, how, _)) = self.closed {
            return Some(how.to_owned());
        }
        let settled = self.settled.as_ref().filter(|settled| settled.ending != Ending::Agreed)?;
        let codes: Vec<_> = self.reveals.iter().filter_map(|(_, result, _)| error_code::decode(*result)).collect();
        let name = ending_name(settled.ending);
        Some(match codes.first() {
            Some(code) if settled.ending == Ending::Failed => format!("all nodes report: {code}"),
            Some(code) => format!("{name} (a node reports: {code})"),
            None => name.to_owned(),
        })
    }

    /// Every block in which something happened to the task.
    pub(crate) fn blocks(&self) -> Vec<u64> {
        let stages = [
            Some(self.created),
            self.drawn,
            self.seated.as_ref().map(|seated| seated.block),
            self.reveal_opened,
            self.settled.as_ref().map(|settled| settled.block),
            self.delivered.as_ref().map(|delivered| delivered.block),
            self.closed.map(|(block, _, _)| block),
        ];
        let votes = self.commits.iter().map(|(_, block)| *block).chain(self.reveals.iter().map(|(_, _, block)| *block));
        stages.into_iter().flatten().chain(votes).collect()
    }

    /// What each node was credited, in wei: its share, or what it got for the delivery.
    pub(crate) fn payments(&self) -> Vec<(u32, U256)> {
        let (Some(seated), Some(settled)) = (&self.seated, &self.settled) else { return Vec::new() };
        let held = (settled.ending == Ending::Agreed).then_some(settled.deliverer);
        let share = |seat: usize| if held == Some(seat) { U256::ZERO } else { settled.shares[seat] };
        let mut rows: Vec<_> = seated.nodes.iter().enumerate().map(|(seat, node)| (*node, share(seat))).collect();
        if let Some(delivered) = &self.delivered {
            rows.iter_mut().filter(|(node, _)| *node == delivered.node).for_each(|(_, wei)| *wei += delivered.paid);
        }
        rows
    }

    /// What went back to the creator, in wei.
    pub(crate) fn refund(&self) -> U256 {
        let unearned = self.settled.as_ref().map_or(U256::ZERO, |settled| settled.refund);
        let closed = self.closed.map_or(U256::ZERO, |(_, _, refund)| refund);
        unearned + closed
    }

    fn new(event: &Task::TaskCreated, block: u64) -> Self {
        Self {
            id: event.task.to(),
            creator: event.creator,
            kind: event.kind,
            task_hash: event.taskHash,
            size: event.size,
            fee: U256::from(event.fee),
            value: ValueRate::from_raw(event.value),
            created: block,
            drawn: None,
            seated: None,
            commits: Vec::new(),
            reveal_opened: None,
            reveals: Vec::new(),
            settled: None,
            delivered: None,
            closed: None,
        }
    }

    fn apply(&mut self, event: Task::TaskEvents, log: &EventLog) {
        use Task::TaskEvents as E;
        let (block, log_index) = (log.block_number, log.log_index);
        match event {
            E::TaskSeated(e) => {
                let crank_reward = U256::from(e.crankReward);
                self.seated = Some(Seated { block, log_index, nodes: e.nodes, keeper: e.keeper, crank_reward });
            }
            E::Committed(e) => self.commits.push((e.node, block)),
            E::RevealOpened(_) => self.reveal_opened = Some(block),
            E::Revealed(e) => self.reveals.push((e.node, e.result, block)),
            E::TaskSettled(e) => self.settled = Some(settled(&e, block)),
            E::Delivered(e) => {
                let paid = U256::from(e.paid);
                self.delivered = Some(Delivered { block, node: e.node, content: e.content, paid });
            }
            E::SeatsRefilled(e) => {
                if let Some(seated) = &mut self.seated {
                    seated.nodes = e.nodes;
                    seated.crank_reward += U256::from(e.crankReward);
                }
            }
            E::Advanced(e) => {
                if let Some(seated) = &mut self.seated {
                    seated.crank_reward += U256::from(e.crankReward);
                }
            }
            E::Undelivered(e) => {
                let refund = if e.to == self.creator { U256::from(e.amount) } else { U256::ZERO };
                self.closed = Some((block, "undelivered", refund));
            }
            E::TaskWithdrawn(e) => {
                let how = Ending::try_from(e.ending).map_or("withdrawn", ending_name);
                self.closed = Some((block, how, U256::from(e.refund)));
            }
            _ => {}
        }
    }
}

fn settled(event: &Task::TaskSettled, block: u64) -> Settled {
    Settled {
        block,
        ending: Ending::try_from(event.ending).unwrap_or(Ending::None),
        result: event.result,
        agreeing: event.agreeing,
        shares: event.shares.map(U256::from),
        refund: U256::from(event.refund),
        deliverer: usize::from(event.deliverer),
    }
}

/// Reads the histories of all tasks created from `from_block` on.
pub(crate) async fn read(chain: &impl Chain, network: &Deployment, from_block: u64) -> Result<Histories, ChainError> {
    let head = chain.head().await?.number;
    let logs = chain.logs(&LogFilter::of([network.task, network.queue], from_block, head)).await?;
    Ok(fold(network, &logs))
}

/// Reads the history of one task; `None` if it was not created from `from_block` on.
pub(crate) async fn read_one(
    chain: &impl Chain,
    network: &Deployment,
    from_block: u64,
    id: u64,
) -> Result<Option<TaskHistory>, ChainError> {
    let head = chain.head().await?.number;
    let about = LogFilter::of([network.task, network.queue], from_block, head).about(B256::from(U256::from(id)));
    let logs = chain.logs(&about).await?;
    Ok(fold(network, &logs).remove(&id))
}

/// The histories that `logs`, in chain order, tell.
pub(crate) fn fold(network: &Deployment, logs: &[EventLog]) -> Histories {
    let mut all = Histories::new();
    for log in logs {
        if log.address == network.queue {
            note_draw(&mut all, log);
        } else if let Some(event) = log.decode_any::<Task::TaskEvents>() {
            note(&mut all, event, log);
        }
    }
    all
}

fn note_draw(all: &mut Histories, log: &EventLog) {
    if let Some(drawn) = log.decode::<TaskQueue::TaskDrawn>() {
        if let Some(task) = all.get_mut(&drawn.task.to()) {
            task.drawn = Some(log.block_number);
        }
    } else if let Some(back) = log.decode::<TaskQueue::TaskRequeued>()
        && let Some(task) = all.get_mut(&back.task.to())
    {
        task.drawn = None;
    }
}

fn note(all: &mut Histories, event: Task::TaskEvents, log: &EventLog) {
    if let Task::TaskEvents::TaskCreated(created) = &event {
        let task = TaskHistory::new(created, log.block_number);
        all.insert(task.id, task);
    } else if let Some(task) = task_of(&event).and_then(|id| all.get_mut(&id)) {
        task.apply(event, log);
    }
}

/// The task an event is about, if it is about one.
fn task_of(event: &Task::TaskEvents) -> Option<u64> {
    use Task::TaskEvents as E;
    let id = match event {
        E::TaskSeated(e) => e.task,
        E::SeatsRefilled(e) => e.task,
        E::Advanced(e) => e.task,
        E::Committed(e) => e.task,
        E::RevealOpened(e) => e.task,
        E::Revealed(e) => e.task,
        E::TaskSettled(e) => e.task,
        E::Delivered(e) => e.task,
        E::Undelivered(e) => e.task,
        E::TaskWithdrawn(e) => e.task,
        _ => return None,
    };
    Some(id.to())
}

#[cfg(test)]
mod tests {
    use alloy::{
        primitives::aliases::{U40, U96},
        sol_types::SolEvent,
    };

    use super::*;

    const TASK: U40 = U40::ONE;

    fn log(network: &Deployment, index: u64, event: &impl SolEvent) -> EventLog {
        let (topics, data) = event.encode_log_data().split();
        EventLog {
            address: network.task,
            topics,
            data,
            block_number: index,
            block_hash: B256::ZERO,
            transaction_hash: B256::ZERO,
            log_index: 0,
        }
    }

    fn created() -> Task::TaskCreated {
        Task::TaskCreated {
            task: TASK,
            creator: Address::ZERO,
            kind: 0,
            taskHash: B256::repeat_byte(1),
            size: 1,
            minVram: 0,
            requiredClass: 0,
            fee: U96::ONE,
            value: U256::ONE,
            expiresAt: U40::from(9),
        }
    }

    #[test]
    fn a_task_that_goes_on_with_two_commitments_is_revealing() {
        let network = Deployment::of(Address::ZERO, 1);
        let (keeper, nodes, class) = (Address::ZERO, [1, 2, 3], 1);
        let seated =
            Task::TaskSeated { task: TASK, nodes, class, commitBy: U40::from(9), keeper, crankReward: U96::ZERO };
        let mut logs = vec![log(&network, 1, &created())];
        let status = |logs: &[EventLog]| fold(&network, logs)[&1].status();
        assert_eq!(status(&logs), "queued");
        logs.push(log(&network, 2, &seated));
        for (block, node) in [(3, 1), (4, 3)] {
            logs.push(log(&network, block, &Task::Committed { task: TASK, node, commitment: B256::ZERO }));
            assert_eq!(status(&logs), "computing");
        }
        logs.push(log(&network, 5, &Task::RevealOpened { task: TASK, revealBy: U40::from(9) }));
        assert_eq!(status(&logs), "revealing");
        assert_eq!(fold(&network, &logs)[&1].blocks(), [1, 2, 5, 3, 4]);
    }
}
