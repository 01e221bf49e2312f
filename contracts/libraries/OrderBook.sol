// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Level} from "../types/ValueRate.sol";
import {Bits} from "./Bits.sol";
import {LibBit} from "solady/utils/LibBit.sol";

/// @notice A price-time priority queue with constant cost: first the highest level, inside a level first come first
/// served. @dev Levels are found through a two-level bitmap: one summary word whose bit `e` says that some level with
/// high byte
/// `e` is in use, and one word per high byte whose bit `m` says that the level with low byte `m` is.
///
/// Storage that has been used once is never cleared, only ignored: a word counts only while its summary bit is set, a
/// level's list only while its count is above zero. A steady queue therefore writes only slots that are already
/// non-zero (5,000 gas instead of 22,100).
///
/// Level list word: `head` 40 | `tail` 40 | `count` 40.
/// Entry word:      `prev` 40 | `next` 40 | `level` 16 | `tag` 160 (the owner's).
library OrderBook {
    using Bits for uint256;

    /// @notice The levels of one book.
    struct Book {
        uint256 summary;
        mapping(uint256 high => uint256) words;
        mapping(uint256 level => uint256) lists;
    }

    /// @notice The entries of any number of books; an id stands in at most one of them.
    struct Entries {
        mapping(uint256 id => uint256) words;
    }

    /// @dev Set in the summary of a book that was ever used, so that an empty book's is not zero. No level has this high
    /// byte: the largest value per second, below 2^170, has 162.
    uint256 private constant USED = 1 << 255;
    uint256 private constant ID = 40;
    uint256 private constant HEAD = 0;
    uint256 private constant TAIL = 40;
    uint256 private constant COUNT = 80;
    uint256 private constant PREV = 0;
    uint256 private constant NEXT = 40;
    uint256 private constant LEVEL = 80;
    uint256 private constant TAG = 96;
    /// @dev The word of a retired id: no level, so that it is in no book.
    uint256 private constant RETIRED = 1 << TAG;

    /// @notice Adds `id` behind all others of its level.
    /// @dev `id` must not be in a book, `level` must not be 0.
    /// @return fresh Whether the level was empty before.
    function pushBack(Book storage book, Entries storage entries, uint256 id, Level level, uint256 tag)
        internal
        returns (bool fresh)
    {
        uint256 key = Level.unwrap(level);
        uint256 list = book.lists[key];
        uint256 count = list.get(COUNT, ID);
        uint256 entry = (tag << TAG) | (key << LEVEL);
        if (count == 0) {
            _mark(book, key);
            list = (id << HEAD) | (id << TAIL);
            fresh = true;
        } else {
            uint256 tail = list.get(TAIL, ID);
            entries.words[tail] = entries.words[tail].set(NEXT, ID, id);
            entry |= tail << PREV;
            list = list.set(TAIL, ID, id);
        }
        entries.words[id] = entry;
        book.lists[key] = list.set(COUNT, ID, count + 1);
    }

    /// @notice Puts `id` before all others of its level: for an entry that was first, was taken out and could not be
    /// served. @return fresh Whether the level was empty before.
    function pushFront(Book storage book, Entries storage entries, uint256 id, Level level, uint256 tag)
        internal
        returns (bool fresh)
    {
        uint256 key = Level.unwrap(level);
        uint256 list = book.lists[key];
        uint256 count = list.get(COUNT, ID);
        if (count == 0) return pushBack(book, entries, id, level, tag);
        uint256 head = list.get(HEAD, ID);
        entries.words[head] = entries.words[head].set(PREV, ID, id);
        entries.words[id] = (tag << TAG) | (key << LEVEL) | (head << NEXT);
        book.lists[key] = list.set(HEAD, ID, id).set(COUNT, ID, count + 1);
    }

    /// @notice Takes `id` out of `book`, wherever it stands.
    /// @return level Its level.
    /// @return emptied Whether the level is empty now.
    function remove(Book storage book, Entries storage entries, uint256 id)
        internal
        returns (Level level, bool emptied)
    {
        uint256 entry = entries.words[id];
        uint256 key = entry.get(LEVEL, 16);
        uint256 list = book.lists[key];
        uint256 count = list.get(COUNT, ID) - 1;
        delete entries.words[id];
        // The list word of an emptied level keeps its last head, so that the slot stays non-zero.
        if (count == 0) _unmark(book, key);
        else list = _unlink(entries, entry, list);
        book.lists[key] = list.set(COUNT, ID, count);
        return (Level.wrap(uint16(key)), count == 0);
    }

    /// @return The highest level in use, or 0.
    function top(Book storage book) internal view returns (Level) {
        uint256 summary = book.summary & ~USED;
        if (summary == 0) return Level.wrap(0);
        uint256 high = LibBit.fls(summary);
        return Level.wrap(uint16((high << 8) | LibBit.fls(book.words[high])));
    }

    /// @return The lowest level in use, or 0.
    function bottom(Book storage book) internal view returns (Level) {
        uint256 summary = book.summary & ~USED;
        if (summary == 0) return Level.wrap(0);
        uint256 high = LibBit.ffs(summary);
        return Level.wrap(uint16((high << 8) | LibBit.ffs(book.words[high])));
    }

    /// @return The first entry of `level`, or 0 when the level is empty.
    function first(Book storage book, Level level) internal view returns (uint256) {
        uint256 list = book.lists[Level.unwrap(level)];
        return list.get(COUNT, ID) == 0 ? 0 : list.get(HEAD, ID);
    }

    /// @return The last entry of `level`, or 0 when the level is empty.
    function last(Book storage book, Level level) internal view returns (uint256) {
        uint256 list = book.lists[Level.unwrap(level)];
        return list.get(COUNT, ID) == 0 ? 0 : list.get(TAIL, ID);
    }

    /// @return n The entries at `level` and above. Its cost grows with the levels in use: for views only.
    function countFrom(Book storage book, Level level) internal view returns (uint256 n) {
        uint256 from = Level.unwrap(level);
        for (uint256 high = from >> 8; high < 255; ++high) {
            if (book.summary.get(high, 1) == 0) continue;
            for (uint256 word = book.words[high]; word != 0; word &= word - 1) {
                uint256 key = (high << 8) | LibBit.ffs(word);
                if (key >= from) n += sizeOf(book, Level.wrap(uint16(key)));
            }
        }
    }

    /// @return The number of entries of `level`.
    function sizeOf(Book storage book, Level level) internal view returns (uint256) {
        return book.lists[Level.unwrap(level)].get(COUNT, ID);
    }

    /// @notice Puts `id`, which is in no book, before `next_` on a list of ids to be used again. Its word stays non-zero.
    function retire(Entries storage entries, uint256 id, uint256 next_) internal {
        entries.words[id] = RETIRED | (next_ << NEXT);
    }

    /// @return Whether `id` is in a book.
    function contains(Entries storage entries, uint256 id) internal view returns (bool) {
        return entries.words[id].get(LEVEL, 16) != 0;
    }

    /// @return The level of `id`, which must be in a book.
    function levelOf(Entries storage entries, uint256 id) internal view returns (Level) {
        return Level.wrap(uint16(entries.words[id].get(LEVEL, 16)));
    }

    /// @return The entry behind `id` in its level, or on the list of retired ids, or 0.
    function next(Entries storage entries, uint256 id) internal view returns (uint256) {
        return entries.words[id].get(NEXT, ID);
    }

    /// @return The owner's 160 bits stored with `id`.
    function tagOf(Entries storage entries, uint256 id) internal view returns (uint256) {
        return entries.words[id] >> TAG;
    }

    /// @dev Joins the neighbours of `entry` and returns its level's word with head and tail moved.
    function _unlink(Entries storage entries, uint256 entry, uint256 list) private returns (uint256) {
        uint256 before = entry.get(PREV, ID);
        uint256 behind = entry.get(NEXT, ID);
        if (before == 0) list = list.set(HEAD, ID, behind);
        else entries.words[before] = entries.words[before].set(NEXT, ID, behind);
        if (behind == 0) return list.set(TAIL, ID, before);
        entries.words[behind] = entries.words[behind].set(PREV, ID, before);
        return list;
    }

    /// @dev Sets the bit of level `key`; a word whose summary bit was off is overwritten, not merged.
    function _mark(Book storage book, uint256 key) private {
        uint256 high = key >> 8;
        uint256 bit = 1 << (key & 0xff);
        uint256 summary = book.summary;
        if (summary.get(high, 1) == 0) {
            book.summary = summary | USED | (1 << high);
            book.words[high] = bit;
        } else {
            book.words[high] |= bit;
        }
    }

    /// @dev Clears the bit of level `key`; the last bit of a word stays and the summary bit goes instead.
    function _unmark(Book storage book, uint256 key) private {
        uint256 high = key >> 8;
        uint256 word = book.words[high] & ~(1 << (key & 0xff));
        if (word == 0) book.summary &= ~(1 << high);
        else book.words[high] = word;
    }
}
