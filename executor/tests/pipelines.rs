//! Whole pipelines make the pictures that diffusers makes of the same noise.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod tiny_pipelines;

use std::{collections::BTreeMap, fs, path::Path};

use safetensors::{Dtype, SafeTensors, serialize_to_file, tensor::TensorView};
use serde_json::{Value, json};
use tiny_pipelines::{describe, describe_lora, install, install_lora, open, task, vectors};
use xenon_executor::{
    Executor, TaskEvents,
    image::{
        Picture,
        phash::{distance, phash},
    },
    onnx::{
        OnnxModel,
        proto::{EXTERNAL, StringStringEntryProto},
    },
};
use xenon_protocol::{
    error_code::ErrorCode,
    result::{ImageReply, image_result},
    task::{SdDtype, SdScheduler, SdTask, TaskSpec},
};

const LORAS: [&str; 3] = ["denoiser", "words", "whole"];

fn run(executor: &mut Executor, task: SdTask) -> ImageReply {
    executor.run(&TaskSpec::Sd(task), |_, _| ()).unwrap().reply.images().unwrap().clone()
}

fn refusal(executor: &mut Executor, task: SdTask) -> (&'static str, ErrorCode) {
    let error = executor.run(&TaskSpec::Sd(task), |_, _| ()).unwrap_err();
    (error.code(), error.error_code())
}

fn task_of(case: &Value) -> SdTask {
    let mut json = case.clone();
    let fields = json.as_object_mut().unwrap();
    let name = fields.remove("pipeline").unwrap();
    fields.remove("phash");
    fields.insert("model".to_owned(), format!("tiny/{}@1", name.as_str().unwrap()).into());
    for side in ["width", "height"] {
        fields.entry(side).or_insert(64.into());
    }
    for lora in fields.get_mut("loras").and_then(Value::as_array_mut).into_iter().flatten() {
        lora["name"] = format!("tiny/{}", lora["name"].as_str().unwrap()).into();
    }
    serde_json::from_value(json).unwrap()
}

