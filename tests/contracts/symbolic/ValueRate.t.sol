// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Duration} from "../../../contracts/libraries/Duration.sol";
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

    /// @custom:halmos --solver-command script/analysis/integers
    /// @custom:proves Of two fees for one duration the higher has the value that is no lower.
    /// @custom:bound Any two fees of 96 bits, any duration up to the longest a kind may lead to.
    function check_aHigherFeeIsWorthNoLess(uint96 a, uint96 b, uint256 durationMs) public pure {
        vm.assume(a <= b && durationMs != 0 && durationMs <= Duration.MAX_MS);
        assertLe(ValueRate.unwrap(ValueRates.rate(a, durationMs)), ValueRate.unwrap(ValueRates.rate(b, durationMs)));
    }

    /// @custom:proves The comparisons of levels are those of their numbers.
    /// @custom:bound Any two levels.
    function check_comparisonsAreThoseOfTheNumbers(uint16 a, uint16 b) public pure {
        assertEq(Level.wrap(a) > Level.wrap(b), a > b);
        assertEq(Level.wrap(a) < Level.wrap(b), a < b);
        assertEq(Level.wrap(a) == Level.wrap(b), a == b);
    }

    function _level(uint256 value) private pure returns (uint256) {
        return Level.unwrap(ValueRate.wrap(value).level());
    }
}
