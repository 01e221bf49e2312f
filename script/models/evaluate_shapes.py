"""Asks a Stable Diffusion folder for every colour and shape and prints how many pictures the check finds right.

Usage: evaluate_shapes.py models/shapes-sd [--scheduler "DPM++ 2M"] [--steps 15] [--guidance 3] [--seeds 4] [--least 90] [--all] [--sheet FILE]
First the check itself is tried on drawn pictures. --all goes through schedulers and strengths of guidance. --sheet writes
the pictures of the last setting as one PNG. Exit status 1 if something is below --least percent.
"""

import argparse
import sys

import numpy as np
from PIL import Image

import shapes
import shapes_check
from onnx_sd import SCHEDULERS, OnnxSd

DRAWN = 2_000
LEAST_DRAWN = 99.0
GUIDANCES = (1, 2, 3, 5, 7)
STEPS = 15
SEEDS = 4
HEAD = "| scheduler | steps | guidance | colour right | shape right | both right |\n|---|---|---|---|---|---|"


def main():
    """Grades the check, then the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="the model's folder")
    parser.add_argument("--scheduler", choices=SCHEDULERS, default="DPM++ 2M")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--least", type=float, default=90.0, help="percent of pictures that must be right")
    parser.add_argument("--all", action="store_true", help="all schedulers and strengths of guidance")
    parser.add_argument("--sheet", help="a PNG to write the last setting's pictures to")
    arguments = parser.parse_args()
    settings = every_setting() if arguments.all else [(arguments.scheduler, arguments.guidance)]
    if drawn()[1] < LEAST_DRAWN:
        return 1
    shares = []
    model = OnnxSd(arguments.folder)
    print(HEAD, flush=True)
    for kind, guidance in settings:
        line, share = graded(model, kind, guidance, arguments.steps, arguments.seeds, arguments.sheet)
        print(line, flush=True)
        shares.append(share)
    return int(min(shares) < arguments.least)


def every_setting():
    """All schedulers with all strengths of guidance."""
    return [(kind, guidance) for kind in SCHEDULERS for guidance in GUIDANCES]


def drawn():
    """What the check makes of drawn pictures: a sentence, and percent right. Prints the sentence."""
    random = np.random.default_rng(7)
    right = sum(is_drawn_right(random) for _ in range(DRAWN))
    line = f"The check on {DRAWN:,} drawn pictures: {right:,} right ({100 * right / DRAWN:.2f} %)."
    print(line, flush=True)
    return line, 100 * right / DRAWN


def is_drawn_right(random):
    """Whether the check names a random drawn picture's colour and shape."""
    picture, _ = shapes.random_picture(random)
    return shapes_check.seen(shapes.render(random, picture)) == (picture.colour, picture.shape)


def graded(model, kind, guidance, steps=STEPS, seeds=SEEDS, sheet=None):
    """One setting: its line of the table, and percent right."""
    wanted = [(colour, shape) for colour in shapes.COLOURS for shape in shapes.SHAPES]
    prompts = [shapes.with_article("a ", f"{colour} {shape}") for colour, shape in wanted]
    pictures = [model.pictures(kind, prompts, seed, steps, guidance) for seed in range(seeds)]
    seen = [shapes_check.seen(picture) for batch in pictures for picture in batch]
    cells = counts(seen, wanted * seeds)
    if sheet:
        write_sheet(sheet, pictures)
    share = 100 * cells[-1] / len(seen)
    return f"| {kind} | {steps} | {guidance:g} | " + " | ".join(f"{c} of {len(seen)}" for c in cells) + f" ({share:.1f} %) |", share


def counts(seen, wanted):
    """How many have the right colour, the right shape, both."""
    pairs = list(zip(seen, wanted))
    return sum(s[0] == w[0] for s, w in pairs), sum(s[1] == w[1] for s, w in pairs), sum(s == w for s, w in pairs)


def write_sheet(path, pictures):
    """All pictures in one: a row per seed and colour, a column per shape."""
    rows = np.concatenate(pictures).reshape(-1, len(shapes.SHAPES), shapes.SIDE, shapes.SIDE, 3)
    height, width = rows.shape[0] * shapes.SIDE, rows.shape[1] * shapes.SIDE
    Image.fromarray(rows.transpose(0, 2, 1, 3, 4).reshape(height, width, 3)).save(path)


if __name__ == "__main__":
    sys.exit(main())
