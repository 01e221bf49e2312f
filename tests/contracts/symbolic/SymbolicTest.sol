// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {TypedAssertions} from "../TypedAssertions.sol";

/// @notice What the symbolic tests share.
abstract contract SymbolicTest is TypedAssertions {
    /// @dev One path for each value below `limit`, instead of one condition after the other on an unknown.
    function _concrete(uint8 value, uint8 limit) internal pure returns (uint8) {
        for (uint8 i; i < limit; ++i) {
            if (value == i) return i;
        }
        vm.assume(false);
        return 0;
    }
}
