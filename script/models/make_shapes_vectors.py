"""Writes the golden vectors of picture inference: what diffusers makes of the exported graphs in ONNX Runtime.

Usage: make_shapes_vectors.py [--folder models/shapes-sd] [--output tests/vectors/shapes]
One file per prompt; the ancestral scheduler, which needs noise at every step, only in the first. Arrays are flat, in
row-major order, 32-bit floats written so that they read back exactly.
"""

import argparse
import hashlib
import importlib.metadata
import json
import pathlib
import platform

import imagehash
import numpy as np
import torch
from PIL import Image

import shapes_check
from make_shapes_sd import FOLDER, ROOT
from onnx_sd import OnnxSd

PROMPTS = ("a red circle", "a small blue square on a black background", "large GREEN star, gray background")
SCHEDULERS = ("DDIM", "Euler", "DPM++ 2M", "Euler a")
STEPS = 12
GUIDANCE = 3.0
STATES_SHOWN = 8
LATENT_SHAPE = (1, 4, 16, 16)


def main():
    """Writes one file for every prompt."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=pathlib.Path, default=FOLDER)
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "tests" / "vectors" / "shapes")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    model = OnnxSd(arguments.folder)
    for number, prompt in enumerate(PROMPTS):
        case = vector(model, prompt, seed=number)
        path = arguments.output / ("_".join(prompt.lower().replace(",", "").split()) + ".json")
        path.write_text(json.dumps({"made_with": versions(arguments.folder)} | case, separators=(",", ":")) + "\n")
        print(f"{path.name}: {path.stat().st_size:,} bytes", flush=True)


def versions(folder):
    """Versions and files of everything that could change the vectors."""
    names = ("torch", "diffusers", "tokenizers", "onnxruntime", "numpy", "pillow", "imagehash")
    graphs = {
        f"{part}/model.onnx": hashlib.sha256((folder / part / "model.onnx").read_bytes()).hexdigest()
        for part in ("text_encoder", "unet", "vae_decoder")
    }
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in names} | graphs


def vector(model, prompt, seed):
    """Tokens, text states, and the way of every scheduler from the same initial noise."""
    initial = np.random.default_rng(seed).standard_normal(LATENT_SHAPE, dtype=np.float32)
    states = model.text_states([prompt])
    return {
        "prompt": prompt,
        "token_ids": model.token_ids([prompt])[0].tolist(),
        "text_states": described(states),
        "steps": STEPS,
        "guidance": GUIDANCE,
        "initial_noise": numbers(initial),
        "runs": [run(model, prompt, initial, name, seed) for name in (SCHEDULERS[:3] if seed else SCHEDULERS)],
    }


def described(states):
    """Shape, first values, and sums of a hidden state."""
    return {
        "shape": list(states.shape),
        "first": numbers(states[0, :, :STATES_SHOWN]),
        "sum": float(states.sum(dtype=np.float64)),
        "sum_of_squares": float(np.square(states, dtype=np.float64).sum()),
    }


def run(model, prompt, initial, name, seed):
    """One scheduler: its timesteps, latents after the first step and the last, the picture's hash and what it shows."""
    trace = []
    scheduler = model.scheduler(name)
    drawn = torch.Generator().manual_seed(seed)
    final = model.denoise(scheduler, [prompt], initial, STEPS, GUIDANCE, drawn, trace)
    picture = model.decode(final)[0]
    colour, shape = shapes_check.seen(picture)
    return {
        "scheduler": name,
        "timesteps": [float(t) for t in scheduler.timesteps],
        "init_noise_sigma": float(scheduler.init_noise_sigma),
        "step_noise": ancestral_noise(name, seed),
        "first_latents": numbers(trace[0]),
        "final_latents": numbers(final),
        "phash": str(imagehash.phash(Image.fromarray(picture))),
        "mean_rgb": picture.mean(axis=(0, 1)).round(4).tolist(),
        "colour": colour,
        "shape": shape,
    }


def ancestral_noise(name, seed):
    """The noise that an ancestral scheduler adds at every step; empty for the others."""
    if name != "Euler a":
        return []
    drawn = torch.Generator().manual_seed(seed)
    return [numbers(torch.randn(LATENT_SHAPE, generator=drawn).numpy()) for _ in range(STEPS)]


def numbers(array):
    """A flat list of the shortest decimals that read back as the same 32-bit floats."""
    return [float(str(x)) for x in np.asarray(array, dtype=np.float32).ravel()]


if __name__ == "__main__":
    main()
