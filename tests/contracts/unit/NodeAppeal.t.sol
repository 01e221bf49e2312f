// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Network} from "../Network.sol";

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

contract NodeAppealTest is Cases {
    function setUp() public override {
        super.setUp();
        _joinMany(3);
    }

    function test_refusesANodeThatIsNotFrozen() public {
        uint256 start = vm.snapshotState();
        for (uint8 i; i <= uint8(type(INode.Status).max); ++i) {
            INode.Status status = INode.Status(i);
            if (status == INode.Status.Frozen) continue;
            NodeId id = _nodeIn(status);
            vm.expectRevert(abi.encodeWithSelector(INode.WrongStatus.selector, id, status));
            node.appeal(id, EVIDENCE);
            vm.revertToState(start);
        }
    }

    function testFuzz_refusesASecondAppeal(bytes32 evidence, uint32 later) public {
        NodeId id = _openAppealedCase().alone;
        vm.warp(block.timestamp + later);
        vm.expectRevert(abi.encodeWithSelector(INode.AlreadyAppealed.selector, id));
        node.appeal(id, evidence);
    }

    function testFuzz_refusesWhenTheTimeIsOver(uint32 later) public {
        NodeId id = _openCase().alone;
        uint256 until = block.timestamp + APPEAL;
        vm.warp(until + 1 + later);
        vm.expectRevert(abi.encodeWithSelector(INode.CaseOver.selector, id, until));
        node.appeal(id, EVIDENCE);
    }

    function test_refusesNoEvidence() public {
        NodeId id = _openCase().alone;
        vm.expectRevert(abi.encodeWithSelector(INode.EvidenceZero.selector, id));
        node.appeal(id, 0);
    }

    /// @dev The freeze names the task, the two others in the order of their seats, and the end of the time to appeal.
    function testFuzz_aFreezeOpensACase(uint256 seed) public {
        TaskId t = _seated();
        uint256 alone = seed % 3;
        NodeId id = _nodeAt(t, alone);
        NodeId[2] memory accused = [_nodeAt(t, (alone + 1) % 3), _nodeAt(t, (alone + 2) % 3)];
        for (uint256 i; i < 3; ++i) {
            _commit(t, i, i == alone ? WRONG : ANSWER);
        }
        for (uint256 i; i < 2; ++i) {
            _reveal(t, i, i == alone ? WRONG : ANSWER);
        }
        uint40 until = uint40(block.timestamp + APPEAL);
        vm.expectEmit(address(node));
        emit INode.StatusChanged(id, INode.Status.Frozen);
        vm.expectEmit(address(node));
        emit INode.CaseOpened(id, t, until, accused);
        _reveal(t, 2, alone == 2 ? WRONG : ANSWER);
        assertEq(abi.encode(node.caseOf(id)), abi.encode(INode.Case(t, until, ARBITRATION, false, 0, accused)));
        assertEq(node.nodeOf(id).since, block.timestamp);
        assertEq(node.nodeOf(id).stake, STAKE, "nothing is taken");
        _assertBooks();
    }

    /// @dev Its operator, one of the accused, a stranger: whoever has the evidence.
    function testFuzz_anybodyAppealsUpToTheLastSecond(address caller, bytes32 evidence, uint32 waited) public {
        vm.assume(evidence != 0);
        Case memory c = _openCase();
        vm.warp(block.timestamp + bound(waited, 0, APPEAL));
        uint40 decideBy = uint40(block.timestamp + ARBITRATION);
        vm.expectEmit(address(node));
        emit INode.Appealed(c.alone, c.task, caller, evidence, decideBy);
        vm.prank(caller);
        node.appeal(c.alone, evidence);
        assertEq(
            abi.encode(node.caseOf(c.alone)), abi.encode(INode.Case(c.task, decideBy, ARBITRATION, true, 0, c.agreed))
        );
    }

    function test_changesNothingButTheCase() public {
        Case memory c = _openCase();
        bytes memory all = _everything();
        node.appeal(c.alone, EVIDENCE);
        assertEq(_everything(), all);
        _assertBooks();
    }

    /// @dev A node found to have had another frozen for nothing has the same right, against an accusation by nobody.
    function test_anAccusedNodeMayAppealToo() public {
        Case memory c = _openAppealedCase();
        _rule(c.alone, INode.Ruling.Framed);
        NodeId[2] memory nobody;
        for (uint256 i; i < 2; ++i) {
            node.appeal(c.agreed[i], EVIDENCE);
            INode.Case memory want =
                INode.Case(c.task, uint40(block.timestamp + ARBITRATION), ARBITRATION, true, 0, nobody);
            assertEq(abi.encode(node.caseOf(c.agreed[i])), abi.encode(want));
        }
    }

    /// @dev A node that is frozen again has a new case: the old appeal does not count for it.
    function test_aNewFreezeIsANewCase() public {
        NodeId id = _openCase().alone;
        _acquit(id);
        Case memory c = _openCase();
        while (c.alone != id) {
            _acquit(c.alone);
            c = _openCase();
        }
        assertFalse(node.caseOf(id).appealed);
        assertEq(node.caseOf(id).until, block.timestamp + APPEAL);
        assertEq(node.caseOf(id).task, c.task);
    }

    function _acquit(NodeId id) private {
        node.appeal(id, EVIDENCE);
        _rule(id, INode.Ruling.Innocent);
        _resume(id);
    }

    function _everything() private view returns (bytes memory) {
        return abi.encode(stats.nodes(NodeId.wrap(1), 3), node.counts(), node.capacity(), address(node).balance);
    }
}
