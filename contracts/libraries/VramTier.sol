// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice Sixteen steps of accelerator memory.
library VramTier {
    /// The number of tiers.
    uint256 internal constant TIERS = 16;

    /// @dev The lower bound in GB of tier `i` is byte `i`: 0 2 4 6 8 10 12 16 20 24 32 40 48 64 80 128.
    bytes16 private constant BOUNDS = 0x00020406080a0c101418202830405080;

    /// @return The lower bound of `tier` in GB.
    function bound(uint256 tier) internal pure returns (uint256) {
        return uint8(BOUNDS[tier]);
    }

    /// @return tier The highest tier whose bound a machine with `vramGb` reaches.
    function tierOf(uint256 vramGb) internal pure returns (uint8 tier) {
        while (tier < TIERS - 1 && bound(tier + 1) <= vramGb) ++tier;
    }

    /// @return tier The lowest tier all of whose machines have `vramGb`; `TIERS` when there is none.
    function atLeast(uint256 vramGb) internal pure returns (uint8 tier) {
        while (tier < TIERS && bound(tier) < vramGb) ++tier;
    }
}
