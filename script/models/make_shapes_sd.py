"""Makes models/shapes-sd from nothing: trains the autoencoder, then text encoder and UNet, exports, compares.

Usage: make_shapes_sd.py [--checkpoint FOLDER] [--trained]
The checkpoint (torch weights, tokenizer) is kept outside the committed tree; --trained starts from it.
"""

import argparse
import pathlib
import sys

import clip_tokenizer
import evaluate_shapes
import export_shapes_sd
import shapes_card
import shapes_data
import train_shapes_sd
import train_shapes_vae
from onnx_sd import OnnxSd

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "models" / "shapes-sd"
CHECKPOINT = ROOT / "target" / "models" / "shapes-sd"


def main():
    """The whole way from the seed to the folder. Exit status 1 if a graph differs from torch."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=pathlib.Path, default=CHECKPOINT)
    parser.add_argument("--trained", action="store_true", help="start from the checkpoint instead of training")
    arguments = parser.parse_args()
    if not arguments.trained:
        train_into(arguments.checkpoint)
    return finish(arguments.checkpoint)


def train_into(checkpoint):
    """Trains and saves all parts."""
    train_shapes_vae.configure_torch()
    pixels, prompts = shapes_data.pictures()
    autoencoder = train_shapes_vae.train(pixels)
    autoencoder.save_pretrained(checkpoint / "vae")
    latents = train_shapes_vae.latents(autoencoder, pixels) * autoencoder.config.scaling_factor
    train_shapes_vae.configure_torch()
    tokenizer = clip_tokenizer.build(prompts)
    tokenizer.save_pretrained(checkpoint / "tokenizer")
    train_shapes_sd.train(tokenizer, latents, prompts, checkpoint)


def finish(checkpoint):
    """Exports, compares the graphs with torch, examines them, writes the README."""
    export_shapes_sd.export(checkpoint, FOLDER)
    differences = export_shapes_sd.largest_differences(checkpoint, FOLDER)
    for part, difference in differences.items():
        print(f"{part}: largest difference, ONNX Runtime against torch: {difference:.2e}", flush=True)
    shapes_card.write(FOLDER, differences, examined(OnnxSd(FOLDER)))
    return int(max(differences.values()) > export_shapes_sd.TOLERANCE)


def examined(model):
    """What the check finds on drawn pictures and in every setting, as the README shows it."""
    lines = [evaluate_shapes.drawn()[0], "", evaluate_shapes.HEAD]
    for kind, guidance in evaluate_shapes.every_setting():
        lines.append(evaluate_shapes.graded(model, kind, guidance)[0])
        print(lines[-1], flush=True)
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
