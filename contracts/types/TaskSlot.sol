// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ITask} from "../interfaces/ITask.sol";
import {Bits} from "../libraries/Bits.sol";
import {ClassId, NodeId} from "./Ids.sol";

/// @notice The course of a task, in one storage slot.
/// @dev Bits: state 0-7 | kind 8-15 | size 16-47 | nodes 48-143 (three of 32; while queued the ticket and, from 80, the
/// time of creation) | commit ranks 144-151 (three of 2, then the count) | reveal ranks 152-159 (likewise) | deadline 160-199 | tier 200-207 | class 208-239 | agreeing 240-242 |
/// deliverer 243-244 | vacated 245-247 | refills 248-249 | relayed 250.
type TaskSlot is uint256;

using TaskSlots for TaskSlot global;

/// @notice Readers and writers of `TaskSlot`.
library TaskSlots {
    using Bits for uint256;

    uint256 private constant COMMITS = 144;
    uint256 private constant REVEALS = 152;

    function queued(uint8 kind_, uint32 size_, uint8 tier_, ClassId class_) internal pure returns (TaskSlot) {
        return TaskSlot.wrap(
            uint256(uint8(ITask.State.Queued)) | (uint256(kind_) << 8) | (uint256(size_) << 16)
                | (uint256(tier_) << 200) | (uint256(ClassId.unwrap(class_)) << 208)
        );
    }

    function state(TaskSlot s) internal pure returns (ITask.State) {
        return ITask.State(uint8(TaskSlot.unwrap(s)));
    }

    function withState(TaskSlot s, ITask.State v) internal pure returns (TaskSlot) {
        return TaskSlot.wrap(TaskSlot.unwrap(s).set(0, 8, uint8(v)));
    }

    function kind(TaskSlot s) internal pure returns (uint8) {
        return uint8(TaskSlot.unwrap(s) >> 8);
    }

    function size(TaskSlot s) internal pure returns (uint32) {
        return uint32(TaskSlot.unwrap(s) >> 16);
    }

    function node(TaskSlot s, uint256 seat) internal pure returns (NodeId) {
        return NodeId.wrap(uint32(TaskSlot.unwrap(s) >> (48 + 32 * seat)));
    }

    function nodes(TaskSlot s) internal pure returns (NodeId[3] memory all) {
        for (uint256 i; i < 3; ++i) {
            all[i] = node(s, i);
        }
    }

    function withNode(TaskSlot s, uint256 seat, NodeId v) internal pure returns (TaskSlot) {
        return TaskSlot.wrap(TaskSlot.unwrap(s).set(48 + 32 * seat, 32, NodeId.unwrap(v)));
    }

    function withNodes(TaskSlot s, NodeId[3] memory all) internal pure returns (TaskSlot) {
        for (uint256 i; i < 3; ++i) {
            s = withNode(s, i, all[i]);
        }
        return s;
    }

    /// @return 1 for the first seat that committed, 0 for one that has not.
    function commitRank(TaskSlot s, uint256 seat) internal pure returns (uint256) {
        return TaskSlot.unwrap(s).get(COMMITS + 2 * seat, 2);
    }

    function commits(TaskSlot s) internal pure returns (uint256) {
        return TaskSlot.unwrap(s).get(COMMITS + 6, 2);
    }

    function withCommit(TaskSlot s, uint256 seat) internal pure returns (TaskSlot) {
        return TaskSlot.wrap(_withRank(TaskSlot.unwrap(s), COMMITS, seat));
    }

    /// @return 1 for the first seat that revealed, 0 for one that has not.
    function revealRank(TaskSlot s, uint256 seat) internal pure returns (uint256) {
        return TaskSlot.unwrap(s).get(REVEALS + 2 * seat, 2);
    }

    function reveals(TaskSlot s) internal pure returns (uint256) {
        return TaskSlot.unwrap(s).get(REVEALS + 6, 2);
    }

    function withReveal(TaskSlot s, uint256 seat) internal pure returns (TaskSlot) {
        return TaskSlot.wrap(_withRank(TaskSlot.unwrap(s), REVEALS, seat));
    }

    function deadline(TaskSlot s) internal pure returns (uint40) {
        return uint40(TaskSlot.unwrap(s) >> 160);
    }

    function withDeadline(TaskSlot s, uint256 v) internal pure returns (TaskSlot) {
        return TaskSlot.wrap(TaskSlot.unwrap(s).set(160, 40, v));
    }

    function tier(TaskSlot s) internal pure returns (uint8) {
        return uint8(TaskSlot.unwrap(s) >> 200);
    }

    function class(TaskSlot s) internal pure returns (ClassId) {
        return ClassId.wrap(uint32(TaskSlot.unwrap(s) >> 208));
    }

    function withClass(TaskSlot s, ClassId v) internal pure returns (TaskSlot) {
        return TaskSlot.wrap(TaskSlot.unwrap(s).set(208, 32, ClassId.unwrap(v)));
    }

    function agreeing(TaskSlot s) internal pure returns (uint256) {
        return TaskSlot.unwrap(s).get(240, 3);
    }

    function deliverer(TaskSlot s) internal pure returns (uint256) {
        return TaskSlot.unwrap(s).get(243, 2);
    }

    /// @return The queue's name for the task while it is queued, in the place of the first node.
    function ticket(TaskSlot s) internal pure returns (uint32) {
        return NodeId.unwrap(node(s, 0));
    }

    function withTicket(TaskSlot s, uint32 v) internal pure returns (TaskSlot) {
        return withNode(s, 0, NodeId.wrap(v));
    }

    /// @return When the task was created, in seconds; known while it is queued or drawn.
    function createdAt(TaskSlot s) internal pure returns (uint40) {
        return uint40(TaskSlot.unwrap(s) >> 80);
    }

    function withCreatedAt(TaskSlot s, uint256 v) internal pure returns (TaskSlot) {
        return TaskSlot.wrap(TaskSlot.unwrap(s).set(80, 40, v));
    }

    /// @return The seats whose holder let the commit stage pass and that nobody has taken over, as a mask. Their nodes
    /// are still named, so that a refill can pass them over.
    function vacated(TaskSlot s) internal pure returns (uint256) {
        return TaskSlot.unwrap(s).get(245, 3);
    }

    function withVacated(TaskSlot s, uint256 mask) internal pure returns (TaskSlot) {
        return TaskSlot.wrap(TaskSlot.unwrap(s).set(245, 3, mask));
    }

    /// @return How often seats of this task were vacated to be given to others.
    function refills(TaskSlot s) internal pure returns (uint256) {
        return TaskSlot.unwrap(s).get(248, 2);
    }

    function withRefills(TaskSlot s, uint256 v) internal pure returns (TaskSlot) {
        return TaskSlot.wrap(TaskSlot.unwrap(s).set(248, 2, v));
    }

    /// @return Whether a relay must sign the delivery.
    function relayed(TaskSlot s) internal pure returns (bool) {
        return TaskSlot.unwrap(s).get(250, 1) != 0;
    }

    function withRelayed(TaskSlot s) internal pure returns (TaskSlot) {
        return TaskSlot.wrap(TaskSlot.unwrap(s).set(250, 1, 1));
    }

    /// @return The seats that have committed, as a mask.
    function committed(TaskSlot s) internal pure returns (uint256) {
        return _ranked(TaskSlot.unwrap(s) >> COMMITS);
    }

    /// @return The seats that have revealed, as a mask.
    function revealed(TaskSlot s) internal pure returns (uint256) {
        return _ranked(TaskSlot.unwrap(s) >> REVEALS);
    }

    /// @return seat The seat `holder` holds, or 3. A queued task has none: a ticket stands in the place of its first node.
    function seatOf(TaskSlot s, NodeId holder) internal pure returns (uint256 seat) {
        if (state(s) == ITask.State.Queued) return 3;
        while (seat < 3 && (node(s, seat) != holder || (vacated(s) >> seat) & 1 != 0)) ++seat;
    }

    function withAgreeing(TaskSlot s, uint256 mask) internal pure returns (TaskSlot) {
        return TaskSlot.wrap(TaskSlot.unwrap(s).set(240, 3, mask));
    }

    function withDeliverer(TaskSlot s, uint256 seat) internal pure returns (TaskSlot) {
        return TaskSlot.wrap(TaskSlot.unwrap(s).set(243, 2, seat));
    }

    /// @dev The seats whose two bits of `ranks` are not both 0, as a mask.
    function _ranked(uint256 ranks) private pure returns (uint256) {
        uint256 any = ranks | (ranks >> 1);
        return (any & 1) | ((any >> 1) & 2) | ((any >> 2) & 4);
    }

    /// @dev Gives `seat` the next rank in the byte at `offset` and raises its count.
    function _withRank(uint256 word, uint256 offset, uint256 seat) private pure returns (uint256) {
        uint256 rank = word.get(offset + 6, 2) + 1;
        return word.set(offset + 2 * seat, 2, rank).set(offset + 6, 2, rank);
    }
}
