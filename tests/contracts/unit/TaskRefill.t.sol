// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {IQoS} from "../../../contracts/interfaces/IQoS.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {ITaskQueue} from "../../../contracts/interfaces/ITaskQueue.sol";
import {ClassId, NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {NotAllowed} from "../../../contracts/types/Wiring.sol";
import {Refills} from "../Refills.sol";
import {Vm} from "forge-std/Vm.sol";

/// @notice Vacated seats are given to other nodes, and what becomes of the task then.
contract TaskRefillTest is Refills {
    /// Seconds a node has to commit to a GPT task of 100 tokens.
    uint256 private constant COMMIT_SECONDS = 120 + 4 * 10;

    TaskId private t;

    function setUp() public override {
        super.setUp();
        _joinMany(6);
        t = _seated();
    }

    function testFuzz_nobodyButTaskRefills(address caller) public {
        vm.assume(caller != address(task));
        NodeId[3] memory nodes = task.taskOf(t).nodes;
        INode.Need memory need;
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(NotAllowed.selector, caller, address(task)));
        node.refill(bytes32(0), need, nodes, 1);
    }

    function test_neverInTheBlockOfTheDraw() public {
        _vacate(t, 3);
        for (uint256 i; i < 3; ++i) {
            (uint256 seated,) = queue.dispatch(1);
            assertEq(seated, 0);
        }
        assertEq(_state(t), ITask.State.Vacant);
    }

    function testFuzz_announcesTheDrawAndTheRefill(uint8 seats, bytes32 blockHash) public {
        uint256 committed = _someSeats(seats);
        _vacate(t, committed);
        vm.expectEmit(address(queue));
        emit ITaskQueue.TaskDrawn(t, block.number);
        (, uint256 drawn) = queue.dispatch(1);
        assertEq(drawn, 1);
        vm.recordLogs();
        assertEq(_seatWith(blockHash), 1);
        uint96 reward = uint96(_afterCranks(FEE, 2) * CRANK_BPS / BPS);
        _assertRefilledLog(abi.encode(task.taskOf(t).nodes, block.timestamp + COMMIT_SECONDS, reward));
        _assertConserved();
    }

    /// @dev One seat after one missed commit, two after two; who has committed keeps its seat and its rank.
    function testFuzz_storesTheRefill(uint8 seats, bytes32 blockHash) public {
        uint256 committed = _someSeats(seats);
        NodeId[3] memory before = task.taskOf(t).nodes;
        _vacate(t, committed);
        _refillWith(blockHash);
        ITask.TaskView memory v = task.taskOf(t);
        assertEq(v.state, ITask.State.Committing);
        assertEq(v.deadline, block.timestamp + COMMIT_SECONDS, "as long as the first had");
        assertEq(abi.encode(v.vacated), abi.encode(_flags(0)));
        assertEq(v.refills, 1);
        assertEq(v.escrow, _afterCranks(FEE, 3));
        assertEq(task.orderOf(t).seats, 0);
        assertEq(queue.vacancies().length, 0);
        for (uint256 i; i < 3; ++i) {
            assertEq(v.nodes[i] == before[i], _has(committed, i));
            assertEq(v.commitRanks[i] != 0, _has(committed, i));
            assertEq(_status(v.nodes[i]), INode.Status.Busy);
            assertEq(node.nodeOf(v.nodes[i]).inSets, false);
        }
        assertEq(node.counts().busy, 3, "invariant 2");
    }

    /// @dev Nobody who holds or held a seat gets another, nor does its operator with another node.
    function testFuzz_takesOtherOperators(uint8 seats, bytes32 blockHash) public {
        for (uint256 i = 1; i <= 6; ++i) {
            _joinFor(_operator(i), _key(10 + i), CLASS, 24);
        }
        uint256 committed = _someSeats(seats);
        address[3] memory before = [_operatorAt(t, 0), _operatorAt(t, 1), _operatorAt(t, 2)];
        _vacate(t, committed);
        _refillWith(blockHash);
        for (uint256 i; i < 3; ++i) {
            if (_has(committed, i)) continue;
            for (uint256 j; j < 3; ++j) {
                assertTrue(_operatorAt(t, i) != before[j], "held a seat");
                assertTrue(i == j || _operatorAt(t, i) != _operatorAt(t, j), "holds another");
            }
        }
    }

    function testFuzz_keepsTheClass(uint8 seats, bytes32 blockHash) public {
        for (uint256 i = 7; i <= 20; ++i) {
            _join(i, keccak256("another class"), 24);
        }
        _vacate(t, _someSeats(seats));
        _refillWith(blockHash);
        for (uint256 i; i < 3; ++i) {
            assertEq(node.nodeOf(_nodeAt(t, i)).class, ClassId.wrap(1));
        }
    }

    /// @dev A task of any class takes any, but not less memory.
    function testFuzz_keepsTheMemoryAskedFor(uint8 seats, bytes32 blockHash) public {
        for (uint256 i = 7; i <= 20; ++i) {
            _join(i, keccak256(abi.encode(i)), i < 13 ? 8 : 32);
        }
        vm.prank(creator);
        TaskId image = task.create{value: FEE}(SD, TASK_HASH, 1, 20, ANY, 1 hours);
        _dispatch(1);
        _vacate(image, _someSeats(seats));
        _refillWith(blockHash);
        assertEq(_state(image), ITask.State.Committing);
        for (uint256 i; i < 3; ++i) {
            assertGe(node.nodeOf(_nodeAt(image, i)).tier, 8, "20 GB");
        }
    }

    /// @dev Those just let go are free as well, and are passed over: while fewer others are free than seats, the vacancy
    /// waits in line until its window is over.
    function testFuzz_waitsInLineUntilAsManyOthersAreFreeAsSeats(uint8 seats, uint8 others, bool image) public {
        if (image) {
            _vote(t, [ANSWER, ANSWER, ANSWER]);
            t = _create(SD, FEE, 1);
            _dispatch(1);
        }
        uint256 committed = _someSeats(seats);
        _pauseTheFree(others % 4);
        _vacate(t, committed);
        assertEq(node.counts().free, others % 4 + 3 - _count(committed), "who was let go is free");
        bool enough = others % 4 >= 3 - _count(committed);
        for (uint256 i; i < 3; ++i) {
            assertEq(_dispatch(8), enough && i == 0 ? 1 : 0);
            assertEq(_state(t), enough ? ITask.State.Committing : ITask.State.Vacant);
            assertEq(queue.vacancies().length, enough ? 0 : 1);
        }
        if (enough) return;
        _advance(t);
        assertEq(_state(t), _count(committed) == 2 ? ITask.State.Revealing : ITask.State.Ended);
        _assertConserved();
    }

    /// @dev Whoever became free after the draw could have chosen to, knowing the entropy.
    function test_passesOverWhoBecameFreeAfterTheDraw() public {
        _pauseTheFree(1);
        _vacate(t, 3);
        queue.dispatch(1);
        _pauseTheFree(0);
        _join(7, CLASS, 24);
        _seatNext();
        assertEq(_state(t), ITask.State.Revealing);
        assertEq(_status(NodeId.wrap(7)), INode.Status.Free);
    }

    function testFuzz_refusesTheLateCommitOfAReplacedNode(uint8 seats, bytes32 commitment) public {
        uint256 committed = _someSeats(seats);
        NodeId[3] memory before = task.taskOf(t).nodes;
        _vacate(t, committed);
        _refill();
        for (uint256 i; i < 3; ++i) {
            if (_has(committed, i)) continue;
            vm.prank(node.nodeOf(before[i]).key);
            vm.expectRevert(abi.encodeWithSelector(ITask.NotSeated.selector, t, before[i]));
            task.commit(before[i], t, commitment);
        }
    }

    function test_refusesASecondCommitOfWhoCommittedBefore() public {
        _vacate(t, 3);
        _refill();
        NodeId id = _nodeAt(t, 0);
        vm.prank(_keyAt(t, 0));
        vm.expectRevert(abi.encodeWithSelector(ITask.AlreadyCommitted.selector, t, id));
        task.commit(id, t, ANSWER);
    }

    function testFuzz_theNewNodeHasUntilItsOwnDeadline(uint40 when) public {
        _vacate(t, 3);
        _refill();
        uint256 deadline = task.taskOf(t).deadline;
        vm.warp(bound(when, block.timestamp, deadline));
        _commit(t, 2, ANSWER);
        assertEq(_state(t), ITask.State.Revealing);
    }

    function testFuzz_refusesTheNewNodeAfterIt(uint32 late) public {
        _vacate(t, 3);
        _refill();
        uint256 deadline = task.taskOf(t).deadline;
        vm.warp(deadline + 1 + late);
        NodeId id = _nodeAt(t, 2);
        vm.prank(_keyAt(t, 2));
        vm.expectRevert(abi.encodeWithSelector(ITask.TooLate.selector, t, deadline));
        task.commit(id, t, ANSWER);
    }

    /// @dev No other operator is free: nobody is drawn in vain for ever, the task goes on with two, or ends.
    function testFuzz_goesOnWithoutSuitableNodes(uint8 seats) public {
        _pauseTheFree(0);
        uint256 committed = _someSeats(seats);
        _vacate(t, committed);
        for (uint256 i = 1; i <= 6; ++i) {
            if (!_isSeatedOperator(i)) continue;
            _joinFor(_operator(i), _key(10 + i), CLASS, 24);
        }
        queue.dispatch(1);
        uint256 paid = task.creditOf(keeper);
        _seatNext();
        bool two = _count(committed) == 2;
        assertEq(_state(t), two ? ITask.State.Revealing : ITask.State.Ended);
        assertEq(task.creditOf(keeper), paid, "nothing was seated");
        assertEq(node.counts().busy, two ? 2 : 0, "invariant 2");
        if (two) assertEq(task.taskOf(t).deadline, block.timestamp + 120);
        else assertEq(task.creditOf(creator), _afterCranks(FEE, 2));
        _assertConserved();
    }

    /// @dev Ranks go on where they stopped, and with them the shares and the points.
    function testFuzz_sharesFollowTheRanks(uint8 seats, uint8 order) public {
        uint256 committed = _someSeats(seats);
        _vacate(t, committed);
        _refill();
        _commitAll(t, 7 ^ committed, ANSWER);
        uint256[3] memory reveals = _revealInOrder(_permutation(order));
        uint256 pot = _afterCranks(FEE, 3);
        ITask.TaskView memory v = task.taskOf(t);
        assertEq(v.state, ITask.State.Delivering);
        uint256[3] memory want;
        for (uint256 i; i < 3; ++i) {
            assertEq(v.commitRanks[i], _rankAfterRefill(committed, i));
            uint256 points = _points(v.commitRanks[i]) + _points(reveals[i]);
            want[i] = pot * points / 50;
            assertEq(qos.recordOf(_nodeAt(t, i)).score, 310 + points, "points");
        }
        assertEq(_earned(t, 1), want[1]);
        assertEq(_earned(t, 2), want[2]);
        assertEq(v.escrow, pot - want[1] - want[2], "the deliverer's share");
        _deliver(t);
        assertEq(_earned(t, 0), pot - want[1] - want[2]);
        assertEq(task.creditOf(creator), 0);
        _assertConserved();
    }

    /// @dev An error of a new node is an error like any other.
    function testFuzz_anErrorOfANewNodeAgainstTwo(uint8 absent) public {
        uint256 seat = absent % 3;
        _vacate(t, 7 ^ (1 << seat));
        _refill();
        _commit(t, seat, _error(2));
        _revealAll(t, 7 ^ (1 << seat), ANSWER);
        _reveal(t, seat, _error(2));
        assertEq(_state(t), ITask.State.Delivering);
        assertEq(_status(_nodeAt(t, seat)), INode.Status.Free);
        assertEq(qos.recordOf(_nodeAt(t, seat)).score, 310, "no points");
        assertEq(node.nodeOf(_nodeAt(t, seat)).stake, STAKE, "no penalty");
        _deliver(t);
        _assertConserved();
    }

    function testFuzz_theSameErrorOfAllThreeDividesTheErrorFee(uint8 seats, uint8 code) public {
        bytes32 reply = _error(uint8(bound(code, 1, 255)));
        uint256 committed = _someSeats(seats);
        _commitAll(t, committed, reply);
        _advance(t);
        _refill();
        _commitAll(t, 7 ^ committed, reply);
        _revealAll(t, 7, reply);
        uint256 pot = _afterCranks(FEE, 3);
        assertEq(stats.tallyOf(GPT).failed, 1);
        assertEq(_earned(t), pot * 300 / BPS / 3 * 3);
        assertEq(task.creditOf(creator), pot - pot * 300 / BPS / 3 * 3);
        _assertConserved();
    }

    function test_aNewNodeThatStandsAloneIsFrozen() public {
        _vacate(t, 3);
        NodeId replaced = _nodeAt(t, 2);
        _refill();
        _commit(t, 2, WRONG);
        _revealAll(t, 3, ANSWER);
        _reveal(t, 2, WRONG);
        assertEq(_status(_nodeAt(t, 2)), INode.Status.Frozen);
        assertEq(_status(replaced), INode.Status.Free);
        assertEq(node.caseOf(_nodeAt(t, 2)).task, t);
        _deliver(t);
        _assertConserved();
    }

    /// @dev The new node misses as well and no refill is left: two go on, and both misses are counted and paid for.
    function testFuzz_goesOnWithTwoWhenTheNewNodeMissesToo(uint8 absent) public {
        uint256 seat = absent % 3;
        NodeId first = _nodeAt(t, seat);
        _vacate(t, 7 ^ (1 << seat));
        _refill();
        NodeId second = _nodeAt(t, seat);
        _advance(t);
        assertEq(_state(t), ITask.State.Revealing);
        assertEq(_status(second), INode.Status.Busy);
        _revealAll(t, 7 ^ (1 << seat), ANSWER);
        _deliver(t);
        _assertMissedOnce(first);
        _assertMissedOnce(second);
        assertEq(node.counts().busy, 0, "invariant 2");
        _assertConserved();
    }

    function testFuzz_endsWithOneWhenTheNewNodesMissToo(uint8 seat) public {
        uint256 committed = 1 << (seat % 3);
        _vacate(t, committed);
        _refill();
        _advance(t);
        assertEq(_state(t), ITask.State.Ended);
        assertEq(task.creditOf(creator), _afterCranks(FEE, 4), "everything but the crank");
        for (uint256 i; i < 3; ++i) {
            if (!_has(committed, i)) _assertMissedOnce(_nodeAt(t, i));
        }
        assertEq(qos.recordOf(_nodeAt(t, seat % 3)).tasks, 0);
        assertEq(node.slashed(), 4 * MISS);
        assertEq(stats.tallyOf(GPT).unanswered, 1);
        _assertConserved();
    }

    /// @dev Two refills, if the terms allow two; the third miss is the last.
    function test_isRefilledTwiceIfTheTermsAllowIt() public {
        _allowRefills(2);
        _vacate(t, 1);
        _refill();
        _vacate(t, 2);
        assertEq(_state(t), ITask.State.Vacant);
        assertEq(abi.encode(task.taskOf(t).vacated), abi.encode(_flags(4)));
        assertEq(task.taskOf(t).refills, 2);
        _refill();
        assertEq(_state(t), ITask.State.Committing);
        _advance(t);
        assertEq(_state(t), ITask.State.Revealing);
        _revealAll(t, 3, ANSWER);
        _deliver(t);
        assertEq(node.slashed(), 4 * MISS);
        _assertConserved();
    }

    /// @dev Terms that are lowered in the middle of a task's life hold at once.
    function test_lowerTermsEndTheRefills() public {
        _allowRefills(2);
        _vacate(t, 1);
        _refill();
        _allowRefills(1);
        _vacate(t, 2);
        assertEq(_state(t), ITask.State.Revealing);
    }

    /// @dev The longest life there is: seated, refilled twice, and every stage that can run out does. Eight shares of the
    /// crank are paid of the ten that are the stated bound.
    function testFuzz_theCrankTakesABoundedPartOfTheLongestLife(uint96 fee) public {
        _allowRefills(2);
        t = _create(GPT, uint96(bound(fee, 1e12, 100 ether)), 100);
        fee = task.taskOf(t).escrow;
        _joinMore();
        assertEq(_dispatch(1), 1);
        uint256 before = task.creditOf(keeper) - fee * CRANK_BPS / BPS;
        _vacate(t, 1);
        _refill();
        _vacate(t, 2);
        _refill();
        _commit(t, 2, ANSWER);
        _revealAll(t, 3, ANSWER);
        _advance(t);
        uint96 refund = uint96(task.creditOf(creator));
        uint96 paid = uint96(task.creditOf(keeper) - before);
        assertEq(paid, fee - _afterCranks(fee, 6), "two seats, four stages");
        uint256 held = task.taskOf(t).escrow;
        _advance(t);
        _advance(t);
        assertEq(_state(t), ITask.State.Ended);
        assertEq(task.creditOf(keeper) - before - paid, held - _afterCranks(held, 2));
        assertEq(task.creditOf(creator) - refund, _afterCranks(held, 2), "the held share");
        assertLe(task.creditOf(keeper) - before, fee - _afterCranks(fee, 10), "ten shares");
        _assertConserved();
    }

    /// @dev The same with terms and a missed delivery of all three.
    function test_theCrankTakesABoundedPartWhenNobodyDelivers() public {
        _allowRefills(2);
        _vacate(t, 1);
        _refill();
        _vacate(t, 2);
        _refill();
        _commit(t, 2, ANSWER);
        _revealAll(t, 7, ANSWER);
        uint256 paid = task.creditOf(keeper);
        assertEq(paid, FEE - _afterCranks(FEE, 5));
        uint256 held = task.taskOf(t).escrow;
        _advance(t);
        _advance(t);
        _advance(t);
        assertEq(_state(t), ITask.State.Ended);
        assertEq(task.creditOf(keeper), paid + held - _afterCranks(held, 3));
        assertEq(task.creditOf(creator), _afterCranks(held, 3));
        _assertConserved();
    }

    /// @dev Invariants 1, 2 and 5: whatever the seats do and whoever turns the crank, the task ends, nobody is held, and
    /// all money is accounted for at every step.
    function testFuzz_everyLifeEndsAndIsAccountedFor(bytes32 seed, uint8 refills) public {
        _allowRefills(refills % 3);
        vm.recordLogs();
        bytes32[3] memory results;
        for (uint256 i; i < 40 && _state(t) != ITask.State.Ended; ++i) {
            seed = keccak256(abi.encode(seed));
            _step(uint256(seed), results);
            _assertConserved();
        }
        assertEq(_state(t), ITask.State.Ended);
        assertEq(task.taskOf(t).escrow, 0);
        queue.dispatch(8);
        assertEq(queue.vacancies().length, 0);
        assertEq(node.counts().busy, 0, "invariant 2");
        assertLe(_crankTurns(), 9, "ten with the first seating");
        assertEq(stats.overview().succeeded + stats.overview().aborted, 1, "invariant 10");
    }

    /// @dev One random move of the parties to `t`.
    function _step(uint256 random, bytes32[3] memory results) private {
        ITask.State state = _state(t);
        if (state == ITask.State.Committing) _commitSome(random, results);
        else if (state == ITask.State.Revealing) _revealSome(random, results);
        else if (state == ITask.State.Vacant && random % 4 != 0) _refillWith(bytes32(random));
        else if (state == ITask.State.Delivering && random % 2 == 0) _deliver(t);
        if (_state(t) == state && state != ITask.State.Ended) _advance(t);
    }

    function _commitSome(uint256 random, bytes32[3] memory results) private {
        uint256 first = random >> 16;
        for (uint256 k; k < 3; ++k) {
            uint256 i = (first + k) % 3;
            random >>= 8;
            if (task.taskOf(t).commitRanks[i] != 0 || random % 3 == 0) continue;
            results[i] = [ANSWER, ANSWER, WRONG, _error(1)][(random >> 2) % 4];
            _commit(t, i, results[i]);
        }
    }

    function _revealSome(uint256 random, bytes32[3] memory results) private {
        for (uint256 i; i < 3 && _state(t) == ITask.State.Revealing; ++i) {
            random >>= 8;
            bool may = task.taskOf(t).commitRanks[i] != 0 && task.taskOf(t).revealRanks[i] == 0;
            if (may && random % 4 != 0) _reveal(t, i, results[i]);
        }
    }

    function _crankTurns() private returns (uint256 turns) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            bytes32 topic = logs[i].topics[0];
            if (topic == ITask.Advanced.selector || topic == ITask.SeatsRefilled.selector) ++turns;
        }
    }

    function _refill() private {
        _refillWith(keccak256("a block"));
    }

    /// @dev The keeper draws the vacancy and seats it in the next block.
    function _refillWith(bytes32 blockHash) private {
        vm.prank(keeper);
        queue.dispatch(1);
        _seatWith(blockHash);
    }

    function _seatWith(bytes32 blockHash) private returns (uint256 seated) {
        _nextBlock();
        vm.setBlockhash(block.number - 1, blockHash);
        vm.prank(keeper);
        (seated,) = queue.dispatch(1);
    }

    function _seatNext() private {
        _seatWith(keccak256("a block"));
    }

    function _joinMore() private {
        for (uint256 i = 11; i < 17; ++i) {
            _join(i, CLASS, 24);
        }
    }

    /// @dev All free nodes but `left` of them pause.
    function _pauseTheFree(uint256 left) private {
        for (uint32 i = 1; i <= 6; ++i) {
            if (_status(NodeId.wrap(i)) != INode.Status.Free) continue;
            if (left != 0) {
                --left;
                continue;
            }
            vm.prank(_operator(i));
            node.pause(NodeId.wrap(i));
        }
    }

    function _isSeatedOperator(uint256 i) private view returns (bool) {
        address operator = _operator(i);
        return _operatorAt(t, 0) == operator || _operatorAt(t, 1) == operator || _operatorAt(t, 2) == operator;
    }

    function _revealInOrder(uint256[3] memory order) private returns (uint256[3] memory ranks) {
        for (uint256 i; i < 3; ++i) {
            _reveal(t, order[i], ANSWER);
            ranks[order[i]] = i + 1;
        }
    }

    /// @dev The rank of `seat` when first the seats in `committed` commit in their order and then the others in theirs.
    function _rankAfterRefill(uint256 committed, uint256 seat) private pure returns (uint256 rank) {
        bool early = _has(committed, seat);
        for (uint256 i; i < 3; ++i) {
            bool before = _has(committed, i) != early ? !early : i <= seat;
            if (before) ++rank;
        }
    }

    function _points(uint256 rank) private pure returns (uint256) {
        return [0, 10, 9, 6][rank];
    }

    function _assertMissedOnce(NodeId id) private view {
        IQoS.Record memory r = qos.recordOf(id);
        assertEq(abi.encode(r.score, r.misses, r.tasks), abi.encode(310, 1, 1));
        assertEq(node.nodeOf(id).stake, STAKE - MISS);
        assertEq(_status(id), INode.Status.Free);
    }

    function _assertRefilledLog(bytes memory data) private {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] != ITask.SeatsRefilled.selector) continue;
            assertEq(logs[i].topics[1], bytes32(uint256(TaskId.unwrap(t))));
            assertEq(logs[i].topics[2], bytes32(uint256(uint160(keeper))));
            assertEq(logs[i].data, data);
            return;
        }
        revert("no SeatsRefilled");
    }
}
