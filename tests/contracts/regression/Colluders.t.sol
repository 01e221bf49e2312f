// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {PoolFloor} from "../../../contracts/libraries/PoolFloor.sol";
import {ClassId, NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Network} from "../Network.sol";

/// @notice Three colluders who want a task for themselves, in a network whose other nodes are busy. "H" numbers are those
/// of the original's defects; H14b is a defect of an earlier design of ours.
contract ColludersTest is Network {
    bytes32 private constant PRIVATE = keccak256("a private class");
    uint256 private constant HONEST = 36;

    /// @notice H14b. Original: nodes are taken in the order they come free (H14). An earlier design of ours took any three
    /// at random, so that three who resumed together while all others were busy had the waiting task for certain.
    /// Here a task waits until as many nodes are free as the floor asks for.
    function test_H14b_threeWhoResumeTogetherDoNotGetTheWaitingTask() public {
        _joinMany(HONEST);
        uint256[3] memory colluders = _joinThree(CLASS);
        for (uint256 i; i < 3; ++i) {
            _pause(colluders[i]);
        }
        TaskId waiting = _keepAllBusy(GPT);
        for (uint256 i; i < 3; ++i) {
            _resume(colluders[i]);
        }
        _assertGetsNobody(waiting);
    }

    /// @notice H14b: nor do three who join together.
    function test_H14b_threeWhoJoinTogetherDoNotGetTheWaitingTask() public {
        _joinMany(HONEST);
        TaskId waiting = _keepAllBusy(GPT);
        _joinThree(CLASS);
        _assertGetsNobody(waiting);
    }

    /// @notice H14b: nor do three who finish their own task together, as a task of theirs lets them.
    function test_H14b_threeWhoFinishTogetherDoNotGetTheWaitingTask() public {
        _joinMany(HONEST);
        TaskId waiting = _keepAllBusy(GPT);
        _vote(TaskId.wrap(1), [ANSWER, ANSWER, ANSWER]);
        _assertGetsNobody(waiting);
    }

    /// @notice H14b: the same for a task whose nodes need share no class, and for one that names theirs.
    function test_H14b_whateverTheTaskAsksFor() public {
        _joinMany(HONEST);
        uint256 start = vm.snapshotState();
        TaskId waiting = _keepAllBusy(SD);
        _joinThree(PRIVATE);
        _assertGetsNobody(waiting);
        vm.revertToState(start);
        _keepAllBusy(GPT);
        _joinThree(CLASS);
        _assertGetsNobody(_createFor(ClassId.wrap(1), 2 * FEE));
    }

    /// @notice H14b: when honest nodes come free as well, the three have the task in about one of ten choices, as chance
    /// has it among five.
    function test_H14b_atTheFloorTheChoiceIsAChoice() public {
        _joinMany(HONEST);
        TaskId waiting = _keepAllBusy(GPT);
        uint256[3] memory colluders = _joinThree(CLASS);
        // Of the three that finish one is called away.
        _vote(TaskId.wrap(1), [ANSWER, ANSWER, ANSWER]);
        _pause(NodeId.unwrap(_nodeAt(TaskId.wrap(1), 0)));
        assertEq(node.counts().free, 5);
        assertEq(PoolFloor.forActive(node.counts().active), 5);
        (, uint256 drawn) = queue.dispatch(1);
        assertEq(drawn, 1);
        _nextBlock();
        uint256 start = vm.snapshotState();
        uint256 theirs;
        for (uint256 i; i < 400; ++i) {
            vm.setBlockhash(block.number - 1, keccak256(abi.encode("at the floor", i)));
            queue.dispatch(1);
            if (_isOnlyOf(waiting, colluders)) ++theirs;
            vm.revertToState(start);
        }
        // 40 expected, with a standard deviation of 6: five of them each way.
        assertGt(theirs, 10);
        assertLt(theirs, 70);
    }

    /// @notice H14b: a class of their own is below its share of the network. It gets no task that names no class, not even
    /// while all others are busy, and any task that names it.
    function test_H14b_aPrivateClassIsChosenOnlyWhenNamed() public {
        for (uint256 i = 1; i <= 97; ++i) {
            _join(i, CLASS, 24);
        }
        uint256[3] memory colluders = _joinThree(PRIVATE);
        ClassId class = node.nodeOf(NodeId.wrap(uint32(colluders[0]))).class;
        assertFalse(node.classState(class).open);
        TaskId first = _closeSets();
        uint256 start = vm.snapshotState();
        for (uint256 i; i < 300; ++i) {
            vm.setBlockhash(block.number - 1, keccak256(abi.encode("a private class", i)));
            queue.dispatch(1);
            assertEq(task.taskOf(first).class, ClassId.wrap(1));
            vm.revertToState(start);
        }
        queue.dispatch(1);
        TaskId waiting = _keepAllBusy(GPT);
        assertEq(node.classState(class).free, 3);
        _assertGetsNobody(waiting);
        TaskId named = _createFor(class, FEE);
        assertEq(_dispatch(1), 1);
        assertTrue(_isOnlyOf(named, colluders));
        assertEq(_state(waiting), ITask.State.Queued);
    }

    /// @notice H14b: a class that was open before the network grew is closed by anybody.
    function test_H14b_aClassThatTheNetworkHasOutgrownIsClosedByAnybody() public {
        uint256[3] memory colluders = _joinThree(PRIVATE);
        ClassId class = node.nodeOf(NodeId.wrap(uint32(colluders[0]))).class;
        for (uint256 i = 4; i <= 97; ++i) {
            _join(i, CLASS, 24);
        }
        assertTrue(node.classState(class).open);
        vm.prank(keeper);
        node.review(class);
        assertFalse(node.classState(class).open);
        TaskId waiting = _keepAllBusy(GPT);
        assertEq(node.classState(class).free, 3);
        _assertGetsNobody(waiting);
    }

    /// @dev Tasks of `kind` for everybody who is free, and one more, which is returned; the few nodes that the floor leaves
    /// over have paused.
    function _keepAllBusy(uint8 kind) private returns (TaskId waiting) {
        uint256 before = TaskId.unwrap(task.lastTask());
        while (true) {
            waiting = _create(kind, FEE, 1);
            queue.dispatch(1);
            if (queue.round().size == 0) break;
            _nextBlock();
            queue.dispatch(1);
        }
        assertGt(TaskId.unwrap(waiting), before + 3);
        for (uint32 i = 1; i <= NodeId.unwrap(node.lastNode()); ++i) {
            if (!_isPrivate(i) && node.nodeOf(NodeId.wrap(i)).inSets) _pause(i);
        }
        _nextBlock();
    }

    function _isPrivate(uint32 id) private view returns (bool) {
        (bytes32 classHash,) = node.classInfo(node.nodeOf(NodeId.wrap(id)).class);
        return classHash == PRIVATE;
    }

    /// @dev Three are free and the task could have them, were it not for the floor.
    function _assertGetsNobody(TaskId waiting) private {
        assertEq(node.counts().free, 3);
        for (uint256 i; i < 3; ++i) {
            (uint256 seated, uint256 drawn) = queue.dispatch(10);
            assertEq(seated + drawn, 0);
            _nextBlock();
        }
        assertEq(_state(waiting), ITask.State.Queued);
    }

    function _joinThree(bytes32 class) private returns (uint256[3] memory ids) {
        for (uint256 i; i < 3; ++i) {
            ids[i] = NodeId.unwrap(_join(1000 + i, class, 24));
        }
    }

    function _isOnlyOf(TaskId t, uint256[3] memory ids) private view returns (bool) {
        for (uint256 i; i < 3; ++i) {
            uint256 id = NodeId.unwrap(_nodeAt(t, i));
            if (id != ids[0] && id != ids[1] && id != ids[2]) return false;
        }
        return true;
    }

    function _pause(uint256 id) private {
        vm.prank(node.operatorOf(NodeId.wrap(uint32(id))));
        node.pause(NodeId.wrap(uint32(id)));
    }

    function _resume(uint256 id) private {
        vm.prank(node.operatorOf(NodeId.wrap(uint32(id))));
        node.resume(NodeId.wrap(uint32(id)));
    }
}
