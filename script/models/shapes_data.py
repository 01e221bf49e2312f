"""The training set of the picture model: rendered pictures with their prompts, the same at every run."""

import numpy as np
import torch

import shapes

SEED = 20_261_121
PICTURES = 20_000


def pictures(count=PICTURES):
    """`(bytes [count, 3, SIDE, SIDE], prompts)`."""
    random = np.random.default_rng(SEED)
    pixels = np.empty((count, shapes.SIDE, shapes.SIDE, 3), dtype=np.uint8)
    prompts = []
    for place in range(count):
        picture, prompt = shapes.random_picture(random)
        pixels[place] = shapes.render(random, picture)
        prompts.append(prompt)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2), prompts


def as_floats(pixels):
    """Bytes to the range from -1 to 1 in which the autoencoder works."""
    return pixels.float() / 127.5 - 1
