// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INetworkStats} from "../../../contracts/interfaces/INetworkStats.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {ITaskQueue} from "../../../contracts/interfaces/ITaskQueue.sol";
import {ClassId, NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Level, ValueRate} from "../../../contracts/types/ValueRate.sol";
import {Params} from "../../../script/Deployment.sol";
import {Network} from "../Network.sol";

/// @notice `quote`: what a task would meet if it were created now.
contract StatsQuoteTest is Network {
    uint256 private constant MIN_LIMIT = 64;

    function setUp() public override {
        super.setUp();
        vm.deal(creator, 100_000 ether);
    }

    function testFuzz_refusesAKindThatDoesNotExist(uint8 kind) public {
        kind = uint8(bound(kind, 2, 255));
        vm.expectRevert(abi.encodeWithSelector(ITask.UnknownKind.selector, kind));
        stats.quote(kind, 1, 0, ANY, FEE);
    }

    function test_refusesSizeZero() public {
        vm.expectRevert(ITask.SizeZero.selector);
        stats.quote(GPT, 0, 0, ANY, FEE);
    }

    function testFuzz_refusesSizesAboveTheLimit(uint32 size) public {
        size = uint32(bound(size, 4097, type(uint32).max));
        vm.expectRevert(abi.encodeWithSelector(ITask.SizeTooLarge.selector, size, 4096));
        stats.quote(GPT, size, 0, ANY, FEE);
    }

    function testFuzz_refusesMemoryThatNoTierGuarantees(uint16 vram) public {
        vram = uint16(bound(vram, 129, type(uint16).max));
        vm.expectRevert(abi.encodeWithSelector(ITask.NoSuchTier.selector, vram));
        stats.quote(GPT, 1, vram, ANY, FEE);
    }

    function testFuzz_refusesClassesThatDoNotSuit(uint32 class, uint16 vram) public {
        _join(1, CLASS, 24);
        vram = class == 1 ? uint16(bound(vram, 25, 128)) : uint16(bound(vram, 0, 128));
        vm.assume(class != 0);
        vm.expectRevert(abi.encodeWithSelector(ITask.ClassUnsuitable.selector, ClassId.wrap(class), vram));
        stats.quote(GPT, 1, vram, ClassId.wrap(class), FEE);
    }

    function testFuzz_saysWhatTheTaskWouldTakeAndOffer(uint32 size, uint96 fee) public view {
        size = uint32(bound(size, 1, 4096));
        INetworkStats.Quote memory q = stats.quote(GPT, size, 0, ANY, fee);
        assertEq(q.durationMs, 5000 + 50 * uint256(size));
        assertEq(ValueRate.unwrap(q.value), (uint256(fee) * 1000 << 64) / q.durationMs);
        assertEq(q.queued, 0);
        assertEq(q.limit, MIN_LIMIT);
        assertEq(q.head, Level.wrap(0));
        assertEq(q.tail, Level.wrap(0));
        assertEq(q.ahead, 0);
    }

    /// @dev The first and last level of its own book, and the tasks there that would be served before it.
    function testFuzz_saysWhoStandsBeforeIt(uint8 number, uint96 fee) public {
        uint256 n = bound(number, 1, 20);
        fee = uint96(bound(fee, 1 ether, 25 ether));
        for (uint256 i; i < n; ++i) {
            _create(GPT, uint96((1 + i) * 1 ether), 100);
        }
        _create(SD, 90 ether, 1);
        INetworkStats.Quote memory q = stats.quote(GPT, 100, 0, ANY, fee);
        assertEq(q.head, queue.placeOf(TaskId.wrap(uint40(n))).level);
        assertEq(q.tail, queue.placeOf(TaskId.wrap(1)).level);
        assertEq(q.queued, n + 1);
        TaskId t = _create(GPT, fee, 100);
        assertEq(q.ahead, _placeInBook(t), "as many as then stand before it");
    }

    /// @dev The same for the book of a required class.
    function testFuzz_aClassHasItsOwnBook(uint8 number) public {
        ClassId class = node.nodeOf(_join(1, CLASS, 24)).class;
        uint256 n = bound(number, 0, 9);
        for (uint256 i; i < n; ++i) {
            _createFor(class, FEE);
        }
        _create(GPT, FEE, 100);
        INetworkStats.Quote memory q = stats.quote(GPT, 100, 0, class, FEE);
        assertEq(q.ahead, n);
        assertEq(stats.quote(GPT, 100, 0, class, 2 * FEE).ahead, 0);
        assertEq(stats.quote(GPT, 100, 0, class, FEE / 2).ahead, n);
        assertEq(stats.quote(GPT, 100, 0, ANY, FEE).ahead, 1);
    }

    /// @dev While there is room: the least fee is taken, one wei less is not.
    function testFuzz_theLeastFeeIsExact(bool image, uint32 size) public {
        uint8 kind = image ? SD : GPT;
        size = uint32(bound(size, 1, image ? 4 : 4096));
        _assertLeastFee(kind, size, 0, ANY);
    }

    /// @dev In a full queue of any values: it is what beats the lowest.
    function testFuzz_theLeastFeeIsExactInAFullQueue(uint256 seed, bool image, uint32 size) public {
        uint8 kind = image ? SD : GPT;
        size = uint32(bound(size, 1, image ? 4 : 4096));
        _staff();
        _fill(seed);
        INetworkStats.Quote memory q = stats.quote(kind, size, 0, ANY, FEE);
        assertEq(q.queued, q.limit);
        _assertLeastFee(kind, size, 0, ANY);
        assertEq(queue.queued(), MIN_LIMIT, "one gave way");
    }

    /// @dev Also for a class and for memory, whose books are empty: the whole queue counts.
    function testFuzz_theLeastFeeCountsTheWholeQueue(uint256 seed, bool named) public {
        _joinMany(3);
        ClassId class = node.nodeOf(NodeId.wrap(1)).class;
        _staff();
        _fill(seed);
        _assertLeastFee(GPT, 100, named ? 0 : 128, named ? class : ANY);
    }

    function testFuzz_acceptedSaysWhetherItWouldBeTaken(uint256 seed, uint96 fee, bool full, bool staffed) public {
        if (full) _fill(seed);
        if (staffed) _staff();
        fee = uint96(bound(fee, 1, 101 ether));
        bool accepted = stats.quote(GPT, 100, 0, ANY, fee).accepted;
        vm.prank(creator);
        (bool ok,) = address(task).call{value: fee}(abi.encodeCall(task.create, (GPT, TASK_HASH, 100, 0, ANY, 1 hours)));
        assertEq(ok, accepted);
    }

    /// @dev When not even the highest fee beats the lowest, nothing is accepted.
    function test_aQueueFullOfTheHighestAcceptsNothing() public {
        for (uint256 i; i < MIN_LIMIT; ++i) {
            _create(GPT, 100 ether, 1);
        }
        INetworkStats.Quote memory q = stats.quote(SD, 1, 0, ANY, 100 ether);
        assertFalse(q.accepted);
        assertGt(q.leastFee, 100 ether);
        q = stats.quote(GPT, 1, 0, ANY, 100 ether);
        assertFalse(q.accepted);
    }

    function test_followsTheLimit() public {
        vm.prank(creator);
        task.create{value: FEE}(GPT, TASK_HASH, 100, 128, ANY, 1 hours);
        for (uint256 i = 1; i < MIN_LIMIT; ++i) {
            _create(GPT, FEE, 100);
        }
        assertFalse(stats.quote(GPT, 100, 0, ANY, FEE).accepted);
        _join(1, CLASS, 4);
        _join(2, CLASS, 4);
        for (uint256 i = 3; i <= 9; ++i) {
            _join(i, keccak256(abi.encode(i)), 2);
        }
        queue.dispatch(1);
        assertEq(stats.quote(GPT, 100, 0, ANY, FEE).limit, 72);
        assertTrue(stats.quote(GPT, 100, 0, ANY, FEE).accepted);
    }

    /// @dev `MIN_LIMIT` tasks of random kinds, sizes and fees.
    function _fill(uint256 seed) private {
        for (uint256 i; i < MIN_LIMIT; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint96 fee = uint96(bound(seed >> 8, 1 gwei * 60, 10 ether));
            _create(seed % 2 == 0 ? GPT : SD, fee, uint32(1 + (seed >> 200) % 4));
        }
    }

    /// @dev The least fee less one wei is refused for its value, the least fee is taken.
    function _assertLeastFee(uint8 kind, uint32 size, uint16 vram, ClassId class) private {
        INetworkStats.Quote memory q = stats.quote(kind, size, vram, class, 0);
        assertFalse(q.accepted);
        uint96 least = uint96(q.leastFee);
        assertFalse(stats.quote(kind, size, vram, class, least - 1).accepted);
        assertTrue(stats.quote(kind, size, vram, class, least).accepted);
        vm.prank(creator);
        (bool ok, bytes memory reason) = address(task).call{value: least - 1}(
            abi.encodeCall(task.create, (kind, TASK_HASH, size, vram, class, 1 hours))
        );
        assertFalse(ok);
        bytes4 why = bytes4(reason);
        assertTrue(why == ITask.ValueTooLow.selector || why == ITaskQueue.FeeTooLow.selector);
        vm.prank(creator);
        TaskId t = task.create{value: least}(kind, TASK_HASH, size, vram, class, 1 hours);
        assertEq(task.taskOf(t).state, ITask.State.Queued);
    }

    /// @dev The number of GPT tasks of the level of `t` and above, but for itself.
    function _placeInBook(TaskId t) private view returns (uint256 before) {
        Level level = queue.placeOf(t).level;
        for (uint40 i = 1; i <= TaskId.unwrap(task.lastTask()); ++i) {
            TaskId other = TaskId.wrap(i);
            if (other == t || task.taskOf(other).kind != GPT) continue;
            if (!(queue.placeOf(other).level < level)) ++before;
        }
    }
}

/// @notice The same where no least value is asked for.
contract StatsQuoteWithoutLeastValueTest is Network {
    function _params() internal override returns (Params memory p) {
        p = super._params();
        p.minValue = ValueRate.wrap(0);
    }

    /// @dev No task is free of charge.
    function testFuzz_theLeastFeeIsOneWei(uint32 size) public {
        size = uint32(bound(size, 1, 4096));
        INetworkStats.Quote memory q = stats.quote(GPT, size, 0, ANY, 0);
        assertEq(q.leastFee, 1);
        assertFalse(q.accepted);
        vm.prank(creator);
        vm.expectRevert(ITask.FeeZero.selector);
        task.create(GPT, TASK_HASH, size, 0, ANY, 1 hours);
        assertTrue(stats.quote(GPT, size, 0, ANY, 1).accepted);
        assertEq(_state(_create(GPT, 1, size)), ITask.State.Queued);
    }
}
