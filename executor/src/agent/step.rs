//! What a node does next about a task: a pure function of what the chain says, what the journal holds, and the time.

use xenon_protocol::contracts::State;

use super::journal::Entry;

/// What the chain says about a task and this node's part in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The task's stage.
    pub state: State,
    /// End of the stage, in seconds since the Unix epoch.
    pub deadline: u64,
    /// This node's seat, if it has one.
    pub seat: Option<Vote>,
}

/// How far the holder of a seat has come.
#[expect(clippy::struct_excessive_bools, reason = "each is a question that the contract answers by itself")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vote {
    /// Its commitment is on chain.
    pub committed: bool,
    /// Its result is on chain.
    pub revealed: bool,
    /// It is its turn to deliver.
    pub delivers: bool,
    /// Its result is one of those that agree.
    pub agreed: bool,
}

/// The next step of a node for a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Find the answer: fetch the task, check it, run the model.
    Answer,
    /// Send the commitment to the answer in the journal.
    Commit,
    /// Send the answer and its salt.
    Reveal,
    /// Bring the reply to the relay and say so.
    Deliver,
    /// Nothing now.
    Wait(Wait),
    /// The task is over: the reply is not needed any more.
    Close,
}

/// Why there is nothing to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The task has no seats yet, or after a reorganisation no longer has.
    Seats,
    /// The seats are those of other nodes.
    NotOurs,
    /// Other nodes have not committed.
    Commitments,
    /// Other nodes have not revealed.
    Reveals,
    /// Another node has been asked to deliver; if it does not, this one may be.
    Delivery,
    /// The stage is over and this node did not do its part.
    TooLate,
    /// The commitment on chain is not in this journal.
    Foreign,
}

impl Step {
    /// Whether this node still has, or soon may have, something to do here.
    pub const fn is_in_hand(self) -> bool {
        match self {
            Self::Answer | Self::Commit | Self::Reveal | Self::Deliver => true,
            Self::Wait(wait) => matches!(wait, Wait::Commitments | Wait::Reveals),
            Self::Close => false,
        }
    }
}

/// The next step for a task, given the chain's facts, the journal's entry for it, and the chain's time in seconds.
pub fn next(facts: &Facts, entry: Option<&Entry>, now: u64) -> Step {
    match (facts.state, facts.seat) {
        (State::Ended, _) => Step::Close,
        (State::Committing, Some(vote)) => committing(vote, entry, now > facts.deadline),
        (State::Revealing, Some(vote)) => revealing(vote, entry, now > facts.deadline),
        (State::Delivering, Some(vote)) => delivering(vote, entry, now > facts.deadline),
        (State::Vacant, Some(_)) => Step::Wait(Wait::Commitments),
        (State::Committing | State::Vacant | State::Revealing | State::Delivering, None) => Step::Wait(Wait::NotOurs),
        _ => Step::Wait(Wait::Seats),
    }
}

const fn committing(vote: Vote, entry: Option<&Entry>, late: bool) -> Step {
    match (vote.committed, entry) {
        (true, Some(_)) => Step::Wait(Wait::Commitments),
        (true, None) => Step::Wait(Wait::Foreign),
        (false, _) if late => Step::Wait(Wait::TooLate),
        (false, Some(_)) => Step::Commit,
        (false, None) => Step::Answer,
    }
}

const fn revealing(vote: Vote, entry: Option<&Entry>, late: bool) -> Step {
    match (vote.committed, entry) {
        _ if vote.revealed => Step::Wait(Wait::Reveals),
        (false, _) => Step::Wait(Wait::TooLate),
        (true, None) => Step::Wait(Wait::Foreign),
        (true, Some(_)) if late => Step::Wait(Wait::TooLate),
        (true, Some(_)) => Step::Reveal,
    }
}

