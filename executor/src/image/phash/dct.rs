//! The DCT-II of 32 values, X(k) = 2 Σ x(n) cos(π k (2n + 1) / 64), in 64-bit floating point.
//!
//! The operations and their order are those of `pocketfft`, by which `SciPy` computes it: a real backward Fourier
//! transform of length 32 with the radices 2, 4 and 4 in the half-complex format of FFTPACK, wrapped in additions and
//! rotations (P. N. Swarztrauber, *Vectorizing the FFTs*, 1982; J. Makhoul, *A fast cosine transform in one and two
//! dimensions*, 1980). So the sums are rounded alike, which [the hash](super) needs.

use std::f64::consts::FRAC_1_SQRT_2;

/// How many values are transformed.
pub const LENGTH: usize = 32;

const HALF: usize = LENGTH / 2;

/// The transform of `values`.
pub fn dct_ii(values: [f64; LENGTH]) -> [f64; LENGTH] {
    let mut c = values;
    c[0] *= 2.0;
    c[LENGTH - 1] *= 2.0;
    for k in (1..LENGTH - 1).step_by(2) {
        (c[k + 1], c[k]) = (c[k + 1] - c[k], c[k] + c[k + 1]);
    }
    let mut c = backward_fourier(c);
    for k in 1..HALF {
        let mirror = LENGTH - k;
        let (near, far) = (quarter_wave(k), quarter_wave(mirror));
        let sum = near * c[mirror] + far * c[k];
        let difference = near * c[k] - far * c[mirror];
        c[k] = 0.5 * (sum + difference);
        c[mirror] = 0.5 * (sum - difference);
    }
    c[HALF] *= quarter_wave(HALF);
    c
}

/// cos(2π k / 128).
fn quarter_wave(k: usize) -> f64 {
    unit_root(k, 4 * LENGTH).0
}

/// cos(2π k / 128); from 45 degrees the sine of what is left of 90, with the angle rounded before, as in `pocketfft`.
/// Written down, because functions of mathematical libraries differ in the last bit.
const COSINES: [f64; LENGTH + 1] = [
    1.0,
    0.998_795_456_205_172_4,
    0.995_184_726_672_196_9,
    0.989_176_509_964_781,
    0.980_785_280_403_230_4,
    0.970_031_253_194_544,
    0.956_940_335_732_208_8,
    0.941_544_065_183_020_8,
    0.923_879_532_511_286_7,
    0.903_989_293_123_443_3,
    0.881_921_264_348_355,
    0.857_728_610_000_272_1,
    0.831_469_612_302_545_2,
    0.803_207_531_480_644_9,
    0.773_010_453_362_737,
    0.740_951_125_354_959_1,
    0.707_106_781_186_547_5,
    0.671_558_954_847_018_3,
    0.634_393_284_163_645_5,
    0.595_699_304_492_433_4,
    0.555_570_233_019_602_2,
    0.514_102_744_193_221_7,
    0.471_396_736_825_997_64,
    0.427_555_093_430_282_1,
    0.382_683_432_365_089_8,
    0.336_889_853_392_220_05,
    0.290_284_677_254_462_33,
    0.242_980_179_903_263_87,
    0.195_090_322_016_128_25,
    0.146_730_474_455_361_75,
    0.098_017_140_329_560_6,
    0.049_067_674_327_418_015,
    0.0,
];

/// cos and sin of 2π k / n for k up to n / 4: the product of a coarse and a fine root, of which `pocketfft` keeps tables.
fn unit_root(k: usize, n: usize) -> (f64, f64) {
    let fine = k % table_size(n);
    let (fine, coarse) = (exact_root(fine, n), exact_root(k - fine, n));
    (fine.0 * coarse.0 - fine.1 * coarse.1, fine.0 * coarse.1 + fine.1 * coarse.0)
}

/// The smallest power of two, from 2, whose square is at least (n + 2) / 2.
const fn table_size(n: usize) -> usize {
    let mut size = 2;
    while size * size < n / 2 + 1 {
        size *= 2;
    }
    size
}

/// cos and sin of 2π k / n.
const fn exact_root(k: usize, n: usize) -> (f64, f64) {
    let index = k * 4 * LENGTH / n;
    let sine = if index == HALF { FRAC_1_SQRT_2 } else { COSINES[LENGTH - index] };
    (COSINES[index], sine)
}

/// One pass of the transform: where its values lie, `[block][leg][i]` before and `[leg][block][i]` after.
#[derive(Clone, Copy)]
struct Pass {
    radix: usize,
    /// Blocks.
    blocks: usize,
    /// Values of a leg.
    width: usize,
}

impl Pass {
    const fn read(self, values: &[f64; LENGTH], i: usize, leg: usize, block: usize) -> f64 {
        values[i + self.width * (leg + self.radix * block)]
    }

    const fn place(self, i: usize, block: usize, leg: usize) -> usize {
        i + self.width * (block + self.blocks * leg)
    }

    /// The twiddle factor of the pair that ends at `i` on leg `leg`.
    fn twiddle(self, leg: usize, i: usize) -> (f64, f64) {
        unit_root(leg * self.blocks * (i / 2), LENGTH)
    }
}

/// The values of a spectrum in half-complex format.
fn backward_fourier(spectrum: [f64; LENGTH]) -> [f64; LENGTH] {
    let values = radix_2(Pass { radix: 2, blocks: 1, width: 16 }, &spectrum);
    let values = radix_4(Pass { radix: 4, blocks: 2, width: 4 }, &values);
    radix_4(Pass { radix: 4, blocks: 8, width: 1 }, &values)
}

