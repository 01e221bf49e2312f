//! What the processor is, as far as it decides which kernels run.

#[cfg(target_os = "linux")]
use std::{collections::BTreeMap, fs};

/// The processor's name as the system reports it, or "unknown".
pub(crate) fn model() -> String {
    reported_model().unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(target_os = "linux")]
fn reported_model() -> Option<String> {
    name_in(&fs::read_to_string("/proc/cpuinfo").ok()?)
}

/// The name in a `/proc/cpuinfo`: x86 has one; Arm has numbers of implementer, part and revision instead.
#[cfg(target_os = "linux")]
fn name_in(cpuinfo: &str) -> Option<String> {
    let first = cpuinfo.split("\n\n").next()?;
    let fields: BTreeMap<_, _> = first.lines().filter_map(|line| line.split_once(':')).collect();
    let field = |name: &str| fields.iter().find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim());
    if let Some(name) = field("model name") {
        return Some(name.to_owned());
    }
    let numbers = ["CPU implementer", "CPU part", "CPU variant", "CPU revision"].map(|name| field(name).unwrap_or("-"));
    field("CPU part").map(|_| numbers.join(" "))
}

#[cfg(target_os = "macos")]
fn reported_model() -> Option<String> {
    let output = std::process::Command::new("sysctl").args(["-n", "machdep.cpu.brand_string"]).output().ok()?;
    let name = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!name.is_empty()).then_some(name)
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn reported_model() -> Option<String> {
    None
}

/// Instruction sets by which ONNX Runtime chooses its kernels, those that this machine has, in a fixed order.
pub(crate) fn features() -> Vec<&'static str> {
    known_features().into_iter().filter_map(|(name, present)| present.then_some(name)).collect()
}

#[cfg(target_arch = "x86_64")]
fn known_features() -> Vec<(&'static str, bool)> {
    macro_rules! detect {
        ($($name:tt),*) => { vec![$(($name, std::arch::is_x86_feature_detected!($name))),*] };
    }
    detect![
        "sse4.1",
        "avx",
        "f16c",
        "fma",
        "avx2",
        "avxvnni",
        "avxvnniint8",
        "avx512f",
        "avx512bw",
        "avx512dq",
        "avx512vl",
        "avx512vnni",
        "avx512bf16",
        "avx512fp16"
    ]
}

#[cfg(target_arch = "aarch64")]
fn known_features() -> Vec<(&'static str, bool)> {
    macro_rules! detect {
        ($($name:tt),*) => { vec![$(($name, std::arch::is_aarch64_feature_detected!($name))),*] };
    }
    detect!["neon", "fp16", "dotprod", "i8mm", "bf16", "sve", "sve2"]
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn known_features() -> Vec<(&'static str, bool)> {
    Vec::new()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_from_x86_and_from_arm() {
        let x86 = "processor\t: 0\nmodel name\t: Intel(R) Xeon(R) @ 2.70GHz\n\nprocessor\t: 1\nmodel name\t: other\n";
        assert_eq!(name_in(x86).unwrap(), "Intel(R) Xeon(R) @ 2.70GHz");
        let arm = "processor\t: 0\nCPU implementer\t: 0x41\nCPU variant\t: 0x3\nCPU part\t: 0xd0c\nCPU revision\t: 1\n";
        assert_eq!(name_in(arm).unwrap(), "0x41 0xd0c 0x3 1");
    }

    #[test]
    fn a_file_without_a_name_gives_none() {
        assert_eq!(name_in(""), None);
        assert_eq!(name_in("processor\t: 0\n"), None);
    }
}
