// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Level, ValueRate, ValueRates} from "../../../contracts/types/ValueRate.sol";
import {TypedAssertions} from "../TypedAssertions.sol";

contract ValueRateTest is TypedAssertions {
    /// The highest value a task can have: 2^96 wei in one millisecond.
    uint256 private constant MAX_VALUE = ((2 ** 96 - 1) * 1000) << 64;

    function testFuzz_levelsKeepTheOrder(uint256 a, uint256 b) public pure {
        a = bound(a, 0, MAX_VALUE);
        b = bound(b, a, MAX_VALUE);
        assertLe(_level(a), _level(b));
    }

    function testFuzz_levelsKeepTheOrderOfNeighbours(uint256 seed, uint8 bits) public pure {
        uint256 a = seed >> bound(bits, 86, 255);
        assertLe(_level(a), _level(a + 1));
    }

    function testFuzz_theFloorIsAtMostTheValueAndAtMostOneIn256Below(uint256 value) public pure {
        value = bound(value, 1, MAX_VALUE);
        uint256 floor = ValueRate.unwrap(ValueRates.floor(ValueRate.wrap(value).level()));
        assertLe(floor, value);
        assertLe((value - floor) * 256, value);
    }

    function testFuzz_smallValuesAreExact(uint256 value) public pure {
        value = bound(value, 0, 511);
        assertEq(ValueRate.unwrap(ValueRates.floor(ValueRate.wrap(value).level())), value);
    }

    /// @dev Every level is the level of its own floor, and of no smaller value.
    function test_everyLevelIsThatOfItsFloor() public pure {
        uint256 highest = _level(MAX_VALUE);
        assertLt(highest, type(uint16).max, "the highest level leaves room for the inverted lanes");
        for (uint256 l = 1; l <= highest; ++l) {
            uint256 floor = ValueRate.unwrap(ValueRates.floor(Level.wrap(uint16(l))));
            assertEq(_level(floor), l);
            assertEq(_level(floor - 1), l - 1, "levels have no gaps");
            assertEq(ValueRates.next(Level.wrap(uint16(l - 1))), Level.wrap(uint16(l)));
        }
    }

    function testFuzz_theRateIsFeeOverTime(uint96 fee, uint32 durationMs) public pure {
        vm.assume(durationMs != 0);
        uint256 rate = ValueRate.unwrap(ValueRates.rate(fee, durationMs));
        assertLe(rate * durationMs, (uint256(fee) * 1000) << 64);
        assertGt((rate + 1) * durationMs, (uint256(fee) * 1000) << 64);
    }

    /// @dev H9: one wei for a day of work has a value and a level above zero.
    function testFuzz_noFeeIsWorthNothing(uint96 fee, uint256 durationMs) public pure {
        vm.assume(fee != 0);
        ValueRate rate = ValueRates.rate(fee, bound(durationMs, 1, 1 days * 1000));
        assertGt(ValueRate.unwrap(rate), 0);
        assertTrue(rate.level() > Level.wrap(0));
    }

    function testFuzz_comparisonsAreThoseOfTheNumbers(uint16 a, uint16 b) public pure {
        assertEq(Level.wrap(a) > Level.wrap(b), a > b);
        assertEq(Level.wrap(a) < Level.wrap(b), a < b);
        assertEq(Level.wrap(a) == Level.wrap(b), a == b);
    }

    function _level(uint256 value) private pure returns (uint256) {
        return Level.unwrap(ValueRate.wrap(value).level());
    }
}
