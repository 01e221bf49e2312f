//! The execution class: a fingerprint of everything that decides a result's bytes.
//!
//! Nodes of one class compute the same bytes for the same task; nodes of different classes may not, and a task whose
//! results are compared byte for byte is given to nodes of one class only. What was measured not to matter (thread
//! count, arena, memory pattern) is left out; optimisation level and weight prepacking are in. Last comes the digest
//! of the self-test, see [`Standing`].

use std::fmt;

use alloy::primitives::{B256, keccak256};

use crate::{
    cpu,
    device::Provider,
    error::ExecutorError,
    gpu::Gpu,
    runtime::Runtime,
    self_test::{self, GoldenClass, GoldenClasses, Standing},
};

/// Version of this crate's own arithmetic: prompt rendering, how prompts are read, sampling, stopping. Raised when any of it changes bytes.
const PIPELINE: &str = "3";
const OPTIMISATION: &str = "all";
const PREPACKING: &str = "on";

/// Everything that decides a result's bytes, by name, in a fixed order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionClass {
    ingredients: Vec<(&'static str, String)>,
    self_test: B256,
}

impl ExecutionClass {
    /// The class of this machine with this runtime and provider. Runs the self-test, which takes part of a second.
    ///
    /// # Errors
    /// Those of the self-test's computations; [`ExecutorError::GpuUnknown`] if the driver does not say what a GPU is.
    pub fn detect(runtime: &'static Runtime, provider: Provider) -> Result<Self, ExecutorError> {
        // First, because a GPU's libraries are known once something was computed with them.
        let self_test = self_test::run(runtime, provider)?;
        Ok(Self { ingredients: ingredients(runtime, provider)?, self_test })
    }

    /// What the class is made of, to be read by people. The last is the self-test.
    pub fn ingredients(&self) -> impl Iterator<Item = (&'static str, String)> {
        let known = self.ingredients.iter().cloned();
        known.chain([("self_test", self.self_test.to_string())])
    }

    /// Keccak256 of one `name=value` line for every ingredient but the pipeline's version, which the self-test does not
    /// depend on, and the self-test: what is known of the machine.
    pub fn machine(&self) -> B256 {
        keccak256(lines(self.ingredients.iter().filter(|(name, _)| *name != "pipeline").cloned()))
    }

    /// The 32 bytes that a node registers: keccak256 of one `name=value` line per ingredient, in their order.
    pub fn fingerprint(&self) -> B256 {
        keccak256(self.to_string())
    }

    /// How the self-test compares with what is known of machines like this one.
    ///
    /// # Errors
    /// Those of [`GoldenClasses::known`].
    pub fn standing(&self) -> Result<Standing, ExecutorError> {
        Ok(GoldenClasses::known()?.standing(self.machine(), self.self_test))
    }

    /// This machine's entry for the file of measured classes.
    pub fn golden(&self) -> GoldenClass {
        let find =
            |name: &str| self.ingredients.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        GoldenClass {
            cpu: find("cpu").unwrap_or_default(),
            provider: find("provider").unwrap_or_default(),
            machine: self.machine(),
            self_test: self.self_test,
        }
    }
}

fn ingredients(runtime: &Runtime, provider: Provider) -> Result<Vec<(&'static str, String)>, ExecutorError> {
    let mut ingredients = vec![
        ("pipeline", PIPELINE.to_owned()),
        ("system", format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH)),
        ("cpu", cpu::model()),
        ("cpu_features", cpu::features().join(" ")),
        ("provider", provider.name().to_owned()),
        ("runtime", runtime.build().to_owned()),
        ("runtime_sha256", runtime.sha256().to_owned()),
        ("optimisation", OPTIMISATION.to_owned()),
        ("prepacking", PREPACKING.to_owned()),
    ];
    if let Provider::Cuda(number) = provider {
        ingredients.extend(Gpu::of(number)?.ingredients());
    }
    Ok(ingredients)
}

fn lines(ingredients: impl Iterator<Item = (&'static str, String)>) -> String {
    let lines = ingredients.map(|(name, value)| format!("{name}={}\n", value.replace('\n', " ")));
    lines.collect::<Vec<_>>().concat()
}

impl fmt::Display for ExecutionClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&lines(self.ingredients()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(cpu: &str, features: &str, self_test: u8) -> ExecutionClass {
        let ingredients = vec![("cpu", cpu.to_owned()), ("cpu_features", features.to_owned())];
        ExecutionClass { ingredients, self_test: B256::repeat_byte(self_test) }
    }

    #[test]
    fn every_ingredient_counts() {
        let class_a = class("x", "avx avx2", 1);
        assert_eq!(class_a.fingerprint(), class("x", "avx avx2", 1).fingerprint());
        assert_ne!(class_a.fingerprint(), class("x", "avx", 1).fingerprint());
        assert_ne!(class_a.fingerprint(), class("y", "avx avx2", 1).fingerprint());
    }

    #[test]
    fn machines_that_compute_other_bytes_never_share_a_class() {
        let (one, other) = (class("x", "avx", 1), class("x", "avx", 2));
        assert_eq!(one.machine(), other.machine());
        assert_ne!(one.fingerprint(), other.fingerprint());
    }

    #[test]
    fn no_value_can_pass_for_another_ingredient() {
        let text = class("x\ncpu_features=avx", "", 0).to_string();
        assert!(text.starts_with("cpu=x cpu_features=avx\ncpu_features=\nself_test=0x00"), "{text}");
    }
}
