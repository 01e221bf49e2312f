// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {ITaskQueue} from "../../../contracts/interfaces/ITaskQueue.sol";
import {ClassId, NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Network} from "../Network.sol";

/// @notice A queued task knows when it was created, beside its ticket, where its nodes stand later.
contract TaskCreatedAtTest is Network {
    uint256 private constant LIMIT = 64;

    NodeId[3] private nobody;

    function testFuzz_isKnownFromTheCreationOn(uint40 when, uint32 waited) public {
        when = uint40(bound(when, block.timestamp, type(uint40).max - 7 days));
        vm.warp(when);
        TaskId t = _create(GPT, FEE, 100);
        vm.warp(uint256(when) + waited);
        assertEq(task.orderOf(t).createdAt, when);
        assertEq(task.orderOf(t).expiresAt, when + 1 hours);
        _assertNoNodes(t);
    }

    /// @dev Each has its own, and its own ticket.
    function testFuzz_theTicketsDoNotMatter(uint8[8] memory waits) public {
        uint256[8] memory created;
        for (uint256 i; i < 8; ++i) {
            vm.warp(block.timestamp + waits[i]);
            created[i] = block.timestamp;
            _create(GPT, FEE, 100);
        }
        for (uint256 i; i < 8; ++i) {
            ITask.Order memory o = task.orderOf(TaskId.wrap(uint40(1 + i)));
            assertEq(o.createdAt, created[i]);
            assertEq(o.ticket, 1 + i);
            assertEq(queue.placeOf(TaskId.wrap(uint40(1 + i))).queuedAt, created[i]);
        }
    }

    /// @dev Nor when the round that it is in has to be drawn again.
    function testFuzz_survivesADraw(uint16 late) public {
        _joinMany(3);
        uint256 created = block.timestamp;
        TaskId t = _create(GPT, FEE, 100);
        vm.warp(block.timestamp + 5 minutes);
        queue.dispatch(1);
        assertEq(task.orderOf(t).createdAt, created);
        vm.roll(block.number + bound(late, 257, 60_000));
        vm.warp(block.timestamp + 5 minutes);
        queue.dispatch(1);
        assertEq(task.orderOf(t).createdAt, created);
        _assertNoNodes(t);
    }

    /// @dev Nor with any ticket that it gets when it returns to the queue. What it has waited is not lost: it may reserve a
    /// class when any other of its age may.
    function testFuzz_survivesEveryReturnToTheQueue(uint8 returns_, uint16 waited) public {
        _joinTwoOperators();
        uint256 created = block.timestamp;
        TaskId t = _create(GPT, FEE, 100);
        TaskId later = _create(GPT, FEE, 100);
        for (uint256 i; i <= returns_ % 4; ++i) {
            vm.warp(block.timestamp + waited % 400);
            _returnOnce();
            assertEq(_state(t), ITask.State.Queued);
            assertEq(task.orderOf(t).createdAt, created);
            assertEq(queue.placeOf(t).queuedAt, created);
            assertEq(queue.placeOf(t).next, later);
            _assertNoNodes(t);
        }
        uint256 from = created + queue.limits().reserveAfter;
        vm.warp(from - 1);
        ClassId class = node.nodeOf(NodeId.wrap(1)).class;
        vm.expectRevert(abi.encodeWithSelector(ITaskQueue.TooEarlyToReserve.selector, t, from));
        queue.reserve(t, class);
        vm.warp(from);
        queue.reserve(t, class);
    }

    /// @dev The minute runs from the creation, not from the return.
    function test_aTaskThatReturnedMayBeCancelledAMinuteAfterItsCreation() public {
        _joinTwoOperators();
        uint256 created = block.timestamp;
        TaskId t = _create(GPT, FEE, 100);
        _returnOnce();
        vm.warp(created + 60);
        vm.prank(creator);
        vm.expectRevert(abi.encodeWithSelector(ITask.TooEarly.selector, t, created + 60));
        task.cancel(t);
        vm.warp(created + 61);
        vm.prank(creator);
        task.cancel(t);
        assertEq(task.creditOf(creator), FEE);
        _assertNoNodes(t);
    }

    /// @dev Nothing of ticket and time is left where nodes are looked for, however the task ends.
    function testFuzz_isForgottenWhenTheTaskEnds(uint8 way, bool returned) public {
        if (returned) _joinTwoOperators();
        TaskId t = _create(GPT, FEE, 100);
        if (returned) _returnOnce();
        vm.warp(block.timestamp + 2 minutes);
        if (way % 3 == 0) {
            vm.prank(creator);
            task.cancel(t);
        } else if (way % 3 == 1) {
            _pastDeadline(t);
            task.expire(t);
        } else {
            _evict();
        }
        assertEq(_state(t), ITask.State.Ended);
        _assertNoNodes(t);
        ITask.Order memory o = task.orderOf(t);
        assertEq(o.createdAt, 0);
        assertEq(o.ticket, 0);
        assertEq(o.expiresAt, 0);
        // Nothing else of its slot goes with it.
        assertEq(o.kind, GPT);
        assertEq(task.taskOf(t).size, 100);
    }

    /// @dev The three nodes take all of its place.
    function testFuzz_givesWayToTheNodes(uint40 when) public {
        vm.warp(bound(when, block.timestamp, type(uint40).max - 7 days));
        _joinMany(3);
        TaskId t = _seated();
        assertEq(task.orderOf(t).createdAt, 0);
        uint256 seen;
        for (uint256 i; i < 3; ++i) {
            seen |= 1 << NodeId.unwrap(_nodeAt(t, i));
        }
        assertEq(seen, 14, "nodes 1, 2 and 3");
    }

    /// @dev Three free nodes, but two operators: a task is drawn, and nobody is found.
    function _joinTwoOperators() private {
        _joinFor(_operator(1), _key(1), CLASS, 24);
        _joinFor(_operator(1), _key(2), CLASS, 24);
        _joinFor(_operator(3), _key(3), CLASS, 24);
    }

    /// @dev Drawn, not seated, and not drawn again.
    function _returnOnce() private {
        queue.dispatch(1);
        _nextBlock();
        _pauseOne();
        _seatInVain();
        _resumeOne();
    }

    /// @dev While a draw waits it is noted that node 3 is to be paused when the sets open, so that nothing is drawn after.
    function _pauseOne() private {
        vm.prank(_operator(3));
        node.pause(NodeId.wrap(3));
    }

    function _resumeOne() private {
        vm.prank(_operator(3));
        node.resume(NodeId.wrap(3));
    }

    function _seatInVain() private {
        vm.expectEmit(false, false, false, false, address(queue));
        emit ITaskQueue.TaskRequeued(TaskId.wrap(0));
        queue.dispatch(1);
        assertEq(queue.round().size, 0);
    }

    /// @dev Higher values push out all that wait.
    function _evict() private {
        _staff();
        vm.deal(creator, 100_000 ether);
        for (uint256 i; i < LIMIT; ++i) {
            _create(GPT, 2 * FEE, 100);
        }
    }

    function _assertNoNodes(TaskId t) private view {
        assertEq(abi.encode(task.taskOf(t).nodes), abi.encode(nobody));
    }
}
