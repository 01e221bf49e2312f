//! How many suitable nodes must be free before a task is drawn for them. Mirrors `contracts/libraries/PoolFloor.sol`.

/// The floor of a small network.
const LEAST: u32 = 3;

/// The floor of a large one.
const MOST: u32 = 32;

/// Active nodes for each node of the floor beyond the first three.
const PER_NODE: u32 = 16;

/// The floor for a number of active nodes.
pub fn floor_of(active: u32) -> u32 {
    active.checked_sub(LEAST).map_or(LEAST, |more| (LEAST + more / PER_NODE).min(MOST))
}

/// The tasks that so many free nodes can be drawn for: one at the floor, and one more for every three above it.
pub(super) fn tasks_for(free: u32, floor: u32) -> u32 {
    free.checked_sub(floor).map_or(0, |more| 1 + more / LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floor_grows_with_the_active_nodes_between_its_ends() {
        let floors = [0, 3, 18, 19, 35, 466, 467, u32::MAX].map(floor_of);
        assert_eq!(floors, [3, 3, 3, 4, 5, 31, 32, 32]);
    }

    #[test]
    fn below_the_floor_nothing_is_served_and_above_it_one_more_for_every_three() {
        assert_eq!([3, 4, 6, 7, 9, 10].map(|free| tasks_for(free, 4)), [0, 1, 1, 2, 2, 3]);
    }
}
