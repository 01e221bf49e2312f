//! A node whose process is killed by the kernel (SIGKILL) at each step of a task that cannot be taken back, and started again.
//!
//! What the node sends passes over lines of the test, which kill it: nothing in the program knows of that. The executor's own
//! tests of the same moments (`executor/tests/agent/stages.rs`) are quicker and many more, and drop a future in the place of a
//! process.

use std::{
    collections::BTreeMap,
    fs,
    sync::{Arc, atomic::AtomicU32, atomic::Ordering},
};

use alloy::sol_types::{SolCall as _, SolEvent};
use serde_json::Value;
use xenon_protocol::{
    chain::{Chain as _, EventLog, LogFilter},
    contracts::Task,
    deployment::Deployment,
};

use super::{
    eventually,
    network::{Network, Service, stdout},
    trap::{Bait, Catch, Errand, Line, Moment, Trap},
};

const NODES: usize = 3;

/// Three nodes behind lines, and what they need.
struct Stage {
    network: Network,
    trap: Trap,
    pids: Vec<Arc<AtomicU32>>,
    /// Settings of each node that lead over its lines.
    lines: Vec<[(&'static str, String); 2]>,
    nodes: BTreeMap<usize, Service>,
    _services: [Service; 2],
}

impl Stage {
    async fn set() -> Self {
        let network = Network::deployed().await;
        let services = [network.relay(), network.keeper()];
        let settings: toml::Table = fs::read_to_string(&network.config).unwrap().parse().unwrap();
        let relay = settings["relay"]["url"].as_str().unwrap().to_owned();
        let trap = Trap::default();
        let pids: Vec<_> = (0..NODES).map(|_| Arc::<AtomicU32>::default()).collect();
        let mut lines = Vec::new();
        for (node, pid) in pids.iter().enumerate() {
            let chain = Line::open(&trap, node, pid, &network.anvil.url()).await;
            let relay = Line::open(&trap, node, pid, &relay).await;
            lines.push([
                ("XENON_CHAIN__RPC", format!("http://{chain}")),
                ("XENON_RELAY__URL", format!("http://{relay}")),
            ]);
        }
        let mut stage = Self { network, trap, pids, lines, nodes: BTreeMap::new(), _services: services };
        (0..NODES).for_each(|node| stage.start(node));
        eventually("all have joined", || {
            let quote = stdout(&stage.network.xenon().args(["task", "quote", "--price", "3"]).output().unwrap());
            quote.contains("3 nodes could serve it now").then_some(())
        });
        stage
    }

    fn start(&mut self, node: usize) {
        let mut command = self.network.node_command(node);
        command.arg("--key-file").arg(self.network.key(4 + 2 * node)).envs(self.lines[node].clone());
        let service = Service::start(&mut command);
        self.pids[node].store(service.pid(), Ordering::SeqCst);
        self.nodes.insert(node, service);
    }

    /// A task in which a node is killed and started again: agreed by all, delivered once, one commitment of each, and of
    /// the dead one that which it had sent.
    async fn survives(&mut self, bait: Bait, moment: Moment) {
        self.trap.set(bait, moment);
        let submit = ["task", "submit", "--prompt", "What is 17 + 25?", "--price", "3", "--no-wait"];
        let task = stdout(&self.network.xenon().args(submit).output().unwrap()).trim().to_owned();
        let catch = eventually("a node is killed", || self.trap.caught());
        self.nodes.remove(&catch.node);
        self.start(catch.node);
        let status = || -> Value {
            let output = self.network.xenon().args(["task", "status", &task, "--json"]).output().unwrap();
            serde_json::from_str(&stdout(&output)).unwrap()
        };
        eventually("the task is delivered", || (status()["status"] == "delivered").then_some(()));
        self.assert_all_is_well(task.parse().unwrap(), &catch, bait).await;
    }

    async fn assert_all_is_well(&self, task: u64, catch: &Catch, bait: Bait) {
        let committed: Vec<Task::Committed> = self.events().await;
        let own: Vec<_> = committed.iter().filter(|event| event.task.to::<u64>() == task).collect();
        assert_eq!(own.len(), NODES, "{catch:?}");
        let mut nodes: Vec<_> = own.iter().map(|event| event.node).collect();
        nodes.sort_unstable();
        nodes.dedup();
        assert_eq!(nodes.len(), NODES, "each of them once");
        if bait == Bait::Call(COMMIT) {
            let is_sent = |event: &&&Task::Committed| catch.sent.contains(&alloy::hex::encode(event.commitment));
            assert_eq!(own.iter().filter(is_sent).count(), 1, "another commitment than the one that it was bound to");
        }
        let settled: Vec<Task::TaskSettled> = self.events().await;
        let settled = settled.iter().find(|event| event.task.to::<u64>() == task).unwrap();
        assert_eq!(settled.agreeing, [true; NODES]);
        let delivered: Vec<Task::Delivered> = self.events().await;
        assert_eq!(delivered.iter().filter(|event| event.task.to::<u64>() == task).count(), 1);
    }

    async fn events<E: SolEvent>(&self) -> Vec<E> {
        let chain = self.network.anvil.connect().await.unwrap();
        let contracts = Deployment::of(self.network.anvil.signers()[0].address(), 31337);
        let last = chain.head().await.unwrap().number;
        let logs = chain.logs(&LogFilter::of([contracts.task], 0, last).event::<E>()).await.unwrap();
        logs.iter().filter_map(EventLog::decode).collect()
    }
}

const COMMIT: [u8; 4] = Task::commitCall::SELECTOR;
const REVEAL: [u8; 4] = Task::revealCall::SELECTOR;
const DELIVER: [u8; 4] = Task::deliverCall::SELECTOR;

async fn survives_each(moments: &[(Bait, Moment)]) {
    let mut stage = Stage::set().await;
    for (bait, moment) in moments {
        stage.survives(*bait, *moment).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_at_the_commitment_it_comes_back_to_the_same() {
    let bait = Bait::Call(COMMIT);
    survives_each(&[(bait, Moment::Before), (bait, Moment::InFlight), (bait, Moment::InBlock)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_at_the_reveal_it_still_reveals() {
    let bait = Bait::Call(REVEAL);
    survives_each(&[(bait, Moment::Before), (bait, Moment::InFlight), (bait, Moment::InBlock)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_at_the_delivery_it_delivers_once() {
    let bait = Bait::Call(DELIVER);
    survives_each(&[(bait, Moment::Before), (bait, Moment::InFlight), (bait, Moment::InBlock)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_at_an_errand_to_the_relay_it_runs_it_again() {
    let [get, store] = [Errand::Get, Errand::Store].map(Bait::Errand);
    survives_each(&[
        (get, Moment::Before),
        (get, Moment::InFlight),
        (store, Moment::Before),
        (store, Moment::InFlight),
    ])
    .await;
}
