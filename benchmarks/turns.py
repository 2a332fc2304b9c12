"""Measure a peer and ours in turns: peer, ours, peer, ours, and so on.

If other programs use the machine, a single time says little. But they disturb two times
measured one after the other alike, so the result is the median of several such ratios.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Pair(NamedTuple):
    """A peer and ours as functions that do the same work once."""

    case: str
    dtype: str
    peer_name: str
    peer: Callable
    ours: Callable
    n_calls: int = 1  # per turn; many if one call is too short to time


class Times(NamedTuple):
    """Times of a Pair in seconds per call; a ratio is peer / ours."""

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
    """Return the mean wall-clock seconds of a call."""
    start = time.perf_counter()
    for _ in range(n_calls):
        run()
    return (time.perf_counter() - start) / n_calls


def summary(turns):
    """Return the Times from seconds (n_repeats, 2) of peer and ours."""
    ratios = turns[:, 0] / turns[:, 1]
    return Times(*np.median(turns, axis=0), np.median(ratios), ratios.min(), ratios.max())
