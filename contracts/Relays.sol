// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ITask} from "./interfaces/ITask.sol";
import {TaskId} from "./types/Ids.sol";
import {ECDSA} from "solady/utils/ECDSA.sol";
import {EIP712} from "solady/utils/EIP712.sol";

/// @title The relays that tasks name, and their signatures.
abstract contract Relays is ITask, EIP712 {
    bytes32 private constant STORED = keccak256("Stored(uint256 task,bytes32 content)");

    mapping(TaskId => address) private _relays;

    /// @inheritdoc ITask
    function relayOf(TaskId task) public view returns (address) {
        return _relays[task];
    }

    /// @inheritdoc ITask
    function storedDigest(TaskId task, bytes32 content) public view returns (bytes32) {
        return _hashTypedData(keccak256(abi.encode(STORED, task, content)));
    }

    function _nameRelay(TaskId task, address relay) internal {
        _relays[task] = relay;
        emit RelayNamed(task, relay);
    }

    /// @dev Refuses a signature that is not that of the task's relay for `content`.
    function _checkStored(TaskId task, bytes32 content, bytes calldata signature) internal view {
        address signer = ECDSA.tryRecoverCalldata(storedDigest(task, content), signature);
        if (signer != _relays[task]) revert WrongRelay(task, signer, _relays[task]);
    }

    function _domainNameAndVersion() internal pure override returns (string memory, string memory) {
        return ("Xenon", "1");
    }
}
