// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {IGNORED} from "../../../contracts/interfaces/IQoS.sol";
import {NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Cases} from "../Cases.sol";

/// @notice Who does badly for long is kicked out: its membership ends and its stake unbonds. Three nodes, so who serves is
/// known.
contract NodeKickTest is Cases {
    NodeId private constant ID = NodeId.wrap(1);
    uint256 private constant KICK_SCORE = 192;

    function setUp() public override {
        super.setUp();
        _joinMany(3);
    }

    /// @dev 192 points are enough to stay, 191 are not.
    function test_keepsWhoReachesTheThreshold() public {
        _lowerTo(KICK_SCORE + 10);
        _failIn(_seated());
        assertEq(qos.recordOf(ID).score, KICK_SCORE);
        assertEq(_status(ID), INode.Status.Free);
        TaskId t = _seated();
        _failButForTheLastReveal(t);
        vm.expectEmit(address(node));
        emit INode.KickedOut(ID);
        vm.expectEmit(address(node));
        emit INode.StatusChanged(ID, INode.Status.Unbonding);
        _reveal(t, 2, _failure(t, 2));
        assertLt(qos.recordOf(ID).score, KICK_SCORE);
        assertEq(node.nodeOf(ID).since, block.timestamp);
        assertFalse(node.nodeOf(ID).inSets);
        assertEq(abi.encode(node.counts()), abi.encode(INode.Counts(3, 2, 2, 0)));
        _assertBooks();
    }

    /// @dev A low score costs the membership, not the stake.
    function test_theStakeUnbondsAndIsPaidOut() public {
        _kick();
        uint256 until = block.timestamp + UNBONDING;
        vm.warp(until - 1);
        _asOperator(ID);
        vm.expectRevert(abi.encodeWithSelector(INode.StillUnbonding.selector, ID, until));
        node.withdraw(ID);
        vm.warp(until);
        _withdraw(ID);
        assertEq(_operator(1).balance, STAKE);
        assertEq(node.slashed(), 0);
        assertEq(abi.encode(node.counts()), abi.encode(INode.Counts(2, 2, 2, 0)));
        _assertBooks();
    }

    /// @dev There is no way back for the node, and a new one with another key for its operator.
    function test_theOperatorMayJoinAgainAsANewcomer() public {
        _kick();
        _asOperator(ID);
        vm.expectRevert(abi.encodeWithSelector(INode.WrongStatus.selector, ID, INode.Status.Unbonding));
        node.resume(ID);
        vm.deal(_operator(1), STAKE);
        _asOperator(ID);
        vm.expectRevert(abi.encodeWithSelector(INode.KeyInUse.selector, _key(1), ID));
        node.join{value: STAKE}(_key(1), CLASS, 24, "a GPU");
        NodeId again = _joinFor(_operator(1), _key(11), CLASS, 24);
        assertEq(node.nodeOf(again).weight, 128);
        assertEq(qos.recordOf(again).score, 320);
        _seated();
        assertEq(_status(again), INode.Status.Busy);
        _assertBooks();
    }

    function test_comesBeforeAPauseOrAQuit() public {
        _lowerTo(KICK_SCORE);
        uint256 start = vm.snapshotState();
        for (uint256 i; i < 3; ++i) {
            TaskId t = _seated();
            if (i == 1) _pause(ID);
            if (i == 2) _quit(ID);
            _failButForTheLastReveal(t);
            vm.expectEmit(address(node));
            emit INode.KickedOut(ID);
            _reveal(t, 2, _failure(t, 2));
            assertEq(_status(ID), INode.Status.Unbonding);
            assertEq(node.nodeOf(ID).intent, INode.Intent.None);
            assertEq(abi.encode(node.counts()), abi.encode(INode.Counts(3, 2, 2, 0)));
            _assertBooks();
            vm.revertToState(start);
        }
    }

    function test_comesBeforeASuspension() public {
        _lowerTo(KICK_SCORE + 20);
        for (uint256 i; i < 2; ++i) {
            _serveWithout(_seated(), ID);
            assertEq(_status(ID), INode.Status.Free);
        }
        _serveWithout(_seated(), ID);
        assertEq(_status(ID), INode.Status.Unbonding);
        assertEq(node.nodeOf(ID).stake, STAKE - 1.2 ether, "which has its price all the same");
        _assertBooks();
    }

    /// @dev Whose result stood alone is frozen: a kick would let its stake unbond.
    function test_aFreezeComesBeforeAKick() public {
        _lowerTo(KICK_SCORE);
        TaskId t = _seated();
        bytes32[3] memory results;
        for (uint256 i; i < 3; ++i) {
            results[i] = _nodeAt(t, i) == ID ? WRONG : ANSWER;
        }
        _vote(t, results);
        assertLt(qos.recordOf(ID).score, KICK_SCORE);
        assertEq(_status(ID), INode.Status.Frozen);
        _assertBooks();
    }

    /// @dev A newcomer starts in the middle. Silent from the first task on it is suspended with every third miss and kicked
    /// out with the thirteenth, having paid for each.
    function test_aNewcomerThatNeverAnswersIsKickedOutByItsThirteenthMiss() public {
        for (uint256 misses = 1; misses < 13; ++misses) {
            _serveWithout(_seated(), ID);
            bool suspended = misses % 3 == 0;
            assertEq(_status(ID), suspended ? INode.Status.Suspended : INode.Status.Free);
            assertEq(qos.recordOf(ID).score, 320 - 10 * misses);
            if (suspended) _resume(ID);
        }
        _serveWithout(_seated(), ID);
        assertEq(_status(ID), INode.Status.Unbonding);
        assertEq(node.nodeOf(ID).stake, STAKE - 13 * 0.4 ether);
        _assertBooks();
    }

    /// @dev The same for one whose answers are worth nothing, but never suspended: it did answer.
    function test_aNewcomerThatAlwaysFailsIsKickedOutByItsThirteenthTask() public {
        for (uint256 i; i < 12; ++i) {
            _failIn(_seated());
            assertEq(_status(ID), INode.Status.Free);
        }
        _failIn(_seated());
        assertEq(_status(ID), INode.Status.Unbonding);
        assertEq(node.nodeOf(ID).stake, STAKE);
    }

    /// @dev A veteran with the best record has further to fall: 22 misses from 640 to 191 or less.
    function test_aVeteranFallsFromTheTop() public {
        for (uint256 i; i < 32; ++i) {
            _grade(20);
        }
        for (uint256 i; i < 22; ++i) {
            _grade(0);
        }
        assertEq(qos.recordOf(ID).score, 200);
        _failIn(_seated());
        assertEq(_status(ID), INode.Status.Unbonding);
    }

    /// @notice H24. Original: a fresh address outweighs honest veterans, 20 against 16.3.
    /// Here a newcomer weighs 128 of 255, one that is always last 153, one that is first, second and third in turn 214.
    function test_H24_aNewcomerWeighsLessThanEvenASlowVeteran() public {
        assertEq(node.nodeOf(ID).weight, 128);
        for (uint256 i; i < 32; ++i) {
            _grade(12);
        }
        assertEq(qos.recordOf(ID).weight, 153);
        for (uint256 i; i < 32; ++i) {
            _grade(i % 3 == 0 ? 20 : i % 3 == 1 ? 18 : 12);
        }
        assertEq(qos.recordOf(ID).weight, 214);
    }

    function _kick() private {
        _lowerTo(KICK_SCORE);
        _failIn(_seated());
        assertEq(_status(ID), INode.Status.Unbonding);
    }

    /// @dev All three commit and reveal; the node's error is worth no points.
    function _failIn(TaskId t) private {
        _failButForTheLastReveal(t);
        _reveal(t, 2, _failure(t, 2));
    }

    function _failButForTheLastReveal(TaskId t) private {
        for (uint256 i; i < 3; ++i) {
            _commit(t, i, _failure(t, i));
        }
        for (uint256 i; i < 2; ++i) {
            _reveal(t, i, _failure(t, i));
        }
    }

    function _failure(TaskId t, uint256 seat) private view returns (bytes32) {
        return _nodeAt(t, seat) == ID ? _error(1) : ANSWER;
    }

    /// @dev Brings the newcomer down to `score`; its next failures cost ten points each.
    function _lowerTo(uint256 score) private {
        while (qos.recordOf(ID).score >= score + 10) {
            _grade(0);
        }
        if (qos.recordOf(ID).score != score) _grade(uint8(10 - (qos.recordOf(ID).score - score)));
        assertEq(qos.recordOf(ID).score, score);
    }

    function _grade(uint8 points) private {
        vm.prank(address(task));
        qos.record([ID, NodeId.wrap(0), NodeId.wrap(0)], [points, IGNORED, IGNORED]);
    }
}
