// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {TaskId} from "../../../contracts/types/Ids.sol";
import {NotAllowed} from "../../../contracts/types/Wiring.sol";
import {Network} from "../Network.sol";

contract TaskAddKindTest is Network {
    function testFuzz_refusesEverybodyButTheOwner(address caller) public {
        vm.assume(caller != owner);
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(NotAllowed.selector, caller, owner));
        task.addKind(_valid());
    }

    function test_refusesKindWithoutSizes() public {
        ITask.Kind memory k = _valid();
        k.maxSize = 0;
        _refused(k);
    }

    function test_refusesUnitsThatTakeNoTime() public {
        ITask.Kind memory k = _valid();
        k.msPerUnit = 0;
        _refused(k);
    }

    function testFuzz_refusesDistancesThatMeanNothing(uint8 distance) public {
        ITask.Kind memory k = _valid();
        k.maxDistance = uint8(bound(distance, 33, 255));
        _refused(k);
    }

    function testFuzz_refusesMoreImagesThanAResultHolds(uint32 size) public {
        ITask.Kind memory k = _valid();
        (k.exact, k.maxSize) = (false, uint32(bound(size, 5, type(uint32).max)));
        _refused(k);
    }

    /// @dev Without this bound a commit deadline could outgrow its 40 bits and overwrite the task's tier and class.
    function testFuzz_refusesEstimatesAboveADay(uint32 overheadMs, uint32 msPerUnit, uint32 size) public {
        ITask.Kind memory k = _valid();
        k.overheadMs = overheadMs;
        k.msPerUnit = uint32(bound(msPerUnit, 87, type(uint32).max));
        k.maxSize = uint32(bound(size, 1e6, type(uint32).max));
        _refused(k);
    }

    function test_acceptsAnEstimateOfExactlyADay() public {
        ITask.Kind memory k = _valid();
        (k.overheadMs, k.msPerUnit, k.maxSize) = (1 hours * 1000, 23 hours, 1000);
        _add(k);
        k.overheadMs += 1;
        _refused(k);
    }

    function test_refusesASeventeenth() public {
        for (uint256 i = 2; i < 16; ++i) {
            _add(_valid());
        }
        vm.expectRevert(abi.encodeWithSelector(ITask.TooManyKinds.selector, 16));
        _add(_valid());
    }

    function testFuzz_storesAndAnnouncesTheKind(ITask.Kind memory k) public {
        k.maxDistance = uint8(bound(k.maxDistance, 0, 32));
        k.maxSize = uint32(bound(k.maxSize, 1, k.exact ? 1000 : 4));
        k.msPerUnit = uint32(bound(k.msPerUnit, 1, 80_000));
        k.overheadMs = uint32(bound(k.overheadMs, 0, 1 hours));
        vm.expectEmit(address(task));
        emit ITask.KindAdded(2, k);
        assertEq(_add(k), 2);
        assertEq(task.kinds(), 3);
        assertEq(abi.encode(task.kindOf(2)), abi.encode(k));
    }

    /// @dev A third kind is a table entry: nothing else changes for a task of it to be served and paid.
    function test_aTaskOfANewKindIsServed() public {
        uint8 kind = _add(_valid());
        _joinMany(3);
        TaskId t = _create(kind, FEE, 1000);
        assertEq(_dispatch(1), 1);
        assertEq(task.taskOf(t).deadline, block.timestamp + 120 + 4 * (1 + 1000 * 10 / 1000), "its own estimate");
        _vote(t, [ANSWER, ANSWER, ANSWER]);
        _deliver(t);
        assertEq(stats.tallyOf(kind).agreed, 1);
        assertEq(stats.tallyOf(GPT).agreed, 0);
    }

    function _valid() private pure returns (ITask.Kind memory) {
        return
            ITask.Kind({exact: true, sameClass: false, maxDistance: 0, overheadMs: 1000, msPerUnit: 10, maxSize: 1000});
    }

    function _add(ITask.Kind memory k) private returns (uint8) {
        vm.prank(owner);
        return task.addKind(k);
    }

    function _refused(ITask.Kind memory k) private {
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(ITask.KindOutOfBounds.selector, k));
        task.addKind(k);
    }
}
