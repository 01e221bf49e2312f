// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INetworkStats} from "../../../contracts/interfaces/INetworkStats.sol";
import {INode} from "../../../contracts/interfaces/INode.sol";
import {IQoS} from "../../../contracts/interfaces/IQoS.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {ITaskQueue} from "../../../contracts/interfaces/ITaskQueue.sol";
import {PoolFloor} from "../../../contracts/libraries/PoolFloor.sol";
import {ClassId, NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Level} from "../../../contracts/types/ValueRate.sol";
import {TypedAssertions} from "../TypedAssertions.sol";
import {Handler} from "./Handler.sol";

/// @notice The protocol's numbered invariants after every move of any party.
/// @dev Invariant 4 and 9, and the order of 3, are checked move by move: see `Handler` and `Shadow`. 7 and 8 speak of
/// frequencies and gas and have tests of their own.
/// forge-config: default.invariant.runs = 8
contract InvariantsTest is TypedAssertions {
    Handler private handler;
    INode private node;
    ITask private task;
    ITaskQueue private queue;
    IQoS private qos;
    INetworkStats private stats;

    function setUp() public {
        handler = new Handler();
        handler.setUp();
        (node, task, queue) = handler.network();
        (,, address q, address s) = task.network();
        (qos, stats) = (IQoS(q), INetworkStats(s));
        targetContract(address(handler));
        bytes4[] memory own = new bytes4[](5);
        (own[0], own[1]) = (Handler.setUp.selector, Handler.finishTasks.selector);
        (own[2], own[3]) = (Handler.finishCases.selector, Handler.finishMoney.selector);
        own[4] = Handler.step.selector;
        excludeSelector(FuzzSelector(address(handler), own));
    }

    /// @dev One campaign for all: each would make the same moves again.
    function invariant_01_02_03_06_10_holdAfterEveryMove() public {
        _moneyIsConserved();
        _busyMeansOneSeat();
        _booksAreSorted();
        _vacanciesWait();
        _nodesAreCounted();
        _setsHoldTheFree();
        _tasksAreCounted();
        _setsCloseForARoundOnly();
        _classesAreAssessed();
        _chargesAreKept();
    }

    /// @dev Invariant 5: wherever the moves have led, calls that anybody may make end every task and settle every case in
    /// their time, and then every wei can be withdrawn.
    function afterInvariant() public {
        handler.finishTasks();
        assertEq(queue.queued(), 0, "nobody waits");
        assertEq(queue.vacancies().length, 0, "no seat waits");
        assertEq(node.counts().busy, 0, "nobody is held");
        uint256 from = block.timestamp;
        handler.finishCases();
        // The rules keep both times of a case together below the unbonding time. Who is released and accused of something
        // else is frozen for that, and slashed as nobody appeals.
        assertLe(block.timestamp, from + node.unbondingSeconds() + node.rules().appealSeconds, "frozen for too long");
        for (uint32 id = 1; id <= NodeId.unwrap(node.lastNode()); ++id) {
            assertTrue(node.nodeOf(NodeId.wrap(id)).status != INode.Status.Frozen, "frozen");
            assertEq(handler.chargesOf(NodeId.wrap(id)).length, 0, "acquitted, or slashed");
        }
        _moneyIsConserved();
        handler.finishMoney();
        assertEq(address(task).balance, handler.forced(), "nothing is left in Task");
        assertEq(address(node).balance, handler.forced(), "nothing is left in Node");
    }

    /// @dev Invariants 1 and 6: what Task holds is what its tasks, its creditors and its nodes are owed, one by one as the
    /// events say; what Node holds is the stakes and what waits for the treasury.
    function _moneyIsConserved() private view {
        uint256 owed = handler.forced();
        for (uint256 i; i < handler.liveCount(); ++i) {
            TaskId t = handler.live(i);
            ITask.TaskView memory v = task.taskOf(t);
            assertEq(v.escrow, handler.escrowOf(t), "escrow");
            assertEq(v.state, handler.stateOf(t));
            owed += v.escrow;
        }
        for (uint256 i; i < handler.accountCount(); ++i) {
            uint256 credit = task.creditOf(handler.accounts(i));
            assertEq(credit, handler.creditOf(handler.accounts(i)), "credit");
            owed += credit;
        }
        uint256 stakes = handler.forced() + node.slashed();
        for (uint32 i = 1; i <= NodeId.unwrap(node.lastNode()); ++i) {
            NodeId id = NodeId.wrap(i);
            assertEq(task.earnedBy(id), handler.earnedOf(id), "earnings");
            assertEq(node.nodeOf(id).stake, handler.stakeOf(id), "stake");
            owed += task.earnedBy(id);
            stakes += node.nodeOf(id).stake;
        }
        assertEq(node.slashed(), handler.slashed(), "slashed");
        assertEq(address(task).balance, owed, "escrows, credits and earnings");
        assertEq(address(node).balance, stakes, "stakes and penalties");
    }

    /// @dev Invariant 2: a node is busy if and only if it holds a seat, and it holds one at most, never two of one
    /// operator in a task.
    function _busyMeansOneSeat() private view {
        uint256[] memory seats = new uint256[](1 + NodeId.unwrap(node.lastNode()));
        for (uint256 i; i < handler.liveCount(); ++i) {
            ITask.TaskView memory v = task.taskOf(handler.live(i));
            if (v.state < ITask.State.Committing || v.state > ITask.State.Revealing) continue;
            for (uint256 s; s < 3; ++s) {
                if (v.vacated[s]) continue;
                ++seats[NodeId.unwrap(v.nodes[s])];
                uint256 other = (s + 1) % 3;
                bool same = node.operatorOf(v.nodes[s]) == node.operatorOf(v.nodes[other]);
                assertTrue(v.vacated[other] || !same, "operators");
            }
        }
        for (uint32 id = 1; id < seats.length; ++id) {
            bool busy = node.nodeOf(NodeId.wrap(id)).status == INode.Status.Busy;
            assertEq(seats[id], busy ? 1 : 0, "seats");
        }
    }

    /// @dev Invariant 3: the packed ends are the best and the lowest levels, every level is served first come first
    /// served.
    function _booksAreSorted() private view {
        Level[16][2] memory best;
        uint256 queued;
        for (uint256 i; i < handler.liveCount(); ++i) {
            TaskId t = handler.live(i);
            if (!handler.inLine(t)) continue;
            ++queued;
            if (handler.firstOf(t) != t) continue;
            ITaskQueue.Place memory p = queue.placeOf(t);
            assertEq(p.level, handler.levelOf(t));
            _assertLine(handler.lineOf(t), p);
            if (p.class == ClassId.wrap(0) && p.level > best[p.kind][p.tier]) best[p.kind][p.tier] = p.level;
        }
        assertEq(queue.queued(), queued, "invariant 10: queued");
        (Level lowest, TaskId newest) = queue.lowest();
        assertEq(lowest, handler.lowestLevel());
        if (queued != 0) assertEq(queue.placeOf(newest).level, lowest);
        if (queued != 0) assertEq(queue.placeOf(newest).next, TaskId.wrap(0));
        for (uint8 kind; kind < 2; ++kind) {
            assertEq(abi.encode(queue.topsOf(kind)), abi.encode(best[kind]), "tops");
        }
    }

    /// @dev Invariant 5: every task with seats to give away stands in the line of vacancies or in the round, once.
    function _vacanciesWait() private view {
        TaskId[] memory line = queue.vacancies();
        ITaskQueue.Round memory round = queue.round();
        for (uint256 i; i < handler.liveCount(); ++i) {
            TaskId t = handler.live(i);
            if (handler.stateOf(t) != ITask.State.Vacant) continue;
            uint256 places;
            for (uint256 j; j < line.length; ++j) {
                if (line[j] == t) ++places;
            }
            for (uint256 j = round.seated; j < round.size; ++j) {
                if (queue.roundTask(j) == t) ++places;
            }
            assertGe(places, 1, "a vacancy that nobody sees");
        }
    }

    /// @dev Invariant 10: every counter of nodes equals its recount.
    function _nodesAreCounted() private view {
        INode.Counts memory want;
        INode.Capacity memory capacity;
        uint32 classes = handler.classCount();
        uint32[] memory inClass = new uint32[](classes + 1);
        uint32[] memory activeInClass = new uint32[](classes + 1);
        for (uint32 id = 1; id <= NodeId.unwrap(node.lastNode()); ++id) {
            INode.NodeView memory v = node.nodeOf(NodeId.wrap(id));
            if (v.status != INode.Status.Gone && v.status != INode.Status.Slashed) ++want.total;
            if (v.status == INode.Status.Free || v.status == INode.Status.Busy) {
                ++want.active;
                ++capacity.active[v.tier];
                ++activeInClass[ClassId.unwrap(v.class)];
            }
            if (v.status == INode.Status.Busy) ++want.busy;
            assertEq(v.weight, qos.recordOf(NodeId.wrap(id)).weight, "weight");
            if (!v.inSets) continue;
            assertEq(v.status, INode.Status.Free);
            ++want.free;
            ++capacity.free[v.tier];
            ++inClass[ClassId.unwrap(v.class)];
        }
        assertEq(abi.encode(node.counts()), abi.encode(want), "counts");
        assertEq(node.counts().active, want.active);
        for (uint32 class = 1; class <= classes; ++class) {
            INode.ClassState memory s = node.classState(ClassId.wrap(class));
            assertEq(s.free, inClass[class], "free in the class");
            assertEq(s.active, activeInClass[class], "active in the class");
            if (s.open) capacity.servable[s.tier] += uint32(PoolFloor.tasks(s.free, s.floor));
        }
        assertEq(abi.encode(node.capacity()), abi.encode(capacity), "capacity");
    }

    /// @dev Invariant 10: the sets hold each free node once, and nobody else; a tier is its classes, laid end to end in the
    /// order in which they came.
    function _setsHoldTheFree() private view {
        uint32[16] memory free = node.capacity().free;
        uint256 seen;
        for (uint8 tier; tier < 16; ++tier) {
            ClassId[] memory classes = handler.classesOf(tier);
            uint256 position;
            for (uint256 i; i < classes.length; ++i) {
                uint256 size = node.classState(classes[i]).free;
                for (uint256 j; j < size; ++j) {
                    NodeId id = node.freeInClass(classes[i], j);
                    assertEq(node.freeInTier(tier, position++), id);
                    assertEq(node.nodeOf(id).class, classes[i]);
                    assertTrue(node.nodeOf(id).inSets);
                    assertEq((seen >> NodeId.unwrap(id)) & 1, 0, "once");
                    seen |= 1 << NodeId.unwrap(id);
                }
            }
            assertEq(position, free[tier], "all the free of the tier");
            assertEq(node.freeInTier(tier, position), NodeId.wrap(0));
        }
    }

    /// @dev What a node has to answer for is never forgotten: the task of its case, which waits for the end of its seat if
    /// need be, and those it is accused of after that.
    function _chargesAreKept() private view {
        for (uint32 i = 1; i <= NodeId.unwrap(node.lastNode()); ++i) {
            NodeId id = NodeId.wrap(i);
            INode.NodeView memory v = node.nodeOf(id);
            TaskId[] memory charges = handler.chargesOf(id);
            if (v.status == INode.Status.Slashed) continue;
            INode.Case[] memory kept = node.accusationsOf(id);
            bool charged = v.status == INode.Status.Frozen || v.intent == INode.Intent.Freeze;
            assertEq(charges.length, kept.length + (charged ? 1 : 0), "charges");
            if (charges.length != 0) assertTrue(charged, "accused and at large");
            for (uint256 j; j < charges.length; ++j) {
                uint256 found = charges[j] == node.caseOf(id).task ? 1 : 0;
                for (uint256 k; k < kept.length; ++k) {
                    if (kept[k].task == charges[j]) ++found;
                }
                assertEq(found, 1, "once");
            }
        }
    }

    /// @dev Invariant 10: every counter of tasks equals its recount.
    function _tasksAreCounted() private view {
        INetworkStats.Overview memory o = stats.overview();
        uint256 delivering;
        for (uint256 i; i < handler.liveCount(); ++i) {
            if (handler.stateOf(handler.live(i)) == ITask.State.Delivering) ++delivering;
        }
        assertEq(o.created, handler.ended() + handler.liveCount(), "created");
        assertEq(o.succeeded + o.aborted, handler.ended() + delivering, "endings");
        assertEq(uint256(o.queued) + o.running, handler.liveCount() - delivering, "queued and running");
    }

    /// @dev The sets are closed only while a round waits for its seats.
    function _setsCloseForARoundOnly() private view {
        ITaskQueue.Round memory round = queue.round();
        assertEq(node.setsClosed(), round.drawBlock != 0 && round.drawBlock != block.number);
        assertEq(round.drawBlock != 0, round.size != 0);
        assertLe(round.seated, round.size);
    }

    /// @dev Invariant 10: while the sets are open anybody can bring a class's floor and openness to what its active nodes
    /// make them, and the tasks that can be served follow.
    function _classesAreAssessed() private {
        if (node.setsClosed()) return;
        for (uint32 class = 1; class <= handler.classCount(); ++class) {
            INode.ClassState memory s = node.classState(ClassId.wrap(class));
            if (!s.exists) continue;
            node.review(ClassId.wrap(class));
            s = node.classState(ClassId.wrap(class));
            assertEq(s.floor, PoolFloor.forActive(s.active), "floor");
            assertEq(s.open, s.active * 32 >= node.counts().active, "open");
        }
        _nodesAreCounted();
    }

    function _assertLine(TaskId[] memory line, ITaskQueue.Place memory p) private view {
        for (uint256 i; i < line.length; ++i) {
            ITaskQueue.Place memory here = queue.placeOf(line[i]);
            assertEq(here.level, p.level);
            assertEq(here.next, i + 1 < line.length ? line[i + 1] : TaskId.wrap(0));
        }
        ITaskQueue.BookView memory book = queue.bookOf(p.kind, p.tier, p.class, p.level);
        if (book.top == p.level) assertEq(book.first, line[0]);
        else assertTrue(book.top > p.level);
        if (book.bottom == p.level) assertEq(book.last, line[line.length - 1]);
        else assertTrue(book.bottom < p.level);
        assertGe(book.ahead, line.length);
    }
}
