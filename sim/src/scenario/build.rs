//! From a scenario and a seed to a network that is about to begin.

use std::{collections::BTreeSet, sync::Arc};

use alloy::primitives::{Address, U256, keccak256};
use xenon_keeper::Policy;
use xenon_protocol::deployment::{DeployParams, deploy};

use super::{Creators, Keepers, Nodes, Scenario};
use crate::{
    Engine, Genesis, RevmChain, SimError,
    agent::address_of,
    agents::{Arbiter, Creator, Diligence, NodeAgent, NodeGroup, SimKeeper},
    engine::ready_deployment,
};

/// Coins for gas, of everybody; applications have as much as they can spend.
const PURSE: u64 = 1_000;
/// Nodes that join in one second, at the beginning.
const JOINS: u64 = 50;
/// Deploys.
const DEPLOYER: Address = Address::repeat_byte(0xd0);
/// Owns, and decides appeals.
const OWNER: Address = Address::repeat_byte(0xd1);
/// Receives slashed stake.
const TREASURY: Address = Address::repeat_byte(0xd2);

impl Scenario {
    /// The network of a seed, before its first task.
    ///
    /// # Errors
    /// The parameters are outside the bounds of the contracts.
    pub fn build(&self, seed: u64) -> Result<Engine, SimError> {
        let params = DeployParams { owner: Some(OWNER), treasury: Some(TREASURY), ..self.parameters.deployment() };
        let chain = RevmChain::new(self.genesis(seed, &params));
        let contracts = ready_deployment(deploy(&chain.account(DEPLOYER), &params))?;
        let mut engine = Engine::new(chain, contracts, seed, self.block_s)?;
        if let Some(delay) = self.arbiter_s {
            engine.appoint(Box::new(Arbiter::new(OWNER, delay.saturating_mul(1000))));
        }
        self.enrol_keepers(&mut engine);
        for (number, nodes) in (0..).zip(&self.nodes) {
            enrol_nodes(&mut engine, nodes, number, U256::from(params.min_stake));
        }
        for creators in &self.creators {
            let delay = creators.from_s.saturating_mul(1000);
            for address in creators.addresses() {
                engine.enrol(
                    Box::new(Creator::new(creators.group.clone(), address, creators.demand.clone())),
                    u16::MAX,
                    delay,
                );
            }
        }
        Ok(engine)
    }

    /// How many groups of nodes there are; groups are numbered in the order of the file.
    pub fn group_names(&self) -> impl Iterator<Item = (u16, &str)> {
        (0..).zip(self.nodes.iter().map(|nodes| nodes.group.as_str()))
    }

    fn genesis(&self, seed: u64, params: &DeployParams) -> Genesis {
        let coin = U256::from(10).pow(U256::from(18));
        let purse = coin * U256::from(PURSE);
        let genesis = Genesis { seed, base_fee: gwei(self.base_fee_gwei), block_interval: 1, ..Genesis::default() };
        let mut genesis = genesis.fund(DEPLOYER, purse).fund(OWNER, purse);
        for keepers in self.keepers_or_one() {
            genesis.balances.extend(keepers.addresses().map(|who| (who, purse)));
        }
        for creators in &self.creators {
            genesis.balances.extend(creators.addresses().map(|who| (who, coin * U256::from(u64::MAX))));
        }
        for nodes in &self.nodes {
            let stakes = U256::from(params.min_stake) * U256::from(nodes.per_operator);
            let pairs = (0..nodes.count)
                .flat_map(|member| [(nodes.operator(member), purse + stakes), (nodes.key(member), purse)]);
            genesis.balances.extend(pairs);
        }
        genesis
    }

    fn enrol_keepers(&self, engine: &mut Engine) {
        for keepers in self.keepers_or_one() {
            let is_censored = |creators: &&Creators| keepers.diligence.censors.contains(&creators.group);
            let censored: BTreeSet<_> =
                self.creators.iter().filter(is_censored).flat_map(Creators::addresses).collect();
            for address in keepers.addresses() {
                let (policy, diligence) = (keepers.policy.clone(), keepers.diligence.clone());
                let keeper = SimKeeper::new(keepers.group.clone(), address, policy, diligence, censored.clone());
                engine.enrol(Box::new(keeper), u16::MAX, 0);
            }
        }
    }

    fn keepers_or_one(&self) -> Vec<Keepers> {
        if !self.keepers.is_empty() {
            return self.keepers.clone();
        }
        let (diligence, policy) = (Diligence::default(), Policy::default());
        vec![Keepers { group: String::from("keeper"), count: 1, diligence, policy }]
    }
}

impl Nodes {
    fn operator(&self, member: u32) -> Address {
        address_of("operator", &self.group, member / self.per_operator)
    }

    fn key(&self, member: u32) -> Address {
        address_of("node", &self.group, member)
    }
}

impl Creators {
    fn addresses(&self) -> impl Iterator<Item = Address> {
        (0..self.count).map(|number| address_of("creator", &self.group, number))
    }
}

impl Keepers {
    fn addresses(&self) -> impl Iterator<Item = Address> {
        (0..self.count).map(|number| address_of("keeper", &self.group, number))
    }
}

fn enrol_nodes(engine: &mut Engine, nodes: &Nodes, number: u16, stake: U256) {
    let keys: BTreeSet<_> = (0..nodes.count).map(|member| nodes.key(member)).collect();
    let group = |class: u32| NodeGroup {
        name: nodes.group.clone(),
        number: u64::from(number) + 1,
        conduct: nodes.conduct.clone(),
        class: keccak256(format!("{} {class}", nodes.class)),
        vram_gb: nodes.vram_gb,
        stake,
        keys: keys.clone(),
    };
    let groups: Vec<_> = (0..nodes.classes).map(|class| Arc::new(group(class))).collect();
    for (member, group) in (0..nodes.count).zip(groups.iter().cycle()) {
        let agent = NodeAgent::new(Arc::clone(group), member, nodes.operator(member), nodes.key(member));
        let delay = nodes.joins_s.saturating_mul(1000) + u64::from(member) * 1000 / JOINS;
        engine.enrol(Box::new(agent), number, delay);
    }
}

/// Wei in so many gwei.
fn gwei(amount: f64) -> u64 {
    crate::conduct::millis(amount * 1e9)
}
