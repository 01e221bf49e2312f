//! A crash at every write: what was acknowledged is there afterwards, and nothing else than that or the next change.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{disk::Disk, *};

/// What an agent does to its journal.
#[derive(Clone, Debug)]
enum Change {
    Record { task: u64, fork: u8, byte: u8, reply: Option<Vec<u8>> },
    Advance { task: u64, stage: Stage },
    End { task: u64, block: u64 },
    Forget { block: u64 },
}

/// What a journal should hold.
type Model = BTreeMap<u64, (Entry, Option<Vec<u8>>)>;

impl Change {
    fn make(&self, journal: &Journal) -> Result<(), AgentError> {
        match self {
            Self::Record { task, fork, byte, reply } => {
                match journal.record(&answer(*task, *fork, *byte), reply.as_deref()) {
                    Err(AgentError::SecondAnswer { .. }) => Ok(()),
                    other => other,
                }
            }
            Self::Advance { task, stage } => journal.advance(*task, *stage),
            Self::End { task, block } => journal.end(*task, *block),
            Self::Forget { block } => journal.forget_before(*block),
        }
    }

    fn imagine(&self, model: &mut Model) {
        match self {
            Self::Record { task, fork, byte, reply } => {
                let entry = answer(*task, *fork, *byte);
                if model.get(task).is_none_or(|(held, _)| held.task_hash != entry.task_hash) {
                    model.insert(*task, (entry, reply.clone()));
                }
            }
            Self::Advance { task, stage } => {
                model.entry(*task).and_modify(|(entry, _)| entry.stage = *stage);
            }
            Self::End { task, block } => {
                let ended = Stage::Ended { block: *block };
                model.entry(*task).and_modify(|held| *held = (Entry { stage: ended, ..held.0.clone() }, None));
            }
            Self::Forget { block } => model.retain(|_, (entry, _)| !ended_before(entry, *block)),
        }
    }
}

fn over(disk: &Disk) -> Journal {
    let db = redb::Builder::new().create_with_backend(disk.clone()).unwrap();
    Journal { path: PathBuf::from("memory"), db }
}

fn prepared() -> (Disk, Journal) {
    let disk = Disk::default();
    let journal = over(&disk);
    file::initialise(&journal.db, &identity()).unwrap();
    (disk, journal)
}

fn content(journal: &Journal) -> Model {
    let with_reply = |entry: Entry| (entry.task, (entry.clone(), journal.reply(entry.task).unwrap()));
    journal.entries().unwrap().into_iter().map(with_reply).collect()
}

/// Makes the changes on a disk that fails after `operations`, and compares what is found afterwards. Returns whether
/// the disk failed at all.
fn crash_and_compare(changes: &[Change], operations: u64, kept: impl Fn(usize) -> bool) -> bool {
    let (disk, journal) = prepared();
    disk.fail_after(operations);
    let acknowledged = changes.iter().take_while(|change| change.make(&journal).is_ok()).count();
    drop(journal);

    let mut before = Model::new();
    changes[..acknowledged].iter().for_each(|change| change.imagine(&mut before));
    let mut after = before.clone();
    changes.iter().skip(acknowledged).take(1).for_each(|change| change.imagine(&mut after));
    let reopened = over(&disk.after_failure(kept));
    let found = content(&reopened);
    assert!(found == before || found == after, "after {acknowledged} changes: {found:?}, not {before:?} or {after:?}");
    for (entry, _) in found.values() {
        assert_no_second_answer(&reopened, entry);
    }
    disk.has_failed()
}

fn assert_no_second_answer(journal: &Journal, entry: &Entry) {
    let other = Entry { result: entry.result ^ B256::with_last_byte(1), ..entry.clone() };
    assert_eq!(journal.record(&other, None).unwrap_err().code(), "XA-006");
}

/// The life of two tasks, one after the other.
fn two_lives() -> Vec<Change> {
    let life = |task: u64, byte: u8| {
        [
            Change::Record { task, fork: 1, byte, reply: Some(vec![byte; 5_000]) },
            Change::Advance { task, stage: Stage::Revealing },
            Change::Advance { task, stage: Stage::Delivering },
            Change::End { task, block: 10 * task },
        ]
    };
    [life(1, 1), life(2, 2)].into_iter().flatten().chain([Change::Forget { block: 20 }]).collect()
}

#[test]
fn a_crash_at_every_write_keeps_every_acknowledged_change() {
    for kept in [|_| false, |_| true, |index| index % 2 == 0] as [fn(usize) -> bool; 3] {
        let mut operations = 0;
        while crash_and_compare(&two_lives(), operations, kept) {
            operations += 1;
        }
        assert!(operations > 18, "only {operations} moments to crash at");
    }
}

fn any_change() -> impl Strategy<Value = Change> {
    let stage = prop_oneof![Just(Stage::Committing), Just(Stage::Revealing), Just(Stage::Delivering)];
    let reply = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..3_000));
    prop_oneof![
        3 => (0..4u64, 1..3u8, 1..5u8, reply)
            .prop_map(|(task, fork, byte, reply)| Change::Record { task, fork, byte, reply }),
        2 => (0..4u64, stage).prop_map(|(task, stage)| Change::Advance { task, stage }),
        1 => (0..4u64, 0..100u64).prop_map(|(task, block)| Change::End { task, block }),
        1 => (0..100u64).prop_map(|block| Change::Forget { block }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_crash_at_any_write_of_any_course_keeps_what_was_acknowledged(
        changes in proptest::collection::vec(any_change(), 1..12), operations in 0..120u64, kept: u64,
    ) {
        crash_and_compare(&changes, operations, |index| kept >> (index % 64) & 1 != 0);
    }

    #[test]
    fn without_a_crash_the_journal_holds_what_was_said(changes in proptest::collection::vec(any_change(), 1..20)) {
        let (_disk, journal) = prepared();
        let mut model = Model::new();
        for change in &changes {
            change.make(&journal).unwrap();
            change.imagine(&mut model);
        }
        prop_assert_eq!(content(&journal), model);
    }
}
