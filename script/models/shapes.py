"""What the picture model has to learn: one plain shape of one colour on a plain ground, and how people ask for it.

Numpy only. Every random choice comes from the generator that the caller passes in. Positions inside a shape are
(u, v), both from -1 to 1 over the shape's bounding box, v downwards.
"""

import dataclasses
import math

import numpy as np

SIDE = 64
SUPERSAMPLING = 4
MARGIN = 2
COLOURS = {
    "red": (220, 30, 30),
    "orange": (245, 140, 20),
    "yellow": (245, 225, 40),
    "green": (30, 160, 60),
    "cyan": (40, 205, 225),
    "blue": (30, 60, 220),
    "purple": (135, 45, 180),
    "pink": (245, 130, 190),
}
GROUNDS = {"white": (245, 245, 245), "gray": (128, 128, 128), "black": (12, 12, 12)}
COLOUR_JITTER = 8
RING_HOLE = 0.55
CROSS_ARM = 1 / 3

SMALLEST, LARGEST = 10.0, 28.0
SIZES = {"small": (SMALLEST, 15.0), "big": (21.0, LARGEST), "": (SMALLEST, LARGEST)}
SIZE_WORDS = {"small": ("small", "small", "little", "tiny"), "big": ("big", "big", "large", "huge")}
SHAPE_WORDS = {"circle": ("circle", "circle", "disc"), "cross": ("cross", "cross", "plus")}
GROUND_WORDS = {"gray": ("gray", "grey")}
OPENINGS = ("a ", "a ", "a ", "", "the ", "one ", "a picture of a ", "a drawing of a ", "draw a ")
GROUND_PHRASES = (" on {}", " on a {} background", ", {} background")
SIZE_NAMED_SHARE = 0.4
GROUND_NAMED_SHARE = 0.5
UNNAMED_GROUND_SHARES = (0.7, 0.15, 0.15)


def in_circle(u, v):
    """The disc that touches all four sides."""
    return u * u + v * v <= 1


def in_ring(u, v):
    """The disc less a concentric one."""
    return in_circle(u, v) & ~in_circle(u / RING_HOLE, v / RING_HOLE)


def in_square(u, v):
    """The whole box."""
    return np.maximum(np.abs(u), np.abs(v)) <= 1


def in_cross(u, v):
    """An upright plus."""
    return in_square(u, v) & (np.minimum(np.abs(u), np.abs(v)) <= CROSS_ARM)


def in_triangle(u, v):
    """Tip above, base below."""
    return (np.abs(u) <= (v + 1) / 2) & (v <= 1)


def in_star(u, v):
    """A pentagram with one tip above: the points on the inner side of at least four of its five lines."""
    x, y = u * math.sin(math.tau / 5), (v + 1) * (1 + math.cos(math.pi / 5)) / 2 - 1
    inner = math.cos(math.tau / 5)
    return sum((line_distance(k, x, y) <= inner).astype(int) for k in range(5)) >= 4


def line_distance(k, x, y):
    """How far (x, y) lies from the centre towards line `k` of a pentagram with tips on the unit circle, y downwards."""
    angle = math.tau * k / 5
    return x * math.sin(angle) - y * math.cos(angle)


SHAPES = {
    "circle": in_circle, "square": in_square, "triangle": in_triangle,
    "star": in_star, "ring": in_ring, "cross": in_cross,
}


@dataclasses.dataclass(frozen=True)
class Picture:
    """Everything that decides the pixels but colour jitter. Lengths in pixels; `size` and `ground` as they are asked for."""

    shape: str
    colour: str
    ground: str
    size: str
    radius: float
    centre: tuple


def random_picture(random):
    """Shape, colour and size evenly, the ground mostly white unless the prompt will name it."""
    size = random.choice(["small", "big"]) if random.random() < SIZE_NAMED_SHARE else ""
    radius = random.uniform(*SIZES[size])
    lowest = radius + MARGIN
    named = random.random() < GROUND_NAMED_SHARE
    ground = random.choice(list(GROUNDS), p=None if named else UNNAMED_GROUND_SHARES)
    picture = Picture(
        shape=str(random.choice(list(SHAPES))), colour=str(random.choice(list(COLOURS))), ground=str(ground),
        size=str(size), radius=radius, centre=tuple(random.uniform(lowest, SIDE - lowest, 2)),
    )
    return picture, prompt(random, picture, named)


def prompt(random, picture, name_ground):
    """One way to ask for the picture."""
    words = [
        *([random.choice(SIZE_WORDS[picture.size])] if picture.size else []),
        picture.colour,
        random.choice(SHAPE_WORDS.get(picture.shape, (picture.shape,))),
    ]
    text = with_article(random.choice(OPENINGS), " ".join(words))
    if name_ground:
        ground = random.choice(GROUND_WORDS.get(picture.ground, (picture.ground,)))
        text += random.choice(GROUND_PHRASES).format(ground)
    return text


def with_article(opening, words):
    """`opening` before `words`, its "a" made "an" before a vowel."""
    if opening.endswith("a ") and words[0] in "aeiou":
        opening = opening[:-1] + "n "
    return opening + words


def render(random, picture):
    """The picture as bytes, `[SIDE, SIDE, 3]`, edges smoothed by supersampling."""
    cover = coverage(picture)[..., None]
    front, back = (jittered(random, c) for c in (COLOURS[picture.colour], GROUNDS[picture.ground]))
    return np.rint(cover * front + (1 - cover) * back).astype(np.uint8)


def coverage(picture):
    """Share of every pixel that the shape covers, `[SIDE, SIDE]`."""
    across, down = (slice(math.floor(c - picture.radius), math.ceil(c + picture.radius)) for c in picture.centre)
    u, v = ((samples(s) - c) / picture.radius for s, c in zip((across, down), picture.centre))
    inside = SHAPES[picture.shape](u[None, :], v[:, None])
    cover = np.zeros((SIDE, SIDE))
    fine = (down.stop - down.start, SUPERSAMPLING, across.stop - across.start, SUPERSAMPLING)
    cover[down, across] = inside.reshape(fine).mean(axis=(1, 3))
    return cover


def samples(pixels):
    """Places of the samples along the pixels of a slice."""
    places = np.arange(pixels.start * SUPERSAMPLING, pixels.stop * SUPERSAMPLING, dtype=np.float32)
    return (places + 0.5) / SUPERSAMPLING


def jittered(random, colour):
    """The colour, each channel a little off, within a byte's range."""
    return np.clip(np.array(colour) + random.uniform(-COLOUR_JITTER, COLOUR_JITTER, 3), 0, 255)
