// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ClassId, NodeId, TaskId} from "../types/Ids.sol";

/// @title The node registry: who may work, and the random choice among those who are free.
/// @notice A node has two keys: a hot *key* on the machine that signs commits and reveals, and a cold *operator* that
/// owns its stake. A free node stands in the set of its class; the classes of a VRAM tier are counted together.
///
/// @dev Assumptions and warnings
/// - The sets do not change between the block of a draw and the seating of that draw: while a round with a known block
///   hash waits to be seated, every change of membership is deferred to the end of that seating. Otherwise whoever may
///   change the sets could, knowing the entropy, steer the choice.
/// - `join` does not ask the key for its consent. Whoever registers a stranger's key locks a stake and gains nothing;
/// the stranger takes another key.
/// - Two nodes of one operator never serve one task. One person with two operator addresses is two operators.
/// - A class is any 32 bytes. Tasks that name no class go to *open* classes only: those with at least 1/32 of the active
/// nodes when one of their nodes last came free, or when `review` was last called.
/// - Freezing takes nothing. Unappealed, the stake is slashed to the treasury; appealed and not decided in time, it is
/// released. The owner decides appeals and can do nothing else to a stake.
/// - A node answers for one task after the other: a case stands between no other accusation and its stake.
interface INode {
    /// @notice Where a node stands.
    /// @custom:value None Never joined.
    /// @custom:value Free Ready for a seat; in the sets, or deferred to the end of the current seating.
    /// @custom:value Busy Holds a seat.
    /// @custom:value Paused By its operator.
    /// @custom:value Suspended By the contract, after several missed tasks in a row; `resume` ends it.
    /// @custom:value Frozen Its result differed from that of two who agreed, or it was one of two who had another
    /// frozen for nothing; see `caseOf`.
    /// @custom:value Unbonding Has quit or was kicked out; the stake can be withdrawn when the unbonding time is over.
    /// @custom:value Gone Has quit and taken its stake.
    /// @custom:value Slashed Its stake went to the treasury.
    enum Status {
        None,
        Free,
        Busy,
        Paused,
        Suspended,
        Frozen,
        Unbonding,
        Gone,
        Slashed
    }

    /// @notice What waits for a node that cannot leave at once.
    /// @custom:value Pause Its operator asked for a pause.
    /// @custom:value Quit Its operator quit.
    /// @custom:value Freeze An arbiter found that it had another frozen for nothing.
    enum Intent {
        None,
        Pause,
        Quit,
        Freeze
    }

    /// @notice What becomes of a node when its seat ends.
    enum Fate {
        Free,
        Suspend,
        Kick,
        Freeze
    }

    /// @notice What a node failed to do in its seat.
    /// @custom:value Missed It let a stage pass.
    /// @custom:value Concealed It had committed and kept its reveal back while two others agreed.
    enum Lapse {
        None,
        Missed,
        Concealed
    }

    /// @notice What the arbiter finds.
    /// @custom:value Guilty The node's result was false: slashed.
    /// @custom:value Innocent Nobody is to blame: the stake is released.
    /// @custom:value Framed The two others agreed on something false: the stake is released and they are frozen.
    enum Ruling {
        Guilty,
        Innocent,
        Framed
    }

    /// @notice The end of one seat.
    /// @param node Who held it; 0 for a seat that ended before.
    struct SeatEnd {
        NodeId node;
        uint8 weight;
        Fate fate;
        Lapse lapse;
    }

    /// @notice Why a node is frozen and until when.
    /// @param task The task in question.
    /// @param until Not appealed: the end of the time to appeal. Appealed: the end of the time to decide. Seconds.
    /// @param arbitrationSeconds The time to decide as it was when the node was frozen.
    /// @param quitAt When the node had quit, in seconds; 0 if it had not.
    /// @param accused The two whose result differed from the node's; 0 when it is itself accused.
    struct Case {
        TaskId task;
        uint40 until;
        uint32 arbitrationSeconds;
        bool appealed;
        uint40 quitAt;
        NodeId[2] accused;
    }

    /// @notice Penalties and times that the owner may set inside bounds.
    /// @param missPenalty Wei taken from the stake of a node that lets a stage pass while another does not; at most 1 %
    /// of `minStake`.
    /// @param concealPenalty Wei taken when a committed result is kept back while two others agree; at most 10 % of
    /// `minStake` and not less than `missPenalty`.
    /// @param appealSeconds Time to appeal, 1 to 7 days.
    /// @param arbitrationSeconds Time to decide an appeal, 3 to 14 days. Both together less than `unbondingSeconds`.
    struct Rules {
        uint96 missPenalty;
        uint96 concealPenalty;
        uint32 appealSeconds;
        uint32 arbitrationSeconds;
    }

