// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

/// @title The owner of the network: OpenZeppelin's timelock, administered by nobody but itself.
contract Timelock is TimelockController {
    /// @param minDelay Seconds between a proposal and its execution.
    /// @param proposers Who may propose and cancel.
    /// @param executors Who may execute; the zero address means anybody.
    constructor(uint256 minDelay, address[] memory proposers, address[] memory executors)
        TimelockController(minDelay, proposers, executors, address(0))
    {}
}
