//! Where a node stands, and what its operator should know about it.

use std::fmt;

use alloy::primitives::utils::format_ether;
use xenon_protocol::{
    chain::{Chain, ChainError, TypedChain},
    contracts::{Node, QoS, Status},
    deployment::Deployment,
};

/// A score below this has a node kicked out. `contracts/libraries/Score.sol` says why.
const KICK_SCORE: u16 = 192;

/// Where a node stands, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What the contract says.
    pub status: Status,
    /// Wei that are left of the stake.
    pub stake: u128,
    /// The least stake with which it may work, in wei.
    pub floor: u128,
    /// Its score, of 640.
    pub score: u16,
    /// Its case, while it is frozen.
    pub case: Option<Case>,
}

/// Why a node is frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// The task in question.
    pub task: u64,
    /// The end of the time to appeal or, once appealed, to decide, in Unix seconds.
    pub until: u64,
    /// Whether somebody has appealed.
    pub appealed: bool,
}

/// Reads where a node stands.
///
/// # Errors
/// The chain's.
pub async fn standing<C: Chain>(chain: &C, at: &Deployment, node: u32) -> Result<Standing, ChainError> {
    let view = chain.view(at.node, &Node::nodeOfCall { node }).await?;
    let status = Status::try_from(view.status).map_err(|_| ChainError::Malformed {
        method: "nodeOf",
        reason: format!("{} is not a status that this version knows", view.status),
    })?;
    let floor = chain.view(at.node, &Node::stakeFloorCall {}).await?;
    let record = chain.view(at.qos, &QoS::recordOfCall { node }).await?;
    let case = chain.view(at.node, &Node::caseOfCall { node }).await?;
    let case = Case { task: case.task.to(), until: case.until.to(), appealed: case.appealed };
    Ok(Standing {
        status,
        stake: view.stake.to(),
        floor: floor.to(),
        score: record.score,
        case: Some(case).filter(|_| status == Status::Frozen),
    })
}

impl Standing {
    /// Whether the node was let go for something it did or failed to do.
    pub const fn was_let_go(&self) -> bool {
        matches!(self.status, Status::Suspended | Status::Frozen | Status::Slashed) || self.was_kicked_out()
    }

    const fn was_kicked_out(&self) -> bool {
        matches!(self.status, Status::Unbonding) && self.score < KICK_SCORE
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let coins = |wei: u128| format_ether(wei);
        match (self.status, self.case) {
            (Status::Free, _) => f.write_str("ready for a seat"),
            (Status::Busy, _) => f.write_str("holds a seat"),
            (Status::Paused, _) => f.write_str("paused by its operator, who can resume it"),
            (Status::Suspended, _) if self.stake < self.floor => write!(
                f,
                "suspended: penalties have brought its stake to {}, below the {} that a node needs; `xenon node top-up`, then resume it",
                coins(self.stake),
                coins(self.floor)
            ),
            (Status::Suspended, _) => {
                f.write_str("suspended after three missed tasks in a row: find out why, then resume it")
            }
            (Status::Frozen, Some(Case { task, until, appealed: false })) => write!(
                f,
                "frozen: its result of task {task} differed from that of two who agreed; `xenon node appeal` until {until} (Unix time), or the stake is slashed"
            ),
            (Status::Frozen, Some(Case { task, until, .. })) => write!(
                f,
                "frozen for task {task}, and somebody has appealed: without a decision until {until} (Unix time) the stake is released"
            ),
            (Status::Frozen, None) => f.write_str("frozen"),
            (Status::Unbonding, _) if self.was_kicked_out() => write!(
                f,
                "kicked out, because its score has fallen to {}: the stake can be withdrawn when the unbonding time is over",
                self.score
            ),
            (Status::Unbonding, _) => {
                f.write_str("has quit: the stake can be withdrawn when the unbonding time is over")
            }
            (Status::Gone, _) => f.write_str("has quit and taken its stake"),
            (Status::Slashed, _) => f.write_str("its stake was slashed: join again with another key"),
            (Status::None | Status::__Invalid, _) => f.write_str("has never joined"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(status: Status) -> Standing {
        Standing { status, stake: 400, floor: 300, score: 320, case: None }
    }

    #[test]
    fn who_was_let_go_is_told_why_and_what_to_do() {
        let case = Case { task: 7, until: 90, appealed: false };
        let let_go = [
            (Standing { stake: 299, ..standing(Status::Suspended) }, "top-up"),
            (standing(Status::Suspended), "three missed tasks"),
            (Standing { case: Some(case), ..standing(Status::Frozen) }, "appeal` until 90"),
            (Standing { case: Some(Case { appealed: true, ..case }), ..standing(Status::Frozen) }, "until 90"),
            (Standing { score: 191, ..standing(Status::Unbonding) }, "kicked out"),
            (standing(Status::Slashed), "another key"),
        ];
        for (standing, advice) in let_go {
            assert!(standing.was_let_go() && standing.to_string().contains(advice), "{standing}");
        }
    }

    #[test]
    fn who_leaves_or_works_was_not_let_go() {
        for status in [Status::Free, Status::Busy, Status::Paused, Status::Unbonding, Status::Gone] {
            assert!(!standing(status).was_let_go(), "{status:?}");
        }
    }
}
