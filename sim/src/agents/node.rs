use std::{collections::BTreeSet, sync::Arc};

use alloy::{
    primitives::{Address, B256, U256, aliases::U40, keccak256},
    sol_types::SolCall,
};
use xenon_keeper::{Event, NodeId, TaskId, view::Stage};
use xenon_protocol::{
    chain::Call,
    commitment::{Salt, commitment},
    contracts::{Node, Status, Task},
};

use super::outages::Outages;
use crate::{
    SimError,
    agent::{Agent, Alarm, Desk, Outcome, Sent},
    conduct::{Conducts, Plan, Reveal, Seat},
    truth,
};

/// What the nodes of a group have in common.
#[derive(Clone, Debug)]
pub struct NodeGroup {
    /// Its name.
    pub name: String,
    /// Its number: no other group has it.
    pub number: u64,
    /// How they behave.
    pub conduct: Conducts,
    /// The fingerprint of their class.
    pub class: B256,
    /// GB of memory.
    pub vram_gb: u16,
    /// Wei each stakes.
    pub stake: U256,
    /// The keys of all nodes that work together: those of the group.
    pub keys: BTreeSet<Address>,
}

/// A node: joins, takes seats, and does with them what its group's conduct says.
#[derive(Debug)]
pub struct NodeAgent {
    group: Arc<NodeGroup>,
    member: u32,
    operator: Address,
    key: Address,
    id: Option<NodeId>,
    jobs: Vec<Job>,
    outages: Option<Outages>,
}

/// A task whose seat it took and has not seen the end of.
#[derive(Debug)]
struct Job {
    task: TaskId,
    plan: Plan,
    is_right: bool,
    has_committed: bool,
    /// Whom it copies.
    model: Option<NodeId>,
    /// Results that other nodes of the task have shown.
    shown: Vec<B256>,
}

/// Refusals that a race with a deadline explains.
const LATE: [&str; 3] = ["TooLate", "NotSeated", "WrongState"];
/// Most jobs remembered: those whose end it was not told about are long over.
const REMEMBERED: usize = 8;

impl NodeAgent {
    /// The node with that number in its group.
    pub fn new(group: Arc<NodeGroup>, member: u32, operator: Address, key: Address) -> Self {
        Self { group, member, operator, key, id: None, jobs: Vec::new(), outages: None }
    }

    fn take_seat(&mut self, task: TaskId, nodes: &[NodeId; 3], desk: &mut Desk<'_>) {
        let Some(me) = self.id.filter(|me| nodes.contains(me)) else { return };
        if self.jobs.iter().any(|job| job.task == task) {
            return;
        }
        let Some(job) = self.job(task, me, nodes, desk) else { return };
        if let Some(work) = job.plan.commit {
            let done = self.outages.as_mut().map(|outages| outages.done(desk.now, work) - desk.now);
            desk.alarm(done.unwrap_or(work), Alarm::Commit(task));
        }
        if self.jobs.len() == REMEMBERED {
            self.jobs.remove(0);
        }
        self.jobs.push(job);
    }

    fn job(&self, id: TaskId, me: NodeId, nodes: &[NodeId; 3], desk: &Desk<'_>) -> Option<Job> {
        let task = desk.view.tasks().get(id)?;
        let kind = desk.view.kinds().get(&task.kind)?;
        let is_fellow = |node: &&NodeId| {
            **node != me && desk.view.nodes().get(**node).is_some_and(|node| self.group.keys.contains(&node.key))
        };
        let fellows = u8::try_from(nodes.iter().filter(is_fellow).count()).unwrap_or(2);
        let seat = Seat {
            task: id,
            kind,
            size: task.size,
            class: task.class,
            estimate: kind.duration_ms(task.size)?.get(),
            time: task.deadline.saturating_mul(1000).saturating_sub(desk.now),
            fellows,
            group: self.group.number,
        };
        let plan = self.group.conduct.conduct().plan(&seat, &mut desk.random(id.0));
        let is_right = truth::is_right(plan.result, id, kind, task.size, task.class);
        Some(Job { task: id, plan, is_right, has_committed: false, model: None, shown: Vec::new() })
    }

