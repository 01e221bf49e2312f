//! An image model, loaded and ready to make pictures.

use std::time::{Duration, Instant};

use ort::value::TensorElementType;
use xenon_protocol::{
    result::{ImageObject, ImageReply, ReplyImage},
    task::{SdDtype, SdScheduler, SdTask},
};

use super::{
    ImageError, Picture, StageTimes,
    decoder::Decoder,
    denoiser::{Condition, Denoiser, PromptStates},
    folder::ImageFolder,
    graph::{Array, Host},
    noise::Noise,
    phash::phash,
    scheduler::{Schedule, Scheduler, SchedulerKind, SchedulerSettings},
    text_encoder::{Layer, TextEncoder},
};
use crate::{error::ExecutorError, lora::Merged, model::InstalledModel};

/// A text-to-image pipeline, loaded.
#[derive(Debug)]
pub struct ImageModel {
    folder: ImageFolder,
    encoders: Vec<TextEncoder>,
    denoiser: Denoiser,
    decoder: Decoder,
    settings: SchedulerSettings,
    /// Whether a negative prompt that is left out stands for zeros, and not for the empty prompt.
    zeros_for_empty: bool,
    times: StageTimes,
}

/// Told after each step of each picture: picture, step and steps, the first two from 1.
pub type OnStep<'a> = &'a mut dyn FnMut(u32, u32, u32);

impl ImageModel {
    /// Loads an installed model after checking every file against its manifest. `merged` are graphs with adaptations.
    pub fn load(host: Host, model: &InstalledModel, mut merged: Merged) -> Result<Self, ExecutorError> {
        let folder = ImageFolder::open(&model.folder)?;
        model.manifest.verify_files(folder.path(), folder.files())?;
        let index = folder.index()?;
        if index["requires_aesthetics_score"].as_bool() == Some(true) {
            return Err(folder.unsupported("it refines pictures that another pipeline began").into());
        }
        let denoiser = Denoiser::open(host, &folder, merged.take("unet"))?;
        Ok(Self {
            encoders: encoders(host, &folder, &denoiser, &mut merged)?,
            denoiser,
            decoder: Decoder::open(host, &folder)?,
            settings: SchedulerSettings::read(&folder.part("scheduler").join("scheduler_config.json"))?,
            zeros_for_empty: index["force_zeros_for_empty_prompt"].as_bool().unwrap_or(folder.has("text_encoder_2")),
            times: StageTimes::default(),
            folder,
        })
    }

    /// Where the time of the last task went.
    pub const fn times(&self) -> StageTimes {
        self.times
    }

    /// Answers a task.
    pub fn answer(&mut self, task: &SdTask, on_step: OnStep<'_>) -> Result<ImageReply, ExecutorError> {
        let pictures = self.pictures(task, on_step)?;
        let image =
            |(index, picture): (u32, &Picture)| Ok(ReplyImage { index, png: picture.to_png()?, phash: phash(picture) });
        let data = (0..).zip(&pictures).map(image).collect::<Result<_, ImageError>>()?;
        Ok(ImageReply { object: ImageObject::ImageList, model: task.model.clone(), data })
    }

    /// The pictures of a task.
    pub fn pictures(&mut self, task: &SdTask, on_step: OnStep<'_>) -> Result<Vec<Picture>, ExecutorError> {
        let start = Instant::now();
        self.reset_times();
        self.check(task)?;
        let schedule = self.scheduler(task.scheduler)?.schedule(task.steps)?;
        let conditions = self.conditions(task)?;
        let mut pictures = Vec::new();
        for index in 0..task.num_images {
            let latent = self.denoise(task, index, &schedule, &conditions, on_step)?;
            pictures.push(of_size(task, self.decoder.decode(&latent)?)?);
        }
        self.note_times(start.elapsed());
        Ok(pictures)
    }

    /// The scheduler that a task asks for, or the model's own.
    pub fn scheduler(&self, wanted: Option<SdScheduler>) -> Result<Scheduler, ImageError> {
        let kind = wanted.map_or_else(|| self.settings.kind(), |wanted| Ok(kind(wanted)))?;
        Scheduler::new(kind, self.settings.clone())
    }

