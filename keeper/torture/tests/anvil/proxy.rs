//! A JSON-RPC node that fails as a seed says: it stands before a real one.

use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};
use xenon_torture::{Dice, Fault};

/// Of a hundred requests, so many go wrong.
const RATE: u64 = 15;

pub(crate) struct Proxy {
    pub(crate) url: String,
    shared: Shared,
}

#[derive(Clone)]
struct Shared {
    upstream: String,
    client: reqwest::Client,
    state: Arc<Mutex<Fate>>,
}

struct Fate {
    dice: Dice,
    faults: Vec<Fault>,
    /// The newest block as it was told some time ago.
    old_head: Option<Value>,
    befallen: Vec<Fault>,
}

impl Proxy {
    pub(crate) async fn start(upstream: &str, seed: u64) -> Self {
        let fate = Fate { dice: Dice::new(seed, 0), faults: Vec::new(), old_head: None, befallen: Vec::new() };
        let state = Arc::new(Mutex::new(fate));
        let shared = Shared { upstream: upstream.to_owned(), client: reqwest::Client::new(), state };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/", post(serve)).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, shared }
    }

    /// What goes wrong from now on.
    pub(crate) fn suffer(&self, faults: &[Fault]) {
        self.shared.state.lock().unwrap().faults = faults.to_vec();
    }

    /// What has gone wrong.
    pub(crate) fn befallen(&self) -> Vec<Fault> {
        self.shared.state.lock().unwrap().befallen.clone()
    }
}

impl Shared {
    /// What befalls a request.
    fn draw(&self, method: &str) -> Option<Fault> {
        let mut fate = self.state.lock().unwrap();
        let active: Vec<_> = fate.faults.iter().copied().filter(|fault| concerns(*fault, method)).collect();
        // Of the kinds that have not been seen, those come first that few requests can show.
        let unseen = active.iter().copied().find(|fault| !fate.befallen.contains(fault));
        let fault = match unseen {
            Some(fault) if fate.dice.chance(50) => fault,
            _ if active.is_empty() || !fate.dice.chance(RATE) => return None,
            _ => active[fate.dice.index(active.len())],
        };
        fate.befallen.push(fault);
        Some(fault)
    }

    async fn forward(&self, request: &Value) -> Value {
        self.client.post(&self.upstream).json(request).send().await.unwrap().json().await.unwrap()
    }

    /// The newest block, or the one told at the time before the last.
    async fn head(&self, request: &Value, is_stale: bool) -> Value {
        let mut answer = self.forward(request).await;
        let mut fate = self.state.lock().unwrap();
        match fate.old_head.clone().filter(|_| is_stale) {
            Some(old) => answer["result"] = old,
            None => fate.old_head = Some(answer["result"].clone()),
        }
        answer
    }
}

fn concerns(fault: Fault, method: &str) -> bool {
    match fault {
        Fault::LostRequest | Fault::LostReply => true,
        Fault::Duplicate | Fault::AlreadyKnown | Fault::NonceTooLow => method == "eth_sendRawTransaction",
        Fault::MissingLogs => method == "eth_getLogs",
        Fault::StaleHead => method == "eth_getBlockByNumber",
        _ => false,
    }
}

async fn serve(State(shared): State<Shared>, Json(request): Json<Value>) -> Response {
    let method = request["method"].as_str().unwrap();
    let fault = shared.draw(method);
    let refusal = |words: &str| {
        let error = json!({ "code": -32_000, "message": words });
        Json(json!({ "jsonrpc": "2.0", "id": request["id"], "error": error })).into_response()
    };
    let is_head = method == "eth_getBlockByNumber" && request["params"][0] == "latest";
    let answer = match fault {
        Some(Fault::LostRequest) => return StatusCode::BAD_GATEWAY.into_response(),
        _ if is_head => shared.head(&request, fault == Some(Fault::StaleHead)).await,
        _ => shared.forward(&request).await,
    };
    match fault {
        Some(Fault::LostReply) => StatusCode::BAD_GATEWAY.into_response(),
        Some(Fault::Duplicate) => Json(shared.forward(&request).await).into_response(),
        Some(Fault::AlreadyKnown) => refusal("already known"),
        Some(Fault::NonceTooLow) => refusal("nonce too low"),
        Some(Fault::MissingLogs) => Json(without_last_log(answer)).into_response(),
        _ => Json(answer).into_response(),
    }
}

fn without_last_log(mut answer: Value) -> Value {
    if let Some(logs) = answer["result"].as_array_mut() {
        logs.pop();
    }
    answer
}
