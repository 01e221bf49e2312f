"""A Stable Diffusion folder in ONNX Runtime, denoised by diffusers' schedulers; noise comes from numpy."""

import json
import pathlib

import numpy as np
import onnxruntime
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, EulerAncestralDiscreteScheduler, EulerDiscreteScheduler
from tokenizers import Tokenizer

SCHEDULERS = {
    "Euler": EulerDiscreteScheduler, "Euler a": EulerAncestralDiscreteScheduler,
    "DDIM": DDIMScheduler, "DPM++ 2M": DPMSolverMultistepScheduler,
}


class OnnxSd:
    """Text encoder, UNet and decoder of one folder, each a session of its own."""

    def __init__(self, folder, threads=1):
        self.folder = pathlib.Path(folder)
        self.text_encoder, self.unet, self.vae_decoder = (
            session(self.folder / name / "model.onnx", threads) for name in ("text_encoder", "unet", "vae_decoder")
        )
        self.tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer" / "tokenizer.json"))
        self.length = self.config("tokenizer/tokenizer_config.json")["model_max_length"]
        self.end = self.tokenizer.token_to_id(self.config("tokenizer/tokenizer_config.json")["pad_token"])
        self.scaling_factor = self.config("vae_decoder/config.json")["scaling_factor"]

    def config(self, name):
        """One of the folder's JSON files."""
        return json.loads((self.folder / name).read_text())

    def scheduler(self, name):
        """A scheduler of the given kind with the folder's own settings."""
        return SCHEDULERS[name].from_pretrained(self.folder, subfolder="scheduler")

    def token_ids(self, prompts):
        """`[n, length]` ids: cut to the model's length, padded with the end token."""
        rows = [self.tokenizer.encode(prompt).ids for prompt in prompts]
        rows = [row if len(row) <= self.length else row[:self.length - 1] + [self.end] for row in rows]
        return np.array([row + [self.end] * (self.length - len(row)) for row in rows], dtype=np.int64)

    def text_states(self, prompts):
        """Hidden states of the last layer, `[n, length, width]`."""
        kind = self.text_encoder.get_inputs()[0].type
        ids = self.token_ids(prompts).astype(np.int32 if kind == "tensor(int32)" else np.int64)
        return self.text_encoder.run(["last_hidden_state"], {"input_ids": ids})[0]

    def noise(self, latents, timestep, prompted, unprompted, guidance):
        """The predicted noise, guided away from the empty prompt's."""
        states = np.concatenate([unprompted, prompted])
        both = self.unet.run(None, {
            "sample": np.concatenate([latents, latents]), "timestep": self.timestep(timestep), "encoder_hidden_states": states,
        })[0]
        without, with_prompt = np.split(both, 2)
        return without + guidance * (with_prompt - without)

    def timestep(self, value):
        """A time step as the graph wants it: its own type, and one number or a list of one."""
        wanted = next(i for i in self.unet.get_inputs() if i.name == "timestep")
        kind = {"tensor(float)": np.float32, "tensor(int64)": np.int64}[wanted.type]
        return np.full([1] * len(wanted.shape), value, dtype=kind)

    def denoise(self, scheduler, prompts, latents, steps, guidance, random=None, trace=None):
        """Latents after all steps; `latents` is standard normal noise, `random` draws an ancestral scheduler's.

        Latents after each step are appended to `trace`, if there is one.
        """
        prompted, unprompted = self.text_states(prompts), self.text_states([""] * len(prompts))
        scheduler.set_timesteps(steps)
        latents = torch.from_numpy(latents) * scheduler.init_noise_sigma
        for timestep in scheduler.timesteps:
            scaled = scheduler.scale_model_input(latents, timestep).numpy()
            predicted = torch.from_numpy(self.noise(scaled, timestep.item(), prompted, unprompted, guidance))
            options = {"generator": random} if isinstance(scheduler, EulerAncestralDiscreteScheduler) else {}
            latents = scheduler.step(predicted, timestep, latents, **options).prev_sample
            if trace is not None:
                trace.append(latents.numpy())
        return latents.numpy()

    def decode(self, latents):
        """Pictures as bytes, `[n, height, width, 3]`: (x / 2 + 1/2) cut to 0..1, times 255, rounded half to even."""
        pixels = self.vae_decoder.run(None, {"latent_sample": latents / np.float32(self.scaling_factor)})[0]
        return np.rint(np.clip(pixels / 2 + 0.5, 0, 1) * 255).astype(np.uint8).transpose(0, 2, 3, 1)

    def pictures(self, scheduler, prompts, seed, steps, guidance):
        """One picture per prompt; equal seeds give equal noise."""
        random = np.random.default_rng(seed)
        latents = random.standard_normal((len(prompts), 4, 16, 16), dtype=np.float32)
        return self.decode(self.denoise(self.scheduler(scheduler), prompts, latents, steps, guidance, torch.Generator().manual_seed(seed)))


def session(path, threads):
    """An inference session on the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
