//! Precisions in which a model is installed.

use std::fmt;

use xenon_protocol::task::{Dtype, QuantizeBits};

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
