//! Shrinking and enlarging to 32 by 32, as Pillow resizes 8-bit images with its Lanczos filter.
//!
//! Two passes, along the rows and along the columns; each rounds to 8 bits. The weights of a pass are computed in 64-bit floating point,
//! normalised to a sum of one and rounded to 22 fractional bits. When an image shrinks, the filter is stretched by the
//! same factor, so that every pixel counts. A pass that would not change the size is left out.

use super::dct::LENGTH as SIDE;

/// Half the width of the filter, in pixels of the smaller image.
const SUPPORT: f64 = 3.0;
/// Fractional bits of a weight.
const PRECISION: u32 = 22;

/// The weights of one output pixel.
#[derive(Clone, Debug)]
struct Window {
    /// The first input pixel that counts.
    first: usize,
    weights: Vec<i32>,
}

/// Resizes `grey`, which has `width` times `height` values row by row, to 32 by 32.
pub fn shrink(grey: &[u8], width: usize, height: usize) -> [u8; SIDE * SIDE] {
    let small = if is_down_first(width, height) {
        across(&down(grey, width, height), width)
    } else {
        down(&across(grey, width), SIDE, height)
    };
    let mut out = [0; SIDE * SIDE];
    out.copy_from_slice(&small);
    out
}

/// Pillow 13 begins with the columns where they lose more than twice as many pixels as the rows (its change 9549); the
/// rounding between the passes makes that visible.
const fn is_down_first(width: usize, height: usize) -> bool {
    height > SIDE && height + SIDE > 2 * width
}

fn across(grey: &[u8], width: usize) -> Vec<u8> {
    if width == SIDE {
        return grey.to_vec();
    }
    let windows = windows(width);
    let rows = grey.chunks_exact(width);
    rows.flat_map(|row| windows.iter().map(|window| window.apply(|input| row[input]))).collect()
}

fn down(grey: &[u8], width: usize, height: usize) -> Vec<u8> {
    if height == SIDE {
        return grey.to_vec();
    }
    let windows = windows(height);
    let row = |window: &Window| -> Vec<u8> {
        (0..width).map(|column| window.apply(|input| grey[input * width + column])).collect()
    };
    windows.iter().flat_map(row).collect()
}

impl Window {
    fn apply(&self, pixel: impl Fn(usize) -> u8) -> u8 {
        let inputs = self.weights.iter().zip(self.first..);
        let sum: i32 = inputs.map(|(weight, input)| weight * i32::from(pixel(input))).sum();
        let rounded = (sum + (1 << (PRECISION - 1))) >> PRECISION;
        u8::try_from(rounded.clamp(0, 255)).unwrap_or(u8::MAX)
    }
}

fn windows(length: usize) -> Vec<Window> {
    (0..SIDE).map(|output| window(output, length)).collect()
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "sizes of images are small")]
#[expect(clippy::cast_sign_loss, reason = "clamped to zero before")]
fn window(output: usize, length: usize) -> Window {
    let scale = length as f64 / SIDE as f64;
    let stretch = scale.max(1.0);
    let center = (output as f64 + 0.5) * scale;
    let first = (center - SUPPORT * stretch + 0.5).max(0.0) as usize;
    let end = ((center + SUPPORT * stretch + 0.5) as usize).min(length);
    let inverse = 1.0 / stretch;
    let raw: Vec<f64> = (first..end).map(|input| lanczos((input as f64 - center + 0.5) * inverse)).collect();
    let total: f64 = raw.iter().sum();
    let weights = raw.iter().map(|weight| fixed_point(if total == 0.0 { *weight } else { weight / total })).collect();
    Window { first, weights }
}

/// Rounds half away from zero.
#[expect(clippy::cast_possible_truncation, reason = "weights are about one, times 2^22")]
fn fixed_point(weight: f64) -> i32 {
    let scaled = weight * f64::from(1 << PRECISION);
    (if weight < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i32
}

fn lanczos(x: f64) -> f64 {
    if (-SUPPORT..SUPPORT).contains(&x) { sinc(x) * sinc(x / SUPPORT) } else { 0.0 }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let x = x * std::f64::consts::PI;
    libm::sin(x) / x
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_image_of_the_right_size_is_not_touched() {
        let grey: [u8; SIDE * SIDE] = std::array::from_fn(|index| (index * 7 % 251).to_le_bytes()[0]);
        assert_eq!(shrink(&grey, SIDE, SIDE), grey);
    }

    proptest! {
        #[test]
        fn one_colour_stays_one_colour(value: u8, width in 1_usize..200, height in 1_usize..200) {
            let grey = vec![value; width * height];
            prop_assert_eq!(shrink(&grey, width, height), [value; SIDE * SIDE]);
        }

        #[test]
        fn weights_add_up_to_one(length in 1_usize..3000, output in 0..SIDE) {
            let sum: i32 = window(output, length).weights.iter().sum();
            prop_assert!((sum - (1 << PRECISION)).abs() <= 1 + i32::try_from(length).unwrap() / 4);
        }
    }
}
