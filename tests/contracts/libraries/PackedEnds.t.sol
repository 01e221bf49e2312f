// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {PackedEnds} from "../../../contracts/libraries/PackedEnds.sol";
import {Level} from "../../../contracts/types/ValueRate.sol";
import {TypedAssertions} from "../TypedAssertions.sol";

/// @notice Invariant 3: the best and the lowest levels of eight books in a word, against arrays.
contract PackedEndsTest is TypedAssertions {
    /// The level of the highest value a task can have.
    uint16 private constant HIGHEST = 0xa3ff;
    uint256 private constant LANES = 8;

    function test_aWordNeverWrittenIsEightEmptyLanes() public pure {
        _assertEmpty(0);
    }

    function testFuzz_aWordOfEmptiedLanesIsEmptyButNotZero(uint16[8] memory levels) public pure {
        uint256 word;
        for (uint256 lane; lane < LANES; ++lane) {
            word = PackedEnds.set(word, lane, Level.wrap(levels[lane] % HIGHEST), Level.wrap(1));
        }
        for (uint256 lane; lane < LANES; ++lane) {
            word = PackedEnds.set(word, lane, Level.wrap(0), Level.wrap(0));
        }
        _assertEmpty(word);
        assertTrue(word != 0, "a slot once written stays non-zero");
    }

    function testFuzz_lanesAndEndsAreIndependent(uint256 seed) public pure {
        uint16[8] memory best;
        uint16[8] memory lowest;
        uint256 word;
        for (uint256 i; i < 40; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            uint256 lane = random % LANES;
            best[lane] = random & 256 == 0 ? 0 : _level(random >> 32);
            lowest[lane] = random & 512 == 0 ? 0 : _level(random >> 64);
            word = PackedEnds.set(word, lane, Level.wrap(best[lane]), Level.wrap(lowest[lane]));
            for (uint256 j; j < LANES; ++j) {
                (Level b, Level l) = PackedEnds.get(word, j);
                assertEq(b, Level.wrap(best[j]));
                assertEq(l, Level.wrap(lowest[j]));
            }
            assertTrue(word != 0, "a slot once written stays non-zero");
        }
    }

    function testFuzz_theHighestIsTheBestOfTheMaskAndTheFirstOfItsLanes(uint16[8] memory levels, uint8 mask)
        public
        pure
    {
        uint256 word;
        uint256 highest;
        uint256 first;
        for (uint256 lane; lane < LANES; ++lane) {
            uint16 level = _common(levels[lane]);
            // A lowest level above every best one: it must not be taken for one.
            word = PackedEnds.set(word, lane, Level.wrap(level), Level.wrap(HIGHEST));
            if ((mask >> lane) & 1 == 1 && level > highest) (highest, first) = (level, lane);
        }
        (Level best, uint256 found) = PackedEnds.highest(word, mask);
        assertEq(best, Level.wrap(uint16(highest)));
        if (highest != 0) assertEq(found, first);
    }

    function testFuzz_theLeastIsTheLowestOfTheBooksThatHoldAnything(uint16[8] memory levels) public pure {
        uint256 word;
        uint256 lowest;
        uint256 first;
        for (uint256 lane; lane < LANES; ++lane) {
            uint16 level = _common(levels[lane]);
            // A best level below every lowest one: it must not be taken for one.
            word = PackedEnds.set(word, lane, Level.wrap(level == 0 ? 0 : 1), Level.wrap(level == 0 ? 0 : level + 1));
            if (level != 0 && (lowest == 0 || level + 1 < lowest)) (lowest, first) = (level + 1, lane);
        }
        (Level least, uint256 found) = PackedEnds.least(word);
        assertEq(least, Level.wrap(uint16(lowest)));
        if (lowest != 0) assertEq(found, first);
    }

    function _assertEmpty(uint256 word) private pure {
        for (uint256 lane; lane < LANES; ++lane) {
            (Level best, Level lowest) = PackedEnds.get(word, lane);
            assertEq(best, Level.wrap(0));
            assertEq(lowest, Level.wrap(0));
        }
        (Level highest,) = PackedEnds.highest(word, type(uint256).max);
        (Level least,) = PackedEnds.least(word);
        assertEq(highest, Level.wrap(0));
        assertEq(least, Level.wrap(0));
    }

    function _level(uint256 random) private pure returns (uint16) {
        return uint16(random % (uint256(HIGHEST) + 1));
    }

    /// @dev Few values, so that ties are common.
    function _common(uint16 random) private pure returns (uint16) {
        return random % 5 == 0 ? random % HIGHEST : random % 4;
    }
}
