"""Longer Newton steps: to the lowest point of their line, roughly.

Where the classes are nearly separable, the loss falls like exp(-z) of the logits z. A
Newton step changes them by about 1, but the lowest point of its line may be several times
as far. J is convex, so its slope along the line is 0 there. Logits are linear along the
line: once those of two points are known, the slope anywhere takes no pass over features.

Reference: S. Boyd and L. Vandenberghe, "Convex Optimization", 2004, section 9.2.
"""

from functools import cache

import numpy as np
from scipy.optimize import brentq

from .model import Evaluated, NewtonProblem

# A longer step is sought if the slope at the end of a step is more than this part of that
# at its start; and up to this multiple of the step, to this relative accuracy.
STEEP, LONGEST, ACCURACY = 0.25, 16.0, 0.2


def best_length(newton: NewtonProblem, start: Evaluated, end: Evaluated) -> float:
    """Return the length >= 1 of the best step, in units of that from `start` to `end`.

    Without an l1 part, whose steps end at zeros.
    """
    move = end.point - start.point

    def slope_of_penalty(point):
        return float(np.sum(newton.l2 * point * move))

    first, last = (
        float(np.sum(at.evaluation.gradient * move)) + slope_of_penalty(at.point)
        for at in (start, end)
    )
    if last >= STEEP * first:
        return 1.0
    slope_of_loss = start.rows.slope_along(newton.coordinates, start.point, move)

    @cache  # brentq computes those at both ends again
    def slope(length):
        return slope_of_loss(length) + slope_of_penalty(start.point + length * move)

    low, high = 1.0, 2.0
    while high < LONGEST and slope(high) < 0:
        low, high = high, 2 * high
    if slope(low) >= 0:  # by rounding
        return low
    return high if slope(high) <= 0 else brentq(slope, low, high, rtol=ACCURACY)
