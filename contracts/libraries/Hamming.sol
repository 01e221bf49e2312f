// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {LibBit} from "solady/utils/LibBit.sol";

/// @notice Distances between results made of 64-bit perceptual hashes.
/// @dev A result of `n` images carries the hash of image `i` in bits `64 (3 - i)` to `64 (3 - i) + 63`: the first image
/// is leftmost, unused places are zero. Source of the hash: imagehash's `phash`, 64 bits, most significant bit first.
library Hamming {
    /// The most images one result can carry.
    uint256 internal constant MAX_IMAGES = 4;

    /// @return Whether every image's hashes differ in at most `maxDistance` bits.
    function within(bytes32 a, bytes32 b, uint256 maxDistance) internal pure returns (bool) {
        uint256 diff = uint256(a ^ b);
        for (uint256 i; i < MAX_IMAGES; ++i) {
            if (LibBit.popCount(diff & type(uint64).max) > maxDistance) return false;
            diff >>= 64;
        }
        return true;
    }
}
