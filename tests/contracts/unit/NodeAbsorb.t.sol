// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Network} from "../Network.sol";

contract NodeAbsorbTest is Network {
    function setUp() public override {
        super.setUp();
        _joinMany(3);
    }

    function testFuzz_doesNothingWhileADrawWaits(uint8 limit) public {
        _closeSets();
        _join(4, CLASS, 24);
        assertTrue(node.setsClosed());
        assertEq(node.absorb(limit), 0);
        assertEq(node.deferred(), 1);
        assertFalse(node.nodeOf(NodeId.wrap(4)).inSets);
    }

    function test_doesNothingWhenNothingWaits() public {
        assertEq(node.absorb(100), 0);
    }

    /// @dev Seating one task lets eight in; anybody may let in the others, first come first served.
    function testFuzz_takesAtMostTheLimitInOrder(uint8 limit, address caller) public {
        _closeSets();
        _joinLate(20);
        queue.dispatch(1);
        assertFalse(node.setsClosed());
        assertEq(node.deferred(), 12);
        uint256 want = limit < 12 ? limit : 12;
        for (uint32 i; i < want; ++i) {
            vm.expectEmit(address(node));
            emit INode.NodeAbsorbed(NodeId.wrap(12 + i));
        }
        vm.prank(caller);
        assertEq(node.absorb(limit), want);
        assertEq(node.deferred(), 12 - want);
        for (uint256 i = 1; i <= 20; ++i) {
            assertEq(node.nodeOf(NodeId.wrap(uint32(3 + i))).inSets, i <= 8 + want);
        }
    }

    function test_skipsWhoHasLeftInTheMeantime() public {
        _closeSets();
        _joinLate(2);
        vm.prank(_operator(4));
        node.pause(NodeId.wrap(4));
        queue.dispatch(1);
        assertEq(_status(NodeId.wrap(4)), INode.Status.Paused);
        assertTrue(node.nodeOf(NodeId.wrap(5)).inSets);
        assertEq(node.deferred(), 0);
    }

    /// @dev One that entered by itself after the sets opened is not put in a second time.
    function test_doesNotInsertTwice() public {
        _closeSets();
        _joinLate(10);
        queue.dispatch(1);
        NodeId last = NodeId.wrap(13);
        assertFalse(node.nodeOf(last).inSets);
        vm.prank(_operator(13));
        node.pause(last);
        vm.prank(_operator(13));
        node.resume(last);
        assertTrue(node.nodeOf(last).inSets);
        node.absorb(100);
        assertEq(node.counts().free, 10);
        assertEq(node.capacity().free[9], 10, "invariant 10");
    }

    /// @dev Nodes freed while a draw waits enter when it is seated, and serve the next.
    function test_nodesFreedWhileADrawWaitsEnterAfterwards() public {
        TaskId first = _seated();
        _joinLate(3);
        TaskId second = _closeSets();
        _vote(first, [ANSWER, ANSWER, ANSWER]);
        assertEq(node.deferred(), 3);
        queue.dispatch(1);
        assertEq(node.deferred(), 0);
        assertEq(node.counts().free, 3);
        for (uint256 i; i < 3; ++i) {
            assertGt(NodeId.unwrap(_nodeAt(second, i)), 3, "not those that became free after the draw");
        }
    }

    function _joinLate(uint256 n) private {
        for (uint256 i; i < n; ++i) {
            _join(4 + i, CLASS, 24);
        }
    }
}
