//! Signed transactions on a simulated chain: they wait, are replaced, are included by what they offer, and come back when
//! their block is left for another.

#![allow(clippy::unwrap_used, missing_docs)]

use alloy::{
    consensus::TxEip1559,
    primitives::{Address, B256, Bytes, TxKind, U256, utils::parse_ether},
    signers::local::PrivateKeySigner,
};
use xenon_protocol::{
    chain::{At, Call, Chain, Mempool, SendError, Signed, Signer},
    deployment::DEPLOYMENT_PROXY,
};
use xenon_sim::{BaseFeeRule, Genesis, RevmChain};

const BOB: Address = Address::repeat_byte(0xb0);
const GWEI: u128 = 1_000_000_000;

fn key(number: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::with_last_byte(number)).unwrap()
}

fn chain_with(rule: BaseFeeRule) -> RevmChain {
    let genesis = Genesis { base_fee_rule: rule, ..Genesis::default() };
    let coins = parse_ether("10").unwrap();
    let chain = RevmChain::new((1..4).map(|number| key(number).address()).fold(genesis, |g, who| g.fund(who, coins)));
    chain.keep_history(12);
    chain
}

fn chain() -> RevmChain {
    chain_with(BaseFeeRule::Constant)
}

fn transfer(nonce: u64, max_fee: u128, tip: u128) -> TxEip1559 {
    TxEip1559 {
        chain_id: Genesis::default().chain_id,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: max_fee,
        max_priority_fee_per_gas: tip,
        to: TxKind::Call(BOB),
        value: U256::from(1),
        ..TxEip1559::default()
    }
}

async fn sign(number: u8, transaction: TxEip1559) -> Signed {
    Signer::sign(&key(number), transaction).await.unwrap()
}

async fn send(chain: &RevmChain, number: u8, transaction: TxEip1559) -> Result<B256, SendError> {
    chain.send_raw(&sign(number, transaction).await.raw).await
}

async fn counts(chain: &RevmChain, number: u8) -> (u64, u64) {
    let account = key(number).address();
    let count = |at| chain.transaction_count(account, at);
    (count(At::Latest).await.unwrap(), count(At::Pending).await.unwrap())
}

#[tokio::test]
async fn refusals_are_those_the_services_know_from_geth() {
    let chain = chain();
    send(&chain, 1, transfer(0, 2 * GWEI, 10)).await.unwrap();
    let known = send(&chain, 1, transfer(0, 2 * GWEI, 10)).await.unwrap_err();
    assert!(matches!(known, SendError::AlreadyKnown { .. }), "{known}");
    let cheap = send(&chain, 1, transfer(0, 2 * GWEI + 1, 11)).await.unwrap_err();
    assert!(matches!(cheap, SendError::ReplacementUnderpriced { .. }), "{cheap}");
    let poor = send(&chain, 9, transfer(0, 2 * GWEI, 10)).await.unwrap_err();
    assert!(matches!(poor, SendError::InsufficientFunds { .. }), "{poor}");
    chain.mine(1);
    let late = send(&chain, 1, transfer(0, 4 * GWEI, 40)).await.unwrap_err();
    assert!(matches!(late, SendError::NonceTooLow { .. }), "{late}");
    assert!(chain.send_raw(&Bytes::from_static(b"?")).await.is_err());
}

#[tokio::test]
async fn transaction_waits_for_a_block_and_then_says_where_it_is_and_what_it_cost() {
    let chain = chain();
    let hash = send(&chain, 1, transfer(0, 3 * GWEI, 5)).await.unwrap();
    assert_eq!((counts(&chain, 1).await, chain.inclusion(hash).await.unwrap()), ((0, 1), None));
    let before = chain.balance(key(1).address()).await.unwrap();
    let head = chain.mine(1);
    let included = chain.inclusion(hash).await.unwrap().unwrap();
    assert_eq!((included.block_number, included.block_hash, included.succeeded), (head.number, head.hash, true));
    assert_eq!((included.gas_used, included.gas_price), (21_000, GWEI + 5));
    assert_eq!(chain.balance(key(1).address()).await.unwrap(), before - included.fee() - U256::from(1));
    assert_eq!(counts(&chain, 1).await, (1, 1));
    assert!(chain.waiting().is_empty());
}

#[tokio::test]
async fn transaction_that_cannot_pay_the_base_fee_waits_until_it_falls() {
    let chain = chain();
    let hash = send(&chain, 1, transfer(0, 2 * GWEI, 5)).await.unwrap();
    chain.set_base_fee(50 * 1_000_000_000);
    chain.mine(1);
    assert_eq!(chain.inclusion(hash).await.unwrap(), None);
    assert_eq!(chain.fees().await.unwrap().base_fee, 50 * GWEI, "a constant rule goes on from what was set");
    chain.set_base_fee(1_500_000_000);
    chain.mine(1);
    assert!(chain.inclusion(hash).await.unwrap().is_some());
}

