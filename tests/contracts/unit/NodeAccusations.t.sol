// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Cases} from "../Cases.sol";
import {Vm} from "forge-std/Vm.sol";

/// @notice Two nodes, `a` and `b`, who agreed against one more in each of several tasks that were appealed.
abstract contract Accusations is Cases {
    /// @custom:value Innocent The owner finds the node innocent.
    /// @custom:value Framed The owner finds that the others framed it.
    /// @custom:value Thaw The owner does not decide in time.
    enum Way {
        Innocent,
        Framed,
        Thaw
    }

    NodeId internal a;
    NodeId internal b;
    NodeId[2] internal nobody;
    uint256 internal joined = 3;

    function setUp() public virtual override {
        super.setUp();
        _joinMany(3);
    }

    /// @dev `n` appealed cases, all against a node of their own that stood alone against `a` and `b`.
    function _appealedCases(uint256 n) internal returns (Case[] memory cases) {
        cases = new Case[](n);
        cases[0] = _openAppealedCase();
        (a, b) = (cases[0].agreed[0], cases[0].agreed[1]);
        for (uint256 i = 1; i < n; ++i) {
            NodeId alone = _newcomer();
            TaskId t = _seated();
            _voteAgainst(t, alone);
            node.appeal(alone, EVIDENCE);
            cases[i] = Case(t, alone, [a, b]);
        }
    }

    /// @dev One more free node: with `a` and `b` there are three.
    function _newcomer() internal returns (NodeId) {
        return _join(++joined, CLASS, 24);
    }

    /// @dev The owner finds that `a` and `b` framed the others.
    function _framed(Case[] memory cases) internal {
        for (uint256 i; i < cases.length; ++i) {
            _rule(cases[i].alone, INode.Ruling.Framed);
        }
    }

    /// @dev Appeals for `id`, and comes to the moment when it can be released in this way.
    function _appealFor(NodeId id, Way way) internal {
        node.appeal(id, EVIDENCE);
        if (way == Way.Thaw) vm.warp(uint256(node.caseOf(id).until) + 1);
    }

    function _release(NodeId id, Way way) internal {
        if (way == Way.Thaw) node.thaw(id);
        else _rule(id, way == Way.Framed ? INode.Ruling.Framed : INode.Ruling.Innocent);
    }

    function _acquit(NodeId id, Way way) internal {
        _appealFor(id, way);
        _release(id, way);
    }

    /// @dev `id` was frozen just now, as one of those who framed somebody in `t`.
    function _assertFrozenFor(NodeId id, TaskId t, uint40 quitAt) internal view {
        _assertFrozenFor(id, t, quitAt, nobody);
    }

    /// @dev `id` was frozen just now.
    function _assertFrozenFor(NodeId id, TaskId t, uint40 quitAt, NodeId[2] memory accused) internal view {
        INode.NodeView memory n = node.nodeOf(id);
        assertEq(n.status, INode.Status.Frozen);
        assertEq(n.intent, INode.Intent.None);
        assertEq(n.since, block.timestamp);
        assertEq(n.stake, STAKE, "nothing is taken");
        assertFalse(n.inSets);
        uint40 until = uint40(block.timestamp + APPEAL);
        INode.Case memory want = INode.Case(t, until, ARBITRATION, false, quitAt, accused);
        assertEq(abi.encode(node.caseOf(id)), abi.encode(want));
        _assertBooks();
    }

    /// @dev The first `n` of these cases but the very first, in their order.
    function _assertAccusations(NodeId id, Case[] memory cases, uint256 n) internal view {
        INode.Case[] memory want = new INode.Case[](n);
        for (uint256 i; i < n; ++i) {
            want[i].task = cases[1 + i].task;
        }
        assertEq(abi.encode(node.accusationsOf(id)), abi.encode(want));
    }

    /// @dev Those who served `t` with `id`, in the order of their seats.
    function _others(TaskId t, NodeId id) internal view returns (NodeId[2] memory) {
        uint256 seat;
        while (_nodeAt(t, seat) != id) ++seat;
        return [_nodeAt(t, (seat + 1) % 3), _nodeAt(t, (seat + 2) % 3)];
    }
}

