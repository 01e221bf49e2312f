//! Defects that tests plant, to prove that they would be found.
//!
//! Without the feature `planted` nothing can be planted and the compiler takes every trace of them out.

/// Something a keeper could do wrong.
#[cfg_attr(not(feature = "planted"), allow(unreachable_pub, reason = "it is exported with the feature"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Defect {
    /// Acts on a head that others have left behind.
    TrustsStaleHead,
    /// Does not compare what the logs tell with what the contracts count.
    SkipsAudit,
    /// Goes on from where it was when blocks were replaced.
    IgnoresReorganisation,
    /// Acts at once, whoever else does.
    JumpsTheQueue,
    /// Waits for the head that follows the one seen last, and for no other.
    NeedsEveryHead,
    /// Sends an action again, with another nonce, when no node said that it took the transaction.
    ResendsUnanswered,
    /// Takes "already known" for a refusal, and sends the action again.
    TakesKnownForRefused,
    /// Sends an action again, with another nonce, when its transaction is in no block after two.
    GivesUpEarly,
    /// Hands a transaction over once, and never looks after it.
    SendsOnce,
    /// Does not pay more when gas has become dearer.
    NeverRaises,
    /// Counts its nonces by its journal alone.
    CountsAlone,
    /// Takes an action for begun when nothing was signed for it before a crash.
    KeepsUnsigned,
}

#[cfg(feature = "planted")]
mod planted {
    use std::cell::Cell;

    use super::Defect;

    thread_local! {
        static PLANTED: Cell<Option<Defect>> = const { Cell::new(None) };
    }

    /// Plants a defect in all keepers of this thread, or none.
    pub fn plant(defect: Option<Defect>) {
        PLANTED.set(defect);
    }

    pub(crate) fn is_planted(defect: Defect) -> bool {
        PLANTED.get() == Some(defect)
    }
}

#[cfg(feature = "planted")]
pub(crate) use planted::is_planted;
#[cfg(feature = "planted")]
pub use planted::plant;

/// Nothing is planted in a program that is not a test.
#[cfg(not(feature = "planted"))]
pub(crate) const fn is_planted(_: Defect) -> bool {
    false
}
