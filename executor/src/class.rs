//! The execution class: a fingerprint of everything that decides a result's bytes.
//!
//! Nodes of one class compute the same bytes for the same task; nodes of different classes may not, and a task whose
//! results are compared byte for byte is given to nodes of one class only. What was measured not to matter (thread
//! count, arena, memory pattern) is left out; optimisation level and weight prepacking are in.

use std::fmt;

use alloy::primitives::{B256, keccak256};

use crate::{cpu, device::Provider, runtime::Runtime};

/// Version of this crate's own arithmetic: prompt rendering, sampling, stopping. Raised when any of it changes bytes.
const PIPELINE: &str = "2";
const OPTIMISATION: &str = "all";
const PREPACKING: &str = "on";

/// Everything that decides a result's bytes, by name, in a fixed order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionClass {
    ingredients: Vec<(&'static str, String)>,
}

impl ExecutionClass {
    /// The class of this machine with this runtime and provider.
    pub fn detect(runtime: &Runtime, provider: Provider) -> Self {
        Self {
            ingredients: vec![
                ("pipeline", PIPELINE.to_owned()),
                ("system", format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH)),
                ("cpu", cpu::model()),
                ("cpu_features", cpu::features().join(" ")),
                ("provider", provider.name().to_owned()),
                ("runtime", runtime.build().to_owned()),
                ("runtime_sha256", runtime.sha256().to_owned()),
                ("optimisation", OPTIMISATION.to_owned()),
                ("prepacking", PREPACKING.to_owned()),
            ],
        }
    }

    /// What the class is made of, to be read by people.
    pub fn ingredients(&self) -> &[(&'static str, String)] {
        &self.ingredients
    }

    /// The 32 bytes that a node registers: keccak256 of one `name=value` line per ingredient, in their order.
    pub fn fingerprint(&self) -> B256 {
        keccak256(self.to_string())
    }
}

impl fmt::Display for ExecutionClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ingredients.iter().try_for_each(|(name, value)| writeln!(f, "{name}={}", value.replace('\n', " ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(cpu: &str, features: &str) -> ExecutionClass {
        ExecutionClass { ingredients: vec![("cpu", cpu.to_owned()), ("cpu_features", features.to_owned())] }
    }

    #[test]
    fn every_ingredient_counts() {
        let class_a = class("x", "avx avx2");
        assert_eq!(class_a.fingerprint(), class("x", "avx avx2").fingerprint());
        assert_ne!(class_a.fingerprint(), class("x", "avx").fingerprint());
        assert_ne!(class_a.fingerprint(), class("y", "avx avx2").fingerprint());
    }

    #[test]
    fn no_value_can_pass_for_another_ingredient() {
        assert_eq!(class("x\ncpu_features=avx", "").to_string(), "cpu=x cpu_features=avx\ncpu_features=\n");
    }
}
