//! Diffusion models: from a prompt to pictures.

mod error;
pub mod phash;
mod picture;
pub mod scheduler;

pub use self::{error::ImageError, picture::Picture};
