//! Finds the programs whose versions this repository pins. Shared with the build script, so it needs only `std`.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The Foundry release the contracts are built and tested with.
pub(crate) const FOUNDRY_VERSION: &str = "1.7.1";

/// Finds a Foundry program such as `forge` or `anvil`.
///
/// In this order: the environment variable (`XENON_FORGE`, `XENON_ANVIL`), then in `start` and every folder above it
/// what `script/setup` brought (`.xenon/bin`) or npm did (`node_modules`), then `PATH`.
pub(crate) fn find(name: &str, start: &Path) -> Option<PathBuf> {
    let named = env::var_os(variable(name)).map(PathBuf::from);
    let nearby = start.ancestors().flat_map(|folder| brought(name, folder));
    let path = env::var_os("PATH").unwrap_or_default();
    let installed: Vec<_> = env::split_paths(&path).map(|folder| folder.join(file_name(name))).collect();
    named.into_iter().chain(nearby).chain(installed).find(|program| program.is_file())
}

/// The environment variable that overrides the search for a program.
pub(crate) fn variable(name: &str) -> String {
    format!("XENON_{}", name.to_uppercase())
}

/// The native program, not npm's launcher script: killing the launcher would leave the program running.
fn brought(name: &str, folder: &Path) -> [PathBuf; 2] {
    let platform = format!("{name}-{}-{}", operating_system(), architecture());
    let package = folder.join("node_modules/@foundry-rs").join(platform);
    [folder.join(".xenon/bin").join(file_name(name)), package.join("bin").join(file_name(name))]
}

fn file_name(name: &str) -> String {
    format!("{name}{}", env::consts::EXE_SUFFIX)
}

fn operating_system() -> &'static str {
    match env::consts::OS {
        "macos" => "darwin",
        "windows" => "win32",
        other => other,
    }
}

fn architecture() -> &'static str {
    match env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
