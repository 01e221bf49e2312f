// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../interfaces/INode.sol";
import {ClassId} from "../types/Ids.sol";
import {Bits} from "./Bits.sol";
import {PoolFloor} from "./PoolFloor.sol";
import {VramTier} from "./VramTier.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

/// @notice What can still be served while a round is being drawn.
/// @dev An estimate in memory: the real choice follows in a later block and may fail, then the task goes back to the
/// queue.
library Servable {
    using Bits for uint256;

    uint256 private constant FREE = 0;
    uint256 private constant SERVABLE = 32;
    uint256 private constant ACTIVE = 64;

    /// @dev Capacity left (words of tiers, as `INode.tierWords` gives them), the required classes of the tasks taken so
    /// far, the books of required classes that this draw has set aside, and the class that is reserved.
    struct Left {
        uint256[16] tiers;
        ClassId[] taken;
        uint256 takenCount;
        uint256[] aside;
        uint256 asideCount;
        ClassId held;
    }

    /// @param tiers What `INode.tierWords` says.
    /// @param limit The most tasks one round can have.
    function from(uint256[16] memory tiers, uint256 limit) internal pure returns (Left memory left) {
        left.tiers = tiers;
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
        uint256 enough;
        for (uint256 t = VramTier.TIERS; t != 0;) {
            uint256 word = left.tiers[--t];
            if (word != 0) {
                free += word.get(FREE, 32);
                active += word.get(ACTIVE, 32);
                enough = free >= PoolFloor.forActive(active) ? 1 : 0;
            }
            mask |= enough << t;
        }
    }

    /// @return mask The tiers `t` such that some open class in the tiers from `t` on can serve a task.
    function oneClassMask(Left memory left) internal pure returns (uint256 mask) {
        for (uint256 t = VramTier.TIERS; t != 0;) {
            if (left.tiers[--t].get(SERVABLE, 32) != 0) return (2 << t) - 1;
        }
    }

    /// @notice Takes `seats` nodes of the lowest suitable tiers from `tier` on, as one class if the task needs that.
    /// @param required The class the task names, or 0.
    function take(Left memory left, uint256 tier, ClassId required, bool oneClass, uint256 seats) internal pure {
        if (ClassId.unwrap(required) != 0 && left.takenCount < left.taken.length) {
            left.taken[left.takenCount++] = required;
        }
        for (uint256 t = tier; t < VramTier.TIERS && seats != 0; ++t) {
            uint256 word = left.tiers[t];
            uint256 servable = word.get(SERVABLE, 32);
            if (word == 0 || (oneClass && servable == 0)) continue;
            uint256 free = word.get(FREE, 32);
            uint256 here = free < seats ? free : seats;
            seats -= here;
            if (oneClass) --servable;
            left.tiers[t] = _with(word, free - here, servable);
        }
    }

    /// @notice Leaves the free nodes of a reserved class out of what any other task may have. The floors stay.
    function hold(Left memory left, ClassId class, INode.ClassState memory state) internal pure {
        left.held = class;
        uint256 word = left.tiers[state.tier];
        uint256 tasks = state.open ? PoolFloor.tasks(state.free, state.floor) : 0;
        uint256 free = FixedPointMathLib.zeroFloorSub(word.get(FREE, 32), state.free);
        left.tiers[state.tier] = _with(word, free, FixedPointMathLib.zeroFloorSub(word.get(SERVABLE, 32), tasks));
    }

    /// @return n Free nodes of the tiers from `tier` on.
    function freeFrom(Left memory left, uint256 tier) internal pure returns (uint256 n) {
        for (uint256 t = tier; t < VramTier.TIERS; ++t) {
            n += left.tiers[t].get(FREE, 32);
        }
    }

    /// @return n Active nodes of the tiers from `tier` on.
    function activeFrom(Left memory left, uint256 tier) internal pure returns (uint256 n) {
        for (uint256 t = tier; t < VramTier.TIERS; ++t) {
            n += left.tiers[t].get(ACTIVE, 32);
        }
    }

    /// @dev No more tasks of one class than a third of the free nodes.
    function _with(uint256 word, uint256 free, uint256 servable) private pure returns (uint256) {
        return word.set(FREE, 32, free).set(SERVABLE, 32, servable * 3 > free ? free / 3 : servable);
    }

    /// @return n How many tasks of this round require `class`.
    function takenOf(Left memory left, ClassId class) internal pure returns (uint256 n) {
        for (uint256 i; i < left.takenCount; ++i) {
            if (left.taken[i] == class) ++n;
        }
    }
}
