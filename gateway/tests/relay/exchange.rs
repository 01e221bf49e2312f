//! What is stored comes back, and how it is described.

use alloy::primitives::keccak256;
use bytes::Bytes;
use proptest::prelude::*;
use reqwest::Method;
use xenon_protocol::relay::StoredBody;

use super::running::{Running, directory, memory, small};

#[tokio::test]
async fn content_is_described_as_immutable_and_as_no_page() {
    let relay = Running::start(&memory()).await;
    let hash = relay.client.put("<html>content</html>").await.unwrap();
    let path = format!("/v1/content/{hash}");
    for method in [Method::GET, Method::HEAD] {
        let response = relay.request(method.clone(), &path, "").await;
        let headers = response.headers().clone();
        assert_eq!(response.status(), 200);
        assert_eq!(headers["etag"], format!("\"{hash}\""));
        assert_eq!(headers["cache-control"], "public, max-age=31536000, immutable");
        assert_eq!(headers["content-type"], "application/octet-stream");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["content-length"], "20");
        let body = response.bytes().await.unwrap();
        assert_eq!(body, if method == Method::GET { "<html>content</html>" } else { "" });
    }
}

#[tokio::test]
async fn client_that_knows_the_content_is_not_sent_it_again() {
    let relay = Running::start(&memory()).await;
    let known = |hash: alloy::primitives::B256| {
        let url = format!("http://{}/v1/content/{hash}", relay.address);
        reqwest::Client::new().get(url).header("if-none-match", format!("\"{hash}\"")).send()
    };
    assert_eq!(known(keccak256("content")).await.unwrap().status(), 404);
    let hash = relay.client.put("content").await.unwrap();
    let response = known(hash).await.unwrap();
    assert_eq!(response.status(), 304);
    assert_eq!(response.headers()["etag"], format!("\"{hash}\""));
    assert!(response.bytes().await.unwrap().is_empty());
}

#[tokio::test]
async fn relay_computes_the_hash_for_who_does_not() {
    let relay = Running::start(&memory()).await;
    let response = relay.request(Method::POST, "/v1/content", "content").await;
    let stored: StoredBody = response.json().await.unwrap();
    assert_eq!(stored.hash, keccak256("content"));
    assert_eq!(relay.client.get(stored.hash, 7).await.unwrap(), "content");
}

#[tokio::test]
async fn upper_case_digits_name_the_same_content() {
    let relay = Running::start(&memory()).await;
    let hash = relay.client.put("content").await.unwrap();
    let path = format!("/v1/content/0x{}", hash.to_string()[2..].to_uppercase());
    assert_eq!(relay.request(Method::GET, &path, "").await.bytes().await.unwrap(), "content");
}

#[tokio::test]
async fn info_tells_the_limit_and_health_that_it_works() {
    let relay = Running::start(&small(1234)).await;
    let info = relay.client.info().await.unwrap();
    assert_eq!((info.max_bytes, info.hash_function.as_str()), (1234, "keccak256"));
    relay.client.health().await.unwrap();
}

#[tokio::test]
async fn clients_at_once_each_get_their_own_content() {
    let folder = tempfile::tempdir().unwrap();
    let relay = Running::start(&directory(folder.path())).await;
    let exchanges = (0..64_u32).map(|index| {
        let client = relay.client.clone();
        async move {
            let content = Bytes::from(index.to_le_bytes().repeat(10_000));
            let hash = client.put(content.clone()).await.unwrap();
            assert_eq!(client.get(hash, 40_000).await.unwrap(), content);
        }
    });
    futures::future::join_all(exchanges).await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Sizes around the largest that is sent from memory, and around the largest that is taken.
    #[test]
    fn whatever_is_stored_comes_back(
        content in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            (any::<u8>(), (256_usize << 10) - 2..(256 << 10) + 3).prop_map(|(byte, size)| vec![byte; size]),
            (any::<u8>(), (1_usize << 20) - 2..=1 << 20).prop_map(|(byte, size)| vec![byte; size]),
        ],
        on_disk: bool,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let config = if on_disk { directory(folder.path()) } else { memory() };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let relay = Running::start(&config).await;
            let hash = relay.client.put(content.clone()).await.unwrap();
            assert_eq!(hash, keccak256(&content));
            assert_eq!(relay.client.get(hash, 1 << 20).await.unwrap(), content);
        });
    }
}
