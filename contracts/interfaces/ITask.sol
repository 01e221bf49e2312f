// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ClassId, NodeId, TaskId} from "../types/Ids.sol";
import {Level, ValueRate} from "../types/ValueRate.sol";
import {Ending} from "./INetworkStats.sol";
import {INode} from "./INode.sol";

/// @title Tasks: escrow, seats, votes, settlement, delivery.
/// @notice A creator escrows a fee; three nodes commit to a result and reveal it; those who agree share the fee by the
/// order in which they came (10, 9, 6 points for the commit and again for the reveal, of 50); what nobody earned goes
/// back.
/// @dev Assumptions and warnings
/// - Money moves as credits; `withdraw` is the only transfer.
/// - `taskHash` is keccak256 of the task's JSON, which the contract never sees: nodes check it, and check `size`
/// against it.
/// - A result is 32 bytes: keccak256 of the canonical reply for an exact kind, up to four 64-bit perceptual hashes
/// (first image leftmost) for a perceptual one. An error is a result as well: `ERROR_PREFIX | code`, with a code from 1
/// to 255.
/// - A commitment is `keccak256(abi.encode(uint256(task), key, result, salt))` with the node's key, so it can be neither
/// copied nor used for another task. The salt must be secret and random: without it a short answer could be guessed.
/// - The crank share is spent when a task is seated; an abort after that refunds everything else.
interface ITask {
    /// @notice A task's stage. A task that has been drawn and has no nodes yet is still `Queued`; TaskQueue knows the
    /// difference.
    enum State {
        None,
        Queued,
        Committing,
        Revealing,
        Delivering,
        Ended
    }

    /// @notice A kind of task, one entry of the governed table.
    /// @param exact Whether results agree only when equal; otherwise by perceptual hash.
    /// @param sameClass Whether the three nodes must share a class.
    /// @param maxDistance Bits in which two perceptual hashes of one image may differ.
    /// @param overheadMs Estimated milliseconds before the first unit.
    /// @param msPerUnit Estimated milliseconds a unit (token or image).
    /// @param maxSize The most units a task may ask for; their estimate may not exceed one day.
    struct Kind {
        bool exact;
        bool sameClass;
        uint8 maxDistance;
        uint32 overheadMs;
        uint32 msPerUnit;
        uint32 maxSize;
    }

    /// @notice Times and shares.
    /// @param commitGrace Seconds every node has besides `commitFactor` times the estimate.
    /// @param commitFactor Multiple of the estimated duration a node has to commit.
    /// @param revealWindow Seconds for the reveals.
    /// @param deliverWindow Seconds for each node that may deliver.
    /// @param crankBps Share of the fee, in 1/10,000, for whoever seats the task.
    /// @param errorBps Share of the fee, in 1/10,000, that three nodes who report the same error divide.
    struct Terms {
        uint24 commitGrace;
        uint8 commitFactor;
        uint24 revealWindow;
        uint24 deliverWindow;
        uint16 crankBps;
        uint16 errorBps;
    }

    /// @notice What the queue needs to know of a task to place it.
    struct Order {
        Level level;
        uint8 kind;
        uint8 tier;
        ClassId class;
        uint40 expiresAt;
    }

    /// @notice A task in full. Ranks count from 1 in the order of commits and of reveals; 0 means "not yet".
    struct TaskView {
        address creator;
        uint96 escrow;
        State state;
        uint8 kind;
        uint32 size;
        uint8 tier;
        ClassId class;
        NodeId[3] nodes;
        uint8[3] commitRanks;
        uint8[3] revealRanks;
        /// End of the stage; while queued, the end of the wait.
        uint40 deadline;
        bool[3] agreeing;
        uint8 deliverer;
    }

