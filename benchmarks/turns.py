"""Measuring a peer and ours in turns: peer, ours, peer, ours, and so on.

On a machine that other programs use as well, a single time says little. Two times taken
one after the other are disturbed alike, so it is their ratio that counts, and of several
ratios the median.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Pair(NamedTuple):
    """A peer and ours, each as a function that does the same work once."""

    case: str
    dtype: str
    peer_name: str
    peer: Callable
    ours: Callable
    n_calls: int = 1  # in a turn; many where one call is too short to time


class Times(NamedTuple):
    """What the turns of a Pair took, in seconds a call; a ratio is peer's / ours."""

    peer: float  # medians over the turns
    ours: float
    ratio: float
    smallest_ratio: float
    largest_ratio: float


def measure(pair, n_repeats):
    """Return the Times of a pair over `n_repeats` turns."""
    for run in (pair.peer, pair.ours):  # the first calls load code and warm caches
        run()
    turns = [
        [seconds(run, pair.n_calls) for run in (pair.peer, pair.ours)]
        for _ in range(n_repeats)
    ]
    return summary(np.array(turns))


def seconds(run, n_calls):
    """Return the wall-clock seconds that a call takes."""
    start = time.perf_counter()
    for _ in range(n_calls):
        run()
    return (time.perf_counter() - start) / n_calls


def summary(turns):
    """Return the Times of seconds (n_repeats, 2), peer's and ours."""
    ratios = turns[:, 0] / turns[:, 1]
    return Times(*np.median(turns, axis=0), np.median(ratios), ratios.min(), ratios.max())
