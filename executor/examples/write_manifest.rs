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
    } else if let Ok(files) = LoraFile::files(folder) {
        Manifest::describe_files(folder, files.iter().map(String::as_str), model)?
    } else {
        Manifest::describe(&ModelFolder::open(folder)?, model)?
    };
    Ok(manifest.write(folder)?)
}
