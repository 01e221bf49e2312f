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
/// - The crank share of what is in escrow is spent when a task is seated, when a seat is given to another node, and
/// when a stage that ran out is advanced: at most ten times in a task's life. "Everything" in a refund is what is left.
/// - What a node earns is kept with the node; `collect` moves it to its operator's credit.
/// - A task that names a relay is delivered with the relay's signature: proof that the relay holds the content. If nobody
/// delivers, the held share goes to the treasury: a creator that has its own relay refuse gains nothing by it. Without a
/// relay the hash of the content is the deliverer's word.
/// - Prompts are readable by the nodes that are chosen, and by whoever the creator gives them to.
interface ITask {
    /// @notice A task's stage. A task that has been drawn and has no nodes yet is still `Queued`; TaskQueue knows the
    /// difference.
    /// @custom:value Queued In the queue, or drawn.
    /// @custom:value Committing Its nodes work.
    /// @custom:value Vacant Seats whose holders let the commit stage pass wait for other nodes.
    /// @custom:value Revealing All who committed may reveal.
    /// @custom:value Delivering Agreed; the deliverer's share is held.
    /// @custom:value Ended Nothing is left to do.
    enum State {
        None,
        Queued,
        Committing,
        Vacant,
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
    /// @param crankBps Share of the fee, in 1/10,000, for whoever seats the task or advances it; at most 3 %.
    /// @param errorBps Share of the fee, in 1/10,000, that three nodes who report the same error divide.
    /// @param vacancyWindow Seconds a task waits for other nodes before it goes on without.
    /// @param refills How often the vacated seats of a task are given to other nodes, 0 to 2.
    struct Terms {
        uint24 commitGrace;
        uint8 commitFactor;
        uint24 revealWindow;
        uint24 deliverWindow;
        uint16 crankBps;
        uint16 errorBps;
        uint24 vacancyWindow;
        uint8 refills;
    }

    /// @notice What the queue needs to know of a task to place it.
    /// @param level The place it would take now, while queued or drawn.
    /// @param createdAt When it was created, in seconds, while queued or drawn.
    /// @param expiresAt When its wait is over, in seconds, while queued or drawn.
    /// @param seats Nodes it waits for: three while queued or drawn, the vacated seats while vacant, else none.
    /// @param ticket The queue's name for it, while queued.
    struct Order {
        Level level;
        uint8 kind;
        uint8 tier;
        ClassId class;
        uint40 createdAt;
        uint40 expiresAt;
        uint8 seats;
        uint32 ticket;
    }

    /// @notice A task in full, but for its creator and escrow once it has ended. Ranks count from 1 in the order of commits and of reveals; 0 means "not yet".
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
        /// Seats whose holder was let go and that nobody has taken over.
        bool[3] vacated;
        uint8 refills;
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
    event SeatsVacated(TaskId indexed task, bool[3] vacated, uint40 refillBy);
    event SeatsRefilled(
        TaskId indexed task, NodeId[3] nodes, uint40 commitBy, address indexed keeper, uint96 crankReward
    );
    /// @notice A stage that ran out was moved on.
    event Advanced(TaskId indexed task, address indexed caller, uint96 crankReward);
    event RelayNamed(TaskId indexed task, address indexed relay);
    event Collected(NodeId indexed node, address indexed operator, uint256 amount);
    event Committed(TaskId indexed task, NodeId indexed node, bytes32 commitment);
    event RevealOpened(TaskId indexed task, uint40 revealBy);
    event Revealed(TaskId indexed task, NodeId indexed node, bytes32 result);
    /// @notice The votes are compared and the money is credited; of an agreed task the deliverer's share is still held.
    /// @param result What was agreed on, or 0.
    /// @param shares Wei earned by each seat's node; the deliverer's is held until delivery.
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
    /// @notice Nobody delivered: the held share went to the creator, or to the treasury if the task names a relay.
    event Undelivered(TaskId indexed task, address indexed to, uint96 amount);
    /// @notice A task left the queue without having got its nodes.
    event TaskWithdrawn(TaskId indexed task, Ending ending, uint96 refund);
    event Withdrawn(address indexed account, address indexed to, uint256 amount);
    event KindAdded(uint8 indexed kind, Kind spec);
    event DurationsChanged(uint8 indexed kind, uint32 overheadMs, uint32 msPerUnit);
    event TermsChanged(Terms terms);

