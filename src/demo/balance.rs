//! The balance sheet: what everybody paid in and owns now, read from the chain.

use alloy::primitives::{Address, I256, U256, aliases::U40};
use eyre::Result;
use xenon_protocol::{
    chain::{Account as _, Chain, RpcChain, TypedChain},
    contracts::{Node, Status, Task},
    deployment::Deployment,
};

use super::cluster::Cluster;
use crate::{history::Histories, money};

/// One party's line. All amounts in wei.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    pub(super) party: String,
    /// Its number, if it is a node.
    pub(super) node: Option<u32>,
    pub(super) fees_paid: U256,
    pub(super) stake_paid: U256,
    pub(super) credit: U256,
    pub(super) stake_held: U256,
    pub(super) frozen: bool,
}

impl Line {
    /// What the party owns less what it paid in.
    pub(super) fn net(&self) -> I256 {
        money::difference(self.fees_paid + self.stake_paid, self.credit + self.stake_held)
    }
}

/// The whole sheet.
#[derive(Clone, Debug, Default)]
pub(super) struct Sheet {
    pub(super) lines: Vec<Line>,
    /// Fees of tasks that are not over.
    pub(super) escrows: U256,
    /// What the Task contract holds.
    pub(super) task_balance: U256,
    /// What the Node contract holds.
    pub(super) node_balance: U256,
}

impl Sheet {
    /// Zero when every wei is accounted for: everybody's net and the escrows sum to nothing, and the contracts hold what
    /// they owe. A difference anywhere shows, for the three parts are added without sign.
    pub(super) fn sum(&self) -> I256 {
        let nets = self.lines.iter().map(Line::net).fold(I256::ZERO, |sum, net| sum + net);
        let parties = (nets + I256::from_raw(self.escrows)).abs();
        let tasks = money::difference(self.total(|line| line.credit) + self.escrows, self.task_balance).abs();
        let nodes = money::difference(self.total(|line| line.stake_held), self.node_balance).abs();
        parties + tasks + nodes
    }

    /// The sum of one column.
    pub(super) fn total(&self, column: impl Fn(&Line) -> U256) -> U256 {
        self.lines.iter().map(column).fold(U256::ZERO, |sum, wei| sum + wei)
    }

    /// The numbers of the frozen nodes, in order.
    pub(super) fn frozen(&self) -> Vec<u32> {
        self.lines.iter().filter(|line| line.frozen).filter_map(|line| line.node).collect()
    }
}

/// Reads the sheet of the demo's network.
pub(super) async fn read(cluster: &Cluster, histories: &Histories) -> Result<Sheet> {
    let (chain, contracts) = (&cluster.chain, &cluster.contracts);
    let mut sheet = Sheet {
        task_balance: chain.balance(contracts.task).await?,
        node_balance: chain.balance(contracts.node).await?,
        ..Sheet::default()
    };
    for task in histories.keys() {
        let view = chain.view(contracts.task, &Task::taskOfCall { task: U40::from(*task) }).await?;
        sheet.escrows += U256::from(view.escrow);
    }
    let fees_paid = histories.values().map(|task| task.fee).fold(U256::ZERO, |sum, fee| sum + fee);
    let creator = credit(chain, contracts, cluster.creator.address()).await?;
    let keeper = credit(chain, contracts, cluster.keeper).await?;
    sheet.lines.push(Line { party: "creator".into(), fees_paid, credit: creator, ..Line::default() });
    sheet.lines.push(Line { party: "keeper".into(), credit: keeper, ..Line::default() });
    for node in &cluster.nodes {
        sheet.lines.push(node_line(chain, contracts, *node).await?);
    }
    // What was slashed and paid in penalties is the treasury's, and still in the Node contract.
    let slashed = chain.view(contracts.node, &Node::slashedCall {}).await?;
    if !slashed.is_zero() {
        sheet.lines.push(Line { party: "treasury".into(), stake_held: slashed, ..Line::default() });
    }
    Ok(sheet)
}

async fn node_line(chain: &RpcChain, contracts: &Deployment, node: u32) -> Result<Line> {
    let view = chain.view(contracts.node, &Node::nodeOfCall { node }).await?;
    let stake = chain.view(contracts.node, &Node::minStakeCall {}).await?;
    let earned = chain.view(contracts.task, &Task::earnedByCall { node }).await?;
    Ok(Line {
        party: format!("node {node}"),
        node: Some(node),
        fees_paid: U256::ZERO,
        stake_paid: U256::from(stake),
        credit: credit(chain, contracts, view.operator).await? + U256::from(earned),
        stake_held: U256::from(view.stake),
        frozen: Status::try_from(view.status) == Ok(Status::Frozen),
    })
}

async fn credit(chain: &RpcChain, contracts: &Deployment, account: Address) -> Result<U256> {
    Ok(chain.view(contracts.task, &Task::creditOfCall { account }).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet() -> Sheet {
        let wei = U256::from;
        Sheet {
            lines: vec![
                Line { party: "creator".into(), fees_paid: wei(10), credit: wei(3), ..Line::default() },
                Line {
                    party: "node 1".into(),
                    stake_paid: wei(5),
                    stake_held: wei(5),
                    credit: wei(6),
                    ..Line::default()
                },
            ],
            escrows: wei(1),
            task_balance: wei(10),
            node_balance: wei(5),
        }
    }

    #[test]
    fn a_sheet_where_everything_is_accounted_for_sums_to_zero() {
        assert_eq!(sheet().sum(), I256::ZERO);
    }

    #[test]
    fn one_wei_astray_anywhere_shows() {
        let one = U256::from(1);
        let mut paid = sheet();
        paid.lines[1].credit += one;
        let mut held = sheet();
        held.task_balance += one;
        let mut staked = sheet();
        staked.node_balance -= one;
        let mut swapped = sheet();
        swapped.task_balance += one;
        swapped.node_balance -= one;
        for wrong in [paid, held, staked, swapped] {
            assert_ne!(wrong.sum(), I256::ZERO, "{wrong:?}");
        }
    }
}