    /// @notice A node in full.
    struct NodeView {
        address key;
        address operator;
        uint96 stake;
        Status status;
        Intent intent;
        ClassId class;
        uint8 tier;
        uint8 weight;
        /// Free: rounds drawn before it became free. Unbonding, Frozen: since when, in seconds.
        uint40 since;
        bool inSets;
    }

    /// @notice Numbers of nodes: `total` joined and not gone, `active` free or busy, `free` in the sets, `busy` seated.
    struct Counts {
        uint32 total;
        uint32 active;
        uint32 free;
        uint32 busy;
    }

    /// @notice What the dispatcher may draw for, per VRAM tier: free and active nodes, and the tasks of one class that
    /// open classes could serve, each with as many free nodes as its floor asks for.
    struct Capacity {
        uint32[16] free;
        uint32[16] active;
        uint32[16] servable;
    }

    /// @notice A class.
    /// @param exists Whether a node of it ever joined.
    /// @param tier Its VRAM tier.
    /// @param free Its nodes in the sets.
    /// @param active Its nodes that are free or busy.
    /// @param floor How many must be free before a task is drawn for them.
    /// @param open Whether tasks that name no class may be given to it.
    struct ClassState {
        bool exists;
        uint8 tier;
        uint32 free;
        uint32 active;
        uint8 floor;
        bool open;
    }

    /// @notice What a task asks of its nodes.
    /// @param minTier The lowest VRAM tier.
    /// @param sameClass Whether the three must share a class.
    /// @param class The class they must be of, or 0 for any.
    /// @param avoid A class that is reserved for another task, or 0.
    struct Need {
        uint8 minTier;
        bool sameClass;
        ClassId class;
        ClassId avoid;
    }

    event NodeJoined(
        NodeId indexed node,
        address indexed operator,
        address indexed key,
        ClassId class,
        bytes32 classHash,
        uint16 vramGb,
        uint96 stake,
        string gpu
    );
    event ClassOpened(ClassId indexed class, bytes32 indexed classHash, uint8 tier);
    event StatusChanged(NodeId indexed node, Status status);
    event IntentChanged(NodeId indexed node, Intent intent);
    event StakeWithdrawn(NodeId indexed node, address indexed operator, uint96 amount);
    event StakeAdded(NodeId indexed node, uint96 amount, uint96 stake);
    /// @notice A deferred node stands in the sets now.
    event NodeAbsorbed(NodeId indexed node);
    event Penalized(NodeId indexed node, Lapse lapse, uint96 amount, uint96 stake);
    event KickedOut(NodeId indexed node);
    event CaseOpened(NodeId indexed node, TaskId indexed task, uint40 appealBy, NodeId[2] accused);
    event Appealed(
        NodeId indexed node, TaskId indexed task, address indexed appellant, bytes32 evidence, uint40 decideBy
    );
    event EvidenceAdded(NodeId indexed node, TaskId indexed task, address indexed from, bytes32 evidence);
    /// @notice A node that has a case, or is to be frozen for one, answers for this task after it.
    event Accused(NodeId indexed node, TaskId indexed task, NodeId[2] accused);
    event CaseDecided(NodeId indexed node, TaskId indexed task, Ruling ruling);
    /// @notice The appeal was not decided in time.
    event CaseLapsed(NodeId indexed node, TaskId indexed task);
    event Slashed(NodeId indexed node, TaskId indexed task, uint96 amount);
    event SlashedWithdrawn(address indexed treasury, uint256 amount);
    event ClassReviewed(ClassId indexed class, bool open);
    event RulesChanged(Rules rules);

