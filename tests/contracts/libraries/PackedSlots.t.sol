// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {Bits} from "../../../contracts/libraries/Bits.sol";
import {ClassId, NodeId} from "../../../contracts/types/Ids.sol";
import {NodeSlot, NodeSlots} from "../../../contracts/types/NodeSlot.sol";
import {TaskSlot, TaskSlots} from "../../../contracts/types/TaskSlot.sol";
import {TypedAssertions} from "../TypedAssertions.sol";

/// @notice The packed words: every field keeps its value whatever is written beside it.
contract PackedSlotsTest is TypedAssertions {
    using Bits for uint256;

    function testFuzz_aFieldIsWrittenAndNothingElse(uint256 word, uint8 offset, uint8 width, uint256 value)
        public
        pure
    {
        uint256 bits = bound(width, 1, 64);
        uint256 position = bound(offset, 0, 256 - bits);
        value = bound(value, 0, (1 << bits) - 1);
        uint256 written = word.set(position, bits, value);
        assertEq(written.get(position, bits), value);
        uint256 mask = ((1 << bits) - 1) << position;
        assertEq(written & ~mask, word & ~mask);
        assertEq(written.set(position, bits, word.get(position, bits)), word);
    }

    function testFuzz_countersInsideAWord(uint32 field, uint16 up, uint16 down) public pure {
        uint256 word = (uint256(bound(field, type(uint16).max, type(uint32).max - type(uint16).max)) << 64) | 0xbeef;
        uint256 moved = word.plus(64, up).minus(64, down);
        assertEq(moved.get(64, 32), word.get(64, 32) + up - down);
        assertEq(moved & type(uint64).max, 0xbeef);
    }

    function testFuzz_aFreshNodeSlot(uint32 class, uint8 tier, uint8 weight, address operator) public pure {
        NodeSlot s = NodeSlots.fresh(ClassId.wrap(class), tier, weight, operator);
        assertEq(s.status(), INode.Status.Free);
        assertEq(s.intent(), INode.Intent.None);
        assertEq(s.class(), ClassId.wrap(class));
        assertEq(s.tier(), tier);
        assertEq(s.weight(), weight);
        assertEq(s.operatorTag(), uint80(uint160(operator)));
        assertFalse(s.inSets() || s.isDeferred());
    }

    /// @dev Writes each field in a fuzzed order into a fuzzed slot and reads all of them back.
    function testFuzz_nodeFieldsAreIndependent(uint256 start, uint256 values) public pure {
        // A start whose status and intent are members of their enums.
        NodeSlot s = NodeSlot.wrap(start).withStatus(INode.Status.Busy).withIntent(INode.Intent.Quit);
        uint256 operatorTag = s.operatorTag();
        s = s.withWeight(uint8(values)).withPosition(uint32(values >> 8));
        s = s.withSince(uint40(values >> 72)).withInSets(values & 1 == 1).withDeferred(values & 2 == 2);
        s = s.withStatus(INode.Status.Frozen).withIntent(INode.Intent.Pause);
        assertEq(s.status(), INode.Status.Frozen);
        assertEq(s.intent(), INode.Intent.Pause);
        assertEq(s.weight(), uint8(values));
        assertEq(s.position(), uint32(values >> 8));
        assertEq(s.since(), uint40(values >> 72));
        assertEq(s.inSets(), values & 1 == 1);
        assertEq(s.isDeferred(), values & 2 == 2);
        assertEq(s.operatorTag(), operatorTag);
        assertEq(s.class(), NodeSlot.wrap(start).class());
    }

    /// @dev What a refill needs to know stands beside everything else.
    function testFuzz_vacanciesAreIndependent(uint256 start, uint8 mask, uint8 refills, uint32[3] memory ids)
        public
        pure
    {
        TaskSlot s = TaskSlot.wrap(start).withState(ITask.State.Vacant);
        bool relayed = s.relayed();
        (uint256 commits, uint256 agreeing, uint256 deadline) = (s.commits(), s.agreeing(), s.deadline());
        s = s.withVacated(mask % 8).withRefills(refills % 4);
        assertEq(s.vacated(), mask % 8);
        assertEq(s.refills(), refills % 4);
        assertEq(s.relayed(), relayed);
        assertEq(abi.encode(s.commits(), s.agreeing(), s.deadline()), abi.encode(commits, agreeing, deadline));
        assertTrue(s.withRelayed().relayed());
        assertEq(s.withRelayed().vacated(), mask % 8);
        assertEq(s.withRelayed().refills(), refills % 4);
        for (uint256 i; i < 3; ++i) {
            ids[i] = uint32(3 * (1 + ids[i] % 1e9) + i);
            s = s.withNode(i, NodeId.wrap(ids[i]));
        }
        for (uint256 i; i < 3; ++i) {
            // The node of a vacated seat is still named, and holds it no more.
            assertEq(s.node(i), NodeId.wrap(ids[i]));
            assertEq(s.seatOf(NodeId.wrap(ids[i])), (mask >> i) & 1 == 1 ? 3 : i);
        }
        assertEq(s.seatOf(NodeId.wrap(1)), 3, "nobody's seat");
    }

    /// @dev Whatever the order: the masks say who has a rank.
    function testFuzz_theMasksOfThoseWhoCameAreThoseOfTheRanks(uint8 commits, uint8 reveals, uint8 first) public pure {
        TaskSlot s = TaskSlots.queued(255, type(uint32).max, 255, ClassId.wrap(type(uint32).max));
        for (uint256 i; i < 3; ++i) {
            uint256 seat = (uint256(first) + i) % 3;
            if ((commits >> seat) & 1 == 1) s = s.withCommit(seat);
            if ((reveals >> seat) & 1 == 1) s = s.withReveal(seat);
        }
        assertEq(s.committed(), commits % 8);
        assertEq(s.revealed(), reveals % 8);
    }

    /// @dev While a task is queued, the place of its first node holds the queue's name for it.
    function testFuzz_aTicketStandsAlone(uint256 start, uint32 ticket, uint32[3] memory ids) public pure {
        TaskSlot s = TaskSlot.wrap(start).withTicket(ticket);
        assertEq(s.ticket(), ticket);
        assertEq(TaskSlot.unwrap(s.withTicket(TaskSlot.wrap(start).ticket())), start, "nothing else has changed");
        NodeId[3] memory nodes = [NodeId.wrap(ids[0]), NodeId.wrap(ids[1]), NodeId.wrap(ids[2])];
        assertEq(abi.encode(s.withNodes(nodes).nodes()), abi.encode(ids));
        uint256 mask = ((1 << 96) - 1) << 48;
        assertEq(TaskSlot.unwrap(s.withNodes(nodes)) & ~mask, start & ~mask);
    }

    function testFuzz_taskFieldsAreIndependent(
        uint8 kind,
        uint32 size,
        uint8 tier,
        uint32[4] memory ids,
        uint40 deadline
    ) public pure {
        TaskSlot s = TaskSlots.queued(kind, size, tier, ClassId.wrap(ids[3]));
        assertEq(s.state(), ITask.State.Queued);
        assertEq(s.class(), ClassId.wrap(ids[3]));
        s = s.withDeadline(deadline).withAgreeing(5).withDeliverer(2).withClass(ClassId.wrap(ids[0] ^ ids[3]));
        for (uint256 i; i < 3; ++i) {
            s = s.withNode(i, NodeId.wrap(ids[i]));
        }
        s = s.withCommit(2).withCommit(0).withReveal(0).withState(ITask.State.Revealing);
        assertEq(s.state(), ITask.State.Revealing);
        assertEq(s.kind(), kind);
        assertEq(s.size(), size);
        assertEq(s.tier(), tier);
        assertEq(s.class(), ClassId.wrap(ids[0] ^ ids[3]));
        assertEq(s.deadline(), deadline);
        assertEq(s.agreeing(), 5);
        assertEq(s.deliverer(), 2);
        for (uint256 i; i < 3; ++i) {
            assertEq(s.node(i), NodeId.wrap(ids[i]));
            assertEq(s.nodes()[i], NodeId.wrap(ids[i]));
        }
        assertEq(abi.encode(s.commitRank(0), s.commitRank(1), s.commitRank(2), s.commits()), abi.encode(2, 0, 1, 2));
        assertEq(abi.encode(s.revealRank(0), s.revealRank(1), s.revealRank(2), s.reveals()), abi.encode(1, 0, 0, 1));
    }
}
