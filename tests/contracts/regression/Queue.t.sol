// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {ITaskQueue} from "../../../contracts/interfaces/ITaskQueue.sol";
import {ClassId, NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Level, ValueRate} from "../../../contracts/types/ValueRate.sol";
import {Params} from "../../../script/Deployment.sol";
import {Network} from "../Network.sol";

/// @notice Defects of the original network in its queue. "H" numbers are those of its list. This network has no least
/// value per second, so that a fee of one wei gets as far as it can.
contract QueueDefectsTest is Network {
    function _params() internal override returns (Params memory p) {
        p = super._params();
        p.minValue = ValueRate.wrap(0);
    }

    /// @notice H8. Original: a declared size of 0 panics with a division by zero.
    function testFuzz_H08_sizeZeroHasItsOwnError(uint8 kind) public {
        kind %= 2;
        vm.prank(creator);
        vm.expectRevert(ITask.SizeZero.selector);
        task.create{value: FEE}(kind, TASK_HASH, 0, 0, ANY, 1 hours);
    }

    /// @notice H9. Original: a fee smaller than the size is worth 0: the task is never dispatched and never expires.
    function testFuzz_H09_aFeeBelowTheSizeIsServed(uint96 fee, uint32 size) public {
        size = uint32(bound(size, 2, 4096));
        fee = uint96(bound(fee, 1, size - 1));
        _joinMany(3);
        TaskId t = _create(GPT, fee, size);
        assertTrue(queue.placeOf(t).level > Level.wrap(0));
        assertEq(_dispatch(1), 1);
        _vote(t, [ANSWER, ANSWER, ANSWER]);
        _deliver(t);
        assertEq(task.taskOf(t).escrow, 0);
        assertEq(address(task).balance, fee);
    }

    /// @notice H9: and if nobody serves it, it expires and is refunded.
    function testFuzz_H09_aFeeBelowTheSizeIsRefunded(uint96 fee, uint32 size) public {
        size = uint32(bound(size, 2, 4096));
        fee = uint96(bound(fee, 1, size - 1));
        TaskId t = _create(GPT, fee, size);
        _pastDeadline(t);
        task.expire(t);
        assertEq(task.creditOf(creator), fee);
    }

    /// @notice H12. Original: a queued task of the third kind is looked for in the wrong heap when it is removed.
    function testFuzz_H12_everyKindIsRemovedFromItsOwnBook(uint8 which, bool expired) public {
        _addKinds(14);
        TaskId[16] memory tasks;
        for (uint8 kind; kind < 16; ++kind) {
            tasks[kind] = _create(kind, FEE, 1);
        }
        which %= 16;
        vm.warp(block.timestamp + (expired ? 1 hours : 1 minutes) + 1);
        vm.prank(creator);
        if (expired) task.expire(tasks[which]);
        else task.cancel(tasks[which]);
        for (uint8 kind; kind < 16; ++kind) {
            (, TaskId head) = _headOf(kind, 0, ANY);
            assertEq(head, kind == which ? TaskId.wrap(0) : tasks[kind]);
        }
        assertEq(queue.queued(), 15);
        assertEq(task.creditOf(creator), FEE);
    }

    /// @notice H12: and the third kind is drawn, expired and counted like the first.
    function test_H12_theThirdKindIsDrawnLikeTheFirst() public {
        _addKinds(1);
        _joinMany(3);
        TaskId t = _create(2, FEE, 1);
        vm.expectEmit(address(queue));
        emit ITaskQueue.TaskDrawn(t, block.number);
        queue.dispatch(1);
        _nextBlock();
        queue.dispatch(1);
        _vote(t, [ANSWER, WRONG, _error(1)]);
        assertEq(stats.tallyOf(2).disagreed, 1);
    }

    /// @notice H23. Original: a task that asks for a certain GPU loses that wish when it is popped from the queue.
    /// Here the class is part of its order book; not even a failed seating loses it.
    function testFuzz_H23_theRequiredClassOutlivesTheQueue(bytes32 blockHash) public {
        _joinMany(9);
        bytes32 wanted = keccak256("wanted");
        for (uint256 i = 10; i < 13; ++i) {
            _joinFor(_operator(10), _key(i), wanted, 24);
        }
        ClassId class = node.nodeOf(NodeId.wrap(10)).class;
        TaskId t = _createFor(class, FEE);
        queue.dispatch(1);
        _nextBlock();
        vm.expectEmit(address(queue));
        emit ITaskQueue.TaskRequeued(t);
        queue.dispatch(1);
        _join(13, wanted, 24);
        _join(14, wanted, 24);
        for (uint256 i; i < 4 && task.taskOf(t).state == ITask.State.Queued; ++i) {
            _nextBlock();
            vm.setBlockhash(block.number - 1, keccak256(abi.encode(blockHash, i)));
            queue.dispatch(1);
        }
        for (uint256 i; i < 3; ++i) {
            assertEq(node.nodeOf(_nodeAt(t, i)).class, class);
        }
    }

    function _addKinds(uint256 n) private {
        for (uint256 i; i < n; ++i) {
            vm.prank(owner);
            task.addKind(ITask.Kind(true, i % 2 == 0, 0, 1000, 10, 1000));
        }
    }
}
