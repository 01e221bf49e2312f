// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ending, INetworkStats} from "./interfaces/INetworkStats.sol";
import {INode} from "./interfaces/INode.sol";
import {IGNORED, IQoS, MISSED} from "./interfaces/IQoS.sol";
import {ITask} from "./interfaces/ITask.sol";
import {ITaskQueue} from "./interfaces/ITaskQueue.sol";
import {Bits} from "./libraries/Bits.sol";
import {Duration} from "./libraries/Duration.sol";
import {FeeShare} from "./libraries/FeeShare.sol";
import {Hamming} from "./libraries/Hamming.sol";
import {Verdict, Vote} from "./libraries/Verdict.sol";
import {VramTier} from "./libraries/VramTier.sol";
import {ClassId, NodeId, TaskId} from "./types/Ids.sol";
import {TaskSlot, TaskSlots} from "./types/TaskSlot.sol";
import {Level, ValueRate, ValueRates} from "./types/ValueRate.sol";
import {NotAllowed, Wiring, WrongAddress} from "./types/Wiring.sol";

/// @title Escrow, seats, votes, settlement, delivery.
/// @dev Balance = escrows of all tasks + credits (and forced ether).
/// A task takes two slots (creator and escrow; its course). What a seat needs is kept by node, not by task, so that the
/// slots are written again and again: the node's key and seat (key 160 | task 40 | seat 8), and its commitment, which
/// the
/// reveal replaces by the result.
contract Task is ITask {
    using Bits for uint256;

    /// @dev Creator and escrow share a slot: 160 + 96 bits.
    struct Escrow {
        address creator;
        uint96 amount;
    }

    /// @dev A node's key and the seat it holds or held last.
    struct Seat {
        address key;
        uint40 task;
        uint8 index;
    }

    /// @dev What a settlement decides, in memory.
    struct Settlement {
        Vote[3] votes;
        bytes32[3] results;
        Ending ending;
        uint256 agreeing;
        uint96[3] shares;
        uint96 refund;
        uint256 deliverer;
    }

    /// @inheritdoc ITask
    bytes32 public constant ERROR_PREFIX = Verdict.ERROR_PREFIX;
    /// Longest wait a creator may ask for, in seconds.
    uint32 public constant MAX_WAIT = 7 days;
    /// Kinds the table can hold.
    uint256 public constant KIND_LIMIT = 16;

    uint256 private constant BPS = 10_000;

    INode private immutable NODE;
    ITaskQueue private immutable QUEUE;
    IQoS private immutable QOS;
    INetworkStats private immutable STATS;
    address private immutable OWNER;

    /// @inheritdoc ITask
    uint96 public immutable maxFee;
    /// @inheritdoc ITask
    ValueRate public immutable minValue;

    uint40 private _lastTask;
    uint8 private _kindCount;
    Terms private _terms;
    mapping(uint8 kind => Kind) private _kinds;
    mapping(TaskId => Escrow) private _escrows;
    mapping(TaskId => TaskSlot) private _tasks;
    mapping(NodeId => Seat) private _seats;
    mapping(NodeId => bytes32) private _votes;
    mapping(address => uint256) private _credits;

    modifier only(address required) {
        if (msg.sender != required) revert NotAllowed(msg.sender, required);
        _;
    }

    /// @param w The wiring; `w.task` must be this contract.
    /// @param maxFee_ The most a task may carry: a bounded multiple of the stake, so that cheating for it cannot pay.
    /// @param minValue_ The least value per second, in wei times 2^64.
    /// @param terms_ Times and shares.
    /// @param kinds_ The first kinds, numbered from 0.
    constructor(Wiring memory w, uint96 maxFee_, ValueRate minValue_, Terms memory terms_, Kind[] memory kinds_) {
        if (w.task != address(this)) revert WrongAddress(w.task, address(this));
        NODE = INode(w.node);
        QUEUE = ITaskQueue(w.queue);
        QOS = IQoS(w.qos);
        STATS = INetworkStats(w.stats);
        OWNER = w.owner;
        maxFee = maxFee_;
        minValue = minValue_;
        _setTerms(terms_);
        for (uint256 i; i < kinds_.length; ++i) {
            _addKind(kinds_[i]);
        }
    }

    /// @inheritdoc ITask
    function create(uint8 kind, bytes32 taskHash, uint32 size, uint16 minVram, ClassId requiredClass, uint32 maxWait)
        external
        payable
        returns (TaskId task)
    {
        Kind memory spec = _kinds[kind];
        uint96 fee = _checkedFee();
        if (spec.maxSize == 0) revert UnknownKind(kind);
        if (size == 0) revert SizeZero();
        if (size > spec.maxSize) revert SizeTooLarge(size, spec.maxSize);
        if (taskHash == 0) revert HashZero();
        if (maxWait == 0 || maxWait > MAX_WAIT) revert WaitOutOfBounds(maxWait, MAX_WAIT);
        uint8 tier = _tierFor(minVram, requiredClass);
        ValueRate value = ValueRates.rate(fee, Duration.estimateMs(spec, size));
        if (ValueRate.unwrap(value) < ValueRate.unwrap(minValue)) revert ValueTooLow(value, minValue);

        task = TaskId.wrap(++_lastTask);
        uint40 expiresAt = uint40(block.timestamp + maxWait);
        _escrows[task] = Escrow(msg.sender, fee);
        _tasks[task] = TaskSlots.queued(kind, size, tier, requiredClass).withDeadline(expiresAt);
        emit TaskCreated(task, msg.sender, kind, taskHash, size, minVram, requiredClass, fee, value, expiresAt);
        QUEUE.enqueue(task, value.level(), kind, spec.sameClass, tier, requiredClass, expiresAt);
    }

    /// @inheritdoc ITask
    function cancel(TaskId task) external {
        if (msg.sender != _escrows[task].creator) revert NotCreator(task, msg.sender);
        _endQueued(task, _inState(task, State.Queued), Ending.Cancelled);
    }

    /// @inheritdoc ITask
    function expire(TaskId task) external {
        TaskSlot s = _inState(task, State.Queued);
        if (block.timestamp <= s.deadline()) revert TooEarly(task, s.deadline());
        _endQueued(task, s, Ending.Expired);
    }

    /// @inheritdoc ITask
    function seat(TaskId task, bytes32 entropy, address keeper) external only(address(QUEUE)) returns (bool) {
        TaskSlot s = _tasks[task];
        Kind memory spec = _kinds[s.kind()];
        (bool ok, NodeId[3] memory nodes, ClassId class) =
            NODE.choose(entropy, INode.Need(s.tier(), spec.sameClass, s.class()));
        if (!ok) return false;

        for (uint8 i; i < 3; ++i) {
            s = s.withNode(i, nodes[i]);
            Seat storage seat_ = _seats[nodes[i]];
            (seat_.task, seat_.index) = (TaskId.unwrap(task), i);
        }
        uint256 deadline = block.timestamp + Duration.commitSeconds(_terms, spec, s.size());
        _tasks[task] = s.withClass(class).withState(State.Committing).withDeadline(deadline);
        uint96 reward = _payCrank(task, keeper);
        emit TaskSeated(task, nodes, class, uint40(deadline), keeper, reward);
        return true;
    }

    /// @inheritdoc ITask
    function commit(NodeId node, TaskId task, bytes32 commitment) external {
        (TaskSlot s, uint256 index) = _seated(node, task, State.Committing);
        if (commitment == 0) revert CommitmentZero();
        if (s.commitRank(index) != 0) revert AlreadyCommitted(task, node);

        _votes[node] = commitment;
        s = s.withCommit(index);
        emit Committed(task, node, commitment);
        _tasks[task] = s.commits() == 3 ? _openReveals(task, s) : s;
    }

    /// @inheritdoc ITask
    function reveal(NodeId node, TaskId task, bytes32 result, bytes32 salt) external {
        (TaskSlot s, uint256 index) = _seated(node, task, State.Revealing);
        if (s.commitRank(index) == 0) revert NotCommitted(task, node);
        if (s.revealRank(index) != 0) revert AlreadyRevealed(task, node);
        bytes32 commitment = commitmentOf(task, msg.sender, result, salt);
        if (commitment != _votes[node]) revert WrongReveal(task, node, _votes[node], commitment);

        _votes[node] = result;
        s = s.withReveal(index);
        emit Revealed(task, node, result);
        if (s.reveals() == s.commits()) _settle(task, s);
        else _tasks[task] = s;
    }

    /// @inheritdoc ITask
    function deliver(NodeId node, TaskId task, bytes32 content) external {
        if (msg.sender != _seats[node].key) revert NotNodeKey(node, msg.sender);
        TaskSlot s = _inState(task, State.Delivering);
        NodeId deliverer = s.node(s.deliverer());
        if (node != deliverer) revert NotDeliverer(task, node, deliverer);
        if (block.timestamp > s.deadline()) revert TooLate(task, s.deadline());
        if (content == 0) revert ContentZero(task);

        _tasks[task] = s.withState(State.Ended);
        uint96 held = _takeEscrow(task);
        _credit(NODE.operatorOf(node), held);
        emit Delivered(task, node, content, held);
    }

    /// @inheritdoc ITask
    function advance(TaskId task) external {
        TaskSlot s = _tasks[task];
        State state = s.state();
        if (state < State.Committing || state == State.Ended) revert WrongState(task, state, State.Committing);
        if (block.timestamp <= s.deadline()) revert TooEarly(task, s.deadline());
        if (state == State.Delivering) _passDelivery(task, s);
        else if (state == State.Committing && s.commits() >= 2) _tasks[task] = _openReveals(task, s);
        else _settle(task, s);
    }

    /// @inheritdoc ITask
    function withdraw(address to) external {
        uint256 amount = _credits[msg.sender];
        if (amount == 0) revert NothingToWithdraw(msg.sender);
        _credits[msg.sender] = 0;
        emit Withdrawn(msg.sender, to, amount);
        (bool sent,) = to.call{value: amount}("");
        if (!sent) revert TransferFailed(to, amount);
    }

    /// @inheritdoc ITask
    function enroll(NodeId node, address key) external only(address(NODE)) {
        _seats[node].key = key;
    }

    /// @inheritdoc ITask
    function addKind(Kind calldata spec) external only(OWNER) returns (uint8) {
        return _addKind(spec);
    }

    /// @inheritdoc ITask
    function lastTask() external view returns (TaskId) {
        return TaskId.wrap(_lastTask);
    }

    /// @inheritdoc ITask
    function taskOf(TaskId task) external view returns (TaskView memory v) {
        TaskSlot s = _tasks[task];
        (v.creator, v.escrow) = (_escrows[task].creator, _escrows[task].amount);
        (v.state, v.kind, v.size, v.tier, v.class) = (s.state(), s.kind(), s.size(), s.tier(), s.class());
        (v.nodes, v.deadline, v.deliverer) = (s.nodes(), s.deadline(), uint8(s.deliverer()));
        for (uint256 i; i < 3; ++i) {
            v.commitRanks[i] = uint8(s.commitRank(i));
            v.revealRanks[i] = uint8(s.revealRank(i));
        }
        v.agreeing = _flags(s.agreeing());
    }

    /// @inheritdoc ITask
    function orderOf(TaskId task) external view returns (Order memory) {
        TaskSlot s = _inState(task, State.Queued);
        uint96 fee = _escrows[task].amount;
        return Order({
            level: ValueRates.rate(fee, Duration.estimateMs(_kinds[s.kind()], s.size())).level(),
            kind: s.kind(),
            tier: s.tier(),
            class: s.class(),
            expiresAt: s.deadline()
        });
    }

    /// @inheritdoc ITask
    function creditOf(address account) external view returns (uint256) {
        return _credits[account];
    }

    /// @inheritdoc ITask
    function kindOf(uint8 kind) external view returns (Kind memory) {
        return _kinds[kind];
    }

    /// @inheritdoc ITask
    function kinds() external view returns (uint8) {
        return _kindCount;
    }

    /// @inheritdoc ITask
    function terms() external view returns (Terms memory) {
        return _terms;
    }

    /// @inheritdoc ITask
    function network() external view returns (address node, address queue, address qos, address stats) {
        return (address(NODE), address(QUEUE), address(QOS), address(STATS));
    }

    /// @inheritdoc ITask
    function commitmentOf(TaskId task, address key, bytes32 result, bytes32 salt) public pure returns (bytes32) {
        return keccak256(abi.encode(task, key, result, salt));
    }

    /// @dev The slot of a task in `required`.
    function _inState(TaskId task, State required) private view returns (TaskSlot s) {
        s = _tasks[task];
        if (s.state() != required) revert WrongState(task, s.state(), required);
    }

    /// @dev The slot and the seat of `node`, in time and called by its key.
    function _seated(NodeId node, TaskId task, State required) private view returns (TaskSlot s, uint256 index) {
        Seat memory held = _seats[node];
        if (msg.sender != held.key) revert NotNodeKey(node, msg.sender);
        if (held.task != TaskId.unwrap(task)) revert NotSeated(task, node);
        s = _inState(task, required);
        if (block.timestamp > s.deadline()) revert TooLate(task, s.deadline());
        index = held.index;
    }

    function _checkedFee() private view returns (uint96) {
        if (msg.value == 0) revert FeeZero();
        if (msg.value > maxFee) revert FeeTooHigh(msg.value, maxFee);
        return uint96(msg.value);
    }

    /// @dev The tier whose machines all have `minVram`, which those of a required class must reach.
    function _tierFor(uint16 minVram, ClassId required) private view returns (uint8 tier) {
        tier = VramTier.atLeast(minVram);
        if (tier == VramTier.TIERS) revert NoSuchTier(minVram);
        if (ClassId.unwrap(required) == 0) return tier;
        (bytes32 classHash, uint8 classTier,) = NODE.classInfo(required);
        if (classHash == 0 || classTier < tier) revert ClassUnsuitable(required, minVram);
        return classTier;
    }

    /// @dev Ends a task that never got its nodes: the whole fee goes back.
    function _endQueued(TaskId task, TaskSlot s, Ending ending) private {
        _tasks[task] = s.withState(State.Ended);
        uint96 refund = _takeEscrow(task);
        _credit(_escrows[task].creator, refund);
        emit TaskWithdrawn(task, ending, refund);
        QUEUE.remove(task);
        STATS.ended(s.kind(), ending);
    }

    function _openReveals(TaskId task, TaskSlot s) private returns (TaskSlot) {
        uint256 deadline = block.timestamp + _terms.revealWindow;
        emit RevealOpened(task, uint40(deadline));
        return s.withState(State.Revealing).withDeadline(deadline);
    }

    /// @dev Credits the crank share of the escrow to `keeper`.
    function _payCrank(TaskId task, address keeper) private returns (uint96 reward) {
        uint96 escrow = _escrows[task].amount;
        reward = uint96(uint256(escrow) * _terms.crankBps / BPS);
        _escrows[task].amount = escrow - reward;
        _credit(keeper, reward);
    }

    function _credit(address account, uint256 amount) private {
        if (amount != 0) _credits[account] += amount;
    }

    /// @dev Empties the escrow of `task`.
    function _takeEscrow(TaskId task) private returns (uint96 amount) {
        amount = _escrows[task].amount;
        _escrows[task].amount = 0;
    }

    /// @dev The deliverer's time is over: the next agreeing seat's turn, or the held share goes back to the creator.
    function _passDelivery(TaskId task, TaskSlot s) private {
        for (uint256 next = s.deliverer() + 1; next < 3; ++next) {
            if ((s.agreeing() >> next) & 1 == 0) continue;
            uint256 deadline = block.timestamp + _terms.deliverWindow;
            _tasks[task] = s.withDeliverer(next).withDeadline(deadline);
            emit DeliveryPassed(task, s.node(next), uint40(deadline));
            return;
        }
        _tasks[task] = s.withState(State.Ended);
        uint96 refund = _takeEscrow(task);
        _credit(_escrows[task].creator, refund);
        emit Undelivered(task, refund);
    }

    /// @dev Compares the votes, frees the nodes, credits everybody.
    function _settle(TaskId task, TaskSlot s) private {
        Settlement memory d = _decide(s);
        Escrow memory escrow = _escrows[task];
        _divide(d, s, escrow.amount);
        bool agreed = d.ending == Ending.Agreed;
        uint256 deadline = agreed ? block.timestamp + _terms.deliverWindow : 0;
        uint96 held = agreed ? d.shares[d.deliverer] : 0;
        _escrows[task].amount = held;
        _tasks[task] = s.withState(agreed ? State.Delivering : State.Ended).withDeadline(deadline)
            .withAgreeing(d.agreeing).withDeliverer(d.deliverer);

        address[3] memory operators = _releaseNodes(s, d);
        for (uint256 i; i < 3; ++i) {
            if (!agreed || i != d.deliverer) _credit(operators[i], d.shares[i]);
        }
        _credit(escrow.creator, d.refund);
        STATS.ended(s.kind(), d.ending);
        emit TaskSettled(
            task,
            d.ending,
            agreed ? d.results[d.deliverer] : bytes32(0),
            _flags(d.agreeing),
            d.shares,
            d.refund,
            uint8(d.deliverer),
            uint40(deadline)
        );
    }

    function _decide(TaskSlot s) private view returns (Settlement memory d) {
        for (uint256 i; i < 3; ++i) {
            if (s.revealRank(i) == 0) continue;
            d.results[i] = _votes[s.node(i)];
            d.votes[i] = Verdict.isError(d.results[i]) ? Vote.Error : Vote.Result;
        }
        Kind memory spec = _kinds[s.kind()];
        (d.ending, d.agreeing) = Verdict.decide(d.votes, d.results, spec.exact, spec.maxDistance);
        while (d.agreeing != 0 && (d.agreeing >> d.deliverer) & 1 == 0) ++d.deliverer;
    }

    /// @dev Shares of those who agree by their ranks, or equal thirds of the error fee; the rest is the refund.
    function _divide(Settlement memory d, TaskSlot s, uint96 escrow) private view {
        d.refund = escrow;
        for (uint256 i; i < 3; ++i) {
            uint256 share;
            if ((d.agreeing >> i) & 1 != 0) {
                share = FeeShare.shareDown(escrow, FeeShare.points(s.commitRank(i)) + FeeShare.points(s.revealRank(i)));
            } else if (d.ending == Ending.Failed) {
                share = uint256(escrow) * _terms.errorBps / BPS / 3;
            }
            d.shares[i] = uint96(share);
            d.refund -= uint96(share);
        }
    }

    /// @dev Scores the seats, freezes a result that stands alone against two who agree, and frees the nodes.
    function _releaseNodes(TaskSlot s, Settlement memory d) private returns (address[3] memory) {
        NodeId[3] memory nodes = s.nodes();
        (uint8[3] memory weights, bool[3] memory suspend) = QOS.record(nodes, _grades(s, d));
        INode.Fate[3] memory fates;
        for (uint256 i; i < 3; ++i) {
            bool against = d.agreeing != 0 && (d.agreeing >> i) & 1 == 0 && d.votes[i] == Vote.Result;
            if (against) fates[i] = INode.Fate.Freeze;
            else if (suspend[i]) fates[i] = INode.Fate.Suspend;
        }
        return NODE.release(nodes, weights, fates);
    }

    /// @dev Points of those who agree; 0 for those who stood against them; a miss for the missing, unless all are.
    function _grades(TaskSlot s, Settlement memory d) private pure returns (uint8[3] memory grades) {
        bool deserted = _missed(s, 0) && _missed(s, 1) && _missed(s, 2);
        for (uint256 i; i < 3; ++i) {
            if ((d.agreeing >> i) & 1 != 0) {
                grades[i] = uint8(FeeShare.points(s.commitRank(i)) + FeeShare.points(s.revealRank(i)));
            } else if (_missed(s, i)) {
                grades[i] = deserted ? IGNORED : MISSED;
            } else {
                grades[i] = d.agreeing != 0 ? 0 : IGNORED;
            }
        }
    }

    /// @dev Whether the seat let the stage pass: a commit stage without its commitment, a reveal stage without its
    /// reveal.
    function _missed(TaskSlot s, uint256 index) private pure returns (bool) {
        bool revealing = s.state() == State.Revealing;
        return revealing ? s.revealRank(index) == 0 : s.commitRank(index) == 0;
    }

    function _flags(uint256 mask) private pure returns (bool[3] memory) {
        return [mask & 1 != 0, mask & 2 != 0, mask & 4 != 0];
    }

    function _setTerms(Terms memory t) private {
        bool ok = t.commitGrace != 0 && t.commitFactor != 0 && t.revealWindow != 0 && t.deliverWindow != 0
            && t.commitGrace <= 1 days && t.revealWindow <= 1 days && t.deliverWindow <= 1 days && t.crankBps <= 500
            && t.errorBps <= 1000;
        if (!ok) revert TermsOutOfBounds(t);
        _terms = t;
    }

    function _addKind(Kind memory spec) private returns (uint8 kind) {
        bool ok = spec.maxSize != 0 && spec.msPerUnit != 0 && spec.maxDistance <= 32
            && (spec.exact || spec.maxSize <= Hamming.MAX_IMAGES)
            && Duration.estimateMs(spec, spec.maxSize) <= Duration.MAX_MS;
        if (!ok) revert KindOutOfBounds(spec);
        if (_kindCount == KIND_LIMIT) revert TooManyKinds(KIND_LIMIT);
        kind = _kindCount++;
        _kinds[kind] = spec;
        emit KindAdded(kind, spec);
    }
}
