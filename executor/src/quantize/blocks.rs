//! Weights as codes with a scale for each block: what `com.microsoft.MatMulNBits` multiplies with.
//!
//! The operator (documentation: `docs/ContribOperators.md` of ONNX Runtime) takes a matrix of K inputs and N outputs column by
//! column, each column in blocks along K. Without zero points, the weight of a code `q` of `b` bits is `(q − 2ᵇ⁻¹) · s`. With `z
//! = 2ᵇ⁻¹`, and `p` and `n` the largest magnitudes of a positive and of a negative weight of a block (0 if there is none), the
//! scale and the codes are
//!
//! ```text
//! up   = max(n / z, p / (z − ½))            the step if code 0 is the most negative weight
//! down = max(p / z, n / (z − ½))            the step if code 0 is the most positive weight
//! s    = max(up, m) if up ≤ down, else −max(down, m)
//! q    = z + min(max(round(w / s), −z), z − 1)
//! ```
//!
//! in single precision, but for `w / s`, which is taken in double precision and rounded to the nearest integer, a half
//! to the even one. `m` is the smallest normal number, so that no scale is zero. So no weight is farther from its own
//! than half a step (to a rounding error): the outermost codes stand for what is up to half a step beyond them. The last block of a column is filled up with zeros,
//! the code `z`. Codes of four bits lie two in a byte, the first one in the low bits.

use rayon::prelude::*;

use super::Format;

/// Columns that are packed together: a cache line of a matrix whose inputs come first.
const COLUMNS: usize = 16;

/// How the numbers of a matrix lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layout {
    /// `[inputs, outputs]`.
    InputsFirst,
    /// `[outputs, inputs]`.
    OutputsFirst,
}

impl Layout {
    /// How the transposed matrix lies in the same numbers.
    #[must_use]
    pub const fn transposed(self) -> Self {
        match self {
            Self::InputsFirst => Self::OutputsFirst,
            Self::OutputsFirst => Self::InputsFirst,
        }
    }
}

/// A matrix of weights.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    /// Its numbers, `inputs · outputs` of them.
    pub numbers: &'a [f32],
    /// K, the length of the vectors that it is multiplied with.
    pub inputs: usize,
    /// N, the length of the products.
    pub outputs: usize,
    /// How its numbers lie.
    pub layout: Layout,
}

/// A matrix as codes.
#[derive(Clone, Debug, PartialEq)]
pub struct Packed {
    /// `[outputs, blocks, bytes of a block]`.
    pub codes: Vec<u8>,
    /// `[outputs, blocks]`.
    pub scales: Vec<f32>,
}

impl Matrix<'_> {
    fn at(&self, input: usize, output: usize) -> f32 {
        match self.layout {
            Layout::InputsFirst => self.numbers[input * self.outputs + output],
            Layout::OutputsFirst => self.numbers[output * self.inputs + input],
        }
    }
}

/// The codes of a matrix of finite numbers. The bytes do not depend on the number of threads.
pub fn pack(matrix: &Matrix<'_>, format: Format) -> Packed {
    let (blocks, bytes) = (format.blocks(matrix.inputs), format.block_bytes());
    let mut codes = vec![0; matrix.outputs * blocks * bytes];
    let mut scales = vec![0.0; matrix.outputs * blocks];
    let parts = codes.par_chunks_mut(COLUMNS * blocks * bytes).zip(scales.par_chunks_mut(COLUMNS * blocks));
    parts.enumerate().for_each(|(part, (codes, scales))| pack_columns(matrix, format, part * COLUMNS, codes, scales));
    Packed { codes, scales }
}

/// Packs the columns from `first` on, as many as there is room for. A block of all columns comes before the next block, so
/// that neighbours in memory are read together.
fn pack_columns(matrix: &Matrix<'_>, format: Format, first: usize, codes: &mut [u8], scales: &mut [f32]) {
    let (blocks, bytes, size) = (format.blocks(matrix.inputs), format.block_bytes(), format.block.get());
    let mut weights = Vec::with_capacity(size);
    for block in 0..blocks {
        let inputs = block * size..matrix.inputs.min((block + 1) * size);
        for column in 0..scales.len() / blocks {
            let place = column * blocks + block;
            weights.clear();
            weights.extend(inputs.clone().map(|input| matrix.at(input, first + column)));
            scales[place] = scale(&weights, format);
            write_codes(&weights, scales[place], format, &mut codes[place * bytes..][..bytes]);
        }
    }
}

/// The scale of a block.
fn scale(weights: &[f32], format: Format) -> f32 {
    let zero = f32::from(format.zero());
    let positive = weights.iter().copied().fold(0.0, f32::max);
    let negative = -weights.iter().copied().fold(0.0, f32::min);
    let up = (negative / zero).max(positive / (zero - 0.5));
    let down = (positive / zero).max(negative / (zero - 0.5));
    if up <= down { up.max(f32::MIN_POSITIVE) } else { -down.max(f32::MIN_POSITIVE) }
}

