// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Create3Factory} from "../../../contracts/Create3Factory.sol";
import {INode} from "../../../contracts/interfaces/INode.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {ITaskQueue} from "../../../contracts/interfaces/ITaskQueue.sol";
import {NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {NotAllowed} from "../../../contracts/types/Wiring.sol";
import {Deployment} from "../../../script/Deployment.sol";
import {Cases} from "../Cases.sol";
import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

/// @notice The network under the owner it is deployed with.
contract TimelockOwnerTest is Cases {
    uint256 private constant DELAY = 2 days;
    bytes32 private constant ADMIN = 0;
    bytes32 private constant PROPOSER = keccak256("PROPOSER_ROLE");
    bytes32 private constant CANCELLER = keccak256("CANCELLER_ROLE");
    bytes32 private constant EXECUTOR = keccak256("EXECUTOR_ROLE");

    address private governor = makeAddr("governor");
    TimelockController private timelock;
    Create3Factory private factory;

    function setUp() public override {
        factory = new Create3Factory();
        owner = Deployment.deployTimelock(factory, address(this), governor);
        timelock = TimelockController(payable(owner));
        super.setUp();
        _joinMany(3);
    }

    /// @dev Every change that the owner may make, with its target.
    function _changes() private view returns (address[6] memory targets, bytes[6] memory inputs) {
        ITask.Terms memory terms = task.terms();
        terms.refills = 2;
        ITask.Kind memory kind = task.kindOf(GPT);
        INode.Rules memory rules = node.rules();
        rules.missPenalty = 1 ether;
        ITaskQueue.Limits memory limits = queue.limits();
        limits.tasksPerNode = 9;
        targets = [address(task), address(task), address(task), address(node), address(queue), address(node)];
        inputs = [
            abi.encodeCall(ITask.setTerms, (terms)),
            abi.encodeCall(ITask.addKind, (kind)),
            abi.encodeCall(ITask.setDurations, (GPT, kind.overheadMs, kind.msPerUnit + 1)),
            abi.encodeCall(INode.setRules, (rules)),
            abi.encodeCall(ITaskQueue.setLimits, (limits)),
            abi.encodeCall(INode.arbitrate, (NodeId.wrap(1), TaskId.wrap(1), INode.Ruling.Guilty))
        ];
    }

    /// @dev Neither the governor, nor who deployed it, nor anybody else.
    function testFuzz_nobodyButTheTimelockChangesAnything(address caller) public {
        vm.assume(caller != owner);
        address[3] memory callers = [governor, address(this), caller];
        (address[6] memory targets, bytes[6] memory inputs) = _changes();
        for (uint256 i; i < 18; ++i) {
            vm.prank(callers[i / 6]);
            (bool ok, bytes memory output) = targets[i % 6].call(inputs[i % 6]);
            assertFalse(ok);
            assertEq(output, abi.encodeWithSelector(NotAllowed.selector, callers[i / 6], owner));
        }
    }

    function testFuzz_nobodyButTheGovernorProposesOrCancels(address caller) public {
        vm.assume(caller != governor);
        (address[6] memory targets, bytes[6] memory inputs) = _changes();
        bytes memory refusal =
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, caller, PROPOSER);
        vm.startPrank(caller);
        vm.expectRevert(refusal);
        timelock.schedule(targets[0], 0, inputs[0], 0, 0, DELAY);
        vm.stopPrank();
        bytes32 id = _schedule(targets[0], inputs[0]);
        vm.startPrank(caller);
        vm.expectRevert(
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, caller, CANCELLER)
        );
        timelock.cancel(id);
    }

    function testFuzz_theDelayCannotBeCutShort(uint256 delay) public {
        delay = bound(delay, 0, DELAY - 1);
        (address[6] memory targets, bytes[6] memory inputs) = _changes();
        vm.prank(governor);
        vm.expectRevert(abi.encodeWithSelector(TimelockController.TimelockInsufficientDelay.selector, delay, DELAY));
        timelock.schedule(targets[0], 0, inputs[0], 0, 0, delay);
        vm.prank(governor);
        vm.expectRevert(abi.encodeWithSelector(TimelockController.TimelockUnauthorizedCaller.selector, governor));
        timelock.updateDelay(0);
    }

    /// @dev Each change takes effect by anybody's call after the delay, with its event, and not a second before.
    function testFuzz_aProposalIsExecutedAfterTheDelayAndNotBefore(address caller, uint32 early, uint32 late) public {
        (address[6] memory targets, bytes[6] memory inputs) = _changes();
        uint256 start = block.timestamp;
        for (uint256 i; i < 5; ++i) {
            bytes32 id = _schedule(targets[i], inputs[i]);
            vm.warp(start + bound(early, 0, DELAY - 1));
            _expectNotReady(id);
            timelock.execute(targets[i], 0, inputs[i], 0, 0);
            vm.warp(start);
        }
        vm.warp(start + DELAY + late);
        vm.startPrank(caller);
        for (uint256 i; i < 5; ++i) {
            timelock.execute(targets[i], 0, inputs[i], 0, 0);
        }
        vm.stopPrank();
        assertEq(task.terms().refills, 2);
        assertEq(task.kinds(), 3);
        assertEq(task.kindOf(GPT).msPerUnit, 51);
        assertEq(node.rules().missPenalty, 1 ether);
        assertEq(queue.limits().tasksPerNode, 9);
    }

    function test_aProposalIsExecutedOnce() public {
        (address[6] memory targets, bytes[6] memory inputs) = _changes();
        bytes32 id = _schedule(targets[1], inputs[1]);
        vm.warp(block.timestamp + DELAY);
        vm.expectEmit(address(task));
        emit ITask.KindAdded(2, task.kindOf(GPT));
        timelock.execute(targets[1], 0, inputs[1], 0, 0);
        _expectNotReady(id);
        timelock.execute(targets[1], 0, inputs[1], 0, 0);
        assertEq(task.kinds(), 3);
    }

    function test_aCancelledProposalIsNeverExecuted() public {
        (address[6] memory targets, bytes[6] memory inputs) = _changes();
        bytes32 id = _schedule(targets[1], inputs[1]);
        vm.prank(governor);
        timelock.cancel(id);
        vm.warp(block.timestamp + 365 days);
        _expectNotReady(id);
        timelock.execute(targets[1], 0, inputs[1], 0, 0);
    }

    /// @dev The bounds hold for the owner, too.
    function test_aProposalOutsideTheBoundsFails() public {
        INode.Rules memory rules = node.rules();
        rules.missPenalty = 5 ether;
        bytes memory input = abi.encodeCall(INode.setRules, (rules));
        _schedule(address(node), input);
        vm.warp(block.timestamp + DELAY);
        vm.expectRevert(abi.encodeWithSelector(INode.RulesOutOfBounds.selector, rules));
        timelock.execute(address(node), 0, input, 0, 0);
    }

    /// @dev The delay lies well inside the time to decide, so a ruling proposed after the last second of the time to appeal
    /// comes in time, and one proposed before the appeal does not come early.
    function testFuzz_anAppealCanBeDecidedInTime(uint32 waited) public {
        Case memory c = _openCase();
        vm.warp(block.timestamp + bound(waited, 0, APPEAL));
        node.appeal(c.alone, EVIDENCE);
        bytes memory input = abi.encodeCall(INode.arbitrate, (c.alone, c.task, INode.Ruling.Guilty));
        bytes32 id = _schedule(address(node), input);
        vm.warp(block.timestamp + DELAY - 1);
        _expectNotReady(id);
        timelock.execute(address(node), 0, input, 0, 0);
        vm.warp(block.timestamp + 1);
        assertGe(node.caseOf(c.alone).until, block.timestamp + 2 days);
        vm.expectEmit(address(node));
        emit INode.CaseDecided(c.alone, c.task, INode.Ruling.Guilty);
        timelock.execute(address(node), 0, input, 0, 0);
        assertEq(_status(c.alone), INode.Status.Slashed);
        assertEq(timelock.getMinDelay(), Deployment.GOVERNANCE_DELAY);
        _assertBooks();
    }

    /// @dev The governor proposes, anybody executes, and nobody hands out roles but the timelock by a proposal.
    function testFuzz_nobodyAdministersTheTimelock(address anybody) public {
        vm.assume(anybody != owner);
        address[4] memory candidates = [anybody, governor, address(this), address(factory)];
        for (uint256 i; i < 4; ++i) {
            assertFalse(timelock.hasRole(ADMIN, candidates[i]));
            assertEq(timelock.hasRole(PROPOSER, candidates[i]), candidates[i] == governor);
            assertEq(timelock.hasRole(CANCELLER, candidates[i]), candidates[i] == governor);
            vm.prank(candidates[i]);
            vm.expectRevert(
                abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, candidates[i], ADMIN)
            );
            timelock.grantRole(PROPOSER, anybody);
        }
        assertTrue(timelock.hasRole(ADMIN, owner));
        assertTrue(timelock.hasRole(EXECUTOR, address(0)), "anybody executes");
        assertEq(timelock.getRoleAdmin(PROPOSER), ADMIN);
    }

    /// @dev The timelock's address depends on the deployer alone, like the others.
    function test_standsWhereTheFactorySays() public view {
        assertEq(owner, factory.addressOf(address(this), Deployment.TIMELOCK));
        assertEq(timelock.getMinDelay(), DELAY);
    }

    function _schedule(address target, bytes memory input) private returns (bytes32 id) {
        vm.prank(governor);
        timelock.schedule(target, 0, input, 0, 0, DELAY);
        return timelock.hashOperation(target, 0, input, 0, 0);
    }

    function _expectNotReady(bytes32 id) private {
        bytes32 ready = bytes32(1 << uint8(TimelockController.OperationState.Ready));
        vm.expectRevert(abi.encodeWithSelector(TimelockController.TimelockUnexpectedOperationState.selector, id, ready));
    }
}
