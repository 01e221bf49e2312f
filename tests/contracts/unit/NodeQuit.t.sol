// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Network} from "../Network.sol";

contract NodeQuitTest is Network {
    NodeId private constant ONE = NodeId.wrap(1);

    function setUp() public override {
        super.setUp();
        _joinMany(3);
    }

    function testFuzz_refusesEverybodyButTheOperator(address caller) public {
        vm.assume(caller != _operator(1));
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(INode.NotOperator.selector, ONE, caller));
        node.quit(ONE);
    }

    function test_refusesUnbondingAndGoneNodes() public {
        _quit();
        _refused(ONE, INode.Status.Unbonding);
        vm.warp(block.timestamp + 7 days);
        vm.prank(_operator(1));
        node.withdraw(ONE);
        _refused(ONE, INode.Status.Gone);
    }

    /// @dev A frozen node cannot walk away with its stake.
    function test_refusesFrozenNode() public {
        _refused(_frozen(), INode.Status.Frozen);
    }

    function testFuzz_aFreeNodeStartsUnbondingNow(uint32 later) public {
        vm.warp(block.timestamp + later);
        vm.expectEmit(address(node));
        emit INode.StatusChanged(ONE, INode.Status.Unbonding);
        _quit();
        INode.NodeView memory v = node.nodeOf(ONE);
        assertEq(v.since, block.timestamp);
        assertFalse(v.inSets);
        assertEq(v.stake, 400 ether);
        assertEq(abi.encode(node.counts()), abi.encode(INode.Counts(3, 2, 2, 0)), "total until the stake is gone");
    }

    function test_pausedAndSuspendedNodesStartUnbondingNow() public {
        _suspend(ONE);
        _quit();
        assertEq(_status(ONE), INode.Status.Unbonding);
        assertEq(node.counts().active, 2);
        NodeId two = NodeId.wrap(2);
        vm.prank(_operator(2));
        node.pause(two);
        vm.prank(_operator(2));
        node.quit(two);
        assertEq(_status(two), INode.Status.Unbonding);
        assertEq(abi.encode(node.counts()), abi.encode(INode.Counts(3, 1, 1, 0)), "invariant 10");
    }

    /// @dev The unbonding of a busy node starts when its seat ends, not when it asked.
    function test_aBusyNodeQuitsWhenItsSeatEnds() public {
        TaskId t = _seated();
        vm.expectEmit(address(node));
        emit INode.IntentChanged(ONE, INode.Intent.Quit);
        _quit();
        assertEq(_status(ONE), INode.Status.Busy);
        vm.warp(block.timestamp + 60);
        _vote(t, [ANSWER, ANSWER, ANSWER]);
        assertEq(_status(ONE), INode.Status.Unbonding);
        assertEq(node.nodeOf(ONE).since, block.timestamp);
        assertEq(node.nodeOf(ONE).intent, INode.Intent.None);
    }

    function test_aNodeThatQuitIsNotSuspendedButGoes() public {
        for (uint256 i; i < 2; ++i) {
            _serveWithout(_seated(), ONE);
        }
        TaskId t = _seated();
        _quit();
        _serveWithout(t, ONE);
        assertEq(_status(ONE), INode.Status.Unbonding);
        assertEq(node.counts().active, 2);
    }

    function test_quittingDoesNotSaveTheStakeOfALiar() public {
        TaskId t = _seated();
        NodeId id = _nodeAt(t, 0);
        vm.prank(_operatorAt(t, 0));
        node.quit(id);
        _vote(t, [WRONG, ANSWER, ANSWER]);
        assertEq(_status(id), INode.Status.Frozen);
    }

    function test_whileADrawWaitsAFreeNodeStaysEligible() public {
        TaskId t = _closeSets();
        _quit();
        assertTrue(node.nodeOf(ONE).inSets);
        queue.dispatch(1);
        assertEq(_status(ONE), INode.Status.Busy);
        _vote(t, [ANSWER, ANSWER, ANSWER]);
        assertEq(_status(ONE), INode.Status.Unbonding);
    }

    function test_aNodeThatWaitsToEnterQuitsAtOnce() public {
        _closeSets();
        NodeId late = _join(4, CLASS, 24);
        vm.prank(_operator(4));
        node.quit(late);
        assertEq(_status(late), INode.Status.Unbonding);
        queue.dispatch(1);
        assertFalse(node.nodeOf(late).inSets);
        assertEq(node.counts().active, 3);
    }

    function _quit() private {
        vm.prank(_operator(1));
        node.quit(ONE);
    }

    function _refused(NodeId id, INode.Status status) private {
        vm.prank(node.operatorOf(id));
        vm.expectRevert(abi.encodeWithSelector(INode.WrongStatus.selector, id, status));
        node.quit(id);
    }
}
