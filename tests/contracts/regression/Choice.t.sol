// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {ITaskQueue} from "../../../contracts/interfaces/ITaskQueue.sol";
import {ClassId, NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Deployment, Params} from "../../../script/Deployment.sol";
import {Network} from "../Network.sol";

/// @notice Dispatches and reverts unless it likes who was chosen.
contract PickyWrapper {
    error NotToMyLiking();

    function dispatch(ITaskQueue queue, ITask task, TaskId t, NodeId wanted) external {
        queue.dispatch(1);
        NodeId[3] memory nodes = task.taskOf(t).nodes;
        if (nodes[0] != wanted && nodes[1] != wanted && nodes[2] != wanted) revert NotToMyLiking();
    }
}

/// @notice Defects of the original network in who is chosen. "H" numbers are those of its list.
contract ChoiceDefectsTest is Network {
    /// @notice H4. Original: the seed is the last block hash and hashes the caller picks, so a creator tries task
    /// hashes until two of its own nodes are chosen: found after 78 free tries with 2 of 20 nodes.
    /// Here nothing the creator picks enters the choice, and from the draw on it cannot take the task back.
    function testFuzz_H04_theTaskHashDoesNotEnterTheChoice(bytes32 a, bytes32 b, bytes32 blockHash) public {
        vm.assume(a != 0 && b != 0);
        _joinMany(20);
        uint256 start = vm.snapshotState();
        bytes memory first = _nodesFor(a, creator, blockHash);
        vm.revertToState(start);
        assertEq(_nodesFor(b, makeAddr("another creator"), blockHash), first);
    }

    /// @notice H4: the creator learns the outcome when it is too late to take the task back.
    function test_H04_aDrawnTaskCannotBeTakenBack() public {
        _joinMany(20);
        TaskId t = _closeSets();
        _pastTheFirstMinute();
        vm.prank(creator);
        vm.expectRevert(abi.encodeWithSelector(ITaskQueue.NotQueued.selector, t));
        task.cancel(t);
    }

    /// @notice H4: a wrapper that reverts what it does not like sees the same choice in every block, under every
    /// caller, until the hash of the draw is out of reach.
    function test_H04_aWrapperThatRevertsGetsNoSecondChoice() public {
        _joinMany(20);
        TaskId t = _closeSets();
        uint256 drawBlock = queue.round().drawBlock;
        uint256 start = vm.snapshotState();
        queue.dispatch(1);
        bytes memory fixed_ = abi.encode(task.taskOf(t).nodes);
        NodeId left = _someoneElse(t);
        vm.revertToState(start);
        for (uint256 i; i < 50; ++i) {
            vm.roll(drawBlock + 1 + 5 * i);
            vm.warp(block.timestamp + 60);
            vm.prevrandao(uint256(keccak256(abi.encode(i))));
            vm.setBlockhash(drawBlock, keccak256(abi.encode("block", drawBlock)));
            PickyWrapper wrapper = new PickyWrapper();
            vm.expectRevert(PickyWrapper.NotToMyLiking.selector);
            wrapper.dispatch(queue, task, t, left);
        }
        queue.dispatch(1);
        assertEq(abi.encode(task.taskOf(t).nodes), fixed_);
    }

    /// @notice H4: nothing anybody does between the block of the draw and the seating moves the choice.
    function testFuzz_H04_nothingInBetweenMovesTheChoice(uint256 seed, bytes32 blockHash) public {
        _joinMany(14);
        for (uint256 i = 1; i <= 3; ++i) {
            vm.prank(_operator(i));
            node.pause(NodeId.wrap(uint32(i)));
        }
        TaskId running = _seated();
        TaskId t = _closeSets();
        vm.setBlockhash(block.number - 1, blockHash);
        uint256 start = vm.snapshotState();
        bytes memory want = _seatedNodes(t);
        vm.revertToState(start);
        for (uint256 i; i < 12; ++i) {
            _meddle(uint256(keccak256(abi.encode(seed, i))), i, running);
        }
        assertEq(_seatedNodes(t), want);
    }

    /// @notice H4: a class's floor rises with its active nodes. Joining after the draw must not push a class that could
    /// serve below its floor.
    function test_H04_joiningAfterTheDrawMovesNothing() public {
        for (uint256 i = 1; i <= 24; ++i) {
            _join(i, i <= 18 ? CLASS : keccak256("another class"), 24);
        }
        for (uint256 i; i < 5; ++i) {
            _createFor(ClassId.wrap(1), 2 * FEE);
        }
        assertEq(_dispatch(5), 5, "eighteen active, three free: exactly the floor");
        TaskId t = _closeSets();
        _assertMovesNothing(t, address(this), address(node), abi.encodeCall(node.join, (_key(30), CLASS, 24, "a GPU")));
    }

    /// @notice H4: a class that opens after the draw gets a place behind the others, also when the tree in which they are
    /// counted grows by a level for it (at the fifth class of a tier).
    function test_H04_openingAClassAfterTheDrawMovesNothing() public {
        for (uint256 n = 3; n <= 5; ++n) {
            uint256 start = vm.snapshotState();
            for (uint256 i = 1; i <= 5 * n; ++i) {
                _join(i, keccak256(abi.encode("class", i % n)), 24);
            }
            TaskId t = _create(SD, FEE, 1);
            queue.dispatch(1);
            _nextBlock();
            bytes memory input = abi.encodeCall(node.join, (_key(90), keccak256("a new class"), 24, "a GPU"));
            _assertMovesNothing(t, address(this), address(node), input);
            vm.revertToState(start);
        }
    }

    /// @notice H4: a class that was open at the draw, or was not, is so at the seating, whoever has it reviewed.
    function test_H04_reviewingAClassAfterTheDrawMovesNothing() public {
        _joinMany(3);
        for (uint256 i = 4; i <= 110; ++i) {
            _join(i, keccak256("another class"), 24);
        }
        TaskId t = _closeSets();
        _assertMovesNothing(t, address(this), address(node), abi.encodeCall(node.review, (ClassId.wrap(1))));
    }

    /// @notice H4: a class that is reserved after the draw is not kept from the tasks of that draw.
    function test_H04_reservingAClassAfterTheDrawMovesNothing() public {
        for (uint256 i = 1; i <= 12; ++i) {
            _join(i, i <= 6 ? CLASS : keccak256("another class"), 24);
        }
        // It pays too little to be drawn before the other.
        TaskId waiting = _createFor(ClassId.wrap(1), 1e14);
        vm.warp(block.timestamp + 31 minutes);
        TaskId t = _closeSets();
        bytes memory input = abi.encodeCall(queue.reserve, (waiting, ClassId.wrap(1)));
        _assertMovesNothing(t, address(this), address(queue), input);
    }

    /// @notice H4: nor does a class that was reserved at the draw come free for them.
    function test_H04_givingUpAReservationAfterTheDrawMovesNothing() public {
        for (uint256 i = 1; i <= 12; ++i) {
            _join(i, i <= 7 ? CLASS : keccak256("another class"), 24);
        }
        _createFor(ClassId.wrap(2), 2 * FEE);
        assertEq(_dispatch(1), 1, "two of the other class are left: below its floor");
        TaskId waiting = _createFor(ClassId.wrap(2), FEE);
        vm.warp(block.timestamp + 31 minutes);
        queue.reserve(waiting, ClassId.wrap(2));
        TaskId t = _create(SD, FEE, 1);
        queue.dispatch(1);
        assertEq(queue.roundTask(0), t);
        _nextBlock();
        _assertMovesNothing(t, creator, address(task), abi.encodeCall(task.cancel, (waiting)));
    }

    /// @notice H4: seating a round in one piece or in several, in one block or in many, gives the same nodes.
    function testFuzz_H04_howARoundIsCutDoesNotMatter(uint256 seed, bytes32 blockHash) public {
        _joinMany(20);
        for (uint256 i; i < 5; ++i) {
            _create(i % 2 == 0 ? GPT : SD, FEE, 1);
        }
        queue.dispatch(5);
        _nextBlock();
        uint256 drawBlock = block.number - 1;
        vm.setBlockhash(drawBlock, blockHash);
        uint256 start = vm.snapshotState();
        queue.dispatch(5);
        bytes memory want = _allNodes(5);
        vm.revertToState(start);
        while (queue.round().drawBlock == drawBlock) {
            queue.dispatch(1 + seed % 3);
            seed /= 3;
            vm.roll(block.number + 1);
            vm.setBlockhash(drawBlock, blockHash);
        }
        assertEq(_allNodes(5), want);
    }

    /// @notice H14. Original: in congestion the nodes that just became free are taken in order: no randomness at all.
    function test_H14_aCongestedNetworkChoosesAtRandom() public {
        _joinMany(9);
        uint256 start = vm.snapshotState();
        uint256 first;
        uint256 differing;
        for (uint256 i; i < 30; ++i) {
            uint256 chosen = _congestedChoice(keccak256(abi.encode("congestion", i)));
            if (i == 0) first = chosen;
            else if (chosen != first) ++differing;
            vm.revertToState(start);
        }
        assertGt(differing, 25, "another hash, other nodes");
    }

    /// @notice H20. Original: zero-fee tasks occupy every node, and two of them steer a victim's task onto three
    /// colluders.
    function test_H20_tasksThatCostNothingAreRefused() public {
        vm.expectRevert(ITask.FeeZero.selector);
        task.create(GPT, TASK_HASH, 100, 0, ANY, 1 hours);
        vm.deal(address(this), 1 ether);
        vm.expectPartialRevert(ITask.ValueTooLow.selector);
        task.create{value: 1}(GPT, TASK_HASH, 100, 0, ANY, 1 hours);
    }

    /// @notice H20: paid tasks before the victim's do not steer it either. Nine honest nodes and three colluders: by
    /// chance the three meet in one task of 220.
    function test_H20_frontRunningTasksSteerNothing() public {
        _joinMany(12);
        uint256 start = vm.snapshotState();
        uint256 met;
        for (uint256 i; i < 200; ++i) {
            _create(GPT, 2 * FEE, 100);
            _create(GPT, 2 * FEE, 100);
            TaskId victim = _create(GPT, FEE, 100);
            queue.dispatch(3);
            _nextBlock();
            vm.setBlockhash(block.number - 1, keccak256(abi.encode("steering", i)));
            queue.dispatch(3);
            NodeId[3] memory nodes = task.taskOf(victim).nodes;
            if (_isColluder(nodes[0]) && _isColluder(nodes[1]) && _isColluder(nodes[2])) ++met;
            vm.revertToState(start);
        }
        // The chance of more than eight is below 10^-5.
        assertLe(met, 8);
    }

    /// @notice H24. Original: a fresh address outweighs honest veterans, 20 against 16.3.
    function test_H24_aNewcomerWeighsLessThanAVeteran() public {
        _joinMany(3);
        for (uint256 i; i < 40; ++i) {
            TaskId t = _seated();
            _vote(t, [ANSWER, ANSWER, ANSWER]);
            _deliver(t);
        }
        NodeId fresh = _join(4, CLASS, 24);
        for (uint32 i = 1; i <= 3; ++i) {
            assertGt(node.nodeOf(NodeId.wrap(i)).weight, uint256(node.nodeOf(fresh).weight) * 3 / 2);
        }
        assertEq(node.nodeOf(fresh).weight, 128, "the middle");
    }

    function _nodesFor(bytes32 taskHash, address who, bytes32 blockHash) private returns (bytes memory) {
        vm.deal(who, FEE);
        vm.prank(who);
        TaskId t = task.create{value: FEE}(GPT, taskHash, 100, 0, ANY, 1 hours);
        queue.dispatch(1);
        _nextBlock();
        vm.setBlockhash(block.number - 1, blockHash);
        return _seatedNodes(t);
    }

    /// @dev Whatever the hash of the draw, the task gets the same nodes whether `input` is sent before its seating
    /// or not; it may be refused.
    function _assertMovesNothing(TaskId t, address caller, address target, bytes memory input) private {
        uint256 drawBlock = queue.round().drawBlock;
        uint256 value = bytes4(input) == node.join.selector ? node.minStake() : 0;
        vm.deal(caller, value);
        uint256 start = vm.snapshotState();
        for (uint256 i; i < 60; ++i) {
            vm.setBlockhash(drawBlock, keccak256(abi.encode("moves", i)));
            bytes memory want = _roundNodes(t);
            vm.revertToState(start);
            vm.setBlockhash(drawBlock, keccak256(abi.encode("moves", i)));
            vm.prank(caller);
            (bool ok,) = target.call{value: value}(input);
            ok;
            assertEq(_roundNodes(t), want);
            vm.revertToState(start);
        }
    }

    /// @dev Seats the whole round and returns the nodes of `t`, who may be none.
    function _roundNodes(TaskId t) private returns (bytes memory) {
        queue.dispatch(64);
        return abi.encode(task.taskOf(t).nodes);
    }

    function _seatedNodes(TaskId t) private returns (bytes memory) {
        queue.dispatch(1);
        NodeId[3] memory nodes = task.taskOf(t).nodes;
        assertTrue(nodes[2] != NodeId.wrap(0));
        return abi.encode(nodes);
    }

    function _allNodes(uint40 n) private view returns (bytes memory all) {
        for (uint40 i = 1; i <= n; ++i) {
            all = abi.encodePacked(all, abi.encode(task.taskOf(TaskId.wrap(i)).nodes));
        }
    }

    /// @dev A node of the twenty that does not serve `t`.
    function _someoneElse(TaskId t) private view returns (NodeId id) {
        NodeId[3] memory nodes = task.taskOf(t).nodes;
        for (uint32 i = 1; i <= 20; ++i) {
            id = NodeId.wrap(i);
            if (nodes[0] != id && nodes[1] != id && nodes[2] != id) return id;
        }
    }

    /// @dev One of the moves that change who is free, or that might.
    function _meddle(uint256 random, uint256 step, TaskId running) private {
        uint256 who = 1 + (random >> 8) % 14;
        NodeId id = NodeId.wrap(uint32(who));
        uint256 move = random % 7;
        if (move == 0) _join(100 + step, CLASS, 24);
        if (move == 1) _attempt(who, abi.encodeCall(node.pause, (id)));
        if (move == 2) _attempt(who, abi.encodeCall(node.resume, (id)));
        if (move == 3) _attempt(who, abi.encodeCall(node.quit, (id)));
        if (move == 4 && task.taskOf(running).state == ITask.State.Committing) _vote(running, [ANSWER, WRONG, ANSWER]);
        if (move == 5) node.absorb(10);
        if (move == 6) _create(GPT, FEE, 100);
    }

    function _attempt(uint256 who, bytes memory input) private {
        vm.prank(_operator(who));
        (bool ok,) = address(node).call(input);
        ok;
    }

    /// @dev All nodes were just freed and more tasks wait than they can serve: who gets the first?
    function _congestedChoice(bytes32 blockHash) private returns (uint256 chosen) {
        for (uint256 i; i < 3; ++i) {
            _create(GPT, 2 * FEE, 100);
        }
        _dispatch(3);
        for (uint256 i; i < 5; ++i) {
            _create(GPT, FEE, 100);
        }
        for (uint40 i = 1; i <= 3; ++i) {
            _vote(TaskId.wrap(i), [ANSWER, ANSWER, ANSWER]);
        }
        queue.dispatch(5);
        _nextBlock();
        vm.setBlockhash(block.number - 1, blockHash);
        queue.dispatch(5);
        NodeId[3] memory nodes = task.taskOf(TaskId.wrap(4)).nodes;
        for (uint256 i; i < 3; ++i) {
            chosen |= 1 << NodeId.unwrap(nodes[i]);
        }
    }

    function _isColluder(NodeId id) private pure returns (bool) {
        return NodeId.unwrap(id) > 9;
    }
}

