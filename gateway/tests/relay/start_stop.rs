//! How a relay starts, does not start, stops, and what outlives it.

use tokio::{net::TcpStream, time::timeout};
use xenon_gateway::relay::{GatewayError, Relay, RelayConfig, RelayLimits};

use super::running::{PATIENCE, Running, directory, memory, small};

async fn error_of(config: &RelayConfig) -> GatewayError {
    Relay::bind(config).await.expect_err("the relay cannot start")
}

#[tokio::test]
async fn relay_that_cannot_start_tells_why() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let running = Running::start(&memory()).await;
    let taken = RelayConfig { listen: running.address, ..memory() };
    let causes = [(small(0), "XG-001"), (directory(file.path()), "XG-002"), (taken, "XG-003")];
    for (config, code) in causes {
        let error = error_of(&config).await;
        assert_eq!(error.code(), code);
        assert!(error.to_string().starts_with(&format!("{code}: ")), "{error}");
    }
}

#[tokio::test]
async fn content_in_a_directory_outlives_the_relay() {
    let folder = tempfile::tempdir().unwrap();
    // Folders that do not exist yet are made.
    let config = directory(&folder.path().join("not/yet"));
    let relay = Running::start(&config).await;
    let hash = relay.client.put("content").await.unwrap();
    relay.stopped().await;
    let relay = Running::start(&config).await;
    assert_eq!(relay.client.get(hash, 7).await.unwrap(), "content");
}

#[tokio::test]
async fn stopping_relay_finishes_what_it_began_and_takes_nothing_new() {
    let folder = tempfile::tempdir().unwrap();
    let relay = Running::start(&directory(folder.path())).await;
    let mut raw = relay.connect().await;
    raw.begin_upload(7).await;
    let address = relay.address;
    let served = relay.stop();
    timeout(PATIENCE, async { while TcpStream::connect(address).await.is_ok() {} }).await.expect("it stops listening");
    raw.say("content").await;
    assert_eq!(raw.head().await, "HTTP/1.1 201 Created");
    timeout(PATIENCE, served).await.expect("the relay stops").unwrap();
}

#[tokio::test]
async fn stopping_relay_does_not_wait_forever() {
    let limits = RelayLimits { shutdown_ms: 100, ..RelayLimits::default() };
    let relay = Running::start(&RelayConfig { limits, ..memory() }).await;
    let mut raw = relay.connect().await;
    raw.begin_upload(7).await;
    relay.stopped().await;
    assert_eq!(raw.rest().await, "");
}

#[tokio::test]
async fn address_for_every_interface_is_reached_from_this_machine() {
    for listen in ["0.0.0.0:0", "127.0.0.1:0"] {
        let relay = Running::start(&RelayConfig { listen: listen.parse().unwrap(), ..memory() }).await;
        assert_eq!(relay.client.url().host_str(), Some("127.0.0.1"));
        relay.client.health().await.unwrap();
    }
}
