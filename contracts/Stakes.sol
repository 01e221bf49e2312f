// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "./interfaces/INode.sol";
import {NodePool} from "./libraries/NodePool.sol";
import {NodeId, TaskId} from "./types/Ids.sol";
import {NodeSlot} from "./types/NodeSlot.sol";
import {NoTreasury, NotAllowed} from "./types/Wiring.sol";

/// @title Stakes: penalties, freezes, appeals, slashes.
/// @notice The part of the node registry that holds money.
abstract contract Stakes is INode {
    using NodePool for NodePool.Pool;

    /// @dev Operator and stake share a slot: 160 + 96 bits.
    struct Owner {
        address operator;
        uint96 stake;
    }

    uint256 private constant MIN_UNBONDING = 5 days;
    uint256 private constant MAX_UNBONDING = 90 days;
    uint256 private constant MAX_APPEAL = 7 days;
    /// @dev So that a ruling can pass the owner's timelock in time.
    uint256 private constant MIN_ARBITRATION = 3 days;
    uint256 private constant MAX_ARBITRATION = 14 days;

    address private immutable OWNER;
    address private immutable TREASURY;

    /// @inheritdoc INode
    uint96 public immutable minStake;
    /// @inheritdoc INode
    uint40 public immutable unbondingSeconds;

    NodePool.Pool internal _pool;
    mapping(NodeId => Owner) internal _owners;
    mapping(NodeId => Case) private _cases;
    /// @dev What a node is accused of besides its case, one after the other.
    mapping(NodeId => Case[]) private _accusations;
    Rules private _rules;
    uint32 internal _total;
    uint128 private _slashed;

    modifier only(address required) {
        if (msg.sender != required) revert NotAllowed(msg.sender, required);
        _;
    }

    constructor(address owner, address treasury, uint96 minStake_, uint40 unbondingSeconds_, Rules memory rules_) {
        if (minStake_ == 0 || unbondingSeconds_ < MIN_UNBONDING || unbondingSeconds_ > MAX_UNBONDING) {
            revert StakeOutOfBounds(minStake_, unbondingSeconds_);
        }
        if (treasury == address(0)) revert NoTreasury();
        OWNER = owner;
        TREASURY = treasury;
        minStake = minStake_;
        unbondingSeconds = unbondingSeconds_;
        _setRules(rules_);
    }

    /// @inheritdoc INode
    function topUp(NodeId node) external payable {
        Status status = _pool.slots[node].status();
        if (status == Status.None || status >= Status.Frozen) revert WrongStatus(node, status);
        uint256 stake = _owners[node].stake + msg.value;
        if (stake > minStake) revert StakeTooHigh(node, stake, minStake);
        _owners[node].stake = uint96(stake);
        emit StakeAdded(node, uint96(msg.value), uint96(stake));
    }

    /// @inheritdoc INode
    function appeal(NodeId node, bytes32 evidence) external {
        Case storage c = _frozen(node);
        if (c.appealed) revert AlreadyAppealed(node);
        if (block.timestamp > c.until) revert CaseOver(node, c.until);
        if (evidence == 0) revert EvidenceZero(node);
        (c.appealed, c.until) = (true, uint40(block.timestamp + c.arbitrationSeconds));
        emit Appealed(node, c.task, msg.sender, evidence, c.until);
    }

    /// @inheritdoc INode
    function addEvidence(NodeId node, bytes32 evidence) external {
        Case storage c = _appealed(node);
        if (block.timestamp > c.until) revert CaseOver(node, c.until);
        if (evidence == 0) revert EvidenceZero(node);
        emit EvidenceAdded(node, c.task, msg.sender, evidence);
    }

    /// @inheritdoc INode
    function slash(NodeId node) external {
        Case storage c = _frozen(node);
        if (c.appealed) revert AlreadyAppealed(node);
        if (block.timestamp <= c.until) revert CaseOpen(node, c.until);
        _slash(node, c.task);
    }

    /// @inheritdoc INode
    function arbitrate(NodeId node, TaskId task, Ruling ruling) external only(OWNER) {
        Case memory c = _appealed(node);
        if (task != c.task) revert OtherCase(node, c.task, task);
        if (block.timestamp > c.until) revert CaseOver(node, c.until);
        emit CaseDecided(node, task, ruling);
        if (ruling == Ruling.Guilty) return _slash(node, task);
        _acquit(node, c.quitAt);
        if (ruling == Ruling.Innocent) return;
        _accuse(c.accused[0], task);
        _accuse(c.accused[1], task);
    }

    /// @inheritdoc INode
    function thaw(NodeId node) external {
        Case storage c = _appealed(node);
        if (block.timestamp <= c.until) revert CaseOpen(node, c.until);
        emit CaseLapsed(node, c.task);
        _acquit(node, c.quitAt);
    }

    /// @inheritdoc INode
    function withdrawSlashed() external {
        uint256 amount = _slashed;
        if (amount == 0) revert NothingSlashed();
        _slashed = 0;
        emit SlashedWithdrawn(TREASURY, amount);
        (bool sent,) = TREASURY.call{value: amount}("");
        if (!sent) revert TransferFailed(TREASURY, amount);
    }

    /// @inheritdoc INode
    function setRules(Rules calldata rules_) external only(OWNER) {
        _setRules(rules_);
    }

    /// @inheritdoc INode
    function caseOf(NodeId node) external view returns (Case memory) {
        return _cases[node];
    }

    /// @inheritdoc INode
    function accusationsOf(NodeId node) external view returns (Case[] memory) {
        return _accusations[node];
    }

    /// @inheritdoc INode
    function rules() external view returns (Rules memory) {
        return _rules;
    }

    /// @inheritdoc INode
    function slashed() external view returns (uint256) {
        return _slashed;
    }

    /// @inheritdoc INode
    function stakeFloor() public view returns (uint96) {
        return minStake - minStake / 4;
    }

    function _store(NodeId node, NodeSlot slot) internal {
        _pool.slots[node] = slot;
        emit StatusChanged(node, slot.status());
    }

    /// @dev Carries out an intent of a node that is neither seated nor in the sets.
    function _settle(NodeId node, NodeSlot slot, Intent intent) internal {
        if (slot.status() == Status.Free) _pool.deactivate(slot.class());
        slot = slot.withIntent(Intent.None);
        if (intent == Intent.Freeze) return _freeze(node, slot);
        if (intent == Intent.Pause) return _store(node, slot.withStatus(Status.Paused));
        _store(node, slot.withStatus(Status.Unbonding).withSince(block.timestamp));
    }

    /// @dev The case of a frozen node.
    function _frozen(NodeId node) private view returns (Case storage) {
        Status status = _pool.slots[node].status();
        if (status != Status.Frozen) revert WrongStatus(node, status);
        return _cases[node];
    }

    /// @dev The case of a frozen node that somebody appealed for.
    function _appealed(NodeId node) private view returns (Case storage c) {
        c = _frozen(node);
        if (!c.appealed) revert NotAppealed(node);
    }

    /// @dev Notes why `node` is about to be frozen. Who has a case, or is to be frozen for one, keeps that one: it must
    /// not be shed for another of the node's own making. The new one follows as an accusation.
    function _charge(NodeId node, NodeSlot slot, TaskId task, NodeId[2] memory accused) internal {
        if (slot.status() == Status.Frozen || slot.intent() == Intent.Freeze) {
            _accusations[node].push(Case(task, 0, 0, false, 0, accused));
            emit Accused(node, task, accused);
        } else {
            uint40 quitAt = slot.status() == Status.Unbonding ? slot.since() : 0;
            _cases[node] = Case(task, 0, 0, false, quitAt, accused);
        }
    }

    /// @dev The stake of a frozen node is released: it is paused, or unbonds as it did before, or is frozen for the next
    /// thing it is accused of.
    function _acquit(NodeId node, uint40 quitAt) private {
        NodeSlot slot = _pool.slots[node];
        Case[] storage accusations = _accusations[node];
        uint256 left = accusations.length;
        if (left != 0) {
            Case memory next = accusations[left - 1];
            accusations.pop();
            next.quitAt = quitAt;
            _cases[node] = next;
            return _freeze(node, slot);
        }
        if (quitAt != 0) return _store(node, slot.withStatus(Status.Unbonding).withSince(quitAt));
        _store(node, slot.withStatus(Status.Paused));
    }

    /// @dev Freezes a node that is neither seated, in the sets nor counted as active; its case is noted already.
    function _freeze(NodeId node, NodeSlot slot) private {
        Case storage c = _cases[node];
        c.until = uint40(block.timestamp + _rules.appealSeconds);
        c.arbitrationSeconds = _rules.arbitrationSeconds;
        _store(node, slot.withStatus(Status.Frozen).withIntent(Intent.None).withSince(block.timestamp));
        emit CaseOpened(node, c.task, c.until, c.accused);
    }

    /// @dev One of two who agreed on something false: frozen now, or when its seat ends or the sets open.
    function _accuse(NodeId node, TaskId task) private {
        NodeSlot slot = _pool.slots[node];
        Status status = slot.status();
        if (status == Status.None || status >= Status.Gone) return;
        NodeId[2] memory nobody;
        _charge(node, slot, task, nobody);
        if (status == Status.Frozen) return;
        bool seatedOrHeld = status == Status.Busy || (status == Status.Free && slot.inSets() && _pool.closed());
        if (!seatedOrHeld) {
            bool free = status == Status.Free;
            if (free && slot.inSets()) slot = _pool.remove(node);
            return _settle(node, slot, Intent.Freeze);
        }
        slot = slot.withIntent(Intent.Freeze);
        _pool.slots[node] = status == Status.Free ? _pool.postpone(node, slot) : slot;
        emit IntentChanged(node, Intent.Freeze);
    }

    /// @dev The whole stake goes to the treasury.
    function _slash(NodeId node, TaskId task) private {
        uint96 amount = _owners[node].stake;
        _owners[node].stake = 0;
        _slashed += amount;
        --_total;
        _store(node, _pool.slots[node].withStatus(Status.Slashed));
        emit Slashed(node, task, amount);
    }

    /// @return low Whether the stake is now below what a node needs to work.
    function _penalize(NodeId node, Lapse lapse) internal returns (bool low) {
        uint96 amount = lapse == Lapse.Missed ? _rules.missPenalty : _rules.concealPenalty;
        if (amount == 0) return false;
        uint96 stake = _owners[node].stake;
        if (amount > stake) amount = stake;
        stake -= amount;
        _owners[node].stake = stake;
        _slashed += amount;
        emit Penalized(node, lapse, amount, stake);
        return stake < stakeFloor();
    }

    function _setRules(Rules memory r) private {
        bool ok = r.missPenalty <= minStake / 100 && r.concealPenalty <= minStake / 10
            && r.missPenalty <= r.concealPenalty && r.appealSeconds >= 1 days && r.appealSeconds <= MAX_APPEAL
            && r.arbitrationSeconds >= MIN_ARBITRATION && r.arbitrationSeconds <= MAX_ARBITRATION
            && uint256(r.appealSeconds) + r.arbitrationSeconds < unbondingSeconds;
        if (!ok) revert RulesOutOfBounds(r);
        _rules = r;
        emit RulesChanged(r);
    }
}
