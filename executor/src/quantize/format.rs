//! How weights are stored: bits, and how many of them share a scale.

use std::{fmt, str::FromStr};

use xenon_protocol::task::QuantizeBits;

/// How many inputs of a column share a scale: a power of two from 16 to 256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockSize(u16);

impl BlockSize {
    /// Every size that the operator takes.
    pub const ALL: [Self; 5] = [Self(16), Self(32), Self(64), Self(128), Self(256)];

    /// The number.
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

impl Default for BlockSize {
    /// 32, as most published models have.
    fn default() -> Self {
        Self(32)
    }
}

impl fmt::Display for BlockSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for BlockSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|size| size.to_string() == text);
        let names = || Self::ALL.map(|size| size.to_string()).join(", ");
        known.ok_or_else(|| format!("{text:?} is not a size of blocks; use one of {}", names()))
    }
}

/// How weights are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Bits of a weight.
    pub bits: QuantizeBits,
    /// How many weights share a scale.
    pub block: BlockSize,
}

impl Format {
    /// Half of the codes: the code of zero, and how many codes are below it.
    pub fn zero(self) -> u8 {
        1 << (u8::from(self.bits) - 1)
    }

    /// Blocks of a column of so many weights; the last one is filled up with zeros.
    pub fn blocks(self, inputs: usize) -> usize {
        inputs.div_ceil(self.block.get())
    }

    /// Bytes of a block's codes.
    pub fn block_bytes(self) -> usize {
        self.block.get() * usize::from(u8::from(self.bits)) / 8
    }

    /// Bytes of a matrix, codes and scales together.
    pub fn size(self, inputs: usize, outputs: usize) -> u64 {
        (outputs * self.blocks(inputs) * (self.block_bytes() + size_of::<f32>())) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sizes_that_the_operator_takes_are_sizes() {
        for text in ["", "8", "24", "512", "-32", "032"] {
            assert!(text.parse::<BlockSize>().unwrap_err().contains("16, 32, 64, 128, 256"), "{text}");
        }
        assert_eq!("128".parse::<BlockSize>().unwrap().get(), 128);
    }

    #[test]
    fn the_last_block_is_whole() {
        let format = Format { bits: QuantizeBits::Four, block: BlockSize::default() };
        assert_eq!((format.blocks(33), format.block_bytes(), format.zero()), (2, 16, 8));
        assert_eq!(format.size(33, 3), 3 * 2 * (16 + 4));
        assert_eq!(Format { bits: QuantizeBits::Eight, ..format }.size(32, 1), 36);
    }
}
