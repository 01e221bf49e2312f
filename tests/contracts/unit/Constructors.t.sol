// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {ITaskQueue} from "../../../contracts/interfaces/ITaskQueue.sol";
import {NoTreasury, Wiring, WrongAddress} from "../../../contracts/types/Wiring.sol";
import {Deployment, Params} from "../../../script/Deployment.sol";
import {Network} from "../Network.sol";

/// @notice What the constructors refuse, and the sizes of what they leave.
contract ConstructorsTest is Network {
    /// EIP-170.
    uint256 private constant CODE_LIMIT = 24_576;

    function testFuzz_aContractRefusesAnyAddressButItsOwn(address elsewhere) public {
        Params memory p = Deployment.defaults();
        Wiring memory w = Wiring(elsewhere, elsewhere, elsewhere, elsewhere, elsewhere, owner, treasury);
        address here = vm.computeCreateAddress(address(this), vm.getNonce(address(this)));
        vm.assume(elsewhere != here);
        bytes memory reason = abi.encodeWithSelector(WrongAddress.selector, elsewhere, here);
        _refused("QoS.sol:QoS", abi.encode(w), reason);
        _refused("NetworkStats.sol:NetworkStats", abi.encode(w), reason);
        _refused("TaskQueue.sol:TaskQueue", abi.encode(w, p.limits), reason);
        _refused("Node.sol:Node", abi.encode(w, p.minStake, p.unbondingSeconds, p.rules), reason);
        _refused("Task.sol:Task", abi.encode(w, p.maxFee, p.minValue, p.terms, p.kinds), reason);
    }

    /// @dev What is slashed, and what a relay leaves undelivered, would be lost.
    function test_nodeAndTaskRefuseToBeWithoutATreasury() public {
        Params memory p = Deployment.defaults();
        treasury = address(0);
        _nodeRefused(p, abi.encodeWithSelector(NoTreasury.selector));
        _taskRefused(p, abi.encodeWithSelector(NoTreasury.selector));
    }

    function test_takeTheHighestCommitFactorAndNoHigher() public {
        Params memory p = Deployment.defaults();
        p.terms.commitFactor = 17;
        _taskRefused(p, abi.encodeWithSelector(ITask.TermsOutOfBounds.selector, p.terms));
        p.terms.commitFactor = 16;
        Wiring memory w = _wiring();
        w.task = vm.computeCreateAddress(address(this), vm.getNonce(address(this)));
        ITask made = ITask(_made("Task.sol:Task", abi.encode(w, p.maxFee, p.minValue, p.terms, p.kinds)));
        assertEq(abi.encode(made.terms()), abi.encode(p.terms));
    }

    /// @dev A ruling has to pass the owner's timelock in its time.
    function test_takeTheShortestArbitrationAndNoShorter() public {
        Params memory p = Deployment.defaults();
        p.rules.arbitrationSeconds = 3 days - 1;
        _nodeRefused(p, abi.encodeWithSelector(INode.RulesOutOfBounds.selector, p.rules));
        p.rules.arbitrationSeconds = 3 days;
        Wiring memory w = _wiring();
        w.node = vm.computeCreateAddress(address(this), vm.getNonce(address(this)));
        INode made = INode(_made("Node.sol:Node", abi.encode(w, p.minStake, p.unbondingSeconds, p.rules)));
        assertEq(abi.encode(made.rules()), abi.encode(p.rules));
    }

    function testFuzz_taskRefusesTermsOutOfBounds(uint8 which, uint24 by) public {
        Params memory p = Deployment.defaults();
        uint24 tooLong = uint24(bound(by, 1 days + 1, type(uint24).max));
        uint256 pick = which % 13;
        if (pick == 0) p.terms.commitGrace = 0;
        if (pick == 1) p.terms.commitFactor = 0;
        if (pick == 2) p.terms.revealWindow = 0;
        if (pick == 3) p.terms.deliverWindow = 0;
        if (pick == 4) p.terms.commitGrace = tooLong;
        if (pick == 5) p.terms.revealWindow = tooLong;
        if (pick == 6) p.terms.deliverWindow = tooLong;
        if (pick == 7) p.terms.crankBps = uint16(bound(by, 301, type(uint16).max));
        if (pick == 8) p.terms.errorBps = uint16(bound(by, 1001, type(uint16).max));
        if (pick == 9) p.terms.vacancyWindow = 0;
        if (pick == 10) p.terms.vacancyWindow = tooLong;
        if (pick == 11) p.terms.refills = uint8(bound(by, 3, type(uint8).max));
        if (pick == 12) p.terms.commitFactor = uint8(bound(by, 17, type(uint8).max));
        _taskRefused(p, abi.encodeWithSelector(ITask.TermsOutOfBounds.selector, p.terms));
    }

    /// @dev A quarter of the stake at most, so that cheating for a fee does not pay.
    function testFuzz_taskRefusesFeesAboveAQuarterOfTheStake(uint96 maxFee) public {
        Params memory p = Deployment.defaults();
        p.maxFee = maxFee % 8 == 0 ? 0 : uint96(bound(maxFee, 100 ether + 1, type(uint96).max));
        _taskRefused(p, abi.encodeWithSelector(ITask.MaxFeeOutOfBounds.selector, p.maxFee, 100 ether));
    }

    function test_taskRefusesKindsOutOfBounds() public {
        Params memory p = Deployment.defaults();
        p.kinds[1].maxSize = 5;
        _taskRefused(p, abi.encodeWithSelector(ITask.KindOutOfBounds.selector, p.kinds[1]));
    }

    function testFuzz_nodeRefusesStakesOutOfBounds(uint96 minStake, uint40 unbondingSeconds) public {
        Params memory p = Deployment.defaults();
        p.unbondingSeconds = uint40(bound(unbondingSeconds, 90 days + 1, type(uint40).max));
        _stakeRefused(p);
        p.unbondingSeconds = unbondingSeconds % uint40(5 days);
        _stakeRefused(p);
        p.unbondingSeconds = 7 days;
        p.minStake = 0;
        _stakeRefused(p);
        p.unbondingSeconds = 5 days - 1;
        p.minStake = minStake;
        _stakeRefused(p);
    }

    function testFuzz_nodeRefusesRulesOutOfBounds(uint8 which, uint96 by) public {
        Params memory p = Deployment.defaults();
        p.unbondingSeconds = 90 days;
        uint256 pick = which % 8;
        if (pick == 0) p.rules.missPenalty = uint96(bound(by, 4 ether + 1, 40 ether));
        if (pick <= 1) p.rules.concealPenalty = uint96(bound(by, 40 ether + 1, type(uint96).max));
        if (pick == 2) (p.rules.missPenalty, p.rules.concealPenalty) = (2, 1);
        if (pick == 3) p.rules.appealSeconds = uint32(by % 1 days);
        if (pick == 4) p.rules.appealSeconds = uint32(bound(by, 7 days + 1, type(uint32).max));
        if (pick == 5) p.rules.arbitrationSeconds = uint32(by % 3 days);
        if (pick == 6) p.rules.arbitrationSeconds = uint32(bound(by, 14 days + 1, type(uint32).max));
        // A case must end before the unbonding of those it concerns does.
        uint256 longest = uint256(p.rules.appealSeconds) + p.rules.arbitrationSeconds;
        if (pick == 7) p.unbondingSeconds = uint40(by % 4 == 0 ? longest : bound(by, 5 days, longest));
        _nodeRefused(p, abi.encodeWithSelector(INode.RulesOutOfBounds.selector, p.rules));
    }

    function testFuzz_queueRefusesLimitsOutOfBounds(uint8 which, uint32 by) public {
        ITaskQueue.Limits memory l = Deployment.defaults().limits;
        uint256 pick = which % 6;
        if (pick == 0) l.tasksPerNode = 0;
        if (pick == 1) l.tasksPerNode = uint16(bound(by, 1001, type(uint16).max));
        if (pick == 2) l.reserveAfter = by % 1 minutes;
        if (pick == 3) l.reserveAfter = uint32(bound(by, 1 days + 1, type(uint32).max));
        if (pick == 4) l.reserveHold = by % 10 minutes;
        if (pick == 5) l.reserveHold = uint32(bound(by, 7 days + 1, type(uint32).max));
        Wiring memory w = _wiring();
        w.queue = vm.computeCreateAddress(address(this), vm.getNonce(address(this)));
        bytes4 selector = ITaskQueue.LimitsOutOfBounds.selector;
        _refused("TaskQueue.sol:TaskQueue", abi.encode(w, l), abi.encodeWithSelector(selector, l));
    }

    function test_theParametersAreThoseOfTheDeployment() public {
        Params memory p = _params();
        assertEq(node.minStake(), p.minStake);
        assertEq(node.unbondingSeconds(), p.unbondingSeconds);
        assertEq(task.maxFee(), p.maxFee);
        assertEq(task.minValue(), p.minValue);
        assertEq(abi.encode(task.terms()), abi.encode(p.terms));
        assertEq(abi.encode(node.rules()), abi.encode(p.rules));
        assertEq(abi.encode(queue.limits()), abi.encode(p.limits));
        assertEq(task.kinds(), p.kinds.length);
        for (uint8 i; i < p.kinds.length; ++i) {
            assertEq(abi.encode(task.kindOf(i)), abi.encode(p.kinds[i]));
        }
    }

    function test_everyContractFitsTheCodeLimit() public view {
        assertLt(address(node).code.length, CODE_LIMIT);
        assertLt(address(task).code.length, CODE_LIMIT);
        assertLt(address(queue).code.length, CODE_LIMIT);
        assertLt(address(qos).code.length, CODE_LIMIT);
        assertLt(address(stats).code.length, CODE_LIMIT);
    }

    function _taskRefused(Params memory p, bytes memory reason) private {
        Wiring memory w = _wiring();
        w.task = vm.computeCreateAddress(address(this), vm.getNonce(address(this)));
        _refused("Task.sol:Task", abi.encode(w, p.maxFee, p.minValue, p.terms, p.kinds), reason);
    }

    function _stakeRefused(Params memory p) private {
        bytes4 selector = INode.StakeOutOfBounds.selector;
        _nodeRefused(p, abi.encodeWithSelector(selector, p.minStake, p.unbondingSeconds));
    }

    function _nodeRefused(Params memory p, bytes memory reason) private {
        Wiring memory w = _wiring();
        w.node = vm.computeCreateAddress(address(this), vm.getNonce(address(this)));
        _refused("Node.sol:Node", abi.encode(w, p.minStake, p.unbondingSeconds, p.rules), reason);
    }

    /// @dev The network that is there.
    function _wiring() private view returns (Wiring memory) {
        return Wiring(address(node), address(task), address(queue), address(qos), address(stats), owner, treasury);
    }

    function _made(string memory artifact, bytes memory args) private returns (address made) {
        bytes memory init = abi.encodePacked(vm.getCode(artifact), args);
        assembly ("memory-safe") {
            made := create(0, add(init, 32), mload(init))
        }
        assertTrue(made != address(0), artifact);
    }

    function _refused(string memory artifact, bytes memory args, bytes memory reason) private {
        bytes memory init = abi.encodePacked(vm.getCode(artifact), args);
        // A failed creation keeps the nonce it used; each attempt starts from the same one.
        uint256 start = vm.snapshotState();
        address made;
        bytes memory output;
        assembly ("memory-safe") {
            made := create(0, add(init, 32), mload(init))
            output := mload(0x40)
            mstore(output, returndatasize())
            returndatacopy(add(output, 32), 0, returndatasize())
            mstore(0x40, add(add(output, 32), and(add(returndatasize(), 31), not(31))))
        }
        assertEq(made, address(0), "refused");
        assertEq(output, reason, artifact);
        vm.revertToState(start);
    }
}
