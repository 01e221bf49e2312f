use alloy::{
    primitives::{Address, B256, Bytes},
    sol_types::{SolEvent, SolEventInterface},
};

/// An event a contract emitted, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventLog {
    /// The contract that emitted it.
    pub address: Address,
    /// The event's signature hash, then its indexed arguments.
    pub topics: Vec<B256>,
    /// The arguments that are not indexed, ABI-encoded.
    pub data: Bytes,
    /// The block it is in.
    pub block_number: u64,
    /// That block's hash.
    pub block_hash: B256,
    /// The transaction it came from.
    pub transaction_hash: B256,
    /// Its position among the logs of the block.
    pub log_index: u64,
}

impl EventLog {
    /// The event as `E`, or `None` if it is another event.
    pub fn decode<E: SolEvent>(&self) -> Option<E> {
        E::decode_raw_log(self.topics.iter().copied(), &self.data).ok()
    }

    /// The event as one of a contract's events, or `None` if the contract has no such event.
    pub fn decode_any<I: SolEventInterface>(&self) -> Option<I> {
        I::decode_raw_log(&self.topics, &self.data).ok()
    }
}

/// Which logs to return. Both block bounds are included; an empty list means no restriction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// Emitting contracts, any of these.
    pub addresses: Vec<Address>,
    /// Event signature hashes, any of these.
    pub topic0: Vec<B256>,
    /// First indexed arguments, any of these.
    pub topic1: Vec<B256>,
    /// First block.
    pub from_block: u64,
    /// Last block.
    pub to_block: u64,
}

impl LogFilter {
    /// All events of the given contracts in a range of blocks.
    pub fn of(addresses: impl IntoIterator<Item = Address>, from_block: u64, to_block: u64) -> Self {
        Self { addresses: addresses.into_iter().collect(), from_block, to_block, ..Self::default() }
    }

    /// Restricts the filter to one more event.
    #[must_use]
    pub fn event<E: SolEvent>(mut self) -> Self {
        self.topic0.push(E::SIGNATURE_HASH);
        self
    }

    /// Restricts the filter to events whose first indexed argument is `argument`.
    #[must_use]
    pub fn about(mut self, argument: B256) -> Self {
        self.topic1.push(argument);
        self
    }

    /// Whether a log is one the filter asks for.
    pub fn matches(&self, log: &EventLog) -> bool {
        (self.from_block..=self.to_block).contains(&log.block_number)
            && (self.addresses.is_empty() || self.addresses.contains(&log.address))
            && is_any_of(&self.topic0, log.topics.first())
            && is_any_of(&self.topic1, log.topics.get(1))
    }
}

fn is_any_of(wanted: &[B256], topic: Option<&B256>) -> bool {
    wanted.is_empty() || topic.is_some_and(|topic| wanted.contains(topic))
}
