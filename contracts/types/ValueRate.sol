// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {LibBit} from "solady/utils/LibBit.sol";

/// @notice A task's value per second of estimated work: wei per second, times 2^64.
type ValueRate is uint256;

/// @notice A value per second rounded down to nine significant bits, in an encoding that keeps the order.
/// @dev Values below 256 are themselves; above, the high byte is the exponent plus one and the low byte the eight bits
/// behind the leading one. The relative step is at most 2^-8; level 0 means "nothing".
type Level is uint16;

using ValueRates for ValueRate global;
using {levelGt as >, levelLt as <, levelEq as ==, levelNe as !=} for Level global;

function levelGt(Level a, Level b) pure returns (bool) {
    return Level.unwrap(a) > Level.unwrap(b);
}

function levelLt(Level a, Level b) pure returns (bool) {
    return Level.unwrap(a) < Level.unwrap(b);
}

function levelEq(Level a, Level b) pure returns (bool) {
    return Level.unwrap(a) == Level.unwrap(b);
}

function levelNe(Level a, Level b) pure returns (bool) {
    return Level.unwrap(a) != Level.unwrap(b);
}

/// @notice Value per second and its price level.
library ValueRates {
    /// @param fee Wei.
    /// @param durationMs Estimated work in milliseconds, more than 0.
    /// @return fee / (durationMs / 1000), times 2^64, rounded down. At most 2^170, so nothing overflows.
    function rate(uint96 fee, uint256 durationMs) internal pure returns (ValueRate) {
        return ValueRate.wrap(((uint256(fee) * 1000) << 64) / durationMs);
    }

    /// @return The level of `value`: nine significant bits, rounded down.
    function level(ValueRate value) internal pure returns (Level) {
        uint256 v = ValueRate.unwrap(value);
        if (v < 256) return Level.wrap(uint16(v));
        uint256 exponent = LibBit.fls(v) - 8;
        return Level.wrap(uint16(((exponent + 1) << 8) | ((v >> exponent) & 0xff)));
    }

    /// @return The level after `l`.
    function next(Level l) internal pure returns (Level) {
        return Level.wrap(Level.unwrap(l) + 1);
    }

    /// @return The smallest value per second whose level is `l`.
    function floor(Level l) internal pure returns (ValueRate) {
        uint256 raw = Level.unwrap(l);
        if (raw < 256) return ValueRate.wrap(raw);
        return ValueRate.wrap((256 | (raw & 0xff)) << ((raw >> 8) - 1));
    }
}
