//! Events in words.

use std::collections::BTreeMap;

use alloy::primitives::B256;
use xenon_protocol::{
    contracts::{Ending, Lapse, Ruling},
    error_code,
};

use crate::{Event, NodeId, TaskCreated, TaskId, TaskSettled, View, coins::Coins, order::ranking, view::Seats};

/// Parts of the fee by the order of commits and of reveals, of [`PARTS`]. Mirrors `contracts/libraries/FeeShare.sol`.
const POINTS: [u32; 4] = [0, 10, 9, 6];

/// All parts of the fee.
const PARTS: u32 = 50;

/// What an event is told from.
pub(super) struct Scene<'a> {
    pub(super) view: &'a View,
    pub(super) task: TaskId,
    /// How many tasks are before it, and how many there are.
    pub(super) rank: Option<(usize, usize)>,
    /// What nodes revealed.
    pub(super) results: &'a BTreeMap<NodeId, B256>,
}

/// An event in words, and the deadline that begins with it.
pub(super) struct Told {
    pub(super) text: String,
    pub(super) until: Option<u64>,
}

/// An ending in words.
pub const fn ending_name(ending: Ending) -> &'static str {
    match ending {
        Ending::Agreed => "agreed",
        Ending::Disagreed => "aborted: no two results agree",
        Ending::Failed => "aborted: the nodes report the same error",
        Ending::Mixed => "aborted: errors and different results",
        Ending::Unanswered => "aborted: fewer than two nodes answered",
        Ending::Cancelled => "cancelled",
        Ending::Expired => "expired",
        Ending::Evicted => "evicted: the queue was full and others offered more",
        _ => "unknown",
    }
}

/// Tells an event; `None` if there is nothing to say.
pub(super) fn tell(scene: &Scene<'_>, event: &Event) -> Option<Told> {
    let (text, until) = match event {
        Event::TaskCreated(created) => (born(scene, created), Some(created.expires_at)),
        Event::ClassReserved { class, until, .. } => {
            (format!("class {class} is kept for it: it has waited long for three nodes of one class"), Some(*until))
        }
        Event::TaskSeated { nodes, class, commit_by, keeper, crank_reward, .. } => {
            let class = class.map(|class| format!(" of class {class}")).unwrap_or_default();
            let paid = Coins(*crank_reward);
            (
                format!("nodes {}{class} are to run it; keeper {keeper} is credited {paid}", list(nodes)),
                Some(*commit_by),
            )
        }
        Event::SeatsVacated { vacated, refill_by, .. } => (
            format!("{} let the time to commit pass: other nodes are wanted", holders(scene, *vacated)),
            Some(*refill_by),
        ),
        Event::SeatsRefilled { nodes, commit_by, keeper, crank_reward, .. } => {
            let paid = Coins(*crank_reward);
            (format!("nodes {} are to run it now; keeper {keeper} is credited {paid}", list(nodes)), Some(*commit_by))
        }
        Event::RevealOpened { reveal_by, .. } => (String::from("results can be revealed"), Some(*reveal_by)),
        Event::TaskSettled(settled) => (outcome(scene, settled), Some(settled.deliver_by).filter(|time| *time != 0)),
        Event::DeliveryPassed { next, deliver_by, .. } => {
            (format!("the result was not delivered in time: it is the turn of node {next}"), Some(*deliver_by))
        }
        Event::CaseOpened { node, appeal_by, .. } => (frozen(scene, *node), Some(*appeal_by)),
        Event::Appealed { node, appellant, evidence, decide_by, .. } => {
            (format!("{appellant} appeals for node {node} with evidence {evidence}"), Some(*decide_by))
        }
        event => (plain(scene, event)?, None),
    };
    Some(Told { text, until })
}

