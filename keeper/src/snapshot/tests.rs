use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::{ClassId, fixture::Network};

fn network() -> Network {
    let mut network = Network::with_classes(&[4, 3]);
    for fee in 1..=9u128 {
        network.create(
            u8::from(fee.is_multiple_of(2)),
            Some(ClassId(2)).filter(|_| fee.is_multiple_of(3)),
            1_000 * fee,
        );
    }
    let drawn = network.create(0, None, 77);
    network.draw(drawn);
    network.pass(1);
    network.seat(drawn, [1, 2, 3], 500);
    network
}

fn contracts() -> Deployment {
    let [node, task, queue, qos, stats] = [1, 2, 3, 4, 5].map(Address::repeat_byte);
    Deployment { chain_id: 31_337, node, task, queue, qos, stats }
}

fn block() -> Head {
    Head { number: 7, hash: B256::repeat_byte(7), parent_hash: B256::repeat_byte(6), timestamp: 70, base_fee: 9 }
}

struct Kept {
    _folder: TempDir,
    file: SnapshotFile,
    snapshot: Snapshot,
}

fn kept() -> Kept {
    let folder = TempDir::new().unwrap();
    let file = SnapshotFile::new(folder.path().join("new/view"), contracts());
    let snapshot = Snapshot::of(&network().view, block());
    file.write(&snapshot).unwrap();
    Kept { _folder: folder, file, snapshot }
}

impl Snapshot {
    /// The same with an incomplete view.
    pub(crate) fn cut(mut self) -> Self {
        self.view.pop();
        self
    }
}

#[test]
fn file_that_is_not_there_is_no_error_and_a_folder_is() {
    let kept = kept();
    assert_eq!(SnapshotFile::new(kept.file.path().with_extension("other"), contracts()).read().unwrap(), None);
    let folder = SnapshotFile::new(kept.file.path().parent().unwrap(), contracts());
    assert_eq!(folder.read().unwrap_err().code(), "XK-064");
    assert_eq!(folder.write(&kept.snapshot).unwrap_err().code(), "XK-064");
}

#[test]
fn snapshot_of_another_network_or_chain_is_refused() {
    let kept = kept();
    let path = kept.file.path();
    let others = [
        Deployment { chain_id: 1, ..contracts() },
        Deployment { qos: Address::ZERO, ..contracts() },
        Deployment { task: Address::ZERO, ..contracts() },
    ];
    for other in others {
        assert_eq!(SnapshotFile::new(path, other).read().unwrap_err().code(), "XK-062");
    }
}

#[test]
fn snapshot_of_another_form_is_refused_by_its_form() {
    let kept = kept();
    let mut bytes = std::fs::read(kept.file.path()).unwrap();
    bytes[MAGIC.len()] ^= 1;
    let content = bytes.len() - 32;
    let digest = keccak256(&bytes[..content]);
    bytes[content..].copy_from_slice(digest.as_slice());
    std::fs::write(kept.file.path(), bytes).unwrap();
    assert_eq!(kept.file.read().unwrap_err().code(), "XK-061");
}

#[test]
fn view_with_missing_or_spare_bytes_is_none() {
    let snapshot = kept().snapshot;
    assert_eq!(snapshot.clone().cut().view(), None);
    let mut long = snapshot;
    long.view.push(0);
    assert_eq!(long.view(), None);
}

#[test]
fn what_was_written_is_read() {
    let kept = kept();
    let read = kept.file.read().unwrap().unwrap();
    assert_eq!(read, kept.snapshot);
    assert_eq!(read.view().unwrap(), network().view);
    let later = Snapshot::of(&View::new(), Head { number: 8, ..block() });
    kept.file.write(&later).unwrap();
    assert_eq!(kept.file.read().unwrap(), Some(later));
    let beside = std::fs::read_dir(kept.file.path().parent().unwrap()).unwrap().count();
    assert_eq!(beside, 1, "nothing is left of the writing");
}

/// Whoever changes what a view holds must change [`VERSION`], and this digest with it.
#[test]
fn form_of_a_view_does_not_change_without_its_version() {
    let digest = keccak256(encoded(&network().view));
    assert_eq!((VERSION, digest.to_string().as_str()), (1, FORM));
}

const FORM: &str = "0x8546128ef6605a9de120fcfd50f1491582863eb0f7c4925d2407a1bce3835cee";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damaged_snapshot_is_refused(at in any::<prop::sample::Index>(), bit in 0..8u8, cut in any::<bool>()) {
        let kept = kept();
        let mut bytes = std::fs::read(kept.file.path()).unwrap();
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] ^= 1 << bit;
        }
        std::fs::write(kept.file.path(), bytes).unwrap();
        prop_assert_eq!(kept.file.read().unwrap_err().code(), "XK-060");
    }
}
