// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "./interfaces/INode.sol";
import {ITask} from "./interfaces/ITask.sol";
import {ITaskQueue} from "./interfaces/ITaskQueue.sol";
import {Bits} from "./libraries/Bits.sol";
import {Books} from "./libraries/Books.sol";
import {OrderBook} from "./libraries/OrderBook.sol";
import {PackedEnds} from "./libraries/PackedEnds.sol";
import {TaskList} from "./libraries/TaskList.sol";
import {VramTier} from "./libraries/VramTier.sol";
import {BookTag} from "./types/BookTag.sol";
import {ClassId, TaskId} from "./types/Ids.sol";
import {Level, ValueRate, ValueRates} from "./types/ValueRate.sol";
import {NotAllowed, Wiring} from "./types/Wiring.sol";

/// @title What the queue stores, and what can be read of it.
/// @dev Header: queued 0-23 | limit 24-47 | draw block 48-87 | round size 88-94 | seated of the round 95-101 | words of
/// ends in use 102-133 | kinds whose nodes share a class 134-149 | first vacancy 150-165 | vacancies 166-181 |
/// reservation held 182 | first retired ticket 183-206 | last ticket 207-230 | tasks per node 231-240.
/// A queued task is known by a ticket, whose word in the books is used again: a steady queue fills no fresh slot.
abstract contract QueueState is ITaskQueue {
    using Bits for uint256;
    using Books for Books.Shelf;
    using OrderBook for OrderBook.Book;
    using OrderBook for OrderBook.Entries;
    using TaskList for TaskList.List;

    /// Tasks the queue holds however few nodes there are.
    uint256 public constant MIN_LIMIT = 64;

    uint256 internal constant QUEUED = 0;
    uint256 internal constant LIMIT = 24;
    uint256 internal constant DRAW = 48;
    uint256 internal constant SIZE = 88;
    uint256 internal constant SEATED = 95;
    uint256 internal constant HALVES = 102;
    uint256 internal constant SAME_CLASS = 134;
    uint256 internal constant VACANT_FIRST = 150;
    uint256 internal constant VACANT_COUNT = 166;
    uint256 internal constant RESERVED = 182;
    uint256 internal constant RETIRED = 183;
    uint256 internal constant LAST_TICKET = 207;
    uint256 internal constant PER_NODE = 231;
    /// @dev Width of a count of tasks, and of a ticket.
    uint256 internal constant COUNT = 24;
    /// @dev The line of vacancies is a ring.
    uint256 internal constant RING = 1 << 16;
    /// @dev Leaves room for the tasks of a round that return to a full queue.
    uint256 internal constant MAX_LIMIT = (1 << COUNT) - 1024;

    INode internal immutable NODE;
    ITask internal immutable TASK;
    address private immutable OWNER;

    uint256 internal _header;
    Limits internal _limits;
    Reservation internal _reservation;
    Books.Shelf internal _shelf;
    TaskList.List internal _round;
    TaskList.List internal _vacant;

    modifier only(address required) {
        if (msg.sender != required) revert NotAllowed(msg.sender, required);
        _;
    }

    constructor(Wiring memory w, Limits memory limits_) {
        NODE = INode(w.node);
        TASK = ITask(w.task);
        _header = MIN_LIMIT << LIMIT;
        OWNER = w.owner;
        _setLimits(limits_);
    }

    /// @inheritdoc ITaskQueue
    function setLimits(Limits calldata limits_) external only(OWNER) {
        _setLimits(limits_);
    }

    /// @inheritdoc ITaskQueue
    function queued() external view returns (uint256) {
        return _header.get(QUEUED, COUNT);
    }

    /// @inheritdoc ITaskQueue
    function round() external view returns (Round memory) {
        uint256 h = _header;
        return Round(uint40(h.get(DRAW, 40)), uint16(h.get(SIZE, 7)), uint16(h.get(SEATED, 7)));
    }

    /// @inheritdoc ITaskQueue
    function roundTask(uint256 index) external view returns (TaskId) {
        return _round.taskAt(index);
    }

    /// @inheritdoc ITaskQueue
    function vacancies() external view returns (TaskId[] memory tasks) {
        uint256 first = _header.get(VACANT_FIRST, 16);
        tasks = new TaskId[](_header.get(VACANT_COUNT, 16));
        for (uint256 i; i < tasks.length; ++i) {
            tasks[i] = _vacant.taskAt((first + i) % RING);
        }
    }

    /// @inheritdoc ITaskQueue
    function reservation() external view returns (Reservation memory r) {
        if (_header.get(RESERVED, 1) != 0 && TaskId.unwrap(_reservation.task) != 0) r = _reservation;
    }

    /// @inheritdoc ITaskQueue
    function limits() external view returns (Limits memory) {
        return _limits;
    }

    /// @inheritdoc ITaskQueue
    function topsOf(uint8 kind) external view returns (Level[16] memory tops) {
        for (uint256 tier; tier < VramTier.TIERS; ++tier) {
            (uint256 half, uint256 lane) = Books.laneOf(kind, tier);
            (tops[tier],) = PackedEnds.get(_shelf.ends[half], lane);
        }
    }

    /// @inheritdoc ITaskQueue
    function bookOf(uint8 kind, uint8 tier, ClassId class, Level level) external view returns (BookView memory v) {
        OrderBook.Book storage book = _shelf.books[BookTag.bookKey(kind, tier, class)];
        (v.top, v.bottom) = (book.top(), book.bottom());
        (v.first, v.last) = (_taskOf(book.first(v.top)), _taskOf(book.last(v.bottom)));
        v.ahead = uint40(book.countFrom(level));
    }

    /// @inheritdoc ITaskQueue
    function lowest() external view returns (Level level, TaskId task) {
        uint256 ticket;
        (level, ticket) = _shelf.least(_header.get(HALVES, 32));
        task = _taskOf(ticket);
    }

    /// @inheritdoc ITaskQueue
    function placeOf(TaskId task) external view returns (Place memory) {
        (uint256 ticket, uint256 tag) = _queued(task);
        return Place({
            level: _shelf.entries.levelOf(ticket),
            kind: BookTag.kind(tag),
            tier: BookTag.tier(tag),
            class: BookTag.class(tag),
            expiresAt: BookTag.expiresAt(tag),
            queuedAt: BookTag.queuedAt(tag),
            next: _taskOf(_shelf.entries.next(ticket))
        });
    }

    /// @inheritdoc ITaskQueue
    function levelOf(uint96 fee, uint256 durationMs) external pure returns (ValueRate value, Level level) {
        value = ValueRates.rate(fee, durationMs);
        level = value.level();
    }

    /// @inheritdoc ITaskQueue
    function limit() external view returns (uint256) {
        return _header.get(LIMIT, COUNT);
    }

    /// @dev The task of a ticket in a book, or 0 for none.
    function _taskOf(uint256 ticket) internal view returns (TaskId) {
        return BookTag.task(_shelf.entries.tagOf(ticket));
    }

    /// @dev The ticket and the tag of a queued task.
    function _queued(TaskId task) internal view returns (uint256 ticket, uint256 tag) {
        ticket = TASK.orderOf(task).ticket;
        tag = _checkedTag(task, ticket);
    }

    /// @dev The tag of a ticket that stands for `task`. A drawn task still knows its last ticket, which may be another's.
    function _checkedTag(TaskId task, uint256 ticket) internal view returns (uint256 tag) {
        tag = _shelf.entries.tagOf(ticket);
        if (!_shelf.entries.contains(ticket) || BookTag.task(tag) != task) revert NotQueued(task);
    }

    function _setLimits(Limits memory l) private {
        bool ok = l.tasksPerNode != 0 && l.tasksPerNode <= 1000 && l.reserveAfter >= 1 minutes
            && l.reserveAfter <= 1 days && l.reserveHold >= 10 minutes && l.reserveHold <= 7 days;
        if (!ok) revert LimitsOutOfBounds(l);
        _limits = l;
        _header = _header.set(PER_NODE, 10, l.tasksPerNode);
        emit LimitsChanged(l);
    }
}
