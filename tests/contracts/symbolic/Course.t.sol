// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IGNORED, MISSED} from "../../../contracts/interfaces/IQoS.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {FeeShare} from "../../../contracts/libraries/FeeShare.sol";
import {Settlement} from "../../../contracts/libraries/Settlement.sol";
import {NodeId} from "../../../contracts/types/Ids.sol";
import {TaskSlot} from "../../../contracts/types/TaskSlot.sol";
import {SymbolicTest} from "./SymbolicTest.sol";

/// @notice The course of a task as its slot holds it: who has a seat, in which order seats act, who let a stage pass.
/// @dev The slot is arbitrary, so that this holds whatever led to it. The transitions themselves are Task's and are not run here.
contract CourseSymbolicTest is SymbolicTest {
    using Settlement for Settlement.Outcome;

    /// @custom:proves Seats that commit or reveal one after the other get the ranks 1, 2, 3 in that order and are those named as
    /// having done so; nothing else of the slot changes.
    /// @custom:bound Any slot in which nobody has; one, two or three different seats in any order.
    function check_seatsAreRankedInTheirOrder(uint256 word, uint8[3] memory seats, uint8 n, bool reveal) public pure {
        n = _concrete(n, 4);
        uint256 offset = reveal ? 152 : 144;
        vm.assume((word >> offset) & 0xff == 0);
        TaskSlot s = TaskSlot.wrap(word);
        uint256 done;
        for (uint256 i; i < n; ++i) {
            seats[i] = _concrete(seats[i], 3);
            vm.assume((done >> seats[i]) & 1 == 0);
            done |= 1 << seats[i];
            s = reveal ? s.withReveal(seats[i]) : s.withCommit(seats[i]);
        }
        for (uint256 i; i < n; ++i) {
            assertEq(reveal ? s.revealRank(seats[i]) : s.commitRank(seats[i]), i + 1);
        }
        assertEq(reveal ? s.reveals() : s.commits(), n);
        assertEq(reveal ? s.revealed() : s.committed(), done);
        assertEq((TaskSlot.unwrap(s) ^ word) & ~(uint256(0xff) << offset), 0);
    }

    /// @custom:proves A seat is held by the node it names, unless it is vacant or the task is queued; who holds none gets 3.
    /// @custom:bound Any slot and node.
    function check_onlyAHolderHasASeat(uint256 word, uint32 node) public pure {
        TaskSlot s = _slot(word);
        NodeId holder = NodeId.wrap(node);
        uint256 seat = s.seatOf(holder);
        assertLe(seat, 3);
        for (uint256 i; i < 3; ++i) {
            bool holds = uint32(word >> (48 + 32 * i)) == node && (word >> (245 + i)) & 1 == 0;
            if (s.state() == ITask.State.Queued) holds = false;
            if (i == seat) assertTrue(holds);
            if (holds) assertLe(seat, i);
        }
    }

    /// @custom:proves A seat lapses exactly when its holder let the stage pass and another did not; it conceals exactly when it had
    /// committed and others agreed. Who agrees never lapses.
    /// @custom:bound Any slot, any seats that agree among those that revealed.
    function check_onlyWhoLetTheStagePassLapses(uint256 word, uint8 agreeing, uint8 seat) public pure {
        seat = _concrete(seat, 3);
        TaskSlot s = _slot(word);
        bool revealing = s.state() == ITask.State.Revealing;
        Settlement.Outcome memory o;
        o.agreeing = agreeing & 7;
        bool agrees = (agreeing >> seat) & 1 == 1;
        bool acted = (revealing ? s.revealRank(seat) : s.commitRank(seat)) != 0;
        vm.assume(!agrees || acted);
        (uint256 concealed, uint256 missing) = o.lapses(s);
        bool lapses = ((concealed | missing) >> seat) & 1 == 1;
        bool anybody = (revealing ? s.reveals() : s.commits()) != 0;
        assertEq(lapses, !acted && (s.vacated() >> seat) & 1 == 0 && anybody);
        assertEq((concealed >> seat) & 1 == 1, lapses && s.commitRank(seat) != 0 && o.agreeing != 0);
        assertEq(concealed & missing, 0);
        assertTrue(!(agrees && lapses));
        assertLt(concealed | missing, 8);
    }

    /// @custom:proves Who agrees is graded by both ranks. Of the others who let the stage pass has a miss, unless all did; who did not
    /// has nothing when others agree, and is left alone when nobody does.
    /// @custom:bound Any slot, any seats that agree.
    function check_gradesFollowFromTheOutcome(uint256 word, uint8 agreeing, uint8 seat) public pure {
        seat = _concrete(seat, 3);
        TaskSlot s = _slot(word);
        bool revealing = s.state() == ITask.State.Revealing;
        Settlement.Outcome memory o;
        o.agreeing = agreeing & 7;
        uint256 grade = o.grade(s)[seat];
        bool acted = (revealing ? s.revealRank(seat) : s.commitRank(seat)) != 0;
        bool passed = !acted && (s.vacated() >> seat) & 1 == 0;
        bool anybody = (revealing ? s.reveals() : s.commits()) != 0;
        if ((agreeing >> seat) & 1 == 1) {
            assertEq(grade, FeeShare.points(s.commitRank(seat)) + FeeShare.points(s.revealRank(seat)));
            assertLe(grade, 20);
        } else if (passed) {
            assertEq(grade, anybody ? MISSED : IGNORED);
        } else {
            assertEq(grade, o.agreeing != 0 ? 0 : IGNORED);
        }
    }

    /// @dev A slot whose state is one there is.
    function _slot(uint256 word) private pure returns (TaskSlot) {
        vm.assume(uint8(word) <= uint8(type(ITask.State).max));
        return TaskSlot.wrap(word);
    }
}
