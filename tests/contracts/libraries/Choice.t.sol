// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {Choice} from "../../../contracts/libraries/Choice.sol";
import {NodePool} from "../../../contracts/libraries/NodePool.sol";
import {ClassId, NodeId} from "../../../contracts/types/Ids.sol";
import {NodeSlot, NodeSlots} from "../../../contracts/types/NodeSlot.sol";
import {TypedAssertions} from "../TypedAssertions.sol";

/// @notice Who may be chosen, and what happens when nobody can be.
contract ChoiceTest is TypedAssertions {
    using NodePool for NodePool.Pool;

    uint256 private constant DRAWS = 500;
    ClassId private constant NONE = ClassId.wrap(0);

    NodePool.Pool private pool;
    uint32 private lastNode;

    function setUp() public {
        pool.openClass(ClassId.wrap(1), 3);
        pool.openClass(ClassId.wrap(2), 3);
        pool.openClass(ClassId.wrap(3), 8);
    }

    function testFuzz_noChoiceWithFewerThanThree(uint8 number, bytes32 entropy, bool sameClass) public {
        _insertMany(number % 3, 1, 200);
        pool.openRound();
        _assertNone(entropy, INode.Need(0, sameClass, NONE, NONE));
        _assertNone(entropy, INode.Need(0, sameClass, ClassId.wrap(1), NONE));
    }

    function testFuzz_noChoiceWithTwoOperators(bytes32 entropy, bool sameClass) public {
        for (uint256 i; i < 20; ++i) {
            _insert(1, 200, address(uint160(1 + i % 2)));
        }
        pool.openRound();
        _assertNone(entropy, INode.Need(0, sameClass, NONE, NONE));
    }

    function testFuzz_noChoiceAboveTheHighestTier(bytes32 entropy, bool sameClass) public {
        _insertMany(20, 1, 200);
        pool.openRound();
        _assertNone(entropy, INode.Need(4, sameClass, NONE, NONE));
    }

    function testFuzz_noOneClassOutOfThreeClassesOfTwo(bytes32 entropy) public {
        for (uint32 class = 1; class <= 3; ++class) {
            _insertMany(2, class, 200);
        }
        pool.openRound();
        _assertNone(entropy, INode.Need(0, true, NONE, NONE));
        (bool ok,,) = Choice.three(pool, entropy, INode.Need(0, false, NONE, NONE));
        assertTrue(ok, "though any three can be had");
    }

    /// @dev A node that came in after the draw is not eligible, even when there is nobody else.
    function testFuzz_noChoiceAmongLatecomers(bytes32 entropy) public {
        _insertMany(2, 1, 255);
        pool.openRound();
        _insertMany(20, 1, 255);
        _assertNone(entropy, INode.Need(0, false, NONE, NONE));
    }

    /// @dev Six nodes of the draw among ninety-four latecomers: whoever is found is one of the six.
    function test_latecomersAreNeverChosen() public {
        _insertMany(3, 1, 200);
        pool.openRound();
        _insertMany(47, 1, 255);
        for (uint256 i; i < 3; ++i) {
            _reenter(NodeId.wrap(1));
        }
        uint256 found;
        for (uint256 i; i < DRAWS; ++i) {
            (bool ok, NodeId[3] memory nodes,) = _choose(i, INode.Need(0, false, NONE, NONE));
            if (!ok) continue;
            ++found;
            for (uint256 j; j < 3; ++j) {
                assertTrue(NodeId.unwrap(nodes[j]) == 2 || NodeId.unwrap(nodes[j]) == 3);
            }
        }
        assertEq(found, 0, "two old ones are not three");
    }

    function test_onlyThoseOfTheDrawAreChosen() public {
        _insertMany(10, 1, 200);
        pool.openRound();
        _insertMany(30, 1, 255);
        uint256 found;
        for (uint256 i; i < DRAWS; ++i) {
            (bool ok, NodeId[3] memory nodes,) = _choose(i, INode.Need(0, false, NONE, NONE));
            if (!ok) continue;
            ++found;
            for (uint256 j; j < 3; ++j) {
                assertLe(NodeId.unwrap(nodes[j]), 10);
            }
        }
        assertGt(found, DRAWS * 9 / 10, "one in four is eligible: hardly a draw fails");
    }

    /// @dev The next round's draw admits those who came in after the last.
    function testFuzz_latecomersServeTheNextRound(bytes32 entropy) public {
        pool.openRound();
        _insertMany(3, 1, 200);
        _assertNone(entropy, INode.Need(0, false, NONE, NONE));
        pool.openRound();
        (bool ok,,) = Choice.three(pool, entropy, INode.Need(0, false, NONE, NONE));
        assertTrue(ok);
    }

    function testFuzz_neverTwoOfOneOperatorNorOneNodeTwice(uint256 seed) public {
        for (uint256 i; i < 30; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            _insert(1, uint8(1 + (random >> 8) % 255), address(uint160(1 + random % 5)));
        }
        pool.openRound();
        for (uint256 i; i < 20; ++i) {
            (bool ok, NodeId[3] memory nodes,) = _choose(i ^ seed, INode.Need(0, i % 2 == 0, NONE, NONE));
            if (!ok) continue;
            for (uint256 j; j < 3; ++j) {
                NodeSlot a = pool.slots[nodes[j]];
                NodeSlot b = pool.slots[nodes[(j + 1) % 3]];
                assertTrue(a.operatorTag() != b.operatorTag());
            }
        }
    }

    /// @dev With every weight at its least the tries are rejected 255 times in 256: the neighbours end the choice.
    function test_theFallbackEndsTheChoice() public {
        _insertMany(12, 1, 1);
        pool.openRound();
        uint256[13] memory chosen;
        for (uint256 i; i < DRAWS; ++i) {
            (bool ok, NodeId[3] memory nodes,) = _choose(i, INode.Need(0, false, NONE, NONE));
            assertTrue(ok);
            for (uint256 j; j < 3; ++j) {
                ++chosen[NodeId.unwrap(nodes[j])];
            }
        }
        for (uint256 id = 1; id <= 12; ++id) {
            assertGt(chosen[id], DRAWS / 12, "from a random position: everybody's turn comes");
        }
    }

    /// @dev Two other operators among two hundred nodes: mostly found, sometimes not, and the search ends either way.
    function test_theFallbackLooksAtABoundedNumberOfNeighbours() public {
        for (uint256 i; i < 200; ++i) {
            _insert(1, 255, i == 50 ? address(2) : i == 150 ? address(3) : address(1));
        }
        pool.openRound();
        uint256 found;
        for (uint256 i; i < DRAWS; ++i) {
            (bool ok,,) = _choose(i, INode.Need(0, false, NONE, NONE));
            if (ok) ++found;
        }
        assertGt(found, 0);
        assertLt(found, DRAWS);
    }

    function testFuzz_theLeastTierIsKept(bytes32 entropy, bool sameClass) public {
        _insertMany(20, 1, 200);
        _insertMany(4, 3, 200);
        pool.openRound();
        (bool ok, NodeId[3] memory nodes,) = Choice.three(pool, entropy, INode.Need(4, sameClass, NONE, NONE));
        assertTrue(ok);
        for (uint256 i; i < 3; ++i) {
            assertGt(NodeId.unwrap(nodes[i]), 20);
        }
    }

    function testFuzz_oneClassIsSharedAndNamed(bytes32 entropy) public {
        for (uint256 i; i < 30; ++i) {
            _insert(uint32(1 + i % 3), 200, address(uint160(1 + i)));
        }
        pool.openRound();
        (bool ok, NodeId[3] memory nodes, ClassId class) = Choice.three(pool, entropy, INode.Need(0, true, NONE, NONE));
        assertTrue(ok);
        for (uint256 i; i < 3; ++i) {
            assertEq(pool.slots[nodes[i]].class(), class);
        }
    }

    /// @dev A class whose nodes are all of one operator is passed over for another, most of the time.
    function test_aClassOfOneOperatorHardlyHoldsUpTheChoice() public {
        for (uint256 i; i < 6; ++i) {
            _insert(1, 200, address(1));
        }
        _insertMany(6, 2, 200);
        pool.openRound();
        uint256 found;
        for (uint256 i; i < DRAWS; ++i) {
            (bool ok,, ClassId class) = _choose(i, INode.Need(0, true, NONE, NONE));
            if (!ok) continue;
            ++found;
            assertEq(class, ClassId.wrap(2));
        }
        // Half the classes drawn are of the operator: three in a row once in eight.
        assertGt(found, DRAWS * 5 / 6);
        assertLt(found, DRAWS);
    }

    function testFuzz_aRequiredClassIsKept(bytes32 entropy, uint8 required) public {
        for (uint256 i; i < 30; ++i) {
            _insert(uint32(1 + i % 3), 200, address(uint160(1 + i)));
        }
        pool.openRound();
        ClassId want = ClassId.wrap(1 + required % 3);
        (bool ok, NodeId[3] memory nodes, ClassId class) = Choice.three(pool, entropy, INode.Need(0, false, want, NONE));
        assertTrue(ok);
        assertEq(class, want);
        for (uint256 i; i < 3; ++i) {
            assertEq(pool.slots[nodes[i]].class(), want);
        }
    }

    /// @dev A class that is reserved for another task gets nobody's task but that of who requires it.
    function testFuzz_aClassToAvoidIsLeftOut(bytes32 entropy, bool sameClass) public {
        for (uint256 i; i < 30; ++i) {
            _insert(uint32(1 + i % 2), 200, address(uint160(1 + i)));
        }
        pool.openRound();
        ClassId kept = ClassId.wrap(1);
        (bool ok, NodeId[3] memory nodes,) = Choice.three(pool, entropy, INode.Need(0, sameClass, NONE, kept));
        assertTrue(ok);
        for (uint256 i; i < 3; ++i) {
            assertEq(pool.slots[nodes[i]].class(), ClassId.wrap(2));
        }
        (ok,,) = Choice.three(pool, entropy, INode.Need(0, sameClass, kept, kept));
        assertTrue(ok, "drawn for that class before it was reserved");
    }

    /// @dev Three nodes among 97 are too few for a class to be given tasks that name none; who names it gets it.
    function testFuzz_aRareClassServesOnlyWhoNamesIt(bytes32 entropy) public {
        _insertMany(3, 1, 255);
        _insertMany(94, 2, 20);
        pool.review(ClassId.wrap(1));
        pool.openRound();
        (bool ok,, ClassId class) = Choice.three(pool, entropy, INode.Need(0, true, NONE, NONE));
        assertTrue(ok);
        assertEq(class, ClassId.wrap(2));
        (ok,, class) = Choice.three(pool, entropy, INode.Need(0, true, ClassId.wrap(1), NONE));
        assertTrue(ok);
        assertEq(class, ClassId.wrap(1));
    }

    /// @dev A class below its floor is passed over: nineteen active nodes ask for four free ones.
    function testFuzz_aClassBelowItsFloorIsPassedOver(bytes32 entropy) public {
        _insertMany(3, 1, 255);
        for (uint256 i; i < 16; ++i) {
            pool.activate(ClassId.wrap(1));
        }
        _insertMany(3, 2, 20);
        pool.openRound();
        (bool ok,, ClassId class) = Choice.three(pool, entropy, INode.Need(0, true, NONE, NONE));
        assertTrue(ok);
        assertEq(class, ClassId.wrap(2));
    }

    /// @dev The choice is a function of the entropy and the sets, and of nothing else.
    function testFuzz_equalEntropyEqualChoice(bytes32 entropy, uint40 later) public {
        _insertMany(50, 1, 130);
        pool.openRound();
        INode.Need memory need = INode.Need(0, true, NONE, NONE);
        (, NodeId[3] memory first,) = Choice.three(pool, entropy, need);
        vm.warp(block.timestamp + later);
        vm.roll(block.number + later);
        vm.prevrandao(uint256(later));
        (, NodeId[3] memory second,) = Choice.three(pool, entropy, need);
        assertEq(abi.encode(first), abi.encode(second));
    }

    function _insertMany(uint256 n, uint32 class, uint8 weight) private {
        for (uint256 i; i < n; ++i) {
            _insert(class, weight, address(uint160(0x1000 + lastNode)));
        }
    }

    function _insert(uint32 class, uint8 weight, address operator) private {
        NodeId id = NodeId.wrap(++lastNode);
        uint8 tier = pool.classState(ClassId.wrap(class)).tier;
        NodeSlot slot = NodeSlots.fresh(ClassId.wrap(class), tier, weight, operator);
        pool.activate(ClassId.wrap(class));
        pool.slots[id] = pool.insert(id, slot);
    }

    /// @dev Leaves and comes back: the node is a latecomer now.
    function _reenter(NodeId id) private {
        pool.slots[id] = pool.insert(id, pool.remove(id));
    }

    function _choose(uint256 seed, INode.Need memory need) private view returns (bool, NodeId[3] memory, ClassId) {
        return Choice.three(pool, keccak256(abi.encode("entropy", seed)), need);
    }

    function _assertNone(bytes32 entropy, INode.Need memory need) private view {
        (bool ok,,) = Choice.three(pool, entropy, need);
        assertFalse(ok);
    }
}