/// The product of a value with the conjugate twiddle factor, as (imaginary, real).
fn rotate((cos, sin): (f64, f64), imaginary: f64, real: f64) -> (f64, f64) {
    (cos * imaginary + sin * real, cos * real - sin * imaginary)
}

fn radix_2(pass: Pass, from: &[f64; LENGTH]) -> [f64; LENGTH] {
    let (mut to, last) = ([0.0; LENGTH], pass.width - 1);
    for block in 0..pass.blocks {
        let at = |i, leg| pass.read(from, i, leg, block);
        to[pass.place(0, block, 0)] = at(0, 0) + at(last, 1);
        to[pass.place(0, block, 1)] = at(0, 0) - at(last, 1);
        to[pass.place(last, block, 0)] = 2.0 * at(last, 0);
        to[pass.place(last, block, 1)] = -2.0 * at(0, 1);
        for i in (2..pass.width).step_by(2) {
            let mirror = pass.width - i;
            to[pass.place(i - 1, block, 0)] = at(i - 1, 0) + at(mirror - 1, 1);
            to[pass.place(i, block, 0)] = at(i, 0) - at(mirror, 1);
            let (real, imaginary) = (at(i - 1, 0) - at(mirror - 1, 1), at(i, 0) + at(mirror, 1));
            let (imaginary, real) = rotate(pass.twiddle(1, i), imaginary, real);
            to[pass.place(i, block, 1)] = imaginary;
            to[pass.place(i - 1, block, 1)] = real;
        }
    }
    to
}

fn radix_4(pass: Pass, from: &[f64; LENGTH]) -> [f64; LENGTH] {
    let mut to = [0.0; LENGTH];
    for block in 0..pass.blocks {
        radix_4_ends(pass, from, &mut to, block);
        for i in (2..pass.width).step_by(2) {
            radix_4_pair(pass, from, &mut to, block, i);
        }
    }
    to
}

/// The first value of each leg and, where a leg has several, the last.
fn radix_4_ends(pass: Pass, from: &[f64; LENGTH], to: &mut [f64; LENGTH], block: usize) {
    let at = |i, leg| pass.read(from, i, leg, block);
    let last = pass.width - 1;
    let (sum, difference) = (at(0, 0) + at(last, 3), at(0, 0) - at(last, 3));
    let (third, fourth) = (2.0 * at(last, 1), 2.0 * at(0, 2));
    let first = [sum + third, difference - fourth, sum - third, difference + fourth];
    for (leg, value) in first.into_iter().enumerate() {
        to[pass.place(0, block, leg)] = value;
    }
    if !pass.width.is_multiple_of(2) {
        return;
    }
    let (i1, i2) = (at(0, 3) + at(0, 1), at(0, 3) - at(0, 1));
    let (r2, r1) = (at(last, 0) + at(last, 2), at(last, 0) - at(last, 2));
    let root = std::f64::consts::SQRT_2;
    for (leg, value) in [r2 + r2, root * (r1 - i1), i2 + i2, -root * (r1 + i1)].into_iter().enumerate() {
        to[pass.place(last, block, leg)] = value;
    }
}

/// The values `i - 1` and `i` of each leg: real and imaginary part of one frequency.
fn radix_4_pair(pass: Pass, from: &[f64; LENGTH], to: &mut [f64; LENGTH], block: usize, i: usize) {
    let at = |i, leg| pass.read(from, i, leg, block);
    let mirror = pass.width - i;
    let (r2, r1) = (at(i - 1, 0) + at(mirror - 1, 3), at(i - 1, 0) - at(mirror - 1, 3));
    let (i1, i2) = (at(i, 0) + at(mirror, 3), at(i, 0) - at(mirror, 3));
    let (r4, i3) = (at(i, 2) + at(mirror, 1), at(i, 2) - at(mirror, 1));
    let (r3, i4) = (at(i - 1, 2) + at(mirror - 1, 1), at(i - 1, 2) - at(mirror - 1, 1));
    to[pass.place(i - 1, block, 0)] = r2 + r3;
    to[pass.place(i, block, 0)] = i2 + i3;
    let legs = [(i1 + i4, r1 - r4), (i2 - i3, r2 - r3), (i1 - i4, r1 + r4)];
    for (leg, (imaginary, real)) in (1..).zip(legs) {
        let (imaginary, real) = rotate(pass.twiddle(leg, i), imaginary, real);
        to[pass.place(i, block, leg)] = imaginary;
        to[pass.place(i - 1, block, leg)] = real;
    }
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "indices are small")]
mod tests {
    use proptest::{array::uniform32, prelude::*};

    use super::*;

    fn by_definition(values: &[f64; LENGTH], k: usize) -> f64 {
        let angle = |n: usize| std::f64::consts::PI * (k * (2 * n + 1)) as f64 / (2 * LENGTH) as f64;
        2.0 * values.iter().enumerate().map(|(n, value)| value * angle(n).cos()).sum::<f64>()
    }

    #[test]
    #[allow(clippy::float_cmp, reason = "zeros must be exact")]
    fn one_colour_has_no_frequency_but_the_lowest() {
        for value in 0..=255_u8 {
            let transformed = dct_ii([f64::from(value); LENGTH]);
            assert_eq!(transformed[0], 64.0 * f64::from(value));
            assert!(transformed[1..].iter().all(|frequency| *frequency == 0.0), "{value}: {transformed:?}");
        }
    }

    proptest! {
        #[test]
        fn the_transform_is_the_defined_one(values in uniform32(-255.0..255.0)) {
            let transformed = dct_ii(values);
            for (k, frequency) in transformed.into_iter().enumerate() {
                prop_assert!((frequency - by_definition(&values, k)).abs() < 1e-9, "{k}: {frequency}");
            }
        }
    }
}
