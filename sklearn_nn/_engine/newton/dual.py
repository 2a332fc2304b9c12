"""The dual point of a step: a lower bound of the optimum, and so a proof of the gap.

For any probabilities a_i and h = mean w_i u_i^T (a_i - y_i), by Fenchel's inequality for
the loss and for the penalty,

    J(x) - J* <= mean w_i KL(a_i || p_i) + penalty(x) + h x + conjugate(-h)

where p_i are the probabilities at x, and conjugate(h) is the maximum of h v - penalty(v)
over v. The bound is near the gap for the probabilities that a Newton step v predicts,
a_i = p_i + C_i u_i v. If these leave the simplex, they are moved to its border: any a_i
will do.

References
----------
S. Boyd and L. Vandenberghe, "Convex Optimization", 2004, section 5.5.1: a dual point proves
the gap.

K. Koh, S.-J. Kim and S. Boyd, "An interior-point method for large-scale l1-regularized
logistic regression", JMLR 8, 2007, section 3: the dual point for l1, from the residual.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import kl_div

from ..arrays import Matrix, Vector
from ..objective.losses import one_hot
from ..threads import ONE, Threads

# Newton steps for the intercept; one is enough if no probability leaves the simplex.
MAX_STEPS = 20
# A mean below this one is a rounding error.
ROUNDING, ROUNDING_OF_FLOAT32 = 1e-13, 1e-9
# Rows at once: numbers that stay in the cache.
NUMBERS_AT_ONCE = 2**14
# For relative changes of probabilities up to this one, a power series is as exact.
SMALL = 0.02


class Dual(NamedTuple):
    """A dual point: means over the rows."""

    divergence: float  # mean w_i KL(a_i || p_i)
    residual: Matrix  # (n_features + 1, n_outputs), h


class DualRows(NamedTuple):
    """The predictions a_i of rows."""

    divergence: float  # sum of w_i KL(a_i || p_i)
    error: Matrix  # (n, n_outputs), w_i (a_i - y_i)


def dual_rows(
    data, proba: Matrix, change: Matrix, has_intercept: bool, threads: Threads = ONE
) -> DualRows:
    """Return the DualRows for predicted changes of the logits (n, n_outputs).

    With an intercept, all logits change further such that mean w (a - y) is 0: no penalty
    depends on the intercept, so h must be 0 there. a is linear in this change as long as it
    does not leave the simplex.
    """
    shift, inverse = np.zeros(proba.shape[1]), None
    for _ in range(MAX_STEPS):
        found = predicted(data, proba, change, shift, threads)
        error = found.error.sum(axis=0)
        if not has_intercept or is_rounding(error, len(proba), proba.dtype):
            break
        inverse = inverse_of(curvature(data, proba)) if inverse is None else inverse
        shift = shift - inverse @ error
    return found


def is_rounding(error: Vector, total: float, dtype) -> bool:
    """Return whether sums of w (a - y) are rounding errors of this dtype."""
    rounding = ROUNDING if dtype == np.float64 else ROUNDING_OF_FLOAT32
    return not np.max(np.abs(error)) > rounding * total


def inverse_of(curvature: Matrix) -> Matrix:
    """Return the inverse; it is singular if outputs of a softmax may share any change."""
    return np.linalg.pinv(curvature, hermitian=True)


def predicted(
    data, proba: Matrix, change: Matrix, shift: Vector, threads: Threads = ONE
) -> DualRows:
    """Return the DualRows for changes of the logits plus `shift` (n_outputs,)."""
    error = np.empty_like(proba, dtype=np.float64)
    predict = predicted_labels if proba.shape[1] > 1 else predicted_odds

    def sums_of(rows):
        p = proba[rows].astype(np.float64)
        y = data.y[rows] if data.y.ndim == 2 else one_hot(data.y[rows], p)
        values, a = predict(p, change[rows] + shift)
        error[rows] = a - y
        if data.sample_weight is not None:
            weight = data.sample_weight[rows, None].astype(np.float64)
            error[rows] *= weight
            values = values * weight
        return float(np.sum(values))

    size = max(1, NUMBERS_AT_ONCE // proba.shape[1])
    chunks = [slice(start, start + size) for start in range(0, len(proba), size)]
    return DualRows(sum(threads.map(sums_of, chunks)), error)


def predicted_odds(p, D):
    """Return KL(a || p) (n, 1), and a, for one logit per row."""
    up, down = (1 - p) * D, -p * D  # relative changes of p and 1 - p
    a = p + p * up
    if np.min(up) < -1 or np.min(down) < -1:
        a = np.clip(a, 0.0, 1.0)
        return kl_div(a, p) + kl_div(1 - a, 1 - p), a
    return p * divergence(up) + (1 - p) * divergence(down), a


def predicted_labels(p, D):
    """Return KL(a || p) (n, 1), and a, for a logit per label."""
    relative = D - np.einsum("ij,ij->i", p, D)[:, None]
    a = p + p * relative
    if np.min(relative) < -1:
        a = np.maximum(a, 0.0)
        a /= a.sum(axis=1, keepdims=True)
        return np.sum(kl_div(a, p), axis=1, keepdims=True), a
    return np.einsum("ij,ij->i", p, divergence(relative))[:, None], a


def divergence(e):
    """Return (1 + e) log(1 + e) - e, p times which is KL(p (1 + e) || p) of a label."""
    if max(np.max(e), -np.min(e)) <= SMALL:
        return series_of_divergence(e)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(e > -1, (1 + e) * np.log1p(e) - e, 1.0)


def series_of_divergence(e):
    """Return the first terms of the power series of `divergence`, for any array library."""
    return e * e * (1 / 2 + e * (-1 / 6 + e * (1 / 12 + e * (-1 / 20 + e / 30))))


def curvature(data, proba: Matrix) -> Matrix:
    """Return the sum of w C, (n_outputs, n_outputs)."""
    weighted = proba.astype(np.float64)
    if data.sample_weight is not None:
        weighted = weighted * data.sample_weight[:, None]
    if proba.shape[1] == 1:
        return np.array([[float(np.sum(weighted * (1 - proba)))]])
    return np.diag(weighted.sum(axis=0)) - weighted.T @ proba
