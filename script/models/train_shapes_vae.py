"""Trains the picture model's autoencoder: 64×64 pixels to 16×16 latents of 4 channels and back."""

import time

import torch
from diffusers import AutoencoderKL

import shapes
import shapes_data
from convolution_muon import Optimizers, warm_cosine

STEPS = 2000
BATCH = 8
MATRIX_RATE = 1e-2
OTHER_RATE = 3e-3
WARM_UP = 50
DIVERGENCE_WEIGHT = 1e-3
THREADS = 2
SEED = 1
ENCODED_AT_ONCE = 50


def configure_torch():
    """Deterministic kernels, fixed seed, a fixed number of threads."""
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(SEED)


def new_autoencoder():
    """An untrained autoencoder of three levels, so that a latent stands for 4×4 pixels."""
    return AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=4, sample_size=shapes.SIDE, layers_per_block=1, norm_num_groups=2,
        block_out_channels=(8, 16, 32), down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3,
    )


def train(pixels):
    """A trained autoencoder whose `scaling_factor` gives latents a standard deviation of one."""
    autoencoder, started, losses = new_autoencoder(), time.monotonic(), []
    optimizers = Optimizers(autoencoder, MATRIX_RATE, OTHER_RATE, warm_cosine(STEPS, WARM_UP))
    for step in range(STEPS):
        losses.append(one_step(autoencoder, optimizers, pixels[torch.randint(len(pixels), (BATCH,))]))
        if (step + 1) % 50 == 0:
            mean = sum(losses[-50:]) / 50
            print(f"autoencoder {step + 1:4d}/{STEPS}  loss {mean:.4f}  {time.monotonic() - started:5.0f} s", flush=True)
    spread = latents(autoencoder.eval(), pixels[:1000]).std().item()
    autoencoder.register_to_config(scaling_factor=round(1 / spread, 5))
    return autoencoder


def one_step(autoencoder, optimizers, pixels):
    """One update; returns the loss before it: mean absolute error and divergence from the normal distribution."""
    wanted = shapes_data.as_floats(pixels)
    posterior = autoencoder.encode(wanted).latent_dist
    error = (autoencoder.decode(posterior.sample()).sample - wanted).abs().mean()
    loss = error + DIVERGENCE_WEIGHT * posterior.kl().mean() / posterior.mean[0].numel()
    optimizers.step(loss)
    return loss.item()


@torch.no_grad()
def latents(autoencoder, pixels):
    """The posteriors' means, unscaled."""
    parts = pixels.split(ENCODED_AT_ONCE)
    return torch.cat([autoencoder.encode(shapes_data.as_floats(part)).latent_dist.mean for part in parts])
