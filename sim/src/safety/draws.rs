use alloy::primitives::{Address, U256, keccak256};
use xenon_protocol::{
    chain::{Call, EventLog},
    contracts::{Node, Task, TaskQueue},
    deployment::{DeployParams, Deployment, deploy},
};

use super::as_float;
use crate::{Genesis, RevmChain, SimError, agent::address_of, engine::ready_deployment};

/// What many draws of the real contracts came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Draws {
    /// Tasks that were given nodes.
    pub tasks: u64,
    /// Those of them with two or more dishonest nodes.
    pub majorities: u64,
    /// Seats of dishonest nodes.
    pub seats: u64,
    /// Those of them with an accomplice in the same task.
    pub accompanied: u64,
}

impl Draws {
    /// The share of tasks with a dishonest majority, and its standard error.
    pub fn majority(&self) -> (f64, f64) {
        proportion(self.majorities, self.tasks)
    }

    /// The share of dishonest nodes that had company, and its standard error. Seats of one task go together: they are counted
    /// as one observation.
    pub fn company(&self) -> (f64, f64) {
        let (share, error) = proportion(self.accompanied, self.seats);
        (share, error * std::f64::consts::SQRT_2)
    }
}

/// A share, and its standard error by Agresti and Coull (1998), which is not zero when nothing was seen.
fn proportion(part: u64, whole: u64) -> (f64, f64) {
    let (seen, all) = (as_float(part) + 2.0, as_float(whole) + 4.0);
    let share = seen / all;
    (as_float(part) / as_float(whole.max(1)), libm::sqrt(share * (1.0 - share) / all))
}

const CREATOR: Address = Address::repeat_byte(0xc1);
const KEEPER: Address = Address::repeat_byte(0xc2);
const DEPLOYER: Address = Address::repeat_byte(0xc3);
/// Tasks of one draw: as many as a round holds.
const ROUND: u64 = 64;
/// Seconds among which the first empty block before a draw has its time; two of them have the time of a task's wait.
const MOMENTS: u64 = 10_000;
/// Nodes that join in one block.
const JOINS: usize = 500;

/// Draws nodes for `tasks` tasks (rounded up to whole rounds) from the real contracts, of `honest` and `dishonest` nodes that are all free
/// and of equal weight. `progress` is told how many more tasks were drawn.
///
/// Every round is drawn anew from the same state: only the block whose hash decides differs.
///
/// # Errors
/// The contracts refuse, or are too small for so many nodes.
pub fn draw(
    honest: u32,
    dishonest: u32,
    tasks: u64,
    seed: u64,
    mut progress: impl FnMut(u64),
) -> Result<Draws, SimError> {
    let (chain, contracts) = network(honest, dishonest, seed)?;
    let per_round = ROUND.min(u64::from(honest + dishonest) / 12).max(1);
    create(&chain, &contracts, per_round)?;
    let (mut draws, mut round) = (Draws::default(), 0);
    while draws.tasks < tasks {
        let fork = chain.fork();
        // Other empty blocks before it: another parent, another hash, other nodes.
        fork.mine(1 + round % MOMENTS);
        fork.mine(1 + round / MOMENTS);
        round += 1;
        let before = draws.tasks;
        for log in dispatched(&fork, &contracts)? {
            if let Some(seated) = log.decode::<Task::TaskSeated>() {
                draws.count(seated.nodes, dishonest);
            }
        }
        progress(draws.tasks - before);
        if draws.tasks == before {
            return Err(SimError::Scenario { reason: String::from("no task found nodes: use at least 7 nodes") });
        }
    }
    Ok(draws)
}

impl Draws {
    /// Of the nodes, the dishonest joined first.
    fn count(&mut self, nodes: [u32; 3], dishonest: u32) {
        let liars = nodes.into_iter().filter(|node| *node <= dishonest).count() as u64;
        self.tasks += 1;
        self.seats += liars;
        if liars >= 2 {
            self.majorities += 1;
            self.accompanied += liars;
        }
    }
}

fn network(honest: u32, dishonest: u32, seed: u64) -> Result<(RevmChain, Deployment), SimError> {
    let params = DeployParams::default();
    let coin = U256::from(10).pow(U256::from(18));
    let rich = coin * U256::from(1_000_000);
    let operators: Vec<_> = (0..honest + dishonest).map(|node| address_of("operator", "draws", node)).collect();
    let mut genesis = Genesis { seed, base_fee: 0, ..Genesis::default() };
    genesis
        .balances
        .extend([CREATOR, KEEPER, DEPLOYER].into_iter().chain(operators.iter().copied()).map(|who| (who, rich)));
    let chain = RevmChain::new(genesis);
    let contracts = ready_deployment(deploy(&chain.account(DEPLOYER), &params))?;
    let stake = U256::from(params.min_stake);
    let joins: Vec<_> =
        (0..).zip(operators).map(|(node, operator)| (operator, join(&contracts, node, stake))).collect();
    for joining in joins.chunks(JOINS) {
        for outcome in chain.mine_with(1, joining) {
            outcome?;
        }
    }
    Ok((chain, contracts))
}

fn join(contracts: &Deployment, node: u32, stake: U256) -> Call {
    let key = address_of("node", "draws", node);
    let call = Node::joinCall { key, classHash: keccak256("one class"), vramGb: 24, gpu: String::from("any") };
    Call::new(contracts.node, &call).with_value(stake)
}

fn create(chain: &RevmChain, contracts: &Deployment, tasks: u64) -> Result<(), SimError> {
    let day = 24 * 3600;
    let call = Task::createCall {
        kind: 0,
        taskHash: keccak256("a task"),
        size: 100,
        minVram: 0,
        requiredClass: 0,
        maxWait: 7 * day,
    };
    let call = Call::new(contracts.task, &call).with_value(U256::from(10).pow(U256::from(18)));
    let creations: Vec<_> = (0..tasks).map(|_| (CREATOR, call.clone())).collect();
    chain.mine_with(1, &creations).into_iter().try_for_each(|outcome| outcome.map(drop))?;
    Ok(())
}

/// Draws in one block and seats in the next.
fn dispatched(chain: &RevmChain, contracts: &Deployment) -> Result<Vec<EventLog>, SimError> {
    let call = Call::new(contracts.queue, &TaskQueue::dispatchCall { maxTasks: U256::from(ROUND) });
    chain.mine_with(1, &[(KEEPER, call.clone())]).remove(0)?;
    Ok(chain.mine_with(1, &[(KEEPER, call)]).remove(0)?.logs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::safety::{company, majority};

    #[test]
    fn contracts_draw_as_the_formulas_say() {
        let (honest, dishonest) = (60, 20);
        let draws = draw(honest, dishonest, 2_000, 11, |_| {}).unwrap();
        let (p, p_error) = draws.majority();
        let (q, q_error) = draws.company();
        let (p_expected, q_expected) =
            (majority(honest.into(), dishonest.into()), company(honest.into(), dishonest.into()));
        assert!((p - p_expected).abs() <= 3.0 * p_error, "{p} for {p_expected}, standard error {p_error}");
        assert!((q - q_expected).abs() <= 3.0 * q_error, "{q} for {q_expected}, standard error {q_error}");
    }
}
