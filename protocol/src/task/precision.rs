//! The precision in which a task wants its model to run.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The type of the numbers that a model computes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", try_from = "String")]
#[schemars(!try_from)]
pub enum Dtype {
    /// IEEE 754 single precision.
    Fp32,
    /// IEEE 754 half precision.
    Fp16,
    /// The upper half of single precision.
    Bf16,
}

/// How many bits a quantised weight has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u8", into = "u8")]
#[schemars(with = "u8", extend("enum" = [4, 8]))]
pub enum QuantizeBits {
    /// Four bits.
    Four,
    /// Eight bits.
    Eight,
}

impl Dtype {
    /// Every type.
    pub const ALL: [Self; 3] = [Self::Fp32, Self::Fp16, Self::Bf16];

    /// Its name in a task.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Fp16 => "fp16",
            Self::Bf16 => "bf16",
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl TryFrom<String> for Dtype {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|dtype| dtype.name() == name);
        known.ok_or_else(|| format!("dtype is {name:?}; give fp32, fp16 or bf16"))
    }
}

impl TryFrom<u8> for QuantizeBits {
    type Error = String;

    fn try_from(bits: u8) -> Result<Self, String> {
        match bits {
            4 => Ok(Self::Four),
            8 => Ok(Self::Eight),
            _ => Err(format!("quantize_bits is {bits}; give 4 or 8")),
        }
    }
}

impl From<QuantizeBits> for u8 {
    fn from(bits: QuantizeBits) -> Self {
        match bits {
            QuantizeBits::Four => 4,
            QuantizeBits::Eight => 8,
        }
    }
}
