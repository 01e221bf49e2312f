// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Network} from "../Network.sol";

contract TaskDeliverTest is Network {
    uint256 private constant POT = FEE - FEE / 100;

    TaskId private t;

    function setUp() public override {
        super.setUp();
        _joinMany(3);
        t = _seated();
    }

    function testFuzz_refusesEverybodyButTheKey(address caller) public {
        _vote(t, [ANSWER, ANSWER, ANSWER]);
        vm.assume(caller != _keyAt(t, 0));
        NodeId id = _nodeAt(t, 0);
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(ITask.NotNodeKey.selector, id, caller));
        task.deliver(id, t, ANSWER);
    }

    function test_refusesBeforeTheSettlement() public {
        _refused(0, ANSWER, _wrongState(ITask.State.Committing));
        for (uint256 i; i < 3; ++i) {
            _commit(t, i, ANSWER);
        }
        _reveal(t, 0, ANSWER);
        _refused(0, ANSWER, _wrongState(ITask.State.Revealing));
    }

    function test_refusesTaskThatWasAborted() public {
        _vote(t, [ANSWER, WRONG, _error(1)]);
        _refused(0, ANSWER, _wrongState(ITask.State.Ended));
    }

    function test_refusesTheSecondTime() public {
        _vote(t, [ANSWER, ANSWER, ANSWER]);
        _deliver(t);
        uint256 paid = _earned(t, 0);
        _refused(0, ANSWER, _wrongState(ITask.State.Ended));
        assertEq(_earned(t, 0), paid, "each seat is paid once");
    }

    function testFuzz_refusesEverySeatWhoseTurnItIsNot(uint8 seat) public {
        _vote(t, [ANSWER, ANSWER, ANSWER]);
        uint256 other = bound(seat, 1, 2);
        bytes4 selector = ITask.NotDeliverer.selector;
        _refused(other, ANSWER, abi.encodeWithSelector(selector, t, _nodeAt(t, other), _nodeAt(t, 0)));
    }

    function test_refusesTheSeatThatDidNotAgree() public {
        _vote(t, [WRONG, ANSWER, ANSWER]);
        bytes4 selector = ITask.NotDeliverer.selector;
        _refused(0, ANSWER, abi.encodeWithSelector(selector, t, _nodeAt(t, 0), _nodeAt(t, 1)));
    }

    function testFuzz_refusesAfterTheDeadline(uint40 late) public {
        _vote(t, [ANSWER, ANSWER, ANSWER]);
        uint256 deadline = task.taskOf(t).deadline;
        vm.warp(deadline + bound(late, 1, 365 days));
        _refused(0, ANSWER, abi.encodeWithSelector(ITask.TooLate.selector, t, deadline));
    }

    function test_refusesContentZero() public {
        _vote(t, [ANSWER, ANSWER, ANSWER]);
        _refused(0, 0, abi.encodeWithSelector(ITask.ContentZero.selector, t));
    }

    function testFuzz_releasesTheHeldShareUntilTheLastSecond(bytes32 content, uint40 early) public {
        vm.assume(content != 0);
        _vote(t, [ANSWER, ANSWER, ANSWER]);
        vm.warp(bound(early, block.timestamp, task.taskOf(t).deadline));
        NodeId id = _nodeAt(t, 0);
        vm.prank(_keyAt(t, 0));
        vm.expectEmit(address(task));
        emit ITask.Delivered(t, id, content, uint96(POT * 20 / 50));
        task.deliver(id, t, content);
        assertEq(_earned(t, 0), POT * 20 / 50);
        assertEq(task.taskOf(t).escrow, 0);
        assertEq(task.taskOf(t).creator, address(0), "its slot is clear");
        assertEq(task.taskOf(t).state, ITask.State.Ended);
        assertEq(address(task).balance, FEE, "invariant 6: a credit, not a transfer");
    }

    function test_theNextMayDeliverWhenTheFirstDidNot() public {
        _vote(t, [ANSWER, ANSWER, ANSWER]);
        _pastDeadline(t);
        task.advance(t);
        _refused(0, ANSWER, abi.encodeWithSelector(ITask.NotDeliverer.selector, t, _nodeAt(t, 0), _nodeAt(t, 1)));
        uint256 before = _earned(t, 1);
        _deliver(t);
        uint256 held = POT * 20 / 50;
        assertEq(_earned(t, 1), before + held - held / 100, "the held share, less the crank's, goes to who delivered");
        assertEq(_earned(t, 0), 0);
    }

    /// @dev Its seat has ended: the node may hold the next one while it uploads.
    function test_aNodeThatTookItsNextSeatStillDelivers() public {
        _vote(t, [ANSWER, ANSWER, ANSWER]);
        TaskId second = _seated();
        _commit(second, 0, WRONG);
        _deliver(t);
        assertEq(task.taskOf(t).state, ITask.State.Ended);
        assertEq(task.taskOf(second).state, ITask.State.Committing);
    }

    function test_aNodeThatHasQuitStillDelivers() public {
        _vote(t, [ANSWER, ANSWER, ANSWER]);
        NodeId id = _nodeAt(t, 0);
        address operator = _operatorAt(t, 0);
        vm.prank(operator);
        node.quit(id);
        _deliver(t);
        assertEq(_collect(id), POT * 20 / 50);
        assertEq(task.creditOf(operator), POT * 20 / 50);
    }

    function _refused(uint256 seat, bytes32 content, bytes memory reason) private {
        NodeId id = _nodeAt(t, seat);
        vm.prank(_keyAt(t, seat));
        vm.expectRevert(reason);
        task.deliver(id, t, content);
    }

    function _wrongState(ITask.State state) private view returns (bytes memory) {
        return abi.encodeWithSelector(ITask.WrongState.selector, t, state, ITask.State.Delivering);
    }
}
