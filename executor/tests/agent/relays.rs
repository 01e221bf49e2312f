//! Deliveries that a relay must sign.

use alloy::{primitives::Address, signers::local::PrivateKeySigner};
use tempfile::TempDir;
use url::Url;
use xenon_gateway::relay::{Relay, RelayConfig, RelaySigner, StoreConfig};
use xenon_protocol::{
    contracts::{State, Task},
    deployment::Deployment,
};

use crate::{
    echo::question,
    world::{World, party},
};

/// A relay that signs for the tasks of the network that a world deploys.
pub(crate) async fn signing_relay() -> (Url, Address, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = StoreConfig::Directory { path: folder.path().to_owned() };
    let key = PrivateKeySigner::random();
    let (address, contracts) = (key.address(), Deployment::of(party("deployer"), 31337));
    let signer = RelaySigner::new(key, contracts.chain_id, contracts.task);
    let relay = Relay::bind_signing(&RelayConfig::new(([127, 0, 0, 1], 0).into(), store), signer).await.unwrap();
    let url = relay.url();
    tokio::spawn(relay.serve(std::future::pending()));
    (url, address, folder)
}

/// Works until a delivery fails, and returns the code of the error.
async fn failed_delivery(world: &World, relay: Address) -> &'static str {
    let task = world.submit_relayed(&question("Who signs?"), relay).await;
    let mut agents = world.honest_agents().await;
    world.work_until(&mut agents, task, State::Delivering).await;
    for _ in 0..100 {
        for agent in &mut agents {
            if let Err(error) = agent.step().await {
                assert_eq!(world.state(task).await, State::Delivering);
                return error.code();
            }
        }
    }
    panic!("nobody complains");
}

#[tokio::test]
async fn a_relay_that_signs_nothing_is_named() {
    let world = World::with_nodes(3).await;
    assert_eq!(failed_delivery(&world, party("a relay")).await, "XP-209");
}

#[tokio::test]
async fn the_signature_of_another_relay_is_not_sent() {
    let (url, ..) = signing_relay().await;
    let world = World::with_relay(3, url).await;
    assert_eq!(failed_delivery(&world, party("another relay")).await, "XA-013");
}

#[tokio::test]
async fn a_task_that_names_the_relay_is_delivered_with_its_signature() {
    let (url, signer, _folder) = signing_relay().await;
    let world = World::with_relay(3, url).await;
    let task = world.submit_relayed(&question("Who signs?"), signer).await;
    let mut agents = world.honest_agents().await;
    world.work_until(&mut agents, task, State::Ended).await;
    let delivered = world.events::<Task::Delivered>().await.remove(0);
    assert!(world.relay.get(delivered.content, 10_000).await.is_ok());
}
