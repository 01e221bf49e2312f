// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../contracts/interfaces/INode.sol";
import {NodeId, TaskId} from "../../contracts/types/Ids.sol";
import {Network} from "./Network.sol";

/// @notice A network in which cases are opened, and what must hold of its books after every step.
abstract contract Cases is Network {
    /// @dev One that stood alone, and the two whose results agreed.
    struct Case {
        TaskId task;
        NodeId alone;
        NodeId[2] agreed;
    }

    uint96 internal constant STAKE = 400 ether;
    uint256 internal constant APPEAL = 2 days;
    uint32 internal constant ARBITRATION = 4 days;
    uint256 internal constant UNBONDING = 7 days;
    bytes32 internal constant EVIDENCE = keccak256("a transcript");

    /// @dev A task whose first seat stands alone against the two others.
    function _openCase() internal returns (Case memory c) {
        c.task = _seated();
        (c.alone, c.agreed) = (_nodeAt(c.task, 0), [_nodeAt(c.task, 1), _nodeAt(c.task, 2)]);
        _vote(c.task, [WRONG, ANSWER, ANSWER]);
    }

    function _openAppealedCase() internal returns (Case memory c) {
        c = _openCase();
        node.appeal(c.alone, EVIDENCE);
    }

    function _rule(NodeId id, INode.Ruling ruling) internal {
        TaskId t = node.caseOf(id).task;
        vm.prank(owner);
        node.arbitrate(id, t, ruling);
    }

    function _pause(NodeId id) internal {
        _asOperator(id);
        node.pause(id);
    }

    function _quit(NodeId id) internal {
        _asOperator(id);
        node.quit(id);
    }

    function _resume(NodeId id) internal {
        _asOperator(id);
        node.resume(id);
    }

    function _withdraw(NodeId id) internal {
        _asOperator(id);
        node.withdraw(id);
    }

    function _asOperator(NodeId id) internal {
        vm.prank(node.operatorOf(id));
    }

    /// @dev Freezes one, lets its time to appeal pass, and slashes it.
    function _slashed() internal returns (NodeId id) {
        id = _openCase().alone;
        vm.warp(block.timestamp + APPEAL + 1);
        node.slash(id);
    }

    /// @dev One of the three nodes of the network, brought into `status`; for `None` an id that was never given out.
    function _nodeIn(INode.Status status) internal returns (NodeId id) {
        id = NodeId.wrap(1);
        if (status == INode.Status.None) id = NodeId.wrap(99);
        if (status == INode.Status.Busy) _seated();
        if (status == INode.Status.Paused) _pause(id);
        if (status == INode.Status.Suspended) _suspend(id);
        if (status == INode.Status.Frozen) id = _openCase().alone;
        if (status == INode.Status.Slashed) id = _slashed();
        if (status == INode.Status.Unbonding || status == INode.Status.Gone) _quit(id);
        if (status == INode.Status.Gone) {
            vm.warp(block.timestamp + UNBONDING);
            _withdraw(id);
        }
        assertEq(_status(id), status);
    }

    /// @dev Everybody seated in `t` but `id` agrees.
    function _voteAgainst(TaskId t, NodeId id) internal {
        bytes32[3] memory results;
        for (uint256 seat; seat < 3; ++seat) {
            results[seat] = _nodeAt(t, seat) == id ? WRONG : ANSWER;
        }
        _vote(t, results);
    }

    /// @dev `move` takes a node and then `arguments`: it is refused for a node in any status but Frozen.
    function _assertRefusedUnlessFrozen(address from, bytes4 move, bytes memory arguments) internal {
        uint256 start = vm.snapshotState();
        for (uint8 i; i <= uint8(type(INode.Status).max); ++i) {
            INode.Status status = INode.Status(i);
            if (status == INode.Status.Frozen) continue;
            NodeId id = _nodeIn(status);
            vm.prank(from);
            (bool ok, bytes memory output) = address(node).call(abi.encodePacked(move, abi.encode(id), arguments));
            assertFalse(ok);
            assertEq(output, abi.encodeWithSelector(INode.WrongStatus.selector, id, status));
            vm.revertToState(start);
        }
    }

    /// @dev All that is known of the three nodes but their cases, the counters, and the money.
    function _everythingButCases() internal view returns (bytes memory) {
        return abi.encode(stats.nodes(NodeId.wrap(1), 3), node.counts(), node.capacity(), address(node).balance);
    }

    /// @dev Invariants 1 and 10 of the node registry: its balance is what it owes, its counters equal the recount.
    function _assertBooks() internal view {
        uint256 stakes;
        INode.Counts memory want;
        for (uint32 i = 1; i <= NodeId.unwrap(node.lastNode()); ++i) {
            INode.NodeView memory n = node.nodeOf(NodeId.wrap(i));
            stakes += n.stake;
            bool left = n.status == INode.Status.Gone || n.status == INode.Status.Slashed;
            if (left) assertEq(n.stake, 0, "who has left has no stake");
            else ++want.total;
            if (n.status == INode.Status.Busy) ++want.busy;
            if (n.status == INode.Status.Busy || n.status == INode.Status.Free) ++want.active;
            if (n.inSets) ++want.free;
            if (n.inSets) assertEq(n.status, INode.Status.Free);
        }
        assertEq(address(node).balance, stakes + node.slashed(), "invariant 1");
        assertEq(abi.encode(node.counts()), abi.encode(want), "invariant 10");
    }
}
