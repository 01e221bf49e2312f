//! The numbers of a tensor.

use half::{bf16, f16};

use super::proto::TensorProto;

/// Types of numbers that weights come in, of those that ONNX knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// 32-bit floating point.
    Float32,
    /// 16-bit floating point.
    Float16,
    /// 16-bit floating point with the exponent of 32 bits.
    Bfloat16,
}

impl Element {
    /// The element type of a tensor; `None` for another than weights come in.
    pub const fn of(tensor: &TensorProto) -> Option<Self> {
        match tensor.data_type {
            Some(1) => Some(Self::Float32),
            Some(10) => Some(Self::Float16),
            Some(16) => Some(Self::Bfloat16),
            _ => None,
        }
    }

    /// Bytes of a number.
    pub const fn size(self) -> usize {
        match self {
            Self::Float32 => 4,
            Self::Float16 | Self::Bfloat16 => 2,
        }
    }

    /// Numbers from little-endian bytes.
    pub fn decode(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::Float32 => bytes.as_chunks().0.iter().map(|number| f32::from_le_bytes(*number)).collect(),
            Self::Float16 => bytes.as_chunks().0.iter().map(|number| f16::from_le_bytes(*number).to_f32()).collect(),
            Self::Bfloat16 => bytes.as_chunks().0.iter().map(|number| bf16::from_le_bytes(*number).to_f32()).collect(),
        }
    }
}

/// The numbers that are written in a tensor one by one, and not as bytes; `None` if there are none such.
pub(super) fn listed(tensor: &TensorProto, element: Element) -> Option<Vec<f32>> {
    let halves = || tensor.int32_data.iter().map(|bits| u16::try_from(*bits).unwrap_or_default());
    match element {
        Element::Float32 if !tensor.float_data.is_empty() => Some(tensor.float_data.clone()),
        Element::Float16 if !tensor.int32_data.is_empty() => {
            Some(halves().map(|bits| f16::from_bits(bits).to_f32()).collect())
        }
        Element::Bfloat16 if !tensor.int32_data.is_empty() => {
            Some(halves().map(|bits| bf16::from_bits(bits).to_f32()).collect())
        }
        _ => None,
    }
}

/// Bytes of the numbers that are written in a tensor one by one.
pub(super) const fn listed_bytes(tensor: &TensorProto) -> usize {
    let words = tensor.float_data.len() + tensor.int32_data.len();
    4 * words + 8 * (tensor.int64_data.len() + tensor.double_data.len() + tensor.uint64_data.len())
}