#[tokio::test]
async fn empty_blocks_make_gas_cheaper_by_an_eighth() {
    let chain = chain_with(BaseFeeRule::Market);
    let first = chain.mine(1).base_fee;
    let second = chain.mine(1).base_fee;
    assert_eq!(first - second, first / 8);
    assert_eq!(chain.fees().await.unwrap().base_fee, u128::from(second - second / 8));
}

#[tokio::test]
async fn best_offer_goes_first_and_a_nonce_after_its_predecessor() {
    let chain = chain();
    let cheap = send(&chain, 1, transfer(0, 2 * GWEI, 1)).await.unwrap();
    let gapped = send(&chain, 2, transfer(1, 9 * GWEI, 900)).await.unwrap();
    let dear = send(&chain, 3, transfer(0, 9 * GWEI, 800)).await.unwrap();
    let head = chain.mine(1);
    assert_eq!(chain.waiting(), [gapped]);
    send(&chain, 2, transfer(0, 2 * GWEI, 1)).await.unwrap();
    chain.mine(1);
    assert!(chain.waiting().is_empty());
    for hash in [cheap, dear] {
        assert_eq!(chain.inclusion(hash).await.unwrap().unwrap().block_number, head.number);
    }
}

#[tokio::test]
async fn reorganisation_changes_every_hash_and_brings_transactions_back() {
    for depth in 1..=12 {
        let chain = chain();
        chain.mine(1);
        let before = chain.balance(BOB).await.unwrap();
        let call = Call::transfer(BOB, U256::from(7));
        let sent = send(&chain, 1, transfer(0, 2 * GWEI, 5)).await.unwrap();
        chain.mine_with(1, &[(key(2).address(), call.clone())]).remove(0).unwrap();
        let mut left: Vec<_> = vec![chain.head().await.unwrap()];
        left.extend((1..depth).map(|_| chain.mine(1)));

        let undone = chain.reorganise(depth).unwrap();
        assert_eq!(undone.calls, [(key(2).address(), call)]);
        assert_eq!(chain.balance(BOB).await.unwrap(), before);
        assert_eq!((chain.inclusion(sent).await.unwrap(), chain.waiting()), (None, vec![sent]));
        for old in left {
            let new = chain.mine(1);
            assert_eq!(new.number, old.number);
            assert_ne!(new.hash, old.hash);
        }
        assert!(chain.inclusion(sent).await.unwrap().is_some());
        assert_eq!(counts(&chain, 1).await, (1, 1));
    }
}

#[tokio::test]
async fn past_that_is_not_kept_cannot_be_undone() {
    let chain = chain();
    assert_eq!(chain.reorganise(1), None);
    (0..20).for_each(|_| {
        chain.mine(1);
    });
    let head = chain.head().await.unwrap();
    assert_eq!((chain.reorganise(13), chain.reorganise(0)), (None, None));
    assert_eq!(chain.head().await.unwrap(), head);
}

#[tokio::test]
async fn forgotten_transaction_can_be_sent_again() {
    let chain = chain();
    let signed = sign(1, transfer(0, 2 * GWEI, 5)).await;
    chain.send_raw(&signed.raw).await.unwrap();
    chain.forget(signed.hash);
    assert!(chain.waiting().is_empty());
    assert_eq!(chain.send_raw(&signed.raw).await.unwrap(), signed.hash);
}

/// Returns the balance of its caller.
const BALANCE_OF_CALLER: &[u8] = &alloy::hex!("33315f5260205ff3");

#[tokio::test]
async fn call_after_an_earlier_block_sees_the_state_of_then() {
    let chain = chain();
    let init = [&alloy::hex!("600880600a5f395ff3fe")[..], BALANCE_OF_CALLER].concat();
    let deploy = Call::raw(DEPLOYMENT_PROXY, [B256::ZERO.as_slice(), &init].concat());
    chain.mine_with(1, &[(key(2).address(), deploy)]).remove(0).unwrap();
    let call = Call::raw(DEPLOYMENT_PROXY.create2_from_code(B256::ZERO, init), Bytes::new());
    let early = chain.head().await.unwrap().number;
    chain.mine_with(1, &[(key(2).address(), Call::transfer(BOB, U256::from(7)))]).remove(0).unwrap();
    let balance = |block| chain.call_at(block, BOB, &call).map(|output| U256::from_be_slice(&output.unwrap()));
    assert_eq!([early, early + 1].map(balance), [0, 7].map(|wei| Some(U256::from(wei))));
    assert_eq!((balance(early + 2), balance(0)), (None, Some(U256::ZERO)));
}
