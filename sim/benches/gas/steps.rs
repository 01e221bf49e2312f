//! The transactions of a task's life.

use std::fmt;

/// One transaction of a task's life. Commits and reveals carry how many came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// The creator pays.
    Create,
    /// Seats one task and draws the next: a task's share of dispatching while tasks keep coming.
    Dispatch,
    /// Draws a task when no other waits.
    Draw,
    /// Seats it, and finds nothing else to draw.
    Seat,
    Commit(u64),
    Reveal(u64),
    Deliver,
}

impl Step {
    /// A life while tasks keep coming.
    pub(crate) const LIFE: [Self; 9] = [
        Self::Create,
        Self::Dispatch,
        Self::Commit(0),
        Self::Commit(1),
        Self::Commit(2),
        Self::Reveal(0),
        Self::Reveal(1),
        Self::Reveal(2),
        Self::Deliver,
    ];

    /// Whether the dispatcher does it.
    pub(crate) const fn is_dispatch(self) -> bool {
        matches!(self, Self::Dispatch | Self::Draw | Self::Seat)
    }

    /// The stage a step belongs to, for tables that have no room for every step.
    pub(crate) const fn stage(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Dispatch | Self::Draw | Self::Seat => "dispatch",
            Self::Commit(_) => "commits",
            Self::Reveal(_) => "reveals",
            Self::Deliver => "deliver",
        }
    }
}

/// The stages in order.
pub(crate) const STAGES: [&str; 5] = ["create", "dispatch", "commits", "reveals", "deliver"];

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create => f.write_str("create"),
            Self::Dispatch => f.write_str("dispatch share"),
            Self::Draw => f.write_str("dispatch, draws"),
            Self::Seat => f.write_str("dispatch, seats"),
            Self::Commit(rank) => write!(f, "commit {}", rank + 1),
            Self::Reveal(rank) => write!(f, "reveal {}", rank + 1),
            Self::Deliver => f.write_str("deliver"),
        }
    }
}
