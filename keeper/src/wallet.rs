use alloy::primitives::Address;
use xenon_protocol::chain::{Mempool, Signer};

use crate::journal::Journal;

/// What a keeper sends with: the key, where to, and the journal of what was sent with it.
///
/// One key has one owner: the journal is locked, and nothing else may send from the key.
#[derive(Clone, Debug)]
pub struct Wallet<C, S> {
    /// Where transactions are sent to, and looked up.
    pub chain: C,
    /// The key.
    pub signer: S,
    /// What was signed with it.
    pub journal: Journal,
}

impl<C: Mempool, S: Signer> Wallet<C, S> {
    /// A wallet. The journal must be that of the signer's address on this chain.
    pub const fn new(chain: C, signer: S, journal: Journal) -> Self {
        Self { chain, signer, journal }
    }

    /// The address that sends and pays.
    pub fn address(&self) -> Address {
        self.signer.address()
    }
}
