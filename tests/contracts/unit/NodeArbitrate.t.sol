// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {IGNORED} from "../../../contracts/interfaces/IQoS.sol";
import {NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {NotAllowed} from "../../../contracts/types/Wiring.sol";
import {Cases} from "../Cases.sol";
import {Vm} from "forge-std/Vm.sol";

contract NodeArbitrateTest is Cases {
    function setUp() public override {
        super.setUp();
        _joinMany(3);
    }

    function testFuzz_refusesEverybodyButTheOwner(address caller, uint8 ruling) public {
        vm.assume(caller != owner);
        Case memory c = _openAppealedCase();
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(NotAllowed.selector, caller, owner));
        node.arbitrate(c.alone, c.task, INode.Ruling(ruling % 3));
    }

    function test_refusesANodeThatIsNotFrozen() public {
        bytes memory arguments = abi.encode(TaskId.wrap(1), INode.Ruling.Guilty);
        _assertRefusedUnlessFrozen(owner, INode.arbitrate.selector, arguments);
    }

    function testFuzz_refusesWhatNobodyAppealedFor(uint8 ruling, uint32 later) public {
        Case memory c = _openCase();
        vm.warp(block.timestamp + later);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(INode.NotAppealed.selector, c.alone));
        node.arbitrate(c.alone, c.task, INode.Ruling(ruling % 3));
    }

    function testFuzz_refusesWhenTheTimeIsOver(uint8 ruling, uint32 later) public {
        Case memory c = _openAppealedCase();
        uint256 until = block.timestamp + ARBITRATION;
        vm.warp(until + 1 + later);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(INode.CaseOver.selector, c.alone, until));
        node.arbitrate(c.alone, c.task, INode.Ruling(ruling % 3));
    }

    function testFuzz_refusesARulingThatDoesNotExist(uint8 ruling) public {
        Case memory c = _openAppealedCase();
        bytes memory input = abi.encodeWithSelector(INode.arbitrate.selector, c.alone, c.task, bound(ruling, 3, 255));
        vm.prank(owner);
        (bool ok,) = address(node).call(input);
        assertFalse(ok);
        assertEq(_status(c.alone), INode.Status.Frozen);
    }

    /// @dev A decision that waited in the timelock beyond its case does not decide the node's next one.
    function testFuzz_refusesTheTaskOfAnotherCase(uint40 other, uint8 ruling) public {
        Case memory c = _openAppealedCase();
        vm.assume(TaskId.wrap(other) != c.task);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(INode.OtherCase.selector, c.alone, c.task, other));
        node.arbitrate(c.alone, TaskId.wrap(other), INode.Ruling(ruling % 3));
    }

    function testFuzz_guiltyIsSlashed(uint32 waited) public {
        Case memory c = _openAppealedCase();
        vm.warp(block.timestamp + bound(waited, 0, ARBITRATION));
        vm.expectEmit(address(node));
        emit INode.CaseDecided(c.alone, c.task, INode.Ruling.Guilty);
        vm.expectEmit(address(node));
        emit INode.StatusChanged(c.alone, INode.Status.Slashed);
        vm.expectEmit(address(node));
        emit INode.Slashed(c.alone, c.task, STAKE);
        _rule(c.alone, INode.Ruling.Guilty);
        assertEq(node.nodeOf(c.alone).stake, 0);
        assertEq(node.slashed(), STAKE);
        _assertTheOthersAreFree(c);
        assertEq(abi.encode(node.counts()), abi.encode(INode.Counts(2, 2, 2, 0)));
        _assertBooks();
    }

    function testFuzz_innocentIsReleased(uint32 waited) public {
        Case memory c = _openAppealedCase();
        vm.warp(block.timestamp + bound(waited, 0, ARBITRATION));
        vm.expectEmit(address(node));
        emit INode.CaseDecided(c.alone, c.task, INode.Ruling.Innocent);
        vm.expectEmit(address(node));
        emit INode.StatusChanged(c.alone, INode.Status.Paused);
        _rule(c.alone, INode.Ruling.Innocent);
        assertEq(node.nodeOf(c.alone).stake, STAKE);
        assertEq(node.slashed(), 0);
        _assertTheOthersAreFree(c);
        assertEq(abi.encode(node.counts()), abi.encode(INode.Counts(3, 2, 2, 0)));
        _assertBooks();
    }

    function testFuzz_aRulingIsFinal(uint8 first, uint8 second) public {
        Case memory c = _openAppealedCase();
        _rule(c.alone, INode.Ruling(first % 3));
        vm.startPrank(owner);
        vm.expectRevert(abi.encodeWithSelector(INode.WrongStatus.selector, c.alone, _status(c.alone)));
        node.arbitrate(c.alone, c.task, INode.Ruling(second % 3));
    }

    /// @dev Released means whole: it works again, or leaves with its stake.
    function test_theInnocentMayWorkOrLeave() public {
        NodeId id = _openAppealedCase().alone;
        _rule(id, INode.Ruling.Innocent);
        _resume(id);
        _quit(id);
        vm.warp(block.timestamp + UNBONDING);
        _withdraw(id);
        assertEq(node.operatorOf(id).balance, STAKE);
        _assertBooks();
    }

    function _assertTheOthersAreFree(Case memory c) private view {
        for (uint256 i; i < 2; ++i) {
            assertEq(_status(c.agreed[i]), INode.Status.Free);
            assertEq(node.caseOf(c.agreed[i]).until, 0);
        }
    }
}

