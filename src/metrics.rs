//! Metrics over HTTP, in the form that Prometheus reads: what node and keeper share.

use std::{net::SocketAddr, sync::atomic::AtomicU64};

use axum::{
    Router,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use prometheus_client::{encoding::text::encode, metrics::gauge::Gauge, registry::Registry};
use tokio::{net::TcpListener, sync::watch};

use crate::error::CliError;

/// What Prometheus asks for as content type of this form.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A gauge of a number with decimal places.
pub(crate) type FloatGauge = Gauge<f64, AtomicU64>;

/// The metrics as text.
pub(crate) fn text(registry: &Registry) -> String {
    let mut text = String::new();
    if let Err(error) = encode(&mut text, registry) {
        tracing::error!(%error, "the metrics could not be written down");
    }
    text
}

/// The answer that holds them.
pub(crate) fn answer(text: String) -> Response {
    ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response()
}

/// Listens for whoever collects the metrics.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, CliError> {
    let failed = |error: std::io::Error| CliError::Metrics { address, reason: error.to_string() };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    tracing::info!(address = %listener.local_addr().map_err(failed)?, "serving metrics");
    Ok(listener)
}

/// Answers until `stopped` turns true.
pub(crate) async fn serve(listener: TcpListener, router: Router, mut stopped: watch::Receiver<bool>) {
    let shutdown = async move { drop(stopped.wait_for(|stop| *stop).await) };
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(shutdown).await {
        tracing::error!(%error, "metrics are not served any more");
    }
}
