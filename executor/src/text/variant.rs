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
}

/// The variant that a task runs on: exactly what it asks for. What it leaves out is never left to a folder, since two
/// nodes may have installed different variants of one model: without `dtype` it is single precision, without
/// `quantize_bits` the weights are not quantised.
pub fn choose_variant(task: &GptTask, available: &[Variant]) -> Result<Variant, ExecutorError> {
    let wanted = Variant { dtype: task.dtype.unwrap_or(Dtype::Fp32), quantize_bits: task.quantize_bits };
    if available.contains(&wanted) {
        return Ok(wanted);
    }
    Err(ExecutorError::VariantUnavailable {
        wanted: wanted.to_string(),
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
            (None, bits, "fp32 with quantize_bits 8"),
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
    fn what_a_task_leaves_out_is_not_left_to_the_folder() {
        assert_eq!(choose(None, None, &[FP16, Q4, Variant::FP32]).unwrap(), Variant::FP32);
        let fp32_q4 = Variant { dtype: Dtype::Fp32, ..Q4 };
        assert_eq!(choose(None, Some(QuantizeBits::Four), &[Q4, fp32_q4]).unwrap(), fp32_q4);
        for available in [&[Q4, FP16][..], &[FP16], &[]] {
            assert_eq!(choose(None, None, available).unwrap_err().code(), "XE-034");
            assert_eq!(choose(None, Some(QuantizeBits::Four), available).unwrap_err().code(), "XE-034");
        }
    }
}
