// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice The five contracts and the two outside roles, fixed for ever at deployment.
/// @dev Addresses are known before deployment (CREATE3), so every contract takes the whole wiring as immutables and
/// refuses to be deployed anywhere but at its own entry.
struct Wiring {
    /// The node registry.
    address node;
    /// Escrow, seats and settlement.
    address task;
    /// The order books and the dispatcher.
    address queue;
    /// The quality-of-service scores.
    address qos;
    /// The tallies.
    address stats;
    /// The timelock that may set parameters inside hard-coded bounds.
    address owner;
    /// Receives slashed stake.
    address treasury;
}

/// @notice The contract was deployed at `actual` while the wiring says `expected`.
error WrongAddress(address expected, address actual);

/// @notice The wiring names no treasury.
error NoTreasury();

/// @notice `caller` is not `required`, the only address this function accepts.
error NotAllowed(address caller, address required);
