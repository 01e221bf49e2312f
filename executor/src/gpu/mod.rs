//! What a GPU is and what it has free, as the driver's management library (NVML) says.
//!
//! The library is loaded when it is first asked for, so that a machine without a GPU needs nothing of it.

mod choice;
mod libraries;

use nvml_wrapper::{Nvml, error::NvmlError};

use self::{choice::Order, libraries::Library};
use crate::{device::Device, error::ExecutorError};

/// What decides the bytes that a GPU computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gpu {
    /// Its name.
    pub(crate) name: String,
    /// Its compute capability, such as `9.0`: which machine code it runs.
    pub(crate) capability: String,
    /// The driver's version, with that of CUDA in it.
    pub(crate) driver: String,
    /// The libraries that compute on it, with their hashes.
    pub(crate) libraries: Vec<Library>,
}

impl Gpu {
    /// The GPU that CUDA knows by this number. The provider must have computed something in this process before: its
    /// libraries are those that were loaded for that.
    ///
    /// # Errors
    /// [`ExecutorError::GpuUnknown`] if the driver does not say, or says something that fits several GPUs.
    pub(crate) fn of(number: u32) -> Result<Self, ExecutorError> {
        let unknown = |reason: String| ExecutorError::GpuUnknown { device: Device::Cuda(number), reason };
        let machine = Machine::read().map_err(|error| unknown(error.to_string()))?;
        let gpu = machine.gpu(number, &Order::of_this_process()).map_err(unknown)?;
        let libraries = libraries::loaded().map_err(unknown)?;
        Ok(Self {
            name: gpu.name.clone(),
            capability: gpu.capability.clone(),
            driver: machine.driver.clone(),
            libraries,
        })
    }

    /// In the words of an execution class.
    pub(crate) fn ingredients(&self) -> Vec<(&'static str, String)> {
        let libraries: Vec<_> = self.libraries.iter().map(ToString::to_string).collect();
        vec![
            ("gpu", self.name.clone()),
            ("gpu_capability", self.capability.clone()),
            ("gpu_driver", self.driver.clone()),
            ("gpu_libraries", libraries.join(" ")),
        ]
    }
}

/// Bytes that the GPU that CUDA knows by this number has free.
///
/// # Errors
/// Those of [`Gpu::of`].
pub(crate) fn free(number: u32) -> Result<u64, ExecutorError> {
    let unknown = |reason: String| ExecutorError::GpuUnknown { device: Device::Cuda(number), reason };
    let machine = Machine::read().map_err(|error| unknown(error.to_string()))?;
    machine.gpu(number, &Order::of_this_process()).map(|gpu| gpu.free).map_err(unknown)
}

/// The GPUs of a machine, in the order of the driver: by their places on the PCI bus.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Machine {
    driver: String,
    gpus: Vec<Reading>,
}

/// What the driver says of one GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reading {
    name: String,
    /// Its identity, `GPU-` and a UUID.
    uuid: String,
    capability: String,
    /// Whether it is divided into instances, each of which is a device to CUDA.
    is_divided: bool,
    /// Bytes that nobody has taken.
    free: u64,
}

impl Machine {
    fn read() -> Result<Self, NvmlError> {
        let nvml = Nvml::init()?;
        let cuda = nvml.sys_cuda_driver_version()?;
        let driver = format!("{} (CUDA {}.{})", nvml.sys_driver_version()?, cuda / 1000, cuda % 1000 / 10);
        let gpus = (0..nvml.device_count()?).map(|index| Reading::of(&nvml, index)).collect::<Result<_, _>>()?;
        Ok(Self { driver, gpus })
    }

    fn gpu(&self, number: u32, order: &Order) -> Result<&Reading, String> {
        let uuids: Vec<_> = self.gpus.iter().map(|gpu| gpu.uuid.as_str()).collect();
        let gpu = &self.gpus[order.place(number, &uuids)?];
        if gpu.is_divided {
            return Err(format!("{} is divided into instances (MIG), which differ in size", gpu.name));
        }
        Ok(gpu)
    }
}

impl Reading {
    fn of(nvml: &Nvml, index: u32) -> Result<Self, NvmlError> {
        let device = nvml.device_by_index(index)?;
        let capability = device.cuda_compute_capability()?;
        Ok(Self {
            name: device.name()?,
            uuid: device.uuid()?,
            capability: format!("{}.{}", capability.major, capability.minor),
            // GPUs that cannot be divided have no such mode.
            is_divided: device.mig_mode().is_ok_and(|mode| mode.current != 0),
            free: device.memory_info()?.free,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(number: u64) -> Reading {
        Reading {
            name: format!("GPU {number}"),
            uuid: format!("GPU-{number}"),
            capability: "9.0".to_owned(),
            is_divided: false,
            free: number << 30,
        }
    }

    fn machine(gpus: Vec<Reading>) -> Machine {
        Machine { driver: "550.54.15 (CUDA 12.4)".to_owned(), gpus }
    }

    #[test]
    fn a_number_without_a_gpu_and_a_divided_gpu_are_refused() {
        let order = Order::new(None, None);
        assert!(machine(vec![]).gpu(0, &order).unwrap_err().contains("0 GPUs"));
        assert!(machine(vec![reading(1)]).gpu(1, &order).is_err());
        let divided = Reading { is_divided: true, ..reading(1) };
        assert!(machine(vec![divided]).gpu(0, &order).unwrap_err().contains("MIG"));
    }

    #[test]
    fn what_is_free_is_that_of_the_gpu_that_cuda_means() {
        let machine = machine(vec![reading(1), reading(2), reading(3)]);
        let order = Order::new(Some("2,0"), Some("PCI_BUS_ID"));
        assert_eq!(machine.gpu(0, &order).unwrap().free, 3 << 30);
        assert_eq!(machine.gpu(1, &order).unwrap().free, 1 << 30);
    }

    #[test]
    fn everything_that_is_known_of_a_gpu_is_an_ingredient() {
        let library = Library { name: "libcudnn.so.9.1.0".to_owned(), sha256: "ab".to_owned() };
        let gpu = Gpu {
            name: "N".to_owned(),
            capability: "9.0".to_owned(),
            driver: "1 (CUDA 12.4)".to_owned(),
            libraries: vec![library],
        };
        let words: Vec<_> = gpu.ingredients().into_iter().map(|(_, value)| value).collect();
        assert_eq!(words, ["N", "9.0", "1 (CUDA 12.4)", "libcudnn.so.9.1.0:ab"]);
    }

    /// On a machine with a driver this reads its GPUs, on any other it says why not; it never panics.
    #[test]
    fn a_machine_without_a_driver_is_an_error_that_says_so() {
        if let Err(error) = free(u32::MAX) {
            assert_eq!(error.code(), "XE-014");
            assert!(error.to_string().contains("cuda:4294967295"), "{error}");
        } else {
            panic!("no machine has that many GPUs");
        }
    }
}
