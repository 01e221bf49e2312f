//! Memory: what a task needs, what is free, and which loaded models make room.
//!
//! Admission is decided before anything is loaded. [`Needs`] is what a model's files and `config.json` say, [`free`]
//! what the machine or the container has left, and [`Budget::room_for`] puts both together.

mod budget;
mod device;
mod free;
mod needs;
mod pictures;

pub use self::{
    budget::{Budget, DoesNotFit, Resident},
    device::DeviceMemory,
    free::{Memory, SystemMemory},
    needs::{Demand, Needs},
    pictures::PictureNeeds,
};
