use std::fmt;

use alloy::{
    dyn_abi::{DynSolValue, ErrorExt},
    hex, json_abi,
    primitives::{Bytes, Selector},
    sol_types::{Panic, Revert as Message, SolError, SolInterface},
};

use super::advice::advice;
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

    /// The name of the custom error, if it is one of the network's contracts.
    pub fn name(&self) -> Option<&'static str> {
        Some(contracts::error(self.selector()?)?.name.as_str())
    }

    /// What helps, if the reason is a custom error of the network's contracts.
    pub fn advice(&self) -> Option<&'static str> {
        advice(&contracts::error(self.selector()?)?.name)
    }

    /// The advice as the end of a sentence; nothing if there is none.
    pub(super) fn advice_clause(&self) -> String {
        self.advice().map(|advice| format!(": {advice}")).unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, U256, aliases::U40};
    use proptest::prelude::*;

    use super::*;
    use crate::contracts::{Node, Task};

    fn wrong_reveal() -> Revert {
        let error =
            Task::WrongReveal { task: U40::from(7), node: 3, expected: [0x11; 32].into(), actual: [0x22; 32].into() };
        Revert::new(error.abi_encode())
    }

    #[test]
    fn errors_of_the_contracts_are_named_with_their_arguments() {
        let (one, two) = ("11".repeat(32), "22".repeat(32));
        let expected = format!("WrongReveal(task: 7, node: 3, expected: 0x{one}, actual: 0x{two})");
        assert_eq!(wrong_reveal().to_string(), expected);
        let key = Address::repeat_byte(0xab);
        let in_use = Revert::new(Node::KeyInUse { key, node: 5 }.abi_encode());
        assert_eq!(in_use.to_string(), format!("KeyInUse(key: {key}, node: 5)"));
    }

    #[test]
    fn errors_are_matched_by_type() {
        let revert = wrong_reveal();
        assert_eq!(revert.decode::<Task::WrongReveal>().unwrap().node, 3);
        assert!(revert.is::<Task::WrongReveal>() && !revert.is::<Task::NotSeated>());
        assert!(matches!(revert.decode_any(), Some(Task::TaskErrors::WrongReveal(_))));
        assert!(revert.decode_any::<Node::NodeErrors>().is_none());
    }

    #[test]
    fn advice_is_given_for_errors_of_the_network_only() {
        assert!(wrong_reveal().advice().is_some_and(|advice| advice.contains("journal")));
        assert_eq!(Revert::new(Message::from("too bad").abi_encode()).advice(), None);
        assert_eq!(Revert::new(Bytes::new()).advice(), None);
    }

    #[test]
    fn what_every_compiler_knows_is_explained() {
        assert_eq!(Revert::new(Message::from("too bad").abi_encode()).to_string(), "\"too bad\"");
        let overflow = Panic { code: U256::from(0x11) };
        assert_eq!(Revert::new(overflow.abi_encode()).to_string(), overflow.to_string());
    }

    #[test]
    fn what_nobody_knows_is_shown_as_it_is() {
        assert_eq!(Revert::new(Bytes::new()).to_string(), "no reason given");
        assert_eq!(Revert::new([1, 2, 3]).to_string(), "unknown reason 0x010203");
        assert_eq!(Revert::new([1, 2, 3, 4, 5]).to_string(), "unknown reason 0x0102030405");
    }

    proptest! {
        #[test]
        fn damaged_reasons_are_shown_too(keep in 0..132usize, noise: Vec<u8>) {
            let data = [&wrong_reveal().data()[..keep], &noise].concat();
            prop_assert!(!Revert::new(data).to_string().is_empty());
        }
    }
}
