//! Formulas that exist in Rust and in Solidity, compared on the compiled contracts.

#![allow(clippy::unwrap_used, missing_docs)]

use std::{num::NonZeroU64, sync::LazyLock};

use alloy::{
    primitives::{Address, B256, U256, aliases::U40, aliases::U96, utils::parse_ether},
    sol_types::SolCall,
};
use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};
use xenon_protocol::{
    chain::TypedChain,
    commitment::{Salt, commitment},
    contracts::{Create3Factory, Task, TaskQueue},
    deployment::{DeployParams, Deployment, create3_address, deploy, factory_address},
    error_code::ERROR_PREFIX,
    stored::stored_digest,
    value::ValueRate,
};
use xenon_sim::{Genesis, RevmChain};

struct World {
    runtime: Runtime,
    chain: RevmChain,
    network: Deployment,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().build().unwrap();
    let deployer = Address::repeat_byte(0xde);
    let chain = RevmChain::new(Genesis::default().fund(deployer, parse_ether("100").unwrap()));
    let network = runtime.block_on(deploy(&chain.account(deployer), &DeployParams::default())).unwrap();
    World { runtime, chain, network }
});

fn ask<C: SolCall<Return: Send> + Sync>(to: Address, call: &C) -> C::Return {
    WORLD.runtime.block_on(WORLD.chain.view(to, call)).unwrap()
}

/// Numbers of every length up to `bits`, so that small and large ones are equally likely.
fn any_length(bits: usize) -> impl Strategy<Value = u128> {
    (any::<u128>(), 0..bits).prop_map(move |(number, shift)| number >> (128 - bits) >> shift)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn value_and_level_are_those_of_the_contract(fee in any_length(96), ms in any_length(64)) {
        let Some(duration) = NonZeroU64::new(u64::try_from(ms).unwrap()) else { return Ok(()) };
        let call = TaskQueue::levelOfCall { fee: U96::from(fee), durationMs: U256::from(ms) };
        let theirs = ask(WORLD.network.queue, &call);
        let ours = ValueRate::new(fee, duration);
        prop_assert_eq!(ours.raw(), theirs.value);
        prop_assert_eq!(ours.level().0, theirs.level);
    }

    #[test]
    fn commitment_is_that_of_the_contract(task in 0..1u64 << 40, key: [u8; 20], result: [u8; 32], salt: [u8; 32]) {
        let Ok(secret) = Salt::new(B256::from(salt)) else { return Ok(()) };
        let call = Task::commitmentOfCall {
            task: U40::from(task),
            key: key.into(),
            result: result.into(),
            salt: salt.into(),
        };
        let theirs = ask(WORLD.network.task, &call);
        prop_assert_eq!(commitment(task, key.into(), result.into(), &secret), theirs);
    }

    #[test]
    fn digest_of_a_stored_reply_is_that_of_the_contract(task in 0..1u64 << 40, content: [u8; 32]) {
        let call = Task::storedDigestCall { task: U40::from(task), content: content.into() };
        let ours = stored_digest(WORLD.network.chain_id, WORLD.network.task, task, content.into());
        prop_assert_eq!(ours, ask(WORLD.network.task, &call));
    }

    #[test]
    fn predicted_address_is_that_of_the_factory(deployer: [u8; 20], salt: [u8; 32]) {
        let call = Create3Factory::addressOfCall { deployer: deployer.into(), salt: salt.into() };
        prop_assert_eq!(create3_address(deployer.into(), salt.into()), ask(factory_address(), &call));
    }
}

#[test]
fn error_results_have_the_prefix_of_the_contract() {
    assert_eq!(ask(WORLD.network.task, &Task::ERROR_PREFIXCall {}), ERROR_PREFIX);
}

#[test]
fn levels_at_every_power_of_two_are_those_of_the_contract() {
    for (fee, ms) in (0..96).flat_map(|bit| (0..63).step_by(9).map(move |log| (1u128 << bit, 1u64 << log))) {
        for fee in [fee - 1, fee, fee + 1] {
            let call = TaskQueue::levelOfCall { fee: U96::from(fee), durationMs: U256::from(ms) };
            let ours = ValueRate::new(fee, NonZeroU64::new(ms).unwrap());
            assert_eq!(ours.level().0, ask(WORLD.network.queue, &call).level, "fee {fee}, {ms} ms");
        }
    }
}
