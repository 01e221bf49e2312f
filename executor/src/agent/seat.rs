//! Finds a node's seat in the chain's logs.

use alloy::primitives::{Address, B256, aliases::U40};
use xenon_protocol::{
    chain::{Chain, EventLog, Head, LogFilter},
    contracts::Task,
};

use super::AgentError;

/// Blocks looked at in one query.
const CHUNK: u64 = 2_000;

/// How far back in time a search goes: longer than a task can wait, which is seven days.
const SEARCH_SECONDS: u64 = 8 * 24 * 3600;

/// A seat, as the chain's logs tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    /// The task's number.
    pub(super) task: u64,
    /// keccak256 of the task's JSON.
    pub(super) task_hash: B256,
    /// The kind that was paid for.
    pub(super) kind: u8,
    /// The size that was paid for, in tokens or images.
    pub(super) size: u32,
    /// When the commitment must be on chain, in seconds since the Unix epoch.
    pub(super) commit_by: u64,
}

impl Seat {
    /// Whether both are seats of one task, not of two tasks of one number on two forks.
    pub(super) fn is_of_same_task(&self, other: &Self) -> bool {
        (self.task, self.task_hash) == (other.task, other.task_hash)
    }
}

/// Who holds the seats of a task from here on, and until when they may commit.
struct Seated {
    task: U40,
    nodes: [u32; 3],
    commit_by: U40,
}

/// The newest seat of `node` up to `head`: one it was drawn for, or one that was taken from another.
pub(super) async fn find<C: Chain>(chain: &C, contract: Address, node: u32, head: &Head) -> Result<Seat, AgentError> {
    let ours = |log: &EventLog| seated(log).filter(|seated| seated.nodes.contains(&node));
    let seats = LogFilter::of([contract], 0, head.number).event::<Task::TaskSeated>().event::<Task::SeatsRefilled>();
    let (block, seated) = newest(chain, seats, ours, || format!("a seat of node {node}")).await?;

    let it = |log: &EventLog| log.decode::<Task::TaskCreated>().filter(|event| event.task == seated.task);
    let creations = LogFilter::of([contract], 0, block).event::<Task::TaskCreated>();
    let (_, created) = newest(chain, creations, it, || format!("the creation of task {}", seated.task)).await?;
    Ok(Seat {
        task: seated.task.to(),
        task_hash: created.taskHash,
        kind: created.kind,
        size: created.size,
        commit_by: seated.commit_by.to(),
    })
}

fn seated(log: &EventLog) -> Option<Seated> {
    if let Some(event) = log.decode::<Task::TaskSeated>() {
        return Some(Seated { task: event.task, nodes: event.nodes, commit_by: event.commitBy });
    }
    let event = log.decode::<Task::SeatsRefilled>()?;
    Some(Seated { task: event.task, nodes: event.nodes, commit_by: event.commitBy })
}

/// The newest event that is `wanted`, and its block, looking back from the filter's last block.
async fn newest<C: Chain, E>(
    chain: &C,
    filter: LogFilter,
    wanted: impl Fn(&EventLog) -> Option<E>,
    what: impl Fn() -> String,
) -> Result<(u64, E), AgentError> {
    let mut last = filter.to_block;
    let oldest = time_of(chain, last).await?.saturating_sub(SEARCH_SECONDS);
    loop {
        let first = last.saturating_sub(CHUNK - 1);
        let logs = chain.logs(&LogFilter { from_block: first, to_block: last, ..filter.clone() }).await?;
        let found = |log: &EventLog| Some((log.block_number, wanted(log)?));
        if let Some(found) = logs.iter().rev().find_map(found) {
            return Ok(found);
        }
        if first == 0 || time_of(chain, first).await? < oldest {
            return Err(AgentError::LogsMissing { what: what(), from_block: first });
        }
        last = first - 1;
    }
}

/// A block that the endpoint does not know (yet) has no time, and ends a search.
async fn time_of<C: Chain>(chain: &C, block: u64) -> Result<u64, AgentError> {
    Ok(chain.block(block).await?.map_or(0, |head| head.timestamp))
}
