//! What a keeper of the settings sends with: its key, its journal, and several nodes as one chain.

use std::{path::Path, sync::Arc, time::Duration};

use tokio::{sync::Notify, task::JoinSet, time::sleep};
use url::Url;
use xenon_keeper::{Endpoints, Wallet};
use xenon_protocol::chain::{ChainError, Endpoint, HeadSubscription, RpcChain, Signer as _};

use crate::{
    network::{Network, keeper_journal},
    settings::Settings,
    wallet::{self, Key},
};

/// Silence after which a subscription is renewed. Blocks are never so far apart where a keeper is of use.
const SILENCE: Duration = Duration::from_mins(1);

/// Pause before a node that could not be reached at the start is tried again.
const PAUSE: Duration = Duration::from_secs(15);

/// A wallet, and what goes on beside it.
#[derive(Debug)]
pub(crate) struct KeeperWallet {
    /// The wallet.
    pub(crate) wallet: Wallet<Endpoints<RpcChain>, Key>,
    /// Notified when there may be a new block.
    pub(crate) wake: Arc<Notify>,
    /// Subscriptions, and nodes that are not there yet; they end with this.
    #[expect(dead_code, reason = "it is held for what its end does")]
    tasks: JoinSet<()>,
}

/// The wallet of the settings, with its journal in `folder`.
pub(crate) async fn open(network: &Network, settings: &Settings, folder: &Path) -> eyre::Result<KeeperWallet> {
    settings.keeper.endpoints.check()?;
    let key = wallet::key(&settings.wallet).await?;
    let (wake, mut tasks) = (Arc::new(Notify::new()), JoinSet::new());
    let first = network.chain.endpoint().clone();
    let endpoints = Endpoints::new(first, network.chain.clone(), settings.keeper.endpoints);
    let urls = std::iter::once(&settings.chain.rpc).chain(&settings.keeper.rpc_urls);
    for url in urls.clone().filter(|url| url.starts_with("ws")) {
        tasks.spawn(HeadSubscription::new(url, SILENCE)?.announce(wake.clone()));
    }
    for url in urls.skip(1) {
        url.parse::<Url>().map_err(|error| ChainError::InvalidEndpoint { reason: error.to_string() })?;
        tasks.spawn(join(endpoints.clone(), url.clone(), network.contracts.chain_id));
    }
    let journal = keeper_journal(&network.chain, &network.contracts, folder, key.address()).await?;
    Ok(KeeperWallet { wallet: Wallet::new(endpoints, key, journal), wake, tasks })
}

/// Adds a node once it can be reached. One of another chain never is.
async fn join(endpoints: Endpoints<RpcChain>, url: String, chain_id: u64) {
    let endpoint = url.parse::<Url>().map_or_else(|_| Endpoint::local("an endpoint"), |url| Endpoint::from(&url));
    loop {
        match RpcChain::connect(&url, Some(chain_id)).await {
            Ok(chain) => {
                if let Err(error) = endpoints.add(endpoint, chain) {
                    tracing::error!(code = error.code(), %error, "not used");
                }
                return;
            }
            Err(error @ (ChainError::WrongChain { .. } | ChainError::InvalidEndpoint { .. })) => {
                tracing::error!(code = error.code(), %error, "not used");
                return;
            }
            Err(error) => tracing::warn!(code = error.code(), %error, "tried again later"),
        }
        sleep(PAUSE).await;
    }
}