/// Events that set no deadline.
fn plain(scene: &Scene<'_>, event: &Event) -> Option<String> {
    Some(match event {
        Event::RelayNamed { relay, .. } => format!("its delivery needs the signature of relay {relay}"),
        Event::TaskDrawn { draw_block, .. } => drawn(scene, *draw_block),
        Event::TaskRequeued { .. } => {
            String::from("no three free nodes of different operators were found: it is the first of its level again")
        }
        Event::ReservationEnded { class, .. } => format!("class {class} is not kept for it any more"),
        Event::TaskEvicted { .. } => String::from("the queue was full and another task offered more per second"),
        Event::TaskWithdrawn { ending, refund, .. } => {
            format!("{}; {} go back to the creator", ending_name(*ending), Coins(*refund))
        }
        Event::TaskVacant { .. } => String::from("it stands in the line of those with seats to give away"),
        Event::Advanced { caller, crank_reward, .. } => {
            format!("{caller} moved it on after its deadline and is credited {}", Coins(*crank_reward))
        }
        Event::Committed { node, commitment, .. } => format!("node {node} committed to {commitment}"),
        Event::Revealed { node, result, .. } => format!("node {node} revealed {}", result_name(*result)),
        Event::Delivered { node, content, paid, .. } => {
            format!("node {node} delivered {content} and is credited the {} held for it", Coins(*paid))
        }
        Event::Undelivered { to, amount, .. } => {
            format!("nobody delivered the result: the {} held for it go to {to}", Coins(*amount))
        }
        event => about_a_node(event)?,
    })
}

/// What it brought on its nodes.
fn about_a_node(event: &Event) -> Option<String> {
    Some(match event {
        Event::Penalized { node, lapse, amount, stake } => {
            let (amount, stake) = (Coins(*amount), Coins(*stake));
            format!("node {node} pays {amount} of its stake because it {}; {stake} are left", lapse_name(*lapse))
        }
        Event::Scored { node, points, score } => {
            format!("node {node} gets {points} of 20 points; its score is {score} of 640")
        }
        Event::StatusChanged { node, .. } => {
            format!("node {node} is suspended, because it missed several tasks in a row")
        }
        Event::KickedOut { node } => format!("node {node} has to leave: its score is too low"),
        Event::EvidenceAdded { node, from, evidence, .. } => {
            format!("{from} adds evidence {evidence} to the case of node {node}")
        }
        Event::Accused { node, .. } => format!("node {node} answers for this task after its present case"),
        Event::CaseDecided { node, ruling, .. } => {
            format!("the case of node {node} is decided: {}", ruling_name(*ruling))
        }
        Event::CaseLapsed { node, .. } => {
            format!("the case of node {node} was not decided in time: its stake is released")
        }
        Event::Slashed { node, amount, .. } => {
            format!("the stake of node {node}, {}, goes to the treasury", Coins(*amount))
        }
        _ => return None,
    })
}

fn born(scene: &Scene<'_>, created: &TaskCreated) -> String {
    let TaskCreated { creator, kind, size, min_vram, fee, value, .. } = created;
    let class = created.required_class.map(|class| format!(", of class {class}")).unwrap_or_default();
    let rank =
        scene.rank.map(|(before, of)| format!("; {before} of {of} queued tasks are before it")).unwrap_or_default();
    // The rate has 64 fractional bits.
    let rate = Coins((value.raw() >> 64usize).to());
    format!(
        "created by {creator}: kind {kind}, {size} units, nodes with {min_vram} GB or more{class}; {} escrowed, {rate} per second, level {}{rank}",
        Coins(*fee),
        value.level(),
    )
}

fn drawn(scene: &Scene<'_>, draw_block: u64) -> String {
    let seed = format!("the hash of block {draw_block} will choose its nodes");
    let ranking = ranking(scene.view);
    match ranking.iter().find(|ranked| ranked.task == scene.task) {
        Some(ranked) if ranked.before == 0 => format!("drawn as the first of {} queued tasks; {seed}", ranking.len()),
        Some(ranked) => {
            let before = ranked.before;
            format!(
                "drawn while {before} of {} queued tasks were before it and could not be served; {seed}",
                ranking.len()
            )
        }
        None => format!("drawn for its vacated seats; {seed}"),
    }
}

