//! A signer elsewhere that lies, refuses, babbles or is gone.

#![allow(clippy::unwrap_used, missing_docs)]

use std::{net::TcpListener as StdListener, sync::Arc};

use alloy::{
    consensus::TxEip1559,
    primitives::{Address, Bytes, TxKind, U256, hex},
    signers::local::PrivateKeySigner,
};
use axum::{Json, Router, routing::post};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use xenon_protocol::chain::{RemoteSigner, Signed, Signer, SignerError};

/// What a signer answers to a transaction.
type Answer = Arc<dyn Fn(&Value) -> Value + Send + Sync>;

fn transaction() -> TxEip1559 {
    TxEip1559 {
        chain_id: 31_337,
        nonce: 5,
        gas_limit: 90_000,
        max_fee_per_gas: 30_000_000_000,
        max_priority_fee_per_gas: 2_000_000_000,
        to: TxKind::Call(Address::repeat_byte(7)),
        value: U256::from(9),
        input: Bytes::from_static(&hex!("c0ffee")),
        ..TxEip1559::default()
    }
}

/// A server that has the keys of these accounts, and its address.
async fn serve(accounts: Vec<Address>, answer: Answer) -> url::Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://127.0.0.1:{}/?key=swordfish", listener.local_addr().unwrap().port());
    let handler = move |Json(request): Json<Value>| {
        let reply = match request["method"].as_str().unwrap() {
            "eth_accounts" => json!({ "result": accounts }),
            _ => answer(&request["params"][0]),
        };
        async move { Json(reply) }
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", post(handler))).await });
    url.parse().unwrap()
}

async fn signer(key: &PrivateKeySigner, answer: impl Fn(&Value) -> Value + Send + Sync + 'static) -> RemoteSigner {
    let url = serve(vec![key.address()], Arc::new(answer)).await;
    RemoteSigner::connect(url, key.address()).await.unwrap()
}

/// What the key makes of a transaction, as a fixed answer.
async fn signed(key: &PrivateKeySigner, transaction: TxEip1559) -> Signed {
    Signer::sign(key, transaction).await.unwrap()
}

#[tokio::test]
async fn anything_but_the_transaction_that_was_asked_for_is_refused() {
    let key = PrivateKeySigner::random();
    let asked = transaction();
    let lies = [
        ("the chain id", TxEip1559 { chain_id: 1, ..asked.clone() }),
        ("the nonce", TxEip1559 { nonce: 6, ..asked.clone() }),
        ("the gas limit", TxEip1559 { gas_limit: 90_001, ..asked.clone() }),
        ("the highest fee", TxEip1559 { max_fee_per_gas: 31_000_000_000, ..asked.clone() }),
        ("the priority fee", TxEip1559 { max_priority_fee_per_gas: 1, ..asked.clone() }),
        ("the recipient", TxEip1559 { to: TxKind::Call(Address::repeat_byte(8)), ..asked.clone() }),
        ("the value", TxEip1559 { value: U256::from(10), ..asked.clone() }),
        ("the data", TxEip1559 { input: Bytes::new(), ..asked.clone() }),
    ];
    for (field, lie) in lies {
        let raw = signed(&key, lie).await.raw;
        let remote = signer(&key, move |_| json!({ "result": raw })).await;
        let error = remote.sign(asked.clone()).await.unwrap_err();
        assert!(matches!(&error, SignerError::Dishonest { reason, .. } if reason.starts_with(field)), "{error}");
    }
}

#[tokio::test]
async fn signature_of_another_key_is_refused() {
    let raw = signed(&PrivateKeySigner::random(), transaction()).await.raw;
    let remote = signer(&PrivateKeySigner::random(), move |_| json!({ "result": raw })).await;
    let error = remote.sign(transaction()).await.unwrap_err();
    assert_eq!(error.code(), "XP-343");
    assert!(error.to_string().contains("another key"), "{error}");
    assert!(!error.to_string().contains("swordfish"), "{error}");
}

#[tokio::test]
async fn answer_that_is_no_transaction_is_refused() {
    let whole = signed(&PrivateKeySigner::random(), transaction()).await.raw;
    let long: Bytes = [whole.as_ref(), &[0]].concat().into();
    for raw in [Bytes::new(), Bytes::from_static(&[2, 1]), long] {
        let remote = signer(&PrivateKeySigner::random(), move |_| json!({ "result": raw })).await;
        assert_eq!(remote.sign(transaction()).await.unwrap_err().code(), "XP-343");
    }
}

#[tokio::test]
async fn refusal_is_passed_on_in_the_words_of_the_signer() {
    let words = json!({ "error": { "code": -32000, "message": "not on a Sunday" } });
    let remote = signer(&PrivateKeySigner::random(), move |_| words.clone()).await;
    let error = remote.sign(transaction()).await.unwrap_err();
    assert!(error.to_string().starts_with("XP-341") && error.to_string().contains("not on a Sunday"), "{error}");
}

#[tokio::test]
async fn signer_without_the_key_and_one_that_is_gone_are_told_apart_at_the_start() {
    let url = serve(vec![], Arc::new(|_| Value::Null)).await;
    assert_eq!(RemoteSigner::connect(url, Address::ZERO).await.unwrap_err().code(), "XP-341");
    let free = StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{free}").parse().unwrap();
    assert_eq!(RemoteSigner::connect(url, Address::ZERO).await.unwrap_err().code(), "XP-342");
}

#[tokio::test]
async fn honest_signature_is_taken_bare_and_wrapped() {
    let key = PrivateKeySigner::random();
    let expected = signed(&key, transaction()).await;
    for wrapped in [false, true] {
        let raw = expected.raw.clone();
        let remote = signer(&key, move |request| {
            let asked = (request["nonce"].as_str(), request["gas"].as_str(), request["chainId"].as_str());
            assert_eq!(asked, (Some("0x5"), Some("0x15f90"), Some("0x7a69")));
            if wrapped { json!({ "result": { "raw": raw, "tx": {} } }) } else { json!({ "result": raw }) }
        });
        assert_eq!(remote.await.sign(transaction()).await.unwrap(), expected);
    }
}
