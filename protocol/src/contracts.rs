//! The contracts as Rust types, generated from what forge compiled, and the errors they can give.
//!
//! One module per contract holds its calls, events, errors and structs; numbers that Solidity names (`TaskId`, `Level`)
//! appear as the integers they are. Enums of the interfaces convert from those with `TryFrom<u8>`.

use std::{collections::BTreeMap, sync::LazyLock};

use alloy::{json_abi, primitives::Selector};

pub use self::generated::*;

#[allow(missing_docs, reason = "the interfaces hold the documentation")]
#[allow(unreachable_pub, non_upper_case_globals, clippy::all, clippy::pedantic, reason = "generated")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
}

/// Every custom error of every contract, by selector.
static ERRORS: LazyLock<BTreeMap<Selector, json_abi::Error>> = LazyLock::new(|| {
    let sets = [
        Create3Factory::abi::errors(),
        Node::abi::errors(),
        Task::abi::errors(),
        TaskQueue::abi::errors(),
        QoS::abi::errors(),
        NetworkStats::abi::errors(),
        Timelock::abi::errors(),
    ];
    let errors = sets.into_iter().flat_map(BTreeMap::into_values).flatten();
    errors.map(|error| (error.selector(), error)).collect()
});

/// The custom error with that selector, if one of the contracts has it.
pub fn error(selector: Selector) -> Option<&'static json_abi::Error> {
    ERRORS.get(&selector)
}
