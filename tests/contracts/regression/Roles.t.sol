// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ending} from "../../../contracts/interfaces/INetworkStats.sol";
import {INode} from "../../../contracts/interfaces/INode.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {NotAllowed} from "../../../contracts/types/Wiring.sol";
import {Network} from "../Network.sol";

/// @notice Defects of the original network in who may do what. "H" numbers are those of its list. The whole matrix of
/// roles is in access/Matrix.t.sol.
contract RoleDefectsTest is Network {
    function setUp() public override {
        super.setUp();
        _joinMany(6);
    }

    /// @notice H6. Original: the callback that tells of a node that became free is open to anybody.
    function testFuzz_H06_nobodyFreesAnothersNode(address caller) public {
        vm.assume(caller != address(task));
        TaskId t = _seated();
        INode.SeatEnd[3] memory ends = _ends(task.taskOf(t).nodes, INode.Fate.Free);
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(NotAllowed.selector, caller, address(task)));
        node.release(t, ends);
        assertEq(node.counts().busy, 3);
    }

    /// @notice H19. Original: anybody cancels anybody's queued task.
    function testFuzz_H19_onlyTheCreatorCancels(address caller) public {
        vm.assume(caller != creator);
        TaskId t = _create(GPT, FEE, 100);
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(ITask.NotCreator.selector, t, caller));
        task.cancel(t);
        assertEq(queue.queued(), 1);
    }

    /// @notice H25. Original: the owner takes the stakes of all free nodes by pointing the wiring at a contract of its
    /// own. Here the wiring is immutable: none of the calls that move nodes, seats, scores or books hears the owner.
    function test_H25_theOwnerMovesNobodysStake() public {
        uint256 stakes = address(node).balance;
        TaskId t = _create(GPT, FEE, 100);
        NodeId[3] memory nodes = [NodeId.wrap(1), NodeId.wrap(2), NodeId.wrap(3)];
        INode.Need memory need = INode.Need(0, false, ANY, ANY);
        _refused(address(node), abi.encodeCall(node.release, (t, _ends(nodes, INode.Fate.Freeze))), address(task));
        _refused(address(node), abi.encodeCall(node.choose, (bytes32(0), need)), address(task));
        _refused(address(node), abi.encodeCall(node.refill, (bytes32(0), need, nodes, 1)), address(task));
        _refused(address(node), abi.encodeCall(node.openRound, ()), address(queue));
        _refused(address(node), abi.encodeCall(node.closeRound, (1)), address(queue));
        _refused(address(task), abi.encodeCall(task.seat, (t, bytes32(0), ANY, ANY, owner)), address(queue));
        _refused(address(task), abi.encodeCall(task.enroll, (NodeId.wrap(1), owner)), address(node));
        _refused(address(task), abi.encodeCall(task.refillDrawn, (t)), address(queue));
        _refused(address(task), abi.encodeCall(task.requeued, (t, 1)), address(queue));
        _refused(address(queue), abi.encodeCall(queue.remove, (t, task.orderOf(t).ticket)), address(task));
        _refused(address(queue), abi.encodeCall(queue.vacate, (t)), address(task));
        _refused(address(qos), abi.encodeCall(qos.record, (nodes, [uint8(0), 0, 0])), address(task));
        _refused(address(stats), abi.encodeCall(stats.ended, (GPT, Ending.Agreed)), address(task));
        for (uint32 i = 1; i <= 6; ++i) {
            vm.prank(owner);
            vm.expectRevert(abi.encodeWithSelector(INode.NotOperator.selector, NodeId.wrap(i), owner));
            node.withdraw(NodeId.wrap(i));
        }
        assertEq(address(node).balance, stakes);
        assertEq(node.counts().free, 6);
    }

    /// @notice H25: the owner decides appeals, and nothing else. Without an appeal it has no say, and what is slashed goes
    /// to the treasury.
    function test_H25_theOwnerDecidesNothingButAppeals() public {
        NodeId id = _frozen();
        TaskId t = node.caseOf(id).task;
        vm.startPrank(owner);
        vm.expectRevert(abi.encodeWithSelector(INode.NotAppealed.selector, id));
        node.arbitrate(id, t, INode.Ruling.Guilty);
        NodeId other = NodeId.wrap(NodeId.unwrap(id) % 6 + 1);
        vm.expectPartialRevert(INode.WrongStatus.selector);
        node.arbitrate(other, t, INode.Ruling.Guilty);
        vm.stopPrank();
        vm.warp(uint256(node.caseOf(id).until) + 1);
        node.slash(id);
        vm.prank(owner);
        node.withdrawSlashed();
        assertEq(owner.balance, 0);
        assertEq(treasury.balance, 400 ether);
    }

    function _ends(NodeId[3] memory nodes, INode.Fate fate) private pure returns (INode.SeatEnd[3] memory ends) {
        for (uint256 i; i < 3; ++i) {
            ends[i] = INode.SeatEnd(nodes[i], 255, fate, INode.Lapse.None);
        }
    }

    function _refused(address target, bytes memory input, address required) private {
        vm.prank(owner);
        (bool ok, bytes memory reason) = target.call(input);
        assertFalse(ok);
        assertEq(reason, abi.encodeWithSelector(NotAllowed.selector, owner, required));
    }
}
