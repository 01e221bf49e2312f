// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../interfaces/INode.sol";
import {ClassId} from "../types/Ids.sol";
import {PoolFloor} from "./PoolFloor.sol";
import {VramTier} from "./VramTier.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

/// @notice What can still be served while a round is being drawn.
/// @dev An estimate in memory: the real choice follows in a later block and may fail, then the task goes back to the
/// queue.
library Servable {
    /// @dev Capacity left, the required classes of the tasks taken so far, the books of required classes that this draw
    /// has set aside, and the class that is reserved.
    struct Left {
        INode.Capacity capacity;
        ClassId[] taken;
        uint256 takenCount;
        uint256[] aside;
        uint256 asideCount;
        ClassId held;
    }

    /// @param limit The most tasks one round can have.
    function from(INode.Capacity memory capacity, uint256 limit) internal pure returns (Left memory left) {
        left.capacity = capacity;
        left.taken = new ClassId[](limit);
        left.aside = new uint256[](limit);
    }

    /// @notice Notes that the book `key` waits for the next draw.
    /// @return Whether there was room.
    function setAside(Left memory left, uint256 key) internal pure returns (bool) {
        if (left.asideCount == left.aside.length) return false;
        left.aside[left.asideCount++] = key;
        return true;
    }

    /// @return mask The tiers `t` such that the tiers from `t` on have as many free nodes as their floor asks for.
    function anyMask(Left memory left) internal pure returns (uint256 mask) {
        uint256 free;
        uint256 active;
        for (uint256 t = VramTier.TIERS; t != 0;) {
            free += left.capacity.free[--t];
            active += left.capacity.active[t];
            if (free >= PoolFloor.LEAST && free >= PoolFloor.forActive(active)) mask |= 1 << t;
        }
    }

    /// @return mask The tiers `t` such that some open class in the tiers from `t` on can serve a task.
    function oneClassMask(Left memory left) internal pure returns (uint256 mask) {
        for (uint256 t = VramTier.TIERS; t != 0;) {
            if (left.capacity.servable[--t] != 0) return (2 << t) - 1;
        }
    }

    /// @notice Takes `seats` nodes of the lowest suitable tiers from `tier` on, as one class if the task needs that.
    /// @param required The class the task names, or 0.
    function take(Left memory left, uint256 tier, ClassId required, bool oneClass, uint256 seats) internal pure {
        if (ClassId.unwrap(required) != 0 && left.takenCount < left.taken.length) {
            left.taken[left.takenCount++] = required;
        }
        INode.Capacity memory c = left.capacity;
        for (uint256 t = tier; t < VramTier.TIERS && seats != 0; ++t) {
            if (oneClass && c.servable[t] == 0) continue;
            uint256 here = c.free[t] < seats ? c.free[t] : seats;
            c.free[t] -= uint32(here);
            seats -= here;
            if (oneClass) --c.servable[t];
            if (c.servable[t] * 3 > c.free[t]) c.servable[t] = c.free[t] / 3;
        }
    }

    /// @notice Leaves the free nodes of a reserved class out of what any other task may have.
    function hold(Left memory left, ClassId class, INode.ClassState memory state) internal pure {
        left.held = class;
        INode.Capacity memory c = left.capacity;
        c.free[state.tier] = uint32(FixedPointMathLib.zeroFloorSub(c.free[state.tier], state.free));
        if (!state.open) return;
        uint256 tasks = PoolFloor.tasks(state.free, state.floor);
        c.servable[state.tier] = uint32(FixedPointMathLib.zeroFloorSub(c.servable[state.tier], tasks));
    }

    /// @return n Free nodes of the tiers from `tier` on.
    function freeFrom(Left memory left, uint256 tier) internal pure returns (uint256 n) {
        for (uint256 t = tier; t < VramTier.TIERS; ++t) {
            n += left.capacity.free[t];
        }
    }

    /// @return n How many tasks of this round require `class`.
    function takenOf(Left memory left, ClassId class) internal pure returns (uint256 n) {
        for (uint256 i; i < left.takenCount; ++i) {
            if (left.taken[i] == class) ++n;
        }
    }
}