/// The code of a weight.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the number is within 0..=255")]
fn code(weight: f32, scale: f32, format: Format) -> u8 {
    let zero = f64::from(format.zero());
    let steps = (f64::from(weight) / f64::from(scale)).round_ties_even();
    (zero + steps.clamp(-zero, zero - 1.0)) as u8
}

fn write_codes(weights: &[f32], scale: f32, format: Format, bytes: &mut [u8]) {
    let of = |place: usize| weights.get(place).map_or(format.zero(), |weight| code(*weight, scale, format));
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = if format.zero() == 8 { of(2 * place) | of(2 * place + 1) << 4 } else { of(place) };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rayon::ThreadPoolBuilder;
    use xenon_protocol::task::QuantizeBits;

    use super::*;
    use crate::quantize::BlockSize;

    /// The weight of a column's place, computed from the codes as the operator does.
    fn weight(packed: &Packed, format: Format, inputs: usize, input: usize, output: usize) -> (f64, f64) {
        let (block, place) = (input / format.block.get(), input % format.block.get());
        let row = output * format.blocks(inputs) + block;
        let bytes = &packed.codes[row * format.block_bytes()..][..format.block_bytes()];
        let code = match format.bits {
            QuantizeBits::Four => bytes[place / 2] >> (4 * (place % 2)) & 15,
            QuantizeBits::Eight => bytes[place],
        };
        let scale = f64::from(packed.scales[row]);
        ((f64::from(code) - f64::from(format.zero())) * scale, scale.abs())
    }

    fn format() -> impl Strategy<Value = Format> {
        let bits = prop_oneof![Just(QuantizeBits::Four), Just(QuantizeBits::Eight)];
        (bits, prop::sample::select(BlockSize::ALL.to_vec())).prop_map(|(bits, block)| Format { bits, block })
    }

    /// Weights of all magnitudes, with zeros, subnormal numbers and the largest one.
    fn number() -> impl Strategy<Value = f32> {
        prop_oneof![
            8 => -1.0..1.0_f32,
            1 => prop::num::f32::NORMAL | prop::num::f32::SUBNORMAL | prop::num::f32::ZERO,
            1 => prop::sample::select(vec![0.0, f32::MAX, f32::MIN, f32::from_bits(1)]),
        ]
    }

    fn matrix() -> impl Strategy<Value = (usize, usize, Vec<f32>)> {
        (1..140_usize, 1..40_usize).prop_flat_map(|(inputs, outputs)| {
            (Just(inputs), Just(outputs), prop::collection::vec(number(), inputs * outputs))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_weight_moves_by_more_than_half_a_step((inputs, outputs, numbers) in matrix(), format in format()) {
            let matrix = Matrix { numbers: &numbers, inputs, outputs, layout: Layout::InputsFirst };
            let packed = pack(&matrix, format);
            for (input, output) in (0..inputs).flat_map(|input| (0..outputs).map(move |output| (input, output))) {
                let (found, step) = weight(&packed, format, inputs, input, output);
                let difference = (found - f64::from(matrix.at(input, output))).abs();
                prop_assert!(difference <= step * (0.5 + 1e-5), "{difference} with a step of {step}");
            }
        }

        #[test]
        fn threads_and_layout_change_no_byte((inputs, outputs, numbers) in matrix(), format in format()) {
            let pool = |threads| ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let first = Matrix { numbers: &numbers, inputs, outputs, layout: Layout::InputsFirst };
            let expected = pool(1).install(|| pack(&first, format));
            prop_assert_eq!(&pool(3).install(|| pack(&first, format)), &expected);
            let column = |output| (0..inputs).map(move |input| (input, output));
            let transposed: Vec<f32> =
                (0..outputs).flat_map(column).map(|(input, output)| first.at(input, output)).collect();
            let second = Matrix { numbers: &transposed, layout: Layout::OutputsFirst, ..first };
            prop_assert_eq!(pool(2).install(|| pack(&second, format)), expected);
        }
    }

    /// Worked by hand: four bits, zero is 8. The most negative weight takes the code 0; one that is more positive turns the scale.
    #[test]
    fn a_block_has_the_codes_of_the_formula() {
        let format = Format { bits: QuantizeBits::Four, block: BlockSize::ALL[0] };
        let column = |numbers: &[f32]| {
            let matrix = Matrix { numbers, inputs: numbers.len(), outputs: 1, layout: Layout::InputsFirst };
            pack(&matrix, format)
        };
        let packed = column(&[-8.0, 7.0, 2.5, 3.5, -0.5]);
        assert_eq!(packed.scales, [1.0]);
        assert_eq!(packed.codes, [0xF0, 0xCA, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88]);
        assert_eq!(column(&[8.0, -7.0]).codes[0], 0xF0);
        assert_eq!(column(&[8.0, -7.0]).scales, [-1.0]);
        assert_eq!(column(&[0.0]), Packed { codes: vec![0x88; 8], scales: vec![f32::MIN_POSITIVE] });
    }
}
