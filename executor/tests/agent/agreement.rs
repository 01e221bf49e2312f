//! The usual course: agreement, and one who does not work.

use std::sync::{Arc, Mutex, atomic::Ordering};

use xenon_executor::agent::{Event, LazyRunner, Observer};
use xenon_protocol::contracts::{Ending, State, Status, Task};

use crate::{
    echo::{Echo, echo, question},
    world::World,
};

#[tokio::test]
async fn three_agents_agree_deliver_and_are_free_again() {
    let world = World::with_nodes(3).await;
    let spec = question("What is 17 + 25?");
    let task = world.submit(&spec).await;
    let runner = Echo::default();
    let mut agents = Vec::new();
    for index in 0..3 {
        agents.push(world.agent(index, runner.clone()).await);
    }
    world.work_until(&mut agents, task, State::Ended).await;

    let (ending, settled) = world.settlement().await;
    assert_eq!(ending, Ending::Agreed);
    assert_eq!(settled.result, echo(&spec).result);
    assert_eq!(settled.agreeing, [true; 3]);
    let delivered = world.events::<Task::Delivered>().await.remove(0);
    let reply = world.relay.get(delivered.content, 10_000).await.unwrap();
    assert_eq!(reply, echo(&spec).bytes);
    assert_eq!(runner.runs.load(Ordering::SeqCst), 3);
    for index in 0..3 {
        assert_eq!(world.status(index).await, Status::Free);
        assert_eq!(world.commitments(index).await.len(), 1);
    }
}

/// Writes down what happens to a task.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Observer for Diary {
    fn observe(&mut self, event: Event<'_>) {
        let line = match event {
            Event::Step { step, .. } => format!("{step:?}"),
            Event::Running { model, .. } => format!("Running {model}"),
            Event::Answered { error, .. } => format!("Answered {error:?}"),
            Event::Ended { agreed, .. } => format!("Ended {agreed}"),
            _ => return,
        };
        self.0.lock().unwrap().push(line);
    }
}

#[tokio::test]
async fn who_looks_on_sees_the_whole_course_of_a_task_in_its_order() {
    let world = World::with_nodes(3).await;
    let task = world.submit(&question("Who is watching?")).await;
    let mut agents = world.honest_agents().await;
    let diary = Diary::default();
    agents[0].observe(diary.clone());
    world.work_until(&mut agents, task, State::Ended).await;
    world.round(&mut agents).await;
    let lines = diary.0.lock().unwrap().clone();
    let course = ["Answer", "Running xenon/echo", "Answered None", "Commit", "Reveal", "Close", "Ended true"];
    let places: Vec<_> = course.map(|line| lines.iter().position(|found| found == line)).into();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{lines:?}");
}

#[tokio::test]
async fn one_task_follows_another_and_nothing_is_left_in_hand() {
    let world = World::with_nodes(3).await;
    let mut agents = world.honest_agents().await;
    for text in ["first", "second", "third"] {
        let task = world.submit(&question(text)).await;
        world.work_until(&mut agents, task, State::Ended).await;
    }
    for agent in &mut agents {
        assert_eq!(agent.step().await.unwrap(), 0);
    }
    assert_eq!(world.events::<Task::Delivered>().await.len(), 3);
}

#[tokio::test]
async fn a_lazy_node_is_frozen_and_the_other_two_are_paid() {
    let world = World::with_nodes(3).await;
    let spec = question("What is 2 + 2?");
    let task = world.submit(&spec).await;
    let mut agents = vec![
        world.agent(0, Echo::default()).await,
        world.agent(1, LazyRunner::seeded(1)).await,
        world.agent(2, Echo::default()).await,
    ];
    world.work_until(&mut agents, task, State::Ended).await;

    let (ending, settled) = world.settlement().await;
    assert_eq!((ending, settled.result), (Ending::Agreed, echo(&spec).result));
    assert_eq!(world.status(1).await, Status::Frozen);
    for index in [0, 2] {
        assert_eq!(world.status(index).await, Status::Free);
        let seat = world.view(task).await.nodes.iter().position(|node| *node == world.nodes[index]).unwrap();
        assert!(!settled.shares[seat].is_zero());
    }
}

#[tokio::test]
async fn when_the_deliverer_vanishes_the_next_agent_delivers() {
    let world = World::with_nodes(3).await;
    let spec = question("Who delivers?");
    let task = world.submit(&spec).await;
    let mut agents = world.honest_agents().await;
    world.work_until(&mut agents, task, State::Delivering).await;
    let view = world.view(task).await;
    let vanished = view.nodes[usize::from(view.deliverer)];
    agents.retain(|agent| agent.node() != vanished);
    for agent in &mut agents {
        assert_eq!(agent.step().await.unwrap(), 0, "it is not their turn");
    }
    assert_eq!(world.state(task).await, State::Delivering);

    world.run_out(task).await;
    world.work_until(&mut agents, task, State::Ended).await;
    let delivered = world.events::<Task::Delivered>().await.remove(0);
    assert_ne!(delivered.node, vanished);
    assert_eq!(delivered.content, echo(&spec).result);
}
