//! `xenon demo`: a whole network on this machine, a few tasks through it, and the accounts.

mod balance;
mod cluster;
mod plan;
mod report;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use alloy::primitives::I256;
use eyre::Result;
use futures::future::try_join_all;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Instant, sleep};
use xenon_protocol::{
    chain::Chain,
    contracts::Ending,
    result::{ImageReply, Reply},
};

use self::{balance::Sheet, cluster::Cluster, plan::Question};
use crate::{
    cli::DemoArgs,
    error::CliError,
    history::{self, Histories, TaskHistory},
    task::{self, submit::Offer},
};

/// Longest wait for all tasks; a task that finds an honest majority takes a few blocks of one second.
const LIMIT_PER_TASK: Duration = Duration::from_mins(1);

/// Pause between two looks at the chain.
const POLL: Duration = Duration::from_millis(300);

/// Seconds a demo task may wait in the queue.
const MAX_WAIT: u32 = 3600;

/// One task and what became of it.
#[derive(Debug)]
struct Row {
    prompt: String,
    expected: Option<String>,
    history: TaskHistory,
    /// The text of the answer, or where its pictures are.
    answer: Option<String>,
    pictures: Option<ImageReply>,
}

/// Everything the report shows.
#[derive(Debug)]
struct Outcome {
    rows: Vec<Row>,
    /// Times of blocks, in seconds since 1970.
    times: BTreeMap<u64, u64>,
    /// Time of the first task's block.
    started: u64,
    /// All nodes in the order they joined.
    nodes: Vec<u32>,
    lazy: Vec<u32>,
}

impl Outcome {
    /// The place of a task in the order in which the tasks got their nodes, from 1.
    fn order(&self, id: u64) -> Option<usize> {
        let seated =
            |row: &Row| row.history.seated.as_ref().map(|seated| (seated.block, seated.log_index, row.history.id));
        let mut all: Vec<_> = self.rows.iter().filter_map(seated).collect();
        all.sort_unstable();
        all.iter().position(|(_, _, task)| *task == id).map(|index| index + 1)
    }
}

/// Runs the demo.
pub(crate) async fn run(args: &DemoArgs) -> Result<()> {
    plan::check(args)?;
    let questions = plan::questions(args)?;
    let mut cluster = Cluster::start(args).await?;
    let verdict = drive(args, questions, &mut cluster).await;
    cluster.stop().await;
    verdict
}

/// Everything between the start and the stop of the network.
async fn drive(args: &DemoArgs, questions: Vec<Question>, cluster: &mut Cluster) -> Result<()> {
    let ids = submit(cluster, &questions).await?;
    let histories = follow(cluster, &ids).await?;
    let outcome = collect(cluster, questions, &ids, &histories, &args.out).await?;
    let sheet = balance::read(cluster, &histories).await?;
    show(&outcome, &sheet);
    if args.json {
        println!("{}", report::json(&outcome, &sheet));
    }
    judge(&outcome, &sheet)?;
    if args.keep { cluster.stay().await } else { Ok(()) }
}

/// Creates all tasks at once, so that they compete.
async fn submit(cluster: &Cluster, questions: &[Question]) -> Result<Vec<u64>> {
    let creations = questions.iter().map(|question| {
        let offer = Offer { fee: question.fee, min_vram: 0, max_wait: MAX_WAIT, class: 0, relay_signer: None };
        task::submit::create(&cluster.creator, &cluster.contracts, &cluster.relay, &question.spec, offer)
    });
    Ok(try_join_all(creations).await?.into_iter().map(|created| created.id).collect())
}

/// Shows the progress until every task is over.
async fn follow(cluster: &mut Cluster, ids: &[u64]) -> Result<Histories> {
    let bar = ProgressBar::new(ids.len() as u64);
    bar.set_style(ProgressStyle::with_template("{spinner} {pos}/{len} tasks over  {wide_msg}")?);
    let (started, limit) = (Instant::now(), LIMIT_PER_TASK * u32::try_from(ids.len())?);
    loop {
        cluster.check_services().await?;
        let histories = history::read(&cluster.chain, &cluster.contracts, 0).await?;
        let over = ids.iter().filter(|id| histories.get(id).is_some_and(TaskHistory::is_over)).count();
        bar.set_position(over as u64);
        bar.set_message(stages(&histories));
        bar.tick();
        if over == ids.len() || started.elapsed() > limit {
            bar.finish_and_clear();
            return Ok(histories);
        }
        sleep(POLL).await;
    }
}

/// Where the tasks that are not over stand.
fn stages(histories: &Histories) -> String {
    let running = histories.values().filter(|task| !task.is_over());
    running.map(|task| format!("{}: {}", task.id, task.status())).collect::<Vec<_>>().join(", ")
}

