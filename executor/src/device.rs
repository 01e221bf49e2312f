//! Devices that models run on, chosen explicitly.
//!
//! Three answers are kept apart: whether this program was built for a device (XE-010), whether the ONNX Runtime
//! library was (XE-011), and whether a first computation on it works (XE-012). A device that was asked for and does not
//! work is an error, never replaced by another.

use std::{fmt, str::FromStr};

use ort::{
    ep,
    memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType},
    session::{Session, builder::SessionBuilder},
    value::Tensor,
};

use crate::{error::ExecutorError, runtime::Runtime};

/// A device as an operator names it: `cpu`, `cuda`, `cuda:N`, `coreml` or `auto`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// An NVIDIA GPU by its number.
    Cuda(u32),
    /// Apple's neural engine and GPU.
    CoreMl,
    /// The first of CUDA, `CoreML` and CPU that works.
    Auto,
}

impl FromStr for Device {
    type Err = ExecutorError;

    fn from_str(name: &str) -> Result<Self, ExecutorError> {
        let gpu = name.strip_prefix("cuda:").and_then(|number| number.parse().ok());
        match (name, gpu) {
            ("cpu", _) => Ok(Self::Cpu),
            ("cuda", _) => Ok(Self::Cuda(0)),
            ("coreml", _) => Ok(Self::CoreMl),
            ("auto", _) => Ok(Self::Auto),
            (_, Some(number)) => Ok(Self::Cuda(number)),
            _ => Err(ExecutorError::DeviceUnknown { name: name.to_owned() }),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::CoreMl => f.write_str("coreml"),
            Self::Auto => f.write_str("auto"),
        }
    }
}

impl Device {
    /// The provider of this device, after a first computation on it.
    pub fn provider(self, runtime: &Runtime) -> Result<Provider, ExecutorError> {
        match self {
            Self::Cpu => Provider::Cpu.proven(runtime),
            Self::Cuda(number) => Provider::Cuda(number).proven(runtime),
            Self::CoreMl => Provider::CoreMl.proven(runtime),
            Self::Auto => best(runtime),
        }
    }
}

fn best(runtime: &Runtime) -> Result<Provider, ExecutorError> {
    for provider in [Provider::Cuda(0), Provider::CoreMl] {
        match provider.proven(runtime) {
            Ok(provider) => return Ok(provider),
            Err(error) => tracing::info!(%error, "auto passes over {}", provider.device()),
        }
    }
    Provider::Cpu.proven(runtime)
}

/// An execution provider of ONNX Runtime that was seen working.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    /// ONNX Runtime's own kernels on the processor.
    Cpu,
    /// CUDA on the GPU with this number.
    Cuda(u32),
    /// `CoreML`.
    CoreMl,
}

impl Provider {
    /// The provider's name in ONNX Runtime.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "CPUExecutionProvider",
            Self::Cuda(_) => "CUDAExecutionProvider",
            Self::CoreMl => "CoreMLExecutionProvider",
        }
    }

    /// The device that it drives.
    pub const fn device(self) -> Device {
        match self {
            Self::Cpu => Device::Cpu,
            Self::Cuda(number) => Device::Cuda(number),
            Self::CoreMl => Device::CoreMl,
        }
    }

    /// Registers the provider with a session to be built; failing to is an error.
    pub(crate) fn register(self, builder: SessionBuilder) -> Result<SessionBuilder, ExecutorError> {
        match self.dispatch()? {
            Some(dispatch) => Ok(builder.with_execution_providers([dispatch.error_on_failure()])?),
            None => Ok(builder),
        }
    }

    /// Where a session keeps values that only it reads, such as its KV cache.
    pub(crate) fn memory(self) -> Result<MemoryInfo<'static>, ExecutorError> {
        let (device, number) = match self {
            Self::Cuda(number) => (AllocationDevice::CUDA, number.cast_signed()),
            Self::Cpu | Self::CoreMl => (AllocationDevice::CPU, 0),
        };
        Ok(MemoryInfo::new(device, number, AllocatorType::Device, MemoryType::Default)?)
    }

    fn dispatch(self) -> Result<Option<ep::ExecutionProviderDispatch>, ExecutorError> {
        match self {
            Self::Cpu => Ok(None),
            #[cfg(feature = "cuda")]
            Self::Cuda(number) => Ok(Some(ep::CUDA::default().with_device_id(number.cast_signed()).build())),
            #[cfg(feature = "coreml")]
            Self::CoreMl => Ok(Some(ep::CoreML::default().build())),
            #[cfg(not(feature = "cuda"))]
            Self::Cuda(_) => Err(ExecutorError::DeviceNotCompiled { device: self.device(), feature: "cuda" }),
            #[cfg(not(feature = "coreml"))]
            Self::CoreMl => Err(ExecutorError::DeviceNotCompiled { device: self.device(), feature: "coreml" }),
        }
    }

    fn proven(self, runtime: &Runtime) -> Result<Self, ExecutorError> {
        self.dispatch()?;
        if !self.is_in_library()? {
            return Err(ExecutorError::DeviceNotInRuntime {
                provider: self.name(),
                library: runtime.library().to_owned(),
            });
        }
        probe(self, runtime)
            .map_err(|error| ExecutorError::DeviceUnusable { device: self.device(), reason: error.to_string() })?;
        Ok(self)
    }

    /// Whether the library was built with it, whatever this program was built with.
    fn is_in_library(self) -> Result<bool, ExecutorError> {
        match self {
            Self::Cuda(_) => Ok(<CudaName as ep::ExecutionProvider>::is_available()?),
            Self::CoreMl => Ok(<CoreMlName as ep::ExecutionProvider>::is_available()?),
            Self::Cpu => Ok(<ep::CPU as ep::ExecutionProvider>::is_available()?),
        }
    }
}

