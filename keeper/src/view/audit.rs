use xenon_protocol::contracts::{Ending, NetworkStats::Overview};

use super::{View, ViewError};

impl View {
    /// Compares what the logs tell with what the contracts count after the same block: a log that the endpoint left out
    /// shows here.
    ///
    /// # Errors
    /// [`ViewError::Diverged`] at the first difference.
    pub fn agree_with(&self, overview: &Overview) -> Result<(), ViewError> {
        let (nodes, counts) = (&overview.nodes, self.nodes().counts());
        agree("the number of tasks", self.tasks().last().0, overview.created.to())?;
        agree("the number of queued tasks", self.books().queued() as u64, overview.queued.to())?;
        agree("the number of agreed tasks", self.ended(|ending| ending == AGREED), overview.succeeded.to())?;
        agree("the number of aborted tasks", self.ended(|ending| ending != AGREED), overview.aborted.to())?;
        agree("the number of nodes", counts.total.into(), nodes.total.into())?;
        agree("the number of active nodes", counts.active.into(), nodes.active.into())?;
        agree("the number of free nodes", counts.free.into(), nodes.free.into())?;
        agree("the number of busy nodes", counts.busy.into(), nodes.busy.into())
    }

    fn ended(&self, how: impl Fn(usize) -> bool) -> u64 {
        let tallies = self.tallies().values().flat_map(|tally| tally.iter().enumerate());
        tallies.filter(|(ending, _)| how(*ending)).map(|(_, count)| count).sum()
    }
}

const AGREED: usize = Ending::Agreed as usize;

pub(super) fn agree(what: &'static str, known: u64, found: u64) -> Result<(), ViewError> {
    if known == found { Ok(()) } else { Err(ViewError::Diverged { what, known, found }) }
}
