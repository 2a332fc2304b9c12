"""The quadratic model of a Newton step, and the decrease that it predicts.

steps.py takes the steps. All points are in standardised coordinates.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..arrays import Matrix, Vector
from ..generators import generator_at
from ..objective.problem import Problem
from . import conjugate_gradients
from .coordinates import Coordinates
from .linear_rows import Evaluation, LinearRows

# Smallest forcing term of conjugate gradients, for Hessian products and for a matrix, whose
# products are cheaper.
FORCING_TERM, FORCING_TERM_OF_MATRIX = 0.1, 1e-3
MAX_PRODUCTS = 1000
# A proof of the gap may take this part of the passes so far, or MIN_PROVING products.
PROVING_PART, MIN_PROVING = 0.25, 2
# From this multiple of `tol` on, a predicted decrease is worth a dual point: its bound also
# holds for the step after it. Above the second part of J, it must be `tol` itself.
PROVE_FROM, LARGEST_TO_PROVE = 7.0, 1e-2
# A Hessian's matrix is formed if it takes as long as this number of products. Steps with
# l1, or to rounding error, need many.
CHEAP, CHEAP_FOR_MANY = 4.0, 100.0
MAX_SOFTMAX_PARAMETERS = 150
# Part of the curvature at theta = 0 that enters the damping.
NULL_CURVATURE_PART = 0.1
# A penalty below this part of the curvature at theta = 0 is a rounding error.
NO_PENALTY = 1e-14
# With at most this number of rows, training ignores `tol` and ends at rounding error. A row
# counts as often as its weight has the smallest one: a weight is a repetition.
FEW_ROWS = 100
# Relative rounding error of an objective, in units of eps of the data type.
ROUNDINGS_OF_OBJECTIVE = 64


@dataclass(frozen=True)
class NewtonProblem:
    """A Problem with all that stays the same during a run."""

    problem: Problem
    tol: float  # relative gap to end at; 0: end at rounding error
    final_tol: float  # relative gap at which training has converged, 0 for rounding error
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

    def project(self, values):
        """Remove components that training ignores, in place, and return `values`.

        These are intercepts that are not trained, and changes that a softmax's outputs
        share, unless a penalty depends on them. The first axes of `values` are those of a
        point.
        """
        if not self.problem.architecture.fit_intercept:
            values[-1] = 0.0
        n_outputs = values.shape[1]
        if n_outputs > 1:
            mean = values[self.shared].sum(axis=1, keepdims=True) / n_outputs
            values[self.shared] -= mean
        return values

    @cached_property
    def shared(self) -> Vector:
        """Features whose outputs may share a change: their penalties are rounding."""
        strength = self.l2 if self.l1 is None else np.maximum(self.l2, self.l1)
        return np.flatnonzero(strength[:, 0] <= NO_PENALTY * self.null_diagonal[:, 0])

    def regularised(self, matrix: Matrix) -> Matrix:
        """Return the Hessian, made regular along directions that `project` removes."""
        fit_intercept, (n, k) = self.problem.architecture.fit_intercept, self.l2.shape
        if fit_intercept and k == 1:
            return matrix
        blocks = matrix.reshape((n, k, n, k)).copy()
        of_feature = np.diagonal(matrix).reshape((n, k)).max(axis=1)
        self.project(blocks)
        self.project(blocks.transpose(2, 3, 0, 1))
        if k > 1:
            j = self.shared
            blocks[j, :, j, :] += (of_feature[j] / k)[:, None, None]
        if not fit_intercept:
            blocks[-1, :, -1, :] = of_feature[-1] * np.eye(k)
        return blocks.reshape(matrix.shape)


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
    """The Hessian at a point: its products, and what is known to solve with it."""

    product: Callable  # direction -> Hessian times direction
    evaluation: Evaluation  # of its rows
    added: Matrix  # (n_features + 1, n_outputs), to the diagonal of the loss's Hessian
    matrix: Matrix | None  # the Hessian (n_parameters, n_parameters), if it is cheap
    solve: Callable | None  # residual -> about Hessian^-1 residual; None: by the diagonal
    n_rows: int  # of which it is
    is_complete: bool  # whether it is undamped, and of all rows of the point
    cost: float  # Hessian products that take as long as a preconditioner

    @property
    def diagonal(self) -> Matrix:
        """Its diagonal, or an upper bound of it, > 0."""
        return self.evaluation.diagonal + self.added


class ModelMinimum(NamedTuple):
    """The minimum of the quadratic model."""

    point: Matrix
    predicted_decrease: float
    n_products: int = 0
    rest: float = 0.0  # estimate of what the exact minimum is lower
    solver: conjugate_gradients.Solver | None = None  # of the Hessian, if it is a matrix


def sample_of(rows: LinearRows, n_samples: int, random_state: tuple) -> LinearRows:
    """Return `n_samples` of the rows or all, drawn by a generator in this state."""
    if n_samples >= rows.n_samples:
        return rows
    return rows.sample(n_samples, generator_at(random_state))


def effective_dimension(diagonal: Matrix, l2: Matrix) -> float:
    """Return the number of parameters that the rows, not the penalty, determine.

    The trace of H (H + l2)^-1, by the diagonal of H. An l1 part is ignored.
    """
    return float(np.sum(diagonal / np.maximum(diagonal + l2, np.finfo(np.float64).tiny)))


def evaluate_at(
    newton: NewtonProblem, rows: LinearRows, theta: Vector, needs_diagonal=True
) -> Evaluated:
    """Evaluate the objective at theta (n_parameters,) on these rows."""
    point = newton.coordinates.point_of(theta)
    evaluation = rows.evaluate(newton.coordinates, point, needs_diagonal)
    objective = evaluation.loss + newton.penalty(point)
    newton.project(evaluation.gradient)
    return Evaluated(point, objective, evaluation, rows, rows.n_samples)


def curvature_at(
    newton: NewtonProblem, evaluated: Evaluated, n_samples, damping, blocks=None
) -> Curvature:
    """Return the Curvature at the point, from `n_samples` rows, or from all.

    `blocks` are those of the Hessian for each output: a preconditioner of products, also
    with other rows and damping.
    """
    rows, evaluation = some_rows(newton, evaluated, n_samples)
    is_sample = rows is not evaluated.rows
    added = missing_in(evaluation, evaluated) + newton.l2
    added = added + damping * NULL_CURVATURE_PART * newton.null_diagonal
    arguments = newton.coordinates, evaluation.proba, damping
    cost = rows.hessian_cost(added.shape[1])
    matrix, solve, may_be_flat = None, None, True
    if is_cheap(newton, cost):
        matrix = rows.hessian(*arguments)
        if evaluation.is_lazy:
            # The diagonal would take a pass. It is no smaller but for rounding, which
            # decides nothing there: `DeviceRows.at` lets constant columns be zeros.
            least = np.diagonal(matrix).reshape(added.shape) / (1 + damping)
            may_be_flat = flat_part(newton, least + added).any()
    if may_be_flat:
        added = added + flat_part(newton, evaluation.diagonal + added)
    if matrix is not None:
        matrix[np.diag_indices_from(matrix)] += added.reshape(-1)
    elif blocks is not None and newton.l1 is None:
        solve = solver_of_blocks(blocks, added)

    product = product_with(newton, rows, arguments, added)
    if matrix is not None:

        def product(direction):
            moved = matrix @ direction.reshape(-1)
            return newton.project(moved.reshape(direction.shape))

    return Curvature(
        product=product,
        evaluation=evaluation,
        added=added,
        matrix=matrix,
        solve=solve,
        n_rows=n_samples if is_sample else evaluated.n_rows,
        is_complete=damping == 0 and not is_sample,
        cost=cost,
    )


def blocks_at(newton: NewtonProblem, evaluated: Evaluated, n_samples, damping):
    """Return the blocks of the Hessian for each output, from `n_samples` rows or all.

    They are only a preconditioner, so a sample that determines them roughly is enough.
    """
    rows, evaluation = some_rows(newton, evaluated, n_samples)
    blocks = rows.hessian_blocks(newton.coordinates, evaluation.proba, damping)
    for block, missing in zip(blocks, missing_in(evaluation, evaluated).T, strict=True):
        block[np.diag_indices_from(block)] += missing
    return blocks


def some_rows(newton: NewtonProblem, evaluated: Evaluated, n_samples: int):
    """Return `n_samples` rows and their Evaluation at the point; all if it is over half."""
    if 2 * n_samples >= evaluated.n_rows:
        return evaluated.rows, evaluated.evaluation
    rows = newton.sample(n_samples)
    return rows, rows.evaluate(newton.coordinates, evaluated.point)


def product_with(newton: NewtonProblem, rows: LinearRows, arguments, added) -> Callable:
    """Return the function direction -> Hessian times direction, by passes over the rows."""

    def product(direction):
        of_loss = rows.hessian_product(*arguments, direction)
        return newton.project(of_loss + added * direction)

    return product


def missing_in(evaluation: Evaluation, evaluated: Evaluated) -> Matrix:
    """Return the curvature of features that are rare in a sample, else 0.

    If the diagonal on all of the point's rows is more than twice as large, this is the
    difference, so that no coordinate seems flat by mistake. (Smaller differences are
    chance. Adding them would make H larger, and the estimated gap smaller than the true
    one.)
    """
    if evaluation is evaluated.evaluation:
        return np.zeros(evaluated.point.shape)
    missing = evaluated.evaluation.diagonal - evaluation.diagonal
    return np.where(missing > evaluation.diagonal, missing, 0.0)


def completed(
    newton: NewtonProblem, evaluated: Evaluated, curvature: Curvature, solver
) -> Curvature:
    """Return the undamped Curvature of all rows of the point.

    Its preconditioner is that of `curvature`, or the `solver` with its matrix, if that is
    of a sample.
    """
    is_of_all = curvature.n_rows == evaluated.n_rows
    if curvature.matrix is not None and (is_of_all or newton.l1 is not None):
        return curvature_at(newton, evaluated, evaluated.n_rows, 0.0)
    evaluation = evaluated.evaluation
    added = newton.l2 + flat_part(newton, evaluation.diagonal + newton.l2)
    arguments = newton.coordinates, evaluation.proba, 0.0
    product = product_with(newton, evaluated.rows, arguments, added)
    solve = curvature.solve if solver is None else solver
    return Curvature(
        product, evaluation, added, None, solve, evaluated.n_rows, True, np.inf
    )


def flat_part(newton: NewtonProblem, diagonal: Matrix) -> Matrix:
    """Return what is added to a diagonal where it is 0 or a rounding error.

    Such a coordinate has no gradient either: any curvature that is much larger will do.
    """
    return np.where(diagonal > curvature_of_rounding(newton)[:, None], 0.0, 1.0)


def curvature_of_rounding(newton: NewtonProblem) -> Vector:
    """Return the curvature (n_features + 1,) that rounding gives to a constant column.

    Its scale is about its value; a column with a smaller scale varies.
    """
    centre, scale = newton.coordinates
    deviation = newton.relative_rounding * np.minimum(np.abs(centre) / scale, 2.0)
    return np.append(deviation, 0.0) ** 2


def is_cheap(newton: NewtonProblem, cost: float) -> bool:
    """Return whether the Hessian's matrix saves the time that it takes."""
    n_outputs = newton.l2.shape[1]
    if n_outputs > 1 and newton.l2.size > MAX_SOFTMAX_PARAMETERS:
        return False  # it has a block for each pair of outputs
    needs_many = newton.l1 is not None or not newton.tol
    return cost <= (CHEAP_FOR_MANY if needs_many else CHEAP)


