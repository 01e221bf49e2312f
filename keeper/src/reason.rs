//! Why a keeper does not do something.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a keeper does not do something that it could. Codes and names are stable: logs, metrics and reports carry them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The contracts would refuse it: somebody else was faster, or it is too early.
    Refused,
    /// It would change nothing.
    NoEffect,
    /// It failed lately and is held off for some blocks.
    Held,
    /// The keeper is stopping.
    Stopping,
    /// The newest block is older than allowed.
    HeadTooOld,
    /// The endpoint has fallen behind a block that is known.
    EndpointBehind,
    /// The chain cannot be read.
    ChainUnreadable,
    /// The reward is below the price of the gas.
    Unprofitable,
    /// The tasks that could be drawn or seated found no nodes lately and are tried ever more rarely.
    Patience,
    /// The round was drawn in the newest block: it can be seated from the next one on.
    TooEarly,
    /// One round sends no more transactions.
    RoundLimit,
    /// Nobody pays for it, and the keeper was not told to do it all the same.
    LeftToOthers,
    /// Another keeper goes first, by the order that the chain tells.
    NotOurTurn,
    /// It was sent before and waits to be included.
    InFlight,
    /// As many transactions wait as may.
    Full,
    /// Transactions of its key wait that the journal does not know.
    Unsettled,
    /// Gas costs more than may be paid.
    TooDear,
    /// It could cost more than one action may.
    OverActionLimit,
    /// It could cost more than is left of what a day may.
    OverDayLimit,
    /// Too much has failed lately, and it would start something.
    BreakerOpen,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::Refused,
        Self::NoEffect,
        Self::Held,
        Self::Stopping,
        Self::HeadTooOld,
        Self::EndpointBehind,
        Self::ChainUnreadable,
        Self::Unprofitable,
        Self::Patience,
        Self::TooEarly,
        Self::RoundLimit,
        Self::LeftToOthers,
        Self::NotOurTurn,
        Self::InFlight,
        Self::Full,
        Self::Unsettled,
        Self::TooDear,
        Self::OverActionLimit,
        Self::OverDayLimit,
        Self::BreakerOpen,
    ];

    /// Its stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Refused => "XK-031",
            Self::NoEffect => "XK-032",
            Self::Held => "XK-033",
            Self::Stopping => "XK-034",
            Self::HeadTooOld => "XK-051",
            Self::EndpointBehind => "XK-052",
            Self::ChainUnreadable => "XK-055",
            Self::Unprofitable => "XK-115",
            Self::Patience => "XK-160",
            Self::TooEarly => "XK-161",
            Self::RoundLimit => "XK-162",
            Self::LeftToOthers => "XK-163",
            Self::NotOurTurn => "XK-164",
            Self::InFlight => "XK-111",
            Self::Full => "XK-112",
            Self::Unsettled => "XK-113",
            Self::TooDear => "XK-114",
            Self::OverActionLimit => "XK-116",
            Self::OverDayLimit => "XK-117",
            Self::BreakerOpen => "XK-118",
        }
    }

    /// Its stable name, as JSON has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::NoEffect => "no_effect",
            Self::Held => "held",
            Self::Stopping => "stopping",
            Self::HeadTooOld => "head_too_old",
            Self::EndpointBehind => "endpoint_behind",
            Self::ChainUnreadable => "chain_unreadable",
            Self::Unprofitable => "unprofitable",
            Self::Patience => "patience",
            Self::TooEarly => "too_early",
            Self::RoundLimit => "round_limit",
            Self::LeftToOthers => "left_to_others",
            Self::NotOurTurn => "not_our_turn",
            Self::InFlight => "in_flight",
            Self::Full => "full",
            Self::Unsettled => "unsettled",
            Self::TooDear => "too_dear",
            Self::OverActionLimit => "over_action_limit",
            Self::OverDayLimit => "over_day_limit",
            Self::BreakerOpen => "breaker_open",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "the contracts would refuse it",
            Self::NoEffect => "it would change nothing",
            Self::Held => "it failed lately",
            Self::Stopping => "the keeper is stopping",
            Self::HeadTooOld => "the newest block is too old",
            Self::EndpointBehind => "the endpoint has fallen behind",
            Self::ChainUnreadable => "the chain cannot be read",
            Self::Unprofitable => "the reward is below the price of the gas",
            Self::Patience => "its tasks found no nodes lately",
            Self::TooEarly => "the round was drawn in this block",
            Self::RoundLimit => "one round sends no more",
            Self::LeftToOthers => "nobody pays for it",
            Self::NotOurTurn => "another keeper goes first",
            Self::InFlight => "it is on its way",
            Self::Full => "as much is on its way as may be",
            Self::Unsettled => "unknown transactions of this key are on their way",
            Self::TooDear => "gas is too dear",
            Self::OverActionLimit => "one action may not cost so much",
            Self::OverDayLimit => "not so much is left for today",
            Self::BreakerOpen => "too much has failed lately",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_and_names_and_texts_are_unique() {
        let unique = |words: Vec<String>| words.into_iter().collect::<BTreeSet<_>>().len();
        let all = || Reason::ALL.into_iter();
        assert_eq!(unique(all().map(|reason| reason.code().into()).collect()), Reason::ALL.len());
        assert_eq!(unique(all().map(|reason| reason.name().into()).collect()), Reason::ALL.len());
        assert_eq!(unique(all().map(|reason| reason.to_string()).collect()), Reason::ALL.len());
    }

    /// A reason that is added without a line in the document, or a line whose code is another, is found here.
    #[test]
    fn every_reason_stands_in_the_documents_table() {
        let document = include_str!("../../docs/keeper-operations.md");
        for reason in Reason::ALL {
            let cell = format!("| `{}` | `{}` |", reason.code(), reason.name());
            assert!(document.contains(&cell), "{cell} is not in docs/keeper-operations.md");
        }
    }
}
