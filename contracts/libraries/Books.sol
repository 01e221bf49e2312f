// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {BookTag} from "../types/BookTag.sol";
import {ClassId} from "../types/Ids.sol";
import {Level} from "../types/ValueRate.sol";
import {OrderBook} from "./OrderBook.sol";
import {PackedEnds} from "./PackedEnds.sol";

/// @notice All order books of the queue: one for each kind and tier, one for each kind and required class.
/// @dev The ends of tier books are packed, eight books to a word. Books of required classes are any number, so they
/// stand in two books of books, keyed by kind and class: at their best level while they compete, and at their lowest
/// level while they hold anything. A book whose class has too few free nodes is taken out of the first (parked).
library Books {
    using OrderBook for OrderBook.Book;
    using OrderBook for OrderBook.Entries;

    struct Shelf {
        mapping(uint256 half => uint256) ends;
        mapping(uint256 bookKey => OrderBook.Book) books;
        OrderBook.Entries entries;
        OrderBook.Book classTops;
        OrderBook.Entries classTopEntries;
        OrderBook.Book classBottoms;
        OrderBook.Entries classBottomEntries;
    }

    /// @notice Adds a task to the book its tag names, behind the others of its level or before them.
    function insert(Shelf storage shelf, uint256 id, Level level, uint256 tag, bool front) internal {
        OrderBook.Book storage book = shelf.books[BookTag.bookKeyOf(tag)];
        bool fresh =
            front ? book.pushFront(shelf.entries, id, level, tag) : book.pushBack(shelf.entries, id, level, tag);
        if (ClassId.unwrap(BookTag.class(tag)) != 0) return _grow(shelf, book, tag, level);
        if (!fresh) return;
        (uint256 half, uint256 lane) = laneOf(BookTag.kind(tag), BookTag.tier(tag));
        uint256 word = shelf.ends[half];
        (Level best, Level lowest) = PackedEnds.get(word, lane);
        bool empty = Level.unwrap(best) == 0;
        if (!empty && !(level > best) && !(level < lowest)) return;
        Level newLowest = empty || level < lowest ? level : lowest;
        shelf.ends[half] = PackedEnds.set(word, lane, level > best ? level : best, newLowest);
    }

    /// @notice Takes a task out of its book.
    function remove(Shelf storage shelf, uint256 id) internal {
        uint256 tag = shelf.entries.tagOf(id);
        OrderBook.Book storage book = shelf.books[BookTag.bookKeyOf(tag)];
        (Level level, bool emptied) = book.remove(shelf.entries, id);
        if (!emptied) return;
        if (ClassId.unwrap(BookTag.class(tag)) != 0) return _shrink(shelf, book, tag, level);
        (uint256 half, uint256 lane) = laneOf(BookTag.kind(tag), BookTag.tier(tag));
        uint256 word = shelf.ends[half];
        (Level best, Level lowest) = PackedEnds.get(word, lane);
        if (level != best && level != lowest) return;
        best = level == best ? book.top() : best;
        shelf.ends[half] = PackedEnds.set(word, lane, best, level == lowest ? book.bottom() : lowest);
    }

    /// @notice Puts the book `key` of a required class into the competition, at its best level.
    /// @param front Before the others of that level.
    function compete(Shelf storage shelf, uint256 key, bool front) internal {
        Level level = shelf.books[key].top();
        if (front) shelf.classTops.pushFront(shelf.classTopEntries, key, level, 0);
        else shelf.classTops.pushBack(shelf.classTopEntries, key, level, 0);
    }

    /// @notice Takes the book `key` of a required class out of the competition.
    function park(Shelf storage shelf, uint256 key) internal {
        shelf.classTops.remove(shelf.classTopEntries, key);
    }

    /// @param halves Whose bit is set for each word of ends in use.
    /// @return level The lowest level of all books, 0 when all are empty.
    /// @return id The last at that level in one of the books that have it.
    function least(Shelf storage shelf, uint256 halves) internal view returns (Level level, uint256 id) {
        level = shelf.classBottoms.bottom();
        uint256 key = shelf.classBottoms.first(level);
        for (uint256 half; halves != 0; ++half) {
            if (halves & 1 != 0) {
                (Level here, uint256 lane) = PackedEnds.least(shelf.ends[half]);
                bool lower = Level.unwrap(level) == 0 || !(here > level);
                if (Level.unwrap(here) != 0 && lower) (level, key) = (here, keyOfLane(half, lane));
            }
            halves >>= 1;
        }
        id = shelf.books[key].last(level);
    }

    /// @return half The word in which the ends of the book of `kind` and `tier` stand.
    /// @return lane Its lane in that word.
    function laneOf(uint256 kind, uint256 tier) internal pure returns (uint256 half, uint256 lane) {
        return (2 * kind + tier / PackedEnds.LANES, tier % PackedEnds.LANES);
    }

    /// @return The key of the book whose ends stand in `lane` of word `half`.
    function keyOfLane(uint256 half, uint256 lane) internal pure returns (uint256) {
        return BookTag.bookKey(half / 2, (half % 2) * PackedEnds.LANES + lane, ClassId.wrap(0));
    }

    /// @dev A task of `level` was added to a class's book.
    function _grow(Shelf storage shelf, OrderBook.Book storage book, uint256 tag, Level level) private {
        uint256 key = BookTag.bookKeyOf(tag);
        if (!shelf.classTopEntries.contains(key)) {
            compete(shelf, key, false);
        } else if (level > shelf.classTopEntries.levelOf(key)) {
            park(shelf, key);
            compete(shelf, key, false);
        }
        _sink(shelf, book, key);
    }

    /// @dev `level` of a class's book is empty now.
    function _shrink(Shelf storage shelf, OrderBook.Book storage book, uint256 tag, Level level) private {
        uint256 key = BookTag.bookKeyOf(tag);
        Level top = book.top();
        if (shelf.classTopEntries.contains(key) && shelf.classTopEntries.levelOf(key) != top) {
            park(shelf, key);
            if (Level.unwrap(top) != 0) compete(shelf, key, false);
        }
        if (shelf.classBottomEntries.levelOf(key) == level) _sink(shelf, book, key);
    }

    /// @dev Moves a class's book to its present lowest level, or out when it is empty.
    function _sink(Shelf storage shelf, OrderBook.Book storage book, uint256 key) private {
        Level bottom = book.bottom();
        if (shelf.classBottomEntries.contains(key)) {
            if (shelf.classBottomEntries.levelOf(key) == bottom) return;
            shelf.classBottoms.remove(shelf.classBottomEntries, key);
        }
        if (Level.unwrap(bottom) != 0) shelf.classBottoms.pushBack(shelf.classBottomEntries, key, bottom, 0);
    }
}
