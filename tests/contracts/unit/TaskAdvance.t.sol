// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Network} from "../Network.sol";

/// @notice Invariant 5: whatever the seats do or leave undone, anybody can bring the task to its end.
contract TaskAdvanceTest is Network {
    uint256 private constant POT = FEE - FEE / 100;

    TaskId private t;

    function setUp() public override {
        super.setUp();
        _joinMany(3);
        t = _seated();
    }

    function testFuzz_refusesTaskThatDoesNotExist(uint40 id) public {
        vm.assume(id != TaskId.unwrap(t));
        _refused(TaskId.wrap(id), ITask.State.None);
    }

    function test_refusesQueuedAndDrawnTasks() public {
        TaskId queued = _create(SD, FEE, 1);
        vm.warp(block.timestamp + 2 hours);
        _refused(queued, ITask.State.Queued);
        _joinMore();
        TaskId drawn = _create(SD, FEE, 1);
        queue.dispatch(2);
        vm.warp(block.timestamp + 2 hours);
        _refused(drawn, ITask.State.Queued);
    }

    function test_refusesTaskThatHasEnded() public {
        _pastDeadline(t);
        task.advance(t);
        _refused(t, ITask.State.Ended);
    }

    /// @dev At every stage the last second belongs to the nodes.
    function testFuzz_refusesUntilTheStageIsOver(uint8 stage, uint40 early) public {
        if (stage % 3 != 0) {
            for (uint256 i; i < 3; ++i) {
                _commit(t, i, ANSWER);
            }
        }
        if (stage % 3 == 2) {
            for (uint256 i; i < 3; ++i) {
                _reveal(t, i, ANSWER);
            }
        }
        uint256 deadline = task.taskOf(t).deadline;
        vm.warp(bound(early, block.timestamp, deadline));
        vm.expectRevert(abi.encodeWithSelector(ITask.TooEarly.selector, t, deadline));
        task.advance(t);
    }

    function testFuzz_fewerThanTwoCommitmentsAbort(uint8 commits, uint8 seat, address caller) public {
        vm.assume(caller != creator);
        if (commits % 2 == 1) _commit(t, seat % 3, ANSWER);
        _pastDeadline(t);
        vm.prank(caller);
        task.advance(t);
        assertEq(task.taskOf(t).state, ITask.State.Ended);
        assertEq(task.creditOf(creator), POT - POT / 100, "full refund but for the crank");
        assertEq(task.creditOf(caller), caller == keeper ? (FEE + POT) / 100 : POT / 100, "the caller's");
        assertEq(stats.tallyOf(GPT).unanswered, 1);
        assertEq(node.counts().busy, 0, "invariant 2");
    }

    function testFuzz_twoCommitmentsGoOnToTheReveals(uint8 absent) public {
        uint256 missing = bound(absent, 0, 2);
        for (uint256 i; i < 3; ++i) {
            if (i != missing) _commit(t, i, ANSWER);
        }
        _pastDeadline(t);
        uint40 revealBy = uint40(block.timestamp + task.terms().revealWindow);
        vm.expectEmit(address(task));
        emit ITask.Advanced(t, address(this), uint96(POT / 100));
        vm.expectEmit(address(task));
        emit ITask.RevealOpened(t, revealBy);
        task.advance(t);
        assertEq(task.taskOf(t).state, ITask.State.Revealing);
        assertEq(task.taskOf(t).deadline, revealBy);
        assertEq(_status(_nodeAt(t, missing)), INode.Status.Busy);
        assertEq(task.taskOf(t).escrow, POT - POT / 100);
    }

    function testFuzz_missingRevealsAreSettled(uint8 reveals) public {
        uint256 n = bound(reveals, 0, 2);
        for (uint256 i; i < 3; ++i) {
            _commit(t, i, ANSWER);
        }
        for (uint256 i; i < n; ++i) {
            _reveal(t, i, ANSWER);
        }
        _pastDeadline(t);
        task.advance(t);
        assertEq(task.taskOf(t).state, n == 2 ? ITask.State.Delivering : ITask.State.Ended);
        assertEq(node.counts().busy, 0, "invariant 2");
        for (uint256 i; i < 3; ++i) {
            assertEq(qos.recordOf(_nodeAt(t, i)).misses, n != 0 && i >= n ? 1 : 0);
            // Kept back against two who agree costs ten times what a mere miss does; nothing when nobody came.
            uint256 penalty = n == 0 || i < n ? 0 : n == 2 ? 4 ether : 0.4 ether;
            assertEq(node.nodeOf(_nodeAt(t, i)).stake, 400 ether - penalty);
        }
    }

    function test_aMissedDeliveryPassesToTheNextWhoAgreed() public {
        _vote(t, [ANSWER, WRONG, ANSWER]);
        _pastDeadline(t);
        uint40 deliverBy = uint40(block.timestamp + task.terms().deliverWindow);
        NodeId next = _nodeAt(t, 2);
        vm.expectEmit(address(task));
        emit ITask.DeliveryPassed(t, next, deliverBy);
        task.advance(t);
        assertEq(task.taskOf(t).deliverer, 2, "not the one that stood alone");
        assertEq(task.taskOf(t).deadline, deliverBy);
        uint256 held = POT * 20 / 50;
        assertEq(task.taskOf(t).escrow, held - held / 100, "still held, less the crank share");
        assertEq(task.creditOf(address(this)), held / 100);
    }

    function test_theLastMissedDeliveryRefundsTheHeldShare() public {
        _vote(t, [ANSWER, WRONG, ANSWER]);
        uint256 refunded = task.creditOf(creator);
        uint256 held = POT * 20 / 50;
        _pastDeadline(t);
        task.advance(t);
        held -= held / 100;
        _pastDeadline(t);
        vm.expectEmit(address(task));
        emit ITask.Undelivered(t, creator, uint96(held - held / 100));
        task.advance(t);
        assertEq(task.creditOf(creator), refunded + held - held / 100);
        assertEq(task.taskOf(t).escrow, 0);
        assertEq(task.taskOf(t).creator, address(0), "its slot is clear");
        assertEq(task.taskOf(t).state, ITask.State.Ended);
        assertEq(stats.tallyOf(GPT).agreed, 1, "an ending is counted once");
    }

    function test_threeMissedTasksInARowSuspend() public {
        _pastDeadline(t);
        task.advance(t);
        _suspend(NodeId.wrap(1));
        assertEq(_status(NodeId.wrap(1)), INode.Status.Suspended);
        assertEq(qos.recordOf(NodeId.wrap(1)).misses, 0, "its count starts anew");
        assertEq(node.counts().active, 2);
    }

    function _joinMore() private {
        for (uint256 i = 11; i < 17; ++i) {
            _join(i, CLASS, 24);
        }
    }

    function _refused(TaskId id, ITask.State state) private {
        bytes4 selector = ITask.WrongState.selector;
        vm.expectRevert(abi.encodeWithSelector(selector, id, state, ITask.State.Committing));
        task.advance(id);
    }
}
