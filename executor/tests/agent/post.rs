//! The way from an agent to a relay, on which the agent may be killed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use alloy::primitives::B256;
use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::StatusCode,
    routing::get,
};
use tokio::{net::TcpListener, sync::Notify};
use url::Url;
use xenon_protocol::relay::{RelayClient, RelayError, StoredBody};

use crate::link::Moment;

/// What the agent asks of the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    /// Content, by its hash.
    Get,
    /// To keep content.
    Put,
}

/// A postman in front of a relay.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    relay: RelayClient,
    doom: Arc<Mutex<Option<(Errand, Moment)>>>,
    died: Arc<Notify>,
}

impl Post {
    /// A postman, and where he is found.
    pub(crate) async fn to(relay: &RelayClient) -> (Self, Url) {
        let post = Self { relay: relay.clone(), doom: Arc::default(), died: Arc::default() };
        let content = get(Self::fetch).put(Self::keep);
        let router = Router::new().route("/v1/content/{hash}", content).with_state(post.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(async { axum::serve(listener, router).await });
        (post, url)
    }

    /// Kills the agent at its next errand of this kind.
    pub(crate) fn kill_at(&self, errand: Errand, moment: Moment) {
        *self.doom.lock().unwrap() = Some((errand, moment));
    }

    /// Completes when the agent has been killed.
    pub(crate) async fn died(&self) {
        self.died.notified().await;
    }

    async fn pass<T>(&self, errand: Errand, deed: impl Future<Output = T>) -> T {
        let doom = self.doom.lock().unwrap().take_if(|(doomed, _)| *doomed == errand);
        let outcome = match doom {
            None => return deed.await,
            Some((_, Moment::After)) => Some(deed.await),
            Some(_) => None,
        };
        self.died.notify_one();
        drop(outcome);
        std::future::pending().await
    }

    async fn fetch(State(post): State<Self>, Path(hash): Path<B256>) -> Result<Bytes, StatusCode> {
        let content = post.pass(Errand::Get, post.relay.get(hash, 1 << 20)).await;
        content.map_err(|_| StatusCode::NOT_FOUND)
    }

    async fn keep(
        State(post): State<Self>,
        Query(query): Query<BTreeMap<String, u64>>,
        content: Bytes,
    ) -> Result<Json<StoredBody>, StatusCode> {
        let stored = async {
            match query.get("task") {
                Some(task) => {
                    let (hash, signature) = post.relay.put_signed(content, *task).await?;
                    Ok::<_, RelayError>(StoredBody { hash, signature: Some(signature) })
                }
                None => Ok(StoredBody { hash: post.relay.put(content).await?, signature: None }),
            }
        };
        post.pass(Errand::Put, stored).await.map(Json).map_err(|_| StatusCode::BAD_GATEWAY)
    }
}
