// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice Fields inside a 256-bit word.
/// @dev Offsets and widths are compile-time constants at every call, so each call is inlined to shifts and masks.
library Bits {
    /// @return The `width` bits of `word` that start at bit `offset`.
    function get(uint256 word, uint256 offset, uint256 width) internal pure returns (uint256) {
        return (word >> offset) & ((1 << width) - 1);
    }

    /// @return `word` with the `width` bits at `offset` replaced by `value`.
    /// @dev `value` must fit; callers pass values of a type that does.
    function set(uint256 word, uint256 offset, uint256 width, uint256 value) internal pure returns (uint256) {
        uint256 mask = ((1 << width) - 1) << offset;
        return (word & ~mask) | (value << offset);
    }

    /// @return `word` with `amount` added to the field at `offset`; the field must not overflow.
    function plus(uint256 word, uint256 offset, uint256 amount) internal pure returns (uint256) {
        return word + (amount << offset);
    }

    /// @return `word` with `amount` taken from the field at `offset`; the field must not underflow.
    function minus(uint256 word, uint256 offset, uint256 amount) internal pure returns (uint256) {
        return word - (amount << offset);
    }
}
