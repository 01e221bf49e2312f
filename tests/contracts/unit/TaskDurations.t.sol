// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {ITaskQueue} from "../../../contracts/interfaces/ITaskQueue.sol";
import {ClassId, NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Level} from "../../../contracts/types/ValueRate.sol";
import {NotAllowed} from "../../../contracts/types/Wiring.sol";
import {Refills} from "../Refills.sol";

/// @notice `setDurations`: what the owner says a kind takes, within a bounded rate of change.
contract TaskDurationsTest is Refills {
    uint32 private constant GPT_OVERHEAD = 5000;
    uint32 private constant GPT_PER_TOKEN = 50;
    uint32 private constant SD_OVERHEAD = 30_000;
    uint32 private constant SD_PER_IMAGE = 20_000;

    function testFuzz_refusesEverybodyButTheOwner(address caller) public {
        vm.assume(caller != owner);
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(NotAllowed.selector, caller, owner));
        task.setDurations(GPT, GPT_OVERHEAD, GPT_PER_TOKEN);
    }

    function testFuzz_refusesAKindThatDoesNotExist(uint8 kind) public {
        kind = uint8(bound(kind, 2, 255));
        _refused(kind, 1000, 1, abi.encodeWithSelector(ITask.UnknownKind.selector, kind));
    }

    /// @dev Once a day, for each kind by itself.
    function testFuzz_refusesASecondChangeWithinADay(uint32 early) public {
        _set(SD, SD_OVERHEAD, SD_PER_IMAGE);
        uint256 from = block.timestamp + 1 days;
        vm.warp(bound(early, block.timestamp, from - 1));
        bytes memory reason = abi.encodeWithSelector(ITask.DurationsChangedLately.selector, SD, from);
        _refused(SD, SD_OVERHEAD, SD_PER_IMAGE, reason);
        _set(GPT, GPT_OVERHEAD, GPT_PER_TOKEN);
        vm.warp(from);
        _set(SD, SD_OVERHEAD, SD_PER_IMAGE);
    }

    /// @dev At most doubled or halved, each of the two.
    function testFuzz_refusesLargerSteps(uint32 wanted, bool perUnit, bool up) public {
        uint32 present = perUnit ? SD_PER_IMAGE : SD_OVERHEAD;
        wanted =
            up ? uint32(bound(wanted, 2 * present + 1, type(uint32).max)) : uint32(bound(wanted, 0, present / 2 - 1));
        bytes memory reason = _tooLarge(present, wanted);
        _refused(SD, perUnit ? SD_OVERHEAD : wanted, perUnit ? wanted : SD_PER_IMAGE, reason);
    }

    /// @dev A token takes 50 ms: the bound holds below a second, too.
    function testFuzz_refusesLargerStepsOfATokensTime(uint32 wanted, bool up) public {
        wanted = uint32(up ? bound(wanted, 2 * GPT_PER_TOKEN + 1, 1000) : bound(wanted, 1, GPT_PER_TOKEN / 2 - 1));
        _refused(GPT, GPT_OVERHEAD, wanted, _tooLarge(GPT_PER_TOKEN, wanted));
    }

    /// @dev What is below 5 ms may grow to 10, also from nothing; it falls to its half like all others.
    function testFuzz_theSmallestGrowToTen(uint32 present, uint32 wanted) public {
        present = uint32(bound(present, 0, 20));
        wanted = uint32(bound(wanted, 0, 50));
        vm.prank(owner);
        uint8 kind = task.addKind(ITask.Kind(true, false, 0, present, 10, 1000));
        uint256 most = present <= 5 ? 10 : 2 * present;
        if (wanted > most || 2 * wanted < present) return _refused(kind, wanted, 10, _tooLarge(present, wanted));
        _set(kind, wanted, 10);
        assertEq(task.kindOf(kind).overheadMs, wanted);
    }

    /// @dev However small the steps, a task's estimate stays below a day.
    function test_refusesEstimatesAboveADay() public {
        vm.prank(owner);
        uint8 kind = task.addKind(ITask.Kind(true, false, 0, 1 hours, 86_000, 1000));
        ITask.Kind memory spec = task.kindOf(kind);
        spec.msPerUnit = 86_400;
        _refused(kind, 1 hours, 86_400, abi.encodeWithSelector(ITask.KindOutOfBounds.selector, spec));
    }

    function testFuzz_storesAndAnnouncesTheDurations(uint32 overhead, uint32 perImage) public {
        overhead = uint32(bound(overhead, SD_OVERHEAD / 2, 2 * SD_OVERHEAD));
        perImage = uint32(bound(perImage, SD_PER_IMAGE / 2, 2 * SD_PER_IMAGE));
        ITask.Kind memory spec = task.kindOf(SD);
        vm.expectEmit(address(task));
        emit ITask.DurationsChanged(SD, overhead, perImage);
        _set(SD, overhead, perImage);
        (spec.overheadMs, spec.msPerUnit) = (overhead, perImage);
        assertEq(abi.encode(task.kindOf(SD)), abi.encode(spec), "and nothing else");
        assertEq(task.estimate(SD, 3), uint256(overhead) + 3 * uint256(perImage));
    }

    /// @dev Day after day a duration can go far, but not faster than by its factor.
    function testFuzz_manyStepsAreBoundedByTheirNumber(uint8 number) public {
        uint32 overhead = SD_OVERHEAD;
        uint32 perImage = SD_PER_IMAGE;
        for (uint256 i; i < bound(number, 1, 8); ++i) {
            _refused(SD, 4 * overhead, perImage, _tooLarge(overhead, 4 * overhead));
            (overhead, perImage) = (2 * overhead, 2 * perImage);
            _set(SD, overhead, perImage);
            vm.warp(block.timestamp + 1 days);
        }
    }

    /// @dev Who is queued keeps its level; newcomers of the same fee get that of the new estimate.
    function test_queuedTasksKeepTheirLevels() public {
        TaskId before = _create(SD, FEE, 1);
        Level level = queue.placeOf(before).level;
        _set(SD, 2 * SD_OVERHEAD, 2 * SD_PER_IMAGE);
        TaskId later = _create(SD, FEE, 1);
        assertEq(queue.placeOf(before).level, level);
        (, Level halved) = queue.levelOf(FEE, 100_000);
        assertEq(queue.placeOf(later).level, halved);
        assertTrue(halved < level);
        (, TaskId head) = _headOf(SD, 0, ANY);
        assertEq(head, before);
        _pastTheFirstMinute();
        vm.prank(creator);
        task.cancel(before);
        assertEq(queue.queued(), 1, "it is found where it stands");
    }

    /// @dev Who goes back to the queue is placed anew, by the estimate of now.
    function test_aRequeuedTaskTakesTheNewLevel() public {
        for (uint256 i = 1; i <= 3; ++i) {
            _joinFor(_operator(1), _key(i), CLASS, 24);
        }
        TaskId t = _create(SD, FEE, 1);
        queue.dispatch(1);
        _set(SD, 2 * SD_OVERHEAD, 2 * SD_PER_IMAGE);
        for (uint32 i = 1; i <= 3; ++i) {
            vm.prank(_operator(1));
            node.pause(NodeId.wrap(i));
        }
        _nextBlock();
        vm.expectEmit(address(queue));
        emit ITaskQueue.TaskRequeued(t);
        queue.dispatch(1);
        (, Level halved) = queue.levelOf(FEE, 100_000);
        assertEq(queue.placeOf(t).level, halved);
        _pastTheFirstMinute();
        vm.prank(creator);
        task.cancel(t);
        assertEq(queue.queued(), 0);
        assertEq(task.creditOf(creator), FEE);
    }

    /// @dev A stage that runs keeps its deadline; a task that is seated later has the new time.
    function test_laterSeatsHaveTheNewTime() public {
        _joinMany(6);
        TaskId t = _create(SD, FEE, 1);
        _dispatch(1);
        uint40 commitBy = task.taskOf(t).deadline;
        assertEq(commitBy, block.timestamp + 120 + 4 * 50);
        TaskId later = _create(SD, FEE, 1);
        _set(SD, 2 * SD_OVERHEAD, 2 * SD_PER_IMAGE);
        _dispatch(1);
        assertEq(task.taskOf(t).deadline, commitBy);
        assertEq(task.taskOf(later).deadline, block.timestamp + 120 + 4 * 100);
    }

    /// @dev A kind is an entry of a table: a third one, exact and of any class, is quoted, queued, reserved against,
    /// seated, refilled, revealed, delivered, paid and counted without a line of code of its own.
    function test_aThirdKindLivesAWholeLife() public {
        vm.prank(owner);
        uint8 kind = task.addKind(ITask.Kind(true, false, 0, 1000, 10, 1000));
        for (uint256 i = 1; i <= 4; ++i) {
            _join(i, keccak256(abi.encode("a class of its own", i)), 24);
        }
        assertTrue(stats.quote(kind, 100, 0, ANY, FEE).accepted);
        TaskId t = _create(kind, FEE, 100);
        vm.warp(block.timestamp + 30 minutes);
        vm.expectRevert(abi.encodeWithSelector(ITaskQueue.NoClassNeeded.selector, t));
        queue.reserve(t, ClassId.wrap(1));
        assertEq(_dispatch(1), 1);
        assertEq(task.taskOf(t).deadline, block.timestamp + 120 + 4 * 2);
        assertEq(task.taskOf(t).class, ANY);
        _vacate(t, 5);
        assertEq(_dispatch(1), 1);
        _commit(t, 1, ANSWER);
        _revealAll(t, 7, ANSWER);
        _deliver(t);
        assertEq(_state(t), ITask.State.Ended);
        assertEq(_earned(t), _afterCranks(FEE, 3));
        assertEq(stats.tallyOf(kind).agreed, 1);
        assertEq(stats.tallyOf(GPT).agreed + stats.tallyOf(SD).agreed, 0);
        _withdrawAll(t);
        assertEq(address(task).balance, 0);
        _set(kind, 2000, 20);
        assertEq(task.estimate(kind, 100), 4000);
    }

    function _withdrawAll(TaskId t) private {
        for (uint256 i; i < 3; ++i) {
            task.collect(_nodeAt(t, i));
            address operator = _operatorAt(t, i);
            vm.prank(operator);
            task.withdraw(operator);
        }
        vm.prank(keeper);
        task.withdraw(keeper);
    }

    function _tooLarge(uint32 present, uint32 wanted) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ITask.DurationStepTooLarge.selector, present, wanted);
    }

    function _set(uint8 kind, uint32 overheadMs, uint32 msPerUnit) private {
        vm.prank(owner);
        task.setDurations(kind, overheadMs, msPerUnit);
    }

    function _refused(uint8 kind, uint32 overheadMs, uint32 msPerUnit, bytes memory reason) private {
        vm.prank(owner);
        vm.expectRevert(reason);
        task.setDurations(kind, overheadMs, msPerUnit);
    }
}
