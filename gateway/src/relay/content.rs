//! Content on its way out, checked against its hash.

use std::io;

use alloy::primitives::{B256, Keccak256};
use bytes::Bytes;
use futures::{
    TryStreamExt,
    stream::{self, BoxStream, StreamExt},
};

/// Content known to be whole when it was opened.
pub(super) struct Content {
    /// In bytes.
    pub(super) size: u64,
    pub(super) stream: BoxStream<'static, io::Result<Bytes>>,
}

/// What the store yields.
pub(super) type Stored = BoxStream<'static, object_store::Result<Bytes>>;

/// The hash of what `stored` yields, and the bytes themselves if they are at most `keep`.
pub(super) async fn digest(mut stored: Stored, keep: usize) -> object_store::Result<(B256, Option<Bytes>)> {
    let mut hasher = Keccak256::new();
    let mut kept = Some(Vec::new());
    while let Some(chunk) = stored.try_next().await? {
        hasher.update(&chunk);
        kept = kept.filter(|bytes| bytes.len() + chunk.len() <= keep);
        if let Some(bytes) = &mut kept {
            bytes.extend_from_slice(&chunk);
        }
    }
    Ok((hasher.finalize(), kept.map(Bytes::from)))
}

impl Content {
    /// Content small enough to have been kept while it was checked.
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self { size: bytes.len() as u64, stream: stream::once(async { Ok(bytes) }).boxed() }
    }

    /// Content read from the store once more while it is sent. The last chunk leaves only when all of it has the
    /// right hash, so that what changed since the check breaks the transfer instead of reaching anybody complete.
    pub(super) fn streamed(size: u64, expected: B256, stored: Stored) -> Self {
        let sending = Sending { stored, held: None, hasher: Keccak256::new(), expected };
        Self { size, stream: stream::try_unfold(Some(sending), Sending::step).boxed() }
    }
}

struct Sending {
    stored: Stored,
    held: Option<Bytes>,
    hasher: Keccak256,
    expected: B256,
}

impl Sending {
    /// The chunk before the one just read, which is held back in its place.
    async fn step(this: Option<Self>) -> io::Result<Option<(Bytes, Option<Self>)>> {
        let Some(mut this) = this else { return Ok(None) };
        while let Some(chunk) = this.stored.try_next().await.map_err(io::Error::other)? {
            this.hasher.update(&chunk);
            if let Some(before) = this.held.replace(chunk) {
                return Ok(Some((before, Some(this))));
            }
        }
        this.last()
    }

    fn last(self) -> io::Result<Option<(Bytes, Option<Self>)>> {
        if self.hasher.finalize() != self.expected {
            tracing::error!(hash = %self.expected, "held content changed while it was sent");
            return Err(io::Error::new(io::ErrorKind::InvalidData, "held content changed while it was sent"));
        }
        Ok(self.held.map(|chunk| (chunk, None)))
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::keccak256;
    use proptest::prelude::*;

    use super::*;

    fn stored(chunks: &[Vec<u8>]) -> Stored {
        stream::iter(chunks.to_vec()).map(|chunk| Ok(Bytes::from(chunk))).boxed()
    }

    /// What left before the end or the error, and whether it ended well.
    fn sent(expected: B256, chunks: &[Vec<u8>]) -> (Vec<u8>, bool) {
        let mut content = Content::streamed(0, expected, stored(chunks)).stream;
        let mut bytes = Vec::new();
        loop {
            match futures::executor::block_on(content.next()) {
                Some(Ok(chunk)) => bytes.extend_from_slice(&chunk),
                ended => return (bytes, ended.is_none()),
            }
        }
    }

    proptest! {
        #[test]
        fn changed_content_never_leaves_complete(chunks: Vec<Vec<u8>>, other: [u8; 32]) {
            let chunks: Vec<_> = chunks.into_iter().filter(|chunk| !chunk.is_empty()).collect();
            let (bytes, well) = sent(B256::from(other), &chunks);
            prop_assert!(!well);
            prop_assert!(bytes.len() < chunks.concat().len() || chunks.is_empty());
        }

        #[test]
        fn unchanged_content_leaves_complete(chunks: Vec<Vec<u8>>) {
            let whole = chunks.concat();
            prop_assert_eq!(sent(keccak256(&whole), &chunks), (whole, true));
        }

        #[test]
        fn digest_keeps_what_fits_and_hashes_all(chunks: Vec<Vec<u8>>, keep in 0_usize..200) {
            let whole = chunks.concat();
            let (hash, kept) = futures::executor::block_on(digest(stored(&chunks), keep)).expect("no failure");
            prop_assert_eq!(hash, keccak256(&whole));
            prop_assert_eq!(kept.as_deref(), (whole.len() <= keep).then_some(&whole[..]));
        }
    }
}
