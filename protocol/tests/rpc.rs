//! The JSON-RPC chain against nodes that are absent, wrong, slow or forgetful.

#![allow(clippy::unwrap_used, missing_docs)]

mod proxy;

use std::{collections::BTreeSet, net::TcpListener, time::Duration};

use alloy::{
    hex,
    primitives::{Address, B256, U256},
};
use proxy::{Conduct, Proxy};
use serde_json::json;
use xenon_protocol::{
    chain::{Account, Call, Chain, ChainError, LogFilter, RpcAccount, RpcChain, RpcSettings},
    deployment::DEPLOYMENT_PROXY,
    devnet::{Anvil, AnvilConfig},
};

const BOB: Address = Address::repeat_byte(0xb0);

/// Reverts if gas has a price, which it has in transactions and not in simulations.
const REFUSES_PAID_GAS: &[u8] = &hex!("3a600557005b5f5ffd");

fn hasty() -> RpcSettings {
    RpcSettings {
        retry_pause: Duration::from_millis(1),
        receipt_poll: Duration::from_millis(10),
        receipt_timeout: Duration::from_millis(300),
        ..RpcSettings::default()
    }
}

async fn connect(url: &str) -> Result<RpcChain, ChainError> {
    RpcChain::connect_with(url, None, hasty()).await
}

/// Answers as a chain with the id 7 would, as far as connecting goes.
fn chain_seven(method: &str) -> Conduct {
    if method == "eth_chainId" { Conduct::Answer(json!("0x7")) } else { Conduct::Status(503) }
}

async fn anvil() -> Anvil {
    Anvil::start(&AnvilConfig::default()).await.unwrap()
}

fn transfer() -> Call {
    Call::transfer(BOB, U256::ONE)
}

#[tokio::test]
async fn text_that_is_no_endpoint_is_refused_and_not_repeated() {
    for text in ["swordfish", "ftp://swordfish@localhost", "http://", "/swordfish.ipc"] {
        let error = connect(text).await.unwrap_err();
        assert_eq!(error.code(), "XP-301", "{error}");
        assert!(!format!("{error} {error:?}").contains("swordfish"), "{error}");
    }
}

#[tokio::test]
async fn absent_node_is_named_without_its_secrets() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = connect(&format!("http://user:swordfish@127.0.0.1:{free}/v3/key")).await.unwrap_err();
    assert_eq!(error.code(), "XP-302");
    assert!(error.is_transient());
    assert!(error.to_string().contains(&format!("127.0.0.1:{free}/...")), "{error}");
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("swordfish") && !shown.contains("/v3/key"), "{shown}");
}

#[tokio::test]
async fn node_of_another_chain_is_refused() {
    let node = Proxy::start("", |method, _| chain_seven(method)).await;
    let error = RpcChain::connect_with(&node.url, Some(1), hasty()).await.unwrap_err();
    assert!(matches!(error, ChainError::WrongChain { expected: 1, actual: 7, .. }), "{error}");
    assert_eq!(RpcChain::connect_with(&node.url, Some(7), hasty()).await.unwrap().chain_id(), 7);
}

#[tokio::test]
async fn node_that_stumbles_is_asked_again() {
    let stumbles = |_: &str, before| match before {
        0 => Conduct::Status(503),
        1 => Conduct::Error(json!({ "code": 429, "message": "too many requests" })),
        _ => Conduct::Answer(json!("0x7")),
    };
    let node = Proxy::start("", stumbles).await;
    assert_eq!(connect(&node.url).await.unwrap().chain_id(), 7);
    assert_eq!(node.count("eth_chainId"), 3);
}

#[tokio::test]
async fn node_that_stays_down_is_given_up() {
    let node = Proxy::start("", |_, _| Conduct::Status(500)).await;
    assert_eq!(connect(&node.url).await.unwrap_err().code(), "XP-302");
    assert_eq!(node.count("eth_chainId"), 1 + hasty().retries);
}

#[tokio::test]
async fn refusal_is_not_argued_with() {
    let node = Proxy::start("", |_, _| Conduct::Status(401)).await;
    let error = connect(&node.url).await.unwrap_err();
    assert_eq!((error.code(), node.count("eth_chainId")), ("XP-309", 1), "{error}");
    let node = Proxy::start("", |_, _| Conduct::Error(json!({ "code": -32601, "message": "no such method" }))).await;
    let error = connect(&node.url).await.unwrap_err();
    assert_eq!((error.code(), node.count("eth_chainId")), ("XP-309", 1), "{error}");
}

#[tokio::test]
async fn server_that_is_no_node_is_told_apart() {
    let node = Proxy::start("", |_, _| Conduct::Babble).await;
    assert_eq!(connect(&node.url).await.unwrap_err().code(), "XP-310");
}

#[tokio::test]
async fn wide_ranges_of_logs_are_asked_for_in_pieces() {
    let rule = |method: &str, _| if method == "eth_getLogs" { Conduct::Answer(json!([])) } else { chain_seven(method) };
    let node = Proxy::start("", rule).await;
    let chain = connect(&node.url).await.unwrap();
    assert_eq!(chain.logs(&LogFilter::of([BOB], 0, 4000)).await.unwrap(), []);
    assert_eq!(node.count("eth_getLogs"), 3);
    assert_eq!(chain.logs(&LogFilter::of([BOB], 5, 4)).await.unwrap(), []);
    assert_eq!(node.count("eth_getLogs"), 3, "an empty range needs no question");
}

