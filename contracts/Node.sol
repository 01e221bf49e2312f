// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Stakes} from "./Stakes.sol";
import {INode} from "./interfaces/INode.sol";
import {IQoS} from "./interfaces/IQoS.sol";
import {ITask} from "./interfaces/ITask.sol";
import {Choice} from "./libraries/Choice.sol";
import {NodePool} from "./libraries/NodePool.sol";
import {NodeSet} from "./libraries/NodeSet.sol";
import {VramTier} from "./libraries/VramTier.sol";
import {ClassId, NodeId, TaskId} from "./types/Ids.sol";
import {NodeSlot, NodeSlots} from "./types/NodeSlot.sol";
import {Wiring, WrongAddress} from "./types/Wiring.sol";
import {LibBit} from "solady/utils/LibBit.sol";

/// @title The node registry.
/// @dev Balance = stakes of all nodes that are not gone + what waits for the treasury (and forced ether).
contract Node is Stakes {
    using NodePool for NodePool.Pool;
    using NodeSet for NodeSet.Set;

    /// Longest GPU name, in bytes.
    uint256 public constant GPU_NAME_LIMIT = 64;

    address private immutable TASK;
    address private immutable QUEUE;
    uint8 private immutable NEWCOMER_WEIGHT;

    mapping(NodeId => address) private _keys;
    mapping(address key => NodeId) private _ids;
    mapping(bytes32 classHash => mapping(uint256 tier => ClassId)) private _classes;
    mapping(ClassId => bytes32) private _classHashes;
    uint32 private _lastNode;
    uint32 private _lastClass;

    modifier onlyOperator(NodeId node) {
        if (msg.sender != _owners[node].operator) revert NotOperator(node, msg.sender);
        _;
    }

    /// @param w The wiring; `w.node` must be this contract.
    /// @param minStake_ Wei a node must bring.
    /// @param unbondingSeconds_ Seconds a stake stays after `quit`, at least as long as a case can last.
    /// @param rules_ Penalties and times.
    constructor(Wiring memory w, uint96 minStake_, uint40 unbondingSeconds_, Rules memory rules_)
        Stakes(w.owner, w.treasury, minStake_, unbondingSeconds_, rules_)
    {
        if (w.node != address(this)) revert WrongAddress(w.node, address(this));
        TASK = w.task;
        QUEUE = w.queue;
        NEWCOMER_WEIGHT = IQoS(w.qos).newcomerWeight();
    }

    /// @inheritdoc INode
    function join(address key, bytes32 classHash, uint16 vramGb, string calldata gpu)
        external
        payable
        returns (NodeId node)
    {
        if (msg.value != minStake) revert WrongStake(msg.value, minStake);
        if (key == address(0)) revert ZeroKey();
        if (classHash == 0) revert ZeroClass();
        if (bytes(gpu).length > GPU_NAME_LIMIT) revert GpuNameTooLong(bytes(gpu).length, GPU_NAME_LIMIT);
        if (NodeId.unwrap(_ids[key]) != 0) revert KeyInUse(key, _ids[key]);

        node = NodeId.wrap(++_lastNode);
        uint8 tier = VramTier.tierOf(vramGb);
        ClassId class = _class(classHash, tier);
        _ids[key] = node;
        _keys[node] = key;
        _owners[node] = Owner(msg.sender, minStake);
        ++_total;
        _pool.activate(class);
        emit NodeJoined(node, msg.sender, key, class, classHash, vramGb, minStake, gpu);
        _enter(node, NodeSlots.fresh(class, tier, NEWCOMER_WEIGHT, msg.sender));
        ITask(TASK).enroll(node, key);
    }

    /// @inheritdoc INode
    function pause(NodeId node) external onlyOperator(node) {
        _leave(node, Intent.Pause);
    }

    /// @inheritdoc INode
    function quit(NodeId node) external onlyOperator(node) {
        NodeSlot slot = _pool.slots[node];
        if (slot.status() == Status.Paused || slot.status() == Status.Suspended) _settle(node, slot, Intent.Quit);
        else _leave(node, Intent.Quit);
    }

    /// @inheritdoc INode
    function resume(NodeId node) external onlyOperator(node) {
        NodeSlot slot = _pool.slots[node];
        Status status = slot.status();
        if (slot.intent() == Intent.Freeze) revert FreezePending(node);
        if (slot.intent() != Intent.None) {
            _pool.slots[node] = slot.withIntent(Intent.None);
            emit IntentChanged(node, Intent.None);
            return;
        }
        if (status != Status.Paused && status != Status.Suspended) revert WrongStatus(node, status);
        if (_owners[node].stake < stakeFloor()) revert StakeTooLow(node, _owners[node].stake, stakeFloor());
        _pool.activate(slot.class());
        _enter(node, slot.withStatus(Status.Free));
    }

    /// @inheritdoc INode
    function withdraw(NodeId node) external onlyOperator(node) {
        NodeSlot slot = _pool.slots[node];
        if (slot.status() != Status.Unbonding) revert WrongStatus(node, slot.status());
        uint256 until = uint256(slot.since()) + unbondingSeconds;
        if (block.timestamp < until) revert StillUnbonding(node, until);

        uint96 amount = _owners[node].stake;
        _owners[node].stake = 0;
        --_total;
        _store(node, slot.withStatus(Status.Gone));
        emit StakeWithdrawn(node, msg.sender, amount);
        (bool sent,) = msg.sender.call{value: amount}("");
        if (!sent) revert TransferFailed(msg.sender, amount);
    }

    /// @inheritdoc INode
    function review(ClassId class) external {
        if (!_pool.classState(class).exists) revert NoSuchClass(class);
        if (_pool.closed()) revert SetsClosed();
        emit ClassReviewed(class, _pool.review(class));
    }

    /// @inheritdoc INode
    function choose(bytes32 entropy, Need calldata need)
        external
        only(TASK)
        returns (bool ok, NodeId[3] memory nodes, ClassId class)
    {
        (ok, nodes, class) = Choice.three(_pool, entropy, need);
        if (!ok) return (ok, nodes, class);
        for (uint256 i; i < 3; ++i) {
            _occupy(nodes[i]);
        }
        _pool.raise(NodePool.BUSY, 3);
    }

    /// @inheritdoc INode
    function refill(bytes32 entropy, Need calldata need, NodeId[3] calldata seated, uint256 vacant)
        external
        only(TASK)
        returns (bool ok, NodeId[3] memory nodes)
    {
        uint256 wanted = LibBit.popCount(vacant);
        NodeId[3] memory fresh;
        (ok, fresh) = Choice.others(_pool, entropy, need, seated, wanted);
        nodes = seated;
        if (!ok) return (ok, nodes);
        _pool.raise(NodePool.BUSY, wanted);
        for (uint256 i = 3; i != 0;) {
            if ((vacant >> --i) & 1 == 0) continue;
            nodes[i] = fresh[--wanted];
            _occupy(nodes[i]);
        }
    }

    /// @inheritdoc INode
    function release(TaskId task, SeatEnd[3] calldata ends) external only(TASK) {
        uint256 released;
        for (uint256 i; i < 3; ++i) {
            SeatEnd calldata end = ends[i];
            NodeId node = end.node;
            if (NodeId.unwrap(node) == 0) continue;
            ++released;
            Fate fate = end.fate;
            if (end.lapse != Lapse.None && _penalize(node, end.lapse) && fate == Fate.Free) fate = Fate.Suspend;
            NodeSlot slot = _pool.slots[node];
            if (fate == Fate.Freeze) _charge(node, slot, task, [ends[(i + 1) % 3].node, ends[(i + 2) % 3].node]);
            _free(node, slot.withWeight(end.weight), fate);
        }
        _pool.lower(NodePool.BUSY, released);
    }

    /// @inheritdoc INode
    function openRound() external only(QUEUE) {
        _pool.openRound();
    }

    /// @inheritdoc INode
    function closeRound(uint256 limit) external only(QUEUE) {
        _pool.closeRound();
        _absorb(limit);
    }

    /// @inheritdoc INode
    function absorb(uint256 limit) external returns (uint256) {
        return _pool.closed() ? 0 : _absorb(limit);
    }

    /// @inheritdoc INode
    function nodeOf(NodeId node) external view returns (NodeView memory) {
        NodeSlot slot = _pool.slots[node];
        Owner memory owner = _owners[node];
        return NodeView({
            key: _keys[node],
            operator: owner.operator,
            stake: owner.stake,
            status: slot.status(),
            intent: slot.intent(),
            class: slot.class(),
            tier: slot.tier(),
            weight: slot.weight(),
            since: slot.since(),
            inSets: slot.inSets()
        });
    }

    /// @inheritdoc INode
    function idOf(address key) external view returns (NodeId) {
        return _ids[key];
    }

    /// @inheritdoc INode
    function operatorOf(NodeId node) external view returns (address) {
        return _owners[node].operator;
    }

    /// @inheritdoc INode
    function lastNode() external view returns (NodeId) {
        return NodeId.wrap(_lastNode);
    }

    /// @inheritdoc INode
    function classOf(bytes32 classHash, uint8 tier) external view returns (ClassId) {
        return _classes[classHash][tier];
    }

    /// @inheritdoc INode
    function classInfo(ClassId class) external view returns (bytes32 classHash, ClassState memory state) {
        return (_classHashes[class], _pool.classState(class));
    }

    /// @inheritdoc INode
    function classState(ClassId class) external view returns (ClassState memory) {
        return _pool.classState(class);
    }

    /// @inheritdoc INode
    function freeInClass(ClassId class, uint256 position) external view returns (NodeId) {
        return _pool.classSets[class].nodeAt(position);
    }

    /// @inheritdoc INode
    function freeInTier(uint8 tier, uint256 position) external view returns (NodeId) {
        uint256 word = _pool.tierWords[tier];
        if (position >= uint32(word)) return NodeId.wrap(0);
        (ClassId class, uint256 rest) = _pool.locate(tier, word, position);
        return _pool.classSets[class].nodeAt(rest);
    }

    /// @inheritdoc INode
    function capacity() external view returns (Capacity memory all) {
        uint256[16] memory words = _pool.tiers();
        for (uint256 tier; tier < words.length; ++tier) {
            all.free[tier] = uint32(words[tier]);
            all.servable[tier] = uint32(words[tier] >> NodePool.TIER_SERVABLE);
            all.active[tier] = uint32(words[tier] >> NodePool.TIER_ACTIVE);
        }
    }

    /// @inheritdoc INode
    function tierWords() external view returns (uint256[16] memory, uint256) {
        return (_pool.tiers(), _pool.counter(NodePool.ACTIVE));
    }

    /// @inheritdoc INode
    function counts() external view returns (Counts memory) {
        return Counts({
            total: _total,
            active: _pool.counter(NodePool.ACTIVE),
            free: _pool.counter(NodePool.FREE),
            busy: _pool.counter(NodePool.BUSY)
        });
    }

    /// @inheritdoc INode
    function setsClosed() external view returns (bool) {
        return _pool.closed();
    }

    /// @inheritdoc INode
    function deferred() external view returns (uint256) {
        return _pool.postponed();
    }

    /// @dev The class of (`classHash`, `tier`), opened when new.
    function _class(bytes32 classHash, uint8 tier) private returns (ClassId class) {
        class = _classes[classHash][tier];
        if (ClassId.unwrap(class) != 0) return class;
        class = ClassId.wrap(++_lastClass);
        _classes[classHash][tier] = class;
        _classHashes[class] = classHash;
        _pool.openClass(class, tier);
        emit ClassOpened(class, classHash, tier);
    }

    /// @dev A free node takes a seat; the caller counts it as busy.
    function _occupy(NodeId node) private {
        _store(node, _pool.remove(node).withStatus(Status.Busy));
    }

    /// @dev A free node goes into the sets, or onto the list of those who wait for them to open.
    function _enter(NodeId node, NodeSlot slot) private {
        _store(node, _pool.closed() ? _pool.postpone(node, slot) : _pool.insert(node, slot));
    }

    /// @dev An active node stops: at once when it is free and the sets are open or do not hold it, else later.
    function _leave(NodeId node, Intent intent) private {
        NodeSlot slot = _pool.slots[node];
        Status status = slot.status();
        if (status != Status.Free && status != Status.Busy) revert WrongStatus(node, status);
        if (slot.intent() == Intent.Freeze) revert FreezePending(node);
        if (status == Status.Free && !slot.inSets()) return _settle(node, slot, intent);
        if (status == Status.Free && !_pool.closed()) return _settle(node, _pool.remove(node), intent);
        slot = slot.withIntent(intent);
        _pool.slots[node] = status == Status.Free ? _pool.postpone(node, slot) : slot;
        emit IntentChanged(node, intent);
    }

    /// @dev A seat has ended. A freeze comes before all else and a kick before what the operator asked for; a suspended
    /// node may still have quit.
    function _free(NodeId node, NodeSlot slot, Fate fate) private {
        slot = slot.withStatus(Status.Free);
        Intent intent = slot.intent();
        if (fate == Fate.Freeze || intent == Intent.Freeze) return _settle(node, slot, Intent.Freeze);
        if (fate == Fate.Kick) {
            emit KickedOut(node);
            return _settle(node, slot, Intent.Quit);
        }
        if (intent == Intent.Quit || (intent == Intent.Pause && fate == Fate.Free)) return _settle(node, slot, intent);
        if (fate == Fate.Free) return _enter(node, slot);
        _pool.deactivate(slot.class());
        _store(node, slot.withStatus(Status.Suspended).withIntent(Intent.None));
    }

    /// @dev Applies deferred changes, first come first served.
    function _absorb(uint256 limit) private returns (uint256 done) {
        for (; done < limit && _pool.postponed() != 0; ++done) {
            NodeId node = _pool.takePostponed();
            NodeSlot slot = _pool.slots[node].withDeferred(false);
            _pool.slots[node] = slot;
            if (slot.status() != Status.Free) continue;
            Intent intent = slot.intent();
            if (!slot.inSets()) {
                _pool.slots[node] = _pool.insert(node, slot);
                emit NodeAbsorbed(node);
            } else if (intent != Intent.None) {
                _settle(node, _pool.remove(node), intent);
            }
        }
    }
}
