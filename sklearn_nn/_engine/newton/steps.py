"""Newton steps on growing random samples: the optimum without a learning rate.

For J of epochs/train.py and a model without hidden layer, each step goes to the minimum of

    m(x) = L(x_t) + g (x - x_t) + 1/2 (x - x_t) H (x - x_t) + penalty(x)

where L is the loss, J without its penalty, and g and H are its gradient and Hessian at x_t,
in standardised coordinates (coordinates.py). model.py builds m. If H is cheap, it is formed
as a matrix, and a Cholesky factorisation gives the minimum if there is no l1. Otherwise
conjugate gradients (conjugate_gradients.py) need products of H with vectors, each of which
is one pass over the rows (linear_rows.py). Once a step has needed more products than the
blocks of H for each output would have cost, these blocks are the preconditioner. A step by
a matrix may become longer (line_search.py). Without such a matrix, the first step from zero
coefficients is L-BFGS (quasi_newton.py).

Samples grow. The first steps use a small random sample of the rows, later steps samples
several times as large, and the last steps all rows. A sample of m rows determines the
optimum only up to about parameters / (2 m) nats, and steps need not be more accurate. If
there are many rows, H is computed on fewer of them than g.

A duality gap ends training (training.py, certificate.py, dual.py): an upper bound of J -
J*. It is computed once the decrease that m predicts is small, from the step to the minimum
of the complete model, undamped and of all rows. That decrease, half of the squared Newton
decrement, proves nothing itself: a single row can have nearly all of H. The bound also
holds for the point after the step, so that often no further step is needed to prove it. If
proving takes more than a quarter of the passes so far, an estimate may end training, which
adds to the decrease what conjugate gradients left. (With l1, there is no such estimate.)
Without a penalty, or with one that is a rounding error, only an exact solution can.

Steps are damped. Far from the optimum H is too small: the curvature of a confidently wrong
row is p (1 - p), nearly 0, but a step leads to where it is 1/4. So the damping of Levenberg
and Marquardt grows if J fell by less than a quarter of the prediction, and shrinks if by
more than three quarters. (If H uses a sample, it gets more rows first.) The damping
multiplies two terms: (p - y) (p - y)^T of each row, which has the mean H if the model is
right, and is largest for wrong rows; and a tenth of the curvature of each feature at theta
= 0.

References
----------
R. Byrd, G. Chin, W. Neveitt and J. Nocedal, "On the use of stochastic Hessian information
in optimization methods for machine learning", SIAM J. Optimization 21, 2011: H on a sample.

R. Byrd, G. Chin, J. Nocedal and Y. Wu, "Sample size selection in optimization methods for
machine learning", Mathematical Programming 134, 2012; H. Daneshmand, A. Lucchi and
T. Hofmann, "Starting small: learning with adaptive sample sizes", ICML 2016.

J. Lee, Y. Sun and M. Saunders, "Proximal Newton-type methods for minimizing composite
functions", SIAM J. Optimization 24, 2014: the l1 part within m, and the line search.

D. Marquardt, "An algorithm for least-squares estimation of nonlinear parameters", SIAM J.
Applied Mathematics 11, 1963; J. Martens, "New insights and perspectives on the natural
gradient method", JMLR 21, 2020: (p - y) (p - y)^T for H, the empirical Fisher matrix.

H. Nielsen, "Damping parameter in Marquardt's method", 1999: rejected steps in a row raise
the damping by more.

S. Boyd and L. Vandenberghe, "Convex Optimization", 2004, section 9.5: the decrement.
"""

from typing import Any, NamedTuple

import numpy as np

from ..arrays import Matrix, Vector
from ..epochs import divergence
from ..objective.problem import Problem
from ..types import TrainingState
from . import line_search
from .linear_rows import LinearRows
from .model import (
    FEW_ROWS,
    ROUNDINGS_OF_OBJECTIVE,
    Curvature,
    Evaluated,
    ModelMinimum,
    NewtonProblem,
    blocks_at,
    completed,
    curvature_at,
    effective_dimension,
    evaluate_at,
    minimise_model,
    proving_part,
    sample_of,
)
from .records import NewtonSettings

