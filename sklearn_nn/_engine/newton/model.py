"""The quadratic model of a Newton step, and the decrease that it predicts.

steps.py takes the steps. All points are in standardised coordinates.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..arrays import Matrix, Vector
from ..generators import generator_at
from ..objective.problem import Problem
from . import conjugate_gradients
from .coordinates import Coordinates
from .linear_passes import Evaluation, LinearRows

# Smallest forcing term of conjugate gradients, for Hessian products and for a matrix, whose
# products are cheaper.
FORCING_TERM, FORCING_TERM_OF_MATRIX = 0.1, 1e-3
MAX_PRODUCTS = 1000
# Part of the curvature at theta = 0 that enters the damping.
NULL_CURVATURE_PART = 0.1
# With at most this number of rows, steps are so cheap that training ignores `tol` and ends
# at rounding error.
FEW_ROWS = 1000
# Relative rounding error of an objective, in units of eps of the data type.
ROUNDINGS_OF_OBJECTIVE = 64


@dataclass(frozen=True)
class NewtonProblem:
    """A Problem with all that stays the same during a run."""

    problem: Problem
    tol: float  # relative gap to end at; 0: end at rounding error
    relative_rounding: float  # rounding error / objective
    rows: LinearRows  # all of them
    random_state: tuple  # from which each sample is drawn
    coordinates: Coordinates
    l2: Matrix  # (n_features + 1, n_outputs), in the coordinates, as is l1
    l1: Matrix | None  # None without an l1 part
    sample_sizes: tuple  # increasing, the last one n_samples
    null_diagonal: Matrix  # (n_features + 1, n_outputs), of the Hessian at theta = 0

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return self.sample_sizes[-1]

    def sample(self, n_samples: int) -> LinearRows:
        """Return `n_samples` of the rows or all, the same ones in each call."""
        return sample_of(self.rows, n_samples, self.random_state)

    def penalty(self, point: Matrix) -> float:
        """Return the penalty at a point."""
        value = 0.5 * float(np.sum(self.l2 * point * point))
        return value if self.l1 is None else value + float(np.sum(self.l1 * abs(point)))

    def project(self, values: Matrix) -> Matrix:
        """Remove components that training ignores, in place, and return `values`.

        These are intercepts that are not trained, and changes that a softmax's outputs
        share, unless a penalty depends on them.
        """
        if not self.problem.architecture.fit_intercept:
            values[-1] = 0.0
        if values.shape[1] > 1:
            shared = values[-1:] if self.l1 is not None or self.l2.any() else values
            shared -= shared.mean(axis=1, keepdims=True)
        return values

    def regularised(self, matrix: Matrix) -> Matrix:
        """Return the Hessian, made regular along directions that `project` removes."""
        if self.problem.architecture.fit_intercept and self.l2.shape[1] == 1:
            return matrix
        n = len(matrix)

        def project(columns):
            return self.project(columns.reshape((*self.l2.shape, n))).reshape((n, n))

        of_feature = np.max(np.diagonal(matrix).reshape(self.l2.shape), axis=1)
        removed = (np.eye(n) - project(np.eye(n))) * of_feature.repeat(self.l2.shape[1])
        return project(project(matrix.copy()).T.copy()) + removed


class Evaluated(NamedTuple):
    """A point, and the objective and its derivatives there on a sample of the rows."""

    point: Matrix
    objective: float
    evaluation: Evaluation
    rows: LinearRows
    n_rows: int  # stored, because `rows.n_samples` counts blocks in each call

    def rounding(self, newton: NewtonProblem) -> float:
        """Return the size of the objective's rounding error."""
        return newton.relative_rounding * abs(self.objective)


class Curvature(NamedTuple):
    """The Hessian at a point: a matrix in the order of theta, or its products."""

    matrix: Matrix | None  # (n_parameters, n_parameters)
    product: Callable | None  # direction -> Hessian times direction
    diagonal: Matrix  # > 0


class ModelMinimum(NamedTuple):
    """The minimum of the quadratic model."""

    point: Matrix
    predicted_decrease: float


def sample_of(rows: LinearRows, n_samples: int, random_state: tuple) -> LinearRows:
    """Return `n_samples` of the rows, drawn by a generator in this state."""
    return rows.sample(n_samples, generator_at(random_state))


