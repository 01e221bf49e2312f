//! The pinned models: those that must stay as they are, with the hash of every file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
};

use serde::{Deserialize, Serialize};
use xenon_protocol::task::ModelId;

use super::layout::{Layout, write_json};
use crate::model::{FileRecord, Manifest, StoreError};

/// The file `pins.json`. It can be handed to another machine, which then fetches the same models to the byte.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pins {
    /// The pinned models by name.
    pub models: BTreeMap<ModelId, Pin>,
}

/// A pinned model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Where it can be fetched; nothing if it was put there by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The folder of the source that holds it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub folder: String,
    /// Length and SHA-256 of every file.
    pub files: BTreeMap<String, FileRecord>,
    /// Graphs with which rows may share passes, as in the manifest.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub shares_passes: BTreeSet<String>,
}

impl Pins {
    pub(super) fn read(layout: &Layout) -> Result<Self, StoreError> {
        let path = layout.pins();
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| StoreError::file(&path, &error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(StoreError::disk(&path, &error)),
        }
    }

    pub(super) fn write(&self, layout: &Layout) -> Result<(), StoreError> {
        write_json(&layout.pins(), self)
    }

    /// Checks a model against its pin, if it has one.
    pub(in crate::model) fn check(&self, manifest: &Manifest) -> Result<(), StoreError> {
        let Some(pin) = self.models.get(&manifest.model) else { return Ok(()) };
        let differs = |reason| Err(StoreError::PinDiffers { model: manifest.model.clone(), reason });
        if manifest.shares_passes != pin.shares_passes {
            return differs(String::from("other graphs share passes"));
        }
        for (name, pinned) in &pin.files {
            match manifest.files.get(name) {
                None => return differs(format!("{name} is missing")),
                Some(file) if file != pinned => return differs(format!("{name} is another file")),
                Some(_) => {}
            }
        }
        match manifest.files.keys().find(|name| !pin.files.contains_key(*name)) {
            Some(name) => differs(format!("{name} is new")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[(&str, u64)]) -> BTreeMap<String, FileRecord> {
        let file = |(name, size): &(&str, u64)| ((*name).to_owned(), FileRecord { size: *size, sha256: String::new() });
        names.iter().map(file).collect()
    }

    #[test]
    fn every_difference_from_the_pin_is_told() {
        let model: ModelId = "a/b@1".parse().unwrap();
        let shares_passes = BTreeSet::from([String::from("x")]);
        let files_of = files(&[("x", 1), ("y", 2)]);
        let pin = Pin { source: None, folder: String::new(), files: files_of, shares_passes: shares_passes.clone() };
        let pins = Pins { models: BTreeMap::from([(model.clone(), pin)]) };
        let manifest = |names: &[(&str, u64)]| Manifest {
            model: model.clone(),
            files: files(names),
            shares_passes: shares_passes.clone(),
        };
        let check = |names: &[(&str, u64)]| pins.check(&manifest(names));
        for (names, told) in [
            (&[("x", 1)][..], "y is missing"),
            (&[("x", 1), ("y", 3)], "y is another"),
            (&[("x", 1), ("y", 2), ("z", 3)], "z is new"),
        ] {
            let error = check(names).unwrap_err();
            assert_eq!(error.code(), "XE-120");
            assert!(error.to_string().contains(told), "{error}");
        }
        assert!(check(&[("x", 1), ("y", 2)]).is_ok());
        let other = Manifest { shares_passes: BTreeSet::new(), ..manifest(&[("x", 1), ("y", 2)]) };
        assert_eq!(pins.check(&other).unwrap_err().code(), "XE-120");
        assert!(pins.check(&Manifest { model: "a/c@1".parse().unwrap(), ..manifest(&[]) }).is_ok());
    }
}
