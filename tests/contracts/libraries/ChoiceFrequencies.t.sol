// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {Choice} from "../../../contracts/libraries/Choice.sol";
import {NodePool} from "../../../contracts/libraries/NodePool.sol";
import {ClassId, NodeId} from "../../../contracts/types/Ids.sol";
import {NodeSlot, NodeSlots} from "../../../contracts/types/NodeSlot.sol";
import {TypedAssertions} from "../TypedAssertions.sol";

/// @notice Invariant 7: the frequencies of the choice match the weights, at 3, 100 and 100,000 nodes, and at 40
/// classes.
/// @dev Pearson's chi-square over 20,000 draws with fixed entropy, so a run always ends alike. The limits are the
/// quantiles of the distribution at p = 10^-6; every expected count is above 5.
contract ChoiceFrequenciesTest is TypedAssertions {
    using NodePool for NodePool.Pool;

    uint256 private constant DRAWS = 20_000;
    uint256 private constant ONE = 1e18;
    uint32 private constant CLASSES = 40;

    /// Quantiles of chi-square at 1 - 10^-6 by degrees of freedom, in thousandths.
    uint256 private constant LIMIT_2 = 27_631;
    uint256 private constant LIMIT_5 = 35_888;
    uint256 private constant LIMIT_9 = 44_810;
    uint256 private constant LIMIT_63 = 131_369;
    uint256 private constant LIMIT_99 = 180_792;

    INode.Need private any;
    NodePool.Pool private pool;

    function setUp() public {
        pool.openClass(ClassId.wrap(1), 0);
        vm.pauseGasMetering();
    }

    /// @dev All ordered pairs of the first two seats: with three nodes they tell the whole order.
    function test_atThreeNodesEveryOrderHasItsShare() public {
        uint8[3] memory weights = [60, 128, 255];
        for (uint32 i; i < 3; ++i) {
            _insert(1 + i, 1, weights[i]);
        }
        pool.openRound();
        uint256[] memory seen = new uint256[](9);
        for (uint256 i; i < DRAWS; ++i) {
            NodeId[3] memory nodes = _choose(i);
            ++seen[3 * (NodeId.unwrap(nodes[0]) - 1) + NodeId.unwrap(nodes[1]) - 1];
        }
        uint256[] memory expected = new uint256[](9);
        for (uint256 i; i < 9; ++i) {
            (uint256 first, uint256 second) = (weights[i / 3], weights[i % 3]);
            if (i / 3 != i % 3) expected[i] = DRAWS * ONE * first * second / (443 * (443 - first));
        }
        _assertFits(seen, expected, LIMIT_5);
    }

    /// @dev Each node's share of the first seats and of the second ones.
    function test_atOneHundredNodesEveryNodeHasItsShare() public {
        uint256 sum;
        for (uint32 i; i < 100; ++i) {
            _insert(1 + i, 1, _weight(i));
            sum += _weight(i);
        }
        pool.openRound();
        uint256[] memory first = new uint256[](100);
        uint256[] memory second = new uint256[](100);
        for (uint256 i; i < DRAWS; ++i) {
            NodeId[3] memory nodes = _choose(i);
            ++first[NodeId.unwrap(nodes[0]) - 1];
            ++second[NodeId.unwrap(nodes[1]) - 1];
        }
        _assertFits(first, _expectedFirst(sum), LIMIT_99);
        _assertFits(second, _expectedSecond(sum), LIMIT_99);
    }

    /// @dev The same when the hundred are of forty classes of very different sizes: each node's share is that of its weight,
    /// whatever its class and wherever that stands in the tree.
    function test_atFortyClassesEveryNodeHasItsShare() public {
        uint256 sum;
        _openClasses(CLASSES);
        for (uint32 i; i < 100; ++i) {
            _insert(1 + i, _classOf(i), _weight(i));
            sum += _weight(i);
        }
        pool.openRound();
        uint256[] memory first = new uint256[](100);
        uint256[] memory second = new uint256[](100);
        for (uint256 i; i < DRAWS; ++i) {
            NodeId[3] memory nodes = _choose(i);
            ++first[NodeId.unwrap(nodes[0]) - 1];
            ++second[NodeId.unwrap(nodes[1]) - 1];
        }
        _assertFits(first, _expectedFirst(sum), LIMIT_99);
        _assertFits(second, _expectedSecond(sum), LIMIT_99);
    }

    /// @dev And when they were there before the root of the tree rose, with nodes that left before the draw.
    function test_atClassesThatCameOneByOneEveryNodeHasItsShare() public {
        uint256 sum;
        uint32 opened = 1;
        for (uint32 i; i < 150; ++i) {
            while (opened < _classOf(i)) pool.openClass(ClassId.wrap(++opened), 0);
            _insert(1 + i, _classOf(i), _weight(i));
        }
        for (uint32 i = 100; i < 150; ++i) {
            NodeId id = NodeId.wrap(1 + i);
            pool.slots[id] = pool.remove(id);
        }
        for (uint32 i; i < 100; ++i) {
            sum += _weight(i);
        }
        pool.openRound();
        uint256[] memory first = new uint256[](100);
        for (uint256 i; i < DRAWS; ++i) {
            ++first[NodeId.unwrap(_choose(i)[0]) - 1];
        }
        _assertFits(first, _expectedFirst(sum), LIMIT_99);
    }

    /// @dev Ten groups by weight, and sixty-four groups by position: no corner of a large set is left out.
    function test_atOneHundredThousandNodesEveryGroupHasItsShare() public {
        _fill(100_000);
        pool.openRound();
        uint256[] memory byWeight = new uint256[](10);
        uint256[] memory byPosition = new uint256[](64);
        for (uint256 i; i < DRAWS; ++i) {
            uint256 index = NodeId.unwrap(_choose(i)[0]) - 1;
            ++byWeight[index % 10];
            ++byPosition[index * 64 / 100_000];
        }
        uint256[] memory expected = new uint256[](10);
        for (uint256 i; i < 10; ++i) {
            expected[i] = DRAWS * ONE * (i + 1) / 55;
        }
        _assertFits(byWeight, expected, LIMIT_9);
        expected = new uint256[](64);
        for (uint256 i; i < 64; ++i) {
            expected[i] = DRAWS * ONE / 64;
        }
        _assertFits(byPosition, expected, LIMIT_63);
    }

    /// @dev A class is chosen in proportion to its free nodes, one with fewer than three never.
    function test_classesHaveTheirShareByFreeNodes() public {
        uint8[4] memory sizes = [3, 6, 12, 2];
        uint32 id;
        for (uint32 class = 1; class <= 4; ++class) {
            pool.openClass(ClassId.wrap(class), 0);
            for (uint256 i; i < sizes[class - 1]; ++i) {
                _insert(++id, class, 200);
            }
        }
        pool.openRound();
        uint256[] memory seen = new uint256[](4);
        uint256[] memory expected = new uint256[](4);
        for (uint256 i; i < DRAWS; ++i) {
            (bool ok,, ClassId class) =
                Choice.three(pool, _entropy(i), INode.Need(0, true, ClassId.wrap(0), ClassId.wrap(0)));
            assertTrue(ok);
            ++seen[ClassId.unwrap(class) - 1];
        }
        for (uint256 i; i < 3; ++i) {
            expected[i] = DRAWS * ONE * sizes[i] / 21;
        }
        _assertFits(seen, expected, LIMIT_2);
    }

    /// @dev The same among forty, of which thirty are too rare for a task that names none.
    function test_openClassesHaveTheirShareAmongForty() public {
        _openClasses(CLASSES);
        uint256[] memory expected = new uint256[](CLASSES);
        uint32 id;
        uint256 sum;
        for (uint32 class = 1; class <= CLASSES; ++class) {
            uint256 size = class % 4 == 2 ? 9 + class / 4 : class % 4;
            for (uint256 i; i < size; ++i) {
                _insert(++id, class, 200);
            }
            if (class % 4 == 2) sum += size;
        }
        for (uint32 class = 1; class <= CLASSES; ++class) {
            assertEq(pool.review(ClassId.wrap(class)), class % 4 == 2);
            if (class % 4 == 2) expected[class - 1] = DRAWS * ONE * (9 + class / 4) / sum;
        }
        pool.openRound();
        uint256[] memory seen = new uint256[](CLASSES);
        for (uint256 i; i < DRAWS; ++i) {
            (bool ok, NodeId[3] memory nodes, ClassId class) =
                Choice.three(pool, _entropy(i), INode.Need(0, true, ClassId.wrap(0), ClassId.wrap(0)));
            assertTrue(ok);
            assertEq(pool.slots[nodes[0]].class(), class);
            ++seen[ClassId.unwrap(class) - 1];
        }
        _assertFits(seen, expected, LIMIT_9);
    }

    function _choose(uint256 i) private view returns (NodeId[3] memory nodes) {
        bool ok;
        (ok, nodes,) = Choice.three(pool, _entropy(i), any);
        require(ok, "three are always found here");
    }

    function _entropy(uint256 i) private pure returns (bytes32) {
        return keccak256(abi.encode("invariant 7", i));
    }

    /// @dev Classes 2 to `n`; 1 is open already.
    function _openClasses(uint32 n) private {
        for (uint32 class = 2; class <= n; ++class) {
            pool.openClass(ClassId.wrap(class), 0);
        }
    }

    /// @dev A quarter of the nodes are of class 7 and the others of the forty, some of which have none.
    function _classOf(uint32 i) private pure returns (uint32) {
        return i % 4 == 0 ? 7 : 1 + i * i % CLASSES;
    }

    /// @dev 20 to 255.
    function _weight(uint256 i) private pure returns (uint8) {
        return uint8(20 + i * 37 % 236);
    }

    function _expectedFirst(uint256 sum) private pure returns (uint256[] memory expected) {
        expected = new uint256[](100);
        for (uint256 i; i < 100; ++i) {
            expected[i] = DRAWS * ONE * _weight(i) / sum;
        }
    }

    /// @dev Node j is second with probability sum over i != j of w_i / W × w_j / (W - w_i).
    function _expectedSecond(uint256 sum) private pure returns (uint256[] memory expected) {
        expected = new uint256[](100);
        for (uint256 i; i < 100; ++i) {
            for (uint256 j; j < 100; ++j) {
                if (i != j) expected[j] += DRAWS * ONE * _weight(i) * _weight(j) / (sum * (sum - _weight(i)));
            }
        }
    }

    /// @dev Cells that cannot happen must be empty; the others add up to chi-square.
    function _assertFits(uint256[] memory seen, uint256[] memory expected, uint256 limit) private pure {
        uint256 chi;
        for (uint256 i; i < seen.length; ++i) {
            if (expected[i] == 0) {
                assertEq(seen[i], 0, "impossible");
                continue;
            }
            assertGt(expected[i], 5 * ONE, "enough draws for chi-square");
            uint256 difference = seen[i] * ONE > expected[i] ? seen[i] * ONE - expected[i] : expected[i] - seen[i] * ONE;
            chi += difference * difference * 1000 / expected[i] / ONE;
        }
        assertLt(chi, limit, "chi-square, in thousandths");
    }

    function _insert(uint32 id, uint32 class, uint8 weight) private {
        NodeSlot slot = NodeSlots.fresh(ClassId.wrap(class), 0, weight, address(uint160(id)));
        pool.activate(ClassId.wrap(class));
        pool.slots[NodeId.wrap(id)] = pool.insert(NodeId.wrap(id), slot);
    }

    /// @dev `n` nodes in tier 0 written word by word; node `i + 1` has weight 25 × (1 + i mod 10).
    function _fill(uint256 n) private {
        for (uint32 i; i < n; ++i) {
            uint8 weight = uint8(25 * (1 + i % 10));
            NodeSlot slot = NodeSlots.fresh(ClassId.wrap(1), 0, weight, address(uint160(1 + i)));
            pool.slots[NodeId.wrap(1 + i)] = slot.withInSets(true).withPosition(i);
        }
        for (uint256 word; word * 8 < n; ++word) {
            uint256 ids;
            for (uint256 lane; lane < 8; ++lane) {
                ids |= (8 * word + lane + 1) << (32 * lane);
            }
            pool.classSets[ClassId.wrap(1)].words[word] = ids;
        }
        pool.tierWords[0] = n | (1 << 96);
        pool.trees[0].words[0] = n | (1 << 32);
        pool.header = n | (n << 32) | (1 << 96);
    }
}
