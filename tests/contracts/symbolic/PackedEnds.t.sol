// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {PackedEnds} from "../../../contracts/libraries/PackedEnds.sol";
import {Level} from "../../../contracts/types/ValueRate.sol";
import {TypedAssertions} from "../TypedAssertions.sol";

/// @notice Invariant 3: the ends of eight books in a word.
contract PackedEndsSymbolicTest is TypedAssertions {
    /// @custom:proves A lane gives back what was written, every other lane is as it was, and the slot stays non-zero.
    /// @custom:bound Any word, lanes and levels, but for the level that would make the word zero.
    function check_lanesAreIndependent(uint256 word, uint8 lane, uint8 other, uint16 best, uint16 lowest) public pure {
        vm.assume(lane < PackedEnds.LANES && other < PackedEnds.LANES && lane != other && best != type(uint16).max);
        (Level otherBest, Level otherLowest) = PackedEnds.get(word, other);
        uint256 written = PackedEnds.set(word, lane, Level.wrap(best), Level.wrap(lowest));
        (Level best_, Level lowest_) = PackedEnds.get(written, lane);
        assertTrue(best_ == Level.wrap(best) && lowest_ == Level.wrap(lowest));
        (best_, lowest_) = PackedEnds.get(written, other);
        assertTrue(best_ == otherBest && lowest_ == otherLowest);
        assertTrue(written != 0);
    }

    /// @custom:proves The highest is that of the lanes in the mask, and of equal ones the first.
    /// @custom:bound Words whose first three lanes are in use, any levels, any mask.
    function check_theHighestIsOfTheMaskAndFirst(uint16[3] memory best, uint8 mask) public pure {
        uint256 word;
        for (uint256 lane; lane < 3; ++lane) {
            word = PackedEnds.set(word, lane, Level.wrap(best[lane]), Level.wrap(0));
        }
        (Level level, uint256 first) = PackedEnds.highest(word, mask);
        uint256 top = Level.unwrap(level);
        for (uint256 lane; lane < 3; ++lane) {
            if ((mask >> lane) & 1 == 1) {
                assertTrue(best[lane] < top || (best[lane] == top && (top == 0 || first <= lane)));
            }
        }
        if (top != 0) assertTrue(first < 3 && (mask >> first) & 1 == 1 && best[first] == top);
    }

    /// @custom:proves The least is that of the lanes that are not empty, and of equal ones the first.
    /// @custom:bound Words whose first three lanes are in use, any levels.
    function check_theLeastIsOfTheUsedAndFirst(uint16[3] memory lowest) public pure {
        uint256 word;
        for (uint256 lane; lane < 3; ++lane) {
            word = PackedEnds.set(word, lane, Level.wrap(0), Level.wrap(lowest[lane]));
        }
        (Level level, uint256 first) = PackedEnds.least(word);
        uint256 least = Level.unwrap(level);
        for (uint256 lane; lane < 3; ++lane) {
            if (lowest[lane] != 0) {
                assertTrue(least != 0 && (least < lowest[lane] || (least == lowest[lane] && first <= lane)));
            }
        }
        if (least != 0) assertTrue(first < 3 && lowest[first] == least);
    }
}
