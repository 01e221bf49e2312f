//! How strong adaptations that were made with PEFT are: its configuration, in `adapter_config.json` beside the matrices,
//! or in the header of a file of diffusers, where names begin with the part of the pipeline.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use safetensors::SafeTensors;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{LoraError, Pair};

/// The file's name.
pub(super) const ADAPTER_CONFIG: &str = "adapter_config.json";
/// What the names of modules begin with in PEFT's layout.
pub(super) const PREFIX: &str = "base_model.model.";

/// What diffusers calls the configuration in a file's header.
const HEADER_ENTRY: &str = "lora_adapter_metadata";

/// Settings that make something else of the two matrices than their scaled product.
const UNSUPPORTED: [&str; 9] = [
    "use_dora",
    "use_qalora",
    "use_bdlora",
    "rank_pattern",
    "alpha_pattern",
    "layer_replication",
    "alora_invocation_tokens",
    "arrow_config",
    "kasa_config",
];
/// Ways to choose the first matrices that leave the weights themselves as they are.
const INITIAL: [&str; 3] = ["gaussian", "eva", "orthogonal"];

/// The configurations of a file of adaptations.
#[derive(Debug)]
pub(super) struct Strengths {
    path: PathBuf,
    beside: Option<AdapterConfig>,
    /// By the part of the pipeline.
    inside: BTreeMap<String, AdapterConfig>,
}

impl Strengths {
    /// The configuration in the header of a file, and the one beside it.
    pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Self, LoraError> {
        let beside = AdapterConfig::read(path.parent().unwrap_or_else(|| Path::new("")))?;
        let mut parts: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
        for (name, value) in inside(bytes).map_err(|reason| LoraError::Invalid { path: path.to_owned(), reason })? {
            if let Some((part, name)) = name.split_once('.') {
                parts.entry(part.to_owned()).or_default().insert(name.to_owned(), value);
            }
        }
        let config = |(part, values)| Ok((part, AdapterConfig::of(Value::Object(values), path)?));
        let inside = parts.into_iter().map(config).collect::<Result<_, LoraError>>()?;
        Ok(Self { path: path.to_owned(), beside, inside })
    }

    /// Alpha of a pair of which the file holds none; `None` where PEFT has no part in it.
    pub(super) fn alpha(&self, module: &str, pair: &Pair) -> Result<Option<f64>, LoraError> {
        let config = if module.starts_with(PREFIX) {
            let unknown = || LoraError::StrengthUnknown { path: self.path.clone(), module: module.to_owned() };
            Some(self.beside.as_ref().ok_or_else(unknown)?)
        } else {
            module.split_once('.').and_then(|(part, _)| self.inside.get(part))
        };
        config.map(|config| config.alpha(module, pair)).transpose()
    }
}

/// What the header of a file says of PEFT's configuration; nothing where it does not.
fn inside(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
    let text = header.metadata().as_ref().and_then(|entries| entries.get(HEADER_ENTRY));
    text.map_or_else(|| Ok(Map::new()), |text| serde_json::from_str(text).map_err(|error| error.to_string()))
}

/// The settings that decide how strong an adaptation is.
#[derive(Debug, Deserialize)]
struct AdapterConfig {
    r: usize,
    lora_alpha: f64,
    #[serde(default)]
    use_rslora: bool,
    #[serde(flatten)]
    others: Map<String, Value>,
    #[serde(skip)]
    path: PathBuf,
}

impl AdapterConfig {
    /// Reads the file in a folder, if there is one; settings that are not followed are refused by name.
    fn read(folder: &Path) -> Result<Option<Self>, LoraError> {
        let path = folder.join(ADAPTER_CONFIG);
        if !path.is_file() {
            return Ok(None);
        }
        let invalid = |reason: String| LoraError::Invalid { path: path.clone(), reason };
        let text = fs::read(&path).map_err(|error| invalid(error.to_string()))?;
        Self::of(serde_json::from_slice(&text).map_err(|error| invalid(error.to_string()))?, &path).map(Some)
    }

    /// The configuration that a file holds.
    fn of(values: Value, path: &Path) -> Result<Self, LoraError> {
        let path = path.to_owned();
        match serde_json::from_value::<Self>(values) {
            Err(error) => Err(LoraError::Invalid { path, reason: error.to_string() }),
            Ok(config) => match config.unsupported() {
                Some(setting) => Err(LoraError::OtherKind { path, key: setting.to_owned() }),
                None => Ok(Self { path, ..config }),
            },
        }
    }

    /// Alpha of a pair, by which it counts alpha / rank times: `lora_alpha`, or as much more as makes it
    /// `lora_alpha` / √rank (Kalajdzievski, 2023).
    #[expect(clippy::cast_precision_loss, reason = "ranks are small")]
    fn alpha(&self, module: &str, pair: &Pair) -> Result<f64, LoraError> {
        match pair.rank() {
            Some(rank) if rank == self.r && self.use_rslora => Ok(self.lora_alpha * libm::sqrt(rank as f64)),
            Some(rank) if rank == self.r => Ok(self.lora_alpha),
            rank => {
                let reason = format!("r is {} and the rank of {module} is {}", self.r, rank.unwrap_or_default());
                Err(LoraError::Invalid { path: self.path.clone(), reason })
            }
        }
    }

