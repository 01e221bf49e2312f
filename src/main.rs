//! The one binary, `xenon`.
fn main() {}
