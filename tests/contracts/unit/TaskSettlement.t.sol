// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ending} from "../../../contracts/interfaces/INetworkStats.sol";
import {INode} from "../../../contracts/interfaces/INode.sol";
import {IQoS} from "../../../contracts/interfaces/IQoS.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Network} from "../Network.sol";
import {Vm} from "forge-std/Vm.sol";

/// @notice The protocol's table of outcomes, written down a second time and compared with the contract for every
/// combination of what three seats can do and every order in which they do it.
contract TaskSettlementTest is Network {
    /// What a seat does.
    enum Conduct {
        NoCommit,
        NoReveal,
        AnswerA,
        AnswerB,
        AnswerC,
        ErrorOne,
        ErrorTwo
    }

    /// The arguments of `TaskSettled`, in order.
    struct Settled {
        Ending ending;
        bytes32 result;
        bool[3] agreeing;
        uint96[3] shares;
        uint96 refund;
        uint8 deliverer;
        uint40 deliverBy;
    }

    /// A fee that no share divides: every outcome leaves dust.
    uint96 private constant ODD = FEE + 7;

    TaskId private t;
    /// What is left of the fee for those who work.
    uint256 private pot;

    function setUp() public override {
        super.setUp();
        _joinMany(3);
        t = _create(GPT, ODD, 100);
        _dispatch(1);
        pot = ODD - ODD / 100;
    }

    /// @dev Invariants 1, 2 and 6, and the whole table of outcomes.
    function testFuzz_everyOutcomeIsTheTables(uint256 conducts, uint256 commitOrder, uint256 revealOrder) public {
        Conduct[3] memory c;
        for (uint256 i; i < 3; ++i) {
            c[i] = Conduct((conducts >> (64 * i)) % 7);
        }
        _assertOutcome(c, commitOrder, revealOrder);
    }

    /// @dev The same, for each of the 7^3 combinations once.
    function test_everyCombinationWhereTheThirdAnswersNothing() public {
        _everyCombination(Conduct.NoCommit, Conduct.NoReveal);
    }

    function test_everyCombinationWhereTheThirdAnswers() public {
        _everyCombination(Conduct.AnswerA, Conduct.AnswerC);
    }

    function test_everyCombinationWhereTheThirdErrs() public {
        _everyCombination(Conduct.ErrorOne, Conduct.ErrorTwo);
    }

    /// @dev Agreement by perceptual hash is not transitive: two pairs that share a seat make three who agree.
    function test_aChainOfCloseImagesAgreesWhole() public {
        TaskId images = _perceptual([bytes32(uint256(0)), bytes32(uint256(0x1f)), bytes32(uint256(0x3ff))]);
        ITask.TaskView memory v = task.taskOf(images);
        assertEq(abi.encode(v.agreeing), abi.encode([true, true, true]));
        assertEq(v.state, ITask.State.Delivering);
    }

    function test_anImageOneBitTooFarIsFrozen() public {
        TaskId images = _perceptual([bytes32(uint256(0)), bytes32(uint256(0x3f)), bytes32(uint256(1 << 8))]);
        assertEq(_status(_nodeAt(images, 1)), INode.Status.Frozen);
        assertEq(_status(_nodeAt(images, 0)), INode.Status.Free);
    }

    /// @dev The fourth image counts as much as the first.
    function test_everyImageOfFourIsCompared() public {
        bytes32 last = bytes32(uint256(0x3f));
        bytes32 first = bytes32(uint256(0x3f) << 192);
        TaskId images = _perceptual([bytes32(0), last, first]);
        assertEq(stats.tallyOf(SD).disagreed, 1);
        assertEq(task.taskOf(images).state, ITask.State.Ended);
    }

    function _everyCombination(Conduct from, Conduct to) private {
        uint256 start = vm.snapshotState();
        for (uint256 i = 49 * uint256(from); i < 49 * (uint256(to) + 1); ++i) {
            _assertOutcome([Conduct(i % 7), Conduct(i / 7 % 7), Conduct(i / 49)], i, i / 6);
            vm.revertToState(start);
        }
    }

    function _perceptual(bytes32[3] memory results) private returns (TaskId images) {
        _vote(t, [ANSWER, ANSWER, ANSWER]);
        images = _create(SD, FEE, 4);
        _dispatch(1);
        _vote(images, results);
    }

    function _assertOutcome(Conduct[3] memory c, uint256 commitOrder, uint256 revealOrder) private {
        vm.recordLogs();
        (uint256[3] memory commits, uint256[3] memory reveals) = _play(c, commitOrder, revealOrder);
        Settled memory want = _expected(c, commits, reveals);
        assertEq(_settledLog(), abi.encode(want), "TaskSettled");
        _assertStored(want);
        _assertMoney(want);
        _assertNodes(c, want, commits, reveals);
    }

    /// @dev Plays the task to its settlement and returns each seat's ranks, 0 for none.
    function _play(Conduct[3] memory c, uint256 commitOrder, uint256 revealOrder)
        private
        returns (uint256[3] memory commits, uint256[3] memory reveals)
    {
        uint256 committed = _commitInOrder(c, _permutation(commitOrder), commits);
        if (committed < 3) _advance();
        if (committed < 2) return (commits, reveals);
        if (_revealInOrder(c, _permutation(revealOrder), reveals) < committed) _advance();
    }

    function _commitInOrder(Conduct[3] memory c, uint256[3] memory order, uint256[3] memory ranks)
        private
        returns (uint256 done)
    {
        for (uint256 i; i < 3; ++i) {
            uint256 seat = order[i];
            if (c[seat] == Conduct.NoCommit) continue;
            _commit(t, seat, _result(c[seat]));
            ranks[seat] = ++done;
        }
    }

    function _revealInOrder(Conduct[3] memory c, uint256[3] memory order, uint256[3] memory ranks)
        private
        returns (uint256 done)
    {
        for (uint256 i; i < 3; ++i) {
            uint256 seat = order[i];
            if (c[seat] <= Conduct.NoReveal) continue;
            _reveal(t, seat, _result(c[seat]));
            ranks[seat] = ++done;
        }
    }

    function _advance() private {
        _pastDeadline(t);
        vm.prank(keeper);
        task.advance(t);
        pot -= pot / 100;
    }

    function _result(Conduct c) private view returns (bytes32) {
        if (c == Conduct.ErrorOne) return _error(1);
        if (c == Conduct.ErrorTwo) return _error(2);
        return keccak256(abi.encode("answer", c));
    }

    /// @dev The table of docs/protocol: who agrees, what the task becomes, who is paid.
    function _expected(Conduct[3] memory c, uint256[3] memory commits, uint256[3] memory reveals)
        private
        view
        returns (Settled memory want)
    {
        want.refund = uint96(pot);
        _expectAgreement(c, reveals, want);
        if (want.ending == Ending.Agreed) {
            for (uint256 i; i < 3; ++i) {
                if (want.agreeing[i]) _give(want, i, pot * _points(commits[i], reveals[i]) / 50);
            }
            bool all = want.agreeing[0] && want.agreeing[1] && want.agreeing[2];
            // All is earned then, and what rounding leaves over goes with the share that is held.
            if (all) _give(want, want.deliverer, want.refund);
            want.deliverBy = uint40(block.timestamp + 300);
        } else {
            want.ending = _expectedAbort(c, reveals);
        }
        if (want.ending == Ending.Failed) {
            for (uint256 i; i < 3; ++i) {
                _give(want, i, pot * 300 / 10_000 / 3);
            }
        }
    }

    function _expectAgreement(Conduct[3] memory c, uint256[3] memory reveals, Settled memory want) private view {
        for (uint256 n = 3; n != 0; --n) {
            uint256 i = n - 1;
            for (uint256 j; j < 3; ++j) {
                bool equal = i != j && reveals[i] != 0 && reveals[j] != 0 && c[i] == c[j] && _isAnswer(c[i]);
                if (!equal) continue;
                (want.ending, want.agreeing[i]) = (Ending.Agreed, true);
                (want.deliverer, want.result) = (uint8(i), _result(c[i]));
            }
        }
    }

    function _expectedAbort(Conduct[3] memory c, uint256[3] memory reveals) private pure returns (Ending) {
        uint256 answers;
        uint256 revealed;
        for (uint256 i; i < 3; ++i) {
            if (reveals[i] == 0) continue;
            ++revealed;
            if (_isAnswer(c[i])) ++answers;
        }
        if (revealed < 2) return Ending.Unanswered;
        if (answers >= 2) return Ending.Disagreed;
        bool oneError = answers == 0 && revealed == 3 && c[0] == c[1] && c[1] == c[2];
        return oneError ? Ending.Failed : Ending.Mixed;
    }

    function _give(Settled memory want, uint256 seat, uint256 amount) private pure {
        want.shares[seat] += uint96(amount);
        want.refund -= uint96(amount);
    }

    function _points(uint256 commitRank, uint256 revealRank) private pure returns (uint256) {
        uint8[4] memory table = [0, 10, 9, 6];
        return uint256(table[commitRank]) + table[revealRank];
    }

    function _isAnswer(Conduct c) private pure returns (bool) {
        return c == Conduct.AnswerA || c == Conduct.AnswerB || c == Conduct.AnswerC;
    }

    function _settledLog() private returns (bytes memory) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] == ITask.TaskSettled.selector) return logs[i].data;
        }
        revert("no TaskSettled");
    }

    function _assertStored(Settled memory want) private view {
        ITask.TaskView memory v = task.taskOf(t);
        bool agreed = want.ending == Ending.Agreed;
        assertEq(v.state, agreed ? ITask.State.Delivering : ITask.State.Ended);
        assertEq(v.escrow, agreed ? want.shares[want.deliverer] : 0, "only the deliverer's share is held");
        assertEq(v.creator, agreed ? creator : address(0), "the slot is clear at the end");
        assertEq(v.deadline, want.deliverBy);
        assertEq(abi.encode(v.agreeing), abi.encode(want.agreeing));
        assertEq(v.deliverer, want.deliverer);
        assertEq(abi.encode(stats.tallyOf(GPT)), _tally(want.ending), "tally");
    }

    function _assertMoney(Settled memory want) private view {
        uint256 sum = task.creditOf(keeper) + task.taskOf(t).escrow;
        for (uint256 i; i < 3; ++i) {
            bool held = want.ending == Ending.Agreed && i == want.deliverer;
            assertEq(_earned(t, i), held ? 0 : want.shares[i]);
            assertEq(task.creditOf(_operatorAt(t, i)), 0, "earned by the node until it is collected");
            sum += _earned(t, i);
        }
        assertEq(task.creditOf(creator), want.refund);
        assertEq(sum + want.refund, ODD, "invariant 1: to the wei");
        assertEq(address(task).balance, ODD, "invariant 6: nothing left the contract");
    }

    function _assertNodes(
        Conduct[3] memory c,
        Settled memory want,
        uint256[3] memory commits,
        uint256[3] memory reveals
    ) private view {
        uint256 frozen;
        uint256 paid;
        for (uint256 i; i < 3; ++i) {
            bool against = want.ending == Ending.Agreed && !want.agreeing[i] && reveals[i] != 0 && _isAnswer(c[i]);
            if (against) ++frozen;
            NodeId id = _nodeAt(t, i);
            assertEq(_status(id), against ? INode.Status.Frozen : INode.Status.Free);
            uint256 grade = _grade(want, commits, reveals, i);
            _assertScore(id, grade);
            uint256 penalty = grade != 254 ? 0 : commits[i] != 0 && want.ending == Ending.Agreed ? 4 ether : 0.4 ether;
            assertEq(node.nodeOf(id).stake, 400 ether - penalty, "the price of a lapse");
            paid += penalty;
            _assertCase(id, against, i);
        }
        assertEq(node.slashed(), paid, "penalties wait for the treasury");
        INode.Counts memory n = node.counts();
        assertEq(n.busy, 0, "invariant 2");
        assertEq(n.active, 3 - frozen, "invariant 10");
        assertEq(n.free, 3 - frozen, "invariant 10");
        assertEq(address(node).balance, 3 * 400 ether, "a frozen stake stays");
    }

    /// @dev A frozen node has a case that names the two others; nobody else has one.
    function _assertCase(NodeId id, bool frozen, uint256 seat) private view {
        INode.Case memory want;
        if (frozen) {
            want.accused = [_nodeAt(t, (seat + 1) % 3), _nodeAt(t, (seat + 2) % 3)];
            (want.task, want.until) = (t, uint40(block.timestamp + 2 days));
            want.arbitrationSeconds = 4 days;
        }
        assertEq(abi.encode(node.caseOf(id)), abi.encode(want), "case");
    }

    /// @dev 0 to 20 points, 254 for a miss, 255 for "not counted".
    function _grade(Settled memory want, uint256[3] memory commits, uint256[3] memory reveals, uint256 i)
        private
        pure
        returns (uint256)
    {
        if (want.agreeing[i]) return _points(commits[i], reveals[i]);
        uint256 committed = (commits[0] != 0 ? 1 : 0) + (commits[1] != 0 ? 1 : 0) + (commits[2] != 0 ? 1 : 0);
        uint256 revealed = (reveals[0] != 0 ? 1 : 0) + (reveals[1] != 0 ? 1 : 0) + (reveals[2] != 0 ? 1 : 0);
        bool missing = committed < 2 ? commits[i] == 0 : reveals[i] == 0;
        bool all = committed < 2 ? committed == 0 : revealed == 0;
        if (missing) return all ? 255 : 254;
        return want.ending == Ending.Agreed ? 0 : 255;
    }

    function _assertScore(NodeId id, uint256 grade) private view {
        IQoS.Record memory r = qos.recordOf(id);
        if (grade == 255) {
            assertEq(abi.encode(r), abi.encode(IQoS.Record(320, 128, 0, 0)), "not counted");
            return;
        }
        assertEq(r.score, 310 + (grade == 254 ? 0 : grade), "points");
        assertEq(r.misses, grade == 254 ? 1 : 0, "misses");
        assertEq(r.tasks, 1);
        assertEq(node.nodeOf(id).weight, r.weight, "the registry has the new weight");
    }

    /// @dev A tally with one at the field of `ending`: the fields stand in the order of the endings.
    function _tally(Ending ending) private pure returns (bytes memory) {
        uint40[8] memory fields;
        fields[uint8(ending) - 1] = 1;
        return abi.encode(fields);
    }
}
