// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Cases} from "../Cases.sol";

contract NodeThawTest is Cases {
    function setUp() public override {
        super.setUp();
        _joinMany(3);
    }

    function test_refusesANodeThatIsNotFrozen() public {
        _assertRefusedUnlessFrozen(keeper, INode.thaw.selector, "");
    }

    function testFuzz_refusesWhatNobodyAppealedFor(uint32 later) public {
        NodeId id = _openCase().alone;
        vm.warp(block.timestamp + later);
        vm.expectRevert(abi.encodeWithSelector(INode.NotAppealed.selector, id));
        node.thaw(id);
    }

    function testFuzz_refusesWhileTheTimeToDecideLasts(uint32 waited) public {
        NodeId id = _openAppealedCase().alone;
        uint256 until = block.timestamp + ARBITRATION;
        vm.warp(block.timestamp + bound(waited, 0, ARBITRATION));
        vm.expectRevert(abi.encodeWithSelector(INode.CaseOpen.selector, id, until));
        node.thaw(id);
    }

    function testFuzz_anybodyReleasesWhatWasNotDecided(address caller, uint32 waited, uint32 later) public {
        Case memory c = _openCase();
        vm.warp(block.timestamp + bound(waited, 0, APPEAL));
        node.appeal(c.alone, EVIDENCE);
        vm.warp(block.timestamp + ARBITRATION + 1 + later);
        vm.expectEmit(address(node));
        emit INode.CaseLapsed(c.alone, c.task);
        vm.expectEmit(address(node));
        emit INode.StatusChanged(c.alone, INode.Status.Paused);
        vm.prank(caller);
        node.thaw(c.alone);
        assertEq(node.nodeOf(c.alone).stake, STAKE);
        assertEq(node.slashed(), 0);
        assertEq(abi.encode(node.counts()), abi.encode(INode.Counts(3, 2, 2, 0)));
        for (uint256 i; i < 2; ++i) {
            assertEq(_status(c.agreed[i]), INode.Status.Free);
        }
        _assertBooks();
    }

    /// @dev The arbiter that comes too late finds no case.
    function test_aReleasedNodeCannotBeRuledOn() public {
        NodeId id = _thawed();
        TaskId t = node.caseOf(id).task;
        vm.startPrank(owner);
        vm.expectRevert(abi.encodeWithSelector(INode.WrongStatus.selector, id, INode.Status.Paused));
        node.arbitrate(id, t, INode.Ruling.Guilty);
        vm.expectRevert(abi.encodeWithSelector(INode.WrongStatus.selector, id, INode.Status.Paused));
        node.thaw(id);
    }

    function test_aReleasedNodeMayWorkAgain() public {
        NodeId id = _thawed();
        _resume(id);
        assertTrue(node.nodeOf(id).inSets);
        assertEq(abi.encode(node.counts()), abi.encode(INode.Counts(3, 3, 3, 0)));
        _seated();
        assertEq(_status(id), INode.Status.Busy);
        _assertBooks();
    }

    function test_aReleasedNodeMayLeaveWithItsStake() public {
        NodeId id = _thawed();
        _quit(id);
        vm.warp(block.timestamp + UNBONDING);
        _withdraw(id);
        assertEq(node.operatorOf(id).balance, STAKE);
        _assertBooks();
    }

    function _thawed() private returns (NodeId id) {
        id = _openAppealedCase().alone;
        vm.warp(block.timestamp + ARBITRATION + 1);
        node.thaw(id);
    }
}
