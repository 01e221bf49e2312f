// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Books} from "../../../contracts/libraries/Books.sol";
import {OrderBook} from "../../../contracts/libraries/OrderBook.sol";
import {PackedEnds} from "../../../contracts/libraries/PackedEnds.sol";
import {BookTag} from "../../../contracts/types/BookTag.sol";
import {ClassId, TaskId} from "../../../contracts/types/Ids.sol";
import {Level} from "../../../contracts/types/ValueRate.sol";
import {TypedAssertions} from "../TypedAssertions.sol";

/// @notice Invariant 3: all books of the queue against a list, under any sequence of operations.
contract BooksTest is TypedAssertions {
    using Books for Books.Shelf;
    using OrderBook for OrderBook.Book;
    using OrderBook for OrderBook.Entries;

    struct Entry {
        uint256 id;
        uint16 level;
        uint256 book;
    }

    uint256 private constant KINDS = 2;
    uint256 private constant CLASSES = 3;

    Books.Shelf private shelf;
    uint256 private lastId;
    uint256 private halves;

    /// The model: what stands in the books, and which books of classes are out of the competition.
    Entry[] private entries;
    mapping(uint256 book => bool) private parked;

    function test_emptyBooksHaveNoLeast() public view {
        (Level level, uint256 id) = shelf.least(type(uint32).max);
        assertEq(level, Level.wrap(0));
        assertEq(id, 0);
    }

    /// @dev Few levels: long lines, ends that stay when one of several leaves.
    function testFuzz_agreesWithAListOnFewLevels(uint256 seed) public {
        _play(seed, 3, 1);
    }

    function testFuzz_agreesWithAListOnManyLevels(uint256 seed) public {
        _play(seed, 100, 300);
    }

    /// @dev Every book has its own lane, and the lane knows its book.
    function testFuzz_aLaneIsOneBooks(uint8 kind, uint8 tier) public pure {
        (kind, tier) = (kind % 16, tier % 16);
        (uint256 half, uint256 lane) = Books.laneOf(kind, tier);
        assertLt(half, 32);
        assertLt(lane, 8);
        assertEq(half * 8 + lane, uint256(kind) * 16 + tier);
        assertEq(Books.keyOfLane(half, lane), BookTag.bookKey(kind, tier, ClassId.wrap(0)));
    }

    function _play(uint256 seed, uint256 levels, uint256 stride) private {
        for (uint256 i; i < 25; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            uint256 move = random % 8;
            random >>= 8;
            if (move < 4 || entries.length == 0) _insert(random, uint16(1 + random % levels * stride), move == 0);
            else if (move < 7) _remove(random % entries.length);
            else _competeOrPark(random);
            _assertShelf();
        }
        while (entries.length != 0) _remove(entries.length - 1);
        _assertShelf();
    }

    function _insert(uint256 random, uint16 level, bool front) private {
        uint256 tag = _tag(random >> 16);
        uint256 book = BookTag.bookKeyOf(tag);
        shelf.insert(++lastId, Level.wrap(level), tag, front);
        entries.push(Entry(lastId, level, book));
        parked[book] = false;
        (uint256 half,) = Books.laneOf(BookTag.kind(tag), BookTag.tier(tag));
        halves |= 1 << half;
        assertEq(shelf.entries.tagOf(lastId), tag);
    }

    function _remove(uint256 index) private {
        Entry memory gone = entries[index];
        entries[index] = entries[entries.length - 1];
        entries.pop();
        shelf.remove(gone.id);
        (uint256 top,) = _ends(gone.book);
        if (top == 0) parked[gone.book] = false;
    }

    /// @dev As a draw does with the books of classes.
    function _competeOrPark(uint256 random) private {
        uint256 book = BookTag.classKey(random % KINDS, ClassId.wrap(uint32(1 + (random >> 8) % CLASSES)));
        (uint256 top,) = _ends(book);
        if (top == 0) return;
        if (parked[book]) shelf.compete(book, random & (1 << 32) == 0);
        else shelf.park(book);
        parked[book] = !parked[book];
    }

    /// @dev A book of one of the tiers 0, 5, 10, 15, or of one of the classes, which are of tier 9.
    function _tag(uint256 random) private pure returns (uint256) {
        uint8 kind = uint8(random % KINDS);
        uint32 class = (random >> 8) % 2 == 0 ? 0 : uint32(1 + (random >> 16) % CLASSES);
        uint8 tier = class == 0 ? uint8(5 * ((random >> 24) % 4)) : 9;
        return BookTag.pack(TaskId.wrap(uint40(random)), kind, tier, ClassId.wrap(class), 7, 8);
    }

    function _ends(uint256 book) private view returns (uint256 top, uint256 bottom) {
        for (uint256 i; i < entries.length; ++i) {
            if (entries[i].book != book) continue;
            if (entries[i].level > top) top = entries[i].level;
            if (bottom == 0 || entries[i].level < bottom) bottom = entries[i].level;
        }
    }

    function _assertShelf() private view {
        for (uint256 kind; kind < KINDS; ++kind) {
            for (uint256 tier; tier < 16; ++tier) {
                (uint256 top, uint256 bottom) = _ends(BookTag.bookKey(kind, tier, ClassId.wrap(0)));
                (uint256 half, uint256 lane) = Books.laneOf(kind, tier);
                (Level best, Level lowest) = PackedEnds.get(shelf.ends[half], lane);
                assertEq(best, Level.wrap(uint16(top)));
                assertEq(lowest, Level.wrap(uint16(bottom)));
            }
        }
        uint256 highest = _assertClassBooks();
        assertEq(shelf.classTops.top(), Level.wrap(uint16(highest)));
        _assertLeast();
    }

    /// @return highest The best level of the class books that compete.
    function _assertClassBooks() private view returns (uint256 highest) {
        for (uint256 kind; kind < KINDS; ++kind) {
            for (uint32 class = 1; class <= CLASSES; ++class) {
                uint256 book = BookTag.classKey(kind, ClassId.wrap(class));
                (uint256 top, uint256 bottom) = _ends(book);
                bool competes = top != 0 && !parked[book];
                assertEq(shelf.classTopEntries.contains(book), competes, "competes");
                if (competes) assertEq(shelf.classTopEntries.levelOf(book), Level.wrap(uint16(top)));
                if (competes && top > highest) highest = top;
                assertEq(shelf.classBottomEntries.contains(book), bottom != 0, "holds anything");
                if (bottom != 0) assertEq(shelf.classBottomEntries.levelOf(book), Level.wrap(uint16(bottom)));
            }
        }
    }

    /// @dev The lowest level of all, parked books included, and the newest of one of its books.
    function _assertLeast() private view {
        uint256 want;
        for (uint256 i; i < entries.length; ++i) {
            if (want == 0 || entries[i].level < want) want = entries[i].level;
        }
        (Level level, uint256 id) = shelf.least(halves);
        assertEq(level, Level.wrap(uint16(want)));
        assertEq(id != 0, want != 0);
        if (id == 0) return;
        assertEq(shelf.entries.levelOf(id), level);
        assertEq(shelf.entries.next(id), 0, "the last of its level");
    }
}
