use std::fs;

use alloy::primitives::{Address, B256, Bytes};

use super::*;
use crate::{Action, TaskId};

const DAY: u64 = 20_000;

fn identity(key: u8) -> Identity {
    Identity::new(1, B256::ZERO, Address::repeat_byte(9), Address::repeat_byte(key))
}

fn act(task: u64) -> Purpose {
    Purpose::Act(Action::Advance(TaskId(task)))
}

fn attempt(hash: u8) -> Attempt {
    Attempt {
        hash: B256::with_last_byte(hash),
        raw: Bytes::from_static(b"raw"),
        gas_limit: 21_000,
        max_fee: 3,
        priority_fee: 1,
        acts: true,
        block: 7,
    }
}

fn landing(hash: u8, fee: u64) -> Landing {
    let hash = B256::with_last_byte(hash);
    Landing { hash, block: 9, block_hash: B256::ZERO, succeeded: true, gas_used: 1, fee: U256::from(fee) }
}

/// An intent at its end, as it came there.
fn finished(journal: &Journal, intent: Intent, fee: u64) -> Intent {
    let mined = intent.signed(attempt(1)).unwrap().at(Stage::Mined(landing(1, fee))).unwrap();
    let over = mined.at(Stage::Final(landing(1, fee))).unwrap();
    journal.note(std::slice::from_ref(&over), DAY).unwrap();
    over
}

#[test]
fn second_keeper_with_the_key_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = Journal::open(dir.path(), &identity(1)).unwrap();
    assert_eq!(Journal::open(dir.path(), &identity(1)).unwrap_err().code(), "XK-101");
    Journal::open(dir.path(), &identity(2)).unwrap();
    drop(first);
    Journal::open(dir.path(), &identity(1)).unwrap();
}

#[test]
fn journal_of_another_network_is_refused_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    drop(Journal::open(dir.path(), &identity(1)).unwrap());
    let other = Identity::new(1, B256::ZERO, Address::repeat_byte(8), Address::repeat_byte(1));
    assert_eq!(Journal::open(dir.path(), &other).unwrap_err().code(), "XK-102");
    Journal::open(dir.path(), &identity(1)).unwrap();
}

#[test]
fn damaged_journal_is_refused_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = Journal::open(dir.path(), &identity(1)).unwrap().path().to_owned();
    for damage in [b"not a journal at all".to_vec(), Vec::new()] {
        fs::write(&path, &damage).unwrap();
        let error = Journal::open(dir.path(), &identity(1)).unwrap_err();
        assert_eq!(error.code(), "XK-103", "{error}");
        assert_eq!(fs::read(&path).unwrap(), damage);
    }
}

#[test]
fn what_was_noted_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), &identity(1)).unwrap();
    let intents = journal.intend(4, &[act(1), act(2)], 7).unwrap();
    assert_eq!(intents.iter().map(|intent| (intent.id, intent.nonce)).collect::<Vec<_>>(), [(0, 4), (1, 5)]);
    let signed = intents[1].clone().signed(attempt(2)).unwrap();
    journal.note(std::slice::from_ref(&signed), DAY).unwrap();
    drop(journal);
    let journal = Journal::open(dir.path(), &identity(1)).unwrap();
    assert_eq!(journal.live().unwrap(), [intents[0].clone(), signed]);
    assert_eq!(journal.intend(6, &[Purpose::Fill], 8).unwrap()[0].id, 2, "numbers are never given twice");
}

#[test]
fn cost_is_counted_once_for_each_intent_that_is_final() {
    let journal = Journal::in_memory(&identity(1)).unwrap();
    let intents = journal.intend(4, &[act(1), act(2)], 7).unwrap();
    for intent in &intents {
        let over = finished(&journal, intent.clone(), 10);
        journal.note(&[over], DAY).unwrap();
    }
    assert_eq!(journal.spent(DAY).unwrap(), U256::from(20));
    assert_eq!(journal.spent(DAY + 1).unwrap(), U256::ZERO);
    assert_eq!((journal.live().unwrap().len(), journal.over().unwrap().len()), (0, 2));
    assert_eq!(journal.next_nonce().unwrap(), 6);
}

#[test]
fn nonce_of_an_abandoned_intent_is_free() {
    let journal = Journal::in_memory(&identity(1)).unwrap();
    let intent = journal.intend(4, &[act(1)], 7).unwrap().remove(0);
    journal.note(&[intent.at(Stage::Abandoned(Abandonment::Interrupted)).unwrap()], DAY).unwrap();
    assert_eq!((journal.next_nonce().unwrap(), journal.live().unwrap().len()), (0, 0));
}
