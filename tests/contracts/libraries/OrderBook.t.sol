// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {OrderBook} from "../../../contracts/libraries/OrderBook.sol";
import {Level} from "../../../contracts/types/ValueRate.sol";
import {TypedAssertions} from "../TypedAssertions.sol";

/// @notice Invariant 3: the book against plain arrays, under any sequence of operations.
contract OrderBookTest is TypedAssertions {
    using OrderBook for OrderBook.Book;
    using OrderBook for OrderBook.Entries;

    /// Above every level a task can have, and odd enough to share no bit pattern with the small ones.
    uint16 private constant HIGHEST = 0xa3ff;

    OrderBook.Book[2] private books;
    OrderBook.Entries private entries;

    /// The model: the ids of each book and level in order, and where each id stands.
    mapping(uint256 book => mapping(uint256 level => uint256[])) private lists;
    uint256[] private ids;
    mapping(uint256 id => uint256) private bookOf;
    mapping(uint256 id => uint16) private levelOf;
    uint256 private lastId;

    function test_anEmptyBookHasNoEnds() public view {
        assertEq(books[0].top(), Level.wrap(0));
        assertEq(books[0].bottom(), Level.wrap(0));
        assertEq(books[0].first(Level.wrap(0)), 0);
        assertEq(books[0].first(Level.wrap(7)), 0);
        assertEq(books[0].last(Level.wrap(0)), 0);
        assertEq(books[0].last(Level.wrap(7)), 0);
        assertEq(books[0].countFrom(Level.wrap(0)), 0);
    }

    /// @dev Few levels: long lists, much taking out of the middle.
    function testFuzz_agreesWithArraysOnFewLevels(uint256 seed) public {
        _play(seed, 40, 4, 1);
    }

    /// @dev Levels that share a high byte: the words of the bitmap fill and empty.
    function testFuzz_agreesWithArraysInOneWord(uint256 seed) public {
        _play(seed, 40, 256, 1);
    }

    /// @dev Levels all over the range: the summary fills and empties.
    function testFuzz_agreesWithArraysAllOver(uint256 seed) public {
        _play(seed, 40, 200, 211);
    }

    /// @dev A book that has been emptied serves as well as a new one: stale words are not believed.
    function testFuzz_anEmptiedBookIsNew(uint256 seed) public {
        _play(seed, 25, 40, 97);
        while (ids.length != 0) _remove(ids.length - 1);
        _assertBook(0);
        _assertBook(1);
        _play(~seed, 25, 40, 97);
    }

    function testFuzz_firstComeFirstServedInsideALevel(uint8 number, uint16 level) public {
        Level here = Level.wrap(uint16(bound(level, 1, HIGHEST)));
        uint256 n = bound(number, 1, 40);
        for (uint256 id = 1; id <= n; ++id) {
            bool fresh = books[0].pushBack(entries, id, here, 0);
            assertEq(fresh, id == 1);
        }
        for (uint256 id = 1; id <= n; ++id) {
            assertEq(books[0].first(here), id);
            (Level was, bool emptied) = books[0].remove(entries, id);
            assertEq(was, here);
            assertEq(emptied, id == n);
        }
    }

    function testFuzz_whatWasPutInFrontIsServedFirst(uint16 level, uint8 behind) public {
        Level here = Level.wrap(uint16(bound(level, 1, HIGHEST)));
        uint256 n = bound(behind, 0, 10);
        for (uint256 id = 1; id <= n; ++id) {
            books[0].pushBack(entries, id, here, 0);
        }
        assertEq(books[0].pushFront(entries, 99, here, 5), n == 0);
        assertEq(books[0].first(here), 99);
        assertEq(books[0].last(here), n == 0 ? 99 : n, "the last is who came last");
        assertEq(entries.next(99), n == 0 ? 0 : 1);
        assertEq(entries.tagOf(99), 5);
        books[0].remove(entries, 99);
        assertEq(books[0].first(here), n == 0 ? 0 : 1);
    }

    function testFuzz_theTagIsKeptToTheBit(uint160 tag, uint160 other, uint16 level) public {
        Level here = Level.wrap(uint16(bound(level, 1, HIGHEST)));
        books[0].pushBack(entries, 1, here, tag);
        books[0].pushBack(entries, 2, here, other);
        books[0].pushFront(entries, 3, here, other);
        assertEq(entries.tagOf(1), tag, "though both neighbours were linked to it");
        assertEq(entries.levelOf(1), here);
        assertTrue(entries.contains(1));
        books[0].remove(entries, 1);
        assertFalse(entries.contains(1));
        assertEq(entries.tagOf(1), 0);
    }

    /// @dev A retired id is in no book, its word is not zero, and it serves again like a new one.
    function testFuzz_aRetiredIdIsInNoBookAndServesAgain(uint8 number, uint16 level, uint160 tag) public {
        Level here = Level.wrap(uint16(bound(level, 1, HIGHEST)));
        uint256 n = bound(number, 1, 10);
        uint256 retired;
        for (uint256 id = 1; id <= n; ++id) {
            books[0].pushBack(entries, id, here, tag);
            books[0].remove(entries, id);
            entries.retire(id, retired);
            retired = id;
            assertFalse(entries.contains(id));
            assertTrue(entries.words[id] != 0);
        }
        for (uint256 id = n; id != 0; --id) {
            assertEq(retired, id, "last retired, first used");
            retired = entries.next(id);
            books[0].pushBack(entries, id, here, tag);
            assertTrue(entries.contains(id));
            assertEq(entries.tagOf(id), tag);
        }
        assertEq(retired, 0);
        assertEq(books[0].first(here), n);
        assertEq(books[0].sizeOf(here), n);
    }

    /// @dev `steps` operations on levels 1, 1 + stride, ... of two books that share their entries.
    function _play(uint256 seed, uint256 steps, uint256 levels, uint256 stride) private {
        for (uint256 i; i < steps; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            uint16 level = uint16(1 + (random >> 8) % levels * stride % HIGHEST);
            uint256 which = (random >> 64) & 1;
            uint256 action = random % 8;
            if (action < 4 || ids.length == 0) _push(which, level, false);
            else if (action == 4) _push(which, level, true);
            else _remove((random >> 128) % ids.length);
            _assertBook(which);
            _assertLevel(which, level);
            _assertCount(which, i % 2 == 0 ? level : uint16(random >> 160));
        }
    }

    function _push(uint256 which, uint16 level, bool front) private {
        uint256 id = ++lastId;
        uint256[] storage list = lists[which][level];
        bool empty = list.length == 0;
        list.push(id);
        if (front) _shiftRight(list, id);
        (bookOf[id], levelOf[id]) = (which, level);
        ids.push(id);
        bool fresh = front
            ? books[which].pushFront(entries, id, Level.wrap(level), id * 3)
            : books[which].pushBack(entries, id, Level.wrap(level), id * 3);
        assertEq(fresh, empty, "fresh");
    }

    function _shiftRight(uint256[] storage list, uint256 id) private {
        for (uint256 i = list.length - 1; i != 0; --i) {
            list[i] = list[i - 1];
        }
        list[0] = id;
    }

    function _remove(uint256 index) private {
        uint256 id = ids[index];
        ids[index] = ids[ids.length - 1];
        ids.pop();
        uint256[] storage list = lists[bookOf[id]][levelOf[id]];
        bool found;
        for (uint256 i; i < list.length; ++i) {
            if (list[i] == id) found = true;
            if (found && i + 1 < list.length) list[i] = list[i + 1];
        }
        list.pop();
        (Level level, bool emptied) = books[bookOf[id]].remove(entries, id);
        assertEq(level, Level.wrap(levelOf[id]));
        assertEq(emptied, list.length == 0, "emptied");
    }

    function _assertBook(uint256 which) private view {
        uint16 highest;
        uint16 lowest = type(uint16).max;
        for (uint256 i; i < ids.length; ++i) {
            if (bookOf[ids[i]] != which) continue;
            uint16 level = levelOf[ids[i]];
            if (level > highest) highest = level;
            if (level < lowest) lowest = level;
        }
        assertEq(books[which].top(), Level.wrap(highest));
        assertEq(books[which].bottom(), Level.wrap(highest == 0 ? 0 : lowest));
    }

    function _assertLevel(uint256 which, uint16 level) private view {
        uint256[] storage list = lists[which][level];
        assertEq(books[which].sizeOf(Level.wrap(level)), list.length, "size");
        uint256 id = books[which].first(Level.wrap(level));
        for (uint256 i; i < list.length; ++i) {
            assertEq(id, list[i], "order");
            assertEq(entries.tagOf(id), id * 3, "tag");
            id = entries.next(id);
        }
        assertEq(id, 0, "end");
        assertEq(books[which].last(Level.wrap(level)), list.length == 0 ? 0 : list[list.length - 1], "last");
    }

    function _assertCount(uint256 which, uint16 from) private view {
        uint256 n;
        for (uint256 i; i < ids.length; ++i) {
            if (bookOf[ids[i]] == which && levelOf[ids[i]] >= from) ++n;
        }
        assertEq(books[which].countFrom(Level.wrap(from)), n, "at this level and above");
    }
}
