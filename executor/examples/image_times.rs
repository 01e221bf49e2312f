//! Prints where the time of a picture goes: `cargo run --release -p xenon-executor --example image_times -- MODELS ORG/NAME SIDE STEPS`.

use std::{env, error::Error};

use xenon_executor::{Executor, ExecutorConfig};
use xenon_protocol::task::{ModelId, SdTask, TaskSpec};

#[allow(clippy::print_stdout, reason = "what the program is for")]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [models, model, side, steps] = arguments.as_slice() else {
        return Err("usage: image_times MODELS ORG/NAME SIDE STEPS".into());
    };
    let model: ModelId = model.parse()?;
    let task = TaskSpec::Sd(SdTask::new(model.clone(), "a red circle", side.parse()?, steps.parse()?));
    let mut executor = Executor::open(&ExecutorConfig::new(models))?;
    // The first run also allocates what the others use again.
    for _ in 0..3 {
        executor.run(&task, |_, _| {})?;
        let times = executor.image_times(&model).ok_or("the model is not loaded")?;
        println!(
            "text {:.1?}, denoiser {:.1?}, decoder {:.1?}; whole {:.1?} = {:.4} of the runtime's calls",
            times.text_encoder,
            times.unet,
            times.vae_decoder,
            times.total,
            times.over_runtime()
        );
    }
    Ok(())
}
