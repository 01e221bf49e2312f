use std::fmt;

/// A kind of misfortune.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A request does not arrive.
    LostRequest,
    /// A request takes effect and its answer does not arrive.
    LostReply,
    /// A transaction is accepted and reaches the pool some blocks later.
    Delay,
    /// A transaction arrives twice; the answer is the second one's.
    Duplicate,
    /// A node that has the transaction already says so, and whether it is in a block it does not say.
    AlreadyKnown,
    /// A node that has just taken a transaction in says that its nonce is used up.
    NonceTooLow,
    /// A node shows a state some blocks old.
    StaleHead,
    /// A node leaves logs out.
    MissingLogs,
    /// A keeper is not woken: its subscription is dead.
    Deaf,
    /// The newest 1 to 12 blocks are replaced.
    Reorg,
    /// Gas costs up to sixty times as much for some blocks.
    GasSpike,
    /// A pool forgets a transaction.
    Forgotten,
    /// A keeper is killed at one of its await points and started again.
    Crash,
    /// A keeper is killed and started again with an empty journal.
    LostJournal,
    /// Two or three keepers work at once, and one of them may die for good.
    Rivals,
    /// Two keepers use one key.
    SharedKey,
}

impl Fault {
    /// All kinds.
    pub const ALL: [Self; 16] = [
        Self::LostRequest,
        Self::LostReply,
        Self::Delay,
        Self::Duplicate,
        Self::AlreadyKnown,
        Self::NonceTooLow,
        Self::StaleHead,
        Self::MissingLogs,
        Self::Deaf,
        Self::Reorg,
        Self::GasSpike,
        Self::Forgotten,
        Self::Crash,
        Self::LostJournal,
        Self::Rivals,
        Self::SharedKey,
    ];

    /// Those that befall a transaction that is handed over.
    pub(crate) const OF_SENDS: [Self; 7] = [
        Self::LostRequest,
        Self::LostReply,
        Self::Delay,
        Self::Duplicate,
        Self::AlreadyKnown,
        Self::NonceTooLow,
        Self::Forgotten,
    ];

    /// Those that befall a read.
    pub(crate) const OF_READS: [Self; 3] = [Self::LostRequest, Self::StaleHead, Self::MissingLogs];
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LostRequest => "lost request",
            Self::LostReply => "lost reply",
            Self::Delay => "delay",
            Self::Duplicate => "duplicate",
            Self::AlreadyKnown => "already known",
            Self::NonceTooLow => "nonce too low",
            Self::StaleHead => "stale head",
            Self::MissingLogs => "missing logs",
            Self::Deaf => "dead subscription",
            Self::Reorg => "reorganisation",
            Self::GasSpike => "gas spike",
            Self::Forgotten => "forgotten transaction",
            Self::Crash => "crash",
            Self::LostJournal => "lost journal",
            Self::Rivals => "rivals",
            Self::SharedKey => "shared key",
        })
    }
}
