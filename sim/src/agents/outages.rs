use std::collections::VecDeque;

use crate::{agenda::Millis, conduct::millis, random::Random};

/// When a machine is down: one row of outages, whatever it is asked to do meanwhile.
#[derive(Clone, Debug)]
pub(super) struct Outages {
    random: Random,
    /// Mean seconds from the end of one to the beginning of the next, and that each lasts.
    means: [f64; 2],
    /// Beginning and end, the earliest first.
    known: VecDeque<[Millis; 2]>,
    told_until: Millis,
}

impl Outages {
    /// Of a machine that is up at `now`.
    pub(super) const fn new(means: [f64; 2], random: Random, now: Millis) -> Self {
        Self { random, means, known: VecDeque::new(), told_until: now }
    }

    /// When something that is wanted at `at` can be done.
    pub(super) fn up(&mut self, at: Millis) -> Millis {
        self.tell(at);
        self.known.iter().find(|[from, until]| (*from..*until).contains(&at)).map_or(at, |[_, until]| *until)
    }

    /// When work of that length is done which is wanted at `at`. What an outage interrupts begins anew.
    pub(super) fn done(&mut self, at: Millis, work: Millis) -> Millis {
        let mut begin = self.up(at);
        loop {
            let end = begin.saturating_add(work);
            self.tell(end);
            let Some([_, until]) = self.known.iter().find(|[from, _]| (begin..end).contains(from)) else { return end };
            begin = *until;
        }
    }

    /// Forgets what ended before a time.
    pub(super) fn forget(&mut self, before: Millis) {
        while self.known.front().is_some_and(|[_, until]| *until < before) {
            self.known.pop_front();
        }
    }

    fn tell(&mut self, at: Millis) {
        while self.told_until <= at {
            let [up, down] = self.means.map(|mean| millis(1000.0 * self.random.exponential(mean)));
            let from = self.told_until.saturating_add(up);
            self.told_until = from.saturating_add(down).saturating_add(1);
            self.known.push_back([from, self.told_until]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Outages {
        Outages::new([300.0, 600.0], Random::of(1, 2, 3), 0)
    }

    #[test]
    fn machine_is_up_as_long_as_its_means_say() {
        let mut outages = machine();
        let mut is_up = |at: Millis| {
            outages.forget(at);
            outages.up(at) == at
        };
        let up = (0..200_000_u64).filter(|step| is_up(step * 10_000)).count();
        assert!((62_600..70_700).contains(&up), "{up} of 200,000: a third of the time");
    }

    #[test]
    fn work_is_done_without_an_outage_in_it_and_asking_changes_nothing() {
        let mut outages = machine();
        for second in 0..5_000 {
            let done = outages.done(second * 1000, 60_000);
            let mut other = machine();
            assert_eq!(other.done(second * 1000, 60_000), done);
            assert_eq!(other.up(done - 60_000), done - 60_000, "up when it begins");
            assert_eq!(other.up(done - 1), done - 1, "and when it ends");
        }
    }
}