# Factor by which a sample grows, or the rows of H.
GROWTH = 5
# A sample needs this many rows per effective parameter, and H this many. H also has at
# least a part of the sample's rows, and a minimum number.
ROWS_PER_PARAMETER, HESSIAN_ROWS_PER_PARAMETER = 30, 20
MIN_HESSIAN_PART, MIN_HESSIAN_ROWS = 0.1, 2000
# Scales of features are estimated on this number of rows, or of values, or on a sample.
ROWS_FOR_SCALES, NUMBERS_FOR_SCALES = 5000, 2**18
# Relative gap to end at on a sample, which determines the optimum no better.
SAMPLE_TOL = 1e-2
# Actual decrease / predicted decrease: a step with less than SUFFICIENT is rejected. With
# less than POOR, H gets more rows or more damping; with more than GOOD, less damping.
SUFFICIENT, POOR, GOOD = 1e-4, 0.25, 0.75
# The factors of these changes. Below MIN_DAMPING the damping is lowered to 0; above
# MAX_DAMPING a step fails.
RAISE, LOWER, MIN_DAMPING, MAX_DAMPING = 4.0, 10.0, 1e-8, 1e8
RAISED_FROM_ZERO = 1e-5  # damping after it was 0
# Parts of a step that are tried before another step is sought, which costs more.
LENGTHS = (1.0, 0.25, 0.0625)
# After a step that brought about what was predicted, and less than this part of J, the next
# one needs no damping.
NEAR = 0.1
# A predicted decrease counts as undamped up to this damping: on all rows, and on a sample.
WEAK_DAMPING, WEAK_ON_SAMPLE = 1e-5, 0.1
# If the predicted decrease is more than this part of the last one, H needs more rows.
SLOW = 0.5


class Position(NamedTuple):
    """The start of a step: parameters, evaluated on a sample, and the Hessian there."""

    theta: Vector  # (n_parameters,)
    evaluated: Evaluated
    n_hessian_rows: int
    damping: float
    curvature: Curvature | None  # None until the next step is sought
    last_decrease: float = np.inf  # that was predicted for the last step on these rows
    n_passes: float = 0.0  # over all rows, so far
    is_preconditioned: bool = False  # whether products with H were too many without
    blocks: Any = None  # of H at theta, for the preconditioner, if there is one

    @property
    def has_sampled_hessian(self) -> bool:
        """Whether H uses a sample of the rows of g, of at most half of them."""
        return 2 * self.n_hessian_rows < self.evaluated.n_rows


def finest_tol(dtype) -> float:
    """Return the smallest relative gap that rows of this dtype can show."""
    return ROUNDINGS_OF_OBJECTIVE * float(np.finfo(dtype).eps)


def newton_problem_of(
    problem: Problem, settings: NewtonSettings, rows: LinearRows, random_state: tuple
) -> NewtonProblem:
    """Return the NewtonProblem of a run: coordinates, penalties in them, sample sizes."""
    n, architecture = rows.n_samples, problem.architecture
    n_some = min(ROWS_FOR_SCALES, int(NUMBERS_FOR_SCALES / rows.values_per_row))
    n_some = max(n_some, settings.min_sample_size)
    # A proof with l1 compares gradients with l1, and so needs more digits.
    digits = 100.0 if problem.penalty.l1 else 1.0
    is_widened = 0 < settings.tol < digits * finest_tol(rows.dtype)
    if is_widened:
        rows = rows.widened()
    some = sample_of(rows, n_some, random_state)
    coordinates = some.standardised(centred=architecture.fit_intercept)
    prepared = rows.at(coordinates)
    if prepared is not rows:
        rows, some = prepared, sample_of(prepared, n_some, random_state)
    n_outputs, has_few = architecture.layer_sizes[-1], n <= FEW_ROWS * rows.least_weight
    scale = coordinates.scale[:, None].repeat(n_outputs, axis=1)
    no_penalty = np.zeros((1, n_outputs))  # on intercepts
    l2 = np.vstack([problem.penalty.l2 / scale / scale, no_penalty])
    l1 = np.vstack([problem.penalty.l1 / scale, no_penalty]) if problem.penalty.l1 else None
    null_diagonal = some.evaluate(coordinates, np.zeros(l2.shape)).diagonal
    n_needed = ROWS_PER_PARAMETER * effective_dimension(null_diagonal, l2)
    sizes, n_least = [n], max(settings.min_sample_size, rows.min_sample_size)
    while sizes[0] / GROWTH >= max(n_least, n_needed):
        sizes.insert(0, int(sizes[0] / GROWTH))
    return NewtonProblem(
        problem=problem,
        # Parameters of float32 cannot be as exact as widened rows.
        tol=0.0 if has_few and not is_widened else max(settings.tol, 0.0),
        final_tol=max(settings.tol, 0.0),
        relative_rounding=finest_tol(rows.dtype),
        rows=rows,
        random_state=random_state,
        coordinates=coordinates,
        l2=l2,
        l1=l1,
        sample_sizes=tuple(sizes),
        null_diagonal=null_diagonal,
    )


