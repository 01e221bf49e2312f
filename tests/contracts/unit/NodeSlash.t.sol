// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {NodeId} from "../../../contracts/types/Ids.sol";
import {Cases} from "../Cases.sol";
import {Puppet} from "../Puppet.sol";

contract NodeSlashTest is Cases {
    function setUp() public override {
        super.setUp();
        _joinMany(3);
    }

    function test_refusesANodeThatIsNotFrozen() public {
        _assertRefusedUnlessFrozen(keeper, INode.slash.selector, "");
    }

    function testFuzz_refusesWhileTheTimeToAppealLasts(uint32 waited) public {
        NodeId id = _openCase().alone;
        uint256 until = block.timestamp + APPEAL;
        vm.warp(block.timestamp + bound(waited, 0, APPEAL));
        vm.expectRevert(abi.encodeWithSelector(INode.CaseOpen.selector, id, until));
        node.slash(id);
    }

    function testFuzz_refusesWhatWasAppealed(uint32 waited, uint32 later) public {
        NodeId id = _openCase().alone;
        vm.warp(block.timestamp + bound(waited, 0, APPEAL));
        node.appeal(id, EVIDENCE);
        vm.warp(block.timestamp + later);
        vm.expectRevert(abi.encodeWithSelector(INode.AlreadyAppealed.selector, id));
        node.slash(id);
    }

    function testFuzz_anybodySlashesWhatNobodyAppealedFor(address caller, uint32 later) public {
        Case memory c = _openCase();
        vm.warp(block.timestamp + APPEAL + 1 + later);
        vm.expectEmit(address(node));
        emit INode.StatusChanged(c.alone, INode.Status.Slashed);
        vm.expectEmit(address(node));
        emit INode.Slashed(c.alone, c.task, STAKE);
        vm.prank(caller);
        node.slash(c.alone);
        assertEq(node.nodeOf(c.alone).stake, 0);
        assertEq(node.slashed(), STAKE);
        assertEq(address(node).balance, 3 * STAKE, "nothing is sent yet");
        assertEq(abi.encode(node.counts()), abi.encode(INode.Counts(2, 2, 2, 0)));
        _assertBooks();
    }

    /// @dev What a penalty took before is not taken again.
    function test_takesWhatThePenaltiesLeft() public {
        NodeId id = NodeId.wrap(1);
        _serveWithout(_seated(), id);
        NodeId alone = _openCase().alone;
        while (alone != id) {
            node.appeal(alone, EVIDENCE);
            _rule(alone, INode.Ruling.Innocent);
            _resume(alone);
            alone = _openCase().alone;
        }
        vm.warp(block.timestamp + APPEAL + 1);
        vm.expectEmit(address(node));
        emit INode.Slashed(id, node.caseOf(id).task, STAKE - 0.4 ether);
        node.slash(id);
        assertEq(node.slashed(), STAKE);
        _assertBooks();
    }

    /// @dev Slashed is for good: no way leads back, and no way leads out.
    function testFuzz_aSlashedNodeCanDoNothing(uint32 later) public {
        NodeId id = _slashed();
        vm.warp(block.timestamp + later);
        bytes memory reason = abi.encodeWithSelector(INode.WrongStatus.selector, id, INode.Status.Slashed);
        vm.startPrank(node.operatorOf(id));
        vm.expectRevert(reason);
        node.pause(id);
        vm.expectRevert(reason);
        node.resume(id);
        vm.expectRevert(reason);
        node.quit(id);
        vm.expectRevert(reason);
        node.withdraw(id);
        vm.expectRevert(reason);
        node.topUp(id);
    }

    /// @dev H13: neither a key, nor an operator, nor the voters, nor the owner, nor the caller gets any of it.
    function testFuzz_theStakeGoesToTheTreasuryAlone(address caller) public {
        vm.assume(caller != treasury);
        Case memory c = _openCase();
        vm.warp(block.timestamp + APPEAL + 1);
        address[6] memory others = [
            owner,
            caller,
            node.operatorOf(c.agreed[0]),
            node.nodeOf(c.agreed[0]).key,
            node.operatorOf(c.agreed[1]),
            node.operatorOf(c.alone)
        ];
        uint256[6] memory had;
        for (uint256 i; i < 6; ++i) {
            had[i] = others[i].balance + task.creditOf(others[i]);
        }
        uint256 earned = _earned(c.task);
        vm.startPrank(caller);
        node.slash(c.alone);
        vm.expectEmit(address(node));
        emit INode.SlashedWithdrawn(treasury, STAKE);
        node.withdrawSlashed();
        vm.stopPrank();
        assertEq(treasury.balance, STAKE);
        assertEq(node.slashed(), 0);
        assertEq(_earned(c.task), earned);
        for (uint256 i; i < 6; ++i) {
            assertEq(others[i].balance + task.creditOf(others[i]), had[i]);
        }
        _assertBooks();
    }

    function test_refusesToSendNothing() public {
        vm.expectRevert(INode.NothingSlashed.selector);
        node.withdrawSlashed();
        _slashed();
        node.withdrawSlashed();
        vm.expectRevert(INode.NothingSlashed.selector);
        node.withdrawSlashed();
    }

    /// @dev Forced ether is not the treasury's.
    function testFuzz_forcedEtherStaysWhereItIs(uint96 forced) public {
        vm.deal(address(node), 3 * uint256(STAKE) + forced);
        _slashed();
        node.withdrawSlashed();
        assertEq(treasury.balance, STAKE);
        assertEq(address(node).balance, 2 * uint256(STAKE) + forced);
    }
}

/// @notice The treasury is a contract that does not behave.
contract NodeSlashTreasuryTest is Cases {
    Puppet private puppet;

    function setUp() public override {
        puppet = new Puppet(Puppet.OnReceive.Refuse);
        treasury = address(puppet);
        super.setUp();
        _joinMany(6);
    }

    function test_aTreasuryThatRefusesLocksNobodyElse() public {
        NodeId first = _slashed();
        _refused(STAKE);
        NodeId second = _slashed();
        _refused(2 * STAKE);
        assertEq(node.slashed(), 2 * STAKE);
        for (uint32 i = 1; i <= 6; ++i) {
            NodeId id = NodeId.wrap(i);
            if (id == first || id == second) continue;
            _quit(id);
            vm.warp(block.timestamp + UNBONDING);
            _withdraw(id);
            assertEq(_operator(i).balance, STAKE);
        }
        _assertBooks();
        puppet.behave(Puppet.OnReceive.Accept);
        node.withdrawSlashed();
        assertEq(address(puppet).balance, 2 * STAKE, "and loses nothing by it");
        assertEq(address(node).balance, 0);
    }

    function test_reentryGetsNothingMore() public {
        _slashed();
        puppet.plan(address(node), abi.encodeCall(INode.withdrawSlashed, ()));
        node.withdrawSlashed();
        assertEq(puppet.attempts(), 1);
        assertEq(puppet.successes(), 0);
        assertEq(address(puppet).balance, STAKE);
        _assertBooks();
    }

    function _refused(uint256 amount) private {
        vm.expectRevert(abi.encodeWithSelector(INode.TransferFailed.selector, address(puppet), amount));
        node.withdrawSlashed();
    }
}
