// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {OrderBook} from "../../../contracts/libraries/OrderBook.sol";
import {Level} from "../../../contracts/types/ValueRate.sol";
import {SymbolicTest} from "./SymbolicTest.sol";

/// @notice Invariant 3, whole sequences: a book that starts empty serves by level, then in order of arrival.
contract OrderBookSequencesSymbolicTest is SymbolicTest {
    using OrderBook for OrderBook.Book;
    using OrderBook for OrderBook.Entries;

    uint16 private constant LOW_WORD = 0x1200;
    uint16 private constant HIGH_WORD = 0x3400;

    OrderBook.Book private book;
    OrderBook.Entries private entries;

    /// The entries that stand, in the order in which they are to be served, and the level of each.
    uint256[4] private expected;
    mapping(uint256 id => Level) private expectedLevel;
    uint256 private length;

    /// @custom:proves Three pushed, one taken out, the rest served: the higher level first, each level in order of arrival.
    /// @custom:bound 3 pushes, 1 removal; two levels, any of word 0x12 or any of words 0x12 and 0x34, every way to distribute the entries
    /// over them and to take one out.
    function check_threeAreServedByLevelAndArrival(
        uint8 lowByte,
        uint8 highByte,
        bool oneWord,
        uint8 levels,
        uint8 taken
    ) public {
        (uint16 low, uint16 high) = _levels(lowByte, highByte, oneWord);
        (levels, taken) = (_concrete(levels, 8), _concrete(taken, 4));
        uint256[] memory order = new uint256[](3);
        uint256 n;
        for (uint256 turn; turn < 2; ++turn) {
            for (uint256 id = 1; id <= 3; ++id) {
                if ((levels >> (id - 1)) & 1 != turn && id != taken) order[n++] = id;
            }
        }
        for (uint256 id = 1; id <= 3; ++id) {
            book.pushBack(entries, id, _pick(low, high, levels, id), id);
        }
        if (taken != 0) book.remove(entries, taken);
        _serve(order, n, low, high, levels);
    }

    /// @custom:proves An entry that was served and could not be seated goes back to the front and is served first again.
    /// @custom:bound 2 pushes, 1 requeued, 1 more push; two levels, any of word 0x12 or any of words 0x12 and 0x34, every way to distribute
    /// the entries over them.
    function check_theRequeuedIsServedFirstAgain(uint8 lowByte, uint8 highByte, bool oneWord, uint8 levels) public {
        (uint16 low, uint16 high) = _levels(lowByte, highByte, oneWord);
        levels = _concrete(levels, 8);
        book.pushBack(entries, 1, _pick(low, high, levels, 1), 1);
        book.pushBack(entries, 2, _pick(low, high, levels, 2), 2);
        // The second goes first only from the higher level.
        uint256 first = levels & 3 == 2 ? 2 : 1;
        Level top = _pick(low, high, levels, first);
        assertEq(book.top(), top);
        assertEq(book.first(top), first);
        book.remove(entries, first);
        book.pushFront(entries, first, top, first);
        book.pushBack(entries, 3, _pick(low, high, levels, 3), 3);
        uint256[] memory order = new uint256[](3);
        uint256 n;
        for (uint256 turn; turn < 2; ++turn) {
            for (uint256 id = 1; id <= 3; ++id) {
                if ((levels >> (id - 1)) & 1 != turn) order[n++] = id;
            }
        }
        _serve(order, n, low, high, levels);
    }

    /// @custom:proves Whatever is done, after every operation the book knows its top, its bottom and the ends and the size of their
    /// levels; in the end it serves by level, then in order of arrival, and gives back every tag.
    /// @custom:bound Every sequence of 4 operations on an empty book, each of them a push to one of three levels, a removal of any
    /// entry, or a removal of the first that goes back to the front; two of the levels share a word, one does not; any tags.
    function check_anySequenceKeepsTheOrder(uint8[4] memory operations, uint160[4] memory tags) public {
        for (uint256 i; i < 4; ++i) {
            _operate(_concrete(operations[i], uint8(4 + length)), i + 1, tags[i]);
            _assertEnds();
        }
        while (length != 0) {
            uint256 id = expected[0];
            assertEq(book.first(book.top()), id);
            assertEq(entries.tagOf(id), tags[id - 1]);
            _operate(4, 0, 0);
            assertFalse(entries.contains(id));
            _assertEnds();
        }
    }

    /// @dev Operation 0 to 2 pushes `id` to a level, 3 takes out the first and puts it back, 4 and above take out the first and
    /// those behind it. `expected` follows.
    function _operate(uint256 operation, uint256 id, uint256 tag) private {
        if (operation < 3) {
            Level level = _level(operation);
            assertEq(book.pushBack(entries, id, level, tag), book.sizeOf(level) == 1);
            uint256 place = length;
            for (; place != 0 && expectedLevel[expected[place - 1]] < level; --place) {
                expected[place] = expected[place - 1];
            }
            (expected[place], expectedLevel[id]) = (id, level);
            ++length;
        } else if (operation == 3) {
            vm.assume(length != 0);
            id = expected[0];
            tag = entries.tagOf(id);
            (Level level,) = book.remove(entries, id);
            book.pushFront(entries, id, level, tag);
        } else {
            id = expected[operation - 4];
            (Level level, bool emptied) = book.remove(entries, id);
            assertEq(level, expectedLevel[id]);
            assertEq(emptied, book.sizeOf(level) == 0);
            --length;
            for (uint256 i = operation - 4; i < length; ++i) {
                expected[i] = expected[i + 1];
            }
        }
    }

    function _assertEnds() private view {
        Level top = length == 0 ? Level.wrap(0) : expectedLevel[expected[0]];
        Level bottom = length == 0 ? Level.wrap(0) : expectedLevel[expected[length - 1]];
        assertEq(book.top(), top);
        assertEq(book.bottom(), bottom);
        if (length == 0) return;
        uint256 ofTop;
        while (ofTop < length && expectedLevel[expected[ofTop]] == top) ++ofTop;
        assertEq(book.sizeOf(top), ofTop);
        assertEq(book.first(top), expected[0]);
        assertEq(book.last(top), expected[ofTop - 1]);
        assertEq(book.last(bottom), expected[length - 1]);
    }

    /// @dev Two levels of one word and one of another.
    function _level(uint256 which) private pure returns (Level) {
        return Level.wrap(which == 0 ? LOW_WORD | 0x03 : which == 1 ? LOW_WORD | 0xfd : HIGH_WORD);
    }

    function _levels(uint8 lowByte, uint8 highByte, bool oneWord) private pure returns (uint16 low, uint16 high) {
        if (oneWord) vm.assume(lowByte < highByte);
        (low, high) = (LOW_WORD | lowByte, (oneWord ? LOW_WORD : HIGH_WORD) | highByte);
    }

    function _pick(uint16 low, uint16 high, uint8 levels, uint256 id) private pure returns (Level) {
        return Level.wrap((levels >> (id - 1)) & 1 == 1 ? high : low);
    }

    /// @dev Takes out the first of the top level until the book is empty.
    function _serve(uint256[] memory order, uint256 n, uint16 low, uint16 high, uint8 levels) private {
        for (uint256 i; i < n; ++i) {
            Level level = _pick(low, high, levels, order[i]);
            assertEq(book.top(), level);
            assertEq(book.first(level), order[i]);
            assertEq(entries.tagOf(order[i]), order[i]);
            book.remove(entries, order[i]);
            assertFalse(entries.contains(order[i]));
        }
        assertEq(book.top(), Level.wrap(0));
    }
}