const fn delivering(vote: Vote, entry: Option<&Entry>, late: bool) -> Step {
    match entry {
        _ if !vote.delivers => Step::Wait(Wait::Delivery),
        None => Step::Wait(Wait::Foreign),
        Some(_) if late => Step::Wait(Wait::TooLate),
        Some(_) => Step::Deliver,
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::B256;
    use xenon_protocol::commitment::Salt;

    use super::*;

    const DEADLINE: u64 = 1_000;
    const STATES: [State; 7] = [
        State::None,
        State::Queued,
        State::Committing,
        State::Vacant,
        State::Revealing,
        State::Delivering,
        State::Ended,
    ];

    fn entry() -> Entry {
        let byte = B256::repeat_byte;
        Entry::new(1, byte(1), byte(2), Salt::new(byte(3)).unwrap())
    }

    fn seats() -> impl Iterator<Item = Option<Vote>> {
        let flags = |bits: u8| Vote {
            committed: bits & 1 != 0,
            revealed: bits & 2 != 0,
            delivers: bits & 4 != 0,
            agreed: false,
        };
        (0..8).map(flags).map(Some).chain([None])
    }

    /// Every combination of what can be said and held, each in time and late.
    fn everything() -> Vec<(Facts, Option<Entry>, bool, Step)> {
        let mut all = Vec::new();
        for state in STATES {
            for seat in seats() {
                for held in [None, Some(entry())] {
                    for late in [false, true] {
                        let facts = Facts { state, deadline: DEADLINE, seat };
                        let step = next(&facts, held.as_ref(), DEADLINE + u64::from(late));
                        all.push((facts, held.clone(), late, step));
                    }
                }
            }
        }
        all
    }

    fn sends(step: Step) -> bool {
        matches!(step, Step::Commit | Step::Reveal | Step::Deliver)
    }

    #[test]
    fn nothing_is_done_after_the_deadline_or_without_a_seat() {
        for (facts, _, late, step) in everything() {
            if late || facts.seat.is_none() {
                assert!(matches!(step, Step::Wait(_) | Step::Close), "{facts:?} {step:?}");
            }
        }
    }

    #[test]
    fn nothing_is_sent_that_the_journal_does_not_hold() {
        assert!(everything().iter().all(|(_, held, _, step)| held.is_some() || !sends(*step)));
    }

    #[test]
    fn a_task_with_an_answer_or_a_commitment_is_never_answered_again() {
        for (facts, held, _, step) in everything() {
            let answered = held.is_some() || facts.seat.is_some_and(|vote| vote.committed);
            assert!(!(answered && step == Step::Answer), "{facts:?}");
        }
    }

    #[test]
    fn nothing_is_sent_twice() {
        for (facts, _, _, step) in everything() {
            let vote = facts.seat.unwrap_or_default();
            assert!(!(vote.committed && step == Step::Commit), "{facts:?}");
            assert!(!(vote.revealed && step == Step::Reveal), "{facts:?}");
        }
    }

    #[test]
    fn nothing_is_revealed_or_delivered_before_its_stage() {
        for (facts, _, _, step) in everything() {
            assert!(step != Step::Reveal || facts.state == State::Revealing);
            assert!(step != Step::Deliver || facts.state == State::Delivering);
            assert_eq!(step == Step::Close, facts.state == State::Ended);
        }
    }

    #[test]
    fn an_honest_seat_goes_from_answer_to_close() {
        let vote = |committed, revealed, delivers| Some(Vote { committed, revealed, delivers, agreed: false });
        let course = [
            (State::Committing, vote(false, false, false), None, Step::Answer),
            (State::Committing, vote(false, false, false), Some(entry()), Step::Commit),
            (State::Committing, vote(true, false, false), Some(entry()), Step::Wait(Wait::Commitments)),
            (State::Revealing, vote(true, false, false), Some(entry()), Step::Reveal),
            (State::Revealing, vote(true, true, false), Some(entry()), Step::Wait(Wait::Reveals)),
            (State::Delivering, vote(true, true, false), Some(entry()), Step::Wait(Wait::Delivery)),
            (State::Delivering, vote(true, true, true), Some(entry()), Step::Deliver),
            (State::Ended, vote(true, true, true), Some(entry()), Step::Close),
        ];
        for (state, seat, held, expected) in course {
            let facts = Facts { state, deadline: DEADLINE, seat };
            assert_eq!(next(&facts, held.as_ref(), DEADLINE), expected);
        }
    }

    #[test]
    fn who_has_committed_waits_while_a_seat_is_given_to_another() {
        let seat = Some(Vote { committed: true, ..Vote::default() });
        let facts = Facts { state: State::Vacant, deadline: DEADLINE, seat };
        assert_eq!(next(&facts, Some(&entry()), DEADLINE + 1), Step::Wait(Wait::Commitments));
        let let_go = Facts { seat: None, ..facts };
        assert_eq!(next(&let_go, Some(&entry()), DEADLINE), Step::Wait(Wait::NotOurs));
    }

    #[test]
    fn a_commitment_that_is_not_in_the_journal_is_named() {
        let seat = Some(Vote { committed: true, ..Vote::default() });
        for state in [State::Committing, State::Revealing] {
            let facts = Facts { state, deadline: DEADLINE, seat };
            assert_eq!(next(&facts, None, DEADLINE), Step::Wait(Wait::Foreign));
        }
    }

    #[test]
    fn a_stop_waits_for_votes_and_own_deliveries_only() {
        let in_hand = [Step::Answer, Step::Commit, Step::Reveal, Step::Deliver, Step::Wait(Wait::Reveals)];
        let idle = [Step::Close, Step::Wait(Wait::Delivery), Step::Wait(Wait::TooLate), Step::Wait(Wait::Foreign)];
        assert!(in_hand.iter().all(|step| step.is_in_hand()));
        assert!(!idle.iter().any(|step| step.is_in_hand()));
    }
}
