// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {QueueState} from "./QueueState.sol";
import {INode} from "./interfaces/INode.sol";
import {ITask} from "./interfaces/ITask.sol";
import {ITaskQueue} from "./interfaces/ITaskQueue.sol";
import {Bits} from "./libraries/Bits.sol";
import {Books} from "./libraries/Books.sol";
import {OrderBook} from "./libraries/OrderBook.sol";
import {PackedEnds} from "./libraries/PackedEnds.sol";
import {PoolFloor} from "./libraries/PoolFloor.sol";
import {Servable} from "./libraries/Servable.sol";
import {TaskList} from "./libraries/TaskList.sol";
import {BookTag} from "./types/BookTag.sol";
import {ClassId, TaskId} from "./types/Ids.sol";
import {Level, ValueRate, ValueRates} from "./types/ValueRate.sol";
import {Wiring, WrongAddress} from "./types/Wiring.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

/// @title The order books and the dispatcher.
contract TaskQueue is QueueState {
    using Bits for uint256;
    using Books for Books.Shelf;
    using OrderBook for OrderBook.Book;
    using OrderBook for OrderBook.Entries;
    using Servable for Servable.Left;
    using TaskList for TaskList.List;

    uint256 private constant HASH_WINDOW = 256;
    /// @dev Deferred changes of membership applied at the end of a round, for each of its tasks up to `ABSORB_TASKS`.
    uint256 private constant ABSORB_PER_TASK = 8;
    uint256 private constant ABSORB_TASKS = 16;
    /// @dev Tasks in one round, so that its index fits and the reservation loop stays short.
    uint256 private constant ROUND_LIMIT = 64;
    /// @dev Books of classes without enough free nodes taken out of the competition in one look.
    uint256 private constant PARK_LIMIT = 8;
    /// @dev Vacancies looked at in one draw.
    uint256 private constant VACANCY_LOOKS = 8;

    /// @dev The best book found: `level` 0 when nothing can be served.
    struct Best {
        Level level;
        uint256 kind;
        uint256 tier;
        ClassId class;
    }

    /// @param w The wiring; `w.queue` must be this contract.
    /// @param limits_ Length and reservation times.
    constructor(Wiring memory w, Limits memory limits_) QueueState(w, limits_) {
        if (w.queue != address(this)) revert WrongAddress(w.queue, address(this));
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
    function enqueue(
        TaskId task,
        ValueRate value,
        uint8 kind,
        bool sameClass,
        uint8 tier,
        ClassId class,
        uint40 expiresAt
    ) external only(address(TASK)) returns (uint32 ticket, TaskId evicted) {
        Level level = value.level();
        if (_header.get(QUEUED, COUNT) >= _header.get(LIMIT, COUNT)) evicted = _evict(value, level, tier, class);
        (uint256 half,) = Books.laneOf(kind, tier);
        uint256 uses = (1 << (HALVES + half)) | (sameClass ? 1 << (SAME_CLASS + kind) : 0);
        _header |= uses;
        uint256 tag = BookTag.pack(task, kind, tier, class, expiresAt, uint32(block.timestamp));
        ticket = _add(level, tag, false);
    }

    /// @inheritdoc ITaskQueue
    function remove(TaskId task, uint32 ticket) external only(address(TASK)) {
        _checkedTag(task, ticket);
        _remove(ticket);
    }

    /// @inheritdoc ITaskQueue
    function vacate(TaskId task) external only(address(TASK)) {
        // A line that is full takes nobody in: the task goes on without the seats when its window is over.
        if (_header.get(VACANT_COUNT, 16) == RING - 1) return;
        _lineUp(task);
        emit TaskVacant(task);
    }

    /// @inheritdoc ITaskQueue
    function wake(uint8 kind, ClassId class) external {
        uint256 key = BookTag.classKey(kind, class);
        bool parked = Level.unwrap(_shelf.books[key].top()) != 0 && !_shelf.classTopEntries.contains(key);
        INode.ClassState memory state = NODE.classState(class);
        if (!parked || state.free < state.floor) revert NotWakeable(kind, class);
        _shelf.compete(key, false);
        emit ClassBookWoken(kind, class);
    }

    /// @inheritdoc ITaskQueue
    function reserve(TaskId task, ClassId class) external {
        (uint256 ticket, uint256 tag) = _queued(task);
        OrderBook.Book storage book = _shelf.books[BookTag.bookKeyOf(tag)];
        uint256 first = book.first(book.top());
        if (first != ticket) revert NotHead(task, _taskOf(first));
        uint256 from = uint256(BookTag.queuedAt(tag)) + _limits.reserveAfter;
        if (block.timestamp < from) revert TooEarlyToReserve(task, from);
        _checkUnreserved();
        _checkReservable(task, tag, class);
        uint40 until = uint40(block.timestamp + _limits.reserveHold);
        _reservation = Reservation(task, class, until, false, false);
        _header = _header.set(RESERVED, 1, 1);
        emit ClassReserved(task, class, until);
    }

    /// @inheritdoc ITaskQueue
    function hasWorkers(uint8 tier, ClassId class) public view returns (bool) {
        if (ClassId.unwrap(class) == 0) {
            (uint256[16] memory words,) = NODE.tierWords();
            return Servable.from(words, 0).activeFrom(tier) >= PoolFloor.LEAST;
        }
        INode.ClassState memory state = NODE.classState(class);
        return state.open && state.active >= PoolFloor.LEAST;
    }

    /// @dev Seats up to `most` tasks of the round; the last one ends the round.
    function _seat(uint256 drawBlock, uint256 most) private returns (uint256 seated) {
        bytes32 hash = blockhash(drawBlock);
        uint256 size = _header.get(SIZE, 7);
        uint256 index = _header.get(SEATED, 7);
        uint256 end = size - index > most ? index + most : size;
        TaskId[] memory failed = new TaskId[](end - index);
        uint256 failures;
        for (; index < end; ++index) {
            TaskId task = _round.taskAt(index);
            if (_seatOne(task, keccak256(abi.encode(hash, task)))) ++seated;
            else failed[failures++] = task;
        }
        // Each goes before the others of its level, so the first drawn comes last and is first again.
        while (failures != 0) _requeue(failed[--failures]);
        if (end < size) {
            _header = _header.set(SEATED, 7, end);
        } else {
            _header = _header.set(DRAW, 40, 0).set(SIZE, 7, 0).set(SEATED, 7, 0);
            NODE.closeRound((size < ABSORB_TASKS ? size : ABSORB_TASKS) * ABSORB_PER_TASK);
        }
    }

    /// @dev The nodes of a class that was reserved when the round was drawn go to the task it is reserved for and to no
    /// other, but for one that was drawn for that class before.
    function _seatOne(TaskId task, bytes32 entropy) private returns (bool ok) {
        ClassId none = ClassId.wrap(0);
        Reservation memory held;
        if (_header.get(RESERVED, 1) != 0) held = _reservation;
        if (!held.holding) return TASK.seat(task, entropy, none, none, msg.sender);
        if (held.task != task) return TASK.seat(task, entropy, none, held.class, msg.sender);
        ok = TASK.seat(task, entropy, held.class, none, msg.sender);
        _endReservation(held);
    }

    /// @dev The block hash is out of reach: the same tasks, a new draw block.
    function _redraw(uint256 oldBlock) private {
        _header = _header.set(DRAW, 40, block.number);
        NODE.openRound();
        emit RoundRedrawn(oldBlock, block.number);
    }

    /// @dev Draws up to `most` tasks into the round of this block: first those that lost a seat, then the one a class is
    /// reserved for, then the best that can be served.
    function _draw(uint256 most) private returns (uint256 drawn) {
        uint256 header = _header;
        bool vacant = header.get(VACANT_COUNT, 16) != 0;
        if (header.get(QUEUED, COUNT) == 0 && !vacant) return 0;
        uint256 size = header.get(SIZE, 7);
        (uint256[16] memory tiers, uint256 active) = NODE.tierWords();
        Servable.Left memory left = Servable.from(tiers, ROUND_LIMIT);
        _updateLimit(active);
        for (uint256 i = header.get(SEATED, 7); i < size; ++i) {
            ITask.Order memory o = TASK.orderOf(_round.taskAt(i));
            left.take(o.tier, o.class, _needsOneClass(o.kind, o.class), o.seats);
        }
        if (most > ROUND_LIMIT - size) most = ROUND_LIMIT - size;
        uint256 end = size + most;
        uint256 index = size;
        bool ready = header.get(RESERVED, 1) != 0 && _hold(left);
        if (vacant) index = _drawVacancies(left, index, end);
        if (ready && index < end) index = _drawReserved(index);
        index = _drawBest(left, index, end);
        _returnSetAside(left);
        drawn = index - size;
        if (drawn == 0) return 0;
        _header = _header.set(SIZE, 7, index).set(DRAW, 40, block.number);
        if (size == 0) NODE.openRound();
    }

    /// @dev Tasks with vacated seats whose nodes are there go into the round, those without go to the end of the line.
    function _drawVacancies(Servable.Left memory left, uint256 index, uint256 end) private returns (uint256) {
        uint256 looks = _header.get(VACANT_COUNT, 16);
        if (looks > VACANCY_LOOKS) looks = VACANCY_LOOKS;
        for (; looks != 0 && index < end; --looks) {
            TaskId task = _nextInLine();
            ITask.Order memory o = TASK.orderOf(task);
            if (o.seats == 0) continue;
            if (_canRefill(left, o)) {
                left.take(o.tier, o.class, _needsOneClass(o.kind, o.class), o.seats);
                _enterRound(task, index++);
                TASK.refillDrawn(task);
            } else {
                _lineUp(task);
            }
        }
        return index;
    }

    /// @dev Puts a task at the end of the line of vacancies.
    function _lineUp(TaskId task) private {
        _vacant.put((_header.get(VACANT_FIRST, 16) + _header.get(VACANT_COUNT, 16)) % RING, task);
        _header = _header.plus(VACANT_COUNT, 1);
    }

    /// @dev Takes the first task out of the line of vacancies.
    function _nextInLine() private returns (TaskId task) {
        uint256 first = _header.get(VACANT_FIRST, 16);
        task = _vacant.taskAt(first);
        _header = _header.minus(VACANT_COUNT, 1).set(VACANT_FIRST, 16, (first + 1) % RING);
    }

    /// @dev The queue's limit follows the active nodes from draw to draw, which know them anyway.
    function _updateLimit(uint256 active) private {
        uint256 header = _header;
        uint256 most = FixedPointMathLib.clamp(header.get(PER_NODE, 10) * active, MIN_LIMIT, MAX_LIMIT);
        if (most != header.get(LIMIT, COUNT)) _header = header.set(LIMIT, COUNT, most);
    }

    /// @dev As many free nodes as seats, those that were let go from them (they may be free, and are passed over), and as
    /// many more as the pool's floor asks for beyond the three of a task.
    function _canRefill(Servable.Left memory left, ITask.Order memory o) private view returns (bool) {
        uint256 seats = 2 * uint256(o.seats);
        if (ClassId.unwrap(o.class) == 0) {
            return left.freeFrom(o.tier) + PoolFloor.LEAST >= seats + PoolFloor.forActive(left.activeFrom(o.tier));
        }
        if (o.class == left.held) return false;
        INode.ClassState memory state = NODE.classState(o.class);
        return state.free + PoolFloor.LEAST >= seats + state.floor + 3 * left.takenOf(o.class);
    }

    /// @dev Keeps the free nodes of the reserved class from all other tasks; a reservation that is void or over ends.
    /// @return ready Whether they are enough for the task it is reserved for.
    function _hold(Servable.Left memory left) private returns (bool ready) {
        Reservation memory held = _reservation;
        bool over = !held.drawn && block.timestamp > held.until;
        if (TaskId.unwrap(held.task) == 0 || over) {
            _endReservation(held);
            return false;
        }
        if (!held.holding) _reservation.holding = true;
        INode.ClassState memory state = NODE.classState(held.class);
        ready = !held.drawn && state.free >= state.floor + 3 * left.takenOf(held.class);
        left.hold(held.class, state);
    }

    /// @dev Draws the task for which a class is reserved, whose nodes are there.
    function _drawReserved(uint256 index) private returns (uint256) {
        TaskId task = _reservation.task;
        (uint256 ticket,) = _queued(task);
        if (_expired(ticket)) return index;
        _reservation.drawn = true;
        _takeOut(ticket);
        _enterRound(task, index);
        return index + 1;
    }

    /// @dev Draws the best tasks that can be served; one whose wait is over is expired in its turn instead.
    function _drawBest(Servable.Left memory left, uint256 index, uint256 end) private returns (uint256) {
        for (uint256 tries = end - index; tries != 0; --tries) {
            Best memory best = _best(left);
            if (Level.unwrap(best.level) == 0) break;
            uint256 ticket = _shelf.books[BookTag.bookKey(best.kind, best.tier, best.class)].first(best.level);
            if (_expired(ticket)) continue;
            left.take(best.tier, best.class, _needsOneClass(best.kind, best.class), 3);
            _enterRound(_remove(ticket), index++);
        }
        return index;
    }

    /// @dev Expires a task whose wait is over.
    function _expired(uint256 ticket) private returns (bool over) {
        uint256 tag = _shelf.entries.tagOf(ticket);
        over = block.timestamp > BookTag.expiresAt(tag);
        if (over) TASK.expire(BookTag.task(tag));
    }

    function _enterRound(TaskId task, uint256 index) private {
        _round.put(index, task);
        emit TaskDrawn(task, block.number);
    }

    /// @dev A drawn task that found no nodes goes back to the front of its level.
    function _requeue(TaskId task) private {
        ITask.Order memory o = TASK.orderOf(task);
        uint256 tag = BookTag.pack(task, o.kind, o.tier, o.class, o.expiresAt, uint32(o.createdAt));
        TASK.requeued(task, _add(o.level, tag, true));
        emit TaskRequeued(task);
    }

    /// @dev Takes the newest task of the lowest level out of the full queue, if the newcomer's level is higher and it
    /// could be served.
    function _evict(ValueRate value, Level level, uint8 tier, ClassId class) private returns (TaskId evicted) {
        (Level least, uint256 ticket) = _shelf.least(_header.get(HALVES, 32));
        if (!(level > least)) revert FeeTooLow(value, ValueRates.floor(least));
        if (!hasWorkers(tier, class)) revert TooFewWorkers(tier, class);
        evicted = _remove(ticket);
        emit TaskEvicted(evicted);
    }

    /// @dev The highest level among the books that can be served with what is left.
    function _best(Servable.Left memory left) private returns (Best memory best) {
        uint256[2] memory masks = [left.anyMask(), left.oneClassMask()];
        uint256 halves = _header.get(HALVES, 32);
        for (uint256 half; halves >> half != 0; ++half) {
            if ((halves >> half) & 1 != 0) _considerTierBooks(best, half, masks);
        }
        if (left.freeFrom(0) >= PoolFloor.LEAST) _considerClassBooks(best, left);
    }

    /// @dev Replaces `best` by the best of the books whose ends stand in word `half`, if that is higher.
    function _considerTierBooks(Best memory best, uint256 half, uint256[2] memory masks) private view {
        uint256 mask = masks[_header.get(SAME_CLASS + half / 2, 1)] >> ((half % 2) * PackedEnds.LANES);
        (Level level, uint256 lane) = PackedEnds.highest(_shelf.ends[half], mask);
        if (!(level > best.level)) return;
        (best.level, best.kind, best.tier) = (level, half / 2, (half % 2) * PackedEnds.LANES + lane);
    }

    /// @dev Replaces `best` by the best book of a required class if that is higher. Better ones that cannot be served are
    /// taken out: parked when their class has too few free nodes, set aside for this draw when those are spoken for.
    function _considerClassBooks(Best memory best, Servable.Left memory left) private {
        for (uint256 i; i < PARK_LIMIT; ++i) {
            Level level = _shelf.classTops.top();
            if (!(level > best.level)) return;
            uint256 key = _shelf.classTops.first(level);
            (uint8 kind, ClassId class) = BookTag.fromClassKey(key);
            INode.ClassState memory state = NODE.classState(class);
            if (class != left.held && state.free >= state.floor + 3 * left.takenOf(class)) {
                (best.level, best.kind, best.tier, best.class) = (level, kind, state.tier, class);
                return;
            }
            if (state.free >= state.floor && !left.setAside(key)) return;
            _shelf.park(key);
            if (state.free < state.floor) emit ClassBookParked(kind, class);
        }
    }

    /// @dev Puts the books that were set aside back in front of their levels, the first one last.
    function _returnSetAside(Servable.Left memory left) private {
        for (uint256 i = left.asideCount; i != 0; --i) {
            uint256 key = left.aside[i - 1];
            if (Level.unwrap(_shelf.books[key].top()) != 0) _shelf.compete(key, true);
        }
    }

    function _needsOneClass(uint256 kind, ClassId class) private view returns (bool) {
        return ClassId.unwrap(class) != 0 || _header.get(SAME_CLASS + kind, 1) != 0;
    }

    /// @dev Gives a task a ticket and puts it into its book.
    function _add(Level level, uint256 tag, bool front) private returns (uint32) {
        uint256 ticket = _header.get(RETIRED, COUNT);
        if (ticket == 0) {
            ticket = _header.get(LAST_TICKET, COUNT) + 1;
            _header = _header.set(LAST_TICKET, COUNT, ticket);
        } else {
            _header = _header.set(RETIRED, COUNT, _shelf.entries.next(ticket));
        }
        _header = _header.plus(QUEUED, 1);
        _shelf.insert(ticket, level, tag, front);
        return uint32(ticket);
    }

    /// @dev A task leaves the queue. The reservation it may hold is void, but binds the round drawn under it.
    function _remove(uint256 ticket) private returns (TaskId task) {
        task = _takeOut(ticket);
        if (_header.get(RESERVED, 1) == 0 || _reservation.task != task) return task;
        _reservation.task = TaskId.wrap(0);
        emit ReservationEnded(task, _reservation.class);
    }

    /// @dev Takes a ticket out of its book and retires it.
    function _takeOut(uint256 ticket) private returns (TaskId task) {
        task = _taskOf(ticket);
        _shelf.remove(ticket);
        _shelf.entries.retire(ticket, _header.get(RETIRED, COUNT));
        _header = _header.minus(QUEUED, 1).set(RETIRED, COUNT, ticket);
    }

    function _endReservation(Reservation memory held) private {
        _header = _header.set(RESERVED, 1, 0);
        if (TaskId.unwrap(held.task) != 0) emit ReservationEnded(held.task, held.class);
    }

    /// @dev Ends a reservation that is over; one that is not, or that binds a round with a known hash, stays.
    function _checkUnreserved() private {
        if (_header.get(RESERVED, 1) == 0) return;
        Reservation memory held = _reservation;
        bool over = TaskId.unwrap(held.task) == 0 || (!held.drawn && block.timestamp > held.until);
        if (!over) revert AlreadyReserved(held.task, held.until);
        uint256 drawBlock = _header.get(DRAW, 40);
        if (held.holding && drawBlock != 0 && drawBlock != block.number) revert RoundPending(drawBlock);
        _endReservation(held);
    }

    /// @dev A class may be reserved for a task that needs one: the one it names, or an open one with enough memory.
    function _checkReservable(TaskId task, uint256 tag, ClassId class) private view {
        ClassId named = BookTag.class(tag);
        if (!_needsOneClass(BookTag.kind(tag), named)) revert NoClassNeeded(task);
        INode.ClassState memory state = NODE.classState(class);
        bool suits = ClassId.unwrap(named) == 0 ? state.open && state.tier >= BookTag.tier(tag) : class == named;
        if (!suits || state.active < PoolFloor.LEAST) revert ClassNotReservable(task, class);
    }
}