fn outcome(scene: &Scene<'_>, settled: &TaskSettled) -> String {
    let Some(seats) = scene.view.tasks().get(scene.task).and_then(|task| task.seats()) else {
        return ending_name(settled.ending).to_owned();
    };
    let is_agreed = settled.ending == Ending::Agreed;
    let mut parts = vec![match settled.ending {
        Ending::Agreed => format!("agreed on {}", settled.result),
        other => ending_name(other).to_owned(),
    }];
    parts.extend((0..3).map(|seat| share(scene, seats, settled, seat)));
    if settled.refund > 0 {
        parts.push(format!("{} go back to the creator", Coins(settled.refund)));
    }
    if let Some(node) = seats.nodes.get(usize::from(settled.deliverer)).filter(|_| is_agreed) {
        parts.push(format!("node {node} delivers, and its share is held until then"));
    }
    parts.join("; ")
}

/// What the holder of a seat earned, or why it did not.
fn share(scene: &Scene<'_>, seats: &Seats, settled: &TaskSettled, seat: usize) -> String {
    let (node, paid) = (seats.nodes[seat], settled.shares[seat]);
    let (commit, reveal) = (seats.commit_ranks[seat], seats.reveal_ranks[seat]);
    let did = did(scene, seats, seat);
    if settled.agreeing[seat] {
        let points = points(commit) + points(reveal);
        let (commit, reveal) = (nth(commit), nth(reveal));
        return format!(
            "node {node} earns {}: {commit} to commit and {reveal} to reveal, {points} of {PARTS} parts",
            Coins(paid)
        );
    }
    match paid {
        0 => format!("node {node} {did} and earns nothing"),
        paid => format!("node {node} {did} and earns {}", Coins(paid)),
    }
}

/// What the holder of a seat did.
fn did(scene: &Scene<'_>, seats: &Seats, seat: usize) -> String {
    let node = seats.nodes[seat];
    if seats.vacated[seat] || seats.commit_ranks[seat] == 0 {
        return String::from("did not commit");
    }
    match scene.results.get(&node).filter(|_| seats.reveal_ranks[seat] != 0) {
        None => String::from("did not reveal"),
        Some(result) => format!("revealed {}", result_name(*result)),
    }
}

fn frozen(scene: &Scene<'_>, node: NodeId) -> String {
    let why = match scene.results.get(&node) {
        Some(_) => "its result is not that of two who agree",
        None => "an arbiter found that it had another frozen for nothing",
    };
    format!("node {node} is frozen: {why}; unless somebody appeals its stake is slashed")
}

/// The nodes of some seats.
fn holders(scene: &Scene<'_>, seats: [bool; 3]) -> String {
    let task = scene.view.tasks().get(scene.task);
    let Some(known) = task.and_then(|task| task.seats()) else { return String::from("some nodes") };
    let nodes: Vec<_> = known.nodes.iter().zip(seats).filter(|(_, is_one)| *is_one).map(|(node, _)| *node).collect();
    if nodes.len() == 1 { format!("node {}", list(&nodes)) } else { format!("nodes {}", list(&nodes)) }
}

fn list(nodes: &[NodeId]) -> String {
    nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn points(rank: u8) -> u32 {
    POINTS.get(usize::from(rank)).copied().unwrap_or_default()
}

const fn nth(rank: u8) -> &'static str {
    match rank {
        1 => "first",
        2 => "second",
        3 => "third",
        _ => "not",
    }
}

fn result_name(result: B256) -> String {
    error_code::decode(result).map_or_else(|| result.to_string(), |code| format!("the error {code}"))
}

const fn lapse_name(lapse: Lapse) -> &'static str {
    match lapse {
        Lapse::Missed => "let a stage pass",
        Lapse::Concealed => "kept a committed result back",
        _ => "failed to do its part",
    }
}

const fn ruling_name(ruling: Ruling) -> &'static str {
    match ruling {
        Ruling::Guilty => "its result was false, and it is slashed",
        Ruling::Innocent => "nobody is to blame, and its stake is released",
        Ruling::Framed => "the two others agreed on something false: its stake is released and they are frozen",
        Ruling::__Invalid => "in a way that this version does not know",
    }
}
