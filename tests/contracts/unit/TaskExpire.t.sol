// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ending} from "../../../contracts/interfaces/INetworkStats.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {ITaskQueue} from "../../../contracts/interfaces/ITaskQueue.sol";
import {TaskId} from "../../../contracts/types/Ids.sol";
import {Network} from "../Network.sol";

contract TaskExpireTest is Network {
    function setUp() public override {
        super.setUp();
        _joinMany(3);
    }

    function testFuzz_refusesTaskThatDoesNotExist(uint40 id) public {
        bytes4 selector = ITask.WrongState.selector;
        vm.expectRevert(abi.encodeWithSelector(selector, id, ITask.State.None, ITask.State.Queued));
        task.expire(TaskId.wrap(id));
    }

    /// @dev The last second of the wait still belongs to the task.
    function testFuzz_refusesBeforeTheWaitIsOver(uint32 waited) public {
        TaskId t = _create(GPT, FEE, 100);
        uint256 deadline = block.timestamp + 1 hours;
        vm.warp(block.timestamp + bound(waited, 0, 1 hours));
        vm.expectRevert(abi.encodeWithSelector(ITask.TooEarly.selector, t, deadline));
        task.expire(t);
    }

    function test_refusesTaskThatWasDrawn() public {
        TaskId t = _create(GPT, FEE, 100);
        queue.dispatch(1);
        _pastDeadline(t);
        vm.expectRevert(abi.encodeWithSelector(ITaskQueue.NotQueued.selector, t));
        task.expire(t);
    }

    function test_refusesTaskThatIsSeated() public {
        TaskId t = _seated();
        vm.warp(block.timestamp + 2 hours);
        bytes4 selector = ITask.WrongState.selector;
        vm.expectRevert(abi.encodeWithSelector(selector, t, ITask.State.Committing, ITask.State.Queued));
        task.expire(t);
    }

    function test_refusesTheSecondTime() public {
        TaskId t = _create(GPT, FEE, 100);
        _pastDeadline(t);
        task.expire(t);
        bytes4 selector = ITask.WrongState.selector;
        vm.expectRevert(abi.encodeWithSelector(selector, t, ITask.State.Ended, ITask.State.Queued));
        task.expire(t);
    }

    /// @dev Invariant 5, for a task that never gets its nodes.
    function testFuzz_anybodyRefundsItInFull(address caller, uint96 fee, uint32 late) public {
        fee = uint96(bound(fee, 1e12, 100 ether));
        TaskId t = _create(GPT, fee, 100);
        vm.warp(block.timestamp + 1 hours + bound(late, 1, 3650 days));
        vm.expectEmit(address(task));
        emit ITask.TaskWithdrawn(t, Ending.Expired, fee);
        vm.prank(caller);
        task.expire(t);
        assertEq(task.creditOf(creator), fee);
        assertEq(task.taskOf(t).escrow, 0);
        assertEq(task.taskOf(t).creator, address(0), "its slot is clear");
        assertEq(task.taskOf(t).state, ITask.State.Ended);
        assertEq(address(task).balance, fee, "invariant 1");
        assertEq(stats.tallyOf(GPT).expired, 1);
        assertEq(queue.queued(), 0);
    }
}