    /// @notice The stake sent is not the stake asked for.
    error WrongStake(uint256 sent, uint256 required);
    /// @notice The key already belongs to a node.
    error KeyInUse(address key, NodeId node);
    /// @notice The key is the zero address.
    error ZeroKey();
    /// @notice The class fingerprint is zero.
    error ZeroClass();
    /// @notice The GPU's name is longer than `limit` bytes.
    error GpuNameTooLong(uint256 length, uint256 limit);
    /// @notice `caller` is not the operator of `node`.
    error NotOperator(NodeId node, address caller);
    /// @notice The node's status does not allow this.
    error WrongStatus(NodeId node, Status status);
    /// @notice The stake cannot be withdrawn before `until`.
    error StillUnbonding(NodeId node, uint256 until);
    /// @notice The stake is below what a node needs to work; `topUp` brings it back.
    error StakeTooLow(NodeId node, uint256 stake, uint256 required);
    /// @notice The stake would be more than `limit`.
    error StakeTooHigh(NodeId node, uint256 stake, uint256 limit);
    /// @notice An arbiter's decision waits for the node; nothing else may take its place.
    error FreezePending(NodeId node);
    /// @notice The hash of the evidence is 0.
    error EvidenceZero(NodeId node);
    /// @notice The case has been appealed.
    error AlreadyAppealed(NodeId node);
    /// @notice The case has not been appealed.
    error NotAppealed(NodeId node);
    /// @notice The node's case is that of `present`, not that of `named`.
    error OtherCase(NodeId node, TaskId present, TaskId named);
    /// @notice The time to appeal, or to decide, ended at `until`.
    error CaseOver(NodeId node, uint256 until);
    /// @notice The time to appeal, or to decide, lasts until `until`.
    error CaseOpen(NodeId node, uint256 until);
    /// @notice Nothing has been slashed since the last withdrawal.
    error NothingSlashed();
    /// @notice Rules outside the hard-coded bounds.
    error RulesOutOfBounds(Rules rules);
    /// @notice A stake of 0, or an unbonding time outside 5 to 90 days.
    error StakeOutOfBounds(uint96 minStake, uint40 unbondingSeconds);
    /// @notice A drawn round waits to be seated; what the choice depends on does not change until then.
    error SetsClosed();
    /// @notice No node of that class ever joined.
    error NoSuchClass(ClassId class);
    /// @notice The recipient refused the transfer.
    error TransferFailed(address to, uint256 amount);

    /// @notice Registers a node of the caller's with exactly `minStake()` as value.
    /// @param key The address that signs its commits and reveals.
    /// @param classHash Fingerprint of everything that decides the bytes it produces.
    /// @param vramGb Accelerator memory in GB; 0 for none.
    /// @param gpu The device's name, at most 64 bytes; only in the event.
    /// @custom:error WrongStake, KeyInUse, ZeroKey, ZeroClass, GpuNameTooLong
    function join(address key, bytes32 classHash, uint16 vramGb, string calldata gpu) external payable returns (NodeId);

    /// @notice Takes the node out of the sets; pending while it is busy or a draw waits to be seated.
    /// @custom:error NotOperator, WrongStatus, FreezePending
    function pause(NodeId node) external;

    /// @notice Puts a paused or suspended node back, or takes back a pending pause or quit.
    /// @custom:error NotOperator, WrongStatus, FreezePending, StakeTooLow
    function resume(NodeId node) external;

    /// @notice Adds to the stake of a node that paid penalties, up to `minStake()`. Anybody.
    /// @custom:error WrongStatus, StakeTooHigh
    function topUp(NodeId node) external payable;

    /// @notice Ends the node's membership and starts the unbonding of its stake; pending like `pause`.
    /// @custom:error NotOperator, WrongStatus, FreezePending
    function quit(NodeId node) external;

    /// @notice Sends the unbonded stake to the operator.
    /// @custom:error NotOperator, WrongStatus, StillUnbonding, TransferFailed
    function withdraw(NodeId node) external;

    /// @notice Appeals against a freeze, with the hash of the evidence: the transcript from which anybody can replay the
    /// chain's part and the inference. Anybody, for the node.
    /// @custom:error WrongStatus, AlreadyAppealed, CaseOver, EvidenceZero
    function appeal(NodeId node, bytes32 evidence) external;

    /// @notice Adds to the evidence of an appealed case, with its hash, until it is decided. Anybody.
    /// @custom:error WrongStatus, NotAppealed, CaseOver, EvidenceZero
    function addEvidence(NodeId node, bytes32 evidence) external;

    /// @notice Slashes a frozen node that nobody appealed for in time. Anybody.
    /// @custom:error WrongStatus, AlreadyAppealed, CaseOpen
    function slash(NodeId node) external;

    /// @notice Decides an appeal. Only the owner.
    /// @dev A node that was unbonding goes on as if it had not been frozen, any other is paused; one that is accused of
    /// something else is frozen for that.
    /// @param task The task of the case: a decision that comes too late must not decide the node's next case.
    /// @custom:error NotAllowed, WrongStatus, NotAppealed, OtherCase, CaseOver
    function arbitrate(NodeId node, TaskId task, Ruling ruling) external;

    /// @notice Releases a frozen node whose appeal was not decided in time, like `arbitrate`. Anybody.
    /// @custom:error WrongStatus, NotAppealed, CaseOpen
    function thaw(NodeId node) external;

    /// @notice Sends what was slashed and paid in penalties to the treasury. Anybody.
    /// @custom:error NothingSlashed, TransferFailed
    function withdrawSlashed() external;

    /// @notice Sees anew whether a class has its share of the active nodes. Anybody.
    /// @custom:error NoSuchClass, SetsClosed
    function review(ClassId class) external;

