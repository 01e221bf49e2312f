// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {NodePool} from "../../../contracts/libraries/NodePool.sol";
import {NodeSet} from "../../../contracts/libraries/NodeSet.sol";
import {ClassId, NodeId} from "../../../contracts/types/Ids.sol";
import {NodeSlot, NodeSlots} from "../../../contracts/types/NodeSlot.sol";
import {TypedAssertions} from "../TypedAssertions.sol";

/// @notice Invariant 10: the pool of free nodes against plain arrays, under any sequence of operations.
contract NodePoolTest is TypedAssertions {
    using NodePool for NodePool.Pool;
    using NodeSet for NodeSet.Set;

    uint256 private constant CLASSES = 5;

    NodePool.Pool private pool;

    /// The model: members in the order that swap-and-pop leaves.
    mapping(uint256 class => uint256[]) private classes;
    mapping(uint256 tier => uint256[]) private tiers;
    uint256[] private members;
    uint256 private lastId;

    function setUp() public {
        for (uint32 class = 1; class <= CLASSES; ++class) {
            pool.openClass(ClassId.wrap(class), _tier(class));
        }
    }

    function testFuzz_agreesWithArrays(uint256 seed) public {
        for (uint256 i; i < 30; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            if (random % 5 < 3 || members.length == 0) _insert(1 + (random >> 8) % CLASSES);
            else _remove((random >> 64) % members.length);
            _assertCounters();
        }
        _assertMembers();
    }

    /// @dev Filled, emptied and filled again: stale words behind the length are not believed.
    function testFuzz_anEmptiedPoolIsNew(uint8 number) public {
        uint256 n = bound(number, 1, 12);
        for (uint256 round; round < 2; ++round) {
            for (uint256 i; i < n; ++i) {
                _insert(1 + i % CLASSES);
            }
            _assertMembers();
            while (members.length != 0) _remove(members.length / 2);
            _assertCounters();
            INode.Capacity memory none;
            assertEq(abi.encode(pool.capacity()), abi.encode(none));
        }
    }

    /// @dev A node carries the number of rounds drawn before it came in: that is what makes it ineligible.
    function testFuzz_notesTheRoundOfEntry(uint8 rounds) public {
        for (uint256 i; i < rounds; ++i) {
            pool.openRound();
        }
        _insert(1);
        assertEq(pool.slots[NodeId.wrap(1)].since(), rounds);
        assertEq(pool.rounds(), rounds);
    }

    function test_isClosedFromTheBlockAfterTheDrawToItsSeating() public {
        assertFalse(pool.closed());
        pool.openRound();
        assertFalse(pool.closed(), "the hash of this block is not known in it");
        vm.roll(block.number + 1);
        assertTrue(pool.closed());
        pool.closeRound();
        assertFalse(pool.closed());
    }

    /// @dev The list of postponed nodes is a queue, each node in it once.
    function testFuzz_postponedNodesComeBackInOrder(uint256 seed) public {
        uint256[] memory want = new uint256[](64);
        uint256 head;
        uint256 tail;
        for (uint256 i; i < 64; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            if (random % 3 != 0 || head == tail) {
                _postpone(1 + i);
                _postpone(1 + i);
                want[tail++] = 1 + i;
            } else {
                NodeId taken = pool.takePostponed();
                assertEq(taken, NodeId.wrap(uint32(want[head++])));
            }
            assertEq(pool.postponed(), tail - head);
        }
    }

    function testFuzz_countersAreIndependent(uint8 active, uint8 busy) public {
        for (uint256 i; i < active; ++i) {
            pool.raise(NodePool.ACTIVE);
        }
        for (uint256 i; i < busy; ++i) {
            pool.raise(NodePool.BUSY);
        }
        for (uint256 i; i < active / 2; ++i) {
            pool.lower(NodePool.ACTIVE);
        }
        assertEq(pool.counter(NodePool.ACTIVE), active - active / 2);
        assertEq(pool.counter(NodePool.BUSY), busy);
        assertEq(pool.counter(NodePool.FREE), 0);
    }

    /// @dev Classes 1 and 2 share tier 0, 3 and 4 tier 7, 5 has tier 15 to itself.
    function _tier(uint256 class) private pure returns (uint8) {
        return uint8((class - 1) / 2 * 15 / 2);
    }

    function _insert(uint256 class) private {
        NodeId id = NodeId.wrap(uint32(++lastId));
        NodeSlot slot = NodeSlots.fresh(ClassId.wrap(uint32(class)), _tier(class), 128, address(1));
        pool.slots[id] = pool.insert(id, slot);
        classes[class].push(lastId);
        tiers[_tier(class)].push(lastId);
        members.push(lastId);
    }

    function _remove(uint256 index) private {
        uint256 id = members[index];
        uint256 class = ClassId.unwrap(pool.slots[NodeId.wrap(uint32(id))].class());
        pool.slots[NodeId.wrap(uint32(id))] = pool.remove(NodeId.wrap(uint32(id)));
        _swapAndPop(members, id);
        _swapAndPop(classes[class], id);
        _swapAndPop(tiers[_tier(class)], id);
        assertFalse(pool.slots[NodeId.wrap(uint32(id))].inSets());
    }

    function _swapAndPop(uint256[] storage list, uint256 id) private {
        for (uint256 i; i < list.length; ++i) {
            if (list[i] == id) list[i] = list[list.length - 1];
        }
        list.pop();
    }

    function _postpone(uint256 id) private {
        NodeId node = NodeId.wrap(uint32(id));
        pool.slots[node] = pool.postpone(node, pool.slots[node]);
    }

    function _assertCounters() private view {
        INode.Capacity memory c = pool.capacity();
        uint256[16] memory triples;
        for (uint256 class = 1; class <= CLASSES; ++class) {
            assertEq(pool.freeInClass(ClassId.wrap(uint32(class))), classes[class].length, "class");
            assertEq(pool.tierOf(ClassId.wrap(uint32(class))), _tier(class), "tier of the class");
            triples[_tier(class)] += classes[class].length / 3;
        }
        for (uint256 tier; tier < 16; ++tier) {
            assertEq(c.free[tier], tiers[tier].length, "tier");
            assertEq(c.triples[tier], triples[tier], "groups of three");
            assertEq(pool.tierInUse(tier), tiers[tier].length != 0, "in use");
        }
        assertEq(pool.counter(NodePool.FREE), members.length, "free");
    }

    /// @dev Every member stands where its slot says, and nobody else does.
    function _assertMembers() private view {
        for (uint256 i; i < members.length; ++i) {
            NodeId id = NodeId.wrap(uint32(members[i]));
            NodeSlot slot = pool.slots[id];
            assertTrue(slot.inSets());
            assertEq(pool.classSets[slot.class()].nodeAt(slot.classPosition()), id);
            assertEq(pool.tierSets[slot.tier()].nodeAt(slot.tierPosition()), id);
        }
        for (uint256 class = 1; class <= CLASSES; ++class) {
            for (uint256 i; i < classes[class].length; ++i) {
                NodeId id = pool.classSets[ClassId.wrap(uint32(class))].nodeAt(i);
                assertEq(id, NodeId.wrap(uint32(classes[class][i])));
            }
        }
    }
}
