// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Params} from "../../../script/Deployment.sol";
import {Cases} from "../Cases.sol";

/// @notice What becomes of a frozen stake, by whatever path: it is slashed to the treasury or released, in time, and every
/// wei is accounted for.
contract FrozenStakeTest is Cases {
    uint256 private constant NODES = 5;

    function setUp() public override {
        super.setUp();
        _joinMany(NODES);
    }

    /// @notice H13. Original: slashed stake goes to `owner()`.
    /// Here it goes to the treasury named at the deployment, whoever calls; neither the owner, nor a key, nor the two who
    /// voted against it get any of it.
    function testFuzz_H13_slashedStakeGoesToTheTreasuryAlone(address caller) public {
        vm.assume(caller != treasury);
        Case memory c = _openCase();
        uint256 earned = _earned(c.task);
        uint256 had = owner.balance + caller.balance;
        vm.warp(block.timestamp + APPEAL + 1);
        vm.startPrank(caller);
        node.slash(c.alone);
        node.withdrawSlashed();
        vm.stopPrank();
        assertEq(treasury.balance, STAKE);
        assertEq(owner.balance + caller.balance, had);
        assertEq(_earned(c.task), earned);
        for (uint256 i; i < 2; ++i) {
            assertEq(node.operatorOf(c.agreed[i]).balance, 0);
            assertEq(node.nodeOf(c.agreed[i]).key.balance, 0);
            assertEq(node.nodeOf(c.agreed[i]).stake, STAKE);
        }
        _assertBooks();
    }

    /// @notice Nothing stays frozen beyond the time to appeal and the time to decide, as they were when it was frozen:
    /// whatever anybody calls in whatever order and at whatever times, and whatever rules the owner sets for later cases,
    /// when both are over one call by anybody ends the case, and before that no call ends it but those whose time it is.
    function testFuzz_nothingStaysFrozenBeyondTheBound(uint256 seed, INode.Rules memory r, INode.Rules memory later)
        public
    {
        r = _setRules(r);
        uint256 start = block.timestamp;
        NodeId id = _openCase().alone;
        uint256 until = start + r.appealSeconds;
        bool appealed;
        for (uint256 i; i < 12 && _status(id) == INode.Status.Frozen; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            vm.warp(block.timestamp + (random >> 16) % (1 + UNBONDING / 6));
            bool over = block.timestamp > until;
            uint256 move = random % 6;
            if (move == 0 && _try(abi.encodeCall(INode.appeal, (id, EVIDENCE)), !appealed && !over)) {
                appealed = true;
                until = block.timestamp + r.arbitrationSeconds;
            }
            if (move == 1) _try(abi.encodeCall(INode.slash, (id)), !appealed && over);
            if (move == 2) _try(abi.encodeCall(INode.thaw, (id)), appealed && over);
            if (move == 3) _try(abi.encodeCall(INode.withdrawSlashed, ()), node.slashed() != 0);
            if (move == 4) node.absorb(random >> 8 & 3);
            if (move == 5) later = _setRules(later);
            _assertBooks();
        }
        if (_status(id) == INode.Status.Frozen) {
            vm.warp(start + r.appealSeconds + r.arbitrationSeconds + 1);
            if (appealed) node.thaw(id);
            else node.slash(id);
        }
        assertEq(_status(id), appealed ? INode.Status.Paused : INode.Status.Slashed);
        assertEq(node.nodeOf(id).stake, appealed ? STAKE : 0);
        _assertBooks();
    }

    /// @notice The same for the two who are frozen because they framed a third, from the moment when they are: neither an
    /// operator nor a draw that waits puts that off beyond the end of the seat they hold.
    function testFuzz_nothingStaysFrozenBeyondTheBoundAfterAFrame(uint256 seed) public {
        Case memory c = _openAppealedCase();
        bool busy = seed & 1 == 0;
        TaskId t = busy ? _seated() : _closeSets();
        if (seed & 2 == 0) _pause(c.agreed[0]);
        if (seed & 4 == 0) _quit(c.agreed[1]);
        _rule(c.alone, INode.Ruling.Framed);
        if (!busy) queue.dispatch(1);
        if (_state(t) == ITask.State.Committing) {
            _pastDeadline(t);
            task.advance(t);
        }
        uint256 frozenAt = block.timestamp;
        for (uint256 i; i < 2; ++i) {
            assertEq(_status(c.agreed[i]), INode.Status.Frozen);
            assertLe(node.nodeOf(c.agreed[i]).since, frozenAt);
        }
        bool appeal = seed & 8 == 0;
        if (appeal) node.appeal(c.agreed[0], EVIDENCE);
        vm.warp(frozenAt + APPEAL + ARBITRATION + 1);
        if (appeal) node.thaw(c.agreed[0]);
        else node.slash(c.agreed[0]);
        node.slash(c.agreed[1]);
        _assertBooks();
    }

    /// @notice The stake of who quits in the moment of the vote is there as long as any ruling about that vote can be
    /// made: it cannot be withdrawn before the last of them.
    function testFuzz_aStakeThatUnbondsIsThereForTheRuling(
        INode.Rules memory r,
        INode.Rules memory later,
        uint32 appealAfter,
        uint32 ruleAfter
    ) public {
        r = _setRules(r);
        Case memory c = _openCase();
        _quit(c.agreed[0]);
        _quit(c.agreed[1]);
        vm.warp(block.timestamp + bound(appealAfter, 0, r.appealSeconds));
        _setRules(later);
        node.appeal(c.alone, EVIDENCE);
        vm.warp(block.timestamp + bound(ruleAfter, 0, r.arbitrationSeconds));
        for (uint256 i; i < 2; ++i) {
            _asOperator(c.agreed[i]);
            vm.expectPartialRevert(INode.StillUnbonding.selector);
            node.withdraw(c.agreed[i]);
        }
        _rule(c.alone, INode.Ruling.Framed);
        for (uint256 i; i < 2; ++i) {
            assertEq(_status(c.agreed[i]), INode.Status.Frozen);
        }
        _assertBooks();
    }

    /// @notice Invariants 1 and 10 after each of any sequence of moves: tasks served, failed, missed and lied about, cases
    /// of every course, operators that come and go, the treasury's withdrawals.
    function testFuzz_everyWeiIsAccountedForOnEveryPath(uint256 seed) public {
        for (uint256 i; i < 30; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            _move(random);
            _assertBooks();
        }
        node.absorb(100);
        if (node.slashed() != 0) node.withdrawSlashed();
        _assertBooks();
    }

    function _params() internal override returns (Params memory p) {
        p = super._params();
        p.terms.refills = 1;
    }

    function _move(uint256 random) private {
        NodeId id = NodeId.wrap(uint32(1 + (random >> 8) % NodeId.unwrap(node.lastNode())));
        uint256 move = random % 16;
        if (move < 6) _turnATask(random >> 40);
        if (move == 6 || move == 7) _turnACase(id, random >> 40);
        if (move == 8) _asAnybody(id, abi.encodeCall(INode.pause, (id)));
        if (move == 9 || move == 10) _asAnybody(id, abi.encodeCall(INode.resume, (id)));
        if (move == 11 && random >> 40 & 1 == 0) _asAnybody(id, abi.encodeCall(INode.quit, (id)));
        if (move == 12) _leave(id);
        if (move == 13 && node.slashed() != 0) node.withdrawSlashed();
        if (move == 14) vm.warp(block.timestamp + (random >> 40) % 1 days);
        if (move == 15) _topUp(id, random >> 40);
    }

    /// @dev A task is seated, or the one that is seated is played to its end.
    function _turnATask(uint256 random) private {
        TaskId t = task.lastTask();
        ITask.State state = _state(t);
        if (state == ITask.State.Committing || state == ITask.State.Vacant || state == ITask.State.Revealing) {
            return _play(t, random);
        }
        if (state != ITask.State.Queued) {
            vm.deal(creator, FEE);
            vm.prank(creator);
            task.create{value: FEE}(GPT, TASK_HASH, 100, 0, ANY, 7 days);
        }
        if (node.counts().active < 4) _join(NodeId.unwrap(node.lastNode()) + 1, CLASS, 24);
        _dispatch(1);
    }

    /// @dev Each seat answers, errs, or says nothing; who committed may keep its result back.
    function _play(TaskId t, uint256 random) private {
        _commitSome(t, random);
        if (_state(t) == ITask.State.Committing) {
            _pastDeadline(t);
            task.advance(t);
            _dispatch(1);
        }
        if (_state(t) == ITask.State.Committing) _commitSome(t, 0);
        if (_state(t) == ITask.State.Committing || _state(t) == ITask.State.Vacant) {
            _pastDeadline(t);
            task.advance(t);
        }
        bool late = block.timestamp > task.taskOf(t).deadline;
        for (uint256 seat; !late && seat < 3 && _state(t) == ITask.State.Revealing; ++seat) {
            bool hides = random >> (32 + 8 * seat) & 7 == 0;
            if (task.taskOf(t).commitRanks[seat] != 0 && !hides) _revealAny(t, seat);
        }
        if (_state(t) != ITask.State.Revealing) return;
        _pastDeadline(t);
        task.advance(t);
    }

    function _commitSome(TaskId t, uint256 random) private {
        if (block.timestamp > task.taskOf(t).deadline) return;
        for (uint256 seat; seat < 3; ++seat) {
            uint256 act = (random >> (8 * seat)) & 7;
            if (act == 7 || task.taskOf(t).commitRanks[seat] != 0) continue;
            _commit(t, seat, act == 6 ? WRONG : act == 5 ? _error(1) : ANSWER);
        }
    }

    /// @dev Reveals what the seat committed to.
    function _revealAny(TaskId t, uint256 seat) private {
        bytes32[3] memory results = [ANSWER, WRONG, _error(1)];
        for (uint256 i; i < 3; ++i) {
            NodeId id = _nodeAt(t, seat);
            bytes memory input = abi.encodeCall(ITask.reveal, (id, t, results[i], _salt(t, seat)));
            vm.prank(_keyAt(t, seat));
            (bool ok,) = address(task).call(input);
            if (ok) return;
        }
    }

    /// @dev The next case, from `id` on, goes one step on.
    function _turnACase(NodeId id, uint256 random) private {
        uint32 last = NodeId.unwrap(node.lastNode());
        for (uint32 i; i < last && _status(id) != INode.Status.Frozen; ++i) {
            id = NodeId.wrap(NodeId.unwrap(id) % last + 1);
        }
        INode.Case memory c = node.caseOf(id);
        if (_status(id) != INode.Status.Frozen) return;
        if (block.timestamp > c.until) return c.appealed ? node.thaw(id) : node.slash(id);
        if (random & 3 == 0) return vm.warp(uint256(c.until) + 1);
        if (!c.appealed) return node.appeal(id, EVIDENCE);
        _rule(id, INode.Ruling((random >> 8) % 3));
    }

    /// @dev The next that unbonds, from `id` on, takes its stake.
    function _leave(NodeId id) private {
        uint32 last = NodeId.unwrap(node.lastNode());
        for (uint32 i; i < last && _status(id) != INode.Status.Unbonding; ++i) {
            id = NodeId.wrap(NodeId.unwrap(id) % last + 1);
        }
        if (_status(id) != INode.Status.Unbonding) return;
        uint256 until = uint256(node.nodeOf(id).since) + UNBONDING;
        if (block.timestamp < until) vm.warp(until);
        _withdraw(id);
    }

    function _topUp(NodeId id, uint256 random) private {
        INode.NodeView memory n = node.nodeOf(id);
        if (n.status >= INode.Status.Frozen) return;
        uint256 amount = bound(random, 0, STAKE - n.stake);
        vm.deal(address(this), amount);
        node.topUp{value: amount}(id);
    }

    /// @dev A call by the node's operator, who may also do what anybody may.
    function _asAnybody(NodeId id, bytes memory input) private {
        _asOperator(id);
        (bool ok,) = address(node).call(input);
        ok;
    }

    function _try(bytes memory input, bool want) private returns (bool ok) {
        (ok,) = address(node).call(input);
        assertEq(ok, want);
    }

    /// @dev Rules inside the bounds, made from any.
    function _setRules(INode.Rules memory r) private returns (INode.Rules memory) {
        r.missPenalty = 0.4 ether;
        r.concealPenalty = 4 ether;
        r.appealSeconds = uint32(bound(r.appealSeconds, 1 days, 4 days - 1));
        r.arbitrationSeconds = uint32(bound(r.arbitrationSeconds, 3 days, UNBONDING - r.appealSeconds - 1));
        vm.prank(owner);
        node.setRules(r);
        return r;
    }
}
