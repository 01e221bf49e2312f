//! Diffusion models: from a prompt to pictures.
//!
//! [`ImageFolder`] is diffusers' layout on disk, [`PromptTokenizer`] and the text encoders read the prompt, [`noise`] is
//! what a picture begins with, the [`scheduler`] decides how the denoiser's output changes it step by step, the decoder
//! makes pixels, [`phash`] is what the network compares, and [`ImageModel`] puts them together.

mod decoder;
mod denoiser;
mod error;
mod folder;
mod graph;
mod model;
pub mod noise;
pub mod phash;
mod picture;
pub mod scheduler;
mod text_encoder;
mod timing;
mod tokenizer;

pub use self::{
    error::ImageError,
    folder::{ImageFolder, MODEL_INDEX},
    graph::{Array, Graph, Host, Port},
    model::{ImageModel, OnStep},
    picture::Picture,
    timing::StageTimes,
    tokenizer::PromptTokenizer,
};
