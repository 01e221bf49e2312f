//! An agent that is killed at a named stage of a task, and the one that comes after it.
//!
//! `crash.rs` kills it at every operation on the chain, by number; here each stage has its test. The agent's future is dropped
//! where it stands, as `kill -9` does, and another agent is started on the journal that is left.

use std::sync::{
    Arc, Mutex,
    mpsc::{self, Receiver, Sender},
};

use alloy::{primitives::B256, sol_types::SolCall};
use tokio::{sync::Notify, time::timeout};
use url::Url;
use xenon_executor::{
    TaskOutput,
    agent::{NodeAgent, TaskRunner},
};
use xenon_protocol::{
    contracts::{Ending, State, Status, Task},
    error_code::ErrorCode,
    task::TaskSpec,
};

use crate::{
    echo::{Echo, echo, question},
    link::{Link, LinkAccount, Moment},
    post::{Errand, Post},
    relays::signing_relay,
    world::{PATIENCE, PAUSE, World},
};

/// Where the agent dies.
#[derive(Clone, Copy, Debug)]
enum Death {
    Call([u8; 4], Moment),
    Errand(Errand, Moment),
    Computing,
}

/// A runner whose first run never ends.
#[derive(Clone, Debug)]
struct Stuck {
    began: Arc<Notify>,
    end: Arc<Mutex<Receiver<()>>>,
}

impl TaskRunner for Stuck {
    fn run(&mut self, task: &TaskSpec) -> Result<TaskOutput, ErrorCode> {
        self.began.notify_one();
        let _ = self.end.lock().unwrap().recv();
        Ok(echo(task))
    }
}

/// A world in which one agent will die.
struct Stage {
    world: World,
    task: u64,
    link: Link,
    post: Post,
    relay: Url,
    began: Arc<Notify>,
    stuck: Stuck,
    /// Lets the stuck run end with the test.
    _end: Sender<()>,
}

impl Stage {
    async fn set() -> Self {
        let world = World::with_nodes(3).await;
        let task = world.submit(&question("Are you still there?")).await;
        Self::of(world, task).await
    }

    async fn of(world: World, task: u64) -> Self {
        let link = Link::to(&world.chain);
        let (post, relay) = Post::to(&world.relay).await;
        let (end, ended) = mpsc::channel();
        let began = Arc::new(Notify::new());
        let stuck = Stuck { began: began.clone(), end: Arc::new(Mutex::new(ended)) };
        Self { world, task, link, post, relay, began, stuck, _end: end }
    }

    /// Lets the agent of node `index` work until it dies, and the others with it.
    async fn play_until_death(&self, index: usize, death: Death, others: &mut [NodeAgent<LinkAccount>]) {
        match death {
            Death::Call(selector, moment) => self.link.kill_at_call(selector.into(), moment),
            Death::Errand(errand, moment) => self.post.kill_at(errand, moment),
            Death::Computing => {}
        }
        let mut agent = match death {
            Death::Computing => self.agent(index, self.stuck.clone()).await,
            _ => self.agent(index, Echo::default()).await,
        };
        let life = async {
            loop {
                tokio::select! {
                    biased;
                    () = self.link.died() => return,
                    () = self.post.died() => return,
                    () = self.began.notified() => return,
                    outcome = agent.step() => outcome.unwrap(),
                };
                if !matches!(death, Death::Computing) {
                    agent.rest(PAUSE).await;
                }
                self.world.round(others).await;
            }
        };
        timeout(PATIENCE, life).await.expect("it dies");
    }

    async fn agent(&self, index: usize, runner: impl TaskRunner) -> NodeAgent<LinkAccount> {
        self.world.agent_by_post(&self.link, self.relay.clone(), index, runner).await
    }

    /// Lets a new agent, and what the dead one had sent, meet; then everything takes its course.
    async fn play_on(&self, index: usize, mut agents: Vec<NodeAgent<LinkAccount>>) {
        let mut agent = self.agent(index, Echo::default()).await;
        agent.step().await.unwrap();
        self.link.land().await;
        agents.push(agent);
        self.world.work_until(&mut agents, self.task, State::Ended).await;
    }

    async fn others(&self, index: usize) -> Vec<NodeAgent<LinkAccount>> {
        let mut others = Vec::new();
        for other in (0..3).filter(|other| *other != index) {
            others.push(self.world.agent(other, Echo::default()).await);
        }
        others
    }

    /// One commitment, the one that the dead agent was bound to; agreed, delivered once, paid.
    async fn assert_all_is_well(&self, index: usize, bound: Option<B256>) {
        let (ending, settled) = self.world.settlement().await;
        assert_eq!((ending, settled.agreeing), (Ending::Agreed, [true; 3]));
        let commitments = self.world.commitments(index).await;
        assert_eq!(commitments.len(), 1);
        assert!(bound.is_none_or(|bound| commitments == [bound]), "another commitment than the journal's");
        assert_eq!(self.world.events::<Task::Delivered>().await.len(), 1);
        assert_eq!(self.world.status(index).await, Status::Free);
        assert!(!self.world.earned(index).await.is_zero());
    }
}

