// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {BookTag} from "../../../contracts/types/BookTag.sol";
import {ClassId, TaskId} from "../../../contracts/types/Ids.sol";
import {TypedAssertions} from "../TypedAssertions.sol";

contract BookTagTest is TypedAssertions {
    function testFuzz_givesBackWhatWasPacked(
        uint40 task,
        uint8 kind,
        uint8 tier,
        uint32 class,
        uint40 expiresAt,
        uint32 queuedAt
    ) public pure {
        uint256 tag = BookTag.pack(TaskId.wrap(task), kind, tier, ClassId.wrap(class), expiresAt, queuedAt);
        assertEq(BookTag.task(tag), TaskId.wrap(task));
        assertEq(BookTag.kind(tag), kind);
        assertEq(BookTag.tier(tag), tier);
        assertEq(BookTag.class(tag), ClassId.wrap(class));
        assertEq(BookTag.expiresAt(tag), expiresAt);
        assertEq(BookTag.queuedAt(tag), queuedAt);
        assertLt(tag, 1 << 160, "fits an entry");
        assertEq(BookTag.bookKeyOf(tag), BookTag.bookKey(kind, tier, ClassId.wrap(class)));
    }

    /// @dev Books of different kinds, tiers or classes have different keys; the tier of a class is part of the class.
    function testFuzz_eachBookHasItsOwnKey(uint8[2] memory kinds, uint8[2] memory tiers, uint32[2] memory classes)
        public
        pure
    {
        uint256 a = BookTag.bookKey(kinds[0], tiers[0], ClassId.wrap(classes[0]));
        uint256 b = BookTag.bookKey(kinds[1], tiers[1], ClassId.wrap(classes[1]));
        bool sameTier = classes[0] != 0 || tiers[0] == tiers[1];
        assertEq(a == b, kinds[0] == kinds[1] && classes[0] == classes[1] && sameTier);
    }

    function testFuzz_aTierBookIsNeverAClassBook(uint8 kind, uint8 tier, uint8 otherKind, uint32 class) public pure {
        vm.assume(class != 0);
        assertTrue(BookTag.bookKey(kind, tier, ClassId.wrap(0)) != BookTag.classKey(otherKind, ClassId.wrap(class)));
    }

    function testFuzz_aClassKeyNamesItsKindAndClass(uint8 kind, uint32 class) public pure {
        uint256 key = BookTag.classKey(kind, ClassId.wrap(class));
        (uint8 k, ClassId c) = BookTag.fromClassKey(key);
        assertEq(k, kind);
        assertEq(c, ClassId.wrap(class));
        assertLt(key, 1 << 40, "fits an entry's neighbour field");
    }
}
