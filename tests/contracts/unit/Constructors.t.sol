// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {Wiring, WrongAddress} from "../../../contracts/types/Wiring.sol";
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
        _refused("TaskQueue.sol:TaskQueue", abi.encode(w), reason);
        _refused("Node.sol:Node", abi.encode(w, p.minStake, p.unbondingSeconds), reason);
        _refused("Task.sol:Task", abi.encode(w, p.maxFee, p.minValue, p.terms, p.kinds), reason);
    }

    function testFuzz_taskRefusesTermsOutOfBounds(uint8 which, uint24 by) public {
        Params memory p = Deployment.defaults();
        uint24 tooLong = uint24(bound(by, 1 days + 1, type(uint24).max));
        uint256 pick = which % 9;
        if (pick == 0) p.terms.commitGrace = 0;
        if (pick == 1) p.terms.commitFactor = 0;
        if (pick == 2) p.terms.revealWindow = 0;
        if (pick == 3) p.terms.deliverWindow = 0;
        if (pick == 4) p.terms.commitGrace = tooLong;
        if (pick == 5) p.terms.revealWindow = tooLong;
        if (pick == 6) p.terms.deliverWindow = tooLong;
        if (pick == 7) p.terms.crankBps = uint16(bound(by, 501, type(uint16).max));
        if (pick == 8) p.terms.errorBps = uint16(bound(by, 1001, type(uint16).max));
        _taskRefused(p, abi.encodeWithSelector(ITask.TermsOutOfBounds.selector, p.terms));
    }

    function test_taskRefusesKindsOutOfBounds() public {
        Params memory p = Deployment.defaults();
        p.kinds[1].maxSize = 5;
        _taskRefused(p, abi.encodeWithSelector(ITask.KindOutOfBounds.selector, p.kinds[1]));
    }

    function test_theParametersAreThoseOfTheDeployment() public view {
        Params memory p = Deployment.defaults();
        assertEq(node.minStake(), p.minStake);
        assertEq(node.unbondingSeconds(), p.unbondingSeconds);
        assertEq(task.maxFee(), p.maxFee);
        assertEq(task.minValue(), p.minValue);
        assertEq(abi.encode(task.terms()), abi.encode(p.terms));
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
        address here = vm.computeCreateAddress(address(this), vm.getNonce(address(this)));
        Wiring memory w = Wiring(address(node), here, address(queue), address(qos), address(stats), owner, treasury);
        _refused("Task.sol:Task", abi.encode(w, p.maxFee, p.minValue, p.terms, p.kinds), reason);
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
