//! The numbers by which the contracts name things, as types that cannot be confused.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($number:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $number);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A task, numbered from 1 in the order of creation.
    TaskId(u64)
}
id! {
    /// A node, numbered from 1 in the order of joining.
    NodeId(u32)
}
id! {
    /// An execution class on one VRAM tier, numbered from 1 in the order of first joining.
    ClassId(u32)
}
id! {
    /// A kind of task, an entry of the governed table.
    KindId(u8)
}

impl ClassId {
    /// A class as the contracts write it, where 0 means "any".
    pub const fn required(number: u32) -> Option<Self> {
        if number == 0 { None } else { Some(Self(number)) }
    }
}
