//! One body of tests for every implementation of `Chain` and `Account`: what services see does not depend on whether the
//! chain is simulated or a real node. At the end both must have produced the same gas figures, addresses and events.

#![allow(clippy::unwrap_used, missing_docs)]

use alloy::{
    hex,
    primitives::{Address, B256, Bytes, U256, utils::parse_ether},
    sol_types::SolEvent,
};
use xenon_protocol::{
    chain::{Account, Call, Chain, ChainError, EventLog, LogFilter, Receipt, RpcAccount, TypedChain},
    contracts::{Node, Task, TaskQueue},
    deployment::{DEPLOYMENT_PROXY, DeployParams, Deployment, deploy},
    devnet::{Anvil, AnvilConfig},
};
use xenon_sim::{Genesis, RevmChain};

/// Returns the hash of the block whose number it is called with.
const BLOCK_HASH_READER: [u8; 11] = hex!("5f35405f5260205ff30000");

/// What a transaction did, without what may differ between chains: hashes and times.
type Deed = (u64, Vec<(Address, Vec<B256>, Bytes)>);

fn deed(receipt: &Receipt) -> Deed {
    (receipt.gas_used, receipt.logs.iter().map(|log| (log.address, log.topics.clone(), log.data.clone())).collect())
}

#[tokio::test]
async fn simulated_and_real_chain_behave_alike() {
    let config = AnvilConfig { accounts: 2, balance: 10_000, ..AnvilConfig::default() };
    let anvil = Anvil::start(&config).await.unwrap();
    let chain = anvil.connect().await.unwrap();
    let real = RpcAccount::new(chain, anvil.signers()[0].clone());
    let rich = Genesis::default().fund(real.address(), parse_ether("10000").unwrap());
    let simulated = RevmChain::new(rich).account(real.address());
    assert_eq!(behave(&simulated).await, behave(&real).await);
}

async fn behave<A: Account>(account: &A) -> Vec<Deed> {
    let mut deeds = vec![transfers_move_wei_and_cost_a_fee(account).await];
    transfer_beyond_the_balance_is_refused(account).await;
    missing_contract_is_named(account.chain()).await;
    let network = deployment_is_repeatable(account).await;
    refused_call_costs_nothing(account, &network).await;
    let joined = joining_is_seen_in_logs(account, &network).await;
    deeds.push(deed(&joined));
    blocks_are_linked(account.chain()).await;
    deeds.push(block_hashes_reach_contracts(account).await);
    deeds
}

async fn transfers_move_wei_and_cost_a_fee<A: Account>(account: &A) -> Deed {
    let (to, value) = (Address::repeat_byte(0xaa), U256::from(12345));
    let before = account.chain().balance(account.address()).await.unwrap();
    let receipt = account.send(Call::transfer(to, value)).await.unwrap();
    assert_eq!(account.chain().balance(to).await.unwrap(), value);
    assert_eq!(account.chain().balance(account.address()).await.unwrap(), before - value - receipt.fee());
    deed(&receipt)
}

async fn transfer_beyond_the_balance_is_refused<A: Account>(account: &A) {
    let before = account.chain().head().await.unwrap();
    let balance = account.chain().balance(account.address()).await.unwrap();
    let error = account.send(Call::transfer(Address::ZERO, balance + U256::ONE)).await.unwrap_err();
    assert_eq!(error.code(), "XP-308", "{error}");
    assert_eq!(account.chain().head().await.unwrap(), before);
}

async fn missing_contract_is_named<C: Chain>(chain: &C) {
    let nowhere = Address::repeat_byte(0xbb);
    assert!(chain.code(nowhere).await.unwrap().is_empty());
    assert!(!chain.code(DEPLOYMENT_PROXY).await.unwrap().is_empty());
    let error = chain.view(nowhere, &Node::minStakeCall {}).await.unwrap_err();
    assert_eq!(error, ChainError::NoContract { address: nowhere, chain_id: chain.chain_id() });
}

async fn deployment_is_repeatable<A: Account>(account: &A) -> Deployment {
    let params = DeployParams::default();
    let network = deploy(account, &params).await.unwrap();
    assert_eq!(network, Deployment::of(account.address(), account.chain().chain_id()));
    let head = account.chain().head().await.unwrap();
    assert_eq!(deploy(account, &params).await.unwrap(), network);
    assert_eq!(account.chain().head().await.unwrap(), head, "the second time nothing is left to do");
    network
}

