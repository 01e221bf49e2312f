// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "./interfaces/INode.sol";
import {IGNORED, IQoS, MISSED} from "./interfaces/IQoS.sol";
import {Score} from "./libraries/Score.sol";
import {NodeId} from "./types/Ids.sol";
import {NotAllowed, Wiring, WrongAddress} from "./types/Wiring.sol";

/// @title Quality-of-service scores.
contract QoS is IQoS {
    using Score for uint256;

    address private immutable TASK;

    mapping(NodeId => uint256) private _records;

    constructor(Wiring memory w) {
        if (w.qos != address(this)) revert WrongAddress(w.qos, address(this));
        TASK = w.task;
    }

    /// @inheritdoc IQoS
    function record(NodeId[3] calldata nodes, uint8[3] calldata grades)
        external
        returns (uint8[3] memory weights, INode.Fate[3] memory fates)
    {
        if (msg.sender != TASK) revert NotAllowed(msg.sender, TASK);
        for (uint256 i; i < 3; ++i) {
            if (NodeId.unwrap(nodes[i]) != 0) (weights[i], fates[i]) = _record(nodes[i], grades[i]);
        }
    }

    /// @inheritdoc IQoS
    function recordOf(NodeId node) external view returns (Record memory) {
        uint256 word = _records[node].load();
        return Record({
            score: uint16(word.score()),
            weight: word.weight(),
            misses: uint8(word.misses()),
            tasks: uint32(word.tasks())
        });
    }

    /// @inheritdoc IQoS
    function newcomerWeight() external pure returns (uint8) {
        return Score.newcomer().weight();
    }

    function _record(NodeId node, uint8 grade) private returns (uint8, INode.Fate fate) {
        uint256 word = _records[node].load();
        if (grade == IGNORED) return (word.weight(), fate);
        bool missed = grade == MISSED;
        uint8 points = missed ? 0 : grade;
        bool suspend;
        bool kick;
        (word, suspend, kick) = word.counted(points, missed);
        _records[node] = word;
        emit Scored(node, points, uint16(word.score()));
        if (kick) fate = INode.Fate.Kick;
        else if (suspend) fate = INode.Fate.Suspend;
        return (word.weight(), fate);
    }
}
