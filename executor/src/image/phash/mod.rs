//! The perceptual hash by which images are compared: 64 bits, those of Python's `imagehash.phash`.
//!
//! The steps, each of which is bit for bit that of the Python libraries:
//!
//! 1. *Grey*: the luma of ITU-R BT.601 in 16-bit fixed point, as Pillow converts to its mode `L` ([`luma`]).
//! 2. *Shrink* to 32 by 32 with a Lanczos filter, as Pillow resizes 8-bit images ([`resize`]).
//! 3. *DCT-II* of the columns, then of the rows, in 64-bit floating point, as `SciPy` orders its operations ([`dct`]).
//! 4. *Compare*: of the 8 by 8 lowest frequencies, row by row, those above their median are ones; the first is the
//!    most significant bit.
//!
//! Where many frequencies are zero but for rounding, the rounding decides bits. That is why the order of operations
//! is fixed down to the butterfly.

pub mod dct;
pub mod luma;
pub mod resize;

use super::Picture;

/// Width and height that a picture is shrunk to.
const SIDE: usize = dct::LENGTH;
/// Rows and columns of low frequencies that are compared.
const LOW: usize = 8;

/// The hash of a picture.
pub fn phash(picture: &Picture) -> u64 {
    let grey = luma::grey(picture);
    let small = resize::shrink(&grey, picture.width(), picture.height());
    of_grey(&small)
}

/// In how many of 64 bits two hashes differ.
pub const fn distance(a: u64, b: u64) -> u32 {
    (a ^ b).count_ones()
}

/// The hash of 32 rows of 32 grey values.
fn of_grey(grey: &[u8; SIDE * SIDE]) -> u64 {
    let frequencies = low_frequencies(grey);
    let median = median(&frequencies);
    frequencies.iter().fold(0, |hash, frequency| hash << 1 | u64::from(*frequency > median))
}

/// The 8 by 8 lowest frequencies, row by row. Columns that are not looked at are not transformed.
fn low_frequencies(grey: &[u8; SIDE * SIDE]) -> [f64; LOW * LOW] {
    let mut rows = [[0.0; SIDE]; LOW];
    for column in 0..SIDE {
        let transformed = dct::dct_ii(std::array::from_fn(|row| f64::from(grey[row * SIDE + column])));
        for (row, value) in rows.iter_mut().zip(transformed) {
            row[column] = value;
        }
    }
    let rows = rows.map(dct::dct_ii);
    std::array::from_fn(|index| rows[index / LOW][index % LOW])
}

/// The mean of the two middle values.
fn median(values: &[f64; LOW * LOW]) -> f64 {
    let mut sorted = *values;
    sorted.sort_unstable_by(f64::total_cmp);
    f64::midpoint(sorted[LOW * LOW / 2 - 1], sorted[LOW * LOW / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_of_one_colour_has_the_lowest_frequency_only() {
        assert_eq!(of_grey(&[128; SIDE * SIDE]), 1 << 63);
        assert_eq!(of_grey(&[0; SIDE * SIDE]), 0);
    }

    #[test]
    fn distance_counts_bits() {
        assert_eq!(distance(0, u64::MAX), 64);
        assert_eq!(distance(0b1010, 0b0110), 2);
    }
}
