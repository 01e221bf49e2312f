// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Bits} from "./Bits.sol";

/// @notice A node's record in one word: the points of its last 32 tasks and what follows from them.
/// @dev 32 entries of 5 bits 0-159 | score 160-175 | cursor 176-183 | misses in a row 184-191 | tasks 192-223. A word of
/// zero is a newcomer's, whose window is filled with the middle.
library Score {
    using Bits for uint256;

    /// Tasks in the window.
    uint256 internal constant WINDOW = 32;
    /// The most points of one task.
    uint256 internal constant BEST = 20;
    /// Points a newcomer's window is filled with.
    uint256 internal constant MIDDLE = 10;
    /// Misses in a row that suspend a node.
    uint256 internal constant MISS_LIMIT = 3;
    /// A score below this kicks a node out: six points a task, half of what one earns that is always last.
    /// @dev A node that is always last (12 points) and answers each task with probability p is below it when it missed 17
    /// or more of 32: with probability P(Binomial(32, 1 - p) >= 17), which is below 10^-24 for p = 0.99.
    uint256 internal constant KICK_SCORE = 192;

    uint256 private constant SCORE = 160;
    uint256 private constant CURSOR = 176;
    uint256 private constant MISSES = 184;
    uint256 private constant TASKS = 192;

    /// @return The record `word` stands for.
    function load(uint256 word) internal pure returns (uint256) {
        return word == 0 ? newcomer() : word;
    }

    /// @return word Every entry of the window at the middle.
    function newcomer() internal pure returns (uint256 word) {
        for (uint256 i; i < WINDOW; ++i) {
            word |= MIDDLE << (5 * i);
        }
        return word | ((WINDOW * MIDDLE) << SCORE);
    }

    /// @notice Replaces the oldest entry of the window.
    /// @return after_ The record.
    /// @return suspend Whether this was one miss in a row too many; the count starts anew.
    /// @return kick Whether the score is too low to stay.
    function counted(uint256 word, uint256 points, bool missed)
        internal
        pure
        returns (uint256 after_, bool suspend, bool kick)
    {
        uint256 cursor = word.get(CURSOR, 8);
        uint256 inARow = missed ? word.get(MISSES, 8) + 1 : 0;
        suspend = inARow == MISS_LIMIT;
        uint256 sum = score(word) + points - word.get(5 * cursor, 5);
        kick = sum < KICK_SCORE;
        word = word.set(5 * cursor, 5, points).set(SCORE, 16, sum).set(CURSOR, 8, (cursor + 1) % WINDOW);
        uint256 tasks_ = (tasks(word) + 1) & type(uint32).max;
        return (word.set(MISSES, 8, suspend ? 0 : inARow).set(TASKS, 32, tasks_), suspend, kick);
    }

    /// @return Sum of the points in the window.
    function score(uint256 word) internal pure returns (uint256) {
        return word.get(SCORE, 16);
    }

    /// @return Tasks missed in a row.
    function misses(uint256 word) internal pure returns (uint256) {
        return word.get(MISSES, 8);
    }

    /// @return Tasks counted so far.
    function tasks(uint256 word) internal pure returns (uint256) {
        return word.get(TASKS, 32);
    }

    /// @return The weight of the choice: 1 + 254 × score / 640.
    function weight(uint256 word) internal pure returns (uint8) {
        return uint8(1 + score(word) * 254 / (WINDOW * BEST));
    }
}