def first_position(newton: NewtonProblem, state: TrainingState) -> Position:
    """Return the Position of a new run, or the one where an earlier run ended."""
    memory = state.memory
    sample_size = min(memory.sample_size, newton.n_samples)
    if not sample_size:  # a model of another method is too good for a small sample
        sample_size = newton.n_samples if state.epoch else newton.sample_sizes[0]
    before = Position(
        theta=state.theta,
        evaluated=None,
        n_hessian_rows=memory.n_hessian_rows,
        damping=memory.damping,
        curvature=None,
        last_decrease=memory.predicted_decrease,
        n_passes=memory.n_passes,
        is_preconditioned=memory.is_preconditioned,
    )
    position = position_on(newton, before, sample_size)
    # The pass at the end of the last step counts once.
    return position._replace(n_passes=memory.n_passes) if memory.n_passes else position


def position_on(newton, before: Position, sample_size) -> Position:
    """Return the Position at the same theta on a sample of this size."""
    theta, n_hessian_rows = before.theta, before.n_hessian_rows
    evaluated = evaluate_at(newton, newton.sample(sample_size), theta)
    divergence.check_objective(evaluated.objective)
    if not n_hessian_rows:
        n_hessian_rows = n_hessian_rows_of(newton, evaluated, 1)
    n_passes = before.n_passes + sample_size / newton.n_samples
    return before._replace(
        evaluated=evaluated,
        n_hessian_rows=n_hessian_rows,
        n_passes=n_passes,
        curvature=None,
        blocks=None,
    )


def with_curvature(newton, position: Position) -> Position:
    """Return the position with its Curvature."""
    evaluated, damping, blocks = position.evaluated, position.damping, position.blocks
    n_rows = min(position.n_hessian_rows, evaluated.n_rows)
    n_enough = min(n_rows, n_hessian_rows_of(newton, evaluated, newton.l2.shape[1]))
    if position.is_preconditioned and blocks is None and newton.l1 is None:
        blocks = blocks_at(newton, evaluated, n_enough, damping)
    curvature = curvature_at(newton, evaluated, n_rows, damping, blocks)
    # Products with fewer rows are cheaper, too.
    curvature = curvature._replace(cost=curvature.cost * n_enough / n_rows)
    return position._replace(n_hessian_rows=n_rows, curvature=curvature, blocks=blocks)


def n_hessian_rows_of(newton: NewtonProblem, evaluated: Evaluated, n_blocks) -> int:
    """Return the number of rows that determine H at this point, or its blocks."""
    n_least = min(MIN_HESSIAN_PART * evaluated.n_rows, newton.rows.max_sample_size)
    n_least = max(n_least, newton.rows.min_sample_size, MIN_HESSIAN_ROWS)
    if HESSIAN_ROWS_PER_PARAMETER * newton.l2.size <= n_least * n_blocks:
        return int(n_least)  # without the diagonal, which takes a pass on a device
    diagonal = evaluated.evaluation.diagonal
    needed = HESSIAN_ROWS_PER_PARAMETER * effective_dimension(diagonal, newton.l2)
    return int(max(n_least, needed / n_blocks))


