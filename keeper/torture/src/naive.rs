//! A keeper that sends as most programs do: it asks the node for a nonce, sends, and remembers nothing.

use alloy::{consensus::TxEip1559, primitives::TxKind};
use xenon_keeper::{Collector, KeeperError, Policy, Progress, View, plan};
use xenon_protocol::{
    chain::{At, Call, Chain as _, Mempool as _, SendError, Signer as _},
    deployment::Deployment,
};

use crate::{
    link::{Key, Link},
    run::config,
    subject::Subject,
};

/// A keeper without a journal, to see what that is worth.
#[derive(Debug)]
pub struct Naive {
    key: Key,
    link: Link,
    contracts: Deployment,
    collector: Collector<Link>,
}

impl Subject for Naive {
    type Journal = ();

    fn journal(_: &Key, _: &Deployment) {}

    fn start(key: Key, link: Link, contracts: Deployment, (): &()) -> Self {
        let collector = Collector::new(link.clone(), contracts, config());
        Self { key, link, contracts, collector }
    }

    async fn step(&mut self) -> Result<(), KeeperError> {
        let Progress::Fresh(head) = self.collector.collect().await? else { return Ok(()) };
        for action in plan(self.collector.view(), &head, &Policy::default()) {
            // What was not sent will be planned again.
            let _ = self.send(action.call(&self.contracts)).await;
        }
        Ok(())
    }

    fn view(&self) -> &View {
        self.collector.view()
    }
}

impl Naive {
    async fn send(&self, call: Call) -> Result<(), SendError> {
        let sender = self.key.address();
        let gas = self.link.estimate_gas(sender, &call).await?;
        let nonce = self.link.transaction_count(sender, At::Pending).await?;
        let fees = self.link.fees().await?;
        let transaction = TxEip1559 {
            chain_id: self.link.chain_id(),
            nonce,
            gas_limit: gas * 13 / 10,
            max_fee_per_gas: fees.base_fee * 2 + fees.priority_fee,
            max_priority_fee_per_gas: fees.priority_fee,
            to: TxKind::Call(call.to),
            value: call.value,
            input: call.data,
            ..TxEip1559::default()
        };
        let Ok(signed) = self.key.sign(transaction).await else { return Ok(()) };
        self.link.send_raw(&signed.raw).await.map(drop)
    }
}
