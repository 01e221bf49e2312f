//! Room on the disk: what is counted, and what has to go.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use xenon_protocol::task::ModelId;

use super::{
    ModelCache, Pins, Record,
    layout::{FileLock, tree_size, write_json},
    trash,
};
use crate::model::{StoreError, fetch::Plan};

/// Bytes that stay free on the disk, for journals and logs.
const MARGIN: u64 = 64 << 20;

/// A model that may be evicted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    used: u64,
    model: ModelId,
    size: u64,
}

/// The bytes that a fetch will come to, on disk for as long as it goes on.
#[derive(Serialize, Deserialize)]
struct Promise {
    size: u64,
}

/// A model that is being fetched, or was.
struct Staging {
    folder: PathBuf,
    model: ModelId,
}

impl ModelCache {
    /// Makes room for a plan: checks budget and disk before a byte is fetched, evicts what was used least recently, and
    /// promises the room to this fetch, which must hold its model's fetch lock.
    pub(in crate::model) fn reserve(&self, plan: &Plan) -> Result<(), StoreError> {
        let size = plan.size();
        if let Some(budget) = self.budget.filter(|budget| size > *budget) {
            return Err(StoreError::LargerThanBudget { model: plan.model.clone(), size, budget });
        }
        let _lock = FileLock::exclusive(&self.layout.lock())?;
        trash::empty(&self.layout)?;
        let have = tree_size(&self.layout.staging(&plan.model))?;
        let promised = self.promised_to_others(&plan.model)?;
        let used = tree_size(self.layout.root())?.saturating_sub(have).saturating_add(promised);
        let missing = self.budget.map_or(0, |budget| used.saturating_add(size).saturating_sub(budget));
        let leaving = self.leaving(&plan.model, missing, size, used)?;
        let freed = leaving.iter().map(|candidate| candidate.size).sum();
        self.check_disk(size.saturating_sub(have).saturating_add(promised), freed)?;
        leaving.iter().try_for_each(|candidate| self.evict(&candidate.model))?;
        write_json(&self.layout.staging(&plan.model).join("promise.json"), &Promise { size })
    }

    /// Evicts what was used least recently until no more than `target` bytes are in use, and deletes what is left of
    /// fetches that nobody goes on with. Returns the evicted models and the bytes that are free again.
    pub fn prune(&self, target: Option<u64>) -> Result<(Vec<ModelId>, u64), StoreError> {
        let _lock = FileLock::exclusive(&self.layout.lock())?;
        let before = tree_size(self.layout.root())?;
        trash::empty(&self.layout)?;
        for staging in self.stagings()? {
            if self.is_abandoned(&staging)? {
                trash::delete(&self.layout, &staging.folder)?;
            }
        }
        let after = tree_size(self.layout.root())?;
        let surplus = target.or(self.budget).map_or(0, |target| after.saturating_sub(target));
        let leaving = match choose(self.candidates()?, surplus) {
            Ok(leaving) => leaving,
            Err(all) => all,
        };
        let evicted: Vec<_> = leaving.into_iter().map(|candidate| candidate.model).collect();
        evicted.iter().try_for_each(|model| self.evict(model))?;
        Ok((evicted, before.saturating_sub(tree_size(self.layout.root())?)))
    }

    /// What has to go for `missing` bytes. What is left of abandoned fetches goes first.
    fn leaving(&self, own: &ModelId, missing: u64, size: u64, used: u64) -> Result<Vec<Candidate>, StoreError> {
        if missing == 0 {
            return Ok(Vec::new());
        }
        let (mut left, mut abandoned) = (missing, Vec::new());
        for staging in self.stagings()? {
            if left > 0 && staging.model != *own && self.is_abandoned(&staging)? {
                left = left.saturating_sub(tree_size(&staging.folder)?);
                abandoned.push(staging);
            }
        }
        let leaving = choose(self.candidates()?, left).map_err(|all| StoreError::BudgetFull {
            size,
            used,
            evictable: all.iter().map(|candidate| candidate.size).sum(),
            budget: self.budget.unwrap_or(u64::MAX),
        })?;
        abandoned.iter().try_for_each(|staging| trash::delete(&self.layout, &staging.folder))?;
        Ok(leaving)
    }

    fn check_disk(&self, coming: u64, freed: u64) -> Result<(), StoreError> {
        let path = self.layout.root();
        let free = fs4::available_space(path).map_err(|error| StoreError::disk(path, &error))?;
        let needed = coming.saturating_add(MARGIN);
        if coming == 0 || free.saturating_add(freed) >= needed {
            return Ok(());
        }
        Err(StoreError::DiskFull { path: path.to_owned(), free, needed })
    }

