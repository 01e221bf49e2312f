// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ending, INetworkStats} from "../../../contracts/interfaces/INetworkStats.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {ITaskQueue} from "../../../contracts/interfaces/ITaskQueue.sol";
import {ClassId, NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Level, ValueRate, ValueRates} from "../../../contracts/types/ValueRate.sol";
import {NotAllowed} from "../../../contracts/types/Wiring.sol";
import {Network} from "../Network.sol";
import {Puppet} from "../Puppet.sol";

/// @notice The bound of the queue, and who gives way when it is full.
contract QueueLimitTest is Network {
    uint256 private constant MIN_LIMIT = 64;
    /// @dev Seconds that a GPT task of 100 tokens and a Stable Diffusion task of one image are estimated to take.
    uint96 private constant GPT_SECONDS = 10;
    uint96 private constant SD_SECONDS = 50;

    function setUp() public override {
        super.setUp();
        vm.deal(creator, 100_000 ether);
    }

    function testFuzz_nobodyButTaskEnqueues(address caller) public {
        vm.assume(caller != address(task));
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(NotAllowed.selector, caller, address(task)));
        queue.enqueue(TaskId.wrap(1), ValueRate.wrap(1), GPT, true, 0, ANY, type(uint40).max);
    }

    function testFuzz_nobodyButTheOwnerSetsLimits(address caller) public {
        vm.assume(caller != owner);
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(NotAllowed.selector, caller, owner));
        queue.setLimits(ITaskQueue.Limits(8, 30 minutes, 2 hours));
    }

    function testFuzz_refusesLimitsOutOfBounds(uint8 which, uint32 random) public {
        ITaskQueue.Limits memory l = queue.limits();
        which %= 6;
        if (which == 0) l.tasksPerNode = 0;
        if (which == 1) l.tasksPerNode = uint16(bound(random, 1001, type(uint16).max));
        if (which == 2) l.reserveAfter = uint32(bound(random, 0, 1 minutes - 1));
        if (which == 3) l.reserveAfter = uint32(bound(random, 1 days + 1, type(uint32).max));
        if (which == 4) l.reserveHold = uint32(bound(random, 0, 10 minutes - 1));
        if (which == 5) l.reserveHold = uint32(bound(random, 7 days + 1, type(uint32).max));
        vm.expectRevert(abi.encodeWithSelector(ITaskQueue.LimitsOutOfBounds.selector, l));
        _setLimits(l);
    }

    function testFuzz_storesAndAnnouncesLimits(ITaskQueue.Limits memory l) public {
        l.tasksPerNode = uint16(bound(l.tasksPerNode, 1, 1000));
        l.reserveAfter = uint32(bound(l.reserveAfter, 1 minutes, 1 days));
        l.reserveHold = uint32(bound(l.reserveHold, 10 minutes, 7 days));
        vm.expectEmit(address(queue));
        emit ITaskQueue.LimitsChanged(l);
        _setLimits(l);
        assertEq(abi.encode(queue.limits()), abi.encode(l));
    }

    /// @dev The lowest level of a full queue and everything below are refused, with both values.
    function testFuzz_refusesWhatIsNotHigherThanTheLowest(uint96 fee) public {
        _fill(FEE);
        fee = uint96(bound(fee, 1e12, FEE));
        ValueRate lowest = ValueRates.floor(_levelOf(FEE));
        vm.expectRevert(abi.encodeWithSelector(ITaskQueue.FeeTooLow.selector, _valueOf(fee), lowest));
        _create(GPT, fee, 100);
        assertEq(queue.queued(), MIN_LIMIT);
        assertEq(address(task).balance, MIN_LIMIT * FEE);
    }

    /// @dev A higher fee of the same level buys no place.
    function testFuzz_refusesAHigherFeeOfTheSameLevel(uint96 fee) public {
        _staff();
        Level level = _levelOf(FEE);
        _fill(uint96(_feeOf(level)));
        uint256 next = _feeOf(Level.wrap(Level.unwrap(level) + 1));
        fee = uint96(bound(fee, _feeOf(level), next - 1));
        vm.expectRevert(abi.encodeWithSelector(ITaskQueue.FeeTooLow.selector, _valueOf(fee), ValueRates.floor(level)));
        _create(GPT, fee, 100);
        TaskId t = _create(GPT, uint96(next), 100);
        assertEq(queue.placeOf(t).level, Level.wrap(Level.unwrap(level) + 1));
    }

    /// @dev Whose value is refused pays nothing and leaves no trace.
    /// @dev Nobody gives way for a task that nobody could serve, however much it offers: less than three active nodes with
    /// enough memory ...
    function testFuzz_refusesToEvictForMemoryThatTooFewHave(uint8 number, uint8 asked) public {
        _fill(FEE);
        uint256 n = bound(number, 0, 2);
        for (uint256 i = 1; i <= n; ++i) {
            _join(i, CLASS, 128);
        }
        for (uint256 i = 11; i <= 13; ++i) {
            _join(i, CLASS, 24);
        }
        uint16 vram = uint16(bound(asked, 25, 128));
        uint8 tier = task.tierFor(vram, ANY);
        assertFalse(queue.hasWorkers(tier, ANY));
        vm.expectRevert(abi.encodeWithSelector(ITaskQueue.TooFewWorkers.selector, tier, ANY));
        _createWith(GPT, 100 ether, vram, ANY);
        assertTrue(queue.hasWorkers(9, ANY));
        _createWith(GPT, 2 * FEE, 24, ANY);
        assertEq(queue.queued(), MIN_LIMIT);
        for (uint256 i = n + 1; i <= 3; ++i) {
            _join(i, CLASS, 128);
        }
        assertTrue(queue.hasWorkers(tier, ANY));
        _createWith(GPT, 2 * FEE, vram, ANY);
    }

    /// @dev ... or in the class, busy ones included ...
    function test_refusesToEvictForAClassOfTooFew() public {
        _joinMany(2);
        ClassId class = node.nodeOf(NodeId.wrap(1)).class;
        _fill(FEE);
        assertFalse(queue.hasWorkers(9, class));
        vm.expectRevert(abi.encodeWithSelector(ITaskQueue.TooFewWorkers.selector, 9, class));
        _createFor(class, 2 * FEE);
        _join(3, CLASS, 24);
        assertEq(_dispatch(1), 1);
        _create(GPT, FEE, 100);
        assertEq(node.counts().free, 0);
        assertTrue(queue.hasWorkers(9, class));
        _createFor(class, 2 * FEE);
    }

    /// @dev ... or a class that has not its share of the network: else three nodes of a class of their own, which need not
    /// fear to serve anybody but themselves, would do to push out all others.
    function test_refusesToEvictForAPrivateClass() public {
        for (uint256 i = 1; i <= 3; ++i) {
            _join(i, keccak256("private"), 24);
        }
        ClassId own = node.nodeOf(NodeId.wrap(1)).class;
        for (uint256 i = 4; i <= 97; ++i) {
            _join(i, CLASS, 24);
        }
        node.review(own);
        _fill(FEE);
        vm.expectRevert(abi.encodeWithSelector(ITaskQueue.TooFewWorkers.selector, 9, own));
        _createFor(own, 2 * FEE);
        _createFor(node.nodeOf(NodeId.wrap(4)).class, 2 * FEE);
    }

    /// @dev While there is room every task is taken, whoever could serve it.
    function test_takesAnyTaskWhileThereIsRoom() public {
        assertFalse(queue.hasWorkers(15, ANY));
        _createWith(GPT, FEE, 128, ANY);
        assertEq(queue.queued(), 1);
    }

    function test_aRefusedTaskLeavesNoTrace() public {
        _fill(FEE);
        uint256 balance = creator.balance;
        vm.expectRevert();
        _create(GPT, FEE, 100);
        assertEq(creator.balance, balance);
        assertEq(task.lastTask(), TaskId.wrap(uint40(MIN_LIMIT)));
    }

    function test_announcesTheEviction() public {
        _staff();
        _fill(FEE);
        TaskId newest = TaskId.wrap(uint40(MIN_LIMIT));
        vm.expectEmit(address(queue));
        emit ITaskQueue.TaskEvicted(newest);
        vm.expectEmit(address(task));
        emit ITask.TaskWithdrawn(newest, Ending.Evicted, FEE);
        _create(GPT, 2 * FEE, 100);
    }

    /// @dev The newest of the lowest level goes, and its whole fee is credited in the same transaction.
    function testFuzz_theNewestOfTheLowestLevelIsRefunded(uint8 place, uint96 fee) public {
        _staff();
        uint256 lower = bound(place, 1, MIN_LIMIT);
        fee = uint96(bound(fee, 1e12, FEE - FEE / 100));
        address poor = makeAddr("poor");
        vm.deal(poor, 1000 ether);
        for (uint256 i = 1; i <= MIN_LIMIT; ++i) {
            _createAs(i == lower ? poor : creator, i == lower ? fee : FEE);
        }
        (Level level, TaskId last) = queue.lowest();
        assertEq(last, TaskId.wrap(uint40(lower)));
        assertEq(level, _levelOf(fee));
        TaskId t = _create(GPT, 2 * FEE, 100);
        assertEq(task.taskOf(last).state, ITask.State.Ended);
        assertEq(task.creditOf(poor), fee, "in full");
        assertEq(task.creditOf(creator), 0);
        assertEq(queue.queued(), MIN_LIMIT);
        assertEq(queue.placeOf(t).level, _levelOf(2 * FEE));
        assertEq(stats.tallyOf(GPT).evicted, 1);
        assertEq(stats.overview().aborted, 1);
        assertEq(address(task).balance, (MIN_LIMIT + 1) * uint256(FEE) + fee, "invariant 6");
    }

    /// @dev Among equals who came last goes first; the oldest is the last to go.
    function testFuzz_equalsGoInTheOppositeOrderOfTheirComing(uint8 number) public {
        _staff();
        _fill(FEE);
        uint256 n = bound(number, 1, MIN_LIMIT);
        for (uint256 i; i < n; ++i) {
            _create(GPT, 2 * FEE, 100);
            assertEq(task.taskOf(TaskId.wrap(uint40(MIN_LIMIT - i))).state, ITask.State.Ended);
        }
        assertEq(task.creditOf(creator), n * FEE);
        assertEq(stats.tallyOf(GPT).evicted, n);
    }

    function test_evictedTasksAreGone() public {
        _staff();
        _fill(FEE);
        _create(GPT, 2 * FEE, 100);
        TaskId gone = TaskId.wrap(uint40(MIN_LIMIT));
        bytes4 selector = ITask.WrongState.selector;
        vm.expectRevert(abi.encodeWithSelector(selector, gone, ITask.State.Ended, ITask.State.Queued));
        vm.prank(creator);
        task.cancel(gone);
        vm.warp(block.timestamp + 2 hours);
        vm.expectRevert(abi.encodeWithSelector(selector, gone, ITask.State.Ended, ITask.State.Queued));
        task.expire(gone);
        vm.expectRevert(abi.encodeWithSelector(ITaskQueue.NotQueued.selector, gone));
        queue.placeOf(gone);
    }

    /// @dev A creator that refuses ether cannot keep its place by that.
    function test_aCreatorThatRefusesEtherGivesWay() public {
        _staff();
        Puppet refuser = new Puppet(Puppet.OnReceive.Refuse);
        _createAs(address(refuser), FEE / 2);
        for (uint256 i = 1; i < MIN_LIMIT; ++i) {
            _create(GPT, FEE, 100);
        }
        _create(GPT, FEE, 100);
        assertEq(task.creditOf(address(refuser)), FEE / 2);
    }

    /// @dev The lowest value goes, whatever its kind.
    function testFuzz_evictsAcrossKinds(bool low) public {
        _staff();
        uint8 kind = low ? GPT : SD;
        TaskId cheap = low ? _create(GPT, _perSecond(GPT, 0.5 ether), 100) : _create(SD, _perSecond(SD, 0.5 ether), 1);
        for (uint256 i = 1; i < MIN_LIMIT; ++i) {
            if (low) _create(SD, _perSecond(SD, 1 ether), 1);
            else _create(GPT, _perSecond(GPT, 1 ether), 100);
        }
        _create(low ? SD : GPT, _perSecond(low ? SD : GPT, 1 ether), low ? 1 : 100);
        assertEq(task.taskOf(cheap).state, ITask.State.Ended);
        assertEq(stats.tallyOf(kind).evicted, 1);
    }

    /// @dev ... whatever memory it asks for ...
    function testFuzz_evictsAcrossTiers(uint8 tier, uint8 newTier) public {
        _staff();
        uint16[16] memory bounds = [uint16(0), 2, 4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 128];
        TaskId cheap = _createWith(GPT, FEE / 2, bounds[tier % 16], ANY);
        for (uint256 i = 1; i < MIN_LIMIT; ++i) {
            _createWith(GPT, FEE, bounds[i % 16], ANY);
        }
        (, TaskId last) = queue.lowest();
        assertEq(last, cheap);
        _createWith(GPT, FEE, bounds[newTier % 16], ANY);
        assertEq(task.taskOf(cheap).state, ITask.State.Ended);
    }

    /// @dev ... and whatever class it names, even one whose book has been parked for want of nodes.
    function testFuzz_evictsFromTheBooksOfClasses(bool parked, uint8 number) public {
        for (uint256 i = 1; i <= 3; ++i) {
            _join(i, CLASS, 24);
            _join(10 + i, keccak256("another class"), 24);
        }
        ClassId class = node.nodeOf(NodeId.wrap(1)).class;
        uint256 n = bound(number, 1, 5);
        for (uint256 i; i < n; ++i) {
            _createFor(class, FEE / 2);
        }
        if (parked) _park(class);
        for (uint256 i = queue.queued(); i < MIN_LIMIT; ++i) {
            _createWith(GPT, FEE, 128, ANY);
        }
        _staff();
        (Level least, TaskId last) = queue.lowest();
        assertEq(least, _levelOf(FEE / 2));
        for (uint256 i; i < n; ++i) {
            assertEq(last, TaskId.wrap(uint40(n - i)));
            _createWith(GPT, FEE, 128, ANY);
            assertEq(task.taskOf(last).state, ITask.State.Ended);
            (least, last) = queue.lowest();
        }
        assertEq(least, _levelOf(FEE));
        ITaskQueue.BookView memory book = queue.bookOf(GPT, 9, class, Level.wrap(1));
        assertEq(book.top, Level.wrap(0));
        assertEq(book.ahead, 0);
    }

    /// @dev A book of a class that lost its best level by an eviction competes with what is left.
    function test_aBookThatGaveWayStillCompetes() public {
        for (uint256 i = 1; i <= 3; ++i) {
            _join(i, CLASS, 24);
        }
        ClassId class = node.nodeOf(NodeId.wrap(1)).class;
        TaskId kept = _createFor(class, FEE);
        TaskId cheap = _createFor(class, FEE / 2);
        for (uint256 i = 2; i < MIN_LIMIT; ++i) {
            _createWith(GPT, FEE, 128, ANY);
        }
        _staff();
        _createWith(GPT, FEE, 128, ANY);
        assertEq(task.taskOf(cheap).state, ITask.State.Ended);
        for (uint32 i = 4; i <= 6; ++i) {
            vm.prank(_operator(897 + i));
            node.pause(NodeId.wrap(i));
        }
        assertEq(_dispatch(1), 1);
        assertEq(task.taskOf(kept).state, ITask.State.Committing);
    }

    /// @dev A task for which a class is reserved has no right to its place; its reservation ends with it.
    function test_aReservedTaskGivesWay() public {
        _joinMany(3);
        ClassId class = ClassId.wrap(1);
        TaskId cheap = _createWith(GPT, FEE / 2, 0, ANY);
        vm.warp(block.timestamp + 30 minutes);
        queue.reserve(cheap, class);
        for (uint256 i = 1; i < MIN_LIMIT; ++i) {
            _createWith(GPT, FEE, 128, ANY);
        }
        _staff();
        vm.expectEmit(address(queue));
        emit ITaskQueue.ReservationEnded(cheap, class);
        _createWith(GPT, FEE, 128, ANY);
        assertEq(TaskId.unwrap(queue.reservation().task), 0);
        assertEq(task.creditOf(creator), FEE / 2);
    }

    /// @dev max(64, tasksPerNode × active), as nodes come and go and as the owner says, from the next draw on.
    function testFuzz_theLimitFollowsTheActiveNodes(uint8 number, uint8 paused, uint16 perNode) public {
        uint256 n = bound(number, 1, 20);
        uint256 gone = bound(paused, 0, n);
        perNode = uint16(bound(perNode, 1, 1000));
        _createWith(GPT, FEE, 128, ANY);
        assertEq(queue.limit(), MIN_LIMIT);
        _setLimits(ITaskQueue.Limits(perNode, 30 minutes, 2 hours));
        _joinMany(n);
        assertEq(queue.limit(), MIN_LIMIT, "not before the draw");
        queue.dispatch(1);
        assertEq(queue.limit(), _limitFor(n * perNode));
        for (uint256 i = 1; i <= gone; ++i) {
            vm.prank(_operator(i));
            node.pause(NodeId.wrap(uint32(i)));
        }
        assertEq(queue.limit(), _limitFor(n * perNode), "not before the draw");
        queue.dispatch(1);
        assertEq(queue.limit(), _limitFor((n - gone) * perNode));
    }

    function test_moreNodesMakeRoom() public {
        for (uint256 i; i < MIN_LIMIT; ++i) {
            _createWith(GPT, FEE, 128, ANY);
        }
        _joinMany(9);
        queue.dispatch(1);
        assertEq(queue.limit(), 72);
        for (uint256 i; i < 8; ++i) {
            _create(GPT, FEE, 100);
        }
        ValueRate lowest = ValueRates.floor(_levelOf(FEE));
        vm.expectRevert(abi.encodeWithSelector(ITaskQueue.FeeTooLow.selector, _valueOf(FEE), lowest));
        _create(GPT, FEE, 100);
        assertEq(queue.queued(), 72);
    }

    /// @dev When nodes leave nobody is thrown out: newcomers replace one by one until the queue has shrunk.
    function test_aFallingLimitThrowsNobodyOut() public {
        _joinMany(9);
        _createWith(GPT, FEE, 128, ANY);
        queue.dispatch(1);
        for (uint256 i = 1; i < 72; ++i) {
            _create(GPT, FEE, 100);
        }
        for (uint256 i = 1; i <= 3; ++i) {
            vm.prank(_operator(i));
            node.pause(NodeId.wrap(uint32(i)));
        }
        assertEq(_dispatch(2), 2);
        assertEq(queue.limit(), MIN_LIMIT);
        assertEq(queue.queued(), 70);
        _create(GPT, 2 * FEE, 100);
        assertEq(queue.queued(), 70, "one for one");
        for (uint40 i = 4; i <= 10; ++i) {
            _pastTheFirstMinute();
            vm.prank(creator);
            task.cancel(TaskId.wrap(i));
        }
        assertEq(queue.queued(), 63);
        _create(GPT, FEE / 2, 100);
        assertEq(queue.queued(), MIN_LIMIT, "room again");
    }

    function testFuzz_whoLeavesMakesRoom(uint8 how, uint8 which) public {
        _joinMany(3);
        _fill(FEE);
        TaskId t = TaskId.wrap(uint40(1 + which % MIN_LIMIT));
        if (how % 3 == 0) {
            _pastTheFirstMinute();
            vm.prank(creator);
            task.cancel(t);
        } else if (how % 3 == 1) {
            vm.warp(block.timestamp + 1 hours + 1);
            task.expire(t);
        } else {
            queue.dispatch(1);
        }
        _create(GPT, FEE / 2, 100);
        assertEq(queue.queued(), MIN_LIMIT);
        assertEq(stats.tallyOf(GPT).evicted, 0);
    }

    /// @dev A drawn task that finds no nodes returns even to a full queue, in front of its level; the newcomer that came
    /// meanwhile stays.
    function test_aTaskWithoutNodesReturnsToAFullQueue() public {
        for (uint256 i = 1; i <= 3; ++i) {
            _joinFor(_operator(1), _key(i), CLASS, 24);
        }
        _fill(FEE);
        queue.dispatch(1);
        assertEq(queue.roundTask(0), TaskId.wrap(1));
        TaskId newcomer = _create(GPT, FEE, 100);
        assertEq(queue.queued(), MIN_LIMIT);
        _nextBlock();
        for (uint32 i = 1; i <= 3; ++i) {
            vm.prank(_operator(1));
            node.quit(NodeId.wrap(i));
        }
        vm.expectEmit(address(queue));
        emit ITaskQueue.TaskRequeued(TaskId.wrap(1));
        queue.dispatch(1);
        assertEq(queue.queued(), MIN_LIMIT + 1);
        ITaskQueue.BookView memory book = queue.bookOf(GPT, 0, ANY, Level.wrap(1));
        assertEq(book.first, TaskId.wrap(1));
        assertEq(book.last, newcomer);
        _staff();
        _create(GPT, 2 * FEE, 100);
        assertEq(queue.queued(), MIN_LIMIT + 1, "one for one");
        assertEq(task.taskOf(newcomer).state, ITask.State.Ended);
    }

    /// @dev All names that were given back are given again before a new one: a steady queue fills no fresh slot.
    function testFuzz_everyTicketIsUsedAgain(uint8 number) public {
        uint256 n = bound(number, 1, 12);
        for (uint256 i; i < n; ++i) {
            _create(GPT, FEE, 100);
        }
        _pastTheFirstMinute();
        for (uint256 i = 1; i <= n; ++i) {
            vm.prank(creator);
            task.cancel(TaskId.wrap(uint40(i)));
        }
        uint256 seen;
        for (uint256 i; i < n; ++i) {
            seen |= 1 << task.orderOf(_create(GPT, FEE, 100)).ticket;
        }
        assertEq(seen, (2 << n) - 2, "1 to n, each once");
    }

    /// @dev A task's name in the queue is given to the next newcomer when the task is drawn: it must not be taken for that
    /// one when it is cancelled or expired.
    function test_aDrawnTaskIsNotTakenForWhoCameAfterIt() public {
        _joinMany(3);
        TaskId drawn = _create(GPT, FEE, 100);
        queue.dispatch(1);
        TaskId next = _create(GPT, FEE, 100);
        assertEq(task.orderOf(next).ticket, task.orderOf(drawn).ticket, "used again");
        _pastTheFirstMinute();
        vm.startPrank(creator);
        vm.expectRevert(abi.encodeWithSelector(ITaskQueue.NotQueued.selector, drawn));
        task.cancel(drawn);
        vm.warp(block.timestamp + 2 hours);
        vm.expectRevert(abi.encodeWithSelector(ITaskQueue.NotQueued.selector, drawn));
        task.expire(drawn);
        vm.expectRevert(abi.encodeWithSelector(ITaskQueue.NotQueued.selector, drawn));
        queue.placeOf(drawn);
        vm.expectRevert(abi.encodeWithSelector(ITaskQueue.NotQueued.selector, drawn));
        queue.reserve(drawn, ClassId.wrap(1));
        assertEq(queue.queued(), 1);
        task.cancel(next);
        assertEq(queue.queued(), 0);
    }

    function _fill(uint96 fee) private {
        while (queue.queued() < MIN_LIMIT) {
            _create(GPT, fee, 100);
        }
    }

    /// @dev A dispatch that finds too few free nodes of `class` takes its book out of the competition.
    function _park(ClassId class) private {
        vm.prank(_operator(1));
        node.pause(NodeId.wrap(1));
        vm.expectEmit(address(queue));
        emit ITaskQueue.ClassBookParked(GPT, class);
        queue.dispatch(1);
    }

    function _createAs(address who, uint96 fee) private returns (TaskId) {
        vm.deal(who, who.balance + fee);
        vm.prank(who);
        return task.create{value: fee}(GPT, TASK_HASH, 100, 0, ANY, 1 hours);
    }

    function _createWith(uint8 kind, uint96 fee, uint16 vram, ClassId class) private returns (TaskId) {
        vm.prank(creator);
        return task.create{value: fee}(kind, TASK_HASH, 100, vram, class, 1 hours);
    }

    function _setLimits(ITaskQueue.Limits memory l) private {
        vm.prank(owner);
        queue.setLimits(l);
    }

    function _limitFor(uint256 byNodes) private pure returns (uint256) {
        return byNodes > MIN_LIMIT ? byNodes : MIN_LIMIT;
    }

    function _perSecond(uint8 kind, uint96 wei_) private pure returns (uint96) {
        return wei_ * (kind == GPT ? GPT_SECONDS : SD_SECONDS);
    }

    function _valueOf(uint96 fee) private view returns (ValueRate value) {
        (value,) = queue.levelOf(fee, GPT_SECONDS * 1000);
    }

    function _levelOf(uint96 fee) private view returns (Level level) {
        (, level) = queue.levelOf(fee, GPT_SECONDS * 1000);
    }

    /// @dev The least fee whose level is `level`, found by halving.
    function _feeOf(Level level) private view returns (uint256) {
        uint256 low = 1;
        uint256 high = 100 ether;
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (_levelOf(uint96(middle)) < level) low = middle + 1;
            else high = middle;
        }
        return low;
    }
}