    fn job_of(&mut self, task: TaskId) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|job| job.task == task)
    }

    fn commit(&mut self, task: TaskId, desk: &mut Desk<'_>) {
        let (key, id) = (self.key, self.id);
        let Some(salt) = salt_of(task, key) else { return };
        if let (Some(node), Some(job)) = (id, self.job_of(task)) {
            job.has_committed = true;
            let commitment = commitment(task.0, key, job.plan.result, &salt);
            self.call(desk, "commit", task, &Task::commitCall { node: node.0, task: U40::from(task.0), commitment });
        }
    }

    fn reveal(&mut self, task: TaskId, desk: &mut Desk<'_>) {
        let (key, id) = (self.key, self.id);
        let Some(job) = self.job_of(task).filter(|job| job.has_committed) else { return };
        // Who copies shows what its model shows, salt included: all of it is public by then.
        let model = job.model.and_then(|model| desk.view.nodes().get(model)).map_or(key, |model| model.key);
        let (result, salt) = (job.plan.result, salt_of(task, model));
        if let (Some(node), Some(salt)) = (id, salt) {
            let call = Task::revealCall { node: node.0, task: U40::from(task.0), result, salt: salt.reveal() };
            self.call(desk, "reveal", task, &call);
        }
    }

    fn deliver(&self, task: TaskId, desk: &mut Desk<'_>) {
        let Some(node) = self.id else { return };
        let content = keccak256(format!("content of task {task}"));
        self.call(desk, "deliver", task, &Task::deliverCall { node: node.0, task: U40::from(task.0), content });
    }

    fn call(&self, desk: &mut Desk<'_>, what: &'static str, task: TaskId, call: &impl SolCall) {
        desk.send(self.key, what, Some(task), Call::new(desk.contracts.task, call));
    }

    fn operate(&self, desk: &mut Desk<'_>, what: &'static str, call: &impl SolCall) {
        desk.send(self.operator, what, None, Call::new(desk.contracts.node, call));
    }

    /// Another node of a task of ours has committed.
    fn saw_commitment(&mut self, task: TaskId, by: NodeId, commitment: B256, desk: &mut Desk<'_>) {
        let Some(me) = self.id.filter(|me| *me != by) else { return };
        let Some(job) = self.job_of(task).filter(|job| job.plan.copies && !job.has_committed) else { return };
        (job.has_committed, job.model) = (true, Some(by));
        self.call(desk, "commit", task, &Task::commitCall { node: me.0, task: U40::from(task.0), commitment });
    }

    /// Another node of a task of ours has shown its result.
    fn saw_result(&mut self, task: TaskId, by: NodeId, result: B256, desk: &mut Desk<'_>) {
        if self.id == Some(by) {
            return;
        }
        let Some(job) = self.job_of(task) else { return };
        job.shown.push(result);
        if job.model == Some(by) {
            job.plan.result = result;
            desk.alarm(0, Alarm::Reveal(task));
        } else if job.plan.reveal == Reveal::WhenShared && result == job.plan.result {
            desk.alarm(0, Alarm::Reveal(task));
        }
    }

    fn reveals_open(&mut self, task: TaskId, desk: &mut Desk<'_>) {
        let Some(job) = self.job_of(task).filter(|job| !job.plan.copies) else { return };
        if let Reveal::After(delay) = job.plan.reveal {
            desk.alarm(delay, Alarm::Reveal(task));
        }
    }

    /// It is this node's turn to deliver, if it is.
    fn is_settled(&mut self, task: TaskId, desk: &mut Desk<'_>) {
        let Some(me) = self.id else { return };
        let is_mine = |stage: &Stage| matches!(stage, Stage::Delivering(seats) if seats.delivers(me));
        let is_turn = desk.view.tasks().get(task).is_some_and(|task| is_mine(&task.stage));
        if let Some(delay) = self.job_of(task).and_then(|job| job.plan.deliver).filter(|_| is_turn) {
            desk.alarm(delay, Alarm::Deliver(task));
        }
    }

    fn is_frozen(&mut self, task: TaskId, desk: &mut Desk<'_>) {
        let appeals = self.group.conduct.conduct().appeals();
        let was_right = self.job_of(task).is_some_and(|job| job.is_right);
        if let Some(node) = self.id.filter(|_| appeals && was_right) {
            let evidence = keccak256(format!("transcript of task {task}"));
            self.operate(desk, "appeal", &Node::appealCall { node: node.0, evidence });
        }
    }
}

