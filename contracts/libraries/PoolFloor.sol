// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice How many suitable nodes must be free before a task is drawn for them.
/// @dev When exactly three are free, whoever can make three nodes come free together while all others are busy has a
/// task for itself. A floor in proportion to the active nodes keeps the choice a choice in a saturated network; above
/// `MOST` a larger pool adds little and would only leave nodes idle.
library PoolFloor {
    /// The floor of a small network.
    uint256 internal constant LEAST = 3;
    /// The floor of a large one.
    uint256 internal constant MOST = 32;
    /// Active nodes for each node of the floor beyond the first three.
    uint256 internal constant PER_NODE = 16;

    /// @return min(32, 3 + (active - 3) / 16), and 3 for three active nodes or fewer.
    function forActive(uint256 active) internal pure returns (uint256) {
        if (active <= LEAST) return LEAST;
        uint256 floor = LEAST + (active - LEAST) / PER_NODE;
        return floor < MOST ? floor : MOST;
    }

    /// @return The tasks that `free` nodes can be drawn for: one at the floor, and one more for every three above it.
    function tasks(uint256 free, uint256 floor) internal pure returns (uint256) {
        return free < floor ? 0 : 1 + (free - floor) / 3;
    }
}
