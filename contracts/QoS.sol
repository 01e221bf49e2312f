// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IGNORED, IQoS, MISSED} from "./interfaces/IQoS.sol";
import {Bits} from "./libraries/Bits.sol";
import {NodeId} from "./types/Ids.sol";
import {NotAllowed, Wiring, WrongAddress} from "./types/Wiring.sol";

/// @title Quality-of-service scores.
/// @dev Slot: 32 entries of 5 bits 0-159 | score 160-175 | cursor 176-183 | misses 184-191 | tasks 192-223. A slot
/// never written is a newcomer's.
contract QoS is IQoS {
    using Bits for uint256;

    /// Misses in a row that suspend a node.
    uint8 public constant MISS_LIMIT = 3;

    uint256 private constant WINDOW = 32;
    uint256 private constant BEST = 20;
    uint256 private constant MIDDLE = 10;
    uint256 private constant SCORE = 160;
    uint256 private constant CURSOR = 176;
    uint256 private constant MISSES = 184;
    uint256 private constant TASKS = 192;

    address private immutable TASK;

    mapping(NodeId => uint256) private _records;

    constructor(Wiring memory w) {
        if (w.qos != address(this)) revert WrongAddress(w.qos, address(this));
        TASK = w.task;
    }

    /// @inheritdoc IQoS
    function record(NodeId[3] calldata nodes, uint8[3] calldata grades)
        external
        returns (uint8[3] memory weights, bool[3] memory suspend)
    {
        if (msg.sender != TASK) revert NotAllowed(msg.sender, TASK);
        for (uint256 i; i < 3; ++i) {
            uint256 word = _load(nodes[i]);
            if (grades[i] != IGNORED) {
                (word, suspend[i]) = _counted(word, grades[i]);
                _records[nodes[i]] = word;
                emit Scored(nodes[i], grades[i] == MISSED ? 0 : grades[i], uint16(word.get(SCORE, 16)));
            }
            weights[i] = _weight(word.get(SCORE, 16));
        }
    }

    /// @inheritdoc IQoS
    function recordOf(NodeId node) external view returns (Record memory) {
        uint256 word = _load(node);
        uint256 score = word.get(SCORE, 16);
        return Record({
            score: uint16(score),
            weight: _weight(score),
            misses: uint8(word.get(MISSES, 8)),
            tasks: uint32(word.get(TASKS, 32))
        });
    }

    /// @inheritdoc IQoS
    function newcomerWeight() external pure returns (uint8) {
        return _weight(WINDOW * MIDDLE);
    }

    function _load(NodeId node) private view returns (uint256 word) {
        word = _records[node];
        if (word == 0) word = _newcomer();
    }

    /// @dev Every entry of the window at the middle.
    function _newcomer() private pure returns (uint256 word) {
        for (uint256 i; i < WINDOW; ++i) {
            word |= MIDDLE << (5 * i);
        }
        return word | ((WINDOW * MIDDLE) << SCORE);
    }

    /// @dev Replaces the oldest entry of the window; says whether this miss is one too many.
    function _counted(uint256 word, uint8 grade) private pure returns (uint256, bool) {
        bool missed = grade == MISSED;
        uint256 points = missed ? 0 : grade;
        uint256 cursor = word.get(CURSOR, 8);
        uint256 oldest = word.get(5 * cursor, 5);
        uint256 misses = missed ? word.get(MISSES, 8) + 1 : 0;
        bool suspend = misses == MISS_LIMIT;
        word = word.set(5 * cursor, 5, points).set(SCORE, 16, word.get(SCORE, 16) + points - oldest);
        word = word.set(CURSOR, 8, (cursor + 1) % WINDOW).set(MISSES, 8, suspend ? 0 : misses);
        return (word.set(TASKS, 32, (word.get(TASKS, 32) + 1) & type(uint32).max), suspend);
    }

    function _weight(uint256 score) private pure returns (uint8) {
        return uint8(1 + score * 254 / (WINDOW * BEST));
    }
}