    /// @notice No such kind.
    error UnknownKind(uint8 kind);
    /// @notice A kind's numbers are outside the hard-coded bounds.
    error KindOutOfBounds(Kind spec);
    /// @notice Terms outside the hard-coded bounds.
    error TermsOutOfBounds(Terms terms);
    /// @notice All sixteen kinds are taken.
    error TooManyKinds(uint256 limit);
    /// @notice The kind's durations may be changed again at `from`.
    error DurationsChangedLately(uint8 kind, uint256 from);
    /// @notice One change may at most double or halve a duration.
    error DurationStepTooLarge(uint32 present, uint32 wanted);
    /// @notice The most a task may carry must be above 0 and at most `limit`, a quarter of a node's stake.
    error MaxFeeOutOfBounds(uint96 maxFee, uint256 limit);
    /// @notice The relay is the zero address.
    error RelayZero();
    /// @notice The delivery needs the signature of `relay`: call `deliverSigned`.
    error RelayMustSign(TaskId task, address relay);
    /// @notice The task names no relay: call `deliver`.
    error NoRelay(TaskId task);
    /// @notice The signature is not the relay's.
    error WrongRelay(TaskId task, address signer, address relay);
    /// @notice The node has earned nothing since the last collection.
    error NothingToCollect(NodeId node);
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
    /// @notice `maxWait` must be from `least` to `most` seconds.
    error WaitOutOfBounds(uint32 maxWait, uint32 least, uint32 most);
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
    /// @notice The stage, or the time in which a task cannot be cancelled, lasts until `deadline`.
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
    /// @param maxWait Seconds in the queue after which the task may be expired; 60 seconds to 7 days.
    /// @custom:error UnknownKind, SizeZero, SizeTooLarge, HashZero, FeeZero, FeeTooHigh, ValueTooLow, WaitOutOfBounds,
    /// NoSuchTier, ClassUnsuitable, ITaskQueue.FeeTooLow, ITaskQueue.TooFewWorkers
    function create(uint8 kind, bytes32 taskHash, uint32 size, uint16 minVram, ClassId requiredClass, uint32 maxWait)
        external
        payable
        returns (TaskId);

    /// @notice Like `create`, for a task whose delivery the relay must sign.
    /// @param relay The address whose signature proves that the content is stored.
    /// @custom:error RelayZero and those of `create`
    function createRelayed(
        uint8 kind,
        bytes32 taskHash,
        uint32 size,
        uint16 minVram,
        ClassId requiredClass,
        uint32 maxWait,
        address relay
    ) external payable returns (TaskId);

    /// @notice Takes a queued task back, with a full refund; impossible in the first minute and from the draw on.
    /// @dev Otherwise a transaction could fill the queue with high values, have the others evicted and take it all back.
    /// @custom:error WrongState, NotCreator, TooEarly, ITaskQueue.NotQueued
    function cancel(TaskId task) external;

    /// @notice Ends a queued task whose wait is over, with a full refund. Anybody.
    /// @custom:error WrongState, TooEarly, ITaskQueue.NotQueued
    function expire(TaskId task) external;

    /// @notice Commits to a result. Only the node's key.
    /// @custom:error NotNodeKey, NotSeated, WrongState, TooLate, CommitmentZero, AlreadyCommitted
    function commit(NodeId node, TaskId task, bytes32 commitment) external;

    /// @notice Reveals the result committed to; the last reveal settles the task. Only the key that the commitment names:
    /// the node's.
    /// @custom:error NotSeated, WrongState, TooLate, NotCommitted, AlreadyRevealed, NotNodeKey, WrongReveal
    function reveal(NodeId node, TaskId task, bytes32 result, bytes32 salt) external;

    /// @notice Says that the content is at the relay, and releases the held share. Only the key of the agreeing node
    /// whose turn it is.
    /// @param content keccak256 of the reply. For an exact kind whoever fetches it compares it with the result in
    /// `TaskSettled`; the contract no longer holds the result, for the node may have taken its next seat.
    /// @custom:error NotNodeKey, WrongState, TooLate, NotDeliverer, ContentZero, RelayMustSign
    function deliver(NodeId node, TaskId task, bytes32 content) external;

