//! Files of adaptations.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, DirEntry},
    path::{Path, PathBuf},
};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::{
    LoraError,
    peft::{ADAPTER_CONFIG, Strengths},
};
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

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
    /// The rank where neither the file nor PEFT's configuration says.
    pub alpha: Option<f64>,
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

    /// Names of the files of a folder that decide what its adaptation does.
    pub fn files(folder: &Path) -> Result<Vec<String>, LoraError> {
        let path = Self::find(folder)?;
        let name = path.file_name().and_then(|name| name.to_str());
        let unnamed = || LoraError::Invalid { path: path.clone(), reason: "its name is not UTF-8".to_owned() };
        let mut files = vec![name.ok_or_else(unnamed)?.to_owned()];
        if folder.join(ADAPTER_CONFIG).is_file() {
            files.push(ADAPTER_CONFIG.to_owned());
        }
        Ok(files)
    }

    /// Reads a file, and PEFT's configuration in its header or beside it.
    pub fn read(path: &Path) -> Result<Self, LoraError> {
        let invalid = |reason: String| LoraError::Invalid { path: path.to_owned(), reason };
        let bytes = fs::read(path).map_err(|error| invalid(error.to_string()))?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| invalid(error.to_string()))?;
        let mut file = Self { path: path.to_owned(), pairs: BTreeMap::new() };
        file.add_all(&tensors)?;
        let halved = file.pairs.iter().find(|(_, pair)| pair.rank().is_none());
        if let Some((module, _)) = halved {
            return Err(invalid(format!("the two matrices of {module} do not fit each other")));
        }
        file.strengthen(&bytes)?;
        Ok(file)
    }

    /// Takes the tensors in the order of their names, so that the same file gives the same error.
    fn add_all(&mut self, tensors: &SafeTensors<'_>) -> Result<(), LoraError> {
        let mut seen = BTreeSet::new();
        for (key, tensor) in tensors.iter().collect::<BTreeMap<_, _>>() {
            let (module, role) = split(key).ok_or_else(|| self.other_kind(key))?;
            if !seen.insert((module.clone(), role)) {
                return Err(LoraError::Twice { path: self.path.clone(), module, role: role.name() });
            }
            self.add(key, module, role, &tensor)?;
        }
        Ok(())
    }

    fn add(&mut self, key: &str, module: String, role: Role, tensor: &TensorView<'_>) -> Result<(), LoraError> {
        let matrix = matrix(tensor).ok_or_else(|| self.other_kind(key))?;
        let pair = self.pairs.entry(module).or_default();
        match (role, matrix.numbers.as_slice()) {
            (Role::Down, _) => pair.down = matrix,
            (Role::Up, _) => pair.up = matrix,
            (Role::Alpha, [alpha]) => pair.alpha = Some(f64::from(*alpha)),
            (Role::Alpha | Role::Bias, _) => return Err(self.other_kind(key)),
        }
        Ok(())
    }

    /// PEFT keeps alpha apart from the matrices.
    fn strengthen(&mut self, bytes: &[u8]) -> Result<(), LoraError> {
        let strengths = Strengths::read(&self.path, bytes)?;
        for (module, pair) in self.pairs.iter_mut().filter(|(_, pair)| pair.alpha.is_none()) {
            pair.alpha = strengths.alpha(module, pair)?;
        }
        Ok(())
    }

    fn other_kind(&self, key: &str) -> LoraError {
        LoraError::OtherKind { path: self.path.clone(), key: key.to_owned() }
    }
}

impl Role {
    const fn name(self) -> &'static str {
        match self {
            Self::Down => "down matrix",
            Self::Up => "up matrix",
            Self::Alpha => "alpha",
            Self::Bias => "bias",
        }
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

    /// A folder with a file of small matrices, filled with ones.
    fn folder(keys: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let ones = [1.0_f32; 4].map(f32::to_le_bytes).concat();
        let tensor = |key: &str| {
            let is_alpha = key.rsplit('.').next() == Some("alpha");
            let (shape, data) = if is_alpha { (vec![], &ones[..4]) } else { (vec![2, 2], &ones[..]) };
            TensorView::new(Dtype::F32, shape, data).unwrap()
        };
        let tensors: Vec<_> = keys.iter().map(|key| (*key, tensor(key))).collect();
        safetensors::serialize_to_file(tensors, None, &folder.path().join("a.safetensors")).unwrap();
        folder
    }

    fn read(folder: &tempfile::TempDir) -> Result<LoraFile, LoraError> {
        LoraFile::read(&LoraFile::find(folder.path())?)
    }

    #[test]
    fn two_tensors_for_one_matrix_are_refused() {
        for (second, role) in [("unet.a.lora_down.weight", "down"), ("unet.a.lora_A.default.weight", "down")] {
            let error = read(&folder(&["unet.a.lora_A.weight", "unet.a.lora_B.weight", second])).unwrap_err();
            assert!(error.code() == "XE-084" && error.to_string().contains(role), "{error}");
        }
    }

    #[test]
    fn of_several_faults_the_first_by_name_is_told() {
        let faulty = folder(&["d.hada_w1_a", "c.hada_w1_a", "b.hada_w1_a", "a.hada_w1_a", "e.hada_w1_a"]);
        for _ in 0..20 {
            assert!(read(&faulty).unwrap_err().to_string().contains("a.hada_w1_a"));
        }
    }

    #[test]
    fn pefts_strength_is_read_beside_the_file() {
        let keys = ["base_model.model.a.lora_A.weight", "base_model.model.a.lora_B.weight"];
        let plain = folder(&keys);
        assert_eq!(read(&plain).unwrap_err().code(), "XE-085");
        assert_eq!(LoraFile::files(plain.path()).unwrap(), ["a.safetensors"]);
        fs::write(plain.path().join(ADAPTER_CONFIG), r#"{"r": 2, "lora_alpha": 16}"#).unwrap();
        assert_eq!(read(&plain).unwrap().pairs["base_model.model.a"].alpha, Some(16.0));
        assert_eq!(LoraFile::files(plain.path()).unwrap(), ["a.safetensors", ADAPTER_CONFIG]);
        let own = folder(&[&keys[..], &["base_model.model.a.alpha"]].concat());
        assert_eq!(read(&own).unwrap().pairs["base_model.model.a"].alpha, Some(1.0));
    }

    #[test]
    fn other_spellings_need_no_configuration() {
        let pairs = read(&folder(&["unet.a.lora_A.weight", "unet.a.lora_B.weight"])).unwrap().pairs;
        assert_eq!(pairs["unet.a"].alpha, None);
    }

    #[test]
    fn other_adaptations_are_no_lora() {
        for key in ["a.hada_w1_a", "a.lokr_w1", "a.dora_scale", "a.lora_mid.weight", "a.weight"] {
            assert!(split(key).is_none(), "{key}");
        }
    }
}
