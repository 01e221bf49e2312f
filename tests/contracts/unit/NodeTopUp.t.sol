// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {NodeId} from "../../../contracts/types/Ids.sol";
import {Cases} from "../Cases.sol";

contract NodeTopUpTest is Cases {
    uint96 private constant MISS = 0.4 ether;

    function setUp() public override {
        super.setUp();
        _joinMany(3);
        vm.deal(address(this), 10_000 ether);
    }

    function test_refusesWhoCannotWorkAgain() public {
        INode.Status[5] memory refused =
            [INode.Status.None, INode.Status.Frozen, INode.Status.Unbonding, INode.Status.Gone, INode.Status.Slashed];
        uint256 start = vm.snapshotState();
        for (uint256 i; i < 5; ++i) {
            NodeId id = _nodeIn(refused[i]);
            vm.expectRevert(abi.encodeWithSelector(INode.WrongStatus.selector, id, refused[i]));
            node.topUp{value: 1}(id);
            vm.revertToState(start);
        }
    }

    function testFuzz_refusesMoreThanTheStakeOfANewcomer(uint256 excess) public {
        _serveWithout(_seated(), NodeId.wrap(1));
        uint256 sent = MISS + bound(excess, 1, 1000 ether);
        vm.expectRevert(
            abi.encodeWithSelector(INode.StakeTooHigh.selector, NodeId.wrap(1), STAKE - MISS + sent, uint256(STAKE))
        );
        node.topUp{value: sent}(NodeId.wrap(1));
    }

    function test_refusesAWeiForAFullStake() public {
        vm.expectRevert(
            abi.encodeWithSelector(INode.StakeTooHigh.selector, NodeId.wrap(1), uint256(STAKE) + 1, uint256(STAKE))
        );
        node.topUp{value: 1}(NodeId.wrap(1));
    }

    function testFuzz_anybodyPaysInStepsUpToTheWholeStake(address payer, uint96 part) public {
        vm.assume(payer != address(node));
        _serveWithout(_seated(), NodeId.wrap(1));
        part = uint96(bound(part, 0, MISS));
        vm.deal(payer, MISS);
        vm.startPrank(payer);
        vm.expectEmit(address(node));
        emit INode.StakeAdded(NodeId.wrap(1), part, STAKE - MISS + part);
        node.topUp{value: part}(NodeId.wrap(1));
        vm.expectEmit(address(node));
        emit INode.StakeAdded(NodeId.wrap(1), MISS - part, STAKE);
        node.topUp{value: MISS - part}(NodeId.wrap(1));
        vm.stopPrank();
        assertEq(node.nodeOf(NodeId.wrap(1)).stake, STAKE);
        assertEq(node.slashed(), MISS, "what was a penalty stays one");
        assertEq(payer.balance, 0);
        _assertBooks();
    }

    function test_leavesTheNodeWhereItStands() public {
        INode.Status[4] memory taken =
            [INode.Status.Free, INode.Status.Busy, INode.Status.Paused, INode.Status.Suspended];
        uint256 start = vm.snapshotState();
        for (uint256 i; i < 4; ++i) {
            if (taken[i] != INode.Status.Suspended) _serveWithout(_seated(), NodeId.wrap(1));
            NodeId id = _nodeIn(taken[i]);
            assertEq(id, NodeId.wrap(1));
            INode.NodeView memory before = node.nodeOf(id);
            INode.Counts memory counts = node.counts();
            uint96 due = STAKE - before.stake;
            assertGt(due, 0);
            node.topUp{value: due}(id);
            before.stake = STAKE;
            assertEq(abi.encode(node.nodeOf(id)), abi.encode(before));
            assertEq(abi.encode(node.counts()), abi.encode(counts));
            _assertBooks();
            vm.revertToState(start);
        }
    }

    /// @dev What is added leaves with the rest of the stake.
    function test_theStakeAddedIsTheOperators() public {
        _serveWithout(_seated(), NodeId.wrap(1));
        node.topUp{value: MISS}(NodeId.wrap(1));
        _quit(NodeId.wrap(1));
        vm.warp(block.timestamp + UNBONDING);
        _withdraw(NodeId.wrap(1));
        assertEq(_operator(1).balance, STAKE);
        _assertBooks();
    }
}
