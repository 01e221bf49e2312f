// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {ITaskQueue} from "../../../contracts/interfaces/ITaskQueue.sol";
import {PoolFloor} from "../../../contracts/libraries/PoolFloor.sol";
import {ClassId, NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Refills} from "../Refills.sol";

/// @notice The line of tasks that have seats to give away, and how it is drawn from.
contract QueueVacancyTest is Refills {
    /// @dev Vacancies that one draw looks at.
    uint256 private constant LOOKS = 8;

    function test_theLineIsEmptyAtFirst() public view {
        assertEq(queue.vacancies().length, 0);
    }

    /// @dev Three nodes of other operators are free: enough for one queued task, but the vacancy comes first.
    function test_vacanciesComeBeforeTheHighestValue() public {
        _joinMany(4);
        TaskId t = _seated();
        _vacate(t, 3);
        TaskId better = _create(GPT, 100 ether, 100);
        (, uint256 drawn) = queue.dispatch(1);
        assertEq(drawn, 1);
        assertEq(queue.roundTask(0), t);
        assertEq(queue.vacancies().length, 0);
        _nextBlock();
        queue.dispatch(1);
        assertEq(_state(t), ITask.State.Committing);
        assertEq(_state(better), ITask.State.Queued);
    }

    /// @dev The nodes that a vacancy will have are spoken for: with four free, one of them let go before, there are not three
    /// more for a queued task in the same round.
    function test_theNodesOfAVacancyAreSpokenFor() public {
        _joinMany(6);
        TaskId t = _seated();
        _vacate(t, 3);
        TaskId other = _create(GPT, FEE, 100);
        assertEq(node.counts().free, 4);
        (, uint256 drawn) = queue.dispatch(8);
        assertEq(drawn, 1);
        assertEq(queue.roundTask(0), t);
        assertEq(queue.placeOf(other).next, TaskId.wrap(0));
        _nextBlock();
        (, drawn) = queue.dispatch(8);
        assertEq(drawn, 1, "three are left");
    }

    function testFuzz_areDrawnInTheOrderInWhichTheyCame(uint8 order) public {
        _joinMany(15);
        TaskId[3] memory tasks = [_seated(), _seated(), _seated()];
        uint256[3] memory turn = _permutation(order);
        for (uint256 i; i < 3; ++i) {
            _commitAll(tasks[i], 3, ANSWER);
        }
        for (uint256 i; i < 3; ++i) {
            _advance(tasks[turn[i]]);
        }
        _assertLine(tasks[turn[0]], tasks[turn[1]], tasks[turn[2]]);
        queue.dispatch(3);
        for (uint256 i; i < 3; ++i) {
            assertEq(queue.roundTask(i), tasks[turn[i]]);
        }
    }

    /// @dev Vacancies count against the limit of a call like all others; those beyond it keep their places.
    function testFuzz_drawsNoMoreThanItMay(uint8 most) public {
        uint256 n = bound(most, 1, 3);
        _joinMany(15);
        TaskId[3] memory tasks = _threeVacant();
        (, uint256 drawn) = queue.dispatch(n);
        assertEq(drawn, n);
        assertEq(queue.vacancies().length, 3 - n);
        if (n != 3) assertEq(queue.vacancies()[0], tasks[n]);
    }

    /// @dev The line grows and empties again and again; what stands in it is what waits.
    function testFuzz_theLineKeepsItsOrderAndCount(uint256 seed) public {
        TaskId[] memory tasks = new TaskId[](8);
        for (uint256 i; i < 8; ++i) {
            _joinClass(1 + i, 4);
            tasks[i] = _seatedIn(1 + i);
            _commitAll(tasks[i], 3, ANSWER);
        }
        uint256 first;
        uint256 next;
        for (uint256 i; i < 20; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            if (seed % 2 == 0) {
                queue.dispatch(2);
                _nextBlock();
                first = next - first > 2 ? first + 2 : next;
            } else if (next < 8) {
                _advance(tasks[next++]);
            }
            TaskId[] memory line = queue.vacancies();
            assertEq(line.length, next - first);
            for (uint256 j; j < line.length; ++j) {
                assertEq(line[j], tasks[first + j]);
            }
        }
    }

    /// @dev A task whose class has nobody free goes to the end of the line and does not hold up the others.
    function test_aVacancyWithoutNodesGoesToTheEndOfTheLine() public {
        TaskId[] memory stuck = _stuck(2);
        _joinClass(50, 4);
        TaskId t = _seatedIn(50);
        _vacate(t, 3);
        _assertLine(stuck[0], stuck[1], t);
        queue.dispatch(1);
        assertEq(queue.roundTask(0), t);
        assertEq(queue.vacancies().length, 2);
        assertEq(queue.vacancies()[0], stuck[0]);
        assertEq(queue.vacancies()[1], stuck[1]);
    }

    /// @dev One draw looks at eight, so its cost is bounded; these go behind the ninth, which the next draw looks at.
    function test_oneDrawLooksAtEight() public {
        TaskId[] memory stuck = _stuck(LOOKS);
        _joinClass(50, 4);
        TaskId t = _seatedIn(50);
        _vacate(t, 3);
        (, uint256 drawn) = queue.dispatch(1);
        assertEq(drawn, 0);
        TaskId[] memory line = queue.vacancies();
        assertEq(line.length, LOOKS + 1);
        assertEq(line[0], t);
        for (uint256 i; i < LOOKS; ++i) {
            assertEq(line[1 + i], stuck[i]);
        }
        (, drawn) = queue.dispatch(1);
        assertEq(drawn, 1);
        assertEq(queue.roundTask(0), t);
    }

    /// @dev When its nodes come back, a vacancy that waited is served like any other.
    function test_aVacancyIsServedOnceItsNodesAreThere() public {
        TaskId t = _stuck(1)[0];
        queue.dispatch(1);
        assertEq(queue.round().drawBlock, 0);
        assertEq(_state(t), ITask.State.Vacant);
        for (uint256 i; i < 4; ++i) {
            assertEq(_dispatch(1), 0, "two seats need four free nodes");
            _join(90 + i, _classHash(1), 24);
        }
        assertEq(_dispatch(1), 1);
        assertEq(_state(t), ITask.State.Committing);
    }

    /// @dev A refill is a choice among as many as any other: beside twice its seats as many nodes must be free as the floor
    /// asks for beyond three. Fifty-one active nodes ask for six.
    /// forge-config: default.fuzz.runs = 24
    function testFuzz_aRefillWaitsForTheFloor(uint8 seats, bool images) public {
        uint256 committed = _someSeats(seats);
        uint256 vacated = 3 - _count(committed);
        TaskId t = _vacantInACrowd(51, committed, images);
        uint256 enough = 2 * vacated + 3;
        for (uint256 free = 3 + vacated; free < enough; ++free) {
            assertEq(_freeFor(images), free);
            assertGe(free, 2 * vacated, "enough for the seats alone");
            assertEq(_dispatch(8), 0);
            assertEq(_state(t), ITask.State.Vacant);
            assertEq(queue.vacancies().length, 1);
            _join(500 + free, CLASS, 24);
        }
        assertEq(_freeFor(images), enough);
        (, uint256 drawn) = queue.dispatch(8);
        assertEq(drawn, 1);
        assertEq(queue.roundTask(0), t);
        _nextBlock();
        queue.dispatch(8);
        assertEq(_state(t), ITask.State.Committing);
        _assertOneSeatEach();
    }

    /// @dev The same at any size of the network, with the formula of the floor.
    /// forge-config: default.fuzz.runs = 32
    function testFuzz_aRefillIsDrawnFromTheFloorOn(uint8 number, uint8 seats, bool images) public {
        uint256 committed = _someSeats(seats);
        _vacantInACrowd(bound(number, 4, 90), committed, images);
        for (uint256 i; i < 12; ++i) {
            uint256 floor = PoolFloor.forActive(_activeFor(images));
            bool enough = _freeFor(images) + 3 >= 2 * (3 - _count(committed)) + floor;
            (, uint256 drawn) = queue.dispatch(8);
            assertEq(drawn, enough ? 1 : 0);
            if (drawn != 0) return;
            _nextBlock();
            _join(500 + i, CLASS, 24);
        }
        revert("never out of reach");
    }

    /// @dev What went on meanwhile is passed over and leaves the line.
    function testFuzz_tasksThatWentOnLeaveTheLine(uint8 which) public {
        _joinMany(12);
        TaskId[3] memory tasks = _threeVacant();
        uint256 gone = which % 3;
        _advance(tasks[gone]);
        (, uint256 drawn) = queue.dispatch(3);
        assertEq(drawn, 2);
        assertEq(queue.roundTask(0), tasks[gone == 0 ? 1 : 0]);
        assertEq(queue.roundTask(1), tasks[gone == 2 ? 1 : 2]);
        assertEq(queue.vacancies().length, 0);
    }

    /// @dev Seats that are spoken for are not promised twice in one round: nobody gets two seats, and who finds none goes
    /// back to the queue.
    function testFuzz_aRoundOfRefillsAndTasksGivesEachNodeOneSeat(bytes32 blockHash, uint8 number) public {
        _joinMany(bound(number, 8, 15));
        TaskId a = _seated();
        TaskId b = _seated();
        _commitAll(a, 1, ANSWER);
        _vacate(b, 6);
        _advance(a);
        for (uint256 i; i < 4; ++i) {
            _create(GPT, FEE, 100);
        }
        queue.dispatch(8);
        _seatAll(blockHash);
        _assertOneSeatEach();
        _assertConserved();
    }

    /// @dev A second call in the block of the draw counts the seats the first has promised.
    function test_laterDrawsOfTheSameBlockCountTheSeatsSpokenFor() public {
        _joinMany(8);
        TaskId t = _seated();
        _vacate(t, 1);
        queue.dispatch(1);
        _create(GPT, FEE, 100);
        (, uint256 drawn) = queue.dispatch(1);
        assertEq(drawn, 1, "seven are free, two are spoken for");
        _create(GPT, FEE, 100);
        (, drawn) = queue.dispatch(1);
        assertEq(drawn, 0);
    }

    /// @dev A round with a refill that nobody seated in time is drawn again; the task can neither be advanced nor drawn
    /// twice meanwhile, and nothing is lost.
    function testFuzz_aRoundWithARefillIsDrawnAgain(uint16 late, uint8 seats) public {
        _joinMany(6);
        TaskId t = _seated();
        _vacate(t, _someSeats(seats));
        queue.dispatch(1);
        uint256 drawBlock = block.number;
        vm.roll(drawBlock + bound(late, 257, 100_000));
        vm.warp(block.timestamp + 1 days);
        vm.expectRevert(abi.encodeWithSelector(ITask.TooEarly.selector, t, type(uint40).max));
        task.advance(t);
        vm.expectEmit(address(queue));
        emit ITaskQueue.RoundRedrawn(drawBlock, block.number);
        queue.dispatch(1);
        assertEq(_state(t), ITask.State.Vacant);
        assertEq(queue.round().size, 1);
        _nextBlock();
        queue.dispatch(1);
        assertEq(_state(t), ITask.State.Committing);
        assertEq(node.counts().busy, 3, "invariant 2");
        _assertConserved();
    }

    /// @dev A vacancy is worth a dispatch though nothing is queued.
    function test_isDrawnFromAnEmptyQueue() public {
        _joinMany(4);
        TaskId t = _seated();
        assertEq(queue.queued(), 0);
        _vacate(t, 3);
        assertEq(_dispatch(1), 1);
        assertEq(_state(t), ITask.State.Committing);
    }

    /// @dev `n` tasks, each of a class of three, whose two missing nodes pause: no refill is possible.
    function _stuck(uint256 n) private returns (TaskId[] memory tasks) {
        tasks = new TaskId[](n);
        for (uint256 i; i < n; ++i) {
            _joinClass(1 + i, 3);
            tasks[i] = _seatedIn(1 + i);
            for (uint256 seat = 1; seat < 3; ++seat) {
                NodeId id = _nodeAt(tasks[i], seat);
                vm.prank(_operatorAt(tasks[i], seat));
                node.pause(id);
            }
        }
        for (uint256 i; i < n; ++i) {
            _commitAll(tasks[i], 1, ANSWER);
        }
        for (uint256 i; i < n; ++i) {
            _advance(tasks[i]);
        }
    }

    /// @dev Three tasks of one class with a vacated seat each, in the line in this order.
    function _threeVacant() private returns (TaskId[3] memory tasks) {
        tasks = [_seated(), _seated(), _seated()];
        for (uint256 i; i < 3; ++i) {
            _commitAll(tasks[i], 3, ANSWER);
        }
        for (uint256 i; i < 3; ++i) {
            _advance(tasks[i]);
        }
    }

    /// @dev `n` nodes of 24 GB that serve tasks but for the last few, and one of these tasks with seats to give away. A task of
    /// images names no class but asks for 20 GB: others of 8 GB do not count for it.
    function _vacantInACrowd(uint256 n, uint256 committed, bool images) private returns (TaskId t) {
        _joinMany(n);
        for (uint256 i; images && i < 20; ++i) {
            _join(1000 + i, CLASS, 8);
        }
        vm.deal(creator, 10_000 ether);
        while (true) {
            vm.prank(creator);
            task.create{value: FEE}(images ? SD : GPT, TASK_HASH, 1, 20, ANY, 1 hours);
            queue.dispatch(1);
            if (queue.round().size == 0) break;
            _nextBlock();
            queue.dispatch(1);
        }
        // Nothing waits that could be drawn instead.
        TaskId last = task.lastTask();
        _pastTheFirstMinute();
        vm.prank(creator);
        task.cancel(last);
        t = TaskId.wrap(1);
        _vacate(t, committed);
    }

    function _freeFor(bool images) private view returns (uint256) {
        return images ? node.capacity().free[9] : node.classState(ClassId.wrap(1)).free;
    }

    function _activeFor(bool images) private view returns (uint256) {
        return images ? node.capacity().active[9] : node.classState(ClassId.wrap(1)).active;
    }

    /// @dev `n` nodes of class number `c`.
    function _joinClass(uint256 c, uint256 n) private {
        for (uint256 i; i < n; ++i) {
            _join(100 * c + i, _classHash(c), 24);
        }
    }

    function _classHash(uint256 c) private pure returns (bytes32) {
        return keccak256(abi.encode("class", c));
    }

    function _seatedIn(uint256 c) private returns (TaskId t) {
        t = _createFor(node.classOf(_classHash(c), 9), FEE);
        assertEq(_dispatch(1), 1, "the task got its nodes");
    }

    function _seatAll(bytes32 blockHash) private {
        _nextBlock();
        vm.setBlockhash(block.number - 1, blockHash);
        queue.dispatch(8);
    }

    function _assertLine(TaskId first, TaskId second, TaskId third) private view {
        TaskId[] memory line = queue.vacancies();
        assertEq(line.length, 3);
        assertEq(line[0], first);
        assertEq(line[1], second);
        assertEq(line[2], third);
    }

    /// @dev Invariant 2, counted from the tasks.
    function _assertOneSeatEach() private view {
        uint256 seats;
        for (uint32 i = 1; i <= NodeId.unwrap(node.lastNode()); ++i) {
            uint256 held = _seatsOf(NodeId.wrap(i));
            assertLe(held, 1);
            assertEq(_status(NodeId.wrap(i)), held == 1 ? INode.Status.Busy : INode.Status.Free);
            seats += held;
        }
        assertEq(node.counts().busy, seats);
    }

    function _seatsOf(NodeId id) private view returns (uint256 held) {
        for (uint40 i = 1; i <= TaskId.unwrap(task.lastTask()); ++i) {
            ITask.TaskView memory v = task.taskOf(TaskId.wrap(i));
            bool live =
                v.state == ITask.State.Committing || v.state == ITask.State.Vacant || v.state == ITask.State.Revealing;
            for (uint256 seat; live && seat < 3; ++seat) {
                if (v.nodes[seat] == id && !v.vacated[seat]) ++held;
            }
        }
    }
}