/// @notice Who has a case, or is to be frozen for one, answers for what else it is accused of after that.
contract NodeAccusationsTest is Accusations {
    function test_nobodyIsAccusedAtFirst() public {
        NodeId id = _openAppealedCase().alone;
        assertEq(node.accusationsOf(id).length, 0, "a case is no accusation");
        assertEq(node.accusationsOf(NodeId.wrap(99)).length, 0);
    }

    /// @dev The first case is kept, with its time; the second is noted.
    function testFuzz_aFrozenNodeIsAccusedOfTheNext(bool appealed, uint32 waited) public {
        Case[] memory cases = _appealedCases(2);
        _rule(cases[0].alone, INode.Ruling.Framed);
        if (appealed) node.appeal(a, EVIDENCE);
        INode.Case memory next = node.caseOf(cases[1].alone);
        vm.warp(bound(waited, block.timestamp, next.until));
        bytes memory before = abi.encode(node.nodeOf(a), node.caseOf(a), node.nodeOf(b), node.caseOf(b));
        for (uint256 i; i < 2; ++i) {
            assertTrue(next.accused[i] == a || next.accused[i] == b);
            vm.expectEmit(address(node));
            emit INode.Accused(next.accused[i], cases[1].task, nobody);
        }
        _rule(cases[1].alone, INode.Ruling.Framed);
        assertEq(abi.encode(node.nodeOf(a), node.caseOf(a), node.nodeOf(b), node.caseOf(b)), before);
        _assertAccusations(a, cases, 1);
        _assertAccusations(b, cases, 1);
        _assertBooks();
    }

    /// @dev It was outvoted itself before.
    function testFuzz_aNodeWithACaseOfItsOwnIsAccusedToo(uint8 choice) public {
        Way way = Way(choice % 3);
        Case[] memory cases = _appealedCases(1);
        NodeId other = _newcomer();
        TaskId own = _seated();
        _voteAgainst(own, a);
        bytes memory before = abi.encode(node.caseOf(a));
        _rule(cases[0].alone, INode.Ruling.Framed);
        assertEq(abi.encode(node.caseOf(a)), before);
        assertEq(node.accusationsOf(a)[0].task, cases[0].task);
        _assertFrozenFor(b, cases[0].task, 0);
        assertEq(node.accusationsOf(b).length, 0);
        _acquit(a, way);
        _assertFrozenFor(a, cases[0].task, 0);
        assertEq(node.accusationsOf(a).length, 0);
        assertEq(_status(other), way == Way.Framed ? INode.Status.Frozen : INode.Status.Free);
        if (way != Way.Framed) return;
        // Those who framed it are accused of that, though it is frozen again itself.
        assertEq(node.caseOf(other).task, own);
        assertEq(node.accusationsOf(b)[0].task, own);
    }

    /// @dev In a seat that it keeps to its end, or in closed sets.
    function testFuzz_aNodeToBeFrozenIsAccusedOfTheNext(bool busy) public {
        Case[] memory cases = _appealedCases(3);
        _newcomer();
        TaskId t = busy ? _seated() : _closeSets();
        _rule(cases[0].alone, INode.Ruling.Framed);
        assertEq(node.accusationsOf(a).length, 0, "that is its case");
        vm.expectEmit(address(node));
        emit INode.Accused(a, cases[1].task, nobody);
        _rule(cases[1].alone, INode.Ruling.Framed);
        if (!busy) queue.dispatch(1);
        _rule(cases[2].alone, INode.Ruling.Framed);
        assertEq(_status(a), INode.Status.Busy);
        assertEq(node.nodeOf(a).intent, INode.Intent.Freeze);
        assertEq(node.caseOf(a).task, cases[0].task);
        _assertAccusations(a, cases, 2);
        _assertAccusations(b, cases, 2);
        _vote(t, [ANSWER, ANSWER, ANSWER]);
        _assertFrozenFor(a, cases[0].task, 0);
        _assertFrozenFor(b, cases[0].task, 0);
        _assertAccusations(a, cases, 2);
    }

    /// @dev A seat's end does not shed the older case, and the task that was lost in it is not forgotten: with those who
    /// agreed against the node, for it may be they who framed it.
    function testFuzz_whoStandsAloneBeforeItsFreezeIsAccusedOfThat(uint8 choice, uint8 next) public {
        Case[] memory cases = _appealedCases(1);
        NodeId other = _newcomer();
        TaskId t = _seated();
        NodeId[2] memory others = _others(t, a);
        _rule(cases[0].alone, INode.Ruling.Framed);
        vm.recordLogs();
        _voteAgainst(t, a);
        _assertAccused(a, t, others);
        _assertFrozenFor(a, cases[0].task, 0);
        assertEq(node.accusationsOf(a).length, 1);
        assertEq(abi.encode(node.accusationsOf(a)[0]), abi.encode(INode.Case(t, 0, 0, false, 0, others)));
        assertEq(node.accusationsOf(b).length, 0);
        _acquit(a, Way(choice % 3));
        _assertFrozenFor(a, t, 0, others);
        assertEq(_status(other), INode.Status.Free);
        _acquit(a, Way(next % 3));
        assertEq(_status(a), INode.Status.Paused);
        bool framed = Way(next % 3) == Way.Framed;
        assertEq(_status(other), framed ? INode.Status.Frozen : INode.Status.Free);
        assertEq(node.accusationsOf(b).length, framed ? 1 : 0);
        _assertBooks();
    }

    /// @dev As often as it is released it is frozen for the next, the last one first, until there is none. Each has the whole
    /// time to appeal and to decide.
    function testFuzz_answersForOneAfterTheOther(uint8[4] memory ways, uint8 number) public {
        uint256 n = 1 + number % 4;
        Case[] memory cases = _appealedCases(n);
        _framed(cases);
        for (uint256 left = n; left != 0; --left) {
            Way way = Way(ways[left - 1] % 3);
            _appealFor(a, way);
            if (left == 1) break;
            _assertAccusations(a, cases, left - 1);
            vm.expectEmit(address(node));
            emit INode.StatusChanged(a, INode.Status.Frozen);
            vm.expectEmit(address(node));
            emit INode.CaseOpened(a, cases[left - 1].task, uint40(block.timestamp + APPEAL), nobody);
            _release(a, way);
            _assertFrozenFor(a, cases[left - 1].task, 0);
            _assertAccusations(a, cases, left - 2);
        }
        vm.expectEmit(address(node));
        emit INode.StatusChanged(a, INode.Status.Paused);
        _release(a, Way(ways[0] % 3));
        assertEq(_status(a), INode.Status.Paused);
        assertEq(node.nodeOf(a).stake, STAKE);
        _resume(a);
        _assertBooks();
    }

    /// @dev The rules in force when the node is frozen for it hold for the next case as for any other.
    function test_theNextCaseHasTheTimesOfItsOwnFreeze() public {
        _framed(_appealedCases(2));
        vm.prank(owner);
        node.setRules(INode.Rules(0, 0, 3 days, 3 days));
        _acquit(a, Way.Innocent);
        assertEq(node.caseOf(a).until, block.timestamp + 3 days);
        assertEq(node.caseOf(a).arbitrationSeconds, 3 days);
    }

    /// @dev Nor is a decision of the last case one of this.
    function testFuzz_aLateDecisionDoesNotMeanTheNextCase(uint8 ruling) public {
        Case[] memory cases = _appealedCases(2);
        _framed(cases);
        _acquit(a, Way.Thaw);
        node.appeal(a, EVIDENCE);
        bytes memory reason = abi.encodeWithSelector(INode.OtherCase.selector, a, cases[1].task, cases[0].task);
        vm.prank(owner);
        vm.expectRevert(reason);
        node.arbitrate(a, cases[0].task, INode.Ruling(ruling % 3));
        _rule(a, INode.Ruling.Innocent);
        assertEq(_status(a), INode.Status.Paused);
    }

    /// @dev Guilty of one thing is enough: the whole stake goes once, whatever else it is accused of, then or later.
    function testFuzz_aSlashedNodesAccusationsChangeNothing(bool decided, uint8 acquitted) public {
        Case[] memory cases = _appealedCases(4);
        for (uint256 i; i < 3; ++i) {
            _rule(cases[i].alone, INode.Ruling.Framed);
        }
        uint256 n = acquitted % 3;
        for (uint256 i; i < n; ++i) {
            _acquit(a, Way.Innocent);
        }
        if (decided) {
            node.appeal(a, EVIDENCE);
            _rule(a, INode.Ruling.Guilty);
        } else {
            vm.warp(uint256(node.caseOf(a).until) + 1);
            node.slash(a);
        }
        vm.recordLogs();
        _rule(cases[3].alone, INode.Ruling.Framed);
        assertEq(_accusedIn(vm.getRecordedLogs(), a), 0, "it has lost all it had");
        assertEq(_status(a), INode.Status.Slashed);
        assertEq(node.nodeOf(a).stake, 0);
        assertEq(node.slashed(), STAKE);
        _assertAccusations(a, cases, 2 - n);
        _assertNothingMoves(a);
        _assertBooks();
    }

    function _assertNothingMoves(NodeId id) private {
        bytes memory reason = abi.encodeWithSelector(INode.WrongStatus.selector, id, INode.Status.Slashed);
        vm.expectRevert(reason);
        node.appeal(id, EVIDENCE);
        vm.expectRevert(reason);
        node.slash(id);
        vm.expectRevert(reason);
        node.thaw(id);
    }

    function _assertAccused(NodeId id, TaskId t, NodeId[2] memory others) private {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(_accusedIn(logs, id), 1);
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] != INode.Accused.selector) continue;
            assertEq(uint256(logs[i].topics[2]), TaskId.unwrap(t));
            assertEq(logs[i].data, abi.encode(others));
        }
    }

    function _accusedIn(Vm.Log[] memory logs, NodeId id) private pure returns (uint256 n) {
        for (uint256 i; i < logs.length; ++i) {
            bool accused = logs[i].topics[0] == INode.Accused.selector;
            if (accused && uint256(logs[i].topics[1]) == NodeId.unwrap(id)) ++n;
        }
    }
}

