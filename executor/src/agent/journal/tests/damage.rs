//! A damaged file is a typed error, and is left to be examined.

use super::*;

/// A journal with an entry, closed in order.
fn closed() -> (TempDir, PathBuf) {
    let (dir, journal) = journal();
    journal.record(&answer(1, 1, 1), Some(b"reply")).unwrap();
    let path = journal.path().to_owned();
    drop(journal);
    (dir, path)
}

#[test]
fn garbage_an_empty_file_and_a_cut_file_are_damaged_and_stay_as_they_are() {
    let (dir, path) = closed();
    let whole = fs::read(&path).unwrap();
    for content in [b"not a journal".to_vec(), Vec::new(), whole[..whole.len() / 3].to_vec()] {
        fs::write(&path, &content).unwrap();
        let error = Journal::open(dir.path(), &identity()).unwrap_err();
        assert_eq!(error.code(), "XA-003", "{error}");
        assert!(error.to_string().contains("move it away"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}

#[test]
fn a_journal_without_an_owner_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let path = file::path(dir.path(), identity().key());
    drop(Database::create(&path).unwrap());
    assert_eq!(Journal::open(dir.path(), &identity()).unwrap_err().code(), "XA-003");
}

/// Two hundred places spread over the bytes of the file that can matter: those that are not zero.
fn places(whole: &[u8]) -> Vec<usize> {
    let used: Vec<_> = whole.iter().enumerate().filter(|(_, byte)| **byte != 0).map(|(place, _)| place).collect();
    used.iter().step_by(used.len() / 200).copied().collect()
}

fn held(dir: &TempDir) -> Result<Vec<Entry>, AgentError> {
    Journal::open(dir.path(), &identity())?.entries()
}

#[test]
fn a_flipped_byte_never_changes_an_answer() {
    let (dir, path) = closed();
    let whole = fs::read(&path).unwrap();
    let mut damaged = 0;
    for place in places(&whole) {
        let mut content = whole.clone();
        content[place] ^= 0x04;
        fs::write(&path, &content).unwrap();
        match held(&dir) {
            Ok(entries) => assert_eq!(entries, [answer(1, 1, 1)], "byte {place}"),
            Err(error) => {
                assert_eq!(error.code(), "XA-003", "byte {place}: {error}");
                damaged += 1;
            }
        }
    }
    assert!(damaged > 0);
}
