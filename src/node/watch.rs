//! `xenon node watch`: what a node on this machine is doing, and what it has earned.

use std::path::{Path, PathBuf};

use comfy_table::{ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};
use eyre::Result;

use super::report::{self, Open, Over, Report};
use crate::{
    cli::WatchArgs,
    clock::unix_now,
    error::CliError,
    live::{self, Scene},
    money,
};

/// Seconds after which a report is old: the node has stopped, or hangs.
const OLD: u64 = 10;

/// The folder of a node.
struct Folder(PathBuf);

impl Scene for Folder {
    type Sight = Report;

    async fn look(&self) -> Result<Report> {
        Ok(read(&self.0)?)
    }

    fn picture(report: &Report) -> String {
        picture(report, unix_now())
    }

    fn line(report: &Report) -> String {
        line(report)
    }
}

/// Shows the report until it is interrupted, or once.
pub(super) async fn run(args: &WatchArgs) -> Result<()> {
    let first = read(&args.data)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&first)?);
        return Ok(());
    }
    if args.once {
        println!("{}", picture(&first, unix_now()));
        return Ok(());
    }
    live::show(&Folder(args.data.clone())).await
}

fn read(data: &Path) -> Result<Report, CliError> {
    let path = report::path(data);
    let failed = |reason: String| CliError::NoReport { path: path.clone(), reason };
    let text = std::fs::read(&path).map_err(|error| failed(error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))
}

fn line(report: &Report) -> String {
    let tasks = report.tasks.iter().map(|(task, open)| format!("task {task} {}", open.stage));
    let last = report.last.back().map(|over| format!("last {}", ending(over)));
    let earned = format!("earned {} CNX, score {}", money::show(report.earned), report.score);
    let parts = [format!("node {}: {}", report.node, report.standing)].into_iter().chain(tasks).chain(last);
    parts.chain([earned]).collect::<Vec<_>>().join("; ")
}

fn picture(report: &Report, now: u64) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header([format!("node {}", report.node), standing(report, now)]);
    table.add_row([String::from("earned, not collected"), format!("{} CNX", money::show(report.earned))]);
    table.add_row([String::from("score"), format!("{} of 640", report.score)]);
    if let Some(reason) = &report.pause {
        table.add_row([String::from("paused itself"), reason.clone()]);
    }
    for (task, open) in &report.tasks {
        table.add_row([format!("task {task}"), doing(open, report, now)]);
    }
    if report.tasks.is_empty() {
        table.add_row([String::from("task"), String::from("none")]);
    }
    for over in report.last.iter().rev() {
        table.add_row([String::from("before"), ending(over)]);
    }
    for child in &report.runner.children {
        table.add_row([format!("process {}", child.pid), format!("{}, {} MiB", child.model, child.bytes >> 20)]);
    }
    table.add_row([String::from("memory"), memory(report)]);
    table.add_row([String::from("block"), format!("{}, {} tasks in the journal", report.block, report.entries)]);
    table.to_string()
}

fn standing(report: &Report, now: u64) -> String {
    let age = now.saturating_sub(report.written);
    if age < OLD {
        return report.standing.clone();
    }
    format!("{} (nothing new for {age} s: is process {} running?)", report.standing, report.pid)
}

fn doing(open: &Open, report: &Report, now: u64) -> String {
    let mut parts = vec![open.stage.clone()];
    parts.extend(open.model.clone());
    let running = report.runner.running.as_ref().filter(|_| open.answer.is_none());
    parts.extend(running.map(|running| format!("{} pieces of text", running.pieces)));
    parts.extend(open.answer.as_ref().filter(|answer| *answer != "answer").map(|error| format!("error {error}")));
    parts.push(format!("{} s left", open.deadline.saturating_sub(now)));
    parts.join(", ")
}

fn ending(over: &Over) -> String {
    let agreed = if over.agreed { "agreed" } else { "not agreed" };
    let answer = over.answer.as_deref().unwrap_or("not answered since the start");
    let model = over.model.as_deref().map(|model| format!(", {model}")).unwrap_or_default();
    format!("task {}: {agreed}, {answer}{model}", over.task)
}

fn memory(report: &Report) -> String {
    let runner = &report.runner;
    let free = runner.free.map_or_else(|| String::from("not known"), |free| format!("{} MiB", free >> 20));
    let lost = runner.lost_children;
    let text = format!("{free} free, models may take {} MiB, {lost} processes lost", runner.budget >> 20);
    let too_large = runner.too_large.iter().map(|model| format!("too large: {model}"));
    [text].into_iter().chain(too_large).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use xenon_executor::process::{RunnerStatus, Running};

    use super::*;

    fn working() -> Report {
        let open = Open { stage: "answering".into(), model: Some("a/b@1".into()), deadline: 160, answer: None };
        let over = Over { task: 6, model: None, answer: Some("answer".into()), agreed: true, at: 90 };
        let running = Some(Running { model: "a/b@1".parse().unwrap(), pieces: 17 });
        Report {
            node: 3,
            written: 100,
            standing: "holds a seat".into(),
            tasks: [(7, open)].into(),
            last: [over].into(),
            runner: RunnerStatus { running, budget: 1 << 30, ..RunnerStatus::default() },
            ..Report::default()
        }
    }

    #[test]
    fn the_picture_shows_what_is_done_and_how_long_there_is() {
        let picture = picture(&working(), 101);
        for part in ["answering, a/b@1, 17 pieces of text, 59 s left", "task 6: agreed, answer", "1024 MiB"] {
            assert!(picture.contains(part), "{part} is not in:\n{picture}");
        }
        assert!(!picture.contains("nothing new"), "{picture}");
    }

    #[test]
    fn a_report_that_is_old_says_so() {
        assert!(picture(&working(), 160).contains("nothing new for 60 s"));
    }

    #[test]
    fn a_line_has_what_has_changed_and_no_clock() {
        let expected = "node 3: holds a seat; task 7 answering; last task 6: agreed, answer; earned 0 CNX, score 0";
        assert_eq!(line(&working()), expected);
    }

    #[test]
    fn a_folder_without_a_node_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = read(folder.path()).unwrap_err().to_string();
        assert!(error.starts_with("XC-029") && error.contains(&folder.path().display().to_string()), "{error}");
    }
}
