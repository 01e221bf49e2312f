//! The store keeps to its budget, and never takes away what is pinned, in use or not its own.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod hub;
mod tiny_pipelines;

use std::{
    fs,
    path::{Path, PathBuf},
};

use hub::{Hub, bytes};
use tempfile::TempDir;
use xenon_executor::{
    ExecutorError,
    model::{
        Manifest, ModelCache, ModelFolder, ModelLease, ModelStore,
        fetch::{FetchConfig, FetchRequest, Fetched, Fetcher},
    },
};

/// Bytes of the files of a model of the hub, without the manifest that the store writes.
const MODEL: u64 = 4020;

struct World {
    hub: Hub,
    root: TempDir,
}

impl World {
    fn new() -> Self {
        let small = |name: &str| format!("{{\"{name}\": 1}}{}", " ".repeat(20 - 8)).into_bytes();
        let hub = Hub::start(&[
            ("config.json", small("c")),
            ("tokenizer.json", bytes(1000, 1)),
            ("model.onnx", bytes(3000, 2)),
        ]);
        Self { hub, root: tempfile::tempdir().unwrap() }
    }

    fn cache(&self, budget: Option<u64>) -> ModelCache {
        ModelCache::open(self.root.path(), budget).unwrap()
    }

    /// Fetches the hub's one model under a name of its own.
    async fn fetch(&self, name: &str, budget: Option<u64>) -> Result<Fetched, ExecutorError> {
        let fetcher = Fetcher::new(self.cache(budget), FetchConfig::new(self.hub.url.clone()))?;
        let source: xenon_executor::model::fetch::Source = "org/model".parse()?;
        fetcher.fetch(&FetchRequest { name: Some(name.parse().unwrap()), ..FetchRequest::from(source) }, &|_| {}).await
    }

    /// Says when a model was last used. A real clock would make the order a matter of luck.
    fn set_used(&self, name: &str, seconds: u64) {
        let path = self.record(name);
        let mut record: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        record["used"] = seconds.into();
        fs::write(path, record.to_string()).unwrap();
    }

    fn used(&self, name: &str) -> u64 {
        let record: serde_json::Value = serde_json::from_slice(&fs::read(self.record(name)).unwrap()).unwrap();
        record["used"].as_u64().unwrap()
    }

    fn record(&self, name: &str) -> PathBuf {
        self.root.path().join(".store/records").join(format!("{name}.json"))
    }

    fn models(&self) -> Vec<String> {
        ModelStore::open(self.root.path()).unwrap().models().map(ToString::to_string).collect()
    }

    fn lease(&self, name: &str) -> ModelLease {
        let store = ModelStore::open(self.root.path()).unwrap();
        ModelLease::take(self.root.path(), store.find(&name.parse().unwrap()).unwrap()).unwrap().unwrap()
    }

    /// Three models, of which `a/m@1` was used first and `a/m@3` last. Returns the bytes in use.
    async fn three(&self) -> u64 {
        for (name, used) in [("a/m@1", 10), ("a/m@2", 20), ("a/m@3", 30)] {
            self.fetch(name, None).await.unwrap();
            self.set_used(name, used);
        }
        self.cache(None).used().unwrap()
    }
}

#[tokio::test]
async fn a_model_that_is_larger_than_the_budget_is_refused_before_a_byte() {
    let world = World::new();
    world.fetch("a/m@1", None).await.unwrap();
    let sent = world.hub.sent();
    let error = world.fetch("a/m@2", Some(MODEL - 1)).await.unwrap_err();
    assert_eq!(error.code(), "XE-114");
    assert_eq!(world.hub.sent(), sent);
    assert_eq!(world.models(), ["a/m@1"], "nothing is evicted for what cannot fit");
}

#[tokio::test]
async fn what_was_used_least_recently_goes_first_and_no_more_than_needed() {
    let world = World::new();
    let used = world.three().await;
    world.set_used("a/m@1", 25);
    world.fetch("a/m@4", Some(used + 600)).await.unwrap();
    assert_eq!(world.models(), ["a/m@1", "a/m@3", "a/m@4"]);
    assert!(!world.record("a/m@2").exists());
    assert!(world.cache(None).used().unwrap() <= used + 600);
}

