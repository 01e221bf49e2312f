//! One transaction in revm, and what its outcome means to a caller.

use alloy::primitives::{Address, Bytes, TxKind, U256, keccak256};
use revm::{
    Context, ExecuteEvm, InspectEvm, Inspector, MainBuilder, MainContext,
    context::{
        BlockEnv, TransactionType, TxEnv,
        result::{EVMError, ExecutionResult, InvalidTransaction, ResultAndState},
    },
    database::InMemoryDB,
    handler::MainnetContext,
    primitives::hardfork::SpecId,
};
use xenon_protocol::chain::{Call, ChainError, Endpoint, Head, Revert};

use crate::{Genesis, pool::Pooled};

/// The hard fork the contracts are compiled for.
const HARDFORK: SpecId = SpecId::PRAGUE;

type Infallible = std::convert::Infallible;

/// What an inspector of a simulated chain is shown besides the interpreter.
pub type EvmContext<'a> = MainnetContext<&'a mut InMemoryDB>;

/// Runs a call in a block on a copy-on-write view of the state; nothing is committed.
pub(crate) fn transact(
    db: &mut InMemoryDB,
    genesis: &Genesis,
    block: BlockEnv,
    transaction: TxEnv,
) -> Result<ResultAndState, ChainError> {
    let sender = transaction.caller;
    let outcome = context(db, genesis, block).build_mainnet().transact(transaction);
    outcome.map_err(|error| refusal(sender, error))
}

/// The same, with an inspector that sees every instruction.
pub(crate) fn inspect<I>(
    db: &mut InMemoryDB,
    genesis: &Genesis,
    block: BlockEnv,
    transaction: TxEnv,
    inspector: &mut I,
) -> Result<ResultAndState, ChainError>
where
    I: for<'a> Inspector<EvmContext<'a>>,
{
    let sender = transaction.caller;
    let outcome = context(db, genesis, block).build_mainnet_with_inspector(inspector).inspect_tx(transaction);
    outcome.map_err(|error| refusal(sender, error))
}

fn context<'a>(db: &'a mut InMemoryDB, genesis: &Genesis, block: BlockEnv) -> EvmContext<'a> {
    Context::mainnet().with_db(db).with_block(block).modify_cfg_chained(|cfg| {
        cfg.set_spec_and_mainnet_gas_params(HARDFORK);
        cfg.chain_id = genesis.chain_id;
    })
}

/// The environment of a block, of which number, time and parent are known.
pub(crate) fn block_env(genesis: &Genesis, block: &Head) -> BlockEnv {
    BlockEnv {
        number: U256::from(block.number),
        timestamp: U256::from(block.timestamp),
        gas_limit: genesis.gas_limit,
        basefee: block.base_fee,
        prevrandao: Some(keccak256(block.parent_hash)),
        ..BlockEnv::default()
    }
}

/// A transaction of an account that pays the base fee and nothing more.
pub(crate) fn transaction(genesis: &Genesis, from: Address, call: &Call, nonce: u64, gas_price: u64) -> TxEnv {
    TxEnv {
        caller: from,
        gas_limit: genesis.gas_limit,
        gas_price: gas_price.into(),
        kind: TxKind::Call(call.to),
        value: call.value,
        data: call.data.clone(),
        nonce,
        chain_id: Some(genesis.chain_id),
        ..TxEnv::default()
    }
}

/// A transaction that was signed, as the block takes it.
pub(crate) fn signed_transaction(pooled: &Pooled) -> TxEnv {
    let signed = &pooled.transaction;
    TxEnv {
        tx_type: TransactionType::Eip1559.into(),
        caller: pooled.sender,
        gas_limit: signed.gas_limit,
        gas_price: signed.max_fee_per_gas,
        gas_priority_fee: Some(signed.max_priority_fee_per_gas),
        kind: signed.to,
        value: signed.value,
        data: signed.input.clone(),
        nonce: signed.nonce,
        chain_id: Some(signed.chain_id),
        ..TxEnv::default()
    }
}

/// What a call returned, or why it did not.
pub(crate) fn output(to: Address, result: ExecutionResult) -> Result<Bytes, ChainError> {
    match result {
        ExecutionResult::Success { output, .. } => Ok(output.into_data()),
        ExecutionResult::Revert { output, .. } => Err(ChainError::Reverted { to, revert: Revert::new(output) }),
        ExecutionResult::Halt { reason, .. } => Err(rejected(format!("{reason:?}"))),
    }
}

/// The name of a simulated chain in messages.
pub(crate) fn endpoint() -> Endpoint {
    Endpoint::local("the simulated chain")
}

fn refusal(account: Address, error: EVMError<Infallible>) -> ChainError {
    match error {
        EVMError::Transaction(reason @ InvalidTransaction::LackOfFundForMaxFee { .. }) => {
            ChainError::InsufficientFunds { account, reason: reason.to_string() }
        }
        other => rejected(other.to_string()),
    }
}

fn rejected(reason: String) -> ChainError {
    ChainError::Rejected { endpoint: endpoint(), method: "the transaction", reason }
}
