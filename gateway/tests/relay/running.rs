//! A relay that runs for one test, and raw connections to it.

use std::{net::SocketAddr, path::Path, time::Duration};

use reqwest::{Method, Response, StatusCode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};
use xenon_gateway::relay::{Relay, RelayConfig, RelaySigner, StoreConfig};
use xenon_protocol::relay::{ErrorBody, RelayClient};

/// Longer than anything here takes; what is still missing then is not coming.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) client: RelayClient,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

pub(crate) fn memory() -> RelayConfig {
    RelayConfig::new(([127, 0, 0, 1], 0).into(), StoreConfig::Memory {})
}

pub(crate) fn directory(path: &Path) -> RelayConfig {
    RelayConfig { store: StoreConfig::Directory { path: path.to_owned() }, ..memory() }
}

pub(crate) fn small(max_bytes: u64) -> RelayConfig {
    RelayConfig { max_bytes, ..memory() }
}

impl Running {
    pub(crate) async fn start(config: &RelayConfig) -> Self {
        Self::serve(Relay::bind(config).await.unwrap())
    }

    pub(crate) async fn start_signing(config: &RelayConfig, signer: RelaySigner) -> Self {
        Self::serve(Relay::bind_signing(config, signer).await.unwrap())
    }

    fn serve(relay: Relay) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (address, client) = (relay.local_addr(), RelayClient::new(relay.url()).unwrap());
        let served = tokio::spawn(relay.serve(async { stopped.await.unwrap() }));
        Self { address, client, stop, served }
    }

    /// Tells the relay to stop; the handle ends when it has.
    pub(crate) fn stop(self) -> JoinHandle<()> {
        self.stop.send(()).unwrap();
        self.served
    }

    pub(crate) async fn stopped(self) {
        timeout(PATIENCE, self.stop()).await.expect("the relay stops").unwrap();
    }

    pub(crate) async fn request(&self, method: Method, path: &str, body: impl Into<reqwest::Body>) -> Response {
        let url = format!("http://{}{path}", self.address);
        reqwest::Client::new().request(method, url).body(body).send().await.unwrap()
    }

    pub(crate) async fn status(&self, method: Method, path: &str) -> StatusCode {
        self.request(method, path, "").await.status()
    }

    pub(crate) async fn connect(&self) -> Raw {
        Raw(TcpStream::connect(self.address).await.unwrap())
    }

    /// A connection that takes in little before the test reads from it.
    pub(crate) async fn connect_narrow(&self) -> Raw {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        Raw(socket.connect(self.address).await.unwrap())
    }
}

/// The status and the code of a refusal.
pub(crate) async fn refusal(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    (status, response.json::<ErrorBody>().await.expect("a typed error").code)
}

/// A connection on which a test says exactly what it wants, and when.
pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    pub(crate) async fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Begins an upload of `declared` bytes, and returns once the relay waits for them.
    pub(crate) async fn begin_upload(&mut self, declared: u64) {
        self.say(&format!(
            "POST /v1/content HTTP/1.1\r\nHost: relay\r\nExpect: 100-continue\r\nContent-Length: {declared}\r\n\r\n"
        ))
        .await;
        assert_eq!(self.head().await, "HTTP/1.1 100 Continue");
    }

    /// The status line of the next answer, read with all of its headers and without its body.
    pub(crate) async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(PATIENCE, self.0.read_u8()).await.expect("an answer").unwrap());
        }
        String::from_utf8(head).unwrap().lines().next().unwrap().to_owned()
    }

    /// All that the relay says until it closes the connection.
    pub(crate) async fn rest(&mut self) -> String {
        let mut all = Vec::new();
        // A reset ends the connection as well as a close does.
        let _ = timeout(PATIENCE, self.0.read_to_end(&mut all)).await.expect("the relay closes the connection");
        String::from_utf8(all).unwrap()
    }
}
