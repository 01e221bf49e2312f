// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ending} from "../interfaces/INetworkStats.sol";
import {INode} from "../interfaces/INode.sol";
import {IGNORED, MISSED} from "../interfaces/IQoS.sol";
import {ITask} from "../interfaces/ITask.sol";
import {TaskSlot} from "../types/TaskSlot.sol";
import {FeeShare} from "./FeeShare.sol";
import {Vote} from "./Verdict.sol";

/// @notice What follows from three votes: the division of the escrow, the grades and the lapses.
library Settlement {
    /// @dev `given` and `agreeing` are masks of seats: those whose results were not read from storage, and those that agree.
    /// `shares` and `refund` add up to the escrow.
    struct Outcome {
        uint256 given;
        Vote[3] votes;
        bytes32[3] results;
        Ending ending;
        uint256 agreeing;
        uint96[3] shares;
        uint96 refund;
        uint256 deliverer;
    }

    uint256 private constant ALL = 7;
    uint256 private constant BPS = 10_000;

    /// @notice Divides `escrow`: shares of those who agree by their ranks, or equal thirds of the error fee; the rest is
    /// the refund. When all three agree everything is earned, and the wei lost to rounding go with the share that is
    /// held for the delivery instead of touching the creator's credit.
    function divide(Outcome memory o, TaskSlot s, uint96 escrow, uint256 errorBps) internal pure {
        o.refund = escrow;
        for (uint256 i; i < 3; ++i) {
            uint256 share;
            if ((o.agreeing >> i) & 1 != 0) share = FeeShare.shareDown(escrow, _points(s, i));
            else if (o.ending == Ending.Failed) share = uint256(escrow) * errorBps / BPS / 3;
            o.shares[i] = uint96(share);
            o.refund -= uint96(share);
        }
        if (o.agreeing != ALL) return;
        o.shares[o.deliverer] += o.refund;
        o.refund = 0;
    }

    /// @return grades Points of those who agree; 0 for those who stood against them; a miss for the missing, unless all
    /// are.
    function grade(Outcome memory o, TaskSlot s) internal pure returns (uint8[3] memory grades) {
        uint256 missing = missed(s);
        uint8 ofMissing = deserted(s) ? IGNORED : MISSED;
        uint8 ofOthers = o.agreeing != 0 ? 0 : IGNORED;
        for (uint256 i; i < 3; ++i) {
            if ((o.agreeing >> i) & 1 != 0) grades[i] = uint8(_points(s, i));
            else grades[i] = (missing >> i) & 1 != 0 ? ofMissing : ofOthers;
        }
    }

    /// @return concealed The seats that committed and kept their reveal back while two others agreed, as a mask.
    /// @return missing The other seats that are to be penalized for what they failed to do.
    function lapses(Outcome memory o, TaskSlot s) internal pure returns (uint256 concealed, uint256 missing) {
        if (deserted(s)) return (0, 0);
        missing = missed(s);
        if (o.agreeing != 0) concealed = missing & s.committed();
        missing ^= concealed;
    }

    /// @return Whether the seat gave a result that stands alone against two who agree.
    function against(Outcome memory o, uint256 seat) internal pure returns (bool) {
        return o.agreeing != 0 && (o.agreeing >> seat) & 1 == 0 && o.votes[seat] == Vote.Result;
    }

    /// @return The seats whose holder let the stage pass, as a mask: a commit stage without its commitment, a reveal
    /// stage without its reveal. A vacated seat has no holder.
    function missed(TaskSlot s) internal pure returns (uint256) {
        uint256 done = s.state() == ITask.State.Revealing ? s.revealed() : s.committed();
        return ALL & ~(done | s.vacated());
    }

    /// @return Whether nobody did anything in this stage, so that the fault may lie with the task.
    function deserted(TaskSlot s) internal pure returns (bool) {
        return s.state() == ITask.State.Revealing ? s.reveals() == 0 : s.commits() == 0;
    }

    function _points(TaskSlot s, uint256 seat) private pure returns (uint256) {
        return FeeShare.points(s.commitRank(seat)) + FeeShare.points(s.revealRank(seat));
    }
}
