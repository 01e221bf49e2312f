//! Writes the manifest of a model folder: `cargo run -p xenon-executor --example write_manifest -- FOLDER ORG/NAME@REVISION`.

use std::{env, error::Error, path::Path};

use xenon_executor::model::{Manifest, ModelFolder};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [folder, model] = arguments.as_slice() else {
        return Err("usage: write_manifest FOLDER ORG/NAME@REVISION".into());
    };
    let folder = ModelFolder::open(Path::new(folder))?;
    Ok(Manifest::describe(&folder, model.parse()?)?.write(folder.path())?)
}
