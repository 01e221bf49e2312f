//! The agent's life: rounds until it is asked to stop, then the work in hand.

use std::{future::Future, pin::pin, time::Duration};

use tokio::time::timeout;
use xenon_protocol::chain::Account;

use super::{AgentError, Event, NodeAgent};

/// How an agent that was asked to stop came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Nothing was left to do.
    Drained,
    /// The time for it was over. What is left is in the journal, and the next start goes on with it.
    CutOff,
}

impl<A: Account> NodeAgent<A> {
    /// Works until `shutdown` completes, then takes no new seat and finishes the work in hand, for a bounded time.
    ///
    /// Failures outside this machine are waited out with growing pauses. To keep the network from choosing a node that
    /// is about to stop, its operator pauses it first.
    ///
    /// # Errors
    /// What cannot mend itself: the journal, the runner, the randomness.
    pub async fn run(&mut self, shutdown: impl Future<Output = ()>) -> Result<Stopped, AgentError> {
        let mut shutdown = pin!(shutdown);
        let mut failures = 0;
        let mut pause = Duration::ZERO;
        loop {
            // A round is never interrupted, so that no transaction is left in the air.
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                () = self.rest(pause) => {}
            }
            self.round(&mut failures).await?;
            pause = self.config.pause(failures);
        }
        self.draining = true;
        match timeout(self.config.drain_limit(), self.drain()).await {
            Ok(drained) => drained.map(|()| Stopped::Drained),
            Err(_) => Ok(Stopped::CutOff),
        }
    }

    async fn drain(&mut self) -> Result<(), AgentError> {
        tracing::info!(node = self.node(), "finishing the work in hand");
        let mut failures = 0;
        while self.round(&mut failures).await? != Some(0) {
            let pause = self.config.pause(failures);
            self.rest(pause).await;
        }
        Ok(())
    }

    /// One step; `None` if it failed in a way that may pass.
    async fn round(&mut self, failures: &mut u32) -> Result<Option<usize>, AgentError> {
        match self.step().await {
            Ok(in_hand) => {
                *failures = 0;
                Ok(Some(in_hand))
            }
            Err(error) if error.is_worth_retrying() => {
                *failures = failures.saturating_add(1);
                tracing::warn!(node = self.node(), code = error.code(), %error, "trying again");
                self.observer.observe(Event::Retrying { code: error.code() });
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
