//! What the right answer to a simulated task is, and what wrong ones look like.

use alloy::primitives::{B256, keccak256};
use xenon_keeper::{ClassId, Kind, TaskId};
use xenon_protocol::result::image_result;

use crate::random::Random;

/// Bits of one picture's hash.
const HASH_BITS: u64 = 64;

/// The answer that a machine without fault gives: the same on all machines of a class where answers are exact, and the same up
/// to the noise of [`with_noise`] where they are pictures.
pub fn right(task: TaskId, kind: &Kind, size: u32, class: Option<ClassId>) -> B256 {
    if kind.exact {
        return word("answer", task.0, class.map_or(0, |class| class.0.into()));
    }
    pictures(size, |index| word("picture", task.0, index))
}

/// An answer that all who agreed on it give, and nobody else.
pub fn fake(task: TaskId, kind: &Kind, size: u32, ring: u64) -> B256 {
    if kind.exact {
        word("fake", task.0, ring)
    } else {
        pictures(size, |index| word("fake", task.0 ^ (index << 48), ring))
    }
}

/// The same pictures as another machine draws them: in each, up to `bits` bits of the hash differ.
pub fn with_noise(answer: B256, size: u32, bits: u64, random: &mut Random) -> B256 {
    let hashes = answer.chunks_exact(8).take(size as usize).map(|hash| {
        let hash = hash.iter().fold(0, |hash, byte| (hash << 8) | u64::from(*byte));
        let flips = random.between(0, bits);
        (0..flips).fold(hash, |hash, _| hash ^ (1 << random.between(0, HASH_BITS - 1)))
    });
    image_result(hashes)
}

/// Whether an answer passes for the right one.
pub fn is_right(answer: B256, task: TaskId, kind: &Kind, size: u32, class: Option<ClassId>) -> bool {
    let right = right(task, kind, size, class);
    if kind.exact {
        return answer == right;
    }
    let distances = answer
        .chunks_exact(8)
        .zip(right.chunks_exact(8))
        .map(|(a, b)| a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>());
    distances.max().unwrap_or_default() <= u32::from(kind.max_distance)
}

fn pictures(size: u32, hash: impl Fn(u64) -> B256) -> B256 {
    image_result(
        (0..u64::from(size))
            .map(|index| hash(index).as_slice()[..8].iter().fold(0, |all, byte| (all << 8) | u64::from(*byte))),
    )
}

fn word(name: &str, first: u64, second: u64) -> B256 {
    keccak256(format!("{name} {first} {second}"))
}
