//! Reads the past of a network once more, event by event, for those who want to know how something came about.

use alloy::primitives::B256;
use xenon_protocol::{
    chain::{Chain, EventLog, Head, LogFilter, TypedChain as _},
    contracts::NetworkStats,
    deployment::Deployment,
};

use crate::{KeeperConfig, KeeperError, Logged, View, ViewError};

/// Sees every event of a network in the order of the chain.
pub trait Witness {
    /// An event is about to change the view.
    fn before(&mut self, _view: &View, _logged: &Logged, _transaction: B256) {}

    /// An event has changed the view.
    fn after(&mut self, _view: &View, _logged: &Logged) {}
}

/// Nobody watches: only the view is wanted.
impl Witness for () {}

/// The state of a network after a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// The block.
    pub head: Head,
    /// The state after it.
    pub view: View,
}

/// Folds all events of a network from `config.from_block` to the newest block.
///
/// # Errors
/// The chain could not be read, or changed meanwhile ([`KeeperError::Unsettled`]), or its logs contradict each other or
/// what the contracts count.
pub async fn replay<C: Chain>(
    chain: &C,
    contracts: &Deployment,
    config: &KeeperConfig,
    witness: &mut impl Witness,
) -> Result<Replayed, KeeperError> {
    let head = chain.head().await?;
    let mut view = View::new();
    let mut first = config.from_block;
    while first <= head.number {
        let last = head.number.min(first.saturating_add(config.log_range.max(1) - 1));
        for log in logs(chain, contracts, first, last).await? {
            let logged = Logged::decode(&log, contracts).map_err(ViewError::from)?;
            witness.before(&view, &logged, log.transaction_hash);
            view.apply(&logged)?;
            witness.after(&view, &logged);
        }
        first = last + 1;
    }
    confirm(chain, contracts, config, &head, &view).await?;
    Ok(Replayed { head, view })
}

async fn logs<C: Chain>(
    chain: &C,
    contracts: &Deployment,
    first: u64,
    last: u64,
) -> Result<Vec<EventLog>, KeeperError> {
    let mut logs = chain.logs(&LogFilter::of(contracts.addresses(), first, last)).await?;
    logs.sort_by_key(|log| (log.block_number, log.log_index));
    match logs.iter().find(|log| !(first..=last).contains(&log.block_number)) {
        Some(log) => Err(KeeperError::Unsettled { block: log.block_number }),
        None => Ok(logs),
    }
}

/// Whether the newest block is still part of the chain and, if nothing came after it, whether the contracts count what the
/// logs tell.
async fn confirm<C: Chain>(
    chain: &C,
    contracts: &Deployment,
    config: &KeeperConfig,
    head: &Head,
    view: &View,
) -> Result<(), KeeperError> {
    if view.kinds().is_empty() {
        return Err(KeeperError::NoKinds { from_block: config.from_block });
    }
    let overview = chain.view(contracts.stats, &NetworkStats::overviewCall {}).await?;
    if chain.head().await?.hash == head.hash {
        view.agree_with(&overview)?;
    } else if chain.block(head.number).await?.is_none_or(|block| block.hash != head.hash) {
        return Err(KeeperError::Unsettled { block: head.number });
    }
    Ok(())
}