def forcing_tolerance(newton: NewtonProblem, position: Position, null_loss, falls) -> float:
    """Return the predicted decrease below which a step on these rows is not worthwhile.

    `falls` tells whether the last step made it much smaller; then with few rows steps go
    on.
    """
    tol = newton.tol if falls else newton.final_tol
    objective = position.evaluated.objective
    if position.evaluated.n_rows < newton.n_samples:
        return SAMPLE_TOL * max(objective, 0.1 * null_loss)
    return max(proving_part(tol) * objective, position.evaluated.rounding(newton))


def end_tol(newton: NewtonProblem, position: Position) -> float:
    """Return the relative gap at which steps on these rows may end."""
    return newton.tol if position.evaluated.n_rows == newton.n_samples else SAMPLE_TOL


class Goal(NamedTuple):
    """A Position and the minimum of its model, where a step from it leads."""

    position: Position
    minimum: ModelMinimum

    @property
    def decrease(self) -> float:
        """Predicted decrease of a step."""
        return self.minimum.predicted_decrease


def refine_model(newton: NewtonProblem, position: Position, null_loss):
    """Return the Goal of a step that is worthwhile, and that of the complete model or None.

    If a step on this sample is not worthwhile, take a larger sample. If the predicted
    decrease has not halved since the last step, take more rows for H. If a step needed many
    products with H, form a preconditioner. If the step may be the last one, minimise the
    complete model, too: undamped and of all rows.
    """
    while True:
        if position.curvature is None:
            position = with_curvature(newton, position)
        goal = goal_of(newton, position)
        position = goal.position
        evaluated, curvature = position.evaluated, position.curvature
        falls = goal.decrease < position.last_decrease / 4
        tolerance = forcing_tolerance(newton, position, null_loss, falls)
        is_converged = goal.decrease <= tolerance
        is_last = evaluated.n_rows == newton.n_samples
        last_decrease = max(SLOW * position.last_decrease, evaluated.rounding(newton))
        needs_many = goal.minimum.n_products > curvature.cost and newton.l1 is None
        if needs_many and not position.is_preconditioned:
            position = position._replace(is_preconditioned=True, curvature=None)
        elif is_converged and not is_last and position.damping > WEAK_ON_SAMPLE:
            # Only the undamped H tells how near the optimum is.
            position = position._replace(damping=0.0, curvature=None)
        elif is_converged and not is_last:
            larger = min(size for size in newton.sample_sizes if size > evaluated.n_rows)
            start = position._replace(n_hessian_rows=0, last_decrease=np.inf)
            position = position_on(newton, start, larger)
        elif is_converged:
            exact = exact_goal(newton, goal)
            return (exact if position.damping <= WEAK_DAMPING else goal), exact
        elif goal.decrease > last_decrease and position.has_sampled_hessian:
            n_hessian_rows = GROWTH * position.n_hessian_rows
            position = position._replace(
                n_hessian_rows=n_hessian_rows, last_decrease=np.inf, curvature=None
            )
        else:
            return goal, None


def goal_of(newton: NewtonProblem, position: Position) -> Goal:
    """Return the Goal of a position with its Curvature, and count the passes."""
    evaluated, n_passes = position.evaluated, position.n_passes
    minimum = minimise_model(newton, evaluated, position.curvature, n_passes)
    divergence.check_objective(minimum.predicted_decrease)
    n_rows = evaluated.n_rows
    if position.has_sampled_hessian and not position.curvature.is_complete:
        n_rows = position.n_hessian_rows
    n_passes += minimum.n_products * n_rows / newton.n_samples
    return Goal(position._replace(n_passes=n_passes), minimum)


def exact_goal(newton: NewtonProblem, goal: Goal) -> Goal:
    """Return the Goal of the complete model at the same point."""
    position = goal.position
    if position.curvature.is_complete:
        return goal
    solver = goal.minimum.solver
    complete = completed(newton, position.evaluated, position.curvature, solver)
    return goal_of(newton, position._replace(curvature=complete, damping=0.0))


