//! A JSON-RPC node that misbehaves on demand: it stands before a real one, or alone.

use std::sync::{Arc, Mutex};

use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::post};
use serde_json::{Value, json};

/// What is done with a request.
pub(crate) enum Conduct {
    /// Passed on to the real node.
    Forward,
    /// Passed on, and the answer is lost.
    Lose,
    /// Refused with an HTTP status, not passed on.
    Status(u16),
    /// Answered with this result.
    Answer(Value),
    /// Answered with this JSON-RPC error.
    Error(Value),
    /// Answered with text that is no JSON.
    Babble,
}

/// Decides from the method and how often it was asked before.
type Rule = dyn Fn(&str, usize) -> Conduct + Send + Sync;

pub(crate) struct Proxy {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone)]
struct Shared {
    upstream: String,
    rule: Arc<Rule>,
    asked: Arc<Mutex<Vec<String>>>,
    client: reqwest::Client,
}

impl Proxy {
    pub(crate) async fn start(upstream: &str, rule: impl Fn(&str, usize) -> Conduct + Send + Sync + 'static) -> Self {
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let shared = Shared {
            upstream: upstream.to_owned(),
            rule: Arc::new(rule),
            asked: asked.clone(),
            client: reqwest::Client::new(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/", post(serve)).with_state(shared);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, asked }
    }

    /// How often a method was asked.
    pub(crate) fn count(&self, method: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| *asked == method).count()
    }
}

impl Shared {
    fn conduct(&self, method: &str) -> Conduct {
        let mut asked = self.asked.lock().unwrap();
        let before = asked.iter().filter(|earlier| *earlier == method).count();
        asked.push(method.to_owned());
        (self.rule)(method, before)
    }

    async fn forward(&self, request: &Value) -> Value {
        self.client.post(&self.upstream).json(request).send().await.unwrap().json().await.unwrap()
    }
}

async fn serve(State(shared): State<Shared>, Json(request): Json<Value>) -> axum::response::Response {
    let reply =
        |field: &str, value| Json(json!({ "jsonrpc": "2.0", "id": request["id"], field: value })).into_response();
    match shared.conduct(request["method"].as_str().unwrap()) {
        Conduct::Forward => Json(shared.forward(&request).await).into_response(),
        Conduct::Lose => {
            shared.forward(&request).await;
            StatusCode::BAD_GATEWAY.into_response()
        }
        Conduct::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Conduct::Answer(result) => reply("result", result),
        Conduct::Error(error) => reply("error", error),
        Conduct::Babble => "<html>It works!</html>".into_response(),
    }
}
