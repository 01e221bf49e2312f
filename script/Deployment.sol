// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Create3Factory} from "../contracts/Create3Factory.sol";
import {INode} from "../contracts/interfaces/INode.sol";
import {ITask} from "../contracts/interfaces/ITask.sol";
import {ITaskQueue} from "../contracts/interfaces/ITaskQueue.sol";
import {ValueRate} from "../contracts/types/ValueRate.sol";
import {Wiring} from "../contracts/types/Wiring.sol";
import {Vm} from "forge-std/Vm.sol";

/// @notice What a deployment can choose.
struct Params {
    uint96 minStake;
    uint40 unbondingSeconds;
    uint96 maxFee;
    ValueRate minValue;
    ITask.Terms terms;
    INode.Rules rules;
    ITaskQueue.Limits limits;
    ITask.Kind[] kinds;
}

/// @notice One deployment of the five contracts: the script and the tests run this same code.
/// @dev The creation code comes from the artifacts, so that a test file does not compile the five contracts again.
library Deployment {
    Vm private constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    bytes32 internal constant NODE = keccak256("xenon.node");
    bytes32 internal constant TASK = keccak256("xenon.task");
    bytes32 internal constant QUEUE = keccak256("xenon.queue");
    bytes32 internal constant QOS = keccak256("xenon.qos");
    bytes32 internal constant STATS = keccak256("xenon.stats");
    bytes32 internal constant TIMELOCK = keccak256("xenon.timelock");

    /// Seconds between a proposal of the owner and its execution, well inside the time to decide an appeal.
    uint256 internal constant GOVERNANCE_DELAY = 2 days;

    /// @return p The published design's figures: stake 400, a fee of at most a quarter of it, the two kinds.
    function defaults() internal pure returns (Params memory p) {
        p.minStake = 400 ether;
        p.unbondingSeconds = 7 days;
        p.maxFee = 100 ether;
        p.minValue = ValueRate.wrap(uint256(1 gwei) << 64);
        p.terms = ITask.Terms({
            commitGrace: 120,
            commitFactor: 4,
            revealWindow: 120,
            deliverWindow: 300,
            crankBps: 100,
            errorBps: 300,
            vacancyWindow: 120,
            refills: 1
        });
        p.rules = INode.Rules({
            missPenalty: 0.4 ether, concealPenalty: 4 ether, appealSeconds: 2 days, arbitrationSeconds: 4 days
        });
        p.limits = ITaskQueue.Limits({tasksPerNode: 8, reserveAfter: 30 minutes, reserveHold: 2 hours});
        p.kinds = new ITask.Kind[](2);
        p.kinds[0] =
            ITask.Kind({exact: true, sameClass: true, maxDistance: 0, overheadMs: 5000, msPerUnit: 50, maxSize: 4096});
        p.kinds[1] = ITask.Kind({
            exact: false, sameClass: false, maxDistance: 5, overheadMs: 30_000, msPerUnit: 20_000, maxSize: 4
        });
    }

    /// @return The addresses at which `deployer` deploys, on any chain.
    function wiring(Create3Factory factory, address deployer, address owner, address treasury)
        internal
        view
        returns (Wiring memory)
    {
        return Wiring({
            node: factory.addressOf(deployer, NODE),
            task: factory.addressOf(deployer, TASK),
            queue: factory.addressOf(deployer, QUEUE),
            qos: factory.addressOf(deployer, QOS),
            stats: factory.addressOf(deployer, STATS),
            owner: owner,
            treasury: treasury
        });
    }

    /// @notice The timelock that owns the network: `governor` proposes, anybody executes after `GOVERNANCE_DELAY`, nobody
    /// administers it but itself.
    function deployTimelock(Create3Factory factory, address deployer, address governor)
        internal
        returns (address timelock)
    {
        timelock = factory.addressOf(deployer, TIMELOCK);
        address[] memory proposers = new address[](1);
        proposers[0] = governor;
        _deploy(
            factory,
            TIMELOCK,
            timelock,
            "Timelock.sol:Timelock",
            abi.encode(GOVERNANCE_DELAY, proposers, new address[](1))
        );
    }

    /// @notice Deploys what is not there yet; the caller of the factory must be the `deployer` of `w`.
    function deploy(Create3Factory factory, Wiring memory w, Params memory p) internal {
        _deploy(factory, QOS, w.qos, "QoS.sol:QoS", abi.encode(w));
        _deploy(factory, STATS, w.stats, "NetworkStats.sol:NetworkStats", abi.encode(w));
        _deploy(factory, QUEUE, w.queue, "TaskQueue.sol:TaskQueue", abi.encode(w, p.limits));
        _deploy(factory, NODE, w.node, "Node.sol:Node", abi.encode(w, p.minStake, p.unbondingSeconds, p.rules));
        _deploy(factory, TASK, w.task, "Task.sol:Task", abi.encode(w, p.maxFee, p.minValue, p.terms, p.kinds));
    }

    function _deploy(Create3Factory factory, bytes32 salt, address target, string memory artifact, bytes memory args)
        private
    {
        if (target.code.length == 0) factory.deploy(salt, abi.encodePacked(VM.getCode(artifact), args));
    }
}
