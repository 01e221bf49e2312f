// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../interfaces/INode.sol";
import {ClassId, NodeId} from "../types/Ids.sol";
import {NodeSlot} from "../types/NodeSlot.sol";
import {Bits} from "./Bits.sol";
import {ClassTree} from "./ClassTree.sol";
import {NodeSet} from "./NodeSet.sol";
import {PoolFloor} from "./PoolFloor.sol";

/// @notice The free nodes, by class and by VRAM tier, with their counters.
/// @dev The nodes of a tier are those of its classes, laid end to end in the order of the classes.
/// Header: active 0-31 | free 32-63 | busy 64-95 | tiers with active nodes 96-111 | draw block 112-151 | first deferred
/// 152-183 | next deferred 184-215 | rounds drawn 216-255.
/// Class word: free 0-31 | tier 32-39 | active 40-71 | open 72 | exists 73 | floor 74-79 | place among the
/// classes of its tier 80-111.
/// Tier word: free 0-31 | tasks of one class that its open classes could serve 32-63 | active 64-95 | classes 96-127.
library NodePool {
    using Bits for uint256;
    using ClassTree for ClassTree.Tree;
    using NodeSet for NodeSet.Set;

    struct Pool {
        uint256 header;
        mapping(NodeId => NodeSlot) slots;
        mapping(ClassId => uint256) classWords;
        mapping(uint256 tier => uint256) tierWords;
        mapping(ClassId => NodeSet.Set) classSets;
        mapping(uint256 tier => ClassTree.Tree) trees;
        NodeSet.Set deferred;
    }

    uint256 internal constant ACTIVE = 0;
    uint256 internal constant FREE = 32;
    uint256 internal constant BUSY = 64;
    uint256 private constant TIERS = 96;
    uint256 private constant DRAW = 112;
    uint256 private constant FIRST = 152;
    uint256 private constant NEXT = 184;
    uint256 private constant ROUNDS = 216;
    uint256 private constant CLASS_TIER = 32;
    uint256 private constant CLASS_ACTIVE = 40;
    uint256 private constant CLASS_OPEN = 72;
    uint256 private constant CLASS_EXISTS = 73;
    uint256 private constant CLASS_FLOOR = 74;
    uint256 private constant CLASS_PLACE = 80;
    uint256 internal constant TIER_SERVABLE = 32;
    uint256 internal constant TIER_ACTIVE = 64;
    uint256 private constant TIER_CLASSES = 96;
    /// @dev A class is open to tasks that name none while it has at least this fraction of the active nodes.
    uint256 private constant OPEN_SHARE = 32;

    /// @notice Adds `n` to the counter at `offset` of the header.
    function raise(Pool storage pool, uint256 offset, uint256 n) internal {
        pool.header = pool.header.plus(offset, n);
    }

    /// @notice Takes `n` from the counter at `offset` of the header.
    function lower(Pool storage pool, uint256 offset, uint256 n) internal {
        pool.header = pool.header.minus(offset, n);
    }

    /// @return The counter at `offset` of the header.
    function counter(Pool storage pool, uint256 offset) internal view returns (uint32) {
        return uint32(pool.header >> offset);
    }

    /// @return Whether membership must not change now: a drawn round waits and its block hash may be known.
    function closed(Pool storage pool) internal view returns (bool) {
        uint256 block_ = pool.header.get(DRAW, 40);
        return block_ != 0 && block_ != block.number;
    }

    /// @notice A round is drawn now: nodes inserted from here on are not eligible for it.
    function openRound(Pool storage pool) internal {
        pool.header = pool.header.set(DRAW, 40, block.number).plus(ROUNDS, 1);
    }

    /// @notice The round is seated: the sets are open.
    function closeRound(Pool storage pool) internal {
        pool.header = pool.header.set(DRAW, 40, 0);
    }

    /// @return The number of rounds drawn so far.
    function rounds(Pool storage pool) internal view returns (uint256) {
        return pool.header.get(ROUNDS, 40);
    }

    /// @notice A node of `class` begins to be active: free, or about to be.
    function activate(Pool storage pool, ClassId class) internal {
        pool.header = pool.header.plus(ACTIVE, 1);
        _setActive(pool, class, pool.classWords[class].plus(CLASS_ACTIVE, 1), true);
    }

    /// @notice A node of `class` that is not in the sets ceases to be active.
    function deactivate(Pool storage pool, ClassId class) internal {
        pool.header = pool.header.minus(ACTIVE, 1);
        _setActive(pool, class, pool.classWords[class].minus(CLASS_ACTIVE, 1), false);
    }

    /// @notice Sees anew whether `class` has its share of the active nodes. Only while the sets are open.
    /// @return open Whether tasks that name no class may be given to it.
    function review(Pool storage pool, ClassId class) internal returns (bool open) {
        uint256 before = pool.classWords[class];
        uint256 word = _assess(before, pool.header);
        open = word.get(CLASS_OPEN, 1) != 0;
        if (word == before) return open;
        pool.classWords[class] = word;
        uint256 tier = before.get(CLASS_TIER, 8);
        uint256 tierWord = pool.tierWords[tier].minus(TIER_SERVABLE, _servable(before));
        pool.tierWords[tier] = tierWord.plus(TIER_SERVABLE, _servable(word));
    }

    /// @notice Puts `node` into the set of its class. Only while the sets are open.
    /// @param slot Its slot, not in the sets.
    /// @return The slot to store.
    function insert(Pool storage pool, NodeId node, NodeSlot slot) internal returns (NodeSlot) {
        ClassId class = slot.class();
        uint256 word = pool.classWords[class];
        uint256 position = word.get(0, 32);
        pool.classSets[class].put(position, node);
        uint256 header = pool.header.plus(FREE, 1);
        pool.header = header;
        uint256 grown = _assess(word.plus(0, 1), header);
        pool.classWords[class] = grown;
        _count(pool, slot.tier(), word, grown);
        return slot.withInSets(true).withPosition(position).withSince(header.get(ROUNDS, 40));
    }

    /// @notice Takes `node`, which is in the sets, out of its own.
    /// @return The slot to store.
    function remove(Pool storage pool, NodeId node) internal returns (NodeSlot) {
        NodeSlot slot = pool.slots[node];
        ClassId class = slot.class();
        uint256 word = pool.classWords[class];
        uint256 position = slot.position();
        NodeId moved = pool.classSets[class].removeAt(position, word.get(0, 32));
        if (NodeId.unwrap(moved) != 0) pool.slots[moved] = pool.slots[moved].withPosition(position);
        uint256 shrunk = word.minus(0, 1);
        pool.classWords[class] = shrunk;
        _count(pool, slot.tier(), word, shrunk);
        pool.header = pool.header.minus(FREE, 1);
        return slot.withInSets(false);
    }

    /// @return class The class of the free node at `position` of the tier, which must have so many.
    /// @return rest Its position in that class.
    function locate(Pool storage pool, uint256 tier, uint256 tierWord, uint256 position)
        internal
        view
        returns (ClassId class, uint256 rest)
    {
        return pool.trees[tier].find(tierWord.get(TIER_CLASSES, 32), position);
    }

    /// @notice Notes that `node`'s membership is to be settled when the sets open again.
    /// @return The slot to store.
    function postpone(Pool storage pool, NodeId node, NodeSlot slot) internal returns (NodeSlot) {
        if (slot.isDeferred()) return slot;
        uint256 next = pool.header.get(NEXT, 32);
        pool.deferred.put(next, node);
        pool.header = pool.header.set(NEXT, 32, next + 1);
        return slot.withDeferred(true);
    }

    /// @notice Takes the first postponed node; the list starts anew at position 0 when it empties.
    function takePostponed(Pool storage pool) internal returns (NodeId node) {
        uint256 header = pool.header;
        uint256 first = header.get(FIRST, 32);
        node = pool.deferred.nodeAt(first);
        bool last = first + 1 == header.get(NEXT, 32);
        pool.header = last ? header.set(FIRST, 32, 0).set(NEXT, 32, 0) : header.set(FIRST, 32, first + 1);
    }

    /// @return How many nodes are postponed.
    function postponed(Pool storage pool) internal view returns (uint256) {
        return pool.header.get(NEXT, 32) - pool.header.get(FIRST, 32);
    }

    /// @notice Notes the tier of a new class.
    function openClass(Pool storage pool, ClassId class, uint8 tier) internal {
        uint256 tierWord = pool.tierWords[tier];
        uint256 place = tierWord.get(TIER_CLASSES, 32);
        pool.trees[tier].add(place, class, tierWord.get(0, 32));
        pool.tierWords[tier] = tierWord.plus(TIER_CLASSES, 1);
        uint256 word = (uint256(tier) << CLASS_TIER) | (1 << CLASS_EXISTS) | (place << CLASS_PLACE);
        pool.classWords[class] = word.set(CLASS_FLOOR, 6, PoolFloor.LEAST);
    }

    /// @return Free nodes of `class`.
    function freeInClass(Pool storage pool, ClassId class) internal view returns (uint256) {
        return pool.classWords[class].get(0, 32);
    }

    /// @return What the class's word says.
    function classState(Pool storage pool, ClassId class) internal view returns (INode.ClassState memory) {
        uint256 word = pool.classWords[class];
        return INode.ClassState({
            exists: word.get(CLASS_EXISTS, 1) != 0,
            tier: uint8(word >> CLASS_TIER),
            free: uint32(word),
            active: uint32(word >> CLASS_ACTIVE),
            floor: uint8(word.get(CLASS_FLOOR, 6)),
            open: word.get(CLASS_OPEN, 1) != 0
        });
    }

    /// @return Whether a task that names no class can be given to `class` now.
    function canServe(Pool storage pool, ClassId class) internal view returns (bool) {
        return _servable(pool.classWords[class]) != 0;
    }

    /// @return words The words of the tiers with active nodes, 0 for the others.
    function tiers(Pool storage pool) internal view returns (uint256[16] memory words) {
        uint256 used = pool.header.get(TIERS, 16);
        for (uint256 tier; used >> tier != 0; ++tier) {
            if ((used >> tier) & 1 != 0) words[tier] = pool.tierWords[tier];
        }
    }

    /// @dev Stores the words of a class and its tier after a change of the class's active nodes, which the header has
    /// seen already. Openness and floor decide which class a task gets: they stay as they are while the sets are closed.
    function _setActive(Pool storage pool, ClassId class, uint256 word, bool more) private {
        uint256 before = _servable(pool.classWords[class]);
        if (!closed(pool)) word = _assess(word, pool.header);
        pool.classWords[class] = word;
        uint256 tier = word.get(CLASS_TIER, 8);
        uint256 tierWord = pool.tierWords[tier].minus(TIER_SERVABLE, before).plus(TIER_SERVABLE, _servable(word));
        tierWord = more ? tierWord.plus(TIER_ACTIVE, 1) : tierWord.minus(TIER_ACTIVE, 1);
        pool.tierWords[tier] = tierWord;
        pool.header = pool.header.set(TIERS + tier, 1, tierWord.get(TIER_ACTIVE, 32) == 0 ? 0 : 1);
    }

    /// @dev The class's word with its openness and its floor as its active nodes and those of the network make them.
    function _assess(uint256 classWord, uint256 header) private pure returns (uint256) {
        uint256 active = classWord.get(CLASS_ACTIVE, 32);
        uint256 open = active * OPEN_SHARE >= header.get(ACTIVE, 32) ? 1 : 0;
        return classWord.set(CLASS_OPEN, 1, open).set(CLASS_FLOOR, 6, PoolFloor.forActive(active));
    }

    /// @dev The tasks that a class with this word could serve, if it is open.
    function _servable(uint256 classWord) private pure returns (uint256) {
        if (classWord.get(CLASS_OPEN, 1) == 0) return 0;
        return PoolFloor.tasks(classWord.get(0, 32), classWord.get(CLASS_FLOOR, 6));
    }

    /// @dev A free node more or less: stores the tier's word and its sums after the word of one of its classes changed
    /// from `before` to `word`.
    function _count(Pool storage pool, uint256 tier, uint256 before, uint256 word) private {
        bool more = word.get(0, 32) > before.get(0, 32);
        uint256 tierWord = pool.tierWords[tier].minus(TIER_SERVABLE, _servable(before));
        tierWord = (more ? tierWord.plus(0, 1) : tierWord.minus(0, 1)).plus(TIER_SERVABLE, _servable(word));
        pool.tierWords[tier] = tierWord;
        pool.trees[tier].count(tierWord.get(TIER_CLASSES, 32), word.get(CLASS_PLACE, 32), more);
    }
}