    event TaskCreated(
        TaskId indexed task,
        address indexed creator,
        uint8 indexed kind,
        bytes32 taskHash,
        uint32 size,
        uint16 minVram,
        ClassId requiredClass,
        uint96 fee,
        ValueRate value,
        uint40 expiresAt
    );
    event TaskSeated(
        TaskId indexed task, NodeId[3] nodes, ClassId class, uint40 commitBy, address indexed keeper, uint96 crankReward
    );
    event Committed(TaskId indexed task, NodeId indexed node, bytes32 commitment);
    event RevealOpened(TaskId indexed task, uint40 revealBy);
    event Revealed(TaskId indexed task, NodeId indexed node, bytes32 result);
    /// @notice The votes are compared and the money is credited; of an agreed task the deliverer's share is still held.
    /// @param result What was agreed on, or 0.
    /// @param shares Wei credited to each seat's operator; the deliverer's is held until delivery.
    event TaskSettled(
        TaskId indexed task,
        Ending ending,
        bytes32 result,
        bool[3] agreeing,
        uint96[3] shares,
        uint96 refund,
        uint8 deliverer,
        uint40 deliverBy
    );
    event DeliveryPassed(TaskId indexed task, NodeId indexed next, uint40 deliverBy);
    event Delivered(TaskId indexed task, NodeId indexed node, bytes32 content, uint96 paid);
    event Undelivered(TaskId indexed task, uint96 refund);
    /// @notice A task left the queue without having been drawn.
    event TaskWithdrawn(TaskId indexed task, Ending ending, uint96 refund);
    event Withdrawn(address indexed account, address indexed to, uint256 amount);
    event KindAdded(uint8 indexed kind, Kind spec);

    /// @notice No such kind.
    error UnknownKind(uint8 kind);
    /// @notice A kind's numbers are outside the hard-coded bounds.
    error KindOutOfBounds(Kind spec);
    /// @notice Terms outside the hard-coded bounds.
    error TermsOutOfBounds(Terms terms);
    /// @notice All sixteen kinds are taken.
    error TooManyKinds(uint256 limit);
    /// @notice The declared size is 0.
    error SizeZero();
    /// @notice The declared size is above the kind's limit.
    error SizeTooLarge(uint32 size, uint32 limit);
    /// @notice The task's hash is 0.
    error HashZero();
    /// @notice No fee was sent.
    error FeeZero();
    /// @notice The fee is more than a task may carry.
    error FeeTooHigh(uint256 fee, uint256 limit);
    /// @notice The value per second is below the network's minimum.
    error ValueTooLow(ValueRate offered, ValueRate minimum);
    /// @notice `maxWait` must be from 1 second to `limit`.
    error WaitOutOfBounds(uint32 maxWait, uint32 limit);
    /// @notice No VRAM tier guarantees so much memory.
    error NoSuchTier(uint16 minVram);
    /// @notice The class does not exist, or its machines have less memory than asked for.
    error ClassUnsuitable(ClassId class, uint16 minVram);
    /// @notice The task is in `state`, this call needs `required`.
    error WrongState(TaskId task, State state, State required);
    /// @notice Only the creator may do this.
    error NotCreator(TaskId task, address caller);
    /// @notice `caller` is not the key of `node`.
    error NotNodeKey(NodeId node, address caller);
    /// @notice The node holds no seat of this task.
    error NotSeated(TaskId task, NodeId node);
    /// @notice The stage ended at `deadline`.
    error TooLate(TaskId task, uint256 deadline);
    /// @notice The stage lasts until `deadline`.
    error TooEarly(TaskId task, uint256 deadline);
    /// @notice A commitment of zero.
    error CommitmentZero();
    /// @notice The seat has committed.
    error AlreadyCommitted(TaskId task, NodeId node);
    /// @notice The seat has not committed.
    error NotCommitted(TaskId task, NodeId node);
    /// @notice The seat has revealed.
    error AlreadyRevealed(TaskId task, NodeId node);
    /// @notice Result and salt do not give the commitment.
    error WrongReveal(TaskId task, NodeId node, bytes32 expected, bytes32 actual);
    /// @notice It is `deliverer`'s turn to deliver.
    error NotDeliverer(TaskId task, NodeId node, NodeId deliverer);
    /// @notice The content's hash is 0.
    error ContentZero(TaskId task);
    /// @notice Nothing to withdraw.
    error NothingToWithdraw(address account);
    /// @notice The recipient refused the transfer.
    error TransferFailed(address to, uint256 amount);

    /// @notice Escrows the value sent and queues a task.
    /// @param taskHash keccak256 of the task's JSON.
    /// @param size Units asked for: tokens or images.
    /// @param minVram GB each node must have.
    /// @param requiredClass The class all three must be of, or 0.
    /// @param maxWait Seconds in the queue after which the task may be expired.
    /// @custom:error UnknownKind, SizeZero, SizeTooLarge, HashZero, FeeZero, FeeTooHigh, ValueTooLow, WaitOutOfBounds,
    /// NoSuchTier, ClassUnsuitable
    function create(uint8 kind, bytes32 taskHash, uint32 size, uint16 minVram, ClassId requiredClass, uint32 maxWait)
        external
        payable
        returns (TaskId);

