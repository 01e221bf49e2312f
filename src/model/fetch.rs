//! `xenon model fetch`, and what a node fetches before it works.

use std::{env, path::Path};

use bytesize::ByteSize;
use eyre::Result;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::task::spawn_blocking;
use url::Url;
use xenon_executor::{
    ExecutorError,
    model::{
        ModelCache, ModelLease, ModelStore, StoreError,
        fetch::{
            DEFAULT_ENDPOINT, FetchConfig, FetchEvent, FetchRequest, Fetched, Fetcher, HubToken, Selection, Source,
        },
    },
};
use xenon_protocol::task::ModelId;

use super::{args::FetchArgs, open};
use crate::{
    error::CliError,
    settings::{ChosenModel, ModelsSettings, Prefetch, Settings},
};

/// The environment variable that holds the token of the hub. It is no setting, so that it is never printed.
const TOKEN: &str = "HF_TOKEN";
/// The environment variable by which other programs name the hub.
const ENDPOINT: &str = "HF_ENDPOINT";

/// Fetches what is named.
pub(super) async fn run(args: &FetchArgs, settings: &Settings) -> Result<()> {
    let store = open(&args.models.models, settings)?;
    let mut config = config(&settings.models)?;
    config.offline |= args.offline;
    let client = Fetcher::new(store.clone(), config)?;
    for request in if args.pinned { pinned(&store)? } else { named(args)? } {
        let bar = bar();
        let fetched = client.fetch(&request, &|event| show(&bar, event)).await;
        bar.finish_and_clear();
        println!("{}", result(&fetched?, args.json));
    }
    Ok(())
}

fn named(args: &FetchArgs) -> Result<Vec<FetchRequest>> {
    let selection = Selection {
        variants: args.variants.clone(),
        folder: args.folder.clone(),
        include: Selection::patterns(args.include.iter().map(String::as_str))?,
    };
    let request = |source: &String| -> Result<FetchRequest> {
        Ok(FetchRequest { source: source.parse()?, selection: selection.clone(), name: args.name.clone() })
    };
    args.sources.iter().map(request).collect()
}

fn pinned(store: &ModelCache) -> Result<Vec<FetchRequest>> {
    let pins = store.pins()?.models.into_iter();
    // One that was put there by hand is found by its name; its source is never asked for.
    let request = |(name, pin): (_, xenon_executor::model::Pin)| {
        let source: Source = pin.source.as_deref().unwrap_or(DEFAULT_SOURCE).parse()?;
        Ok(FetchRequest { name: Some(name), ..FetchRequest::from(source) })
    };
    pins.map(request).collect()
}

/// Stands for the source of a model that was put there by hand.
const DEFAULT_SOURCE: &str = "put/there-by-hand";

fn result(fetched: &Fetched, as_json: bool) -> String {
    let Fetched { model, folder, present } = fetched;
    if as_json {
        return json!({"model": model, "folder": folder, "present": present}).to_string();
    }
    let what = if *present { "already there" } else { "fetched" };
    format!("{model}: {what}, {}", folder.display())
}

/// Fetches and checks the models of the configuration. As long as the leases are held, none of them is evicted, not even
/// for the next one.
pub(crate) async fn prefetch(models: &Path, settings: &Settings) -> Result<Vec<ModelLease>> {
    let mut leases = Vec::new();
    if settings.models.prefetch.is_empty() {
        return Ok(leases);
    }
    let store = open(models, settings)?;
    let config = config(&settings.models)?;
    for wanted in &settings.models.prefetch {
        let model = fetch_or_find(&store, &config, &request(wanted)?).await?;
        leases.extend(ModelLease::hold(store.root(), ModelStore::open(store.root())?.find(&model)?)?);
        let (store, checked) = (store.clone(), model.clone());
        spawn_blocking(move || store.verify(&checked)).await??;
        tracing::info!(%model, "the model is complete and checked");
    }
    Ok(leases)
}

/// Fetches a model. When the hub does not serve it, what came of the same source before will do.
async fn fetch_or_find(store: &ModelCache, config: &FetchConfig, request: &FetchRequest) -> Result<ModelId> {
    let failure = match Fetcher::new(store.clone(), config.clone())?.fetch(request, &|event| log(event)).await {
        Ok(fetched) => return Ok(fetched.model),
        Err(failure) => failure,
    };
    let offline = FetchConfig { offline: true, ..config.clone() };
    match Fetcher::new(store.clone(), offline)?.fetch(request, &|event| log(event)).await {
        Ok(Fetched { model, .. }) if is_of_the_hub(&failure) => {
            tracing::warn!(%model, error = %failure, "the hub was not asked for news, the installed model is used");
            Ok(model)
        }
        _ => Err(failure.into()),
    }
}

/// Whether a failure is the hub's, or the line's to it, and says nothing about the model that is installed.
const fn is_of_the_hub(error: &ExecutorError) -> bool {
    use StoreError as Store;
    matches!(
        error,
        ExecutorError::Store(
            Store::Unreachable { .. }
                | Store::NotFound { .. }
                | Store::Forbidden { .. }
                | Store::RateLimited { .. }
                | Store::ServerFailed { .. }
                | Store::AnswerInvalid { .. }
                | Store::Interrupted { .. }
        )
    )
}

/// Says that a node offers its models: as long as this is held, none of them is evicted.
pub(crate) fn offer(models: &Path) -> Result<Vec<ModelLease>> {
    let store = ModelStore::open(models)?;
    let leases: Result<Vec<_>, _> = store.installed().map(|model| ModelLease::hold(models, model)).collect();
    Ok(leases?.into_iter().flatten().collect())
}

