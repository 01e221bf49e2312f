//! Receiving content from strangers, within bounds.

use std::{sync::Arc, time::Duration};

use alloy::primitives::{B256, Keccak256};
use axum::body::{Body, BodyDataStream, HttpBody};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{RelayConfig, refusal::Refusal};

/// A complete upload. Its bytes count as buffered until it is dropped.
pub(super) struct Upload {
    pub(super) hash: B256,
    pub(super) content: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

/// Receives uploads; all that are unfinished share one bound on memory.
pub(super) struct Receiver {
    room: Arc<Semaphore>,
    max_bytes: u64,
    silence: Duration,
    limit: Duration,
}

impl Receiver {
    pub(super) fn new(config: &RelayConfig) -> Self {
        let limits = &config.limits;
        let room = usize::try_from(limits.buffered_bytes).unwrap_or(Semaphore::MAX_PERMITS);
        let room = Arc::new(Semaphore::new(room.min(Semaphore::MAX_PERMITS)));
        Self { room, max_bytes: config.max_bytes, silence: limits.silence(), limit: limits.upload() }
    }

    /// The whole body and its hash.
    pub(super) async fn receive(&self, body: Body) -> Result<Upload, Refusal> {
        timeout(self.limit, self.receive_untimed(body)).await.unwrap_or(Err(Refusal::TooSlow))
    }

    async fn receive_untimed(&self, body: Body) -> Result<Upload, Refusal> {
        let declared = body.size_hint().lower();
        let mut stream = body.into_data_stream();
        let outcome = if declared > self.max_bytes { Err(self.too_large()) } else { self.collect(&mut stream).await };
        if matches!(outcome, Err(Refusal::TooLarge { .. } | Refusal::Busy))
            && declared <= self.max_bytes.saturating_mul(2)
        {
            self.discard(stream).await;
        }
        outcome
    }

    async fn collect(&self, stream: &mut BodyDataStream) -> Result<Upload, Refusal> {
        let mut partial = Partial::default();
        while let Some(chunk) = self.next(stream).await? {
            if (partial.bytes.len() + chunk.len()) as u64 > self.max_bytes {
                return Err(self.too_large());
            }
            partial.add(&chunk, &self.room)?;
        }
        Ok(partial.complete())
    }

    async fn next(&self, stream: &mut BodyDataStream) -> Result<Option<Bytes>, Refusal> {
        let chunk = timeout(self.silence, stream.next()).await.map_err(|_| Refusal::TooSlow)?;
        chunk.transpose().map_err(|_| Refusal::Incomplete)
    }

    /// Reads on for a while after a refusal: a connection closed with unread data is reset, and the client would see
    /// that instead of the answer.
    async fn discard(&self, mut stream: BodyDataStream) {
        let mut left = self.max_bytes;
        while let Ok(Some(chunk)) = self.next(&mut stream).await {
            match left.checked_sub(chunk.len() as u64) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    }

    const fn too_large(&self) -> Refusal {
        Refusal::TooLarge { max_bytes: self.max_bytes }
    }
}

/// An upload under way, hashed as it arrives.
#[derive(Default)]
struct Partial {
    bytes: BytesMut,
    hasher: Keccak256,
    room: Option<OwnedSemaphorePermit>,
}

impl Partial {
    fn add(&mut self, chunk: &Bytes, room: &Arc<Semaphore>) -> Result<(), Refusal> {
        let size = u32::try_from(chunk.len()).map_err(|_| Refusal::Busy)?;
        let permit = Arc::clone(room).try_acquire_many_owned(size).map_err(|_| Refusal::Busy)?;
        match &mut self.room {
            Some(held) => held.merge(permit),
            None => self.room = Some(permit),
        }
        self.bytes.extend_from_slice(chunk);
        self.hasher.update(chunk);
        Ok(())
    }

    fn complete(self) -> Upload {
        Upload { hash: self.hasher.finalize(), content: self.bytes.freeze(), _room: self.room }
    }
}
