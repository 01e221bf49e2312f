//! Runs Xenon tasks on ONNX Runtime, and the node agent around it.
//!
//! A task goes through the parts in this order: [`Executor`] finds the task's model in the [`model::ModelStore`] and
//! loads it ([`text::TextModel`] or [`image::ImageModel`]) on the [`Device`] it was told to use; the model answers; the
//! reply's canonical bytes and the result that is voted on come back as a [`TaskOutput`].
//!
//! Every step is determined by the task, the model's files and the [`ExecutionClass`] of the machine: no clock, no
//! randomness but the task's own seed, no order that depends on timing.

pub mod agent;
mod class;
mod cpu;
pub mod determinism;
mod device;
mod digest;
mod error;
mod executor;
mod gpu;
pub mod image;
pub mod lora;
pub mod memory;
pub mod model;
pub mod onnx;
mod placement;
pub mod process;
pub mod quantize;
pub mod runtime;
mod self_test;
pub mod text;

pub use self::{
    class::ExecutionClass,
    device::{Device, DeviceReport, Provider},
    error::ExecutorError,
    executor::{Executor, ExecutorConfig, TaskEvents, TaskOutput},
    placement::Placement,
    self_test::{GoldenClass, GoldenClasses, Standing},
};
