"""How far the optimum can be below a point: proven by a dual point, or estimated.

dual.py has the bound. A dual point must have h = 0 where there is no penalty and
|h| <= l1 where there is no l2 part. The first holds for intercepts by construction, and for
weights up to rounding if the step solved its equations exactly. The second is met by
moving all a towards y, by a factor.
"""

from typing import NamedTuple

import numpy as np

from ..arrays import Matrix
from ..objective.penalties import soft_threshold
from .model import Evaluated, ModelMinimum, NewtonProblem

# An estimate may be too small by this factor.
SAFETY = 4.0
# With smaller pivots, as of columns that sum to another, the equations of a step must be
# solved to rounding error: directions in which they are nearly singular may be long.
SMALLEST_PIVOT, LARGEST_ROUNDING = 1e-10, 1e-11
TINY = np.finfo(np.float64).tiny
# A larger mean of w (a - y) is no rounding error, also in float32.
LARGEST_MEAN = 1e-8
# Relative rounding error of sums in float64.
ROUNDING = 64 * np.finfo(np.float64).eps


class Certificate(NamedTuple):
    """How much lower than the objective at a point the optimum is, in nats."""

    proven: float  # an upper bound, inf if there is none
    estimated: float  # inf if the equations of the step are nearly singular

    def is_within(self, gap: float) -> bool:
        """Return whether the optimum is at most this much lower, by proof or estimate."""
        return self.proven <= gap or SAFETY * self.estimated <= gap


def certificate_of(
    newton: NewtonProblem, evaluated: Evaluated, minimum: ModelMinimum
) -> Certificate:
    """Return the Certificate of a point, by the step to the minimum of a complete model."""
    move = minimum.point - evaluated.point
    rounding = ROUNDING * abs(evaluated.objective)
    has_intercept = newton.problem.architecture.fit_intercept
    arguments = newton.coordinates, evaluated.evaluation.proba, move, has_intercept
    dual = evaluated.rows.dual(*arguments)
    residual = newton.project(dual.residual.copy())
    residual[-1] = 0.0
    factor = feasible_factor(newton, residual)
    # KL is convex, and that of y is the loss.
    gap = factor * dual.divergence + (1 - factor) * evaluated.evaluation.loss
    gap += float(np.sum(penalty_gap(newton, evaluated.point, factor * residual))) + rounding
    rest = rest_of(newton, evaluated, minimum, residual)
    estimated = dual.divergence + 0.5 * float(np.sum(newton.l2 * move * move)) + rest
    if has_intercept and np.max(np.abs(dual.residual[-1])) > LARGEST_MEAN:
        gap = np.inf  # its equations have no solution near this step
    if newton.l1 is None and not newton.l2.any():
        # h must be 0: after an exact solution it is, to rounding.
        gap = estimated if minimum.solver is not None else np.inf
    elif np.any(np.abs(residual[is_free(newton)]) > LARGEST_ROUNDING):
        gap = np.inf
    return Certificate(float(gap), float(estimated))


def is_free(newton: NewtonProblem) -> Matrix:
    """Return where there is no penalty: for intercepts, and where it underflows."""
    return (newton.l2 == 0) & (True if newton.l1 is None else newton.l1 == 0)


def rest_of(
    newton: NewtonProblem, evaluated: Evaluated, minimum: ModelMinimum, residual: Matrix
) -> float:
    """Return how much lower the minimum of the model is than the point that was found.

    The larger of two estimates: with the Hessian, and with the curvature that features of
    variance 1 have. A few rows far out can have nearly all of the Hessian, and hide what
    the others would gain.
    """
    point, solver = minimum.point, minimum.solver
    error = residual + newton.l2 * point
    if newton.l1 is not None:
        # On the face, and what exceeds l1 off it.
        on_face = error + newton.l1 * np.sign(point)
        error = np.where(point != 0, on_face, soft_threshold(error, newton.l1))
    error[-1] = 0.0
    rest = minimum.rest
    if solver is not None:
        rest = 0.5 * float(np.sum(error * newton.project(solver(error))))
        is_singular = solver.smallest_pivot < SMALLEST_PIVOT
        if is_singular and np.max(np.abs(error)) > LARGEST_ROUNDING:
            rest = np.inf
    curvature = evaluated.evaluation.diagonal_of_intercepts
    plain = np.sum(error * error / np.maximum(curvature, TINY))
    return max(rest, 0.5 * float(plain))


def feasible_factor(newton: NewtonProblem, residual: Matrix) -> float:
    """Return the largest factor <= 1 with which the residual is at most l1 without l2."""
    if newton.l1 is None:
        return 1.0
    is_l1 = (newton.l1 > 0) & (newton.l2 == 0)
    largest = np.maximum(np.abs(residual[is_l1]), np.finfo(np.float64).tiny)
    return float(np.min(newton.l1[is_l1] / largest, initial=1.0))


def penalty_gap(newton: NewtonProblem, point: Matrix, residual: Matrix) -> Matrix:
    """Return penalty(x) + h x + conjugate(-h) of each parameter, >= 0.

    With l2 > 0, the conjugate is (|h| - l1)^2 / (2 l2) above l1, and 0 below.
    """
    l2, size = newton.l2, np.abs(point)
    l1 = 0.0 if newton.l1 is None else newton.l1
    stiffness = np.where(l2 > 0, l2, 1.0)
    excess = np.where(l2 > 0, np.maximum(np.abs(residual) - l1, 0.0), 0.0)
    # If h pulls x away from 0 beyond l1, the three terms are a square, without
    # cancellation.
    is_pulled = (-np.sign(point) * residual >= l1) & (l2 > 0)
    square = (l2 * size - excess) ** 2 / (2 * stiffness)
    terms = 0.5 * l2 * size**2 + l1 * size + residual * point + excess**2 / (2 * stiffness)
    return np.where(is_pulled, square, np.maximum(terms, 0.0))
