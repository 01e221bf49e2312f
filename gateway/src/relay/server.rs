//! The listening relay and the life of its connections.

use std::{
    future::Future,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{JoinError, JoinSet},
    time::{sleep, timeout},
};
use tokio_io_timeout::TimeoutWriter;
use url::Url;

use super::{GatewayError, RelayConfig, RelayLimits, RelaySigner, StoreConfig, content_store::ContentStore, routes};

/// Most bytes that are read ahead on one connection; headers must fit in it.
const CONNECTION_BUFFER: usize = 64 << 10;

/// Pause after a failed accept: out of file descriptors, it would otherwise fail again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

type Connection = http1::Connection<TokioIo<Pin<Box<TimeoutWriter<TcpStream>>>>, TowerToHyperService<Router>>;

/// A relay that listens.
#[derive(Debug)]
pub struct Relay {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    limits: RelayLimits,
    places: Arc<Semaphore>,
}

impl Relay {
    /// Opens the store and listens; connections wait until [`serve`](Self::serve) takes them.
    ///
    /// # Errors
    /// [`GatewayError`] if the configuration contradicts itself, or the directory or the address cannot be used.
    pub async fn bind(config: &RelayConfig) -> Result<Self, GatewayError> {
        Self::open(config, None).await
    }

    /// The same, signing for what it stores. What is signed for must outlast the relay, so it cannot be kept in memory.
    ///
    /// # Errors
    /// [`GatewayError`], as for [`bind`](Self::bind).
    pub async fn bind_signing(config: &RelayConfig, signer: RelaySigner) -> Result<Self, GatewayError> {
        if matches!(config.store, StoreConfig::Memory {}) {
            let reason = "it signs for what it stores and would lose it; give it a directory to keep content in";
            return Err(GatewayError::Config { reason });
        }
        tracing::info!(signer = %signer.address(), "relay signs for what it stores");
        Self::open(config, Some(signer)).await
    }

    async fn open(config: &RelayConfig, signer: Option<RelaySigner>) -> Result<Self, GatewayError> {
        config.check()?;
        let router = routes::router(config, ContentStore::open(&config.store).await?, signer);
        let failed = |source| GatewayError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let places = Arc::new(Semaphore::new(config.limits.connections));
        Ok(Self { listener, address, router, limits: config.limits.clone(), places })
    }

    /// The address listened on, with the port that the system chose.
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Where a client on this machine reaches the relay.
    pub fn url(&self) -> Url {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        http_url(SocketAddr::new(ip, self.address.port()))
    }

    /// Serves until `shutdown` completes, then lets open requests finish for a bounded time.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        tracing::info!(address = %self.address, "relay listens");
        let mut shutdown = pin!(shutdown);
        let open = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                Some(ended) = connections.join_next() => report(ended),
                (stream, place) = self.accept() => {
                    let connection = open.watch(self.connection(stream));
                    connections.spawn(async move {
                        let _place = place;
                        connection.await
                    });
                }
            }
        }
        drop(self.listener);
        if timeout(self.limits.shutdown(), open.shutdown()).await.is_err() {
            tracing::warn!(open = connections.len(), "relay stops while requests are still open");
        }
        connections.shutdown().await;
        tracing::info!(address = %self.address, "relay stopped");
    }

    /// The next connection, once there is a place for it.
    async fn accept(&self) -> (TcpStream, Option<OwnedSemaphorePermit>) {
        // The semaphore is never closed, so there always is a permit.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => return (stream, place),
                Err(error) => tracing::warn!(%error, "a connection was not accepted"),
            }
            sleep(ACCEPT_PAUSE).await;
        }
    }

    /// HTTP/1 on `stream`, given up when the client is silent for too long in a request or does not take an answer.
    fn connection(&self, stream: TcpStream) -> Connection {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "small answers may be delayed");
        }
        let mut stream = TimeoutWriter::new(stream);
        stream.set_timeout(Some(self.limits.silence()));
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.silence())
            .max_buf_size(CONNECTION_BUFFER)
            .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(self.router.clone()))
    }
}

fn http_url(address: SocketAddr) -> Url {
    #[expect(clippy::expect_used, reason = "a socket address is always a valid authority")]
    Url::parse(&format!("http://{address}")).expect("a socket address is a valid authority")
}

/// A connection that broke is the client's affair; a panic is a defect of this program.
fn report(ended: Result<hyper::Result<()>, JoinError>) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "connection broke"),
        Err(error) => tracing::error!(%error, "a request ended in a panic"),
    }
}
