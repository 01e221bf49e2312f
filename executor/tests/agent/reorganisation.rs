//! A chain that takes back what it said.

use xenon_protocol::contracts::{Ending, State, Task};

use crate::{
    echo::{Echo, echo, question},
    link::Link,
    world::{Agent, World},
};

/// Three agents whose lines can be led to another fork.
async fn agents_of(world: &World) -> (Vec<Link>, Vec<Agent>) {
    let links: Vec<_> = (0..3).map(|_| Link::to(&world.chain)).collect();
    let mut agents = Vec::new();
    for (index, link) in links.iter().enumerate() {
        agents.push(world.agent_over(link, index, Echo::default()).await.unwrap());
    }
    (links, agents)
}

fn switch(links: &[Link], to: &World) {
    to.chain.mine(5);
    for link in links {
        link.switch_to(&to.chain);
    }
}

async fn all_commitments(world: &World) -> Vec<Vec<alloy::primitives::B256>> {
    let mut all = Vec::new();
    for index in 0..3 {
        all.push(world.commitments(index).await);
    }
    all
}

#[tokio::test]
async fn a_commitment_that_the_chain_forgot_is_made_again_and_is_the_same() {
    let world = World::with_nodes(3).await;
    let task = world.submit(&question("Again, please")).await;
    let fork = world.fork();
    let (links, mut agents) = agents_of(&world).await;
    world.work_until(&mut agents, task, State::Revealing).await;

    switch(&links, &fork);
    fork.work_until(&mut agents, task, State::Ended).await;
    assert_eq!(fork.settlement().await.0, Ending::Agreed);
    assert_eq!(all_commitments(&fork).await, all_commitments(&world).await);
    assert_eq!(fork.events::<Task::Delivered>().await.len(), 1);
}

#[tokio::test]
async fn a_task_that_comes_back_after_its_end_gets_the_same_commitments() {
    let world = World::with_nodes(3).await;
    let task = world.submit(&question("Once more")).await;
    let fork = world.fork();
    let (links, mut agents) = agents_of(&world).await;
    world.work_until(&mut agents, task, State::Ended).await;
    world.round(&mut agents).await;

    switch(&links, &fork);
    fork.work_until(&mut agents, task, State::Delivering).await;
    assert_eq!(fork.settlement().await.1.agreeing, [true; 3]);
    assert_eq!(all_commitments(&fork).await, all_commitments(&world).await);
}

#[tokio::test]
async fn another_task_of_the_same_number_gets_an_answer_of_its_own() {
    let world = World::with_nodes(3).await;
    let fork = world.fork();
    let task = world.submit(&question("The first")).await;
    let (links, mut agents) = agents_of(&world).await;
    for index in 0..2 {
        world.work_until_committed(&mut agents[index..=index], index).await;
    }

    let other = question("The second");
    assert_eq!(fork.submit(&other).await, task);
    switch(&links, &fork);
    fork.work_until(&mut agents, task, State::Ended).await;
    let (ending, settled) = fork.settlement().await;
    assert_eq!((ending, settled.agreeing), (Ending::Agreed, [true; 3]));
    assert_eq!(settled.result, echo(&other).result);
}

#[tokio::test]
async fn nothing_is_committed_to_while_it_is_unknown_which_task_has_the_number() {
    let world = World::with_nodes(3).await;
    let fork = world.fork();
    world.submit(&question("The first")).await;
    let (links, mut agents) = agents_of(&world).await;
    world.work_until_committed(&mut agents[..1], 0).await;

    fork.submit(&question("The second")).await;
    switch(&links, &fork);
    links[0].set_logs(false);
    for _ in 0..5 {
        agents[0].step().await.unwrap_err();
    }
    assert!(fork.commitments(0).await.is_empty());

    links[0].set_logs(true);
    fork.work_until_committed(&mut agents[..1], 0).await;
    assert_ne!(fork.commitments(0).await, world.commitments(0).await);
}
