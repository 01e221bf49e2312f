// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ClassId, TaskId} from "../types/Ids.sol";
import {Level, ValueRate} from "../types/ValueRate.sol";

/// @title The task queue: order books by value per second, and the dispatcher.
/// @notice Each kind × VRAM tier, and each kind × required class, is an order book. `dispatch` seats the tasks drawn
/// in an earlier block with entropy from the hash of the block of the draw, then draws the highest value per second
/// that can be served now. Ties go to the lowest kind, then the lowest tier, then books of a required class.
///
/// @dev Assumptions and warnings
/// - All drawn and unseated tasks share one draw block. A round that was not seated within 256 blocks is drawn again:
/// it keeps its tasks and takes the current block as its new draw block.
/// - A drawn task whose nodes cannot be found (all free nodes of one operator, say) goes back to the front of its
/// level, in the order of the draw among those that failed in one call. Its wait counts from its creation.
/// - The queue is bounded by `limit()`. A full queue takes a task of a higher level only, if enough nodes for it are
/// active (and its class, if it names one, is open), and gives up for it the
/// newest of its lowest level in one of the books that have it. Drawn tasks that found no nodes return even to a full
/// queue. When nodes leave, the limit falls and nothing is thrown out: the queue shrinks as tasks are drawn.
/// - Nodes are drawn for while as many suitable ones are free as the floor asks for: min(32, 3 + (active - 3) / 16).
/// - One class at a time can be reserved. From the next draw on its nodes go to no other task until the floor is reached
/// and the task for which it is reserved has its nodes, at the longest for `reserveHold` seconds. What binds a round is
/// fixed when it is drawn: a reservation that begins or ends between a draw and its seating changes nothing for it.
/// - Whoever builds the block of a draw can choose among as many hashes as it can compute before it publishes the block,
/// at no cost. Use chains whose builders are trusted that far, or fees that are small against the trouble.
interface ITaskQueue {
    /// @notice Where a queued task stands, and since when it waits, in seconds.
    struct Place {
        Level level;
        uint8 kind;
        uint8 tier;
        ClassId class;
        uint40 expiresAt;
        uint40 queuedAt;
        TaskId next;
    }

    /// @notice A book's ends.
    /// @param top Its best level, 0 when it is empty.
    /// @param bottom Its lowest level, 0 when it is empty.
    /// @param first The first task of the best level.
    /// @param last The last task of the lowest level.
    /// @param ahead Tasks at the level asked about and above.
    struct BookView {
        Level top;
        Level bottom;
        TaskId first;
        TaskId last;
        uint40 ahead;
    }

    /// @notice A class kept for one task.
    /// @param until When it ends unless the task has been drawn, in seconds.
    /// @param holding Whether a round has been drawn under it: its class is kept from all other tasks of that round.
    /// @param drawn Whether the task waits to be seated.
    struct Reservation {
        TaskId task;
        ClassId class;
        uint40 until;
        bool holding;
        bool drawn;
    }

    /// @notice What the owner may set inside bounds.
    /// @param tasksPerNode The queue's limit for each active node, 1 to 1000.
    /// @param reserveAfter Seconds the first task of a book waits before a class can be reserved for it, 1 minute to 1
    /// day.
    /// @param reserveHold Seconds a reservation lasts at most, 10 minutes to 7 days.
    struct Limits {
        uint16 tasksPerNode;
        uint32 reserveAfter;
        uint32 reserveHold;
    }

    /// @notice The tasks drawn and not yet seated.
    struct Round {
        uint40 drawBlock;
        uint16 size;
        uint16 seated;
    }

    event TaskDrawn(TaskId indexed task, uint256 indexed drawBlock);
    event RoundRedrawn(uint256 indexed oldBlock, uint256 indexed newBlock);
    event TaskRequeued(TaskId indexed task);
    /// @notice The task gave way to one of a higher level.
    event TaskEvicted(TaskId indexed task);
    /// @notice The task has seats to give away.
    event TaskVacant(TaskId indexed task);
    event ClassReserved(TaskId indexed task, ClassId indexed class, uint40 until);
    event ReservationEnded(TaskId indexed task, ClassId indexed class);
    event LimitsChanged(Limits limits);
    event ClassBookParked(uint8 indexed kind, ClassId indexed class);
    event ClassBookWoken(uint8 indexed kind, ClassId indexed class);

    /// @notice `dispatch(0)`.
    error NothingToDispatch();
    /// @notice The task is not in the queue.
    error NotQueued(TaskId task);
    /// @notice The class's book is not parked, is empty, or the class has fewer free nodes than its floor.
    error NotWakeable(uint8 kind, ClassId class);
    /// @notice The queue is full and holds nothing of a lower level than `offered`; `lowest` is what its lowest level
    /// begins with. Both are wei per second, times 2^64.
    error FeeTooLow(ValueRate offered, ValueRate lowest);
    /// @notice The queue is full, and gives up no task for one that too few nodes could serve: less than three are
    /// active in the tiers from `tier` on, or in the class, or the class has not its share of the network.
    error TooFewWorkers(uint8 tier, ClassId class);
    /// @notice Not the first of its book, which is `head`.
    error NotHead(TaskId task, TaskId head);
    /// @notice The task has not waited long enough: not before `from`.
    error TooEarlyToReserve(TaskId task, uint256 from);
    /// @notice Another task holds the reservation, until `until` unless it ends sooner.
    error AlreadyReserved(TaskId task, uint256 until);
    /// @notice The task's nodes need not share a class.
    error NoClassNeeded(TaskId task);
    /// @notice The class is not the one the task names, not open, of too little memory, or has fewer than three active
    /// nodes.
    error ClassNotReservable(TaskId task, ClassId class);
    /// @notice An ended reservation still binds the round that waits to be seated: call again after that.
    error RoundPending(uint256 drawBlock);
    /// @notice Limits outside the hard-coded bounds.
    error LimitsOutOfBounds(Limits limits);

