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
        NodeId[3] memory nodes = task.taskOf(t).nodes;
        INode.Fate[3] memory fates;
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(NotAllowed.selector, caller, address(task)));
        node.release(nodes, [uint8(255), 255, 255], fates);
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
        INode.Fate[3] memory fates = [INode.Fate.Freeze, INode.Fate.Freeze, INode.Fate.Freeze];
        _refused(address(node), abi.encodeCall(node.release, (nodes, [uint8(1), 1, 1], fates)), address(task));
        _refused(address(node), abi.encodeCall(node.choose, (bytes32(0), INode.Need(0, false, ANY))), address(task));
        _refused(address(node), abi.encodeCall(node.openRound, ()), address(queue));
        _refused(address(node), abi.encodeCall(node.closeRound, (1)), address(queue));
        _refused(address(task), abi.encodeCall(task.seat, (t, bytes32(0), owner)), address(queue));
        _refused(address(task), abi.encodeCall(task.enroll, (NodeId.wrap(1), owner)), address(node));
        _refused(address(queue), abi.encodeCall(queue.remove, (t)), address(task));
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

    function _refused(address target, bytes memory input, address required) private {
        vm.prank(owner);
        (bool ok, bytes memory reason) = target.call(input);
        assertFalse(ok);
        assertEq(reason, abi.encodeWithSelector(NotAllowed.selector, owner, required));
    }
}
