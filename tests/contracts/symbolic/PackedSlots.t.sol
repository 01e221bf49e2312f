// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {BookTag} from "../../../contracts/types/BookTag.sol";
import {ClassId, NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {NodeSlot} from "../../../contracts/types/NodeSlot.sol";
import {TaskSlot} from "../../../contracts/types/TaskSlot.sol";
import {SymbolicTest} from "./SymbolicTest.sol";

/// @notice Packed words: writing a field gives it its value and changes no other bit.
/// @dev The masks restate the documented layout; a field that moves or grows fails here.
contract PackedSlotsSymbolicTest is SymbolicTest {
    /// @custom:proves Every writer of a task's slot changes its own field only, and its reader gives the value back.
    /// @custom:bound Any slot and value; seats 0 to 2.
    function check_taskFieldsAreIndependent(uint256 word, uint256 value, uint8 seat, uint8 field) public pure {
        vm.assume(field < 11);
        seat = _concrete(seat, 3);
        TaskSlot s = TaskSlot.wrap(word);
        if (field == 0) {
            ITask.State state = ITask.State(uint8(value) % (uint8(type(ITask.State).max) + 1));
            s = s.withState(state);
            assertEq(s.state(), state);
            _assertOnly(word, s, 0, 8);
        } else if (field == 1) {
            s = s.withNode(seat, NodeId.wrap(uint32(value)));
            assertEq(s.node(seat), NodeId.wrap(uint32(value)));
            assertEq(s.nodes()[seat], s.node(seat));
            _assertOnly(word, s, 48 + 32 * uint256(seat), 32);
        } else if (field == 2) {
            s = s.withDeadline(uint40(value));
            assertEq(s.deadline(), uint40(value));
            _assertOnly(word, s, 160, 40);
        } else if (field == 3) {
            s = s.withClass(ClassId.wrap(uint32(value)));
            assertEq(s.class(), ClassId.wrap(uint32(value)));
            _assertOnly(word, s, 208, 32);
        } else if (field == 4) {
            s = s.withAgreeing(value & 7);
            assertEq(s.agreeing(), value & 7);
            _assertOnly(word, s, 240, 3);
        } else if (field == 5) {
            s = s.withDeliverer(seat);
            assertEq(s.deliverer(), seat);
            _assertOnly(word, s, 243, 2);
        } else if (field == 6) {
            s = s.withVacated(value & 7);
            assertEq(s.vacated(), value & 7);
            _assertOnly(word, s, 245, 3);
        } else if (field == 7) {
            s = s.withRefills(value & 3);
            assertEq(s.refills(), value & 3);
            _assertOnly(word, s, 248, 2);
        } else if (field == 8) {
            s = s.withTicket(uint32(value));
            assertEq(s.ticket(), uint32(value));
            _assertOnly(word, s, 48, 32);
        } else if (field == 9) {
            s = s.withCreatedAt(uint40(value));
            assertEq(s.createdAt(), uint40(value));
            _assertOnly(word, s, 80, 40);
        } else {
            s = s.withRelayed();
            assertTrue(s.relayed());
            _assertOnly(word, s, 250, 1);
        }
    }

    /// @custom:proves A commit and a reveal get the next rank, change no other seat's and no other field.
    /// @custom:bound Any slot in which fewer than three have committed or revealed.
    function check_ranksCountUp(uint256 word, uint8 seat, uint8 other, bool reveal) public pure {
        vm.assume(seat < 3 && other < 3 && seat != other);
        TaskSlot s = TaskSlot.wrap(word);
        vm.assume((reveal ? s.reveals() : s.commits()) < 3);
        TaskSlot t = reveal ? s.withReveal(seat) : s.withCommit(seat);
        if (reveal) {
            assertTrue(t.reveals() == s.reveals() + 1 && t.revealRank(seat) == t.reveals());
            assertEq(t.revealRank(other), s.revealRank(other));
        } else {
            assertTrue(t.commits() == s.commits() + 1 && t.commitRank(seat) == t.commits());
            assertEq(t.commitRank(other), s.commitRank(other));
        }
        assertTrue((reveal ? t.revealed() : t.committed()) >> seat & 1 == 1);
        _assertOnly(word, t, reveal ? 152 : 144, 8);
    }

    /// @custom:proves Every writer of a node's slot changes its own field only, and its reader gives the value back.
    /// @custom:bound Any slot and value.
    function check_nodeFieldsAreIndependent(uint256 word, uint256 value, uint8 field) public pure {
        vm.assume(field < 7);
        NodeSlot s = NodeSlot.wrap(word);
        if (field == 0) {
            INode.Status status = INode.Status(uint8(value) % (uint8(type(INode.Status).max) + 1));
            s = s.withStatus(status);
            assertEq(s.status(), status);
            _assertOnly(word, s, 0, 8);
        } else if (field == 1) {
            INode.Intent intent = INode.Intent(uint8(value) % (uint8(type(INode.Intent).max) + 1));
            s = s.withIntent(intent);
            assertEq(s.intent(), intent);
            _assertOnly(word, s, 8, 8);
        } else if (field == 2) {
            s = s.withWeight(uint8(value));
            assertEq(s.weight(), uint8(value));
            _assertOnly(word, s, 16, 8);
        } else if (field == 3) {
            s = s.withPosition(uint32(value));
            assertEq(s.position(), uint32(value));
            _assertOnly(word, s, 64, 32);
        } else if (field == 4) {
            s = s.withSince(uint40(value));
            assertEq(s.since(), uint40(value));
            _assertOnly(word, s, 128, 40);
        } else if (field == 5) {
            s = s.withInSets(value & 1 == 1);
            assertEq(s.inSets(), value & 1 == 1);
            _assertOnly(word, s, 248, 1);
        } else {
            s = s.withDeferred(value & 1 == 1);
            assertEq(s.isDeferred(), value & 1 == 1);
            _assertOnly(word, s, 249, 1);
        }
    }

    /// @custom:proves A tag gives back each of its fields and fits 160 bits.
    /// @custom:bound Any fields.
    function check_aTagGivesBackItsFields(
        uint40 task,
        uint8 kind,
        uint8 tier,
        uint32 class,
        uint40 expires,
        uint32 queued
    ) public pure {
        uint256 tag = BookTag.pack(TaskId.wrap(task), kind, tier, ClassId.wrap(class), expires, queued);
        assertEq(BookTag.task(tag), TaskId.wrap(task));
        assertEq(BookTag.kind(tag), kind);
        assertEq(BookTag.tier(tag), tier);
        assertEq(BookTag.class(tag), ClassId.wrap(class));
        assertEq(BookTag.expiresAt(tag), expires);
        assertEq(BookTag.queuedAt(tag), queued);
        assertEq(tag >> 160, 0);
    }

    /// @custom:proves Two tags name one book only if kind and class agree, and the tier as well when no class is required.
    /// @custom:bound Any two tags.
    function check_differentBooksHaveDifferentKeys(uint256 a, uint256 b) public pure {
        vm.assume(BookTag.bookKeyOf(a) == BookTag.bookKeyOf(b));
        assertEq(BookTag.kind(a), BookTag.kind(b));
        assertEq(BookTag.class(a), BookTag.class(b));
        if (ClassId.unwrap(BookTag.class(a)) == 0) assertEq(BookTag.tier(a), BookTag.tier(b));
    }

    function _assertOnly(uint256 word, TaskSlot s, uint256 offset, uint256 width) private pure {
        _assertOnly(word, TaskSlot.unwrap(s), offset, width);
    }

    function _assertOnly(uint256 word, NodeSlot s, uint256 offset, uint256 width) private pure {
        _assertOnly(word, NodeSlot.unwrap(s), offset, width);
    }

    /// @dev Only the `width` bits at `offset` may differ.
    function _assertOnly(uint256 word, uint256 written, uint256 offset, uint256 width) private pure {
        assertEq((word ^ written) & ~(((1 << width) - 1) << offset), 0);
    }
}