/// @notice Invariant 4: the queue holds the highest values offered and still live, whatever comes and goes, against a
/// list.
contract QueueModelTest is Network {
    uint256 private constant MIN_LIMIT = 64;

    /// @dev A queued task as the model knows it.
    struct Item {
        TaskId id;
        Level level;
        uint256 book;
        uint256 expiresAt;
    }

    Item[] private items;
    ClassId[2] private classes;
    uint256 private paid;
    mapping(Ending => uint256) private counts;

    function setUp() public override {
        super.setUp();
        vm.deal(creator, 100_000 ether);
        for (uint256 i; i < 2; ++i) {
            for (uint256 j = 1; j <= 3; ++j) {
                classes[i] = node.nodeOf(_join(10 * i + j, keccak256(abi.encode("class", i)), 24)).class;
            }
        }
        for (uint256 i; i < MIN_LIMIT; ++i) {
            _offer(uint256(keccak256(abi.encode("first", i))));
        }
    }

    function testFuzz_holdsTheHighestValues(uint256 seed) public {
        for (uint256 i; i < 48; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 move = seed % 8;
            if (move < 5) _offer(seed >> 8);
            else if (move < 7) _cancel(seed >> 8);
            else _expire(seed >> 8);
            _assertEnds();
        }
        _assertSame();
    }

    /// @dev A random offer: taken, taken for another or refused, as the model says.
    function _offer(uint256 random) private {
        uint8 kind = uint8(random % 2);
        ClassId class = random >> 8 & 3 == 0 ? classes[random >> 10 & 1] : ANY;
        uint16 vram = uint16((random >> 16) % 3 * 12);
        uint32 wait = (random >> 24) % 3 == 0 ? 5 minutes : 7 days;
        uint96 fee = uint96(1 ether + (random >> 32) % 12 * 0.02 ether) * (kind == GPT ? 1 : 5);
        (ValueRate value, Level level) = queue.levelOf(fee, task.estimate(kind, kind == GPT ? 100 : 1));
        uint256 victim = items.length;
        if (items.length >= MIN_LIMIT) {
            victim = _victim();
            if (!(level > items[victim].level)) {
                ValueRate lowest = ValueRates.floor(items[victim].level);
                vm.expectRevert(abi.encodeWithSelector(ITaskQueue.FeeTooLow.selector, value, lowest));
                _send(kind, fee, vram, class, wait);
                return;
            }
        }
        paid += fee;
        TaskId id = _send(kind, fee, vram, class, wait);
        if (victim != items.length) _drop(victim, Ending.Evicted);
        uint256 book = uint256(keccak256(abi.encode(kind, ClassId.unwrap(class) == 0 ? vram : 0, class)));
        items.push(Item(id, level, book, block.timestamp + wait));
    }

    function _send(uint8 kind, uint96 fee, uint16 vram, ClassId class, uint32 wait) private returns (TaskId) {
        vm.prank(creator);
        return task.create{value: fee}(kind, TASK_HASH, kind == GPT ? 100 : 1, vram, class, wait);
    }

    function _cancel(uint256 random) private {
        uint256 index = random % items.length;
        TaskId id = items[index].id;
        _pastTheFirstMinute();
        vm.prank(creator);
        task.cancel(id);
        _drop(index, Ending.Cancelled);
    }

    function _expire(uint256 random) private {
        vm.warp(block.timestamp + 1 minutes);
        for (uint256 k; k < items.length; ++k) {
            uint256 index = (random + k) % items.length;
            if (block.timestamp <= items[index].expiresAt) continue;
            task.expire(items[index].id);
            return _drop(index, Ending.Expired);
        }
    }

    /// @dev The one that must give way: of a lowest level, and the newest of its book there. Of several such books it is
    /// the queue that says which.
    function _victim() private view returns (uint256 victim) {
        (, TaskId told) = queue.lowest();
        victim = items.length;
        for (uint256 i; i < items.length; ++i) {
            if (items[i].id == told) victim = i;
        }
        for (uint256 i; i < items.length; ++i) {
            assertFalse(items[i].level < items[victim].level, "not of the lowest level");
            bool newer = items[i].level == items[victim].level && items[i].book == items[victim].book
                && TaskId.unwrap(items[i].id) > TaskId.unwrap(told);
            assertFalse(newer, "not the newest of its book");
        }
    }

    /// @dev Takes an item out of the model after its task has ended.
    function _drop(uint256 index, Ending ending) private {
        TaskId id = items[index].id;
        assertEq(task.taskOf(id).state, ITask.State.Ended);
        assertEq(task.taskOf(id).escrow, 0);
        vm.expectRevert(abi.encodeWithSelector(ITaskQueue.NotQueued.selector, id));
        queue.placeOf(id);
        ++counts[ending];
        items[index] = items[items.length - 1];
        items.pop();
    }

    function _assertEnds() private view {
        assertEq(queue.queued(), items.length);
        (Level level,) = queue.lowest();
        Level lowest = Level.wrap(items.length == 0 ? 0 : type(uint16).max);
        for (uint256 i; i < items.length; ++i) {
            if (items[i].level < lowest) lowest = items[i].level;
        }
        assertEq(level, lowest);
    }

    function _assertSame() private view {
        uint256 escrows;
        for (uint256 i; i < items.length; ++i) {
            assertEq(queue.placeOf(items[i].id).level, items[i].level);
            escrows += task.taskOf(items[i].id).escrow;
        }
        INetworkStats.Tally memory gpt = stats.tallyOf(GPT);
        INetworkStats.Tally memory sd = stats.tallyOf(SD);
        assertEq(gpt.evicted + sd.evicted, counts[Ending.Evicted]);
        assertEq(gpt.cancelled + sd.cancelled, counts[Ending.Cancelled]);
        assertEq(gpt.expired + sd.expired, counts[Ending.Expired]);
        assertEq(task.creditOf(creator), paid - escrows, "all others are refunded in full");
        assertEq(address(task).balance, paid);
    }
}
