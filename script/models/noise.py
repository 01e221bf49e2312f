"""The executor's noise for pictures, in Python: ChaCha20 and Box-Muller as executor/src/image/noise.rs describes them."""

import math

import numpy

MASK = 0xFFFFFFFF


def rotated(word, bits):
    return (word << bits | word >> (32 - bits)) & MASK


def quarter(state, a, b, c, d):
    """One quarter round of ChaCha (RFC 8439, 2.1)."""
    for first, second, third, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        state[first] = (state[first] + state[second]) & MASK
        state[third] = rotated(state[third] ^ state[first], bits)


def block(key, stream, counter):
    """Sixteen words of the key stream, with a counter and a stream of 64 bits each."""
    words = [int.from_bytes(key[i : i + 4], "little") for i in range(0, 32, 4)]
    start = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574, *words]
    start += [counter & MASK, counter >> 32, stream & MASK, stream >> 32]
    state = list(start)
    for _ in range(10):
        for column in range(4):
            quarter(state, column, column + 4, column + 8, column + 12)
        for column in range(4):
            quarter(state, column, 4 + (column + 1) % 4, 8 + (column + 2) % 4, 12 + (column + 3) % 4)
    return [(a + b) & MASK for a, b in zip(state, start)]


def words(seed, stream):
    """All words of a stream, one after another."""
    key, counter = seed.to_bytes(32, "little"), 0
    while True:
        yield from block(key, stream, counter)
        counter += 1


class Noise:
    """The noise of one picture."""

    def __init__(self, seed, picture):
        self.words, self.second = words(seed, picture), None

    def fraction(self, more):
        low, high = next(self.words), next(self.words)
        return ((high << 32 | low) // 2**11 + more) / 2**53

    def number(self):
        if self.second is not None:
            number, self.second = self.second, None
            return number
        radius = math.sqrt(-2 * math.log(self.fraction(1)))
        angle = 2 * math.pi * self.fraction(0)
        self.second = radius * math.sin(angle)
        return radius * math.cos(angle)

    def take(self, shape):
        """The next numbers, in the order of `shape`."""
        return numpy.array([self.number() for _ in range(math.prod(shape))], dtype=numpy.float32).reshape(shape)
