//! What only a simulated chain can do: blocks of several transactions, time at will, forks, and the same history twice.

#![allow(clippy::unwrap_used, missing_docs)]

use alloy::{
    hex,
    primitives::{Address, B256, Bytes, U256, utils::parse_ether},
};
use revm::{Inspector, interpreter::Interpreter};
use xenon_protocol::{
    chain::{Account, Call, Chain, ChainError, Head},
    deployment::DEPLOYMENT_PROXY,
};
use xenon_sim::{Genesis, RevmChain};

const ALICE: Address = Address::repeat_byte(0xa1);
const BOB: Address = Address::repeat_byte(0xb0);
const POOR: Address = Address::repeat_byte(0x90);

/// Reverts with its block's number unless nobody has called it before: `sload(0)` decides, `sstore(0, 1)` remembers.
const ONCE: &[u8] = &hex!("5f54600a5760015f55005b435f5260205ffd");

/// Returns the hash of the block whose number it is called with.
const BLOCK_HASH_READER: &[u8] = &hex!("5f35405f5260205ff3");

fn genesis() -> Genesis {
    let wei = parse_ether("10").unwrap();
    Genesis::default().fund(ALICE, wei).fund(BOB, wei).fund(POOR, U256::ONE)
}

/// Deploys code that fits a byte-sized length.
async fn install(chain: &RevmChain, runtime: &[u8]) -> Address {
    let size = u8::try_from(runtime.len()).unwrap();
    let init = [&hex!("60")[..], &[size], &hex!("80600a5f395ff3fe")[..], runtime].concat();
    let call = Call::raw(DEPLOYMENT_PROXY, [B256::ZERO.as_slice(), &init].concat());
    chain.account(ALICE).send(call).await.unwrap();
    DEPLOYMENT_PROXY.create2_from_code(B256::ZERO, init)
}

#[tokio::test]
async fn second_of_two_rivals_in_a_block_fails_and_pays_its_gas() {
    let chain = RevmChain::new(genesis());
    let once = install(&chain, ONCE).await;
    let before = chain.balance(BOB).await.unwrap();
    let call = Call::raw(once, Bytes::new());
    let outcomes = chain.mine_with(1, &[(ALICE, call.clone()), (BOB, call.clone())]);
    let block = chain.head().await.unwrap();

    assert_eq!(outcomes[0].as_ref().unwrap().block_hash, block.hash);
    let Err(ChainError::Failed { to, block_number, gas_used, revert, .. }) = &outcomes[1] else {
        panic!("{:?}", outcomes[1]);
    };
    assert_eq!(
        (*to, *block_number, U256::from_be_slice(revert.data())),
        (once, block.number, U256::from(block.number))
    );
    let paid = U256::from(*gas_used) * U256::from(block.base_fee);
    assert_eq!(chain.balance(BOB).await.unwrap(), before - paid);

    let late = chain.account(BOB).send(call).await.unwrap_err();
    assert_eq!(late.code(), "XP-305", "simulated first, so refused before it costs anything");
    assert_eq!(chain.head().await.unwrap(), block);
}

#[tokio::test]
async fn transaction_that_cannot_be_paid_for_is_left_out_of_the_block() {
    let chain = RevmChain::new(genesis());
    let transfer = Call::transfer(BOB, U256::ONE);
    let outcomes = chain.mine_with(1, &[(POOR, transfer.clone()), (ALICE, transfer)]);
    assert_eq!(outcomes[0].as_ref().unwrap_err().code(), "XP-308");
    assert!(outcomes[1].is_ok());
    assert_eq!(chain.balance(POOR).await.unwrap(), U256::ONE);
}

#[tokio::test]
async fn time_passes_as_asked_and_never_stands_still() {
    let chain = RevmChain::new(Genesis { timestamp: 1000, block_interval: 5, ..genesis() });
    assert_eq!(chain.mine(60).timestamp, 1060);
    assert_eq!(chain.mine(0).timestamp, 1061);
    chain.account(ALICE).send(Call::transfer(BOB, U256::ONE)).await.unwrap();
    assert_eq!(chain.head().await.unwrap().timestamp, 1066);
}

