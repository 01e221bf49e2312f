// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {PoolFloor} from "../../../contracts/libraries/PoolFloor.sol";
import {Servable} from "../../../contracts/libraries/Servable.sol";
import {ClassId} from "../../../contracts/types/Ids.sol";
import {TypedAssertions} from "../TypedAssertions.sol";

contract ServableTest is TypedAssertions {
    using Servable for Servable.Left;

    ClassId private constant ANY = ClassId.wrap(0);

    uint256 private constant FREE = 0;
    uint256 private constant SERVABLE = 32;
    uint256 private constant ACTIVE = 64;

    /// @dev Bit `t` says: the tiers from `t` on have as many free nodes as their active ones ask for. No nodes at all is a
    /// case like any other.
    function testFuzz_anyMaskIsTheSumFromEachTierOn(uint256 seed) public pure {
        Servable.Left memory left = _left(seed);
        uint256 mask = left.anyMask();
        for (uint256 tier; tier < 16; ++tier) {
            uint256 free;
            uint256 active;
            for (uint256 t = tier; t < 16; ++t) {
                free += _get(left, t, FREE);
                active += _get(left, t, ACTIVE);
            }
            uint256 floor = active < 3 ? 3 : 3 + (active - 3) / 16;
            assertEq((mask >> tier) & 1 == 1, free >= (floor < 32 ? floor : 32));
        }
        assertEq(mask >> 16, 0);
    }

    /// @dev They and their floor are what `anyMask` compares with, whatever has been taken or held back meanwhile.
    function testFuzz_activeFromIsTheSumFromATierOn(uint256 seed) public pure {
        Servable.Left memory left = _left(seed);
        uint256[16] memory active;
        for (uint256 t; t < 16; ++t) {
            active[t] = _get(left, t, ACTIVE);
        }
        left.take(seed % 16, ANY, seed & 256 == 0, 3);
        left.hold(ClassId.wrap(1), _state(seed));
        uint256 mask = left.anyMask();
        for (uint256 tier; tier < 16; ++tier) {
            uint256 sum;
            for (uint256 t = tier; t < 16; ++t) {
                sum += active[t];
            }
            assertEq(left.activeFrom(tier), sum);
            bool enough = left.freeFrom(tier) >= PoolFloor.forActive(sum);
            assertEq(enough, (mask >> tier) & 1 == 1, "as the mask has it");
        }
    }

    function test_activeFromCountsTheTierItselfAndNoneBelow() public pure {
        uint256[16] memory tiers;
        Servable.Left memory left = Servable.from(tiers, 64);
        assertEq(left.activeFrom(0), 0);
        assertEq(left.activeFrom(15), 0);
        left.tiers[0] = 48 << ACTIVE;
        left.tiers[9] = uint256(type(uint32).max) << ACTIVE | 1 << 96;
        left.tiers[15] = 3 << ACTIVE;
        assertEq(left.activeFrom(0), 48 + uint256(type(uint32).max) + 3);
        assertEq(left.activeFrom(1), uint256(type(uint32).max) + 3);
        assertEq(left.activeFrom(9), uint256(type(uint32).max) + 3);
        assertEq(left.activeFrom(10), 3);
        assertEq(left.activeFrom(15), 3);
    }

    function testFuzz_oneClassMaskNeedsAServableTaskFromEachTierOn(uint256 seed) public pure {
        Servable.Left memory left = _left(seed);
        uint256 mask = left.oneClassMask();
        for (uint256 tier; tier < 16; ++tier) {
            bool some;
            for (uint256 t = tier; t < 16; ++t) {
                if (_get(left, t, SERVABLE) != 0) some = true;
            }
            assertEq((mask >> tier) & 1 == 1, some);
        }
        assertEq(mask >> 16, 0);
    }

    function test_nothingIsServableWithoutNodes() public pure {
        uint256[16] memory none;
        Servable.Left memory left = Servable.from(none, 64);
        assertEq(left.anyMask(), 0);
        assertEq(left.oneClassMask(), 0);
    }

    /// @dev Every task that the masks admit takes exactly its seats, from its tier on; nothing underflows.
    function testFuzz_anAdmittedTaskTakesItsSeats(uint256 seed, uint8 tier, bool oneClass, uint8 wanted) public pure {
        Servable.Left memory left = _left(seed);
        uint256 lowest = tier % 16;
        uint256 seats = wanted % 4;
        bool admitted = ((oneClass ? left.oneClassMask() : left.anyMask()) >> lowest) & 1 == 1;
        (uint256 below, uint256 from) = _split(left, lowest);
        left.take(lowest, ANY, oneClass, seats);
        (uint256 belowAfter, uint256 fromAfter) = _split(left, lowest);
        assertEq(belowAfter, below);
        if (admitted) assertEq(fromAfter, from - seats);
        assertEq(left.freeFrom(lowest), fromAfter);
    }

    /// @dev Tasks of one class never promise more nodes than there are, whatever has been taken or held back.
    function testFuzz_servableTasksNeverPromiseMoreThanThereIs(uint256 seed) public pure {
        Servable.Left memory left = _left(seed);
        for (uint256 i; i < 30; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, "take", i)));
            if (i == 15) left.hold(ClassId.wrap(1), _state(random));
            else left.take(random % 16, ANY, random & 256 == 0, 1 + (random >> 16) % 3);
            for (uint256 t; t < 16; ++t) {
                assertLe(_get(left, t, SERVABLE) * 3, _get(left, t, FREE));
            }
        }
    }

    /// @dev The nodes of a reserved class are out of reach of all others, and so are the tasks it could serve if it is
    /// open.
    function testFuzz_aHeldClassIsLeftOut(uint256 seed, uint32 free, uint32 active, uint32 otherFree, bool open)
        public
        pure
    {
        INode.ClassState memory s = _state(seed);
        s.active = uint32(bound(active, 0, 700));
        s.floor = uint8(s.active < 3 ? 3 : 3 + (s.active - 3) / 16 < 32 ? 3 + (s.active - 3) / 16 : 32);
        (s.free, s.open) = (uint32(bound(free, 0, s.active)), open);
        uint256 tasks = s.free < s.floor ? 0 : 1 + (s.free - s.floor) / 3;
        // Another open class of that tier, at a floor of three.
        otherFree = uint32(bound(otherFree, 0, 30));
        uint256[16] memory tiers;
        tiers[s.tier] = (uint256(s.free) + otherFree) | ((otherFree / 3 + (open ? tasks : 0)) << SERVABLE)
            | ((uint256(s.active) + otherFree) << ACTIVE);
        Servable.Left memory left = Servable.from(tiers, 64);
        left.hold(ClassId.wrap(7), s);
        assertEq(left.held, ClassId.wrap(7));
        assertEq(_get(left, s.tier, FREE), otherFree);
        assertEq(_get(left, s.tier, SERVABLE), otherFree / 3);
        assertEq(_get(left, s.tier, ACTIVE), uint256(s.active) + otherFree, "the floor of the tier stays");
    }

    function testFuzz_countsTheTasksOfEachClass(uint8[20] memory classes, uint8 asked) public pure {
        Servable.Left memory left = _left(7);
        uint256 want;
        for (uint256 i; i < 20; ++i) {
            ClassId class = ClassId.wrap(classes[i] % 4);
            left.take(0, class, true, 3);
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

    /// @dev 0 to 15 free nodes in each tier, many tiers empty, up to 100 active ones, and no more tasks than fit.
    function _left(uint256 seed) private pure returns (Servable.Left memory) {
        uint256[16] memory tiers;
        for (uint256 t; t < 16; ++t) {
            uint256 random = uint256(keccak256(abi.encode(seed, t)));
            if (random % 3 != 0) continue;
            uint256 free = (random >> 8) % 16;
            tiers[t] = free | (((random >> 16) % (free / 3 + 1)) << SERVABLE);
            tiers[t] |= (free + (random >> 24) % (random % 2 == 0 ? 8 : 86)) << ACTIVE;
        }
        return Servable.from(tiers, 64);
    }

    /// @dev Of any tier, with a floor of three.
    function _state(uint256 seed) private pure returns (INode.ClassState memory) {
        uint32 n = uint32(seed % 15);
        return INode.ClassState({
            exists: true, tier: uint8((seed >> 8) % 16), free: n, active: n, floor: 3, open: seed & (1 << 200) == 0
        });
    }

    function _get(Servable.Left memory left, uint256 tier, uint256 offset) private pure returns (uint256) {
        return uint32(left.tiers[tier] >> offset);
    }

    function _split(Servable.Left memory left, uint256 lowest) private pure returns (uint256 below, uint256 from) {
        for (uint256 t; t < 16; ++t) {
            if (t < lowest) below += _get(left, t, FREE);
            else from += _get(left, t, FREE);
        }
    }
}
