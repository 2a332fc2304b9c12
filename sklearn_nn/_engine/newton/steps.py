"""Newton steps on growing random samples: the optimum without a learning rate.

For J of epochs/train.py and a model without hidden layer, each step goes to the minimum of

    m(x) = L(x_t) + g (x - x_t) + 1/2 (x - x_t) H (x - x_t) + penalty(x)

where L is the loss, J without its penalty, and g and H are its gradient and Hessian at x_t,
in standardised coordinates (coordinates.py). model.py builds m. With few features, H is a
matrix, and a Cholesky factorisation gives the minimum if there is no l1. Otherwise
conjugate gradients (conjugate_gradients.py) need products of H with vectors, each of which
is one pass over the rows (linear_passes.py).

Samples grow. The first steps use a small random sample of the rows, later steps samples
several times as large, and the last steps all rows. A sample of m rows determines the
optimum only up to about parameters / (2 m) nats, and steps need not be more accurate. If
there are many rows, H is computed on fewer of them than g. The decrease that m predicts,
half of the squared Newton decrement, estimates J - J*, and so ends training.

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

S. Boyd and L. Vandenberghe, "Convex Optimization", 2004, section 9.5: the decrement.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from .. import loop
from ..arrays import Matrix, Vector
from ..epochs import divergence
from ..objective.problem import Problem
from ..stopping import EndedBy
from ..types import TrainingRun, TrainingState
from .linear_passes import LinearRows
from .model import (
    FEW_ROWS,
    ROUNDINGS_OF_OBJECTIVE,
    Curvature,
    Evaluated,
    ModelMinimum,
    NewtonProblem,
    curvature_at,
    effective_dimension,
    evaluate_at,
    minimise_model,
    sample_of,
)
from .records import KnownRows, NewtonMemory, NewtonSettings

# Factor by which a sample grows, or the rows of H.
GROWTH = 5
# A sample needs this many rows per effective parameter, and H this many. H also has at
# least a part of the sample's rows, and a minimum number.
ROWS_PER_PARAMETER, HESSIAN_ROWS_PER_PARAMETER = 30, 20
MIN_HESSIAN_PART, MIN_HESSIAN_ROWS = 0.1, 2000
# Number of rows on which the scales of features are estimated.
ROWS_FOR_SCALES = 10_000
# Relative gap to end at on a sample, which determines the optimum no better.
SAMPLE_TOL = 1e-2
# The estimated gap may be too small by this factor.
SAFETY = 4
# Actual decrease / predicted decrease: a step with less than SUFFICIENT is rejected. With
# less than POOR, H gets more rows or more damping; with more than GOOD, less damping.
SUFFICIENT, POOR, GOOD = 1e-4, 0.25, 0.75
# The factors of these changes. Below MIN_DAMPING the damping is lowered to 0; above
# MAX_DAMPING a step fails.
RAISE, LOWER, MIN_DAMPING, MAX_DAMPING = 4.0, 10.0, 1e-8, 1e8
RAISED_FROM_ZERO = 1e-2  # damping after it was 0
# A predicted decrease counts as undamped up to this damping: on all rows, and on a sample.
WEAK_DAMPING, WEAK_ON_SAMPLE = 1e-5, 0.1
# If the predicted decrease is more than this part of the last one, H needs more rows.
SLOW = 0.5
# A loss without penalty counts as 0 below this part of the null loss, or below `tol` of it.
ZERO_LOSS = 1e-8


class Position(NamedTuple):
    """The start of a step: parameters, evaluated on a sample, and the Hessian there."""

    theta: Vector  # (n_parameters,)
    evaluated: Evaluated
    n_hessian_rows: int
    damping: float
    curvature: Curvature
    last_decrease: float = np.inf  # that was predicted for the last step on these rows

    @property
    def has_sampled_hessian(self) -> bool:
        """Whether H uses a sample of the rows of g, of at most half of them."""
        return 2 * self.n_hessian_rows < self.evaluated.n_rows


def newton_problem_of(
    problem: Problem, settings: NewtonSettings, rows: LinearRows, random_state: tuple
) -> NewtonProblem:
    """Return the NewtonProblem of a run: coordinates, penalties in them, sample sizes."""
    n, architecture = rows.n_samples, problem.architecture
    some = sample_of(rows, max(ROWS_FOR_SCALES, settings.min_sample_size), random_state)
    coordinates = some.standardised(centred=architecture.fit_intercept)
    n_outputs = architecture.layer_sizes[-1]
    scale = coordinates.scale[:, None].repeat(n_outputs, axis=1)
    no_penalty = np.zeros((1, n_outputs))  # on intercepts
    l2 = np.vstack([problem.penalty.l2 / scale / scale, no_penalty])
    l1 = np.vstack([problem.penalty.l1 / scale, no_penalty]) if problem.penalty.l1 else None
    null_diagonal = some.evaluate(coordinates, np.zeros(l2.shape)).diagonal
    n_needed = ROWS_PER_PARAMETER * effective_dimension(null_diagonal, l2)
    sizes = [n]
    while sizes[0] / GROWTH >= max(settings.min_sample_size, n_needed):
        sizes.insert(0, int(sizes[0] / GROWTH))
    return NewtonProblem(
        problem=problem,
        tol=0.0 if n <= FEW_ROWS else max(settings.tol, 0.0),
        relative_rounding=ROUNDINGS_OF_OBJECTIVE * float(np.finfo(rows.dtype).eps),
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
    how = memory.damping, memory.n_hessian_rows, memory.predicted_decrease
    return position_on(newton, state.theta, sample_size, *how)


def position_on(
    newton, theta, sample_size, damping, n_hessian_rows=0, last_decrease=np.inf
) -> Position:
    """Return the Position at theta on a sample of this size."""
    evaluated = evaluate_at(newton, newton.sample(sample_size), theta)
    divergence.check_objective(evaluated.objective)
    if not n_hessian_rows:
        diagonal = evaluated.evaluation.diagonal
        needed = HESSIAN_ROWS_PER_PARAMETER * effective_dimension(diagonal, newton.l2)
        n_least = min(MIN_HESSIAN_PART * sample_size, newton.rows.max_sample_size)
        n_hessian_rows = int(max(n_least, needed, MIN_HESSIAN_ROWS))
    return position_at(newton, theta, evaluated, n_hessian_rows, damping, last_decrease)


def position_at(
    newton, theta, evaluated, n_hessian_rows, damping, last_decrease=np.inf
) -> Position:
    """Return the Position at theta, where the objective has been evaluated."""
    n_rows = min(n_hessian_rows, evaluated.n_rows)
    curvature = curvature_at(newton, evaluated, n_rows, damping)
    return Position(theta, evaluated, n_rows, damping, curvature, last_decrease)


def rebuild_model(newton, position, n_hessian_rows=None, damping=None) -> Position:
    """Return the Position at the same theta with other rows of H, or another damping."""
    n_rows = position.n_hessian_rows if n_hessian_rows is None else n_hessian_rows
    damping = position.damping if damping is None else damping
    return position_at(newton, position.theta, position.evaluated, n_rows, damping)


def decrease_within(tol: float, objective: float) -> float:
    """Return the predicted decrease up to which the relative gap is safely below `tol`."""
    return max(tol, 0.0) * objective / SAFETY


def forcing_tolerance(newton: NewtonProblem, position: Position, null_loss) -> float:
    """Return the predicted decrease below which a step on these rows is not worthwhile."""
    objective = position.evaluated.objective
    if position.evaluated.n_rows < newton.n_samples:
        return SAMPLE_TOL * max(objective, 0.1 * null_loss)
    return decrease_within(newton.tol, objective)


def end_of(newton: NewtonProblem, position: Position, decrease, null_loss):
    """Return why training should end here, as EndedBy, or None.

    `decrease` is predicted for the next step.
    """
    evaluated, penalty = position.evaluated, newton.problem.penalty
    objective, rounding = evaluated.objective, evaluated.rounding(newton)
    if evaluated.n_rows < newton.n_samples:
        return None
    if decrease <= decrease_within(newton.tol, objective):
        return EndedBy.CONVERGED
    # At rounding error. Gradients are more accurate than objectives: a decrease below the
    # objective's rounding error is meaningful as long as it keeps falling.
    falls = decrease < position.last_decrease / 4
    falls = falls and decrease * objective > rounding * rounding
    if decrease <= rounding and not falls:
        return EndedBy.CONVERGED
    is_fitted = objective <= max(newton.tol, ZERO_LOSS) * null_loss
    # A misclassified row of weight 1 adds at least log 2.
    all_right = objective * newton.n_samples < np.log(2)
    if is_fitted and all_right and not (penalty.l1 or penalty.l2):
        return EndedBy.SEPARABLE
    return None


def refine_model(newton: NewtonProblem, position: Position, null_loss):
    """Return a Position from which a step is worthwhile, and the ModelMinimum there.

    If a step on this sample is not worthwhile, take a larger sample. If the predicted
    decrease has not halved since the last step, take more rows for H. Before the sample
    grows or training ends, predict without damping.
    """
    while True:
        evaluated, n_rows = position.evaluated, position.evaluated.n_rows
        minimum = minimise_model(newton, evaluated, position.curvature)
        decrease = minimum.predicted_decrease
        divergence.check_objective(decrease)
        is_converged = decrease <= forcing_tolerance(newton, position, null_loss)
        is_slow = decrease > max(SLOW * position.last_decrease, evaluated.rounding(newton))
        is_last = n_rows == newton.n_samples
        weak = WEAK_DAMPING if is_last else WEAK_ON_SAMPLE
        if is_converged and position.damping > weak:
            # Only the undamped H tells how near the optimum is.
            position = rebuild_model(newton, position, damping=0.0)
        elif is_converged and not is_last:
            larger = min(size for size in newton.sample_sizes if size > n_rows)
            position = position_on(newton, position.theta, larger, position.damping)
        elif is_slow and position.has_sampled_hessian:
            n_hessian_rows = GROWTH * position.n_hessian_rows
            position = rebuild_model(newton, position, n_hessian_rows=n_hessian_rows)
        else:
            return position, minimum


def step(newton: NewtonProblem, position: Position, minimum: ModelMinimum):
    """Return the Position after a step that lowers J sufficiently, or None.

    A rejected step is repeated with more rows of H or more damping. None is returned at
    rounding error, or if no damping up to MAX_DAMPING lowers J.
    """
    rounding = position.evaluated.rounding(newton)
    while position.damping <= MAX_DAMPING:
        theta = theta_at(newton, minimum.point, position.theta)
        evaluated = evaluate_at(newton, position.evaluated.rows, theta)
        decrease = position.evaluated.objective - evaluated.objective
        predicted = minimum.predicted_decrease
        if decrease >= SUFFICIENT * predicted - rounding:
            last_decrease = np.inf if position.damping > WEAK_ON_SAMPLE else predicted
            ratio = decrease / predicted if predicted > rounding else 1.0
            n_hessian_rows, damping = next_hessian(position, ratio)
            return position_at(
                newton, theta, evaluated, n_hessian_rows, damping, last_decrease
            )
        if predicted <= rounding:
            return None
        position = rebuild_model(newton, position, *next_hessian(position, 0.0))
        minimum = minimise_model(newton, position.evaluated, position.curvature)
    return None


def theta_at(newton: NewtonProblem, point: Matrix, last_theta: Vector) -> Vector:
    """Return the theta (n_parameters,) of a point, in the dtype of the rows.

    The mean of a softmax's intercepts has no effect; it stays that of `last_theta`.
    """
    n_outputs = point.shape[1]
    theta = newton.coordinates.theta_of(point)
    if n_outputs > 1:
        theta[-n_outputs:] += last_theta[-n_outputs:].mean() - theta[-n_outputs:].mean()
    return theta.astype(newton.rows.dtype)


def next_hessian(position: Position, ratio: float):
    """Return the rows of H and the damping after a step.

    `ratio` is its actual decrease / predicted decrease.
    """
    n_hessian_rows, damping = position.n_hessian_rows, position.damping
    if ratio > GOOD:
        damping = damping / LOWER if damping > MIN_DAMPING else 0.0
    elif ratio < POOR and position.has_sampled_hessian:
        n_hessian_rows *= GROWTH
    elif ratio < POOR:
        damping = max(RAISED_FROM_ZERO, RAISE * damping)
    return n_hessian_rows, damping


def train_with_newton(
    problem: Problem,
    settings: NewtonSettings,
    state: TrainingState,
    rows: LinearRows,
    n_steps: int,
    validate=None,
    monitor=None,
) -> TrainingRun:
    """Train a model without hidden layer with at most `n_steps` steps; see `loop.run`.

    The state needs a NewtonMemory. The curve holds the objective before each step, on the
    sample of the step.
    """
    training = NewtonTraining(problem, settings, rows)
    return loop.run(training, state, n_steps, validate, monitor)


def resumed_memory(memory, *unused) -> NewtonMemory:
    """Return the NewtonMemory to resume with, empty if another method trained before.

    `unused` are arguments that `epochs.train.resumed_memory` needs.
    """
    return memory if isinstance(memory, NewtonMemory) else NewtonMemory()


class NewtonTraining:
    """Newton steps, as the Training that `loop.run` drives."""

    def __init__(self, problem, settings, rows):
        self.problem, self.settings, self.rows = problem, settings, rows
        self.stopping_rule = settings.stopping_rule
        self.early_stopping = settings.stopping_rule is not None
        self.null_loss = problem.null_loss
        self.newton = None  # NewtonProblem
        self.position, self.minimum = None, None  # of the next step, or the last one
        self.next_position = None  # after the last step, not refined

    @np.errstate(**loop.QUIET)
    def begin(self, state):
        """Find the Position of the first step."""
        self.newton = newton_problem_of(
            self.problem, self.settings, self.rows, state.random_state
        )
        self.refine(first_position(self.newton, state))

    def refine(self, position):
        """Find a Position from which a step is worthwhile, from this one on."""
        refined = refine_model(self.newton, position, self.null_loss)
        self.position, self.minimum = refined

    @np.errstate(**loop.QUIET)
    def reason_to_end(self, state):
        """Return EndedBy if the predicted decrease is too small for a step, or None.

        Only a refined Position predicts it, so this refines the one after the last step.
        """
        if state.theta is not self.position.theta:
            self.refine(self.next_position)
        decrease = self.minimum.predicted_decrease
        return end_of(self.newton, self.position, decrease, self.null_loss)

    def advance(self, state, n_most):
        """Return the Advance of one step, or of the end if no step lowers the objective."""
        position = self.position
        self.next_position = step(self.newton, position, self.minimum)
        objective = position.evaluated.objective
        if self.next_position is not None:
            new = state_after(state, self.next_position, objective)
            return loop.Advance(new, [objective])
        within_tol = decrease_within(self.settings.tol, objective)
        rounding = position.evaluated.rounding(self.newton)
        is_exact = self.minimum.predicted_decrease <= max(rounding, within_tol)
        ended_by = EndedBy.CONVERGED if is_exact else EndedBy.STALLED
        return loop.Advance(state, [objective], None, ended_by)

    def complete_state(self, state):
        """Return the state with the KnownRows at its theta."""
        return with_known_rows(self.newton, state, self.position_of(state))

    def position_of(self, state):
        """Return the Position at this state's theta."""
        is_before_step = self.next_position is None or state.theta is self.position.theta
        return self.position if is_before_step else self.next_position

    def finish(self, state, curves):
        """Return the objective at the end, and the estimate of its relative gap.

        If a monitor, early stopping or Ctrl-C ended training, the gap is that before the
        last step, an upper estimate.
        """
        objective = self.position.evaluated.objective
        gap = self.minimum.predicted_decrease / objective if objective else 0.0
        return self.position_of(state).evaluated.objective, gap


def state_after(state: TrainingState, position: Position, objective_before: float):
    """Return the TrainingState after a step from `state` to the position."""
    objective = position.evaluated.objective
    return replace(
        state,
        theta=position.theta,
        step=state.step + 1,
        epoch=state.epoch + 1,
        memory=replace(
            state.memory,
            sample_size=position.evaluated.n_rows,
            n_hessian_rows=position.n_hessian_rows,
            damping=position.damping,
            predicted_decrease=position.last_decrease,
        ),
        progress=state.progress._replace(
            best=min(objective_before, objective),
            last_improvement=objective_before - objective,
        ),
    )


def with_known_rows(newton: NewtonProblem, state: TrainingState, position: Position):
    """Return the state with the KnownRows that a stream resumes with."""
    evaluated = position.evaluated
    diagonal, penalty = evaluated.evaluation.diagonal, newton.problem.penalty
    known = KnownRows(newton.coordinates, diagonal, evaluated.n_rows, penalty)
    return replace(state, memory=replace(state.memory, known_rows=known))
