//! Where in the training's noise schedule the steps lie, and the noise levels there.

/// `count` positions from `start` to `end`, both included, evenly spaced.
#[expect(clippy::cast_precision_loss, reason = "positions are small")]
pub(super) fn linspace(start: f64, end: f64, count: usize) -> Vec<f64> {
    let step = if count > 1 { (end - start) / (count - 1) as f64 } else { 0.0 };
    (0..count).map(|index| if index > 0 && index == count - 1 { end } else { index as f64 * step + start }).collect()
}

/// `count` positions upwards from `offset`, `ratio` apart.
#[expect(clippy::cast_precision_loss, reason = "positions are small")]
pub(super) fn leading(count: usize, ratio: usize, offset: i64) -> Vec<f64> {
    (0..count).map(|index| (index * ratio) as f64 + offset as f64).collect()
}

/// Positions downwards from `last`, `train / count` apart, rounded, less one.
#[expect(clippy::cast_precision_loss, reason = "positions are small")]
pub(super) fn trailing(last: usize, train: usize, count: usize) -> Vec<f64> {
    let step = train as f64 / count as f64;
    let position = |index: usize| last as f64 - index as f64 * step;
    (0..)
        .map(position)
        .take_while(|position| *position > 0.0)
        .take(count)
        .map(|at| at.round_ties_even() - 1.0)
        .collect()
}

/// The values of `table` at positions between its entries; beyond its ends, its ends.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "clamped")]
pub(super) fn interpolate(position: f64, table: &[f32]) -> f64 {
    let last = table.len() - 1;
    let position = position.clamp(0.0, last as f64);
    let below = (position as usize).min(last - 1);
    let (low, high) = (f64::from(table[below]), f64::from(table[below + 1]));
    (high - low) * (position - below as f64) + low
}

/// Noise levels between `max` and `min` by the rule of Karras et al. (2022), equation 5 with ρ = 7.
pub(super) fn karras(max: f64, min: f64, count: usize) -> Vec<f64> {
    const RHO: f64 = 7.0;
    let (max, min) = (libm::pow(max, 1.0 / RHO), libm::pow(min, 1.0 / RHO));
    linspace(0.0, 1.0, count).iter().map(|ramp| libm::pow(max + ramp * (min - max), RHO)).collect()
}

/// The position in the training at which a noise level lies, by interpolation between the logarithms, which are rounded
/// to 32 bits as the levels are.
#[expect(clippy::cast_precision_loss, reason = "positions are small")]
pub(super) fn position_of(sigma: f64, sigmas: &[f32]) -> f64 {
    let log = libm::log(sigma.max(1e-10));
    let above = sigmas.partition_point(|entry| rounded_log(*entry) <= log);
    let below = above.saturating_sub(1).min(sigmas.len() - 2);
    let (low, high) = (rounded_log(sigmas[below]), rounded_log(sigmas[below + 1]));
    let weight = ((low - log) / (low - high)).clamp(0.0, 1.0);
    (1.0 - weight) * below as f64 + weight * (below + 1) as f64
}

#[expect(clippy::cast_possible_truncation, reason = "32 bits are wanted")]
fn rounded_log(sigma: f32) -> f64 {
    f64::from(libm::log(f64::from(sigma)) as f32)
}
