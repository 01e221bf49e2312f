//! Whatever a server does, a model is installed to the byte or not at all, and no byte that arrived is fetched again.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod hub;

use std::{fs, path::Path, sync::Mutex, time::Duration};

use hub::{COMMIT, Hub, MODEL, Trouble, bytes};
use proptest::{prelude::*, test_runner::TestCaseError};
use xenon_executor::{
    ExecutorError,
    model::{
        Manifest, ModelCache, ModelStore,
        fetch::{FetchConfig, FetchEvent, FetchRequest, Fetched, Fetcher, HubToken, Precision, RetryPolicy, Selection},
    },
};

const GRAPH: usize = 5000;

fn model_files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("README.md", b"not needed".to_vec()),
        ("config.json", b"{\"n_positions\": 8}".to_vec()),
        ("tokenizer.json", bytes(1500, 1)),
        ("onnx/model.onnx", bytes(GRAPH, 2)),
        ("onnx/model.onnx_data", bytes(3000, 3)),
        ("onnx/model_q4.onnx", bytes(2000, 4)),
    ]
}

/// Bytes of the files that are fetched when nothing is chosen.
const NEEDED: u64 = 18 + 1500 + 5000 + 3000;

fn policy() -> RetryPolicy {
    RetryPolicy {
        repetitions: 3,
        progress: 1,
        first_pause: Duration::ZERO,
        longest_pause: Duration::ZERO,
        ..RetryPolicy::default()
    }
}

fn config(hub: &Hub) -> FetchConfig {
    // One file at a time, so that the server's answers meet the same files in every run.
    FetchConfig { policy: policy(), parallel: std::num::NonZeroUsize::MIN, ..FetchConfig::new(hub.url.clone()) }
}

async fn fetch(config: FetchConfig, root: &Path, source: &str) -> Result<Fetched, ExecutorError> {
    let fetcher = Fetcher::new(ModelCache::open(root, None)?, config)?;
    fetcher.fetch(&FetchRequest::from(source.parse::<xenon_executor::model::fetch::Source>()?), &|_| {}).await
}

async fn fetch_model(hub: &Hub, root: &Path) -> Result<Fetched, ExecutorError> {
    fetch(config(hub), root, "org/model").await
}

/// The model is there, to the byte, with a manifest that says so.
fn is_exact(root: &Path) -> bool {
    let folder = root.join(MODEL);
    let wanted = |(path, _): &&(&str, Vec<u8>)| !path.contains("q4") && !path.contains("README");
    let files = model_files();
    let same = files.iter().filter(wanted).all(|(path, content)| fs::read(folder.join(path)).unwrap() == *content);
    let listed = Manifest::read(&folder).unwrap().files.len();
    same && listed == 4 && ModelCache::open(root, None).unwrap().verify(&MODEL.parse().unwrap()).is_ok()
}

