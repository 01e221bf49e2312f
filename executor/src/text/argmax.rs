//! The largest logit, in one pass.

/// Logits looked at together: few enough to stay in the nearest cache when the largest is looked for again.
const BLOCK: usize = 1024;
/// Logits compared at once; the compiler makes vector instructions of it.
const LANES: usize = 16;

/// The token with the largest logit, of equal ones the first. None if a logit is not a number or infinite, or if none
/// is above minus infinity.
#[expect(clippy::float_cmp, reason = "it is one of them")]
pub(super) fn largest(logits: &[f32]) -> Option<usize> {
    let (mut best, mut at) = (f32::NEG_INFINITY, None);
    for (number, block) in logits.chunks(BLOCK).enumerate() {
        let top = block_largest(block)?;
        if top > best {
            best = top;
            at = block.iter().position(|logit| *logit == top).map(|position| number * BLOCK + position);
        }
    }
    at
}

/// True if every logit is a number or minus infinity, and at least one is a number.
pub(super) fn is_valid(logits: &[f32]) -> bool {
    largest(logits).is_some()
}

/// The largest of a block; minus infinity if there is nothing else, none if a logit cannot be one.
fn block_largest(block: &[f32]) -> Option<f32> {
    let (whole, rest) = block.as_chunks::<LANES>();
    let mut tops = [f32::NEG_INFINITY; LANES];
    let mut valid = [1_u32; LANES];
    for chunk in whole {
        for lane in 0..LANES {
            tops[lane] = if chunk[lane] > tops[lane] { chunk[lane] } else { tops[lane] };
            valid[lane] &= u32::from(chunk[lane] < f32::INFINITY);
        }
    }
    let top = tops.iter().chain(rest).fold(f32::NEG_INFINITY, |top, logit| if *logit > top { *logit } else { top });
    let valid = valid.iter().all(|valid| *valid == 1) && rest.iter().all(|logit| *logit < f32::INFINITY);
    valid.then_some(top)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const INFINITE: f32 = f32::INFINITY;

    /// Logits with every kind of oddity in them, longer than a block.
    fn logits() -> impl Strategy<Value = Vec<f32>> {
        let logit = prop_oneof![
            20 => (-9..9_i8).prop_map(f32::from),
            1 => prop::sample::select(vec![-INFINITE, 0.0, -0.0]),
        ];
        vec(logit, 0..3000)
    }

    #[test]
    fn what_is_no_logit_is_found_wherever_it_is() {
        for length in [1, 15, 16, 17, 1023, 1024, 1025, 2500] {
            for at in [0, length / 2, length - 1] {
                for odd in [f32::NAN, INFINITE] {
                    let mut logits = vec![1.0; length];
                    logits[at] = odd;
                    assert_eq!(largest(&logits), None, "{odd} at {at} of {length}");
                }
            }
        }
    }

    #[test]
    fn nothing_possible_is_nothing() {
        assert_eq!(largest(&[]), None);
        assert_eq!(largest(&[-INFINITE; 40]), None);
    }

    proptest! {
        #[test]
        fn it_is_the_first_largest(logits in logits()) {
            let plain = (0..logits.len()).filter(|at| logits[*at] > -INFINITE).reduce(|best, at| {
                if logits[at] > logits[best] { at } else { best }
            });
            prop_assert_eq!(largest(&logits), plain);
        }
    }
}
