// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../interfaces/INode.sol";
import {Bits} from "../libraries/Bits.sol";
import {ClassId} from "./Ids.sol";

/// @notice Everything about a node that its selection reads or writes, in one storage slot.
/// @dev Bits: status 0-7 | intent 8-15 | weight 16-23 | tier 24-31 | class 32-63 | position in the class's set 64-95 |
/// since 128-167 | operator tag 168-247 | in the sets 248 | deferred 249.
/// The operator tag is the low 80 bits of the operator's address: equal operators have equal tags. Two operators with
/// one tag (2^40 work to make a pair) only lose the chance to serve the same task.
type NodeSlot is uint256;

using NodeSlots for NodeSlot global;

/// @notice Readers and writers of `NodeSlot`.
library NodeSlots {
    using Bits for uint256;

    function fresh(ClassId class_, uint8 tier_, uint8 weight_, address operator) internal pure returns (NodeSlot) {
        uint256 word = uint256(uint8(INode.Status.Free)) | (uint256(weight_) << 16) | (uint256(tier_) << 24)
            | (uint256(ClassId.unwrap(class_)) << 32) | (uint256(uint80(uint160(operator))) << 168);
        return NodeSlot.wrap(word);
    }

    function status(NodeSlot s) internal pure returns (INode.Status) {
        return INode.Status(uint8(NodeSlot.unwrap(s)));
    }

    function withStatus(NodeSlot s, INode.Status v) internal pure returns (NodeSlot) {
        return NodeSlot.wrap(NodeSlot.unwrap(s).set(0, 8, uint8(v)));
    }

    function intent(NodeSlot s) internal pure returns (INode.Intent) {
        return INode.Intent(uint8(NodeSlot.unwrap(s) >> 8));
    }

    function withIntent(NodeSlot s, INode.Intent v) internal pure returns (NodeSlot) {
        return NodeSlot.wrap(NodeSlot.unwrap(s).set(8, 8, uint8(v)));
    }

    function weight(NodeSlot s) internal pure returns (uint8) {
        return uint8(NodeSlot.unwrap(s) >> 16);
    }

    function withWeight(NodeSlot s, uint8 v) internal pure returns (NodeSlot) {
        return NodeSlot.wrap(NodeSlot.unwrap(s).set(16, 8, v));
    }

    function tier(NodeSlot s) internal pure returns (uint8) {
        return uint8(NodeSlot.unwrap(s) >> 24);
    }

    function class(NodeSlot s) internal pure returns (ClassId) {
        return ClassId.wrap(uint32(NodeSlot.unwrap(s) >> 32));
    }

    function position(NodeSlot s) internal pure returns (uint256) {
        return NodeSlot.unwrap(s).get(64, 32);
    }

    function withPosition(NodeSlot s, uint256 v) internal pure returns (NodeSlot) {
        return NodeSlot.wrap(NodeSlot.unwrap(s).set(64, 32, v));
    }

    /// @return The rounds drawn before the node became free; of an unbonding or frozen node the time when that began.
    function since(NodeSlot s) internal pure returns (uint40) {
        return uint40(NodeSlot.unwrap(s) >> 128);
    }

    function withSince(NodeSlot s, uint256 v) internal pure returns (NodeSlot) {
        return NodeSlot.wrap(NodeSlot.unwrap(s).set(128, 40, v));
    }

    function operatorTag(NodeSlot s) internal pure returns (uint256) {
        return NodeSlot.unwrap(s).get(168, 80);
    }

    function inSets(NodeSlot s) internal pure returns (bool) {
        return NodeSlot.unwrap(s).get(248, 1) != 0;
    }

    function withInSets(NodeSlot s, bool v) internal pure returns (NodeSlot) {
        return NodeSlot.wrap(NodeSlot.unwrap(s).set(248, 1, v ? 1 : 0));
    }

    function isDeferred(NodeSlot s) internal pure returns (bool) {
        return NodeSlot.unwrap(s).get(249, 1) != 0;
    }

    function withDeferred(NodeSlot s, bool v) internal pure returns (NodeSlot) {
        return NodeSlot.wrap(NodeSlot.unwrap(s).set(249, 1, v ? 1 : 0));
    }
}
