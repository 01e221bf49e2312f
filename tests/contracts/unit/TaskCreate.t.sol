// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {ITaskQueue} from "../../../contracts/interfaces/ITaskQueue.sol";
import {VramTier} from "../../../contracts/libraries/VramTier.sol";
import {ClassId, NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Level, ValueRate} from "../../../contracts/types/ValueRate.sol";
import {Network} from "../Network.sol";

contract TaskCreateTest is Network {
    struct Request {
        uint8 kind;
        bytes32 taskHash;
        uint32 size;
        uint16 minVram;
        ClassId class;
        uint32 maxWait;
        uint256 fee;
    }

    /// A class of machines with 24 GB, tier 9.
    ClassId private class;

    function setUp() public override {
        super.setUp();
        class = node.nodeOf(_join(1, CLASS, 24)).class;
    }

    function test_refusesZeroFee() public {
        Request memory r = _valid();
        r.fee = 0;
        _refused(r, abi.encodeWithSelector(ITask.FeeZero.selector));
    }

    function testFuzz_refusesFeeAboveTheLimit(uint256 fee) public {
        Request memory r = _valid();
        r.fee = bound(fee, uint256(task.maxFee()) + 1, type(uint128).max);
        _refused(r, abi.encodeWithSelector(ITask.FeeTooHigh.selector, r.fee, task.maxFee()));
    }

    function testFuzz_refusesUnknownKind(uint8 kind) public {
        Request memory r = _valid();
        r.kind = uint8(bound(kind, 2, 255));
        _refused(r, abi.encodeWithSelector(ITask.UnknownKind.selector, r.kind));
    }

    function test_refusesSizeZero() public {
        Request memory r = _valid();
        r.size = 0;
        _refused(r, abi.encodeWithSelector(ITask.SizeZero.selector));
    }

    function testFuzz_refusesSizeAboveTheKindsLimit(uint8 kind, uint32 size) public {
        Request memory r = _valid();
        r.kind = uint8(bound(kind, GPT, SD));
        uint32 limit = task.kindOf(r.kind).maxSize;
        r.size = uint32(bound(size, uint256(limit) + 1, type(uint32).max));
        _refused(r, abi.encodeWithSelector(ITask.SizeTooLarge.selector, r.size, limit));
    }

    function test_refusesZeroHash() public {
        Request memory r = _valid();
        r.taskHash = 0;
        _refused(r, abi.encodeWithSelector(ITask.HashZero.selector));
    }

    function testFuzz_refusesWaitOutOfBounds(uint32 maxWait) public {
        Request memory r = _valid();
        uint32 most = 7 days;
        r.maxWait = uint32(maxWait % 2 == 0 ? maxWait % 60 : bound(maxWait, uint256(most) + 1, type(uint32).max));
        _refused(r, abi.encodeWithSelector(ITask.WaitOutOfBounds.selector, r.maxWait, 60, most));
    }

    function testFuzz_refusesMemoryNoTierGuarantees(uint16 minVram) public {
        Request memory r = _valid();
        r.minVram = uint16(bound(minVram, 129, type(uint16).max));
        _refused(r, abi.encodeWithSelector(ITask.NoSuchTier.selector, r.minVram));
    }

    function testFuzz_refusesClassThatDoesNotExist(uint32 id) public {
        Request memory r = _valid();
        r.class = ClassId.wrap(uint32(bound(id, 2, type(uint32).max)));
        _refused(r, abi.encodeWithSelector(ITask.ClassUnsuitable.selector, r.class, r.minVram));
    }

    function testFuzz_refusesClassWithLessMemoryThanAsked(uint16 minVram) public {
        Request memory r = _valid();
        (r.class, r.minVram) = (class, uint16(bound(minVram, 25, 128)));
        _refused(r, abi.encodeWithSelector(ITask.ClassUnsuitable.selector, class, r.minVram));
    }

    function testFuzz_refusesValueBelowTheMinimum(uint32 size, uint96 fee) public {
        Request memory r = _valid();
        r.size = uint32(bound(size, 1, 4096));
        uint256 durationMs = 5000 + 50 * uint256(r.size);
        // The minimum of 1 gwei a second is durationMs × 10^6 wei.
        r.fee = bound(fee, 1, durationMs * 1e6 - 1);
        ValueRate offered = ValueRate.wrap((r.fee * 1000 << 64) / durationMs);
        _refused(r, abi.encodeWithSelector(ITask.ValueTooLow.selector, offered, task.minValue()));
    }

    function testFuzz_acceptsExactlyTheMinimumValue(uint32 size) public {
        Request memory r = _valid();
        r.size = uint32(bound(size, 1, 4096));
        r.fee = (5000 + 50 * uint256(r.size)) * 1e6;
        assertEq(_send(r), TaskId.wrap(1));
    }

    /// @dev Nothing of a refused request remains, not even its number.
    function test_refusalsLeaveNoTrace() public {
        Request memory r = _valid();
        r.size = 0;
        vm.prank(creator);
        vm.expectRevert(ITask.SizeZero.selector);
        task.create{value: r.fee}(r.kind, r.taskHash, r.size, r.minVram, r.class, r.maxWait);
        assertEq(address(task).balance, 0);
        assertEq(queue.queued(), 0);
        assertEq(_send(_valid()), TaskId.wrap(1));
    }

    function testFuzz_emitsTheWholeRequest(bytes32 taskHash, uint32 size, uint96 fee, uint32 maxWait) public {
        Request memory r = _fuzzed(taskHash, size, fee, maxWait);
        ValueRate value = ValueRate.wrap((r.fee * 1000 << 64) / (5000 + 50 * uint256(r.size)));
        uint40 expiresAt = uint40(block.timestamp + r.maxWait);
        vm.expectEmit(address(task));
        emit ITask.TaskCreated(
            TaskId.wrap(1), creator, GPT, r.taskHash, r.size, 0, ANY, uint96(r.fee), value, expiresAt
        );
        _send(r);
    }

    function testFuzz_storesTheTaskAndEscrowsTheFee(bytes32 taskHash, uint32 size, uint96 fee, uint32 maxWait) public {
        Request memory r = _fuzzed(taskHash, size, fee, maxWait);
        uint256 before = creator.balance;
        ITask.TaskView memory v = task.taskOf(_send(r));
        assertEq(v.creator, creator);
        assertEq(v.escrow, r.fee);
        assertEq(v.state, ITask.State.Queued);
        assertEq(v.kind, GPT);
        assertEq(v.size, r.size);
        assertEq(v.deadline, block.timestamp + r.maxWait);
        assertEq(creator.balance, before - r.fee);
        assertEq(address(task).balance, r.fee, "invariant 1");
    }

    function testFuzz_noSeatIsTakenYet(uint96 fee) public {
        TaskId t = _send(_fuzzed(TASK_HASH, 1, fee, 1));
        ITask.TaskView memory v = task.taskOf(t);
        for (uint256 i; i < 3; ++i) {
            assertEq(v.nodes[i], NodeId.wrap(0));
            assertEq(uint256(v.commitRanks[i]) + v.revealRanks[i], 0);
            assertFalse(v.agreeing[i] || v.vacated[i]);
        }
        assertEq(v.refills, 0);
        assertEq(task.relayOf(t), address(0));
    }

    function testFuzz_standsInTheBookOfItsTier(uint96 fee, uint16 minVram) public {
        Request memory r = _fuzzed(TASK_HASH, 100, fee, 1 hours);
        r.minVram = uint16(bound(minVram, 0, 128));
        TaskId t = _send(r);
        ITaskQueue.Place memory p = queue.placeOf(t);
        (, Level level) = queue.levelOf(uint96(r.fee), 10_000);
        assertEq(p.level, level);
        assertEq(p.kind, GPT);
        assertEq(p.class, ANY);
        assertEq(p.expiresAt, block.timestamp + 1 hours);
        assertEq(p.queuedAt, block.timestamp);
        assertGe(VramTier.bound(p.tier), r.minVram, "every machine of the tier has the memory");
        assertTrue(p.tier == 0 || VramTier.bound(p.tier - 1) < r.minVram, "and no lower tier would do");
        _assertHead(GPT, p.tier, ANY, level, t);
    }

    function testFuzz_standsInTheBookOfTheRequiredClass(uint96 fee, uint16 minVram) public {
        Request memory r = _fuzzed(TASK_HASH, 100, fee, 1 hours);
        (r.class, r.minVram) = (class, uint16(bound(minVram, 0, 24)));
        TaskId t = _send(r);
        ITaskQueue.Place memory p = queue.placeOf(t);
        assertEq(p.class, class);
        assertEq(p.tier, 9);
        _assertHead(GPT, 9, class, p.level, t);
        (Level none,) = _headOf(GPT, 9, ANY);
        assertEq(none, Level.wrap(0));
    }

    function testFuzz_orderAndPlaceAgree(uint96 fee, uint32 size) public {
        TaskId t = _send(_fuzzed(TASK_HASH, size, fee, 1 hours));
        ITask.Order memory o = task.orderOf(t);
        ITaskQueue.Place memory p = queue.placeOf(t);
        assertEq(o.level, p.level);
        assertEq(o.seats, 3);
        assertEq(abi.encode(o.kind, o.tier, o.class, o.expiresAt), abi.encode(p.kind, p.tier, p.class, p.expiresAt));
    }

    function testFuzz_idsRunFromOne(uint8 number) public {
        uint256 n = bound(number, 1, 20);
        for (uint256 i = 1; i <= n; ++i) {
            assertEq(_send(_valid()), TaskId.wrap(uint40(i)));
        }
        assertEq(task.lastTask(), TaskId.wrap(uint40(n)));
        assertEq(queue.queued(), n);
        assertEq(stats.overview().created, n);
    }

    function _valid() private pure returns (Request memory) {
        return Request(GPT, TASK_HASH, 100, 0, ANY, 1 hours, FEE);
    }

    function _fuzzed(bytes32 taskHash, uint32 size, uint96 fee, uint32 maxWait)
        private
        pure
        returns (Request memory r)
    {
        r = _valid();
        r.taskHash = taskHash == 0 ? bytes32(uint256(1)) : taskHash;
        r.size = uint32(bound(size, 1, 4096));
        r.maxWait = uint32(bound(maxWait, 60, 7 days));
        r.fee = bound(fee, 1e12, 100 ether);
    }

    function _send(Request memory r) private returns (TaskId) {
        vm.prank(creator);
        return task.create{value: r.fee}(r.kind, r.taskHash, r.size, r.minVram, r.class, r.maxWait);
    }

    function _refused(Request memory r, bytes memory reason) private {
        vm.deal(creator, r.fee);
        vm.prank(creator);
        vm.expectRevert(reason);
        task.create{value: r.fee}(r.kind, r.taskHash, r.size, r.minVram, r.class, r.maxWait);
    }

    function _assertHead(uint8 kind, uint8 tier, ClassId class_, Level level, TaskId t) private view {
        (Level best, TaskId first) = _headOf(kind, tier, class_);
        assertEq(best, level);
        assertEq(first, t);
    }
}
