// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../interfaces/INode.sol";
import {ClassId, NodeId} from "../types/Ids.sol";
import {NodeSlot} from "../types/NodeSlot.sol";
import {Bits} from "./Bits.sol";
import {NodePool} from "./NodePool.sol";
import {NodeSet} from "./NodeSet.sol";
import {VramTier} from "./VramTier.sol";

/// @notice The random choice of three free nodes, at a cost that does not depend on their number.
/// @dev Rejection sampling: a position is drawn uniformly and its node accepted with probability weight / 256, so among
/// the eligible nodes the frequencies are exactly proportional to the weights. After `TRIES` rejections the first
/// eligible of `PROBES` neighbours from a random position is taken, whatever its weight, so that a choice of few among
/// many ineligible ones
/// ends. With every weight at its typical 212 a seat comes to that with probability (44/256)^24 < 10^-18, with every
/// weight at a tenth (26) with probability (230/256)^24 < 0.08.
/// Randomness: keccak256(entropy, counter), one hash a try; the low 128 bits choose the position (bias below 2^-96),
/// the byte above them decides on acceptance.
library Choice {
    using Bits for uint256;
    using NodePool for NodePool.Pool;
    using NodeSet for NodeSet.Set;

    /// Draws with rejection before the fallback.
    uint256 internal constant TRIES = 24;
    /// Choices of a class before the task goes back to the queue.
    uint256 internal constant CLASS_TRIES = 3;
    /// Neighbours looked at by the fallback.
    uint256 internal constant PROBES = 32;

    /// @dev A choice in progress. `class` 0 draws from the tiers from `minTier` on.
    struct Draw {
        bytes32 entropy;
        uint256 counter;
        uint256 round;
        uint256 minTier;
        ClassId class;
        uint256 size;
        uint256 found;
        NodeId[3] nodes;
        uint256[3] operators;
    }

    /// @return ok Whether three eligible nodes of distinct operators were found.
    /// @return nodes They, in the order of the choice.
    /// @return class The class they share when the need asks for one, else 0.
    function three(NodePool.Pool storage pool, bytes32 entropy, INode.Need memory need)
        internal
        view
        returns (bool ok, NodeId[3] memory nodes, ClassId class)
    {
        Draw memory d;
        (d.entropy, d.round, d.minTier, d.class) = (entropy, pool.rounds(), need.minTier, need.class);
        if (!need.sameClass || ClassId.unwrap(need.class) != 0) {
            ok = _fill(pool, d);
            return (ok, d.nodes, d.class);
        }
        for (uint256 i; i < CLASS_TRIES && !ok; ++i) {
            ok = _fillFromOneClass(pool, d);
        }
        return (ok, d.nodes, d.class);
    }

    /// @dev Chooses a class and fills the seats from it. All its free nodes may be of too few operators: then another
    /// choice of class may do.
    function _fillFromOneClass(NodePool.Pool storage pool, Draw memory d) private view returns (bool) {
        (d.class, d.found) = (ClassId.wrap(0), 0);
        d.size = _size(pool, d);
        d.class = _chooseClass(pool, d);
        return ClassId.unwrap(d.class) != 0 && _fill(pool, d);
    }

    /// @dev Fills the seats from `d.class`, or from the tiers.
    function _fill(NodePool.Pool storage pool, Draw memory d) private view returns (bool) {
        d.size = _size(pool, d);
        while (d.found < 3) {
            if (d.size < 3 || !_next(pool, d)) return false;
        }
        return true;
    }

    /// @dev Finds one more node.
    function _next(NodePool.Pool storage pool, Draw memory d) private view returns (bool) {
        for (uint256 i; i < TRIES; ++i) {
            uint256 r = _random(d);
            NodeId node = _at(pool, d, uint128(r) % d.size);
            NodeSlot slot = pool.slots[node];
            if (uint8(r >> 128) < slot.weight() && _take(d, node, slot)) return true;
        }
        uint256 start = uint128(_random(d)) % d.size;
        for (uint256 i; i < PROBES && i < d.size; ++i) {
            NodeId node = _at(pool, d, (start + i) % d.size);
            if (_take(d, node, pool.slots[node])) return true;
        }
        return false;
    }

    /// @dev Keeps `node` if it became free before the draw and its operator has no other seat of this task.
    function _take(Draw memory d, NodeId node, NodeSlot slot) private pure returns (bool) {
        if (slot.since() >= d.round) return false;
        uint256 tag = slot.operatorTag();
        for (uint256 i; i < d.found; ++i) {
            if (d.operators[i] == tag) return false;
        }
        d.operators[d.found] = tag;
        d.nodes[d.found++] = node;
        return true;
    }

    /// @dev A class in proportion to its free nodes, among those that have three.
    function _chooseClass(NodePool.Pool storage pool, Draw memory d) private view returns (ClassId) {
        if (d.size < 3) return ClassId.wrap(0);
        for (uint256 i; i < TRIES; ++i) {
            ClassId class = _classAt(pool, d, uint128(_random(d)) % d.size);
            if (pool.freeInClass(class) >= 3) return class;
        }
        uint256 start = uint128(_random(d)) % d.size;
        for (uint256 i; i < PROBES && i < d.size; ++i) {
            ClassId class = _classAt(pool, d, (start + i) % d.size);
            if (pool.freeInClass(class) >= 3) return class;
        }
        return ClassId.wrap(0);
    }

    function _classAt(NodePool.Pool storage pool, Draw memory d, uint256 position) private view returns (ClassId) {
        return pool.slots[_at(pool, d, position)].class();
    }

    /// @dev The number of positions to draw from.
    function _size(NodePool.Pool storage pool, Draw memory d) private view returns (uint256 size) {
        if (ClassId.unwrap(d.class) != 0) return pool.freeInClass(d.class);
        for (uint256 tier = d.minTier; tier < VramTier.TIERS; ++tier) {
            size += _inTier(pool, tier);
        }
    }

    /// @dev The node at `position` of the class, or of the tiers laid end to end.
    function _at(NodePool.Pool storage pool, Draw memory d, uint256 position) private view returns (NodeId) {
        if (ClassId.unwrap(d.class) != 0) return pool.classSets[d.class].nodeAt(position);
        uint256 tier = d.minTier;
        for (uint256 here = _inTier(pool, tier); position >= here; here = _inTier(pool, tier)) {
            position -= here;
            ++tier;
        }
        return pool.tierSets[tier].nodeAt(position);
    }

    /// @dev Free nodes of `tier`, without touching the slot of an empty one.
    function _inTier(NodePool.Pool storage pool, uint256 tier) private view returns (uint256) {
        return pool.tierInUse(tier) ? pool.tierWords[tier].get(0, 32) : 0;
    }

    function _random(Draw memory d) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(d.entropy, d.counter++)));
    }
}