    /// @notice Seats what an earlier block drew, then draws. Anybody; the caller is credited the crank share of every
    /// task it seats.
    /// @param maxTasks Limit on seatings and, separately, on draws.
    /// @return seated Tasks that need no more seating: they have their nodes, or go on without.
    /// @return drawn Tasks that will be seated by the next call in a later block.
    /// @custom:error NothingToDispatch
    function dispatch(uint256 maxTasks) external returns (uint256 seated, uint256 drawn);

    /// @notice Adds a task to its book. Only Task.
    /// @param class The required class, or 0 for the book of `tier`.
    /// @return ticket The queue's name for the task, which it must be given to remove it.
    /// @return evicted The task that gave way, or 0.
    /// @custom:error NotAllowed, FeeTooLow, TooFewWorkers
    function enqueue(
        TaskId task,
        ValueRate value,
        uint8 kind,
        bool sameClass,
        uint8 tier,
        ClassId class,
        uint40 expiresAt
    ) external returns (uint32 ticket, TaskId evicted);

    /// @notice Takes a task out of its book. Only Task.
    /// @custom:error NotAllowed, NotQueued
    function remove(TaskId task, uint32 ticket) external;

    /// @notice The task has seats to give away: nodes for them are drawn before anything else. Only Task.
    /// @custom:error NotAllowed
    function vacate(TaskId task) external;

    /// @notice Keeps the nodes of `class` for the first task of a book that has waited for `reserveAfter` seconds and
    /// needs three nodes of one class. Anybody.
    /// @dev Within the longest stay of a task at its nodes, every node of the class is free or gone, because none gets
    /// another task; the task is drawn then.
    /// @param class The class the task names; if it names none, an open one with enough memory.
    /// @custom:error NotQueued, NotHead, TooEarlyToReserve, AlreadyReserved, RoundPending, NoClassNeeded,
    /// ClassNotReservable
    function reserve(TaskId task, ClassId class) external;

    /// @notice Sets length and reservation times. Only the owner.
    /// @custom:error NotAllowed, LimitsOutOfBounds
    function setLimits(Limits calldata limits) external;

    /// @notice Puts the book of a required class back into the competition after it was parked for want of free
    /// nodes. Anybody.
    /// @custom:error NotWakeable
    function wake(uint8 kind, ClassId class) external;

    /// @return The number of queued tasks.
    function queued() external view returns (uint256);

    /// @return Whether a full queue may give up a task for one that needs three nodes of the tiers from `tier` on, or of
    /// `class`: enough are active, and the class is open.
    /// @dev Who need not fear to be served could push out all others and take its own back, for gas. A class must be open
    /// so that nobody does it with three nodes of a class of its own.
    function hasWorkers(uint8 tier, ClassId class) external view returns (bool);

    /// @return The round that waits to be seated.
    function round() external view returns (Round memory);

    /// @return The task at `index` of the round.
    function roundTask(uint256 index) external view returns (TaskId);

    /// @return The packed best levels of the sixteen tier books of `kind`, lane by lane.
    function topsOf(uint8 kind) external view returns (Level[16] memory);

    /// @notice A book (`class` 0: the book of `tier`) and the tasks that stand before a newcomer of `level`.
    /// @dev Its cost grows with the levels in use: for reading from outside.
    function bookOf(uint8 kind, uint8 tier, ClassId class, Level level) external view returns (BookView memory);

    /// @return level The lowest level of the whole queue, 0 when it is empty.
    /// @return task The one a newcomer of a higher level would replace if the queue were full.
    function lowest() external view returns (Level level, TaskId task);

    /// @return The most tasks the queue takes: `tasksPerNode` for each node that was active at the last draw, and at least
    /// `MIN_LIMIT`.
    function limit() external view returns (uint256);

    /// @return The tasks that have seats to give away.
    function vacancies() external view returns (TaskId[] memory);

    /// @return The reservation; all zero when there is none.
    function reservation() external view returns (Reservation memory);

    /// @return Length and reservation times in force.
    function limits() external view returns (Limits memory);

    /// @return Where `task` stands.
    /// @custom:error NotQueued
    function placeOf(TaskId task) external view returns (Place memory);

    /// @return The value per second of `fee` wei for `durationMs` milliseconds of work, and its level.
    function levelOf(uint96 fee, uint256 durationMs) external pure returns (ValueRate, Level);
}