    /// @notice Like `deliver`, for a task that names a relay.
    /// @param signature The relay's, of `storedDigest(task, content)`: 65 bytes, or 64 in the compact form.
    /// @custom:error NotNodeKey, WrongState, TooLate, NotDeliverer, ContentZero, NoRelay, WrongRelay
    function deliverSigned(NodeId node, TaskId task, bytes32 content, bytes calldata signature) external;

    /// @notice Moves a task whose stage is over. Seats without a commitment are vacated for other nodes; when no refill
    /// is left, two commitments go on to the reveals and fewer abort; missing reveals are settled; a missed delivery
    /// passes to the next agreeing node or ends with a refund. Anybody; the caller is credited the crank share.
    /// @custom:error WrongState, TooEarly
    function advance(TaskId task) external;

    /// @notice Moves what a node has earned to the credit of its operator. Anybody.
    /// @return amount Wei.
    /// @custom:error NothingToCollect
    function collect(NodeId node) external returns (uint256 amount);

    /// @notice Sends the caller's whole credit to `to`: the only transfer of this contract.
    /// @custom:error NothingToWithdraw, TransferFailed
    function withdraw(address to) external;

    /// @notice Chooses the nodes of a drawn task and starts its commit stage, or gives its vacated seats to other nodes.
    /// Only TaskQueue.
    /// @param reserved The class that is reserved for the task, or 0.
    /// @param avoid The class that is reserved for another, or 0.
    /// @return Whether nothing more is to be done: false when three nodes were not found.
    /// @custom:error NotAllowed
    function seat(TaskId task, bytes32 entropy, ClassId reserved, ClassId avoid, address keeper) external returns (bool);

    /// @notice A drawn task that found no nodes is queued again. Only TaskQueue.
    /// @param ticket The queue's name for it.
    /// @custom:error NotAllowed, WrongState
    function requeued(TaskId task, uint32 ticket) external;

    /// @notice The vacated seats of the task are in a drawn round: from here on only their seating moves the task, so that
    /// nobody can call it off after seeing who would get them. Only TaskQueue.
    /// @custom:error NotAllowed, WrongState
    function refillDrawn(TaskId task) external;

    /// @notice A node has joined and may hold seats with `key`. Only Node.
    /// @custom:error NotAllowed
    function enroll(NodeId node, address key) external;

    /// @notice Adds a kind to the table. Only the owner.
    /// @custom:error NotAllowed, KindOutOfBounds, TooManyKinds
    function addKind(Kind calldata spec) external returns (uint8);

    /// @notice Changes a kind's estimated durations: each at most doubled or halved, at most once a day. Only the owner.
    /// @custom:error NotAllowed, UnknownKind, DurationsChangedLately, DurationStepTooLarge, KindOutOfBounds
    function setDurations(uint8 kind, uint32 overheadMs, uint32 msPerUnit) external;

    /// @notice Sets times and shares. Only the owner.
    /// @custom:error NotAllowed, TermsOutOfBounds
    function setTerms(Terms calldata terms) external;

    /// @return Estimated milliseconds of work for `size` units of `kind`.
    /// @custom:error UnknownKind, SizeZero, SizeTooLarge
    function estimate(uint8 kind, uint32 size) external view returns (uint256);

    /// @return The tier of a task that asks for `minVram` GB and `required` (0 for any class): the lowest whose machines
    /// all have it, or that of the class.
    /// @custom:error NoSuchTier, ClassUnsuitable
    function tierFor(uint16 minVram, ClassId required) external view returns (uint8);

    /// @return The prefix of error results; the last byte is the code.
    function ERROR_PREFIX() external view returns (bytes32);

    /// @return The number of tasks created; ids run from 1 to this.
    function lastTask() external view returns (TaskId);

    /// @return The task in full; all zero when it does not exist.
    function taskOf(TaskId task) external view returns (TaskView memory);

    /// @return What `account` may withdraw, in wei.
    function creditOf(address account) external view returns (uint256);

    /// @return What the task waits for.
    function orderOf(TaskId task) external view returns (Order memory);

    /// @return Wei the node has earned and not collected.
    function earnedBy(NodeId node) external view returns (uint96);

    /// @return The relay the task names, or 0.
    function relayOf(TaskId task) external view returns (address);

    /// @return What a relay signs (EIP-712, name "Xenon", version "1"): `Stored(uint256 task,bytes32 content)`.
    function storedDigest(TaskId task, bytes32 content) external view returns (bytes32);

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
