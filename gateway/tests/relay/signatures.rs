//! What a relay signs, and when.

use alloy::{
    primitives::{Address, keccak256},
    signers::local::PrivateKeySigner,
};
use reqwest::Method;
use xenon_gateway::relay::{Relay, RelaySigner};
use xenon_protocol::{
    relay::RelayError,
    stored::{signer_of, stored_digest},
};

use super::running::{Running, directory, memory, refusal};

const CHAIN: u64 = 31337;
const CONTRACT: Address = Address::repeat_byte(7);

#[tokio::test]
async fn relay_without_a_key_signs_nothing_and_stores_nothing_for_who_wants_that() {
    let relay = Running::start(&memory()).await;
    let error = relay.client.put_signed("content", 7).await.unwrap_err();
    assert!(
        matches!(&error, RelayError::Refused { status: 409, message, .. } if message.contains("XG-113")),
        "{error}"
    );
    let path = format!("/v1/content/{}", keccak256("content"));
    assert_eq!(relay.status(Method::HEAD, &path).await, 404);
    assert_eq!(relay.client.info().await.unwrap().signer, None);
}

#[tokio::test]
async fn task_that_is_no_number_is_refused() {
    let relay = Running::start(&memory()).await;
    for query in ["task=", "task=seven", "task=-1", "task=18446744073709551616"] {
        let response = relay.request(Method::POST, &format!("/v1/content?{query}"), "content").await;
        assert_eq!(refusal(response).await, (400, "XG-112".into()), "{query}");
    }
}

#[tokio::test]
async fn relay_that_would_lose_what_it_signed_for_is_refused() {
    let signer = RelaySigner::new(PrivateKeySigner::random(), CHAIN, CONTRACT);
    let error = Relay::bind_signing(&memory(), signer).await.unwrap_err();
    assert_eq!(error.code(), "XG-001");
}

#[tokio::test]
async fn signature_is_for_that_task_and_for_what_is_held() {
    let folder = tempfile::tempdir().unwrap();
    let key = PrivateKeySigner::random();
    let relay = Running::start_signing(&directory(folder.path()), RelaySigner::new(key.clone(), CHAIN, CONTRACT)).await;
    assert_eq!(relay.client.info().await.unwrap().signer, Some(key.address()));
    for task in [7, 8] {
        let (hash, signature) = relay.client.put_signed("content", task).await.unwrap();
        assert_eq!(relay.client.get(hash, 7).await.unwrap(), "content");
        let digest = stored_digest(CHAIN, CONTRACT, task, hash);
        assert_eq!(signer_of(&digest, &signature), Some(key.address()));
    }
    let lie = format!("/v1/content/{}?task=9", keccak256("what was promised"));
    let response = relay.request(Method::PUT, &lie, "something else").await;
    assert_eq!(refusal(response).await, (422, "XG-103".into()));
    let plain = relay.request(Method::POST, "/v1/content", "content").await.text().await.unwrap();
    assert!(!plain.contains("signature"), "{plain}");
}
