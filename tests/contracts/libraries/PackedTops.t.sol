// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {PackedTops} from "../../../contracts/libraries/PackedTops.sol";
import {Level} from "../../../contracts/types/ValueRate.sol";
import {TypedAssertions} from "../TypedAssertions.sol";

/// @notice Invariant 3: sixteen levels in a word, against an array.
contract PackedTopsTest is TypedAssertions {
    /// The level of the highest value a task can have.
    uint16 private constant HIGHEST = 0xa3ff;

    function test_aWordNeverWrittenIsSixteenEmptyLanes() public pure {
        for (uint256 lane; lane < 16; ++lane) {
            assertEq(PackedTops.get(0, lane), Level.wrap(0));
        }
        (Level level,) = PackedTops.best(0, type(uint256).max);
        assertEq(level, Level.wrap(0));
    }

    function testFuzz_lanesAreIndependent(uint256 seed) public pure {
        uint16[16] memory model;
        uint256 word;
        for (uint256 i; i < 40; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            uint256 lane = random % 16;
            uint16 level = random & 256 == 0 ? 0 : uint16((random >> 32) % (uint256(HIGHEST) + 1));
            model[lane] = level;
            word = PackedTops.set(word, lane, Level.wrap(level));
            for (uint256 j; j < 16; ++j) {
                assertEq(PackedTops.get(word, j), Level.wrap(model[j]));
            }
            assertTrue(word != 0, "a slot once written stays non-zero");
        }
    }

    function testFuzz_theBestIsTheHighestOfTheMaskAndTheLowestOfItsLanes(uint16[16] memory levels, uint16 mask)
        public
        pure
    {
        uint256 word;
        uint256 highest;
        uint256 first;
        for (uint256 lane; lane < 16; ++lane) {
            // Few values, so that ties are common.
            uint16 level = levels[lane] % 5 == 0 ? levels[lane] % HIGHEST : levels[lane] % 4;
            word = PackedTops.set(word, lane, Level.wrap(level));
            if ((mask >> lane) & 1 == 1 && level > highest) (highest, first) = (level, lane);
        }
        (Level best, uint256 lane_) = PackedTops.best(word, mask);
        assertEq(best, Level.wrap(uint16(highest)));
        if (highest != 0) assertEq(lane_, first);
    }
}
