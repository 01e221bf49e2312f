//! Telling the owner of the contracts which durations should change.

use std::collections::BTreeMap;

use tracing::info;
use xenon_protocol::{chain::Head, deployment::Deployment};

use crate::{
    KindId, View,
    estimate::{Effect, Estimator, Proposal},
};

/// Seconds of the chain's time between two looks at what was learned.
const INTERVAL: u64 = 3600;

/// What the owner was told.
#[derive(Debug, Default)]
pub(super) struct Advice {
    looked_in: u64,
    told: BTreeMap<KindId, Proposal>,
}

impl Advice {
    /// Once an hour, tells each change of durations that the observations call for, what it would do to the order, and
    /// the call that makes it. Each is told once.
    pub(super) fn give(&mut self, estimator: &Estimator, view: &View, head: &Head, contracts: &Deployment) {
        for proposal in self.news(estimator, view, head) {
            let call = proposal.call(contracts);
            let effect = Effect::of(&proposal, view);
            info!(code = "XK-047", %proposal, %effect, to = %call.to, data = %call.data, "durations should change");
        }
    }

    /// Changes that are called for and were not told.
    fn news(&mut self, estimator: &Estimator, view: &View, head: &Head) -> Vec<Proposal> {
        if std::mem::replace(&mut self.looked_in, head.timestamp / INTERVAL) == head.timestamp / INTERVAL {
            return Vec::new();
        }
        let kinds = view.kinds().keys();
        let called_for = kinds.filter_map(|kind| estimator.proposal(view, *kind, head.timestamp).ok());
        called_for.filter(|proposal| self.told.insert(proposal.kind, *proposal) != Some(*proposal)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NodeId, TaskId, estimate::Observation, fixture::Network};

    #[test]
    fn each_change_is_told_once_and_looked_for_once_an_hour() {
        let (mut network, mut estimator, mut advice) = (Network::new(), Estimator::new(), Advice::default());
        network.pass(INTERVAL);
        let mut news =
            |estimator: &Estimator, network: &Network| advice.news(estimator, &network.view, &network.head());
        assert_eq!(news(&estimator, &network), []);
        for size in 1..=200 {
            let (task, node, kind) = (TaskId(size.into()), NodeId(1), KindId(0));
            estimator.learn(Observation { task, node, kind, class: None, size, ms: 1_500 * size, at: network.block });
        }
        assert_eq!(news(&estimator, &network), [], "it looked in this hour");
        network.pass(INTERVAL);
        let told = news(&estimator, &network);
        let expected = Proposal { kind: KindId(0), overhead_ms: 0, ms_per_unit: 1_500.try_into().unwrap() };
        assert_eq!(told, [expected]);
        network.pass(INTERVAL);
        assert_eq!(news(&estimator, &network), [], "it was told");
    }
}
