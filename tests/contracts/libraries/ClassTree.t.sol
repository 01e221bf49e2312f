// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ClassTree} from "../../../contracts/libraries/ClassTree.sol";
import {ClassId} from "../../../contracts/types/Ids.sol";
import {TypedAssertions} from "../TypedAssertions.sol";

/// @notice Invariant 10: the tree of sums against a plain array of counts.
/// @dev The root rises by a level with the 5th, the 33rd, the 257th and the 2049th class.
contract ClassTreeTest is TypedAssertions {
    using ClassTree for ClassTree.Tree;

    ClassTree.Tree private tree;

    /// The model: free nodes by class, in the order in which the classes came.
    uint256[] private counts;
    uint256 private total;

    /// @dev After every step every position belongs to the class that the array says. Up to 45 classes, of which up to 40
    /// stand there from the start.
    function testFuzz_agreesWithAnArrayAfterEveryStep(uint256 seed, uint8 classes) public {
        for (uint256 i; i < classes % 41; ++i) {
            _add();
        }
        for (uint256 i; i < 40; ++i) {
            _move(uint256(keccak256(abi.encode(seed, i))));
            _assertEveryPosition();
        }
    }

    /// @dev The sums are taken along when the root rises, whatever the counts are then.
    /// forge-config: default.fuzz.runs = 12
    function testFuzz_growsBeyondFourThirtyTwoAndTwoHundredAndFiftySix(uint256 seed) public {
        while (counts.length < 260) {
            uint256 random = uint256(keccak256(abi.encode(seed, counts.length)));
            _add();
            for (uint256 i; i < random % 4; ++i) {
                _count((random >> (8 * i + 8)) % counts.length, true);
            }
            if (random % 7 == 0) _move(random & ~uint256(15) | 1);
            if (_isFull(counts.length) || _isFull(counts.length - 1)) _assertEveryPosition();
        }
        _assertEveryPosition();
        while (total != 0) _move(uint256(keccak256(abi.encode(seed, total))) & ~uint256(15) | 1);
        _count(seed % 260, true);
        _assertEveryPosition();
    }

    /// @dev At each of the sizes: one node in every class, then a new class with one.
    function test_theNewRootHasTheSumOfTheOldOne() public {
        for (uint256 classes = 4; classes <= 2048; classes *= 8) {
            while (counts.length < classes) {
                _add();
                _count(counts.length - 1, true);
            }
            _assertAt(0);
            _assertAt(classes - 1);
            _add();
            _assertAt(0);
            _assertAt(classes - 1);
            _count(classes, true);
            for (uint256 i = classes < 30 ? 0 : classes - 30; i <= classes; ++i) {
                _assertAt(i);
            }
        }
    }

    /// @dev A class without free nodes has no position, be it the first, the last or any between.
    function testFuzz_anEmptyClassIsPassedOver(uint256 filled, uint8 classes) public {
        uint256 n = 1 + classes % 70;
        for (uint256 i; i < n; ++i) {
            _add();
        }
        for (uint256 i; i < n; ++i) {
            if ((filled >> i) & 1 != 0) _count(i, true);
        }
        _assertEveryPosition();
        for (uint256 i; i < n; ++i) {
            if ((filled >> i) & 3 == 3) _count(i, false);
        }
        _assertEveryPosition();
    }

    /// @dev Positions inside a class, with classes of very different sizes.
    function testFuzz_theRestIsThePositionInTheClass(uint8[6] memory sizes) public {
        for (uint256 i; i < 6; ++i) {
            _add();
            for (uint256 j; j < sizes[i] % 32; ++j) {
                _count(i, true);
            }
        }
        _assertEveryPosition();
    }

    /// @dev A class keeps its id, also one that uses all 32 bits, beside a count that changes.
    function testFuzz_theIdsStay(uint32[9] memory ids, uint8 where) public {
        for (uint256 i; i < 9; ++i) {
            tree.add(i, ClassId.wrap(ids[i]), 0);
        }
        tree.count(9, where % 9, true);
        (ClassId class, uint256 rest) = tree.find(9, 0);
        assertEq(class, ClassId.wrap(ids[where % 9]));
        assertEq(rest, 0);
        tree.count(9, where % 9, false);
        for (uint256 i; i < 9; ++i) {
            tree.count(9, i, true);
        }
        for (uint256 i; i < 9; ++i) {
            (class,) = tree.find(9, i);
            assertEq(class, ClassId.wrap(ids[i]));
        }
    }

    /// @dev Invariant 8: up to 4 classes one word, up to 4 * 8^n n + 1, to write and to read.
    function test_touchesOneWordForEachLevel() public {
        uint256[8] memory sizes = [uint256(1), 4, 5, 32, 33, 256, 257, 2049];
        uint256[8] memory words = [uint256(1), 1, 2, 2, 3, 3, 4, 5];
        for (uint256 i; i < 8; ++i) {
            while (counts.length < sizes[i]) _add();
            vm.record();
            tree.count(sizes[i], sizes[i] - 1, true);
            (bytes32[] memory reads, bytes32[] memory writes) = vm.accesses(address(this));
            assertEq(writes.length, words[i]);
            vm.record();
            tree.find(sizes[i], 0);
            (reads,) = vm.accesses(address(this));
            assertEq(reads.length, words[i]);
            tree.count(sizes[i], sizes[i] - 1, false);
        }
    }

    function _move(uint256 random) private {
        uint256 move = random % 16;
        random >>= 8;
        if (move == 0 || counts.length == 0) return _add();
        if (move < 6 && total != 0) {
            uint256 index = random % counts.length;
            while (counts[index] == 0) index = (index + 1) % counts.length;
            return _count(index, false);
        }
        _count(random % counts.length, true);
    }

    function _add() private {
        tree.add(counts.length, _class(counts.length), total);
        counts.push(0);
    }

    function _count(uint256 index, bool more) private {
        tree.count(counts.length, index, more);
        if (more) (++counts[index], ++total);
        else (--counts[index], --total);
    }

    function _class(uint256 index) private pure returns (ClassId) {
        return ClassId.wrap(uint32(3 + 5 * index));
    }

    function _isFull(uint256 classes) private pure returns (bool) {
        return classes == 4 || classes == 32 || classes == 256;
    }

    function _assertEveryPosition() private view {
        uint256 position;
        for (uint256 i; i < counts.length; ++i) {
            for (uint256 rest; rest < counts[i]; ++rest) {
                _assertFound(position++, i, rest);
            }
        }
        assertEq(position, total);
    }

    /// @dev While every class has one node, the one at `position` is of the class of that index.
    function _assertAt(uint256 position) private view {
        _assertFound(position, position, 0);
    }

    function _assertFound(uint256 position, uint256 index, uint256 rest) private view {
        (ClassId class, uint256 found) = tree.find(counts.length, position);
        assertEq(class, _class(index));
        assertEq(found, rest, "rest");
    }
}
