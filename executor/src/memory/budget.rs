//! Which loaded models make room for a task, or that there is none.

use thiserror::Error;
use xenon_protocol::task::ModelId;

use super::Demand;

/// A task needs more memory than there is, whatever is unloaded for it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "XE-090: {model} needs {} MiB of memory for this task and {} MiB can be had; run smaller models or tasks, or give the node more memory",
    needed >> 20, free >> 20
)]
pub struct DoesNotFit {
    /// The model that the task is for.
    pub model: ModelId,
    /// What it needs, in bytes.
    pub needed: u64,
    /// What it could have, in bytes.
    pub free: u64,
}

impl DoesNotFit {
    /// The stable code of this error.
    pub const CODE: &str = "XE-090";
}

/// A model that is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resident {
    /// Which one.
    pub model: ModelId,
    /// What it takes, in bytes.
    pub bytes: u64,
    /// When it was last used: a count that rises with every task.
    pub used: u64,
}

/// The most memory that models may take together, in bytes. It is lowered when the machine proves to have less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    bytes: u64,
}

impl Budget {
    /// Of so many bytes.
    pub const fn new(bytes: u64) -> Self {
        Self { bytes }
    }

    /// The most that models may take together.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Notes that the machine did not have `taken` bytes: from now on a tenth less than that is all there is.
    /// Returns whether that is less than before.
    pub const fn lower(&mut self, taken: u64) -> bool {
        let bytes = taken - taken / 10;
        let is_less = bytes < self.bytes;
        if is_less {
            self.bytes = bytes;
        }
        is_less
    }

    /// The models to unload so that `model` can have what it demands, the longest unused first; none if there is room.
    /// `free` is what the system has left now, if it says.
    ///
    /// # Errors
    /// [`DoesNotFit`] if it would not, even with all others unloaded.
    pub fn room_for(
        &self,
        model: &ModelId,
        demand: Demand,
        loaded: &[Resident],
        free: Option<u64>,
    ) -> Result<Vec<ModelId>, DoesNotFit> {
        let own = loaded.iter().find(|resident| resident.model == *model).map_or(0, |resident| resident.bytes);
        let new = demand.total().saturating_sub(own);
        let mut others: Vec<_> = loaded.iter().filter(|resident| resident.model != *model).collect();
        others.sort_by_key(|resident| resident.used);
        let mut taken = others.iter().fold(own, |sum, resident| sum.saturating_add(resident.bytes));
        let mut free = free.unwrap_or(u64::MAX);
        let mut unloaded = Vec::new();
        for resident in others {
            if fits(new, self.bytes, taken, free) {
                break;
            }
            taken = taken.saturating_sub(resident.bytes);
            free = free.saturating_add(resident.bytes);
            unloaded.push(resident.model.clone());
        }
        if fits(new, self.bytes, taken, free) {
            return Ok(unloaded);
        }
        let free = free.min(self.bytes.saturating_sub(taken)).saturating_add(own);
        Err(DoesNotFit { model: model.clone(), needed: demand.total(), free })
    }
}

const fn fits(new: u64, budget: u64, taken: u64, free: u64) -> bool {
    new <= free && taken.saturating_add(new) <= budget
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(number: u64) -> ModelId {
        format!("a/m{number}@1").parse().unwrap()
    }

    fn resident(number: u64, bytes: u64, used: u64) -> Resident {
        Resident { model: id(number), bytes, used }
    }

    fn needing(model: u64, task: u64) -> Demand {
        Demand { model, task }
    }

    #[test]
    fn what_never_fits_is_refused_by_name_and_number() {
        let error = Budget::new(100 << 20).room_for(&id(1), needing(90 << 20, 20 << 20), &[], None).unwrap_err();
        assert_eq!((error.needed >> 20, error.free >> 20), (110, 100));
        assert!(error.to_string().starts_with("XE-090: a/m1@1 needs 110 MiB"), "{error}");
    }

    #[test]
    fn a_budget_does_not_make_memory() {
        assert!(Budget::new(u64::MAX).room_for(&id(1), needing(60, 0), &[], Some(59)).is_err());
    }

    #[test]
    fn the_longest_unused_models_make_room_and_no_more_than_needed() {
        let loaded = [resident(1, 30, 7), resident(2, 30, 5), resident(3, 30, 6)];
        let room = |needed| Budget::new(100).room_for(&id(4), needing(needed, 0), &loaded, None);
        assert_eq!(room(10).unwrap(), []);
        assert_eq!(room(11).unwrap(), [id(2)]);
        assert_eq!(room(41).unwrap(), [id(2), id(3)]);
        assert_eq!(room(100).unwrap(), [id(2), id(3), id(1)]);
        assert!(room(101).is_err());
    }

    #[test]
    fn a_loaded_model_is_not_counted_twice_and_never_makes_room_for_itself() {
        let loaded = [resident(1, 60, 1), resident(2, 30, 2)];
        let room = |task| Budget::new(100).room_for(&id(1), needing(60, task), &loaded, None);
        assert_eq!(room(10).unwrap(), []);
        assert_eq!(room(40).unwrap(), [id(2)]);
        assert!(room(41).is_err());
    }

    #[test]
    fn models_beyond_a_lowered_budget_go_even_for_a_task_that_needs_nothing_new() {
        let loaded = [resident(1, 60, 2), resident(2, 30, 1)];
        assert_eq!(Budget::new(80).room_for(&id(1), needing(60, 0), &loaded, None).unwrap(), [id(2)]);
    }

    #[test]
    fn a_budget_is_only_ever_lowered() {
        let mut budget = Budget::new(100);
        assert!(!budget.lower(200));
        assert_eq!(budget.bytes(), 100);
        assert!(budget.lower(100));
        assert_eq!(budget.bytes(), 90);
    }

    proptest! {
        /// What is let in fits, by both counts, once what was named is gone.
        #[test]
        fn what_is_let_in_fits(
            budget in 0_u64..500, free in 0_u64..500, demand in 0_u64..500,
            loaded in prop::collection::vec((0_u64..100, 0_u64..10), 0..6),
        ) {
            let loaded: Vec<_> =
                (0..).zip(loaded).map(|(number, (bytes, used))| resident(number, bytes, used)).collect();
            let sum = |residents: &mut dyn Iterator<Item = &Resident>| residents.map(|resident| resident.bytes).sum::<u64>();
            let all = sum(&mut loaded.iter());
            let room = Budget::new(budget).room_for(&id(99), needing(demand, 0), &loaded, Some(free));
            let Ok(gone) = room else {
                prop_assert!(demand > budget || demand > free + all);
                return Ok(());
            };
            let freed = sum(&mut loaded.iter().filter(|resident| gone.contains(&resident.model)));
            prop_assert!(demand <= free + freed && all - freed + demand <= budget);
        }
    }
}
