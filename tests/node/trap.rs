//! Lines from nodes to the chain and the relay, on which a node is killed by the kernel at a chosen moment.

use std::{
    future::pending,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use alloy::{hex, transports::http::reqwest};
use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::Request,
    http::{Method, header},
    response::Response,
};
use tokio::net::TcpListener;

use super::kill;

/// Larger than anything that a node sends.
const LIMIT: usize = 16 << 20;

/// When a node is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// When it has sent, and nobody has heard.
    Before,
    /// When it was heard, and the node does not know.
    InFlight,
    /// When the transaction is in a block, and the node does not know.
    InBlock,
}

/// At what a node is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bait {
    /// A transaction with this selector.
    Call([u8; 4]),
    /// A request to the relay.
    Errand(Errand),
}

/// What a node asks of the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    Get,
    Store,
}

/// A node that was killed.
#[derive(Clone, Debug)]
pub(super) struct Catch {
    /// Its number.
    pub(super) node: usize,
    /// What it had sent, as text.
    pub(super) sent: String,
}

#[derive(Default)]
struct State {
    bait: Option<(Bait, Moment)>,
    /// The node whose transaction is awaited in a block.
    awaited: Option<Catch>,
    caught: Option<Catch>,
}

/// Set for all nodes: the first that takes the bait is killed, and the others are let through.
#[derive(Clone, Default)]
pub(super) struct Trap(Arc<Mutex<State>>);

impl Trap {
    pub(super) fn set(&self, bait: Bait, moment: Moment) {
        *self.0.lock().unwrap() = State { bait: Some((bait, moment)), ..State::default() };
    }

    pub(super) fn caught(&self) -> Option<Catch> {
        self.0.lock().unwrap().caught.clone()
    }

    /// Whether this is the bait; it is taken once.
    fn takes(&self, node: usize, method: &Method, sent: &str) -> Option<Moment> {
        let mut state = self.0.lock().unwrap();
        let (bait, moment) = state.bait?;
        let is_taken = match bait {
            Bait::Call(selector) => sent.contains("eth_sendRawTransaction") && sent.contains(&hex::encode(selector)),
            Bait::Errand(Errand::Get) => method == Method::GET && !sent.contains("jsonrpc"),
            Bait::Errand(Errand::Store) => [Method::PUT, Method::POST].contains(method) && !sent.contains("jsonrpc"),
        };
        if !is_taken {
            return None;
        }
        state.bait = None;
        state.awaited = Some(Catch { node, sent: sent.to_owned() });
        Some(moment)
    }

    /// Whether this answer says that the awaited transaction is in a block.
    fn is_in_block(&self, node: usize, sent: &str, answer: &str) -> bool {
        let state = self.0.lock().unwrap();
        let is_awaited = state.caught.is_none() && state.awaited.as_ref().is_some_and(|catch| catch.node == node);
        is_awaited && sent.contains("eth_getTransactionReceipt") && answer.contains("blockHash")
    }

    fn close(&self) {
        let mut state = self.0.lock().unwrap();
        state.caught = state.awaited.take();
    }
}

/// One node's lines.
#[derive(Clone)]
pub(super) struct Line {
    trap: Trap,
    node: usize,
    /// The process that is killed.
    pid: Arc<AtomicU32>,
    to: String,
}

impl Line {
    /// A line of node `node` to a server; the address at which it is reached.
    pub(super) async fn open(trap: &Trap, node: usize, pid: &Arc<AtomicU32>, to: &str) -> SocketAddr {
        let line = Self { trap: trap.clone(), node, pid: pid.clone(), to: to.trim_end_matches('/').to_owned() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(move |request: Request| {
            let line = line.clone();
            async move { line.pass(request).await }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    async fn pass(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, LIMIT).await.unwrap();
        let sent = String::from_utf8_lossy(&body).into_owned();
        let moment = self.trap.takes(self.node, &parts.method, &sent);
        if moment == Some(Moment::Before) {
            return self.kill().await;
        }
        let answer = self.ask(&parts, body).await;
        let (head, body) = answer.into_parts();
        let body = to_bytes(body, LIMIT).await.unwrap();
        let is_in_block = self.trap.is_in_block(self.node, &sent, &String::from_utf8_lossy(&body));
        if moment == Some(Moment::InFlight) || is_in_block {
            return self.kill().await;
        }
        Response::from_parts(head, Body::from(body))
    }

    async fn ask(&self, parts: &axum::http::request::Parts, body: Bytes) -> Response {
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = reqwest::Client::new().request(parts.method.clone(), format!("{}{path}", self.to));
        for name in [header::CONTENT_TYPE, header::ACCEPT] {
            if let Some(value) = parts.headers.get(&name) {
                request = request.header(name, value);
            }
        }
        let answer = request.body(body).send().await.unwrap();
        let mut response = Response::builder().status(answer.status());
        if let Some(kind) = answer.headers().get(header::CONTENT_TYPE) {
            response = response.header(header::CONTENT_TYPE, kind);
        }
        response.body(Body::from(answer.bytes().await.unwrap())).unwrap()
    }

    /// Kills the node, which therefore gets no answer.
    async fn kill(&self) -> Response {
        kill(self.pid.load(Ordering::SeqCst));
        self.trap.close();
        pending().await
    }
}
