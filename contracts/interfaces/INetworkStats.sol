// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {NodeId} from "../types/Ids.sol";
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
enum Ending {
    None,
    Agreed,
    Disagreed,
    Failed,
    Mixed,
    Unanswered,
    Cancelled,
    Expired
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

    /// @notice Counts one ended task. Only Task.
    /// @custom:error NotAllowed
    function ended(uint8 kind, Ending ending) external;

    /// @return The tally of `kind`.
    function tallyOf(uint8 kind) external view returns (Tally memory);

    /// @return All counters of the network.
    function overview() external view returns (Overview memory);

    /// @return page At most `limit` nodes with ids from `first` on.
    function nodes(NodeId first, uint256 limit) external view returns (INode.NodeView[] memory page);
}
