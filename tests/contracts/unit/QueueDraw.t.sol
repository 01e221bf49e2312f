// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ending} from "../../../contracts/interfaces/INetworkStats.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {ITaskQueue} from "../../../contracts/interfaces/ITaskQueue.sol";
import {TaskId} from "../../../contracts/types/Ids.sol";
import {Level} from "../../../contracts/types/ValueRate.sol";
import {Network} from "../Network.sol";

/// @notice The first half of `dispatch`: which tasks are drawn, in which order, and how many.
contract QueueDrawTest is Network {
    function test_refusesToDispatchNothing() public {
        vm.expectRevert(ITaskQueue.NothingToDispatch.selector);
        queue.dispatch(0);
    }

    function testFuzz_anEmptyQueueIsNoError(uint256 limit) public {
        (uint256 seated, uint256 drawn) = queue.dispatch(bound(limit, 1, type(uint256).max));
        assertEq(seated + drawn, 0);
        assertEq(queue.round().drawBlock, 0);
    }

    /// @dev Found by these tests: the search for three free nodes ran past the lowest tier and panicked.
    function testFuzz_fewerThanThreeFreeNodesDrawNothing(uint8 number, uint16 vram, uint8 kind) public {
        for (uint256 i; i < number % 3; ++i) {
            _join(1 + i, CLASS, vram);
        }
        _create(kind % 2, FEE, 1);
        (, uint256 drawn) = queue.dispatch(1);
        assertEq(drawn, 0);
        assertEq(queue.queued(), 1);
    }

    /// @dev The same panic would have undone the seating of what was drawn before.
    function test_seatsWhatWasDrawnThoughNothingMoreCanBeDrawn() public {
        _joinMany(3);
        TaskId t = _create(GPT, 2 * FEE, 100);
        _create(GPT, FEE, 100);
        assertEq(_dispatch(2), 1);
        assertEq(task.taskOf(t).state, ITask.State.Committing);
        assertEq(queue.queued(), 1);
    }

    function test_emitsTheDraw() public {
        _joinMany(3);
        TaskId t = _create(GPT, FEE, 100);
        vm.expectEmit(address(queue));
        emit ITaskQueue.TaskDrawn(t, block.number);
        queue.dispatch(1);
        assertEq(queue.queued(), 0);
        assertEq(abi.encode(queue.round()), abi.encode(ITaskQueue.Round(uint40(block.number), 1, 0)));
        assertEq(queue.roundTask(0), t);
    }

    /// @dev A drawn task has left its book but is not seated: still `Queued`, nobody is paid, no node is busy.
    function test_aDrawChangesNeitherMoneyNorNodes() public {
        _joinMany(3);
        TaskId t = _create(GPT, FEE, 100);
        vm.prank(keeper);
        queue.dispatch(1);
        assertEq(task.taskOf(t).state, ITask.State.Queued);
        assertEq(task.taskOf(t).escrow, FEE);
        assertEq(task.creditOf(keeper), 0);
        assertEq(node.counts().busy, 0);
        (Level none,) = _headOf(GPT, 0, ANY);
        assertEq(none, Level.wrap(0));
        vm.expectRevert(abi.encodeWithSelector(ITaskQueue.NotQueued.selector, t));
        queue.placeOf(t);
    }

    /// @dev Invariant 3: levels fall along the round, and in one level tasks stand in the order of creation.
    function testFuzz_theHighestValueFirst(uint96[8] memory fees, uint8 number) public {
        uint256 n = bound(number, 1, 8);
        _joinMany(3 * n + 1);
        for (uint256 i; i < n; ++i) {
            _create(GPT, uint96(bound(fees[i], 1e18, 1.05e18)), 100);
        }
        Level[] memory levels = new Level[](n);
        for (uint256 i; i < n; ++i) {
            levels[i] = queue.placeOf(TaskId.wrap(uint40(1 + i))).level;
        }
        (, uint256 drawn) = queue.dispatch(n);
        assertEq(drawn, n);
        for (uint256 i = 1; i < n; ++i) {
            uint256 before = TaskId.unwrap(queue.roundTask(i - 1));
            uint256 here = TaskId.unwrap(queue.roundTask(i));
            Level a = levels[before - 1];
            Level b = levels[here - 1];
            assertTrue(a > b || (a == b && before < here));
        }
    }

    function testFuzz_drawsNoMoreThanItMay(uint8 limit) public {
        uint256 n = bound(limit, 1, 6);
        _joinMany(21);
        for (uint256 i; i < 7; ++i) {
            _create(GPT, FEE, 100);
        }
        (, uint256 drawn) = queue.dispatch(n);
        assertEq(drawn, n);
        assertEq(queue.queued(), 7 - n);
    }

    /// @dev The pool floor: the last task is drawn while 3 + (active - 3) / 16 nodes are free.
    function testFuzz_drawsNoMoreThanTheNodesCanServe(uint8 number, bool images) public {
        uint256 n = bound(number, 3, 40);
        _joinMany(n);
        for (uint256 i; i < 15; ++i) {
            _create(images ? SD : GPT, FEE, 1);
        }
        (, uint256 drawn) = queue.dispatch(15);
        uint256 floor = 3 + (n - 3) / 16;
        assertEq(drawn, 1 + (n - floor) / 3);
        assertGe(n - 3 * (drawn - 1), floor, "the last was drawn from a full floor");
        assertLt(n - 3 * drawn, floor, "and not one too few");
    }

    /// @dev Busy nodes count as active: when three of twenty-one are free, whoever is among them has no task for itself.
    function testFuzz_threeFreeOfTwentyOneServeNobody(bool images) public {
        _joinMany(21);
        for (uint256 i; i < 6; ++i) {
            _create(GPT, 2 * FEE, 100);
        }
        assertEq(_dispatch(6), 6);
        assertEq(node.counts().free, 3);
        TaskId t = _create(images ? SD : GPT, FEE, 1);
        (, uint256 drawn) = queue.dispatch(1);
        assertEq(drawn, 0);
        _vote(TaskId.wrap(1), [ANSWER, ANSWER, ANSWER]);
        queue.dispatch(1);
        assertEq(queue.roundTask(0), t);
    }

    /// @dev A second call in the block of the draw adds to the round, and counts what is spoken for.
    function test_laterDrawsOfTheSameBlockJoinTheRound() public {
        _joinMany(6);
        for (uint256 i; i < 3; ++i) {
            _create(GPT, FEE, 100);
        }
        queue.dispatch(1);
        (uint256 seated, uint256 drawn) = queue.dispatch(5);
        assertEq(seated, 0, "never in the block of the draw");
        assertEq(drawn, 1);
        assertEq(queue.round().size, 2);
        _nextBlock();
        (seated,) = queue.dispatch(5);
        assertEq(seated, 2);
    }

    function test_aRoundHoldsSixtyFourTasks() public {
        // 207 nodes have a floor of 15: 65 tasks, and the 64 of a round leave exactly the floor.
        _joinMany(207);
        // The queue's limit follows the nodes from draw to draw.
        _create(GPT, FEE, 100);
        queue.dispatch(1);
        for (uint256 i; i < 64; ++i) {
            _create(GPT, FEE, 100);
        }
        (, uint256 drawn) = queue.dispatch(100);
        assertEq(drawn, 63);
        assertEq(queue.round().size, 64);
        (, drawn) = queue.dispatch(100);
        assertEq(drawn, 0);
        _nextBlock();
        (uint256 seated, uint256 next) = queue.dispatch(100);
        assertEq(seated, 64);
        assertEq(next, 1);
    }

    /// @dev Equal values: the lowest kind, then the lowest tier, then books of a required class.
    function test_tiesGoByKindThenTierThenClass() public {
        _joinMany(12);
        TaskId classed = _createFor(node.nodeOf(_join(13, CLASS, 24)).class, FEE);
        TaskId image = _create(SD, 5 * FEE, 1);
        TaskId high = _createIn(8);
        TaskId low = _createIn(4);
        (, uint256 drawn) = queue.dispatch(4);
        assertEq(drawn, 4);
        assertEq(queue.roundTask(0), low);
        assertEq(queue.roundTask(1), high);
        assertEq(queue.roundTask(2), image);
        assertEq(queue.roundTask(3), classed);
    }

    /// @dev A head that cannot be served does not hold up those that can.
    function test_anUnservableBestTaskIsPassedOver() public {
        _joinMany(3);
        vm.prank(creator);
        TaskId unservable = task.create{value: 50 ether}(GPT, TASK_HASH, 100, 128, ANY, 1 hours);
        TaskId t = _create(GPT, FEE, 100);
        assertEq(_dispatch(2), 1);
        assertEq(task.taskOf(t).state, ITask.State.Committing);
        assertEq(queue.queued(), 1);
        assertEq(task.taskOf(unservable).state, ITask.State.Queued);
    }

    /// @dev Three nodes of three classes can make images together, but not one text.
    function test_aKindThatNeedsOneClassWaitsForThreeOfIt() public {
        for (uint256 i = 1; i <= 3; ++i) {
            _join(i, keccak256(abi.encode(i)), 24);
        }
        _create(GPT, 100 ether, 100);
        TaskId image = _create(SD, FEE, 1);
        assertEq(_dispatch(2), 1);
        assertEq(task.taskOf(image).state, ITask.State.Committing);
        assertEq(queue.queued(), 1);
    }

    function testFuzz_aHeadWhoseWaitIsOverIsExpiredAndRefunded(uint8 stale) public {
        uint256 n = bound(stale, 1, 5);
        _joinMany(3);
        for (uint256 i; i < n; ++i) {
            _create(GPT, 2 * FEE, 100);
        }
        vm.warp(block.timestamp + 1 hours + 1);
        TaskId fresh = _create(GPT, FEE, 100);
        vm.expectEmit(address(task));
        emit ITask.TaskWithdrawn(TaskId.wrap(1), Ending.Expired, 2 * FEE);
        (, uint256 drawn) = queue.dispatch(n + 1);
        assertEq(drawn, 1);
        assertEq(queue.roundTask(0), fresh);
        assertEq(task.creditOf(creator), n * 2 * FEE);
        assertEq(stats.tallyOf(GPT).expired, n);
        assertEq(queue.queued(), 0);
    }

    /// @dev The limit also bounds the work of expiring.
    function test_expiringCountsAgainstTheLimit() public {
        _joinMany(3);
        for (uint256 i; i < 5; ++i) {
            _create(GPT, FEE, 100);
        }
        vm.warp(block.timestamp + 1 hours + 1);
        queue.dispatch(2);
        assertEq(queue.queued(), 3);
    }

    function _createIn(uint16 minVram) private returns (TaskId) {
        vm.prank(creator);
        return task.create{value: FEE}(GPT, TASK_HASH, 100, minVram, ANY, 1 hours);
    }
}
