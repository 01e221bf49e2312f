// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ending} from "../../../contracts/interfaces/INetworkStats.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {ITaskQueue} from "../../../contracts/interfaces/ITaskQueue.sol";
import {TaskId} from "../../../contracts/types/Ids.sol";
import {Level} from "../../../contracts/types/ValueRate.sol";
import {Network} from "../Network.sol";

contract TaskCancelTest is Network {
    function setUp() public override {
        super.setUp();
        _joinMany(3);
    }

    function testFuzz_refusesEverybodyButTheCreator(address caller) public {
        vm.assume(caller != creator);
        TaskId t = _create(GPT, FEE, 100);
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(ITask.NotCreator.selector, t, caller));
        task.cancel(t);
    }

    function testFuzz_refusesTaskThatDoesNotExist(uint40 id) public {
        bytes4 selector = ITask.WrongState.selector;
        _refused(TaskId.wrap(id), abi.encodeWithSelector(selector, id, ITask.State.None, ITask.State.Queued));
    }

    /// @dev Not even when its wait is over, nor by `expire` before that: whoever fills the queue with values it does not mean
    /// runs the risk of being served.
    function testFuzz_refusesInTheFirstMinute(uint32 waited) public {
        TaskId t = _create(GPT, FEE, 100);
        uint256 until = block.timestamp + 60;
        vm.warp(block.timestamp + waited % 61);
        _refused(t, abi.encodeWithSelector(ITask.TooEarly.selector, t, until));
        vm.expectPartialRevert(ITask.TooEarly.selector);
        task.expire(t);
        vm.warp(until + 1);
        _cancel(t);
        assertEq(task.creditOf(creator), FEE);
    }

    function test_refusesTaskThatWasDrawn() public {
        TaskId t = _create(GPT, FEE, 100);
        queue.dispatch(1);
        _pastTheFirstMinute();
        _refused(t, abi.encodeWithSelector(ITaskQueue.NotQueued.selector, t));
        assertEq(task.taskOf(t).escrow, FEE, "the failed attempt took nothing");
    }

    function test_refusesTaskThatIsSeated() public {
        TaskId t = _seated();
        bytes4 selector = ITask.WrongState.selector;
        _refused(t, abi.encodeWithSelector(selector, t, ITask.State.Committing, ITask.State.Queued));
    }

    function test_refusesTheSecondTime() public {
        TaskId t = _create(GPT, FEE, 100);
        _cancel(t);
        bytes4 selector = ITask.WrongState.selector;
        _refused(t, abi.encodeWithSelector(selector, t, ITask.State.Ended, ITask.State.Queued));
        assertEq(task.creditOf(creator), FEE, "credited once");
    }

    function testFuzz_emitsTheRefund(uint96 fee) public {
        fee = uint96(bound(fee, 1e12, 100 ether));
        TaskId t = _create(GPT, fee, 100);
        vm.expectEmit(address(task));
        emit ITask.TaskWithdrawn(t, Ending.Cancelled, fee);
        _cancel(t);
    }

    function testFuzz_creditsTheWholeFeeAndMovesNothing(uint96 fee) public {
        fee = uint96(bound(fee, 1e12, 100 ether));
        TaskId t = _create(GPT, fee, 100);
        uint256 before = creator.balance;
        _cancel(t);
        assertEq(task.creditOf(creator), fee);
        assertEq(task.taskOf(t).escrow, 0);
        assertEq(task.taskOf(t).creator, address(0), "its slot is clear");
        assertEq(task.taskOf(t).state, ITask.State.Ended);
        assertEq(creator.balance, before, "invariant 6: a credit, not a transfer");
        assertEq(address(task).balance, fee, "invariant 1");
        assertEq(stats.tallyOf(GPT).cancelled, 1);
        assertEq(queue.queued(), 0);
    }

    /// @dev Whichever of several tasks goes, the others keep their order (invariant 3).
    function testFuzz_leavesTheOthersInOrder(uint8 number, uint8 which) public {
        uint256 n = bound(number, 1, 12);
        TaskId[] memory tasks = new TaskId[](n);
        for (uint256 i; i < n; ++i) {
            tasks[i] = _create(GPT, FEE, 100);
        }
        uint256 gone = bound(which, 0, n - 1);
        _cancel(tasks[gone]);
        (, TaskId next) = _headOf(GPT, 0, ANY);
        for (uint256 i; i < n; ++i) {
            if (i == gone) continue;
            assertEq(next, tasks[i]);
            next = queue.placeOf(next).next;
        }
        assertEq(next, TaskId.wrap(0));
        assertEq(queue.queued(), n - 1);
    }

    function test_theBookOfACancelledLastTaskIsEmpty() public {
        TaskId t = _create(GPT, FEE, 100);
        _cancel(t);
        (Level level, TaskId first) = _headOf(GPT, 0, ANY);
        assertEq(level, Level.wrap(0));
        assertEq(first, TaskId.wrap(0));
        assertEq(queue.topsOf(GPT)[0], Level.wrap(0));
    }

    function _cancel(TaskId t) private {
        _pastTheFirstMinute();
        vm.prank(creator);
        task.cancel(t);
    }

    function _refused(TaskId t, bytes memory reason) private {
        vm.prank(creator);
        vm.expectRevert(reason);
        task.cancel(t);
    }
}