fn request(wanted: &Prefetch) -> Result<FetchRequest> {
    match wanted {
        Prefetch::Source(source) => Ok(FetchRequest::from(source.parse::<Source>()?)),
        Prefetch::Chosen(chosen) => chosen_request(chosen),
    }
}

fn chosen_request(chosen: &ChosenModel) -> Result<FetchRequest> {
    let variants = chosen.variants.iter().map(|name| name.parse().map_err(CliError::BadVariant));
    let selection = Selection {
        variants: variants.collect::<Result<_, _>>()?,
        folder: chosen.folder.clone(),
        include: Selection::patterns(chosen.include.iter().map(String::as_str))?,
    };
    let name = chosen.name.as_deref().map(str::parse).transpose()?;
    Ok(FetchRequest { source: chosen.source.parse()?, selection, name })
}

/// How to fetch: the configuration, what other programs of the hub read from the environment, and the token.
fn config(settings: &ModelsSettings) -> Result<FetchConfig> {
    let token = env::var(TOKEN).ok().and_then(|token| HubToken::new(&token));
    Ok(FetchConfig { token, offline: settings.offline, ..FetchConfig::new(endpoint(settings)?) })
}

fn endpoint(settings: &ModelsSettings) -> Result<Url, CliError> {
    if let Some(endpoint) = &settings.endpoint {
        return Ok(endpoint.clone());
    }
    let variable = env::var(ENDPOINT).ok().filter(|address| !address.is_empty());
    let address = variable.as_deref().unwrap_or(DEFAULT_ENDPOINT);
    let bad = |reason: String| CliError::BadAddress { variable: ENDPOINT, reason };
    let url: Url = address.parse().map_err(|error: url::ParseError| bad(error.to_string()))?;
    if url.has_host() { Ok(url) } else { Err(bad(String::from("it has no host"))) }
}

fn bar() -> ProgressBar {
    let template = "{msg:40!} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}

fn show(bar: &ProgressBar, event: FetchEvent<'_>) {
    match event {
        FetchEvent::Waiting { model } => bar.set_message(format!("waiting for another fetch of {model}")),
        FetchEvent::Begin { plan, have } => {
            bar.set_length(plan.size());
            bar.set_position(have);
            bar.reset_eta();
        }
        FetchEvent::Received { file, bytes } => {
            bar.set_message(file.to_string());
            bar.inc(bytes);
        }
        FetchEvent::Restarted { lost, .. } => bar.set_position(bar.position().saturating_sub(lost)),
        FetchEvent::Pausing { error, .. } => bar.suspend(|| log_pause(error)),
        FetchEvent::Verifying { file } => bar.set_message(format!("checking {file}")),
    }
}

#[allow(clippy::print_stderr, reason = "the user waits and should know for what")]
fn log_pause(error: &impl std::fmt::Display) {
    eprintln!("trying again: {error}");
}

fn log(event: FetchEvent<'_>) {
    match event {
        FetchEvent::Waiting { model } => tracing::info!(%model, "waiting for another process that fetches it"),
        FetchEvent::Begin { plan, have } => {
            tracing::info!(model = %plan.model, size = %ByteSize(plan.size()), have = %ByteSize(have), "fetching");
        }
        FetchEvent::Pausing { file, error } => tracing::warn!(%file, %error, "trying again"),
        FetchEvent::Received { .. } | FetchEvent::Restarted { .. } | FetchEvent::Verifying { .. } => {}
    }
}

#[cfg(test)]
#[path = "../../executor/tests/hub/mod.rs"]
mod hub;

#[cfg(test)]
mod tests {
    use bytesize::ByteSize;

    use super::{
        hub::{Hub, Trouble, bytes},
        *,
    };

    fn hub() -> Hub {
        let config = b"{\"n_positions\": 8}".to_vec();
        Hub::start(&[("config.json", config), ("tokenizer.json", bytes(1000, 1)), ("model.onnx", bytes(3000, 2))])
    }

    fn settings(endpoint: Url, prefetch: Vec<Prefetch>, budget: Option<u64>) -> Settings {
        let models =
            ModelsSettings { endpoint: Some(endpoint), offline: false, budget: budget.map(ByteSize), prefetch };
        Settings { models, ..Settings::default() }
    }

    fn named(name: &str) -> Prefetch {
        let (variants, include, folder) = (Vec::new(), Vec::new(), String::new());
        Prefetch::Chosen(ChosenModel {
            source: String::from("org/model"),
            variants,
            folder,
            include,
            name: Some(name.to_owned()),
        })
    }

    #[tokio::test]
    async fn an_installed_model_is_used_while_the_hub_does_not_serve_it_and_only_then() {
        let (hub, root) = (hub(), tempfile::tempdir().unwrap());
        let settings = settings(hub.url.clone(), vec![Prefetch::Source(String::from("org/model"))], None);
        hub.listing_trouble([Trouble::Status(404, None)]);
        let error = prefetch(root.path(), &settings).await.unwrap_err();
        assert!(error.to_string().starts_with("XE-102"), "{error}");
        assert_eq!(prefetch(root.path(), &settings).await.unwrap().len(), 1);
        hub.listing_trouble([Trouble::Status(404, None)]);
        assert_eq!(prefetch(root.path(), &settings).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_prefetched_model_does_not_evict_the_one_before_it() {
        let (hub, root) = (hub(), tempfile::tempdir().unwrap());
        let both = vec![named("a/m@1"), named("a/m@2")];
        let error = prefetch(root.path(), &settings(hub.url.clone(), both, Some(8_000))).await.unwrap_err();
        assert!(error.to_string().starts_with("XE-115"), "{error}");
        let store = ModelStore::open(root.path()).unwrap();
        assert_eq!(store.models().map(ModelId::as_str).collect::<Vec<_>>(), ["a/m@1"]);
    }
}
