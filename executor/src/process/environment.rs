//! What of the node's environment a child gets: what the runtime and its drivers read, and nothing else.

use std::ffi::OsString;

/// Variables by their whole names: where programs and libraries are, and what is logged. `HOME` is not among them: some
/// builds of ONNX Runtime keep a device number and a database of events there, and a model has no business in it.
const NAMES: [&str; 8] =
    ["PATH", "TMPDIR", "LANG", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "ORT_DYLIB_PATH", "XENON_LOG", "RUST_BACKTRACE"];

/// Variables of the drivers and of the runtime's thread pools, by how they begin.
const PREFIXES: [&str; 4] = ["CUDA_", "NVIDIA_", "OMP_", "KMP_"];

/// What ONNX Runtime's official builds read to send nothing to their maker. They look at it when they are loaded, before
/// any function could be called that says the same.
pub const SILENCE: (&str, &str) = ("ORT_DISABLE_TELEMETRY", "1");

/// The variables that a child gets. Keys are in none of them.
pub fn passed() -> impl Iterator<Item = (OsString, OsString)> {
    let own = std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_passed));
    own.chain([(SILENCE.0.into(), SILENCE.1.into())])
}

fn is_passed(name: &str) -> bool {
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_settings_stay_with_the_node() {
        let kept =
            ["XENON_PRIVATE_KEY", "XENON_RELAY_KEY", "XENON_CHAIN__RPC", "XENON_CONFIG", "AWS_SECRET_ACCESS_KEY"];
        assert!(!kept.into_iter().any(is_passed));
        assert!(["PATH", "ORT_DYLIB_PATH", "CUDA_VISIBLE_DEVICES"].into_iter().all(is_passed));
    }
}
