// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Create3Factory} from "../contracts/Create3Factory.sol";
import {Wiring} from "../contracts/types/Wiring.sol";
import {Deployment} from "./Deployment.sol";
import {Script, console} from "./Script.sol";

/// @title Deploys Xenon.
/// @notice `forge script script/Deploy.s.sol --rpc-url URL --account NAME --broadcast`. The addresses depend on the
/// sender only. What is already there is left alone, so a run that was cut off is continued by the next.
/// The owner is a timelock, in which XENON_GOVERNOR (default: the sender) proposes, unless XENON_OWNER names another.
/// XENON_TREASURY (default: the sender) receives what is slashed. A run that continues another must be given the same.
contract Deploy is Script {
    function run() external returns (Wiring memory w) {
        address owner = vm.envOr("XENON_OWNER", address(0));
        address governor = vm.envOr("XENON_GOVERNOR", msg.sender);
        address treasury = vm.envOr("XENON_TREASURY", msg.sender);
        address factory =
            vm.computeCreate2Address(bytes32(0), keccak256(type(Create3Factory).creationCode), CREATE2_FACTORY);

        vm.startBroadcast();
        if (factory.code.length == 0) new Create3Factory{salt: 0}();
        if (owner == address(0)) owner = Deployment.deployTimelock(Create3Factory(factory), msg.sender, governor);
        w = Deployment.wiring(Create3Factory(factory), msg.sender, owner, treasury);
        Deployment.deploy(Create3Factory(factory), w, Deployment.defaults());
        vm.stopBroadcast();

        console.log("task ", w.task);
        console.log("node ", w.node);
        console.log("queue", w.queue);
        console.log("qos  ", w.qos);
        console.log("stats", w.stats);
        console.log("owner", w.owner);
    }
}
