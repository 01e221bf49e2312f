// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {ITaskQueue} from "../../../contracts/interfaces/ITaskQueue.sol";
import {NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Level, ValueRate, ValueRates} from "../../../contracts/types/ValueRate.sol";
import {Network} from "../Network.sol";
import {Puppet} from "../Puppet.sol";

/// @notice Defects of the original network's bounded queue. "H" numbers are those of its list. The original's queue
/// holds 50 tasks, this one 64 at the least.
contract FullQueueDefectsTest is Network {
    uint256 private constant LIMIT = 64;

    function setUp() public override {
        super.setUp();
        vm.deal(creator, 100_000 ether);
    }

    /// @notice H1. Original: one more task arrives at a full queue, the cheapest is dropped and its fee is never
    /// returned. Here every wei of it is credited in the same transaction, and can be withdrawn.
    function testFuzz_H01_whoGivesWayIsRefunded(uint96 fee, uint8 place) public {
        _staff();
        fee = uint96(bound(fee, 1e12, FEE - FEE / 100));
        address poor = makeAddr("poor");
        uint256 index = bound(place, 0, LIMIT - 1);
        TaskId cheapest;
        for (uint256 i; i < LIMIT; ++i) {
            if (i == index) cheapest = _offer(poor, fee);
            else _offer(creator, FEE);
        }
        assertEq(task.creditOf(poor), 0);
        _offer(creator, FEE);
        assertEq(task.taskOf(cheapest).state, ITask.State.Ended);
        assertEq(task.creditOf(poor), fee);
        vm.prank(poor);
        task.withdraw(poor);
        assertEq(poor.balance, fee);
        assertEq(address(task).balance, LIMIT * FEE, "what is queued, and nothing else");
    }

    /// @notice H1. Original: the cancel of a task that was dropped reverts inside the heap, and its fee stays lost. Here
    /// the refusal says that the task has ended, and the fee has been credited before.
    function test_H01_theCancelOfWhoGaveWaySaysThatItHasEnded() public {
        _staff();
        address poor = makeAddr("poor");
        TaskId cheapest = _offer(poor, FEE / 2);
        for (uint256 i; i < LIMIT; ++i) {
            _offer(creator, FEE);
        }
        bytes4 selector = ITask.WrongState.selector;
        vm.prank(poor);
        vm.expectRevert(abi.encodeWithSelector(selector, cheapest, ITask.State.Ended, ITask.State.Queued));
        task.cancel(cheapest);
        assertEq(task.creditOf(poor), FEE / 2);
    }

    /// @notice H2. Original: a full queue holds a task of 40 CNX, one of 1 CNX arrives, and the 40 are evicted for the 1.
    /// Here the newcomer is refused with both values, and nobody has to go.
    function test_H02_onePaysLessThanForty() public {
        for (uint256 i; i < LIMIT; ++i) {
            _offer(creator, 40 ether);
        }
        (ValueRate offered,) = queue.levelOf(1 ether, 10_000);
        (, Level lowest) = queue.levelOf(40 ether, 10_000);
        vm.expectRevert(abi.encodeWithSelector(ITaskQueue.FeeTooLow.selector, offered, ValueRates.floor(lowest)));
        _offer(creator, 1 ether);
        for (uint40 i = 1; i <= LIMIT; ++i) {
            assertEq(task.taskOf(TaskId.wrap(i)).state, ITask.State.Queued);
        }
        assertEq(task.creditOf(creator), 0);
    }

    /// @notice H2: after any offers the queue holds the highest of them, and of equals those that came first.
    function testFuzz_H02_theQueueHoldsTheHighest(uint256 seed) public {
        _staff();
        uint256 n = LIMIT + 40;
        uint256[] memory keys = new uint256[](n);
        TaskId[] memory tasks = new TaskId[](n);
        for (uint256 i; i < n; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint96 fee = uint96(1 ether + seed % 30 * 0.05 ether);
            (, Level level) = queue.levelOf(fee, 10_000);
            keys[i] = uint256(Level.unwrap(level)) << 16 | (n - i);
            vm.deal(creator, fee);
            bytes memory order = abi.encodeCall(task.create, (GPT, TASK_HASH, 100, 0, ANY, 1 hours));
            vm.prank(creator);
            (bool ok, bytes memory output) = address(task).call{value: fee}(order);
            if (ok) tasks[i] = abi.decode(output, (TaskId));
        }
        for (uint256 i; i < n; ++i) {
            bool kept = TaskId.unwrap(tasks[i]) != 0 && task.taskOf(tasks[i]).state == ITask.State.Queued;
            assertEq(kept, _rank(keys, i) < LIMIT);
        }
        assertEq(queue.queued(), LIMIT);
    }

    /// @notice KI-14 of an earlier design of ours: somebody fills the queue with values per second that the least size makes
    /// cheap, has all others evicted, and takes its own back in the same transaction; it costs gas alone. Here its tasks
    /// stay for a minute, cannot be expired before either, and whatever is drawn meanwhile is paid for in full.
    function testFuzz_KI14_theQueueCannotBeFlushedForGasAlone(uint8 waited, uint8 nodes) public {
        nodes = uint8(bound(nodes, 6, 18));
        _joinMany(nodes);
        for (uint256 i; i < LIMIT; ++i) {
            _offer(creator, FEE);
        }
        Puppet attacker = new Puppet(Puppet.OnReceive.Accept);
        uint256 fee = _flush(attacker);
        assertEq(task.creditOf(creator), LIMIT * FEE, "who gives way is refunded");
        uint256 until = block.timestamp + 60;
        _assertNothingComesBack(attacker);
        uint256 served = _serve(nodes / 3) + _serve(nodes / 3);
        assertEq(served, 2 * (nodes / 3), "as many at once as there are nodes");
        vm.warp(until - waited % 30);
        _assertNothingComesBack(attacker);
        vm.warp(until);
        queue.dispatch(1);
        TaskId drawn = queue.roundTask(0);
        vm.warp(until + 1);
        _takeBack(attacker, drawn);
        assertEq(task.creditOf(address(attacker)), fee * (LIMIT - served - 1), "all but what was drawn");
        assertEq(_earnedByAll() + task.creditOf(address(this)), fee * served, "which goes to those who served it");
        assertEq(address(task).balance, LIMIT * (FEE + fee));
    }

    /// @notice KI-14: who was evicted comes back at once with a higher value, and is served before the flood.
    function test_KI14_aHigherValueIsServedBeforeTheFlood() public {
        _joinMany(3);
        _flush(new Puppet(Puppet.OnReceive.Accept));
        TaskId t = _offer(creator, 2 * FEE);
        assertEq(_dispatch(1), 1);
        assertEq(_state(t), ITask.State.Committing);
    }

    /// @dev A full queue of tasks of the least size, one after the other in one block.
    /// @return fee What each of them costs.
    function _flush(Puppet attacker) private returns (uint256 fee) {
        bytes memory order = abi.encodeCall(ITask.create, (GPT, TASK_HASH, 1, 0, ANY, 60));
        fee = uint256(FEE) * 53 / 100;
        for (uint256 i; i < LIMIT; ++i) {
            vm.deal(address(attacker), fee);
            attacker.act(address(task), fee, order);
            assertEq(_state(task.lastTask()), ITask.State.Queued);
        }
        assertEq(queue.queued(), LIMIT);
    }

    /// @dev Neither by a cancel nor by an expiry.
    function _assertNothingComesBack(Puppet attacker) private {
        for (uint256 i = LIMIT + 1; i <= 2 * LIMIT; ++i) {
            TaskId t = TaskId.wrap(uint40(i));
            bytes4 want = _state(t) == ITask.State.Queued ? ITask.TooEarly.selector : ITask.WrongState.selector;
            vm.expectPartialRevert(want);
            attacker.act(address(task), 0, abi.encodeCall(ITask.cancel, (t)));
            vm.expectPartialRevert(want);
            task.expire(t);
        }
        assertEq(task.creditOf(address(attacker)), 0);
    }

    /// @dev The nodes serve up to `most` tasks, in seconds.
    function _serve(uint256 most) private returns (uint256 served) {
        queue.dispatch(most);
        _nextBlock();
        queue.dispatch(most);
        for (uint256 i = LIMIT + 1; i <= 2 * LIMIT; ++i) {
            TaskId t = TaskId.wrap(uint40(i));
            if (_state(t) != ITask.State.Committing) continue;
            _vote(t, [ANSWER, ANSWER, ANSWER]);
            _deliver(t);
            ++served;
        }
    }

    /// @dev All that waits is cancelled; what is drawn cannot be.
    function _takeBack(Puppet attacker, TaskId drawn) private {
        for (uint256 i = LIMIT + 1; i <= 2 * LIMIT; ++i) {
            TaskId t = TaskId.wrap(uint40(i));
            if (_state(t) != ITask.State.Queued) continue;
            if (t == drawn) vm.expectRevert(abi.encodeWithSelector(ITaskQueue.NotQueued.selector, t));
            attacker.act(address(task), 0, abi.encodeCall(ITask.cancel, (t)));
        }
    }

    function _earnedByAll() private view returns (uint256 sum) {
        for (uint32 i = 1; i <= NodeId.unwrap(node.lastNode()); ++i) {
            sum += task.earnedBy(NodeId.wrap(i));
        }
    }

    /// @dev How many of `keys` are above the one at `index`.
    function _rank(uint256[] memory keys, uint256 index) private pure returns (uint256 above) {
        for (uint256 i; i < keys.length; ++i) {
            if (keys[i] > keys[index]) ++above;
        }
    }

    function _offer(address who, uint96 fee) private returns (TaskId) {
        vm.deal(who, who.balance + fee);
        vm.prank(who);
        return task.create{value: fee}(GPT, TASK_HASH, 100, 0, ANY, 1 hours);
    }
}
