"""Dropout: in each step of training other hidden units are left out.

    a' = a * mask,    mask = 0 with probability p, else 1 / (1 - p)

The mean of a' is a, so that predictions are made with all units as they are. A unit's mask
depends on nothing but the model's key, the number of the step, the layer, the row's place
in the batch and the unit: training may be cut anywhere, and kernels draw the same masks.

References
----------
N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever and R. Salakhutdinov, "Dropout: a
simple way to prevent neural networks from overfitting", JMLR 15, 2014; section 10 scales in
training, as here.

J. Salmon, M. Moraes, R. Dror and D. Shaw, "Parallel random numbers: as easy as 1, 2, 3",
SC 2011: the generator Philox4x64-10, whose numbers are a function of a key and a counter.
"""

import numpy as np

from ..arrays import alike


def key_of(random_state):
    """Return a key of masks (an int below 2**63) from numpy's RandomState.get_state().

    It is drawn from a copy: other numbers are the same with dropout as without.
    """
    rng = np.random.RandomState(0)
    rng.set_state(random_state)
    return int(rng.randint(2**63 - 1, dtype=np.int64))


def key_of_block(key, block):
    """Return the key of a block of rows that trains beside others; see local_sgd.py."""
    return key + (block << 64)  # Philox's key has 128 bits


def masks(settings, layer_sizes, step, n_rows, like):
    """Return the masks of one step, or None where nothing is dropped.

    Parameters
    ----------
    settings : EpochSettings
    layer_sizes : tuple of int
        Of the Architecture.
    step : int
        Number of the step in the model's life, from 1.
    n_rows : int
        Rows of the batch.
    like : array
        Of the type, library and device that the masks are to have.

    Returns
    -------
    list of arrays of shape (n_rows, n_units), one per hidden layer; None for all ones
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
    numbers = uniform_numbers(key, step, layer, shape[0] * shape[1])
    kept = numbers >= np.uint32(min(round(rate * 2**32), 2**32 - 1))
    return np.where(kept, 1 / (1 - rate), 0.0).reshape(shape)


def uniform_numbers(key, step, layer, n):
    """Return n integers of 32 random bits each: halves of words, the lower half first."""
    counter = np.array([0, step, layer, 0], dtype=np.uint64)
    words = np.random.Philox(key=key, counter=counter).random_raw((n + 1) // 2)
    return words.astype("<u8", copy=False).view("<u4")[:n]