#[tokio::test]
async fn what_is_pinned_in_use_or_not_ours_stays_even_if_nothing_else_can_go() {
    let world = World::new();
    let used = world.three().await;
    world.cache(None).pin(&"a/m@1".parse().unwrap()).unwrap();
    let lease = world.lease("a/m@2");
    // A model without a record was put there by somebody else.
    fs::remove_file(world.record("a/m@3")).unwrap();
    let sent = world.hub.sent();
    let error = world.fetch("a/m@4", Some(used)).await.unwrap_err();
    assert_eq!(error.code(), "XE-115");
    assert!(error.to_string().contains("only 0 may be evicted"), "{error}");
    assert_eq!(world.hub.sent(), sent);
    let (evicted, _) = world.cache(None).prune(Some(0)).unwrap();
    assert_eq!(evicted, []);
    for (name, code) in [("a/m@1", "XE-119"), ("a/m@2", "XE-118"), ("a/m@3", "XE-123"), ("a/m@9", "XE-121")] {
        assert_eq!(world.cache(None).remove(&name.parse().unwrap()).unwrap_err().code(), code, "{name}");
    }
    assert_eq!(world.models(), ["a/m@1", "a/m@2", "a/m@3"]);
    drop(lease);
    world.set_used("a/m@2", 1);
    world.fetch("a/m@4", Some(used + 600)).await.unwrap();
    assert_eq!(world.models(), ["a/m@1", "a/m@3", "a/m@4"]);
}

#[tokio::test]
async fn running_a_model_is_using_it() {
    let world = World::new();
    world.three().await;
    drop(world.lease("a/m@1"));
    assert!(world.used("a/m@1") > 1_000_000, "the use is on disk");
    let (evicted, freed) = world.cache(None).prune(Some(MODEL * 2)).unwrap();
    assert_eq!(evicted.iter().map(ToString::to_string).collect::<Vec<_>>(), ["a/m@2", "a/m@3"]);
    assert!(freed >= 2 * MODEL);
}

#[tokio::test]
async fn a_model_that_is_offered_stays_and_was_not_used() {
    let world = World::new();
    world.three().await;
    let store = ModelStore::open(world.root.path()).unwrap();
    let held: Vec<_> =
        store.installed().map(|model| ModelLease::hold(world.root.path(), model).unwrap().unwrap()).collect();
    assert_eq!(world.cache(None).prune(Some(0)).unwrap().0, []);
    assert!(world.cache(None).list().unwrap().iter().all(|model| model.in_use));
    assert_eq!((world.used("a/m@1"), world.used("a/m@3")), (10, 30));
    drop(held);
    assert_eq!(world.cache(None).prune(Some(0)).unwrap().0.len(), 3);
}

#[tokio::test]
async fn everything_below_the_folder_counts() {
    let world = World::new();
    world.fetch("a/m@1", None).await.unwrap();
    let used = world.cache(None).used().unwrap();
    fs::write(world.root.path().join("stray"), vec![0; 5000]).unwrap();
    assert_eq!(world.cache(None).used().unwrap(), used + 5000);
    assert_eq!(world.fetch("a/m@2", Some(2 * MODEL + 2000)).await.unwrap().model.as_str(), "a/m@2");
    assert_eq!(world.models(), ["a/m@2"]);
}

#[tokio::test]
async fn what_is_left_of_a_broken_fetch_goes_before_a_model() {
    let world = World::new();
    world.fetch("a/m@1", None).await.unwrap();
    let left = world.root.path().join(".store/staging/b/x@1/parts");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("y.part"), vec![0; 5000]).unwrap();
    let budget = 2 * MODEL + 3000;
    world.fetch("a/m@2", Some(budget)).await.unwrap();
    assert_eq!(world.models(), ["a/m@1", "a/m@2"]);
    assert!(!left.exists());
}

#[tokio::test]
async fn a_pin_fetches_the_same_bytes_elsewhere_and_refuses_others() {
    let (world, other) = (World::new(), tempfile::tempdir().unwrap());
    world.fetch("a/m@1", None).await.unwrap();
    world.cache(None).pin(&"a/m@1".parse().unwrap()).unwrap();
    fs::copy(world.root.path().join("pins.json"), other.path().join("pins.json")).unwrap();
    let listings = world.hub.listings();
    let fetch = async |root: &Path| {
        let fetcher = Fetcher::new(ModelCache::open(root, None)?, FetchConfig::new(world.hub.url.clone()))?;
        let source: xenon_executor::model::fetch::Source = "org/other".parse()?;
        let request = FetchRequest { name: Some("a/m@1".parse().unwrap()), ..FetchRequest::from(source) };
        fetcher.fetch(&request, &|_| {}).await
    };
    fetch(other.path()).await.unwrap();
    assert_eq!(world.hub.listings(), listings, "a pin says everything");
    for file in ["config.json", "tokenizer.json", "model.onnx"] {
        let read = |root: &Path| fs::read(root.join("a/m@1").join(file)).unwrap();
        assert_eq!(read(other.path()), read(world.root.path()));
    }
    // The hub now serves another file under the same commit.
    let third = tempfile::tempdir().unwrap();
    fs::copy(world.root.path().join("pins.json"), third.path().join("pins.json")).unwrap();
    world.hub.put("model.onnx", bytes(3000, 9));
    assert_eq!(fetch(third.path()).await.unwrap_err().code(), "XE-108");
    assert!(ModelStore::open(third.path()).unwrap().models().next().is_none());
}