/// @notice The same where vacated seats are given to other nodes.
contract RefillChoiceDefectsTest is Network {
    function _params() internal pure override returns (Params memory) {
        return Deployment.defaults();
    }

    /// @notice H4: tasks are seated one after the other, so each choice depends on those before it in the round. A task
    /// that waits for other nodes and has been drawn cannot leave the round for those behind it to meet other nodes.
    function test_H04_aDrawnVacancyCannotLeaveTheRound() public {
        _joinMany(12);
        TaskId vacant = _seated();
        _commit(vacant, 0, ANSWER);
        _commit(vacant, 1, ANSWER);
        _pastDeadline(vacant);
        task.advance(vacant);
        uint256 refillBy = task.taskOf(vacant).deadline;
        TaskId t = _create(GPT, FEE, 100);
        queue.dispatch(5);
        uint256 drawBlock = block.number;
        assertEq(queue.round().size, 2);
        vm.roll(drawBlock + 100);
        vm.warp(refillBy + 1);
        uint256 start = vm.snapshotState();
        for (uint256 i; i < 20; ++i) {
            vm.setBlockhash(drawBlock, keccak256(abi.encode("moves", i)));
            queue.dispatch(5);
            bytes memory want = abi.encode(task.taskOf(t).nodes);
            vm.revertToState(start);
            vm.setBlockhash(drawBlock, keccak256(abi.encode("moves", i)));
            (bool ok,) = address(task).call(abi.encodeCall(task.advance, (vacant)));
            ok;
            queue.dispatch(5);
            assertEq(abi.encode(task.taskOf(t).nodes), want);
            vm.revertToState(start);
        }
    }
}