    /// @notice Takes a queued task back, with a full refund; impossible from the draw on.
    /// @custom:error WrongState, NotCreator, ITaskQueue.NotQueued
    function cancel(TaskId task) external;

    /// @notice Ends a queued task whose wait is over, with a full refund. Anybody.
    /// @custom:error WrongState, TooEarly, ITaskQueue.NotQueued
    function expire(TaskId task) external;

    /// @notice Commits to a result. Only the node's key.
    /// @custom:error NotNodeKey, NotSeated, WrongState, TooLate, CommitmentZero, AlreadyCommitted
    function commit(NodeId node, TaskId task, bytes32 commitment) external;

    /// @notice Reveals the result committed to; the last reveal settles the task. Only the node's key.
    /// @custom:error NotNodeKey, NotSeated, WrongState, TooLate, NotCommitted, AlreadyRevealed, WrongReveal
    function reveal(NodeId node, TaskId task, bytes32 result, bytes32 salt) external;

    /// @notice Says that the content is at the relay, and releases the held share. Only the key of the agreeing node
    /// whose turn it is.
    /// @param content keccak256 of the reply. For an exact kind whoever fetches it compares it with the result in
    /// `TaskSettled`; the contract no longer holds the result, for the node may have taken its next seat.
    /// @custom:error NotNodeKey, WrongState, TooLate, NotDeliverer, ContentZero
    function deliver(NodeId node, TaskId task, bytes32 content) external;

    /// @notice Moves a task whose stage is over: two commitments go on to the reveals, fewer than two abort, missing
    /// reveals are settled, a missed delivery passes to the next agreeing node or ends with a refund. Anybody.
    /// @custom:error WrongState, TooEarly
    function advance(TaskId task) external;

    /// @notice Sends the caller's whole credit to `to`: the only transfer of this contract.
    /// @custom:error NothingToWithdraw, TransferFailed
    function withdraw(address to) external;

    /// @notice Chooses the nodes of a drawn task and starts its commit stage. Only TaskQueue.
    /// @return Whether three nodes were found.
    /// @custom:error NotAllowed
    function seat(TaskId task, bytes32 entropy, address keeper) external returns (bool);

    /// @notice A node has joined and may hold seats with `key`. Only Node.
    /// @custom:error NotAllowed
    function enroll(NodeId node, address key) external;

    /// @notice Adds a kind to the table. Only the owner.
    /// @custom:error NotAllowed, KindOutOfBounds, TooManyKinds
    function addKind(Kind calldata spec) external returns (uint8);

    /// @return The prefix of error results; the last byte is the code.
    function ERROR_PREFIX() external view returns (bytes32);

    /// @return The number of tasks created; ids run from 1 to this.
    function lastTask() external view returns (TaskId);

    /// @return The task in full; all zero when it does not exist.
    function taskOf(TaskId task) external view returns (TaskView memory);

    /// @return What `account` may withdraw, in wei.
    function creditOf(address account) external view returns (uint256);

    /// @return The order of a queued or drawn task.
    /// @custom:error WrongState
    function orderOf(TaskId task) external view returns (Order memory);

    /// @return The kind; all zero when it does not exist.
    function kindOf(uint8 kind) external view returns (Kind memory);

    /// @return The number of kinds.
    function kinds() external view returns (uint8);

    /// @return Times and shares in force.
    function terms() external view returns (Terms memory);

    /// @return The least value per second a task may offer.
    function minValue() external view returns (ValueRate);

    /// @return The most a task may carry, in wei.
    function maxFee() external view returns (uint96);

    /// @return node The other contracts: whoever knows this one's address finds the whole network.
    /// @return queue The order books and the dispatcher.
    /// @return qos The quality-of-service scores.
    /// @return stats The tallies.
    function network() external view returns (address node, address queue, address qos, address stats);

    /// @return What a node with `key` must commit to for `result` and `salt`.
    function commitmentOf(TaskId task, address key, bytes32 result, bytes32 salt) external pure returns (bytes32);
}
