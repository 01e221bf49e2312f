// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ClassId} from "../types/Ids.sol";
import {Bits} from "./Bits.sol";

/// @notice How many free nodes each class of a tier has, and to which class the node at a position of the tier belongs.
/// @dev A tree of sums. A leaf holds four classes of 64 bits each (count 0-31 | class 32-63), an inner word the sums of
/// eight words below it, 32 bits each. The root stands at the lowest level whose one word covers all classes, so that a
/// tier of up to four classes costs one word, of up to 32 two, of up to 4 * 8^n n + 1. Classes are never taken out.
library ClassTree {
    using Bits for uint256;

    /// @dev Keyed by level (from the leaves, in bits 32 and above) and position in the level.
    struct Tree {
        mapping(uint256 levelAndPlace => uint256) words;
    }

    uint256 private constant LEVEL = 32;
    uint256 private constant LEAF_CLASSES = 4;
    uint256 private constant LEAF_BITS = 2;
    uint256 private constant INNER_BITS = 3;

    /// @notice Adds `class`, which has no free nodes, as the class at `index`.
    /// @param index The number of classes so far.
    /// @param total The free nodes of the tier.
    function add(Tree storage tree, uint256 index, ClassId class, uint256 total) internal {
        uint256 word = tree.words[index >> LEAF_BITS];
        tree.words[index >> LEAF_BITS] = word.set(_lane(index) + 32, 32, ClassId.unwrap(class));
        uint256 level = _root(index);
        // The new class does not fit below the root: a new one, whose first sum is that of all the others.
        if (level != _root(index + 1)) tree.words[(level + 1) << LEVEL] = total;
    }

    /// @notice One free node more, or one less, in the class at `index`.
    /// @param classes The number of classes of the tier.
    function count(Tree storage tree, uint256 classes, uint256 index, bool more) internal {
        uint256 root = _root(classes);
        _step(tree, index >> LEAF_BITS, _lane(index), more);
        uint256 place = index >> LEAF_BITS;
        for (uint256 level = 1; level <= root; ++level) {
            uint256 offset = (place & 7) << 5;
            place >>= INNER_BITS;
            _step(tree, (level << LEVEL) | place, offset, more);
        }
    }

    /// @param classes The number of classes of the tier.
    /// @param position A position below the number of free nodes of the tier.
    /// @return class The class of the node there.
    /// @return rest Its position among the free nodes of that class.
    function find(Tree storage tree, uint256 classes, uint256 position)
        internal
        view
        returns (ClassId class, uint256 rest)
    {
        rest = position;
        uint256 place;
        uint256 word;
        for (uint256 level = _root(classes); level != 0; --level) {
            word = tree.words[(level << LEVEL) | place];
            place <<= INNER_BITS;
            for (uint256 here = uint32(word); rest >= here; here = uint32(word)) {
                (rest, word) = (rest - here, word >> 32);
                ++place;
            }
        }
        word = tree.words[place];
        for (uint256 here = uint32(word); rest >= here; here = uint32(word)) {
            (rest, word) = (rest - here, word >> 64);
        }
        class = ClassId.wrap(uint32(word >> 32));
    }

    /// @dev The level of the root over `classes` classes; 0 is a leaf.
    function _root(uint256 classes) private pure returns (uint256 level) {
        while (classes > LEAF_CLASSES << (INNER_BITS * level)) ++level;
    }

    /// @dev Where the count of the class at `index` stands in its leaf.
    function _lane(uint256 index) private pure returns (uint256) {
        return (index & (LEAF_CLASSES - 1)) << 6;
    }

    function _step(Tree storage tree, uint256 key, uint256 offset, bool more) private {
        uint256 word = tree.words[key];
        tree.words[key] = more ? word.plus(offset, 1) : word.minus(offset, 1);
    }
}
