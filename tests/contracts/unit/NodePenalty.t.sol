// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {IQoS} from "../../../contracts/interfaces/IQoS.sol";
import {NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Params} from "../../../script/Deployment.sol";
import {Cases} from "../Cases.sol";
import {Vm} from "forge-std/Vm.sol";

/// @notice What a lapse costs. Three nodes, so who serves is known.
contract NodePenaltyTest is Cases {
    uint96 private constant MISS = 0.4 ether;
    uint96 private constant CONCEAL = 4 ether;

    function setUp() public override {
        super.setUp();
        _joinMany(3);
    }

    /// @dev Nobody did anything: the fault may lie with the task.
    function test_nothingWhenNobodyCommitted() public {
        TaskId t = _seated();
        _pastDeadline(t);
        task.advance(t);
        _assertPaid(t, [uint96(0), 0, 0]);
        assertEq(qos.recordOf(NodeId.wrap(1)).tasks, 0);
    }

    function test_nothingWhenNobodyRevealed() public {
        TaskId t = _seated();
        _commitAll(t, 3);
        _pastDeadline(t);
        task.advance(t);
        _assertPaid(t, [uint96(0), 0, 0]);
        assertEq(qos.recordOf(NodeId.wrap(1)).tasks, 0);
    }

    /// @dev Two commitments that are both kept back: nobody is known to have done better than the third.
    function test_nothingWhenNeitherOfTwoRevealed() public {
        TaskId t = _seated();
        _commitAll(t, 2);
        _pastDeadline(t);
        task.advance(t);
        _pastDeadline(t);
        task.advance(t);
        _assertPaid(t, [uint96(0), 0, 0]);
    }

    function test_nothingForAnErrorOrAResultNobodyShares() public {
        TaskId t = _seated();
        _vote(t, [ANSWER, WRONG, _error(1)]);
        _assertPaid(t, [uint96(0), 0, 0]);
        t = _seated();
        _vote(t, [ANSWER, ANSWER, _error(1)]);
        _assertPaid(t, [uint96(0), 0, 0]);
    }

    function test_aMissForACommitmentThatDidNotCome() public {
        TaskId t = _seated();
        _commitAll(t, 2);
        _pastDeadline(t);
        task.advance(t);
        _assertPaid(t, [uint96(0), 0, 0]);
        _reveal(t, 0, ANSWER);
        _expectPenalty(t, 2, INode.Lapse.Missed, MISS);
        _reveal(t, 1, ANSWER);
        _assertPaid(t, [uint96(0), 0, MISS]);
    }

    function test_aMissForEachOfTwoWhenOneAloneCommitted() public {
        TaskId t = _seated();
        _commitAll(t, 1);
        _pastDeadline(t);
        task.advance(t);
        _assertPaid(t, [uint96(0), MISS, MISS]);
    }

    /// @dev Who has seen two others agree on something else and keeps its own result back pays more than for a miss, so that
    /// hiding a lie costs.
    function testFuzz_moreThanAMissForAResultKeptBackWhileTwoAgree(uint256 hidden) public {
        TaskId t = _seated();
        hidden %= 3;
        _commitAll(t, 3);
        for (uint256 i; i < 3; ++i) {
            if (i != hidden) _reveal(t, i, ANSWER);
        }
        _pastDeadline(t);
        _expectPenalty(t, hidden, INode.Lapse.Concealed, CONCEAL);
        task.advance(t);
        uint96[3] memory paid;
        paid[hidden] = CONCEAL;
        _assertPaid(t, paid);
        assertGt(CONCEAL, MISS);
    }

    /// @dev The same silence hides nothing while the two others do not agree.
    function test_aMissForAResultKeptBackWhileTheOthersDoNotAgree() public {
        bytes32[2][3] memory others = [[ANSWER, WRONG], [ANSWER, _error(1)], [_error(1), _error(1)]];
        uint256 start = vm.snapshotState();
        for (uint256 i; i < 3; ++i) {
            TaskId t = _seated();
            _commit(t, 0, others[i][0]);
            _commit(t, 1, others[i][1]);
            _commit(t, 2, ANSWER);
            _reveal(t, 0, others[i][0]);
            _reveal(t, 1, others[i][1]);
            _pastDeadline(t);
            task.advance(t);
            _assertPaid(t, [uint96(0), 0, MISS]);
            vm.revertToState(start);
        }
    }

    function test_aMissForEachOfTwoWhenOneAloneRevealed() public {
        TaskId t = _seated();
        _commitAll(t, 3);
        _reveal(t, 1, ANSWER);
        _pastDeadline(t);
        task.advance(t);
        _assertPaid(t, [MISS, 0, MISS]);
    }

    function test_penaltiesAreTheTreasurys() public {
        TaskId t = _seated();
        _commitAll(t, 1);
        _pastDeadline(t);
        task.advance(t);
        node.withdrawSlashed();
        assertEq(treasury.balance, 2 * MISS);
        assertEq(node.slashed(), 0);
        _assertBooks();
    }

    function test_aPenaltyOfNothingIsNone() public {
        _setPenalties(0, 0);
        TaskId t = _seated();
        _commitAll(t, 3);
        _reveal(t, 0, ANSWER);
        _reveal(t, 1, ANSWER);
        _pastDeadline(t);
        vm.recordLogs();
        task.advance(t);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            assertTrue(logs[i].topics[0] != INode.Penalized.selector);
        }
        _assertPaid(t, [uint96(0), 0, 0]);
        assertEq(qos.recordOf(_nodeAt(t, 2)).misses, 1, "it still counts as a miss");
    }

    /// @dev Three quarters of the stake are enough to work; a wei less suspends.
    function test_suspendsBelowTheFloor() public {
        _setPenalties(0, 25 ether);
        NodeId id = NodeId.wrap(1);
        for (uint256 i; i < 4; ++i) {
            _conceal(id);
            assertEq(_status(id), INode.Status.Free);
            _serve();
        }
        assertEq(node.nodeOf(id).stake, node.stakeFloor());
        TaskId t = _seated();
        _letThemAgreeWithout(t, id);
        vm.expectEmit(address(node));
        emit INode.StatusChanged(id, INode.Status.Suspended);
        task.advance(t);
        assertEq(qos.recordOf(id).misses, 1, "not for its misses");
        assertEq(abi.encode(node.counts()), abi.encode(INode.Counts(3, 2, 2, 0)));
        assertEq(node.slashed(), 125 ether);
        _assertBooks();
    }

    function test_belowTheFloorItMustBeToppedUpToResume() public {
        NodeId id = _fallBelowTheFloor();
        _asOperator(id);
        vm.expectRevert(abi.encodeWithSelector(INode.StakeTooLow.selector, id, uint256(280 ether), uint256(300 ether)));
        node.resume(id);
        node.topUp{value: 20 ether - 1}(id);
        _asOperator(id);
        vm.expectRevert(
            abi.encodeWithSelector(INode.StakeTooLow.selector, id, uint256(300 ether - 1), uint256(300 ether))
        );
        node.resume(id);
        node.topUp{value: 1}(id);
        _resume(id);
        assertTrue(node.nodeOf(id).inSets);
        _assertBooks();
    }

    function test_belowTheFloorItMayLeaveWithWhatIsLeft() public {
        NodeId id = _fallBelowTheFloor();
        _quit(id);
        vm.warp(block.timestamp + UNBONDING);
        _withdraw(id);
        assertEq(node.operatorOf(id).balance, 280 ether);
        _assertBooks();
    }

    /// @dev A pause is not enough for a node that must be topped up; a quit is.
    function test_aSuspensionComesBeforeAPauseAndAfterAQuit() public {
        _setPenalties(0, 40 ether);
        for (uint256 i; i < 2; ++i) {
            _conceal(NodeId.wrap(1));
            _serve();
        }
        uint256 start = vm.snapshotState();
        TaskId t = _seated();
        _pause(NodeId.wrap(1));
        _concealIn(t, NodeId.wrap(1));
        assertEq(_status(NodeId.wrap(1)), INode.Status.Suspended);
        assertEq(node.nodeOf(NodeId.wrap(1)).intent, INode.Intent.None);
        _assertBooks();
        vm.revertToState(start);
        t = _seated();
        _quit(NodeId.wrap(1));
        _concealIn(t, NodeId.wrap(1));
        assertEq(_status(NodeId.wrap(1)), INode.Status.Unbonding);
        assertEq(node.nodeOf(NodeId.wrap(1)).stake, 280 ether);
        _assertBooks();
    }

    /// @dev No sequence of calls leads here, for a node below the floor has no seat: the slot is written by the test.
    function testFuzz_takesNoMoreThanThereIs(uint96 stake) public {
        stake = uint96(bound(stake, 0, CONCEAL - 1));
        NodeId id = NodeId.wrap(1);
        TaskId t = _seated();
        bytes32 slot = _stakeSlot(id);
        vm.store(address(node), slot, bytes32((uint256(stake) << 160) | uint160(_operator(1))));
        assertEq(node.nodeOf(id).stake, stake);
        vm.deal(address(node), 2 * uint256(STAKE) + stake);
        _concealIn(t, id);
        assertEq(node.nodeOf(id).stake, 0);
        assertEq(node.slashed(), stake);
        assertEq(_status(id), INode.Status.Suspended);
        _assertBooks();
    }

    function _setPenalties(uint96 miss, uint96 conceal) private {
        vm.prank(owner);
        node.setRules(INode.Rules(miss, conceal, 2 days, 4 days));
    }

    function _fallBelowTheFloor() private returns (NodeId id) {
        id = NodeId.wrap(1);
        _setPenalties(0, 40 ether);
        for (uint256 i; i < 3; ++i) {
            _conceal(id);
            if (i < 2) _serve();
        }
        assertEq(_status(id), INode.Status.Suspended);
    }

    function _serve() private {
        _vote(_seated(), [ANSWER, ANSWER, ANSWER]);
    }

    function _conceal(NodeId id) private {
        _concealIn(_seated(), id);
    }

    function _concealIn(TaskId t, NodeId id) private {
        _letThemAgreeWithout(t, id);
        task.advance(t);
    }

    /// @dev All commit, all but `id` reveal, and the time to reveal is over.
    function _letThemAgreeWithout(TaskId t, NodeId id) private {
        _commitAll(t, 3);
        for (uint256 i; i < 3; ++i) {
            if (_nodeAt(t, i) != id) _reveal(t, i, ANSWER);
        }
        _pastDeadline(t);
    }

    /// @dev The first `n` seats commit.
    function _commitAll(TaskId t, uint256 n) private {
        for (uint256 i; i < n; ++i) {
            _commit(t, i, ANSWER);
        }
    }

    function _expectPenalty(TaskId t, uint256 seat, INode.Lapse lapse, uint96 amount) private {
        NodeId id = _nodeAt(t, seat);
        vm.expectEmit(address(node));
        emit INode.Penalized(id, lapse, amount, STAKE - amount);
    }

    /// @dev Each seat's node has paid this so far, and nobody is in trouble for it.
    function _assertPaid(TaskId t, uint96[3] memory paid) private view {
        uint256 sum;
        for (uint256 i; i < 3; ++i) {
            assertEq(node.nodeOf(_nodeAt(t, i)).stake, STAKE - paid[i]);
            sum += paid[i];
        }
        assertEq(node.slashed(), sum);
        _assertBooks();
    }

    /// @dev Where the operator and the stake of a node are kept.
    function _stakeSlot(NodeId id) private returns (bytes32) {
        INode.NodeView memory n = node.nodeOf(id);
        bytes32 want = bytes32((uint256(n.stake) << 160) | uint160(n.operator));
        vm.record();
        node.nodeOf(id);
        (bytes32[] memory reads,) = vm.accesses(address(node));
        for (uint256 i; i < reads.length; ++i) {
            if (vm.load(address(node), reads[i]) == want) return reads[i];
        }
        revert("no such slot");
    }
}

