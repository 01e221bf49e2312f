// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {TaskId} from "../types/Ids.sol";
import {Bits} from "./Bits.sol";

/// @notice Task ids by position, six to a word. The length lives in the owner's own packed header.
/// @dev Words behind the length are stale on purpose, like those of `NodeSet`.
library TaskList {
    using Bits for uint256;

    /// @notice The ids, position by position.
    struct List {
        mapping(uint256 wordIndex => uint256) words;
    }

    uint256 private constant PER_WORD = 6;
    uint256 private constant ID = 40;

    /// @return The task at `position`.
    function taskAt(List storage list, uint256 position) internal view returns (TaskId) {
        return TaskId.wrap(uint40(list.words[position / PER_WORD].get(ID * (position % PER_WORD), ID)));
    }

    /// @notice Writes `task` at `position`.
    function put(List storage list, uint256 position, TaskId task) internal {
        uint256 word = list.words[position / PER_WORD];
        list.words[position / PER_WORD] = word.set(ID * (position % PER_WORD), ID, TaskId.unwrap(task));
    }
}
