//! Adaptations of low rank (Hu et al., 2021): small changes to a model's weights, added when it is loaded.
//!
//! A [`LoraFile`] holds pairs of matrices by the name of the module that they change, in the spelling of diffusers, of
//! peft or of kohya's scripts. [`Places`] finds the weights of each module in an ONNX graph: exporters often rename them,
//! so the module's name is taken from the node that uses them. [`merge`] adds scale · alpha / rank · up · down to them. What
//! finds no place is refused by name.

mod error;
mod file;
mod merge;
mod peft;
mod places;

pub use self::{
    error::LoraError,
    file::{LoraFile, Pair},
    merge::{Merged, merge},
    places::{Layout, Place, Places},
};