def effective_dimension(diagonal: Matrix, l2: Matrix) -> float:
    """Return the number of parameters that the rows, not the penalty, determine.

    The trace of H (H + l2)^-1, by the diagonal of H. An l1 part is ignored.
    """
    return float(np.sum(diagonal / np.maximum(diagonal + l2, np.finfo(np.float64).tiny)))


def evaluate_at(newton: NewtonProblem, rows: LinearRows, theta: Vector) -> Evaluated:
    """Evaluate the objective at theta (n_parameters,) on these rows."""
    point = newton.coordinates.point_of(theta)
    evaluation = rows.evaluate(newton.coordinates, point)
    objective = evaluation.loss + newton.penalty(point)
    newton.project(evaluation.gradient)
    return Evaluated(point, objective, evaluation, rows, rows.n_samples)


def curvature_at(
    newton: NewtonProblem, evaluated: Evaluated, n_samples: int, damping: float
) -> Curvature:
    """Return the Curvature at the point, from `n_samples` rows, or from all.

    If the diagonal on all of the point's rows is more than twice as large, the feature is
    rare in the smaller sample. Then the difference is added, so that no coordinate seems
    flat by mistake. (Smaller differences are chance. Adding them would make H larger, and
    the estimated gap smaller than the true one.)
    """
    rows, evaluation = evaluated.rows, evaluated.evaluation
    if 2 * n_samples < evaluated.n_rows:
        rows = newton.sample(n_samples)
        evaluation = rows.evaluate(newton.coordinates, evaluated.point)
    missing = evaluated.evaluation.diagonal - evaluation.diagonal
    missing = np.where(missing > evaluation.diagonal, missing, 0.0)
    added = missing + newton.l2 + damping * NULL_CURVATURE_PART * newton.null_diagonal
    diagonal = evaluation.diagonal + added
    # A coordinate whose curvature is 0 or a rounding error has no gradient either: any
    # curvature that is much larger will do.
    flat = np.where(diagonal > curvature_of_rounding(newton)[:, None], 0.0, 1.0)
    added, diagonal = added + flat, diagonal + flat
    arguments = newton.coordinates, evaluation.proba, damping
    matrix = rows.hessian(*arguments)
    if matrix is not None:
        matrix[np.diag_indices_from(matrix)] += added.reshape(-1)
        return Curvature(matrix, None, diagonal)

    def product(direction):
        of_loss = rows.hessian_product(*arguments, direction)
        return newton.project(of_loss + added * direction)

    return Curvature(None, product, diagonal)


def curvature_of_rounding(newton: NewtonProblem) -> Vector:
    """Return the curvature (n_features + 1,) that rounding gives to a constant column."""
    centre, scale = newton.coordinates
    deviation = newton.relative_rounding * np.abs(centre) / scale
    return np.append(deviation, 0.0) ** 2


def minimise_model(
    newton: NewtonProblem, evaluated: Evaluated, curvature: Curvature
) -> ModelMinimum:
    """Return the minimum of the quadratic model, and the decrease that it predicts."""
    matrix, product, diagonal = curvature
    gradient = evaluated.evaluation.gradient + newton.l2 * evaluated.point
    if matrix is not None and newton.l1 is None:
        regular = newton.regularised(matrix)
        solution = conjugate_gradients.solve_directly(regular, evaluated.point, gradient)
        if solution is not None:
            return ModelMinimum(solution.point, solution.decrease)
    if matrix is not None:

        def product(direction):
            moved = matrix @ direction.reshape(-1)
            return newton.project(moved.reshape(direction.shape))

    model = conjugate_gradients.Quadratic(
        evaluated.point, gradient, product, diagonal, newton.l1
    )
    objective = max(evaluated.objective, np.finfo(np.float64).tiny)
    solution = conjugate_gradients.minimise_quadratic(
        model,
        objective=objective,
        final_decrease=newton.tol * objective,
        forcing_term=FORCING_TERM if matrix is None else FORCING_TERM_OF_MATRIX,
        max_products=MAX_PRODUCTS,
    )
    move = newton.project(solution.point - evaluated.point)
    return ModelMinimum(evaluated.point + move, solution.decrease)
