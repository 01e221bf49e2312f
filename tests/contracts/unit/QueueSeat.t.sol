// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {ITaskQueue} from "../../../contracts/interfaces/ITaskQueue.sol";
import {ClassId, NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {NotAllowed} from "../../../contracts/types/Wiring.sol";
import {Network} from "../Network.sol";
import {Vm} from "forge-std/Vm.sol";

/// @notice The second half of `dispatch`: a drawn task gets its three nodes.
contract QueueSeatTest is Network {
    function testFuzz_nobodyButTheQueueSeats(address caller) public {
        vm.assume(caller != address(queue));
        TaskId t = _create(GPT, FEE, 100);
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(NotAllowed.selector, caller, address(queue)));
        task.seat(t, bytes32(0), ANY, ANY, caller);
    }

    /// @dev A round that is seated call by call ends as a whole: the next one begins at its first task.
    function test_aRoundSeatedInPartsLeavesNothingToTheNext() public {
        _joinMany(9);
        for (uint256 i; i < 3; ++i) {
            _create(GPT, FEE, 100);
        }
        queue.dispatch(8);
        assertEq(queue.round().size, 3);
        _nextBlock();
        for (uint256 i; i < 3; ++i) {
            assertEq(queue.round().seated, i);
            (uint256 seated,) = queue.dispatch(1);
            assertEq(seated, 1);
        }
        ITaskQueue.Round memory none;
        assertEq(abi.encode(queue.round()), abi.encode(none));
        for (uint256 i = 10; i <= 12; ++i) {
            _join(i, CLASS, 24);
        }
        TaskId t = _create(GPT, FEE, 100);
        assertEq(_dispatch(1), 1);
        assertEq(task.taskOf(t).state, ITask.State.Committing);
    }

    function test_neverInTheBlockOfTheDraw() public {
        _joinMany(3);
        TaskId t = _create(GPT, FEE, 100);
        queue.dispatch(1);
        for (uint256 i; i < 3; ++i) {
            (uint256 seated,) = queue.dispatch(1);
            assertEq(seated, 0);
        }
        assertEq(task.taskOf(t).state, ITask.State.Queued);
    }

    function testFuzz_storesAndAnnouncesTheSeats(uint32 size, uint96 fee, bytes32 blockHash) public {
        _joinMany(5);
        size = uint32(bound(size, 1, 4096));
        fee = uint96(bound(fee, 1e15, 100 ether));
        TaskId t = _create(GPT, fee, size);
        queue.dispatch(1);
        _nextBlock();
        vm.setBlockhash(block.number - 1, blockHash);
        vm.recordLogs();
        vm.prank(keeper);
        queue.dispatch(1);
        ITask.TaskView memory v = task.taskOf(t);
        uint40 deadline = uint40(block.timestamp + 120 + uint256(5000 + 50 * uint256(size)) * 4 / 1000);
        assertEq(v.state, ITask.State.Committing);
        assertEq(v.deadline, deadline);
        assertEq(v.class, ClassId.wrap(1));
        _assertSeatedLog(t, abi.encode(v.nodes, ClassId.wrap(1), deadline, fee / 100));
    }

    function testFuzz_itsKeeperEarnsTheCrankShare(uint96 fee, address other) public {
        vm.assume(other != address(0));
        _joinMany(3);
        fee = uint96(bound(fee, 1e12, 100 ether));
        TaskId t = _create(GPT, fee, 100);
        vm.prank(keeper);
        queue.dispatch(1);
        _nextBlock();
        vm.prank(other);
        queue.dispatch(1);
        assertEq(task.creditOf(keeper), other == keeper ? fee / 100 : 0, "who draws earns nothing");
        assertEq(task.creditOf(other), fee / 100, "who seats does");
        assertEq(task.taskOf(t).escrow, fee - fee / 100);
    }

    /// @dev Invariant 2: the three are busy, out of the sets, and distinct.
    function testFuzz_threeDistinctNodesAreBusy(bytes32 blockHash, uint8 number) public {
        uint256 n = bound(number, 3, 12);
        _joinMany(n);
        TaskId t = _seatedWith(_create(GPT, FEE, 100), blockHash);
        for (uint256 i; i < 3; ++i) {
            assertEq(_status(_nodeAt(t, i)), INode.Status.Busy);
            assertFalse(node.nodeOf(_nodeAt(t, i)).inSets);
            assertTrue(_nodeAt(t, i) != _nodeAt(t, (i + 1) % 3));
        }
        assertEq(abi.encode(node.counts()), abi.encode(INode.Counts(uint32(n), uint32(n), uint32(n - 3), 3)));
    }

    function testFuzz_neverTwoOfOneOperator(bytes32 blockHash) public {
        address big = makeAddr("a big operator");
        for (uint256 i = 1; i <= 8; ++i) {
            _joinFor(big, _key(i), CLASS, 24);
        }
        _join(9, CLASS, 24);
        _join(10, CLASS, 24);
        TaskId t = _seatedWith(_create(GPT, FEE, 100), blockHash);
        uint256 bigSeats;
        for (uint256 i; i < 3; ++i) {
            if (_operatorAt(t, i) == big) ++bigSeats;
        }
        assertEq(bigSeats, 1);
    }

    function testFuzz_aTextIsWrittenByOneClass(bytes32 blockHash) public {
        for (uint256 i = 1; i <= 12; ++i) {
            _join(i, keccak256(abi.encode(i % 3)), 24);
        }
        TaskId t = _seatedWith(_create(GPT, FEE, 100), blockHash);
        ClassId class = task.taskOf(t).class;
        for (uint256 i; i < 3; ++i) {
            assertEq(node.nodeOf(_nodeAt(t, i)).class, class);
        }
    }

    function testFuzz_anImageIsMadeByAnyClasses(bytes32 blockHash) public {
        for (uint256 i = 1; i <= 3; ++i) {
            _join(i, keccak256(abi.encode(i)), 24);
        }
        TaskId t = _seatedWith(_create(SD, FEE, 1), blockHash);
        assertEq(task.taskOf(t).class, ANY);
    }

    function testFuzz_everyNodeHasTheMemoryAskedFor(bytes32 blockHash, uint16 minVram) public {
        for (uint256 i; i < 12; ++i) {
            _join(1 + i, CLASS, uint16(8 * (1 + i / 3)));
        }
        minVram = uint16(bound(minVram, 0, 32));
        vm.prank(creator);
        TaskId t = task.create{value: FEE}(SD, TASK_HASH, 1, minVram, ANY, 1 hours);
        _seatedWith(t, blockHash);
        for (uint256 i; i < 3; ++i) {
            assertGe((NodeId.unwrap(_nodeAt(t, i)) - 1) / 3 * 8 + 8, minVram);
        }
    }

    function testFuzz_aRequiredClassIsKept(bytes32 blockHash) public {
        _joinMany(6);
        for (uint256 i = 7; i <= 9; ++i) {
            _join(i, keccak256("another class"), 24);
        }
        ClassId class = node.nodeOf(NodeId.wrap(7)).class;
        TaskId t = _seatedWith(_createFor(class, FEE), blockHash);
        for (uint256 i; i < 3; ++i) {
            assertEq(node.nodeOf(_nodeAt(t, i)).class, class);
        }
        assertEq(task.taskOf(t).class, class);
    }

    /// @dev A round may be seated in pieces; until its end nothing new is drawn.
    function test_aRoundIsSeatedInPieces() public {
        _joinMany(12);
        for (uint256 i; i < 4; ++i) {
            _create(GPT, FEE, 100);
        }
        queue.dispatch(3);
        _nextBlock();
        (uint256 seated, uint256 drawn) = queue.dispatch(2);
        assertEq(abi.encode(seated, drawn), abi.encode(2, 0));
        assertEq(queue.round().seated, 2);
        assertTrue(node.setsClosed());
        _nextBlock();
        (seated, drawn) = queue.dispatch(2);
        assertEq(abi.encode(seated, drawn), abi.encode(1, 1));
        assertEq(queue.round().drawBlock, block.number);
    }

    function test_theLastBlockWithAKnownHashStillSeats() public {
        _joinMany(3);
        _create(GPT, FEE, 100);
        queue.dispatch(1);
        uint256 drawBlock = block.number;
        vm.roll(drawBlock + 256);
        vm.setBlockhash(drawBlock, keccak256("the draw"));
        (uint256 seated,) = queue.dispatch(1);
        assertEq(seated, 1);
    }

    /// @dev Beyond the window the hash reads as zero, which everybody could foresee: the round is drawn again.
    function testFuzz_aRoundOlderThanTheHashWindowIsDrawnAgain(uint16 late) public {
        _joinMany(3);
        TaskId t = _create(GPT, FEE, 100);
        queue.dispatch(1);
        uint256 drawBlock = block.number;
        vm.roll(drawBlock + bound(late, 257, 100_000));
        vm.expectEmit(address(queue));
        emit ITaskQueue.RoundRedrawn(drawBlock, block.number);
        (uint256 seated, uint256 drawn) = queue.dispatch(1);
        assertEq(seated + drawn, 0);
        assertEq(abi.encode(queue.round()), abi.encode(ITaskQueue.Round(uint40(block.number), 1, 0)));
        assertFalse(node.setsClosed(), "open until the new hash is known");
        _nextBlock();
        assertTrue(node.setsClosed());
        (seated,) = queue.dispatch(1);
        assertEq(seated, 1);
        assertEq(task.taskOf(t).state, ITask.State.Committing);
    }

    /// @dev A node that joined between a draw and its redraw serves: the new entropy was not known then.
    function test_newcomersServeARoundThatWasDrawnAgain() public {
        _joinMany(3);
        TaskId t = _create(GPT, FEE, 100);
        queue.dispatch(1);
        for (uint256 i = 1; i <= 3; ++i) {
            vm.prank(_operator(i));
            node.pause(NodeId.wrap(uint32(i)));
            _join(3 + i, CLASS, 24);
        }
        vm.roll(block.number + 300);
        queue.dispatch(1);
        _nextBlock();
        (uint256 seated,) = queue.dispatch(1);
        assertEq(seated, 1);
        assertEq(task.taskOf(t).state, ITask.State.Committing);
    }

    /// @dev Three nodes of one operator cannot serve: the task waits at the front of its level, unharmed.
    function test_aTaskWithoutNodesGoesBackToTheFront() public {
        for (uint256 i = 1; i <= 3; ++i) {
            _joinFor(_operator(1), _key(i), CLASS, 24);
        }
        TaskId first = _create(GPT, FEE, 100);
        TaskId second = _create(GPT, FEE, 100);
        queue.dispatch(1);
        _nextBlock();
        vm.expectEmit(address(queue));
        emit ITaskQueue.TaskRequeued(first);
        vm.prank(keeper);
        (uint256 seated,) = queue.dispatch(1);
        assertEq(seated, 0);
        assertEq(queue.roundTask(0), first);
        (, TaskId head) = _headOf(GPT, 0, ANY);
        assertEq(head, second);
        assertEq(task.orderOf(first).seats, 3, "drawn again");
        assertEq(task.taskOf(first).escrow, FEE);
        assertEq(task.creditOf(keeper), 0);
        assertEq(node.counts().busy, 0);
    }

    /// @dev Invariant 3: tasks that fail in one call go back in the order in which they came. Some of them are drawn
    /// again at once: they are the first.
    function testFuzz_tasksThatFailTogetherKeepTheirOrder(uint8 number, uint8 limit) public {
        uint256 n = bound(number, 2, 6);
        for (uint256 i = 1; i <= 3 * n; ++i) {
            _joinFor(_operator(1), _key(i), CLASS, 24);
        }
        for (uint256 i; i < n; ++i) {
            _create(GPT, FEE, 100);
        }
        queue.dispatch(n);
        _nextBlock();
        queue.dispatch(bound(limit, n, 10));
        uint40 drawn = queue.round().size;
        for (uint40 i; i < drawn; ++i) {
            assertEq(queue.roundTask(i), TaskId.wrap(1 + i));
        }
        (, TaskId next) = _headOf(GPT, 0, ANY);
        for (uint40 i = drawn; i < n; ++i) {
            assertEq(next, TaskId.wrap(1 + i));
            next = queue.placeOf(next).next;
        }
    }

    /// @dev A round that was seated in part and drawn again: drawing more in that block counts only what still waits.
    function test_aRoundSeatedInPartIsDrawnAgainAndAddedTo() public {
        _joinMany(15);
        for (uint256 i; i < 4; ++i) {
            _create(GPT, FEE, 100);
        }
        queue.dispatch(3);
        _nextBlock();
        queue.dispatch(1);
        vm.roll(block.number + 300);
        queue.dispatch(1);
        (uint256 seated, uint256 drawn) = queue.dispatch(5);
        assertEq(abi.encode(seated, drawn), abi.encode(0, 1));
        _nextBlock();
        (seated,) = queue.dispatch(5);
        assertEq(seated, 3);
    }

    /// @dev One round fails, the next succeeds: nothing about the task was lost on the way.
    function test_aRequeuedTaskIsServedOnceItCanBe() public {
        for (uint256 i = 1; i <= 3; ++i) {
            _joinFor(_operator(1), _key(i), CLASS, 24);
        }
        ClassId class = node.nodeOf(NodeId.wrap(1)).class;
        TaskId t = _createFor(class, FEE);
        _dispatch(1);
        _join(4, CLASS, 24);
        _join(5, CLASS, 24);
        for (uint256 i; i < 3 && task.taskOf(t).state == ITask.State.Queued; ++i) {
            _nextBlock();
            queue.dispatch(1);
        }
        assertEq(task.taskOf(t).state, ITask.State.Committing);
        assertEq(task.taskOf(t).class, class);
    }

    function test_aRequeuedTaskCanBeExpired() public {
        for (uint256 i = 1; i <= 3; ++i) {
            _joinFor(_operator(1), _key(i), CLASS, 24);
        }
        TaskId t = _create(GPT, FEE, 100);
        queue.dispatch(1);
        _pastDeadline(t);
        queue.dispatch(1);
        assertEq(task.taskOf(t).state, ITask.State.Ended);
        assertEq(task.creditOf(creator), FEE);
        assertEq(queue.queued(), 0);
    }

    function _seatedWith(TaskId t, bytes32 blockHash) private returns (TaskId) {
        queue.dispatch(1);
        _nextBlock();
        vm.setBlockhash(block.number - 1, blockHash);
        (uint256 seated,) = queue.dispatch(1);
        assertEq(seated, 1);
        return t;
    }

    function _assertSeatedLog(TaskId t, bytes memory data) private {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] != ITask.TaskSeated.selector) continue;
            assertEq(uint256(logs[i].topics[1]), uint256(TaskId.unwrap(t)));
            assertEq(uint256(logs[i].topics[2]), uint256(uint160(keeper)));
            assertEq(logs[i].data, data);
            return;
        }
        revert("no TaskSeated");
    }
}