/// @notice Framed: the two others are frozen wherever they stand, and nothing they do in the meantime helps them.
contract NodeArbitrateFramedTest is Cases {
    Case private c;
    NodeId private a;
    NodeId private b;
    /// When a node quit that was frozen while it unbonded.
    mapping(NodeId => uint40) private quitAt;

    /// @dev Four nodes: one stands alone against `a` and `b`, so these and a fourth are free.
    function setUp() public override {
        super.setUp();
        _joinMany(4);
        c = _openAppealedCase();
        (a, b) = (c.agreed[0], c.agreed[1]);
    }

    function test_freesTheOneAndFreezesTheTwo() public {
        uint40 until = uint40(block.timestamp + APPEAL);
        NodeId[2] memory nobody;
        vm.expectEmit(address(node));
        emit INode.CaseDecided(c.alone, c.task, INode.Ruling.Framed);
        vm.expectEmit(address(node));
        emit INode.StatusChanged(c.alone, INode.Status.Paused);
        for (uint256 i; i < 2; ++i) {
            vm.expectEmit(address(node));
            emit INode.StatusChanged(c.agreed[i], INode.Status.Frozen);
            vm.expectEmit(address(node));
            emit INode.CaseOpened(c.agreed[i], c.task, until, nobody);
        }
        _rule(c.alone, INode.Ruling.Framed);
        for (uint256 i; i < 2; ++i) {
            INode.NodeView memory n = node.nodeOf(c.agreed[i]);
            assertEq(
                abi.encode(node.caseOf(c.agreed[i])),
                abi.encode(INode.Case(c.task, until, ARBITRATION, false, 0, nobody))
            );
            assertEq(n.since, block.timestamp);
            assertEq(n.stake, STAKE, "nothing is taken yet");
            assertFalse(n.inSets);
        }
        assertEq(abi.encode(node.counts()), abi.encode(INode.Counts(4, 1, 1, 0)));
        assertEq(node.capacity().free[9], 1);
        _assertBooks();
    }

    /// @dev Unappealed, the two lose their stakes to the treasury like anybody else; the one they framed gets none of it.
    function test_theTwoAreSlashedUnlessTheyAppeal() public {
        _rule(c.alone, INode.Ruling.Framed);
        vm.warp(block.timestamp + APPEAL + 1);
        node.slash(a);
        node.slash(b);
        node.withdrawSlashed();
        assertEq(treasury.balance, 2 * STAKE);
        assertEq(node.nodeOf(c.alone).stake, STAKE);
        assertEq(abi.encode(node.counts()), abi.encode(INode.Counts(2, 1, 1, 0)));
        _assertBooks();
    }

    /// @dev An accusation is not a vote: "framed" for an accused freezes nobody.
    function test_framedForAnAccusedFreezesNobody() public {
        _rule(c.alone, INode.Ruling.Framed);
        node.appeal(a, EVIDENCE);
        _rule(a, INode.Ruling.Framed);
        assertEq(_status(a), INode.Status.Paused);
        assertEq(_status(b), INode.Status.Frozen);
        assertEq(_status(c.alone), INode.Status.Paused);
        assertEq(abi.encode(node.counts()), abi.encode(INode.Counts(4, 1, 1, 0)));
        _assertBooks();
    }

    function test_freezesThePausedTheSuspendedAndTheUnbonding() public {
        INode.Status[3] memory statuses = [INode.Status.Paused, INode.Status.Suspended, INode.Status.Unbonding];
        uint256 start = vm.snapshotState();
        for (uint256 i; i < 3; ++i) {
            if (statuses[i] == INode.Status.Paused) _pause(a);
            if (statuses[i] == INode.Status.Suspended) _suspend(a);
            if (statuses[i] == INode.Status.Unbonding) _quitAtOnce(a);
            vm.warp(block.timestamp + 1 hours);
            assertEq(_status(a), statuses[i]);
            INode.Counts memory counts = node.counts();
            _rule(c.alone, INode.Ruling.Framed);
            _assertFrozenForThis(a);
            assertEq(node.counts().active, counts.active - 1, "only the other was active");
            assertEq(node.counts().free, counts.free - 1);
            _assertBooks();
            vm.revertToState(start);
        }
    }

    /// @dev Whoever quits at once still unbonds when the last ruling is possible, and then not even the time of unbonding
    /// that is over lets it go.
    function testFuzz_freezesTheUnbondingUpToTheLastSecond(uint32 waited) public {
        _quitAtOnce(a);
        uint256 last = node.caseOf(c.alone).until;
        vm.warp(bound(waited, block.timestamp, last));
        _rule(c.alone, INode.Ruling.Framed);
        _assertFrozenForThis(a);
        vm.warp(block.timestamp + UNBONDING);
        _asOperator(a);
        vm.expectRevert(abi.encodeWithSelector(INode.WrongStatus.selector, a, INode.Status.Frozen));
        node.withdraw(a);
        _assertBooks();
    }

    /// @dev Nobody who agreed is gone before a ruling on the first case, so the slot is written by the test. A case that
    /// follows another as an accusation may come too late (KI-12).
    function test_leavesWhoIsGoneAlone() public {
        _quit(a);
        _write(a, INode.Status.Unbonding, INode.Status.Gone);
        _ruleUnnoticedBy(a);
        assertEq(_status(a), INode.Status.Gone);
        assertEq(node.caseOf(a).until, 0);
        _assertFrozenForThis(b);
    }

    /// @dev A node that waits on the list for the sets to open is in no set: it is frozen at once, and the list passes it
    /// over.
    function test_freezesWhoWaitsForTheSetsToOpen() public {
        _pause(a);
        _join(5, CLASS, 24);
        _closeSets();
        _resume(a);
        assertEq(_status(a), INode.Status.Free);
        assertFalse(node.nodeOf(a).inSets);
        _rule(c.alone, INode.Ruling.Framed);
        _assertFrozenForThis(a);
        _assertBooks();
        queue.dispatch(1);
        assertEq(node.deferred(), 0);
        _assertFrozenForThis(a);
        _assertBooks();
    }

    /// @dev While a draw waits to be seated the sets do not change, not even for a freeze: who is chosen then is frozen
    /// after that task, who is not is frozen when the sets open.
    function testFuzz_freezesWhoIsInTheSetsWhenTheyOpen(bytes32 blockHash) public {
        for (uint256 i = 5; i <= 7; ++i) {
            _join(i, CLASS, 24);
        }
        TaskId t = _closeSets();
        vm.setBlockhash(block.number - 1, blockHash);
        INode.Counts memory counts = node.counts();
        _expectIntent(a);
        _expectIntent(b);
        _rule(c.alone, INode.Ruling.Framed);
        for (uint256 i; i < 2; ++i) {
            _assertCannotEscape(c.agreed[i], INode.Status.Free);
            assertTrue(node.nodeOf(c.agreed[i]).inSets);
        }
        assertEq(abi.encode(node.counts()), abi.encode(counts));
        queue.dispatch(1);
        for (uint256 i; i < 2; ++i) {
            if (_sits(t, c.agreed[i])) _assertCannotEscape(c.agreed[i], INode.Status.Busy);
            else _assertFrozenForThis(c.agreed[i]);
        }
        _assertBooks();
        vm.warp(block.timestamp + 1 minutes);
        _vote(t, [ANSWER, ANSWER, ANSWER]);
        _assertFrozenForThis(a);
        _assertFrozenForThis(b);
        assertEq(abi.encode(node.counts()), abi.encode(INode.Counts(7, 4, 4, 0)));
        _assertBooks();
    }

    /// @dev A node with a change of its own pending in the closed sets gets no second entry on the list.
    function test_replacesWhatItsOperatorAskedForInTheClosedSets() public {
        for (uint256 i = 5; i <= 7; ++i) {
            _join(i, CLASS, 24);
        }
        TaskId t = _closeSets();
        _pause(a);
        _quit(b);
        assertEq(node.deferred(), 2);
        _rule(c.alone, INode.Ruling.Framed);
        assertEq(node.deferred(), 2);
        queue.dispatch(1);
        assertEq(node.deferred(), 0);
        for (uint256 i; i < 2; ++i) {
            if (_sits(t, c.agreed[i])) _assertCannotEscape(c.agreed[i], INode.Status.Busy);
            else _assertFrozenForThis(c.agreed[i]);
        }
        _vote(t, [ANSWER, ANSWER, ANSWER]);
        _assertFrozenForThis(a);
        _assertFrozenForThis(b);
        _assertBooks();
    }

    /// @dev Between the end of a round and its turn on the list a node may be chosen again: the freeze outlasts that, and
    /// anybody can put an end to the wait of who was not.
    function test_aFreezeThatWaitsOnTheListOutlastsAnotherSeat() public {
        _growTheList();
        uint256 start = vm.snapshotState();
        bool busy;
        for (uint256 i; !busy; ++i) {
            vm.revertToState(start);
            busy = _seatOnceWithoutAndOnceWith(a, b, keccak256(abi.encode("list", i)));
        }
        _assertCannotEscape(a, INode.Status.Busy);
        node.absorb(100);
        assertEq(node.deferred(), 0);
        _assertCannotEscape(a, INode.Status.Busy);
        _assertFrozenForThis(b);
        _assertBooks();
        _vote(task.lastTask(), [ANSWER, ANSWER, ANSWER]);
        _assertFrozenForThis(a);
        _assertBooks();
    }

    /// @dev A seat is kept to its end, with or without a pause or a quit pending; then the freeze comes before all else.
    function testFuzz_freezesTheBusyWhenTheirSeatsEnd(bool pauseFirst, bool quitFirst, uint8 outcome) public {
        TaskId t = _seated();
        if (pauseFirst) _pause(a);
        if (quitFirst) _quit(b);
        _expectIntent(a);
        _expectIntent(b);
        _rule(c.alone, INode.Ruling.Framed);
        assertEq(abi.encode(node.counts()), abi.encode(INode.Counts(4, 3, 0, 3)));
        _assertCannotEscape(a, INode.Status.Busy);
        _assertCannotEscape(b, INode.Status.Busy);
        vm.warp(block.timestamp + 10 seconds);
        _end(t, outcome % 5);
        _assertFrozenForThis(a);
        _assertFrozenForThis(b);
        assertEq(node.caseOf(a).until, block.timestamp + APPEAL, "its time to appeal begins with the freeze");
        assertEq(abi.encode(node.counts()), abi.encode(INode.Counts(4, 1, 1, 0)));
        _assertBooks();
    }

    /// @dev A third miss in a row would suspend it, a low score would kick it out: it is frozen instead.
    function test_neitherASuspensionNorAKickComesBeforeTheFreeze() public {
        for (uint256 i; i < 2; ++i) {
            _serveWithout(_seated(), a);
        }
        TaskId t = _seated();
        while (qos.recordOf(b).score >= 200) {
            _fail(b);
        }
        _rule(c.alone, INode.Ruling.Framed);
        for (uint256 seat; seat < 3; ++seat) {
            if (_nodeAt(t, seat) != a) _commit(t, seat, _nodeAt(t, seat) == b ? _error(1) : ANSWER);
        }
        _pastDeadline(t);
        task.advance(t);
        for (uint256 seat; seat < 3; ++seat) {
            if (_nodeAt(t, seat) != a) _reveal(t, seat, _nodeAt(t, seat) == b ? _error(1) : ANSWER);
        }
        assertEq(qos.recordOf(a).misses, 0, "the third in a row");
        _assertFrozenForThis(a);
        _assertFrozenForThis(b);
        _assertBooks();
    }

    /// @dev A node to be frozen for this cannot shed the case for one of its own making, by standing alone in the seat it
    /// holds.
    function test_keepsTheOlderCaseOfWhoStandsAloneMeanwhile() public {
        TaskId t = _seated();
        _rule(c.alone, INode.Ruling.Framed);
        _voteAgainst(t, a);
        _assertFrozenForThis(a);
        _assertFrozenForThis(b);
        _assertBooks();
    }

    /// @dev A node that is frozen already keeps its own case, and answers for this one after it: see `NodeAccusations`.
    function test_leavesAFrozenNodeToItsOwnCase() public {
        _standAlone(a);
        bytes memory own = abi.encode(node.nodeOf(a), node.caseOf(a));
        vm.warp(block.timestamp + 1 hours);
        _rule(c.alone, INode.Ruling.Framed);
        assertEq(abi.encode(node.nodeOf(a), node.caseOf(a)), own);
        assertEq(node.accusationsOf(a).length, 1);
        _assertFrozenForThis(b);
        _assertBooks();
    }

    function test_leavesASlashedNodeAlone() public {
        _standAlone(a);
        vm.warp(block.timestamp + APPEAL + 1);
        node.slash(a);
        bytes memory own = abi.encode(node.caseOf(a));
        _ruleUnnoticedBy(a);
        assertEq(_status(a), INode.Status.Slashed);
        assertEq(abi.encode(node.caseOf(a)), own);
        _assertFrozenForThis(b);
        _assertBooks();
    }

    /// @dev Six nodes in the sets, a draw that waits, and the freezes of `a` and `b` behind thirty others on the list.
    function _growTheList() private {
        for (uint256 i = 5; i <= 37; ++i) {
            _join(i, CLASS, 24);
            if (i > 7) _pause(NodeId.wrap(uint32(i)));
        }
        _closeSets();
        for (uint32 i = 8; i <= 37; ++i) {
            _resume(NodeId.wrap(i));
        }
        _rule(c.alone, INode.Ruling.Framed);
        assertEq(node.deferred(), 32);
    }

    /// @dev Seats the round that waits and one more.
    /// @return Whether neither `one` nor `other` was chosen the first time, and only `one` the second.
    function _seatOnceWithoutAndOnceWith(NodeId one, NodeId other, bytes32 hash) private returns (bool) {
        vm.setBlockhash(block.number - 1, hash);
        queue.dispatch(1);
        if (_status(one) == INode.Status.Busy || _status(other) == INode.Status.Busy) return false;
        _assertCannotEscape(one, INode.Status.Free);
        assertFalse(node.setsClosed(), "not even while the sets are open");
        _create(GPT, FEE, 100);
        queue.dispatch(1);
        _nextBlock();
        vm.setBlockhash(block.number - 1, hash);
        queue.dispatch(1);
        return _status(one) == INode.Status.Busy && _status(other) == INode.Status.Free;
    }

    /// @dev A free node quits and unbonds from now on.
    function _quitAtOnce(NodeId id) private {
        _quit(id);
        quitAt[id] = uint40(block.timestamp);
    }

    function _standAlone(NodeId id) private {
        _voteAgainst(_seated(), id);
        assertEq(_status(id), INode.Status.Frozen);
    }

    /// @dev Five ways in which a task ends without freezing anybody for its result.
    function _end(TaskId t, uint256 outcome) private {
        if (outcome == 0) return _vote(t, [ANSWER, ANSWER, ANSWER]);
        if (outcome == 1) return _vote(t, [ANSWER, WRONG, _error(1)]);
        if (outcome == 2) return _vote(t, [_error(1), _error(1), _error(1)]);
        if (outcome == 3) return _serveWithout(t, a);
        _pastDeadline(t);
        task.advance(t);
    }

    function _fail(NodeId id) private {
        vm.prank(address(task));
        qos.record([id, NodeId.wrap(0), NodeId.wrap(0)], [0, IGNORED, IGNORED]);
    }

    function _expectIntent(NodeId id) private {
        vm.expectEmit(address(node));
        emit INode.IntentChanged(id, INode.Intent.Freeze);
    }

    function _assertCannotEscape(NodeId id, INode.Status status) private {
        bytes memory before = abi.encode(node.nodeOf(id));
        bytes memory reason = abi.encodeWithSelector(INode.FreezePending.selector, id);
        assertEq(_status(id), status);
        assertEq(node.nodeOf(id).intent, INode.Intent.Freeze);
        vm.startPrank(node.operatorOf(id));
        vm.expectRevert(reason);
        node.pause(id);
        vm.expectRevert(reason);
        node.quit(id);
        vm.expectRevert(reason);
        node.resume(id);
        vm.expectRevert(abi.encodeWithSelector(INode.WrongStatus.selector, id, status));
        node.withdraw(id);
        vm.stopPrank();
        assertEq(abi.encode(node.nodeOf(id)), before);
    }

    function _assertFrozenForThis(NodeId id) private view {
        INode.NodeView memory n = node.nodeOf(id);
        assertEq(n.status, INode.Status.Frozen);
        assertEq(n.intent, INode.Intent.None);
        assertFalse(n.inSets);
        NodeId[2] memory nobody;
        INode.Case memory want = INode.Case(c.task, uint40(n.since + APPEAL), ARBITRATION, false, quitAt[id], nobody);
        assertEq(abi.encode(node.caseOf(id)), abi.encode(want));
    }

    /// @dev Writes another status over that of a node.
    function _write(NodeId id, INode.Status old, INode.Status status) private {
        vm.record();
        node.nodeOf(id);
        (bytes32[] memory reads,) = vm.accesses(address(node));
        uint256 mask = (uint256(uint80(uint160(node.operatorOf(id)))) << 168) | uint8(old);
        for (uint256 i; i < reads.length; ++i) {
            uint256 word = uint256(vm.load(address(node), reads[i]));
            if (word & (uint256(type(uint80).max) << 168 | 0xff) != mask) continue;
            vm.store(address(node), reads[i], bytes32((word & ~uint256(0xff)) | uint8(status)));
        }
        assertEq(_status(id), status);
    }

    /// @dev The ruling says nothing about `id`.
    function _ruleUnnoticedBy(NodeId id) private {
        vm.recordLogs();
        _rule(c.alone, INode.Ruling.Framed);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            assertTrue(uint256(logs[i].topics[1]) != NodeId.unwrap(id));
        }
    }

    function _sits(TaskId t, NodeId id) private view returns (bool) {
        NodeId[3] memory nodes = task.taskOf(t).nodes;
        return nodes[0] == id || nodes[1] == id || nodes[2] == id;
    }
}
