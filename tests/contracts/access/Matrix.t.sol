// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ending, INetworkStats} from "../../../contracts/interfaces/INetworkStats.sol";
import {INode} from "../../../contracts/interfaces/INode.sol";
import {IQoS} from "../../../contracts/interfaces/IQoS.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {ITaskQueue} from "../../../contracts/interfaces/ITaskQueue.sol";
import {ClassId, NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {ValueRate} from "../../../contracts/types/ValueRate.sol";
import {NotAllowed} from "../../../contracts/types/Wiring.sol";
import {Deployment, Params} from "../../../script/Deployment.sol";
import {Network} from "../Network.sol";

/// @notice Invariant 9: every function that changes state × every role. Only the roles of this matrix succeed, the
/// others are refused with the error that says so. A function of an interface that is missing here fails the test:
/// the selectors of a contract's rows and views must give the interface's id.
contract MatrixTest is Network {
    enum Role {
        Creator,
        Stranger,
        Key,
        Operator,
        Keeper,
        Owner,
        Treasury,
        Node,
        Task,
        Queue,
        QoS,
        Stats
    }

    uint256 private constant ROLES = 12;
    uint256 private constant EVERYBODY = (1 << ROLES) - 1;

    /// Prepared in the state that a row starts from.
    TaskId private t;
    ClassId private rare;

    function _params() internal pure override returns (Params memory) {
        return Deployment.defaults();
    }

    function setUp() public override {
        super.setUp();
        _joinMany(6);
        rare = node.nodeOf(_join(7, keccak256("rare"), 24)).class;
        vm.deal(address(this), 1 ether);
    }

    function test_task() public {
        bytes4 seen = _queuedRows();
        seen ^= _stageRows();
        seen ^= _relayedRow();
        seen ^= _moneyRows();
        seen ^= _governedTaskRows();
        seen ^= _wiredTaskRows();
        seen ^= _drawnVacancyRow();
        bytes4 views = task.ERROR_PREFIX.selector ^ task.lastTask.selector ^ task.taskOf.selector
            ^ task.creditOf.selector ^ task.orderOf.selector ^ task.kindOf.selector ^ task.kinds.selector
            ^ task.terms.selector ^ task.minValue.selector ^ task.maxFee.selector ^ task.network.selector
            ^ task.commitmentOf.selector ^ task.estimate.selector ^ task.tierFor.selector ^ task.earnedBy.selector
            ^ task.relayOf.selector ^ task.storedDigest.selector;
        assertEq(seen ^ views, type(ITask).interfaceId, "a function of ITask is missing");
    }

    function test_node() public {
        bytes4 seen = _operatorRows();
        seen ^= _wiredNodeRows();
        seen ^= _refillRow();
        seen ^= _caseRows();
        seen ^= _stakeRows();
        bytes4 views = node.minStake.selector ^ node.unbondingSeconds.selector ^ node.nodeOf.selector
            ^ node.idOf.selector ^ node.operatorOf.selector ^ node.lastNode.selector ^ node.classOf.selector
            ^ node.classInfo.selector ^ node.freeInClass.selector ^ node.freeInTier.selector ^ node.capacity.selector
            ^ node.counts.selector ^ node.setsClosed.selector ^ node.deferred.selector ^ node.classState.selector
            ^ node.accusationsOf.selector ^ node.caseOf.selector ^ node.rules.selector ^ node.stakeFloor.selector
            ^ node.slashed.selector ^ node.tierWords.selector;
        assertEq(seen ^ views, type(INode).interfaceId, "a function of INode is missing");
    }

    function test_queue() public {
        bytes4 seen = _queueRows();
        seen ^= _reserveRow();
        bytes4 views = queue.queued.selector ^ queue.round.selector ^ queue.roundTask.selector ^ queue.topsOf.selector
            ^ queue.bookOf.selector ^ queue.placeOf.selector ^ queue.levelOf.selector ^ queue.lowest.selector
            ^ queue.hasWorkers.selector ^ queue.limit.selector ^ queue.limits.selector ^ queue.vacancies.selector
            ^ queue.reservation.selector;
        assertEq(seen ^ views, type(ITaskQueue).interfaceId, "a function of ITaskQueue is missing");
    }

    function test_qos() public {
        bytes memory input = abi.encodeCall(qos.record, (_three(), [uint8(20), 20, 20]));
        bytes4 seen = _row(address(qos), 0, input, _only(Role.Task), NotAllowed.selector);
        bytes4 views = qos.recordOf.selector ^ qos.newcomerWeight.selector;
        assertEq(seen ^ views, type(IQoS).interfaceId, "a function of IQoS is missing");
    }

    function test_stats() public {
        bytes memory input = abi.encodeCall(stats.ended, (GPT, Ending.Agreed));
        bytes4 seen = _row(address(stats), 0, input, _only(Role.Task), NotAllowed.selector);
        bytes4 views = stats.tallyOf.selector ^ stats.overview.selector ^ stats.nodes.selector ^ stats.quote.selector
            ^ stats.suitability.selector;
        assertEq(seen ^ views, type(INetworkStats).interfaceId, "a function of INetworkStats is missing");
    }

    function _queuedRows() private returns (bytes4 seen) {
        bytes memory input = abi.encodeCall(task.create, (GPT, TASK_HASH, 100, 0, ANY, 1 hours));
        seen ^= _row(address(task), FEE, input, EVERYBODY, 0);

        t = _create(GPT, FEE, 100);
        _pastTheFirstMinute();
        input = abi.encodeCall(task.cancel, (t));
        seen ^= _row(address(task), 0, input, _only(Role.Creator), ITask.NotCreator.selector);

        vm.warp(block.timestamp + 1 hours + 1);
        seen ^= _row(address(task), 0, abi.encodeCall(task.expire, (t)), EVERYBODY, 0);
        task.expire(t);
    }

    function _stageRows() private returns (bytes4 seen) {
        t = _seated();
        bytes memory input = abi.encodeCall(task.commit, (_nodeAt(t, 0), t, keccak256("c")));
        seen ^= _row(address(task), 0, input, _only(Role.Key), ITask.NotNodeKey.selector);

        for (uint256 i; i < 3; ++i) {
            _commit(t, i, ANSWER);
        }
        input = abi.encodeCall(task.reveal, (_nodeAt(t, 0), t, ANSWER, _salt(t, 0)));
        seen ^= _row(address(task), 0, input, _only(Role.Key), ITask.NotNodeKey.selector);

        for (uint256 i; i < 3; ++i) {
            _reveal(t, i, ANSWER);
        }
        input = abi.encodeCall(task.deliver, (_nodeAt(t, 0), t, ANSWER));
        seen ^= _row(address(task), 0, input, _only(Role.Key), ITask.NotNodeKey.selector);

        _pastDeadline(t);
        seen ^= _row(address(task), 0, abi.encodeCall(task.advance, (t)), EVERYBODY, 0);
    }

    /// @dev A task whose delivery a relay signs.
    function _relayedRow() private returns (bytes4 seen) {
        (address relay, uint256 relayKey) = makeAddrAndKey("a relay");
        bytes memory input = abi.encodeCall(task.createRelayed, (GPT, TASK_HASH, 100, 0, ANY, 1 hours, relay));
        seen ^= _row(address(task), FEE, input, EVERYBODY, 0);
        vm.prank(creator);
        t = task.createRelayed{value: FEE}(GPT, TASK_HASH, 100, 0, ANY, 1 hours, relay);
        _dispatch(1);
        _vote(t, [ANSWER, ANSWER, ANSWER]);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(relayKey, task.storedDigest(t, ANSWER));
        input = abi.encodeCall(task.deliverSigned, (_nodeAt(t, 0), t, ANSWER, abi.encodePacked(r, s, v)));
        seen ^= _row(address(task), 0, input, _only(Role.Key), ITask.NotNodeKey.selector);
    }

    /// @dev Everybody may withdraw, but nobody what is not his own; whoever collects, the operator is credited.
    function _moneyRows() private returns (bytes4 seen) {
        seen ^= _row(address(task), 0, abi.encodeCall(task.collect, (_nodeAt(t, 1))), EVERYBODY, 0);
        t = _create(GPT, FEE, 100);
        _pastTheFirstMinute();
        vm.prank(creator);
        task.cancel(t);
        bytes memory input = abi.encodeCall(task.withdraw, (makeAddr("a purse")));
        uint256 start = vm.snapshotState();
        _clearCredit(keeper);
        seen ^= _row(address(task), 0, input, _only(Role.Creator), ITask.NothingToWithdraw.selector);
        vm.revertToState(start);
    }

    function _governedTaskRows() private returns (bytes4 seen) {
        ITask.Kind memory spec = task.kindOf(GPT);
        seen ^= _governed(address(task), abi.encodeCall(task.addKind, (spec)));
        seen ^= _governed(address(task), abi.encodeCall(task.setDurations, (GPT, spec.overheadMs, spec.msPerUnit)));
        seen ^= _governed(address(task), abi.encodeCall(task.setTerms, (task.terms())));
    }

    function _governed(address target, bytes memory input) private returns (bytes4) {
        return _row(target, 0, input, _only(Role.Owner), NotAllowed.selector);
    }

    function _wiredTaskRows() private returns (bytes4 seen) {
        t = _create(GPT, FEE, 100);
        bytes memory input = abi.encodeCall(task.enroll, (NodeId.wrap(9), makeAddr("a key")));
        seen ^= _row(address(task), 0, input, _only(Role.Node), NotAllowed.selector);

        input = abi.encodeCall(task.requeued, (t, 1));
        seen ^= _row(address(task), 0, input, _only(Role.Queue), NotAllowed.selector);

        queue.dispatch(1);
        _nextBlock();
        input = abi.encodeCall(task.seat, (t, keccak256("entropy"), ANY, ANY, keeper));
        seen ^= _row(address(task), 0, input, _only(Role.Queue), NotAllowed.selector);
    }

    function _drawnVacancyRow() private returns (bytes4) {
        queue.dispatch(1);
        _vacate();
        bytes memory input = abi.encodeCall(task.refillDrawn, (t));
        return _row(address(task), 0, input, _only(Role.Queue), NotAllowed.selector);
    }

    /// @dev `t` is a task whose third seat is vacant: its node has let the stage pass.
    function _vacate() private {
        t = _seated();
        _commit(t, 0, ANSWER);
        _commit(t, 1, ANSWER);
        _pastDeadline(t);
        task.advance(t);
        assertTrue(task.taskOf(t).vacated[2]);
    }

    function _operatorRows() private returns (bytes4 seen) {
        bytes memory input = abi.encodeCall(node.join, (makeAddr("a new key"), CLASS, 24, "a GPU"));
        seen ^= _row(address(node), 400 ether, input, EVERYBODY, 0);
        t = _seated();
        _vote(t, [ANSWER, ANSWER, ANSWER]);
        NodeId id = _nodeAt(t, 0);
        seen ^= _operatorRow(abi.encodeCall(node.pause, (id)));
        vm.prank(node.operatorOf(id));
        node.pause(id);
        seen ^= _operatorRow(abi.encodeCall(node.resume, (id)));
        seen ^= _operatorRow(abi.encodeCall(node.quit, (id)));
        vm.prank(node.operatorOf(id));
        node.quit(id);
        vm.warp(block.timestamp + 7 days);
        seen ^= _operatorRow(abi.encodeCall(node.withdraw, (id)));
        seen ^= _row(address(node), 0, abi.encodeCall(node.absorb, (10)), EVERYBODY, 0);
    }

    function _operatorRow(bytes memory input) private returns (bytes4) {
        return _row(address(node), 0, input, _only(Role.Operator), INode.NotOperator.selector);
    }

    function _wiredNodeRows() private returns (bytes4 seen) {
        bytes memory input = abi.encodeCall(node.openRound, ());
        seen ^= _row(address(node), 0, input, _only(Role.Queue), NotAllowed.selector);
        vm.prank(address(queue));
        node.openRound();

        input = abi.encodeCall(node.choose, (keccak256("entropy"), INode.Need(0, true, ANY, ANY)));
        seen ^= _row(address(node), 0, input, _only(Role.Task), NotAllowed.selector);

        input = abi.encodeCall(node.closeRound, (8));
        seen ^= _row(address(node), 0, input, _only(Role.Queue), NotAllowed.selector);

        vm.prank(address(task));
        (, NodeId[3] memory nodes,) = node.choose(keccak256("entropy"), INode.Need(0, true, ANY, ANY));
        INode.SeatEnd[3] memory ends;
        for (uint256 i; i < 3; ++i) {
            ends[i] = INode.SeatEnd(nodes[i], 1, INode.Fate.Free, INode.Lapse.None);
        }
        input = abi.encodeCall(node.release, (t, ends));
        seen ^= _row(address(node), 0, input, _only(Role.Task), NotAllowed.selector);
        vm.prank(address(queue));
        node.closeRound(8);
    }

    function _refillRow() private returns (bytes4) {
        INode.Need memory need = INode.Need(0, false, ANY, ANY);
        bytes memory input = abi.encodeCall(node.refill, (keccak256("entropy"), need, task.taskOf(t).nodes, 4));
        return _row(address(node), 0, input, _only(Role.Task), NotAllowed.selector);
    }

    function _stakeRows() private returns (bytes4 seen) {
        _vacate();
        NodeId id = _nodeAt(t, 2);
        seen ^= _row(address(node), 0.4 ether, abi.encodeCall(node.topUp, (id)), EVERYBODY, 0);
        seen ^= _row(address(node), 0, abi.encodeCall(node.withdrawSlashed, ()), EVERYBODY, 0);
        seen ^= _row(address(node), 0, abi.encodeCall(node.review, (rare)), EVERYBODY, 0);
        seen ^= _governed(address(node), abi.encodeCall(node.setRules, (node.rules())));
    }

    function _caseRows() private returns (bytes4 seen) {
        for (uint256 i = 11; i < 17; ++i) {
            _join(i, CLASS, 24);
        }
        NodeId id = _frozen();
        seen ^= _row(address(node), 0, abi.encodeCall(node.appeal, (id, keccak256("evidence"))), EVERYBODY, 0);
        uint256 start = vm.snapshotState();
        vm.warp(uint256(node.caseOf(id).until) + 1);
        seen ^= _row(address(node), 0, abi.encodeCall(node.slash, (id)), EVERYBODY, 0);
        vm.revertToState(start);
        node.appeal(id, keccak256("evidence"));
        seen ^= _row(address(node), 0, abi.encodeCall(node.addEvidence, (id, keccak256("more"))), EVERYBODY, 0);
        seen ^= _governed(
            address(node), abi.encodeCall(node.arbitrate, (id, node.caseOf(id).task, INode.Ruling.Framed))
        );
        vm.warp(uint256(node.caseOf(id).until) + 1);
        seen ^= _row(address(node), 0, abi.encodeCall(node.thaw, (id)), EVERYBODY, 0);
    }

    function _queueRows() private returns (bytes4 seen) {
        t = _create(GPT, FEE, 100);
        seen ^= _row(address(queue), 0, abi.encodeCall(queue.dispatch, (1)), EVERYBODY, 0);
        bytes memory input = abi.encodeCall(queue.remove, (t, task.orderOf(t).ticket));
        seen ^= _row(address(queue), 0, input, _only(Role.Task), NotAllowed.selector);

        ValueRate value = task.minValue();
        input = abi.encodeCall(queue.enqueue, (TaskId.wrap(9), value, GPT, true, 0, ANY, 2 ** 39));
        seen ^= _row(address(queue), 0, input, _only(Role.Task), NotAllowed.selector);
        seen ^= _row(address(queue), 0, abi.encodeCall(queue.vacate, (t)), _only(Role.Task), NotAllowed.selector);
        seen ^= _governed(address(queue), abi.encodeCall(queue.setLimits, (queue.limits())));

        _createFor(rare, FEE);
        queue.dispatch(2);
        _join(8, keccak256("rare"), 24);
        _join(9, keccak256("rare"), 24);
        seen ^= _row(address(queue), 0, abi.encodeCall(queue.wake, (GPT, rare)), EVERYBODY, 0);
    }

    function _reserveRow() private returns (bytes4) {
        ClassId class = node.nodeOf(NodeId.wrap(1)).class;
        TaskId waiting = _createFor(class, FEE);
        vm.warp(block.timestamp + 31 minutes);
        return _row(address(queue), 0, abi.encodeCall(queue.reserve, (waiting, class)), EVERYBODY, 0);
    }

    /// @dev Calls `input` once as each role, from the same state. Those of `allowed` succeed, the others are refused
    /// with `refusal`.
    function _row(address target, uint256 value, bytes memory input, uint256 allowed, bytes4 refusal)
        private
        returns (bytes4)
    {
        uint256 start = vm.snapshotState();
        for (uint256 i; i < ROLES; ++i) {
            address caller = _address(Role(i));
            vm.deal(caller, caller.balance + value);
            vm.prank(caller);
            (bool ok, bytes memory output) = target.call{value: value}(input);
            assertEq(ok, (allowed >> i) & 1 == 1, string.concat(vm.toString(bytes4(input)), " ", vm.toString(i)));
            if (!ok) assertEq(bytes4(output), refusal);
            vm.revertToState(start);
        }
        return bytes4(input);
    }

    function _only(Role role) private pure returns (uint256) {
        return 1 << uint256(role);
    }

    /// @dev Key and operator are those of the first seat of `t`, or of node 1.
    function _address(Role role) private view returns (address) {
        NodeId id = _nodeAt(t, 0) == NodeId.wrap(0) ? NodeId.wrap(1) : _nodeAt(t, 0);
        if (role == Role.Creator) return creator;
        if (role == Role.Key) return node.nodeOf(id).key;
        if (role == Role.Operator) return node.operatorOf(id);
        if (role == Role.Keeper) return keeper;
        if (role == Role.Owner) return owner;
        if (role == Role.Treasury) return treasury;
        if (role == Role.Node) return address(node);
        if (role == Role.Task) return address(task);
        if (role == Role.Queue) return address(queue);
        if (role == Role.QoS) return address(qos);
        if (role == Role.Stats) return address(stats);
        return address(0x57a);
    }

    /// @dev Withdraws what `account` has earned so far.
    function _clearCredit(address account) private {
        if (task.creditOf(account) == 0) return;
        vm.prank(account);
        task.withdraw(account);
    }

    function _three() private pure returns (NodeId[3] memory) {
        return [NodeId.wrap(1), NodeId.wrap(2), NodeId.wrap(3)];
    }
}
