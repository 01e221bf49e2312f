//! Adding adaptations to the weights of a pipeline's graphs.

use std::collections::BTreeMap;

use super::{Layout, LoraError, LoraFile, Pair, Place, Places, peft::PREFIX};
use crate::{
    error::ExecutorError,
    image::ImageFolder,
    onnx::{EditedModel, OnnxModel},
};

/// Beginnings of the names of modules, with the part of the pipeline that they are in. The longest come first.
const PARTS: [(&str, &str); 8] = [
    ("text_encoder_2.", "text_encoder_2"),
    ("text_encoder.", "text_encoder"),
    ("lora_te1_", "text_encoder"),
    ("lora_te2_", "text_encoder_2"),
    ("lora_te_", "text_encoder"),
    ("lora_unet_", "unet"),
    ("unet.", "unet"),
    (PREFIX, "unet"),
];

/// Graphs of a pipeline with changed weights, by the part's name.
#[derive(Debug, Default)]
pub struct Merged {
    parts: BTreeMap<&'static str, Part>,
}

#[derive(Debug)]
struct Part {
    edited: EditedModel,
    places: Places,
    /// Numbers of the constants that are changed so far.
    numbers: BTreeMap<String, Vec<f32>>,
}

impl Merged {
    /// The graph of a part, if it was changed; once.
    pub fn take(&mut self, part: &str) -> Option<EditedModel> {
        self.parts.remove(part).map(|part| part.edited)
    }

    fn part(&mut self, folder: &ImageFolder, name: &'static str) -> Result<&mut Part, ExecutorError> {
        use std::collections::btree_map::Entry;
        match self.parts.entry(name) {
            Entry::Occupied(part) => Ok(part.into_mut()),
            Entry::Vacant(vacant) => {
                let model = OnnxModel::read(&folder.graph(name))?;
                let places = Places::of(&model);
                Ok(vacant.insert(Part { edited: EditedModel::new(model), places, numbers: BTreeMap::new() }))
            }
        }
    }
}

/// Adds files, each times its scale, to the graphs of a pipeline.
pub fn merge(folder: &ImageFolder, loras: &[(LoraFile, f64)]) -> Result<Merged, ExecutorError> {
    let mut merged = Merged::default();
    for (file, scale) in loras {
        for (module, pair) in &file.pairs {
            let refused = |reason: &str| LoraError::NoPlace {
                path: file.path.clone(),
                key: module.clone(),
                reason: reason.to_owned(),
            };
            let (name, module) =
                part_of(module).ok_or_else(|| refused("its name begins with no part of a pipeline"))?;
            if !folder.graph(name).is_file() {
                return Err(refused("the pipeline has no such part").into());
            }
            let part = merged.part(folder, name)?;
            let place =
                part.places.find(module).cloned().ok_or_else(|| refused("there are no weights of that name"))?;
            let delta = delta(pair, &place, *scale).ok_or_else(|| refused("its dimensions are others"))?;
            part.add(&place, &delta)?;
        }
    }
    merged.parts.values_mut().try_for_each(Part::finish)?;
    Ok(merged)
}