    /// @notice Sets penalties and times. Only the owner.
    /// @custom:error NotAllowed, RulesOutOfBounds
    function setRules(Rules calldata rules) external;

    /// @notice Chooses three free nodes of distinct operators for a task and makes them busy. Only Task.
    /// @dev Each is drawn uniformly and accepted with probability weight / 256; after 24 rejections the next acceptable
    /// of 32 neighbours from a random position is taken whatever its weight. Nodes that became free after the draw
    /// of the round are not eligible.
    /// @return ok Whether three were found; nothing has changed otherwise.
    /// @custom:error NotAllowed
    function choose(bytes32 entropy, Need calldata need)
        external
        returns (bool ok, NodeId[3] memory nodes, ClassId class);

    /// @notice Chooses free nodes for the seats in `vacant`, of operators that none of `seated` has, and makes them
    /// busy. Only Task.
    /// @return ok Whether all were found; nothing has changed otherwise.
    /// @return nodes `seated` with the new nodes in their seats.
    /// @custom:error NotAllowed
    function refill(bytes32 entropy, Need calldata need, NodeId[3] calldata seated, uint256 vacant)
        external
        returns (bool ok, NodeId[3] memory nodes);

    /// @notice Ends seats of `task`: new weights, penalties, freezes. Only Task.
    /// @custom:error NotAllowed
    function release(TaskId task, SeatEnd[3] calldata ends) external;

    /// @notice A round of tasks has been drawn in this block. Only TaskQueue.
    /// @custom:error NotAllowed
    function openRound() external;

    /// @notice The round has been seated; applies at most `limit` deferred changes of membership. Only TaskQueue.
    /// @custom:error NotAllowed
    function closeRound(uint256 limit) external;

    /// @notice Applies at most `limit` deferred changes of membership, when no drawn round waits. Anybody.
    /// @return done How many were taken from the list.
    function absorb(uint256 limit) external returns (uint256 done);

    /// @return The stake a node must bring, in wei.
    function minStake() external view returns (uint96);

    /// @return Seconds between the end of membership and the withdrawal of the stake.
    function unbondingSeconds() external view returns (uint40);

    /// @return The node in full; all zero when it never joined.
    function nodeOf(NodeId node) external view returns (NodeView memory);

    /// @return The node of `key`, or 0.
    function idOf(address key) external view returns (NodeId);

    /// @return The operator of `node`, or 0.
    function operatorOf(NodeId node) external view returns (address);

    /// @return The number of ids given out; ids run from 1 to this.
    function lastNode() external view returns (NodeId);

    /// @return The class of (`classHash`, `tier`), or 0 when no node of it ever joined.
    function classOf(bytes32 classHash, uint8 tier) external view returns (ClassId);

    /// @return classHash The fingerprint of `class`; 0 when it does not exist.
    /// @return state Its numbers.
    function classInfo(ClassId class) external view returns (bytes32 classHash, ClassState memory state);

    /// @return The numbers of `class`.
    function classState(ClassId class) external view returns (ClassState memory);

    /// @return The case of a frozen node, or the last one it had.
    function caseOf(NodeId node) external view returns (Case memory);

    /// @return The cases that will be opened against `node`, one after the other, when it is released; the last one
    /// first. Their times begin then.
    function accusationsOf(NodeId node) external view returns (Case[] memory);

    /// @return Penalties and times in force.
    function rules() external view returns (Rules memory);

    /// @return The least stake with which a node may work: three quarters of `minStake()`.
    function stakeFloor() external view returns (uint96);

    /// @return What waits for the treasury, in wei.
    function slashed() external view returns (uint256);

    /// @return The node at `position` of the class's free set.
    function freeInClass(ClassId class, uint256 position) external view returns (NodeId);

    /// @return The node at `position` among the free nodes of the tier, class by class; 0 behind the last.
    function freeInTier(uint8 tier, uint256 position) external view returns (NodeId);

    /// @return What can be drawn for now.
    function capacity() external view returns (Capacity memory);

    /// @notice The same, packed by tier: free in bits 0 to 31, servable in 32 to 63, active in 64 to 95, and the number of
    /// classes in 96 to 127. For TaskQueue:
    /// sixteen words pass between contracts for a third of the gas.
    /// @return words One a tier.
    /// @return active The number of active nodes.
    function tierWords() external view returns (uint256[16] memory words, uint256 active);

    /// @return The counters.
    function counts() external view returns (Counts memory);

    /// @return Whether changes of membership are being deferred.
    function setsClosed() external view returns (bool);

    /// @return The number of deferred changes that wait.
    function deferred() external view returns (uint256);
}