/// Names a provider to the runtime. `ort` has the provider itself only in programs that were built for it.
macro_rules! name_only {
    ($name:ident, $provider:expr) => {
        struct $name;

        impl ep::ExecutionProvider for $name {
            const NAME: &'static str = $provider.name();

            fn register(&self, _: &mut SessionBuilder) -> ort::Result<()> {
                Err(ort::Error::new("this is the name of a provider only"))
            }
        }
    };
}

name_only!(CudaName, Provider::Cuda(0));
name_only!(CoreMlName, Provider::CoreMl);

/// The three answers about a device, kept apart.
#[derive(Debug)]
pub struct DeviceReport {
    /// The device.
    pub device: Device,
    /// Whether this program was built for it.
    pub compiled: bool,
    /// Whether the ONNX Runtime library was.
    pub in_library: bool,
    /// Whether a first computation on it works.
    pub usable: Result<(), ExecutorError>,
}

impl DeviceReport {
    /// Asks about every kind of device.
    ///
    /// # Errors
    /// The runtime's, if it cannot say what it was built with.
    pub fn all(runtime: &Runtime) -> Result<Vec<Self>, ExecutorError> {
        let providers = [Provider::Cpu, Provider::Cuda(0), Provider::CoreMl];
        providers.into_iter().map(|provider| Self::of(provider, runtime)).collect()
    }

    fn of(provider: Provider, runtime: &Runtime) -> Result<Self, ExecutorError> {
        Ok(Self {
            device: provider.device(),
            compiled: provider.dispatch().is_ok(),
            in_library: provider.is_in_library()?,
            usable: provider.proven(runtime).map(|_| ()),
        })
    }
}

/// A graph of one matrix product, `y[1,2] = x[1,2] · [[1, 2], [3, 4]]`.
const PROBE: &[u8] = include_bytes!("probe.onnx");

fn probe(provider: Provider, runtime: &Runtime) -> Result<(), ExecutorError> {
    let mut session = provider.register(Session::builder(runtime.environment())?)?.commit_from_memory(PROBE)?;
    let outputs = session.run(ort::inputs!["x" => Tensor::from_array(([1_i64, 2], vec![1.0_f32, 1.0]))?])?;
    let (_, product) = outputs["y"].try_extract_tensor::<f32>()?;
    let right = product == [4.0, 6.0];
    right
        .then_some(())
        .ok_or_else(|| ExecutorError::Runtime { reason: format!("[1, 1] · [[1, 2], [3, 4]] gave {product:?}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_device_is_refused() {
        for name in ["", "gpu", "CPU", "cuda:", "cuda:-1", "cuda:x", "cuda:4294967296"] {
            assert_eq!(name.parse::<Device>().unwrap_err().code(), "XE-013", "{name:?}");
        }
    }

    #[test]
    fn names_of_devices_survive_the_round_trip() {
        for device in [Device::Cpu, Device::Cuda(0), Device::Cuda(7), Device::CoreMl, Device::Auto] {
            assert_eq!(device.to_string().parse::<Device>().unwrap(), device);
        }
        assert_eq!("cuda".parse::<Device>().unwrap(), Device::Cuda(0));
    }
}
