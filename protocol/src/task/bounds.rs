//! Checks of values against their bounds.

use super::TaskError;

pub(super) fn widen((min, max): (u32, u32)) -> (u64, u64) {
    (min.into(), max.into())
}

#[expect(clippy::cast_precision_loss, reason = "the numbers are only shown in the error's text")]
pub(super) fn integer(field: &'static str, value: u64, (min, max): (u64, u64)) -> Result<(), TaskError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(TaskError::OutOfRange { field, value: value as f64, min: min as f64, max: max as f64 })
}

pub(super) fn number(field: &'static str, value: Option<f64>, (min, max): (f64, f64)) -> Result<(), TaskError> {
    match value {
        Some(value) if !(min..=max).contains(&value) => Err(TaskError::OutOfRange { field, value, min, max }),
        _ => Ok(()),
    }
}

pub(super) fn length(field: &'static str, length: usize, (min, max): (usize, usize)) -> Result<(), TaskError> {
    if (min..=max).contains(&length) { Ok(()) } else { Err(TaskError::Length { field, length, min, max }) }
}

/// Checks the length of a text that may be left out, in characters.
pub(super) fn characters(field: &'static str, text: Option<&str>, bounds: (usize, usize)) -> Result<(), TaskError> {
    text.map_or(Ok(()), |text| length(field, text.chars().count(), bounds))
}
