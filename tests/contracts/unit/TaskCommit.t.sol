// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Network} from "../Network.sol";

contract TaskCommitTest is Network {
    bytes32 private constant COMMITMENT = keccak256("a commitment");

    TaskId private t;

    function setUp() public override {
        super.setUp();
        _joinMany(3);
        t = _seated();
        _join(4, CLASS, 24);
    }

    function testFuzz_refusesEverybodyButTheKey(address caller) public {
        vm.assume(caller != _keyAt(t, 0));
        _refused(caller, _nodeAt(t, 0), COMMITMENT, abi.encodeWithSelector(_notKey(), _nodeAt(t, 0), caller));
    }

    function test_refusesTheOperator() public {
        address operator = _operatorAt(t, 0);
        _refused(operator, _nodeAt(t, 0), COMMITMENT, abi.encodeWithSelector(_notKey(), _nodeAt(t, 0), operator));
    }

    function test_refusesNodeThatNeverJoined() public {
        _refused(address(9), NodeId.wrap(9), COMMITMENT, abi.encodeWithSelector(_notKey(), 9, address(9)));
    }

    function test_refusesNodeWithoutASeat() public {
        _refused(_key(4), NodeId.wrap(4), COMMITMENT, abi.encodeWithSelector(ITask.NotSeated.selector, t, 4));
    }

    /// @dev Whatever node it is: the place of a queued task's first node holds a number that is no node's.
    function test_refusesAnotherTask() public {
        TaskId other = _create(GPT, FEE, 100);
        for (uint256 i; i < 3; ++i) {
            NodeId id = _nodeAt(t, i);
            vm.prank(_keyAt(t, i));
            vm.expectRevert(abi.encodeWithSelector(ITask.NotSeated.selector, other, id));
            task.commit(id, other, COMMITMENT);
        }
    }

    function testFuzz_refusesAfterTheDeadline(uint40 late) public {
        uint256 deadline = task.taskOf(t).deadline;
        vm.warp(deadline + bound(late, 1, 365 days));
        _refusedAt(0, COMMITMENT, abi.encodeWithSelector(ITask.TooLate.selector, t, deadline));
    }

    function test_refusesZero() public {
        _refusedAt(0, 0, abi.encodeWithSelector(ITask.CommitmentZero.selector));
    }

    function testFuzz_refusesASecondCommitment(bytes32 first, bytes32 second) public {
        vm.assume(first != 0 && second != 0);
        _commitRaw(0, first);
        _refusedAt(0, second, abi.encodeWithSelector(ITask.AlreadyCommitted.selector, t, _nodeAt(t, 0)));
        _refusedAt(0, first, abi.encodeWithSelector(ITask.AlreadyCommitted.selector, t, _nodeAt(t, 0)));
    }

    function test_refusesOnceTheRevealsAreOpen() public {
        _commitRaw(0, COMMITMENT);
        _commitRaw(1, COMMITMENT);
        _pastDeadline(t);
        task.advance(t);
        _refusedAt(2, COMMITMENT, _wrongState(ITask.State.Revealing));
    }

    function test_refusesOnceTheTaskHasEnded() public {
        _pastDeadline(t);
        task.advance(t);
        _refusedAt(0, COMMITMENT, _wrongState(ITask.State.Ended));
    }

    function testFuzz_acceptsUntilTheLastSecond(bytes32 commitment, uint40 early) public {
        vm.assume(commitment != 0);
        vm.warp(bound(early, block.timestamp, task.taskOf(t).deadline));
        NodeId id = _nodeAt(t, 1);
        vm.expectEmit(address(task));
        emit ITask.Committed(t, id, commitment);
        _commitRaw(1, commitment);
        assertEq(task.taskOf(t).commitRanks[1], 1);
    }

    function testFuzz_ranksFollowTheOrderOfArrival(uint256 order) public {
        uint256[3] memory seats = _permutation(order);
        for (uint8 rank = 1; rank <= 3; ++rank) {
            _commitRaw(seats[rank - 1], COMMITMENT);
            assertEq(task.taskOf(t).commitRanks[seats[rank - 1]], rank);
        }
    }

    function testFuzz_theThirdOpensTheReveals(uint40 wait) public {
        _commitRaw(0, COMMITMENT);
        _commitRaw(1, COMMITMENT);
        assertEq(task.taskOf(t).state, ITask.State.Committing);
        vm.warp(bound(wait, block.timestamp, task.taskOf(t).deadline));
        uint40 revealBy = uint40(block.timestamp + task.terms().revealWindow);
        vm.expectEmit(address(task));
        emit ITask.RevealOpened(t, revealBy);
        _commitRaw(2, COMMITMENT);
        assertEq(task.taskOf(t).state, ITask.State.Revealing);
        assertEq(task.taskOf(t).deadline, revealBy);
    }

    /// @dev A commitment moves no money.
    function test_movesNoMoney() public {
        uint256 escrow = task.taskOf(t).escrow;
        _commitRaw(0, COMMITMENT);
        assertEq(task.taskOf(t).escrow, escrow);
        assertEq(_earned(t, 0), 0);
    }

    function _commitRaw(uint256 seat, bytes32 commitment) private {
        NodeId id = _nodeAt(t, seat);
        vm.prank(_keyAt(t, seat));
        task.commit(id, t, commitment);
    }

    function _refusedAt(uint256 seat, bytes32 commitment, bytes memory reason) private {
        _refused(_keyAt(t, seat), _nodeAt(t, seat), commitment, reason);
    }

    function _refused(address caller, NodeId id, bytes32 commitment, bytes memory reason) private {
        vm.prank(caller);
        vm.expectRevert(reason);
        task.commit(id, t, commitment);
    }

    function _notKey() private pure returns (bytes4) {
        return ITask.NotNodeKey.selector;
    }

    function _wrongState(ITask.State state) private view returns (bytes memory) {
        return abi.encodeWithSelector(ITask.WrongState.selector, t, state, ITask.State.Committing);
    }
}
