// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Network} from "../Network.sol";

contract NodeResumeTest is Network {
    NodeId private constant ONE = NodeId.wrap(1);

    function setUp() public override {
        super.setUp();
        _joinMany(3);
    }

    function testFuzz_refusesEverybodyButTheOperator(address caller) public {
        vm.assume(caller != _operator(1));
        _pause();
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(INode.NotOperator.selector, ONE, caller));
        node.resume(ONE);
    }

    function test_refusesFreeNode() public {
        _refused(ONE, INode.Status.Free);
    }

    function test_refusesBusyNodeWithNothingPending() public {
        _seated();
        _refused(ONE, INode.Status.Busy);
    }

    function test_refusesFrozenNode() public {
        _refused(_frozen(), INode.Status.Frozen);
    }

    function test_refusesUnbondingAndGoneNodes() public {
        _quit();
        _refused(ONE, INode.Status.Unbonding);
        vm.warp(block.timestamp + 7 days);
        vm.prank(_operator(1));
        node.withdraw(ONE);
        _refused(ONE, INode.Status.Gone);
    }

    function test_aPausedNodeIsFreeAgain() public {
        _pause();
        vm.expectEmit(address(node));
        emit INode.StatusChanged(ONE, INode.Status.Free);
        _resume();
        assertTrue(node.nodeOf(ONE).inSets);
        assertEq(abi.encode(node.counts()), abi.encode(INode.Counts(3, 3, 3, 0)), "invariant 10");
    }

    function test_aSuspendedNodeIsFreeAgain() public {
        _suspend(ONE);
        assertEq(node.counts().active, 2);
        _resume();
        assertEq(_status(ONE), INode.Status.Free);
        assertEq(node.counts().active, 3);
        assertEq(node.nodeOf(ONE).weight, qos.recordOf(ONE).weight, "with the weight it has earned, not a fresh one");
        assertLt(node.nodeOf(ONE).weight, 128);
    }

    function test_takesBackAPendingPause() public {
        TaskId t = _seated();
        _pause();
        vm.expectEmit(address(node));
        emit INode.IntentChanged(ONE, INode.Intent.None);
        _resume();
        _vote(t, [ANSWER, ANSWER, ANSWER]);
        assertEq(_status(ONE), INode.Status.Free);
    }

    function test_takesBackAPendingQuit() public {
        TaskId t = _seated();
        _quit();
        _resume();
        _vote(t, [ANSWER, ANSWER, ANSWER]);
        assertEq(_status(ONE), INode.Status.Free);
    }

    /// @dev Changing one's mind while a draw waits leaves the sets as they were.
    function test_takesBackADeferredPause() public {
        _join(4, CLASS, 24);
        _closeSets();
        _pause();
        _resume();
        queue.dispatch(1);
        assertEq(node.counts().active, 4);
        assertEq(node.counts().free, 1);
        assertEq(node.deferred(), 0);
    }

    function test_waitsOutsideTheSetsWhileADrawWaits() public {
        _join(4, CLASS, 24);
        _pause();
        TaskId t = _closeSets();
        _resume();
        assertEq(_status(ONE), INode.Status.Free);
        assertFalse(node.nodeOf(ONE).inSets);
        queue.dispatch(1);
        assertTrue(node.nodeOf(ONE).inSets);
        for (uint256 i; i < 3; ++i) {
            assertTrue(_nodeAt(t, i) != ONE);
        }
    }

    /// @dev However often an operator changes its mind, the node is in the list once and in the sets once.
    function testFuzz_waveringNodeStandsInTheSetsOnce(uint8 times) public {
        _join(4, CLASS, 24);
        _pause();
        _closeSets();
        for (uint256 i; i < uint256(times) % 10 * 2 + 1; ++i) {
            if (i % 2 == 0) _resume();
            else _pause();
        }
        assertEq(node.deferred(), 1);
        queue.dispatch(1);
        assertEq(abi.encode(node.counts()), abi.encode(INode.Counts(4, 4, 1, 3)), "invariant 10");
        assertEq(node.capacity().free[9], 1);
    }

    function _pause() private {
        vm.prank(_operator(1));
        node.pause(ONE);
    }

    function _quit() private {
        vm.prank(_operator(1));
        node.quit(ONE);
    }

    function _resume() private {
        vm.prank(_operator(1));
        node.resume(ONE);
    }

    function _refused(NodeId id, INode.Status status) private {
        vm.prank(node.operatorOf(id));
        vm.expectRevert(abi.encodeWithSelector(INode.WrongStatus.selector, id, status));
        node.resume(id);
    }
}
