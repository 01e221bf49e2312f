// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Cases} from "../Cases.sol";

contract NodeAppealTest is Cases {
    function setUp() public override {
        super.setUp();
        _joinMany(3);
    }

    function test_refusesANodeThatIsNotFrozen() public {
        _assertRefusedUnlessFrozen(keeper, INode.appeal.selector, abi.encode(EVIDENCE));
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
        bytes memory all = _everythingButCases();
        node.appeal(c.alone, EVIDENCE);
        assertEq(_everythingButCases(), all);
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
}
