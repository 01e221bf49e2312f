//! The real keeper, over JSON-RPC, before a real node that fails.

#![allow(clippy::unwrap_used, missing_docs)]

mod proxy;

use std::collections::BTreeMap;

use alloy::{
    consensus::TxEip1559,
    primitives::{Address, TxKind},
    signers::local::PrivateKeySigner,
};
use proxy::Proxy;
use serde_json::json;
use xenon_keeper::{Collector, Keeper, KeeperConfig, Policy, Wallet};
use xenon_protocol::{
    chain::{Account as _, At, Call, Chain as _, Mempool, RpcAccount, RpcChain, RpcSettings, Signer, TypedChain as _},
    contracts::{Ending, NetworkStats},
    deployment::{DeployParams, Deployment, deploy},
    devnet::{Anvil, AnvilConfig},
};
use xenon_torture::{Calls, Fault, journal_in_memory};

const FAULTS: [Fault; 7] = [
    Fault::LostRequest,
    Fault::LostReply,
    Fault::Duplicate,
    Fault::AlreadyKnown,
    Fault::NonceTooLow,
    Fault::StaleHead,
    Fault::MissingLogs,
];

const TASKS: u64 = 6;

const COIN: u128 = 1_000_000_000_000_000_000;

/// A network on anvil, which makes a block when it is told to.
struct Devnet {
    anvil: Anvil,
    chain: RpcChain,
    contracts: Deployment,
    calls: Calls,
    keys: BTreeMap<Address, PrivateKeySigner>,
}

impl Devnet {
    /// With three nodes: the first three keys are operators', the next three nodes', then a creator's and a keeper's.
    async fn start() -> Self {
        let anvil = Anvil::start(&AnvilConfig::default()).await.unwrap();
        let chain = anvil.connect().await.unwrap();
        let account = |number: usize| RpcAccount::new(chain.clone(), anvil.signers()[number].clone());
        let contracts = deploy(&account(0), &DeployParams::default()).await.unwrap();
        let calls = Calls::new(contracts);
        for node in 0..3 {
            account(node).send(calls.join(anvil.signers()[3 + node].address())).await.unwrap();
        }
        let keys = anvil.signers().iter().map(|signer| (signer.address(), signer.clone())).collect();
        let devnet = Self { chain: chain.clone(), contracts, calls, keys, anvil };
        devnet.rpc("evm_setAutomine", json!([false])).await;
        devnet
    }

    async fn rpc(&self, method: &str, params: serde_json::Value) {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let client = reqwest::Client::new();
        client.post(self.anvil.url()).json(&request).send().await.unwrap().error_for_status().unwrap();
    }

    /// Lets a transaction wait for the next block.
    async fn send(&self, from: Address, call: Call) {
        let nonce = self.chain.transaction_count(from, At::Pending).await.unwrap();
        let fees = self.chain.fees().await.unwrap();
        let transaction = TxEip1559 {
            chain_id: self.chain.chain_id(),
            nonce,
            gas_limit: 3_000_000,
            max_fee_per_gas: fees.base_fee * 2 + fees.priority_fee,
            max_priority_fee_per_gas: fees.priority_fee,
            to: TxKind::Call(call.to),
            value: call.value,
            input: call.data,
            ..TxEip1559::default()
        };
        let signed = Signer::sign(&self.keys[&from], transaction).await.unwrap();
        self.chain.send_raw(&signed.raw).await.unwrap();
    }

    async fn succeeded(&self) -> u64 {
        let call = NetworkStats::tallyOfCall { kind: 0 };
        assert_eq!(Ending::Agreed as u8, 1);
        self.chain.view(self.contracts.stats, &call).await.unwrap().agreed.to()
    }
}

/// Impatient, as the node beside it is on this machine.
fn hasty() -> RpcSettings {
    RpcSettings { retries: 1, retry_pause: std::time::Duration::from_millis(1), ..RpcSettings::default() }
}

async fn keeper(devnet: &Devnet, proxy: &Proxy) -> Keeper<RpcChain, PrivateKeySigner> {
    let chain = RpcChain::connect_with(&proxy.url, None, hasty()).await.unwrap();
    let signer = devnet.anvil.signers()[7].clone();
    let journal = journal_in_memory(&devnet.contracts, signer.address());
    let config = KeeperConfig { max_head_age_s: 0, max_hold: 8, ..KeeperConfig::default() };
    Keeper::new(Wallet::new(chain, signer, journal), devnet.contracts, Policy::default(), config)
}

#[tokio::test]
async fn keeper_behind_a_failing_node_brings_every_task_to_its_end() {
    let devnet = Devnet::start().await;
    let proxy = Proxy::start(&devnet.anvil.url(), 7).await;
    let mut keeper = keeper(&devnet, &proxy).await;
    let mut truth = Collector::new(devnet.chain.clone(), devnet.contracts, KeeperConfig::default());
    proxy.suffer(&FAULTS);
    let creator = devnet.anvil.signers()[6].address();
    for block in 0..300 {
        if block < TASKS {
            devnet.send(creator, devnet.calls.create(0, COIN, 500_000)).await;
        }
        truth.collect().await.unwrap();
        for (node, call) in devnet.calls.honest(truth.view()) {
            devnet.send(node, call).await;
        }
        devnet.rpc("evm_mine", json!([])).await;
        // A round that came to nothing is made good by a later one.
        let _ = keeper.step().await;
        if devnet.succeeded().await == TASKS {
            break;
        }
    }
    assert_eq!(devnet.succeeded().await, TASKS);
    let befallen = proxy.befallen();
    assert!(FAULTS.iter().all(|fault| befallen.contains(fault)), "{befallen:?}");
}
