// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../interfaces/INode.sol";
import {ClassId, NodeId} from "../types/Ids.sol";
import {NodeSlot} from "../types/NodeSlot.sol";
import {Bits} from "./Bits.sol";
import {NodeSet} from "./NodeSet.sol";
import {VramTier} from "./VramTier.sol";

/// @notice The free nodes, by class and by VRAM tier, with their counters.
/// @dev Header: active 0-31 | free 32-63 | busy 64-95 | tiers in use 96-111 | draw block 112-151 | first deferred
/// 152-183 | next deferred 184-215 | rounds drawn 216-255.
/// Class word: free 0-31 | tier 32-39.   Tier word: free 0-31 | groups of three in one class 32-63.
library NodePool {
    using Bits for uint256;
    using NodeSet for NodeSet.Set;

    struct Pool {
        uint256 header;
        mapping(NodeId => NodeSlot) slots;
        mapping(ClassId => uint256) classWords;
        mapping(uint256 tier => uint256) tierWords;
        mapping(ClassId => NodeSet.Set) classSets;
        mapping(uint256 tier => NodeSet.Set) tierSets;
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
    uint256 private constant TRIPLES = 32;

    /// @notice Adds one to the counter at `offset` of the header.
    function raise(Pool storage pool, uint256 offset) internal {
        pool.header = pool.header.plus(offset, 1);
    }

    /// @notice Takes one from the counter at `offset` of the header.
    function lower(Pool storage pool, uint256 offset) internal {
        pool.header = pool.header.minus(offset, 1);
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

    /// @notice Puts `node` into the sets of its class and its tier.
    /// @param slot Its slot, not in the sets.
    /// @return The slot to store.
    function insert(Pool storage pool, NodeId node, NodeSlot slot) internal returns (NodeSlot) {
        ClassId class = slot.class();
        uint256 tier = slot.tier();
        uint256 classWord = pool.classWords[class];
        uint256 tierWord = pool.tierWords[tier];
        uint256 inClass = classWord.get(0, 32);
        uint256 inTier = tierWord.get(0, 32);
        pool.classSets[class].put(inClass, node);
        pool.tierSets[tier].put(inTier, node);
        pool.classWords[class] = classWord.plus(0, 1);
        pool.tierWords[tier] = tierWord.plus(0, 1).plus(TRIPLES, (inClass + 1) % 3 == 0 ? 1 : 0);
        uint256 header = (pool.header | (1 << (TIERS + tier))).plus(FREE, 1);
        pool.header = header;
        slot = slot.withInSets(true).withClassPosition(inClass).withTierPosition(inTier);
        return slot.withSince(header.get(ROUNDS, 40));
    }

    /// @notice Takes `node`, which is in the sets, out of both.
    /// @return The slot to store.
    function remove(Pool storage pool, NodeId node) internal returns (NodeSlot) {
        NodeSlot slot = pool.slots[node];
        _removeFromClass(pool, slot);
        uint256 left = _removeFromTier(pool, slot);
        uint256 header = pool.header.minus(FREE, 1);
        pool.header = left == 0 ? header.set(TIERS + slot.tier(), 1, 0) : header;
        return slot.withInSets(false);
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
        pool.classWords[class] = uint256(tier) << CLASS_TIER;
    }

    /// @return Free nodes of `class`.
    function freeInClass(Pool storage pool, ClassId class) internal view returns (uint256) {
        return pool.classWords[class].get(0, 32);
    }

    /// @return The tier of `class`.
    function tierOf(Pool storage pool, ClassId class) internal view returns (uint8) {
        return uint8(pool.classWords[class] >> CLASS_TIER);
    }

    /// @return Whether `tier` has a free node.
    function tierInUse(Pool storage pool, uint256 tier) internal view returns (bool) {
        return pool.header.get(TIERS + tier, 1) != 0;
    }

    /// @return all Free nodes and groups of three by tier.
    function capacity(Pool storage pool) internal view returns (INode.Capacity memory all) {
        for (uint256 tier; tier < VramTier.TIERS; ++tier) {
            if (!tierInUse(pool, tier)) continue;
            uint256 word = pool.tierWords[tier];
            all.free[tier] = uint32(word);
            all.triples[tier] = uint32(word >> TRIPLES);
        }
    }

    function _removeFromClass(Pool storage pool, NodeSlot slot) private {
        ClassId class = slot.class();
        uint256 word = pool.classWords[class];
        uint256 length = word.get(0, 32);
        uint256 position = slot.classPosition();
        NodeId moved = pool.classSets[class].removeAt(position, length);
        if (NodeId.unwrap(moved) != 0) pool.slots[moved] = pool.slots[moved].withClassPosition(position);
        pool.classWords[class] = word.minus(0, 1);
        if (length % 3 == 0) pool.tierWords[slot.tier()] = pool.tierWords[slot.tier()].minus(TRIPLES, 1);
    }

    function _removeFromTier(Pool storage pool, NodeSlot slot) private returns (uint256 left) {
        uint256 tier = slot.tier();
        uint256 word = pool.tierWords[tier];
        uint256 position = slot.tierPosition();
        left = word.get(0, 32) - 1;
        NodeId moved = pool.tierSets[tier].removeAt(position, left + 1);
        if (NodeId.unwrap(moved) != 0) pool.slots[moved] = pool.slots[moved].withTierPosition(position);
        pool.tierWords[tier] = word.minus(0, 1);
    }
}
