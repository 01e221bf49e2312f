// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice Points by order of arrival, and the part of a fee they are worth.
library FeeShare {
    /// Points all three can earn together: 10 + 9 + 6 for the commits and the same for the reveals.
    uint256 internal constant TOTAL = 50;

    /// @dev Byte `rank`, counted from the right, holds the points of that rank, counted from 1.
    uint256 private constant POINTS = 0x06090a00;

    /// @return The points of rank `rank`: 10, 9, 6 for 1, 2, 3 and none for 0.
    function points(uint256 rank) internal pure returns (uint256) {
        return (POINTS >> (8 * rank)) & 0xff;
    }

    /// @return The wei that `earned` points are worth, rounded down; all shares together never exceed `fee`.
    function shareDown(uint256 fee, uint256 earned) internal pure returns (uint256) {
        return fee * earned / TOTAL;
    }
}
