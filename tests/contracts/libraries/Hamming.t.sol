// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Hamming} from "../../../contracts/libraries/Hamming.sol";
import {TypedAssertions} from "../TypedAssertions.sol";

contract HammingTest is TypedAssertions {
    function testFuzz_agreesWithCountingBits(bytes32 a, bytes32 flips, uint8 sparse, uint8 maxDistance) public pure {
        bytes32 b = a ^ _sparse(flips, sparse % 6);
        assertEq(Hamming.within(a, b, maxDistance), _within(a, b, maxDistance));
        assertEq(Hamming.within(b, a, maxDistance), _within(a, b, maxDistance), "symmetric");
    }

    function testFuzz_everyResultIsCloseToItself(bytes32 a) public pure {
        assertTrue(Hamming.within(a, a, 0));
    }

    /// @dev Distances of different images are not added up, and none makes up for another.
    function testFuzz_theWorstImageDecides(uint8 image, uint8 bits, uint8 maxDistance) public pure {
        uint256 n = bound(bits, 1, 64);
        bytes32 b = bytes32(((1 << n) - 1) << (64 * (image % 4)));
        assertEq(Hamming.within(0, b, maxDistance), n <= maxDistance);
        bytes32 each = bytes32(uint256(0x0000000000000001000000000000000100000000000000010000000000000001));
        assertTrue(Hamming.within(0, each, 1));
    }

    /// @dev About one bit in 2^`n`.
    function _sparse(bytes32 flips, uint256 n) private pure returns (bytes32) {
        for (uint256 i; i < n; ++i) {
            flips &= keccak256(abi.encode(flips, i));
        }
        return flips;
    }

    function _within(bytes32 a, bytes32 b, uint256 maxDistance) private pure returns (bool) {
        for (uint256 image; image < 4; ++image) {
            uint256 distance;
            for (uint256 bit = 64 * image; bit < 64 * (image + 1); ++bit) {
                if ((uint256(a) >> bit) & 1 != (uint256(b) >> bit) & 1) ++distance;
            }
            if (distance > maxDistance) return false;
        }
        return true;
    }
}