/// Fetches the answers as an application would, and the times of all blocks that are shown.
async fn collect(
    cluster: &Cluster,
    questions: Vec<Question>,
    ids: &[u64],
    histories: &Histories,
    out: &Path,
) -> Result<Outcome> {
    let mut rows = Vec::new();
    for (question, id) in questions.into_iter().zip(ids) {
        let missing = CliError::Incomplete { what: "the logs", missing: "a task that was created" };
        let history = histories.get(id).cloned().ok_or(missing)?;
        let (answer, pictures) = match history.delivered {
            Some(_) => answer(cluster, &history, out).await?,
            None => (None, None),
        };
        rows.push(Row { prompt: question.prompt, expected: question.expected, history, answer, pictures });
    }
    let times = times(cluster, &rows).await?;
    let started = rows.iter().filter_map(|row| times.get(&row.history.created)).min().copied().unwrap_or_default();
    Ok(Outcome { rows, times, started, nodes: cluster.nodes.clone(), lazy: cluster.lazy.clone() })
}

/// What was delivered, as text; pictures are saved, and the text says where.
async fn answer(cluster: &Cluster, history: &TaskHistory, out: &Path) -> Result<(Option<String>, Option<ImageReply>)> {
    match task::fetch_reply(&cluster.relay, history).await? {
        Reply::Chat(reply) => {
            let texts: Vec<_> = reply.choices.iter().map(|choice| choice.message.content.as_str()).collect();
            Ok((Some(texts.join(" | ")), None))
        }
        Reply::Images(reply) => {
            let paths = task::picture::save(&reply, history.id, out)?;
            let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
            Ok((Some(paths.join(" | ")), Some(reply)))
        }
    }
}

async fn times(cluster: &Cluster, rows: &[Row]) -> Result<BTreeMap<u64, u64>> {
    let blocks: BTreeSet<u64> = rows.iter().flat_map(|row| row.history.blocks()).collect();
    let mut times = BTreeMap::new();
    for number in blocks {
        if let Some(block) = cluster.chain.block(number).await? {
            times.insert(number, block.timestamp);
        }
    }
    Ok(times)
}

fn show(outcome: &Outcome, sheet: &Sheet) {
    println!("\nTasks. Blocks are followed by seconds after the first; a higher value per second goes first.");
    println!("{}", report::tasks(outcome));
    for row in &outcome.rows {
        if let Some(text) = row.pictures.as_ref().and_then(task::picture::for_terminal) {
            println!("\n{}:\n{text}", row.prompt);
        }
    }
    println!("\nPayments in CNX.");
    println!("{}", report::payments(outcome));
    println!("\nBalance sheet in CNX.");
    println!("{}", report::sheet(outcome, sheet));
    println!("\nEverything paid in is owned by somebody: the sheet sums to {} wei.", sheet.sum());
    match sheet.frozen().as_slice() {
        [] => println!("No node was frozen."),
        frozen => println!("Frozen for answering something else than two who agreed: nodes {frozen:?}."),
    }
}

/// Every task must have ended as its nodes make it, with the right answer; lazy nodes that stood alone are frozen, honest
/// ones never; and no wei is lost.
fn judge(outcome: &Outcome, sheet: &Sheet) -> Result<()> {
    let mut faults: Vec<String> = outcome.rows.iter().filter_map(|row| fault(row, &outcome.lazy)).collect();
    let frozen = sheet.frozen();
    if let Some(honest) = frozen.iter().find(|node| !outcome.lazy.contains(node)) {
        faults.push(format!("node {honest} is honest and frozen"));
    }
    for node in caught(outcome).difference(&frozen.iter().copied().collect()) {
        faults.push(format!("node {node} is lazy, stood alone and is not frozen"));
    }
    if sheet.sum() != I256::ZERO {
        faults.push(format!("the balance sheet sums to {} wei", sheet.sum()));
    }
    if faults.is_empty() { Ok(()) } else { Err(CliError::DemoFailed(faults.join("; ")).into()) }
}

fn fault(row: &Row, lazy: &[u32]) -> Option<String> {
    let task = &row.history;
    let ending = task.settled.as_ref().map(|settled| settled.ending);
    if ending.is_none() || ending != plan::expected_ending(task, lazy) {
        return Some(format!("task {} is {}", task.id, task.status()));
    }
    match (&row.answer, &row.expected) {
        (Some(answer), Some(expected)) if answer != expected => {
            Some(format!("task {} was answered {answer:?}, not {expected:?}", task.id))
        }
        (None, _) if ending == Some(Ending::Agreed) => Some(format!("task {} was not delivered", task.id)),
        _ => None,
    }
}

/// Lazy nodes that sat with two honest ones.
fn caught(outcome: &Outcome) -> BTreeSet<u32> {
    let agreed = |row: &&Row| plan::expected_ending(&row.history, &outcome.lazy) == Some(Ending::Agreed);
    let nodes = outcome.rows.iter().filter(agreed).filter_map(|row| row.history.seated.as_ref());
    nodes.flat_map(|seated| seated.nodes).filter(|node| outcome.lazy.contains(node)).collect()
}