#[tokio::test]
async fn hashes_of_the_last_256_blocks_are_seen_and_no_older_ones() {
    let chain = RevmChain::new(genesis());
    let reader = install(&chain, BLOCK_HASH_READER).await;
    for _ in 0..300 {
        chain.mine(1);
    }
    let head = chain.head().await.unwrap();
    let ask = async |number: u64| {
        let output = chain.call(ALICE, &Call::raw(reader, U256::from(number).to_be_bytes_vec())).await.unwrap();
        B256::from_slice(&output)
    };
    for number in [head.number - 256, head.number - 255, head.number - 1] {
        assert_eq!(ask(number).await, chain.block(number).await.unwrap().unwrap().hash);
    }
    assert_eq!(ask(head.number - 257).await, B256::ZERO);
}

#[tokio::test]
async fn fork_and_original_go_their_own_ways() {
    let chain = RevmChain::new(genesis());
    let fork = chain.fork();
    fork.account(ALICE).send(Call::transfer(BOB, U256::from(7))).await.unwrap();
    assert_eq!(chain.head().await.unwrap().number, 0);
    assert_eq!(fork.balance(BOB).await.unwrap(), chain.balance(BOB).await.unwrap() + U256::from(7));
}

/// Counts instructions.
#[derive(Default)]
struct Counter(usize);

impl<C> Inspector<C> for Counter {
    fn step(&mut self, _: &mut Interpreter, _: &mut C) {
        self.0 += 1;
    }
}

#[tokio::test]
async fn inspection_sees_every_instruction_and_changes_nothing() {
    let chain = RevmChain::new(genesis());
    let call = Call::raw(install(&chain, ONCE).await, Bytes::new());
    let rivals = [(ALICE, call.clone()), (BOB, call)];
    let fork = chain.fork();
    let mut counter = Counter::default();

    let inspected = fork.mine_inspected(1, &rivals, &mut counter);
    assert_eq!(inspected, chain.mine_with(1, &rivals));
    assert_eq!(fork.head().await.unwrap(), chain.head().await.unwrap());
    assert_eq!(counter.0, 8 + 11, "the first remembers, the second reverts");
}

#[tokio::test]
async fn overwritten_word_is_what_the_code_reads() {
    let chain = RevmChain::new(genesis());
    let once = install(&chain, ONCE).await;
    let call = Call::raw(once, Bytes::new());
    assert_eq!(chain.storage(once, U256::ZERO), U256::ZERO);
    chain.overwrite(once, U256::ZERO, U256::ONE);
    let refused = chain.account(ALICE).send(call.clone()).await.unwrap_err();
    assert_eq!(refused.code(), "XP-305");

    chain.overwrite(once, U256::ZERO, U256::ZERO);
    chain.account(ALICE).send(call).await.unwrap();
    assert_eq!(chain.storage(once, U256::ZERO), U256::ONE);
}

async fn history(genesis: Genesis, wei: u64) -> Vec<Head> {
    let chain = RevmChain::new(genesis);
    chain.account(ALICE).send(Call::transfer(BOB, U256::from(wei))).await.unwrap();
    vec![chain.block(0).await.unwrap().unwrap(), chain.block(1).await.unwrap().unwrap(), chain.mine(1)]
}

#[tokio::test]
async fn equal_histories_have_equal_hashes_and_others_do_not() {
    let usual = history(genesis(), 1).await;
    assert_eq!(history(genesis(), 1).await, usual);
    let other_transaction = history(genesis(), 2).await;
    assert_eq!(other_transaction[0], usual[0]);
    assert!(other_transaction[1].hash != usual[1].hash && other_transaction[2].hash != usual[2].hash);
    let other_seed = history(Genesis { seed: 1, ..genesis() }, 1).await;
    assert!(other_seed.iter().zip(&usual).all(|(a, b)| a.hash != b.hash));
}
