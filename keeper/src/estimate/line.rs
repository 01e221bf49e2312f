use std::fmt;

/// Fractional bits of a slope.
const FRACTION_BITS: u32 = 16;

/// A duration for each size: an overhead and a time for each unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Milliseconds before the first unit; below 0 if small tasks take less than their share.
    pub overhead_ms: i64,
    /// Milliseconds a unit, times 2^16.
    slope: i64,
}

impl Line {
    /// A line with whole milliseconds.
    pub fn new(overhead_ms: u32, ms_per_unit: u32) -> Self {
        Self { overhead_ms: overhead_ms.into(), slope: i64::from(ms_per_unit) << FRACTION_BITS }
    }

    /// The line of repeated medians through sizes and milliseconds; `None` unless two sizes differ.
    ///
    /// Its slope is the median, over all points, of the median slope to all others of another size; its overhead the
    /// median of what the slope leaves. Of two middle values the lower is the median.
    pub fn through(points: &[(u32, u32)]) -> Option<Self> {
        let mut points = points.to_vec();
        points.sort_unstable();
        let slopes = points.iter().filter_map(|point| median(slopes_to_others(*point, &points))).collect();
        let slope = median(slopes)?;
        let overhead_ms = median(points.iter().map(|(size, ms)| i64::from(*ms) - times(slope, *size)).collect())?;
        Some(Self { overhead_ms, slope })
    }

    /// Milliseconds a unit, rounded to the nearest.
    pub const fn ms_per_unit(&self) -> i64 {
        (self.slope + (1 << (FRACTION_BITS - 1))) >> FRACTION_BITS
    }

    /// Milliseconds for a task of that size.
    pub fn at(&self, size: u32) -> i64 {
        self.overhead_ms + times(self.slope, size)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms and {} ms a unit", self.overhead_ms, self.ms_per_unit())
    }
}

fn slopes_to_others((size, ms): (u32, u32), points: &[(u32, u32)]) -> Vec<i64> {
    let others = points.iter().filter(|(other, _)| *other != size);
    let slope = |(other, other_ms): &(u32, u32)| {
        let rise = (i64::from(*other_ms) - i64::from(ms)) << FRACTION_BITS;
        rise.div_euclid(i64::from(*other) - i64::from(size))
    };
    others.map(slope).collect()
}

fn times(slope: i64, size: u32) -> i64 {
    // A slope has 48 bits and a sign, a size 32.
    i64::try_from((i128::from(slope) * i128::from(size)) >> FRACTION_BITS).unwrap_or(i64::MAX)
}

fn median(mut values: Vec<i64>) -> Option<i64> {
    let middle = values.len().checked_sub(1)? / 2;
    Some(*values.select_nth_unstable(middle).1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_size_tells_no_line() {
        assert_eq!(Line::through(&[]), None);
        assert_eq!(Line::through(&[(3, 10)]), None);
        assert_eq!(Line::through(&[(3, 10), (3, 20), (3, 30)]), None);
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let line = Line::through(&[(1, 0), (2, u32::MAX)]).unwrap();
        assert_eq!((line.at(2), line.ms_per_unit()), (u32::MAX.into(), u32::MAX.into()));
        assert!(line.at(u32::MAX) > i64::from(u32::MAX));
        assert!(Line::through(&[(1, u32::MAX), (u32::MAX, 0)]).unwrap().overhead_ms > 0);
    }

    proptest! {
        #[test]
        fn points_on_a_line_give_it(overhead in 0..100_000u32, unit in 1..10_000u32, sizes in prop::collection::btree_set(1..4_000u32, 2..50)) {
            let points: Vec<_> = sizes.into_iter().map(|size| (size, overhead + unit * size)).collect();
            prop_assert_eq!(Line::through(&points), Some(Line::new(overhead, unit)));
        }

        #[test]
        fn order_of_points_does_not_matter(points in prop::collection::vec((1..50u32, 0..100_000u32), 1..60).prop_shuffle()) {
            let mut sorted = points.clone();
            sorted.sort_unstable();
            prop_assert_eq!(Line::through(&points), Line::through(&sorted));
        }

        /// The breakdown point of the method is one half.
        #[test]
        fn a_third_of_wild_points_does_not_carry_the_line_away(
            overhead in 0..100_000u32, unit in 1..10_000u32,
            sizes in prop::collection::btree_set(1..4_000u32, 40..60), wild in prop::collection::vec(any::<u32>(), 60),
        ) {
            let fair: Vec<_> = sizes.iter().map(|size| (*size, overhead + unit * size)).collect();
            let points: Vec<_> = fair.iter().zip(wild).enumerate()
                .map(|(at, (fair, wild))| if at % 3 == 0 { (fair.0, wild) } else { *fair })
                .collect();
            prop_assert_eq!(Line::through(&points), Some(Line::new(overhead, unit)));
        }
    }
}
