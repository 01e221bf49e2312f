//! An answer that comes too late is kept to oneself.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
    mpsc,
};

use xenon_executor::{TaskOutput, agent::TaskRunner};
use xenon_protocol::{
    chain::Chain,
    contracts::{Ending, State, Status, Task},
    error_code::ErrorCode,
    task::TaskSpec,
};

use crate::{
    echo::{Echo, echo, question},
    world::{World, key},
};

/// Gives the right answer when it is let, and counts how often it was asked.
struct Gated {
    gate: mpsc::Receiver<()>,
    runs: Arc<AtomicUsize>,
}

impl Gated {
    fn new() -> (mpsc::Sender<()>, Self) {
        let (open, gate) = mpsc::channel();
        (open, Self { gate, runs: Arc::default() })
    }
}

impl TaskRunner for Gated {
    fn run(&mut self, task: &TaskSpec) -> Result<TaskOutput, ErrorCode> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        self.gate.recv().map_err(|_| ErrorCode::ExecutionFailed)?;
        Ok(echo(task))
    }
}

#[tokio::test]
async fn a_run_in_hand_is_not_started_again() {
    let world = World::with_nodes(3).await;
    world.submit(&question("One thing at a time")).await;
    let (gate, runner) = Gated::new();
    let runs = Arc::clone(&runner.runs);
    let mut slow = [world.agent(0, runner).await];
    for _ in 0..5 {
        world.round(&mut slow).await;
    }
    for _ in 0..5 {
        gate.send(()).unwrap();
    }
    world.work_until_committed(&mut slow, 0).await;
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_answer_after_the_deadline_is_not_committed_to() {
    let world = World::with_nodes(3).await;
    let task = world.submit(&question("Take your time")).await;
    let (gate, runner) = Gated::new();
    let mut slow = [world.agent(0, runner).await];
    let mut others = [world.agent(1, Echo::default()).await, world.agent(2, Echo::default()).await];
    world.round(&mut slow).await;
    world.work_until_committed(&mut others, 1).await;
    world.work_until_committed(&mut others, 2).await;

    let purse = world.chain.balance(key(0)).await.unwrap();
    world.chain.mine(3_600);
    gate.send(()).unwrap();
    for _ in 0..20 {
        world.round(&mut slow).await;
    }
    assert_eq!(world.commitments(0).await.len(), 0);
    assert_eq!(world.chain.balance(key(0)).await.unwrap(), purse, "no transaction was sent");

    world.run_out(task).await;
    assert_eq!(world.state(task).await, State::Vacant);
    world.run_out(task).await;
    world.work_until(&mut others, task, State::Ended).await;
    assert_eq!(world.settlement().await.0, Ending::Agreed);
    world.round(&mut slow).await;
    assert_eq!(world.status(0).await, Status::Free);
}

#[tokio::test]
async fn a_reveal_after_the_deadline_is_not_sent() {
    let world = World::with_nodes(3).await;
    let task = world.submit(&question("Wake up")).await;
    let mut agents = world.honest_agents().await;
    for index in 0..3 {
        world.work_until_committed(&mut agents[index..=index], index).await;
    }
    let reveals = world.events::<Task::Revealed>().await.len();
    let purse = world.chain.balance(key(0)).await.unwrap();
    world.chain.mine(3_600);
    for _ in 0..5 {
        world.round(&mut agents).await;
    }
    assert_eq!(world.events::<Task::Revealed>().await.len(), reveals);
    assert_eq!(world.chain.balance(key(0)).await.unwrap(), purse, "no transaction was sent");
    assert_eq!(world.state(task).await, State::Revealing);
}
