// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {Servable} from "../../../contracts/libraries/Servable.sol";
import {ClassId} from "../../../contracts/types/Ids.sol";
import {TypedAssertions} from "../TypedAssertions.sol";

contract ServableTest is TypedAssertions {
    using Servable for Servable.Left;

    ClassId private constant ANY = ClassId.wrap(0);

    /// @dev Bit `t` says: the tiers from `t` on have three free nodes. No nodes at all is a case like any other.
    function testFuzz_anyMaskIsTheSumFromEachTierOn(uint256 seed) public pure {
        Servable.Left memory left = _left(seed);
        uint256 mask = left.anyMask();
        for (uint256 tier; tier < 16; ++tier) {
            uint256 sum;
            for (uint256 t = tier; t < 16; ++t) {
                sum += left.capacity.free[t];
            }
            assertEq((mask >> tier) & 1 == 1, sum >= 3);
        }
        assertEq(mask >> 16, 0);
    }

    function testFuzz_oneClassMaskNeedsAGroupOfThreeFromEachTierOn(uint256 seed) public pure {
        Servable.Left memory left = _left(seed);
        uint256 mask = left.oneClassMask();
        for (uint256 tier; tier < 16; ++tier) {
            bool some;
            for (uint256 t = tier; t < 16; ++t) {
                if (left.capacity.triples[t] != 0) some = true;
            }
            assertEq((mask >> tier) & 1 == 1, some);
        }
        assertEq(mask >> 16, 0);
    }

    function test_nothingIsServableWithoutNodes() public pure {
        INode.Capacity memory none;
        Servable.Left memory left = Servable.from(none, 64);
        assertEq(left.anyMask(), 0);
        assertEq(left.oneClassMask(), 0);
    }

    /// @dev Every task that the masks admit takes exactly three nodes, from its tier on; nothing underflows.
    function testFuzz_anAdmittedTaskTakesThree(uint256 seed, uint8 tier, bool oneClass) public pure {
        Servable.Left memory left = _left(seed);
        uint256 lowest = tier % 16;
        bool admitted = ((oneClass ? left.oneClassMask() : left.anyMask()) >> lowest) & 1 == 1;
        (uint256 below, uint256 from) = _split(left, lowest);
        left.take(lowest, ANY, oneClass);
        (uint256 belowAfter, uint256 fromAfter) = _split(left, lowest);
        assertEq(belowAfter, below);
        if (admitted) assertEq(fromAfter, from - 3);
    }

    /// @dev Groups of three never promise more nodes than there are, whatever has been taken.
    function testFuzz_groupsNeverPromiseMoreThanThereIs(uint256 seed) public pure {
        Servable.Left memory left = _left(seed);
        for (uint256 i; i < 30; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, "take", i)));
            left.take(random % 16, ANY, random & 256 == 0);
            for (uint256 t; t < 16; ++t) {
                assertLe(uint256(left.capacity.triples[t]) * 3, left.capacity.free[t]);
            }
        }
    }

    function testFuzz_countsTheTasksOfEachClass(uint8[20] memory classes, uint8 asked) public pure {
        Servable.Left memory left = _left(7);
        uint256 want;
        for (uint256 i; i < 20; ++i) {
            ClassId class = ClassId.wrap(classes[i] % 4);
            left.take(0, class, true);
            if (class == ClassId.wrap(1 + asked % 3)) ++want;
        }
        assertEq(left.takenOf(ClassId.wrap(1 + asked % 3)), want);
    }

    function test_setsAsideAsManyBooksAsARoundHasTasks() public pure {
        Servable.Left memory left = _left(7);
        for (uint256 i; i < 64; ++i) {
            assertTrue(left.setAside(100 + i));
            assertEq(left.aside[i], 100 + i);
        }
        assertFalse(left.setAside(1));
        assertEq(left.asideCount, 64);
    }

    /// @dev 0 to 7 nodes in each tier, many tiers empty, with no more groups than fit.
    function _left(uint256 seed) private pure returns (Servable.Left memory) {
        INode.Capacity memory c;
        for (uint256 t; t < 16; ++t) {
            uint256 random = uint256(keccak256(abi.encode(seed, t)));
            c.free[t] = random % 3 == 0 ? uint32((random >> 8) % 8) : 0;
            c.triples[t] = uint32((random >> 16) % (c.free[t] / 3 + 1));
        }
        return Servable.from(c, 64);
    }

    function _split(Servable.Left memory left, uint256 lowest) private pure returns (uint256 below, uint256 from) {
        for (uint256 t; t < 16; ++t) {
            if (t < lowest) below += left.capacity.free[t];
            else from += left.capacity.free[t];
        }
    }
}
