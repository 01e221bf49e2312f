use serde::Deserialize;

use crate::{agenda::Millis, conduct::millis, random::Random};

/// Milliseconds in an hour.
const HOUR: f64 = 3_600_000.0;

/// When tasks come.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Arrivals {
    /// Independently of each other.
    Poisson {
        /// Mean number an hour.
        per_hour: f64,
    },
    /// Several at once, the bursts independently of each other.
    Bursty {
        /// Mean number of tasks an hour.
        per_hour: f64,
        /// Tasks of a burst.
        burst: u32,
    },
    /// Independently, more often at one time of the day than at another: the rate follows a sine.
    Diurnal {
        /// Mean number an hour.
        per_hour: f64,
        /// How far the rate swings around its mean, as a share of it, from 0 to 1.
        swing: f64,
        /// Seconds from one peak to the next.
        period_s: f64,
    },
}

impl Arrivals {
    /// Whether the numbers make sense.
    pub fn is_valid(&self) -> bool {
        let is_rate = |per_hour: f64| per_hour.is_finite() && per_hour > 0.0;
        match *self {
            Self::Poisson { per_hour } => is_rate(per_hour),
            Self::Bursty { per_hour, burst } => is_rate(per_hour) && burst > 0,
            Self::Diurnal { per_hour, swing, period_s } => {
                is_rate(per_hour) && (0.0..=1.0).contains(&swing) && period_s.is_finite() && period_s > 0.0
            }
        }
    }

    /// Milliseconds until the next arrival after `now`, counted from the beginning, and how many tasks come then.
    pub fn next(&self, now: Millis, random: &mut Random) -> (Millis, u32) {
        match *self {
            Self::Poisson { per_hour } => (millis(random.exponential(HOUR / per_hour)), 1),
            Self::Bursty { per_hour, burst } => (millis(random.exponential(HOUR * f64::from(burst) / per_hour)), burst),
            Self::Diurnal { per_hour, swing, period_s } => (thinned(now, per_hour, swing, period_s, random), 1),
        }
    }
}

/// Lewis and Shedler (1979): arrivals at the highest rate, of which each stays with the rate's share of that.
fn thinned(now: Millis, per_hour: f64, swing: f64, period_s: f64, random: &mut Random) -> Millis {
    let highest = per_hour * (1.0 + swing);
    let mut passed = 0.0;
    loop {
        passed += random.exponential(HOUR / highest);
        let phase = (crate::ledger::as_float(now.into()) + passed) / (1000.0 * period_s);
        let rate = per_hour * (1.0 + swing * libm::sin(std::f64::consts::TAU * phase));
        if random.chance(rate / highest) {
            return millis(passed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tasks that come in `hours`.
    fn count(arrivals: Arrivals, hours: u64) -> u32 {
        let mut random = Random::of(3, 0, 0);
        let (mut now, mut count) = (0, 0);
        loop {
            let (wait, tasks) = arrivals.next(now, &mut random);
            now += wait;
            if now > hours * 3_600_000 {
                return count;
            }
            count += tasks;
        }
    }

    #[test]
    fn rates_that_are_none_are_refused() {
        assert!(!Arrivals::Poisson { per_hour: 0.0 }.is_valid());
        assert!(!Arrivals::Poisson { per_hour: f64::NAN }.is_valid());
        assert!(!Arrivals::Bursty { per_hour: 1.0, burst: 0 }.is_valid());
        assert!(!Arrivals::Diurnal { per_hour: 1.0, swing: 1.5, period_s: 1.0 }.is_valid());
    }

    #[test]
    fn as_many_come_as_the_rate_says() {
        let per_hour = 100.0;
        let all = [
            Arrivals::Poisson { per_hour },
            Arrivals::Bursty { per_hour, burst: 10 },
            Arrivals::Diurnal { per_hour, swing: 0.9, period_s: 86_400.0 },
        ];
        for arrivals in all {
            let came = count(arrivals, 240);
            assert!((22_500..25_500).contains(&came), "{arrivals:?}: {came}");
        }
    }

    #[test]
    fn more_come_at_the_peak_than_at_the_trough() {
        let arrivals = Arrivals::Diurnal { per_hour: 100.0, swing: 0.9, period_s: 86_400.0 };
        let rate_at = |hour: u64| {
            let mut random = Random::of(5, 0, hour);
            let waits: u64 = (0..500).map(|_| arrivals.next(hour * 3_600_000, &mut random).0).sum();
            500.0 * HOUR / crate::ledger::as_float(waits.into())
        };
        assert!(rate_at(6) > 10.0 * rate_at(18), "{} {}", rate_at(6), rate_at(18));
    }
}
