//! Content by its keccak256, in any object store.

use std::{path::Path as DirectoryPath, sync::Arc};

use alloy::{hex, primitives::B256};
use bytes::Bytes;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, local::LocalFileSystem, memory::InMemory, path::Path};

use super::{
    GatewayError, StoreConfig,
    content::{Content, digest},
    refusal::Refusal,
};

/// Up to this size content is sent from memory after its check; larger content is read twice.
const KEEP_BYTES: usize = 256 << 10;

/// Whether an upload changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    New,
    AlreadyHeld,
}

/// Keeps content so that only what has the right hash ever comes out.
#[derive(Debug, Clone)]
pub(super) struct ContentStore {
    objects: Arc<dyn ObjectStore>,
}

impl ContentStore {
    pub(super) async fn open(config: &StoreConfig) -> Result<Self, GatewayError> {
        let objects: Arc<dyn ObjectStore> = match config {
            StoreConfig::Memory {} => Arc::new(InMemory::new()),
            StoreConfig::Directory { path } => Arc::new(directory(path).await?),
        };
        Ok(Self { objects })
    }

    /// Stores `content`, whose keccak256 is `hash`. Content held already is not written again unless it is damaged.
    pub(super) async fn put(&self, hash: B256, content: &Bytes) -> Result<Put, Refusal> {
        let written = self.objects.put_opts(&location(hash), content.clone().into(), PutMode::Create.into()).await;
        match written {
            Ok(_) => Ok(Put::New),
            Err(Error::AlreadyExists { .. }) => self.repair(hash, content).await,
            Err(error) => Err(error.into()),
        }
    }

    /// The content, if what is held has the right hash.
    pub(super) async fn get(&self, hash: B256) -> Result<Content, Refusal> {
        let object = self.object(hash).await?;
        let size = object.meta.size;
        let (actual, kept) = digest(object.into_stream(), KEEP_BYTES).await?;
        match kept {
            _ if actual != hash => Err(Refusal::Damaged { hash }),
            Some(bytes) => Ok(Content::whole(bytes)),
            None => Ok(Content::streamed(size, hash, self.object(hash).await?.into_stream())),
        }
    }

    /// Size in bytes of what is held, not checked against its hash.
    pub(super) async fn size(&self, hash: B256) -> Result<u64, Refusal> {
        let meta = self.objects.head(&location(hash)).await;
        Ok(meta.map_err(|error| refusal(hash, error))?.size)
    }

    /// Succeeds while the store answers.
    pub(super) async fn probe(&self) -> Result<(), Refusal> {
        match self.size(B256::ZERO).await {
            Ok(_) | Err(Refusal::NotFound { .. }) => Ok(()),
            Err(failed) => Err(failed),
        }
    }

    /// Replaces what is held under `hash` unless it is whole.
    async fn repair(&self, hash: B256, content: &Bytes) -> Result<Put, Refusal> {
        if self.held_hash(hash).await? == Some(hash) {
            return Ok(Put::AlreadyHeld);
        }
        tracing::warn!(%hash, "held content was damaged and is replaced by an upload");
        self.objects.put(&location(hash), content.clone().into()).await?;
        Ok(Put::New)
    }

    /// The actual hash of what is held under `hash`.
    async fn held_hash(&self, hash: B256) -> Result<Option<B256>, Refusal> {
        match self.object(hash).await {
            Ok(object) => Ok(Some(digest(object.into_stream(), 0).await?.0)),
            Err(Refusal::NotFound { .. }) => Ok(None),
            Err(failed) => Err(failed),
        }
    }

    async fn object(&self, hash: B256) -> Result<object_store::GetResult, Refusal> {
        self.objects.get(&location(hash)).await.map_err(|error| refusal(hash, error))
    }
}

/// `ab/cd/abcd…`: two levels of at most 256 directories keep each of them small.
fn location(hash: B256) -> Path {
    Path::from(format!("{:02x}/{:02x}/{}", hash[0], hash[1], hex::encode(hash)))
}

fn refusal(hash: B256, error: Error) -> Refusal {
    match error {
        Error::NotFound { .. } => Refusal::NotFound { hash },
        other => Refusal::Store(other),
    }
}

/// Files appear under their names complete and on disk, or not at all.
async fn directory(path: &DirectoryPath) -> Result<LocalFileSystem, GatewayError> {
    let failed = |source| GatewayError::Directory { path: path.to_owned(), source };
    tokio::fs::create_dir_all(path).await.map_err(failed)?;
    let files = LocalFileSystem::new_with_prefix(path).map_err(|error| failed(std::io::Error::other(error)))?;
    Ok(files.with_fsync(true))
}

#[cfg(test)]
mod tests {
    use alloy::primitives::keccak256;
    use futures::{TryStreamExt, future::join_all};

    use super::*;

    async fn memory() -> ContentStore {
        ContentStore::open(&StoreConfig::Memory {}).await.expect("memory")
    }

    async fn read(store: &ContentStore, hash: B256) -> Result<Vec<u8>, Refusal> {
        let content = store.get(hash).await?;
        let chunks: Vec<Bytes> = content.stream.try_collect().await.expect("unchanged");
        Ok(chunks.concat())
    }

    async fn damage(store: &ContentStore, hash: B256, bytes: Vec<u8>) {
        store.objects.put(&location(hash), bytes.into()).await.expect("memory");
    }

    #[tokio::test]
    async fn damaged_content_is_refused_whatever_its_size() {
        let store = memory().await;
        for size in [0, 1, KEEP_BYTES, KEEP_BYTES + 1] {
            let content = Bytes::from(vec![7; size]);
            let hash = keccak256(&content);
            store.put(hash, &content).await.expect("memory");
            damage(&store, hash, vec![8; size.max(1)]).await;
            assert!(matches!(store.get(hash).await, Err(Refusal::Damaged { .. })), "{size}");
        }
    }

    #[tokio::test]
    async fn damaged_content_is_repaired_by_an_upload() {
        let store = memory().await;
        let content = Bytes::from_static(b"content");
        let hash = keccak256(&content);
        store.put(hash, &content).await.expect("memory");
        damage(&store, hash, b"contents".to_vec()).await;
        assert_eq!(store.put(hash, &content).await.expect("memory"), Put::New);
        assert_eq!(read(&store, hash).await.expect("repaired"), content);
    }

    #[tokio::test]
    async fn content_larger_than_what_is_kept_in_memory_comes_back_whole() {
        let store = memory().await;
        for size in [KEEP_BYTES, KEEP_BYTES + 1] {
            let content: Bytes = (0..=u8::MAX).cycle().take(size).collect();
            let hash = keccak256(&content);
            store.put(hash, &content).await.expect("memory");
            assert_eq!(read(&store, hash).await.expect("held"), content);
        }
    }

    #[tokio::test]
    async fn of_many_uploads_of_one_content_exactly_one_is_new() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = StoreConfig::Directory { path: folder.path().to_owned() };
        let store = ContentStore::open(&config).await.expect("a directory");
        let content = Bytes::from(vec![3; 100_000]);
        let hash = keccak256(&content);
        let puts = join_all((0..32).map(|_| store.put(hash, &content))).await;
        let new = puts.iter().filter(|put| matches!(put, Ok(Put::New))).count();
        assert_eq!((new, puts.iter().filter(|put| put.is_ok()).count()), (1, 32));
        assert_eq!(read(&store, hash).await.expect("held"), content);
    }

    #[test]
    fn location_is_sharded_by_the_first_two_bytes() {
        let hash = keccak256("");
        let name = "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470";
        assert_eq!(location(hash).as_ref(), format!("c5/d2/{name}"));
    }
}
