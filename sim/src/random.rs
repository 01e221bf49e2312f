//! Randomness that depends on nothing but the names of who draws and what for.
//!
//! A stream belongs to a seed, an agent's address and a subject, a task for example. What one agent draws for one task is the same
//! whoever else is there and whatever they draw. Which nodes a task is given is another matter: the contracts draw
//! them by the hash of a block, and so of everything before. The generator is `ChaCha8` with the key `seed`, `agent`, `subject` (64 bits each, little-endian, then zeros);
//! logarithms and exponentials are computed in software, so that every platform has the same.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// The stream of an agent for a subject.
    pub fn of(seed: u64, agent: u64, subject: u64) -> Self {
        let mut key = [0; 32];
        for (place, word) in key.chunks_exact_mut(8).zip([seed, agent, subject]) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in [0, 1).
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something of that probability happens.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A number from `least` to `most`, both included, each equally likely to within 2^-64.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        let span = u128::from(most.saturating_sub(least)) + 1;
        let offset = (u128::from(self.bits()) * span) >> 64;
        // Below the span, which is at most 2^64.
        least + u64::try_from(offset).unwrap_or_default()
    }

    /// A waiting time of a Poisson process with that mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * libm::log1p(-self.unit())
    }

    /// A positive number whose logarithm is normally distributed: half of them are below the median.
    pub fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        median * libm::exp(sigma * self.normal())
    }

    /// A standard normal number, by Box and Muller (1958).
    fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log1p(-self.unit()));
        radius * libm::cos(std::f64::consts::TAU * self.unit())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DRAWS: u32 = 20_000;

    fn mean(mut draw: impl FnMut(&mut Random) -> f64) -> f64 {
        let mut random = Random::of(7, 1, 2);
        (0..DRAWS).map(|_| draw(&mut random)).sum::<f64>() / f64::from(DRAWS)
    }

    #[test]
    fn each_part_of_the_name_gives_another_stream_and_the_same_name_the_same() {
        let first = |seed, agent, subject| Random::of(seed, agent, subject).bits();
        assert_eq!(first(1, 2, 3), first(1, 2, 3));
        let others = [first(2, 2, 3), first(1, 3, 3), first(1, 2, 4), first(2, 1, 3), first(3, 2, 1)];
        assert!(others.iter().all(|other| *other != first(1, 2, 3)));
    }

    #[test]
    fn the_mean_of_a_distribution_is_the_one_it_is_named_by() {
        assert!((mean(Random::unit) - 0.5).abs() < 0.01);
        assert!((mean(|random| random.exponential(8.0)) - 8.0).abs() < 0.25);
        assert!(mean(Random::normal).abs() < 0.03);
        assert!((mean(|random| f64::from(random.log_normal(3.0, 0.5) < 3.0)) - 0.5).abs() < 0.02);
        assert!((mean(|random| f64::from(random.chance(0.1))) - 0.1).abs() < 0.01);
    }

    proptest! {
        #[test]
        fn what_lies_between_lies_between(least: u64, more: u64, subject: u64) {
            let most = least.saturating_add(more);
            let drawn = Random::of(1, 2, subject).between(least, most);
            prop_assert!((least..=most).contains(&drawn));
        }
    }
}
