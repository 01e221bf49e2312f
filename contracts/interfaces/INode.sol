// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ClassId, NodeId} from "../types/Ids.sol";

/// @title The node registry: who may work, and the random choice among those who are free.
/// @notice A node has two keys: a hot *key* on the machine that signs commits and reveals, and a cold *operator* that
/// owns its stake. A free node stands in two sets, by class and by VRAM tier.
///
/// @dev Assumptions and warnings
/// - The sets do not change between the block of a draw and the seating of that draw: while a round with a known block
///   hash waits to be seated, every change of membership is deferred to the end of that seating. Otherwise whoever may
///   change the sets could, knowing the entropy, steer the choice.
/// - `join` does not ask the key for its consent. Whoever registers a stranger's key locks a stake and gains nothing;
/// the stranger takes another key.
/// - Two nodes of one operator never serve one task. One person with two operator addresses is two operators.
interface INode {
    /// @notice Where a node stands.
    /// @custom:value None Never joined.
    /// @custom:value Free Ready for a seat; in the sets, or deferred to the end of the current seating.
    /// @custom:value Busy Holds a seat.
    /// @custom:value Paused By its operator.
    /// @custom:value Suspended By the contract, after several missed tasks in a row; `resume` ends it.
    /// @custom:value Frozen Its result differed from that of two who agreed; the stake stays.
    /// @custom:value Unbonding Has quit; the stake can be withdrawn when the unbonding time is over.
    /// @custom:value Gone Has quit and taken its stake.
    enum Status {
        None,
        Free,
        Busy,
        Paused,
        Suspended,
        Frozen,
        Unbonding,
        Gone
    }

    /// @notice What the operator of a node that cannot leave at once has asked for.
    enum Intent {
        None,
        Pause,
        Quit
    }

    /// @notice What becomes of a node when its seat ends.
    enum Fate {
        Free,
        Suspend,
        Freeze
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

    /// @notice What the dispatcher may draw for: free nodes, and groups of three in one class, per VRAM tier.
    struct Capacity {
        uint32[16] free;
        uint32[16] triples;
    }

    /// @notice What a task asks of its nodes.
    /// @param minTier The lowest VRAM tier.
    /// @param sameClass Whether the three must share a class.
    /// @param class The class they must be of, or 0 for any.
    struct Need {
        uint8 minTier;
        bool sameClass;
        ClassId class;
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
    /// @notice The operator refused the transfer of its own stake.
    error TransferFailed(address to, uint256 amount);

    /// @notice Registers a node of the caller's with exactly `minStake()` as value.
    /// @param key The address that signs its commits and reveals.
    /// @param classHash Fingerprint of everything that decides the bytes it produces.
    /// @param vramGb Accelerator memory in GB; 0 for none.
    /// @param gpu The device's name, at most 64 bytes; only in the event.
    /// @custom:error WrongStake, KeyInUse, ZeroKey, ZeroClass, GpuNameTooLong
    function join(address key, bytes32 classHash, uint16 vramGb, string calldata gpu) external payable returns (NodeId);

    /// @notice Takes the node out of the sets; pending while it is busy or a draw waits to be seated.
    /// @custom:error NotOperator, WrongStatus
    function pause(NodeId node) external;

    /// @notice Puts a paused or suspended node back, or takes back a pending pause or quit.
    /// @custom:error NotOperator, WrongStatus
    function resume(NodeId node) external;

    /// @notice Ends the node's membership and starts the unbonding of its stake; pending like `pause`.
    /// @custom:error NotOperator, WrongStatus
    function quit(NodeId node) external;

    /// @notice Sends the unbonded stake to the operator: the only transfer of this contract.
    /// @custom:error NotOperator, WrongStatus, StillUnbonding, TransferFailed
    function withdraw(NodeId node) external;

    /// @notice Chooses three free nodes of distinct operators for a task and makes them busy. Only Task.
    /// @dev Each is drawn uniformly and accepted with probability weight / 256; after 24 rejections the next acceptable
    /// of 32 neighbours from a random position is taken whatever its weight. Nodes that became free after the draw
    /// of the round are not eligible.
    /// @return ok Whether three were found; nothing has changed otherwise.
    /// @custom:error NotAllowed
    function choose(bytes32 entropy, Need calldata need)
        external
        returns (bool ok, NodeId[3] memory nodes, ClassId class);

    /// @notice Ends the seats of `nodes` and gives each its new weight. Only Task.
    /// @return operators Who owns them, in the same order.
    /// @custom:error NotAllowed
    function release(NodeId[3] calldata nodes, uint8[3] calldata weights, Fate[3] calldata fates)
        external
        returns (address[3] memory operators);

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
    /// @return tier Its VRAM tier.
    /// @return free Its nodes in the sets.
    function classInfo(ClassId class) external view returns (bytes32 classHash, uint8 tier, uint32 free);

    /// @return The node at `position` of the class's free set.
    function freeInClass(ClassId class, uint256 position) external view returns (NodeId);

    /// @return The node at `position` of the tier's free set.
    function freeInTier(uint8 tier, uint256 position) external view returns (NodeId);

    /// @return What can be drawn for now.
    function capacity() external view returns (Capacity memory);

    /// @return The counters.
    function counts() external view returns (Counts memory);

    /// @return Whether changes of membership are being deferred.
    function setsClosed() external view returns (bool);

    /// @return The number of deferred changes that wait.
    function deferred() external view returns (uint256);
}
