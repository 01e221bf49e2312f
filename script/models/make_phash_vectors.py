"""Writes tests/vectors/phash/generated.json: imagehash's hashes of 200 pictures made from a seed.

Usage: python script/models/make_phash_vectors.py

The executor's test makes the same pictures: each from its own stream of the generator ChaCha20 with a key of zeros.
"""

import json
import pathlib

import imagehash
import numpy
from PIL import Image

from noise import words

TARGET = pathlib.Path(__file__).parents[2] / "tests/vectors/phash/generated.json"
COUNT = 200


class Numbers:
    """32-bit numbers of one stream."""

    def __init__(self, stream):
        self.words = words(0, stream)

    def below(self, limit):
        return next(self.words) % limit


def picture(index):
    """Number `index` of the pictures: noise, gradients, discs or squares."""
    numbers = Numbers(index)
    width, height, kind = 1 + numbers.below(150), 1 + numbers.below(150), numbers.below(4)
    colours = [[numbers.below(256) for _ in range(3)] for _ in range(4)]
    x, y, radius = numbers.below(width), numbers.below(height), 1 + numbers.below(80)

    def value(row, column, channel):
        if kind == 0:
            return numbers.below(256)
        if kind == 1:
            return (column * colours[0][channel] + row * colours[1][channel]) // (width + height) % 256
        if kind == 2:
            return colours[(column - x) ** 2 + (row - y) ** 2 < radius * radius][channel]
        return colours[(column // radius + row // radius) % 4][channel]

    rows = [[[value(row, column, channel) for channel in range(3)] for column in range(width)] for row in range(height)]
    return Image.fromarray(numpy.array(rows, dtype=numpy.uint8), "RGB")


def main():
    hashes = [str(imagehash.phash(picture(index))) for index in range(COUNT)]
    TARGET.write_text(json.dumps(hashes, indent=0) + "\n")
    print(f"{len(set(hashes))} different hashes of {COUNT}")


if __name__ == "__main__":
    main()
