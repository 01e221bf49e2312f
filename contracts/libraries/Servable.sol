// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../interfaces/INode.sol";
import {ClassId} from "../types/Ids.sol";
import {VramTier} from "./VramTier.sol";

/// @notice What can still be served while a round is being drawn.
/// @dev An estimate in memory: the real choice follows in a later block and may fail, then the task goes back to the
/// queue.
library Servable {
    /// @dev Capacity left, the required classes of the tasks taken so far, and the books of required classes that this
    /// draw has set aside.
    struct Left {
        INode.Capacity capacity;
        ClassId[] taken;
        uint256 takenCount;
        uint256[] aside;
        uint256 asideCount;
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

    /// @return mask The tiers `t` such that the tiers from `t` on have three free nodes.
    function anyMask(Left memory left) internal pure returns (uint256 mask) {
        uint256 sum;
        for (uint256 t = VramTier.TIERS; t != 0;) {
            sum += left.capacity.free[--t];
            if (sum >= 3) return (2 << t) - 1;
        }
    }

    /// @return mask The tiers `t` such that some class in the tiers from `t` on has three free nodes.
    function oneClassMask(Left memory left) internal pure returns (uint256 mask) {
        for (uint256 t = VramTier.TIERS; t != 0;) {
            if (left.capacity.triples[--t] != 0) return (2 << t) - 1;
        }
    }

    /// @notice Takes three nodes of the lowest suitable tiers from `tier` on, as one class if the task needs that.
    /// @param required The class the task names, or 0.
    function take(Left memory left, uint256 tier, ClassId required, bool oneClass) internal pure {
        if (ClassId.unwrap(required) != 0) left.taken[left.takenCount++] = required;
        INode.Capacity memory c = left.capacity;
        uint256 wanted = 3;
        for (uint256 t = tier; t < VramTier.TIERS && wanted != 0; ++t) {
            if (oneClass && c.triples[t] == 0) continue;
            uint256 here = c.free[t] < wanted ? c.free[t] : wanted;
            c.free[t] -= uint32(here);
            wanted -= here;
            if (oneClass) --c.triples[t];
            if (c.triples[t] * 3 > c.free[t]) c.triples[t] = c.free[t] / 3;
        }
    }

    /// @return n How many tasks of this round require `class`.
    function takenOf(Left memory left, ClassId class) internal pure returns (uint256 n) {
        for (uint256 i; i < left.takenCount; ++i) {
            if (left.taken[i] == class) ++n;
        }
    }
}
