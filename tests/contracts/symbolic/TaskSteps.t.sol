// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Task} from "../../../contracts/Task.sol";
import {Ending} from "../../../contracts/interfaces/INetworkStats.sol";
import {INode} from "../../../contracts/interfaces/INode.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {Verdict} from "../../../contracts/libraries/Verdict.sol";
import {ClassId, NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {TaskSlot, TaskSlots} from "../../../contracts/types/TaskSlot.sol";
import {ValueRate} from "../../../contracts/types/ValueRate.sol";
import {Wiring} from "../../../contracts/types/Wiring.sol";
import {SymbolicTest} from "./SymbolicTest.sol";

/// @notice Task with any state a test puts it into.
contract TaskHarness is Task {
    /// @dev Where Task and Purse keep what they hide; `setUp` would read nothing back if they were elsewhere.
    uint256 private constant CREDITS = 6;
    uint256 private constant TASKS = 9;
    uint256 private constant VOTES = 10;

    constructor(Wiring memory w, Terms memory t, Kind[] memory k) Task(_here(w), 1 ether, ValueRate.wrap(1), t, k) {}

    function put(TaskId task, TaskSlot s, address creator, uint96 amount) external {
        _escrows[task] = Escrow(creator, amount);
        _write(TaskId.unwrap(task), TASKS, TaskSlot.unwrap(s));
    }

    function putNode(NodeId node, address key, uint96 earned) external {
        _accounts[node] = Account(key, earned);
    }

    function putVote(NodeId node, bytes32 vote) external {
        _write(NodeId.unwrap(node), VOTES, uint256(vote));
    }

    function putCredit(address account, uint256 amount) external {
        _write(uint160(account), CREDITS, amount);
    }

    function slotOf(TaskId task) external view returns (TaskSlot) {
        return TaskSlot.wrap(_read(TaskId.unwrap(task), TASKS));
    }

    function voteOf(NodeId node) external view returns (bytes32) {
        return bytes32(_read(NodeId.unwrap(node), VOTES));
    }

    function escrowOf(TaskId task) external view returns (address creator, uint96 amount) {
        return (_escrows[task].creator, _escrows[task].amount);
    }

    function _write(uint256 key, uint256 place, uint256 value) private {
        bytes32 position = keccak256(abi.encode(key, place));
        assembly ("memory-safe") {
            sstore(position, value)
        }
    }

    function _read(uint256 key, uint256 place) private view returns (uint256 value) {
        bytes32 position = keccak256(abi.encode(key, place));
        assembly ("memory-safe") {
            value := sload(position)
        }
    }

    function _here(Wiring memory w) private view returns (Wiring memory) {
        w.task = address(this);
        return w;
    }
}

/// @notice The four contracts Task calls, which do nothing but name nodes.
contract Partners {
    bool private _found;
    NodeId[3] private _nodes;

    function name(bool found, NodeId[3] calldata nodes) external {
        (_found, _nodes) = (found, nodes);
    }

    function release(TaskId task, INode.SeatEnd[3] calldata ends) external {}

    function ended(uint8 kind, Ending ending) external {}

    function remove(TaskId task, uint32 ticket) external {}

    function vacate(TaskId task) external {}

    function minStake() external pure returns (uint96) {
        return type(uint96).max;
    }

    function record(NodeId[3] calldata, uint8[3] calldata)
        external
        pure
        returns (uint8[3] memory weights, INode.Fate[3] memory fates)
    {}

    function choose(bytes32, INode.Need calldata need) external view returns (bool, NodeId[3] memory, ClassId) {
        return (_found, _nodes, need.class);
    }

    function refill(bytes32, INode.Need calldata, NodeId[3] calldata, uint256)
        external
        view
        returns (bool, NodeId[3] memory)
    {
        return (_found, _nodes);
    }
}

/// @notice Task itself, one call from any state of its shape: which calls are accepted, where they lead, and that no wei
/// appears or disappears.
/// @dev The partners are silent: what they are told, and what they would refuse, is not looked at here. keccak256 is an
/// injective function of which nothing else is known. Amounts credited and earned before are small and differ, so that one
/// that is overwritten instead of added to is seen.
contract TaskStepsSymbolicTest is SymbolicTest {
    TaskId private constant TASK = TaskId.wrap(7);
    address private constant CREATOR = address(0xc1);
    address private constant TREASURY = address(0xc2);
    address private constant CRANKER = address(0xc3);
    uint256 private constant ALL = 7;
    uint8 private constant REFILLS = 1;
    uint24 private constant REVEAL_WINDOW = 120;
    uint24 private constant DELIVER_WINDOW = 180;
    uint24 private constant VACANCY_WINDOW = 90;
    uint24 private constant COMMIT_GRACE = 60;
    bytes32 private constant VOTE = bytes32(uint256(0x1234));

    TaskHarness private task;
    Partners private partners;

    function setUp() public {
        partners = new Partners();
        address p = address(partners);
        ITask.Kind[] memory kinds = new ITask.Kind[](1);
        kinds[0] = ITask.Kind(true, true, 0, 1000, 1000, 1000);
        Wiring memory w = Wiring(p, address(0), p, p, p, address(0xc4), TREASURY);
        ITask.Terms memory terms =
            ITask.Terms(COMMIT_GRACE, 1, REVEAL_WINDOW, DELIVER_WINDOW, 100, 300, VACANCY_WINDOW, REFILLS);
        task = new TaskHarness(w, terms, kinds);
        for (uint8 i; i < 4; ++i) {
            task.putNode(_node(i), _key(i), 11 + i);
            task.putVote(_node(i), VOTE);
        }
        task.putCredit(CREATOR, 21);
        task.putCredit(TREASURY, 22);
        task.putCredit(CRANKER, 23);
        task.put(TASK, _course(ITask.State.Delivering, 1), CREATOR, 1);
        assertEq(task.taskOf(TASK).state, ITask.State.Delivering);
        assertEq(task.creditOf(TREASURY), 22);
    }

    /// @custom:proves A commit is accepted exactly from the key of a node that has a seat and has not committed, in time, and not 0. The
    /// seat then has the next rank and the commitment is kept; the third one opens the reveals. Nothing else changes.
    /// @custom:bound A task that is committing: every order of earlier commits, each seat and a node without one; any caller,
    /// commitment, deadline, escrow, and any time before 2^39.
    function check_aSeatCommitsOnce(
        uint8 order,
        uint8 seat,
        address caller,
        bytes32 commitment,
        uint40 deadline,
        uint40 time,
        uint96 escrow
    ) public {
        seat = _concrete(seat, 4);
        TaskSlot s = _committed(_course(ITask.State.Committing, deadline), _concrete(order, 10));
        _put(s, escrow, time);
        bool may = seat < 3 && caller == _key(seat) && commitment != 0 && s.commitRank(seat) == 0 && time <= deadline;
        bool done = _call(caller, abi.encodeCall(ITask.commit, (_node(seat), TASK, commitment)));
        assertTrue(done == may);
        if (may) {
            s = s.withCommit(seat);
            if (s.commits() == 3) s = s.withState(ITask.State.Revealing).withDeadline(uint256(time) + REVEAL_WINDOW);
        }
        _assertSlot(s);
        assertEq(task.voteOf(_node(seat)), may ? commitment : VOTE);
        _assertHeld(escrow);
        _assertUnpaid();
    }

    /// @custom:proves A reveal is accepted exactly from the key of a node that has a seat, has committed and has not revealed, in time,
    /// with the result and the salt it committed to. Unless it is the last, the seat has the next rank, the result is kept and nothing else
    /// changes; the last one leads to the delivery or the end.
    /// @custom:bound A task whose reveals are open: two who committed, or three, any of them revealed, in seat order; each seat and a node
    /// without one; any caller, result, salt and commitment to a result and a salt, deadline, and any time before 2^39.
    function check_aSeatRevealsOnceWhatItCommittedTo(
        uint8 who,
        uint8 revealed,
        uint8 seat,
        address caller,
        bytes32[2] memory given,
        bytes32[2] memory committed,
        uint40 deadline,
        uint40 time
    ) public {
        seat = _concrete(seat, 4);
        TaskSlot s = _revealing(deadline, who, revealed);
        _put(s, 1 ether, time);
        task.putVote(_node(seat), keccak256(abi.encode(TASK, _key(seat), committed[0], committed[1])));
        bool may = seat < 3 && s.commitRank(seat) != 0 && s.revealRank(seat) == 0 && caller == _key(seat)
            && given[0] == committed[0] && given[1] == committed[1] && time <= deadline;
        bool done = _call(caller, abi.encodeCall(ITask.reveal, (_node(seat), TASK, given[0], given[1])));
        assertTrue(done == may);
        if (!done) return _assertSlot(s);
        s = s.withReveal(seat);
        if (s.reveals() == s.commits()) {
            ITask.State state = task.slotOf(TASK).state();
            return assertTrue(state == ITask.State.Delivering || state == ITask.State.Ended);
        }
        _assertSlot(s);
        assertEq(task.voteOf(_node(seat)), given[0]);
        _assertHeld(1 ether);
        _assertUnpaid();
    }

    /// @custom:proves A commit stage is advanced exactly when it ran out: to the vacancy when somebody committed and a refill is left, to
    /// the reveals when none is left and two committed, else to the end.
    /// @custom:bound Every order of commits, none to two refills used of one; any deadline, and any time before 2^39; one escrow.
    function check_whereACommitStageLeads(uint8 order, uint8 refills, uint40 deadline, uint40 time) public {
        TaskSlot s = _committed(_course(ITask.State.Committing, deadline), _concrete(order, 10));
        s = s.withRefills(_concrete(refills, 3));
        if (!_advance(s, time)) return;
        if (s.commits() != 0 && s.refills() < REFILLS) {
            s = s.withState(ITask.State.Vacant).withVacated(ALL & ~s.committed()).withRefills(s.refills() + 1);
            _assertSlot(s.withDeadline(uint256(time) + VACANCY_WINDOW));
        } else {
            _assertGoneOn(s, time);
        }
    }

    /// @custom:proves A vacancy is advanced exactly when its wait is over: to the reveals when two committed, else to the end.
    /// @custom:bound Every order of one or two commits; any deadline, and any time before 2^39; one escrow.
    function check_whereAVacancyLeads(uint8 order, uint40 deadline, uint40 time) public {
        TaskSlot s = _vacant(deadline, order);
        if (_advance(s, time)) _assertGoneOn(s, time);
    }

    /// @custom:proves A reveal stage is advanced exactly when it ran out: to the delivery by the lowest seat that agrees when two revealed
    /// the same result, else to the end.
    /// @custom:bound Two who committed, or three, in seat order, any of them but all revealed; any results, of an exact kind; any deadline,
    /// and any time before 2^39; one escrow.
    function check_whereARevealStageLeads(
        uint8 who,
        uint8 revealed,
        bytes32[3] memory results,
        uint40 deadline,
        uint40 time
    ) public {
        TaskSlot s = _revealing(deadline, who, revealed);
        _putVotes(results);
        if (!_advance(s, time)) return;
        uint256 first = s.revealed() & 1 != 0 ? 0 : 1;
        uint256 second = s.revealed() & 4 != 0 ? 2 : 1;
        bool agreed = s.reveals() == 2 && results[first] == results[second] && !Verdict.isError(results[first]);
        if (!agreed) return _assertSlot(s.withState(ITask.State.Ended).withDeadline(0));
        s = s.withState(ITask.State.Delivering).withAgreeing(s.revealed()).withDeliverer(first);
        _assertSlot(s.withDeadline(uint256(time) + DELIVER_WINDOW));
    }

    /// @custom:proves A delivery is advanced exactly when its time is over: to the next seat that agrees, or to the end when there is none.
    /// @custom:bound Every pair that agrees and all three, each of them the deliverer; any deadline, and any time before 2^39; one escrow.
    function check_whereADeliveryLeads(uint8 who, uint8 deliverer, bool relayed, uint40 deadline, uint40 time) public {
        TaskSlot s = _agreed(deadline, who, deliverer, relayed);
        if (!_advance(s, time)) return;
        for (uint256 next = s.deliverer() + 1; next < 3; ++next) {
            if ((s.agreeing() >> next) & 1 == 0) continue;
            return _assertSlot(s.withDeliverer(next).withDeadline(uint256(time) + DELIVER_WINDOW));
        }
        _assertSlot(s.withState(ITask.State.Ended));
    }

    /// @custom:proves Seating leads a queued task to the commits, a vacant one back to them, with the nodes that were named; without nodes
    /// the queued one stays as it is, and the vacant one goes on as when it is advanced, without a reward.
    /// @custom:bound A queued task, and a vacant one with one or two commits in every order; any deadline, and any time before 2^39; one kind,
    /// size and escrow.
    function check_whereSeatingLeads(bool vacant, bool found, uint8 order, uint40 deadline, uint40 time) public {
        TaskSlot s = vacant ? _vacant(deadline, order) : _queued(deadline);
        _put(s, 1 ether, time);
        assertTrue(_seat(found, CRANKER) == (vacant || found));
        _assertConserved(1 ether);
        assertEq(task.creditOf(CRANKER), found ? 0.01 ether + 23 : 23);
        if (found) {
            s = s.withState(ITask.State.Committing).withNodes([_node(3), _node(1), _node(2)]).withVacated(0);
            _assertSlot(s.withDeadline(uint256(time) + COMMIT_GRACE + 11));
        } else if (vacant) {
            _assertGoneOn(s, time);
        } else {
            _assertSlot(s);
        }
    }

    /// @custom:halmos --solver-command script/analysis/integers
    /// @custom:proves Whoever advances a stage, and wherever that leads without a settlement of results, and whoever seats a task: what is
    /// held, credited and earned stays the same to the wei, and an ended task holds nothing.
    /// @custom:bound Any escrow of 96 bits; one task for each way; cranked by the creator, the treasury or another; a share of 1 %.
    function check_movingOnConserves(uint8 way, uint8 cranker, uint96 escrow) public {
        way = _concrete(way, 9);
        TaskSlot s;
        if (way < 3) s = _committed(_course(ITask.State.Committing, 5), way * 2).withRefills(way == 2 ? 1 : 0);
        else if (way == 3) s = _vacant(5, 1);
        else if (way < 7) s = _agreed(5, 3, way == 4 ? 0 : 1, way == 6);
        else s = way == 7 ? _queued(5) : _vacant(5, 1);
        _put(s, escrow, 6);
        address payee = [CREATOR, TREASURY, CRANKER][_concrete(cranker, 3)];
        assertTrue(way < 7 ? _call(payee, abi.encodeCall(ITask.advance, TASK)) : _seat(true, payee));
        _assertConserved(escrow);
    }

    /// @custom:halmos --solver-command script/analysis/integers
    /// @custom:proves A reveal stage that ran out conserves what there is, too.
    /// @custom:bound Any escrow of 96 bits; two who committed, or three, in seat order, any of them but all revealed; the results are equal,
    /// differ, or are one error; so at most two are settled; a crank share of 1 %.
    function check_settlingAtTheDeadlineConserves(uint8 who, uint8 revealed, uint8 results, uint96 escrow) public {
        TaskSlot s = _revealing(5, who, revealed);
        _putVotes(_results(_concrete(results, 3)));
        _put(s, escrow, 6);
        assertTrue(_call(CRANKER, abi.encodeCall(ITask.advance, TASK)));
        _assertConserved(escrow);
    }

    /// @custom:proves A delivery is accepted exactly from the key of the deliverer, in time, of content other than 0, of a task without a
    /// relay. It ends the task, and the node has earned what was held.
    /// @custom:bound Every pair that agrees and all three, each of them the deliverer, each seat; any escrow of 96 bits, caller, content,
    /// deadline, and any time before 2^39.
    function check_onlyTheDelivererDelivers(
        uint8 who,
        uint8 deliverer,
        bool relayed,
        uint8 seat,
        address caller,
        bytes32 content,
        uint96 escrow,
        uint40 deadline,
        uint40 time
    ) public {
        seat = _concrete(seat, 4);
        TaskSlot s = _agreed(deadline, who, deliverer, relayed);
        vm.assume(escrow < type(uint96).max - 20);
        _put(s, escrow, time);
        bool may = seat == s.deliverer() && caller == _key(seat) && content != 0 && !relayed && time <= deadline;
        bool done = _call(caller, abi.encodeCall(ITask.deliver, (_node(seat), TASK, content)));
        assertTrue(done == may);
        if (!may) {
            _assertSlot(s);
            return _assertHeld(escrow);
        }
        _assertSlot(s.withState(ITask.State.Ended));
        _assertCleared();
        assertEq(task.earnedBy(_node(seat)), uint256(escrow) + 11 + seat);
    }

    /// @custom:proves A queued task is cancelled exactly by its creator and after its first minute, and expires exactly after its deadline,
    /// whoever calls; the creator is credited the whole escrow.
    /// @custom:bound Any caller, escrow of 96 bits, ticket, time of creation, deadline, and any time before 2^39.
    function check_aQueuedTaskIsTakenBack(
        bool cancel,
        address caller,
        uint96 escrow,
        uint32 ticket,
        uint40 created,
        uint40 deadline,
        uint40 time
    ) public {
        TaskSlot s = _queued(deadline).withTicket(ticket).withCreatedAt(created);
        _put(s, escrow, time);
        bool may = cancel ? caller == CREATOR && time > uint256(created) + 60 : time > deadline;
        bytes memory data = cancel ? abi.encodeCall(ITask.cancel, TASK) : abi.encodeCall(ITask.expire, TASK);
        assertTrue(_call(caller, data) == may);
        if (!may) {
            _assertSlot(s);
            return _assertHeld(escrow);
        }
        NodeId[3] memory nobody;
        _assertSlot(s.withState(ITask.State.Ended).withNodes(nobody));
        _assertCleared();
        assertEq(task.creditOf(CREATOR), uint256(escrow) + 21);
    }

    /// @custom:proves In a state that a call does not serve, it is refused, whoever makes it, and nothing changes: only a queued task is
    /// cancelled, expires or is queued again, only one that is committing or revealing takes commitments or reveals, only a vacant one
    /// is drawn for a refill, only one that is delivering is delivered, none that is queued or ended is advanced.
    /// @custom:bound Every state, also that of no task; any slot otherwise; any caller, escrow, and time; one node, any arguments else, a
    /// signature of one length.
    function check_callsAreRefusedInOtherStates(
        uint8 state,
        uint8 call,
        uint256 word,
        address caller,
        bytes32 a,
        bytes32 b,
        uint96 escrow,
        uint40 time
    ) public {
        state = _concrete(state, 7);
        call = _concrete(call, 9);
        vm.assume((_served(call) >> state) & 1 == 0);
        TaskSlot s = TaskSlot.wrap((word << 8) | state);
        _put(s, escrow, time);
        assertTrue(!_call(caller, _calldata(call, a, b)));
        _assertSlot(s);
        _assertHeld(escrow);
        _assertUnpaid();
    }

    /// @custom:proves No call changes a task that has ended, nor pays anything for it.
    /// @custom:bound Each call that names a task, with the caller its role asks for or any other; any slot and time; escrow 0, as every end
    /// leaves it; nodes are named or not. A task that is created evicts only what the queue names: not here.
    function check_anEndedTaskNeverChanges(
        uint8 call,
        uint256 word,
        address caller,
        bytes32 a,
        bytes32 b,
        bool found,
        uint40 time
    ) public {
        TaskSlot s = TaskSlot.wrap((word << 8) | uint8(ITask.State.Ended));
        partners.name(found, [_node(0), _node(1), _node(2)]);
        task.put(TASK, s, address(0), 0);
        vm.warp(time);
        _call(caller, _calldata(_concrete(call, 10), a, b));
        _assertSlot(s);
        _assertCleared();
        _assertUnpaid();
    }

    /// @dev The states in which a call may be accepted, as a mask.
    function _served(uint256 call) private pure returns (uint256) {
        if (call < 3) return 1 << uint8(ITask.State.Queued);
        if (call == 3) return 1 << uint8(ITask.State.Committing);
        if (call == 4) return 1 << uint8(ITask.State.Revealing);
        if (call < 7) return 1 << uint8(ITask.State.Delivering);
        if (call == 7) return 1 << uint8(ITask.State.Vacant);
        return (1 << uint8(ITask.State.Committing)) | (1 << uint8(ITask.State.Vacant))
            | (1 << uint8(ITask.State.Revealing)) | (1 << uint8(ITask.State.Delivering));
    }

    function _calldata(uint256 call, bytes32 a, bytes32 b) private pure returns (bytes memory) {
        if (call == 0) return abi.encodeCall(ITask.cancel, TASK);
        if (call == 1) return abi.encodeCall(ITask.expire, TASK);
        if (call == 2) return abi.encodeCall(ITask.requeued, (TASK, uint32(uint256(a))));
        if (call == 3) return abi.encodeCall(ITask.commit, (_node(0), TASK, a));
        if (call == 4) return abi.encodeCall(ITask.reveal, (_node(0), TASK, a, b));
        if (call == 5) return abi.encodeCall(ITask.deliver, (_node(0), TASK, a));
        if (call == 6) return abi.encodeCall(ITask.deliverSigned, (_node(0), TASK, a, abi.encode(a, b)));
        if (call == 7) return abi.encodeCall(ITask.refillDrawn, TASK);
        if (call == 8) return abi.encodeCall(ITask.advance, TASK);
        return abi.encodeCall(ITask.seat, (TASK, a, ClassId.wrap(0), ClassId.wrap(0), CRANKER));
    }

    function _put(TaskSlot s, uint96 escrow, uint40 time) private {
        vm.assume(time < 1 << 39);
        vm.warp(time);
        task.put(TASK, s, CREATOR, escrow);
    }

    function _call(address caller, bytes memory data) private returns (bool done) {
        vm.prank(caller);
        (done,) = address(task).call(data);
    }

    /// @dev Advances a task in its state, which must be done exactly when its time is over.
    function _advance(TaskSlot s, uint40 time) private returns (bool done) {
        _put(s, 1 ether, time);
        done = _call(CRANKER, abi.encodeCall(ITask.advance, TASK));
        assertTrue(done == (time > s.deadline()));
        _assertConserved(1 ether);
        if (done) return true;
        _assertSlot(s);
        _assertUnpaid();
    }

    function _seat(bool found, address keeper) private returns (bool) {
        partners.name(found, [_node(3), _node(1), _node(2)]);
        vm.prank(address(partners));
        return task.seat(TASK, 0, ClassId.wrap(0), ClassId.wrap(0), keeper);
    }

    function _putVotes(bytes32[3] memory votes) private {
        for (uint8 i; i < 3; ++i) {
            task.putVote(_node(i), votes[i]);
        }
    }

    /// @dev Equal, all different, one error.
    function _results(uint256 pattern) private view returns (bytes32[3] memory) {
        (bytes32 a, bytes32 b, bytes32 e) = (bytes32(uint256(1)), bytes32(uint256(2)), task.ERROR_PREFIX());
        e = bytes32(uint256(e) | 1);
        if (pattern == 0) return [a, a, a];
        if (pattern == 1) return [a, b, bytes32(uint256(3))];
        return [e, e, e];
    }

    function _node(uint8 seat) private pure returns (NodeId) {
        return NodeId.wrap(31 + seat);
    }

    function _key(uint8 seat) private pure returns (address) {
        return address(uint160(0xa1) + seat);
    }

    function _queued(uint40 deadline) private pure returns (TaskSlot) {
        return TaskSlots.queued(0, 10, 2, ClassId.wrap(5)).withDeadline(deadline);
    }

    /// @dev A task of 10 units with nodes on its three seats.
    function _course(ITask.State state, uint40 deadline) private pure returns (TaskSlot) {
        return _queued(deadline).withState(state).withNodes([_node(0), _node(1), _node(2)]);
    }

    /// @dev None, one or two commits: all ten orders there are.
    function _committed(TaskSlot s, uint8 order) private pure returns (TaskSlot) {
        if (order == 0) return s;
        if (order < 4) return s.withCommit(order - 1);
        uint8 first = (order - 4) / 2;
        return s.withCommit(first).withCommit((first + 1 + order % 2) % 3);
    }

    function _vacant(uint40 deadline, uint8 order) private pure returns (TaskSlot s) {
        s = _committed(_course(ITask.State.Vacant, deadline), 1 + _concrete(order, 9));
        return s.withVacated(ALL & ~s.committed()).withRefills(1);
    }

    /// @dev Each pair of seats, and all three, as a mask.
    function _who(uint8 i) private pure returns (uint256) {
        return [3, 5, 6, 7][_concrete(i, 4)];
    }

    function _revealing(uint40 deadline, uint8 who, uint8 revealed) private pure returns (TaskSlot) {
        uint256 committed = _who(who);
        revealed = _concrete(revealed, 7);
        vm.assume(revealed & ~committed == 0 && revealed != committed);
        return _open(deadline, committed, revealed);
    }

    /// @dev Seats that committed and revealed in their order. A seat that did not commit was vacated.
    function _open(uint40 deadline, uint256 committed, uint256 revealed) private pure returns (TaskSlot s) {
        s = _course(ITask.State.Revealing, deadline).withVacated(ALL & ~committed);
        for (uint256 i; i < 3; ++i) {
            if ((committed >> i) & 1 != 0) s = s.withCommit(i);
            if ((revealed >> i) & 1 != 0) s = s.withReveal(i);
        }
    }

    function _agreed(uint40 deadline, uint8 who, uint8 deliverer, bool relayed) private pure returns (TaskSlot s) {
        uint256 agreeing = _who(who);
        deliverer = _concrete(deliverer, 3);
        vm.assume((agreeing >> deliverer) & 1 == 1);
        s = _course(ITask.State.Delivering, deadline).withAgreeing(agreeing).withDeliverer(deliverer);
        if (relayed) s = s.withRelayed();
    }

    function _assertSlot(TaskSlot expected) private view {
        assertEq(TaskSlot.unwrap(task.slotOf(TASK)), TaskSlot.unwrap(expected));
    }

    function _assertHeld(uint96 escrow) private view {
        (address creator, uint96 held) = task.escrowOf(TASK);
        assertEq(creator, CREATOR);
        assertEq(held, escrow);
    }

    /// @dev Nothing is held, and nobody is named who would get it.
    function _assertCleared() private view {
        (address creator, uint96 held) = task.escrowOf(TASK);
        assertEq(creator, address(0));
        assertEq(held, 0);
    }

    function _assertUnpaid() private view {
        for (uint8 i; i < 4; ++i) {
            assertEq(task.earnedBy(_node(i)), 11 + i);
        }
        assertEq(task.creditOf(CREATOR), 21);
        assertEq(task.creditOf(TREASURY), 22);
        assertEq(task.creditOf(CRANKER), 23);
    }

    /// @dev Two commitments are enough for the reveals, fewer end the task.
    function _assertGoneOn(TaskSlot s, uint40 time) private view {
        bool enough = s.commits() == 2;
        s = s.withState(enough ? ITask.State.Revealing : ITask.State.Ended);
        _assertSlot(s.withDeadline(enough ? uint256(time) + REVEAL_WINDOW : 0));
    }

    /// @dev What is held, credited and earned is what it was; an ended task holds nothing.
    function _assertConserved(uint96 escrow) private view {
        (, uint256 total) = task.escrowOf(TASK);
        for (uint8 i; i < 3; ++i) {
            uint256 credit = task.creditOf([CREATOR, TREASURY, CRANKER][i]);
            assertLe(credit, uint256(escrow) + 23);
            unchecked {
                total += credit + task.earnedBy(_node(i));
            }
        }
        assertEq(total, uint256(escrow) + 11 + 12 + 13 + 21 + 22 + 23);
        if (task.slotOf(TASK).state() == ITask.State.Ended) _assertCleared();
    }
}
