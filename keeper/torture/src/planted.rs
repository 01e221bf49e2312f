//! Defects that are planted in the keeper, to prove that a run would find them.

use xenon_keeper::Defect;

use crate::{Fault, Scenario, Subject, Verdict, run, run_with};

/// A defect, and what has to go wrong for it to show.
#[derive(Clone, Copy, Debug)]
pub struct Planted {
    /// The defect.
    pub defect: Defect,
    /// The kinds of faults under which it is looked for.
    pub faults: &'static [Fault],
}

/// Seeds in which a planted defect must show.
pub const BUDGET: u64 = 24;

/// At least one defect for every kind of fault.
pub const PLANTED: &[Planted] = &[
    Planted { defect: Defect::TrustsStaleHead, faults: &[Fault::StaleHead] },
    Planted { defect: Defect::SkipsAudit, faults: &[Fault::MissingLogs] },
    Planted { defect: Defect::IgnoresReorganisation, faults: &[Fault::Reorg] },
    Planted { defect: Defect::JumpsTheQueue, faults: &[Fault::Rivals] },
    Planted { defect: Defect::NeedsEveryHead, faults: &[Fault::Deaf] },
    Planted { defect: Defect::ResendsUnanswered, faults: &[Fault::LostReply, Fault::GasSpike] },
    Planted { defect: Defect::ResendsUnanswered, faults: &[Fault::NonceTooLow, Fault::GasSpike] },
    Planted { defect: Defect::TakesKnownForRefused, faults: &[Fault::AlreadyKnown, Fault::GasSpike] },
    Planted { defect: Defect::TakesKnownForRefused, faults: &[Fault::Duplicate, Fault::GasSpike] },
    Planted { defect: Defect::GivesUpEarly, faults: &[Fault::Delay] },
    Planted { defect: Defect::SendsOnce, faults: &[Fault::LostRequest] },
    Planted { defect: Defect::SendsOnce, faults: &[Fault::Forgotten] },
    Planted { defect: Defect::NeverRaises, faults: &[Fault::GasSpike] },
    Planted { defect: Defect::KeepsUnsigned, faults: &[Fault::Crash] },
    Planted { defect: Defect::CountsAlone, faults: &[Fault::LostJournal] },
    Planted { defect: Defect::CountsAlone, faults: &[Fault::SharedKey] },
];

impl Planted {
    /// The first seed of the budget that passes without the defect and not with it; `None` if there is none.
    pub fn find<S: Subject>(&self) -> Option<Verdict> {
        (0..BUDGET).find_map(|seed| self.try_seed::<S>(seed))
    }

    fn try_seed<S: Subject>(&self, seed: u64) -> Option<Verdict> {
        let scenario = Scenario::of_faults(seed, self.faults);
        let verdict = run_with::<S>(&scenario, Some(self.defect));
        (!verdict.breaches.is_empty() && run::<S>(&scenario).breaches.is_empty()).then_some(verdict)
    }
}
