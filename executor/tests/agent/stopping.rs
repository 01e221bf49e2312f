//! An agent that is asked to stop.

use std::future::ready;

use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use xenon_executor::agent::{AgentConfig, NodeAgent, Stopped};
use xenon_protocol::contracts::{Ending, State, Task};

use crate::{
    echo::{Echo, question},
    link::Link,
    world::{PATIENCE, PAUSE, World, key},
};

#[tokio::test]
async fn work_in_hand_is_finished_before_the_end() {
    let world = World::with_nodes(3).await;
    let task = world.submit(&question("Finish this")).await;
    let (stop, stopped) = watch::channel(false);
    let mut running = Vec::new();
    for mut agent in world.honest_agents().await {
        let mut stopped = stopped.clone();
        running.push(tokio::spawn(async move {
            agent.run(async { drop(stopped.wait_for(|stop| *stop).await) }).await.unwrap()
        }));
    }
    let all_committed = async {
        while world.events::<Task::Committed>().await.len() < 3 {
            sleep(PAUSE).await;
        }
    };
    timeout(PATIENCE, all_committed).await.expect("all three commit");
    stop.send(true).unwrap();
    for agent in running {
        assert_eq!(agent.await.unwrap(), Stopped::Drained);
    }
    assert_eq!(world.state(task).await, State::Ended);
    assert_eq!(world.settlement().await.0, Ending::Agreed);
}

#[tokio::test]
async fn an_idle_agent_stops_at_once() {
    let world = World::with_nodes(1).await;
    let mut agent = world.agent(0, Echo::default()).await;
    assert_eq!(agent.run(ready(())).await.unwrap(), Stopped::Drained);
}

#[tokio::test]
async fn an_agent_that_was_asked_to_stop_takes_no_new_seat() {
    let world = World::with_nodes(3).await;
    let task = world.submit(&question("Too late for me")).await;
    let mut agent = world.agent(0, Echo::default()).await;
    assert_eq!(agent.run(ready(())).await.unwrap(), Stopped::Drained);
    assert_eq!(world.events::<Task::Committed>().await, []);
    assert_eq!(world.state(task).await, State::Committing);
}

#[tokio::test]
async fn work_that_waits_for_others_is_cut_off_and_goes_on_at_the_next_start() {
    let world = World::with_nodes(3).await;
    let task = world.submit(&question("Where are the others?")).await;
    let config = AgentConfig { drain_limit_ms: 200, ..world.config(&world.data_dir(0)) };
    let account = Link::to(&world.chain).account(key(0));
    let mut agents = [NodeAgent::new(config, account, world.at, Echo::default()).await.unwrap()];
    world.work_until_committed(&mut agents, 0).await;
    assert_eq!(agents[0].run(ready(())).await.unwrap(), Stopped::CutOff);
    drop(agents);

    let mut agents = world.honest_agents().await;
    world.work_until(&mut agents, task, State::Ended).await;
    assert_eq!(world.settlement().await.1.agreeing, [true; 3]);
}
