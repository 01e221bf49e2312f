"""Exports the picture model to the ONNX folder that Optimum writes, and compares its graphs with torch."""

import json
import pathlib
import shutil

import numpy as np
import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionPipeline, UNet2DConditionModel
from optimum.exporters.onnx import main_export
from transformers import CLIPTextModel, CLIPTokenizer

from onnx_sd import OnnxSd
from train_shapes_sd import NOISE

OPSET = 18
TOLERANCE = 1e-4
PROMPTS = ["a red circle", "a small blue square on a black background", ""]
UNNEEDED = ("vae_encoder",)


def pipeline(checkpoint):
    """The checkpoint's parts as a Stable Diffusion pipeline."""
    return StableDiffusionPipeline(
        vae=AutoencoderKL.from_pretrained(checkpoint / "vae").eval(),
        text_encoder=CLIPTextModel.from_pretrained(checkpoint / "text_encoder").eval(),
        tokenizer=CLIPTokenizer.from_pretrained(checkpoint / "tokenizer"),
        unet=UNet2DConditionModel.from_pretrained(checkpoint / "unet").eval(),
        scheduler=EulerDiscreteScheduler(**{k: v for k, v in NOISE.items() if k != "clip_sample"}, timestep_spacing="leading", steps_offset=1),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )


def export(checkpoint, folder):
    """Writes the ONNX folder of `checkpoint`; the encoder of pictures, which text to picture never needs, is
    left out; `tokenizer.json` is put in beside the two files of the slow tokenizer.
    """
    whole = checkpoint / "pipeline"
    pipeline(checkpoint).save_pretrained(whole)
    main_export(str(whole), output=folder, task="text-to-image", opset=OPSET, do_validation=False)
    for name in UNNEEDED:
        shutil.rmtree(pathlib.Path(folder) / name, ignore_errors=True)
    for path in pathlib.Path(folder).rglob("*.json"):
        forget_origin(path)
    serve_other_schedulers(pathlib.Path(folder) / "scheduler" / "scheduler_config.json")
    shutil.copy(checkpoint / "tokenizer" / "tokenizer.json", pathlib.Path(folder) / "tokenizer")


def serve_other_schedulers(path):
    """Says what Euler's method does not need and DDIM's would take a harmful default for: latents are not cut to [-1, 1]."""
    settings = json.loads(path.read_text()) | {"clip_sample": False, "set_alpha_to_one": False}
    path.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")


def forget_origin(path):
    """Takes out of a configuration where on this machine it was read from."""
    settings = json.loads(path.read_text())
    if settings.pop("_name_or_path", None):
        path.write_text(json.dumps(settings, indent=2) + "\n")


def largest_differences(checkpoint, folder):
    """Largest difference between torch and ONNX Runtime for each part, on three prompts."""
    parts, graphs = pipeline(checkpoint), OnnxSd(folder)
    random = np.random.default_rng(1)
    latents = random.standard_normal((len(PROMPTS), 4, 16, 16), dtype=np.float32)
    states = graphs.text_states(PROMPTS)
    with torch.no_grad():
        expected = {
            "text_encoder": parts.text_encoder(torch.from_numpy(graphs.token_ids(PROMPTS))).last_hidden_state,
            "unet": parts.unet(torch.from_numpy(latents), 500, torch.from_numpy(states)).sample,
            "vae_decoder": parts.vae.decode(torch.from_numpy(latents)).sample,
        }
    got = {
        "text_encoder": states,
        "unet": graphs.unet.run(None, {"sample": latents, "timestep": graphs.timestep(500), "encoder_hidden_states": states})[0],
        "vae_decoder": graphs.vae_decoder.run(None, {"latent_sample": latents})[0],
    }
    return {name: float(np.abs(expected[name].numpy() - got[name]).max()) for name in got}
