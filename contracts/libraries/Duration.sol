// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ITask} from "../interfaces/ITask.sol";

/// @notice How long a task is expected to take.
library Duration {
    /// Longest estimate a kind may lead to, in milliseconds: every stage ends, and its deadline fits its 40 bits.
    uint256 internal constant MAX_MS = 1 days * 1000;

    /// @return Estimated milliseconds of work for `size` units of a kind.
    function estimateMs(ITask.Kind memory kind, uint256 size) internal pure returns (uint256) {
        return uint256(kind.overheadMs) + uint256(kind.msPerUnit) * size;
    }

    /// @return Seconds a node has to commit to a task of `size` units.
    function commitSeconds(ITask.Terms memory terms, ITask.Kind memory kind, uint256 size)
        internal
        pure
        returns (uint256)
    {
        return terms.commitGrace + estimateMs(kind, size) * terms.commitFactor / 1000;
    }
}
