// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Level} from "../types/ValueRate.sol";

/// @notice The best levels of sixteen order books in one word, lane `i` in bits `16 i` to `16 i + 15`.
/// @dev Lanes are stored inverted, so the word of sixteen empty books is all ones and a book that empties does not turn
/// the slot to zero, which would make the next write cost 22,100 gas. A word never written (zero) counts as empty.
library PackedTops {
    /// The number of lanes.
    uint256 internal constant LANES = 16;

    /// @return The level of lane `lane`, 0 when its book is empty.
    function get(uint256 word, uint256 lane) internal pure returns (Level) {
        if (word == 0) return Level.wrap(0);
        return Level.wrap(uint16(~word >> (lane * 16)));
    }

    /// @return `word` with lane `lane` set to `level`.
    function set(uint256 word, uint256 lane, Level level) internal pure returns (uint256) {
        uint256 plain = word == 0 ? 0 : ~word;
        uint256 shift = lane * 16;
        return ~((plain & ~(uint256(0xffff) << shift)) | (uint256(Level.unwrap(level)) << shift));
    }

    /// @return The highest level among the lanes whose bit in `mask` is set, and the lowest such lane that has it.
    function best(uint256 word, uint256 mask) internal pure returns (Level, uint256) {
        if (word == 0) return (Level.wrap(0), 0);
        uint256 plain = ~word;
        uint256 level;
        uint256 lane;
        for (uint256 i; plain != 0; ++i) {
            uint256 here = plain & 0xffff;
            if (here > level && (mask >> i) & 1 != 0) (level, lane) = (here, i);
            plain >>= 16;
        }
        return (Level.wrap(uint16(level)), lane);
    }
}