def step(newton: NewtonProblem, goal: Goal):
    """Return the Position after a step that lowers J sufficiently, or None.

    A rejected step is repeated with more rows of H or more damping. None is returned at
    rounding error, or if no damping up to MAX_DAMPING lowers J.
    """
    position, minimum = goal
    rounding, n_rejected = position.evaluated.rounding(newton), 0
    while position.damping <= MAX_DAMPING:
        predicted = minimum.predicted_decrease
        for length in LENGTHS if predicted > rounding else LENGTHS[:1]:
            moved = moved_by(newton, position, minimum, length)
            decrease = position.evaluated.objective - moved.evaluated.objective
            position = position._replace(n_passes=moved.n_passes)
            if decrease >= SUFFICIENT * length * predicted - rounding:
                if position.curvature.matrix is not None and newton.l1 is None:
                    moved = lengthened(newton, position, moved)
                    decrease = position.evaluated.objective - moved.evaluated.objective
                ratio = decrease / predicted if predicted > rounding else 1.0
                return after_step(moved, position, ratio, predicted)
        if predicted <= rounding:
            return None
        n_rejected += 1
        n_hessian_rows, damping = next_hessian(position, 0.0, predicted, n_rejected)
        position = position._replace(
            n_hessian_rows=n_hessian_rows, damping=damping, last_decrease=np.inf
        )
        position, minimum = goal_of(newton, with_curvature(newton, position))
    return None


def moved_by(newton, position: Position, minimum: ModelMinimum, length) -> Position:
    """Return the position, moved by this part of the step and evaluated there."""
    start = position.evaluated.point
    point = start + length * (minimum.point - start) if length < 1 else minimum.point
    return moved_to(newton, position, point)


def moved_to(newton, position: Position, point: Matrix, needs_diagonal=True) -> Position:
    """Return the position, moved to the point and evaluated there."""
    theta = theta_at(newton, point, position.theta)
    evaluated = evaluate_at(newton, position.evaluated.rows, theta, needs_diagonal)
    n_passes = position.n_passes + evaluated.n_rows / newton.n_samples
    return position._replace(theta=theta, evaluated=evaluated, n_passes=n_passes)


def lengthened(newton: NewtonProblem, position: Position, moved: Position) -> Position:
    """Return the position after a longer step, if that is better, or `moved`.

    This pays for exact steps, by a matrix: others do not point to where more is to gain.
    """
    start, end = position.evaluated, moved.evaluated
    length = line_search.best_length(newton, start, end)
    if length == 1:
        return moved
    point = start.point + length * (end.point - start.point)
    longer = moved_to(newton, moved, point)
    return longer if longer.evaluated.objective < end.objective else moved


def after_step(moved: Position, position: Position, ratio, predicted) -> Position:
    """Return the moved position with the damping for its next step."""
    n_hessian_rows, damping = next_hessian(position, ratio, predicted)
    return moved._replace(
        curvature=None,
        blocks=None,
        n_hessian_rows=n_hessian_rows,
        damping=damping,
        last_decrease=np.inf if position.damping > WEAK_ON_SAMPLE else predicted,
    )


def theta_at(newton: NewtonProblem, point: Matrix, last_theta: Vector) -> Vector:
    """Return the theta (n_parameters,) of a point, in the dtype of `last_theta`.

    The mean of a softmax's intercepts has no effect; it stays that of `last_theta`.
    """
    n_outputs = point.shape[1]
    theta = newton.coordinates.theta_of(point)
    if n_outputs > 1:
        theta[-n_outputs:] += last_theta[-n_outputs:].mean() - theta[-n_outputs:].mean()
    return theta.astype(last_theta.dtype)


def next_hessian(position: Position, ratio: float, predicted: float, n_rejected=1):
    """Return the rows of H and the damping after a step.

    `ratio` is its actual decrease / predicted decrease. After the first of several rejected
    steps in a row, the damping rises by more.
    """
    n_hessian_rows, damping = position.n_hessian_rows, position.damping
    if ratio > GOOD:
        is_near = predicted < NEAR * position.evaluated.objective and ratio < 1 / GOOD
        is_near = is_near and predicted < position.last_decrease / 4
        damping = 0.0 if is_near or damping <= MIN_DAMPING else damping / LOWER
    elif ratio < POOR and position.has_sampled_hessian:
        n_hessian_rows *= GROWTH
    elif ratio < POOR:
        damping = max(RAISED_FROM_ZERO, RAISE ** min(n_rejected, 3) * damping)
    return n_hessian_rows, damping
