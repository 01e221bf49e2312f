//! Where the time of a picture goes.

use std::time::{Duration, Instant};

/// How long a task's stages took. What is not in one of the runtime's calls is this program's own work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageTimes {
    /// The runtime's calls for the text encoders.
    pub text_encoder: Duration,
    /// The runtime's calls for the denoiser.
    pub unet: Duration,
    /// The runtime's calls for the decoder.
    pub vae_decoder: Duration,
    /// From the task to the last picture's pixels.
    pub total: Duration,
}

impl StageTimes {
    /// The sum of all calls of the runtime.
    pub fn runtime(&self) -> Duration {
        self.text_encoder + self.unet + self.vae_decoder
    }

    /// The whole time as a multiple of the runtime's calls: 1 if nothing else took any.
    pub fn over_runtime(&self) -> f64 {
        self.total.as_secs_f64() / self.runtime().as_secs_f64()
    }
}

/// Runs something, and adds the time that it takes.
pub(super) fn timed<T>(sum: &mut Duration, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let outcome = work();
    *sum += start.elapsed();
    outcome
}