/// Kills the agent of node 0 at a stage before the votes are counted. `is_bound` says whether its journal must hold an answer.
async fn survives(death: Death, is_bound: bool) {
    let stage = Stage::set().await;
    let mut others = stage.others(0).await;
    stage.play_until_death(0, death, &mut others).await;
    let bound = stage.world.bound_to(0, stage.task).await;
    assert_eq!(bound.is_some(), is_bound);
    stage.play_on(0, others).await;
    stage.assert_all_is_well(0, bound).await;
}

/// Kills the deliverer at a stage of its delivery.
async fn deliverer_survives(death: Death) {
    delivers(&Stage::set().await, death).await;
}

/// The same, when the relay must sign.
async fn signed_deliverer_survives(death: Death) {
    let (url, relay, _content) = signing_relay().await;
    let world = World::with_relay(3, url).await;
    let task = world.submit_relayed(&question("Who signs?"), relay).await;
    delivers(&Stage::of(world, task).await, death).await;
}

async fn delivers(stage: &Stage, death: Death) {
    let mut agents = stage.world.honest_agents().await;
    stage.world.work_until(&mut agents, stage.task, State::Delivering).await;
    let view = stage.world.view(stage.task).await;
    let deliverer = view.nodes[usize::from(view.deliverer)];
    let index = stage.world.nodes.iter().position(|node| *node == deliverer).unwrap();
    drop(agents);
    let bound = stage.world.bound_to(index, stage.task).await;
    let mut others = stage.others(index).await;
    stage.play_until_death(index, death, &mut others).await;
    stage.play_on(index, others).await;
    stage.assert_all_is_well(index, bound).await;
}

const COMMIT: [u8; 4] = Task::commitCall::SELECTOR;
const REVEAL: [u8; 4] = Task::revealCall::SELECTOR;
const DELIVER: [u8; 4] = Task::deliverCall::SELECTOR;
const DELIVER_SIGNED: [u8; 4] = Task::deliverSignedCall::SELECTOR;

#[tokio::test]
async fn killed_before_the_task_is_fetched() {
    survives(Death::Errand(Errand::Get, Moment::Before), false).await;
}

#[tokio::test]
async fn killed_when_the_task_is_fetched() {
    survives(Death::Errand(Errand::Get, Moment::After), false).await;
}

#[tokio::test]
async fn killed_while_it_computes() {
    survives(Death::Computing, false).await;
}

#[tokio::test]
async fn killed_with_an_answer_before_the_commitment_is_sent() {
    survives(Death::Call(COMMIT, Moment::Before), true).await;
}

#[tokio::test]
async fn killed_while_the_commitment_is_on_its_way() {
    survives(Death::Call(COMMIT, Moment::InFlight), true).await;
}

#[tokio::test]
async fn killed_when_the_commitment_is_in_a_block() {
    survives(Death::Call(COMMIT, Moment::After), true).await;
}

#[tokio::test]
async fn killed_before_the_reveal_is_sent() {
    survives(Death::Call(REVEAL, Moment::Before), true).await;
}

#[tokio::test]
async fn killed_while_the_reveal_is_on_its_way() {
    survives(Death::Call(REVEAL, Moment::InFlight), true).await;
}

#[tokio::test]
async fn killed_when_the_reveal_is_in_a_block() {
    survives(Death::Call(REVEAL, Moment::After), true).await;
}

#[tokio::test]
async fn killed_when_agreed_before_the_reply_is_at_the_relay() {
    deliverer_survives(Death::Errand(Errand::Put, Moment::Before)).await;
}

#[tokio::test]
async fn killed_when_the_reply_is_at_the_relay_and_not_read_back() {
    deliverer_survives(Death::Errand(Errand::Put, Moment::After)).await;
}

#[tokio::test]
async fn killed_while_the_reply_is_read_back() {
    deliverer_survives(Death::Errand(Errand::Get, Moment::After)).await;
}

#[tokio::test]
async fn killed_when_the_relay_has_the_reply_and_the_chain_has_not_heard() {
    deliverer_survives(Death::Call(DELIVER, Moment::Before)).await;
}

#[tokio::test]
async fn killed_while_the_delivery_is_on_its_way_to_the_chain() {
    deliverer_survives(Death::Call(DELIVER, Moment::InFlight)).await;
}

#[tokio::test]
async fn killed_when_the_delivery_is_in_a_block() {
    deliverer_survives(Death::Call(DELIVER, Moment::After)).await;
}

#[tokio::test]
async fn killed_when_the_relay_has_signed_and_the_answer_is_lost() {
    signed_deliverer_survives(Death::Errand(Errand::Put, Moment::After)).await;
}

#[tokio::test]
async fn killed_with_a_signature_before_the_chain_has_heard() {
    signed_deliverer_survives(Death::Call(DELIVER_SIGNED, Moment::Before)).await;
}

#[tokio::test]
async fn killed_while_the_signed_delivery_is_on_its_way() {
    signed_deliverer_survives(Death::Call(DELIVER_SIGNED, Moment::InFlight)).await;
}
