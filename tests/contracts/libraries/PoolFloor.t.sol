// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {PoolFloor} from "../../../contracts/libraries/PoolFloor.sol";
import {TypedAssertions} from "../TypedAssertions.sol";

contract PoolFloorTest is TypedAssertions {
    function test_theFloorStartsAtThreeAndEndsAtThirtyTwo() public pure {
        assertEq(PoolFloor.forActive(0), 3);
        assertEq(PoolFloor.forActive(3), 3);
        assertEq(PoolFloor.forActive(18), 3);
        assertEq(PoolFloor.forActive(19), 4);
        assertEq(PoolFloor.forActive(35), 5);
        assertEq(PoolFloor.forActive(466), 31);
        assertEq(PoolFloor.forActive(467), 32);
        assertEq(PoolFloor.forActive(type(uint32).max), 32);
    }

    function testFuzz_moreNodesNeverAskForLess(uint32 active) public pure {
        uint256 floor = PoolFloor.forActive(active);
        uint256 next = PoolFloor.forActive(uint256(active) + 1);
        assertTrue(next == floor || next == floor + 1);
        if (active >= 3) assertLe(floor, active, "a network of three serves");
    }

    /// @dev The definition, without the shortcut: the lesser of 32 and three and one for each whole sixteen beyond three.
    function testFuzz_isItsDefinition(uint32 active) public pure {
        uint256 want = active < 3 ? 3 : 3 + (uint256(active) - 3) / 16;
        assertEq(PoolFloor.forActive(active), want < 32 ? want : 32);
    }

    /// @dev Tasks are drawn one by one, each from a floor that is full.
    function testFuzz_tasksAreDrawnWhileTheFloorIsFull(uint16 free, uint32 active) public pure {
        uint256 floor = PoolFloor.forActive(active);
        uint256 left = free;
        uint256 tasks;
        while (left >= floor) {
            left -= 3;
            ++tasks;
        }
        assertEq(PoolFloor.tasks(free, floor), tasks);
    }
}
