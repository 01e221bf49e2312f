// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {IQoS} from "../../../contracts/interfaces/IQoS.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {ITaskQueue} from "../../../contracts/interfaces/ITaskQueue.sol";
import {NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {NotAllowed} from "../../../contracts/types/Wiring.sol";
import {Refills} from "../Refills.sol";

/// @notice `advance` of a commit stage that one or two nodes let pass: their seats are vacated.
contract TaskVacateTest is Refills {
    TaskId private t;

    function setUp() public override {
        super.setUp();
        _joinMany(6);
        t = _seated();
    }

    function testFuzz_nobodyButTaskVacates(address caller) public {
        vm.assume(caller != address(task));
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(NotAllowed.selector, caller, address(task)));
        queue.vacate(t);
    }

    function testFuzz_nobodyButTheQueueSaysThatARefillIsDrawn(address caller) public {
        vm.assume(caller != address(queue));
        _vacate(t, 3);
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(NotAllowed.selector, caller, address(queue)));
        task.refillDrawn(t);
    }

    function test_onlyAVacantTaskHasARefillToDraw() public {
        _refuse(_wrongState(ITask.State.Committing, ITask.State.Vacant));
        vm.prank(address(queue));
        task.refillDrawn(t);
    }

    /// @dev The last second of the vacancy belongs to the dispatcher.
    function testFuzz_refusesAVacantTaskUntilItsWindowIsOver(uint40 early) public {
        _vacate(t, 3);
        uint256 deadline = task.taskOf(t).deadline;
        vm.warp(bound(early, block.timestamp, deadline));
        vm.expectRevert(abi.encodeWithSelector(ITask.TooEarly.selector, t, deadline));
        task.advance(t);
    }

    /// @dev Whoever saw the hash of the draw could otherwise call off a refill whose nodes it does not like.
    function testFuzz_refusesAVacantTaskWhoseRefillIsDrawn(uint32 late) public {
        _vacate(t, 3);
        queue.dispatch(1);
        vm.warp(block.timestamp + late);
        vm.expectRevert(abi.encodeWithSelector(ITask.TooEarly.selector, t, type(uint40).max));
        task.advance(t);
    }

    function testFuzz_refusesTheLateCommitOfAVacatedSeat(uint8 seats, bytes32 commitment) public {
        uint256 committed = _someSeats(seats);
        _vacate(t, committed);
        for (uint256 i; i < 3; ++i) {
            if (_has(committed, i)) continue;
            NodeId id = _nodeAt(t, i);
            vm.prank(_keyAt(t, i));
            vm.expectRevert(abi.encodeWithSelector(ITask.NotSeated.selector, t, id));
            task.commit(id, t, commitment);
        }
    }

    function test_refusesEveryOtherMoveOfAVacantTask() public {
        _vacate(t, 1);
        NodeId id = _nodeAt(t, 0);
        vm.startPrank(_keyAt(t, 0));
        _refuse(_wrongState(ITask.State.Vacant, ITask.State.Committing));
        task.commit(id, t, ANSWER);
        _refuse(_wrongState(ITask.State.Vacant, ITask.State.Revealing));
        task.reveal(id, t, ANSWER, _salt(t, 0));
        _refuse(_wrongState(ITask.State.Vacant, ITask.State.Delivering));
        task.deliver(id, t, ANSWER);
        _refuse(_wrongState(ITask.State.Vacant, ITask.State.Delivering));
        task.deliverSigned(id, t, ANSWER, "");
        vm.stopPrank();
        vm.startPrank(creator);
        _refuse(_wrongState(ITask.State.Vacant, ITask.State.Queued));
        task.cancel(t);
        _refuse(_wrongState(ITask.State.Vacant, ITask.State.Queued));
        task.expire(t);
    }

    /// @dev Nobody did anything: the fault may lie with the task, so nobody pays and nobody else has to try.
    function test_seatsAreNotVacatedWhenNobodyCommitted() public {
        _vacate(t, 0);
        assertEq(_state(t), ITask.State.Ended);
        assertEq(queue.vacancies().length, 0);
        assertEq(node.slashed(), 0);
        assertEq(stats.tallyOf(GPT).unanswered, 1);
        _assertConserved();
    }

    function testFuzz_withoutRefillsTheTaskGoesOn(uint8 seats) public {
        _allowRefills(0);
        uint256 committed = _someSeats(seats);
        _vacate(t, committed);
        assertEq(_state(t), _count(committed) == 2 ? ITask.State.Revealing : ITask.State.Ended);
        assertEq(queue.vacancies().length, 0);
    }

    function testFuzz_announcesTheVacancy(uint8 seats, address caller) public {
        uint256 committed = _someSeats(seats);
        _commitAll(t, committed, ANSWER);
        _pastDeadline(t);
        uint40 refillBy = uint40(block.timestamp + 120);
        vm.expectEmit(address(task));
        emit ITask.Advanced(t, caller, uint96(_afterCranks(FEE, 1) * CRANK_BPS / BPS));
        vm.expectEmit(address(task));
        emit ITask.SeatsVacated(t, _flags(7 ^ committed), refillBy);
        _expectMisses(7 ^ committed);
        vm.expectEmit(address(queue));
        emit ITaskQueue.TaskVacant(t);
        vm.prank(caller);
        task.advance(t);
    }

    function testFuzz_storesTheVacancy(uint8 seats) public {
        uint256 committed = _someSeats(seats);
        NodeId[3] memory nodes = task.taskOf(t).nodes;
        _vacate(t, committed);
        ITask.TaskView memory v = task.taskOf(t);
        assertEq(v.state, ITask.State.Vacant);
        assertEq(v.deadline, block.timestamp + 120);
        assertEq(abi.encode(v.nodes), abi.encode(nodes), "still named, so that a refill passes them over");
        assertEq(abi.encode(v.vacated), abi.encode(_flags(7 ^ committed)));
        assertEq(v.refills, 1);
        assertEq(v.escrow, _afterCranks(FEE, 2));
        assertEq(task.orderOf(t).seats, _count(7 ^ committed), "nodes it waits for");
        assertEq(queue.vacancies().length, 1);
        assertEq(queue.vacancies()[0], t);
        assertEq(stats.overview().running, 1);
        _assertConserved();
    }

    /// @dev The missing are let go, with a miss and a penalty; who has committed stays.
    function testFuzz_letsTheMissingGo(uint8 seats) public {
        uint256 committed = _someSeats(seats);
        _vacate(t, committed);
        for (uint256 i; i < 3; ++i) {
            NodeId id = _nodeAt(t, i);
            bool stays = _has(committed, i);
            assertEq(_status(id), stays ? INode.Status.Busy : INode.Status.Free);
            assertEq(node.nodeOf(id).inSets, !stays);
            assertEq(node.nodeOf(id).stake, stays ? STAKE : STAKE - MISS);
            IQoS.Record memory r = qos.recordOf(id);
            assertEq(abi.encode(r.score, r.misses, r.tasks), stays ? abi.encode(320, 0, 0) : abi.encode(310, 1, 1));
            assertEq(node.nodeOf(id).weight, r.weight);
        }
        assertEq(node.slashed(), _count(7 ^ committed) * MISS);
        assertEq(node.counts().busy, _count(committed), "invariant 2");
    }

    function testFuzz_whatAMissingNodeAskedForHappensNow(bool quits) public {
        NodeId id = _nodeAt(t, 2);
        vm.prank(_operatorAt(t, 2));
        if (quits) node.quit(id);
        else node.pause(id);
        _vacate(t, 3);
        assertEq(_status(id), quits ? INode.Status.Unbonding : INode.Status.Paused);
        assertEq(node.counts().active, 5);
    }

    function test_theThirdMissInARowSuspends() public {
        NodeId id = _nodeAt(t, 2);
        _pauseTheFree();
        for (uint256 i; i < 3; ++i) {
            assertEq(_status(id), INode.Status.Busy);
            uint256 others = 7 ^ (1 << _seatOf(t, id));
            _vacate(t, others);
            _advance(t);
            _revealAll(t, others, ANSWER);
            if (i < 2) t = _seated();
        }
        assertEq(_status(id), INode.Status.Suspended);
        assertEq(node.nodeOf(id).stake, STAKE - 3 * MISS);
        _assertConserved();
    }

    /// @dev What a node does in its next seat has no part in the task that let it go, though its vote is stored by node.
    function test_aNodeThatWasLetGoServesAnotherTask() public {
        NodeId gone = _nodeAt(t, 2);
        _pauseTheFree();
        _vacate(t, 3);
        _join(11, CLASS, 24);
        _join(12, CLASS, 24);
        TaskId second = _createAfterTheWindow();
        assertEq(_status(gone), INode.Status.Busy);
        _commitAll(second, 7, WRONG);
        _revealAll(t, 3, ANSWER);
        assertEq(_state(t), ITask.State.Delivering);
        assertEq(abi.encode(task.taskOf(t).agreeing), abi.encode([true, true, false]));
        assertEq(_status(gone), INode.Status.Busy);
        _revealAll(second, 7, WRONG);
        assertEq(_state(second), ITask.State.Delivering);
        assertEq(task.taskOf(second).agreeing[_seatOf(second, gone)], true);
        _assertConserved();
    }

    function testFuzz_aVacancyNobodyFilledGoesOnWithTwo(uint8 absent, address caller) public {
        uint256 missing = absent % 3;
        _vacate(t, 7 ^ (1 << missing));
        _pastDeadline(t);
        vm.expectEmit(address(task));
        emit ITask.RevealOpened(t, uint40(block.timestamp + 120));
        vm.prank(caller);
        task.advance(t);
        assertEq(_state(t), ITask.State.Revealing);
        _revealAll(t, 7 ^ (1 << missing), ANSWER);
        _deliver(t);
        IQoS.Record memory r = qos.recordOf(_nodeAt(t, missing));
        assertEq(abi.encode(r.misses, r.tasks), abi.encode(1, 1), "a miss counts once");
        assertEq(node.nodeOf(_nodeAt(t, missing)).stake, STAKE - MISS, "and is paid for once");
        assertEq(_earned(t, missing), 0);
        assertEq(stats.tallyOf(GPT).agreed, 1);
        assertEq(node.counts().free, 6);
    }

    function testFuzz_aVacancyNobodyFilledEndsWithOne(uint8 seat) public {
        _vacate(t, 1 << (seat % 3));
        _advance(t);
        assertEq(_state(t), ITask.State.Ended);
        assertEq(task.creditOf(creator), _afterCranks(FEE, 3), "everything but the crank");
        assertEq(qos.recordOf(_nodeAt(t, seat % 3)).tasks, 0, "who committed is not scored");
        assertEq(node.slashed(), 2 * MISS, "nobody pays twice");
        assertEq(node.counts().free, 6, "invariant 2");
        assertEq(stats.tallyOf(GPT).unanswered, 1);
        _assertConserved();
    }

    /// @dev What stands in the line of vacancies after its task went on is passed over.
    function testFuzz_aTaskThatWentOnIsNotRefilled(bool two, bool settled) public {
        _vacate(t, two ? 3 : 1);
        _advance(t);
        if (two && settled) _revealAll(t, 3, ANSWER);
        ITask.TaskView memory v = task.taskOf(t);
        uint256 paid = task.creditOf(keeper);
        assertEq(_dispatch(8), 0);
        assertEq(queue.round().drawBlock, 0, "nothing was drawn");
        assertEq(queue.vacancies().length, 0);
        assertEq(abi.encode(task.taskOf(t)), abi.encode(v));
        assertEq(task.creditOf(keeper), paid);
        _assertConserved();
    }

    function _expectMisses(uint256 seats) private {
        for (uint256 i; i < 3; ++i) {
            if (!_has(seats, i)) continue;
            vm.expectEmit(address(qos));
            emit IQoS.Scored(_nodeAt(t, i), 0, 310);
        }
        for (uint256 i; i < 3; ++i) {
            if (!_has(seats, i)) continue;
            vm.expectEmit(address(node));
            emit INode.Penalized(_nodeAt(t, i), INode.Lapse.Missed, MISS, STAKE - MISS);
            vm.expectEmit(address(node));
            emit INode.StatusChanged(_nodeAt(t, i), INode.Status.Free);
        }
    }

    function _seatOf(TaskId of_, NodeId id) private view returns (uint256 seat) {
        while (_nodeAt(of_, seat) != id) ++seat;
    }

    function _pauseTheFree() private {
        for (uint32 i = 1; i <= 6; ++i) {
            if (_status(NodeId.wrap(i)) != INode.Status.Free) continue;
            vm.prank(_operator(i));
            node.pause(NodeId.wrap(i));
        }
    }

    /// @dev The vacancy goes on without a refill, and the three free nodes get another task.
    function _createAfterTheWindow() private returns (TaskId second) {
        _advance(t);
        second = _create(GPT, FEE, 100);
        assertEq(_dispatch(1), 1);
    }

    function _refuse(bytes memory reason) private {
        vm.expectRevert(reason);
    }

    function _wrongState(ITask.State state, ITask.State required) private view returns (bytes memory) {
        return abi.encodeWithSelector(ITask.WrongState.selector, t, state, required);
    }
}
