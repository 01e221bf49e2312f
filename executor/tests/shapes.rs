//! The repository's small Stable Diffusion model: what it draws is what it was asked for.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss, clippy::print_stdout, reason = "a test fails by panicking")]

#[path = "shapes/check.rs"]
mod check;

use std::path::Path;

use check::{COLOURS, Pixels, Rgb, SHAPES};
use xenon_executor::{Executor, ExecutorConfig};
use xenon_protocol::task::TaskSpec;

const MODEL: &str = "xenon/shapes-sd";

fn executor() -> Executor {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    Executor::open(&ExecutorConfig::new(models)).unwrap()
}

/// What the executor makes of a task, decoded from the PNG files that would be delivered.
fn pictures(executor: &mut Executor, task: &serde_json::Value) -> Vec<Pixels> {
    let task = TaskSpec::parse(&serde_json::to_vec(task).unwrap()).unwrap();
    let reply = executor.run(&task, |_, _| ()).unwrap().reply;
    reply.images().unwrap().data.iter().map(|image| decoded(&image.png)).collect()
}

fn decoded(bytes: &[u8]) -> Pixels {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut rgb).unwrap();
    let rgb: Vec<Rgb> = rgb.chunks_exact(3).map(|pixel| [0, 1, 2].map(|channel| i64::from(pixel[channel]))).collect();
    Pixels { width: info.width as usize, rgb }
}

/// A shape without soft edges, for the check itself.
fn drawn(colour: Rgb, inside: fn(f64, f64) -> bool) -> Pixels {
    let place = |at: usize| (2 * at + 1) as f64 / 40.0 - 1.6;
    let pixel = |x: usize, y: usize| if inside(place(x), place(y)) { colour } else { [245; 3] };
    Pixels { width: 64, rgb: (0..64).flat_map(|y| (0..64).map(move |x| pixel(x, y))).collect() }
}

#[test]
fn the_check_names_every_drawn_shape() {
    for (colour, rgb) in COLOURS {
        for (shape, inside) in SHAPES {
            assert_eq!(drawn(rgb, inside).seen(), (Some(colour), Some(shape)));
        }
    }
    assert_eq!(drawn([0; 3], |_, _| false).seen(), (None, None));
}

/// The check is right of at least nine in ten pictures; every colour with every shape, two seeds.
#[test]
fn nine_of_ten_pictures_show_what_was_asked_for() {
    let mut executor = executor();
    let mut wrong = Vec::new();
    for (colour, _) in COLOURS {
        for (shape, _) in SHAPES {
            let article = if colour.starts_with('o') { "an" } else { "a" };
            let task = serde_json::json!({ "kind": "sd", "model": MODEL, "prompt": format!("{article} {colour} {shape}"),
                "width": 64, "height": 64, "steps": 15, "guidance_scale": 7.0, "num_images": 2, "seed": 3 });
            for picture in pictures(&mut executor, &task) {
                if picture.seen() != (Some(colour), Some(shape)) {
                    wrong.push(format!("{colour} {shape}: {:?}", picture.seen()));
                }
            }
        }
    }
    let asked = 2 * COLOURS.len() * SHAPES.len();
    println!("{} of {asked} pictures show what was asked for", asked - wrong.len());
    assert!(10 * wrong.len() <= asked, "{} of {asked} are wrong: {wrong:#?}", wrong.len());
}
