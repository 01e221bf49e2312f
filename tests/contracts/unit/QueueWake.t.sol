// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {ITaskQueue} from "../../../contracts/interfaces/ITaskQueue.sol";
import {ClassId, NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Network} from "../Network.sol";

contract QueueWakeTest is Network {
    /// A class of two nodes, beside the class of three.
    ClassId private rare;

    function setUp() public override {
        super.setUp();
        _joinMany(3);
        rare = node.nodeOf(_join(4, keccak256("rare"), 24)).class;
        _join(5, keccak256("rare"), 24);
    }

    function testFuzz_refusesBookThatDoesNotExist(uint8 kind, uint32 class) public {
        _refused(kind, ClassId.wrap(class));
    }

    function test_refusesBookThatCompetes() public {
        _join(6, keccak256("rare"), 24);
        _createFor(rare, FEE);
        _refused(GPT, rare);
    }

    function test_refusesWhileTheClassHasTooFewFreeNodes() public {
        _park();
        _refused(GPT, rare);
    }

    function test_refusesBookThatHasEmptied() public {
        TaskId t = _park();
        _join(6, keccak256("rare"), 24);
        _pastTheFirstMinute();
        vm.prank(creator);
        task.cancel(t);
        _refused(GPT, rare);
    }

    function test_refusesTheSecondTime() public {
        _park();
        _join(6, keccak256("rare"), 24);
        queue.wake(GPT, rare);
        _refused(GPT, rare);
    }

    /// @dev A book that waits for a rare class is taken out of the competition, and others are served.
    function test_anUnservableClassIsParked() public {
        TaskId wanting = _createFor(rare, 2 * FEE);
        TaskId t = _create(GPT, FEE, 100);
        vm.expectEmit(address(queue));
        emit ITaskQueue.ClassBookParked(GPT, rare);
        queue.dispatch(2);
        assertEq(queue.round().size, 1);
        assertEq(queue.roundTask(0), t);
        (, TaskId head) = _headOf(GPT, 9, rare);
        assertEq(head, wanting);
    }

    function testFuzz_anybodyWakesItOnceItCanBeServed(address caller) public {
        TaskId t = _park();
        _join(6, keccak256("rare"), 24);
        vm.expectEmit(address(queue));
        emit ITaskQueue.ClassBookWoken(GPT, rare);
        vm.prank(caller);
        queue.wake(GPT, rare);
        assertEq(_dispatch(1), 1);
        assertEq(task.taskOf(t).state, ITask.State.Committing);
    }

    /// @dev A new task wakes its book by itself, at the level of the book's best.
    function test_aNewTaskBringsItsBookBack() public {
        TaskId t = _park();
        _join(6, keccak256("rare"), 24);
        _createFor(rare, FEE);
        queue.dispatch(1);
        assertEq(queue.roundTask(0), t);
    }

    function test_aParkedTaskCanBeCancelledAndExpired() public {
        TaskId first = _park();
        TaskId second = _park();
        _pastTheFirstMinute();
        vm.prank(creator);
        task.cancel(first);
        _pastDeadline(second);
        task.expire(second);
        assertEq(task.creditOf(creator), 4 * FEE);
        assertEq(queue.queued(), 0);
    }

    /// @dev When the best task of a class is taken out, its book competes at the level of the next.
    function test_aClassBookFollowsItsBestTask() public {
        _join(6, keccak256("rare"), 24);
        TaskId best = _createFor(rare, 3 * FEE);
        TaskId next = _createFor(rare, FEE);
        TaskId other = _create(GPT, 2 * FEE, 100);
        _pastTheFirstMinute();
        vm.prank(creator);
        task.cancel(best);
        queue.dispatch(3);
        assertEq(queue.roundTask(0), other);
        assertEq(queue.roundTask(1), next);
    }

    /// @dev Two tasks of a class with three nodes: one is drawn, the other waits for the next round.
    function test_aClassServesOneTaskForEveryThreeNodes() public {
        _join(6, keccak256("rare"), 24);
        TaskId first = _createFor(rare, 3 * FEE);
        TaskId second = _createFor(rare, 3 * FEE);
        (, uint256 drawn) = queue.dispatch(5);
        assertEq(drawn, 1);
        assertEq(queue.roundTask(0), first);
        assertEq(queue.placeOf(second).next, TaskId.wrap(0));
    }

    /// @dev While the nodes of the best class are spoken for, another class of less value is served, and afterwards the
    /// best competes again.
    function test_aClassWhoseNodesAreSpokenForHoldsUpNobody() public {
        _join(6, keccak256("rare"), 24);
        ClassId common = node.nodeOf(NodeId.wrap(1)).class;
        TaskId first = _createFor(rare, 4 * FEE);
        TaskId second = _createFor(rare, 3 * FEE);
        TaskId other = _createFor(common, FEE);
        (, uint256 drawn) = queue.dispatch(5);
        assertEq(drawn, 2);
        assertEq(queue.roundTask(0), first);
        assertEq(queue.roundTask(1), other);
        _nextBlock();
        queue.dispatch(5);
        _vote(first, [ANSWER, ANSWER, ANSWER]);
        _nextBlock();
        queue.dispatch(1);
        assertEq(queue.roundTask(0), second);
    }

    /// @dev A task for the rare class that was parked by a dispatch.
    function _park() private returns (TaskId t) {
        t = _createFor(rare, 2 * FEE);
        queue.dispatch(1);
        assertEq(queue.round().size, 0);
    }

    function _refused(uint8 kind, ClassId class) private {
        vm.expectRevert(abi.encodeWithSelector(ITaskQueue.NotWakeable.selector, kind, class));
        queue.wake(kind, class);
    }
}
