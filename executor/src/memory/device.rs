//! What a device has free beside the machine.

use super::{Memory, SystemMemory};
use crate::{ExecutorError, device::Device, gpu};

/// The memory of the machine and, for a model on an NVIDIA GPU, of that: weights pass through the one into the other, so
/// there is as much as both have.
#[derive(Debug, Default)]
pub struct DeviceMemory {
    machine: SystemMemory,
    gpu: Option<u32>,
}

impl DeviceMemory {
    /// For models on this device. [`Device::Auto`] asks no GPU: which device it comes to is known where models run only.
    pub fn of(device: Device) -> Self {
        let gpu = match device {
            Device::Cuda(number) => Some(number),
            Device::Cpu | Device::CoreMl | Device::Auto => None,
        };
        Self { machine: SystemMemory::default(), gpu }
    }
}

impl Memory for DeviceMemory {
    fn free(&mut self) -> Option<u64> {
        let machine = self.machine.free();
        match self.gpu {
            Some(number) => both(machine, gpu::free(number)),
            None => machine,
        }
    }
}

/// What both have. A GPU that does not say limits nothing: a task that it has no room for fails by itself.
fn both(machine: Option<u64>, gpu: Result<u64, ExecutorError>) -> Option<u64> {
    match (machine, gpu) {
        (Some(machine), Ok(gpu)) => Some(machine.min(gpu)),
        (None, Ok(gpu)) => Some(gpu),
        (machine, Err(error)) => {
            tracing::warn!(%error, "what the GPU has free is not known");
            machine
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silent() -> Result<u64, ExecutorError> {
        Err(ExecutorError::GpuUnknown { device: Device::Cuda(0), reason: "x".to_owned() })
    }

    #[test]
    fn there_is_as_much_as_both_have() {
        assert_eq!(both(Some(5), Ok(3)), Some(3));
        assert_eq!(both(Some(3), Ok(5)), Some(3));
        assert_eq!(both(Some(3), Ok(0)), Some(0));
        assert_eq!(both(None, Ok(5)), Some(5));
    }

    #[test]
    fn who_does_not_say_limits_nothing() {
        assert_eq!(both(Some(3), silent()), Some(3));
        assert_eq!(both(None, silent()), None);
    }

    #[test]
    fn a_gpu_is_asked_only_where_models_run_on_it() {
        assert_eq!(DeviceMemory::of(Device::Cuda(2)).gpu, Some(2));
        for device in [Device::Cpu, Device::CoreMl, Device::Auto] {
            assert_eq!(DeviceMemory::of(device).gpu, None);
        }
    }
}
