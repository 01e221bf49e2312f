// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Deployment, Params} from "../../../script/Deployment.sol";
import {Network} from "../Network.sol";

/// @notice What the life of one GPT task costs, call by call, in a network that has served before.
/// @dev Each call is a transaction of its own (isolated), so the figures are those of receipts: 21,000, calldata and
/// refunds included. The snapshots in snapshots/ are compared at every run; `make snapshots` accepts new ones.
/// forge-config: default.isolate = true
contract TaskGasTest is Network {
    /// A network of ten nodes, each of which has served.
    uint256 private constant NODES = 10;
    /// The original's figure at ten free nodes.
    uint256 private constant ORIGINAL = 2_586_158;
    /// What a task may cost at most under load.
    uint256 private constant MOST = 800_000;

    function _params() internal pure override returns (Params memory) {
        return Deployment.defaults();
    }

    function setUp() public override {
        super.setUp();
        _joinMany(NODES);
        for (uint256 served; served < 20; ++served) {
            _serve();
        }
    }

    /// @dev Under load one call seats what the last drew and draws the next: that is a task's share of dispatching, and
    /// part of its total. In a quiet network it takes a call that draws and one that seats.
    function test_everyCallOfATask() public {
        TaskId t = _create(GPT, FEE, 100);
        uint256 calls = _note("create");
        _dispatchNow();
        uint256 quiet = _note("dispatch, draws");
        _nextBlock();
        _dispatchNow();
        quiet += _note("dispatch, seats");
        string[3] memory ranks = ["first", "second", "third"];
        for (uint256 i; i < 3; ++i) {
            _commitNow(t, i);
            calls += _note(string.concat("commit, ", ranks[i]));
        }
        for (uint256 i; i < 3; ++i) {
            _revealNow(t, i);
            calls += _note(string.concat("reveal, ", ranks[i]));
        }
        _deliverNow(t);
        calls += _note("deliver");
        uint256 pipelined = _dispatchUnderLoad();
        vm.snapshotValue("task", "total", calls + pipelined);
        vm.snapshotValue("task", "total, quiet", calls + quiet);
        assertLe(calls + pipelined, MOST);
        assertLt((calls + quiet) * 3, ORIGINAL);
    }

    /// @dev Three at a time, from one block to the next.
    function test_aDispatchOfThree() public {
        for (uint256 i; i < 3; ++i) {
            _create(GPT, FEE, 100);
        }
        vm.prank(keeper);
        queue.dispatch(3);
        vm.snapshotGasLastCall("task", "dispatch, draws three");
        _nextBlock();
        vm.prank(keeper);
        queue.dispatch(3);
        vm.snapshotGasLastCall("task", "dispatch, seats three");
    }

    function test_leavingTheQueue() public {
        TaskId t = _create(GPT, FEE, 100);
        _pastTheFirstMinute();
        vm.prank(creator);
        task.cancel(t);
        vm.snapshotGasLastCall("task", "cancel");
        t = _create(GPT, FEE, 100);
        _pastDeadline(t);
        task.expire(t);
        vm.snapshotGasLastCall("task", "expire");
    }

    function test_joiningAndLeaving() public {
        _join(11, CLASS, 24);
        vm.snapshotGasLastCall("node", "join, a known class");
        NodeId id = NodeId.wrap(11);
        vm.prank(_operator(11));
        node.pause(id);
        vm.snapshotGasLastCall("node", "pause");
        vm.prank(_operator(11));
        node.resume(id);
        vm.snapshotGasLastCall("node", "resume");
        vm.prank(_operator(11));
        node.quit(id);
        vm.snapshotGasLastCall("node", "quit");
        vm.warp(block.timestamp + 7 days);
        vm.prank(_operator(11));
        node.withdraw(id);
        vm.snapshotGasLastCall("node", "withdraw");
    }

    function _serve() private {
        TaskId t = _create(GPT, FEE, 100);
        _dispatch(1);
        for (uint256 i; i < 3; ++i) {
            _commitNow(t, i);
        }
        for (uint256 i; i < 3; ++i) {
            _revealNow(t, i);
        }
        _deliverNow(t);
    }

    /// @dev The call that seats one task and draws the next, while others are queued.
    function _dispatchUnderLoad() private returns (uint256) {
        for (uint256 i; i < 5; ++i) {
            _create(GPT, FEE, 100);
        }
        _dispatchNow();
        _nextBlock();
        vm.prank(keeper);
        (uint256 seated, uint256 drawn) = queue.dispatch(1);
        assertEq(seated + drawn, 2);
        return _note("dispatch, seats one and draws one");
    }

    function _dispatchNow() private {
        vm.prank(keeper);
        queue.dispatch(1);
    }

    /// @dev The gas of the last call, kept under `name`.
    function _note(string memory name) private returns (uint256) {
        return vm.snapshotGasLastCall("task", name);
    }

    function _commitNow(TaskId t, uint256 seat) private {
        NodeId id = _nodeAt(t, seat);
        address key = _keyAt(t, seat);
        bytes32 commitment = task.commitmentOf(t, key, ANSWER, _salt(t, seat));
        vm.prank(key);
        task.commit(id, t, commitment);
    }

    function _revealNow(TaskId t, uint256 seat) private {
        NodeId id = _nodeAt(t, seat);
        address key = _keyAt(t, seat);
        vm.prank(key);
        task.reveal(id, t, ANSWER, _salt(t, seat));
    }

    function _deliverNow(TaskId t) private {
        uint256 seat = task.taskOf(t).deliverer;
        NodeId id = _nodeAt(t, seat);
        address key = _keyAt(t, seat);
        vm.prank(key);
        task.deliver(id, t, ANSWER);
    }
}
