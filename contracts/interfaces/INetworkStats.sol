// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ClassId, NodeId} from "../types/Ids.sol";
import {Level, ValueRate} from "../types/ValueRate.sol";
import {INode} from "./INode.sol";

/// @notice How a task ended.
/// @custom:value None It has not.
/// @custom:value Agreed Two or three results agreed.
/// @custom:value Disagreed No two results agreed.
/// @custom:value Failed Three nodes reported the same error.
/// @custom:value Mixed Errors of different kinds, or errors and a result.
/// @custom:value Unanswered Fewer than two nodes answered.
/// @custom:value Cancelled By its creator, while queued.
/// @custom:value Expired It waited longer than its creator allowed.
/// @custom:value Evicted It gave way to a task of a higher value in a full queue.
enum Ending {
    None,
    Agreed,
    Disagreed,
    Failed,
    Mixed,
    Unanswered,
    Cancelled,
    Expired,
    Evicted
}

/// @title Network statistics: tallies, and one place to read all counters.
/// @dev Only what no other contract already counts is stored here (one slot a kind); the rest is read from its owner,
/// so no counter exists twice and none can drift.
interface INetworkStats {
    /// @notice Ended tasks of one kind.
    struct Tally {
        uint40 agreed;
        uint40 disagreed;
        uint40 failed;
        uint40 mixed;
        uint40 unanswered;
        uint40 cancelled;
        uint40 expired;
        uint40 evicted;
    }

    /// @notice The network at a glance.
    /// @param running Tasks that hold seats or wait for theirs.
    struct Overview {
        INode.Counts nodes;
        uint40 created;
        uint40 queued;
        uint40 running;
        uint40 succeeded;
        uint40 aborted;
    }

    /// @notice What a task would meet if it were created now.
    /// @param durationMs Its estimated duration in milliseconds.
    /// @param value What it offers, in wei per second times 2^64.
    /// @param head The level of the first task of its book, 0 when there is none.
    /// @param tail The level of the last.
    /// @param ahead Tasks of its book that would be served before it.
    /// @param queued Tasks in the whole queue.
    /// @param limit The most the queue takes.
    /// @param accepted Whether it would be taken.
    /// @param leastFee The least fee with which it would be taken now, in wei, if enough nodes for it are active.
    struct Quote {
        uint256 durationMs;
        ValueRate value;
        Level head;
        Level tail;
        uint40 ahead;
        uint256 queued;
        uint256 limit;
        bool accepted;
        uint256 leastFee;
    }

    /// @notice How many nodes could serve a task, and what keeps the others from it. Each node is counted once, by the
    /// first reason that applies, in this order.
    struct Suitability {
        uint32 gone;
        uint32 unbonding;
        uint32 frozen;
        uint32 suspended;
        uint32 paused;
        uint32 tooSmall;
        uint32 otherClass;
        uint32 busy;
        uint32 waiting;
        uint32 eligible;
    }

    /// @notice Counts one ended task. Only Task.
    /// @custom:error NotAllowed
    function ended(uint8 kind, Ending ending) external;

    /// @return The tally of `kind`.
    function tallyOf(uint8 kind) external view returns (Tally memory);

    /// @return All counters of the network.
    function overview() external view returns (Overview memory);

    /// @notice What a task with `fee` would meet now.
    /// @custom:error ITask.UnknownKind, ITask.SizeZero, ITask.SizeTooLarge, ITask.NoSuchTier, ITask.ClassUnsuitable
    function quote(uint8 kind, uint32 size, uint16 minVram, ClassId requiredClass, uint96 fee)
        external
        view
        returns (Quote memory);

    /// @notice Which of the nodes with ids from `first` on, at most `limit`, could serve a task of `requiredClass` (0 for
    /// any) and `minVram`. The pages together prove why no suitable node is there.
    /// @custom:error ITask.NoSuchTier, ITask.ClassUnsuitable
    function suitability(uint16 minVram, ClassId requiredClass, NodeId first, uint256 limit)
        external
        view
        returns (Suitability memory);

    /// @return page At most `limit` nodes with ids from `first` on.
    function nodes(NodeId first, uint256 limit) external view returns (INode.NodeView[] memory page);
}
