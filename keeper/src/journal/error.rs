use std::path::PathBuf;

/// Why the journal is of no use. A keeper without one sends nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// Another keeper has it open.
    #[error("XK-101: another keeper uses this key ({}): stop it, or give this one a key of its own", path.display())]
    InUse {
        /// The journal.
        path: PathBuf,
    },
    /// It belongs to another key or another network.
    #[error("XK-102: the journal {} is that of {found}, not of {expected}: name another folder", path.display())]
    OfAnother {
        /// The journal.
        path: PathBuf,
        /// Whose it should be.
        expected: String,
        /// Whose it is.
        found: String,
    },
    /// It cannot be read as what it should be.
    #[error(
        "XK-103: the journal {} is damaged ({reason}): move it away; the keeper then waits for what is in flight before it sends", path.display()
    )]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It cannot be written or opened.
    #[error("XK-104: the journal {} cannot be used ({reason}): check the disk and the rights of the folder", path.display())]
    Unusable {
        /// The journal.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A change that the life of an intent does not have. This is a defect of the keeper.
    #[error("XK-105: intent {intent} cannot go from {from} to {to}: report this as a defect of the keeper")]
    Impossible {
        /// The intent's number.
        intent: u64,
        /// Its stage.
        from: &'static str,
        /// The stage that was asked for.
        to: &'static str,
    },
}

impl JournalError {
    /// The stable code of this error, for logs and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InUse { .. } => "XK-101",
            Self::OfAnother { .. } => "XK-102",
            Self::Damaged { .. } => "XK-103",
            Self::Unusable { .. } => "XK-104",
            Self::Impossible { .. } => "XK-105",
        }
    }
}
