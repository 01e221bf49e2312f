//! What a running keeper serves: metrics, health, readiness and its report.

use std::{net::SocketAddr, time::Duration};

use alloy::primitives::U256;
use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use eyre::Result;
use serde_json::json;
use tokio::{sync::watch, time::sleep};
use xenon_keeper::Endpoints;
use xenon_protocol::{
    chain::{Chain, ChainError, Mempool, TypedChain as _},
    contracts::Task,
};

use super::{
    health::{Check, health, ready},
    report::Reporter,
};
use crate::{beside::end, metrics};

/// Pause between two looks at the account's money.
const PAUSE: Duration = Duration::from_secs(10);

/// Serves what the keeper tells the reporter while it works, if it was given an address to do so.
pub(crate) async fn attend<C: Mempool>(
    address: Option<SocketAddr>,
    reporter: Reporter,
    chain: Endpoints<C>,
    work: impl Future<Output = Result<()>>,
) -> Result<()> {
    let Some(address) = address else { return work.await };
    let listener = metrics::bind(address).await?;
    let (stop, stopped) = watch::channel(false);
    let server = tokio::spawn(metrics::serve(listener, router(reporter.clone()), stopped.clone()));
    let accountant = tokio::spawn(watch_account(chain, reporter, stopped));
    let outcome = work.await;
    // Both end with the keeper; what they still had to say is not worth an error.
    let _ = stop.send(true);
    end(server).await;
    end(accountant).await;
    outcome
}

fn router(reporter: Reporter) -> Router {
    Router::new()
        .route("/metrics", get(|State(reporter): State<Reporter>| async move { metrics::answer(reporter.metrics()) }))
        .route("/health", get(|State(reporter): State<Reporter>| async move { verdict(&health(&reporter.report())) }))
        .route("/ready", get(|State(reporter): State<Reporter>| async move { verdict(&ready(&reporter.report())) }))
        .route("/status", get(|State(reporter): State<Reporter>| async move { Json(reporter.report()) }))
        .with_state(reporter)
}

/// 200 if all is well, 503 otherwise, with every check.
fn verdict(checks: &[Check]) -> Response {
    let is_well = checks.iter().all(Check::is_well);
    let status = if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ok": is_well, "checks": checks }))).into_response()
}

/// Looks at what the account has, and at how the endpoints do, again and again, until `stopped` turns true.
async fn watch_account<C: Mempool>(chain: Endpoints<C>, reporter: Reporter, mut stopped: watch::Receiver<bool>) {
    loop {
        reporter.note_endpoints(chain.standing());
        match money(&chain, &reporter).await {
            Ok((balance, credit)) => reporter.note_money(balance, credit),
            Err(error) => tracing::debug!(%error, "balance and credit could not be read"),
        }
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => break,
            () = sleep(PAUSE) => {}
        }
    }
}

async fn money<C: Chain>(chain: &C, reporter: &Reporter) -> Result<(U256, U256), ChainError> {
    let account = reporter.account();
    let credit = chain.view(reporter.contract(), &Task::creditOfCall { account }).await?;
    Ok((chain.balance(account).await?, credit))
}

#[cfg(test)]
mod tests;
