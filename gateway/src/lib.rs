//! Where applications meet a Xenon network: the content-addressed relay.

pub mod relay;
