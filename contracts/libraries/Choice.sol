// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../interfaces/INode.sol";
import {ClassId, NodeId} from "../types/Ids.sol";
import {NodeSlot} from "../types/NodeSlot.sol";
import {NodePool} from "./NodePool.sol";
import {NodeSet} from "./NodeSet.sol";
import {VramTier} from "./VramTier.sol";
import {EfficientHashLib} from "solady/utils/EfficientHashLib.sol";

/// @notice The random choice of free nodes for the seats of a task, at a cost that does not depend on their number
/// (but for a word for every eightfold of the classes of a tier).
/// @dev Rejection sampling: a position is drawn uniformly and its node accepted with probability weight / 256, so among
/// the eligible nodes the frequencies are exactly proportional to the weights. After `TRIES` rejections the first
/// eligible of `PROBES` neighbours from a random position is taken, whatever its weight, so that a choice of few among
/// many ineligible ones ends. With every weight at its typical 212 a seat comes to that with probability
/// (44/256)^24 < 10^-18, with every weight at a tenth (26) with probability (230/256)^24 < 0.08.
/// Randomness: keccak256(entropy, counter), one hash a try; the low 128 bits choose the position (bias below 2^-96),
/// the byte above them decides on acceptance.
library Choice {
    using NodePool for NodePool.Pool;
    using NodeSet for NodeSet.Set;

    /// Draws with rejection before the fallback.
    uint256 internal constant TRIES = 24;
    /// Choices of a class before the task goes back to the queue.
    uint256 internal constant CLASS_TRIES = 3;
    /// Neighbours looked at by the fallback.
    uint256 internal constant PROBES = 32;

    /// @dev A choice in progress. `class` 0 draws from the tiers from `minTier` on, whose words `tiers` holds.
    /// `operators` are the tags of those who may not be chosen (again).
    struct Draw {
        bytes32 entropy;
        uint256 counter;
        uint256 round;
        uint256 minTier;
        ClassId class;
        ClassId avoid;
        uint256 size;
        uint256[16] tiers;
        uint256 found;
        NodeId[3] nodes;
        uint256 excluded;
        uint256[6] operators;
    }

    /// @return ok Whether three eligible nodes of distinct operators were found.
    /// @return nodes They, in the order of the choice.
    /// @return class The class they share when the need asks for one, else 0.
    function three(NodePool.Pool storage pool, bytes32 entropy, INode.Need memory need)
        internal
        view
        returns (bool ok, NodeId[3] memory nodes, ClassId class)
    {
        Draw memory d = _begin(pool, entropy, need);
        if (!need.sameClass || ClassId.unwrap(need.class) != 0) {
            ok = _fill(pool, d, 3);
            return (ok, d.nodes, d.class);
        }
        uint256 size = _measureTiers(pool, d);
        for (uint256 i; i < CLASS_TRIES && !ok; ++i) {
            (d.class, d.size, d.found, d.excluded) = (ClassId.wrap(0), size, 0, 0);
            ok = _chooseClass(pool, d) && _fill(pool, d, 3);
        }
        return (ok, d.nodes, d.class);
    }

    /// @param seated The nodes that hold or held the seats of the task: none of their operators is chosen.
    /// @param count How many are wanted.
    /// @return ok Whether `count` eligible nodes of distinct operators were found.
    /// @return nodes They, in the order of the choice.
    function others(
        NodePool.Pool storage pool,
        bytes32 entropy,
        INode.Need memory need,
        NodeId[3] memory seated,
        uint256 count
    ) internal view returns (bool ok, NodeId[3] memory nodes) {
        Draw memory d = _begin(pool, entropy, need);
        for (uint256 i; i < 3; ++i) {
            d.operators[d.excluded++] = pool.slots[seated[i]].operatorTag();
        }
        return (_fill(pool, d, count), d.nodes);
    }

    function _begin(NodePool.Pool storage pool, bytes32 entropy, INode.Need memory need)
        private
        view
        returns (Draw memory d)
    {
        (d.entropy, d.round, d.minTier) = (entropy, pool.rounds(), need.minTier);
        d.class = need.class;
        // A task that was drawn for a class before that was reserved keeps its claim.
        if (need.avoid != need.class) d.avoid = need.avoid;
    }

    /// @dev Fills the seats that are left from `d.class`, or from the tiers.
    function _fill(NodePool.Pool storage pool, Draw memory d, uint256 count) private view returns (bool) {
        d.size = ClassId.unwrap(d.class) != 0 ? pool.freeInClass(d.class) : _measureTiers(pool, d);
        while (d.found < count) {
            if (d.size == 0 || !_next(pool, d)) return false;
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

    /// @dev Keeps `node` if it became free before the draw, is not of the class to avoid, and its operator has no other
    /// seat of this task.
    function _take(Draw memory d, NodeId node, NodeSlot slot) private pure returns (bool) {
        if (slot.since() >= d.round || (ClassId.unwrap(d.avoid) != 0 && slot.class() == d.avoid)) return false;
        uint256 tag = slot.operatorTag();
        for (uint256 i; i < d.excluded; ++i) {
            if (d.operators[i] == tag) return false;
        }
        d.operators[d.excluded++] = tag;
        d.nodes[d.found++] = node;
        return true;
    }

    /// @dev Chooses a class in proportion to its free nodes, among those that can serve a task. The node that stood for
    /// it is uniform among its class's nodes, so the acceptance of the same draw makes it the first seat's.
    function _chooseClass(NodePool.Pool storage pool, Draw memory d) private view returns (bool) {
        if (d.size == 0) return false;
        for (uint256 i; i < TRIES; ++i) {
            uint256 r = _random(d);
            (ClassId class, uint256 position) = _locate(pool, d, uint128(r) % d.size);
            if (!_serves(pool, d, class)) continue;
            d.class = class;
            NodeId node = pool.classSets[class].nodeAt(position);
            NodeSlot slot = pool.slots[node];
            if (uint8(r >> 128) < slot.weight()) _take(d, node, slot);
            return true;
        }
        uint256 start = uint128(_random(d)) % d.size;
        for (uint256 i; i < PROBES && i < d.size; ++i) {
            (ClassId class,) = _locate(pool, d, (start + i) % d.size);
            if (!_serves(pool, d, class)) continue;
            d.class = class;
            return true;
        }
        return false;
    }

    function _serves(NodePool.Pool storage pool, Draw memory d, ClassId class) private view returns (bool) {
        return class != d.avoid && pool.canServe(class);
    }

    /// @dev Notes the free nodes of the tiers from `d.minTier` on and returns their sum.
    function _measureTiers(NodePool.Pool storage pool, Draw memory d) private view returns (uint256 size) {
        d.tiers = pool.tiers();
        for (uint256 tier = d.minTier; tier < VramTier.TIERS; ++tier) {
            size += uint32(d.tiers[tier]);
        }
    }

    /// @dev The node at `position` of the class, or of the tiers laid end to end.
    function _at(NodePool.Pool storage pool, Draw memory d, uint256 position) private view returns (NodeId) {
        ClassId class = d.class;
        if (ClassId.unwrap(class) == 0) (class, position) = _locate(pool, d, position);
        return pool.classSets[class].nodeAt(position);
    }

    /// @dev The class of the node at `position` of the tiers laid end to end, and the node's position there.
    function _locate(NodePool.Pool storage pool, Draw memory d, uint256 position)
        private
        view
        returns (ClassId, uint256)
    {
        uint256 tier = d.minTier;
        for (uint256 here = uint32(d.tiers[tier]); position >= here; here = uint32(d.tiers[tier])) {
            position -= here;
            ++tier;
        }
        return pool.locate(tier, d.tiers[tier], position);
    }

    function _random(Draw memory d) private pure returns (uint256) {
        return uint256(EfficientHashLib.hash(d.entropy, bytes32(d.counter++)));
    }
}
