"""The quadratic model of a Newton step: what it is made of, and what it promises.

See steps.py, whose steps these are. All points are in standardised coordinates.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from . import quadratic
from .coordinates import Coordinates
from .passes import Evaluation

# How exactly models are solved, with H in products over the rows, or as a matrix.
LOOSE, LOOSE_MATRIX = 0.1, 1e-3
MOST_PRODUCTS = 1000
# Part of the curvature at the start in the damping.
SPREAD_PART = 0.1
# Up to so many rows steps cost so little that the last ones are taken whatever `tol` is.
FEW_ROWS = 1000
# Relative rounding of an objective, in units of the dtype's eps.
ROUNDINGS = 64


@dataclass(frozen=True)
class Search:
    """What stays the same while a run goes on."""

    problem: Any  # Problem
    tol: float  # relative gap to end at; 0 goes on to where rounding ends it
    rounding: float  # relative rounding of an objective
    rows: Any  # passes.Rows: all of them
    rng_state: tuple  # from which each sample is drawn
    coordinates: Coordinates
    l2: Any  # (n_features + 1, n_outputs), in the coordinates, as l1
    l1: Any  # None where there is none
    sizes: tuple  # of samples, the last one n_samples
    spread: Any  # (n_features + 1, n_outputs), the diagonal of H at zero

    def sample(self, n_samples):
        """Return that many of the rows, the same for the same number."""
        return sample_of(self.rows, n_samples, self.rng_state)

    def penalty(self, point):
        """Return the penalty of a point."""
        value = 0.5 * float(np.sum(self.l2 * point * point))
        return value if self.l1 is None else value + float(np.sum(self.l1 * abs(point)))

    def trained(self, values):
        """Return values (n_features + 1, n_outputs) without what is not determined.

        That is the intercepts if they are not trained, and what all logits of a softmax
        have in common, unless a penalty determines it.
        """
        if not self.problem.architecture.fit_intercept:
            values[-1] = 0.0
        if values.shape[1] > 1:
            shared = values[-1:] if self.l1 is not None or self.l2.any() else values
            shared -= shared.mean(axis=1, keepdims=True)
        return values

    def determined(self, matrix):
        """Return H, regular also in what is not determined."""
        if self.problem.architecture.fit_intercept and self.l2.shape[1] == 1:
            return matrix
        n = len(matrix)

        def project(columns):
            return self.trained(columns.reshape((*self.l2.shape, n))).reshape((n, n))

        of_feature = np.max(np.diagonal(matrix).reshape(self.l2.shape), axis=1)
        rest = (np.eye(n) - project(np.eye(n))) * of_feature.repeat(self.l2.shape[1])
        return project(project(matrix.copy()).T.copy()) + rest


def sample_of(rows, n_samples, rng_state):
    """Return that many of the rows, drawn from this state of a generator."""
    rng = np.random.RandomState(0)
    rng.set_state(rng_state)
    return rows.sample(n_samples, rng)


class Place(NamedTuple):
    """A point, and what the rows of a sample say of it."""

    point: Any
    objective: float
    evaluation: Evaluation
    rows: Any
    n_rows: int  # asked for often, and counted by `rows` each time


class Curvature(NamedTuple):
    """H at a place: as a matrix in the order of theta, or as products."""

    matrix: Any  # (n_parameters, n_parameters), or None
    product: Any  # direction -> H direction, or None
    diagonal: Any  # > 0


class Promise(NamedTuple):
    """What the model of a place promises."""

    point: Any
    decrease: float


def determined(diagonal, l2):
    """Return how many parameters the rows determine, not the penalty.

    The trace of H (H + l2)^-1 by its diagonal; with l1 all parameters may be needed.
    """
    return float(np.sum(diagonal / np.maximum(diagonal + l2, np.finfo(np.float64).tiny)))


def look(search, rows, theta):
    """Return the Place of theta (n_parameters,) on these rows."""
    point = search.coordinates.point_of(theta)
    evaluation = rows.evaluate(search.coordinates, point)
    objective = evaluation.loss + search.penalty(point)
    search.trained(evaluation.gradient)
    return Place(point, objective, evaluation, rows, rows.n_samples)


def curvature_at(search, place, n_samples, damping):
    """Return the Curvature, from about that many rows.

    Where the diagonal on the place's rows is much larger, a feature is rare in the smaller
    sample: the difference is added, so that no coordinate seems flat that is not. (Any
    difference would make H larger by chance, and the gap would seem smaller than it is.)
    """
    rows, evaluation = place.rows, place.evaluation
    if 2 * n_samples < place.n_rows:
        rows = search.sample(n_samples)
        evaluation = rows.evaluate(search.coordinates, place.point)
    missing = place.evaluation.diagonal - evaluation.diagonal
    missing = np.where(missing > evaluation.diagonal, missing, 0.0)
    added = missing + search.l2 + damping * SPREAD_PART * search.spread
    diagonal = evaluation.diagonal + added
    # A coordinate without curvature, or with that of rounding, has no gradient either: any
    # number will do that is much larger.
    flat = np.where(diagonal > curvature_of_rounding(search)[:, None], 0.0, 1.0)
    added, diagonal = added + flat, diagonal + flat
    asked = search.coordinates, evaluation.proba, damping
    matrix = rows.hessian(*asked)
    if matrix is not None:
        matrix[np.diag_indices_from(matrix)] += added.reshape(-1)
        return Curvature(matrix, None, diagonal)

    def product(direction):
        loss = rows.hessian_product(*asked, direction)
        return search.trained(loss + added * direction)

    return Curvature(None, product, diagonal)


def curvature_of_rounding(search):
    """Return the largest diagonal of H that a constant column can seem to have."""
    centre, scale = search.coordinates
    seen = search.rounding * np.abs(centre) / scale
    return np.append(seen, 0.0) ** 2


def promise(search, place, curvature):
    """Return what the model of a place promises."""
    matrix, product, diagonal = curvature
    gradient = place.evaluation.gradient + search.l2 * place.point
    if matrix is not None and search.l1 is None:
        solution = quadratic.solve(search.determined(matrix), place.point, gradient)
        if solution is not None:
            return Promise(solution.point, solution.decrease)
    if matrix is not None:

        def product(direction):
            moved = matrix @ direction.reshape(-1)
            return search.trained(moved.reshape(direction.shape))

    model = quadratic.Quadratic(place.point, gradient, product, diagonal, search.l1)
    loose = LOOSE if matrix is None else LOOSE_MATRIX
    objective = max(place.objective, np.finfo(np.float64).tiny)
    enough = search.tol * objective
    solution = quadratic.minimise(model, objective, enough, loose, MOST_PRODUCTS)
    move = search.trained(solution.point - place.point)
    return Promise(place.point + move, solution.decrease)


def rounding(search, place):
    """Return the size of an objective's rounding errors."""
    return search.rounding * abs(place.objective)
