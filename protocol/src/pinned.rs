//! Finds the programs whose versions this repository pins. Shared with the build script, so it needs only `std`.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The Foundry release the contracts are built and tested with.
pub const FOUNDRY_VERSION: &str = "1.7.1";

/// Finds a Foundry program such as `forge` or `anvil`.
///
/// The environment variable (`XENON_FORGE`, `XENON_ANVIL`) decides if it is set. Otherwise it is looked for in `start`
/// and every folder above it, where `script/setup` (`.xenon/bin`) or npm (`node_modules`) brought it, then in `PATH`.
pub fn find(name: &str, start: &Path) -> Option<PathBuf> {
    if let Some(named) = env::var_os(variable(name)) {
        return Some(named.into());
    }
    let nearby = start.ancestors().flat_map(|folder| brought(name, folder));
    let path = env::var_os("PATH").unwrap_or_default();
    let installed: Vec<_> = env::split_paths(&path).map(|folder| folder.join(file_name(name))).collect();
    nearby.chain(installed).find(|program| program.is_file())
}

/// The environment variable that overrides the search for a program.
pub fn variable(name: &str) -> String {
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A program nobody has.
    const NAME: &str = "forge-of-hephaestus";

    #[test]
    fn missing_program_is_not_found() {
        assert_eq!(find(NAME, Path::new("/")), None);
    }

    #[test]
    fn nearest_program_above_is_found() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("inner");
        let start = inner.join("deep/down");
        fs::create_dir_all(&start).unwrap();
        for folder in [root.path(), &inner] {
            let program = &brought(NAME, folder)[0];
            fs::create_dir_all(program.parent().unwrap()).unwrap();
            fs::write(program, "").unwrap();
            assert_eq!(find(NAME, &start).as_ref(), Some(program));
        }
    }

    #[test]
    fn folder_of_that_name_is_no_program() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(&brought(NAME, root.path())[0]).unwrap();
        assert_eq!(find(NAME, root.path()), None);
    }
}
