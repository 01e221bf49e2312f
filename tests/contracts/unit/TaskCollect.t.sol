// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Refills} from "../Refills.sol";

/// @notice `collect`: what a node has earned becomes its operator's credit.
contract TaskCollectTest is Refills {
    uint256 private constant POT = FEE - FEE / 100;

    function setUp() public override {
        super.setUp();
        _joinMany(3);
    }

    function testFuzz_refusesANodeThatHasEarnedNothing(uint32 id) public {
        vm.expectRevert(abi.encodeWithSelector(ITask.NothingToCollect.selector, NodeId.wrap(id)));
        task.collect(NodeId.wrap(id));
    }

    function testFuzz_refusesTheSecondTime(address first, address second) public {
        NodeId id = _nodeAt(_agreed(), 1);
        vm.prank(first);
        task.collect(id);
        vm.prank(second);
        vm.expectRevert(abi.encodeWithSelector(ITask.NothingToCollect.selector, id));
        task.collect(id);
    }

    /// @dev The share of who is to deliver is not earned yet.
    function test_refusesTheDelivererBeforeItsDelivery() public {
        TaskId t = _agreed();
        NodeId id = _nodeAt(t, 0);
        vm.expectRevert(abi.encodeWithSelector(ITask.NothingToCollect.selector, id));
        task.collect(id);
        _deliver(t);
        assertEq(task.collect(id), POT * 20 / 50);
    }

    /// @dev Whoever calls, the operator is credited; nothing is sent.
    function testFuzz_creditsTheOperatorWhoeverCalls(address caller) public {
        TaskId t = _agreed();
        NodeId id = _nodeAt(t, 1);
        address operator = _operatorAt(t, 1);
        uint256 credit = task.creditOf(caller);
        vm.expectEmit(address(task));
        emit ITask.Collected(id, operator, POT * 18 / 50);
        vm.prank(caller);
        assertEq(task.collect(id), POT * 18 / 50);
        assertEq(task.creditOf(operator), POT * 18 / 50);
        if (caller != operator) assertEq(task.creditOf(caller), credit);
        assertEq(task.earnedBy(id), 0);
        assertEq(address(task).balance, FEE, "invariant 6");
        _assertConserved();
    }

    function testFuzz_collectsWhatSeveralTasksEarned(uint8 number) public {
        uint256 n = bound(number, 1, 5);
        for (uint256 i; i < n; ++i) {
            _deliver(_agreed());
        }
        uint256 collected;
        for (uint32 i = 1; i <= 3; ++i) {
            uint256 earned = task.earnedBy(NodeId.wrap(i));
            assertEq(task.collect(NodeId.wrap(i)), earned);
            collected += earned;
        }
        assertEq(collected, n * POT, "when all agree everything is earned");
        _assertConserved();
    }

    /// @dev Nodes of one operator are collected one by one, into one credit.
    function test_nodesOfOneOperatorHaveOneCredit() public {
        TaskId t = _agreed();
        NodeId first = _nodeAt(t, 1);
        address operator = _operatorAt(t, 1);
        _pauseAll();
        NodeId second = _joinFor(operator, _key(10), CLASS, 24);
        _join(11, CLASS, 24);
        _join(12, CLASS, 24);
        t = _agreed();
        _deliver(t);
        uint256 sum = task.earnedBy(first) + task.earnedBy(second);
        assertGt(task.earnedBy(second), 0);
        task.collect(first);
        assertEq(task.earnedBy(second), sum - task.creditOf(operator), "not the other's");
        task.collect(second);
        assertEq(task.creditOf(operator), sum);
        _assertConserved();
    }

    /// @dev The key shares a slot with the earnings: it stays.
    function test_theNodeWorksOn() public {
        NodeId id = _nodeAt(_agreed(), 1);
        task.collect(id);
        TaskId t = _seated();
        _vote(t, [ANSWER, ANSWER, ANSWER]);
        _deliver(t);
        assertGt(task.earnedBy(id), 0);
    }

    function test_aNodeThatIsGoneIsStillPaid() public {
        TaskId t = _agreed();
        NodeId id = _nodeAt(t, 1);
        address operator = _operatorAt(t, 1);
        vm.startPrank(operator);
        node.quit(id);
        vm.warp(block.timestamp + 7 days);
        node.withdraw(id);
        vm.stopPrank();
        assertEq(_status(id), INode.Status.Gone);
        task.collect(id);
        assertEq(task.creditOf(operator), POT * 18 / 50);
    }

    /// @dev A stake that is slashed does not take along what was earned before.
    function test_aSlashedNodeKeepsWhatItEarned() public {
        TaskId first = _agreed();
        NodeId id = _nodeAt(first, 1);
        uint256 earned = task.earnedBy(id);
        TaskId t = _seated();
        _commitAll(t, 7, ANSWER);
        for (uint256 i; i < 3; ++i) {
            if (_nodeAt(t, i) != id) continue;
            _revealAll(t, 7 ^ (1 << i), ANSWER);
        }
        _advance(t);
        _deliver(t);
        t = _seated();
        for (uint256 i; i < 3; ++i) {
            _commit(t, i, _nodeAt(t, i) == id ? WRONG : ANSWER);
        }
        for (uint256 i; i < 3; ++i) {
            _reveal(t, i, _nodeAt(t, i) == id ? WRONG : ANSWER);
        }
        vm.warp(block.timestamp + 2 days + 1);
        node.slash(id);
        assertEq(_status(id), INode.Status.Slashed);
        assertEq(task.collect(id), earned);
        _assertConserved();
    }

    function test_theOperatorWithdrawsWhatWasCollected() public {
        TaskId t = _agreed();
        _deliver(t);
        for (uint256 i; i < 3; ++i) {
            address operator = _operatorAt(t, i);
            uint256 amount = task.collect(_nodeAt(t, i));
            vm.prank(operator);
            task.withdraw(operator);
            assertEq(operator.balance, amount);
        }
        vm.prank(keeper);
        task.withdraw(keeper);
        assertEq(address(task).balance, 0);
    }

    /// @dev A task on which all three agree, not yet delivered.
    function _agreed() private returns (TaskId t) {
        t = _seated();
        _vote(t, [ANSWER, ANSWER, ANSWER]);
        _nextBlock();
    }

    function _pauseAll() private {
        for (uint32 i = 1; i <= 3; ++i) {
            vm.prank(_operator(i));
            node.pause(NodeId.wrap(i));
        }
    }
}
