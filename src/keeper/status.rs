//! `xenon keeper status`: what a running keeper is doing, and what it spends and earns.

use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};
use eyre::Result;
use reqwest::Client;

use super::{
    args::KeeperStatusArgs,
    health::{health, ready},
    report::{Acted, Line, Report},
};
use crate::{
    error::CliError,
    live::{self, Scene},
    money,
};

/// Longest wait for an answer.
const LIMIT: Duration = Duration::from_secs(5);

/// Shows the report until it is interrupted, or once.
pub(crate) async fn run(args: &KeeperStatusArgs) -> Result<()> {
    let keeper = Running::at(&args.at)?;
    let first = keeper.read().await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&first)?);
    } else if args.once {
        println!("{}", picture(&first));
    } else {
        live::show(&keeper).await?;
    }
    Ok(())
}

/// A keeper that runs somewhere.
struct Running {
    at: String,
    http: Client,
}

impl Running {
    fn at(at: &str) -> Result<Self, CliError> {
        // A keeper stands beside whoever looks after it: no proxy is asked.
        let http = Client::builder().timeout(LIMIT).no_proxy().build();
        let failed = |error: reqwest::Error| CliError::NoKeeper { at: at.to_owned(), reason: error.to_string() };
        Ok(Self { at: at.to_owned(), http: http.map_err(failed)? })
    }

    async fn read(&self) -> Result<Report, CliError> {
        let failed = |error: reqwest::Error| CliError::NoKeeper { at: self.at.clone(), reason: reason(&error) };
        let answer = self.http.get(format!("http://{}/status", self.at)).send().await.map_err(failed)?;
        answer.error_for_status().map_err(failed)?.json().await.map_err(failed)
    }
}

impl Scene for Running {
    type Sight = Report;

    async fn look(&self) -> Result<Report> {
        Ok(self.read().await?)
    }

    fn picture(report: &Report) -> String {
        picture(report)
    }

    fn line(report: &Report) -> String {
        line(report)
    }
}

/// The innermost cause: the outer ones only say that something failed.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

fn picture(report: &Report) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header([String::from("keeper"), format!("{}, process {}", report.account, report.pid)]);
    let mut row = |name: &str, text: String| {
        table.add_row([name.to_owned(), text]);
    };
    row("state", state(report));
    row("head", head(report));
    row("endpoints", endpoints(report));
    row("read", read(report));
    row("queue", counted(&report.queue));
    row("tasks", counted(&report.stages));
    row("overdue", overdue(report));
    row("nodes", counted(&report.nodes));
    row("in flight", listed(&report.in_flight));
    let left: Vec<_> =
        report.abstentions.iter().map(|left| format!("{}: {} {}", left.action, left.code, left.reason)).collect();
    row("left undone", listed(&left));
    for acted in report.last.iter().rev() {
        row("before", outcome(acted));
    }
    row("money", purse(report));
    table.to_string()
}

fn line(report: &Report) -> String {
    let last = report.last.back().map(|acted| format!("; last {}", outcome(acted))).unwrap_or_default();
    let problems: Vec<_> = problems(report).collect();
    let problems = if problems.is_empty() { String::new() } else { format!("; {}", problems.join("; ")) };
    let block = report.head.map_or(0, |head| head.number);
    format!("block {block}; queue {}; tasks {}{last}{problems}", counted(&report.queue), counted(&report.stages))
}

fn problems(report: &Report) -> impl Iterator<Item = String> {
    health(report).into_iter().chain(ready(report)).filter_map(|check| check.problem)
}

fn state(report: &Report) -> String {
    let problems: Vec<_> = problems(report).collect();
    if problems.is_empty() { String::from("ready") } else { problems.join("\n") }
}

fn head(report: &Report) -> String {
    let Some(head) = report.head else { return String::from("none seen yet") };
    let age = report.written.saturating_sub(head.timestamp);
    let lag = head.number.saturating_sub(report.view_block);
    format!("block {}, {age} s old; the view is {lag} blocks behind", head.number)
}

fn endpoints(report: &Report) -> String {
    let line = |line: &Line| {
        let health = if line.is_up { "healthy" } else { "not healthy" };
        let current = if line.is_current { ", is read" } else { "" };
        format!("{}: {health}{current}", line.endpoint)
    };
    listed(&report.endpoints.iter().map(line).collect::<Vec<_>>())
}

