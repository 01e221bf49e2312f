//! The noise that pictures begin with: the same from a seed on every platform.
//!
//! The generator is `ChaCha20` with the key `seed` (64 bits, little-endian, then 24 zero bytes) and the picture's index as
//! stream. Two of its 64-bit numbers a and b make two independent numbers of the standard normal distribution (Box and
//! Muller, 1958), in 64-bit floating point with the functions of the `libm` crate:
//!
//! ```text
//! r = sqrt(-2 ln((⌊a / 2^11⌋ + 1) / 2^53))      φ = 2π ⌊b / 2^11⌋ / 2^53
//! first = r cos φ                               second = r sin φ
//! ```
//!
//! Each is rounded to 32 bits. A latent takes them in the order channel, row, column: first the one to begin with, then
//! one for each step that adds noise.

use std::f64::consts::PI;

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};

/// The noise of one picture.
#[derive(Clone, Debug)]
pub struct Noise {
    generator: ChaCha20Rng,
    second: Option<f32>,
}

impl Noise {
    /// The noise of the picture with this index.
    pub fn new(seed: u64, picture: u32) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut generator = ChaCha20Rng::from_seed(key);
        generator.set_stream(picture.into());
        Self { generator, second: None }
    }

    /// The next `count` numbers.
    pub fn take(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.number()).collect()
    }

    #[expect(clippy::cast_possible_truncation, reason = "32 bits are wanted")]
    fn number(&mut self) -> f32 {
        if let Some(second) = self.second.take() {
            return second;
        }
        let radius = libm::sqrt(-2.0 * libm::log(fraction(self.bits() + 1)));
        let angle = 2.0 * PI * fraction(self.bits());
        self.second = Some((radius * libm::sin(angle)) as f32);
        (radius * libm::cos(angle)) as f32
    }

    fn bits(&mut self) -> u64 {
        self.generator.next_u64() >> 11
    }
}

/// A number of 2^-53ths; at most 2^53 of them, so that it is exact.
#[expect(clippy::cast_precision_loss, reason = "at most 2^53")]
fn fraction(parts: u64) -> f64 {
    parts as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
#[allow(clippy::cast_precision_loss, reason = "statistics of small counts")]
mod tests {
    use super::*;

    #[test]
    fn every_seed_and_every_picture_has_its_own_noise() {
        let first = |seed, picture| Noise::new(seed, picture).take(4);
        assert_eq!(first(1, 0), first(1, 0));
        assert_ne!(first(1, 0), first(2, 0));
        assert_ne!(first(1, 0), first(1, 1));
    }

    #[test]
    fn numbers_do_not_depend_on_how_many_are_taken_at_once() {
        let mut parts = Noise::new(3, 0);
        let together = [parts.take(3), parts.take(4)].concat();
        assert_eq!(together, Noise::new(3, 0).take(7));
    }

    /// Block 0 of `ChaCha20` with key and nonce zero begins with 76 b8 e0 ad a0 f1 3d 90, 40 5d 6a e5 53 86 bd 28
    /// (RFC 8439, A.1, vector 1); the rest is computed from these with another library's functions.
    #[test]
    fn the_first_numbers_are_the_documented_ones() {
        let (a, b) = (0x903d_f1a0_ade0_b876_u64 >> 11, 0x28bd_8653_e56a_5d40_u64 >> 11);
        let radius = (-2.0 * ((a + 1) as f64 / 2_f64.powi(53)).ln()).sqrt();
        let angle = 2.0 * PI * (b as f64 / 2_f64.powi(53));
        let numbers = Noise::new(0, 0).take(2);
        assert!((f64::from(numbers[0]) - radius * angle.cos()).abs() < 1e-6);
        assert!((f64::from(numbers[1]) - radius * angle.sin()).abs() < 1e-6);
    }

    #[test]
    fn numbers_are_normally_distributed() {
        let numbers = Noise::new(7, 0).take(100_000);
        let moment = |power: i32| numbers.iter().map(|x| f64::from(*x).powi(power)).sum::<f64>() / numbers.len() as f64;
        assert!(moment(1).abs() < 0.02 && (moment(2) - 1.0).abs() < 0.02, "{} {}", moment(1), moment(2));
        assert!(moment(3).abs() < 0.05 && (moment(4) - 3.0).abs() < 0.1, "{} {}", moment(3), moment(4));
        let within = |limit: f32| numbers.iter().filter(|x| x.abs() < limit).count() as f64 / numbers.len() as f64;
        assert!((within(1.0) - 0.6827).abs() < 0.01 && (within(2.0) - 0.9545).abs() < 0.01);
    }
}
