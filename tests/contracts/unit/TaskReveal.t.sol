// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Network} from "../Network.sol";

contract TaskRevealTest is Network {
    TaskId private t;

    function setUp() public override {
        super.setUp();
        _joinMany(3);
        t = _seated();
        _join(4, CLASS, 24);
    }

    function testFuzz_refusesEverybodyButTheKey(address caller) public {
        _commitAll();
        NodeId id = _nodeAt(t, 0);
        vm.assume(caller != _keyAt(t, 0));
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(ITask.NotNodeKey.selector, id, caller));
        task.reveal(id, t, ANSWER, _salt(t, 0));
    }

    function test_refusesNodeWithoutASeat() public {
        _commitAll();
        vm.prank(_key(4));
        vm.expectRevert(abi.encodeWithSelector(ITask.NotSeated.selector, t, 4));
        task.reveal(NodeId.wrap(4), t, ANSWER, 0);
    }

    function test_refusesWhileCommitsAreOpen() public {
        _commit(t, 0, ANSWER);
        _commit(t, 1, ANSWER);
        _refused(0, ANSWER, _salt(t, 0), _wrongState(ITask.State.Committing));
    }

    function testFuzz_refusesAfterTheDeadline(uint40 late) public {
        _commitAll();
        uint256 deadline = task.taskOf(t).deadline;
        vm.warp(deadline + bound(late, 1, 365 days));
        _refused(0, ANSWER, _salt(t, 0), abi.encodeWithSelector(ITask.TooLate.selector, t, deadline));
    }

    function test_refusesSeatThatDidNotCommit() public {
        _commit(t, 0, ANSWER);
        _commit(t, 1, ANSWER);
        _pastDeadline(t);
        task.advance(t);
        _refused(2, ANSWER, _salt(t, 2), abi.encodeWithSelector(ITask.NotCommitted.selector, t, _nodeAt(t, 2)));
    }

    function testFuzz_refusesASecondReveal(bytes32 result, bytes32 salt) public {
        _commitAll();
        _reveal(t, 0, ANSWER);
        _refused(0, result, salt, abi.encodeWithSelector(ITask.AlreadyRevealed.selector, t, _nodeAt(t, 0)));
    }

    function testFuzz_refusesAnythingButWhatWasCommitted(bytes32 result, bytes32 salt) public {
        _commitAll();
        address key = _keyAt(t, 0);
        vm.assume(result != ANSWER || salt != _salt(t, 0));
        bytes32 expected = task.commitmentOf(t, key, ANSWER, _salt(t, 0));
        bytes32 actual = keccak256(abi.encode(t, key, result, salt));
        bytes4 selector = ITask.WrongReveal.selector;
        _refused(0, result, salt, abi.encodeWithSelector(selector, t, _nodeAt(t, 0), expected, actual));
    }

    /// @dev The commitment binds the node: a copy cannot be revealed, whatever the copier has learned.
    function test_refusesACopiedCommitment() public {
        bytes32 copied = task.commitmentOf(t, _keyAt(t, 0), ANSWER, _salt(t, 0));
        _commit(t, 0, ANSWER);
        _commit(t, 2, ANSWER);
        NodeId copier = _nodeAt(t, 1);
        address key = _keyAt(t, 1);
        vm.prank(key);
        task.commit(copier, t, copied);
        bytes32 own = task.commitmentOf(t, key, ANSWER, _salt(t, 0));
        bytes4 selector = ITask.WrongReveal.selector;
        _refused(1, ANSWER, _salt(t, 0), abi.encodeWithSelector(selector, t, copier, copied, own));
    }

    function test_refusesOnceTheTaskIsSettled() public {
        _vote(t, [ANSWER, ANSWER, ANSWER]);
        _refused(0, ANSWER, _salt(t, 0), _wrongState(ITask.State.Delivering));
    }

    function testFuzz_emitsAndRanksUntilTheLastSecond(bytes32 result, uint40 early) public {
        _commit(t, 0, ANSWER);
        _commit(t, 1, result);
        _commit(t, 2, ANSWER);
        vm.warp(bound(early, block.timestamp, task.taskOf(t).deadline));
        NodeId id = _nodeAt(t, 1);
        vm.expectEmit(address(task));
        emit ITask.Revealed(t, id, result);
        _reveal(t, 1, result);
        assertEq(task.taskOf(t).revealRanks[1], 1);
        assertEq(task.taskOf(t).state, ITask.State.Revealing);
    }

    function testFuzz_ranksFollowTheOrderOfArrival(uint256 order) public {
        uint256[3] memory seats = _permutation(order);
        _commitAll();
        for (uint8 rank = 1; rank <= 3; ++rank) {
            _reveal(t, seats[rank - 1], ANSWER);
            assertEq(task.taskOf(t).revealRanks[seats[rank - 1]], rank);
        }
        assertEq(task.taskOf(t).state, ITask.State.Delivering);
    }

    function test_theSecondOfTwoCommittedSettles() public {
        _commit(t, 0, ANSWER);
        _commit(t, 1, ANSWER);
        _pastDeadline(t);
        task.advance(t);
        _reveal(t, 1, ANSWER);
        assertEq(task.taskOf(t).state, ITask.State.Revealing);
        _reveal(t, 0, ANSWER);
        assertEq(task.taskOf(t).state, ITask.State.Delivering);
    }

    function _commitAll() private {
        for (uint256 i; i < 3; ++i) {
            _commit(t, i, ANSWER);
        }
    }

    function _refused(uint256 seat, bytes32 result, bytes32 salt, bytes memory reason) private {
        NodeId id = _nodeAt(t, seat);
        vm.prank(_keyAt(t, seat));
        vm.expectRevert(reason);
        task.reveal(id, t, result, salt);
    }

    function _wrongState(ITask.State state) private view returns (bytes memory) {
        return abi.encodeWithSelector(ITask.WrongState.selector, t, state, ITask.State.Revealing);
    }
}