#[test]
fn pictures_are_those_of_diffusers() {
    let cases: Vec<Value> = serde_json::from_slice(&fs::read(vectors().join("cases.json")).unwrap()).unwrap();
    assert_eq!(cases.len(), 11);
    let root = install(&["plain", "large", "consistent"]);
    for name in LORAS {
        install_lora(&root, name);
    }
    let mut executor = open(&root);
    for case in cases {
        let task = task_of(&case);
        let unadapted = (!task.loras.is_empty()).then(|| SdTask { loras: Vec::new(), ..task.clone() });
        let file = format!("{}-{}.png", case["pipeline"].as_str().unwrap(), task.seed);
        let expected = Picture::from_png(&fs::read(vectors().join(file)).unwrap()).unwrap();
        let reply = run(&mut executor, task);
        let found = Picture::from_png(&reply.data[0].png).unwrap();
        let largest = found.rgb().iter().zip(expected.rgb()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(largest <= 1, "{case}: colours differ by {largest}");
        let hash = u64::from_str_radix(case["phash"].as_str().unwrap(), 16).unwrap();
        assert_eq!(phash(&expected), hash, "{case}");
        assert!(distance(reply.data[0].phash, hash) <= 1, "{case}");
        if let Some(task) = unadapted {
            assert_ne!(run(&mut executor, task).data[0].png, reply.data[0].png, "the adaptation counts: {case}");
        }
    }
}

#[test]
fn what_the_model_cannot_do_is_refused() {
    let root = install(&["plain", "consistent"]);
    let mut executor = open(&root);
    let plain = || task("plain", "red", 2);
    let invalid = ErrorCode::InvalidArguments;
    let lcm = |steps| SdTask { scheduler: Some(SdScheduler::Lcm), steps, ..plain() };
    assert_eq!(refusal(&mut executor, lcm(51)), ("XE-062", invalid));
    let told = SdTask { negative_prompt: Some(String::new()), ..task("consistent", "red", 2) };
    assert_eq!(refusal(&mut executor, told), ("XE-069", invalid));
    let half = SdTask { dtype: Some(SdDtype::Float16), ..plain() };
    assert_eq!(refusal(&mut executor, half), ("XE-068", ErrorCode::ModelUnavailable));
    let long = SdTask { prompt: "red ".repeat(15), ..plain() };
    assert_eq!(refusal(&mut executor, long), ("XE-064", ErrorCode::TaskTooLarge));
    run(&mut executor, SdTask { prompt: "red ".repeat(14), ..plain() });
    assert_eq!(refusal(&mut executor, SdTask { steps: 0, ..plain() }), ("XP-103", invalid));
    let absent = refusal(&mut executor, task("absent", "red", 2));
    assert_eq!(absent, ("XE-021", ErrorCode::ModelUnavailable));
}

#[test]
fn damaged_pipelines_are_refused_by_name() {
    let cases: [(&str, &str, &str, &str); 8] = [
        ("scheduler/scheduler_config.json", "DDIMScheduler", "PNDMScheduler", "PNDMScheduler"),
        ("unet/config.json", "\"in_channels\": 4", "\"in_channels\": 9", "does not begin with noise"),
        ("unet/config.json", "\"in_channels\": 4", "\"in_channels\": 4097", "4097 channels, more than"),
        ("vae_decoder/config.json", "\"block_out_channels\": [", "\"block_out_channels\": [4,", "32 x 32, not 64 x 64"),
        ("vae_decoder/config.json", "\"block_out_channels\"", "\"blocks\"", "block_out_channels"),
        ("vae_decoder/config.json", "\"latents_mean\": null", "\"latents_mean\": [0]", "latents_mean"),
        ("tokenizer/tokenizer_config.json", "\"pad_token\": \"!\"", "\"pad_token\": \"<pad>\"", "<pad>"),
        ("tokenizer/vocab.json", "{", "[", "vocab.json"),
    ];
    for (file, from, to, named) in cases {
        let root = install(&["plain"]);
        let path = root.path().join("plain").join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has {from}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        describe(&root.path().join("plain"), "plain");
        let error = open(&root).run(&TaskSpec::Sd(task("plain", "red", 2)), |_, _| ()).unwrap_err();
        assert!(error.to_string().contains(named), "{file}: {error}");
        assert_eq!(error.error_code(), ErrorCode::ModelUnavailable);
    }
}

#[test]
fn a_file_that_was_changed_after_its_manifest_is_found() {
    let root = install(&["plain"]);
    fs::write(root.path().join("plain/unet/config.json"), "{}").unwrap();
    assert_eq!(refusal(&mut open(&root), task("plain", "red", 2)).0, "XE-026");
}

/// A file with one pair of matrices of these shapes.
fn write_lora(root: &tempfile::TempDir, module: &str, down: &[usize], up: &[usize]) {
    let folder = root.path().join("odd");
    fs::create_dir_all(&folder).unwrap();
    let (zeros, view) = (vec![0; 4096], |shape: Vec<usize>, data| TensorView::new(Dtype::F32, shape, data).unwrap());
    let bytes = |shape: &[usize]| &zeros[..4 * shape.iter().product::<usize>()];
    let tensors = BTreeMap::from([
        (format!("{module}.lora_A.weight"), view(down.to_vec(), bytes(down))),
        (format!("{module}.lora_B.weight"), view(up.to_vec(), bytes(up))),
    ]);
    serialize_to_file(tensors, None, &folder.join("odd.safetensors")).unwrap();
    describe_lora(&folder, "odd");
}

#[test]
fn adaptations_that_do_not_fit_are_refused_by_name() {
    let cases = [
        ("unet.no.such.module", vec![2, 8], vec![8, 2], "XE-082", "no.such.module"),
        ("transformer.blocks.0", vec![2, 8], vec![8, 2], "XE-082", "transformer.blocks.0"),
        ("unet.mid_block.resnets.0.time_emb_proj", vec![2, 5], vec![8, 2], "XE-082", "dimensions"),
        ("unet.mid_block.resnets.0.time_emb_proj", vec![2, 8], vec![8, 3], "XE-080", "time_emb_proj"),
        ("unet.a.hada_w1_a", vec![2, 8], vec![8, 2], "XE-082", "hada"),
    ];
    for (module, down, up, code, named) in cases {
        let root = install(&["plain"]);
        write_lora(&root, module, &down, &up);
        let lora = xenon_protocol::task::Lora { name: "tiny/odd".parse().unwrap(), scale: 1.0 };
        let task = SdTask { loras: vec![lora], ..task("plain", "red", 2) };
        let error = open(&root).run(&TaskSpec::Sd(task), |_, _| ()).unwrap_err();
        assert_eq!((error.code(), error.error_code()), (code, ErrorCode::ModelUnavailable), "{error}");
        assert!(error.to_string().contains(named), "{error}");
    }
}

/// Writes an adaptation of the vectors in PEFT's layout, with what `adapter_config.json` shall say.
fn write_peft(root: &tempfile::TempDir, config: &Value) {
    let folder = root.path().join("peft");
    fs::create_dir_all(&folder).unwrap();
    let bytes = fs::read(vectors().join("whole.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let renamed = |(key, view): (&str, _)| (format!("base_model.model.{}", key.strip_prefix("unet.").unwrap()), view);
    let renamed: BTreeMap<_, _> = tensors.iter().map(renamed).collect();
    serialize_to_file(renamed, None, &folder.join("adapter_model.safetensors")).unwrap();
    fs::write(folder.join("adapter_config.json"), config.to_string()).unwrap();
    describe_lora(&folder, "peft");
}

#[test]
fn the_strength_of_a_peft_adaptation_is_that_of_its_configuration() {
    let root = install(&["large"]);
    install_lora(&root, "whole");
    let adapted = |name: &str, scale| {
        let lora = xenon_protocol::task::Lora { name: format!("tiny/{name}").parse().unwrap(), scale };
        SdTask { loras: vec![lora], ..task("large", "red", 2) }
    };
    let expected = run(&mut open(&root), adapted("whole", 3.0)).data[0].png.clone();
    write_peft(&root, &json!({ "r": 2, "lora_alpha": 6 }));
    assert_eq!(run(&mut open(&root), adapted("peft", 1.0)).data[0].png, expected);
    write_peft(&root, &json!({ "r": 2, "lora_alpha": 2 }));
    assert_ne!(run(&mut open(&root), adapted("peft", 1.0)).data[0].png, expected);
    fs::write(root.path().join("peft/adapter_config.json"), r#"{"r": 2, "lora_alpha": 6}"#).unwrap();
    assert_eq!(refusal(&mut open(&root), adapted("peft", 1.0)).0, "XE-026");
}

/// Moves the weights of a graph into a file beside it, as large models have them.
fn move_weights_out(graph: &Path) {
    let mut model = OnnxModel::read(graph).unwrap();
    let mut data = Vec::new();
    for tensor in &mut model.proto.graph.as_mut().unwrap().initializer {
        let Some(bytes) = tensor.raw_data.take_if(|bytes| bytes.len() > 64) else { continue };
        let entries = [("location", "model.onnx_data".to_owned()), ("offset", data.len().to_string())];
        let entry = |(key, value): (&str, String)| StringStringEntryProto { key: Some(key.into()), value: Some(value) };
        tensor.external_data = entries.map(entry).to_vec();
        tensor.data_location = Some(EXTERNAL);
        data.extend(bytes);
    }
    assert!(data.len() > 10_000, "most weights were moved");
    fs::write(graph.with_file_name("model.onnx_data"), data).unwrap();
    fs::write(graph, model.to_bytes()).unwrap();
}

#[test]
fn weights_beside_the_graph_are_adapted_as_those_in_it() {
    let lora = xenon_protocol::task::Lora { name: "tiny/denoiser".parse().unwrap(), scale: 1.0 };
    let adapted = SdTask { loras: vec![lora], ..task("plain", "red", 2) };
    let root = install(&["plain"]);
    install_lora(&root, "denoiser");
    let inside = run(&mut open(&root), adapted.clone());
    move_weights_out(&root.path().join("plain/unet/model.onnx"));
    describe(&root.path().join("plain"), "plain");
    assert_eq!(run(&mut open(&root), adapted), inside);
}

#[test]
fn a_picture_does_not_depend_on_threads_nor_on_how_many_are_made() {
    let root = install(&["plain"]);
    let mut config = xenon_executor::ExecutorConfig::new(root.path());
    config.intra_threads = std::num::NonZeroUsize::new(2);
    let several = SdTask { num_images: 3, seed: 5, ..task("plain", "red", 3) };
    let reply = run(&mut Executor::open(&config).unwrap(), several.clone());
    config.intra_threads = std::num::NonZeroUsize::new(1);
    let mut executor = Executor::open(&config).unwrap();
    assert_eq!(run(&mut executor, several), reply);
    let first = run(&mut executor, SdTask { seed: 5, ..task("plain", "red", 3) });
    assert_eq!(first.data[0], reply.data[0]);
    assert_ne!(reply.data[0].png, reply.data[1].png);
    assert_eq!(reply.result(), image_result(reply.data.iter().map(|image| image.phash)));
}

#[test]
fn every_step_of_every_picture_is_told() {
    let root = install(&["plain"]);
    let (mut steps, mut texts) = (Vec::new(), 0);
    let mut events = TaskEvents {
        on_text: &mut |_, _| texts += 1,
        on_step: &mut |picture, step, of| steps.push((picture, step, of)),
    };
    let mut executor = open(&root);
    let task = TaskSpec::Sd(SdTask { num_images: 2, ..task("plain", "red", 2) });
    let observed = executor.run_observed(&task, &mut events).unwrap();
    assert_eq!((steps, texts), (vec![(1, 1, 2), (1, 2, 2), (2, 1, 2), (2, 2, 2)], 0));
    assert_eq!(executor.run(&task, |_, _| ()).unwrap(), observed);
    let times = executor.image_times(&"tiny/plain".parse().unwrap()).unwrap();
    assert!(times.total >= times.runtime() && times.unet > std::time::Duration::ZERO);
}
