use serde::{Deserialize, Serialize};

use crate::TaskId;

/// The end of a task's stage and the task, of 40 bits each as in the contracts: ordered by time, then by task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Due([u16; 5]);

/// The most that 40 bits hold.
const MOST: u64 = (1 << 40) - 1;

impl Due {
    /// An end, in Unix seconds. What lies beyond the contracts' time ends with it.
    #[allow(clippy::cast_possible_truncation, reason = "one word after the other")]
    pub(super) fn new(at: u64, task: TaskId) -> Self {
        let both = (u128::from(at.min(MOST)) << 40) | u128::from(task.0.min(MOST));
        Self([4, 3, 2, 1, 0].map(|word| (both >> (u16::BITS * word)) as u16))
    }

    /// The task.
    #[allow(clippy::cast_possible_truncation, reason = "40 bits of it")]
    pub(super) fn task(self) -> TaskId {
        let both = self.0.into_iter().fold(0u128, |both, word| (both << u16::BITS) | u128::from(word));
        TaskId((both & u128::from(MOST)) as u64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ends_are_ordered_by_time_and_then_by_task(a in (0..=MOST, 0..=MOST), b in (0..=MOST, 0..=MOST), same in any::<bool>()) {
            let b = if same { (a.0, b.1) } else { b };
            let end = |(at, task)| Due::new(at, TaskId(task));
            prop_assert_eq!(end(a).cmp(&end(b)), a.cmp(&b));
            prop_assert_eq!(end(a).task(), TaskId(a.1));
            prop_assert!(Due::new(MOST + 1 + b.0, TaskId(a.1)) >= end(a));
        }
    }
}
