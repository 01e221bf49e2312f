//! How much more memory the tasks of a model take than is reckoned from its files.

/// What a task is at least reckoned to take once memory ran out, in bytes: a folder may say nothing about its sizes.
const LEAST: u64 = 32 << 20;

/// Doublings at most. More would be a million times what the files say.
const MOST: u32 = 20;

/// How often memory ran out in a task of a model. Each time doubles what its tasks are reckoned to take, so that small
/// ones still fit where a large one did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Estimate {
    doublings: u32,
}

impl Estimate {
    /// Memory ran out once more.
    pub(super) fn raise(&mut self) {
        self.doublings = (self.doublings + 1).min(MOST);
    }

    /// What a task takes that is reckoned to take `bytes`.
    pub(super) fn of(self, bytes: u64) -> u64 {
        if self.doublings == 0 { bytes } else { bytes.max(LEAST).saturating_mul(1 << self.doublings) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_is_added_before_memory_ran_out() {
        assert_eq!([0, 7, u64::MAX].map(|bytes| Estimate::default().of(bytes)), [0, 7, u64::MAX]);
    }

    #[test]
    fn each_time_doubles_and_small_tasks_stay_small() {
        let mut estimate = Estimate::default();
        estimate.raise();
        assert_eq!([0, LEAST, 3 * LEAST].map(|bytes| estimate.of(bytes)), [2 * LEAST, 2 * LEAST, 6 * LEAST]);
        estimate.raise();
        assert_eq!(estimate.of(LEAST), 4 * LEAST);
    }

    proptest! {
        #[test]
        fn no_estimate_overflows_or_shrinks(bytes: u64, times in 0_u32..100) {
            let mut estimate = Estimate::default();
            (0..times).for_each(|_| estimate.raise());
            prop_assert!(estimate.of(bytes) >= bytes);
        }
    }
}
