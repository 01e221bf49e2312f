//! Which of several endpoints is read. Pure: what was seen decides, not when.

use super::EndpointConfig;

/// How several endpoints have done so far, in the order of preference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fleet {
    members: Vec<Standing>,
    current: usize,
}

/// How one has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    is_up: bool,
    /// Looks in a row that went well, or did not.
    well: u32,
    badly: u32,
    /// The newest block it has told of.
    head: u64,
}

/// Nobody knows better yet.
const NEW: Standing = Standing { is_up: true, well: 0, badly: 0, head: 0 };

impl Standing {
    fn note(&mut self, went_well: bool, config: EndpointConfig) {
        if went_well {
            (self.well, self.badly) = (self.well.saturating_add(1), 0);
            self.is_up |= self.well >= config.recover_after;
        } else {
            (self.well, self.badly) = (0, self.badly.saturating_add(1));
            self.is_up &= self.badly < config.fail_after;
        }
    }
}

impl Fleet {
    /// So many of which nothing is known.
    pub(super) fn new(members: usize) -> Self {
        Self { members: vec![NEW; members], current: 0 }
    }

    /// One more of which nothing is known.
    pub(super) fn add(&mut self) {
        self.members.push(NEW);
    }

    /// The one that is read.
    pub(super) const fn current(&self) -> usize {
        self.current
    }

    /// Whether one is healthy.
    pub(super) fn is_up(&self, index: usize) -> bool {
        self.members.get(index).is_some_and(|member| member.is_up)
    }

    /// Takes note of the newest blocks that all have told of, or not; which one to read now, if any answered.
    ///
    /// The current one is kept while it is healthy and answers. Another one that is fresher by less than the lag allowed
    /// is no reason to change. One that is ahead of all others by more than that is not believed.
    pub(super) fn observe(&mut self, heads: &[Option<u64>], config: EndpointConfig) -> Option<usize> {
        let freshest = freshest(heads);
        let believed = |head: &u64| *head <= freshest.saturating_add(config.max_lag);
        let heads: Vec<_> = heads.iter().map(|head| head.filter(believed)).collect();
        for (member, head) in self.members.iter_mut().zip(&heads) {
            member.note(head.is_some_and(|head| head.saturating_add(config.max_lag) >= freshest), config);
            member.head = head.unwrap_or(member.head);
        }
        if !self.any_is_up() {
            // Better one that has failed than none at all, if it answers again.
            for (member, head) in self.members.iter_mut().zip(&heads) {
                member.is_up = head.is_some();
            }
        }
        if !self.is_up(self.current) {
            self.current = self.best(|_| true).unwrap_or(self.current);
        }
        let answers = |index: usize| heads.get(index).copied().flatten().is_some();
        if answers(self.current) { Some(self.current) } else { self.best(answers) }
    }

    /// One that contradicts the others is not read until it has agreed for some time.
    pub(super) fn distrust(&mut self, index: usize, config: EndpointConfig) {
        if let Some(member) = self.members.get_mut(index) {
            *member = Standing { is_up: false, well: 0, badly: config.fail_after, ..*member };
        }
        if self.current == index {
            self.current = self.best(|_| true).unwrap_or(self.current);
        }
    }

    /// The healthy ones, the one that is read first.
    pub(super) fn order(&self) -> Vec<usize> {
        let others = (0..self.members.len()).filter(|index| *index != self.current && self.is_up(*index));
        std::iter::once(self.current).chain(others).collect()
    }

    fn any_is_up(&self) -> bool {
        self.members.iter().any(|member| member.is_up)
    }

    /// The freshest of the healthy ones that are asked for; of equals the most preferred.
    fn best(&self, suits: impl Fn(usize) -> bool) -> Option<usize> {
        let candidates = (0..self.members.len()).filter(|index| self.is_up(*index) && suits(*index));
        candidates.max_by_key(|index| (self.members[*index].head, std::cmp::Reverse(*index)))
    }
}

/// The newest block that one tells of; of three or more that answer, one that two have reached.
fn freshest(heads: &[Option<u64>]) -> u64 {
    let mut known: Vec<_> = heads.iter().flatten().copied().collect();
    known.sort_unstable_by_key(|head| std::cmp::Reverse(*head));
    known.get(usize::from(known.len() > 2)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CONFIG: EndpointConfig = EndpointConfig { max_lag: 2, fail_after: 2, recover_after: 3 };

    #[test]
    fn one_failure_is_no_reason_to_change_for_good() {
        let mut fleet = Fleet::new(2);
        assert_eq!(fleet.observe(&[None, Some(5)], CONFIG), Some(1), "read for this once");
        assert_eq!(fleet.current(), 0);
        assert_eq!(fleet.observe(&[Some(6), Some(6)], CONFIG), Some(0));
    }

    #[test]
    fn one_that_lags_is_left_and_comes_back_only_after_some_good_looks() {
        let mut fleet = Fleet::new(2);
        assert_eq!(fleet.observe(&[Some(5), Some(7)], CONFIG), Some(0), "as far behind as it may be");
        assert_eq!(fleet.observe(&[Some(5), Some(8)], CONFIG), Some(0));
        assert_eq!(fleet.observe(&[Some(5), Some(9)], CONFIG), Some(1));
        for _ in 0..2 {
            fleet.observe(&[Some(9), Some(9)], CONFIG);
            assert!(!fleet.is_up(0));
        }
        fleet.observe(&[Some(9), Some(9)], CONFIG);
        assert!(fleet.is_up(0));
        assert_eq!(fleet.current(), 1, "there is no reason to change back");
    }

    #[test]
    fn head_that_no_other_comes_near_is_not_believed_and_makes_nobody_lag() {
        let mut fleet = Fleet::new(3);
        for _ in 0..4 {
            assert_eq!(fleet.observe(&[Some(u64::MAX), Some(7), Some(6)], CONFIG), Some(1));
        }
        assert_eq!([0, 1, 2].map(|index| fleet.is_up(index)), [false, true, true]);
    }

    #[test]
    fn one_that_answers_again_is_better_than_none() {
        let mut fleet = Fleet::new(2);
        for _ in 0..3 {
            assert_eq!(fleet.observe(&[None, None], CONFIG), None);
        }
        assert_eq!(fleet.observe(&[None, Some(1)], CONFIG), Some(1));
    }

    proptest! {
        #[test]
        fn one_that_is_healthy_is_never_left_and_who_is_read_has_answered(
            looks in prop::collection::vec(prop::collection::vec(prop::option::of(0..20u64), 3), 1..60)
        ) {
            let mut fleet = Fleet::new(3);
            for heads in looks {
                let before = fleet.current();
                let chosen = fleet.observe(&heads, CONFIG);
                if let Some(chosen) = chosen {
                    prop_assert!(heads[chosen].is_some() && fleet.is_up(chosen));
                }
                if fleet.current() != before {
                    prop_assert!(!fleet.is_up(before), "{} was left", before);
                }
                prop_assert_eq!(fleet.order()[0], fleet.current());
            }
        }
    }
}
