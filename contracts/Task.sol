// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {KindTable} from "./KindTable.sol";
import {Purse} from "./Purse.sol";
import {Relays} from "./Relays.sol";
import {Ending, INetworkStats} from "./interfaces/INetworkStats.sol";
import {INode} from "./interfaces/INode.sol";
import {IQoS, MISSED} from "./interfaces/IQoS.sol";
import {ITask} from "./interfaces/ITask.sol";
import {ITaskQueue} from "./interfaces/ITaskQueue.sol";
import {Duration} from "./libraries/Duration.sol";
import {Settlement} from "./libraries/Settlement.sol";
import {Verdict, Vote} from "./libraries/Verdict.sol";
import {VramTier} from "./libraries/VramTier.sol";
import {ClassId, NodeId, TaskId} from "./types/Ids.sol";
import {Request} from "./types/Request.sol";
import {TaskSlot, TaskSlots} from "./types/TaskSlot.sol";
import {ValueRate, ValueRates} from "./types/ValueRate.sol";
import {NoTreasury, NotAllowed, Wiring, WrongAddress} from "./types/Wiring.sol";
import {LibBit} from "solady/utils/LibBit.sol";

/// @title Escrow, seats, votes, settlement, delivery.
/// @dev Balance = escrows of all tasks + credits of accounts + earnings of nodes (and forced ether).
/// A task takes two slots: creator and escrow, cleared when it ends, and its course. What its nodes write is kept by
/// node, so that the slots are written again and again: the node's key with its earnings, and its commitment, which the
/// reveal replaces by the result.
contract Task is KindTable, Purse, Relays {
    using Settlement for Settlement.Outcome;

    /// @inheritdoc ITask
    bytes32 public constant ERROR_PREFIX = Verdict.ERROR_PREFIX;
    /// Seconds for which a created task cannot be cancelled: whoever fills the queue runs the risk of being served.
    uint32 public constant CANCEL_AFTER = 60;
    /// Shortest wait a creator may ask for, in seconds: an expiry is no way around `CANCEL_AFTER`.
    uint32 public constant MIN_WAIT = 60;
    /// Longest wait a creator may ask for, in seconds.
    uint32 public constant MAX_WAIT = 7 days;
    /// The most a task may carry, as a part of the stake of each of its nodes: 1 / 4.
    uint256 public constant STAKE_PER_FEE = 4;

    uint256 private constant ALL = 7;

    INode private immutable NODE;
    ITaskQueue private immutable QUEUE;
    IQoS private immutable QOS;
    address private immutable TREASURY;
    INetworkStats private immutable STATS;

    /// @inheritdoc ITask
    uint96 public immutable maxFee;
    /// @inheritdoc ITask
    ValueRate public immutable minValue;

    uint40 private _lastTask;
    mapping(TaskId => TaskSlot) private _tasks;
    mapping(NodeId => bytes32) private _votes;

    modifier only(address required) {
        if (msg.sender != required) revert NotAllowed(msg.sender, required);
        _;
    }

    /// @param w The wiring; `w.task` must be this contract and `w.node` must be deployed.
    /// @param maxFee_ The most a task may carry: at most a quarter of the stake, so that cheating for it does not pay.
    /// @param minValue_ The least value per second, in wei times 2^64.
    /// @param terms_ Times and shares.
    /// @param kinds_ The first kinds, numbered from 0.
    constructor(Wiring memory w, uint96 maxFee_, ValueRate minValue_, Terms memory terms_, Kind[] memory kinds_)
        KindTable(w.owner, terms_, kinds_)
    {
        if (w.task != address(this)) revert WrongAddress(w.task, address(this));
        if (w.treasury == address(0)) revert NoTreasury();
        uint256 limit = INode(w.node).minStake() / STAKE_PER_FEE;
        if (maxFee_ == 0 || maxFee_ > limit) revert MaxFeeOutOfBounds(maxFee_, limit);
        NODE = INode(w.node);
        QUEUE = ITaskQueue(w.queue);
        QOS = IQoS(w.qos);
        TREASURY = w.treasury;
        STATS = INetworkStats(w.stats);
        maxFee = maxFee_;
        minValue = minValue_;
    }

    /// @inheritdoc ITask
    function create(uint8 kind, bytes32 taskHash, uint32 size, uint16 minVram, ClassId requiredClass, uint32 maxWait)
        external
        payable
        returns (TaskId)
    {
        return _create(Request(kind, taskHash, size, minVram, requiredClass, maxWait, address(0)));
    }

    /// @inheritdoc ITask
    function createRelayed(
        uint8 kind,
        bytes32 taskHash,
        uint32 size,
        uint16 minVram,
        ClassId requiredClass,
        uint32 maxWait,
        address relay
    ) external payable returns (TaskId) {
        if (relay == address(0)) revert RelayZero();
        return _create(Request(kind, taskHash, size, minVram, requiredClass, maxWait, relay));
    }

    /// @inheritdoc ITask
    function cancel(TaskId task) external {
        TaskSlot s = _inState(task, State.Queued);
        if (msg.sender != _escrows[task].creator) revert NotCreator(task, msg.sender);
        uint256 until = uint256(s.createdAt()) + CANCEL_AFTER;
        if (block.timestamp <= until) revert TooEarly(task, until);
        QUEUE.remove(task, s.ticket());
        _endQueued(task, s, Ending.Cancelled);
    }

    /// @inheritdoc ITask
    function expire(TaskId task) external {
        TaskSlot s = _inState(task, State.Queued);
        if (block.timestamp <= s.deadline()) revert TooEarly(task, s.deadline());
        QUEUE.remove(task, s.ticket());
        _endQueued(task, s, Ending.Expired);
    }

    /// @inheritdoc ITask
    function seat(TaskId task, bytes32 entropy, ClassId reserved, ClassId avoid, address keeper)
        external
        only(address(QUEUE))
        returns (bool)
    {
        TaskSlot s = _tasks[task];
        State state = s.state();
        if (state != State.Queued && state != State.Vacant) return true;
        Kind memory spec = _kinds[s.kind()];
        ClassId class = ClassId.unwrap(reserved) == 0 ? s.class() : reserved;
        INode.Need memory need = INode.Need(s.tier(), spec.sameClass, class, avoid);
        if (state == State.Queued) return _place(task, s, spec, entropy, need, keeper);
        _refill(task, s, spec, entropy, need, keeper);
        return true;
    }

    /// @inheritdoc ITask
    function commit(NodeId node, TaskId task, bytes32 commitment) external {
        _checkKey(node);
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
        if (commitment != _votes[node]) {
            // The commitment names the key: only when it does not fit is a wrong key to be told from a wrong result.
            _checkKey(node);
            revert WrongReveal(task, node, _votes[node], commitment);
        }

        s = s.withReveal(index);
        emit Revealed(task, node, result);
        if (s.reveals() != s.commits()) {
            (_votes[node], _tasks[task]) = (result, s);
            return;
        }
        // The last result need not be stored.
        Settlement.Outcome memory o;
        (o.results[index], o.given) = (result, 1 << index);
        _settle(task, s, o);
    }

    /// @inheritdoc ITask
    function deliver(NodeId node, TaskId task, bytes32 content) external {
        TaskSlot s = _delivering(node, task, content);
        if (s.relayed()) revert RelayMustSign(task, relayOf(task));
        _deliver(node, task, s, content);
    }

    /// @inheritdoc ITask
    function deliverSigned(NodeId node, TaskId task, bytes32 content, bytes calldata signature) external {
        TaskSlot s = _delivering(node, task, content);
        if (!s.relayed()) revert NoRelay(task);
        _checkStored(task, content, signature);
        _deliver(node, task, s, content);
    }

    /// @inheritdoc ITask
    function advance(TaskId task) external {
        TaskSlot s = _tasks[task];
        State state = s.state();
        if (state < State.Committing || state == State.Ended) revert WrongState(task, state, State.Committing);
        if (block.timestamp <= s.deadline()) revert TooEarly(task, s.deadline());
        emit Advanced(task, msg.sender, _payShare(task, msg.sender, _terms.crankBps));
        if (state == State.Delivering) _passDelivery(task, s);
        else if (state == State.Committing && s.commits() != 0 && s.refills() < _terms.refills) _vacate(task, s);
        else _goOn(task, s);
    }

    /// @inheritdoc ITask
    function collect(NodeId node) external returns (uint256 amount) {
        amount = _accounts[node].earned;
        if (amount == 0) revert NothingToCollect(node);
        _accounts[node].earned = 0;
        address operator = NODE.operatorOf(node);
        _credit(operator, amount);
        emit Collected(node, operator, amount);
    }

    /// @inheritdoc ITask
    function requeued(TaskId task, uint32 ticket) external only(address(QUEUE)) {
        _tasks[task] = _inState(task, State.Queued).withTicket(ticket);
    }

    /// @inheritdoc ITask
    function refillDrawn(TaskId task) external only(address(QUEUE)) {
        _tasks[task] = _inState(task, State.Vacant).withDeadline(type(uint40).max);
    }

    /// @inheritdoc ITask
    function enroll(NodeId node, address key) external only(address(NODE)) {
        _accounts[node].key = key;
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
        (v.deadline, v.deliverer) = (s.deadline(), uint8(s.deliverer()));
        if (v.state > State.Queued) v.nodes = s.nodes();
        for (uint256 i; i < 3; ++i) {
            v.commitRanks[i] = uint8(s.commitRank(i));
            v.revealRanks[i] = uint8(s.revealRank(i));
        }
        (v.agreeing, v.vacated, v.refills) = (_flags(s.agreeing()), _flags(s.vacated()), uint8(s.refills()));
    }

    /// @inheritdoc ITask
    function orderOf(TaskId task) external view returns (Order memory o) {
        TaskSlot s = _tasks[task];
        (o.kind, o.tier, o.class) = (s.kind(), s.tier(), s.class());
        if (s.state() == State.Vacant) o.seats = uint8(LibBit.popCount(s.vacated()));
        if (s.state() != State.Queued) return o;
        (o.seats, o.createdAt, o.expiresAt, o.ticket) = (3, s.createdAt(), s.deadline(), s.ticket());
        o.level = ValueRates.rate(_escrows[task].amount, Duration.estimateMs(_kinds[o.kind], s.size())).level();
    }

    /// @inheritdoc ITask
    function network() external view returns (address node, address queue, address qos, address stats) {
        return (address(NODE), address(QUEUE), address(QOS), address(STATS));
    }

    /// @inheritdoc ITask
    function tierFor(uint16 minVram, ClassId required) public view returns (uint8 tier) {
        tier = VramTier.atLeast(minVram);
        if (tier == VramTier.TIERS) revert NoSuchTier(minVram);
        if (ClassId.unwrap(required) == 0) return tier;
        INode.ClassState memory class = NODE.classState(required);
        if (!class.exists || class.tier < tier) revert ClassUnsuitable(required, minVram);
        return class.tier;
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

    /// @dev The slot and the seat of `node`, in time.
    function _seated(NodeId node, TaskId task, State required) private view returns (TaskSlot s, uint256 index) {
        s = _tasks[task];
        index = s.seatOf(node);
        if (index == 3) revert NotSeated(task, node);
        if (s.state() != required) revert WrongState(task, s.state(), required);
        if (block.timestamp > s.deadline()) revert TooLate(task, s.deadline());
    }

    /// @dev The slot of a task that `node` may deliver now, called by its key.
    function _delivering(NodeId node, TaskId task, bytes32 content) private view returns (TaskSlot s) {
        _checkKey(node);
        s = _inState(task, State.Delivering);
        NodeId deliverer = s.node(s.deliverer());
        if (node != deliverer) revert NotDeliverer(task, node, deliverer);
        if (block.timestamp > s.deadline()) revert TooLate(task, s.deadline());
        if (content == 0) revert ContentZero(task);
    }

    function _deliver(NodeId node, TaskId task, TaskSlot s, bytes32 content) private {
        _tasks[task] = s.withState(State.Ended);
        (, uint96 held) = _takeEscrow(task);
        _accounts[node].earned += held;
        emit Delivered(task, node, content, held);
    }

    /// @dev Escrows and queues a task; a full queue may give up another for it.
    function _create(Request memory r) private returns (TaskId task) {
        Kind memory spec = _knownKind(r.kind, r.size);
        uint96 fee = _checkedFee();
        if (r.taskHash == 0) revert HashZero();
        if (r.maxWait < MIN_WAIT || r.maxWait > MAX_WAIT) revert WaitOutOfBounds(r.maxWait, MIN_WAIT, MAX_WAIT);
        uint8 tier = tierFor(r.minVram, r.class);
        ValueRate value = ValueRates.rate(fee, Duration.estimateMs(spec, r.size));
        if (ValueRate.unwrap(value) < ValueRate.unwrap(minValue)) revert ValueTooLow(value, minValue);

        task = TaskId.wrap(++_lastTask);
        uint40 expiresAt = uint40(block.timestamp + r.maxWait);
        _escrows[task] = Escrow(msg.sender, fee);
        TaskSlot s =
            TaskSlots.queued(r.kind, r.size, tier, r.class).withDeadline(expiresAt).withCreatedAt(block.timestamp);
        if (r.relay != address(0)) {
            s = s.withRelayed();
            _nameRelay(task, r.relay);
        }
        _tasks[task] = s;
        emit TaskCreated(task, msg.sender, r.kind, r.taskHash, r.size, r.minVram, r.class, fee, value, expiresAt);
        _enqueue(task, s, value, spec.sameClass);
    }

    function _enqueue(TaskId task, TaskSlot s, ValueRate value, bool sameClass) private {
        (uint32 ticket, TaskId evicted) =
            QUEUE.enqueue(task, value, s.kind(), sameClass, s.tier(), s.class(), s.deadline());
        _tasks[task] = s.withTicket(ticket);
        if (TaskId.unwrap(evicted) != 0) _endQueued(evicted, _tasks[evicted], Ending.Evicted);
    }

    function _checkedFee() private view returns (uint96) {
        if (msg.value == 0) revert FeeZero();
        if (msg.value > maxFee) revert FeeTooHigh(msg.value, maxFee);
        return uint96(msg.value);
    }

    /// @dev Ends a task that never got its nodes and has left the queue: the whole fee goes back.
    function _endQueued(TaskId task, TaskSlot s, Ending ending) private {
        NodeId[3] memory nobody;
        _tasks[task] = s.withState(State.Ended).withNodes(nobody);
        (address creator, uint96 refund) = _takeEscrow(task);
        _credit(creator, refund);
        emit TaskWithdrawn(task, ending, refund);
        STATS.ended(s.kind(), ending);
    }

    function _openCommits(TaskId task, TaskSlot s, Kind memory spec) private returns (uint40 deadline) {
        deadline = uint40(block.timestamp + Duration.commitSeconds(_terms, spec, s.size()));
        _tasks[task] = s.withState(State.Committing).withDeadline(deadline);
    }

    function _openReveals(TaskId task, TaskSlot s) private returns (TaskSlot) {
        uint256 deadline = block.timestamp + _terms.revealWindow;
        emit RevealOpened(task, uint40(deadline));
        return s.withState(State.Revealing).withDeadline(deadline);
    }

    /// @dev The seats without a commitment are to be given to other nodes; their holders are let go with a miss.
    function _vacate(TaskId task, TaskSlot s) private {
        uint256 mask = ALL & ~s.committed();
        uint256 deadline = block.timestamp + _terms.vacancyWindow;
        _tasks[task] = s.withState(State.Vacant).withVacated(mask).withRefills(s.refills() + 1).withDeadline(deadline);
        emit SeatsVacated(task, _flags(mask), uint40(deadline));
        NodeId[3] memory nodes = s.nodes();
        uint8[3] memory grades = [MISSED, MISSED, MISSED];
        Settlement.Outcome memory o;
        for (uint256 i; i < 3; ++i) {
            if ((mask >> i) & 1 == 0) nodes[i] = NodeId.wrap(0);
        }
        _release(task, s, o, nodes, grades);
        QUEUE.vacate(task);
    }

    /// @dev Gives the seats of a drawn task to nodes.
    /// @return Whether there were three.
    function _place(TaskId task, TaskSlot s, Kind memory spec, bytes32 entropy, INode.Need memory need, address keeper)
        private
        returns (bool)
    {
        (bool ok, NodeId[3] memory nodes, ClassId class) = NODE.choose(entropy, need);
        if (!ok) return false;
        s = s.withNodes(nodes).withClass(class);
        _announce(task, s, nodes, _openCommits(task, s, spec), keeper);
        return true;
    }

    function _announce(TaskId task, TaskSlot s, NodeId[3] memory nodes, uint40 deadline, address keeper) private {
        emit TaskSeated(task, nodes, s.class(), deadline, keeper, _payShare(task, keeper, _terms.crankBps));
    }

    /// @dev Gives the vacated seats to other nodes, or goes on without when there are none.
    function _refill(TaskId task, TaskSlot s, Kind memory spec, bytes32 entropy, INode.Need memory need, address keeper)
        private
    {
        (bool ok, NodeId[3] memory nodes) = NODE.refill(entropy, need, s.nodes(), s.vacated());
        if (!ok) return _goOn(task, s);
        uint40 deadline = _openCommits(task, s.withNodes(nodes).withVacated(0), spec);
        emit SeatsRefilled(task, nodes, deadline, keeper, _payShare(task, keeper, _terms.crankBps));
    }

    /// @dev Nothing more will come in this stage: two commitments are enough for the reveals, all else ends the task.
    function _goOn(TaskId task, TaskSlot s) private {
        Settlement.Outcome memory o;
        if (s.commits() >= 2 && s.state() != State.Revealing) _tasks[task] = _openReveals(task, s);
        else _settle(task, s, o);
    }

    /// @dev The deliverer's time is over: the next agreeing seat's turn, or the held share goes back to the creator. With
    /// a relay it goes to the treasury: whether the nodes or the creator's relay failed cannot be told, so neither gains.
    function _passDelivery(TaskId task, TaskSlot s) private {
        for (uint256 next = s.deliverer() + 1; next < 3; ++next) {
            if ((s.agreeing() >> next) & 1 == 0) continue;
            uint256 deadline = block.timestamp + _terms.deliverWindow;
            _tasks[task] = s.withDeliverer(next).withDeadline(deadline);
            emit DeliveryPassed(task, s.node(next), uint40(deadline));
            return;
        }
        _tasks[task] = s.withState(State.Ended);
        (address creator, uint96 held) = _takeEscrow(task);
        address to = s.relayed() ? TREASURY : creator;
        _credit(to, held);
        emit Undelivered(task, to, held);
    }

    /// @dev Compares the votes, frees the nodes, credits everybody.
    function _settle(TaskId task, TaskSlot s, Settlement.Outcome memory o) private {
        _decide(s, o);
        (address creator, uint96 escrow) = _takeEscrow(task);
        o.divide(s, escrow, _terms.errorBps);
        bool agreed = o.ending == Ending.Agreed;
        uint256 deadline = agreed ? block.timestamp + _terms.deliverWindow : 0;
        if (agreed) _escrows[task] = Escrow(creator, o.shares[o.deliverer]);
        _tasks[task] = s.withState(agreed ? State.Delivering : State.Ended).withDeadline(deadline)
            .withAgreeing(o.agreeing).withDeliverer(o.deliverer);

        NodeId[3] memory nodes = s.nodes();
        for (uint256 i; i < 3; ++i) {
            if (o.shares[i] != 0 && !(agreed && i == o.deliverer)) _accounts[nodes[i]].earned += o.shares[i];
            if ((s.vacated() >> i) & 1 != 0) nodes[i] = NodeId.wrap(0);
        }
        _credit(creator, o.refund);
        _release(task, s, o, nodes, o.grade(s));
        STATS.ended(s.kind(), o.ending);
        bytes32 result = agreed ? o.results[o.deliverer] : bytes32(0);
        emit TaskSettled(
            task, o.ending, result, _flags(o.agreeing), o.shares, o.refund, uint8(o.deliverer), uint40(deadline)
        );
    }

    function _decide(TaskSlot s, Settlement.Outcome memory o) private view {
        for (uint256 i; i < 3; ++i) {
            if (s.revealRank(i) == 0) continue;
            if ((o.given >> i) & 1 == 0) o.results[i] = _votes[s.node(i)];
            o.votes[i] = Verdict.isError(o.results[i]) ? Vote.Error : Vote.Result;
        }
        Kind memory spec = _kinds[s.kind()];
        (o.ending, o.agreeing) = Verdict.decide(o.votes, o.results, spec.exact, spec.maxDistance);
        while (o.agreeing != 0 && (o.agreeing >> o.deliverer) & 1 == 0) ++o.deliverer;
    }

    /// @dev Scores `nodes`, penalizes lapses, freezes a result that stands alone against two who agree, and frees the
    /// rest. A seat whose entry is 0 is left out.
    function _release(
        TaskId task,
        TaskSlot s,
        Settlement.Outcome memory o,
        NodeId[3] memory nodes,
        uint8[3] memory grades
    ) private {
        (uint8[3] memory weights, INode.Fate[3] memory fates) = QOS.record(nodes, grades);
        (uint256 concealed, uint256 missing) = o.lapses(s);
        INode.SeatEnd[3] memory ends;
        for (uint256 i; i < 3; ++i) {
            INode.SeatEnd memory end = ends[i];
            (end.node, end.weight) = (nodes[i], weights[i]);
            end.fate = o.against(i) ? INode.Fate.Freeze : fates[i];
            if ((concealed >> i) & 1 != 0) end.lapse = INode.Lapse.Concealed;
            else if ((missing >> i) & 1 != 0) end.lapse = INode.Lapse.Missed;
        }
        NODE.release(task, ends);
    }

    function _flags(uint256 mask) private pure returns (bool[3] memory) {
        return [mask & 1 != 0, mask & 2 != 0, mask & 4 != 0];
    }
}
