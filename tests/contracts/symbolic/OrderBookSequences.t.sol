// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {OrderBook} from "../../../contracts/libraries/OrderBook.sol";
import {Level} from "../../../contracts/types/ValueRate.sol";
import {TypedAssertions} from "../TypedAssertions.sol";

/// @notice Invariant 3, whole sequences: a book that starts empty serves by level, then in order of arrival.
/// @dev Two levels, in one word of the bitmap or in two; every entry stands at one of them.
contract OrderBookSequencesSymbolicTest is TypedAssertions {
    using OrderBook for OrderBook.Book;
    using OrderBook for OrderBook.Entries;

    uint16 private constant LOW_WORD = 0x1200;
    uint16 private constant HIGH_WORD = 0x3400;

    OrderBook.Book private book;
    OrderBook.Entries private entries;

    /// @custom:proves Three pushed, one taken out, the rest served: the higher level first, each level in order of arrival.
    /// @custom:bound 3 pushes, 1 removal; two levels, any of one word or any of two words, every way to distribute the entries
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
    /// @custom:bound 2 pushes, 1 requeued, 1 more push; two levels, any of one word or any of two words, every way to distribute
    /// the entries over them.
    function check_theRequeuedIsServedFirstAgain(uint8 lowByte, uint8 highByte, bool oneWord, uint8 levels) public {
        (uint16 low, uint16 high) = _levels(lowByte, highByte, oneWord);
        levels = _concrete(levels, 8);
        book.pushBack(entries, 1, _pick(low, high, levels, 1), 1);
        book.pushBack(entries, 2, _pick(low, high, levels, 2), 2);
        Level top = book.top();
        uint256 first = book.first(top);
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

    function _levels(uint8 lowByte, uint8 highByte, bool oneWord) private pure returns (uint16 low, uint16 high) {
        if (oneWord) vm.assume(lowByte < highByte);
        (low, high) = (LOW_WORD | lowByte, (oneWord ? LOW_WORD : HIGH_WORD) | highByte);
    }

    /// @dev One path for each value below `limit`, instead of one condition after the other on an unknown.
    function _concrete(uint8 value, uint8 limit) private pure returns (uint8) {
        for (uint8 i; i < limit; ++i) {
            if (value == i) return i;
        }
        vm.assume(false);
        return 0;
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
