// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ClassId} from "./Ids.sol";

/// @notice What a creator asks for, but for the fee; the parameters of `ITask.createRelayed`.
struct Request {
    uint8 kind;
    bytes32 taskHash;
    uint32 size;
    uint16 minVram;
    ClassId class;
    uint32 maxWait;
    /// The relay that must sign the delivery, or 0.
    address relay;
}