/// @notice What becomes of who is released: as it was, but that a working node is paused.
contract NodeReleaseTest is Accusations {
    /// @dev It withdraws when it could have, had it never been frozen, and not before.
    function testFuzz_whoHadQuitUnbondsAsItDidBefore(uint8 choice, uint32 waited, uint8 number) public {
        Case[] memory cases = _appealedCases(1 + number % 3);
        _quit(a);
        uint40 quitAt = uint40(block.timestamp);
        vm.warp(bound(waited, block.timestamp, node.caseOf(cases[0].alone).until));
        _rule(cases[0].alone, INode.Ruling.Framed);
        _assertFrozenFor(a, cases[0].task, quitAt);
        for (uint256 i = 1; i < cases.length; ++i) {
            _rule(cases[i].alone, INode.Ruling.Framed);
        }
        for (uint256 i = cases.length; i != 0; --i) {
            if (i < cases.length) _assertFrozenFor(a, cases[i].task, quitAt);
            _appealFor(a, Way((choice >> i) % 3));
            if (i == 1) break;
            _release(a, Way((choice >> i) % 3));
        }
        vm.expectEmit(address(node));
        emit INode.StatusChanged(a, INode.Status.Unbonding);
        _release(a, Way((choice >> 1) % 3));
        _assertUnbonding(a, quitAt);
    }

    /// @dev Released and frozen once more while it unbonds: the first time counts.
    function testFuzz_whoIsFrozenAgainWhileItUnbondsLosesNoTime(uint8 choice, uint32 waited) public {
        Case[] memory cases = _appealedCases(2);
        _quit(a);
        uint40 quitAt = uint40(block.timestamp);
        _rule(cases[0].alone, INode.Ruling.Framed);
        _acquit(a, Way.Innocent);
        assertEq(_status(a), INode.Status.Unbonding);
        vm.warp(bound(waited, block.timestamp, node.caseOf(cases[1].alone).until));
        _rule(cases[1].alone, INode.Ruling.Framed);
        _assertFrozenFor(a, cases[1].task, quitAt);
        _acquit(a, Way(choice % 3));
        _assertUnbonding(a, quitAt);
    }

    /// @dev Free, paused, suspended, seated with or without a quit that was still to come, or in closed sets with one.
    function testFuzz_whoHadNotQuitIsPaused(uint8 choice, uint8 before) public {
        Case[] memory cases = _appealedCases(2);
        uint256 which = before % 6;
        TaskId t;
        if (which == 1) _pause(a);
        if (which > 1) _newcomer();
        if (which == 2) _suspend(a);
        if (which == 3 || which == 4) t = _seated();
        if (which == 5) t = _closeSets();
        if (which >= 4) _quit(a);
        _framed(cases);
        if (which == 5) queue.dispatch(1);
        if (which >= 3) _vote(t, [ANSWER, ANSWER, ANSWER]);
        for (uint256 i; i < 2; ++i) {
            _assertStateBeforeRelease(cases[i].task);
            _acquit(a, Way((choice >> i) % 3));
        }
        assertEq(_status(a), INode.Status.Paused);
        assertEq(node.nodeOf(a).intent, INode.Intent.None);
        _assertBooks();
        _resume(a);
        _assertBooks();
    }

    /// @dev Paused, it may quit, and unbonds from then on.
    function testFuzz_whoIsPausedUnbondsFromItsQuit(uint8 choice) public {
        _framed(_appealedCases(1));
        _acquit(a, Way(choice % 3));
        vm.warp(block.timestamp + 1 hours);
        _quit(a);
        _assertUnbonding(a, uint40(block.timestamp));
    }

    function _assertStateBeforeRelease(TaskId t) private view {
        assertEq(_status(a), INode.Status.Frozen);
        assertEq(node.caseOf(a).task, t);
        assertEq(node.caseOf(a).quitAt, 0);
    }

    /// @dev It unbonds since `quitAt`, and leaves with its stake when its time is over.
    function _assertUnbonding(NodeId id, uint40 quitAt) private {
        assertEq(_status(id), INode.Status.Unbonding);
        assertEq(node.nodeOf(id).since, quitAt);
        assertEq(node.nodeOf(id).intent, INode.Intent.None);
        _assertBooks();
        uint256 until = quitAt + UNBONDING;
        if (block.timestamp < until) {
            vm.warp(until - 1);
            _asOperator(id);
            vm.expectRevert(abi.encodeWithSelector(INode.StillUnbonding.selector, id, until));
            node.withdraw(id);
            vm.warp(until);
        }
        _withdraw(id);
        assertEq(node.operatorOf(id).balance, STAKE);
        _assertBooks();
    }
}