/// An account of anvil that reaches it through a proxy which misbehaves when transactions are handed over.
async fn account_behind(anvil: &Anvil, on_broadcast: fn(usize) -> Conduct) -> (Proxy, RpcAccount) {
    let rule = move |method: &str, before| {
        if method == "eth_sendRawTransaction" { on_broadcast(before) } else { Conduct::Forward }
    };
    let proxy = Proxy::start(&anvil.url(), rule).await;
    let account = RpcAccount::new(connect(&proxy.url).await.unwrap(), anvil.signers()[0].clone());
    (proxy, account)
}

#[tokio::test]
async fn lost_answer_does_not_send_twice() {
    let anvil = anvil().await;
    let (proxy, account) =
        account_behind(&anvil, |before| if before == 0 { Conduct::Lose } else { Conduct::Forward }).await;
    for sent in 1..=2u64 {
        account.send(transfer()).await.unwrap();
        assert_eq!(account.chain().balance(BOB).await.unwrap(), U256::from(sent));
    }
    assert_eq!(proxy.count("eth_sendRawTransaction"), 2);
}

#[tokio::test]
async fn lost_transaction_is_handed_over_again() {
    let anvil = anvil().await;
    let lossy = |before| if before < 2 { Conduct::Status(502) } else { Conduct::Forward };
    let (proxy, account) = account_behind(&anvil, lossy).await;
    account.send(transfer()).await.unwrap();
    assert_eq!(account.chain().balance(BOB).await.unwrap(), U256::ONE);
    assert_eq!(proxy.count("eth_sendRawTransaction"), 3);
}

#[tokio::test]
async fn transaction_of_unknown_fate_is_named_and_not_called_transient() {
    let anvil = anvil().await;
    let (_proxy, account) = account_behind(&anvil, |_| Conduct::Status(502)).await;
    let error = account.send(transfer()).await.unwrap_err();
    assert!(matches!(error, ChainError::Unconfirmed { .. }) && !error.is_transient(), "{error}");
}

#[tokio::test]
async fn refused_transaction_is_not_repeated() {
    let anvil = anvil().await;
    let refusal = |_| Conduct::Error(json!({ "code": -32003, "message": "transaction type not supported" }));
    let (proxy, account) = account_behind(&anvil, refusal).await;
    assert_eq!(account.send(transfer()).await.unwrap_err().code(), "XP-309");
    assert_eq!(proxy.count("eth_sendRawTransaction"), 1);
}

#[tokio::test]
async fn transaction_in_no_block_is_reported_with_its_hash() {
    let anvil = Anvil::start(&AnvilConfig { block_time: Some(3600), ..AnvilConfig::default() }).await.unwrap();
    let account = RpcAccount::new(connect(&anvil.url()).await.unwrap(), anvil.signers()[0].clone());
    let error = account.send(transfer()).await.unwrap_err();
    let ChainError::ReceiptTimeout { transaction_hash, .. } = error else { panic!("{error}") };
    assert!(!transaction_hash.is_zero());
}

#[tokio::test]
async fn transaction_that_fails_on_chain_is_an_error_with_its_cost() {
    let anvil = anvil().await;
    let account = RpcAccount::new(connect(&anvil.url()).await.unwrap(), anvil.signers()[0].clone());
    let size = u8::try_from(REFUSES_PAID_GAS.len()).unwrap();
    let init = [&hex!("60")[..], &[size], &hex!("80600a5f395ff3fe")[..], REFUSES_PAID_GAS].concat();
    account.send(Call::raw(DEPLOYMENT_PROXY, [B256::ZERO.as_slice(), &init].concat())).await.unwrap();
    let refuser = DEPLOYMENT_PROXY.create2_from_code(B256::ZERO, init);
    let error = account.send(Call::raw(refuser, Vec::new())).await.unwrap_err();
    let ChainError::Failed { to, block_number, gas_used, .. } = error else { panic!("{error}") };
    assert_eq!((to, block_number), (refuser, account.chain().head().await.unwrap().number));
    assert!(gas_used > 21_000);
}

/// One block a second: the transactions below wait for each other's nonces, not for each other's blocks.
#[tokio::test]
async fn concurrent_sends_of_one_key_all_succeed() {
    let anvil = Anvil::start(&AnvilConfig { block_time: Some(1), ..AnvilConfig::default() }).await.unwrap();
    let account = RpcAccount::new(anvil.connect().await.unwrap(), anvil.signers()[0].clone());
    let sends = (0..8).map(|_| {
        let account = account.clone();
        async move { account.send(transfer()).await.unwrap().transaction_hash }
    });
    let hashes: BTreeSet<_> = futures::future::join_all(sends).await.into_iter().collect();
    assert_eq!(hashes.len(), 8);
    assert_eq!(account.chain().balance(BOB).await.unwrap(), U256::from(8));
}

#[tokio::test]
async fn keys_and_credentials_are_not_printed() {
    let anvil = anvil().await;
    let url = anvil.url().replace("http://", "http://user:swordfish@");
    let chain = connect(&url).await.unwrap();
    assert!(!format!("{chain:?}").contains("swordfish"), "{chain:?}");
    let signer = anvil.signers()[0].clone();
    let secret = hex::encode(signer.to_bytes());
    let account = RpcAccount::new(anvil.connect().await.unwrap(), signer);
    assert!(!format!("{account:?} {anvil:?}").contains(&secret));
}
