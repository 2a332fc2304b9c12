"""Newton steps on growing random samples: the optimum without a learning rate.

For J of epochs/train.py, of a model without hidden layer, each step goes to the minimum of

    m(x) = L(x_t) + g (x - x_t) + 1/2 (x - x_t) H (x - x_t) + penalty(x)

with L the loss, J without its penalty, and its g and H at x_t, in standardised coordinates
(coordinates.py), made by model.py. Its minimum is found by conjugate gradients
(quadratic.py), which need H only in products with vectors, each of them one pass over the
rows (passes.py); or, where features are few, with H as a matrix.

The first steps are taken on a small random sample of the rows, further ones on samples
several times as large, the last on all: a sample of m rows determines the optimum up to
about (parameters / 2 m) nats, and no step should be more exact than that. H is taken on a
smaller sample than g throughout, if the rows are many. What m promises to gain estimates
how far J is from its optimum (half of the squared Newton decrement): that ends training.

Far from the optimum H is too small: a row that is surely wrong bends the loss by p (1 - p),
nearly 0, though a step will take it to where it bends by 1/4. Levenberg and Marquardt's
remedy is a damping, which grows where J fell less than was promised and fades where it did
not. What it multiplies are (p - y) (p - y)^T of each row, of the size of H on average but
largest for wrong rows, and a tenth of the curvature that all features had at the start.

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
from typing import Any, NamedTuple

import numpy as np

from .. import loop
from ..epochs import divergence
from ..stopping import EndedBy
from .model import (
    FEW_ROWS,
    ROUNDINGS,
    Curvature,
    Place,
    Search,
    curvature_at,
    determined,
    look,
    promise,
    rounding,
    sample_of,
)
from .records import KnownRows, NewtonMemory

# Each sample is so many times as large as the one before.
GROWTH = 5
# Rows that a sample needs for each parameter that they determine, to be worth a step, and
# to stand in for all rows in H; the part of them, and the number, that H is never below.
ROWS_TO_LEARN, ROWS_TO_CURVE, CURVATURE_PART = 30, 20, 0.1
FEWEST_TO_CURVE = 2000
# From so many rows the deviations of features are taken on a sample.
ROWS_TO_SCALE = 10_000
# A sample's optimum is found to this part of the objective; it is no better known.
SAMPLE_TOL = 1e-2
# The estimate of the gap may be too small by this factor.
SAFETY = 4
# Parts of the promised decrease: below the first a step is not taken, below the second
# damping grows, above the third it shrinks.
SUFFICIENT, POOR, GOOD = 1e-4, 0.25, 0.75
# The factors by which it does, and where it ends.
GROWING, SHRINKING, LEAST_DAMPING, MOST_DAMPING = 4.0, 10.0, 1e-8, 1e8
RAISED_DAMPING = 1e-2  # its first value after it has ended
# Up to here a promise is about that of H alone; and what is enough on a sample.
WEAK_DAMPING, WEAK_ON_SAMPLE = 1e-5, 0.1
# A step that leaves more than this part of the promised decrease: H needs more rows.
SLOW = 0.5
# Below this part of the loss of knowing nothing a loss without a penalty is taken as 0.
NOTHING_LEFT = 1e-8


class Position(NamedTuple):
    """Where a run is between two steps."""

    theta: Any  # (n_parameters,)
    place: Place
    n_curvature: int  # rows of H
    damping: float
    curvature: Curvature
    before: float = np.inf  # what was promised for the last step on these rows


def begin(problem, settings, rows, state):
    """Return the Search."""
    n, architecture = rows.n_samples, problem.architecture
    some = sample_of(rows, max(ROWS_TO_SCALE, settings.n_first_rows), state.random_state)
    coordinates = some.standardised(centred=architecture.fit_intercept)
    n_outputs = architecture.layer_sizes[-1]
    scale = coordinates.scale[:, None].repeat(n_outputs, axis=1)
    no_penalty = np.zeros((1, n_outputs))  # on intercepts
    l2 = np.vstack([problem.penalty.l2 / scale / scale, no_penalty])
    l1 = np.vstack([problem.penalty.l1 / scale, no_penalty]) if problem.penalty.l1 else None
    spread = some.evaluate(coordinates, np.zeros(l2.shape)).diagonal
    fewest = max(settings.n_first_rows, ROWS_TO_LEARN * determined(spread, l2))
    sizes = [n]
    while sizes[0] / GROWTH >= fewest:
        sizes.insert(0, int(sizes[0] / GROWTH))
    tol = 0.0 if n <= FEW_ROWS else max(settings.tol, 0.0)
    relative = ROUNDINGS * float(np.finfo(rows.dtype).eps)
    drawn = state.random_state
    scales = coordinates, l2, l1, tuple(sizes), spread
    return Search(problem, tol, relative, rows, drawn, *scales)


def first_position(search, state):
    """Return where a run begins: on the first sample, or where an earlier run was."""
    memory = state.memory
    n_sampled = min(memory.n_sampled, search.sizes[-1])
    if not n_sampled:  # parameters from elsewhere are worth all rows
        n_sampled = search.sizes[-1] if state.epoch else search.sizes[0]
    how = memory.damping, memory.n_curvature, memory.promised
    return position_on(search, state.theta, n_sampled, *how)


def position_on(search, theta, n_sampled, damping, n_curvature=0, promised=np.inf):
    """Return the Position of theta on a sample."""
    place = look(search, search.sample(n_sampled), theta)
    divergence.check_objective(place.objective)
    if not n_curvature:
        needed = ROWS_TO_CURVE * determined(place.evaluation.diagonal, search.l2)
        part = min(CURVATURE_PART * n_sampled, search.rows.n_at_hand)
        n_curvature = int(max(part, needed, FEWEST_TO_CURVE))
    return position_at(search, theta, place, n_curvature, damping, promised)


def position_at(search, theta, place, n_curvature, damping, before=np.inf):
    """Return the Position at a place."""
    n_curvature = min(n_curvature, place.n_rows)
    curvature = curvature_at(search, place, n_curvature, damping)
    return Position(theta, place, n_curvature, damping, curvature, before)


def enough(search, position, nothing):
    """Return the decrease below which these rows have taught what they can."""
    objective = position.place.objective
    if position.place.n_rows < search.sizes[-1]:
        return SAMPLE_TOL * max(objective, 0.1 * nothing)
    return search.tol * objective / SAFETY


def end_of(search, position, decrease, nothing):
    """Return the EndedBy if training ends here, or None.

    `decrease` is what the next step promises, `nothing` the loss of knowing nothing.
    """
    objective, noise = position.place.objective, rounding(search, position.place)
    penalty, tol = search.problem.penalty, search.tol
    if position.place.n_rows < search.sizes[-1]:
        return None
    if decrease <= tol * objective / SAFETY:
        return EndedBy.STOPPING_RULE
    # As exact as numbers are: gradients are more exact than objectives, so that decreases
    # below an objective's rounding still mean something while they fall.
    falls = decrease < position.before / 4 and decrease * objective > noise * noise
    if decrease <= noise and not falls:
        return EndedBy.STOPPING_RULE
    is_fitted = objective <= max(tol, NOTHING_LEFT) * nothing
    # A row on the wrong side costs at least log 2.
    all_right = objective * search.sizes[-1] < np.log(2)
    if is_fitted and all_right and not (penalty.l1 or penalty.l2):
        return EndedBy.SEPARABLE
    return None


def settle(search, position, nothing):
    """Return the Position from which a step is worth taking, and the Promise of it.

    That is on a larger sample where this one has taught what it can, and with more rows
    in H where the last step left more than it should.
    """
    while True:
        place, n_rows = position.place, position.place.n_rows
        promised = promise(search, position.place, position.curvature)
        divergence.check_objective(promised.decrease)
        is_settled = promised.decrease <= enough(search, position, nothing)
        is_slow = promised.decrease > max(SLOW * position.before, rounding(search, place))
        is_last = n_rows == search.sizes[-1]
        weak = WEAK_DAMPING if is_last else WEAK_ON_SAMPLE
        if is_settled and position.damping > weak:
            # Only H itself says how near the optimum is.
            position = again(search, position, damping=0.0)
        elif is_settled and not is_last:
            larger = min(size for size in search.sizes if size > n_rows)
            position = position_on(search, position.theta, larger, position.damping)
        elif is_slow and is_sampled(position):
            position = again(search, position, n_curvature=GROWTH * position.n_curvature)
        else:
            return position, promised


def again(search, position, n_curvature=None, damping=None):
    """Return the Position at the same place with another H."""
    return position_at(
        search,
        position.theta,
        position.place,
        position.n_curvature if n_curvature is None else n_curvature,
        position.damping if damping is None else damping,
    )


def step(search, position, promised):
    """Return the Position after a step, with more damping where J would not fall enough.

    None if it never does, which is rounding's doing.
    """
    noise = rounding(search, position.place)
    while position.damping <= MOST_DAMPING:
        theta = theta_at(search, promised.point, position.theta)
        new = look(search, position.place.rows, theta)
        decrease, damping = position.place.objective - new.objective, position.damping
        if decrease >= SUFFICIENT * promised.decrease - noise:
            before = np.inf if damping > WEAK_ON_SAMPLE else promised.decrease
            kept = decrease / promised.decrease if promised.decrease > noise else 1.0
            how = next_curvature(position, kept)
            return position_at(search, theta, new, *how, before)
        if promised.decrease <= noise:
            return None
        position = again(search, position, *next_curvature(position, 0.0))
        promised = promise(search, position.place, position.curvature)
    return None


def theta_at(search, point, before):
    """Return the theta (n_parameters,) of a point, in the dtype of the rows.

    The mean of a softmax's intercepts, which changes nothing, stays what it was `before`.
    """
    n_outputs = point.shape[1]
    theta = search.coordinates.theta_of(point)
    if n_outputs > 1:
        theta[-n_outputs:] += before[-n_outputs:].mean() - theta[-n_outputs:].mean()
    return theta.astype(search.rows.dtype)


def next_curvature(position, kept):
    """Return the rows of H and the damping after a step that brought the part `kept` of
    what was promised.
    """
    n_curvature, damping = position.n_curvature, position.damping
    if kept > GOOD:
        damping = damping / SHRINKING if damping > LEAST_DAMPING else 0.0
    elif kept < POOR and is_sampled(position):
        n_curvature *= GROWTH
    elif kept < POOR:
        damping = max(RAISED_DAMPING, GROWING * damping)
    return n_curvature, damping


def is_sampled(position):
    """Say whether H is taken on fewer rows than g: not where it would be most of them."""
    return 2 * position.n_curvature < position.place.n_rows


def minimise(problem, settings, state, rows, n_steps, validate=None, monitor=None):
    """Return the TrainingRun of at most `n_steps` steps; see `loop.run`.

    Parameters
    ----------
    problem : Problem
        Without hidden layer.
    settings : NewtonSettings
    state : TrainingState
        With a NewtonMemory.
    rows : passes.Rows, or what answers as they do
    n_steps, validate, monitor
        As in `loop.run`.

    Returns
    -------
    TrainingRun
        Its curve holds the objective before each step, of the sample it was taken on.
    """
    training = NewtonTraining(problem, settings, rows)
    return loop.run(training, state, n_steps, validate, monitor)


def resumed_memory(memory, *others):
    """Return the NewtonMemory that training goes on with, empty after another method.

    What others there are (`epochs.train.resumed_memory` has them all) has no say.
    """
    return memory if isinstance(memory, NewtonMemory) else NewtonMemory()


class NewtonTraining:
    """Newton steps on the rows, as loop.py drives them."""

    def __init__(self, problem, settings, rows):
        self.problem, self.settings, self.rows = problem, settings, rows
        self.stopping_rule = settings.stopping_rule
        self.early_stopping = settings.stopping_rule is not None
        self.null_loss = problem.null_loss
        self.search = None
        self.position, self.promised = None, None  # from which a step is worth taking
        self.taken = None  # the Position after the last step

    @np.errstate(**loop.QUIET)
    def begin(self, state):
        """Look where the first step is to be taken from."""
        self.search = begin(self.problem, self.settings, self.rows, state)
        self.settle(first_position(self.search, state))

    def settle(self, position):
        """Find the Position from which a step is worth taking, and what it promises."""
        settled = settle(self.search, position, self.null_loss)
        self.position, self.promised = settled

    @np.errstate(**loop.QUIET)
    def arrived(self, state):
        """Return the EndedBy if the model promises too little for another step, or None.

        After a step, first look for where the next is worth taking: on more rows, maybe.
        """
        if state.theta is not self.position.theta:
            self.settle(self.taken)
        decrease = self.promised.decrease
        return end_of(self.search, self.position, decrease, self.null_loss)

    def advance(self, state, n_most):
        """Return the Advance of a step, or of the end if the objective does not fall."""
        search, position = self.search, self.position
        self.taken = step(search, position, self.promised)
        objective = position.place.objective
        if self.taken is not None:
            new = state_at(state, self.taken, objective)
            return loop.Advance(new, [objective])
        near = max(self.settings.tol, 0.0) * objective / SAFETY
        is_exact = self.promised.decrease <= max(rounding(search, position.place), near)
        ended_by = EndedBy.STOPPING_RULE if is_exact else EndedBy.STALLED
        return loop.Advance(state, [objective], None, ended_by)

    def complete(self, state):
        """Return the state with what is known of the rows where it has come to."""
        return with_known_rows(self.search, state, self.position_of(state))

    def position_of(self, state):
        """Return the Position of this state's theta."""
        is_before = self.taken is None or state.theta is self.position.theta
        return self.position if is_before else self.taken

    def finish(self, state, curves):
        """Return the objective at the end, and the estimate of its relative gap.

        The gap is that before the last step where nobody has looked since: training was
        stopped from outside.
        """
        objective = self.position.place.objective
        gap = self.promised.decrease / objective if objective else 0.0
        return self.position_of(state).place.objective, gap


def state_at(state, position, objective):
    """Return the TrainingState one step after `state`."""
    lower = position.place.objective
    return replace(
        state,
        theta=position.theta,
        step=state.step + 1,
        epoch=state.epoch + 1,
        memory=replace(
            state.memory,
            n_sampled=position.place.n_rows,
            n_curvature=position.n_curvature,
            damping=position.damping,
            promised=position.before,
        ),
        progress=state.progress._replace(
            best=min(objective, lower), last_improvement=objective - lower
        ),
    )


def with_known_rows(search, state, position):
    """Return the state with what a stream that goes on from it needs to know."""
    diagonal, n_rows = position.place.evaluation.diagonal, position.place.n_rows
    known = KnownRows(search.coordinates, diagonal, n_rows, search.problem.penalty)
    return replace(state, memory=replace(state.memory, rows=known))