fn read(report: &Report) -> String {
    let seen = report.reading;
    let depth = if seen.reorgs == 0 { String::new() } else { format!(", the last {} blocks deep", seen.last_depth) };
    format!(
        "{} events, {} reorganisations{depth}; the last round took {} ms",
        seen.folded, seen.reorgs, report.round_ms
    )
}

fn counted(counts: &std::collections::BTreeMap<String, u64>) -> String {
    let parts: Vec<_> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
    if parts.is_empty() { String::from("none") } else { parts.join(", ") }
}

fn listed(lines: &[String]) -> String {
    if lines.is_empty() { String::from("nothing") } else { lines.join("\n") }
}

fn overdue(report: &Report) -> String {
    match report.overdue.tasks {
        0 => String::from("none"),
        tasks => format!("{tasks}, the first for {} s", report.overdue.age_s),
    }
}

fn outcome(acted: &Acted) -> String {
    let transaction = acted.transaction.map(|hash| format!(" in {hash}")).unwrap_or_default();
    format!("{}: {} {}{transaction}", acted.action, acted.code, acted.text)
}

fn purse(report: &Report) -> String {
    let known =
        |wei: Option<_>| wei.map_or_else(|| String::from("not known"), |wei| format!("{} CNX", money::show(wei)));
    let seen = &report.money;
    format!(
        "balance {}, credit {}; since the start {} CNX spent on gas, {} CNX earned",
        known(seen.balance),
        known(seen.credit),
        money::show(seen.spent),
        money::show(seen.earned),
    )
}

#[cfg(test)]
mod tests {
    use alloy::primitives::U256;
    use xenon_keeper::Reason;

    use super::*;
    use crate::keeper::report::{Block, Left, Money, Overdue};

    fn working() -> Report {
        let money = Money { balance: Some(U256::from(9)), earned: U256::from(3), ..Money::default() };
        let advance = Acted {
            at: 1,
            block: 6,
            action: "advance task 3".into(),
            code: "XK-031".into(),
            text: "skipped: the contracts would refuse it".into(),
            transaction: None,
            gas_used: 0,
            cost: U256::ZERO,
            reward: U256::ZERO,
        };
        let left = Left { action: "advance task 4".into(), code: "XK-115".into(), reason: Reason::Unprofitable };
        Report {
            written: 100,
            followed: Some(100),
            head: Some(Block { number: 7, timestamp: 98 }),
            view_block: 7,
            queue: [("gpt".into(), 4)].into(),
            stages: [("committing".into(), 2), ("queued".into(), 4)].into(),
            overdue: Overdue { tasks: 1, age_s: 12 },
            in_flight: vec!["dispatch up to 16 tasks, 2 drawn".into()],
            abstentions: vec![left],
            last: [advance].into(),
            money,
            ..Report::default()
        }
    }

    #[test]
    fn the_picture_shows_what_is_done_what_is_not_and_why() {
        let picture = picture(&working());
        for part in [
            "ready",
            "block 7, 2 s old; the view is 0 blocks behind",
            "4 gpt",
            "2 committing, 4 queued",
            "1, the first for 12 s",
            "dispatch up to 16 tasks, 2 drawn",
            "advance task 4: XK-115 the reward is below the price of the gas",
            "advance task 3: XK-031 skipped",
            "0.000000000000000003 CNX earned",
        ] {
            assert!(picture.contains(part), "{part} is not in:\n{picture}");
        }
    }

    #[test]
    fn what_keeps_it_from_acting_stands_instead_of_its_readiness() {
        let poor = Report { money: Money { balance: None, ..Money::default() }, ..working() };
        let picture = picture(&poor);
        assert!(picture.contains("XK-058") && !picture.contains("ready"), "{picture}");
    }

    #[test]
    fn a_line_changes_with_what_happens_and_not_with_the_clock() {
        let expected = "block 7; queue 4 gpt; tasks 2 committing, 4 queued; last advance task 3: XK-031 skipped: the contracts would refuse it";
        assert_eq!(line(&working()), expected);
        assert_eq!(line(&Report { written: 105, ..working() }), expected);
    }

    #[tokio::test]
    async fn a_keeper_that_is_not_there_is_named() {
        let error = Running::at("127.0.0.1:1").unwrap().read().await.unwrap_err().to_string();
        assert!(error.starts_with("XC-040") && error.contains("127.0.0.1:1"), "{error}");
    }
}
