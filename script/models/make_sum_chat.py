"""Makes models/sum-chat from nothing: trains, examines, exports, examines the export, writes the model's README.

Usage: make_sum_chat.py [--checkpoint FOLDER] [--trained]
The checkpoint (torch weights, tokenizer) is kept outside the committed tree; --trained starts from it.
"""

import argparse
import pathlib
import sys

import chat_tokenizer
import exam
import export_onnx
import model_card
import train_sums
from onnx_chat import OnnxChat
from torch_chat import TorchChat

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "models" / "sum-chat"
CHECKPOINT = ROOT / "target" / "models" / "sum-chat"


def main():
    """The whole way from the seed to the folder. Exit status 1 if the graph differs from torch."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=pathlib.Path, default=CHECKPOINT)
    parser.add_argument("--trained", action="store_true", help="start from the checkpoint instead of training")
    arguments = parser.parse_args()
    train_sums.configure_torch()
    if not arguments.trained:
        train_into(arguments.checkpoint)
    return finish(arguments.checkpoint)


def train_into(checkpoint):
    """Trains and saves model and tokenizer."""
    tokenizer = chat_tokenizer.build()
    train_sums.train(tokenizer).save_pretrained(checkpoint)
    tokenizer.save_pretrained(checkpoint)


def finish(checkpoint):
    """Exports, examines both engines, writes the README."""
    export_onnx.export(checkpoint, FOLDER)
    difference = export_onnx.largest_difference(checkpoint, FOLDER)
    print(f"largest difference of logits, ONNX Runtime against torch: {difference:.2e}", flush=True)
    print("torch:", flush=True)
    torch_chat = TorchChat(checkpoint)
    in_torch = exam.grade(torch_chat.answers)
    print("ONNX Runtime:", flush=True)
    in_onnx = exam.grade(OnnxChat(FOLDER).answers)
    model_card.write(FOLDER, torch_chat.model.num_parameters(), in_torch, in_onnx, difference)
    return int(difference > export_onnx.TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