impl Agent for NodeAgent {
    fn name(&self) -> String {
        format!("node {} of {}", self.member, self.group.name)
    }

    fn addresses(&self) -> Vec<Address> {
        vec![self.key]
    }

    fn start(&mut self, desk: &mut Desk<'_>) -> Result<(), SimError> {
        let (key, class_hash) = (self.key, self.group.class);
        let call =
            Node::joinCall { key, classHash: class_hash, vramGb: self.group.vram_gb, gpu: self.group.name.clone() };
        let call = Call::new(desk.contracts.node, &call).with_value(self.group.stake);
        desk.send(self.operator, "join", None, call);
        let means = self.group.conduct.conduct().outages();
        self.outages = means.map(|means| Outages::new(means, desk.random(u64::MAX), desk.now));
        Ok(())
    }

    fn wake(&mut self, alarm: Alarm, desk: &mut Desk<'_>) -> Result<(), SimError> {
        if let Some(outages) = &mut self.outages {
            outages.forget(desk.now);
            let up = outages.up(desk.now);
            if up > desk.now {
                desk.alarm(up - desk.now, alarm);
                return Ok(());
            }
        }
        match alarm {
            Alarm::Commit(task) => self.commit(task, desk),
            Alarm::Reveal(task) => self.reveal(task, desk),
            Alarm::Deliver(task) => self.deliver(task, desk),
            Alarm::Resume => {
                if let Some(node) = self.id {
                    self.operate(desk, "resume", &Node::resumeCall { node: node.0 });
                }
            }
            Alarm::Enter | Alarm::Next | Alarm::Decide(..) | Alarm::Cancel(_) => {}
        }
        Ok(())
    }

    fn see(&mut self, event: &Event, desk: &mut Desk<'_>) -> Result<(), SimError> {
        match event {
            Event::NodeJoined(joined) => self.id = Some(joined.node),
            Event::TaskSeated { task, nodes, .. } | Event::SeatsRefilled { task, nodes, .. } => {
                self.take_seat(*task, nodes, desk);
            }
            Event::Committed { task, node, commitment } => self.saw_commitment(*task, *node, *commitment, desk),
            Event::RevealOpened { task, .. } => self.reveals_open(*task, desk),
            Event::Revealed { task, node, result } => self.saw_result(*task, *node, *result, desk),
            Event::TaskSettled(settled) => self.is_settled(settled.task, desk),
            Event::DeliveryPassed { task, .. } => self.is_settled(*task, desk),
            Event::CaseOpened { task, .. } => self.is_frozen(*task, desk),
            Event::StatusChanged { status: Status::Suspended, .. } => {
                if let Some(delay) = self.group.conduct.conduct().resumes() {
                    desk.alarm(delay, Alarm::Resume);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn hear(&mut self, sent: &Sent, outcome: &Outcome, desk: &mut Desk<'_>) -> Result<(), SimError> {
        let Err(error) = outcome else { return Ok(()) };
        let name = error.revert().and_then(xenon_protocol::chain::Revert::name).unwrap_or_default();
        let copies = sent.task.and_then(|task| self.job_of(task)).is_some_and(|job| job.plan.copies);
        let is_expected = match sent.what {
            "commit" | "deliver" => LATE.contains(&name),
            "reveal" => LATE.contains(&name) || (copies && name == "WrongReveal"),
            "resume" => name == "WrongStatus",
            "appeal" => name == "WrongStatus" || name == "FreezePending",
            _ => false,
        };
        if is_expected { Ok(()) } else { Err(sent.refused(self.name(), desk.head.number, error)) }
    }
}

/// The salt of a key for a task; a hash is never zero, which alone would be none.
fn salt_of(task: TaskId, key: Address) -> Option<Salt> {
    Salt::new(keccak256(format!("salt of {key} for task {task}"))).ok()
}
