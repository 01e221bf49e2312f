//! `xenon model`: fetching models and looking after those that are there.

mod args;
mod fetch;
mod list;
mod quantize;

use std::path::Path;

use bytesize::ByteSize;
use eyre::Result;
use tokio::task::spawn_blocking;
use xenon_executor::{ExecutorError, model::ModelCache};
use xenon_protocol::task::ModelId;

use self::args::{IdsArgs, PinArgs, PruneArgs};
pub(crate) use self::{
    args::ModelCommand,
    fetch::{offer, prefetch},
};
use crate::settings::Settings;

/// Runs one of the commands.
pub(crate) async fn run(command: ModelCommand, settings: &Settings) -> Result<()> {
    match command {
        ModelCommand::Fetch(args) => fetch::run(&args, settings).await,
        ModelCommand::List(args) => {
            let store = open(&args.models, settings)?;
            spawn_blocking(move || list::run(&store, args.json)).await?
        }
        ModelCommand::Verify(args) => {
            let store = open(&args.folder.models, settings)?;
            spawn_blocking(move || list::verify(&store, &args.ids)).await?
        }
        ModelCommand::Remove(args) => remove(&open(&args.folder.models, settings)?, &args),
        ModelCommand::Pin(args) => {
            let store = open(&args.ids.folder.models, settings)?;
            spawn_blocking(move || pin(&store, &args)).await?
        }
        ModelCommand::Prune(args) => {
            let store = open(&args.folder.models, settings)?;
            spawn_blocking(move || prune(&store, &args)).await?
        }
        ModelCommand::Quantize(args) => spawn_blocking(move || quantize::run(&args)).await?,
    }
}

/// The store of a models folder, with the budget of the configuration.
fn open(models: &Path, settings: &Settings) -> Result<ModelCache> {
    Ok(ModelCache::open(models, settings.models.budget.map(|budget| budget.as_u64()))?)
}

fn remove(store: &ModelCache, args: &IdsArgs) -> Result<()> {
    for model in &args.ids {
        store.remove(model)?;
        println!("removed {model}");
    }
    Ok(())
}

fn pin(store: &ModelCache, args: &PinArgs) -> Result<()> {
    let one = |model: &ModelId| -> Result<&str, ExecutorError> {
        if args.undo {
            store.unpin(model)?;
            return Ok("let go");
        }
        store.pin(model)?;
        Ok("pinned")
    };
    for model in &args.ids.ids {
        println!("{} {model}", one(model)?);
    }
    Ok(())
}

fn prune(store: &ModelCache, args: &PruneArgs) -> Result<()> {
    let (evicted, freed) = store.prune(args.to.map(|target| target.as_u64()))?;
    for model in evicted {
        println!("evicted {model}");
    }
    println!("freed {}, {} in use", ByteSize(freed), ByteSize(store.used()?));
    Ok(())
}
