//! An agent that dies at any moment, and comes back.

use std::sync::atomic::Ordering;

use tokio::time::timeout;
use xenon_protocol::contracts::{Ending, State, Status, Task};

use crate::{
    echo::{Echo, echo, question},
    link::{Link, Moment},
    world::{Agent, PATIENCE, PAUSE, World},
};

/// One round of an agent that may be killed in it. Returns whether it was.
async fn round_or_death(agent: &mut Agent, link: &Link) -> bool {
    tokio::select! {
        () = link.died() => true,
        outcome = agent.step() => {
            outcome.unwrap();
            agent.rest(PAUSE).await;
            false
        }
    }
}

/// A whole life in which node 0 is killed at one operation and starts again. Returns whether it came to that.
async fn survives(seated: &World, task: u64, operation: usize, moment: Moment) -> bool {
    let world = seated.fork();
    let mut others = [world.agent(1, Echo::default()).await, world.agent(2, Echo::default()).await];
    let link = Link::to(&world.chain);
    let mut agent = world.agent_over(&link, 0, Echo::default()).await.unwrap();
    link.kill_at(operation, moment);
    let mut was_killed = false;
    let life = async {
        while world.state(task).await != State::Ended {
            if round_or_death(&mut agent, &link).await {
                was_killed = true;
                drop(agent);
                agent = world.agent(0, Echo::default()).await;
            }
            world.round(&mut others).await;
        }
    };
    timeout(PATIENCE, life).await.expect("the task ends");
    assert_all_is_well(&world, &format!("killed {moment:?} operation {operation}")).await;
    was_killed
}

async fn assert_all_is_well(world: &World, at: &str) {
    let (ending, settled) = world.settlement().await;
    assert_eq!((ending, settled.agreeing), (Ending::Agreed, [true; 3]), "{at}");
    assert_eq!(world.commitments(0).await.len(), 1, "{at}");
    assert_eq!(world.events::<Task::Delivered>().await.len(), 1, "{at}");
    assert_eq!(world.status(0).await, Status::Free, "{at}");
}

async fn survives_everywhere(moment: Moment) {
    let world = World::with_nodes(3).await;
    let task = world.submit(&question("Are you still there?")).await;
    let mut operation = 0;
    while survives(&world, task, operation, moment).await {
        operation += 1;
    }
    assert!(operation > 20, "only {operation} operations to be killed at");
}

#[tokio::test]
async fn killed_before_any_operation_it_comes_back_to_the_same_commitment() {
    survives_everywhere(Moment::Before).await;
}

#[tokio::test]
async fn killed_after_any_operation_it_comes_back_to_the_same_commitment() {
    survives_everywhere(Moment::After).await;
}

#[tokio::test]
async fn an_answer_in_the_journal_is_not_computed_again() {
    let world = World::with_nodes(3).await;
    let spec = question("Once is enough");
    let task = world.submit(&spec).await;
    let runner = Echo::default();
    let mut agent = [world.agent(0, runner.clone()).await];
    world.work_until_committed(&mut agent, 0).await;
    drop(agent);
    let mut agents = vec![world.agent(0, runner.clone()).await];
    for index in [1, 2] {
        agents.push(world.agent(index, Echo::default()).await);
    }
    world.work_until(&mut agents, task, State::Ended).await;
    assert_eq!(world.settlement().await.1.result, echo(&spec).result);
    assert_eq!(runner.runs.load(Ordering::SeqCst), 1);
}
