//! What a keeper wants to happen by one transaction, and how far that has come.

use alloy::primitives::{B256, Bytes, U256};
use serde::{Deserialize, Serialize};
use xenon_protocol::chain::Inclusion;

use super::JournalError;
use crate::Action;

/// One nonce and everything that was signed for it. Of all its attempts the chain can include one, so that the action
/// takes effect once at most, however often it is handed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// Its number: ascending, and never given twice in one journal.
    pub id: u64,
    /// The nonce of all of its transactions.
    pub nonce: u64,
    /// What for.
    pub purpose: Purpose,
    /// The newest block when it was made.
    pub block: u64,
    /// How far it has come.
    pub stage: Stage,
    /// What was signed, oldest first.
    pub attempts: Vec<Attempt>,
    /// The newest block when the nonce was first found used up with none of the attempts in a block.
    pub missing_since: Option<u64>,
}

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To do something.
    Act(Action),
    /// To use up a nonce that others wait behind, or that a transaction unknown to the journal has.
    Fill,
}

/// A signed transaction. It is in the journal before a node sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// Its hash.
    pub hash: B256,
    /// Its encoding of EIP-2718.
    pub raw: Bytes,
    /// Most gas it may use.
    pub gas_limit: u64,
    /// Most it pays per gas, in wei.
    pub max_fee: u128,
    /// Most of that which goes to the block's builder, in wei.
    pub priority_fee: u128,
    /// Whether it does what the intent is for; if not it sends nothing to nobody, to use up the nonce.
    pub acts: bool,
    /// The newest block when it was signed, or last brought back after a reorganisation.
    pub block: u64,
}

impl Attempt {
    /// The most it can cost, in wei.
    pub fn most(&self) -> U256 {
        U256::from(self.gas_limit) * U256::from(self.max_fee)
    }
}

/// How far an intent has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It has a nonce. Nothing was signed that anybody could have seen.
    Intended,
    /// The last attempt is signed and may have been sent; or it was in a block that a reorganisation left out.
    Signed,
    /// A node took the last attempt.
    Sent,
    /// An attempt is in a block, which may yet be left out of the chain.
    Mined(Landing),
    /// An attempt is in a block that is deep enough.
    Final(Landing),
    /// A transaction that the journal does not know used the nonce.
    Replaced,
    /// Nothing was sent.
    Abandoned(Abandonment),
}

/// Why nothing was sent for an intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Abandonment {
    /// The keeper stopped before anything was signed.
    Interrupted,
    /// There is no signature for it, or for one of a lower nonce.
    Unsigned,
    /// The nonce was used before this transaction was needed.
    Unneeded,
}

/// Where a transaction landed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Landing {
    /// The transaction.
    pub hash: B256,
    /// The block it is in.
    pub block: u64,
    /// That block's hash.
    pub block_hash: B256,
    /// Whether it took effect.
    pub succeeded: bool,
    /// Gas it used.
    pub gas_used: u64,
    /// What it cost, in wei.
    pub fee: U256,
}

impl From<&Inclusion> for Landing {
    fn from(found: &Inclusion) -> Self {
        Self {
            hash: found.transaction_hash,
            block: found.block_number,
            block_hash: found.block_hash,
            succeeded: found.succeeded,
            gas_used: found.gas_used,
            fee: found.fee(),
        }
    }
}

impl Stage {
    /// Its name, for logs and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Intended => "intended",
            Self::Signed => "signed",
            Self::Sent => "sent",
            Self::Mined(_) => "mined",
            Self::Final(_) => "final",
            Self::Replaced => "replaced",
            Self::Abandoned(_) => "abandoned",
        }
    }

    /// Whether nothing more becomes of the intent.
    pub const fn is_over(&self) -> bool {
        matches!(self, Self::Final(_) | Self::Replaced | Self::Abandoned(_))
    }

    /// Whether the life of an intent has this step.
    const fn leads_to(&self, next: &Self) -> bool {
        match self {
            Self::Intended => matches!(next, Self::Signed | Self::Abandoned(_)),
            Self::Signed | Self::Sent => {
                matches!(next, Self::Signed | Self::Sent | Self::Mined(_) | Self::Replaced)
            }
            // A reorganisation takes it back, or puts it into another block.
            Self::Mined(_) => matches!(next, Self::Signed | Self::Mined(_) | Self::Final(_)),
            Self::Final(_) | Self::Replaced | Self::Abandoned(_) => false,
        }
    }
}

impl Intent {
    /// An intent that has a nonce and nothing else.
    pub const fn new(id: u64, nonce: u64, purpose: Purpose, block: u64) -> Self {
        Self { id, nonce, purpose, block, stage: Stage::Intended, attempts: Vec::new(), missing_since: None }
    }

