"""Dropout: each training step leaves out random hidden units.

    a' = a * mask,    mask = 0 with probability p, else 1 / (1 - p)

The mean of a' is a, so that predictions use all units unchanged. A mask depends only on the
model's key, the step number, the layer, the row's position in the batch, and the unit. So
training can resume anywhere, and the kernels draw the same masks.

References
----------
N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever and R. Salakhutdinov, "Dropout: a
simple way to prevent neural networks from overfitting", JMLR 15, 2014; section 10 scales in
training, as this file does.

J. Salmon, M. Moraes, R. Dror and D. Shaw, "Parallel random numbers: as easy as 1, 2, 3",
SC 2011: the generator Philox4x64-10, whose output is a function of a key and a counter.
"""

import numpy as np

from ..arrays import alike
from ..generators import generator_at


def key_of(random_state):
    """Return the key of the masks, an int below 2**63, from RandomState.get_state().

    The model's own generator is not advanced: it draws the same numbers with dropout as
    without.
    """
    return int(generator_at(random_state).randint(2**63 - 1, dtype=np.int64))


def key_of_block(key, block):
    """Return the key of one of the blocks of local_sgd.py."""
    return key + (block << 64)  # Philox's key has 128 bits


def masks(settings, layer_sizes, step, n_rows, like):
    """Return the masks of one step, or None without dropout.

    There is one mask (n_rows, n_units) per hidden layer, or None for all ones, with dtype,
    library and device of the array `like`. `step` counts from 1 since training began.
    """
    if not settings.dropout:
        return None
    key, rates, widths = settings.dropout_key, settings.dropout, layer_sizes[1:-1]
    return [
        alike(like, mask(key, step, layer, rate, (n_rows, width))) if rate else None
        for layer, (rate, width) in enumerate(zip(rates, widths, strict=True))
    ]


def mask(key, step, layer, rate, shape):
    """Return the mask of one layer, of this shape (n_rows, n_units), in float64."""
    return np.where(kept_units(key, step, layer, rate, shape), 1 / (1 - rate), 0.0)


def kept_units(key, step, layer, rate, shape):
    """Return which units a mask of this shape keeps, as booleans."""
    numbers = uniform_numbers(key, step, layer, shape[0] * shape[1])
    is_kept = numbers >= np.uint32(min(round(rate * 2**32), 2**32 - 1))
    return is_kept.reshape(shape)


def uniform_numbers(key, step, layer, n):
    """Return n random uint32: the two halves of each 64-bit word, lower half first."""
    counter = np.array([0, step, layer, 0], dtype=np.uint64)
    words = np.random.Philox(key=key, counter=counter).random_raw((n + 1) // 2)
    return words.astype("<u8", copy=False).view("<u4")[:n]
