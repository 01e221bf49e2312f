//! A node behind a WebSocket whose connections break.

#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use alloy::primitives::{Address, U256};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::{AbortHandle, JoinHandle},
    time::timeout,
};
use xenon_protocol::{
    chain::{Account as _, Call, Chain as _, ChainError, HeadSubscription, RpcAccount, RpcChain},
    devnet::{Anvil, AnvilConfig},
};

const BOB: Address = Address::repeat_byte(0xb0);

/// Long enough for anything that comes at all.
const LIMIT: Duration = Duration::from_mins(1);

/// Passes connections on, and can cut them.
struct Cable {
    port: u16,
    connections: Arc<Mutex<Vec<AbortHandle>>>,
    #[expect(dead_code, reason = "it ends with the test's runtime")]
    listener: JoinHandle<()>,
}

impl Cable {
    async fn to(upstream: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::<Mutex<Vec<AbortHandle>>>::default();
        let accepted = connections.clone();
        let listener = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut far = TcpStream::connect(&upstream).await.unwrap();
                let passing = tokio::spawn(async move { drop(copy_bidirectional(&mut near, &mut far).await) });
                accepted.lock().unwrap().push(passing.abort_handle());
            }
        });
        Self { port, connections, listener }
    }

    /// Cuts the connections; how many there have been.
    fn cut(&self) -> usize {
        let mut connections = self.connections.lock().unwrap();
        connections.iter().for_each(AbortHandle::abort);
        std::mem::take(&mut *connections).len()
    }

    fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }
}

async fn anvil() -> (Anvil, String) {
    let anvil = Anvil::start(&AnvilConfig::default()).await.unwrap();
    let address = anvil.url().trim_start_matches("http://").trim_end_matches('/').to_owned();
    (anvil, address)
}

/// Has a block mined: this chain has one for each transaction.
async fn mine(anvil: &Anvil) {
    let account = RpcAccount::new(anvil.connect().await.unwrap(), anvil.signers()[0].clone());
    account.send(Call::transfer(BOB, U256::ONE)).await.unwrap();
}

#[tokio::test]
async fn only_a_websocket_can_be_subscribed_to() {
    for url in ["http://127.0.0.1:1", "nonsense"] {
        let error = HeadSubscription::new(url, LIMIT).unwrap_err();
        assert!(matches!(error, ChainError::InvalidEndpoint { .. }), "{error}");
    }
}

#[tokio::test]
async fn absent_node_is_named() {
    let error = RpcChain::connect("ws://user:swordfish@127.0.0.1:1", None).await.unwrap_err();
    assert_eq!(error.code(), "XP-302");
    assert!(!format!("{error} {error:?}").contains("swordfish"), "{error}");
}

#[tokio::test]
async fn chain_behind_a_websocket_is_the_chain_behind_http_and_outlives_its_connection() {
    let (anvil, address) = anvil().await;
    let cable = Cable::to(address).await;
    let (http, ws) = (anvil.connect().await.unwrap(), RpcChain::connect(&cable.url(), None).await.unwrap());
    mine(&anvil).await;
    assert_eq!(ws.head().await.unwrap(), http.head().await.unwrap());
    assert_eq!(cable.cut(), 1);
    mine(&anvil).await;
    let after = timeout(LIMIT, async {
        loop {
            if let Ok(head) = ws.head().await {
                return head;
            }
        }
    });
    assert_eq!(after.await.unwrap(), http.head().await.unwrap());
}

#[tokio::test]
async fn subscription_wakes_for_a_block_and_is_renewed_when_it_dies() {
    let (anvil, address) = anvil().await;
    let cable = Cable::to(address).await;
    let wake = Arc::new(Notify::new());
    let subscription = HeadSubscription::new(&cable.url(), LIMIT).unwrap();
    let running = tokio::spawn(subscription.announce(wake.clone()));
    // A block before the subscription stands wakes nobody, so there are more of them.
    for _ in 0..2 {
        let woken = async {
            loop {
                mine(&anvil).await;
                if timeout(Duration::from_secs(1), wake.notified()).await.is_ok() {
                    return;
                }
            }
        };
        timeout(LIMIT, woken).await.unwrap();
        cable.cut();
    }
    running.abort();
}
