"""The colour-and-shape check: says which colour and which shape a picture shows. Numpy only.

1. The ground is the per-channel median of the pixels of the four border lines.
2. Pixels that differ from the ground by more than 48 in some channel are candidates; their per-channel median is the
   colour. No candidates: nothing is shown.
3. The shape's pixels are those nearer (squared Euclidean distance in RGB) to that colour than to the ground.
4. The colour's name is that of the nearest of `shapes.COLOURS`.
5. Every shape is drawn into the bounding box of the shape's pixels; the name is that of the shape with the largest
   intersection over union with them. Below 0.75 none is recognised.
A median is the element at index n // 2 of the sorted values.
"""

import numpy as np

import shapes

LEAST_DIFFERENCE = 48
LEAST_OVERLAP = 0.75


def seen(picture):
    """`(colour, shape)` shown by `picture`, `[height, width, 3]` bytes; None for what is not recognised."""
    pixels = picture.astype(np.int64)
    ground = median(np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]))
    candidates = pixels[np.abs(pixels - ground).max(axis=-1) > LEAST_DIFFERENCE]
    if not len(candidates):
        return None, None
    colour = median(candidates)
    mask = squared_distance(pixels, colour) < squared_distance(pixels, ground)
    return nearest_colour(colour), best_shape(mask)


def median(pixels):
    """Per-channel median of `[n, 3]`."""
    return np.sort(pixels, axis=0)[len(pixels) // 2]


def squared_distance(pixels, colour):
    """Squared Euclidean distance in RGB."""
    return ((pixels - colour) ** 2).sum(axis=-1)


def nearest_colour(colour):
    """Name of the nearest of the known colours."""
    return min(shapes.COLOURS, key=lambda name: squared_distance(np.array(shapes.COLOURS[name]), colour))


def best_shape(mask):
    """Name of the shape that overlaps the mask most, None if none does enough."""
    mask = cropped(mask)
    overlaps = {name: overlap(mask, template(inside, mask.shape)) for name, inside in shapes.SHAPES.items()}
    best = max(overlaps, key=overlaps.get)
    return best if overlaps[best] >= LEAST_OVERLAP else None


def cropped(mask):
    """The mask's bounding box."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return mask[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]


def template(inside, size):
    """The shape drawn to fill `size` (height, width): a pixel belongs to it if its centre does."""
    v, u = ((2 * np.arange(n) + 1) / n - 1 for n in size)
    return inside(u[None, :], v[:, None])


def overlap(mask, other):
    """Intersection over union."""
    return (mask & other).sum() / (mask | other).sum()
