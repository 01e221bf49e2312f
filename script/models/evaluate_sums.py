"""Asks an exported model every held-out sum and prints how many it gets right.

Usage: evaluate_sums.py models/sum-chat [--least 95]
Needs onnxruntime, tokenizers and jinja2 only. Exit status 1 if a section is below --least percent.
"""

import argparse
import sys

import exam
from onnx_chat import OnnxChat


def main():
    """Grades the folder named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="the model's folder")
    parser.add_argument("--least", type=float, default=95.0, help="percent that every section must reach")
    arguments = parser.parse_args()
    results = exam.grade(OnnxChat(arguments.folder).answers)
    return int(any(100 * right / asked < arguments.least for right, asked, _ in results.values()))


if __name__ == "__main__":
    sys.exit(main())
