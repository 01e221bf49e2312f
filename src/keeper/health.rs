//! Whether a keeper lives and follows the chain, and whether it could act now.

use alloy::primitives::U256;
use serde::Serialize;
use xenon_keeper::Reason;

use super::report::Report;
use crate::money;

/// Seconds without a look at the chain that succeeded after which a keeper does not follow it any more.
const FOLLOW_LIMIT: u64 = 300;

/// One of the things that must be well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    pub(super) name: &'static str,
    /// What is wrong, beginning with its code; `None` if it is well.
    pub(super) problem: Option<String>,
}

impl Check {
    fn new(name: &'static str, problem: Option<String>) -> Self {
        Self { name, problem }
    }

    pub(super) const fn is_well(&self) -> bool {
        self.problem.is_none()
    }
}

/// Whether it lives and follows the chain. One that has not seen the chain yet may still be reading its past.
pub(super) fn health(report: &Report) -> Vec<Check> {
    let since = report.followed.or(report.hindrance.as_ref().map(|_| report.started));
    let silent = since.map_or(0, |since| report.written.saturating_sub(since));
    let reason = report.hindrance.as_ref().map(|hindrance| format!(": {}", hindrance.text)).unwrap_or_default();
    let problem = (silent > FOLLOW_LIMIT).then(|| format!("XK-056: the chain was not followed for {silent} s{reason}"));
    vec![Check::new("following", problem)]
}

/// Whether it could act now.
pub(super) fn ready(report: &Report) -> Vec<Check> {
    vec![
        Check::new("endpoint", endpoint(report)),
        Check::new("view", view(report)),
        Check::new("funds", funds(report)),
        Check::new("breaker", breaker(report)),
    ]
}

fn endpoint(report: &Report) -> Option<String> {
    let hindrance = report.hindrance.as_ref().filter(|hindrance| hindrance.reason != Reason::HeadTooOld)?;
    Some(with_code(&hindrance.code, &hindrance.text))
}

/// The age is that of now: the keeper may hang.
fn view(report: &Report) -> Option<String> {
    let Some(head) = report.head.filter(|_| report.followed.is_some()) else {
        return Some(String::from("XK-057: the chain's past is still being read"));
    };
    let age = report.written.saturating_sub(head.timestamp);
    let is_too_old = report.max_head_age_s != 0 && age > report.max_head_age_s;
    is_too_old.then(|| with_code(Reason::HeadTooOld.code(), &format!("the newest block is {age} s old")))
}

fn funds(report: &Report) -> Option<String> {
    let low = report.money.low;
    match report.money.balance {
        None => Some(String::from("XK-058: the balance could not be read yet")),
        Some(balance) if balance < low => Some(with_code("XK-040", &poor(balance, low, report))),
        Some(_) => None,
    }
}

fn breaker(report: &Report) -> Option<String> {
    let reason = Reason::BreakerOpen;
    let told = |until| with_code(reason.code(), &format!("{reason}: nothing is started before block {until}"));
    report.paused_until.map(told)
}

fn poor(balance: U256, low: U256, report: &Report) -> String {
    format!("{} has {} CNX, less than {}: send funds to it", report.account, money::show(balance), money::show(low))
}

/// Texts of errors begin with their code already.
fn with_code(code: &str, text: &str) -> String {
    if text.starts_with(code) { text.to_owned() } else { format!("{code}: {text}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keeper::report::{Block, Hindrance, Money};

    /// A keeper that could act.
    fn well() -> Report {
        let money = Money { balance: Some(U256::from(9)), low: U256::from(5), ..Money::default() };
        let head = Some(Block { number: 7, timestamp: 990 });
        Report {
            started: 10,
            written: 1_000,
            followed: Some(999),
            head,
            max_head_age_s: 300,
            money,
            ..Report::default()
        }
    }

    fn hindered(reason: Reason) -> Hindrance {
        Hindrance { reason, code: reason.code().into(), text: reason.to_string(), since: 0 }
    }

    fn problems(checks: &[Check]) -> Vec<(&str, &str)> {
        checks.iter().filter_map(|check| Some((check.name, check.problem.as_deref()?.get(..6)?))).collect()
    }

    #[test]
    fn a_keeper_that_follows_with_funds_is_ready() {
        assert_eq!((problems(&health(&well())), problems(&ready(&well()))), (vec![], vec![]));
    }

    #[test]
    fn a_keeper_that_has_not_seen_the_chain_is_alive_and_not_ready() {
        let starting = Report { followed: None, head: None, ..well() };
        assert_eq!(problems(&health(&starting)), []);
        assert_eq!(problems(&ready(&starting)), [("view", "XK-057")]);
    }

    #[test]
    fn a_chain_that_cannot_be_read_is_no_readiness_at_once_and_no_health_after_a_while() {
        let down = Report { hindrance: Some(hindered(Reason::ChainUnreadable)), ..well() };
        assert_eq!(problems(&ready(&down)), [("endpoint", "XK-055")]);
        assert_eq!(problems(&health(&down)), []);
        let long = Report { followed: Some(600), ..down };
        assert_eq!(problems(&health(&long)), [("following", "XK-056")]);
        let never = Report { followed: None, ..long };
        assert_eq!(problems(&health(&never)), [("following", "XK-056")], "it was started long ago");
    }

    #[test]
    fn a_keeper_that_hangs_is_neither_healthy_nor_ready() {
        let hangs = Report { written: 1_400, ..well() };
        assert_eq!(problems(&health(&hangs)), [("following", "XK-056")]);
        assert_eq!(problems(&ready(&hangs)), [("view", "XK-051")]);
    }

    #[test]
    fn a_poor_key_is_not_ready_and_one_that_nobody_could_ask_neither() {
        let with = |balance| Report { money: Money { balance, ..well().money }, ..well() };
        assert_eq!(problems(&ready(&with(Some(U256::from(4))))), [("funds", "XK-040")]);
        assert_eq!(problems(&ready(&with(None))), [("funds", "XK-058")]);
        assert_eq!(problems(&health(&with(None))), []);
    }

    #[test]
    fn an_open_circuit_breaker_is_not_ready() {
        assert_eq!(problems(&ready(&Report { paused_until: Some(9), ..well() })), [("breaker", "XK-118")]);
    }

    #[test]
    fn a_chain_without_a_limit_of_age_may_stand_still() {
        let still = Report { max_head_age_s: 0, head: Some(Block::default()), ..well() };
        assert_eq!(problems(&ready(&still)), []);
    }
}