    fn check(&self, task: &SdTask) -> Result<(), ImageError> {
        let multiple = u32::try_from(self.decoder.factor()).unwrap_or(u32::MAX);
        let (width, height) = (task.width, task.height);
        if !width.is_multiple_of(multiple) || !height.is_multiple_of(multiple) {
            return Err(ImageError::SizeUnsupported { width, height, multiple });
        }
        if task.negative_prompt.is_some() && self.denoiser.is_told_guidance() {
            return Err(ImageError::NoEffect { setting: "negative_prompt" });
        }
        match (task.dtype, self.precision()) {
            (Some(wanted), found) if Some(wanted) != found => {
                let found = found.map_or("of another precision", SdDtype::name);
                Err(ImageError::OtherPrecision { wanted: wanted.name(), found })
            }
            _ => Ok(()),
        }
    }

    fn precision(&self) -> Option<SdDtype> {
        match self.denoiser.element() {
            Some(TensorElementType::Float32) => Some(SdDtype::Float32),
            Some(TensorElementType::Float16) => Some(SdDtype::Float16),
            _ => None,
        }
    }

    /// What the denoiser is told: with guidance, first what the pictures shall not show.
    fn conditions(&mut self, task: &SdTask) -> Result<Vec<Condition>, ExecutorError> {
        let prompt = self.encode(&task.prompt)?;
        let mut rows = vec![];
        if task.is_guided() && !self.denoiser.is_told_guidance() {
            rows.push(match &task.negative_prompt {
                None if self.zeros_for_empty => zeros(&prompt),
                negative => self.encode(negative.as_deref().unwrap_or_default())?,
            });
        }
        rows.push(prompt);
        #[expect(clippy::cast_precision_loss, reason = "sizes are small")]
        let (width, height) = (task.width as f32, task.height as f32);
        self.denoiser.conditions(&rows, [height, width, 0.0, 0.0, height, width], task.guidance_scale)
    }

    fn encode(&mut self, prompt: &str) -> Result<PromptStates, ExecutorError> {
        let encoded = self.encoders.iter_mut().map(|encoder| encoder.encode(prompt)).collect::<Result<Vec<_>, _>>()?;
        let pooled = encoded.iter().rev().find_map(|one| one.pooled.clone());
        let states = side_by_side(&encoded.into_iter().map(|one| one.states).collect::<Vec<_>>());
        let states = states.ok_or_else(|| self.folder.unsupported("its text encoders read different lengths"))?;
        Ok(PromptStates { states, pooled })
    }

    fn denoise(
        &mut self,
        task: &SdTask,
        picture: u32,
        schedule: &Schedule,
        conditions: &[Condition],
        on_step: OnStep<'_>,
    ) -> Result<Array, ExecutorError> {
        let factor = self.decoder.factor();
        let shape = vec![1, self.denoiser.channels(), task.height as usize / factor, task.width as usize / factor];
        let count = shape.iter().product();
        let mut noise = Noise::new(task.seed, picture);
        let mut latent = Array::new(shape, scaled(&noise.take(count), schedule.initial_scale));
        let (mut previous, mut number) = (vec![0.0; count], 0);
        for step in &schedule.steps {
            let input = Array::new(latent.shape.clone(), scaled(&latent.numbers, step.input_scale));
            let said = self.denoiser.run(&input, step.timestep, conditions)?;
            let output = guided(said, count, task.guidance_scale);
            let fresh = if step.adds_noise() { noise.take(count) } else { Vec::new() };
            step.advance(&mut latent.numbers, &output, &mut previous, &fresh);
            number += 1;
            on_step(picture + 1, number, task.steps);
        }
        Ok(latent)
    }

    fn reset_times(&mut self) {
        self.encoders.iter_mut().for_each(|encoder| encoder.graph_mut().spent = Duration::ZERO);
        self.denoiser.graph_mut().spent = Duration::ZERO;
        self.decoder.graph_mut().spent = Duration::ZERO;
    }

    fn note_times(&mut self, total: Duration) {
        self.times = StageTimes {
            text_encoder: self.encoders.iter_mut().map(|encoder| encoder.graph_mut().spent).sum(),
            unet: self.denoiser.graph_mut().spent,
            vae_decoder: self.decoder.graph_mut().spent,
            total,
        };
    }
}

