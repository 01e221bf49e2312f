// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INetworkStats} from "../../../contracts/interfaces/INetworkStats.sol";
import {INode} from "../../../contracts/interfaces/INode.sol";
import {IQoS} from "../../../contracts/interfaces/IQoS.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {ITaskQueue} from "../../../contracts/interfaces/ITaskQueue.sol";
import {ClassId, NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Level} from "../../../contracts/types/ValueRate.sol";
import {TypedAssertions} from "../TypedAssertions.sol";
import {Handler} from "./Handler.sol";

/// @notice The protocol's numbered invariants after every move of any party.
/// forge-config: default.invariant.runs = 32
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
        bytes4[] memory own = new bytes4[](2);
        (own[0], own[1]) = (Handler.setUp.selector, Handler.finish.selector);
        excludeSelector(FuzzSelector(address(handler), own));
    }

    /// @dev One campaign for all: each would make the same moves again.
    function invariant_01_02_03_06_10_holdAfterEveryMove() public view {
        // A call may be refused, but not fail in a way that nobody thought of.
        assertEq(handler.panics(), 0, "panics");
        _moneyIsConserved();
        _busyMeansOneSeat();
        _booksAreSorted();
        _nodesAreCounted();
        _setsHoldTheFree();
        _tasksAreCounted();
        _setsCloseForARoundOnly();
    }

    /// @dev Invariant 5: wherever the moves have led, calls that anybody may make end every task, and then every wei can
    /// be withdrawn.
    function afterInvariant() public {
        handler.finish();
        assertEq(address(task).balance, handler.forced(), "nothing is left");
        assertEq(node.counts().busy, 0, "nobody is held");
        assertEq(handler.panics(), 0);
    }

    /// @dev Invariants 1 and 6: what Task holds is what its tasks and its creditors are owed, and what came in less
    /// what was withdrawn; what Node holds is the stakes.
    function _moneyIsConserved() private view {
        uint256 owed = handler.forced();
        for (uint256 i; i < handler.liveCount(); ++i) {
            owed += task.taskOf(handler.live(i)).escrow;
        }
        for (uint256 i; i < handler.accountCount(); ++i) {
            owed += task.creditOf(handler.accounts(i));
        }
        for (uint32 id = 1; id <= NodeId.unwrap(node.lastNode()); ++id) {
            owed += task.earnedBy(NodeId.wrap(id));
        }
        assertEq(address(task).balance, owed, "escrows, credits and earnings");
        assertEq(address(task).balance, handler.taskIn() + handler.forced() - handler.taskOut(), "in less out");

        uint256 stakes = handler.forced() + node.slashed();
        for (uint32 id = 1; id <= NodeId.unwrap(node.lastNode()); ++id) {
            stakes += node.nodeOf(NodeId.wrap(id)).stake;
        }
        assertEq(address(node).balance, stakes, "stakes and penalties");
        assertEq(address(node).balance, handler.nodeIn() + handler.forced() - handler.nodeOut(), "in less out");
    }

    /// @dev Invariant 2: a node is busy if and only if it holds a seat, and it holds one at most, never two of one
    /// operator in a task.
    function _busyMeansOneSeat() private view {
        uint256[] memory seats = new uint256[](1 + NodeId.unwrap(node.lastNode()));
        for (uint256 i; i < handler.liveCount(); ++i) {
            ITask.TaskView memory v = task.taskOf(handler.live(i));
            if (v.state != ITask.State.Committing && v.state != ITask.State.Revealing) continue;
            for (uint256 s; s < 3; ++s) {
                ++seats[NodeId.unwrap(v.nodes[s])];
                assertTrue(node.operatorOf(v.nodes[s]) != node.operatorOf(v.nodes[(s + 1) % 3]), "operators");
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
        assertEq(handler.lineBreaks(), 0, "drawn from the front");
        Level[16][2] memory best;
        uint256 queued;
        Level least = Level.wrap(0);
        for (uint256 i; i < handler.liveCount(); ++i) {
            TaskId t = handler.live(i);
            TaskId[] memory line = handler.lineOf(t);
            bool found;
            for (uint256 j; j < line.length; ++j) {
                if (line[j] == t) found = true;
            }
            if (!found) continue;
            ++queued;
            ITaskQueue.Place memory p = queue.placeOf(t);
            if (line[0] == t) _assertLine(line, p);
            if (least == Level.wrap(0) || p.level < least) least = p.level;
            if (p.class == ClassId.wrap(0) && p.level > best[p.kind][p.tier]) best[p.kind][p.tier] = p.level;
        }
        assertEq(queue.queued(), queued, "invariant 10: queued");
        (Level lowest, TaskId newest) = queue.lowest();
        assertEq(lowest, least);
        if (queued != 0) assertEq(queue.placeOf(newest).level, least);
        if (queued != 0) assertEq(queue.placeOf(newest).next, TaskId.wrap(0));
        for (uint8 kind; kind < 2; ++kind) {
            assertEq(abi.encode(queue.topsOf(kind)), abi.encode(best[kind]), "tops");
        }
    }

    /// @dev Invariant 10: every counter of nodes equals its recount.
    function _nodesAreCounted() private view {
        INode.Counts memory want;
        INode.Capacity memory capacity;
        uint32[7] memory inClass;
        uint32[7] memory activeInClass;
        for (uint32 id = 1; id <= NodeId.unwrap(node.lastNode()); ++id) {
            INode.NodeView memory v = node.nodeOf(NodeId.wrap(id));
            if (v.status != INode.Status.Gone) ++want.total;
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
        assertEq(node.activeNodes(), want.active);
        for (uint32 class = 1; class < 7; ++class) {
            INode.ClassState memory s = node.classState(ClassId.wrap(class));
            assertEq(s.free, inClass[class], "free in the class");
            assertEq(s.active, activeInClass[class], "active in the class");
            // Floor and openness are those of the last change while the sets were open: at most 21 nodes, so 3 or 4.
            assertTrue(!s.exists || s.floor == 3 || s.floor == 4, "floor");
            if (s.open && s.free >= s.floor) capacity.servable[s.tier] += 1 + (s.free - s.floor) / 3;
        }
        assertEq(abi.encode(node.capacity()), abi.encode(capacity), "capacity");
    }

    /// @dev Invariant 10: the sets hold each free node once, and nobody else.
    function _setsHoldTheFree() private view {
        INode.Capacity memory capacity = node.capacity();
        uint256 seen;
        for (uint8 tier; tier < 16; ++tier) {
            for (uint256 i; i < capacity.free[tier]; ++i) {
                NodeId id = node.freeInTier(tier, i);
                assertEq(node.nodeOf(id).tier, tier);
                assertTrue(node.nodeOf(id).inSets);
                assertEq((seen >> NodeId.unwrap(id)) & 1, 0, "once");
                seen |= 1 << NodeId.unwrap(id);
            }
        }
        for (uint32 class = 1; class < 7; ++class) {
            for (uint256 i; i < node.classState(ClassId.wrap(class)).free; ++i) {
                NodeId id = node.freeInClass(ClassId.wrap(class), i);
                assertEq(node.nodeOf(id).class, ClassId.wrap(class));
                seen ^= 1 << NodeId.unwrap(id);
            }
        }
        assertEq(seen, 0, "the same nodes by class as by tier");
    }

    /// @dev Invariant 10: every counter of tasks equals its recount.
    function _tasksAreCounted() private view {
        INetworkStats.Overview memory o = stats.overview();
        uint256 delivering;
        for (uint256 i; i < handler.liveCount(); ++i) {
            if (task.taskOf(handler.live(i)).state == ITask.State.Delivering) ++delivering;
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
