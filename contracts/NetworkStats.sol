// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ending, INetworkStats} from "./interfaces/INetworkStats.sol";
import {INode} from "./interfaces/INode.sol";
import {ITask} from "./interfaces/ITask.sol";
import {ITaskQueue} from "./interfaces/ITaskQueue.sol";
import {Bits} from "./libraries/Bits.sol";
import {ClassId, NodeId, TaskId} from "./types/Ids.sol";
import {Level, ValueRate, ValueRates} from "./types/ValueRate.sol";
import {NotAllowed, Wiring, WrongAddress} from "./types/Wiring.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

/// @title Tallies of ended tasks, and one place to read all counters.
/// @dev One slot a kind: the number of tasks with ending `e` in bits `32 (e - 1)` to `32 e - 1`.
contract NetworkStats is INetworkStats {
    using Bits for uint256;
    using ValueRates for Level;

    uint256 private constant WIDTH = 32;

    address private immutable TASK;
    INode private immutable NODE;
    ITaskQueue private immutable QUEUE;

    mapping(uint8 kind => uint256) private _tallies;

    constructor(Wiring memory w) {
        if (w.stats != address(this)) revert WrongAddress(w.stats, address(this));
        TASK = w.task;
        NODE = INode(w.node);
        QUEUE = ITaskQueue(w.queue);
    }

    /// @inheritdoc INetworkStats
    function ended(uint8 kind, Ending ending) external {
        if (msg.sender != TASK) revert NotAllowed(msg.sender, TASK);
        _tallies[kind] = _tallies[kind].plus(_offset(ending), 1);
    }

    /// @inheritdoc INetworkStats
    function tallyOf(uint8 kind) public view returns (Tally memory) {
        uint256 word = _tallies[kind];
        return Tally({
            agreed: _tally(word, Ending.Agreed),
            disagreed: _tally(word, Ending.Disagreed),
            failed: _tally(word, Ending.Failed),
            mixed: _tally(word, Ending.Mixed),
            unanswered: _tally(word, Ending.Unanswered),
            cancelled: _tally(word, Ending.Cancelled),
            expired: _tally(word, Ending.Expired),
            evicted: _tally(word, Ending.Evicted)
        });
    }

    /// @inheritdoc INetworkStats
    function overview() external view returns (Overview memory o) {
        o.nodes = NODE.counts();
        o.created = TaskId.unwrap(ITask(TASK).lastTask());
        o.queued = uint40(QUEUE.queued());
        for (uint8 kind; kind < ITask(TASK).kinds(); ++kind) {
            Tally memory t = tallyOf(kind);
            o.succeeded += t.agreed;
            o.aborted += t.disagreed + t.failed + t.mixed + t.unanswered + t.cancelled + t.expired + t.evicted;
        }
        o.running = o.created - o.queued - o.succeeded - o.aborted;
    }

    /// @inheritdoc INetworkStats
    function quote(uint8 kind, uint32 size, uint16 minVram, ClassId requiredClass, uint96 fee)
        external
        view
        returns (Quote memory q)
    {
        uint8 tier = ITask(TASK).tierFor(minVram, requiredClass);
        q.durationMs = ITask(TASK).estimate(kind, size);
        q.value = ValueRates.rate(fee, q.durationMs);
        ITaskQueue.BookView memory book = QUEUE.bookOf(kind, tier, requiredClass, q.value.level());
        (q.head, q.tail, q.ahead) = (book.top, book.bottom, book.ahead);
        (q.queued, q.limit) = (QUEUE.queued(), QUEUE.limit());
        q.leastFee = FixedPointMathLib.max(1, _feeFor(ITask(TASK).minValue(), q.durationMs));
        if (q.queued >= q.limit) {
            (Level lowest,) = QUEUE.lowest();
            uint256 toEnter = _feeFor(ValueRates.floor(lowest.next()), q.durationMs);
            if (toEnter > q.leastFee) q.leastFee = toEnter;
        }
        bool room = q.queued < q.limit || QUEUE.hasWorkers(tier, requiredClass);
        q.accepted = room && fee >= q.leastFee && fee <= ITask(TASK).maxFee();
    }

    /// @inheritdoc INetworkStats
    function suitability(uint16 minVram, ClassId requiredClass, NodeId first, uint256 limit)
        external
        view
        returns (Suitability memory s)
    {
        uint8 tier = ITask(TASK).tierFor(minVram, requiredClass);
        (uint256 start, uint256 size) = _page(first, limit);
        for (uint256 i; i < size; ++i) {
            INode.NodeView memory n = NODE.nodeOf(NodeId.wrap(uint32(start + i)));
            if (n.status >= INode.Status.Gone) ++s.gone;
            else if (n.status == INode.Status.Unbonding) ++s.unbonding;
            else if (n.status == INode.Status.Frozen) ++s.frozen;
            else if (n.status == INode.Status.Suspended) ++s.suspended;
            else if (n.status == INode.Status.Paused) ++s.paused;
            else if (n.tier < tier) ++s.tooSmall;
            else if (ClassId.unwrap(requiredClass) != 0 && n.class != requiredClass) ++s.otherClass;
            else if (n.status == INode.Status.Busy) ++s.busy;
            else if (!n.inSets) ++s.waiting;
            else ++s.eligible;
        }
    }

    /// @inheritdoc INetworkStats
    function nodes(NodeId first, uint256 limit) external view returns (INode.NodeView[] memory page) {
        (uint256 start, uint256 size) = _page(first, limit);
        page = new INode.NodeView[](size);
        for (uint256 i; i < page.length; ++i) {
            page[i] = NODE.nodeOf(NodeId.wrap(uint32(start + i)));
        }
    }

    /// @dev The first id of a page and the number of nodes on it.
    function _page(NodeId first, uint256 limit) private view returns (uint256 start, uint256 size) {
        uint256 last = NodeId.unwrap(NODE.lastNode());
        start = NodeId.unwrap(first) == 0 ? 1 : NodeId.unwrap(first);
        size = start > last ? 0 : last - start + 1;
        if (size > limit) size = limit;
    }

    /// @dev The least fee whose value per second is `value` or more: the inverse of `ValueRates.rate`, rounded up.
    function _feeFor(ValueRate value, uint256 durationMs) private pure returns (uint256) {
        return FixedPointMathLib.divUp(ValueRate.unwrap(value) * durationMs, 1000 << 64);
    }

    function _offset(Ending ending) private pure returns (uint256) {
        return WIDTH * (uint256(ending) - 1);
    }

    function _tally(uint256 word, Ending ending) private pure returns (uint40) {
        return uint40(word.get(_offset(ending), WIDTH));
    }
}
