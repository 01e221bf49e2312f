//! What the way in which a child ended says.

use std::process::ExitStatus;

use xenon_protocol::task::ModelId;

use super::{ProcessError, logs::LastWords};
use crate::error::is_out_of_memory;

/// The error that the end of a child stands for, when nobody had asked it to end.
///
/// The kernel ends whoever takes too much memory with a signal that nothing else commonly sends; a runtime that gets none
/// says so and aborts.
pub(super) fn error(model: &ModelId, status: Option<ExitStatus>, last: &LastWords) -> ProcessError {
    let (model, how) = (model.clone(), words(status));
    if status.is_some_and(was_killed) || last.any(is_out_of_memory) {
        ProcessError::OutOfMemory { model, how }
    } else {
        ProcessError::Crashed { model, how }
    }
}

fn words(status: Option<ExitStatus>) -> String {
    status.map_or_else(|| String::from("it closed its pipe and did not end"), |status| status.to_string())
}

#[cfg(unix)]
fn was_killed(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    const SIGKILL: i32 = 9;
    status.signal() == Some(SIGKILL)
}

#[cfg(not(unix))]
fn was_killed(_: ExitStatus) -> bool {
    false
}
