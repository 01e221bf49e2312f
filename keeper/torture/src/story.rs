use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What happened in a run, line by line. Clones write into the same story.
#[derive(Clone, Debug, Default)]
pub struct Story {
    lines: Arc<Mutex<Vec<String>>>,
}

impl Story {
    pub(crate) fn tell(&self, line: String) {
        self.lines().push(line);
    }

    /// All lines so far.
    pub fn told(&self) -> Vec<String> {
        self.lines().clone()
    }

    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
