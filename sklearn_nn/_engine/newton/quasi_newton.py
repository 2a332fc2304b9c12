"""The first step on wide data: L-BFGS, from zero coefficients to near the optimum.

An iteration of L-BFGS takes one pass over the rows, as a product with the Hessian does, and
takes account of all earlier iterations. So it comes near the optimum with fewer passes than
Newton steps, each of which begins its products anew. But it cannot tell how near, which
Newton steps then prove; see steps.py.

Reference: J. Nocedal and S. Wright, "Numerical Optimization", 2006, algorithm 7.5.
"""

import numpy as np
from scipy.optimize import minimize

from .model import NewtonProblem, is_cheap
from .steps import Position, end_tol, moved_to

# Pairs of points and gradients that L-BFGS remembers; evaluations, at most.
N_PAIRS, MAX_EVALUATIONS = 10, 64
# It ends when the objective is estimated to be within `tol` of the optimum, within bounds.
SMALLEST_TOL, LARGEST_TOL = 1e-5, 1e-2
# The estimate takes the last decreases as a geometric sequence with a factor within bounds.
N_DECREASES, FASTEST, SLOWEST = 4, 0.5, 0.95


def begins_with_lbfgs(newton: NewtonProblem, position: Position) -> bool:
    """Return whether the first step from this position is that of `quasi_newton_step`."""
    point = position.evaluated.point
    cost = position.evaluated.rows.hessian_cost(point.shape[1])
    is_new = newton.l1 is None and not point.any()
    return is_new and not is_cheap(newton, cost)


def quasi_newton_step(newton: NewtonProblem, position: Position) -> Position | None:
    """Return the lowest Position that L-BFGS finds on the same rows, or None if none is."""
    start = position.evaluated
    # With these units, the Hessian's diagonal is about 1.
    unit = np.sqrt(start.evaluation.diagonal + newton.l2)
    unit = np.where(unit > 0, unit, 1.0)
    best, n_passes, objectives = position, position.n_passes, [start.objective]
    tol = min(max(SMALLEST_TOL, end_tol(newton, position)), LARGEST_TOL)

    def value_and_gradient(x):
        nonlocal best, n_passes
        moved = position  # L-BFGS asks for the start, too
        if x.any():
            point = newton.project(x.reshape(unit.shape) / unit)
            moved = moved_to(newton, position, point, needs_diagonal=False)
            n_passes += start.n_rows / newton.n_samples
        evaluated = moved.evaluated
        if evaluated.objective < best.evaluated.objective:
            best = moved
        gradient = evaluated.evaluation.gradient + newton.l2 * evaluated.point
        return evaluated.objective, (gradient / unit).reshape(-1)

    def end_if_near(intermediate_result):
        objectives.append(intermediate_result.fun)
        if estimated_gap(objectives) <= tol * objectives[-1]:
            raise StopIteration

    minimize(
        value_and_gradient,
        np.zeros(unit.size),
        jac=True,
        method="L-BFGS-B",
        callback=end_if_near,
        options={"maxcor": N_PAIRS, "maxfun": MAX_EVALUATIONS, "ftol": 0.0, "gtol": 0.0},
    )
    if best is position:
        return None
    if best.evaluated.evaluation.diagonal is None:
        best = moved_to(newton, position, best.evaluated.point)
        n_passes += start.n_rows / newton.n_samples
    return best._replace(n_passes=n_passes, damping=0.0, n_hessian_rows=start.n_rows)


def estimated_gap(objectives: list) -> float:
    """Return how far the last objective is above the limit of a geometric sequence."""
    decreases = -np.diff(objectives[-N_DECREASES - 1 :])
    if not np.min(decreases) > 0:
        return 0.0  # no progress: rounding error
    rate = SLOWEST
    if len(decreases) > 1:
        rate = (decreases[-1] / decreases[0]) ** (1 / (len(decreases) - 1))
    rate = min(max(rate, FASTEST), SLOWEST)
    return decreases[-1] * rate / (1 - rate)
