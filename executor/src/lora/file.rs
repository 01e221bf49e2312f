//! Files of adaptations.

use std::{
    collections::BTreeMap,
    fs::{self, DirEntry},
    path::{Path, PathBuf},
};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::LoraError;
use crate::onnx::Element;

/// Endings of the names of tensors, with what the tensor is.
const ENDINGS: [(&str, Role); 15] = [
    (".lora_A.weight", Role::Down),
    (".lora_B.weight", Role::Up),
    (".lora_A.default.weight", Role::Down),
    (".lora_B.default.weight", Role::Up),
    (".lora_down.weight", Role::Down),
    (".lora_up.weight", Role::Up),
    (".lora.down.weight", Role::Down),
    (".lora.up.weight", Role::Up),
    (".lora_linear_layer.down.weight", Role::Down),
    (".lora_linear_layer.up.weight", Role::Up),
    ("_lora.down.weight", Role::Down),
    ("_lora.up.weight", Role::Up),
    (".alpha", Role::Alpha),
    (".lora_A.bias", Role::Bias),
    (".lora_B.bias", Role::Bias),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Down,
    Up,
    Alpha,
    Bias,
}

/// Numbers with their dimensions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    /// The dimensions.
    pub shape: Vec<usize>,
    /// The numbers, the last dimension fastest.
    pub numbers: Vec<f32>,
}

/// What changes one module: up · down, times alpha / rank.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pair {
    /// `[rank, inputs]`, with the kernel's dimensions for a convolution.
    pub down: Matrix,
    /// `[outputs, rank]`, likewise.
    pub up: Matrix,
    /// The rank where the file does not say.
    pub alpha: Option<f32>,
}

/// A file, read.
#[derive(Clone, Debug)]
pub struct LoraFile {
    /// The file.
    pub path: PathBuf,
    /// The changes, by the module's name as the file spells it.
    pub pairs: BTreeMap<String, Pair>,
}

impl LoraFile {
    /// The only file of a folder.
    pub fn find(folder: &Path) -> Result<PathBuf, LoraError> {
        let invalid = |error: std::io::Error| LoraError::Invalid { path: folder.to_owned(), reason: error.to_string() };
        let entries = fs::read_dir(folder).map_err(invalid)?.collect::<Result<Vec<_>, _>>().map_err(invalid)?;
        let files = entries.iter().map(DirEntry::path);
        let mut files: Vec<_> =
            files.filter(|path| path.extension().is_some_and(|kind| kind == "safetensors")).collect();
        match (files.len(), files.pop()) {
            (1, Some(file)) => Ok(file),
            (found, _) => Err(LoraError::NotOneFile { folder: folder.to_owned(), found }),
        }
    }

    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, LoraError> {
        let invalid = |reason: String| LoraError::Invalid { path: path.to_owned(), reason };
        let bytes = fs::read(path).map_err(|error| invalid(error.to_string()))?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| invalid(error.to_string()))?;
        let mut pairs: BTreeMap<String, Pair> = BTreeMap::new();
        for (key, tensor) in tensors.iter() {
            let other_kind = || LoraError::OtherKind { path: path.to_owned(), key: key.to_owned() };
            let (module, role) = split(key).ok_or_else(other_kind)?;
            let matrix = matrix(&tensor).ok_or_else(other_kind)?;
            let pair = pairs.entry(module).or_default();
            match role {
                Role::Down => pair.down = matrix,
                Role::Up => pair.up = matrix,
                Role::Alpha => pair.alpha = matrix.numbers.first().copied(),
                Role::Bias => return Err(other_kind()),
            }
        }
        let halved = pairs.iter().find(|(_, pair)| pair.rank().is_none());
        if let Some((module, _)) = halved {
            return Err(invalid(format!("the two matrices of {module} do not fit each other")));
        }
        Ok(Self { path: path.to_owned(), pairs })
    }
}

impl Pair {
    /// The inner dimension, if both matrices have the same.
    pub fn rank(&self) -> Option<usize> {
        let (down, up) = (*self.down.shape.first()?, *self.up.shape.get(1)?);
        (down == up && down > 0).then_some(down)
    }
}

/// The module and the role of a tensor.
fn split(key: &str) -> Option<(String, Role)> {
    let (module, role) = ENDINGS.iter().find_map(|(ending, role)| Some((key.strip_suffix(ending)?, *role)))?;
    // The attention processors of early diffusers: `attn1.processor.to_q_lora` changes `attn1.to_q`.
    Some((module.replace(".processor.", "."), role))
}

fn matrix(tensor: &TensorView<'_>) -> Option<Matrix> {
    let element = match tensor.dtype() {
        Dtype::F32 => Element::Float32,
        Dtype::F16 => Element::Float16,
        Dtype::BF16 => Element::Bfloat16,
        _ => return None,
    };
    Some(Matrix { shape: tensor.shape().to_vec(), numbers: element.decode(tensor.data()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_names_the_same_module() {
        for key in [
            "unet.a.attn1.to_q.lora_A.weight",
            "unet.a.attn1.to_q.lora.down.weight",
            "unet.a.attn1.processor.to_q_lora.down.weight",
            "unet.a.attn1.to_q.lora_linear_layer.down.weight",
        ] {
            let (module, role) = split(key).unwrap();
            assert!(module == "unet.a.attn1.to_q" && role == Role::Down, "{key}: {module}");
        }
        assert!(split("lora_unet_a_attn1_to_q.alpha").is_some());
    }

    #[test]
    fn other_adaptations_are_no_lora() {
        for key in ["a.hada_w1_a", "a.lokr_w1", "a.dora_scale", "a.lora_mid.weight", "a.weight"] {
            assert!(split(key).is_none(), "{key}");
        }
    }
}