    /// Models that the store fetched, that are not pinned and that nobody runs.
    fn candidates(&self) -> Result<Vec<Candidate>, StoreError> {
        let pinned: BTreeSet<_> = Pins::read(&self.layout)?.models.into_keys().collect();
        let mut candidates = Vec::new();
        for model in two_deep(self.layout.root())?.into_iter().map(|(model, _)| model) {
            let Some(record) = Record::read(&self.layout, &model)? else { continue };
            if !pinned.contains(&model) && FileLock::try_exclusive(&self.layout.use_lock(&model))?.is_some() {
                let size = tree_size(&self.layout.model(&model))?;
                candidates.push(Candidate { used: record.used, model, size });
            }
        }
        Ok(candidates)
    }

    /// Bytes that other fetches will still bring.
    fn promised_to_others(&self, own: &ModelId) -> Result<u64, StoreError> {
        let mut promised: u64 = 0;
        for staging in self.stagings()? {
            if staging.model != *own && !self.is_abandoned(&staging)? {
                let text = fs::read(staging.folder.join("promise.json")).unwrap_or_default();
                let size = serde_json::from_slice(&text).map_or(0, |promise: Promise| promise.size);
                promised = promised.saturating_add(size.saturating_sub(tree_size(&staging.folder)?));
            }
        }
        Ok(promised)
    }

    fn is_abandoned(&self, staging: &Staging) -> Result<bool, StoreError> {
        Ok(FileLock::try_exclusive(&self.layout.fetch_lock(&staging.model))?.is_some())
    }

    fn stagings(&self) -> Result<Vec<Staging>, StoreError> {
        let found = two_deep(&self.layout.stagings())?.into_iter();
        Ok(found.map(|(model, folder)| Staging { folder, model }).collect())
    }
}

/// The candidates to evict for so many bytes, those used least recently first; all of them as an error if they are not
/// enough.
fn choose(mut candidates: Vec<Candidate>, missing: u64) -> Result<Vec<Candidate>, Vec<Candidate>> {
    candidates.sort_unstable_by(|one, other| (one.used, &one.model).cmp(&(other.used, &other.model)));
    let mut freed: u64 = 0;
    let count = candidates.iter().take_while(|candidate| {
        let before = freed;
        freed = freed.saturating_add(candidate.size);
        before < missing
    });
    let count = count.count();
    let freed = candidates[..count].iter().map(|candidate| candidate.size).fold(0, u64::saturating_add);
    if freed < missing {
        return Err(candidates);
    }
    candidates.truncate(count);
    Ok(candidates)
}

/// Folders `org/name@revision` below a folder, links left out, in order.
fn two_deep(root: &Path) -> Result<Vec<(ModelId, PathBuf)>, StoreError> {
    let mut found = Vec::new();
    for org in folders(root)? {
        for folder in folders(&root.join(&org))? {
            if let Ok(model) = format!("{org}/{folder}").parse() {
                found.push((model, root.join(&org).join(&folder)));
            }
        }
    }
    Ok(found)
}

fn folders(path: &Path) -> Result<Vec<String>, StoreError> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::disk(path, &error)),
    };
    let folders = entries.filter_map(Result::ok).filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut names: Vec<_> = folders.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidates(models: &[(u64, u64)]) -> Vec<Candidate> {
        let model = |index: usize| format!("a/m@{index}").parse().unwrap();
        let candidate =
            |(index, (used, size)): (usize, &(u64, u64))| Candidate { used: *used, model: model(index), size: *size };
        models.iter().enumerate().map(candidate).collect()
    }

    proptest! {
        #[test]
        fn the_least_recently_used_go_and_no_more_than_needed(
            models in prop::collection::vec((0_u64..5, 1_u64..100), 0..8),
            missing in 0_u64..400,
        ) {
            let all = candidates(&models);
            let total: u64 = models.iter().map(|(_, size)| size).sum();
            let size = |gone: &[Candidate]| gone.iter().map(|model| model.size).sum::<u64>();
            match choose(all.clone(), missing) {
                Err(kept) => {
                    prop_assert!(total < missing);
                    prop_assert_eq!(kept.len(), all.len());
                }
                Ok(gone) => {
                    prop_assert!(size(&gone) >= missing);
                    if let Some((_, fewer)) = gone.split_last() {
                        prop_assert!(size(fewer) < missing);
                    }
                    let newest = gone.iter().map(|model| model.used).max().unwrap_or(0);
                    let stays = |model: &&Candidate| !gone.contains(model);
                    prop_assert!(all.iter().filter(stays).all(|model| model.used >= newest));
                }
            }
        }
    }
}
