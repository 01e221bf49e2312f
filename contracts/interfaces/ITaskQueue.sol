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
/// level, in the order of the draw among those that failed in one call.
/// - Whoever builds the block of a draw can choose among as many hashes as it can compute before it publishes the block,
/// at no cost. Use chains whose builders are trusted that far, or fees that are small against the trouble.
interface ITaskQueue {
    /// @notice Where a queued task stands.
    struct Place {
        Level level;
        uint8 kind;
        uint8 tier;
        ClassId class;
        uint40 expiresAt;
        TaskId next;
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
    event ClassBookParked(uint8 indexed kind, ClassId indexed class);
    event ClassBookWoken(uint8 indexed kind, ClassId indexed class);

    /// @notice `dispatch(0)`.
    error NothingToDispatch();
    /// @notice The task is not in the queue.
    error NotQueued(TaskId task);
    /// @notice The class's book is not parked, is empty, or the class has fewer than three free nodes.
    error NotWakeable(uint8 kind, ClassId class);

    /// @notice Seats what an earlier block drew, then draws. Anybody; the caller is credited the crank share of every
    /// task it seats.
    /// @param maxTasks Limit on seatings and, separately, on draws.
    /// @return seated Tasks that have their nodes now.
    /// @return drawn Tasks that will be seated by the next call in a later block.
    /// @custom:error NothingToDispatch
    function dispatch(uint256 maxTasks) external returns (uint256 seated, uint256 drawn);

    /// @notice Adds a task to its book. Only Task.
    /// @param class The required class, or 0 for the book of `tier`.
    /// @custom:error NotAllowed
    function enqueue(TaskId task, Level level, uint8 kind, bool sameClass, uint8 tier, ClassId class, uint40 expiresAt)
        external;

    /// @notice Takes a task out of its book. Only Task.
    /// @return expiresAt When its wait would have been over.
    /// @custom:error NotAllowed, NotQueued
    function remove(TaskId task) external returns (uint40 expiresAt);

    /// @notice Puts the book of a required class back into the competition after it was parked for want of three free
    /// nodes. Anybody.
    /// @custom:error NotWakeable
    function wake(uint8 kind, ClassId class) external;

    /// @return The number of queued tasks.
    function queued() external view returns (uint256);

    /// @return The round that waits to be seated.
    function round() external view returns (Round memory);

    /// @return The task at `index` of the round.
    function roundTask(uint256 index) external view returns (TaskId);

    /// @return The packed best levels of the sixteen tier books of `kind`, lane by lane.
    function topsOf(uint8 kind) external view returns (Level[16] memory);

    /// @return The best level and first task of a book (`class` 0: the book of `tier`).
    function headOf(uint8 kind, uint8 tier, ClassId class) external view returns (Level, TaskId);

    /// @return Where `task` stands.
    /// @custom:error NotQueued
    function placeOf(TaskId task) external view returns (Place memory);

    /// @return The value per second of `fee` wei for `durationMs` milliseconds of work, and its level.
    function levelOf(uint96 fee, uint256 durationMs) external pure returns (ValueRate, Level);
}
