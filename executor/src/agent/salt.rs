//! Where salts come from.

use alloy::primitives::B256;
use xenon_protocol::commitment::Salt;

use super::AgentError;

/// A source of secret salts.
pub trait SaltSource: Send {
    /// A salt that nobody else can know or guess.
    fn draw(&mut self) -> Result<Salt, AgentError>;
}

/// The operating system's random number generator: what every node uses outside tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsSalts;

impl SaltSource for OsSalts {
    fn draw(&mut self) -> Result<Salt, AgentError> {
        let failed = |reason: String| AgentError::NoRandomness { reason };
        let mut bytes = B256::ZERO;
        getrandom::fill(bytes.as_mut_slice()).map_err(|error| failed(error.to_string()))?;
        Salt::new(bytes).map_err(|error| failed(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn salts_differ() {
        assert_ne!(OsSalts.draw().unwrap(), OsSalts.draw().unwrap());
    }
}
