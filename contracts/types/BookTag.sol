// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ClassId, TaskId} from "./Ids.sol";

/// @notice The 160 bits an order-book entry carries about its task, and the keys of the books.
/// @dev Bits: class 0-31 | kind 32-39 | tier 40-47 | expires at 48-87 | queued at 88-119 (seconds) |
/// task 120-159.
library BookTag {
    /// @return The packed tag; `class_` 0 means the book of `tier_`.
    function pack(TaskId task_, uint8 kind_, uint8 tier_, ClassId class_, uint40 expiresAt_, uint32 queuedAt_)
        internal
        pure
        returns (uint256)
    {
        return uint256(ClassId.unwrap(class_)) | (uint256(kind_) << 32) | (uint256(tier_) << 40)
            | (uint256(expiresAt_) << 48) | (uint256(queuedAt_) << 88) | (uint256(TaskId.unwrap(task_)) << 120);
    }

    function class(uint256 tag) internal pure returns (ClassId) {
        return ClassId.wrap(uint32(tag));
    }

    function kind(uint256 tag) internal pure returns (uint8) {
        return uint8(tag >> 32);
    }

    function tier(uint256 tag) internal pure returns (uint8) {
        return uint8(tag >> 40);
    }

    function expiresAt(uint256 tag) internal pure returns (uint40) {
        return uint40(tag >> 48);
    }

    function queuedAt(uint256 tag) internal pure returns (uint32) {
        return uint32(tag >> 88);
    }

    function task(uint256 tag) internal pure returns (TaskId) {
        return TaskId.wrap(uint40(tag >> 120));
    }

    /// @return The book a tag belongs to.
    function bookKeyOf(uint256 tag) internal pure returns (uint256) {
        return bookKey(kind(tag), tier(tag), class(tag));
    }

    /// @return The book of a required class, or of a tier when `class_` is 0.
    function bookKey(uint256 kind_, uint256 tier_, ClassId class_) internal pure returns (uint256) {
        return ClassId.unwrap(class_) != 0 ? classKey(kind_, class_) : (1 << 40) | (kind_ << 8) | tier_;
    }

    /// @return 40 bits: kind and class.
    function classKey(uint256 kind_, ClassId class_) internal pure returns (uint256) {
        return (kind_ << 32) | ClassId.unwrap(class_);
    }

    /// @return The kind and class of a class's book.
    function fromClassKey(uint256 key) internal pure returns (uint8, ClassId) {
        return (uint8(key >> 32), ClassId.wrap(uint32(key)));
    }
}
