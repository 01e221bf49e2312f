//! A seat that its holder let go is taken over by another, and worked like a first one.

use xenon_protocol::contracts::{Ending, State, Status, Task};

use crate::{
    echo::{Echo, question},
    world::World,
};

#[tokio::test]
async fn a_seat_taken_from_another_is_worked_like_a_first_one() {
    let world = World::with_nodes(4).await;
    let task = world.submit(&question("Who steps in?")).await;
    let seated = world.view(task).await.nodes;
    let index_of = |node: u32| world.nodes.iter().position(|known| *known == node).unwrap();
    let [absent, first, second] = seated.map(index_of);
    let fresh = (0..4).find(|index| !seated.contains(&world.nodes[*index])).unwrap();

    let mut working = Vec::new();
    for index in [first, second, fresh] {
        working.push(world.agent(index, Echo::default()).await);
    }
    for index in [first, second] {
        world.work_until_committed(&mut working, index).await;
    }
    world.run_out(task).await;
    assert_eq!(world.state(task).await, State::Vacant);
    let mut late = [world.agent(absent, Echo::default()).await];
    for _ in 0..5 {
        world.round(&mut working).await;
        world.round(&mut late).await;
    }
    assert_eq!(world.status(absent).await, Status::Free);

    world.dispatch().await;
    world.dispatch().await;
    assert_eq!(world.events::<Task::SeatsRefilled>().await.remove(0).nodes[0], world.nodes[fresh]);
    world.work_until(&mut working, task, State::Ended).await;
    let (ending, settled) = world.settlement().await;
    assert_eq!((ending, settled.agreeing), (Ending::Agreed, [true; 3]));
    assert_eq!((world.commitments(fresh).await.len(), world.commitments(absent).await.len()), (1, 0));
}

#[tokio::test]
async fn an_agent_that_starts_after_it_took_a_seat_over_finds_it() {
    let world = World::with_nodes(4).await;
    let task = world.submit(&question("Late to the party")).await;
    let seated = world.view(task).await.nodes;
    let index_of = |node: u32| world.nodes.iter().position(|known| *known == node).unwrap();
    let fresh = (0..4).find(|index| !seated.contains(&world.nodes[*index])).unwrap();
    let mut working = Vec::new();
    for node in &seated[..2] {
        working.push(world.agent(index_of(*node), Echo::default()).await);
    }
    for node in &seated[..2] {
        world.work_until_committed(&mut working, index_of(*node)).await;
    }
    world.run_out(task).await;
    world.dispatch().await;
    world.dispatch().await;
    let mut newcomer = [world.agent(fresh, Echo::default()).await];
    world.work_until_committed(&mut newcomer, fresh).await;
    assert_eq!(world.state(task).await, State::Revealing);
}
