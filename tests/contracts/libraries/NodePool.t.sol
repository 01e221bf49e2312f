// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {NodePool} from "../../../contracts/libraries/NodePool.sol";
import {NodeSet} from "../../../contracts/libraries/NodeSet.sol";
import {PoolFloor} from "../../../contracts/libraries/PoolFloor.sol";
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
    uint256[] private away;
    uint256 private lastId;
    /// What a class's word says beside its free nodes, as it was last assessed.
    mapping(uint256 class => uint256) private active;
    mapping(uint256 class => uint256) private floors;
    mapping(uint256 class => bool) private opens;
    uint256 private allActive;

    function setUp() public {
        for (uint32 class = 1; class <= CLASSES; ++class) {
            pool.openClass(ClassId.wrap(class), _tier(class));
            floors[class] = 3;
        }
    }

    function test_aClassThatNobodyJoinedDoesNotExist() public view {
        INode.ClassState memory none;
        assertEq(abi.encode(pool.classState(ClassId.wrap(uint32(CLASSES) + 1))), abi.encode(none));
        assertTrue(pool.classState(ClassId.wrap(1)).exists);
    }

    /// @dev Nodes join, are seated, come back, leave; the sets close and open; anybody has classes reviewed.
    function testFuzz_agreesWithArrays(uint256 seed) public {
        for (uint256 i; i < 30; ++i) {
            _move(uint256(keccak256(abi.encode(seed, i))));
            _assertCounters();
        }
        _assertMembers();
    }

    /// @dev The same in a network of up to 120 nodes that are seated elsewhere, most of them of one class: floors above
    /// three, and classes too rare to be open.
    function testFuzz_agreesWithArraysAmongMany(uint256 seed, uint8 many, uint8 others) public {
        for (uint256 i; i < many % 100; ++i) {
            _activate(1 + seed % CLASSES);
        }
        for (uint256 i; i < others % 20; ++i) {
            _activate(1 + (seed >> 8) % CLASSES);
        }
        for (uint256 i; i < 30; ++i) {
            _move(uint256(keccak256(abi.encode(seed, i))));
            _assertCounters();
        }
        _assertMembers();
    }

    /// @dev Openness and floor decide which class a task gets: from the block after a draw to its seating they stay.
    function testFuzz_nothingThatDecidesChangesWhileTheSetsAreClosed(uint8 joins, uint8 leaves) public {
        for (uint256 i; i < 18; ++i) {
            _join(1);
        }
        pool.openRound();
        vm.roll(block.number + 1);
        bytes memory before = _deciding();
        for (uint256 i; i < joins; ++i) {
            _activate(1 + i % 2);
        }
        for (uint256 i; i < leaves && i < joins; ++i) {
            _deactivate(1 + i % 2);
        }
        assertEq(_deciding(), before);
        pool.closeRound();
        _review(1);
        _review(2);
        _assertCounters();
    }

    /// @dev The one-thirty-second: a class of three is open among 96 active nodes and not among 97.
    function test_aClassIsOpenWithOneThirtySecondOfTheActiveNodes() public {
        for (uint256 i; i < 3; ++i) {
            _join(1);
        }
        for (uint256 i; i < 93; ++i) {
            _activate(2);
        }
        assertTrue(pool.review(ClassId.wrap(1)));
        assertTrue(pool.canServe(ClassId.wrap(1)));
        _activate(2);
        assertTrue(pool.classState(ClassId.wrap(1)).open, "seen when its own number changes, or at a review");
        assertFalse(pool.review(ClassId.wrap(1)));
        assertFalse(pool.classState(ClassId.wrap(1)).open);
        assertFalse(pool.canServe(ClassId.wrap(1)));
        assertEq(uint32(pool.tiers()[0] >> NodePool.TIER_SERVABLE), 0);
    }

    /// @dev Filled, emptied and filled again: stale words behind the length are not believed.
    function testFuzz_anEmptiedPoolIsNew(uint8 number) public {
        uint256 n = bound(number, 1, 12);
        for (uint256 round; round < 2; ++round) {
            for (uint256 i; i < n; ++i) {
                _join(1 + i % CLASSES);
            }
            _assertMembers();
            while (members.length != 0) _deactivate(_seat(members.length / 2));
            delete away;
            _assertCounters();
            uint256[16] memory none;
            assertEq(abi.encode(pool.tiers()), abi.encode(none));
        }
    }

    /// @dev A node carries the number of rounds drawn before it came in: that is what makes it ineligible.
    function testFuzz_notesTheRoundOfEntry(uint8 rounds) public {
        for (uint256 i; i < rounds; ++i) {
            pool.openRound();
        }
        _join(1);
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

    function testFuzz_countersAreIndependent(uint8 more, uint8 busy) public {
        pool.raise(NodePool.ACTIVE, more);
        for (uint256 i; i < busy; ++i) {
            pool.raise(NodePool.BUSY, 1);
        }
        pool.lower(NodePool.ACTIVE, more / 2);
        assertEq(pool.counter(NodePool.ACTIVE), more - more / 2);
        assertEq(pool.counter(NodePool.BUSY), busy);
        assertEq(pool.counter(NodePool.FREE), 0);
    }

    /// @dev Classes 1 and 2 share tier 0, 3 and 4 tier 7, 5 has tier 15 to itself.
    function _tier(uint256 class) private pure returns (uint8) {
        return uint8((class - 1) / 2 * 15 / 2);
    }

    function _move(uint256 random) private {
        uint256 move = random % 16;
        random >>= 8;
        if (move == 0) return pool.openRound();
        if (move == 1) vm.roll(block.number + 1);
        if (move == 2) return pool.closeRound();
        if (move < 7 && !pool.closed()) return _join(1 + random % CLASSES);
        if (move < 9 && away.length != 0 && !pool.closed()) return _return(random % away.length);
        if (move < 11 && away.length != 0) return _leave(random % away.length);
        if (move == 11 && !pool.closed()) return _review(1 + random % CLASSES);
        if (move == 12) return _activate(1 + random % CLASSES);
        if (members.length != 0) _seat(random % members.length);
    }

    /// @dev A new node, free.
    function _join(uint256 class) private {
        NodeId id = NodeId.wrap(uint32(++lastId));
        _activate(class);
        pool.slots[id] = NodeSlots.fresh(ClassId.wrap(uint32(class)), _tier(class), 128, address(1));
        _insert(id);
    }

    function _insert(NodeId id) private {
        uint256 class = ClassId.unwrap(pool.slots[id].class());
        pool.slots[id] = pool.insert(id, pool.slots[id]);
        classes[class].push(NodeId.unwrap(id));
        tiers[_tier(class)].push(NodeId.unwrap(id));
        members.push(NodeId.unwrap(id));
        _assess(class);
    }

    /// @dev A free node gets a seat.
    function _seat(uint256 index) private returns (uint256 class) {
        uint256 id = members[index];
        class = ClassId.unwrap(pool.slots[NodeId.wrap(uint32(id))].class());
        pool.slots[NodeId.wrap(uint32(id))] = pool.remove(NodeId.wrap(uint32(id)));
        _swapAndPop(members, id);
        _swapAndPop(classes[class], id);
        _swapAndPop(tiers[_tier(class)], id);
        away.push(id);
        assertFalse(pool.slots[NodeId.wrap(uint32(id))].inSets());
    }

    /// @dev A seat ends and its node is free again.
    function _return(uint256 index) private {
        uint256 id = away[index];
        _swapAndPop(away, id);
        _insert(NodeId.wrap(uint32(id)));
    }

    /// @dev A seat ends and its node works no more.
    function _leave(uint256 index) private {
        uint256 id = away[index];
        _swapAndPop(away, id);
        _deactivate(ClassId.unwrap(pool.slots[NodeId.wrap(uint32(id))].class()));
    }

    function _activate(uint256 class) private {
        pool.activate(ClassId.wrap(uint32(class)));
        (++active[class], ++allActive);
        if (!pool.closed()) _assess(class);
    }

    function _deactivate(uint256 class) private {
        pool.deactivate(ClassId.wrap(uint32(class)));
        (--active[class], --allActive);
        if (!pool.closed()) _assess(class);
    }

    function _review(uint256 class) private {
        bool open = pool.review(ClassId.wrap(uint32(class)));
        _assess(class);
        assertEq(open, opens[class]);
    }

    function _assess(uint256 class) private {
        opens[class] = active[class] * 32 >= allActive;
        floors[class] = active[class] < 3 ? 3 : 3 + (active[class] - 3) / 16;
        if (floors[class] > 32) floors[class] = 32;
    }

    /// @dev All that decides which class a task gets.
    function _deciding() private view returns (bytes memory all) {
        for (uint32 class = 1; class <= CLASSES; ++class) {
            INode.ClassState memory s = pool.classState(ClassId.wrap(class));
            all = abi.encode(all, s.free, s.floor, s.open, pool.canServe(ClassId.wrap(class)));
        }
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
        uint256[16] memory words = pool.tiers();
        uint256[16] memory servable;
        uint256[16] memory activeIn;
        for (uint32 class = 1; class <= CLASSES; ++class) {
            INode.ClassState memory s = pool.classState(ClassId.wrap(class));
            uint256 free = classes[class].length;
            uint256 tasks = opens[class] && free >= floors[class] ? 1 + (free - floors[class]) / 3 : 0;
            assertEq(abi.encode(s), _state(class), "class");
            assertEq(pool.freeInClass(ClassId.wrap(class)), free, "free in the class");
            assertEq(pool.canServe(ClassId.wrap(class)), tasks != 0, "can serve");
            servable[_tier(class)] += tasks;
            activeIn[_tier(class)] += active[class];
        }
        for (uint256 tier; tier < 16; ++tier) {
            assertEq(uint32(words[tier]), tiers[tier].length, "tier");
            assertEq(uint32(words[tier] >> 32), servable[tier], "tasks its open classes could serve");
            assertEq(uint32(words[tier] >> 64), activeIn[tier], "active");
            assertEq(words[tier] >> 96, activeIn[tier] == 0 ? 0 : _classesOf(tier), "classes");
        }
        assertEq(pool.counter(NodePool.FREE), members.length, "free");
        assertEq(pool.counter(NodePool.ACTIVE), allActive, "active");
    }

    function _classesOf(uint256 tier) private pure returns (uint256 n) {
        for (uint256 class = 1; class <= CLASSES; ++class) {
            if (_tier(class) == tier) ++n;
        }
    }

    function _state(uint256 class) private view returns (bytes memory) {
        return abi.encode(true, _tier(class), classes[class].length, active[class], floors[class], opens[class]);
    }

    /// @dev Every member stands where its slot says, and nobody else does.
    function _assertMembers() private view {
        for (uint256 i; i < members.length; ++i) {
            NodeId id = NodeId.wrap(uint32(members[i]));
            NodeSlot slot = pool.slots[id];
            assertTrue(slot.inSets());
            assertEq(pool.classSets[slot.class()].nodeAt(slot.position()), id);
        }
        uint256[16] memory here;
        for (uint256 class = 1; class <= CLASSES; ++class) {
            uint256 tier = _tier(class);
            for (uint256 i; i < classes[class].length; ++i) {
                NodeId id = pool.classSets[ClassId.wrap(uint32(class))].nodeAt(i);
                assertEq(id, NodeId.wrap(uint32(classes[class][i])));
                (ClassId found, uint256 rest) = pool.locate(tier, pool.tierWords[tier], here[tier]++);
                assertEq(abi.encode(found, rest), abi.encode(class, i), "a tier is its classes, end to end");
            }
        }
    }
}

