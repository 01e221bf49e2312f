//! A process holds one runtime, and devices are what they say or an error.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use xenon_executor::{
    Device, DeviceReport, ExecutionClass, ExecutorError, Placement, Provider, determinism, model::ModelFolder, runtime,
};

#[test]
fn a_second_library_is_refused_and_the_first_is_found_again() {
    let first = runtime::load(None).unwrap();
    assert_eq!(runtime::load(Some(first.library())).unwrap().library(), first.library());
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("libonnxruntime.so");
    fs::write(&other, "").unwrap();
    assert_eq!(runtime::load(Some(&other)).unwrap_err().code(), "XE-004");
}

#[test]
fn a_link_to_the_loaded_library_is_the_same_library() {
    let first = runtime::load(None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link.so");
    std::os::unix::fs::symlink(first.library(), &link).unwrap();
    runtime::load(Some(&link)).unwrap();
}

#[test]
fn the_cpu_works() {
    let runtime = runtime::load(None).unwrap();
    assert_eq!(Device::Cpu.provider(runtime).unwrap(), Provider::Cpu);
}

#[test]
#[cfg(not(feature = "cuda"))]
fn a_gpu_that_the_build_cannot_use_is_an_error() {
    let runtime = runtime::load(None).unwrap();
    let error = Device::Cuda(0).provider(runtime).unwrap_err();
    assert_eq!(error.code(), "XE-010");
    assert!(error.to_string().contains("--features cuda"));
}

#[test]
#[cfg(feature = "cuda")]
fn a_gpu_is_proven_or_refused_never_replaced() {
    let runtime = runtime::load(None).unwrap();
    match Device::Cuda(0).provider(runtime) {
        Ok(provider) => assert_eq!(provider, Provider::Cuda(0)),
        Err(error) => assert!(["XE-011", "XE-012"].contains(&error.code()), "{error}"),
    }
}

#[test]
#[cfg(not(feature = "coreml"))]
fn core_ml_that_the_build_cannot_use_is_an_error() {
    let runtime = runtime::load(None).unwrap();
    assert_eq!(Device::CoreMl.provider(runtime).unwrap_err().code(), "XE-010");
}

#[test]
#[cfg(not(any(feature = "cuda", feature = "coreml")))]
fn auto_falls_to_the_cpu_when_there_is_nothing_else() {
    let runtime = runtime::load(None).unwrap();
    assert_eq!(Device::Auto.provider(runtime).unwrap(), Provider::Cpu);
}

#[test]
fn the_class_of_a_machine_is_stable_and_complete() {
    let runtime = runtime::load(None).unwrap();
    let class = ExecutionClass::detect(runtime, Provider::Cpu).unwrap();
    assert_eq!(class, ExecutionClass::detect(runtime, Provider::Cpu).unwrap());
    assert!(class.ingredients().all(|(name, value)| name == "cpu_features" || !value.is_empty()));
    let runtime_line = class.to_string().lines().find(|line| line.starts_with("runtime=")).unwrap().to_owned();
    assert!(runtime_line.contains("git-commit-id"), "{runtime_line}");
    assert!(class.to_string().lines().last().unwrap().starts_with("self_test=0x"));
}

#[test]
fn every_kind_of_device_gets_three_answers() {
    let reports = DeviceReport::all(runtime::load(None).unwrap()).unwrap();
    let cpu = &reports[0];
    assert!(cpu.device == Device::Cpu && cpu.compiled && cpu.in_library && cpu.usable.is_ok());
    for report in &reports[1..] {
        let code = report.usable.as_ref().err().map(ExecutorError::code);
        let expected = match (report.compiled, report.in_library) {
            (false, _) => Some("XE-010"),
            (true, false) => Some("XE-011"),
            (true, true) => code.filter(|code| *code == "XE-012"),
        };
        assert_eq!(code, expected, "{}", report.device);
    }
}

#[test]
fn every_node_of_a_graph_is_placed_on_the_processor_when_there_is_nothing_else() {
    let runtime = runtime::load(None).unwrap();
    let graph = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/sum-chat/model.onnx");
    let placement = Placement::of(runtime, Provider::Cpu, &graph).unwrap();
    assert!(placement.total() > 50 && placement.on(Provider::Cpu) == placement.total(), "{placement}");
    let text = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    assert_eq!(Placement::of(runtime, Provider::Cpu, &text).unwrap_err().code(), "XE-025");
}

/// What must hold everywhere if nodes of a class are to agree; the rest of the matrix differs from machine to machine.
#[test]
fn sessions_and_threads_do_not_change_a_bit() {
    let runtime = runtime::load(None).unwrap();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/sum-chat");
    let files = ModelFolder::open(&folder).unwrap().graphs()[0].below(&folder);
    let matrix = determinism::measure(runtime, Provider::Cpu, &files).unwrap();
    for variation in matrix.iter().filter(|variation| ["session", "threads"].contains(&variation.setting)) {
        assert!(variation.same_prefill && variation.same_decode, "{variation:?}");
    }
    assert_eq!(matrix.len(), 20);
}