async fn refused_call_costs_nothing<A: Account>(account: &A, network: &Deployment) {
    let before = account.chain().balance(account.address()).await.unwrap();
    let call = join(network, account.address()).with_value(U256::ONE);
    for error in [
        account.chain().call(account.address(), &call).await.unwrap_err(),
        account.send(call.clone()).await.unwrap_err(),
    ] {
        let wrong = error.revert().unwrap().decode::<Node::WrongStake>().unwrap();
        assert_eq!((wrong.sent, wrong.required), (U256::ONE, parse_ether("400").unwrap()));
        assert!(error.to_string().contains("WrongStake(sent: 1, required: 400000000000000000000)"), "{error}");
    }
    assert_eq!(account.chain().balance(account.address()).await.unwrap(), before);
}

async fn joining_is_seen_in_logs<A: Account>(account: &A, network: &Deployment) -> Receipt {
    let receipt = account.send(join(network, account.address()).with_value(parse_ether("400").unwrap())).await.unwrap();
    let event = receipt.event::<Node::NodeJoined>().unwrap();
    assert_eq!((event.operator, event.vramGb, event.gpu.as_str()), (account.address(), 24, "a GPU"));

    let head = account.chain().head().await.unwrap();
    assert_eq!((head.number, head.hash), (receipt.block_number, receipt.block_hash));
    let all = account.chain().logs(&LogFilter::of(network.addresses(), 0, head.number)).await.unwrap();
    let (founding, joining) = all.split_at(all.len() - receipt.logs.len());
    assert_eq!(joining, receipt.logs);
    let announced = |event: B256| founding.iter().filter(|log| log.topics[0] == event).count();
    let parameters = [
        Task::TermsChanged::SIGNATURE_HASH,
        Node::RulesChanged::SIGNATURE_HASH,
        TaskQueue::LimitsChanged::SIGNATURE_HASH,
    ];
    assert_eq!((parameters.map(announced), announced(Task::KindAdded::SIGNATURE_HASH)), ([1; 3], 2));
    assert_eq!(founding.len(), 5, "nothing but kinds and parameters was announced before");
    let only = LogFilter::of([network.node], 0, head.number).event::<Node::NodeJoined>();
    let found = account.chain().logs(&only).await.unwrap();
    assert_eq!(found.iter().filter_map(EventLog::decode::<Node::NodeJoined>).collect::<Vec<_>>(), [event]);
    let earlier = LogFilter { to_block: head.number - 1, ..only };
    assert_eq!(account.chain().logs(&earlier).await.unwrap(), []);
    receipt
}

fn join(network: &Deployment, key: Address) -> Call {
    let call = Node::joinCall { key, classHash: B256::repeat_byte(1), vramGb: 24, gpu: String::from("a GPU") };
    Call::new(network.node, &call)
}

async fn blocks_are_linked<C: Chain>(chain: &C) {
    let head = chain.head().await.unwrap();
    for number in 1..=head.number {
        let (parent, block) =
            (chain.block(number - 1).await.unwrap().unwrap(), chain.block(number).await.unwrap().unwrap());
        assert_eq!((block.number, block.parent_hash), (number, parent.hash));
        assert!(block.timestamp >= parent.timestamp && block.hash != parent.hash);
    }
    assert_eq!(chain.block(head.number).await.unwrap(), Some(head));
    assert_eq!(chain.block(head.number + 1).await.unwrap(), None);
}

async fn block_hashes_reach_contracts<A: Account>(account: &A) -> Deed {
    let receipt = account.send(Call::raw(DEPLOYMENT_PROXY, creation(&BLOCK_HASH_READER))).await.unwrap();
    let reader = DEPLOYMENT_PROXY.create2_from_code(B256::ZERO, init_code(&BLOCK_HASH_READER));
    let chain = account.chain();
    let ask = async |number: u64| {
        let output = chain.call(Address::ZERO, &Call::raw(reader, U256::from(number).to_be_bytes_vec())).await.unwrap();
        B256::from_slice(&output)
    };
    let head = chain.head().await.unwrap();
    assert_eq!(ask(head.number - 1).await, head.parent_hash);
    assert_eq!(ask(head.number).await, B256::ZERO, "a block's own hash is not known while it is made");
    assert_eq!(ask(head.number + 1).await, B256::ZERO);
    deed(&receipt)
}

/// Code that returns `runtime` as a new contract's code: copy the 32 bytes pushed, return as many as there are.
fn init_code(runtime: &[u8]) -> Vec<u8> {
    let size = u8::try_from(runtime.len()).unwrap();
    [&hex!("60")[..], &[size], &hex!("80600a5f395ff3fe")[..], runtime].concat()
}

fn creation(runtime: &[u8]) -> Vec<u8> {
    [B256::ZERO.as_slice(), &init_code(runtime)].concat()
}
