use std::future::Future;

use alloy::{primitives::Address, sol_types::SolCall};

use super::{Call, Chain, ChainError};

/// Calls of contract functions with their own argument and return types, on any [`Chain`].
pub trait TypedChain: Chain {
    /// Reads a contract. An address without code is [`ChainError::NoContract`].
    fn view<C>(&self, to: Address, call: &C) -> impl Future<Output = Result<C::Return, ChainError>> + Send
    where
        C: SolCall + Sync,
        C::Return: Send,
    {
        async move {
            let output = self.call(Address::ZERO, &Call::new(to, call)).await?;
            match C::abi_decode_returns_validate(&output) {
                Ok(value) => Ok(value),
                Err(_) if output.is_empty() && self.code(to).await?.is_empty() => {
                    Err(ChainError::NoContract { address: to, chain_id: self.chain_id() })
                }
                Err(error) => Err(ChainError::Malformed { method: C::SIGNATURE, reason: error.to_string() }),
            }
        }
    }
}

impl<T: Chain> TypedChain for T {}
