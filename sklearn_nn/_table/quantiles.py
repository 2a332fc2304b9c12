"""Weighted quantiles of columns with missing values."""

import numpy as np

from .._engine.arrays import alike, cumulative_sum, namespace, take, to_numpy, widened

# Sums of weights are equal up to rounding: a row at the boundary counts as reached.
ROUNDING = 1e-9
LARGEST = np.finfo(np.float64).max


def weighted_quantiles(values, weight, probabilities):
    """Return quantiles of values without NaN.

    Parameters
    ----------
    values : array of shape (n_values,)
        Not empty, of any array library.
    weight : array of shape (n_values,), or None
        Positive; None is 1 each. An integer weight is a repetition of the value.
    probabilities : ndarray of shape (n_quantiles,)
        In [0, 1].

    Returns
    -------
    ndarray of shape (n_quantiles,)
        In float64. If a probability falls between two values, their mean.

    Notes
    -----
    This is the averaged inverse of the distribution function (definition 2 of Hyndman and
    Fan, "Sample quantiles in statistical packages", 1996), for which weights are
    repetitions. The default of `numpy.quantile` interpolates and has no weights.
    """
    xp = namespace(values)
    order = xp.argsort(values, stable=True)
    values = take(widened(values), order)
    weight = xp.ones_like(values) if weight is None else take(widened(weight), order)
    # Share of the weight up to each value, from 0 to 1.
    share = cumulative_sum(weight)
    share = share / share[-1]
    last = share.shape[0] - 1
    lower = xp.searchsorted(share, alike(share, probabilities - ROUNDING))
    upper = xp.searchsorted(share, alike(share, probabilities + ROUNDING), side="right")
    lower, upper = (
        to_numpy(take(values, xp.minimum(found, last))) for found in (lower, upper)
    )
    # Half of each, because the sum of two large values may overflow.
    return lower / 2 + upper / 2


def centre_and_scale(values, weight):
    """Return the median and the scale of a column without NaN, or (0, 0) if it is empty.

    The scale is the distance of the quartiles; if that is 0, half the range. It is 0 for
    a constant column. (RealMLP's robust scale: Holzmueller, Grinsztajn and Steinwart,
    "Better by default", NeurIPS 2024, https://arxiv.org/abs/2407.04491)
    """
    if values.shape[0] == 0:
        return 0.0, 0.0
    probabilities = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    lowest, first, median, third, highest = weighted_quantiles(
        values, weight, probabilities
    )
    # Differences of values near the largest number overflow, but not half of them.
    half = third / 2 - first / 2 or (highest / 2 - lowest / 2) / 2
    return float(median), float(2 * min(half, LARGEST / 2))


def stored_centre_and_scale(stored, n_zeros, weight, zero_weight):
    """Return median and scale of a sparse column, from its stored values.

    `n_zeros` is the number of values that are not stored, and `zero_weight` their weight.
    """
    if not n_zeros:
        return centre_and_scale(stored, weight)
    values = np.append(stored, 0.0)
    weight = np.ones(len(stored)) if weight is None else weight
    return centre_and_scale(values, np.append(weight, zero_weight))