/// @notice The same where a seat that was vacated is given to another node.
contract NodePenaltyRefillTest is Cases {
    function setUp() public override {
        super.setUp();
        _joinMany(4);
    }

    function _params() internal override returns (Params memory p) {
        p = super._params();
        p.terms.refills = 1;
    }

    /// @dev Who lost its seat pays when it is vacated, once; who takes it over and misses as well pays at the end.
    function test_eachHolderPaysForItsOwnMissOnce() public {
        TaskId t = _seated();
        NodeId first = _nodeAt(t, 2);
        _commit(t, 0, ANSWER);
        _commit(t, 1, ANSWER);
        _pastDeadline(t);
        vm.expectEmit(address(qos));
        emit IQoS.Scored(first, 0, 310);
        vm.expectEmit(address(node));
        emit INode.Penalized(first, INode.Lapse.Missed, 0.4 ether, STAKE - 0.4 ether);
        vm.expectEmit(address(node));
        emit INode.StatusChanged(first, INode.Status.Free);
        task.advance(t);
        _assertBooks();
        _dispatch(1);
        NodeId second = _nodeAt(t, 2);
        assertTrue(second != first);
        _pastDeadline(t);
        task.advance(t);
        _reveal(t, 0, ANSWER);
        _reveal(t, 1, ANSWER);
        assertEq(node.nodeOf(first).stake, STAKE - 0.4 ether);
        assertEq(node.nodeOf(second).stake, STAKE - 0.4 ether);
        assertEq(node.slashed(), 0.8 ether);
        _assertBooks();
    }

    /// @dev Nobody took the seat over: there is nobody to pay at the end.
    function test_anEmptySeatPaysNothing() public {
        _pause(NodeId.wrap(4));
        TaskId t = _seated();
        NodeId first = _nodeAt(t, 2);
        _commit(t, 0, ANSWER);
        _commit(t, 1, ANSWER);
        _pastDeadline(t);
        task.advance(t);
        _pause(first);
        _pastDeadline(t);
        task.advance(t);
        _reveal(t, 0, ANSWER);
        _reveal(t, 1, ANSWER);
        assertEq(node.nodeOf(first).stake, STAKE - 0.4 ether);
        assertEq(node.slashed(), 0.4 ether);
        _assertBooks();
    }
}
