// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "./interfaces/INode.sol";
import {ITask} from "./interfaces/ITask.sol";
import {ITaskQueue} from "./interfaces/ITaskQueue.sol";
import {Bits} from "./libraries/Bits.sol";
import {OrderBook} from "./libraries/OrderBook.sol";
import {PackedTops} from "./libraries/PackedTops.sol";
import {Servable} from "./libraries/Servable.sol";
import {BookTag} from "./types/BookTag.sol";
import {ClassId, TaskId} from "./types/Ids.sol";
import {Level, ValueRate, ValueRates} from "./types/ValueRate.sol";
import {NotAllowed, Wiring, WrongAddress} from "./types/Wiring.sol";

/// @title The order books and the dispatcher.
/// @dev Header: queued 0-39 | draw block 40-79 | round size 80-95 | seated of the round 96-111 | kinds in use 112-127 |
/// kinds whose nodes share a class 128-143.
/// Books of a required class compete through one book of books, `_classBook`, keyed by kind and class at the level of
/// their best task; a book whose class lacks three free nodes is parked (taken out) until somebody wakes it.
contract TaskQueue is ITaskQueue {
    using Bits for uint256;
    using OrderBook for OrderBook.Book;
    using OrderBook for OrderBook.Entries;
    using Servable for Servable.Left;

    uint256 private constant QUEUED = 0;
    uint256 private constant DRAW = 40;
    uint256 private constant SIZE = 80;
    uint256 private constant SEATED = 96;
    uint256 private constant KINDS = 112;
    uint256 private constant SAME_CLASS = 128;
    uint256 private constant KIND_LIMIT = 16;
    uint256 private constant PER_WORD = 6;
    uint256 private constant HASH_WINDOW = 256;
    /// @dev Deferred changes of membership applied at the end of a round, for each of its tasks up to `ABSORB_TASKS`.
    uint256 private constant ABSORB_PER_TASK = 8;
    uint256 private constant ABSORB_TASKS = 16;
    /// @dev Tasks in one round, so that its index fits and the reservation loop stays short.
    uint256 private constant ROUND_LIMIT = 64;
    /// @dev Books of classes without three free nodes taken out of the competition in one look.
    uint256 private constant PARK_LIMIT = 8;

    INode private immutable NODE;
    ITask private immutable TASK;

    uint256 private _header;
    mapping(uint256 kind => uint256) private _tops;
    mapping(uint256 bookKey => OrderBook.Book) private _books;
    OrderBook.Entries private _entries;
    OrderBook.Book private _classBook;
    OrderBook.Entries private _classEntries;
    mapping(uint256 wordIndex => uint256) private _round;

    /// @dev The best book found: `level` 0 when nothing can be served.
    struct Best {
        Level level;
        uint256 kind;
        uint256 tier;
        ClassId class;
    }

    modifier onlyTask() {
        if (msg.sender != address(TASK)) revert NotAllowed(msg.sender, address(TASK));
        _;
    }

    /// @param w The wiring; `w.queue` must be this contract.
    constructor(Wiring memory w) {
        if (w.queue != address(this)) revert WrongAddress(w.queue, address(this));
        NODE = INode(w.node);
        TASK = ITask(w.task);
    }

    /// @inheritdoc ITaskQueue
    function dispatch(uint256 maxTasks) external returns (uint256 seated, uint256 drawn) {
        if (maxTasks == 0) revert NothingToDispatch();
        uint256 drawBlock = _header.get(DRAW, 40);
        if (drawBlock == block.number) return (0, _draw(maxTasks));
        if (drawBlock != 0) {
            if (block.number - drawBlock > HASH_WINDOW) {
                _redraw(drawBlock);
                return (0, 0);
            }
            seated = _seat(drawBlock, maxTasks);
            if (_header.get(DRAW, 40) != 0) return (seated, 0);
        }
        drawn = _draw(maxTasks);
    }

    /// @inheritdoc ITaskQueue
    function enqueue(TaskId task, Level level, uint8 kind, bool sameClass, uint8 tier, ClassId class, uint40 expiresAt)
        external
        onlyTask
    {
        uint256 header = _header.plus(QUEUED, 1) | (1 << (KINDS + kind));
        _header = sameClass ? header | (1 << (SAME_CLASS + kind)) : header;
        _insert(TaskId.unwrap(task), level, BookTag.pack(kind, tier, class, expiresAt), false);
    }

    /// @inheritdoc ITaskQueue
    function remove(TaskId task) external onlyTask returns (uint40 expiresAt) {
        uint256 id = TaskId.unwrap(task);
        if (!_entries.contains(id)) revert NotQueued(task);
        expiresAt = BookTag.expiresAt(_entries.tagOf(id));
        _header = _header.minus(QUEUED, 1);
        _remove(id);
    }

    /// @inheritdoc ITaskQueue
    function wake(uint8 kind, ClassId class) external {
        uint256 key = BookTag.classKey(kind, class);
        Level level = _books[key].top();
        bool parked = Level.unwrap(level) != 0 && !_classEntries.contains(key);
        (,, uint32 free) = NODE.classInfo(class);
        if (!parked || free < 3) revert NotWakeable(kind, class);
        _classBook.pushBack(_classEntries, key, level, 0);
        emit ClassBookWoken(kind, class);
    }

    /// @inheritdoc ITaskQueue
    function queued() external view returns (uint256) {
        return _header.get(QUEUED, 40);
    }

    /// @inheritdoc ITaskQueue
    function round() external view returns (Round memory) {
        uint256 h = _header;
        return Round(uint40(h.get(DRAW, 40)), uint16(h.get(SIZE, 16)), uint16(h.get(SEATED, 16)));
    }

    /// @inheritdoc ITaskQueue
    function roundTask(uint256 index) public view returns (TaskId) {
        return TaskId.wrap(uint40(_round[index / PER_WORD].get(40 * (index % PER_WORD), 40)));
    }

    /// @inheritdoc ITaskQueue
    function topsOf(uint8 kind) external view returns (Level[16] memory tops) {
        for (uint256 lane; lane < PackedTops.LANES; ++lane) {
            tops[lane] = PackedTops.get(_tops[kind], lane);
        }
    }

    /// @inheritdoc ITaskQueue
    function headOf(uint8 kind, uint8 tier, ClassId class) external view returns (Level level, TaskId task) {
        OrderBook.Book storage book = _books[BookTag.bookKey(kind, tier, class)];
        level = book.top();
        task = TaskId.wrap(uint40(book.first(level)));
    }

    /// @inheritdoc ITaskQueue
    function placeOf(TaskId task) external view returns (Place memory) {
        uint256 id = TaskId.unwrap(task);
        if (!_entries.contains(id)) revert NotQueued(task);
        uint256 tag = _entries.tagOf(id);
        return Place({
            level: _entries.levelOf(id),
            kind: BookTag.kind(tag),
            tier: BookTag.tier(tag),
            class: BookTag.class(tag),
            expiresAt: BookTag.expiresAt(tag),
            next: TaskId.wrap(uint40(_entries.next(id)))
        });
    }

    /// @inheritdoc ITaskQueue
    function levelOf(uint96 fee, uint256 durationMs) external pure returns (ValueRate value, Level level) {
        value = ValueRates.rate(fee, durationMs);
        level = value.level();
    }

    /// @dev Seats up to `limit` tasks of the round; the last one ends the round.
    function _seat(uint256 drawBlock, uint256 limit) private returns (uint256 seated) {
        bytes32 hash = blockhash(drawBlock);
        uint256 size = _header.get(SIZE, 16);
        uint256 index = _header.get(SEATED, 16);
        uint256 end = size - index > limit ? index + limit : size;
        TaskId[] memory failed = new TaskId[](end - index);
        uint256 failures;
        for (; index < end; ++index) {
            TaskId task = roundTask(index);
            bytes32 entropy = keccak256(abi.encode(hash, task));
            if (TASK.seat(task, entropy, msg.sender)) ++seated;
            else failed[failures++] = task;
        }
        // Each goes before the others of its level, so the first drawn comes last and is first again.
        while (failures != 0) _requeue(failed[--failures]);
        if (end < size) {
            _header = _header.set(SEATED, 16, end);
        } else {
            _header = _header.set(DRAW, 40, 0).set(SIZE, 16, 0).set(SEATED, 16, 0);
            NODE.closeRound((size < ABSORB_TASKS ? size : ABSORB_TASKS) * ABSORB_PER_TASK);
        }
    }

    /// @dev The block hash is out of reach: the same tasks, a new draw block.
    function _redraw(uint256 oldBlock) private {
        _header = _header.set(DRAW, 40, block.number);
        NODE.openRound();
        emit RoundRedrawn(oldBlock, block.number);
    }

    /// @dev Draws up to `limit` of the best tasks that can be served, into the round of this block.
    function _draw(uint256 limit) private returns (uint256 drawn) {
        uint256 header = _header;
        if (header.get(QUEUED, 40) == 0) return 0;
        uint256 size = header.get(SIZE, 16);
        Servable.Left memory left = Servable.from(NODE.capacity(), ROUND_LIMIT);
        for (uint256 i = header.get(SEATED, 16); i < size; ++i) {
            _reserve(left, roundTask(i));
        }
        for (uint256 i; i < limit && size + drawn < ROUND_LIMIT; ++i) {
            Best memory best = _best(left);
            if (Level.unwrap(best.level) == 0) break;
            if (_drawOne(best, left, size + drawn)) ++drawn;
        }
        _returnSetAside(left);
        if (drawn == 0) return 0;
        _header = _header.minus(QUEUED, drawn).set(SIZE, 16, size + drawn).set(DRAW, 40, block.number);
        if (size == 0) NODE.openRound();
    }

    /// @dev Moves the first task of `best` to place `index` of the round; one whose wait is over is expired instead.
    function _drawOne(Best memory best, Servable.Left memory left, uint256 index) private returns (bool) {
        uint256 id = _books[BookTag.bookKey(best.kind, best.tier, best.class)].first(best.level);
        if (block.timestamp > BookTag.expiresAt(_entries.tagOf(id))) {
            TASK.expire(TaskId.wrap(uint40(id)));
            return false;
        }
        left.take(best.tier, best.class, _needsOneClass(best.kind, best.class));
        _remove(id);
        uint256 word = _round[index / PER_WORD];
        _round[index / PER_WORD] = word.set(40 * (index % PER_WORD), 40, id);
        emit TaskDrawn(TaskId.wrap(uint40(id)), block.number);
        return true;
    }

    /// @dev Takes what `task`, drawn earlier in this block, will need out of `left`.
    function _reserve(Servable.Left memory left, TaskId task) private view {
        ITask.Order memory o = TASK.orderOf(task);
        left.take(o.tier, o.class, _needsOneClass(o.kind, o.class));
    }

    /// @dev A drawn task that found no nodes goes back to the front of its level.
    function _requeue(TaskId task) private {
        ITask.Order memory o = TASK.orderOf(task);
        _header = _header.plus(QUEUED, 1);
        _insert(TaskId.unwrap(task), o.level, BookTag.pack(o.kind, o.tier, o.class, o.expiresAt), true);
        emit TaskRequeued(task);
    }

    /// @dev The highest level among the books that can be served with what is left.
    function _best(Servable.Left memory left) private returns (Best memory best) {
        uint256 anyMask = left.anyMask();
        uint256 oneClassMask = left.oneClassMask();
        uint256 header = _header;
        for (uint256 kind; kind < KIND_LIMIT; ++kind) {
            if (header.get(KINDS + kind, 1) == 0) continue;
            uint256 mask = header.get(SAME_CLASS + kind, 1) == 0 ? anyMask : oneClassMask;
            (Level level, uint256 tier) = PackedTops.best(_tops[kind], mask);
            if (level > best.level) (best.level, best.kind, best.tier) = (level, kind, tier);
        }
        if (anyMask != 0) _considerClassBooks(best, left);
    }

    /// @dev Replaces `best` by the best book of a required class if that is higher. Better ones that cannot be served are
    /// taken out: parked when their class lacks three free nodes, set aside for this draw when those are spoken for.
    function _considerClassBooks(Best memory best, Servable.Left memory left) private {
        for (uint256 i; i < PARK_LIMIT; ++i) {
            Level level = _classBook.top();
            if (!(level > best.level)) return;
            uint256 key = _classBook.first(level);
            (uint8 kind, ClassId class) = BookTag.fromClassKey(key);
            (, uint8 tier, uint32 free) = NODE.classInfo(class);
            if (free >= 3 * (left.takenOf(class) + 1)) {
                (best.level, best.kind, best.tier, best.class) = (level, kind, tier, class);
                return;
            }
            if (free >= 3 && !left.setAside(key)) return;
            _classBook.remove(_classEntries, key);
            if (free < 3) emit ClassBookParked(kind, class);
        }
    }

    /// @dev Puts the books that were set aside back in front of their levels, the first one last.
    function _returnSetAside(Servable.Left memory left) private {
        for (uint256 i = left.asideCount; i != 0; --i) {
            uint256 key = left.aside[i - 1];
            Level level = _books[key].top();
            if (Level.unwrap(level) != 0) _classBook.pushFront(_classEntries, key, level, 0);
        }
    }

    function _needsOneClass(uint256 kind, ClassId class) private view returns (bool) {
        return ClassId.unwrap(class) != 0 || _header.get(SAME_CLASS + kind, 1) != 0;
    }

    /// @dev Adds an entry to the book its tag names and keeps the packed tops, or the book of books, true.
    function _insert(uint256 id, Level level, uint256 tag, bool front) private {
        OrderBook.Book storage book = _books[BookTag.bookKeyOf(tag)];
        bool fresh = front ? book.pushFront(_entries, id, level, tag) : book.pushBack(_entries, id, level, tag);
        if (ClassId.unwrap(BookTag.class(tag)) != 0) return _raiseClassBook(tag, level);
        if (!fresh) return;
        (uint256 kind, uint256 tier) = (BookTag.kind(tag), BookTag.tier(tag));
        uint256 tops = _tops[kind];
        if (level > PackedTops.get(tops, tier)) _tops[kind] = PackedTops.set(tops, tier, level);
    }

    /// @dev Takes an entry out of its book and keeps the packed tops, or the book of books, true.
    function _remove(uint256 id) private {
        uint256 tag = _entries.tagOf(id);
        OrderBook.Book storage book = _books[BookTag.bookKeyOf(tag)];
        (Level level, bool emptied) = book.remove(_entries, id);
        if (!emptied) return;
        if (ClassId.unwrap(BookTag.class(tag)) != 0) return _lowerClassBook(tag, book.top());
        (uint256 kind, uint256 tier) = (BookTag.kind(tag), BookTag.tier(tag));
        uint256 tops = _tops[kind];
        if (level == PackedTops.get(tops, tier)) _tops[kind] = PackedTops.set(tops, tier, book.top());
    }

    /// @dev A task of `level` was added to a class's book: the book competes at that level if it is its best or was
    /// parked.
    function _raiseClassBook(uint256 tag, Level level) private {
        uint256 key = BookTag.classKey(BookTag.kind(tag), BookTag.class(tag));
        if (_classEntries.contains(key)) {
            if (!(level > _classEntries.levelOf(key))) return;
            _classBook.remove(_classEntries, key);
        } else {
            level = _books[BookTag.bookKeyOf(tag)].top();
        }
        _classBook.pushBack(_classEntries, key, level, 0);
    }

    /// @dev A level of a class's book is empty: the book competes at `top` now, or not at all.
    function _lowerClassBook(uint256 tag, Level top) private {
        uint256 key = BookTag.classKey(BookTag.kind(tag), BookTag.class(tag));
        if (!_classEntries.contains(key) || _classEntries.levelOf(key) == top) return;
        _classBook.remove(_classEntries, key);
        if (Level.unwrap(top) != 0) _classBook.pushBack(_classEntries, key, top, 0);
    }
}
