// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {ITaskQueue} from "../../../contracts/interfaces/ITaskQueue.sol";
import {BookTag} from "../../../contracts/types/BookTag.sol";
import {ClassId, NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Level} from "../../../contracts/types/ValueRate.sol";
import {Network} from "../Network.sol";
import {Puppet} from "../Puppet.sol";
import {Vm} from "forge-std/Vm.sol";

/// @notice The moves of every party, in any order and with any arguments, made on a network of their own.
/// @dev A move may be refused; it may not panic. What the moves should lead to is kept beside: the ether that came and
/// went, the tasks that are not over, and the order of every level of every book.
contract Handler is Network {
    uint256 private constant MAX_NODES = 21;
    uint256 private constant MAX_LIVE = 14;
    /// Gas of a withdrawal, so that a recipient that burns all it gets ends.
    uint256 private constant WITHDRAW_GAS = 400_000;

    /// Who creates tasks, who owns nodes, and who has money in Task altogether.
    address[] public creators;
    address[] public operators;
    address[] public accounts;
    /// Tasks that are not `Ended`.
    TaskId[] public live;
    /// What the seats committed to.
    mapping(TaskId => mapping(uint256 seat => bytes32)) private results;
    /// Tasks of one level of one book in the order in which they must be served.
    mapping(uint256 book => mapping(uint16 level => TaskId[])) private lines;
    mapping(TaskId => uint256) public bookOf;
    mapping(TaskId => Level) public levelOf;

    /// Wei that Task and Node took and gave.
    uint256 public taskIn;
    uint256 public taskOut;
    uint256 public nodeIn;
    uint256 public nodeOut;
    /// Wei forced upon each.
    uint256 public forced;
    uint256 public ended;
    uint256 public panics;
    uint256 public lineBreaks;

    function setUp() public override {
        super.setUp();
        for (uint256 i; i < 4; ++i) {
            creators.push(address(new Puppet(Puppet.OnReceive(i))));
        }
        creators.push(creator);
        for (uint256 i; i < 7; ++i) {
            operators.push(i < 3 ? address(new Puppet(Puppet.OnReceive(1 + i))) : _operator(i));
        }
        for (uint256 i; i < creators.length; ++i) {
            accounts.push(creators[i]);
            if (i < 4) Puppet(payable(creators[i])).plan(address(task), abi.encodeCall(ITask.withdraw, (creators[i])));
            if (i < 3) Puppet(payable(creators[i])).behave(Puppet.OnReceive(i));
        }
        for (uint256 i; i < operators.length; ++i) {
            accounts.push(operators[i]);
        }
        accounts.push(keeper);
        for (uint256 i; i < 9; ++i) {
            join(i, i % 3, 1);
        }
    }

    // Creators

    function create(uint256 who, uint256 kind, uint96 fee, uint32 size, uint256 need, uint32 maxWait) public {
        if (live.length >= MAX_LIVE) return;
        address from = creators[who % creators.length];
        fee = uint96(bound(fee, 1 ether, 4 ether));
        ClassId class = need % 4 == 0 ? ClassId.wrap(uint32(1 + need / 4 % 6)) : ANY;
        uint16 minVram = need % 4 == 1 ? 20 : 0;
        bytes memory input = abi.encodeCall(
            ITask.create, (uint8(kind % 2), TASK_HASH, uint32(1 + size % 4), minVram, class, 1 + maxWait % 3600)
        );
        vm.deal(from, from.balance + fee);
        (bool ok, bytes memory output) = _call(from, address(task), fee, input);
        if (!ok) return;
        taskIn += fee;
        TaskId t = abi.decode(output, (TaskId));
        live.push(t);
        ITaskQueue.Place memory p = queue.placeOf(t);
        (bookOf[t], levelOf[t]) = (BookTag.bookKey(p.kind, p.tier, p.class), p.level);
        _line(t).push(t);
    }

    function cancel(uint256 which, bool stranger) external {
        if (live.length == 0) return;
        TaskId t = _live(which);
        address from = stranger ? creators[which % creators.length] : task.taskOf(t).creator;
        (bool ok,) = _call(from, address(task), 0, abi.encodeCall(ITask.cancel, (t)));
        if (ok) _leaveLine(t);
        _prune();
    }

    // Keepers

    function dispatch(uint256 limit, uint256 blocks) public {
        uint256 drawBlock = queue.round().drawBlock;
        if (drawBlock != 0 && blocks % 8 != 0) _roll(blocks % 32 == 1 ? 257 : 1 + blocks % 3);
        if (drawBlock != 0 && drawBlock < block.number && block.number - drawBlock <= 256) {
            vm.setBlockhash(drawBlock, keccak256(abi.encode(limit, blocks, drawBlock)));
        }
        vm.recordLogs();
        _call(keeper, address(queue), 0, abi.encodeCall(ITaskQueue.dispatch, (1 + limit % 6)));
        _follow(vm.getRecordedLogs());
        _prune();
    }

    function advance(uint256 which, bool late) external {
        if (live.length == 0) return;
        TaskId t = _live(which);
        if (late && which % 4 == 0) _wait(t);
        _call(keeper, address(task), 0, abi.encodeCall(ITask.advance, (t)));
        _prune();
    }

    function expire(uint256 which, bool late) external {
        if (live.length == 0) return;
        TaskId t = _live(which);
        if (late && which % 4 == 0) _wait(t);
        (bool ok,) = _call(keeper, address(task), 0, abi.encodeCall(ITask.expire, (t)));
        if (ok) _leaveLine(t);
        _prune();
    }

    function wake(uint256 kind, uint32 class) external {
        bytes memory input = abi.encodeCall(ITaskQueue.wake, (uint8(kind % 2), ClassId.wrap(1 + class % 6)));
        _call(keeper, address(queue), 0, input);
    }

    function collect(uint256 which) external {
        NodeId id = NodeId.wrap(uint32(1 + which % NodeId.unwrap(node.lastNode())));
        _call(keeper, address(task), 0, abi.encodeCall(ITask.collect, (id)));
    }

    function absorb(uint256 limit) external {
        _call(keeper, address(node), 0, abi.encodeCall(INode.absorb, (limit % 10)));
    }

    // Nodes

    function commit(uint256 which, uint256 seat, uint256 result) external {
        if (live.length == 0) return;
        TaskId t = _live(which);
        seat %= 3;
        address key = _keyAt(t, seat);
        bytes32 value = _result(result);
        bytes memory input =
            abi.encodeCall(ITask.commit, (_nodeAt(t, seat), t, task.commitmentOf(t, key, value, _salt(t, seat))));
        (bool ok,) = _call(key, address(task), 0, input);
        if (ok) results[t][seat] = value;
    }

    function reveal(uint256 which, uint256 seat, bool wrong) external {
        if (live.length == 0) return;
        TaskId t = _live(which);
        seat %= 3;
        bytes32 value = wrong && which % 4 == 0 ? WRONG : results[t][seat];
        bytes memory input = abi.encodeCall(ITask.reveal, (_nodeAt(t, seat), t, value, _salt(t, seat)));
        _call(_keyAt(t, seat), address(task), 0, input);
        _prune();
    }

    /// @dev A task from its creation to its settlement, or as far as it comes: without this few would come so far.
    function serve(uint256 which, uint96 fee, uint256 choice) external {
        create(which, which / 8, fee, 1, choice / 8, 3599);
        dispatch(5, 1);
        dispatch(5, 1);
        for (uint256 i; i < live.length; ++i) {
            if (task.taskOf(live[i]).state == ITask.State.Committing) vote(i, choice);
        }
    }

    /// @dev All that is missing of a task's votes, so that settlements are common.
    function vote(uint256 which, uint256 choice) public {
        if (live.length == 0) return;
        TaskId t = _live(which);
        for (uint256 seat; seat < 3 && task.taskOf(t).state == ITask.State.Committing; ++seat) {
            if (task.taskOf(t).commitRanks[seat] != 0 || block.timestamp > task.taskOf(t).deadline) continue;
            results[t][seat] = _result(choice >> (16 * seat));
            _commit(t, seat, results[t][seat]);
        }
        for (uint256 seat; seat < 3 && task.taskOf(t).state == ITask.State.Revealing; ++seat) {
            if (task.taskOf(t).revealRanks[seat] != 0 || block.timestamp > task.taskOf(t).deadline) continue;
            if (task.taskOf(t).commitRanks[seat] != 0) _reveal(t, seat, results[t][seat]);
        }
        _prune();
    }

    function deliver(uint256 which, uint256 seat, bytes32 content) external {
        if (live.length == 0) return;
        TaskId t = _live(which);
        for (uint256 i; i < live.length && task.taskOf(t).state != ITask.State.Delivering; ++i) {
            t = live[i];
        }
        seat = seat % 4 == 3 ? which % 3 : task.taskOf(t).deliverer;
        bytes memory input = abi.encodeCall(ITask.deliver, (_nodeAt(t, seat), t, content));
        _call(_keyAt(t, seat), address(task), 0, input);
        _prune();
    }

    // Operators

    function join(uint256 who, uint256 class, uint256 vram) public {
        uint256 next = 1 + NodeId.unwrap(node.lastNode());
        if (next > MAX_NODES) return;
        address from = operators[who % operators.length];
        bytes32 classHash = keccak256(abi.encode("class", class % 3));
        bytes memory input = abi.encodeCall(INode.join, (_key(next), classHash, vram % 2 == 0 ? 8 : 24, "a GPU"));
        vm.deal(from, from.balance + 400 ether);
        (bool ok,) = _call(from, address(node), 400 ether, input);
        if (ok) nodeIn += 400 ether;
    }

    function pause(uint256 which, bool stranger) external {
        _operate(which, stranger, INode.pause.selector);
    }

    function resume(uint256 which, bool stranger) external {
        _operate(which, stranger, INode.resume.selector);
    }

    function quit(uint256 which, bool stranger) external {
        if (which % 3 == 0) _operate(which / 3, stranger, INode.quit.selector);
    }

    function withdrawStake(uint256 which, bool late, bool stranger) external {
        if (late && which % 8 == 0) vm.warp(block.timestamp + 7 days);
        uint256 before = address(node).balance;
        _operate(which, stranger, INode.withdraw.selector);
        nodeOut += before - address(node).balance;
    }

    // Everybody

    function withdraw(uint256 who, bool elsewhere) external {
        address from = accounts[who % accounts.length];
        uint256 before = address(task).balance;
        address to = elsewhere ? treasury : from;
        _call(from, address(task), 0, abi.encodeCall(ITask.withdraw, (to)));
        taskOut += before - address(task).balance;
    }

    function force(uint64 amount) external {
        vm.deal(address(task), address(task).balance + amount);
        vm.deal(address(node), address(node).balance + amount);
        forced += amount;
    }

    function pass(uint256 time, uint256 blocks) external {
        _roll(1 + blocks % 20);
        vm.warp(block.timestamp + time % 60);
    }

    // What the invariants read

    function liveCount() external view returns (uint256) {
        return live.length;
    }

    function accountCount() external view returns (uint256) {
        return accounts.length;
    }

    function lineOf(TaskId t) external view returns (TaskId[] memory) {
        return lines[bookOf[t]][Level.unwrap(levelOf[t])];
    }

    function network() external view returns (INode, ITask, ITaskQueue) {
        return (node, task, queue);
    }

    /// @dev Brings every task to its end with calls that anybody may make, then lets everybody have his own.
    function finish() external {
        for (uint256 rounds; live.length != 0; ++rounds) {
            require(rounds < 16, "a task does not end");
            for (uint256 i; i < live.length; ++i) {
                _wait(live[i]);
                bool waits = task.taskOf(live[i]).state == ITask.State.Queued;
                bytes4 move = waits ? ITask.expire.selector : ITask.advance.selector;
                _call(keeper, address(task), 0, abi.encodeWithSelector(move, live[i]));
            }
            _roll(1);
            if (queue.round().size != 0) _call(keeper, address(queue), 0, abi.encodeCall(ITaskQueue.dispatch, (64)));
            _prune();
        }
        for (uint32 id = 1; id <= NodeId.unwrap(node.lastNode()); ++id) {
            if (task.earnedBy(NodeId.wrap(id)) != 0) task.collect(NodeId.wrap(id));
        }
        for (uint256 i; i < accounts.length; ++i) {
            if (task.creditOf(accounts[i]) == 0) continue;
            (bool ok,) = _call(accounts[i], address(task), 0, abi.encodeCall(ITask.withdraw, (treasury)));
            require(ok, "a credit cannot be withdrawn");
        }
    }

    function _result(uint256 random) private view returns (bytes32) {
        uint256 pick = random % 10;
        if (pick < 6) return ANSWER;
        return pick < 8 ? WRONG : _error(uint8(1 + pick % 2));
    }

    function _operate(uint256 which, bool stranger, bytes4 selector) private {
        NodeId id = NodeId.wrap(uint32(1 + which % NodeId.unwrap(node.lastNode())));
        address from = stranger && which % 4 == 0 ? operators[which % operators.length] : node.operatorOf(id);
        _call(from, address(node), 0, abi.encodeWithSelector(selector, id));
    }

    function _live(uint256 which) private view returns (TaskId) {
        return live[which % live.length];
    }

    /// @dev Until the stage of `t` is over.
    function _wait(TaskId t) private {
        uint256 deadline = task.taskOf(t).deadline;
        if (block.timestamp <= deadline) vm.warp(deadline + 1);
    }

    function _roll(uint256 blocks) private {
        vm.roll(block.number + blocks);
        vm.warp(block.timestamp + blocks);
    }

    /// @dev A call that may be refused, but not with a panic, nor without a reason.
    function _call(address from, address to, uint256 value, bytes memory input)
        private
        returns (bool ok, bytes memory output)
    {
        vm.prank(from);
        (ok, output) = bytes4(input) == ITask.withdraw.selector || bytes4(input) == INode.withdraw.selector
            ? to.call{value: value, gas: WITHDRAW_GAS}(input)
            : to.call{value: value}(input);
        if (!ok && (output.length < 4 || bytes4(output) == 0x4e487b71 || bytes4(output) == 0x08c379a0)) ++panics;
    }

    /// @dev Takes the tasks that are over off the list.
    function _prune() private {
        for (uint256 i; i < live.length;) {
            if (task.taskOf(live[i]).state != ITask.State.Ended) {
                ++i;
                continue;
            }
            ++ended;
            live[i] = live[live.length - 1];
            live.pop();
        }
    }

    /// @dev Moves the lines as the events of a dispatch say, and notes every breach of the order.
    function _follow(Vm.Log[] memory logs) private {
        for (uint256 i; i < logs.length; ++i) {
            bytes32 topic = logs[i].topics[0];
            if (topic == ITaskQueue.TaskDrawn.selector) _drawn(TaskId.wrap(uint40(uint256(logs[i].topics[1]))));
            if (topic == ITask.TaskWithdrawn.selector) _leaveLine(TaskId.wrap(uint40(uint256(logs[i].topics[1]))));
            if (topic == ITaskQueue.TaskRequeued.selector) _returned(TaskId.wrap(uint40(uint256(logs[i].topics[1]))));
        }
    }

    function _drawn(TaskId t) private {
        if (_line(t).length == 0 || _line(t)[0] != t) ++lineBreaks;
        _leaveLine(t);
    }

    /// @dev To the front of its line.
    function _returned(TaskId t) private {
        TaskId[] storage line = _line(t);
        line.push(t);
        for (uint256 i = line.length - 1; i != 0; --i) {
            line[i] = line[i - 1];
        }
        line[0] = t;
    }

    function _leaveLine(TaskId t) private {
        TaskId[] storage line = _line(t);
        bool found;
        for (uint256 i; i < line.length; ++i) {
            if (line[i] == t) found = true;
            if (found && i + 1 < line.length) line[i] = line[i + 1];
        }
        if (found) line.pop();
        else ++lineBreaks;
    }

    function _line(TaskId t) private view returns (TaskId[] storage) {
        return lines[bookOf[t]][Level.unwrap(levelOf[t])];
    }
}
