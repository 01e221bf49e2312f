// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {NodeId} from "../../../contracts/types/Ids.sol";
import {Cases} from "../Cases.sol";
import {Vm} from "forge-std/Vm.sol";

/// @notice `addEvidence`: what an appeal did not say yet.
contract NodeEvidenceTest is Cases {
    bytes32 private constant MORE = keccak256("another transcript");

    function setUp() public override {
        super.setUp();
        _joinMany(3);
    }

    function test_refusesANodeThatIsNotFrozen() public {
        _assertRefusedUnlessFrozen(keeper, INode.addEvidence.selector, abi.encode(MORE));
    }

    function testFuzz_refusesWhatNobodyAppealedFor(bytes32 evidence, uint32 later) public {
        NodeId id = _openCase().alone;
        vm.warp(block.timestamp + later);
        vm.expectRevert(abi.encodeWithSelector(INode.NotAppealed.selector, id));
        node.addEvidence(id, evidence);
    }

    function testFuzz_refusesWhenTheTimeToDecideIsOver(uint32 later) public {
        NodeId id = _openAppealedCase().alone;
        uint256 until = block.timestamp + ARBITRATION;
        vm.warp(until + 1 + later);
        vm.expectRevert(abi.encodeWithSelector(INode.CaseOver.selector, id, until));
        node.addEvidence(id, MORE);
    }

    function test_refusesNoEvidence() public {
        NodeId id = _openAppealedCase().alone;
        vm.expectRevert(abi.encodeWithSelector(INode.EvidenceZero.selector, id));
        node.addEvidence(id, 0);
    }

    /// @dev A case that is decided takes no more.
    function testFuzz_refusesWhatIsDecided(uint8 ruling) public {
        NodeId id = _openAppealedCase().alone;
        _rule(id, INode.Ruling(ruling % 3));
        vm.expectRevert(abi.encodeWithSelector(INode.WrongStatus.selector, id, _status(id)));
        node.addEvidence(id, MORE);
    }

    /// @dev One of the accused, its operator, a stranger; as often as there is something to add.
    function testFuzz_anybodyAddsUpToTheLastSecond(
        address caller,
        bytes32 evidence,
        uint32 appealedAfter,
        uint32 waited
    ) public {
        vm.assume(evidence != 0);
        Case memory c = _openCase();
        vm.warp(block.timestamp + bound(appealedAfter, 0, APPEAL));
        node.appeal(c.alone, EVIDENCE);
        vm.warp(block.timestamp + bound(waited, 0, ARBITRATION));
        for (uint256 i; i < 3; ++i) {
            vm.expectEmit(address(node));
            emit INode.EvidenceAdded(c.alone, c.task, caller, evidence);
            vm.prank(caller);
            node.addEvidence(c.alone, evidence);
        }
    }

    /// @dev Nor does the case get more time by it.
    function testFuzz_changesNothing(uint32 waited) public {
        Case memory c = _openAppealedCase();
        vm.warp(block.timestamp + bound(waited, 0, ARBITRATION));
        bytes memory all = abi.encode(_everythingButCases(), node.caseOf(c.alone), node.accusationsOf(c.alone));
        vm.record();
        vm.recordLogs();
        node.addEvidence(c.alone, MORE);
        (, bytes32[] memory writes) = vm.accesses(address(node));
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(writes.length, 0, "nothing is stored");
        assertEq(logs.length, 1);
        assertEq(abi.encode(_everythingButCases(), node.caseOf(c.alone), node.accusationsOf(c.alone)), all);
        _assertBooks();
    }
}
