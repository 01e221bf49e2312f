// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {ITaskQueue} from "../../../contracts/interfaces/ITaskQueue.sol";
import {ClassId, NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Level} from "../../../contracts/types/ValueRate.sol";
import {NotAllowed} from "../../../contracts/types/Wiring.sol";
import {Deployment, Params} from "../../../script/Deployment.sol";
import {Puppet} from "../Puppet.sol";
import {Shadow} from "./Shadow.sol";

/// @notice The moves of every party, in any order and with any arguments, made on a network of their own.
/// @dev Before each move it is worked out whether it must succeed or with which error it must be refused. Anything else
/// reverts, and so stops the campaign.
contract Handler is Shadow {
    /// A move that did not end as it had to.
    error Surprise(bytes4 move, bytes4 expected, bytes output);

    uint256 private constant MAX_NODES = 25;
    uint256 private constant RELAY_KEY = 0xA11CE;
    /// For moves whose outcome depends on what cannot be read: success or any typed error.
    bytes4 private constant EITHER = 0xffffffff;

    /// Who creates tasks, who owns nodes, and who has money in Task altogether.
    address[] public creators;
    address[] public operators;
    address[] public accounts;
    /// What the nodes of a task committed to.
    mapping(TaskId => mapping(uint256 seat => bytes32)) private results;
    uint40[2] private changedAt;
    address private relay = vm.addr(RELAY_KEY);

    /// @dev The deployment's figures, refills and penalties included, with the shortest queue there is.
    function _params() internal pure override returns (Params memory p) {
        p = Deployment.defaults();
        p.limits.tasksPerNode = 1;
    }

    function setUp() public override {
        super.setUp();
        crankBps = task.terms().crankBps;
        for (uint256 i; i < 4; ++i) {
            creators.push(address(new Puppet(Puppet.OnReceive(i))));
        }
        creators.push(creator);
        for (uint256 i; i < 7; ++i) {
            operators.push(i < 3 ? address(new Puppet(Puppet.OnReceive(1 + i))) : _operator(i));
        }
        for (uint256 i; i < 5; ++i) {
            accounts.push(creators[i]);
        }
        for (uint256 i; i < 7; ++i) {
            accounts.push(operators[i]);
        }
        accounts.push(keeper);
        accounts.push(treasury);
        for (uint256 i; i < 12; ++i) {
            join(i, i % 3 == 2 ? 1 : 0, 1);
        }
        // More classes in one tier than a word of its tree holds.
        for (uint256 i; i < 4; ++i) {
            join(i, 6 + 8 * i, 1);
        }
    }

    // Creators

    function create(uint256 who, uint256 kind, uint96 fee, uint32 size, uint256 need, uint32 maxWait) public {
        address from = creators[who % creators.length];
        (kind, size) = (kind % 2, uint32(1 + size % 4));
        // Few values, so that levels hold several.
        fee = uint96(_bound(fee, 1, 8)) * 1 ether;
        vm.deal(from, from.balance + fee);
        bytes memory input =
            abi.encode(kind, TASK_HASH, size, _vramAsked(need), _classAsked(need), 60 + maxWait % 1740, relay);
        input = bytes.concat(need % 5 == 0 ? ITask.createRelayed.selector : ITask.create.selector, input);
        _must(from, address(task), fee, input, _creation(kind, size, need, fee));
    }

    /// @dev Many at once, so that the queue fills.
    function burst(uint256 who, uint256 choice, uint96 fee) external {
        for (uint256 i; i < 24; ++i) {
            create(who % 64 + i, choice >> i, uint96(fee / (i + 1)), uint32(i), i, 1739);
        }
    }

    function cancel(uint256 which, bool stranger) external {
        TaskId t = _any(which);
        if (TaskId.unwrap(t) == 0) return;
        address from = creatorOf[t];
        bytes4 expected;
        if (stateOf[t] != ITask.State.Queued) expected = ITask.WrongState.selector;
        else if (stranger) expected = ITask.NotCreator.selector;
        else if (block.timestamp <= createdAt[t] + 60) expected = ITask.TooEarly.selector;
        else if (!inLine[t]) expected = ITaskQueue.NotQueued.selector;
        _must(stranger ? keeper : from, address(task), 0, abi.encodeCall(ITask.cancel, (t)), expected);
    }

    // Keepers

    function dispatch(uint256 limit, uint256 blocks) public {
        uint256 drawBlock = queue.round().drawBlock;
        if (drawBlock != 0 && blocks % 8 != 0) _roll(blocks % 32 == 1 ? 257 : 1 + blocks % 3);
        limit %= 9;
        bytes4 expected = limit == 0 ? ITaskQueue.NothingToDispatch.selector : bytes4(0);
        _must(_account(blocks), address(queue), 0, abi.encodeCall(ITaskQueue.dispatch, (limit)), expected);
    }

    function advance(uint256 which, bool late) public {
        TaskId t = _running(which);
        if (TaskId.unwrap(t) == 0) return;
        if (late) _wait(t);
        ITask.State state = stateOf[t];
        bytes4 expected;
        if (state < ITask.State.Committing || state == ITask.State.Ended) expected = ITask.WrongState.selector;
        else if (block.timestamp <= task.taskOf(t).deadline) expected = ITask.TooEarly.selector;
        _must(_account(which), address(task), 0, abi.encodeCall(ITask.advance, (t)), expected);
    }

    function expire(uint256 which, bool late) public {
        TaskId t = _any(which);
        if (TaskId.unwrap(t) == 0) return;
        if (late && which % 8 == 0) _wait(t);
        bytes4 expected;
        if (stateOf[t] != ITask.State.Queued) expected = ITask.WrongState.selector;
        else if (block.timestamp <= task.taskOf(t).deadline) expected = ITask.TooEarly.selector;
        else if (!inLine[t]) expected = ITaskQueue.NotQueued.selector;
        _must(keeper, address(task), 0, abi.encodeCall(ITask.expire, (t)), expected);
    }

    function wake(uint256 kind, uint32 class) external {
        ClassId c = _class(class);
        INode.ClassState memory state = node.classState(c);
        bytes4 expected = state.free < state.floor ? ITaskQueue.NotWakeable.selector : EITHER;
        _must(keeper, address(queue), 0, abi.encodeCall(ITaskQueue.wake, (uint8(kind % 2), c)), expected);
    }

    function reserve(uint256 which, uint32 class, bool late) external {
        TaskId t = _any(which);
        if (TaskId.unwrap(t) == 0) return;
        // Mostly the first of a book.
        for (uint256 i; i < live.length && which % 4 != 0 && !(inLine[t] && _isHead(t)); ++i) {
            t = live[(which / 8 + i) % live.length];
        }
        bytes4 expected = EITHER;
        if (!inLine[t]) {
            expected = ITaskQueue.NotQueued.selector;
        } else {
            if (late) _pass(30 minutes);
            uint256 from = createdAt[t] + queue.limits().reserveAfter;
            if (!_isHead(t)) expected = ITaskQueue.NotHead.selector;
            else if (block.timestamp < from) expected = ITaskQueue.TooEarlyToReserve.selector;
        }
        ClassId c = _class(class);
        if (inLine[t] && ClassId.unwrap(queue.placeOf(t).class) != 0) c = queue.placeOf(t).class;
        _must(keeper, address(queue), 0, abi.encodeCall(ITaskQueue.reserve, (t, c)), expected);
    }

    function collect(uint256 which) external {
        NodeId id = _node(which);
        bytes4 expected = earnedOf[id] == 0 ? ITask.NothingToCollect.selector : bytes4(0);
        _must(keeper, address(task), 0, abi.encodeCall(ITask.collect, (id)), expected);
    }

    function absorb(uint256 limit) external {
        _must(keeper, address(node), 0, abi.encodeCall(INode.absorb, (limit % 10)), 0);
    }

    function review(uint32 class) external {
        ClassId c = _class(class);
        bytes4 expected;
        if (!node.classState(c).exists) expected = INode.NoSuchClass.selector;
        else if (node.setsClosed()) expected = INode.SetsClosed.selector;
        _must(keeper, address(node), 0, abi.encodeCall(INode.review, (c)), expected);
    }

    // Nodes

    function commit(uint256 which, uint256 seat, uint256 result) external {
        TaskId t = _running(which);
        if (TaskId.unwrap(t) != 0) _commitTo(t, seat % 3, _result(result));
    }

    function reveal(uint256 which, uint256 seat, bool wrong) external {
        TaskId t = _running(which);
        if (TaskId.unwrap(t) != 0) _revealOf(t, seat % 3, wrong);
    }

    /// @dev A task from its creation to its settlement, or as far as it comes: without this few would come so far.
    function serve(uint256 which, uint96 fee, uint256 choice) external {
        create(which, which / 8, fee, 1, choice / 8, 1739);
        dispatch(5, 1);
        dispatch(5, 2);
        vote(choice);
    }

    /// @dev Everybody who holds a seat does its part, or one of them does not. Some nodes are worse than others: nodes 5
    /// and 11 are mostly idle, and node 6 mostly fails.
    function vote(uint256 choice) public {
        uint256 silent = choice % 8;
        for (uint256 i = live.length; i != 0; --i) {
            TaskId t = live[i - 1];
            for (uint256 seat; seat < 3; ++seat) {
                if (seat == silent || stateOf[t] != ITask.State.Committing) continue;
                if (_seatError(t, seat, ITask.State.Committing) != 0) continue;
                uint256 id = NodeId.unwrap(_nodeAt(t, seat));
                uint256 random = choice >> (8 + 16 * seat);
                if ((id == 5 || id == 11) && random % 4 != 0) continue;
                _commitTo(t, seat, id == 6 && random % 8 != 0 ? _error(1) : _result(random));
            }
            for (uint256 seat; seat < 3; ++seat) {
                if (seat + 4 == silent || stateOf[t] != ITask.State.Revealing) continue;
                if (_seatError(t, seat, ITask.State.Revealing) == 0) _revealOf(t, seat, false);
            }
        }
    }

    /// @dev Several tasks for one of the two classes that can serve, one after the other: it takes many to show who is worse
    /// than others.
    function labour(uint256 which, uint256 choice) external {
        uint256 classOfTwo = which % 2 == 0 ? 4 : 84;
        // Silent in no seat; nobody lies.
        uint256 votes = 3 | (which % 2 == 0 ? 1 : 4) * ((1 << 8) | (1 << 24) | (1 << 40));
        for (uint256 i; i < 8; ++i) {
            create(which % 64 + i, GPT, 8, 0, classOfTwo, 1739);
            dispatch(5, 1);
            dispatch(5, 2);
            vote(choice >> i & 7 == 0 ? choice : votes);
            if (choice >> (8 + i) & 1 == 0) advance(0, true);
        }
    }

    /// @dev Of a task that was just seated one stands alone; the others may quit, somebody may appeal for it, and the owner may
    /// find that it was framed.
    function conspire(uint256 which, uint256 seat, uint256 choice) public {
        TaskId t = _seatedNow(which);
        if (TaskId.unwrap(t) == 0) {
            create(which, GPT, 8, 0, 4, 1739);
            dispatch(5, 1);
            dispatch(5, 2);
            t = _seatedNow(which);
        }
        if (TaskId.unwrap(t) == 0) return;
        seat %= 3;
        NodeId[3] memory nodes = task.taskOf(t).nodes;
        for (uint256 i; i < 3; ++i) {
            _commitTo(t, i, i == seat ? WRONG : ANSWER);
        }
        for (uint256 i; i < 3; ++i) {
            _revealOf(t, i, false);
        }
        for (uint256 i = 1; i < 3; ++i) {
            NodeId other = nodes[(seat + i) % 3];
            if ((choice >> i) % 8 == 0) _operate(other, false, INode.quit.selector, _quitting(other));
        }
        if (choice >> 8 & 3 == 0 || _status(nodes[seat]) != INode.Status.Frozen) return;
        if (node.caseOf(nodes[seat]).task != t) return;
        _must(keeper, address(node), 0, abi.encodeCall(INode.appeal, (nodes[seat], ANSWER)), 0);
        if (choice >> 10 & 1 == 0) _ruleOn(nodes[seat], INode.Ruling.Framed);
    }

    /// @dev Two stand alone one after the other, and the owner finds that all whose appeals wait were framed.
    function reckon(uint256 which, uint256 seat, uint256 choice) external {
        conspire(which, seat, choice | 0x700);
        conspire(which / 2, seat / 3, choice >> 11 | 0x700);
        for (uint32 id = 1; id <= NodeId.unwrap(node.lastNode()); ++id) {
            if (_decidable(NodeId.wrap(id))) _ruleOn(NodeId.wrap(id), INode.Ruling.Framed);
        }
    }

    function deliver(uint256 which, uint256 seat, bytes32 content, bool forged) external {
        TaskId t = _any(which);
        for (uint256 i; i < live.length && which % 4 != 0; ++i) {
            if (stateOf[live[i]] == ITask.State.Delivering) t = live[i];
        }
        if (TaskId.unwrap(t) == 0) return;
        ITask.TaskView memory v = task.taskOf(t);
        seat = seat % 4 == 3 ? which % 3 : v.deliverer;
        bytes4 expected;
        if (v.state != ITask.State.Delivering) expected = ITask.WrongState.selector;
        else if (seat != v.deliverer) expected = ITask.NotDeliverer.selector;
        else if (block.timestamp > v.deadline) expected = ITask.TooLate.selector;
        else if (content == 0) expected = ITask.ContentZero.selector;
        else if (forged && task.relayOf(t) != address(0)) expected = ITask.WrongRelay.selector;
        _must(_keyAt(t, seat), address(task), 0, _delivery(t, v.nodes[seat], content, forged), expected);
    }

    // Operators

    function join(uint256 who, uint256 class, uint256 vram) public {
        uint256 next = 1 + NodeId.unwrap(node.lastNode());
        if (next > MAX_NODES) return;
        address from = operators[who % operators.length];
        // Mostly one of three, so that these can serve.
        class = class % 8 < 6 ? class % 3 : 3 + class / 8 % 4;
        bytes32 classHash = keccak256(abi.encode("class", class));
        bytes memory input = abi.encodeCall(INode.join, (_key(next), classHash, vram % 2 == 0 ? 8 : 24, "a GPU"));
        vm.deal(from, from.balance + 400 ether);
        _must(from, address(node), 400 ether, input, 0);
    }

    function pause(uint256 which, bool stranger) external {
        NodeId id = _node(which);
        _operate(id, stranger, INode.pause.selector, _leaving(id));
    }

    function quit(uint256 which, bool stranger) external {
        if (which % 3 != 0) return;
        NodeId id = _node(which / 3);
        _operate(id, stranger, INode.quit.selector, _quitting(id));
    }

    function resume(uint256 which, bool stranger) external {
        NodeId id = _node(which);
        // Mostly one that can.
        for (uint256 i; i < 24 && which % 4 != 0 && _leaving(id) == 0; ++i) {
            id = _node(which % 64 + i);
        }
        INode.NodeView memory v = node.nodeOf(id);
        bytes4 expected;
        if (v.intent == INode.Intent.Freeze) {
            expected = INode.FreezePending.selector;
        } else if (v.intent == INode.Intent.None) {
            bool idle = v.status == INode.Status.Paused || v.status == INode.Status.Suspended;
            if (!idle) expected = INode.WrongStatus.selector;
            else if (stakeOf[id] < node.stakeFloor()) expected = INode.StakeTooLow.selector;
        }
        _operate(id, stranger, INode.resume.selector, expected);
    }

    function withdrawStake(uint256 which, bool late, bool stranger) external {
        NodeId id = _node(which);
        INode.NodeView memory v = node.nodeOf(id);
        if (late && v.status == INode.Status.Unbonding) _pass(7 days);
        bytes4 expected;
        if (v.status != INode.Status.Unbonding) expected = INode.WrongStatus.selector;
        else if (block.timestamp < v.since + 7 days) expected = INode.StillUnbonding.selector;
        else if (_refuses(v.operator)) expected = INode.TransferFailed.selector;
        _operate(id, stranger, INode.withdraw.selector, expected);
    }

    function topUp(uint256 which, uint96 amount) external {
        NodeId id = _node(which);
        amount = amount % 5 ether;
        INode.Status status = _status(id);
        bytes4 expected;
        if (status >= INode.Status.Frozen) expected = INode.WrongStatus.selector;
        else if (stakeOf[id] + amount > 400 ether) expected = INode.StakeTooHigh.selector;
        vm.deal(keeper, keeper.balance + amount);
        _must(keeper, address(node), amount, abi.encodeCall(INode.topUp, (id)), expected);
    }

    // Cases

    function appeal(uint256 which, bytes32 evidence) external {
        NodeId id = _suspect(which);
        INode.Case memory c = node.caseOf(id);
        bytes4 expected;
        if (_status(id) != INode.Status.Frozen) expected = INode.WrongStatus.selector;
        else if (c.appealed) expected = INode.AlreadyAppealed.selector;
        else if (block.timestamp > c.until) expected = INode.CaseOver.selector;
        else if (evidence == 0) expected = INode.EvidenceZero.selector;
        _must(_account(which), address(node), 0, abi.encodeCall(INode.appeal, (id, evidence)), expected);
    }

    function addEvidence(uint256 which, bytes32 evidence) external {
        NodeId id = _suspect(which);
        INode.Case memory c = node.caseOf(id);
        bytes4 expected;
        if (_status(id) != INode.Status.Frozen) expected = INode.WrongStatus.selector;
        else if (!c.appealed) expected = INode.NotAppealed.selector;
        else if (block.timestamp > c.until) expected = INode.CaseOver.selector;
        else if (evidence == 0) expected = INode.EvidenceZero.selector;
        _must(_account(which), address(node), 0, abi.encodeCall(INode.addEvidence, (id, evidence)), expected);
    }

    function slash(uint256 which, bool late) external {
        NodeId id = _suspect(which);
        INode.Case memory c = node.caseOf(id);
        if (late && which % 4 == 0) _pass(2 days);
        bytes4 expected;
        if (_status(id) != INode.Status.Frozen) expected = INode.WrongStatus.selector;
        else if (c.appealed) expected = INode.AlreadyAppealed.selector;
        else if (block.timestamp <= c.until) expected = INode.CaseOpen.selector;
        _must(keeper, address(node), 0, abi.encodeCall(INode.slash, (id)), expected);
    }

    function thaw(uint256 which, bool late) external {
        NodeId id = which % 8 == 1 ? _suspect(which) : _appellant(which);
        INode.Case memory c = node.caseOf(id);
        if (late && which % 4 == 0 && block.timestamp <= c.until) vm.warp(uint256(c.until) + 1);
        bytes4 expected;
        if (_status(id) != INode.Status.Frozen) expected = INode.WrongStatus.selector;
        else if (!c.appealed) expected = INode.NotAppealed.selector;
        else if (block.timestamp <= c.until) expected = INode.CaseOpen.selector;
        _must(keeper, address(node), 0, abi.encodeCall(INode.thaw, (id)), expected);
    }

    function arbitrate(uint256 which, uint8 ruling, bool stranger) external {
        NodeId id = which % 8 == 0 ? _suspect(which) : _appellant(which);
        INode.Case memory c = node.caseOf(id);
        bytes4 expected;
        if (stranger) expected = NotAllowed.selector;
        else if (_status(id) != INode.Status.Frozen) expected = INode.WrongStatus.selector;
        else if (!c.appealed) expected = INode.NotAppealed.selector;
        else if (block.timestamp > c.until) expected = INode.CaseOver.selector;
        bytes memory input = abi.encodeCall(INode.arbitrate, (id, c.task, INode.Ruling(ruling % 3)));
        _must(stranger ? keeper : owner, address(node), 0, input, expected);
    }

    /// @dev A frozen node is appealed for, if it was not, and found innocent.
    function acquit(uint256 which) external {
        NodeId id = _suspect(which);
        INode.Case memory c = node.caseOf(id);
        if (_status(id) != INode.Status.Frozen || block.timestamp > c.until) return;
        if (!c.appealed) _must(keeper, address(node), 0, abi.encodeCall(INode.appeal, (id, ANSWER)), 0);
        _ruleOn(id, INode.Ruling.Innocent);
    }

    function withdrawSlashed() external {
        bytes4 expected = slashed == 0 ? INode.NothingSlashed.selector : bytes4(0);
        _must(keeper, address(node), 0, abi.encodeCall(INode.withdrawSlashed, ()), expected);
    }

    // The owner

    function setRules(uint96 miss, uint96 conceal, uint32 appealDays, uint32 decideDays, bool stranger) external {
        miss %= 4 ether;
        INode.Rules memory r =
            INode.Rules(miss, miss + conceal % 36 ether, (1 + appealDays % 2) * 1 days, (3 + decideDays % 2) * 1 days);
        _govern(address(node), abi.encodeCall(INode.setRules, (r)), stranger, 0);
    }

    function setLimits(uint16 perNode, uint32 after_, uint32 hold, bool stranger) external {
        ITaskQueue.Limits memory l =
            ITaskQueue.Limits(1 + perNode % 4, 1 minutes + after_ % 1 hours, 10 minutes + hold % 2 hours);
        _govern(address(queue), abi.encodeCall(ITaskQueue.setLimits, (l)), stranger, 0);
    }

    function setTerms(uint256 choice, bool stranger) external {
        ITask.Terms memory t = task.terms();
        t.commitGrace = uint24(60 + choice % 120);
        t.revealWindow = uint24(60 + choice / 3 % 120);
        t.deliverWindow = uint24(60 + choice / 5 % 300);
        t.vacancyWindow = uint24(60 + choice / 7 % 120);
        t.crankBps = uint16(choice / 11 % 301);
        t.refills = uint8(choice / 13 % 3);
        _govern(address(task), abi.encodeCall(ITask.setTerms, (t)), stranger, 0);
        if (!stranger) crankBps = t.crankBps;
    }

    function setDurations(uint8 kind, bool more, bool stranger) external {
        kind %= 2;
        ITask.Kind memory k = task.kindOf(kind);
        // Back and forth about the deployment's figures.
        if (k.overheadMs > 30_000) more = false;
        if (k.overheadMs < 5000) more = true;
        uint32 overhead = more ? k.overheadMs * 2 : k.overheadMs / 2;
        bool lately = changedAt[kind] != 0 && block.timestamp < changedAt[kind] + 1 days;
        bytes4 expected = lately ? ITask.DurationsChangedLately.selector : bytes4(0);
        _govern(address(task), abi.encodeCall(ITask.setDurations, (kind, overhead, k.msPerUnit)), stranger, expected);
        if (!stranger && !lately) changedAt[kind] = uint40(block.timestamp);
    }

    // Everybody

    function withdraw(uint256 who, bool elsewhere) external {
        address from = _account(who);
        address to = elsewhere ? treasury : from;
        bytes4 expected;
        if (creditOf[from] == 0) expected = ITask.NothingToWithdraw.selector;
        else if (_refuses(to)) expected = ITask.TransferFailed.selector;
        _must(from, address(task), 0, abi.encodeCall(ITask.withdraw, (to)), expected);
    }

    /// @dev What a contract does the next time it is sent ether.
    function plan(uint256 who, uint256 what, uint256 which) external {
        Puppet p = Puppet(payable(who % 2 == 0 ? creators[2 + who / 2 % 2] : operators[who / 2 % 3]));
        what %= 8;
        if (what < 3) return p.behave(Puppet.OnReceive(what));
        if (what == 3) return p.plan(address(task), abi.encodeCall(ITask.withdraw, (address(p))));
        if (what == 4) return p.plan(address(queue), abi.encodeCall(ITaskQueue.dispatch, (2)));
        if (what == 5) return p.plan(address(node), abi.encodeCall(INode.withdraw, (_node(which))));
        TaskId t = _any(which);
        bytes4 move = what == 6 ? ITask.cancel.selector : ITask.advance.selector;
        p.plan(address(task), abi.encodeWithSelector(move, t));
    }

    function force(uint64 amount) external {
        vm.deal(address(task), address(task).balance + amount);
        vm.deal(address(node), address(node).balance + amount);
        forced += amount;
    }

    function passSeconds(uint256 time, uint256 blocks) external {
        _roll(blocks % 20 == 0 ? 300 : 1);
        _pass(time % 60);
    }

    function passLong(uint256 time) external {
        if (time % 8 == 0) _pass(time / 8 % 1 days);
        else if (time % 2 == 0) _pass(time / 8 % 1 hours);
    }

    // What the invariants read

    function accountCount() external view returns (uint256) {
        return accounts.length;
    }

    function network() external view returns (INode, ITask, ITaskQueue) {
        return (node, task, queue);
    }

    /// @dev A call that must succeed, in a frame of its own: the memory of many in one would cost more gas than a run has.
    function step(address from, address to, bytes calldata input) external {
        _must(from, to, 0, input, 0);
    }

    /// @dev Brings every task to its end with calls that anybody may make, in the time they have at most.
    function finishTasks() external {
        uint256 over = block.timestamp + _longestLife();
        for (uint256 steps; live.length != 0; ++steps) {
            require(block.timestamp <= over + steps, "a task lives too long");
            _roll(1);
            this.step(keeper, address(queue), abi.encodeCall(ITaskQueue.dispatch, (64)));
            uint256 next = type(uint256).max;
            for (uint256 i = live.length; i != 0; --i) {
                TaskId t = live[i - 1];
                uint256 deadline = task.taskOf(t).deadline;
                if (block.timestamp <= deadline) {
                    if (deadline < next) next = deadline;
                } else if (stateOf[t] != ITask.State.Queued) {
                    this.step(keeper, address(task), abi.encodeCall(ITask.advance, (t)));
                } else if (inLine[t]) {
                    this.step(keeper, address(task), abi.encodeCall(ITask.expire, (t)));
                }
            }
            bool waits = queue.round().size != 0;
            if (!waits && live.length != 0 && next < type(uint40).max) vm.warp(next + 1);
        }
        for (uint256 i; queue.round().size != 0 || queue.vacancies().length != 0; ++i) {
            require(i < 64, "the queue does not empty");
            _roll(1);
            this.step(keeper, address(queue), abi.encodeCall(ITaskQueue.dispatch, (64)));
        }
    }

    /// @dev Settles every case, and what follows it: nothing is frozen beyond its time.
    function finishCases() external {
        this.step(keeper, address(node), abi.encodeCall(INode.absorb, (1000)));
        for (uint32 id = 1; id <= NodeId.unwrap(node.lastNode()); ++id) {
            NodeId n = NodeId.wrap(id);
            while (_status(n) == INode.Status.Frozen) {
                INode.Case memory c = node.caseOf(n);
                if (block.timestamp <= c.until) vm.warp(uint256(c.until) + 1);
                bytes4 move = c.appealed ? INode.thaw.selector : INode.slash.selector;
                this.step(keeper, address(node), abi.encodeWithSelector(move, n));
            }
        }
    }

    /// @dev Lets everybody have his own.
    function finishMoney() external {
        uint32 last = NodeId.unwrap(node.lastNode());
        for (uint32 id = 1; id <= last; ++id) {
            NodeId n = NodeId.wrap(id);
            if (earnedOf[n] != 0) this.step(keeper, address(task), abi.encodeCall(ITask.collect, (n)));
            INode.Status status = _status(n);
            if (status >= INode.Status.Unbonding) continue;
            this.step(node.operatorOf(n), address(node), abi.encodeCall(INode.quit, (n)));
        }
        for (uint256 i; i < accounts.length; ++i) {
            if (accounts[i].code.length != 0) Puppet(payable(accounts[i])).behave(Puppet.OnReceive.Accept);
            if (creditOf[accounts[i]] == 0) continue;
            this.step(accounts[i], address(task), abi.encodeCall(ITask.withdraw, (accounts[i])));
        }
        _pass(7 days);
        for (uint32 id = 1; id <= last; ++id) {
            NodeId n = NodeId.wrap(id);
            if (_status(n) != INode.Status.Unbonding) continue;
            this.step(node.operatorOf(n), address(node), abi.encodeCall(INode.withdraw, (n)));
        }
        if (slashed != 0) this.step(keeper, address(node), abi.encodeCall(INode.withdrawSlashed, ()));
    }

    /// @dev The longest a task that exists may still live: what is left of its present stage, the longest stay at the nodes
    /// and three deliveries; a second more for each stage, which is over after its deadline.
    function _longestLife() private view returns (uint256 life) {
        ITask.Terms memory t = task.terms();
        for (uint256 i; i < live.length; ++i) {
            uint256 deadline = task.taskOf(live[i]).deadline;
            if (deadline == type(uint40).max || deadline < block.timestamp) continue;
            if (deadline - block.timestamp > life) life = deadline - block.timestamp;
        }
        uint256 work = task.estimate(SD, 4);
        if (task.estimate(GPT, 4) > work) work = task.estimate(GPT, 4);
        life += (1 + uint256(t.refills)) * (t.commitGrace + t.commitFactor * work / 1000);
        life += uint256(t.refills) * t.vacancyWindow + t.revealWindow + 3 * uint256(t.deliverWindow) + 16;
    }

    function _creation(uint256 kind, uint32 size, uint256 need, uint96 fee) private view returns (bytes4) {
        ClassId class = _classAsked(need);
        if (class != ANY && !node.classState(class).exists) return ITask.ClassUnsuitable.selector;
        if (queue.queued() < queue.limit()) return 0;
        // Invariant 4: refused only for a queue that is full of levels as high or higher, or when none could serve it.
        (, Level level) = queue.levelOf(fee, task.estimate(uint8(kind), size));
        if (!(level > lowestLevel())) return ITaskQueue.FeeTooLow.selector;
        return _couldServe(_vramAsked(need), class) ? bytes4(0) : ITaskQueue.TooFewWorkers.selector;
    }

    function _classAsked(uint256 need) private view returns (ClassId) {
        return need % 4 == 0 ? _class(need / 4) : ANY;
    }

    function _vramAsked(uint256 need) private pure returns (uint16) {
        return need % 4 == 1 ? 20 : 0;
    }

    /// @dev Whether three active nodes are of `class`, which has its share of the network, or have so much memory.
    function _couldServe(uint16 minVram, ClassId class) private view returns (bool) {
        INode.ClassState memory state = node.classState(class);
        if (class != ANY) return state.open && state.active >= 3;
        uint256 active;
        for (uint256 tier = task.tierFor(minVram, ANY); tier < 16; ++tier) {
            active += node.capacity().active[tier];
        }
        return active >= 3;
    }

    function _ruleOn(NodeId id, INode.Ruling ruling) private {
        bytes memory input = abi.encodeCall(INode.arbitrate, (id, node.caseOf(id).task, ruling));
        _must(owner, address(node), 0, input, 0);
    }

    function _decidable(NodeId id) private view returns (bool) {
        INode.Case memory c = node.caseOf(id);
        return _status(id) == INode.Status.Frozen && c.appealed && block.timestamp <= c.until;
    }

    function _commitTo(TaskId t, uint256 seat, bytes32 value) private {
        bytes4 expected = _seatError(t, seat, ITask.State.Committing);
        bool again = expected == 0 && task.taskOf(t).commitRanks[seat] != 0;
        if (again) expected = ITask.AlreadyCommitted.selector;
        _must(_keyAt(t, seat), address(task), 0, _commitment(t, seat, value), expected);
        if (expected == 0) results[t][seat] = value;
    }

    function _revealOf(TaskId t, uint256 seat, bool wrong) private {
        bytes32 value = wrong ? keccak256("another result") : results[t][seat];
        bytes4 expected = _seatError(t, seat, ITask.State.Revealing);
        ITask.TaskView memory v = task.taskOf(t);
        if (expected == 0 && v.commitRanks[seat] == 0) expected = ITask.NotCommitted.selector;
        if (expected == 0 && v.revealRanks[seat] != 0) expected = ITask.AlreadyRevealed.selector;
        if (expected == 0 && wrong) expected = ITask.WrongReveal.selector;
        bytes memory input = abi.encodeCall(ITask.reveal, (v.nodes[seat], t, value, _salt(t, seat)));
        _must(_keyAt(t, seat), address(task), 0, input, expected);
    }

    /// @dev Why the key of `seat` may not act in stage `required`.
    function _seatError(TaskId t, uint256 seat, ITask.State required) private view returns (bytes4) {
        ITask.TaskView memory v = task.taskOf(t);
        if (v.state == ITask.State.Queued || v.vacated[seat]) return ITask.NotSeated.selector;
        if (v.state != required) return ITask.WrongState.selector;
        return block.timestamp > v.deadline ? ITask.TooLate.selector : bytes4(0);
    }

    function _commitment(TaskId t, uint256 seat, bytes32 value) private view returns (bytes memory) {
        bytes32 hash = task.commitmentOf(t, _keyAt(t, seat), value, _salt(t, seat));
        return abi.encodeCall(ITask.commit, (_nodeAt(t, seat), t, hash));
    }

    function _delivery(TaskId t, NodeId id, bytes32 content, bool forged) private view returns (bytes memory) {
        if (task.relayOf(t) == address(0)) return abi.encodeCall(ITask.deliver, (id, t, content));
        (uint8 y, bytes32 r, bytes32 s) = vm.sign(forged ? 7 : RELAY_KEY, task.storedDigest(t, content));
        return abi.encodeCall(ITask.deliverSigned, (id, t, content, abi.encodePacked(r, s, y)));
    }

    function _leaving(NodeId id) private view returns (bytes4) {
        INode.NodeView memory v = node.nodeOf(id);
        if (v.status != INode.Status.Free && v.status != INode.Status.Busy) return INode.WrongStatus.selector;
        return v.intent == INode.Intent.Freeze ? INode.FreezePending.selector : bytes4(0);
    }

    function _quitting(NodeId id) private view returns (bytes4) {
        INode.Status status = _status(id);
        bool idle = status == INode.Status.Paused || status == INode.Status.Suspended;
        return idle ? bytes4(0) : _leaving(id);
    }

    function _operate(NodeId id, bool stranger, bytes4 move, bytes4 expected) private {
        bytes memory input = abi.encodeWithSelector(move, id);
        if (stranger) _must(keeper, address(node), 0, input, INode.NotOperator.selector);
        else _must(node.operatorOf(id), address(node), 0, input, expected);
    }

    function _govern(address to, bytes memory input, bool stranger, bytes4 expected) private {
        _must(stranger ? keeper : owner, to, 0, input, stranger ? NotAllowed.selector : expected);
    }

    function _must(address from, address to, uint256 value, bytes memory input, bytes4 expected) private {
        (bool ok, bytes memory output) = _call(from, to, value, input);
        if (expected == EITHER) {
            bool typed = output.length >= 4 && bytes4(output) != 0x4e487b71 && bytes4(output) != 0x08c379a0;
            if (ok || typed) return;
        } else if (expected == 0 ? ok : !ok && bytes4(output) == expected) {
            return;
        }
        revert Surprise(bytes4(input), expected, output);
    }

    function _result(uint256 random) private view returns (bytes32) {
        uint256 pick = random % 12;
        if (pick < 9) return ANSWER;
        return pick < 11 ? WRONG : _error(uint8(1 + random / 12 % 2));
    }

    /// @dev Mostly a live task, else any that ever was; 0 when there is none.
    function _any(uint256 which) private view returns (TaskId) {
        uint40 last = TaskId.unwrap(task.lastTask());
        if (last == 0) return TaskId.wrap(0);
        if (which % 8 == 7 || live.length == 0) return TaskId.wrap(uint40(1 + which / 8 % last));
        return live[which / 8 % live.length];
    }

    /// @dev Mostly a task that has nodes, else any.
    function _running(uint256 which) private view returns (TaskId t) {
        for (uint256 i; i < live.length && which % 8 != 7; ++i) {
            t = live[(which / 8 + i) % live.length];
            if (stateOf[t] != ITask.State.Queued) return t;
        }
        return _any(which);
    }

    /// @dev A task to which nobody has committed yet, or 0.
    function _seatedNow(uint256 which) private view returns (TaskId) {
        for (uint256 i; i < live.length; ++i) {
            TaskId t = live[(which / 8 + i) % live.length];
            if (stateOf[t] != ITask.State.Committing) continue;
            ITask.TaskView memory v = task.taskOf(t);
            uint256 commits = uint256(v.commitRanks[0]) + v.commitRanks[1] + v.commitRanks[2];
            if (commits == 0 && block.timestamp <= v.deadline) return t;
        }
        return TaskId.wrap(0);
    }

    function _node(uint256 which) private view returns (NodeId) {
        return NodeId.wrap(uint32(1 + which % NodeId.unwrap(node.lastNode())));
    }

    /// @dev Mostly one of the first four, which are more than one node's; at times one that does not exist.
    function _class(uint256 which) private view returns (ClassId) {
        uint256 n = which % 4 == 0 ? classCount + 1 : 4;
        return ClassId.wrap(uint32(1 + which / 4 % n));
    }

    /// @dev A frozen node if there is one.
    function _suspect(uint256 which) private view returns (NodeId id) {
        uint256 last = NodeId.unwrap(node.lastNode());
        for (uint256 i; i < last; ++i) {
            id = _node(which % last + i);
            if (_status(id) == INode.Status.Frozen) return id;
        }
    }

    /// @dev A frozen node for which somebody appealed, if there is one.
    function _appellant(uint256 which) private view returns (NodeId id) {
        uint256 last = NodeId.unwrap(node.lastNode());
        for (uint256 i; i < last; ++i) {
            id = _node(which % last + i);
            if (_status(id) == INode.Status.Frozen && node.caseOf(id).appealed) return id;
        }
        return _suspect(which);
    }

    function _account(uint256 which) private view returns (address) {
        return accounts[which % accounts.length];
    }

    function _refuses(address to) private view returns (bool) {
        if (to.code.length == 0) return false;
        Puppet.OnReceive manner = Puppet(payable(to)).manner();
        return manner == Puppet.OnReceive.Refuse || manner == Puppet.OnReceive.Burn;
    }

    /// @dev Until the stage of `t` is over.
    function _wait(TaskId t) private {
        uint256 deadline = task.taskOf(t).deadline;
        if (block.timestamp <= deadline && deadline != type(uint40).max) vm.warp(deadline + 1);
    }

    function _pass(uint256 time) private {
        vm.warp(block.timestamp + time);
    }

    function _roll(uint256 blocks) private {
        vm.roll(block.number + blocks);
        vm.warp(block.timestamp + blocks);
        uint256 drawBlock = queue.round().drawBlock;
        bool known = drawBlock != 0 && drawBlock < block.number && block.number - drawBlock <= 256;
        if (known) vm.setBlockhash(drawBlock, keccak256(abi.encode("block", drawBlock)));
    }
}