/// @notice Invariant 10: a tier of more classes than one word of its tree holds, against plain arrays. The classes come
/// while others have free nodes.
contract NodePoolManyClassesTest is TypedAssertions {
    using NodePool for NodePool.Pool;
    using NodeSet for NodeSet.Set;

    /// The tier of all classes but every eighth.
    uint8 private constant TIER = 3;
    uint8 private constant OTHER_TIER = 5;

    NodePool.Pool private pool;

    /// The model: the classes of each tier in the order in which they came, the members of each class in the order that
    /// swap-and-pop leaves.
    mapping(uint256 tier => uint32[]) private classesOf;
    mapping(uint32 class => uint32[]) private members;
    uint32 private opened;
    uint32 private lastId;
    uint32[] private free;
    uint32[] private away;

    /// @dev From up to thirty-eight classes on, so that runs pass the fifth and the thirty-third.
    /// forge-config: default.fuzz.runs = 96
    function testFuzz_agreesWithArraysAmongManyClasses(uint256 seed, uint8 classes) public {
        for (uint256 i; i < classes % 39; ++i) {
            _open();
        }
        for (uint256 i; i < 60; ++i) {
            _move(uint256(keccak256(abi.encode(seed, i))));
        }
        _assertTier(TIER);
        _assertTier(OTHER_TIER);
    }

    /// @dev The root of the tree rises with the fifth and with the thirty-third class, under nodes that are free.
    function testFuzz_nobodyMovesWhenAClassComes(uint256 seed) public {
        for (uint256 i; i < 40; ++i) {
            _open();
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            for (uint256 j; j < random % 3; ++j) {
                _join(1 + uint32(random >> 8) % opened);
            }
            uint256 size = uint32(pool.tierWords[TIER]);
            NodeId[] memory before = _positions(size);
            _open();
            assertEq(uint32(pool.tierWords[TIER]), size);
            assertEq(abi.encode(_positions(size)), abi.encode(before));
        }
        _assertTier(TIER);
    }

    /// @dev Even while a round waits, when nothing that decides may change: somebody joins with a class that is new.
    function testFuzz_aClassThatComesToClosedSetsMovesNobody(uint8 classes, uint256 seed) public {
        for (uint256 i; i <= classes % 36; ++i) {
            _open();
            _join(1 + uint32(uint256(keccak256(abi.encode(seed, i)))) % opened);
        }
        pool.openRound();
        vm.roll(block.number + 1);
        assertTrue(pool.closed());
        uint256 size = uint32(pool.tierWords[TIER]);
        bytes memory before = abi.encode(_positions(size), pool.freeInClass(ClassId.wrap(1)));
        _open();
        pool.activate(ClassId.wrap(opened));
        assertEq(uint32(pool.tierWords[TIER]), size);
        assertEq(abi.encode(_positions(size), pool.freeInClass(ClassId.wrap(1))), before);
        pool.closeRound();
        _join(opened);
        _assertTier(TIER);
    }

    function _move(uint256 random) private {
        uint256 move = random % 8;
        random >>= 8;
        if (move == 0 || opened == 0) return _open();
        if (move < 5) return _join(1 + uint32(random) % opened);
        if (move < 7 && free.length != 0) return _leave(random % free.length);
        if (away.length != 0) _return(random % away.length);
    }

    function _open() private {
        uint8 tier = _tier(++opened);
        pool.openClass(ClassId.wrap(opened), tier);
        classesOf[tier].push(opened);
    }

    function _join(uint32 class) private {
        pool.activate(ClassId.wrap(class));
        pool.slots[NodeId.wrap(++lastId)] = NodeSlots.fresh(ClassId.wrap(class), _tier(class), 128, address(1));
        _insert(lastId);
    }

    function _insert(uint32 id) private {
        NodeSlot slot = pool.slots[NodeId.wrap(id)];
        pool.slots[NodeId.wrap(id)] = pool.insert(NodeId.wrap(id), slot);
        members[ClassId.unwrap(slot.class())].push(id);
        free.push(id);
    }

    function _leave(uint256 index) private {
        uint32 id = free[index];
        pool.slots[NodeId.wrap(id)] = pool.remove(NodeId.wrap(id));
        _swapAndPop(free, id);
        _swapAndPop(members[ClassId.unwrap(pool.slots[NodeId.wrap(id)].class())], id);
        away.push(id);
    }

    function _return(uint256 index) private {
        uint32 id = away[index];
        _swapAndPop(away, id);
        _insert(id);
    }

    function _swapAndPop(uint32[] storage list, uint32 id) private {
        for (uint256 i; i < list.length; ++i) {
            if (list[i] == id) list[i] = list[list.length - 1];
        }
        list.pop();
    }

    function _tier(uint32 class) private pure returns (uint8) {
        return class % 8 == 0 ? OTHER_TIER : TIER;
    }

    function _positions(uint256 size) private view returns (NodeId[] memory nodes) {
        nodes = new NodeId[](size);
        uint256 word = pool.tierWords[TIER];
        for (uint256 i; i < size; ++i) {
            (ClassId class, uint256 rest) = pool.locate(TIER, word, i);
            nodes[i] = pool.classSets[class].nodeAt(rest);
        }
    }

    /// @dev A tier is its classes, laid end to end, and counts them and their nodes.
    function _assertTier(uint8 tier) private view {
        uint256 word = pool.tierWords[tier];
        uint256 position;
        uint256 servable;
        for (uint256 i; i < classesOf[tier].length; ++i) {
            uint32 class = classesOf[tier][i];
            for (uint256 rest; rest < members[class].length; ++rest) {
                (ClassId found, uint256 here) = pool.locate(tier, word, position++);
                assertEq(found, ClassId.wrap(class));
                assertEq(here, rest, "the position in the class");
                NodeId id = pool.classSets[found].nodeAt(here);
                assertEq(id, NodeId.wrap(members[class][rest]));
                assertEq(pool.slots[id].position(), rest, "where its slot says");
            }
            INode.ClassState memory s = pool.classState(ClassId.wrap(class));
            assertEq(s.free, members[class].length, "free in the class");
            if (s.open) servable += PoolFloor.tasks(s.free, s.floor);
        }
        assertEq(uint32(word), position, "free in the tier");
        assertEq(uint32(word >> 32), servable, "tasks its open classes could serve");
        assertEq(uint32(word >> 96), classesOf[tier].length, "classes");
    }
}
