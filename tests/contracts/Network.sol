// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Create3Factory} from "../../contracts/Create3Factory.sol";
import {INetworkStats} from "../../contracts/interfaces/INetworkStats.sol";
import {INode} from "../../contracts/interfaces/INode.sol";
import {IQoS} from "../../contracts/interfaces/IQoS.sol";
import {ITask} from "../../contracts/interfaces/ITask.sol";
import {ITaskQueue} from "../../contracts/interfaces/ITaskQueue.sol";
import {ClassId, NodeId, TaskId} from "../../contracts/types/Ids.sol";
import {Level} from "../../contracts/types/ValueRate.sol";
import {Wiring} from "../../contracts/types/Wiring.sol";
import {Deployment, Params} from "../../script/Deployment.sol";
import {TypedAssertions} from "./TypedAssertions.sol";

/// @notice A deployed network, and the moves of its parties.
abstract contract Network is TypedAssertions {
    uint8 internal constant GPT = 0;
    uint8 internal constant SD = 1;
    bytes32 internal constant CLASS = keccak256("a class");
    bytes32 internal constant TASK_HASH = keccak256("a task");
    bytes32 internal constant ANSWER = keccak256("42");
    bytes32 internal constant WRONG = keccak256("43");
    uint96 internal constant FEE = 10 ether;
    ClassId internal constant ANY = ClassId.wrap(0);

    address internal owner = makeAddr("owner");
    address internal treasury = makeAddr("treasury");
    address internal creator = makeAddr("creator");
    address internal keeper = makeAddr("keeper");

    INode internal node;
    ITask internal task;
    ITaskQueue internal queue;
    IQoS internal qos;
    INetworkStats internal stats;

    function setUp() public virtual {
        vm.roll(1000);
        vm.warp(1_800_000_000);
        Create3Factory factory = new Create3Factory();
        Wiring memory w = Deployment.wiring(factory, address(this), owner, treasury);
        Deployment.deploy(factory, w, _params());
        (node, task, queue) = (INode(w.node), ITask(w.task), ITaskQueue(w.queue));
        (qos, stats) = (IQoS(w.qos), INetworkStats(w.stats));
        vm.deal(creator, 1000 ether);
    }

    /// @dev The figures of the deployment, but without refills: a task goes on with two as soon as a stage is over.
    function _params() internal virtual returns (Params memory p) {
        p = Deployment.defaults();
        p.terms.refills = 0;
    }

    /// @dev The operator and the key of the test's node number `i`.
    function _operator(uint256 i) internal pure returns (address) {
        return address(uint160(0x1000000 + i));
    }

    function _key(uint256 i) internal pure returns (address) {
        return address(uint160(0x2000000 + i));
    }

    function _join(uint256 i, bytes32 class, uint16 vram) internal returns (NodeId) {
        return _joinFor(_operator(i), _key(i), class, vram);
    }

    function _joinFor(address operator, address key, bytes32 class, uint16 vram) internal returns (NodeId) {
        uint96 stake = node.minStake();
        vm.deal(operator, operator.balance + stake);
        vm.prank(operator);
        return node.join{value: stake}(key, class, vram, "a GPU");
    }

    /// @dev Nodes 1 to `n`, one operator each, all of one class with 24 GB.
    function _joinMany(uint256 n) internal {
        for (uint256 i = 1; i <= n; ++i) {
            _join(i, CLASS, 24);
        }
    }

    function _create(uint8 kind, uint96 fee, uint32 size) internal returns (TaskId) {
        vm.prank(creator);
        return task.create{value: fee}(kind, TASK_HASH, size, 0, ANY, 1 hours);
    }

    /// @dev A GPT task of 100 tokens for nodes of `class`.
    function _createFor(ClassId class, uint96 fee) internal returns (TaskId) {
        vm.prank(creator);
        return task.create{value: fee}(GPT, TASK_HASH, 100, 0, class, 1 hours);
    }

    /// @dev Three nodes that could serve any task that names no class: without them a full queue gives up no other for it.
    function _staff() internal {
        for (uint256 i = 901; i <= 903; ++i) {
            _join(i, keccak256("staff"), 128);
        }
    }

    /// @dev A task cannot be cancelled before.
    function _pastTheFirstMinute() internal {
        vm.warp(block.timestamp + 61);
    }

    function _nextBlock() internal {
        vm.roll(block.number + 1);
        vm.warp(block.timestamp + 1);
        // forge's blockhash of simulated blocks is a fixed function of the number; give each block one of its own.
        vm.setBlockhash(block.number - 1, keccak256(abi.encode("block", block.number - 1)));
    }

    /// @dev Draws in this block and seats in the next.
    function _dispatch(uint256 maxTasks) internal returns (uint256 seated) {
        vm.prank(keeper);
        queue.dispatch(maxTasks);
        _nextBlock();
        vm.prank(keeper);
        (seated,) = queue.dispatch(maxTasks);
    }

    /// @dev A GPT task of `FEE` with its three seats.
    function _seated() internal returns (TaskId t) {
        t = _create(GPT, FEE, 100);
        assertEq(_dispatch(1), 1, "the task got its nodes");
    }

    /// @dev Draws one task and moves on a block: until it is seated, the node sets are closed.
    function _closeSets() internal returns (TaskId t) {
        t = _create(GPT, FEE, 100);
        queue.dispatch(1);
        _nextBlock();
    }

    /// @dev Three of the nodes serve a task and the first of them stands alone with its result.
    function _frozen() internal returns (NodeId id) {
        TaskId t = _seated();
        id = _nodeAt(t, 0);
        _vote(t, [WRONG, ANSWER, ANSWER]);
    }

    /// @dev `id`, one of exactly three free nodes, misses three tasks in a row.
    function _suspend(NodeId id) internal {
        for (uint256 i; i < 3; ++i) {
            _serveWithout(_seated(), id);
        }
    }

    /// @dev Everybody seated but `id` commits and reveals.
    function _serveWithout(TaskId t, NodeId id) internal {
        for (uint256 seat; seat < 3; ++seat) {
            if (_nodeAt(t, seat) != id) _commit(t, seat, ANSWER);
        }
        _pastDeadline(t);
        task.advance(t);
        for (uint256 seat; seat < 3; ++seat) {
            if (_nodeAt(t, seat) != id) _reveal(t, seat, ANSWER);
        }
    }

    function _nodeAt(TaskId t, uint256 seat) internal view returns (NodeId) {
        return task.taskOf(t).nodes[seat];
    }

    function _keyAt(TaskId t, uint256 seat) internal view returns (address) {
        return node.nodeOf(_nodeAt(t, seat)).key;
    }

    function _operatorAt(TaskId t, uint256 seat) internal view returns (address) {
        return node.operatorOf(_nodeAt(t, seat));
    }

    /// @dev The first task of a book and its level, 0 and 0 when it is empty.
    function _headOf(uint8 kind, uint8 tier, ClassId class) internal view returns (Level, TaskId) {
        ITaskQueue.BookView memory book = queue.bookOf(kind, tier, class, Level.wrap(type(uint16).max));
        return (book.top, book.first);
    }

    /// @dev Wei that the node of a seat has earned and nobody has collected.
    function _earned(TaskId t, uint256 seat) internal view returns (uint256) {
        return task.earnedBy(_nodeAt(t, seat));
    }

    /// @dev The same for all three seats.
    function _earned(TaskId t) internal view returns (uint256) {
        return _earned(t, 0) + _earned(t, 1) + _earned(t, 2);
    }

    /// @dev Moves what a node has earned to its operator's credit.
    function _collect(NodeId id) internal returns (uint256) {
        return task.collect(id);
    }

    function _salt(TaskId t, uint256 seat) internal pure returns (bytes32) {
        return keccak256(abi.encode("salt", t, seat));
    }

    function _commit(TaskId t, uint256 seat, bytes32 result) internal {
        address key = _keyAt(t, seat);
        bytes32 commitment = task.commitmentOf(t, key, result, _salt(t, seat));
        NodeId id = _nodeAt(t, seat);
        vm.prank(key);
        task.commit(id, t, commitment);
    }

    function _reveal(TaskId t, uint256 seat, bytes32 result) internal {
        NodeId id = _nodeAt(t, seat);
        vm.prank(_keyAt(t, seat));
        task.reveal(id, t, result, _salt(t, seat));
    }

    /// @dev All three commit and reveal in seat order.
    function _vote(TaskId t, bytes32[3] memory results) internal {
        for (uint256 i; i < 3; ++i) {
            _commit(t, i, results[i]);
        }
        for (uint256 i; i < 3; ++i) {
            _reveal(t, i, results[i]);
        }
    }

    function _deliver(TaskId t) internal {
        uint256 seat = task.taskOf(t).deliverer;
        NodeId id = _nodeAt(t, seat);
        vm.prank(_keyAt(t, seat));
        task.deliver(id, t, ANSWER);
    }

    function _pastDeadline(TaskId t) internal {
        vm.warp(uint256(task.taskOf(t).deadline) + 1);
        vm.roll(block.number + 1);
    }

    /// @dev One of the six orders of three seats.
    function _permutation(uint256 which) internal pure returns (uint256[3] memory) {
        uint256 first = which % 3;
        bool swap = which / 3 % 2 == 1;
        return [first, (first + (swap ? 2 : 1)) % 3, (first + (swap ? 1 : 2)) % 3];
    }

    function _error(uint8 code) internal view returns (bytes32) {
        return bytes32(uint256(task.ERROR_PREFIX()) | code);
    }

    function _status(NodeId n) internal view returns (INode.Status) {
        return node.nodeOf(n).status;
    }

    function _state(TaskId t) internal view returns (ITask.State) {
        return task.taskOf(t).state;
    }
}
