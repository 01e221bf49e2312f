// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Level} from "../types/ValueRate.sol";

/// @notice The best and the lowest levels of eight order books in one word: lane `i` has its best level in bits `32 i`
/// to `32 i + 15` and its lowest in the sixteen bits above.
/// @dev Both ends share a word so that a shallow book, whose ends move together, costs one write. Lanes are stored
/// inverted, so the word of eight empty books is all ones and a book that empties does not turn the slot to zero, which
/// would make the next write cost 22,100 gas. A word never written (zero) counts as empty.
library PackedEnds {
    /// The number of lanes.
    uint256 internal constant LANES = 8;

    uint256 private constant WIDTH = 32;
    uint256 private constant LANE = 0xffffffff;
    uint256 private constant LEVEL = 0xffff;

    /// @return best The best level of lane `lane`, 0 when its book is empty.
    /// @return lowest Its lowest level, 0 when its book is empty.
    function get(uint256 word, uint256 lane) internal pure returns (Level best, Level lowest) {
        uint256 ends = _plain(word) >> (lane * WIDTH);
        return (Level.wrap(uint16(ends)), Level.wrap(uint16(ends >> 16)));
    }

    /// @return `word` with the ends of lane `lane` replaced.
    function set(uint256 word, uint256 lane, Level best, Level lowest) internal pure returns (uint256) {
        uint256 shift = lane * WIDTH;
        uint256 ends = uint256(Level.unwrap(best)) | (uint256(Level.unwrap(lowest)) << 16);
        return ~((_plain(word) & ~(LANE << shift)) | (ends << shift));
    }

    /// @return The highest of the best levels among the lanes whose bit in `mask` is set, and the first lane that has
    /// it.
    function highest(uint256 word, uint256 mask) internal pure returns (Level, uint256) {
        uint256 plain = _plain(word);
        uint256 level;
        uint256 lane;
        for (uint256 i; plain != 0; ++i) {
            uint256 here = plain & LEVEL;
            if (here > level && (mask >> i) & 1 != 0) (level, lane) = (here, i);
            plain >>= WIDTH;
        }
        return (Level.wrap(uint16(level)), lane);
    }

    /// @return The lowest level of all lanes, 0 when all books are empty, and the first lane that has it.
    function least(uint256 word) internal pure returns (Level, uint256) {
        uint256 plain = _plain(word);
        uint256 level;
        uint256 lane;
        for (uint256 i; plain != 0; ++i) {
            uint256 here = (plain >> 16) & LEVEL;
            if (here != 0 && (level == 0 || here < level)) (level, lane) = (here, i);
            plain >>= WIDTH;
        }
        return (Level.wrap(uint16(level)), lane);
    }

    function _plain(uint256 word) private pure returns (uint256) {
        return word == 0 ? 0 : ~word;
    }
}
