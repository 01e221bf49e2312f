//! Precisions in which a model is installed.

use std::fmt;

use xenon_protocol::task::{Dtype, GptTask, QuantizeBits};

use crate::error::ExecutorError;

/// One precision in which a model is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Variant {
    /// The type of the numbers that it computes with.
    pub dtype: Dtype,
    /// Bits of a weight, if the weights are quantised.
    pub quantize_bits: Option<QuantizeBits>,
}

impl Variant {
    /// Single precision.
    pub const FP32: Self = Self { dtype: Dtype::Fp32, quantize_bits: None };

    /// True if a task that asks for these can run on it. Weights are quantised only for a task that asks for it or
    /// leaves both to the model.
    fn serves(self, dtype: Option<Dtype>, bits: Option<QuantizeBits>) -> bool {
        match (dtype, bits) {
            (None, None) => true,
            (None, Some(_)) => self.quantize_bits == bits,
            (Some(dtype), _) => self.dtype == dtype && self.quantize_bits == bits,
        }
    }
}

/// The variant that a task runs on: the first that is what it asks for. `available` has the preferred one first.
pub fn choose_variant(task: &GptTask, available: &[Variant]) -> Result<Variant, ExecutorError> {
    let (dtype, bits) = (task.dtype, task.quantize_bits);
    let chosen = available.iter().copied().find(|variant| variant.serves(dtype, bits));
    chosen.ok_or_else(|| ExecutorError::VariantUnavailable {
        wanted: wanted(dtype, bits),
        available: available.iter().map(Variant::to_string).collect(),
    })
}

fn wanted(dtype: Option<Dtype>, bits: Option<QuantizeBits>) -> String {
    let dtype = dtype.map(|dtype| dtype.to_string());
    let bits = bits.map(|bits| format!("quantize_bits {}", u8::from(bits)));
    [dtype, bits].into_iter().flatten().collect::<Vec<_>>().join(" with ")
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&wanted(Some(self.dtype), self.quantize_bits))
    }
}

#[cfg(test)]
mod tests {
    use xenon_protocol::task::{GenerationConfig, Message};

    use super::*;

    const Q4: Variant = Variant { dtype: Dtype::Fp16, quantize_bits: Some(QuantizeBits::Four) };
    const FP16: Variant = Variant { dtype: Dtype::Fp16, quantize_bits: None };

    fn choose(
        dtype: Option<Dtype>,
        quantize_bits: Option<QuantizeBits>,
        available: &[Variant],
    ) -> Result<Variant, ExecutorError> {
        let task = GptTask::new("a/b".parse().unwrap(), vec![Message::user("")], GenerationConfig::greedy(1));
        choose_variant(&GptTask { dtype, quantize_bits, ..task }, available)
    }

    #[test]
    fn what_is_not_installed_is_refused_by_name() {
        let bits = Some(QuantizeBits::Eight);
        for (dtype, bits, wanted) in [
            (Some(Dtype::Bf16), None, "bf16"),
            (None, bits, "quantize_bits 8"),
            (Some(Dtype::Fp16), bits, "fp16 with quantize_bits 8"),
            (Some(Dtype::Fp32), Some(QuantizeBits::Four), "fp32 with quantize_bits 4"),
        ] {
            let error = choose(dtype, bits, &[Variant::FP32, Q4]).unwrap_err();
            assert_eq!(error.code(), "XE-034");
            assert!(error.to_string().contains(&format!("in {wanted};")), "{error}");
            assert!(error.to_string().contains("fp32, fp16 with quantize_bits 4"), "{error}");
        }
    }

    #[test]
    fn a_type_alone_means_weights_that_are_not_quantised() {
        assert_eq!(choose(Some(Dtype::Fp16), None, &[Q4, FP16]).unwrap(), FP16);
        assert_eq!(choose(Some(Dtype::Fp16), None, &[Q4]).unwrap_err().code(), "XE-034");
    }

    #[test]
    fn a_task_that_does_not_care_gets_the_first() {
        assert_eq!(choose(None, None, &[Q4, FP16]).unwrap(), Q4);
        assert_eq!(choose(None, Some(QuantizeBits::Four), &[FP16, Q4]).unwrap(), Q4);
        assert_eq!(choose(None, None, &[]).unwrap_err().code(), "XE-034");
    }
}