/// One text encoder, or SDXL's two, of which the second also gives the prompt as a whole.
fn encoders(
    host: Host,
    folder: &ImageFolder,
    denoiser: &Denoiser,
    merged: &mut Merged,
) -> Result<Vec<TextEncoder>, ExecutorError> {
    if !denoiser.reads_pooled() {
        return Ok(vec![TextEncoder::open(host, folder, "", Layer::Last, merged.take("text_encoder"))?]);
    }
    if !folder.has("text_encoder_2") || !folder.has("tokenizer_2") {
        return Err(folder.unsupported("it has no text_encoder_2 and tokenizer_2, which its denoiser needs").into());
    }
    let layer = |pooled| Layer::Penultimate { pooled };
    Ok(vec![
        TextEncoder::open(host, folder, "", layer(false), merged.take("text_encoder"))?,
        TextEncoder::open(host, folder, "_2", layer(true), merged.take("text_encoder_2"))?,
    ])
}

const fn kind(scheduler: SdScheduler) -> SchedulerKind {
    match scheduler {
        SdScheduler::Euler => SchedulerKind::Euler,
        SdScheduler::EulerAncestral => SchedulerKind::EulerAncestral,
        SdScheduler::Ddim => SchedulerKind::Ddim,
        SdScheduler::Dpmpp2m => SchedulerKind::DpmSolverMultistep,
        SdScheduler::Lcm => SchedulerKind::Lcm,
    }
}

/// The picture, if it is as large as the task asks for.
fn of_size(task: &SdTask, picture: Picture) -> Result<Picture, ImageError> {
    let (found_width, found_height) = (picture.width(), picture.height());
    if (found_width, found_height) == (task.width as usize, task.height as usize) {
        return Ok(picture);
    }
    Err(ImageError::OtherSize { width: task.width, height: task.height, found_width, found_height })
}

fn zeros(like: &PromptStates) -> PromptStates {
    let zero = |array: &Array| Array::new(array.shape.clone(), vec![0.0; array.numbers.len()]);
    PromptStates { states: zero(&like.states), pooled: like.pooled.as_ref().map(zero) }
}

/// Several encoders' states of each token, one after another; `None` if they have not the same number of tokens.
fn side_by_side(states: &[Array]) -> Option<Array> {
    let tokens = *states.first()?.shape.get(1)?;
    if states.iter().any(|array| array.shape.len() != 3 || array.shape[1] != tokens) {
        return None;
    }
    let width = states.iter().map(|array| array.shape[2]).sum();
    let token = |token: usize| {
        let part = move |array: &Array| array.numbers[token * array.shape[2]..(token + 1) * array.shape[2]].to_vec();
        states.iter().flat_map(part)
    };
    Some(Array::new(vec![1, tokens, width], (0..tokens).flat_map(token).collect()))
}

#[expect(clippy::cast_possible_truncation, reason = "latents are 32-bit numbers")]
fn scaled(numbers: &[f32], scale: f64) -> Vec<f32> {
    numbers.iter().map(|number| (f64::from(*number) * scale) as f32).collect()
}

/// Away from the first row, through the second (Ho and Salimans, 2022); a single row stays as it is.
#[expect(clippy::cast_possible_truncation, reason = "latents are 32-bit numbers")]
fn guided(rows: Vec<f32>, count: usize, scale: f64) -> Vec<f32> {
    if rows.len() == count {
        return rows;
    }
    let (without, with) = rows.split_at(count);
    let mix = |(without, with): (&f32, &f32)| {
        let (without, with) = (f64::from(*without), f64::from(*with));
        (without + scale * (with - without)) as f32
    };
    without.iter().zip(with).map(mix).collect()
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "the numbers are chosen to be exact")]
mod tests {
    use super::*;

    #[test]
    fn guidance_leads_away_from_the_first_row() {
        assert_eq!(guided(vec![1.0, 2.0, 2.0, 2.0], 2, 3.0), [4.0, 2.0]);
        assert_eq!(guided(vec![1.0, 2.0], 2, 3.0), [1.0, 2.0]);
    }

    #[test]
    fn states_are_put_side_by_side_token_by_token() {
        let first = Array::new(vec![1, 2, 1], vec![1.0, 2.0]);
        let second = Array::new(vec![1, 2, 2], vec![3.0, 4.0, 5.0, 6.0]);
        let both = side_by_side(&[first.clone(), second]).unwrap();
        assert_eq!(both, Array::new(vec![1, 2, 3], vec![1.0, 3.0, 4.0, 2.0, 5.0, 6.0]));
        assert!(side_by_side(&[first, Array::new(vec![1, 3, 1], vec![0.0; 3])]).is_none());
    }
}
