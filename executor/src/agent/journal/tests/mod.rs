//! What the journal promises, on real files and on disks that fail at any moment.

mod crash;
mod damage;
mod disk;

use std::fs;

use alloy::primitives::{Address, B256};
use tempfile::TempDir;
use xenon_protocol::commitment::Salt;

use super::*;

fn identity() -> Identity {
    Identity::new(31337, B256::repeat_byte(9), Address::repeat_byte(8), Address::repeat_byte(7), 3)
}

/// The answer to a task on a fork; different `byte`s are different answers.
fn answer(task: u64, fork: u8, byte: u8) -> Entry {
    let salt = Salt::new(B256::repeat_byte(byte)).unwrap();
    Entry::new(task, B256::repeat_byte(fork), B256::repeat_byte(byte), salt)
}

fn journal() -> (TempDir, Journal) {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), &identity()).unwrap();
    (dir, journal)
}

#[test]
fn a_second_answer_to_a_task_is_refused_and_changes_nothing() {
    let (_dir, journal) = journal();
    journal.record(&answer(1, 1, 1), Some(b"reply")).unwrap();
    let error = journal.record(&answer(1, 1, 2), Some(b"other")).unwrap_err();
    assert_eq!(error.code(), "XA-006");
    assert_eq!(journal.entry(1).unwrap(), Some(answer(1, 1, 1)));
    assert_eq!(journal.reply(1).unwrap().unwrap(), b"reply");
}

#[test]
fn a_second_answer_is_refused_even_after_the_task_ended() {
    let (_dir, journal) = journal();
    journal.record(&answer(1, 1, 1), None).unwrap();
    journal.end(1, 50).unwrap();
    assert_eq!(journal.record(&answer(1, 1, 2), None).unwrap_err().code(), "XA-006");
}

#[test]
fn recording_the_same_answer_again_keeps_its_stage() {
    let (_dir, journal) = journal();
    journal.record(&answer(1, 1, 1), Some(b"reply")).unwrap();
    journal.advance(1, Stage::Revealing).unwrap();
    journal.record(&answer(1, 1, 1), None).unwrap();
    assert_eq!(journal.entry(1).unwrap().unwrap().stage, Stage::Revealing);
    assert_eq!(journal.reply(1).unwrap().unwrap(), b"reply");
}

#[test]
fn another_task_of_the_same_number_replaces_the_one_of_an_abandoned_fork() {
    let (_dir, journal) = journal();
    journal.record(&answer(1, 1, 1), Some(b"reply")).unwrap();
    journal.record(&answer(1, 2, 2), None).unwrap();
    assert_eq!(journal.entry(1).unwrap(), Some(answer(1, 2, 2)));
    assert_eq!(journal.reply(1).unwrap(), None);
}

#[test]
fn the_end_of_a_task_drops_its_reply_and_keeps_its_answer_for_a_while() {
    let (_dir, journal) = journal();
    journal.record(&answer(1, 1, 1), Some(b"reply")).unwrap();
    journal.record(&answer(2, 1, 1), None).unwrap();
    journal.end(1, 50).unwrap();
    assert_eq!(journal.reply(1).unwrap(), None);
    journal.forget_before(50).unwrap();
    assert!(!journal.entry(1).unwrap().unwrap().is_open());
    journal.forget_before(51).unwrap();
    assert_eq!(journal.entries().unwrap(), [answer(2, 1, 1)]);
}

#[test]
fn what_is_not_recorded_cannot_be_advanced_or_ended() {
    let (_dir, journal) = journal();
    journal.advance(1, Stage::Revealing).unwrap();
    journal.end(1, 50).unwrap();
    assert_eq!(journal.entries().unwrap(), []);
}

#[test]
fn two_agents_cannot_have_one_journal() {
    let (dir, first) = journal();
    let error = Journal::open(dir.path(), &identity()).unwrap_err();
    assert_eq!(error.code(), "XA-002");
    assert!(error.to_string().contains("stop that one first"), "{error}");
    drop(first);
    Journal::open(dir.path(), &identity()).unwrap();
}

#[test]
fn the_journal_of_another_node_or_network_is_refused() {
    let (dir, journal) = journal();
    let path = journal.path().to_owned();
    drop(journal);
    let before = fs::read(&path).unwrap();
    let other = Identity::new(31337, B256::repeat_byte(1), Address::repeat_byte(8), Address::repeat_byte(7), 3);
    assert_eq!(Journal::open(dir.path(), &other).unwrap_err().code(), "XA-004");
    assert_eq!(fs::read(&path).unwrap().len(), before.len());
    Journal::open(dir.path(), &identity()).unwrap();
}

#[test]
fn a_directory_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Journal::open(&file.join("below"), &identity()).unwrap_err();
    assert_eq!(error.code(), "XA-005");
    assert!(error.to_string().contains("file"), "{error}");
}

#[cfg(unix)]
#[test]
fn only_its_owner_can_read_the_journal() {
    use std::os::unix::fs::PermissionsExt;

    let (_dir, journal) = journal();
    assert_eq!(fs::metadata(journal.path()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn neither_salt_nor_result_is_shown() {
    let shown = format!("{:?}", answer(1, 1, 0xab));
    assert!(!shown.contains("abab") && !shown.contains("171"), "{shown}");
}