#[tokio::test]
async fn a_pinned_model_that_was_changed_is_refused() {
    let world = World::new();
    let model = "a/m@1".parse().unwrap();
    world.fetch("a/m@1", None).await.unwrap();
    world.cache(None).pin(&model).unwrap();
    let folder = world.root.path().join("a/m@1");
    fs::write(folder.join("config.json"), "{}").unwrap();
    assert_eq!(world.cache(None).verify(&model).unwrap_err().code(), "XE-026");
    Manifest::describe(&ModelFolder::open(&folder).unwrap(), model.clone()).unwrap().write(&folder).unwrap();
    assert_eq!(world.cache(None).verify(&model).unwrap_err().code(), "XE-120");
    assert_eq!(world.fetch("a/m@1", None).await.unwrap_err().code(), "XE-120");
    world.cache(None).unpin(&model).unwrap();
    world.cache(None).verify(&model).unwrap();
}

#[tokio::test]
async fn a_crash_while_evicting_leaves_no_half_model() {
    let world = World::new();
    world.fetch("a/m@1", None).await.unwrap();
    // What a crash leaves: the folder is in the trash, half deleted.
    let trash = world.root.path().join(".store/trash/x/folder");
    fs::create_dir_all(trash.parent().unwrap()).unwrap();
    fs::rename(world.root.path().join("a/m@1"), &trash).unwrap();
    fs::remove_file(trash.join("model.onnx")).unwrap();
    assert_eq!(world.models(), Vec::<String>::new());
    assert!(!world.fetch("a/m@1", None).await.unwrap().present);
    world.cache(None).verify(&"a/m@1".parse().unwrap()).unwrap();
    assert!(!trash.exists());
}

#[tokio::test]
async fn a_crash_while_installing_costs_no_byte() {
    let world = World::new();
    world.fetch("a/m@1", None).await.unwrap();
    let (sent, staging) = (world.hub.sent(), world.root.path().join(".store/staging/a/m@1"));
    // What a crash leaves before the last step: the files in place, no model.
    fs::create_dir_all(&staging).unwrap();
    fs::rename(world.root.path().join("a/m@1"), staging.join("files")).unwrap();
    fs::remove_file(staging.join("files/xenon.json")).unwrap();
    assert_eq!(world.models(), Vec::<String>::new());
    assert!(!world.fetch("a/m@1", None).await.unwrap().present);
    assert_eq!(world.hub.sent(), sent);
    world.cache(None).verify(&"a/m@1".parse().unwrap()).unwrap();
}

#[tokio::test]
async fn a_lease_on_a_model_that_was_evicted_is_an_error() {
    let world = World::new();
    world.fetch("a/m@1", None).await.unwrap();
    let store = ModelStore::open(world.root.path()).unwrap();
    let installed = store.find(&"a/m@1".parse().unwrap()).unwrap().clone();
    let folder = world.root.path().join("a/m@1");
    fs::remove_dir_all(folder).unwrap();
    assert_eq!(ModelLease::take(world.root.path(), &installed).unwrap_err().code(), "XE-121");
}

#[test]
fn every_kind_of_model_is_verified_and_pinned_and_a_changed_byte_is_found() {
    let root = tiny_pipelines::install(&["plain"]);
    tiny_pipelines::install_lora(&root, "whole");
    let cache = ModelCache::open(root.path(), None).unwrap();
    for (name, file) in [("tiny/plain@1", "plain/unet/model.onnx"), ("tiny/whole@1", "whole/whole.safetensors")] {
        let model = name.parse().unwrap();
        cache.verify(&model).unwrap();
        let pin = cache.pin(&model).unwrap();
        assert!(pin.files.keys().any(|listed| file.ends_with(listed)), "{file}");
        let path = root.path().join(file);
        let mut content = fs::read(&path).unwrap();
        *content.last_mut().unwrap() ^= 1;
        fs::write(path, content).unwrap();
        for error in [cache.verify(&model).unwrap_err(), cache.pin(&model).unwrap_err()] {
            assert_eq!(error.code(), "XE-026", "{name}");
        }
    }
}
