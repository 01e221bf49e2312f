//! Perceptual hashes are those of Python's imagehash.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::cast_possible_truncation, reason = "tests")]

use std::{collections::BTreeMap, fs, path::PathBuf};

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};
use serde::Deserialize;
use xenon_executor::image::{
    Picture,
    phash::{distance, phash},
};
use zune_jpeg::{JpegDecoder, zune_core::bytestream::ZCursor};

/// Bits in which a hash may differ because JPEG decoders round differently.
const JPEG_TOLERANCE: u32 = 2;

#[derive(Deserialize)]
struct Vectors {
    images: BTreeMap<String, Vector>,
}

#[derive(Deserialize)]
struct Vector {
    phash: String,
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/phash"))
}

fn vectors(name: &str) -> BTreeMap<String, u64> {
    let vectors: Vectors = serde_json::from_slice(&fs::read(folder().join(name)).unwrap()).unwrap();
    vectors.images.into_iter().map(|(name, vector)| (name, u64::from_str_radix(&vector.phash, 16).unwrap())).collect()
}

fn jpeg(bytes: &[u8]) -> Picture {
    let mut decoder = JpegDecoder::new(ZCursor::new(bytes));
    let pixels = decoder.decode().unwrap();
    let (width, height) = decoder.dimensions().unwrap();
    Picture::new(width, height, pixels).unwrap()
}

#[test]
fn pictures_have_the_hashes_of_imagehash() {
    let vectors = vectors("phash.json");
    assert!(vectors.len() >= 20);
    for (name, expected) in vectors {
        let bytes = fs::read(folder().join(&name)).unwrap();
        if bytes.starts_with(&[0xff, 0xd8]) {
            assert!(distance(phash(&jpeg(&bytes)), expected) <= JPEG_TOLERANCE, "{name}");
            continue;
        }
        let found = phash(&Picture::from_png(&bytes).unwrap());
        assert_eq!(found, expected, "{name}: {found:016x}, not {expected:016x}");
    }
}

/// Number `index` of the generated pictures: `script/models/make_phash_vectors.py` makes the same ones.
fn generated(index: u64) -> Picture {
    let mut generator = ChaCha20Rng::from_seed([0; 32]);
    generator.set_stream(index);
    let mut below = |limit: usize| (generator.next_u32() as usize) % limit;
    let (width, height, kind) = (1 + below(150), 1 + below(150), below(4));
    let colours: [[usize; 3]; 4] = std::array::from_fn(|_| [below(256), below(256), below(256)]);
    let (x, y, radius) = (below(width), below(height), 1 + below(80));
    let mut rgb = Vec::new();
    for row in 0..height {
        for column in 0..width {
            rgb.extend((0..3).map(|channel| match kind {
                0 => below(256) as u8,
                1 => ((column * colours[0][channel] + row * colours[1][channel]) / (width + height)) as u8,
                2 => {
                    let inside = column.abs_diff(x).pow(2) + row.abs_diff(y).pow(2) < radius * radius;
                    colours[usize::from(inside)][channel] as u8
                }
                _ => colours[(column / radius + row / radius) % 4][channel] as u8,
            }));
        }
    }
    Picture::new(width, height, rgb).unwrap()
}

#[test]
fn generated_pictures_have_the_hashes_of_imagehash() {
    let expected: Vec<String> = serde_json::from_slice(&fs::read(folder().join("generated.json")).unwrap()).unwrap();
    assert_eq!(expected.len(), 200);
    let differing: Vec<_> =
        (0..).zip(&expected).filter(|(index, hash)| format!("{:016x}", phash(&generated(*index))) != **hash).collect();
    assert!(differing.is_empty(), "{differing:?}");
}
