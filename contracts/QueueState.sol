// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "./interfaces/INode.sol";
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
/// @dev Header: queued 0-39 | draw block 40-79 | round size 80-87 | seated of the round 88-95 | words of ends in use
/// 96-127 | kinds whose nodes share a class 128-143 | first vacancy 144-175 | next vacancy 176-207 | reservation held 208.
abstract contract QueueState is ITaskQueue {
    using Bits for uint256;
    using Books for Books.Shelf;
    using OrderBook for OrderBook.Book;
    using OrderBook for OrderBook.Entries;
    using TaskList for TaskList.List;

    /// Tasks the queue holds however few nodes there are.
    uint256 public constant MIN_LIMIT = 64;

    uint256 internal constant QUEUED = 0;
    uint256 internal constant DRAW = 40;
    uint256 internal constant SIZE = 80;
    uint256 internal constant SEATED = 88;
    uint256 internal constant HALVES = 96;
    uint256 internal constant SAME_CLASS = 128;
    uint256 internal constant VACANT_FIRST = 144;
    uint256 internal constant VACANT_NEXT = 176;
    uint256 internal constant RESERVED = 208;
    INode internal immutable NODE;
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
        OWNER = w.owner;
        _setLimits(limits_);
    }

    /// @inheritdoc ITaskQueue
    function setLimits(Limits calldata limits_) external only(OWNER) {
        _setLimits(limits_);
    }

    /// @inheritdoc ITaskQueue
    function queued() external view returns (uint256) {
        return _header.get(QUEUED, 40);
    }

    /// @inheritdoc ITaskQueue
    function round() external view returns (Round memory) {
        uint256 h = _header;
        return Round(uint40(h.get(DRAW, 40)), uint16(h.get(SIZE, 8)), uint16(h.get(SEATED, 8)));
    }

    /// @inheritdoc ITaskQueue
    function roundTask(uint256 index) external view returns (TaskId) {
        return _round.taskAt(index);
    }

    /// @inheritdoc ITaskQueue
    function vacancies() external view returns (TaskId[] memory tasks) {
        uint256 first = _header.get(VACANT_FIRST, 32);
        tasks = new TaskId[](_header.get(VACANT_NEXT, 32) - first);
        for (uint256 i; i < tasks.length; ++i) {
            tasks[i] = _vacant.taskAt(first + i);
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
        v.first = TaskId.wrap(uint40(book.first(v.top)));
        v.last = TaskId.wrap(uint40(book.last(v.bottom)));
        v.ahead = uint40(book.countFrom(level));
    }

    /// @inheritdoc ITaskQueue
    function lowest() external view returns (Level level, TaskId task) {
        uint256 id;
        (level, id) = _shelf.least(_header.get(HALVES, 32));
        task = TaskId.wrap(uint40(id));
    }

    /// @inheritdoc ITaskQueue
    function placeOf(TaskId task) external view returns (Place memory) {
        uint256 tag = _queuedTag(task);
        uint256 id = TaskId.unwrap(task);
        return Place({
            level: _shelf.entries.levelOf(id),
            kind: BookTag.kind(tag),
            tier: BookTag.tier(tag),
            class: BookTag.class(tag),
            expiresAt: BookTag.expiresAt(tag),
            queuedAt: BookTag.queuedAt(tag),
            next: TaskId.wrap(uint40(_shelf.entries.next(id)))
        });
    }

    /// @inheritdoc ITaskQueue
    function levelOf(uint96 fee, uint256 durationMs) external pure returns (ValueRate value, Level level) {
        value = ValueRates.rate(fee, durationMs);
        level = value.level();
    }

    /// @inheritdoc ITaskQueue
    function limit() public view returns (uint256) {
        uint256 byNodes = uint256(_limits.tasksPerNode) * NODE.activeNodes();
        return byNodes > MIN_LIMIT ? byNodes : MIN_LIMIT;
    }

    /// @dev The tag of a queued task.
    function _queuedTag(TaskId task) internal view returns (uint256) {
        if (!_shelf.entries.contains(TaskId.unwrap(task))) revert NotQueued(task);
        return _shelf.entries.tagOf(TaskId.unwrap(task));
    }

    function _setLimits(Limits memory l) private {
        bool ok = l.tasksPerNode != 0 && l.tasksPerNode <= 1000 && l.reserveAfter >= 1 minutes
            && l.reserveAfter <= 1 days && l.reserveHold >= 10 minutes && l.reserveHold <= 7 days;
        if (!ok) revert LimitsOutOfBounds(l);
        _limits = l;
        emit LimitsChanged(l);
    }
}
