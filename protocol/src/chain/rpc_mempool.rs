//! The [`Mempool`] of a JSON-RPC node.

use alloy::{
    eips::BlockNumberOrTag,
    primitives::{Address, B256, Bytes},
    providers::{Provider, utils},
    rpc::types::FeeHistory,
};

use super::{At, Call, ChainError, Fees, Inclusion, Mempool, RpcChain, SendError, rpc, transport};

impl Mempool for RpcChain {
    async fn transaction_count(&self, account: Address, at: At) -> Result<u64, ChainError> {
        self.read("eth_getTransactionCount", || {
            let count = self.provider().get_transaction_count(account);
            match at {
                At::Latest => count.latest(),
                At::Pending => count.pending(),
            }
        })
        .await
    }

    async fn fees(&self) -> Result<Fees, ChainError> {
        let blocks = utils::EIP1559_FEE_ESTIMATION_PAST_BLOCKS;
        let percentiles = [utils::EIP1559_FEE_ESTIMATION_REWARD_PERCENTILE];
        let ask = || self.provider().get_fee_history(blocks, BlockNumberOrTag::Latest, &percentiles);
        fees(self.read("eth_feeHistory", ask).await?)
    }

    async fn estimate_gas(&self, from: Address, call: &Call) -> Result<u64, ChainError> {
        self.gas(from, call).await
    }

    async fn send_raw(&self, raw: &Bytes) -> Result<B256, SendError> {
        let sent = transport::bounded(self.provider().send_raw_transaction(raw), self.settings()).await;
        let refusal = |error| SendError::classify(self.fault("eth_sendRawTransaction", &error));
        sent.map(|pending| *pending.tx_hash()).map_err(refusal)
    }

    async fn inclusion(&self, transaction: B256) -> Result<Option<Inclusion>, ChainError> {
        let Some(found) = self.receipt(transaction).await? else { return Ok(None) };
        let succeeded = found.status();
        let receipt = rpc::receipt(&found)?;
        Ok(Some(Inclusion {
            transaction_hash: receipt.transaction_hash,
            block_number: receipt.block_number,
            block_hash: receipt.block_hash,
            succeeded,
            gas_used: receipt.gas_used,
            gas_price: receipt.gas_price,
            logs: receipt.logs,
        }))
    }
}

/// The base fee of the block after the history, and alloy's estimate of the priority fee from it.
fn fees(history: FeeHistory) -> Result<Fees, ChainError> {
    let missing = || ChainError::Malformed {
        method: "eth_feeHistory",
        reason: String::from("it names no base fee: the chain must have EIP-1559"),
    };
    let base_fee = history.next_block_base_fee().ok_or_else(missing)?;
    let estimate = utils::eip1559_default_estimator(base_fee, &history.reward.unwrap_or_default());
    Ok(Fees { base_fee, priority_fee: estimate.max_priority_fee_per_gas })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chain_without_base_fees_is_refused() {
        assert_eq!(fees(FeeHistory::default()).unwrap_err().code(), "XP-310");
    }

    #[test]
    fn base_fee_is_that_of_the_next_block() {
        let history = FeeHistory {
            base_fee_per_gas: vec![90, 100, 110],
            reward: Some(vec![vec![3], vec![5]]),
            ..FeeHistory::default()
        };
        assert_eq!(fees(history).unwrap(), Fees { base_fee: 110, priority_fee: 4 });
    }
}