/// There is no model, and nothing outside the store's own folder that could pass for one.
fn is_absent(root: &Path) -> bool {
    let empty = ModelStore::open(root).unwrap().models().next().is_none();
    empty && !root.join(MODEL).exists()
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let within = 0..GRAPH as u64 + 10;
    prop_oneof![
        4 => within.clone().prop_map(Trouble::Cut),
        2 => within.clone().prop_map(Trouble::CutWithoutLength),
        2 => within.prop_map(Trouble::IgnoreRange),
        1 => Just(Trouble::None),
        1 => Just(Trouble::NoLength),
        1 => (1..100_u64).prop_map(Trouble::TooShort),
        1 => (1..100_u64).prop_map(Trouble::TooLong),
        1 => (1..100_u64).prop_map(Trouble::TooLongWithoutLength),
        1 => (1..100_u64).prop_map(Trouble::OtherRange),
        1 => Just(Trouble::OtherContent),
        1 => Just(Trouble::WrongBytes),
        1 => Just(Trouble::Garbage),
        2 => prop::sample::select(vec![404, 429, 500, 503, 416, 206, 301, 204]).prop_map(|status| Trouble::Status(status, None)),
    ]
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_server_does_the_model_is_exact_or_absent(troubles in prop::collection::vec(trouble(), 0..24)) {
        let (hub, root) = (Hub::start(&model_files()), tempfile::tempdir().unwrap());
        hub.trouble(troubles);
        run(async {
            // Trouble ends, so some fetch succeeds; what every one before it leaves behind must be harmless.
            for _ in 0..25 {
                match fetch_model(&hub, root.path()).await {
                    Ok(_) => {
                        prop_assert!(is_exact(root.path()));
                        return Ok(());
                    }
                    Err(error) => {
                        prop_assert!(error.to_string().starts_with("XE-1"), "{error}");
                        prop_assert!(is_absent(root.path()), "{error}");
                    }
                }
            }
            Err(TestCaseError::fail("the model was never installed"))
        })?;
    }

    #[test]
    fn a_line_that_breaks_costs_no_byte_twice(cuts in prop::collection::vec(0..GRAPH as u64, 0..24)) {
        let (hub, root) = (Hub::start(&model_files()), tempfile::tempdir().unwrap());
        hub.trouble(cuts.into_iter().map(Trouble::Cut));
        run(async {
            while let Err(error) = fetch_model(&hub, root.path()).await {
                prop_assert_eq!(error.code(), "XE-109");
                prop_assert!(is_absent(root.path()));
            }
            prop_assert!(is_exact(root.path()));
            prop_assert_eq!(hub.sent(), NEEDED);
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn a_refusal_is_told_apart_from_a_failure() {
    let status = |status, wait| Trouble::Status(status, wait);
    for (trouble, code, requests) in [
        (vec![status(404, None)], "XE-102", 1),
        (vec![status(403, None)], "XE-103", 1),
        (vec![status(429, Some("86400"))], "XE-104", 1),
        (vec![status(429, Some("0")); 9], "XE-104", 4),
        (vec![status(500, None); 9], "XE-105", 4),
        (vec![Trouble::TooLong(1)], "XE-107", 1),
        (vec![Trouble::TooShort(1)], "XE-107", 1),
        (vec![Trouble::TooLongWithoutLength(1)], "XE-107", 1),
        (vec![Trouble::WrongBytes; 9], "XE-108", 1),
        (vec![Trouble::Cut(0); 9], "XE-109", 4),
        (vec![Trouble::Garbage; 9], "XE-101", 4),
    ] {
        let (hub, root) = (Hub::start(&model_files()), tempfile::tempdir().unwrap());
        hub.trouble(trouble.clone());
        let error = fetch_model(&hub, root.path()).await.unwrap_err();
        assert_eq!(error.code(), code, "{trouble:?}: {error}");
        assert_eq!(hub.served().len(), requests, "{trouble:?}");
        assert!(is_absent(root.path()));
    }
}

#[tokio::test]
async fn a_listing_that_fails_is_asked_for_again_and_one_that_lies_is_refused() {
    let status = |status| Trouble::Status(status, None);
    for (troubles, code) in [
        (vec![status(404)], Some("XE-102")),
        (vec![status(401)], Some("XE-103")),
        (vec![status(500); 9], Some("XE-105")),
        (vec![Trouble::WrongBytes], Some("XE-106")),
        (vec![Trouble::Cut(0); 9], Some("XE-101")),
        (vec![status(500), Trouble::Cut(0), Trouble::Garbage], None),
        (vec![Trouble::None, status(503), status(429)], None),
    ] {
        let (hub, root) = (Hub::start(&model_files()), tempfile::tempdir().unwrap());
        hub.listing_trouble(troubles.clone());
        let outcome = fetch_model(&hub, root.path()).await;
        assert_eq!(outcome.as_ref().err().map(ExecutorError::code), code, "{troubles:?}: {outcome:?}");
        assert_eq!(is_absent(root.path()), code.is_some());
    }
}

#[tokio::test]
async fn a_listing_that_leads_out_of_the_folder_is_refused() {
    for path in ["../../evil", "/etc/evil", "onnx/../../../evil", "a\\..\\evil"] {
        let (hub, root) = (Hub::start(&model_files()), tempfile::tempdir().unwrap());
        hub.list(path, 1, &hub::git_hash(b"x"));
        let error = fetch_model(&hub, root.path()).await.unwrap_err();
        assert_eq!(error.code(), "XE-110", "{path}");
        assert_eq!(hub.served(), [], "nothing is fetched from such a source");
    }
}

#[tokio::test]
async fn a_hash_that_is_none_is_refused() {
    for oid in ["", "../../../x", "0123"] {
        let (hub, root) = (Hub::start(&model_files()), tempfile::tempdir().unwrap());
        hub.list("onnx/model.onnx.data", 1, oid);
        assert_eq!(fetch_model(&hub, root.path()).await.unwrap_err().code(), "XE-106", "{oid}");
        hub.set_commit("main");
        assert_eq!(fetch_model(&hub, root.path()).await.unwrap_err().code(), "XE-106");
    }
}

#[tokio::test]
async fn only_the_files_of_the_variant_are_fetched() {
    let (hub, root) = (Hub::start(&model_files()), tempfile::tempdir().unwrap());
    let fetcher = Fetcher::new(ModelCache::open(root.path(), None).unwrap(), config(&hub)).unwrap();
    let selection = Selection { variants: vec![Precision::Q4], ..Selection::default() };
    let request = FetchRequest { source: "org/model".parse().unwrap(), selection, name: None };
    fetcher.fetch(&request, &|_| {}).await.unwrap();
    let paths: Vec<_> = hub.served().into_iter().map(|served| served.path).collect();
    assert_eq!(paths, ["config.json", "onnx/model_q4.onnx", "tokenizer.json"]);
    // The other variant would be another set of files under the same name.
    assert_eq!(fetch_model(&hub, root.path()).await.unwrap_err().code(), "XE-122");
}

#[tokio::test]
async fn a_long_listing_comes_in_pages() {
    let (hub, root) = (Hub::start(&model_files()), tempfile::tempdir().unwrap());
    hub.list_in_pages_of(2);
    fetch_model(&hub, root.path()).await.unwrap();
    assert!(is_exact(root.path()));
    assert_eq!(hub.listings(), 1 + 4);
}

#[tokio::test]
async fn what_is_installed_under_its_commit_is_not_asked_for_again() {
    let (hub, root) = (Hub::start(&model_files()), tempfile::tempdir().unwrap());
    assert!(!fetch_model(&hub, root.path()).await.unwrap().present);
    let listings = hub.listings();
    let exact = format!("org/model@{COMMIT}");
    assert!(fetch(config(&hub), root.path(), &exact).await.unwrap().present);
    assert_eq!(hub.listings(), listings);
    // A branch may have moved, so it is asked about; the files are not fetched again.
    assert!(fetch(config(&hub), root.path(), "org/model@main").await.unwrap().present);
    assert_eq!((hub.listings(), hub.sent()), (listings + 2, NEEDED));
}

#[tokio::test]
async fn a_name_that_is_taken_by_another_content_is_refused() {
    let (hub, root) = (Hub::start(&model_files()), tempfile::tempdir().unwrap());
    let fetch_from = async |offline, hub: &Hub, source: &str| {
        let config = FetchConfig { offline, ..config(hub) };
        let fetcher = Fetcher::new(ModelCache::open(root.path(), None).unwrap(), config).unwrap();
        let source: xenon_executor::model::fetch::Source = source.parse().unwrap();
        let name = Some("a/m@1".parse().unwrap());
        fetcher.fetch(&FetchRequest { name, ..FetchRequest::from(source) }, &|_| {}).await
    };
    fetch_from(false, &hub, "org/model").await.unwrap();
    // The commit that it came from, and a branch with the same files, are no other content.
    for same in [MODEL, "org/model", "org/model@main"] {
        assert!(fetch_from(false, &hub, same).await.unwrap().present, "{same}");
    }
    assert_eq!(fetch_from(true, &hub, "org/other").await.unwrap_err().code(), "XE-122");
    for changed in ["config.json", "onnx/model.onnx"] {
        let mut files = model_files();
        let content = &mut files.iter_mut().find(|(path, _)| *path == changed).unwrap().1;
        *content.last_mut().unwrap() ^= 1;
        let error = fetch_from(false, &Hub::start(&files), "org/model@main").await.unwrap_err();
        assert_eq!(error.code(), "XE-122", "{error}");
        assert!(error.to_string().contains(&format!("with another {changed}")), "{error}");
    }
}

#[tokio::test]
async fn offline_needs_no_network_and_names_what_is_missing() {
    let (hub, root) = (Hub::start(&model_files()), tempfile::tempdir().unwrap());
    let offline = || FetchConfig { offline: true, ..config(&hub) };
    let error = fetch(offline(), root.path(), "org/model").await.unwrap_err();
    assert_eq!(error.code(), "XE-113");
    assert!(error.to_string().contains("org/model"), "{error}");
    assert_eq!(hub.listings(), 0);
    fetch(config(&hub), root.path(), "org/model@main").await.unwrap();
    let listings = hub.listings();
    for known in ["org/model@main", "org/model", MODEL] {
        assert!(fetch(offline(), root.path(), known).await.unwrap().present, "{known}");
    }
    let other = "org/model@76543210fedcba9876543210fedcba9876543210";
    assert_eq!(fetch(offline(), root.path(), other).await.unwrap_err().code(), "XE-113");
    assert_eq!(hub.listings(), listings);
}

#[tokio::test]
async fn fetches_of_one_model_share_the_work() {
    let (hub, root) = (Hub::start(&model_files()), tempfile::tempdir().unwrap());
    hub.trouble([Trouble::Cut(10), Trouble::Cut(20), Trouble::Cut(30)]);
    let one = || fetch_model(&hub, root.path());
    let outcomes = futures::future::join_all([one(), one(), one(), one()]).await;
    let present = outcomes.into_iter().filter(|outcome| outcome.as_ref().unwrap().present).count();
    assert_eq!(present, 3);
    assert_eq!(hub.sent(), NEEDED);
    assert!(is_exact(root.path()));
}

#[tokio::test]
async fn a_fetch_that_is_dropped_in_the_middle_goes_on_from_there() {
    let (hub, root) = (Hub::start(&model_files()), tempfile::tempdir().unwrap());
    let fetcher = Fetcher::new(ModelCache::open(root.path(), None).unwrap(), config(&hub)).unwrap();
    let request = FetchRequest::from("org/model".parse::<xenon_executor::model::fetch::Source>().unwrap());
    hub.trouble([Trouble::None, Trouble::Cut(1234)]);
    let broken = tokio::sync::Notify::new();
    let report = |event: FetchEvent<'_>| {
        if matches!(event, FetchEvent::Pausing { .. }) {
            broken.notify_one();
        }
    };
    tokio::select! {
        biased;
        () = broken.notified() => {}
        outcome = fetcher.fetch(&request, &report) => panic!("{outcome:?}"),
    }
    assert!(is_absent(root.path()));
    fetcher.fetch(&request, &|_| {}).await.unwrap();
    assert!(is_exact(root.path()));
    assert!(hub.served().iter().any(|served| served.start == 1234), "{:?}", hub.served());
}

#[tokio::test]
async fn the_progress_that_is_reported_adds_up() {
    let (hub, root) = (Hub::start(&model_files()), tempfile::tempdir().unwrap());
    hub.trouble([Trouble::Cut(5), Trouble::IgnoreRange(9), Trouble::OtherRange(1), Trouble::WrongBytes]);
    let sum = Mutex::new(0_i64);
    let report = |event: FetchEvent<'_>| {
        let change = match event {
            FetchEvent::Begin { have, .. } => have.cast_signed(),
            FetchEvent::Received { bytes, .. } => bytes.cast_signed(),
            FetchEvent::Restarted { lost, .. } => -lost.cast_signed(),
            _ => 0,
        };
        *sum.lock().unwrap() += change;
    };
    let fetcher = Fetcher::new(ModelCache::open(root.path(), None).unwrap(), config(&hub)).unwrap();
    let request = FetchRequest::from("org/model".parse::<xenon_executor::model::fetch::Source>().unwrap());
    while fetcher.fetch(&request, &report).await.is_err() {
        *sum.lock().unwrap() = 0;
    }
    assert_eq!(*sum.lock().unwrap(), NEEDED.cast_signed());
}

#[tokio::test]
async fn a_manifest_on_a_web_server_is_a_source() {
    let (hub, root) = (Hub::start(&model_files()), tempfile::tempdir().unwrap());
    let record = |content: &[u8]| serde_json::json!({"size": content.len(), "sha256": hub::sha256(content)});
    let files: serde_json::Map<_, _> =
        model_files()[1..5].iter().map(|(path, content)| ((*path).to_owned(), record(content))).collect();
    let manifest =
        |files: &serde_json::Map<_, _>| serde_json::json!({"model": MODEL, "files": files}).to_string().into_bytes();
    let url = format!("{}folder", hub.url);
    hub.put("xenon.json", manifest(&files));
    hub.trouble([Trouble::None, Trouble::Cut(3)]);
    fetch(config(&hub), root.path(), &url).await.unwrap();
    assert!(is_exact(root.path()));
    let mut evil = files.clone();
    evil.insert(String::from("../evil"), record(b"x"));
    hub.put("xenon.json", manifest(&evil));
    let other = tempfile::tempdir().unwrap();
    assert_eq!(fetch(config(&hub), other.path(), &url).await.unwrap_err().code(), "XE-110");
    assert!(is_absent(other.path()));
}

#[tokio::test]
async fn a_token_is_sent_to_the_hub_and_never_shown() {
    let (hub, root) = (Hub::start(&model_files()), tempfile::tempdir().unwrap());
    let config = FetchConfig { token: HubToken::new("hf_secret"), ..config(&hub) };
    assert!(!format!("{config:?}").contains("hf_secret"));
    hub.trouble([Trouble::Status(403, None)]);
    let error = fetch(config.clone(), root.path(), "org/model").await.unwrap_err();
    assert!(!error.to_string().contains("hf_secret"));
    fetch(config, root.path(), "org/model").await.unwrap();
    assert!(hub.served().iter().all(|served| served.authorization.as_deref() == Some("Bearer hf_secret")));
    // A web server that is not the hub is not shown the token.
    let (other, hub) = (Hub::start(&model_files()), Hub::start(&[]));
    other.put("xenon.json", serde_json::json!({"model": MODEL, "files": {}}).to_string().into_bytes());
    let config = FetchConfig { token: HubToken::new("hf_secret"), ..self::config(&hub) };
    let _ = fetch(config, tempfile::tempdir().unwrap().path(), &format!("{}folder", other.url)).await;
    assert!(other.served().iter().all(|served| served.authorization.is_none()) && !other.served().is_empty());
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_in_the_way_is_not_followed() {
    let (hub, root, outside) = (Hub::start(&model_files()), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (victim, parts) = (outside.path().join("victim"), root.path().join(".store/staging").join(MODEL).join("parts"));
    fs::write(&victim, "precious").unwrap();
    fs::create_dir_all(&parts).unwrap();
    let graph = hub::sha256(&bytes(GRAPH, 2));
    for name in [format!("{graph}.part"), format!("{graph}.etag")] {
        std::os::unix::fs::symlink(&victim, parts.join(name)).unwrap();
    }
    fetch_model(&hub, root.path()).await.unwrap();
    assert!(is_exact(root.path()));
    assert_eq!(fs::read_to_string(victim).unwrap(), "precious");
}

#[tokio::test]
async fn a_folder_that_somebody_else_made_is_left_alone() {
    let (hub, root) = (Hub::start(&model_files()), tempfile::tempdir().unwrap());
    fs::create_dir_all(root.path().join(MODEL)).unwrap();
    fs::write(root.path().join(MODEL).join("mine"), "precious").unwrap();
    assert_eq!(fetch_model(&hub, root.path()).await.unwrap_err().code(), "XE-123");
    assert_eq!(hub.served(), []);
    assert!(root.path().join(MODEL).join("mine").is_file());
}
