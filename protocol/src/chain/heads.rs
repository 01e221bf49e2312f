//! Who says that there is a new block.

use std::{sync::Arc, time::Duration};

use alloy::{
    providers::{Provider as _, RootProvider},
    rpc::types::Header,
};
use futures::StreamExt as _;
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use url::Url;

use super::{ChainError, Endpoint, RpcSettings, fault::fault, transport};

/// A subscription to the heads of a node behind a WebSocket.
///
/// It wakes and tells nothing: what a block holds is read as always, and who is never woken looks by himself. So a
/// subscription that died unnoticed costs time and no more.
#[derive(Clone, Debug)]
pub struct HeadSubscription {
    url: Url,
    settings: RpcSettings,
    silence: Duration,
}

impl HeadSubscription {
    /// A subscription at a `ws` or `wss` URL. It is taken to be dead, and renewed, after so much silence.
    ///
    /// # Errors
    /// [`ChainError::InvalidEndpoint`] for any other URL.
    pub fn new(url: &str, silence: Duration) -> Result<Self, ChainError> {
        let url = transport::parse(url)?;
        if !transport::is_websocket(&url) {
            return Err(ChainError::InvalidEndpoint { reason: format!("{} is not ws or wss", url.scheme()) });
        }
        Ok(Self { url, settings: RpcSettings::default(), silence })
    }

    /// Notifies of every new block, for ever: a subscription that ends, or is silent, is renewed.
    pub async fn announce(self, wake: Arc<Notify>) {
        let endpoint = Endpoint::from(&self.url);
        loop {
            match self.listen(&endpoint, &wake).await {
                Ok(()) => {
                    tracing::info!(code = "XP-314", %endpoint, "the subscription is silent or has ended: renewed");
                }
                Err(error) => tracing::debug!(code = error.code(), %error, "no subscription"),
            }
            // There may have been blocks meanwhile.
            wake.notify_one();
            sleep(self.settings.retry_pause).await;
        }
    }

    /// Notifies until the subscription ends or is silent.
    async fn listen(&self, endpoint: &Endpoint, wake: &Notify) -> Result<(), ChainError> {
        let provider: RootProvider = RootProvider::new(transport::websocket(&self.url, self.settings).await?);
        let subscribed = transport::bounded(async { provider.subscribe_blocks().await }, self.settings).await;
        let mut heads = subscribed.map_err(|error| fault(endpoint, "eth_subscribe", &error))?.into_stream();
        while let Ok(Some(Header { .. })) = timeout(self.silence, heads.next()).await {
            wake.notify_one();
        }
        Ok(())
    }
}
