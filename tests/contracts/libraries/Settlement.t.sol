// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ending} from "../../../contracts/interfaces/INetworkStats.sol";
import {IGNORED, MISSED} from "../../../contracts/interfaces/IQoS.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {Settlement} from "../../../contracts/libraries/Settlement.sol";
import {Vote} from "../../../contracts/libraries/Verdict.sol";
import {ClassId} from "../../../contracts/types/Ids.sol";
import {TaskSlot, TaskSlots} from "../../../contracts/types/TaskSlot.sol";
import {TypedAssertions} from "../TypedAssertions.sol";

/// @notice Division, grades and lapses for every course a task can have taken, vacated seats included. The whole table of
/// outcomes through the contract is in unit/TaskSettlement.t.sol.
contract SettlementTest is TypedAssertions {
    using Settlement for Settlement.Outcome;

    /// @dev Invariant 1: to the wei, whoever agrees and whoever came when.
    function testFuzz_sharesAndRefundAreTheEscrow(uint256 seed, uint96 escrow, uint16 errorBps) public pure {
        TaskSlot s = _course(seed);
        Settlement.Outcome memory o = _outcome(s, seed >> 64);
        o.divide(s, escrow, bound(errorBps, 0, 1000));
        assertEq(uint256(o.shares[0]) + o.shares[1] + o.shares[2] + o.refund, escrow);
        for (uint256 i; i < 3; ++i) {
            bool agrees = (o.agreeing >> i) & 1 == 1;
            if (!agrees && o.ending != Ending.Failed) assertEq(o.shares[i], 0, "nothing for who does not agree");
            if (agrees) assertGe(o.shares[i], uint256(escrow) * 12 / 50, "the last of three has twelve points");
        }
    }

    /// @dev When all agree nothing goes back, and no share misses its points by more than the dust.
    function testFuzz_whenAllAgreeNothingGoesBack(uint256 seed, uint96 escrow) public pure {
        TaskSlot s = _course(seed % 12);
        assertEq(s.reveals(), 3);
        Settlement.Outcome memory o;
        (o.ending, o.agreeing, o.deliverer) = (Ending.Agreed, 7, 0);
        o.divide(s, escrow, 300);
        assertEq(o.refund, 0);
        for (uint256 i; i < 3; ++i) {
            uint256 exact = uint256(escrow) * (_points(s.commitRank(i)) + _points(s.revealRank(i))) / 50;
            assertGe(o.shares[i], exact);
            assertLe(o.shares[i], i == o.deliverer ? exact + 2 : exact, "the dust goes with the held share");
        }
    }

    function testFuzz_threeEqualErrorsGetEqualThirds(uint96 escrow, uint16 errorBps) public pure {
        uint256 bps = bound(errorBps, 0, 1000);
        Settlement.Outcome memory o;
        o.ending = Ending.Failed;
        o.divide(_course(0), escrow, bps);
        for (uint256 i; i < 3; ++i) {
            assertEq(o.shares[i], uint256(escrow) * bps / 10_000 / 3);
        }
    }

    /// @dev Who let the stage pass misses, unless everybody did; who has no seat any more has missed nothing now.
    function testFuzz_gradesAndLapsesSayWhoLetTheStagePass(uint256 seed) public pure {
        TaskSlot s = _course(seed);
        Settlement.Outcome memory o = _outcome(s, seed >> 64);
        bool revealing = s.state() == ITask.State.Revealing;
        bool nobody = revealing ? s.reveals() == 0 : s.commits() == 0;
        uint8[3] memory grades = o.grade(s);
        (uint256 concealed, uint256 missing) = o.lapses(s);
        assertEq(concealed & missing, 0);
        assertLt(concealed | missing, 8);
        for (uint256 i; i < 3; ++i) {
            bool came = revealing ? s.revealRank(i) != 0 : s.commitRank(i) != 0;
            bool missed = !came && (s.vacated() >> i) & 1 == 0;
            bool lapse = missed && !nobody;
            bool kept = lapse && o.agreeing != 0 && s.commitRank(i) != 0;
            assertEq((concealed >> i) & 1 == 1, kept, "kept its reveal back while two agreed");
            assertEq((missing >> i) & 1 == 1, lapse && !kept, "missed");
            assertEq(grades[i], _grade(o, s, i, missed, nobody), "grade");
        }
    }

    /// @dev Only a result against two who agree, never an error, nor who did not answer.
    function testFuzz_onlyALoneResultStandsAgainst(uint256 seed) public pure {
        TaskSlot s = _course(seed);
        Settlement.Outcome memory o = _outcome(s, seed >> 64);
        for (uint256 i; i < 3; ++i) {
            bool alone = o.agreeing != 0 && (o.agreeing >> i) & 1 == 0 && o.votes[i] == Vote.Result;
            assertEq(o.against(i), alone);
        }
    }

    function _grade(Settlement.Outcome memory o, TaskSlot s, uint256 i, bool missed, bool nobody)
        private
        pure
        returns (uint256)
    {
        if ((o.agreeing >> i) & 1 == 1) return _points(s.commitRank(i)) + _points(s.revealRank(i));
        if (missed) return nobody ? IGNORED : MISSED;
        return o.agreeing != 0 ? 0 : IGNORED;
    }

    /// @dev A task at the end of a stage: some have committed, in some order, some of those have revealed, and those who
    /// have not committed may have lost their seats.
    function _course(uint256 seed) private pure returns (TaskSlot s) {
        s = TaskSlots.queued(0, 1, 0, ClassId.wrap(0));
        uint256 commits = seed < 12 ? 7 : (seed >> 8) % 8;
        for (uint256 i; i < 3; ++i) {
            uint256 seat = (seed % 3 + i) % 3;
            if ((commits >> seat) & 1 == 1) s = s.withCommit(seat);
        }
        if (s.commits() < 2) return s.withState(ITask.State.Committing);
        s = s.withState(ITask.State.Revealing);
        uint256 reveals = seed < 12 ? 7 : commits & (seed >> 16);
        for (uint256 i; i < 3; ++i) {
            uint256 seat = (seed / 3 % 3 + 3 - i) % 3;
            if ((reveals >> seat) & 1 == 1) s = s.withReveal(seat);
        }
        if ((seed >> 32) % 2 == 0) s = s.withVacated(7 & ~commits);
    }

    /// @dev Some of those who revealed err, and two or three of the others may agree.
    function _outcome(TaskSlot s, uint256 seed) private pure returns (Settlement.Outcome memory o) {
        uint256 answers;
        for (uint256 i; i < 3; ++i) {
            if (s.revealRank(i) == 0) continue;
            o.votes[i] = (seed >> i) % 4 == 0 ? Vote.Error : Vote.Result;
            if (o.votes[i] == Vote.Result) answers |= 1 << i;
        }
        o.ending = s.reveals() == 3 && answers == 0 ? Ending.Failed : Ending.Mixed;
        uint256 agreeing = answers & ((seed >> 8) % 2 == 0 ? 7 : 7 & ~(1 << ((seed >> 9) % 3)));
        if (agreeing & (agreeing - (agreeing == 0 ? 0 : 1)) == 0) return o;
        (o.ending, o.agreeing) = (Ending.Agreed, agreeing);
        while ((agreeing >> o.deliverer) & 1 == 0) ++o.deliverer;
    }

    function _points(uint256 rank) private pure returns (uint256) {
        return rank == 0 ? 0 : rank == 1 ? 10 : rank == 2 ? 9 : 6;
    }
}
