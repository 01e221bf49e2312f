// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {NodeId} from "../types/Ids.sol";
import {INode} from "./INode.sol";

/// @dev Grade of a node that did not submit.
uint8 constant MISSED = 254;

/// @dev Grade that leaves a node as it is.
uint8 constant IGNORED = 255;

/// @title Quality of service: what a node earned in its last tasks, and the weight of its choice.
/// @notice A task gives 0 to 20 points. The score is the sum over a window of the last 32 tasks; a newcomer's window is
/// filled with the middle, 10. The weight of the choice is 1 + 254 × score / 640. Three misses in a row suspend a node; a
/// score below 192 kicks it out.
/// @dev One storage slot a node.
interface IQoS {
    /// @notice A node's record.
    /// @param score Sum of the points in the window, 0 to 640.
    /// @param weight Weight of its choice, 1 to 255.
    /// @param misses Tasks missed in a row.
    /// @param tasks Tasks counted so far.
    struct Record {
        uint16 score;
        uint8 weight;
        uint8 misses;
        uint32 tasks;
    }

    event Scored(NodeId indexed node, uint8 points, uint16 score);

    /// @notice Counts one task for each of three nodes. Only Task.
    /// @param nodes The seats' nodes; 0 for a seat that is left out.
    /// @param grades Points 0 to 20; `MISSED` for a node that did not submit; `IGNORED` to leave a node as it is.
    /// @return weights Their weights now.
    /// @return fates `Suspend` for a node that has now missed three tasks in a row (its count starts anew), `Kick` for one
    /// whose score is too low, else `Free`.
    /// @custom:error NotAllowed
    function record(NodeId[3] calldata nodes, uint8[3] calldata grades)
        external
        returns (uint8[3] memory weights, INode.Fate[3] memory fates);

    /// @return The record of `node`.
    function recordOf(NodeId node) external view returns (Record memory);

    /// @return The weight of a node that has done nothing yet.
    function newcomerWeight() external pure returns (uint8);
}
