use alloy::primitives::{Address, B256};
use xenon_keeper::{
    Keeper, KeeperError, Policy, View, Wallet,
    journal::{Identity, Journal},
};
use xenon_protocol::{chain::Signer as _, deployment::Deployment};

use crate::{
    link::{Key, Link},
    run::config,
    subject::Subject,
};

/// The keeper that operators run.
#[derive(Debug)]
pub struct Real {
    keeper: Keeper<Link, Key>,
}

impl Subject for Real {
    type Journal = Journal;

    fn journal(key: &Key, contracts: &Deployment) -> Journal {
        journal_in_memory(contracts, key.address())
    }

    fn start(key: Key, link: Link, contracts: Deployment, journal: &Journal) -> Self {
        let wallet = Wallet::new(link, key, journal.clone());
        Self { keeper: Keeper::new(wallet, contracts, Policy::default(), config()) }
    }

    async fn step(&mut self) -> Result<(), KeeperError> {
        self.keeper.step().await.map(drop)
    }

    fn view(&self) -> &View {
        self.keeper.view()
    }
}

/// An empty journal of a key that ends with its last handle.
///
/// # Panics
/// There is no memory for it.
pub fn journal_in_memory(contracts: &Deployment, key: Address) -> Journal {
    Journal::in_memory(&Identity::new(contracts.chain_id, B256::ZERO, contracts.task, key)).unwrap()
}
