"""Writes tests/vectors/schedulers/steps.json: what diffusers' schedulers do, for the executor's tests.

Usage: python script/models/make_scheduler_vectors.py

Each case is a scheduler with settings and a number of steps. A latent of six values goes through all steps with a model
that says 0.3 x + 0.05 (i - 2) - t / 4000 to the scaled value x at place i, and with noise ((7 s + 3 i) mod 11 - 5) / 4 at
step s. The executor's test does the same arithmetic, so that only results need to be kept.
"""

import json
import pathlib

import diffusers
import torch
from diffusers import schedulers
from diffusers.schedulers import scheduling_dpmsolver_multistep as dpm
from diffusers.schedulers import scheduling_euler_ancestral_discrete as ancestral
from diffusers.schedulers import scheduling_lcm as lcm

TARGET = pathlib.Path(__file__).parents[2] / "tests/vectors/schedulers/steps.json"
SIZE = 6
SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
V = {"prediction_type": "v_prediction"}
ZERO = {**V, "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
KARRAS = {"use_karras_sigmas": True}
SPACINGS = [{"timestep_spacing": name, "steps_offset": 1} for name in ("leading", "trailing", "linspace")]
COMMON = [{}, SD, {**SD, **V}, {"beta_schedule": "squaredcos_cap_v2"}, *({**SD, **spacing} for spacing in SPACINGS)]
CASES = {
    "EulerDiscreteScheduler": [
        *COMMON, {**SD, **KARRAS}, {**SD, **KARRAS, "sigma_min": 0.05, "sigma_max": 12.0}, {**SD, **ZERO},
        {**SD, "prediction_type": "sample"}, {**SD, "final_sigmas_type": "sigma_min"},
        {**SD, **KARRAS, **SPACINGS[0]},
    ],
    "EulerAncestralDiscreteScheduler": [*COMMON, {**SD, **ZERO}],
    "DDIMScheduler": [
        *COMMON, {**SD, **ZERO, "clip_sample": False}, {**SD, "clip_sample": False, "set_alpha_to_one": False},
        {**SD, "prediction_type": "sample"}, {**SD, "clip_sample_range": 0.25}, {**SD, **SPACINGS[0], "clip_sample": False},
    ],
    "DPMSolverMultistepScheduler": [
        *COMMON, {**SD, **KARRAS}, {"beta_schedule": "squaredcos_cap_v2", **KARRAS}, {**SD, "solver_order": 1},
        {**SD, "solver_type": "heun"}, {**SD, "lower_order_final": False, "final_sigmas_type": "sigma_min"},
        {**SD, "euler_at_final": True, "final_sigmas_type": "sigma_min"}, {**SD, "lambda_min_clipped": -5.1},
        {**SD, "algorithm_type": "sde-dpmsolver++"}, {**SD, "algorithm_type": "sde-dpmsolver++", "solver_type": "heun"},
        {**SD, **ZERO}, {**SD, "prediction_type": "sample"},
    ],
    "LCMScheduler": [
        {}, V, {"prediction_type": "sample"}, {"clip_sample": True, "clip_sample_range": 0.5}, {"original_inference_steps": 100},
        {"timestep_scaling": 4.0}, {**ZERO, "timestep_spacing": "leading"}, {"beta_schedule": "linear"},
    ],
}
STEPS = {"LCMScheduler": (1, 2, 4, 7, 50)}
USUAL_STEPS = (1, 2, 3, 10, 21)


class Noise:
    """Stands in for the random noise of schedulers."""

    def __init__(self):
        self.step = 0

    def __call__(self, shape, **_):
        return torch.tensor([((7 * self.step + 3 * i) % 11 - 5) / 4 for i in range(SIZE)], dtype=torch.float32).reshape(shape)


def model(values, timestep):
    """What the model says."""
    places = torch.arange(SIZE, dtype=torch.float32) - 2
    return 0.3 * values + 0.05 * places - float(timestep) / 4000


def run(scheduler, steps, noise):
    """The latents after each step."""
    scheduler.set_timesteps(steps)
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(0)  # two equal timesteps at the start would make it begin with the second
    latent = torch.tensor([0.5, -1.0, 1.5, -0.25, 0.0, 2.0]) * scheduler.init_noise_sigma
    trajectory = []
    for index, timestep in enumerate(scheduler.timesteps):
        noise.step = index
        output = model(scheduler.scale_model_input(latent, timestep), timestep)
        latent = scheduler.step(output, timestep, latent).prev_sample
        trajectory.append([float(f"{value:.8g}") for value in latent.tolist()])
    return trajectory


def case(name, settings, steps):
    """One case as it is written down."""
    noise = Noise()
    for module in (ancestral, dpm, lcm):
        module.randn_tensor = noise
    scheduler = getattr(schedulers, name)(**settings)
    latents = run(scheduler, steps, noise)
    return {
        "settings": {"_class_name": name, **settings},
        "steps": steps,
        "initial_scale": float(scheduler.init_noise_sigma),
        "timesteps": [float(f"{float(timestep):.9g}") for timestep in scheduler.timesteps],
        "latents": latents,
    }


def main():
    cases = [
        case(name, settings, steps)
        for name, variants in CASES.items()
        for settings in variants
        for steps in STEPS.get(name, USUAL_STEPS)
    ]
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    head = json.dumps({"about": __doc__.split("\n")[0], "diffusers": diffusers.__version__, "torch": torch.__version__})
    lines = ",\n".join(json.dumps(one, separators=(",", ":")) for one in cases)
    TARGET.write_text(f'{head[:-1]}, "cases": [\n{lines}\n]}}\n')
    print(f"{len(cases)} cases")


if __name__ == "__main__":
    main()