    /// A setting that is not followed.
    fn unsupported(&self) -> Option<&'static str> {
        let initial = match self.others.get("init_lora_weights") {
            Some(Value::String(name)) => INITIAL.contains(&name.as_str()),
            _ => true,
        };
        let others = UNSUPPORTED.into_iter().find(|name| self.others.get(*name).is_some_and(|value| !is_off(value)));
        if initial { others } else { Some("init_lora_weights") }
    }
}

/// Whether a setting has no effect: it is false, null or holds nothing.
fn is_off(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(values) => values.is_empty(),
        Value::Object(values) => values.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "the numbers are chosen to be exact")]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::lora::file::Matrix;

    fn read(config: &Value) -> Result<Option<AdapterConfig>, LoraError> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(ADAPTER_CONFIG), config.to_string()).unwrap();
        AdapterConfig::read(folder.path())
    }

    fn pair(rank: usize) -> Pair {
        let matrix = |shape: [usize; 2]| Matrix { shape: shape.to_vec(), numbers: vec![0.0; shape[0] * shape[1]] };
        Pair { down: matrix([rank, 3]), up: matrix([2, rank]), alpha: None }
    }

    #[test]
    fn settings_that_are_not_followed_are_refused_by_name() {
        let cases = [
            ("use_dora", json!(true)),
            ("rank_pattern", json!({ "to_q": 8 })),
            ("alpha_pattern", json!({ "to_q": 8 })),
            ("layer_replication", json!([[0, 4]])),
            ("init_lora_weights", json!("pissa_niter_4")),
        ];
        for (name, value) in cases {
            let error = read(&json!({ "r": 4, "lora_alpha": 8, name: value })).unwrap_err();
            assert!(error.code() == "XE-083" && error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for config in [json!({ "r": 4 }), json!({ "lora_alpha": 8 }), json!({ "r": -1, "lora_alpha": 8 }), json!([])] {
            assert_eq!(read(&config).unwrap_err().code(), "XE-080", "{config}");
        }
        let config = read(&json!({ "r": 4, "lora_alpha": 8 })).unwrap().unwrap();
        assert_eq!(config.alpha("a", &pair(2)).unwrap_err().code(), "XE-080");
        assert!(AdapterConfig::read(tempfile::tempdir().unwrap().path()).unwrap().is_none());
    }

    fn in_header(entry: &str) -> Result<Strengths, LoraError> {
        let header = std::collections::HashMap::from([(HEADER_ENTRY.to_owned(), entry.to_owned())]);
        let bytes = safetensors::serialize(Vec::<(String, safetensors::tensor::TensorView<'_>)>::new(), Some(header));
        Strengths::read(&tempfile::tempdir().unwrap().path().join("a.safetensors"), &bytes.unwrap())
    }

    /// As `StableDiffusionPipeline.save_lora_weights` writes it with `unet_lora_adapter_metadata`.
    #[test]
    fn the_header_of_diffusers_counts_for_its_part() {
        let strengths = in_header(r#"{"unet.r": 4, "unet.lora_alpha": 8, "unet.use_dora": false}"#).unwrap();
        assert_eq!(strengths.alpha("unet.a", &pair(4)).unwrap(), Some(8.0));
        assert_eq!(strengths.alpha("text_encoder.a", &pair(4)).unwrap(), None);
        assert_eq!(strengths.alpha("base_model.model.a", &pair(4)).unwrap_err().code(), "XE-085");
        let dora = in_header(r#"{"unet.r": 4, "unet.lora_alpha": 8, "unet.use_dora": true}"#);
        assert_eq!(dora.unwrap_err().code(), "XE-083");
        for damaged in ["[", "[]", r#"{"unet.r": 4}"#] {
            assert_eq!(in_header(damaged).unwrap_err().code(), "XE-080", "{damaged}");
        }
    }

    /// `peft.tuners.lora.LoraLayer`: scaling is `lora_alpha` / r, or `lora_alpha` / √r with `use_rslora`.
    #[test]
    fn the_strength_is_that_of_peft() {
        let idle =
            json!({ "use_dora": false, "rank_pattern": {}, "layer_replication": null, "init_lora_weights": true });
        for (rslora, scaling) in [(false, 2.0), (true, 4.0)] {
            let mut config = idle.clone();
            for (name, value) in [("r", json!(4)), ("lora_alpha", json!(8)), ("use_rslora", json!(rslora))] {
                config[name] = value;
            }
            let alpha = read(&config).unwrap().unwrap().alpha("a", &pair(4)).unwrap();
            assert_eq!(alpha / 4.0, scaling);
        }
    }
}
