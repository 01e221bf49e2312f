// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Level, ValueRate, ValueRates} from "../../../contracts/types/ValueRate.sol";
import {TypedAssertions} from "../TypedAssertions.sol";

/// @notice Values and their levels keep the order of what they stand for.
contract ValueRateSymbolicTest is TypedAssertions {
    /// Above the highest value a task can have, 2^96 wei in one millisecond.
    uint256 private constant VALUE_LIMIT = 1 << 170;

    /// @custom:proves A higher value never has a lower level.
    /// @custom:bound Any two values.
    function check_levelsKeepTheOrder(uint256 a, uint256 b) public pure {
        vm.assume(a <= b && b < VALUE_LIMIT);
        assertLe(_level(a), _level(b));
    }

    /// @custom:proves The floor of a value's level is at most the value and within 2^-8 of it.
    /// @custom:bound Any value.
    function check_theFloorIsWithinOnePartIn256(uint256 value) public pure {
        vm.assume(value < VALUE_LIMIT);
        uint256 floor = ValueRate.unwrap(ValueRates.floor(ValueRate.wrap(value).level()));
        assertLe(floor, value);
        assertLe((value - floor) << 8, value);
    }

    /// @custom:proves A value above 0 has a level above 0 and below the one that stands for an empty lane.
    /// @custom:bound Any value.
    function check_noValueIsWorthNothing(uint256 value) public pure {
        vm.assume(value != 0 && value < VALUE_LIMIT);
        assertTrue(_level(value) != 0 && _level(value) != type(uint16).max);
    }

    /// @custom:proves Of two fees for one duration the higher has the value that is no lower.
    /// @custom:bound Any two fees of 96 bits above 0; durations of 1, 60 and 86,400 seconds.
    function check_aHigherFeeIsWorthNoLess(uint96 a, uint96 b, uint8 which) public pure {
        vm.assume(a != 0 && a <= b);
        uint256 durationMs = which == 0 ? 1000 : which == 1 ? 60_000 : 86_400_000;
        _assumeArithmetic(a, durationMs);
        _assumeArithmetic(b, durationMs);
        assertLe(ValueRate.unwrap(ValueRates.rate(a, durationMs)), ValueRate.unwrap(ValueRates.rate(b, durationMs)));
    }

    /// @custom:proves The comparisons of levels are those of their numbers.
    /// @custom:bound Any two levels.
    function check_comparisonsAreThoseOfTheNumbers(uint16 a, uint16 b) public pure {
        assertEq(Level.wrap(a) > Level.wrap(b), a > b);
        assertEq(Level.wrap(a) < Level.wrap(b), a < b);
        assertEq(Level.wrap(a) == Level.wrap(b), a == b);
    }

    /// @dev What multiplication and division are, spelled out: the solver treats both as unknown functions and would have to
    /// find it bit by bit. The product of 96 and 10 bits does not overflow; a quotient rounds down.
    function _assumeArithmetic(uint256 fee, uint256 durationMs) private pure {
        unchecked {
            uint256 product = fee * 1000;
            vm.assume(product / fee == 1000);
            uint256 shifted = product << 64;
            uint256 quotient = shifted / durationMs;
            vm.assume(quotient * durationMs <= shifted);
            vm.assume(shifted - quotient * durationMs < durationMs);
        }
    }

    function _level(uint256 value) private pure returns (uint256) {
        return Level.unwrap(ValueRate.wrap(value).level());
    }
}
