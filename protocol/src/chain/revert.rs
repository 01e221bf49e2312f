use std::fmt;

use alloy::{
    dyn_abi::{DynSolValue, ErrorExt},
    hex, json_abi,
    primitives::{Bytes, Selector},
    sol_types::{Panic, Revert as Message, SolError, SolInterface},
};

use crate::contracts;

/// What a contract gave as its reason for refusing: the encoded custom error, a message, a panic, or nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Revert {
    data: Bytes,
}

impl Revert {
    /// Wraps the data a call reverted with.
    pub fn new(data: impl Into<Bytes>) -> Self {
        Self { data: data.into() }
    }

    /// The data as the contract gave it.
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// The reason as custom error `E`, or `None` if it is another one.
    pub fn decode<E: SolError>(&self) -> Option<E> {
        E::abi_decode_validate(&self.data).ok()
    }

    /// The reason as one of a contract's custom errors, or `None` if the contract has no such error.
    pub fn decode_any<I: SolInterface>(&self) -> Option<I> {
        I::abi_decode_validate(&self.data).ok()
    }

    /// Whether the reason is the custom error `E`, whatever its arguments.
    pub fn is<E: SolError>(&self) -> bool {
        self.selector() == Some(Selector::from(E::SELECTOR))
    }

    fn selector(&self) -> Option<Selector> {
        self.data.first_chunk().copied().map(Selector::from)
    }

    /// The reason in words, if it is one of our contracts' errors or one of the two every compiler knows.
    fn explain(&self) -> Option<String> {
        if let Some(message) = self.decode::<Message>() {
            return Some(format!("\"{}\"", message.reason()));
        }
        if let Some(panic) = self.decode::<Panic>() {
            return Some(panic.to_string());
        }
        let error = contracts::error(self.selector()?)?;
        let arguments = error.decode_error(&self.data).ok()?.body;
        Some(format!("{}({})", error.name, listed(error, &arguments)))
    }
}

fn listed(error: &json_abi::Error, arguments: &[DynSolValue]) -> String {
    let named: Vec<_> =
        error.inputs.iter().zip(arguments).map(|(input, value)| format!("{}: {}", input.name, shown(value))).collect();
    named.join(", ")
}

fn shown(value: &DynSolValue) -> String {
    match value {
        DynSolValue::Uint(number, _) => number.to_string(),
        DynSolValue::Int(number, _) => number.to_string(),
        DynSolValue::Bool(flag) => flag.to_string(),
        DynSolValue::Address(address) => address.to_string(),
        DynSolValue::FixedBytes(word, size) => hex::encode_prefixed(&word[..*size]),
        DynSolValue::Bytes(bytes) => hex::encode_prefixed(bytes),
        DynSolValue::String(text) => format!("\"{text}\""),
        other => format!("{other:?}"),
    }
}

impl fmt::Display for Revert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.explain() {
            Some(text) => f.write_str(&text),
            None if self.data.is_empty() => f.write_str("no reason given"),
            None => write!(f, "unknown reason {}", self.data),
        }
    }
}

impl fmt::Debug for Revert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Revert({self})")
    }
}
