// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {CREATE3} from "solady/utils/CREATE3.sol";

/// @title Deploys contracts to addresses that depend on the deployer and a salt only.
/// @notice The factory itself is deployed through the deterministic deployment proxy, so it has one address on every
/// chain, and so has whatever one deployer deploys with one salt. Contracts can thus know each other's address before
/// they exist.
contract Create3Factory {
    /// @notice Deploys `initCode`.
    /// @param salt Together with the caller, decides the address.
    function deploy(bytes32 salt, bytes calldata initCode) external payable returns (address) {
        return CREATE3.deployDeterministic(msg.value, initCode, _salt(msg.sender, salt));
    }

    /// @return Where `deployer` deploys with `salt`.
    function addressOf(address deployer, bytes32 salt) external view returns (address) {
        return CREATE3.predictDeterministicAddress(_salt(deployer, salt));
    }

    function _salt(address deployer, bytes32 salt) private pure returns (bytes32) {
        return keccak256(abi.encode(deployer, salt));
    }
}
