use alloy::{
    primitives::{Address, Bytes, U256},
    sol_types::SolCall,
};

/// A call to a contract, or a plain transfer when the data is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Who is called.
    pub to: Address,
    /// The encoded call: selector and arguments.
    pub data: Bytes,
    /// Wei sent along.
    pub value: U256,
}

impl Call {
    /// A call of a contract function without value.
    pub fn new(to: Address, call: &impl SolCall) -> Self {
        Self::raw(to, call.abi_encode())
    }

    /// A call with data that is already encoded.
    pub fn raw(to: Address, data: impl Into<Bytes>) -> Self {
        Self { to, data: data.into(), value: U256::ZERO }
    }

    /// A transfer of wei.
    pub fn transfer(to: Address, value: U256) -> Self {
        Self { to, data: Bytes::new(), value }
    }

    /// The same call with wei sent along.
    #[must_use]
    pub fn with_value(self, value: U256) -> Self {
        Self { value, ..self }
    }
}
