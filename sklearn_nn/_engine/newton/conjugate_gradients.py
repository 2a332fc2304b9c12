"""The minimum of a quadratic function with an l1 part, which each Newton step needs.

    m(x) = g (x - x0) + 1/2 (x - x0) H (x - x0) + sum_j l1_j |x_j|

Without l1 this is the method of conjugate gradients. With it, m is quadratic on each face,
the set of points with the same zeros and the same signs. There are three kinds of step:

- a conjugate-gradient step on the face;
- if a coordinate would change its sign, a step up to there, and a proximal step, which sets
  coordinates to 0;
- a step off the face, for coordinates at 0 that the gradient pulls away from 0.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, eigvalsh_tridiagonal

from ..arrays import Matrix, Vector
from ..objective.penalties import soft_threshold

# After MIN_STEPS steps, the minimisation ends when the later half of its steps brought less
# than the forcing term times the decrease; the forcing term is at most MAX_FORCING_TERM.
MIN_STEPS, MAX_FORCING_TERM = 8, 0.3
EPS = np.finfo(np.float64).eps
# Relative rounding error of a pivot, in units of eps and of the size of the matrix.
ROUNDINGS_OF_PIVOT = 4


class Quadratic(NamedTuple):
    """The function m, around a point of any shape."""

    start: Matrix  # x0
    gradient: Matrix  # g, of the smooth part at x0
    product: Callable  # direction -> H direction
    diagonal: Matrix  # of H, > 0
    l1: Matrix | None  # >= 0, or None without an l1 part


class Final(NamedTuple):
    """When the last minimisation of a run ends, whose result must prove how near it is."""

    decrease: float  # of m, at most that of a last minimisation
    is_proof: Callable  # residual, the gradient at the point -> whether it is small enough
    max_products: int  # more than without a proof


NEVER_FINAL = Final(decrease=-1.0, is_proof=lambda residual: True, max_products=0)


class Solution(NamedTuple):
    """An approximate minimum."""

    point: Matrix
    decrease: float  # of m since the start
    n_products: int
    rest: float = 0.0  # estimate of what the minimum is lower


class Iterate(NamedTuple):
    """A point on the way to the minimum."""

    x: Matrix
    gradient: Matrix  # of the smooth part
    decrease: float  # of m since the start
    direction: Matrix | None = None  # of the last conjugate step
    product: Matrix | None = None  # H times this direction


class Solver(NamedTuple):
    """Solves with a matrix, for residuals of any shape."""

    unit: Vector  # (n,), with which the matrix has a diagonal of ones
    factor: tuple  # of the matrix in these units
    smallest_pivot: float  # near 0 if the matrix is nearly singular; at most 1

    def __call__(self, residual):
        """Return matrix^-1 residual."""
        values = self.unit * residual.reshape(-1)
        solved = self.unit * cho_solve(self.factor, values, check_finite=False)
        return solved.reshape(residual.shape)


def solver_of(matrix) -> Solver | None:
    """Return the Solver of a matrix.

    None if the matrix is numerically singular; conjugate gradients still work then.
    """
    unit = 1 / np.sqrt(np.diagonal(matrix))  # equal scales lose fewer digits
    try:
        factor = cho_factor(matrix * unit * unit[:, None], check_finite=False)
    except LinAlgError:
        return None
    smallest_pivot = float(np.min(np.diagonal(factor[0])) ** 2)
    # Rounding can leave a pivot above 0 in a singular matrix, as of columns that sum to 1.
    if smallest_pivot < ROUNDINGS_OF_PIVOT * len(matrix) * EPS:
        return None
    return Solver(unit, factor, smallest_pivot)


def minimise_smooth(
    model: Quadratic, solve, objective, final: Final, forcing_term, max_products
) -> Solution:
    """Return an approximate Solution without an l1 part.

    Parameters
    ----------
    model : Quadratic
    solve : callable residual -> move, or None
        Solves with an approximation of H, the preconditioner. None takes the diagonal.
    objective, final, forcing_term, max_products
        As in `minimise_quadratic`.

    References
    ----------
    M. Hestenes and E. Stiefel, "Methods of conjugate gradients for solving linear systems",
    1952; J. Nocedal and S. Wright, "Numerical Optimization", 2006, algorithms 5.3 and 7.1.
    """
    if solve is None:

        def solve(residual):
            return residual / model.diagonal

    x, residual = model.start, model.gradient
    towards = solve(residual)
    direction, size = towards, float(np.sum(residual * towards))
    decreases, ritz, n_proving = [0.0], [], 0
    while size > 0 and len(decreases) <= max_products:
        product = model.product(direction)
        curvature = float(np.sum(direction * product))
        if not curvature > 0:
            break
        length = size / curvature
        x = x - length * direction
        residual = residual - length * product
        last_decrease, decrease = 0.5 * length * size, decreases[-1] + 0.5 * length * size
        decreases.append(decrease)
        towards = solve(residual)
        last_size, size = size, float(np.sum(residual * towards))
        ritz.append((length, size / last_size))
        direction = towards + size / last_size * direction
        if not last_decrease > EPS * decrease or decrease > objective:
            break
        part = min(MAX_FORCING_TERM, max(forcing_term, decrease / objective))
        n_steps = len(decreases) - 1
        later = decrease - decreases[n_steps // 2] < part * decrease
        if (later and n_steps > 1) or size < part * decrease:
            if decrease > final.decrease or final.is_proof(residual):
                break
            n_proving += 1
            if n_proving > final.max_products:
                break
    rest = 0.5 * max(size, 0.0) / least_ritz_value(ritz)
    return Solution(x, decreases[-1], len(decreases) - 1, rest)


def least_ritz_value(steps) -> float:
    """Return the smallest Ritz value of preconditioner^-1 H, an upper bound of its least.

    `steps` are the length of each conjugate-gradient step, and the ratio of the sizes of
    the residual after and before it: they determine the matrix of the Lanczos process.

    References
    ----------
    Y. Saad, "Iterative Methods for Sparse Linear Systems", 2003, section 6.7.3.
    """
    if not steps:
        return 1.0
    length, ratio = np.array(steps).T
    diagonal = 1 / length
    diagonal[1:] += ratio[:-1] / length[:-1]
    beside = np.sqrt(np.maximum(ratio[:-1], 0.0)) / length[:-1]
    values = eigvalsh_tridiagonal(diagonal, beside, check_finite=False)
    return max(float(values[0]), np.finfo(np.float64).tiny)


def minimise_quadratic(
    model: Quadratic, objective, final: Final, forcing_term, max_products
) -> Solution:
    """Return an approximate Solution.

    Parameters
    ----------
    model : Quadratic
    objective : float > 0
        Objective at the start, whose lower bound is 0. So decrease / objective estimates
        how far the start is from the optimum. Minimisation ends when the later half of the
        steps brought less than that fraction of the decrease.
    final : Final
        If the decrease is smaller than its own, training may end.
    forcing_term : float
        Lower bound of that fraction for any larger decrease.
    max_products : int
        Maximum number of products with H.

    References
    ----------
    M. Hestenes and E. Stiefel, "Methods of conjugate gradients for solving linear
    systems", 1952; preconditioned with the diagonal.

    S. Nash and A. Sofer, "Assessing a search direction within a truncated-Newton method",
    Operations Research Letters 9, 1990: the stopping rule, by the decrease of the last
    steps.

    Z. Dostal, "Box constrained quadratic programming with proportioning and projections",
    SIAM J. Optimization 7, 1997: steps on and off faces, chosen by the free and the chopped
    gradient. Zeros of the l1 part take the place of bounds.
    """
    iterate = Iterate(model.start, model.gradient, 0.0)
    step_size, n_products, decreases, n_proving = 1.0, 0, [0.0], 0
    while n_products < max_products:
        free, chopped = split_gradient(model, iterate)
        free_size = float(np.sum(free * free / model.diagonal))
        chopped_size = float(np.sum(chopped * chopped / model.diagonal))
        if not free_size + chopped_size > 0:
            break
        if chopped_size > free_size:
            iterate = step_off_face(model, iterate, chopped, chopped_size)
            n_products += 1
        else:
            iterate, crosses = step_on_face(model, iterate, free)
            n_products += 1
            if crosses:
                iterate, step_size, n_tried = proximal_step(model, iterate, step_size)
                n_products += n_tried
        last_decrease = iterate.decrease - decreases[-1]
        decreases.append(iterate.decrease)
        if not last_decrease > 0:  # no further progress: rounding error
            break
        n_steps, decrease = len(decreases) - 1, iterate.decrease
        if decrease > objective:  # more than the objective can fall
            break
        part = min(MAX_FORCING_TERM, max(forcing_term, decrease / objective))
        if n_steps >= MIN_STEPS and decrease - decreases[n_steps // 2] < part * decrease:
            free, chopped = split_gradient(model, iterate)
            if decrease > final.decrease or final.is_proof(free + chopped):
                break
            n_proving += 1
            if n_proving > final.max_products:
                break
    return Solution(iterate.x, iterate.decrease, n_products)


def split_gradient(model: Quadratic, iterate: Iterate):
    """Return the free gradient of m, on the face, and the chopped one, of its zeros."""
    if model.l1 is None:
        return iterate.gradient, np.zeros(1)
    at_zero = (iterate.x == 0) & (model.l1 > 0)
    on_face = iterate.gradient + model.l1 * np.sign(iterate.x)
    free = np.where(at_zero, 0.0, on_face)
    chopped = np.where(at_zero, soft_threshold(iterate.gradient, model.l1), 0.0)
    return free, chopped


def step_off_face(model: Quadratic, iterate: Iterate, chopped, size) -> Iterate:
    """Return the minimum along the negative chopped gradient, scaled by the diagonal."""
    direction = chopped / model.diagonal
    product = model.product(direction)
    length = size / float(np.sum(direction * product))
    return Iterate(
        iterate.x - length * direction,
        iterate.gradient - length * product,
        iterate.decrease + 0.5 * length * size,
    )


def step_on_face(model: Quadratic, iterate: Iterate, free):
    """Return the Iterate after a conjugate step, and whether a coordinate reached 0."""
    direction = free / model.diagonal
    if iterate.direction is not None:
        # Conjugate to the last direction: p_k = z_k - p_{k-1} (z_k H p_{k-1}) / (p H p).
        curvature = float(np.sum(iterate.direction * iterate.product))
        overlap = float(np.sum(direction * iterate.product))
        direction = direction - overlap / curvature * iterate.direction
    product = model.product(direction)
    slope = float(np.sum(free * direction))
    curvature = float(np.sum(direction * product))
    length, crosses = slope / curvature if curvature > 0 else np.inf, False
    if model.l1 is not None:
        towards_zero = (iterate.x * direction > 0) & (model.l1 > 0)
        divisor = np.where(towards_zero, direction, 1.0)
        lengths = np.where(towards_zero, iterate.x / divisor, np.inf)
        crosses = bool(np.min(lengths) < length)
        if crosses:
            length = float(np.min(lengths))
    # Along a direction without curvature, m may fall until a coordinate reaches 0.
    if not length < np.inf:
        return iterate, False
    x = iterate.x - length * direction
    if crosses:
        x = np.where(lengths <= length, 0.0, x)
    gradient = iterate.gradient - length * product
    decrease = iterate.decrease + length * slope - 0.5 * length * length * curvature
    return Iterate(x, gradient, decrease, direction, product), crosses


def proximal_step(model: Quadratic, iterate: Iterate, step_size):
    """Return the Iterate after a proximal step, its step size and the number of products.

    x <- soft_threshold(x - s gradient / diagonal, s l1 / diagonal). The step size s is
    reduced until diagonal / s bounds the curvature along the step.
    """
    n_products = 0
    while True:
        scale = step_size / model.diagonal
        x = soft_threshold(iterate.x - scale * iterate.gradient, scale * model.l1)
        move = x - iterate.x
        product, n_products = model.product(move), n_products + 1
        curvature = float(np.sum(move * product))
        bound = float(np.sum(move * move * model.diagonal))
        if not step_size * curvature > (1 + 1e-9) * bound:
            break
        step_size = 0.9 * bound / curvature
    slope = float(np.sum(iterate.gradient * move))
    change = float(np.sum(model.l1 * (np.abs(x) - np.abs(iterate.x))))
    decrease = iterate.decrease - slope - 0.5 * curvature - change
    return Iterate(x, iterate.gradient + product, decrease), step_size, n_products
