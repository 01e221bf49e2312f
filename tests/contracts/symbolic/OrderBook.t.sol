// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Bits} from "../../../contracts/libraries/Bits.sol";
import {OrderBook} from "../../../contracts/libraries/OrderBook.sol";
import {Level} from "../../../contracts/types/ValueRate.sol";
import {TypedAssertions} from "../TypedAssertions.sol";
import {LibBit} from "solady/utils/LibBit.sol";

/// @notice Invariant 3, one step at a time: each operation on a book in any state, of any length.
/// @dev Storage is arbitrary. What an operation relies on is assumed of the places it reads, and shown of the places it
/// leaves behind, so that sequences of any length follow by induction:
/// - a level is marked in the bitmap exactly when its list has entries, and no word of a marked high byte is zero;
/// - the neighbours of an entry are others, and an entry without one is the head, or the tail, of its list.
/// Levels are those below 0xff00, which is more than a value can have: the last bit of the summary is not a level's.
contract OrderBookSymbolicTest is TypedAssertions {
    using Bits for uint256;
    using OrderBook for OrderBook.Book;
    using OrderBook for OrderBook.Entries;

    uint16 private constant LEVEL_LIMIT = 0xff00;
    /// @dev The bits of the summary that stand for levels.
    uint256 private constant MARKS = type(uint256).max >> 1;

    OrderBook.Book private book;
    OrderBook.Book private otherBook;
    OrderBook.Entries private entries;

    function setUp() public {
        vm.setArbitraryStorage(address(this));
    }

    /// @custom:proves A pushed level is marked, every other level is marked or not as before, the count goes up by one.
    /// @custom:bound Any book, id, level, tag; lists shorter than 2^40 - 1.
    function check_pushingKeepsTheBitmapTrue(uint40 id, uint16 level, uint160 tag, uint16 other, bool front) public {
        vm.assume(level < LEVEL_LIMIT && other < LEVEL_LIMIT && _isTrue(level) && _isTrue(other));
        uint256 count = _count(level);
        vm.assume(count < type(uint40).max);
        bool otherInUse = _inUse(other);
        uint256 otherCount = _count(other);
        bool fresh = _push(id, level, tag, front);
        assertEq(fresh, count == 0);
        assertEq(_count(level), count + 1);
        assertTrue(_inUse(level) && _isTrue(level) && _isTrue(other));
        if (other != level) assertTrue(_inUse(other) == otherInUse && _count(other) == otherCount);
    }

    /// @custom:proves A level is unmarked with its last entry and not before, every other level is as it was.
    /// @custom:bound Any book and entry.
    function check_removingKeepsTheBitmapTrue(uint40 id, uint16 other) public {
        uint16 level = Level.unwrap(entries.levelOf(id));
        vm.assume(level < LEVEL_LIMIT && other < LEVEL_LIMIT && _isTrue(level) && _isTrue(other));
        uint256 count = _count(level);
        vm.assume(count != 0);
        bool otherInUse = _inUse(other);
        uint256 otherCount = _count(other);
        (Level was, bool emptied) = book.remove(entries, id);
        assertEq(was, Level.wrap(level));
        assertEq(emptied, count == 1);
        assertEq(_count(level), count - 1);
        assertTrue(_isTrue(level) && _isTrue(other));
        if (other != level) assertTrue(_inUse(other) == otherInUse && _count(other) == otherCount);
    }

    /// @custom:proves The top is in use and no level above it is; it is 0 only when no level is in use.
    /// @custom:bound Any book.
    function check_theTopIsTheHighestLevelInUse(uint16 other) public view {
        uint256 summary = book.summary & MARKS;
        vm.assume(other < LEVEL_LIMIT && (summary == 0 || book.words[LibBit.fls(summary)] != 0));
        uint16 top = Level.unwrap(book.top());
        if (summary == 0) assertTrue(top == 0 && !_inUse(other));
        else assertTrue(_inUse(top) && (!_inUse(other) || other <= top));
    }

    /// @custom:proves The bottom is in use and no level below it is; it is 0 only when no level is in use.
    /// @custom:bound Any book; by `check_theFirstSetBitIsFound`.
    function check_theBottomIsTheLowestLevelInUse(uint16 other) public view {
        uint256 summary = book.summary & MARKS;
        uint256 word = book.words[LibBit.ffs(summary)];
        vm.assume(other < LEVEL_LIMIT && (summary == 0 || word != 0));
        vm.assume(_isLowest(summary, LibBit.ffs(summary)) && _isLowest(word, LibBit.ffs(word)));
        uint16 bottom = Level.unwrap(book.bottom());
        if (summary == 0) assertTrue(bottom == 0 && !_inUse(other));
        else assertTrue(_inUse(bottom) && (!_inUse(other) || other >= bottom));
    }

    /// @custom:proves `LibBit.ffs` gives the lowest bit that is set.
    /// @custom:bound Any word.
    function check_theFirstSetBitIsFound(uint256 word) public pure {
        assertTrue(_isLowest(word, LibBit.ffs(word)));
    }

    /// @custom:proves What is pushed back is last: behind the former last, which alone of all entries changes.
    /// @custom:bound Any book, entry and length.
    function check_whatIsPushedBackIsLast(uint40 id, uint16 level, uint160 tag, uint40 other) public {
        uint256 tail = _tail(level);
        uint256 head = book.first(Level.wrap(level));
        uint256 count = _count(level);
        vm.assume(count < type(uint40).max && tail != id && other != id);
        uint256 tailWord = entries.words[tail];
        uint256 otherWord = entries.words[other];
        book.pushBack(entries, id, Level.wrap(level), tag);
        assertEq(book.last(Level.wrap(level)), id);
        assertEq(entries.words[id], (uint256(tag) << 96) | (uint256(level) << 80) | (count == 0 ? 0 : tail));
        if (count == 0) {
            assertEq(book.first(Level.wrap(level)), id);
            assertEq(entries.words[other], otherWord);
        } else {
            assertEq(book.first(Level.wrap(level)), head);
            assertEq(entries.words[tail], tailWord.set(40, 40, id));
            if (other != tail) assertEq(entries.words[other], otherWord);
        }
    }

    /// @custom:proves What is pushed to the front is first: before the former first, which alone of all entries changes.
    /// @custom:bound Any book, entry and length.
    function check_whatIsPushedToTheFrontIsFirst(uint40 id, uint16 level, uint160 tag, uint40 other) public {
        uint256 head = book.first(Level.wrap(level));
        uint256 tail = _tail(level);
        uint256 count = _count(level);
        vm.assume(count != 0 && count < type(uint40).max && head != id && other != id);
        uint256 headWord = entries.words[head];
        uint256 otherWord = entries.words[other];
        book.pushFront(entries, id, Level.wrap(level), tag);
        assertEq(book.first(Level.wrap(level)), id);
        assertEq(book.last(Level.wrap(level)), tail);
        assertEq(entries.words[id], (uint256(tag) << 96) | (uint256(level) << 80) | (head << 40));
        assertEq(entries.words[head], headWord.set(0, 40, id));
        if (other != head) assertEq(entries.words[other], otherWord);
    }

    /// @custom:proves Taking an entry out joins its neighbours and changes no other entry; the ends move only if it was one.
    /// @custom:bound Any book, entry and length.
    function check_takingAnEntryOutJoinsItsNeighbours(uint40 id, uint40 other) public {
        uint256 entry = entries.words[id];
        uint256 before = entry.get(0, 40);
        uint256 behind = entry.get(40, 40);
        Level level = entries.levelOf(id);
        uint256 head = book.first(level);
        uint256 tail = book.last(level);
        vm.assume(_count(Level.unwrap(level)) > 1 && id != 0 && other != id);
        vm.assume((before == 0) == (head == id) && (behind == 0) == (tail == id));
        vm.assume(before != id && behind != id && before != behind);
        uint256 beforeWord = entries.words[before];
        uint256 behindWord = entries.words[behind];
        uint256 otherWord = entries.words[other];
        book.remove(entries, id);
        assertEq(entries.words[id], 0);
        assertEq(book.first(level), before == 0 ? behind : head);
        assertEq(book.last(level), behind == 0 ? before : tail);
        if (before != 0) assertEq(entries.words[before], beforeWord.set(40, 40, behind));
        if (behind != 0) assertEq(entries.words[behind], behindWord.set(0, 40, before));
        bool neighbour = (other == before && before != 0) || (other == behind && behind != 0);
        if (!neighbour) assertEq(entries.words[other], otherWord);
    }

    /// @custom:proves No operation on a book touches another book, or a list of another level.
    /// @custom:bound Any two books and any place in them.
    function check_otherBooksAndLevelsAreLeftAlone(uint40 id, uint16 level, uint160 tag, uint256 place, uint8 operation)
        public
    {
        vm.assume(operation < 3 && level < LEVEL_LIMIT);
        uint256 summary = otherBook.summary;
        uint256 word = otherBook.words[place];
        uint256 list = otherBook.lists[place];
        uint256 ownList = book.lists[place];
        if (operation == 2) {
            vm.assume(entries.levelOf(id) == Level.wrap(level) && _count(level) != 0);
            book.remove(entries, id);
        } else {
            vm.assume(_count(level) < type(uint40).max);
            _push(id, level, tag, operation == 1);
        }
        assertEq(otherBook.summary, summary);
        assertEq(otherBook.words[place], word);
        assertEq(otherBook.lists[place], list);
        if (place != level) assertEq(book.lists[place], ownList);
    }

    function _push(uint40 id, uint16 level, uint160 tag, bool front) private returns (bool) {
        return front
            ? book.pushFront(entries, id, Level.wrap(level), tag)
            : book.pushBack(entries, id, Level.wrap(level), tag);
    }

    function _inUse(uint16 level) private view returns (bool) {
        return (book.summary.get(level >> 8, 1) & book.words[level >> 8].get(level & 0xff, 1)) == 1;
    }

    function _isTrue(uint16 level) private view returns (bool) {
        bool empty = book.summary.get(level >> 8, 1) == 1 && book.words[level >> 8] == 0;
        return !empty && _inUse(level) == (_count(level) != 0);
    }

    function _count(uint16 level) private view returns (uint256) {
        return book.sizeOf(Level.wrap(level));
    }

    function _tail(uint16 level) private view returns (uint256) {
        return book.lists[level].get(40, 40);
    }

    /// @dev Whether bit `index` of `word` is set and none below it; of 0 that is so for 256.
    function _isLowest(uint256 word, uint256 index) private pure returns (bool) {
        if (word == 0) return index == 256;
        return index < 256 && (word >> index) & 1 == 1 && (word << (255 - index)) << 1 == 0;
    }
}
