// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Network} from "../Network.sol";

contract NodePauseTest is Network {
    NodeId private constant ONE = NodeId.wrap(1);

    function setUp() public override {
        super.setUp();
        _joinMany(3);
    }

    function testFuzz_refusesEverybodyButTheOperator(address caller) public {
        vm.assume(caller != _operator(1));
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(INode.NotOperator.selector, ONE, caller));
        node.pause(ONE);
    }

    function test_refusesNodeThatNeverJoined() public {
        vm.prank(_operator(1));
        vm.expectRevert(abi.encodeWithSelector(INode.NotOperator.selector, 9, _operator(1)));
        node.pause(NodeId.wrap(9));
    }

    function test_refusesPausedNode() public {
        _pause(1);
        _refused(ONE, INode.Status.Paused);
    }

    function test_refusesSuspendedNode() public {
        _suspend(ONE);
        _refused(ONE, INode.Status.Suspended);
    }

    function test_refusesFrozenNode() public {
        _refused(_frozen(), INode.Status.Frozen);
    }

    function test_refusesUnbondingAndGoneNodes() public {
        vm.prank(_operator(1));
        node.quit(ONE);
        _refused(ONE, INode.Status.Unbonding);
        vm.warp(block.timestamp + 7 days);
        vm.prank(_operator(1));
        node.withdraw(ONE);
        _refused(ONE, INode.Status.Gone);
    }

    function test_aFreeNodeLeavesTheSetsAtOnce() public {
        vm.expectEmit(address(node));
        emit INode.StatusChanged(ONE, INode.Status.Paused);
        _pause(1);
        assertFalse(node.nodeOf(ONE).inSets);
        assertEq(abi.encode(node.counts()), abi.encode(INode.Counts(3, 2, 2, 0)), "invariant 10");
        assertEq(address(node).balance, 3 * 400 ether, "its stake stays");
    }

    function test_aBusyNodePausesWhenItsSeatEnds() public {
        TaskId t = _seated();
        vm.expectEmit(address(node));
        emit INode.IntentChanged(ONE, INode.Intent.Pause);
        _pause(1);
        assertEq(_status(ONE), INode.Status.Busy);
        assertEq(node.nodeOf(ONE).intent, INode.Intent.Pause);
        _vote(t, [ANSWER, ANSWER, ANSWER]);
        assertEq(_status(ONE), INode.Status.Paused);
        assertEq(node.nodeOf(ONE).intent, INode.Intent.None);
        assertEq(abi.encode(node.counts()), abi.encode(INode.Counts(3, 2, 2, 0)), "invariant 10");
    }

    /// @dev Pausing does not take a node out of a draw that waits: it is chosen, serves, and pauses then.
    function test_whileADrawWaitsANodeStaysEligible() public {
        TaskId t = _closeSets();
        vm.expectEmit(address(node));
        emit INode.IntentChanged(ONE, INode.Intent.Pause);
        _pause(1);
        assertTrue(node.nodeOf(ONE).inSets);
        queue.dispatch(1);
        assertEq(_status(ONE), INode.Status.Busy);
        _vote(t, [ANSWER, ANSWER, ANSWER]);
        assertEq(_status(ONE), INode.Status.Paused);
    }

    function test_anUnchosenNodePausesWhenTheDrawIsSeated() public {
        _join(4, CLASS, 24);
        _closeSets();
        for (uint256 i = 1; i <= 4; ++i) {
            _pause(i);
        }
        queue.dispatch(1);
        INode.Counts memory c = node.counts();
        assertEq(abi.encode(c), abi.encode(INode.Counts(4, 3, 0, 3)), "one paused, three serve");
        assertEq(node.deferred(), 0);
    }

    function test_aNodeThatWaitsToEnterPausesAtOnce() public {
        _closeSets();
        NodeId late = _join(4, CLASS, 24);
        _pause(4);
        assertEq(_status(late), INode.Status.Paused);
        queue.dispatch(1);
        assertEq(_status(late), INode.Status.Paused);
        assertFalse(node.nodeOf(late).inSets);
    }

    /// @dev A pending pause does not survive a freeze.
    function test_aFrozenNodeKeepsNothingPending() public {
        TaskId t = _seated();
        NodeId id = _nodeAt(t, 0);
        vm.prank(_operatorAt(t, 0));
        node.pause(id);
        _vote(t, [WRONG, ANSWER, ANSWER]);
        assertEq(_status(id), INode.Status.Frozen);
        assertEq(node.nodeOf(id).intent, INode.Intent.None);
    }

    function _pause(uint256 i) private {
        vm.prank(_operator(i));
        node.pause(NodeId.wrap(uint32(i)));
    }

    function _refused(NodeId id, INode.Status status) private {
        vm.prank(node.operatorOf(id));
        vm.expectRevert(abi.encodeWithSelector(INode.WrongStatus.selector, id, status));
        node.pause(id);
    }
}
