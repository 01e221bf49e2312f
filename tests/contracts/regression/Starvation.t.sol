// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {ClassId, NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Refills} from "../Refills.sol";

/// @notice A task that needs three nodes of one class, under a stream of tasks that take any node that comes free. Nodes
/// 1 to 3 are of one class, all others of one of their own.
///
/// The bound: the first task of its book is served `reserveAfter` + the longest stay of a task at its nodes + two
/// dispatches after it was queued, whatever it pays. With the figures of the deployment, and tasks of four images:
/// 1,800 s + (2 × 560 s to commit + 120 s for the refill + 120 s to reveal) + two blocks, and a block for each turn of
/// the crank in between.
contract StarvationTest is Refills {
    uint256 private constant RESERVE_AFTER = 30 minutes;
    /// @dev Seconds to commit to four images: 120 + 4 × (30 + 4 × 20).
    uint256 private constant COMMIT = 560;
    uint256 private constant VACANCY = 120;
    uint256 private constant REVEAL = 120;
    uint256 private constant LONGEST_STAY = 2 * COMMIT + VACANCY + REVEAL;
    /// @dev The end of a commit stage twice, the draw of the refill and the end of the reveals are noticed one block late.
    uint256 private constant TURNS = 4;
    uint256 private constant DISPATCHES = 2;

    uint32 private constant NODES = 12;
    /// @dev Seconds a task of the steady stream stays at its nodes.
    uint256 private constant STAY = 30;

    ClassId private class;
    TaskId private text;
    uint256 private queuedAt;
    TaskId[] private live;
    uint256 private ended;

    function setUp() public override {
        super.setUp();
        vm.deal(creator, 100_000 ether);
        for (uint256 i = 1; i <= NODES; ++i) {
            _join(i, i <= 3 ? CLASS : keccak256(abi.encode("a class of its own", i)), 24);
        }
        class = node.nodeOf(NodeId.wrap(1)).class;
    }

    /// @notice Without `reserve` it starves, though it pays more per second than all that is served: never are three nodes
    /// of the class free at once.
    function test_withoutAReservationItStarves() public {
        (TaskId first, TaskId second) = _streamThatSplitsTheClass();
        _queueText(100 ether);
        for (uint256 i; i < 200; ++i) {
            TaskId next = _replace(first);
            assertEq(_state(next), ITask.State.Committing);
            assertEq(_state(text), ITask.State.Queued);
            (first, second) = (second, next);
        }
        assertEq(stats.tallyOf(SD).agreed, 200);
        assertGt(block.timestamp, queuedAt + RESERVE_AFTER + LONGEST_STAY, "longer than the bound");
    }

    /// @notice With it, it is served under the same stream: the nodes of the class are kept as they come free.
    function test_withAReservationItIsServedUnderTheSameStream() public {
        (TaskId first, TaskId second) = _streamThatSplitsTheClass();
        _queueText(1e12);
        while (block.timestamp < queuedAt + RESERVE_AFTER) {
            TaskId next = _replace(first);
            assertEq(_state(text), ITask.State.Queued);
            (first, second) = (second, next);
        }
        queue.reserve(text, class);
        uint256 reservedAt = block.timestamp;
        TaskId third = _replace(first);
        assertEq(_state(third), ITask.State.Queued);
        TaskId fourth = _replace(second);
        assertEq(_state(text), ITask.State.Committing);
        assertEq(task.taskOf(text).class, class);
        assertLe(block.timestamp, reservedAt + 2 * STAY + DISPATCHES);
        assertTrue(
            _state(third) == ITask.State.Committing || _state(fourth) == ITask.State.Committing, "the stream flows"
        );
    }

    /// @notice The bound is met, to the second, in the worst case there is: in the block of the reservation a node of the
    /// class takes a seat that was drawn before, in a task whose every stage runs out. The text pays the least there is.
    function test_itIsServedWithinTheBoundInTheWorstCase() public {
        _keepOthers(3);
        _queueText(1e12);
        vm.warp(queuedAt + RESERVE_AFTER - 1);
        TaskId slow = _createImages();
        queue.dispatch(1);
        _seatWithOneOfTheClass(slow, true);
        assertEq(block.timestamp, queuedAt + RESERVE_AFTER);
        assertTrue(queue.reservation().holding);
        _runOut(slow);
        assertEq(_state(text), ITask.State.Queued);
        _nextBlock();
        assertEq(_dispatch(1), 1, "the two dispatches");
        assertEq(_state(text), ITask.State.Committing);
        assertEq(block.timestamp - queuedAt, RESERVE_AFTER + LONGEST_STAY + TURNS + DISPATCHES);
    }

    /// @notice The same for random streams in which the others answer, miss and conceal as they like. A block takes ten
    /// seconds here, and whatever is due waits for the next.
    /// forge-config: default.fuzz.runs = 24
    /// forge-config: deep.fuzz.runs = 200
    function testFuzz_itIsServedWithinTheBound(uint256 seed) public {
        _queueText(1e12);
        vm.warp(queuedAt + RESERVE_AFTER - 5 minutes);
        _fillStream();
        uint256 latest = queuedAt + RESERVE_AFTER + LONGEST_STAY + (TURNS + DISPATCHES + 2) * 10;
        while (_state(text) == ITask.State.Queued) {
            assertLe(block.timestamp, latest);
            _tenSeconds();
            bool may = block.timestamp >= queuedAt + RESERVE_AFTER && _isQueued(text);
            if (may && TaskId.unwrap(queue.reservation().task) == 0) queue.reserve(text, class);
            _moveAll(seed);
            queue.dispatch(8);
            _resumeAll();
            _fillStream();
        }
        assertEq(task.taskOf(text).class, class);
        assertGt(ended, 3, "the stream flowed meanwhile");
    }

    function _queueText(uint96 fee) private {
        vm.prank(creator);
        text = task.create{value: fee}(GPT, TASK_HASH, 100, 0, ANY, 7 days);
        queuedAt = block.timestamp;
    }

    function _createImages() private returns (TaskId) {
        vm.deal(creator, creator.balance + 50 ether);
        vm.prank(creator);
        return task.create{value: 50 ether}(SD, TASK_HASH, 4, 0, ANY, 7 days);
    }

    /// @dev Two tasks of any class hold the class's three nodes and three others: one of the class the one, two the
    /// other. Nobody else is there.
    function _streamThatSplitsTheClass() private returns (TaskId first, TaskId second) {
        _keepOthers(3);
        (first, second) = (_createImages(), _createImages());
        queue.dispatch(2);
        _seatWithOneOfTheClass(first, false);
        assertEq(_ofTheClass(second), 2);
    }

    /// @dev Seats the round in the next block with a hash that gives `t` one node of the class.
    function _seatWithOneOfTheClass(TaskId t, bool reserving) private {
        _nextBlock();
        if (reserving) queue.reserve(text, class);
        uint256 start = vm.snapshotState();
        for (uint256 i; i < 50; ++i) {
            vm.setBlockhash(block.number - 1, keccak256(abi.encode("a hash", i)));
            queue.dispatch(2);
            if (_ofTheClass(t) == 1) return;
            vm.revertToState(start);
        }
        revert("no such hash");
    }

    /// @dev After `STAY` seconds all of `t` agree; another task arrives and takes what is free.
    function _replace(TaskId t) private returns (TaskId next) {
        vm.warp(block.timestamp + STAY);
        _vote(t, [ANSWER, ANSWER, ANSWER]);
        next = _createImages();
        _dispatch(8);
    }

    /// @dev Every stage of `t` ends by its deadline, each noticed one block later: only its node of the class commits, of
    /// the two that replace the others one does not, and of the two that committed one keeps its reveal back.
    function _runOut(TaskId t) private {
        _resumeAll();
        uint256 seat = _seatOfTheClass(t);
        _vacate(t, 1 << seat);
        vm.warp(task.taskOf(t).deadline);
        queue.dispatch(1);
        _nextBlock();
        queue.dispatch(1);
        assertEq(_state(t), ITask.State.Committing);
        _commit(t, (seat + 1) % 3, ANSWER);
        _advance(t);
        _reveal(t, seat, ANSWER);
        _advance(t);
        assertEq(_state(t), ITask.State.Ended);
    }

    function _ofTheClass(TaskId t) private view returns (uint256 n) {
        for (uint256 i; i < 3; ++i) {
            if (node.nodeOf(_nodeAt(t, i)).class == class) ++n;
        }
    }

    function _seatOfTheClass(TaskId t) private view returns (uint256 seat) {
        while (node.nodeOf(_nodeAt(t, seat)).class != class) ++seat;
    }

    /// @dev All nodes but those of the class and `n` others pause.
    function _keepOthers(uint32 n) private {
        for (uint32 i = 4 + n; i <= NODES; ++i) {
            vm.prank(_operator(i));
            node.pause(NodeId.wrap(i));
        }
    }

    /// @dev Whoever paused or was suspended comes back.
    function _resumeAll() private {
        for (uint32 i = 1; i <= NODES; ++i) {
            INode.Status status = _status(NodeId.wrap(i));
            if (status != INode.Status.Paused && status != INode.Status.Suspended) continue;
            vm.prank(_operator(i));
            node.resume(NodeId.wrap(i));
        }
    }

    /// @dev There are always three tasks in the stream that wait.
    function _fillStream() private {
        while (queue.queued() < (_isQueued(text) ? 4 : 3)) {
            live.push(_createImages());
        }
    }

    /// @dev Whether the task is in its book, and has not been drawn.
    function _isQueued(TaskId t) private view returns (bool) {
        (, TaskId head) = _headOf(GPT, 0, ANY);
        return head == t;
    }

    function _tenSeconds() private {
        vm.roll(block.number + 1);
        vm.warp(block.timestamp + 10);
        vm.setBlockhash(block.number - 1, keccak256(abi.encode("block", block.number - 1, queuedAt)));
    }

    /// @dev What each seat of each task does in this block; tasks that have released their nodes leave the list.
    function _moveAll(uint256 seed) private {
        for (uint256 i = live.length; i != 0; --i) {
            TaskId t = live[i - 1];
            _move(t, seed);
            if (_state(t) < ITask.State.Delivering) continue;
            live[i - 1] = live[live.length - 1];
            live.pop();
            ++ended;
        }
    }

    function _move(TaskId t, uint256 seed) private {
        ITask.TaskView memory v = task.taskOf(t);
        if (v.state == ITask.State.Queued || v.state > ITask.State.Revealing) return;
        if (block.timestamp > v.deadline) return task.advance(t);
        for (uint256 i; i < 3; ++i) {
            uint256 conduct = uint256(keccak256(abi.encode(seed, t, v.nodes[i]))) % 8;
            // Those of the class do their work: misses would suspend them, and there are only three.
            if (node.nodeOf(v.nodes[i]).class == class) conduct = 7;
            if (_state(t) == ITask.State.Committing && v.commitRanks[i] == 0 && conduct > 1) _commit(t, i, ANSWER);
        }
        v = task.taskOf(t);
        for (uint256 i; i < 3 && _state(t) == ITask.State.Revealing; ++i) {
            uint256 conduct = uint256(keccak256(abi.encode(seed, t, v.nodes[i], "reveal"))) % 8;
            if (node.nodeOf(v.nodes[i]).class == class) conduct = 7;
            bool may = v.commitRanks[i] != 0 && v.revealRanks[i] == 0;
            if (may && conduct > 1) _reveal(t, i, ANSWER);
        }
    }
}