    /// The action, if it is for one.
    pub const fn action(&self) -> Option<Action> {
        match self.purpose {
            Purpose::Act(action) => Some(action),
            Purpose::Fill => None,
        }
    }

    /// The attempt that is meant to land.
    pub fn last(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// Whether an attempt was handed over, perhaps, and none is known to be in a block.
    pub const fn is_pending(&self) -> bool {
        matches!(self.stage, Stage::Signed | Stage::Sent)
    }

    /// Whether an attempt that landed does what the intent is for.
    pub fn took_effect(&self, landing: &Landing) -> bool {
        landing.succeeded && self.attempts.iter().any(|attempt| attempt.acts && attempt.hash == landing.hash)
    }

    /// The same, one step further.
    ///
    /// # Errors
    /// [`JournalError::Impossible`] if there is no such step: an intent that is over stays as it ended.
    pub fn at(mut self, stage: Stage) -> Result<Self, JournalError> {
        if !self.stage.leads_to(&stage) {
            return Err(JournalError::Impossible { intent: self.id, from: self.stage.name(), to: stage.name() });
        }
        self.stage = stage;
        Ok(self)
    }

    /// The same with one more attempt, which takes the place of those before it.
    ///
    /// # Errors
    /// [`JournalError::Impossible`] for an intent that is mined or over.
    pub fn signed(mut self, attempt: Attempt) -> Result<Self, JournalError> {
        self.attempts.push(attempt);
        self.at(Stage::Signed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::TaskId;

    fn landing(block: u64) -> Landing {
        let block_hash = B256::with_last_byte(u8::try_from(block).unwrap());
        Landing { hash: B256::ZERO, block, block_hash, succeeded: true, gas_used: 1, fee: U256::from(block) }
    }

    fn any_stage() -> impl Strategy<Value = Stage> {
        prop_oneof![
            1 => Just(Stage::Intended),
            4 => Just(Stage::Signed),
            4 => Just(Stage::Sent),
            4 => (1..9u64).prop_map(|block| Stage::Mined(landing(block))),
            2 => (1..9u64).prop_map(|block| Stage::Final(landing(block))),
            1 => Just(Stage::Replaced),
            1 => Just(Stage::Abandoned(Abandonment::Interrupted)),
        ]
    }

    proptest! {
        #[test]
        fn whatever_happens_an_intent_is_over_at_most_once(events in prop::collection::vec(any_stage(), 0..60)) {
            let mut intent = Intent::new(1, 0, Purpose::Act(Action::Advance(TaskId(1))), 5);
            let mut endings = 0;
            for stage in events {
                let before = intent.clone();
                match intent.clone().at(stage.clone()) {
                    Ok(next) => {
                        prop_assert!(!before.stage.is_over(), "{:?} went on", before.stage);
                        if matches!(stage, Stage::Final(_)) {
                            prop_assert!(matches!(before.stage, Stage::Mined(_)), "final without a block");
                        }
                        if matches!(stage, Stage::Abandoned(_)) {
                            prop_assert_eq!(&before.stage, &Stage::Intended, "what was signed cannot be unsigned");
                        }
                        endings += u32::from(next.stage.is_over());
                        intent = next;
                    }
                    Err(error) => prop_assert_eq!(error.code(), "XK-105"),
                }
            }
            prop_assert!(endings <= 1);
        }
    }

    #[test]
    fn intent_that_was_signed_cannot_be_made_undone() {
        let intent = Intent::new(1, 0, Purpose::Fill, 5).at(Stage::Signed).unwrap();
        assert!(intent.clone().at(Stage::Abandoned(Abandonment::Unneeded)).is_err());
        assert!(intent.at(Stage::Intended).is_err());
    }

    #[test]
    fn attempt_that_only_uses_the_nonce_has_no_effect() {
        let attempt = |hash, acts| Attempt {
            hash: B256::with_last_byte(hash),
            raw: Bytes::new(),
            gas_limit: 1,
            max_fee: 1,
            priority_fee: 1,
            acts,
            block: 1,
        };
        let intent = Intent::new(1, 0, Purpose::Act(Action::Advance(TaskId(1))), 5);
        let intent = intent.signed(attempt(1, true)).unwrap().signed(attempt(2, false)).unwrap();
        let at = |hash, succeeded| Landing { hash: B256::with_last_byte(hash), succeeded, ..landing(3) };
        assert!(intent.took_effect(&at(1, true)));
        assert!(!intent.took_effect(&at(1, false)));
        assert!(!intent.took_effect(&at(2, true)));
        assert!(!intent.took_effect(&at(3, true)));
    }
}
