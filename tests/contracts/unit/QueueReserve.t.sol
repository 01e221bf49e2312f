// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {ITaskQueue} from "../../../contracts/interfaces/ITaskQueue.sol";
import {ClassId, NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Refills} from "../Refills.sol";
import {Vm} from "forge-std/Vm.sol";

/// @notice `reserve`: a class kept for the first task of a book that has waited. Nodes 1 to 6 are of class A, nodes 7 to
/// 12 of class B.
contract QueueReserveTest is Refills {
    uint32 private constant AFTER = 30 minutes;
    uint32 private constant HOLD = 2 hours;
    bytes32 private constant OTHER = keccak256("another class");

    ClassId private a;
    ClassId private b;

    function setUp() public override {
        super.setUp();
        _joinMany(6);
        for (uint256 i = 7; i <= 12; ++i) {
            _join(i, OTHER, 24);
        }
        a = node.nodeOf(NodeId.wrap(1)).class;
        b = node.nodeOf(NodeId.wrap(7)).class;
    }

    function testFuzz_refusesATaskThatIsNotQueued(uint40 id) public {
        TaskId t = TaskId.wrap(id);
        vm.expectRevert(abi.encodeWithSelector(ITaskQueue.NotQueued.selector, t));
        queue.reserve(t, a);
    }

    function test_refusesADrawnTask() public {
        TaskId t = _waiting(ANY);
        queue.dispatch(1);
        vm.expectRevert(abi.encodeWithSelector(ITaskQueue.NotQueued.selector, t));
        queue.reserve(t, a);
    }

    function testFuzz_refusesWhoIsNotFirstOfItsBook(bool higher) public {
        TaskId first = _create(GPT, FEE, 100);
        TaskId second = _create(GPT, higher ? 2 * FEE : FEE, 100);
        vm.warp(block.timestamp + AFTER);
        (TaskId head, TaskId other) = higher ? (second, first) : (first, second);
        vm.expectRevert(abi.encodeWithSelector(ITaskQueue.NotHead.selector, other, head));
        queue.reserve(other, a);
        queue.reserve(head, a);
    }

    function testFuzz_refusesWhoHasNotWaited(uint32 early) public {
        TaskId t = _create(GPT, FEE, 100);
        uint256 from = block.timestamp + AFTER;
        vm.warp(bound(early, block.timestamp, from - 1));
        vm.expectRevert(abi.encodeWithSelector(ITaskQueue.TooEarlyToReserve.selector, t, from));
        queue.reserve(t, a);
        vm.warp(from);
        queue.reserve(t, a);
    }

    /// @dev The owner's figure holds for who waits already.
    function testFuzz_theWaitIsWhatTheOwnerSays(uint32 wait) public {
        wait = uint32(bound(wait, 1 minutes, 1 hours));
        TaskId t = _create(GPT, FEE, 100);
        vm.prank(owner);
        queue.setLimits(ITaskQueue.Limits(8, wait, HOLD));
        uint256 from = block.timestamp + wait;
        vm.warp(from - 1);
        vm.expectRevert(abi.encodeWithSelector(ITaskQueue.TooEarlyToReserve.selector, t, from));
        queue.reserve(t, a);
        vm.warp(from);
        queue.reserve(t, a);
    }

    function testFuzz_refusesASecondReservation(uint32 late, bool sameClass) public {
        TaskId t = _waiting(ANY);
        TaskId second = _waiting(b);
        queue.reserve(t, a);
        uint256 until = block.timestamp + HOLD;
        vm.warp(bound(late, block.timestamp, until));
        vm.expectRevert(abi.encodeWithSelector(ITaskQueue.AlreadyReserved.selector, t, until));
        queue.reserve(sameClass ? t : second, sameClass ? a : b);
    }

    /// @dev A reservation whose task has been drawn lasts until that is seated, however long that takes.
    function testFuzz_refusesASecondWhileTheFirstIsDrawn(uint32 late) public {
        TaskId t = _waiting(ANY);
        TaskId second = _waiting(b);
        queue.reserve(t, a);
        uint256 until = block.timestamp + HOLD;
        queue.dispatch(1);
        assertEq(queue.roundTask(0), t);
        vm.warp(block.timestamp + late);
        vm.expectRevert(abi.encodeWithSelector(ITaskQueue.AlreadyReserved.selector, t, until));
        queue.reserve(second, b);
    }

    function test_refusesATaskOfAnyClass() public {
        TaskId t = _create(SD, FEE, 1);
        vm.warp(block.timestamp + AFTER);
        vm.expectRevert(abi.encodeWithSelector(ITaskQueue.NoClassNeeded.selector, t));
        queue.reserve(t, a);
    }

    function test_refusesAnotherClassThanTheOneItNames() public {
        TaskId t = _waiting(a);
        _notReservable(t, b);
        _notReservable(t, ANY);
        queue.reserve(t, a);
    }

    function testFuzz_refusesAClassThatDoesNotExist(uint32 class) public {
        vm.assume(class > 2);
        _notReservable(_waiting(ANY), ClassId.wrap(class));
    }

    function test_refusesAClassOfTooLittleMemory() public {
        vm.prank(creator);
        TaskId t = task.create{value: FEE}(GPT, TASK_HASH, 100, 32, ANY, 1 hours);
        vm.warp(block.timestamp + AFTER);
        _notReservable(t, a);
    }

    /// @dev Fewer than 1/32 of the active nodes: not for tasks that name no class, but for those that name it.
    function test_refusesAClosedClassUnlessItIsNamed() public {
        for (uint256 i = 101; i <= 103; ++i) {
            _join(i, keccak256("a rare class"), 24);
        }
        ClassId rare = node.nodeOf(NodeId.wrap(13)).class;
        for (uint256 i = 13; i <= 100; ++i) {
            _join(i, CLASS, 24);
        }
        node.review(rare);
        _notReservable(_waiting(ANY), rare);
        queue.reserve(_waiting(rare), rare);
    }

    function testFuzz_refusesAClassWithFewerThanThreeActiveNodes(uint8 left, bool named) public {
        TaskId t = _waiting(named ? b : ANY);
        for (uint256 i = 7 + left % 3; i <= 12; ++i) {
            _pause(i);
        }
        _notReservable(t, b);
    }

    function testFuzz_announcesAndStoresTheReservation(address caller, bool named) public {
        TaskId t = _waiting(named ? a : ANY);
        uint40 until = uint40(block.timestamp + HOLD);
        vm.expectEmit(address(queue));
        emit ITaskQueue.ClassReserved(t, a, until);
        vm.prank(caller);
        queue.reserve(t, a);
        assertEq(abi.encode(queue.reservation()), abi.encode(ITaskQueue.Reservation(t, a, until, false, false)));
    }

    function test_thereIsNoneAtFirst() public view {
        ITaskQueue.Reservation memory none;
        assertEq(abi.encode(queue.reservation()), abi.encode(none));
    }

    /// @dev As soon as the floor is reached the task is drawn, before all higher values, and gets nodes of the class.
    function testFuzz_theTaskIsDrawnFirstAndServedByTheClass(bool named, bytes32 blockHash) public {
        TaskId t = _waiting(named ? a : ANY);
        TaskId better = _create(SD, 100 ether, 1);
        queue.reserve(t, a);
        queue.dispatch(1);
        assertEq(queue.roundTask(0), t);
        assertTrue(queue.reservation().drawn);
        vm.expectEmit(address(queue));
        emit ITaskQueue.ReservationEnded(t, a);
        _seatWith(blockHash);
        _assertServedBy(t, a);
        assertEq(TaskId.unwrap(queue.reservation().task), 0);
        assertEq(_state(better), ITask.State.Queued);
    }

    /// @dev Until then its nodes wait, though others would pay more for them.
    function testFuzz_whileTheFloorIsNotReachedTheNodesAreKept(uint8 kind, bytes32 blockHash) public {
        TaskId t = _underFloor();
        TaskId other = _rival(kind);
        queue.dispatch(8);
        _seatWith(blockHash);
        assertEq(_freeOf(a), 2, "kept");
        assertEq(_state(t), ITask.State.Queued);
        if (kind % 4 == 3) assertEq(_state(other), ITask.State.Queued);
        else _assertNoneOf(other, a);
        assertEq(queue.reservation().task, t);
    }

    /// @dev Whoever else is in its round comes after it.
    function testFuzz_isServedFirstOfItsRound(bytes32 blockHash, uint8 rivals) public {
        TaskId t = _waiting(ANY);
        queue.reserve(t, a);
        _pauseFree(1, 6, 3);
        for (uint256 i; i < rivals % 4; ++i) {
            _create(i == 0 ? SD : GPT, 20 ether, 1);
        }
        queue.dispatch(8);
        assertEq(queue.roundTask(0), t);
        _seatWith(blockHash);
        _assertServedBy(t, a);
    }

    /// @dev Vacated seats of a task of the class wait as well ...
    function test_aVacancyOfTheClassWaits() public {
        TaskId vacant = _seatedBy(a);
        _pauseFree(1, 6, 2);
        TaskId t = _waitingBy(a);
        queue.reserve(t, a);
        _advance(vacant);
        assertEq(_state(vacant), ITask.State.Vacant);
        (, uint256 drawn) = queue.dispatch(8);
        assertEq(drawn, 1);
        assertEq(queue.roundTask(0), t);
        assertEq(queue.vacancies()[0], vacant);
        _seatWith(keccak256("a block"));
        _assertServedBy(t, a);
    }

    /// @dev ... and those of a task of any class are given to other nodes.
    function testFuzz_aVacancyOfAnyClassIsRefilledByOthers(bytes32 blockHash) public {
        TaskId vacant = _create(SD, FEE, 1);
        assertEq(_dispatch(1), 1);
        _commitAll(vacant, 3, ANSWER);
        TaskId t = _underFloor();
        _advance(vacant);
        NodeId before = _nodeAt(vacant, 2);
        vm.prank(keeper);
        queue.dispatch(8);
        _seatWith(blockHash);
        assertEq(_state(vacant), ITask.State.Committing);
        assertTrue(_nodeAt(vacant, 2) != before);
        assertEq(node.nodeOf(_nodeAt(vacant, 2)).class, b);
        assertEq(queue.reservation().task, t);
    }

    /// @dev What was drawn before the reservation keeps its claim: nobody can move a choice after its draw.
    function test_changesNothingForARoundThatIsDrawn() public {
        TaskId t = _waiting(a);
        TaskId drawn = _createFor(a, 2 * FEE);
        queue.dispatch(1);
        assertEq(queue.roundTask(0), drawn);
        _nextBlock();
        queue.reserve(t, a);
        assertFalse(queue.reservation().holding);
        queue.dispatch(1);
        _assertServedBy(drawn, a);
        assertTrue(queue.reservation().holding, "from the next draw on");
        _nextBlock();
        queue.dispatch(1);
        _assertServedBy(t, a);
    }

    /// @dev When its time is over it ends with the next draw, and the class is anybody's again.
    function testFuzz_endsWhenItsTimeIsOver(uint32 late) public {
        TaskId t = _underFloor();
        vm.warp(uint256(queue.reservation().until) + 1 + late);
        TaskId fresh = _createLong(SD, FEE, 1);
        vm.expectEmit(address(queue));
        emit ITaskQueue.ReservationEnded(t, a);
        queue.dispatch(8);
        assertEq(TaskId.unwrap(queue.reservation().task), 0);
        assertEq(queue.round().size >= 1, true);
        assertEq(_state(fresh), ITask.State.Queued);
    }

    function test_lastsUntilItsLastSecond() public {
        TaskId t = _underFloor();
        vm.warp(queue.reservation().until);
        queue.dispatch(8);
        assertEq(queue.reservation().task, t);
        assertEq(_freeOf(a), 2);
    }

    /// @dev One that is over gives way to another without a draw.
    function test_anotherMayReserveWhenItIsOver() public {
        TaskId t = _underFloor();
        TaskId second = _createLongFor(b);
        vm.warp(uint256(queue.reservation().until) + 1);
        vm.expectEmit(address(queue));
        emit ITaskQueue.ReservationEnded(t, a);
        vm.expectEmit(address(queue));
        emit ITaskQueue.ClassReserved(second, b, uint40(block.timestamp + HOLD));
        queue.reserve(second, b);
    }

    /// @dev ... but not between the draw of a round it binds and its seating.
    function test_aReservationThatBindsARoundIsNotReplacedBeforeItsSeating() public {
        _underFloor();
        TaskId second = _createLongFor(b);
        _createLong(SD, FEE, 1);
        vm.warp(queue.reservation().until);
        queue.dispatch(8);
        uint256 drawBlock = block.number;
        assertGe(queue.round().size, 1);
        _nextBlock();
        TaskId head = _headOfB(second);
        vm.expectRevert(abi.encodeWithSelector(ITaskQueue.RoundPending.selector, drawBlock));
        queue.reserve(head, b);
    }

    /// @dev Whoever leaves the queue takes its reservation along.
    function testFuzz_endsWithItsTask(uint8 how) public {
        TaskId t = _underFloor();
        how %= 3;
        if (how != 0) vm.warp(uint256(task.taskOf(t).deadline) + 1);
        if (how == 2) _prolong(t);
        vm.expectEmit(address(queue));
        emit ITaskQueue.ReservationEnded(t, a);
        vm.prank(creator);
        if (how == 0) task.cancel(t);
        else if (how == 1) task.expire(t);
        else queue.dispatch(1);
        assertEq(_state(t), ITask.State.Ended);
        assertEq(TaskId.unwrap(queue.reservation().task), 0);
        ITaskQueue.Reservation memory none;
        assertEq(abi.encode(queue.reservation()), abi.encode(none));
        TaskId second = _createLong(GPT, FEE, 100);
        vm.warp(block.timestamp + AFTER);
        queue.reserve(second, b);
    }

    /// @dev Three of another class come free first: the task takes them and gives its reservation up.
    function test_endsWhenAnotherClassServesTheTask() public {
        TaskId t = _underFloorEverywhere();
        for (uint256 i = 7; i <= 9; ++i) {
            vm.prank(_operator(i));
            node.resume(NodeId.wrap(uint32(i)));
        }
        vm.expectEmit(address(queue));
        emit ITaskQueue.ReservationEnded(t, a);
        queue.dispatch(1);
        assertEq(queue.roundTask(0), t);
        _seatWith(keccak256("a block"));
        _assertServedBy(t, b);
    }

    /// @dev A reserved task that finds no nodes after all goes back to its place. What it has waited since it was created
    /// counts, and nothing more: it may reserve again when any other of its age may.
    function test_aReservedTaskWithoutNodesMayReserveAgain() public {
        for (uint256 i = 21; i <= 23; ++i) {
            _joinFor(_operator(21), _key(i), keccak256("one operator's"), 24);
        }
        ClassId c = node.nodeOf(NodeId.wrap(13)).class;
        TaskId t = _waiting(c);
        queue.reserve(t, c);
        vm.prank(owner);
        queue.setLimits(ITaskQueue.Limits(8, 1 days, HOLD));
        queue.dispatch(1);
        assertEq(queue.roundTask(0), t);
        _create(SD, 100 ether, 1);
        _nextBlock();
        vm.expectEmit(address(queue));
        emit ITaskQueue.ReservationEnded(t, c);
        vm.expectEmit(address(queue));
        emit ITaskQueue.TaskRequeued(t);
        queue.dispatch(1);
        assertEq(_state(t), ITask.State.Queued);
        uint256 created = queue.placeOf(t).queuedAt;
        assertEq(created + AFTER + 1, block.timestamp, "since it was created");
        vm.expectRevert(abi.encodeWithSelector(ITaskQueue.TooEarlyToReserve.selector, t, created + 1 days));
        queue.reserve(t, c);
        vm.warp(created + 1 days);
        queue.reserve(t, c);
        assertEq(queue.reservation().task, t);
    }

    /// @dev A round with the reserved task that nobody seated in time is drawn again; the class stays reserved.
    function testFuzz_survivesANewDrawOfItsRound(uint16 late) public {
        TaskId t = _waiting(ANY);
        queue.reserve(t, a);
        queue.dispatch(1);
        uint256 drawBlock = block.number;
        vm.roll(drawBlock + bound(late, 257, 60_000));
        vm.warp(block.timestamp + 3 hours);
        vm.expectEmit(address(queue));
        emit ITaskQueue.RoundRedrawn(drawBlock, block.number);
        queue.dispatch(1);
        assertEq(queue.reservation().task, t);
        assertTrue(queue.reservation().drawn);
        _seatWith(keccak256("a block"));
        _assertServedBy(t, a);
        assertEq(TaskId.unwrap(queue.reservation().task), 0);
    }

    /// @dev Invariant 2 and the promise of `reserve`, for random rivals and hashes: while the class is reserved, every
    /// node of it that takes a seat takes it for the task it is reserved for.
    function testFuzz_theClassServesNobodyElseMeanwhile(uint256 seed) public {
        TaskId vacant = _seatedBy(a);
        TaskId t = _underFloor();
        vm.recordLogs();
        for (uint256 i; i < 12 && _state(t) == ITask.State.Queued; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            if (seed % 3 != 0) _rival(uint8(seed >> 8));
            if (i == 3) _advanceIf(vacant);
            if (i == 8) _wakeUp();
            queue.dispatch(1 + (seed >> 16) % 8);
            _seatWith(bytes32(seed));
        }
        _assertServedBy(t, a);
        _assertOnlyFor(t, vacant);
    }

    /// @dev A GPT task of `class` that has waited long enough.
    function _waiting(ClassId class) private returns (TaskId t) {
        t = _createFor(class, FEE);
        vm.warp(block.timestamp + AFTER);
    }

    /// @dev The same for a class whose nodes need no warp past their deadlines.
    function _waitingBy(ClassId class) private returns (TaskId t) {
        vm.prank(creator);
        t = task.create{value: FEE}(GPT, TASK_HASH, 100, 0, class, 7 days);
        vm.warp(block.timestamp + AFTER);
    }

    /// @dev A task for which A is reserved while two of A's nodes are free: fewer than its floor.
    function _underFloor() private returns (TaskId t) {
        vm.prank(creator);
        t = task.create{value: FEE}(GPT, TASK_HASH, 100, 0, a, 1 days);
        vm.warp(block.timestamp + AFTER);
        queue.reserve(t, a);
        _pauseFree(1, 6, 2);
    }

    function _underFloorEverywhere() private returns (TaskId t) {
        t = _create(GPT, FEE, 100);
        vm.warp(block.timestamp + AFTER);
        queue.reserve(t, a);
        _pauseFree(1, 6, 2);
        _pauseFree(7, 12, 0);
    }

    /// @dev A task that pays more than the reserved one and would take A's nodes: of any class, of one class, of B by
    /// name, of A by name.
    function _rival(uint8 kind) private returns (TaskId) {
        kind %= 4;
        if (kind == 0) return _createLong(SD, 60 ether, 1);
        if (kind == 1) return _createLong(GPT, 60 ether, 100);
        vm.prank(creator);
        return task.create{value: 60 ether}(SD, TASK_HASH, 1, 0, kind == 2 ? b : a, 1 days);
    }

    function _createLong(uint8 kind, uint96 fee, uint32 size) private returns (TaskId) {
        vm.deal(creator, creator.balance + fee);
        vm.prank(creator);
        return task.create{value: fee}(kind, TASK_HASH, size, 0, ANY, 1 days);
    }

    function _createLongFor(ClassId class) private returns (TaskId) {
        vm.prank(creator);
        return task.create{value: FEE}(GPT, TASK_HASH, 100, 0, class, 1 days);
    }

    /// @dev The first task of B's book: `queued`, or a new one if that has been drawn.
    function _headOfB(TaskId queued) private returns (TaskId head) {
        (, head) = _headOf(GPT, 9, b);
        if (head == queued) return head;
        head = _createLongFor(b);
        vm.warp(block.timestamp + HOLD + AFTER);
    }

    /// @dev A task of `class` of which seats 0 and 1 have committed.
    function _seatedBy(ClassId class) private returns (TaskId t) {
        t = _createFor(class, FEE);
        assertEq(_dispatch(1), 1);
        _commitAll(t, 3, ANSWER);
    }

    function _advanceIf(TaskId t) private {
        if (block.timestamp > task.taskOf(t).deadline) task.advance(t);
    }

    /// @dev The reservation of `t` is made anew, so that it is not over, and A is there for it.
    function _prolong(TaskId t) private {
        _wakeUp();
        queue.reserve(t, a);
    }

    /// @dev All nodes of A that have been paused come back.
    function _wakeUp() private {
        for (uint32 i = 1; i <= 6; ++i) {
            if (_status(NodeId.wrap(i)) != INode.Status.Paused) continue;
            vm.prank(_operator(i));
            node.resume(NodeId.wrap(i));
        }
    }

    function _pause(uint256 i) private {
        vm.prank(_operator(i));
        node.pause(NodeId.wrap(uint32(i)));
    }

    /// @dev All free nodes from `first` to `last` pause, but for `left` of them.
    function _pauseFree(uint32 first, uint32 last, uint256 left) private {
        for (uint32 i = first; i <= last; ++i) {
            if (_status(NodeId.wrap(i)) != INode.Status.Free) continue;
            if (left == 0) _pause(i);
            else --left;
        }
    }

    function _seatWith(bytes32 blockHash) private {
        _nextBlock();
        vm.setBlockhash(block.number - 1, blockHash);
        queue.dispatch(8);
    }

    function _freeOf(ClassId class) private view returns (uint32) {
        return node.classState(class).free;
    }

    function _assertServedBy(TaskId t, ClassId class) private view {
        assertEq(_state(t), ITask.State.Committing);
        assertEq(task.taskOf(t).class, class);
        for (uint256 i; i < 3; ++i) {
            assertEq(node.nodeOf(_nodeAt(t, i)).class, class);
        }
    }

    /// @dev Whatever nodes the task has, none is of `class`.
    function _assertNoneOf(TaskId t, ClassId class) private view {
        for (uint256 i; i < 3; ++i) {
            assertTrue(node.nodeOf(_nodeAt(t, i)).class != class);
        }
    }

    /// @dev In the recorded logs a node of A is seated for `t`, or where it sat before.
    function _assertOnlyFor(TaskId t, TaskId seatedBefore) private {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            bytes32 topic = logs[i].topics[0];
            if (topic != ITask.TaskSeated.selector && topic != ITask.SeatsRefilled.selector) continue;
            TaskId seated = TaskId.wrap(uint40(uint256(logs[i].topics[1])));
            if (seated == t) continue;
            assertTrue(seated != seatedBefore, "a refill of the class");
            _assertNoneOf(seated, a);
        }
    }

    function _notReservable(TaskId t, ClassId class) private {
        vm.expectRevert(abi.encodeWithSelector(ITaskQueue.ClassNotReservable.selector, t, class));
        queue.reserve(t, class);
    }
}