impl Part {
    #[expect(clippy::cast_possible_truncation, reason = "weights are 32-bit numbers")]
    fn add(&mut self, place: &Place, delta: &[f64]) -> Result<(), ExecutorError> {
        if !self.numbers.contains_key(&place.initializer) {
            let model = self.edited.model();
            let numbers = model.initializer(&place.initializer).map(|tensor| model.numbers(tensor)).transpose()?;
            self.numbers.insert(place.initializer.clone(), numbers.unwrap_or_default());
        }
        let numbers = self.numbers.entry(place.initializer.clone()).or_default();
        for (number, delta) in numbers.iter_mut().zip(delta) {
            *number = (f64::from(*number) + delta) as f32;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), ExecutorError> {
        let numbers = std::mem::take(&mut self.numbers);
        numbers.into_iter().try_for_each(|(name, numbers)| self.edited.replace(&name, numbers))
    }
}

/// The part of the pipeline that a module is in, and its name there.
fn part_of(module: &str) -> Option<(&'static str, &str)> {
    PARTS.iter().find_map(|(beginning, part)| Some((*part, module.strip_prefix(beginning)?)))
}

/// scale · alpha / rank · up · down, in the layout of the weights; `None` if the dimensions do not fit.
#[expect(clippy::cast_precision_loss, reason = "ranks are small")]
fn delta(pair: &Pair, place: &Place, scale: f64) -> Option<Vec<f64>> {
    let rank = pair.rank()?;
    let outputs = *pair.up.shape.first()?;
    // What follows the rank: the inputs, and the kernel of a convolution.
    let width: usize = pair.down.shape[1..].iter().product();
    let is_pointwise = pair.up.shape[2..].iter().all(|length| *length == 1);
    if !is_pointwise || !fits(place, outputs, &pair.down.shape[1..]) {
        return None;
    }
    let factor = scale * pair.alpha.map_or(1.0, |alpha| alpha / rank as f64);
    let product = |output: usize, column: usize| {
        let term = |inner: usize| {
            f64::from(pair.up.numbers[output * rank + inner]) * f64::from(pair.down.numbers[inner * width + column])
        };
        factor * (0..rank).map(term).sum::<f64>()
    };
    let cell = |index: usize| match place.layout {
        Layout::InputsFirst => product(index % outputs, index / outputs),
        Layout::OutputsFirst | Layout::Kernel => product(index / width, index % width),
    };
    Some((0..outputs * width).map(cell).collect())
}

/// Whether the weights have so many outputs and these inputs; a kernel of one place may be left out.
fn fits(place: &Place, outputs: usize, inputs: &[usize]) -> bool {
    let mut inputs = inputs.to_vec();
    match place.layout {
        Layout::InputsFirst => inputs.len() == 1 && place.shape == [inputs[0], outputs],
        Layout::OutputsFirst => inputs.len() == 1 && place.shape == [outputs, inputs[0]],
        Layout::Kernel => {
            inputs.resize(inputs.len().max(3), 1);
            place.shape == [&[outputs], &inputs[..]].concat()
        }
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "the numbers are chosen to be exact")]
mod tests {
    use super::*;
    use crate::lora::file::Matrix;

    fn pair(alpha: Option<f64>) -> Pair {
        let down = Matrix { shape: vec![1, 3], numbers: vec![1.0, 2.0, 3.0] };
        let up = Matrix { shape: vec![2, 1], numbers: vec![10.0, 100.0] };
        Pair { down, up, alpha }
    }

    fn place(layout: Layout, shape: &[usize]) -> Place {
        Place { initializer: "w".to_owned(), layout, shape: shape.to_vec() }
    }

    #[test]
    fn dimensions_that_do_not_fit_are_refused() {
        assert!(delta(&pair(None), &place(Layout::InputsFirst, &[2, 3]), 1.0).is_none());
        assert!(delta(&pair(None), &place(Layout::Kernel, &[2, 3, 3, 3]), 1.0).is_none());
    }

    #[test]
    fn the_product_lies_as_the_weights_do() {
        let outputs_first = [10.0, 20.0, 30.0, 100.0, 200.0, 300.0];
        let found = |layout, shape: &[usize]| delta(&pair(None), &place(layout, shape), 1.0).unwrap();
        assert_eq!(found(Layout::OutputsFirst, &[2, 3]), outputs_first);
        assert_eq!(found(Layout::Kernel, &[2, 3, 1, 1]), outputs_first);
        assert_eq!(found(Layout::InputsFirst, &[3, 2]), [10.0, 100.0, 20.0, 200.0, 30.0, 300.0]);
    }

    #[test]
    fn scale_and_alpha_multiply() {
        let found = delta(&pair(Some(0.5)), &place(Layout::OutputsFirst, &[2, 3]), -2.0).unwrap();
        assert_eq!(found, [-10.0, -20.0, -30.0, -100.0, -200.0, -300.0]);
    }

    #[test]
    fn modules_are_found_by_the_part_that_they_name() {
        assert_eq!(part_of("lora_te1_a_b"), Some(("text_encoder", "a_b")));
        assert_eq!(part_of("unet.a.b"), Some(("unet", "a.b")));
        assert_eq!(part_of("transformer.a"), None);
    }
}
