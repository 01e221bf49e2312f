// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../contracts/interfaces/INode.sol";
import {ITask} from "../../contracts/interfaces/ITask.sol";
import {TaskId} from "../../contracts/types/Ids.sol";
import {Network} from "./Network.sol";

/// @notice The life of a task, outcome by outcome; after each, all money is accounted for (invariant 1).
contract LifeTest is Network {
    function setUp() public override {
        super.setUp();
        _joinMany(5);
    }

    function test_threeWhoAgreeShareTheFeeByTheirRanks() public {
        TaskId t = _seated();
        _vote(t, [ANSWER, ANSWER, ANSWER]);
        uint256 fee = FEE - FEE / 100;
        assertEq(task.creditOf(keeper), FEE / 100, "crank share");
        assertEq(_earned(t, 0), 0, "the deliverer's share is held");
        assertEq(_earned(t, 1), fee * 18 / 50);
        assertEq(_earned(t, 2), fee * 12 / 50);
        _deliver(t);
        assertEq(_earned(t, 0), fee * 20 / 50);
        assertEq(uint8(_state(t)), uint8(ITask.State.Ended));
        assertEq(stats.tallyOf(GPT).agreed, 1);
        _assertConserved(t);
    }

    function test_aLoneDifferentResultIsFrozenAndItsShareGoesBack() public {
        TaskId t = _seated();
        _vote(t, [ANSWER, WRONG, ANSWER]);
        _deliver(t);
        uint256 fee = FEE - FEE / 100;
        assertEq(uint8(_status(_nodeAt(t, 1))), uint8(INode.Status.Frozen));
        assertEq(_earned(t, 1), 0);
        assertEq(task.creditOf(creator), fee - fee * 20 / 50 - fee * 12 / 50, "the third share goes back");
        _assertConserved(t);
    }

    function test_anErrorAgainstTwoWhoAgreeIsNotFrozen() public {
        TaskId t = _seated();
        _vote(t, [ANSWER, _error(2), ANSWER]);
        assertEq(uint8(_status(_nodeAt(t, 1))), uint8(INode.Status.Free));
        assertEq(qos.recordOf(_nodeAt(t, 1)).score, 310, "no points");
        _deliver(t);
        _assertConserved(t);
    }

    function test_twoRevealsAreEnough() public {
        TaskId t = _seated();
        for (uint256 i; i < 3; ++i) {
            _commit(t, i, ANSWER);
        }
        _reveal(t, 0, ANSWER);
        _reveal(t, 2, ANSWER);
        _pastDeadline(t);
        task.advance(t);
        assertEq(qos.recordOf(_nodeAt(t, 1)).misses, 1);
        assertEq(node.nodeOf(_nodeAt(t, 1)).stake, 396 ether, "it kept its reveal back");
        _deliver(t);
        assertEq(stats.tallyOf(GPT).agreed, 1);
        _assertConserved(t);
    }

    function test_twoCommitmentsAreEnough() public {
        TaskId t = _seated();
        _commit(t, 2, ANSWER);
        _commit(t, 0, ANSWER);
        _pastDeadline(t);
        task.advance(t);
        _reveal(t, 0, ANSWER);
        _reveal(t, 2, ANSWER);
        _deliver(t);
        assertEq(qos.recordOf(_nodeAt(t, 1)).misses, 1);
        assertEq(node.nodeOf(_nodeAt(t, 1)).stake, 399.6 ether, "it let the stage pass");
        _assertConserved(t);
    }

    function test_allDifferentIsRefundedAndNobodyIsFrozen() public {
        TaskId t = _seated();
        _vote(t, [ANSWER, WRONG, keccak256("44")]);
        assertEq(task.creditOf(creator), FEE - FEE / 100);
        for (uint256 i; i < 3; ++i) {
            assertEq(uint8(_status(_nodeAt(t, i))), uint8(INode.Status.Free));
            assertEq(qos.recordOf(_nodeAt(t, i)).tasks, 0, "not counted");
        }
        assertEq(stats.tallyOf(GPT).disagreed, 1);
        _assertConserved(t);
    }

    function test_threeEqualErrorsDivideASmallFee() public {
        TaskId t = _seated();
        _vote(t, [_error(1), _error(1), _error(1)]);
        uint256 fee = FEE - FEE / 100;
        uint256 each = fee * 300 / 10_000 / 3;
        assertEq(_earned(t, 0), each);
        assertEq(task.creditOf(creator), fee - 3 * each);
        assertEq(stats.tallyOf(GPT).failed, 1);
        _assertConserved(t);
    }

    function test_nobodyCommitsIsRefundedAndNobodyIsScored() public {
        TaskId t = _seated();
        _pastDeadline(t);
        task.advance(t);
        uint256 pot = FEE - FEE / 100;
        assertEq(task.creditOf(creator), pot - pot / 100, "but for the two who turned the crank");
        assertEq(task.creditOf(address(this)), pot / 100);
        assertEq(qos.recordOf(_nodeAt(t, 0)).tasks, 0);
        assertEq(node.slashed(), 0, "the fault may lie with the task");
        assertEq(stats.tallyOf(GPT).unanswered, 1);
        _assertConserved(t);
    }

    function test_missedDeliveryPassesOnAndThenGoesBack() public {
        TaskId t = _seated();
        _vote(t, [ANSWER, ANSWER, ANSWER]);
        uint256 held = uint256(FEE - FEE / 100) * 20 / 50;
        for (uint8 i = 1; i < 3; ++i) {
            _pastDeadline(t);
            task.advance(t);
            held -= held / 100;
            assertEq(task.taskOf(t).deliverer, i);
            assertEq(task.taskOf(t).escrow, held);
        }
        _pastDeadline(t);
        task.advance(t);
        assertEq(task.creditOf(creator), held - held / 100, "the held share, less the crank's");
        _assertConserved(t);
    }

    /// @dev Invariant 1 for one task: what was paid in is credited to the wei, and Task holds exactly that.
    function _assertConserved(TaskId t) internal view {
        uint256 credits = task.creditOf(creator) + task.creditOf(keeper) + task.creditOf(address(this));
        assertEq(credits + _earned(t) + task.taskOf(t).escrow, FEE, "credits, earnings and escrow sum to the fee");
        assertEq(address(task).balance, FEE, "the contract holds them");
        if (_state(t) != ITask.State.Ended) return;
        assertEq(task.taskOf(t).escrow, 0, "nothing is left in escrow");
        assertEq(task.taskOf(t).creator, address(0), "and its slot is clear");
    }
}
