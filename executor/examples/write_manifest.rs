//! Writes the manifest of a folder with a model or an adaptation: `cargo run -p xenon-executor --example write_manifest -- FOLDER ORG/NAME@REVISION`.

use std::{env, error::Error, path::Path};

use xenon_executor::{
    image::ImageFolder,
    lora::LoraFile,
    model::{Manifest, ModelFolder},
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [folder, model] = arguments.as_slice() else {
        return Err("usage: write_manifest FOLDER ORG/NAME@REVISION".into());
    };
    let (folder, model) = (Path::new(folder), model.parse()?);
    let manifest = if ImageFolder::is_one(folder) {
        Manifest::describe_files(folder, ImageFolder::open(folder)?.files(), model)?
    } else if let Ok(lora) = LoraFile::find(folder) {
        Manifest::describe_files(folder, lora.file_name().and_then(|name| name.to_str()).into_iter(), model)?
    } else {
        Manifest::describe(&ModelFolder::open(folder)?, model)?
    };
    Ok(manifest.write(folder)?)
}
