//! The services as processes of their own: what an operator, a foundation and an application run.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod network;

use std::process::Command;

use alloy::primitives::{Address, B256, U256, keccak256};
use serde_json::Value;
use xenon_protocol::{
    chain::{Call, Chain as _, RpcChain, TypedChain as _},
    contracts::{Node, Status, Task},
    deployment::Deployment,
    devnet::{Anvil, AnvilConfig},
    pinned,
};

use network::{Network, Service, eventually, failure, root, stdout};

fn status(network: &Network, task: &str) -> Value {
    let output = network.xenon().args(["task", "status", task, "--json"]).output().unwrap();
    serde_json::from_str(&stdout(&output)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_answered_though_a_node_is_killed_while_it_works() {
    let network = Network::deployed().await;
    let _relay = network.relay();
    let _keeper = network.keeper();
    let mut nodes: Vec<Option<Service>> = (0..3).map(|number| Some(network.node(number))).collect();
    let submit = ["task", "submit", "--prompt", "What is 17 + 25?", "--price", "3", "--no-wait"];
    let task = stdout(&network.xenon().args(submit).output().unwrap());
    let task = task.trim();

    eventually("the task has its nodes", || status(&network, task)["blocks"]["seated"].as_u64());
    nodes[1].take().unwrap().kill();
    nodes[1] = Some(network.node(1));

    eventually("the task is delivered", || (status(&network, task)["status"] == "delivered").then_some(()));
    let done = status(&network, task);
    let paid = done["paid"].as_object().unwrap();
    let earned = |node: &str| paid[node].as_str().unwrap().parse::<u128>().unwrap();
    assert!(["node 1", "node 2", "node 3"].into_iter().all(|node| earned(node) > 0), "the killed node too: {done}");
    let answer = network.xenon().args(["task", "result", task]).output().unwrap();
    assert_eq!(stdout(&answer).trim(), "42");
    let table = stdout(&network.xenon().args(["task", "status", task]).output().unwrap());
    assert!(table.contains("delivered") && table.contains("seated"), "{table}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_for_an_unknown_model_is_refunded_and_nobody_is_frozen() {
    let network = Network::deployed().await;
    let _relay = network.relay();
    let _keeper = network.keeper();
    let _nodes: Vec<_> = (0..3).map(|number| network.node(number)).collect();
    let submit =
        ["task", "submit", "--prompt", "Hello", "--model", "nobody/has-this", "--price", "3", "--timeout", "90"];
    let error = failure(&network.xenon().args(submit).output().unwrap());
    // 1 % for the keeper is spent; of the rest, 3 % is divided among the nodes.
    assert!(error.contains("XC-012") && error.contains("2.8809 of 3 CNX went back"), "{error}");
    let task = status(&network, "1");
    assert_eq!(task["status"], "aborted: the nodes report the same error");
    assert_eq!(task["paid"]["creator"], "2880900000000000000");
    let contracts = Deployment::of(network.anvil.signers()[0].address(), 31337);
    let chain = network.anvil.connect().await.unwrap();
    for node in 1..=3 {
        let view = chain.view(contracts.node, &Node::nodeOfCall { node }).await.unwrap();
        assert_eq!(Status::try_from(view.status).unwrap(), Status::Free, "node {node}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_is_delivered_with_the_signature_of_the_relay_that_the_task_names_and_earnings_are_paid_out() {
    let network = Network::deployed().await;
    let _relay = network.signing_relay(19);
    let _keeper = network.keeper();
    let quote = |network: &Network| stdout(&network.xenon().args(["task", "quote", "--price", "3"]).output().unwrap());
    assert!(quote(&network).contains("0 nodes could serve it now, of the 3 it needs: there are no others"));
    let _first = network.node(0);
    eventually("the first node has joined", || quote(&network).contains("1 nodes could serve it now").then_some(()));
    let _others = [network.node(1), network.node(2)];
    eventually("the others have, too", || quote(&network).contains("3 nodes could serve it now").then_some(()));

    let ask = |signer: &str| {
        let submit = ["task", "submit", "--prompt", "What is 17 + 25?", "--price", "3", "--relay-signer", signer];
        network.xenon().args(submit).output().unwrap()
    };
    let stranger = Address::repeat_byte(7).to_string();
    assert!(failure(&ask(&stranger)).contains("XC-022"), "it would never be delivered");
    assert_eq!(stdout(&ask(&network.anvil.signers()[19].address().to_string())).trim(), "42");

    let node = |args: &[&str]| network.xenon().args(["--key-file"]).arg(network.key(3)).arg("node").args(args).output();
    let status = stdout(&node(&["status", "1"]).unwrap());
    assert!(status.contains("ready for a seat") && status.contains("400 CNX"), "{status}");
    let collected = stdout(&node(&["collect", "1"]).unwrap());
    assert!(collected.contains("collected ") && collected.contains("withdrew "), "{collected}");
    assert_eq!(stdout(&node(&["top-up", "1"]).unwrap()).trim(), "the stake is complete");
    assert!(failure(&node(&["status", "9"]).unwrap()).contains("XC-021"));
    let evidence = network.config.display().to_string();
    for command in ["appeal", "evidence"] {
        let refused = failure(&node(&[command, "1", "--evidence", &evidence]).unwrap());
        assert!(refused.contains("WrongStatus") && refused.contains("status does not allow"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_binary_deploys_where_the_deployer_alone_decides() {
    let network = Network::deployed().await;
    let deployer = network.anvil.signers()[0].address();
    let expected = Deployment::of(deployer, 31337);
    let settings = std::fs::read_to_string(&network.config).unwrap();
    assert!(settings.contains(&format!("{:#x}", expected.task)), "{settings}");
    let owner = Deployment::timelock_of(deployer);
    assert!(network.printed.contains(&owner.to_string()), "{}", network.printed);
}

alloy::sol! {
    /// What is asked of the timelock.
    interface Timelock {
        function getMinDelay() external view returns (uint256);
        function hasRole(bytes32 role, address account) external view returns (bool);
    }
}

/// At the addresses of the test before, with a timelock that obeys the sender, and nobody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_script_deploys_where_the_binary_does_with_a_timelock_as_owner() {
    let anvil = Anvil::start(&AnvilConfig::default()).await.expect("make setup brings anvil");
    let (deployer, other) = (anvil.signers()[0].address(), anvil.signers()[1].address());
    let records = tempfile::tempdir().unwrap();
    let forge = pinned::find("forge", &root()).expect("make setup brings forge");
    let script = Command::new(forge)
        .args([
            "script",
            "script/Deploy.s.sol",
            "--broadcast",
            "--slow",
            "--unlocked",
            "--rpc-url",
            &anvil.url(),
            "--sender",
        ])
        .arg(deployer.to_string())
        .env("FOUNDRY_BROADCAST", records.path())
        .current_dir(root())
        .output()
        .unwrap();
    let printed = stdout(&script);
    let (expected, owner) = (Deployment::of(deployer, 31337), Deployment::timelock_of(deployer));
    let chain = RpcChain::connect(&anvil.url(), Some(31337)).await.unwrap();
    for address in expected.addresses().into_iter().chain([owner]) {
        assert!(printed.contains(&address.to_string()), "{address} is not in:\n{printed}");
        assert!(!chain.code(address).await.unwrap().is_empty(), "{address} has no code");
    }

    let wired = chain.view(expected.task, &Task::networkCall {}).await.unwrap();
    let parts = (expected.node, expected.queue, expected.qos, expected.stats);
    assert_eq!((wired.node, wired.queue, wired.qos, wired.stats), parts);
    assert_eq!(chain.view(expected.task, &Task::kindsCall {}).await.unwrap(), 2);
    assert_eq!(chain.view(owner, &Timelock::getMinDelayCall {}).await.unwrap(), U256::from(2 * 24 * 3600));
    let (anybody, admin) = (Address::ZERO, B256::ZERO);
    for (role, account, has) in [
        (keccak256("PROPOSER_ROLE"), deployer, true),
        (keccak256("PROPOSER_ROLE"), other, false),
        (keccak256("EXECUTOR_ROLE"), anybody, true),
        (admin, owner, true),
        (admin, deployer, false),
    ] {
        let found = chain.view(owner, &Timelock::hasRoleCall { role, account }).await.unwrap();
        assert_eq!(found, has, "{role} of {account}");
    }
    let rules = chain.view(expected.node, &Node::rulesCall {}).await.unwrap();
    let change = Call::new(expected.node, &Node::setRulesCall { rules_: rules });
    for (caller, allowed) in [(deployer, false), (owner, true)] {
        assert_eq!(chain.call(caller, &change).await.is_ok(), allowed, "{caller}");
    }
}