def solver_of_blocks(blocks, added: Matrix) -> Callable | None:
    """Return the function residual -> move that solves with the block of each output."""
    solvers = [
        conjugate_gradients.solver_of(block + np.diag(of_output))
        for block, of_output in zip(blocks, added.T, strict=True)
    ]
    if any(solver is None for solver in solvers):
        return None

    def solve(residual):
        columns = zip(solvers, residual.T, strict=True)
        return np.stack([solver(column) for solver, column in columns], axis=1)

    return solve


def minimise_model(
    newton: NewtonProblem, evaluated: Evaluated, curvature: Curvature, n_passes: float
) -> ModelMinimum:
    """Return the minimum of the quadratic model, and the decrease that it predicts.

    `n_passes` is the number of passes over all rows so far: a proof may take a part of it.
    """
    start = evaluated.point
    gradient = evaluated.evaluation.gradient + newton.l2 * start
    if curvature.matrix is not None and newton.l1 is None:
        solve = conjugate_gradients.solver_of(newton.regularised(curvature.matrix))
        if solve is not None:
            move = newton.project(-solve(gradient))
            decrease = -0.5 * float(np.sum(gradient * move))
            return ModelMinimum(start + move, decrease, solver=solve)
    solve = curvature.solve
    if solve is not None:

        def solve(residual):
            return newton.project(curvature.solve(residual))

    model = conjugate_gradients.Quadratic(
        start, gradient, curvature.product, curvature.diagonal, newton.l1
    )
    objective = max(evaluated.objective, np.finfo(np.float64).tiny)
    final = conjugate_gradients.Final(
        decrease=proving_part(newton.tol) * objective if curvature.is_complete else 0.0,
        is_proof=proof_of(newton, curvature, newton.tol * objective),
        max_products=max(MIN_PROVING, int(PROVING_PART * n_passes)),
    )
    has_cheap_products = curvature.matrix is not None
    forcing_term = FORCING_TERM_OF_MATRIX if has_cheap_products else FORCING_TERM
    if newton.l1 is not None:
        # There is no estimate that could end training instead of a proof.
        final = final._replace(max_products=MAX_PRODUCTS)
        solution = conjugate_gradients.minimise_quadratic(
            model, objective, final, forcing_term, MAX_PRODUCTS
        )
    else:
        solution = conjugate_gradients.minimise_smooth(
            model, solve, objective, final, forcing_term, MAX_PRODUCTS
        )
    move, solver = newton.project(solution.point - start), None
    if newton.l1 is not None and curvature.matrix is not None and curvature.is_complete:
        solver = conjugate_gradients.solver_of(newton.regularised(curvature.matrix))
        rest = np.inf if solver is None else 0.0
    else:
        rest = np.inf if newton.l1 is not None else solution.rest
    n_products = 0 if has_cheap_products else solution.n_products
    return ModelMinimum(start + move, solution.decrease, n_products, rest, solver)


def proving_part(tol: float) -> float:
    """Return the predicted decrease / J from which a proof of `tol` is tried."""
    return max(tol, min(PROVE_FROM * tol, LARGEST_TO_PROVE))


def proof_of(newton: NewtonProblem, curvature: Curvature, gap: float) -> Callable:
    """Return the function residual -> whether it is too small to matter for this gap.

    The dual point of a step with this residual is lower by residual^2 / (2 l2), or by the
    factor that a residual above an l1 part costs; see certificate.py.
    """
    l2, is_l1 = newton.l2, np.zeros(newton.l2.shape, bool)
    if newton.l1 is not None:
        is_l1 = (newton.l1 > 0) & (l2 == 0)
    stiffness = np.where(l2 > 0, l2, np.where(is_l1, np.inf, curvature.diagonal))

    def is_proof(residual):
        if is_l1.any():
            excess = np.abs(residual[is_l1]) / newton.l1[is_l1]
            if np.max(excess) > newton.tol / 4:
                return False
        return 0.5 * float(np.sum(residual**2 / stiffness)) <= gap / 4

    return is_proof
