//! Content whose file was damaged behind the relay's back is never served.

use std::{
    fs,
    path::{Path, PathBuf},
};

use alloy::{
    hex,
    primitives::{B256, keccak256},
};
use reqwest::Method;
use xenon_protocol::relay::RelayError;

use super::running::{Running, directory, refusal};

/// Where the relay keeps `hash`.
fn file(folder: &Path, hash: B256) -> PathBuf {
    let name = hex::encode(hash);
    folder.join(&name[..2]).join(&name[2..4]).join(&name)
}

fn flip_last_bit(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(file, bytes).unwrap();
}

fn cut_short(file: &Path) {
    let bytes = fs::read(file).unwrap();
    fs::write(file, &bytes[..bytes.len() - 1]).unwrap();
}

#[tokio::test]
async fn damaged_file_is_not_served_and_an_upload_repairs_it() {
    let folder = tempfile::tempdir().unwrap();
    let relay = Running::start(&directory(folder.path())).await;
    // Small content is sent from memory, large content from the file.
    for content in [vec![5; 100], vec![6; 1 << 20]] {
        let hash = relay.client.put(content.clone()).await.unwrap();
        for damage in [flip_last_bit, cut_short] {
            damage(&file(folder.path(), hash));
            let response = relay.request(Method::GET, &format!("/v1/content/{hash}"), "").await;
            assert_eq!(refusal(response).await, (500, "XG-108".into()));
            relay.client.put(content.clone()).await.unwrap();
            assert_eq!(relay.client.get(hash, 1 << 20).await.unwrap(), content);
        }
    }
}

#[tokio::test]
async fn client_is_told_of_the_damage() {
    let folder = tempfile::tempdir().unwrap();
    let relay = Running::start(&directory(folder.path())).await;
    let hash = relay.client.put("content").await.unwrap();
    flip_last_bit(&file(folder.path(), hash));
    let error = relay.client.get(hash, 1 << 20).await.unwrap_err();
    assert!(matches!(error, RelayError::Unavailable { status: 500, .. }), "{error}");
    assert!(error.to_string().contains("XG-108"), "{error}");
}

#[tokio::test]
async fn failing_store_is_told_without_telling_about_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let relay = Running::start(&directory(folder.path())).await;
    let hash = keccak256("content");
    // A folder where the file should be: reading it fails for everybody, the administrator too.
    fs::create_dir_all(file(folder.path(), hash).join("below")).unwrap();
    let response = relay.request(Method::PUT, &format!("/v1/content/{hash}"), "content").await;
    let text = response.text().await.unwrap();
    assert!(text.contains("XG-109"), "{text}");
    assert!(!text.contains(folder.path().to_str().unwrap()), "{text}");
}

#[tokio::test]
async fn held_content_is_not_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let relay = Running::start(&directory(folder.path())).await;
    let path = format!("/v1/content/{}", keccak256("content"));
    assert_eq!(relay.request(Method::PUT, &path, "content").await.status(), 201);
    let file = file(folder.path(), keccak256("content"));
    let written = fs::metadata(&file).unwrap().modified().unwrap();
    for (method, path) in [(Method::PUT, path.as_str()), (Method::POST, "/v1/content")] {
        assert_eq!(relay.request(method, path, "content").await.status(), 200);
        assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), written);
    }
}

#[tokio::test]
async fn concurrent_uploads_of_one_content_leave_one_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let relay = Running::start(&directory(folder.path())).await;
    let content = vec![9_u8; 500_000];
    let path = format!("/v1/content/{}", keccak256(&content));
    let puts = (0..16).map(|_| relay.request(Method::PUT, &path, content.clone()));
    let mut statuses: Vec<_> = futures::future::join_all(puts).await.iter().map(|put| put.status().as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!((statuses[15], &statuses[..15]), (201, &[200; 15][..]));
    let file = file(folder.path(), keccak256(&content));
    assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "nothing half written is left");
    assert_eq!(fs::read(file).unwrap(), content);
}
