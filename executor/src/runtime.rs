//! Finding and loading the ONNX Runtime shared library.
//!
//! A process holds one runtime for its whole life; [`load`] is the only door to it.

use std::{
    env, fmt, panic,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use ort::{
    environment::Environment,
    logging::{LogLevel, LoggerFunction},
};

use crate::{digest::sha256_of, error::ExecutorError};

/// Where `script/setup` puts the library, below the root of the repository.
const SETUP_FOLDER: &str = ".xenon/onnxruntime/lib";

#[cfg(target_os = "macos")]
const LIBRARY: &str = "libonnxruntime.dylib";
#[cfg(not(target_os = "macos"))]
const LIBRARY: &str = "libonnxruntime.so";

static RUNTIME: OnceLock<Runtime> = OnceLock::new();
static LOADING: Mutex<()> = Mutex::new(());

/// The loaded ONNX Runtime.
pub struct Runtime {
    environment: Environment,
    library: PathBuf,
    sha256: String,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("library", &self.library).finish_non_exhaustive()
    }
}

impl Runtime {
    /// What sessions are made in.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The library's file, with links resolved.
    pub fn library(&self) -> &Path {
        &self.library
    }

    /// SHA-256 of that file.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// What the library says about its build: source revision, build type and compiler flags.
    pub fn build(&self) -> &'static str {
        ort::info()
    }
}

/// Loads ONNX Runtime, once in a process.
///
/// The library is the first of: the path given, `ORT_DYLIB_PATH`, `.xenon/onnxruntime/lib/` in the current directory
/// or one above it. The first two must exist if they are given.
pub fn load(path: Option<&Path>) -> Result<&'static Runtime, ExecutorError> {
    let _one_at_a_time = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = RUNTIME.get() {
        return same(runtime, path);
    }
    let runtime = open(&find(path.map(Path::to_path_buf), env_path(), &start())?)?;
    Ok(RUNTIME.get_or_init(|| runtime))
}

fn env_path() -> Option<PathBuf> {
    env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn start() -> PathBuf {
    env::current_dir().unwrap_or_default()
}

fn same(runtime: &'static Runtime, asked: Option<&Path>) -> Result<&'static Runtime, ExecutorError> {
    match asked {
        Some(asked) if resolve(asked)? != runtime.library => {
            let (loaded, asked) = (runtime.library.clone(), asked.to_owned());
            Err(ExecutorError::RuntimeAlreadyLoaded { loaded, asked })
        }
        _ => Ok(runtime),
    }
}

/// The library to load. A path that somebody chose is taken or refused, never passed over.
fn find(explicit: Option<PathBuf>, variable: Option<PathBuf>, start: &Path) -> Result<PathBuf, ExecutorError> {
    if let Some(chosen) = explicit.or(variable) {
        return resolve(&chosen);
    }
    let candidates: Vec<_> = start.ancestors().map(|folder| folder.join(SETUP_FOLDER).join(LIBRARY)).collect();
    let found = candidates.iter().find(|candidate| candidate.exists());
    found.map_or(Err(ExecutorError::RuntimeMissing { searched: candidates.clone() }), |path| resolve(path))
}

fn resolve(path: &Path) -> Result<PathBuf, ExecutorError> {
    path.canonicalize().map_err(|_| ExecutorError::RuntimeMissing { searched: vec![path.to_owned()] })
}

fn open(library: &Path) -> Result<Runtime, ExecutorError> {
    let unusable = |reason| ExecutorError::RuntimeUnusable { path: library.to_owned(), reason };
    let (_, sha256) = sha256_of(library).map_err(|error| unusable(error.to_string()))?;
    // `ort` panics at a library that passes its version check and then lacks the interface.
    let environment = panic::catch_unwind(|| environment(library))
        .unwrap_or_else(|_| Err(unusable(format!("it lacks the interface of version 1.{}", ort::MINOR_VERSION))))?;
    environment.set_log_level(LogLevel::Warning);
    tracing::info!(library = %library.display(), build = ort::info(), "loaded ONNX Runtime");
    Ok(Runtime { environment, library: library.to_owned(), sha256 })
}

fn environment(library: &Path) -> Result<Environment, ExecutorError> {
    let builder = ort::init_from(library).map_err(|error| load_error(library, error))?;
    Ok(builder.with_name("xenon").with_telemetry(false).with_logger(logger()).build()?)
}

fn load_error(library: &Path, error: ort::LoadDynamicError) -> ExecutorError {
    let path = library.to_owned();
    match error {
        ort::LoadDynamicError::BadVersion { version_str: found, .. } => {
            ExecutorError::RuntimeTooOld { path, found, needed: format!("1.{}", ort::MINOR_VERSION) }
        }
        error => ExecutorError::RuntimeUnusable { path, reason: error.to_string() },
    }
}

/// Passes the runtime's messages on, one level down: what matters also comes back as an error.
fn logger() -> LoggerFunction {
    Arc::new(|level, _category, _id, location, message| match level {
        LogLevel::Fatal | LogLevel::Error => tracing::warn!(target: "onnxruntime", location, "{message}"),
        LogLevel::Warning => tracing::debug!(target: "onnxruntime", location, "{message}"),
        LogLevel::Info | LogLevel::Verbose => tracing::trace!(target: "onnxruntime", location, "{message}"),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folder_with_library() -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(SETUP_FOLDER);
        fs::create_dir_all(&folder).unwrap();
        let library = folder.join(LIBRARY);
        fs::write(&library, "").unwrap();
        let library = library.canonicalize().unwrap();
        (root, library)
    }

    #[test]
    fn without_a_library_every_place_searched_is_named() {
        let start = tempfile::tempdir().unwrap();
        let error = find(None, None, start.path()).unwrap_err();
        assert_eq!(error.code(), "XE-001");
        assert!(error.to_string().contains(&start.path().join(SETUP_FOLDER).display().to_string()));
        assert!(error.to_string().contains("make setup"));
    }

    #[test]
    fn a_chosen_library_that_is_missing_is_not_replaced_by_another() {
        let (root, _) = folder_with_library();
        for (explicit, variable) in [(Some("/no/such.so".into()), None), (None, Some("/no/such.so".into()))] {
            let error = find(explicit, variable, root.path()).unwrap_err();
            assert_eq!(error.code(), "XE-001");
            assert!(error.to_string().contains("/no/such.so"));
        }
    }

    #[test]
    fn the_library_of_the_setup_is_found_from_any_folder_below() {
        let (root, library) = folder_with_library();
        let below = root.path().join("a/b");
        fs::create_dir_all(&below).unwrap();
        assert_eq!(find(None, None, &below).unwrap(), library);
    }

    #[test]
    fn the_path_given_goes_before_the_variable() {
        let (_one, first) = folder_with_library();
        let (_two, second) = folder_with_library();
        assert_eq!(find(Some(first.clone()), Some(second.clone()), Path::new("/")).unwrap(), first);
        assert_eq!(find(None, Some(second.clone()), Path::new("/")).unwrap(), second);
    }
}
