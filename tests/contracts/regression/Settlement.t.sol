// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Network} from "../Network.sol";
import {Puppet} from "../Puppet.sol";

/// @notice Defects of the original network in the way tasks end and money moves. "H" numbers are those of its list.
contract SettlementDefectsTest is Network {
    uint256 private constant POT = FEE - FEE / 100;

    function setUp() public override {
        super.setUp();
        _joinMany(5);
    }

    /// @notice H3. Original: two of three nodes that report an error without working are both paid, and the honest
    /// third loses its whole stake.
    function test_H03_twoErrorsNeitherEarnNorSlash() public {
        TaskId t = _seated();
        _vote(t, [_error(1), ANSWER, _error(1)]);
        assertEq(task.creditOf(creator), POT, "nobody worked for it");
        assertEq(node.slashed(), 0);
        for (uint256 i; i < 3; ++i) {
            assertEq(_earned(t, i), 0);
            assertEq(_status(_nodeAt(t, i)), INode.Status.Free);
            assertEq(node.nodeOf(_nodeAt(t, i)).stake, 400 ether);
        }
    }

    /// @notice H3, all three: what an error earns is small and capped.
    function test_H03_threeErrorsEarnAThirtiethAtMost() public {
        TaskId t = _seated();
        _vote(t, [_error(1), _error(1), _error(1)]);
        assertGe(task.creditOf(creator), POT * 97 / 100);
    }

    /// @notice H3, the other way: one error against two who agree costs points, not the stake.
    function test_H03_anErrorNeverFreezes() public {
        TaskId t = _seated();
        _vote(t, [_error(3), ANSWER, ANSWER]);
        assertEq(_status(_nodeAt(t, 0)), INode.Status.Free);
        assertEq(node.nodeOf(_nodeAt(t, 0)).stake, 400 ether);
    }

    /// @notice H5. Original: when the creator is a contract that rejects ether, cancelling and settling revert for
    /// ever; the nodes stay busy and their stakes locked.
    function test_H05_aCreatorThatRejectsEtherLocksNobody() public {
        Puppet refuser = new Puppet(Puppet.OnReceive.Refuse);
        TaskId first = _createAs(refuser);
        _pastTheFirstMinute();
        refuser.act(address(task), 0, abi.encodeCall(ITask.cancel, (first)));
        assertEq(task.creditOf(address(refuser)), FEE);

        TaskId second = _createAs(refuser);
        _dispatch(1);
        _vote(second, [ANSWER, WRONG, ANSWER]);
        _deliver(second);
        assertEq(node.counts().busy, 0);
        assertGt(_earned(second, 0), 0);

        // It can still have its money where it is welcome.
        uint256 credit = task.creditOf(address(refuser));
        refuser.act(address(task), 0, abi.encodeCall(ITask.withdraw, (treasury)));
        assertEq(treasury.balance, credit);
    }

    /// @notice H5, with gas instead of a revert.
    function test_H05_aCreatorThatBurnsGasLocksNobody() public {
        Puppet burner = new Puppet(Puppet.OnReceive.Burn);
        TaskId t = _createAs(burner);
        _dispatch(1);
        _vote(t, [ANSWER, ANSWER, ANSWER]);
        _deliver(t);
        assertEq(task.taskOf(t).state, ITask.State.Ended);
    }

    /// @notice H13. Original: slashed stake goes to the owner. Here a stake that is called in question is only frozen:
    /// it stays where it is, and neither the owner nor the other two gain from it.
    function test_H13_aFrozenStakeGoesToNobody() public {
        uint256 stakes = address(node).balance;
        TaskId t = _seated();
        _vote(t, [WRONG, ANSWER, ANSWER]);
        _deliver(t);
        assertEq(address(node).balance, stakes);
        assertEq(node.nodeOf(_nodeAt(t, 0)).stake, 400 ether);
        assertEq(task.creditOf(owner) + task.creditOf(treasury) + owner.balance + treasury.balance, 0);
        assertLe(_earned(t, 1) + _earned(t, 2), POT, "the fee and no more");
    }

    /// @notice H13: and when it is slashed in the end, the treasury has it and nobody else.
    function test_H13_aSlashedStakeGoesToTheTreasury() public {
        NodeId id = _frozen();
        vm.warp(uint256(node.caseOf(id).until) + 1);
        node.slash(id);
        node.withdrawSlashed();
        assertEq(treasury.balance, 400 ether);
        assertEq(owner.balance + task.creditOf(owner), 0);
        assertEq(address(node).balance, 4 * 400 ether);
    }

    /// @notice H16. Original: the delivering node reports its upload twice while the third has not revealed; it is paid
    /// twice, the third cannot reveal any more, and the caller escapes its next task.
    function test_H16_aSeatIsPaidOnce() public {
        TaskId t = _seated();
        for (uint256 i; i < 3; ++i) {
            _commit(t, i, ANSWER);
        }
        _reveal(t, 0, ANSWER);
        _reveal(t, 1, ANSWER);
        _deliverRefused(t, ITask.State.Revealing);
        _reveal(t, 2, ANSWER);
        _deliver(t);
        _deliverRefused(t, ITask.State.Ended);
        assertEq(_earned(t), POT);
    }

    /// @notice H16, by re-entrancy: an operator that is called while it withdraws finds nothing to take twice.
    function test_H16_reentryPaysNothingTwice() public {
        Puppet[3] memory operators;
        for (uint256 i; i < 3; ++i) {
            operators[i] = new Puppet(Puppet.OnReceive.Accept);
            _joinFor(address(operators[i]), _key(10 + i), keccak256("theirs"), 24);
        }
        TaskId t = _createFor(node.nodeOf(NodeId.wrap(6)).class, FEE);
        _dispatch(1);
        _vote(t, [ANSWER, ANSWER, ANSWER]);
        Puppet second = Puppet(payable(_operatorAt(t, 1)));
        uint256 due = _collect(_nodeAt(t, 1));
        assertEq(task.creditOf(address(second)), due);
        bytes memory withdraw = abi.encodeCall(ITask.withdraw, (address(second)));
        second.plan(address(task), withdraw);
        second.act(address(task), 0, withdraw);
        assertEq(second.successes(), 0);
        assertEq(address(second).balance, due);
        assertEq(address(task).balance, FEE - due);
    }

    /// @notice H17. Original: by never revealing, a node that would lose is not slashed, keeps the others from being
    /// paid and gets the creator a full refund.
    function test_H17_twoRevealsAreEnough() public {
        TaskId t = _seated();
        for (uint256 i; i < 3; ++i) {
            _commit(t, i, i == 0 ? WRONG : ANSWER);
        }
        _reveal(t, 1, ANSWER);
        _reveal(t, 2, ANSWER);
        _pastDeadline(t);
        task.advance(t);
        _deliver(t);
        assertGt(_earned(t, 1), 0);
        assertGt(_earned(t, 2), 0);
        assertEq(_earned(t, 0), 0);
        assertEq(qos.recordOf(_nodeAt(t, 0)).misses, 1);
        assertLt(qos.recordOf(_nodeAt(t, 0)).score, 320);
        assertLt(task.creditOf(creator), POT, "no full refund");
        assertEq(node.nodeOf(_nodeAt(t, 0)).stake, 396 ether, "and it pays for keeping its reveal back");
    }

    /// @notice H22. Original: an operator contract that refuses ether after it quit keeps the two others from being
    /// settled: ransom without loss.
    function test_H22_anOperatorThatRefusesEtherLocksNobody() public {
        Puppet refuser = new Puppet(Puppet.OnReceive.Refuse);
        bytes32 class = keccak256("a class of three");
        NodeId id = _joinFor(address(refuser), _key(10), class, 24);
        _join(11, class, 24);
        _join(12, class, 24);
        TaskId t = _createFor(node.nodeOf(id).class, FEE);
        _dispatch(1);
        refuser.act(address(node), 0, abi.encodeCall(INode.quit, (id)));
        _vote(t, [ANSWER, ANSWER, ANSWER]);
        _deliver(t);
        assertEq(task.taskOf(t).state, ITask.State.Ended);
        for (uint256 i; i < 3; ++i) {
            assertGt(_collect(_nodeAt(t, i)), 0);
            assertGt(task.creditOf(_operatorAt(t, i)), 0);
        }
        assertEq(_status(id), INode.Status.Unbonding);
    }

    function _createAs(Puppet who) private returns (TaskId) {
        vm.deal(address(who), FEE);
        bytes memory order = abi.encodeCall(ITask.create, (GPT, TASK_HASH, 100, 0, ANY, 1 hours));
        return abi.decode(who.act(address(task), FEE, order), (TaskId));
    }

    function _deliverRefused(TaskId t, ITask.State state) private {
        NodeId id = _nodeAt(t, 0);
        vm.prank(_keyAt(t, 0));
        vm.expectRevert(abi.encodeWithSelector(ITask.WrongState.selector, t, state, ITask.State.Delivering));
        task.deliver(id, t, ANSWER);
    }
}
