//! Enums of the contracts written down as their numbers.

use serde::{Deserialize, Deserializer, Serializer, de::Error};
use xenon_protocol::contracts::{Intent, Status};

/// An enum that the contracts encode as a byte.
pub(super) trait Numbered: Copy {
    fn number(self) -> u8;
    fn of(number: u8) -> Option<Self>;
}

impl Numbered for Status {
    fn number(self) -> u8 {
        self as u8
    }

    fn of(number: u8) -> Option<Self> {
        number.try_into().ok()
    }
}

impl Numbered for Intent {
    fn number(self) -> u8 {
        self as u8
    }

    fn of(number: u8) -> Option<Self> {
        number.try_into().ok()
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
pub(super) fn serialize<T: Numbered, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(value.number())
}

pub(super) fn deserialize<'a, T: Numbered, D: Deserializer<'a>>(deserializer: D) -> Result<T, D::Error> {
    let number = u8::deserialize(deserializer)?;
    T::of(number).ok_or_else(|| D::Error::custom(format_args!("{number} is no value of the contracts' enum")))
}
