use std::collections::BTreeMap;

use alloy::primitives::keccak256;

use crate::{ClassId, KindId, NodeId, TaskId};

/// Observations kept of a kind in each epoch.
pub const SAMPLE: usize = 256;

/// Seconds of an epoch: the time between two changes of a kind's durations.
pub const EPOCH: u64 = 24 * 3600;

/// A seat, from its seating to its holder's commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The task.
    pub task: TaskId,
    /// Who held the seat.
    pub node: NodeId,
    /// The task's kind.
    pub kind: KindId,
    /// The node's class.
    pub class: Option<ClassId>,
    /// The task's units.
    pub size: u32,
    /// How long it took, in milliseconds: as exact as blocks are close to each other.
    pub ms: u32,
    /// When it ended, in Unix seconds.
    pub at: u64,
}

/// An equally likely choice from the observations of the newest epoch and the one before.
///
/// Of each epoch those are kept whose hashes are lowest ("bottom-k": E. Cohen and H. Kaplan, PODC 2007), so that the choice
/// depends on what was observed and not on when it was learned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sample {
    epochs: BTreeMap<u64, BTreeMap<u64, Observation>>,
}

impl Sample {
    pub(super) fn add(&mut self, observation: Observation) {
        let chosen = self.epochs.entry(observation.at / EPOCH).or_default();
        chosen.insert(lot(&observation), observation);
        if chosen.len() > SAMPLE {
            chosen.pop_last();
        }
        while self.is_old() {
            self.epochs.pop_first();
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Observation> {
        self.epochs.values().flat_map(BTreeMap::values)
    }

    /// Whether the oldest epoch is neither the newest nor the one before.
    fn is_old(&self) -> bool {
        let ends = self.epochs.first_key_value().zip(self.epochs.last_key_value());
        ends.is_some_and(|((first, _), (last, _))| first + 1 < *last)
    }
}

fn lot(observation: &Observation) -> u64 {
    let seat = [observation.task.0.to_be_bytes(), u64::from(observation.node.0).to_be_bytes()].concat();
    u64::from_be_bytes(std::array::from_fn(|at| keccak256(&seat)[at]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn observation(task: u64, at: u64) -> Observation {
        let (node, kind) = (NodeId(1), KindId(0));
        Observation { task: TaskId(task), node, kind, class: None, size: 1, ms: 1, at }
    }

    #[test]
    fn no_more_than_two_epochs_of_bounded_size_are_kept() {
        let mut sample = Sample::default();
        for task in 0..6_000 {
            sample.add(observation(task, task * EPOCH / 1_000));
        }
        assert_eq!(sample.iter().count(), 2 * SAMPLE);
        assert!(sample.iter().all(|seen| seen.at >= 4 * EPOCH));
        sample.add(observation(7_000, 9 * EPOCH));
        assert_eq!(sample.iter().count(), 1);
        sample.add(observation(7_001, 7 * EPOCH));
        assert_eq!(sample.iter().count(), 1, "what is learned late is too old");
    }

    #[test]
    fn every_part_of_an_epoch_has_its_share() {
        let mut sample = Sample::default();
        for task in 0..10_000 {
            sample.add(observation(task, task));
        }
        let early = sample.iter().filter(|seen| seen.task.0 < 5_000).count();
        assert!((90..=166).contains(&early), "{early} of {SAMPLE} are of the first half");
    }

    proptest! {
        #[test]
        fn order_of_observations_does_not_matter(
            tasks in prop::collection::btree_set((0..2_000u64, 0..4u64), 1..800), turn in any::<prop::sample::Index>(),
        ) {
            let tasks: BTreeMap<_, _> = tasks.into_iter().collect();
            let mut observed: Vec<_> = tasks.into_iter().map(|(task, day)| observation(task, day * EPOCH)).collect();
            let learned = |observed: &[Observation]| {
                let mut sample = Sample::default();
                for seen in observed {
                    sample.add(*seen);
                }
                sample
            };
            let first = learned(&observed);
            let at = turn.index(observed.len());
            observed.rotate_left(at);
            prop_assert_eq!(&first, &learned(&observed));
            observed.reverse();
            prop_assert_eq!(&first, &learned(&observed));
        }
    }
}
