// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ending} from "../../../contracts/interfaces/INetworkStats.sol";
import {INode} from "../../../contracts/interfaces/INode.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {ITaskQueue} from "../../../contracts/interfaces/ITaskQueue.sol";
import {BookTag} from "../../../contracts/types/BookTag.sol";
import {ClassId, NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Level} from "../../../contracts/types/ValueRate.sol";
import {Network} from "../Network.sol";
import {Vm} from "forge-std/Vm.sol";

/// @notice A second set of books on the network, kept from its events alone: money by task, account and node, the stage of
/// each task, and the line of every level of every order book.
/// @dev What an event says is checked against what was known before; a breach reverts, and so stops the campaign.
abstract contract Shadow is Network {
    /// Tasks that are not over.
    TaskId[] public live;
    mapping(TaskId => ITask.State) public stateOf;
    mapping(TaskId => uint256) public escrowOf;
    mapping(TaskId => address) internal creatorOf;
    mapping(TaskId => uint256) internal createdAt;
    mapping(TaskId => uint32[3]) private seats;
    mapping(address => uint256) public creditOf;
    mapping(NodeId => uint256) public earnedOf;
    mapping(NodeId => uint256) public stakeOf;
    /// What a node has to answer for: tasks in which it stood alone against two, and in which it was found to have framed
    /// one, until it is acquitted of them or loses its stake.
    mapping(NodeId => TaskId[]) private charges;
    /// The others in a node's case, and whether it followed another.
    mapping(NodeId => NodeId[2]) private accusedIn;
    mapping(NodeId => bool) private followed;
    /// The two who agreed against a node in a task.
    mapping(TaskId => mapping(NodeId => NodeId[2])) private opponents;
    mapping(NodeId => bool) private withdrawn;
    mapping(TaskId => mapping(NodeId => bytes32)) private revealed;
    NodeId private released;
    /// The classes of a tier in the order in which they came.
    mapping(uint8 tier => ClassId[]) private classes;
    uint32 public classCount;
    /// How often something rare has happened, by its name.
    mapping(bytes32 name => uint256) public times;
    uint256 public slashed;
    /// Wei forced upon Task and upon Node.
    uint256 public forced;
    uint256 public ended;

    /// Tasks of one level of one book in the order in which they must be served.
    mapping(uint256 book => mapping(uint16 level => TaskId[])) private lines;
    mapping(TaskId => uint256) private bookOf;
    mapping(TaskId => Level) public levelOf;
    mapping(TaskId => bool) public inLine;
    /// For whom a class was reserved before the call: it may be drawn before others of its level that were requeued.
    TaskId private reserved;
    uint256 internal crankBps;

    /// @dev Makes a call and follows what it did.
    function _call(address from, address to, uint256 value, bytes memory input)
        internal
        returns (bool ok, bytes memory output)
    {
        (reserved, released) = (queue.reservation().task, NodeId.wrap(0));
        vm.recordLogs();
        vm.prank(from);
        // So that a recipient that burns all it gets ends.
        (ok, output) = bytes4(input) == ITask.withdraw.selector || bytes4(input) == INode.withdraw.selector
            ? to.call{value: value, gas: 4_000_000}(input)
            : to.call{value: value}(input);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        if (!ok) return (ok, output);
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].emitter == address(task)) _followTask(logs[i], logs[i].topics[0]);
            if (logs[i].emitter == address(queue)) _followQueue(logs[i], logs[i].topics[0]);
            if (logs[i].emitter == address(node)) _followNode(logs[i], logs[i].topics[0]);
        }
    }

    function chargesOf(NodeId id) external view returns (TaskId[] memory) {
        return charges[id];
    }

    function classesOf(uint8 tier) external view returns (ClassId[] memory) {
        return classes[tier];
    }

    function liveCount() external view returns (uint256) {
        return live.length;
    }

    function lineOf(TaskId t) external view returns (TaskId[] memory) {
        return _line(t);
    }

    function firstOf(TaskId t) external view returns (TaskId) {
        return _line(t)[0];
    }

    /// @return least The lowest level in the queue, 0 when it is empty.
    function lowestLevel() public view returns (Level least) {
        for (uint256 i; i < live.length; ++i) {
            if (!inLine[live[i]]) continue;
            if (least == Level.wrap(0) || levelOf[live[i]] < least) least = levelOf[live[i]];
        }
    }

    function _followTask(Vm.Log memory log, bytes32 topic) private {
        if (log.topics.length < 2) return;
        TaskId t = TaskId.wrap(uint40(uint256(log.topics[1])));
        if (topic == ITask.TaskCreated.selector) _created(t, log);
        else if (topic == ITask.TaskSeated.selector) _seatedBy(t, log);
        else if (topic == ITask.SeatsVacated.selector) _vacated(t);
        else if (topic == ITask.SeatsRefilled.selector) _refilled(t, log);
        else if (topic == ITask.RevealOpened.selector) _opened(t);
        else if (topic == ITask.Advanced.selector) _crank(t, log.topics[2], abi.decode(log.data, (uint96)));
        else if (topic == ITask.Revealed.selector) _revealed(t, log);
        else if (topic == ITask.TaskSettled.selector) _settled(t, log.data);
        else if (topic == ITask.DeliveryPassed.selector) _note("delivery passed");
        else if (topic == ITask.Delivered.selector) _delivered(t, log);
        else if (topic == ITask.Undelivered.selector) _undelivered(t, log);
        else if (topic == ITask.TaskWithdrawn.selector) _withdrawn(t, log.data);
        else if (topic == ITask.Collected.selector) _collected(log);
        else if (topic == ITask.Withdrawn.selector) _paidOut(log);
    }

    function _followQueue(Vm.Log memory log, bytes32 topic) private {
        if (log.topics.length < 2) return;
        TaskId t = TaskId.wrap(uint40(uint256(log.topics[1])));
        if (topic == ITaskQueue.TaskDrawn.selector) {
            if (stateOf[t] == ITask.State.Vacant) return;
            require(_line(t)[0] == t || t == reserved, "drawn from behind");
            _leaveLine(t);
        }
        if (topic == ITaskQueue.TaskRequeued.selector) _requeued(t);
        if (topic == ITaskQueue.TaskEvicted.selector) _evicted(t);
        if (topic == ITaskQueue.ClassReserved.selector) _note("reserved");
        if (topic == ITaskQueue.ReservationEnded.selector) _note("reservation ended");
        if (topic == ITaskQueue.RoundRedrawn.selector) _note("redrawn");
        if (topic == ITaskQueue.ClassBookParked.selector) _note("class parked");
        if (topic == ITaskQueue.ClassBookWoken.selector) _note("class woken");
    }

    function _followNode(Vm.Log memory log, bytes32 topic) private {
        if (log.topics.length < 2) return;
        NodeId id = NodeId.wrap(uint32(uint256(log.topics[1])));
        if (topic == INode.NodeJoined.selector) {
            (,,, stakeOf[id],) = abi.decode(log.data, (uint32, bytes32, uint16, uint96, string));
        } else if (topic == INode.Penalized.selector) {
            _penalized(id, log.data);
        } else if (topic == INode.Slashed.selector) {
            require(abi.decode(log.data, (uint96)) == stakeOf[id], "the whole stake");
            (stakeOf[id], slashed) = (0, slashed + stakeOf[id]);
            delete charges[id];
            _note("slashed");
        } else if (topic == INode.SlashedWithdrawn.selector) {
            require(abi.decode(log.data, (uint256)) == slashed, "all that was slashed");
            slashed = 0;
        } else if (topic == INode.StakeWithdrawn.selector) {
            require(abi.decode(log.data, (uint96)) == stakeOf[id], "the whole stake");
            (stakeOf[id], withdrawn[id]) = (0, true);
        } else if (topic == INode.StakeAdded.selector) {
            (uint256 amount,) = abi.decode(log.data, (uint96, uint96));
            stakeOf[id] += amount;
        } else if (topic == INode.ClassOpened.selector) {
            classes[abi.decode(log.data, (uint8))].push(ClassId.wrap(NodeId.unwrap(id)));
            ++classCount;
        } else {
            _followCase(id, log, topic);
        }
    }

    function _followCase(NodeId id, Vm.Log memory log, bytes32 topic) private {
        if (topic == INode.StatusChanged.selector) {
            INode.Status status = abi.decode(log.data, (INode.Status));
            if (status == INode.Status.Suspended) _note("suspended");
            if (id == released && status == INode.Status.Unbonding) _note("unbonding again");
        } else if (topic == INode.KickedOut.selector) {
            _note("kicked");
        } else if (topic == INode.NodeAbsorbed.selector) {
            _note("absorbed");
        } else if (topic == INode.CaseOpened.selector) {
            (, accusedIn[id]) = abi.decode(log.data, (uint40, NodeId[2]));
            followed[id] = id == released;
            _note("frozen");
            if (id == released) _note("frozen for the next");
        } else if (topic == INode.Accused.selector) {
            _note("accusation waiting");
        } else if (topic == INode.Appealed.selector) {
            _note("appealed");
        } else if (topic == INode.EvidenceAdded.selector) {
            _note("evidence added");
        } else if (topic == INode.CaseLapsed.selector) {
            _note("thawed");
            _acquitted(id, TaskId.wrap(uint40(uint256(log.topics[2]))));
        } else if (topic == INode.CaseDecided.selector) {
            _decided(id, TaskId.wrap(uint40(uint256(log.topics[2]))), abi.decode(log.data, (INode.Ruling)));
        }
    }

    function _penalized(NodeId id, bytes memory data) private {
        (INode.Lapse lapse, uint256 amount,) = abi.decode(data, (INode.Lapse, uint96, uint96));
        (stakeOf[id], slashed) = (stakeOf[id] - amount, slashed + amount);
        if (lapse == INode.Lapse.Concealed) _note("concealed");
    }

    function _decided(NodeId id, TaskId t, INode.Ruling ruling) private {
        if (ruling == INode.Ruling.Guilty) return;
        _acquitted(id, t);
        if (ruling == INode.Ruling.Innocent) return;
        _note("framed");
        for (uint256 i; i < 2; ++i) {
            NodeId other = opponents[t][id][i];
            require(other == accusedIn[id][i], "the two who agreed");
            // The unbonding time outlasts a case that is opened at once.
            require(!withdrawn[other] || followed[id], "gone before the ruling");
            // Who is slashed has nothing more to lose.
            if (stakeOf[other] != 0) _charge(other, t);
        }
    }

    /// @dev `id` is acquitted of the task of its case.
    function _acquitted(NodeId id, TaskId t) private {
        TaskId[] storage list = charges[id];
        uint256 i;
        while (list[i] != t) ++i;
        list[i] = list[list.length - 1];
        list.pop();
        released = id;
    }

    /// @dev `id` has to answer for `t`.
    function _charge(NodeId id, TaskId t) private {
        for (uint256 i; i < charges[id].length; ++i) {
            require(charges[id][i] != t, "charged twice");
        }
        charges[id].push(t);
    }

    function _note(bytes32 name) private {
        ++times[name];
    }

    function _created(TaskId t, Vm.Log memory log) private {
        _move(t, ITask.State.None, ITask.State.Queued);
        (,,,, escrowOf[t],,) = abi.decode(log.data, (bytes32, uint32, uint16, uint32, uint96, uint256, uint40));
        (creatorOf[t], createdAt[t]) = (_address(log.topics[2]), block.timestamp);
        live.push(t);
        _joinLine(t, false);
    }

    function _seatedBy(TaskId t, Vm.Log memory log) private {
        _move(t, ITask.State.Queued, ITask.State.Committing);
        require(!inLine[t], "seated without a draw");
        uint256 reward;
        (seats[t],,, reward) = abi.decode(log.data, (uint32[3], uint32, uint40, uint96));
        _crank(t, log.topics[2], reward);
    }

    function _vacated(TaskId t) private {
        _move(t, ITask.State.Committing, ITask.State.Vacant);
        _note("vacated");
    }

    function _revealed(TaskId t, Vm.Log memory log) private {
        revealed[t][NodeId.wrap(uint32(uint256(log.topics[2])))] = abi.decode(log.data, (bytes32));
    }

    function _refilled(TaskId t, Vm.Log memory log) private {
        _move(t, ITask.State.Vacant, ITask.State.Committing);
        _note("refilled");
        uint256 reward;
        (seats[t],, reward) = abi.decode(log.data, (uint32[3], uint40, uint96));
        _crank(t, log.topics[2], reward);
    }

    function _opened(TaskId t) private {
        if (stateOf[t] == ITask.State.Vacant) _move(t, ITask.State.Vacant, ITask.State.Revealing);
        else _move(t, ITask.State.Committing, ITask.State.Revealing);
    }

    function _crank(TaskId t, bytes32 keeper_, uint256 reward) private {
        require(reward == escrowOf[t] * crankBps / 10_000, "the crank share");
        escrowOf[t] -= reward;
        creditOf[_address(keeper_)] += reward;
    }

    function _settled(TaskId t, bytes memory data) private {
        (Ending ending,, bool[3] memory agreeing, uint96[3] memory shares, uint96 refund, uint8 deliverer,) =
            abi.decode(data, (Ending, bytes32, bool[3], uint96[3], uint96, uint8, uint40));
        require(escrowOf[t] == uint256(shares[0]) + shares[1] + shares[2] + refund, "all is given away, and no more");
        bool agreed = ending == Ending.Agreed;
        if (agreed) _move(t, ITask.State.Revealing, ITask.State.Delivering);
        creditOf[creatorOf[t]] += refund;
        for (uint256 i; i < 3; ++i) {
            NodeId id = NodeId.wrap(seats[t][i]);
            if (!(agreed && i == deliverer)) earnedOf[id] += shares[i];
            if (!agreed || agreeing[i] || !_isResult(revealed[t][id])) continue;
            _charge(id, t);
            opponents[t][id] = [NodeId.wrap(seats[t][(i + 1) % 3]), NodeId.wrap(seats[t][(i + 2) % 3])];
        }
        escrowOf[t] = agreed ? shares[deliverer] : 0;
        if (agreed) return;
        ITask.State from = stateOf[t];
        require(from >= ITask.State.Committing && from <= ITask.State.Revealing, "settled out of turn");
        _end(t);
    }

    function _isResult(bytes32 value) private view returns (bool) {
        return value != 0 && value >> 8 != task.ERROR_PREFIX() >> 8;
    }

    function _delivered(TaskId t, Vm.Log memory log) private {
        require(stateOf[t] == ITask.State.Delivering, "delivered out of turn");
        (, uint256 paid) = abi.decode(log.data, (bytes32, uint96));
        require(paid == escrowOf[t], "the share that was held");
        earnedOf[NodeId.wrap(uint32(uint256(log.topics[2])))] += paid;
        _end(t);
    }

    function _undelivered(TaskId t, Vm.Log memory log) private {
        require(stateOf[t] == ITask.State.Delivering, "passed out of turn");
        address to = task.relayOf(t) == address(0) ? creatorOf[t] : treasury;
        require(to == _address(log.topics[2]), "the creator, or the treasury");
        require(abi.decode(log.data, (uint96)) == escrowOf[t], "the share that was held");
        _note("undelivered");
        creditOf[to] += escrowOf[t];
        _end(t);
    }

    function _withdrawn(TaskId t, bytes memory data) private {
        require(stateOf[t] == ITask.State.Queued, "withdrawn out of turn");
        (Ending ending, uint256 refund) = abi.decode(data, (Ending, uint96));
        require(refund == escrowOf[t], "a full refund");
        if (ending == Ending.Cancelled) _note("cancelled");
        if (ending == Ending.Expired) _note("expired");
        creditOf[creatorOf[t]] += refund;
        if (inLine[t]) _leaveLine(t);
        _end(t);
    }

    function _collected(Vm.Log memory log) private {
        NodeId id = NodeId.wrap(uint32(uint256(log.topics[1])));
        require(abi.decode(log.data, (uint256)) == earnedOf[id], "all that was earned");
        creditOf[_address(log.topics[2])] += earnedOf[id];
        earnedOf[id] = 0;
    }

    function _paidOut(Vm.Log memory log) private {
        address from = _address(log.topics[1]);
        require(abi.decode(log.data, (uint256)) <= creditOf[from], "no more than the credit");
        creditOf[from] -= abi.decode(log.data, (uint256));
    }

    /// @dev Invariant 4: it was the newest of the lowest level. Its newcomer stands in its line already, above it.
    function _evicted(TaskId t) private {
        require(levelOf[t] == lowestLevel(), "evicted from above the lowest level");
        require(_line(t)[_line(t).length - 1] == t, "evicted before a newer one");
        _leaveLine(t);
        _note("evicted");
    }

    function _requeued(TaskId t) private {
        _joinLine(t, true);
        _note("requeued");
    }

    function _move(TaskId t, ITask.State from, ITask.State to) private {
        require(stateOf[t] == from, "a stage left out");
        stateOf[t] = to;
    }

    function _end(TaskId t) private {
        (stateOf[t], escrowOf[t]) = (ITask.State.Ended, 0);
        ++ended;
        for (uint256 i; i < live.length; ++i) {
            if (live[i] != t) continue;
            live[i] = live[live.length - 1];
            live.pop();
            return;
        }
        revert("ended twice");
    }

    function _joinLine(TaskId t, bool front) private {
        ITask.Order memory o = task.orderOf(t);
        (bookOf[t], levelOf[t], inLine[t]) = (BookTag.bookKey(o.kind, o.tier, o.class), o.level, true);
        TaskId[] storage line = _line(t);
        line.push(t);
        if (!front) return;
        for (uint256 i = line.length - 1; i != 0; --i) {
            line[i] = line[i - 1];
        }
        line[0] = t;
    }

    function _leaveLine(TaskId t) private {
        TaskId[] storage line = _line(t);
        uint256 i;
        while (line[i] != t) ++i;
        for (; i + 1 < line.length; ++i) {
            line[i] = line[i + 1];
        }
        line.pop();
        inLine[t] = false;
    }

    /// @dev Whether `t` is the first of its book.
    function _isHead(TaskId t) internal view returns (bool) {
        for (uint256 i; i < live.length; ++i) {
            if (inLine[live[i]] && bookOf[live[i]] == bookOf[t] && levelOf[live[i]] > levelOf[t]) return false;
        }
        return _line(t)[0] == t;
    }

    function _line(TaskId t) internal view returns (TaskId[] storage) {
        return lines[bookOf[t]][Level.unwrap(levelOf[t])];
    }

    function _address(bytes32 topic) private pure returns (address) {
        return address(uint160(uint256(topic)));
    }
}
