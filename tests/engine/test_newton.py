"""Newton's method reaches the optimum, estimates its gap, and resumes after any step."""

from dataclasses import replace
from itertools import pairwise
from math import inf, log

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.sparse import csr_array, issparse

from sklearn_nn._engine.epochs.reference import objective_and_gradient
from sklearn_nn._engine.newton import linear_passes, steps, training
from sklearn_nn._engine.newton.linear_rows import LocalRows
from sklearn_nn._engine.newton.records import NewtonMemory, NewtonSettings
from sklearn_nn._engine.objective.losses import LOSSES
from sklearn_nn._engine.objective.penalties import Penalty
from sklearn_nn._engine.objective.problem import Problem
from sklearn_nn._engine.stopping import EndedBy, StoppingRule
from sklearn_nn._engine.types import Architecture, Dataset, TrainingState, Validation

PENALTIES = {
    "l2": Penalty(l2=0.01),
    "l1": Penalty(l1=0.02),
    "elastic net": Penalty(l2=0.01, l1=0.01),
    "none": Penalty(),
}
any_penalty = pytest.mark.parametrize("penalty", PENALTIES)
any_outputs = pytest.mark.parametrize("n_outputs", [1, 3])
with_and_without_intercept = pytest.mark.parametrize("fit_intercept", [True, False])


def data_of(
    n_outputs=1,
    n_samples=60,
    n_features=4,
    dtype=np.float64,
    sparse=False,
    weighted=False,
    seed=0,
):
    """Return random rows with labels that depend on the features and noise."""
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(n_samples, n_features))
    if sparse:
        X[rng.uniform(size=X.shape) < 0.5] = 0.0
    weight = rng.normal(size=(n_features, n_outputs)) / np.sqrt(n_features)
    logits = X @ weight + 0.3 * np.arange(n_outputs)
    if n_outputs == 1:
        y = (logits + rng.logistic(size=logits.shape) > 0).astype(dtype)
    else:
        y = np.argmax(logits + rng.gumbel(size=logits.shape), axis=1)
    sample_weight = rng.uniform(0.2, 3, n_samples) if weighted else None
    if weighted:
        sample_weight = (sample_weight / sample_weight.mean()).astype(dtype)
    X = X.astype(dtype)
    return Dataset(csr_array(X) if sparse else X, y, sample_weight)


def problem_of(data, penalty="l2", fit_intercept=True):
    """Return the Problem of these rows."""
    n_outputs = data.y.shape[1] if data.y.ndim == 2 else int(data.y.max()) + 1
    return Problem(
        architecture=Architecture(
            (data.X.shape[1], n_outputs), fit_intercept=fit_intercept
        ),
        loss=LOSSES["log_loss", "logistic" if data.y.ndim == 2 else "softmax"],
        penalty=PENALTIES[penalty] if isinstance(penalty, str) else penalty,
    )


def settings_of(tol=0.0, min_sample_size=1000, stopping_rule=None):
    """Return settings; by default, only rounding error ends training."""
    return NewtonSettings(tol, min_sample_size, stopping_rule)


def start_of(problem, data, seed=0):
    """Return the state of a new model, with a read-only theta."""
    theta = np.zeros(problem.architecture.n_parameters, data.X.dtype)
    theta.flags.writeable = False
    drawn = np.random.RandomState(seed).get_state()
    return TrainingState(theta, drawn, memory=NewtonMemory())


def run(
    problem,
    data,
    n_steps=200,
    state=None,
    settings=None,
    validate=None,
    monitor=None,
    rows=None,
):
    """Minimise, by default from `start_of`."""
    settings = settings_of() if settings is None else settings
    state = start_of(problem, data) if state is None else state
    rows = LocalRows(data, problem.loss) if rows is None else rows
    return training.train_with_newton(
        problem, settings, state, rows, n_steps, validate, monitor
    )


def objective_of(problem, data, theta):
    """Return J in float64."""
    X = data.X.astype(np.float64)
    weight = data.sample_weight
    weight = None if weight is None else weight.astype(np.float64)
    y = data.y.astype(np.float64) if data.y.ndim == 2 else data.y
    exact = Dataset(X, y, weight)
    return objective_and_gradient(problem, theta.astype(np.float64), exact)[0]


def trusted(problem, data):
    """Return the optimal theta, found by scipy's L-BFGS-B in standardised features.

    For l1, each weight is the difference of two variables bounded below by zero, in which
    the penalty is smooth.
    """
    X = (data.X.toarray() if issparse(data.X) else data.X).astype(np.float64)
    centred = problem.architecture.fit_intercept
    centre = X.mean(axis=0) if centred else np.zeros(X.shape[1])
    scale = (X - centre).std(axis=0)
    scale[scale == 0] = 1.0
    n_outputs = problem.architecture.layer_sizes[-1]
    y = data.y.astype(np.float64) if data.y.ndim == 2 else data.y
    weight = data.sample_weight
    weight = None if weight is None else weight.astype(np.float64)
    moved = Dataset((X - centre) / scale, y, weight)
    plain = replace(problem, penalty=Penalty())
    size = X.shape[1] * n_outputs
    unit = np.repeat(scale, n_outputs)
    l1, l2 = problem.penalty.l1 / unit, problem.penalty.l2 / unit**2

    def value(parts):
        theta = np.append(parts[:size] - parts[size : 2 * size], parts[2 * size :])
        loss, slope = objective_and_gradient(plain, theta, moved)
        v = theta[:size]
        total = (
            loss
            + 0.5 * np.sum(l2 * v * v)
            + np.sum(l1 * (parts[:size] + parts[size : 2 * size]))
        )
        smooth = slope[:size] + l2 * v
        return total, np.concatenate([smooth + l1, l1 - smooth, slope[size:]])

    start = np.zeros(2 * size + n_outputs)
    bounds = [(0, None)] * size + [(0, None if l1.any() else 0)] * size
    if not l1.any():  # one variable suffices
        bounds[:size] = [(None, None)] * size
    bounds += [(None, None)] * n_outputs
    options = {"gtol": 1e-13, "ftol": 0, "maxiter": 20_000, "maxfun": 40_000, "maxcor": 30}
    x = minimize(
        value, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options
    ).x
    weight = ((x[:size] - x[size : 2 * size]) / unit).reshape((-1, n_outputs))
    return np.append(weight, x[2 * size :] - centre @ weight)


def relative_gap(problem, data, theta):
    """Return (J - J*) / J*, with J* from the trusted solver."""
    best = objective_of(problem, data, trusted(problem, data))
    return (objective_of(problem, data, theta) - best) / best


class Watcher:
    """A Monitor that records states, and ends or interrupts training at a given epoch."""

    def __init__(self, stop_at=None, interrupt_at=None):
        self.stop_at, self.interrupt_at = stop_at, interrupt_at
        self.states, self.objectives, self.scores, self.n_begun = [], [], [], 0

    def epoch_begin(self):
        self.n_begun += 1

    def epoch_end(self, state, curves):
        self.states.append(state)
        self.objectives.append(curves.objectives[-1])
        self.scores.append(curves.validation_scores[-1])
        if state.epoch == self.interrupt_at:
            raise KeyboardInterrupt
        return state.epoch == self.stop_at

    def n_unwatched(self, epoch):
        return 0


# The optimum. On few rows, it is reached to rounding error.


@any_penalty
@any_outputs
@with_and_without_intercept
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("sparse", [False, True])
def test_few_rows_reach_the_optimum(penalty, n_outputs, fit_intercept, weighted, sparse):
    data = data_of(n_outputs, weighted=weighted, sparse=sparse)
    problem = problem_of(data, penalty, fit_intercept)
    # With such weights, these are as many as 800 rows, which are not few.
    result = run(problem, data, settings=settings_of(0.0 if weighted else 0.1))
    assert result.ended_by is EndedBy.CONVERGED
    assert relative_gap(problem, data, result.state.theta) <= 1e-12


@any_penalty
@any_outputs
@with_and_without_intercept
def test_optimality_conditions_hold(penalty, n_outputs, fit_intercept):
    data = data_of(n_outputs)
    problem = problem_of(data, penalty, fit_intercept)
    theta = run(problem, data).state.theta
    _, slope = objective_and_gradient(problem, theta, data)
    n_weights, l1 = problem.architecture.n_weights, problem.penalty.l1
    weight, slope_of_weight = theta[:n_weights], slope[:n_weights]
    at_zero = np.maximum(np.abs(slope_of_weight) - l1, 0)
    others = np.abs(slope_of_weight + l1 * np.sign(weight))
    violation = np.append(np.where(weight == 0, at_zero, others), slope[n_weights:])
    # A relative gap of 1e-13 means a gradient of about its square root.
    assert np.max(np.abs(violation)) <= 1e-6


@any_outputs
@pytest.mark.parametrize("penalty", ["l1", "elastic net"])
@pytest.mark.parametrize("seed", range(4))
def test_zeros_equal_those_of_the_trusted_solver(n_outputs, penalty, seed):
    data = data_of(n_outputs, n_features=8, seed=seed)
    problem = problem_of(data, replace(PENALTIES[penalty], l1=0.04))
    theta, expected = run(problem, data).state.theta, trusted(problem, data)
    n_weights = problem.architecture.n_weights
    np.testing.assert_array_equal(
        theta[:n_weights] != 0, np.abs(expected[:n_weights]) > 1e-6
    )


@pytest.mark.parametrize(
    ("y", "weight", "expected"),
    [
        ([1, 1, 1, 0], None, log(3)),
        ([1, 0], None, 0.0),
        ([1, 0], [0.5, 1.5], -log(3)),
        ([1] * 999 + [0], None, log(999)),
    ],
)
def test_intercept_is_the_log_odds(y, weight, expected):
    y = np.array(y, float)[:, None]
    weight = None if weight is None else np.array(weight)
    data = Dataset(np.zeros((len(y), 2)), y, weight)
    theta = run(problem_of(data), data).state.theta
    np.testing.assert_allclose(theta, [0, 0, expected], rtol=1e-6)


@any_penalty
@any_outputs
def test_intercept_stays_at_zero_if_it_is_not_fitted(penalty, n_outputs):
    data = data_of(n_outputs)
    theta = run(problem_of(data, penalty, fit_intercept=False), data).state.theta
    assert not theta[-n_outputs:].any()


@any_penalty
@any_outputs
def test_integer_weights_equal_repeated_rows(penalty, n_outputs):
    data = data_of(n_outputs)
    times = np.random.RandomState(0).randint(1, 4, size=60)
    weighted = data._replace(sample_weight=times / times.mean())
    repeated = Dataset(np.repeat(data.X, times, axis=0), np.repeat(data.y, times, axis=0))
    problem = problem_of(data, penalty)
    some, others = (run(problem, d).state.theta for d in (weighted, repeated))
    np.testing.assert_allclose(some, others, rtol=0, atol=1e-6)


@any_outputs
def test_units_of_features_make_no_difference_without_a_penalty(n_outputs):
    data = data_of(n_outputs)
    unit = 10.0 ** np.array([-12, -3, 4, 12])
    other = data._replace(X=data.X * unit)
    some, others = (run(problem_of(d, "none"), d).last_objective for d in (data, other))
    assert some == pytest.approx(others, rel=1e-12)


# Many rows: training ends at a relative gap of `tol`, and estimates the gap.

KINDS = ("standardised", "raw", "correlated", "rare", "offset", "skewed")


def many_rows(kind, n_outputs=1, n_samples=3000):
    """Return more rows than FEW_ROWS, with features of this kind."""
    data = data_of(n_outputs, n_samples, 8)
    X, rng = data.X.copy(), np.random.RandomState(1)
    if kind == "raw":
        X = X * 10.0 ** np.arange(-4, 4) + 3 * 10.0 ** np.arange(-4, 4)
    elif kind == "correlated":
        X = X @ (np.ones((8, 8)) + 1e-2 * rng.normal(size=(8, 8)))
    elif kind == "rare":
        X = X * (rng.uniform(size=X.shape) < 0.1 ** np.linspace(0, 3, 8))
    elif kind == "offset":
        X = X + 1e5
    elif kind == "skewed":
        X = np.exp(2 * X)
    return data._replace(X=X)


any_kind = pytest.mark.parametrize("kind", KINDS)


@any_kind
@any_outputs
@any_penalty
def test_final_gap_is_at_most_tol(kind, n_outputs, penalty):
    data = many_rows(kind, n_outputs)
    # A weak penalty, which does not hide the difficulty of the features.
    strengths = PENALTIES[penalty]
    weak = Penalty(strengths.l2 / 100, strengths.l1 / 10)
    problem = problem_of(data, weak)
    best = objective_of(problem, data, trusted(problem, data))
    for tol in (1e-2, 1e-4, 1e-8):
        result = run(problem_of(data, weak), data, settings=settings_of(tol))
        assert result.ended_by is EndedBy.CONVERGED
        assert objective_of(problem, data, result.state.theta) <= best * (1 + tol)


@any_kind
@any_outputs
@pytest.mark.parametrize("penalty", ["l2", "l1"])
@pytest.mark.parametrize("tol", [1e-2, 1e-4])
def test_proven_or_estimated_gap_bounds_the_gap(kind, n_outputs, penalty, tol):
    data = many_rows(kind, n_outputs)
    problem = problem_of(data, penalty)
    result = run(problem, data, settings=settings_of(tol))
    gap = relative_gap(problem, data, result.state.theta)
    proven = result.gap.proven
    bound = 4 * result.gap.estimated if proven is None else proven
    assert gap / (1 + gap) <= bound + 1e-12


@pytest.mark.parametrize("n_steps", [1, 2, 3, 5])
@any_outputs
def test_estimated_gap_is_right_within_a_factor_of_4(n_steps, n_outputs):
    # Well-conditioned rows: near the optimum, the gap is half the squared Newton decrement.
    data = data_of(n_outputs, 900)
    problem = problem_of(data)
    result = run(problem, data, n_steps)
    gap = relative_gap(problem, data, result.state.theta)
    rounding = 1e-12  # error of the gap at the optimum
    assert gap / 4 - rounding <= result.gap.estimated <= 4 * (gap + rounding)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@any_penalty
@any_outputs
def test_dtype_is_preserved(dtype, penalty, n_outputs):
    data = data_of(n_outputs, dtype=dtype)
    assert run(problem_of(data, penalty), data).state.theta.dtype == dtype


@any_penalty
@any_outputs
@pytest.mark.parametrize("kind", ["standardised", "raw", "offset"])
def test_float32_reaches_the_optimum_within_rounding(penalty, n_outputs, kind):
    data = many_rows(kind, n_outputs)
    y = data.y.astype(np.float32) if n_outputs == 1 else data.y
    data = data._replace(X=data.X.astype(np.float32), y=y)
    problem = problem_of(data, penalty)
    result = run(problem, data, settings=settings_of(1e-4))
    # An offset of 1e5 rounds logits by 1e-2 in the user's units, for any theta.
    bound = 1e-3 if kind == "offset" else 1e-4
    assert result.ended_by is EndedBy.CONVERGED
    assert relative_gap(problem, data, result.state.theta) <= bound


# Samples.


@any_penalty
@any_outputs
def test_samples_grow_and_the_last_steps_use_all_rows(penalty, n_outputs):
    data, watcher = data_of(n_outputs, 20_000, 10), Watcher()
    problem, settings = problem_of(data, penalty), settings_of(1e-4)
    result = run(problem, data, settings=settings, monitor=watcher)
    sizes = [state.memory.sample_size for state in watcher.states]
    assert result.ended_by is EndedBy.CONVERGED
    assert sizes[0] < 20_000
    assert sizes == sorted(sizes)
    assert sizes[-1] == 20_000


def sizes_of_samples(data, settings):
    """Return the sample sizes of a new model's run."""
    problem = problem_of(data)
    rows, state = LocalRows(data, problem.loss), start_of(problem, data)
    newton = steps.newton_problem_of(problem, settings, rows, state.random_state)
    return newton.sample_sizes


def test_sample_sizes_grow_by_a_constant_factor():
    sizes = sizes_of_samples(data_of(1, 20_000, 10), settings_of())
    assert sizes[-1] == 20_000
    assert len(sizes) > 1
    for small, large in pairwise(sizes):
        assert large / small == pytest.approx(steps.GROWTH, rel=0.01)


def test_first_sample_has_at_least_n_first_rows():
    settings = settings_of(min_sample_size=7000)
    sizes = sizes_of_samples(data_of(1, 20_000, 10), settings)
    assert list(sizes) == [20_000]


@any_outputs
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_tol_is_reached_on_rows_sorted_by_label(n_outputs, seed):
    data = data_of(n_outputs, 20_000, 10)
    order = np.argsort(data.y.ravel(), kind="stable")
    data = Dataset(data.X[order], data.y[order])
    problem = problem_of(data)
    state = start_of(problem, data, seed)
    result = run(problem, data, state=state, settings=settings_of(1e-4))
    assert relative_gap(problem, data, result.state.theta) <= 1e-4


def test_a_run_is_reproducible():
    data = data_of(1, 20_000, 10)
    problem, settings = problem_of(data), settings_of(1e-4)
    runs = [run(problem, data, settings=settings) for _ in range(2)]
    some, others = (result.state.theta for result in runs)
    np.testing.assert_array_equal(some, others)


def test_random_state_is_not_changed():
    data = data_of(1, 20_000, 10)
    problem = problem_of(data)
    state = start_of(problem, data)
    result = run(problem, data, settings=settings_of(1e-4))
    np.testing.assert_equal(result.state.random_state, state.random_state)


# Far from the optimum: data on which undamped Newton steps diverge.


def hard_rows(name):
    """Return rows on which undamped Newton steps diverge."""
    rng = np.random.RandomState(2)
    X = rng.normal(size=(300, 3))
    y = (X[:, 0] + 0.5 * rng.normal(size=300) > 0).astype(float)
    if name == "one huge row":
        X[7] *= 1e4
        y[7] = 1 - y[7]
    elif name == "one mislabelled row of a rare feature":
        X = np.hstack([X, np.zeros((300, 1))])
        X[:5, 3], y[:5] = 1.0, [1, 1, 1, 1, 0]
    elif name == "features seen once":
        X = np.hstack([X, np.eye(300)[:, :100]])
    elif name == "mislabelled outliers":
        X = np.vstack([X, 50 * X[:6]])
        y = np.append(y, 1 - y[:6])
    elif name == "one row of the other class":
        y[:] = 0.0
        y[11] = 1.0
    return Dataset(X, y[:, None])


HARD_ROWS = (
    "one huge row",
    "one mislabelled row of a rare feature",
    "features seen once",
    "mislabelled outliers",
    "one row of the other class",
)


@pytest.mark.parametrize("name", HARD_ROWS)
@pytest.mark.parametrize(
    "penalty", [Penalty(l2=1e-4), Penalty(l2=1e-8), Penalty(l1=1e-4)], ids=str
)
def test_hard_rows_reach_the_optimum(name, penalty):
    data = hard_rows(name)
    problem = problem_of(data, penalty)
    result = run(problem, data)
    assert result.ended_by is EndedBy.CONVERGED
    assert relative_gap(problem, data, result.state.theta) <= 1e-9


@pytest.mark.parametrize("name", HARD_ROWS)
@pytest.mark.parametrize("far", [1.0, 30.0, 1e3])
def test_optimum_is_reached_from_any_start(name, far):
    data = hard_rows(name)
    problem = problem_of(data, Penalty(l2=1e-4))
    theta = far * np.random.RandomState(3).normal(size=problem.architecture.n_parameters)
    result = run(problem, data, state=replace(start_of(problem, data), theta=theta))
    assert relative_gap(problem, data, result.state.theta) <= 1e-9


@pytest.mark.parametrize("name", HARD_ROWS)
def test_the_objective_never_rises_on_the_same_rows(name):
    data = hard_rows(name)
    result = run(problem_of(data, Penalty(l2=1e-4)), data)
    curve = [*result.curves.objectives, result.last_objective]
    # Up to rounding error of the objective, a sum over 300 rows.
    assert np.all(np.diff(curve) <= 64 * 2.3e-16 * curve[0])


# How training ends.


def test_training_ends_after_n_steps():
    data = data_of()
    result = run(problem_of(data), data, n_steps=2)
    assert (len(result.curves.objectives), result.ended_by) == (2, EndedBy.MAX_ITER)


@pytest.mark.parametrize("n_steps", [1, 2, 3])
@any_outputs
def test_an_unfinished_run_estimates_its_gap(n_steps, n_outputs):
    data = data_of(n_outputs)
    problem = problem_of(data)
    result = run(problem, data, n_steps)
    assert result.ended_by is EndedBy.MAX_ITER
    assert 0 < result.gap.estimated < 1
    assert relative_gap(problem, data, result.state.theta) <= 4 * result.gap.estimated


def separable(n_outputs=1, n_samples=40):
    """Return linearly separable rows of two features."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(n_samples, 2))
    if n_outputs == 1:
        y = X[:, 0] > 0
        X[:, 0] += 0.1 * np.sign(X[:, 0])
        return Dataset(X, y.astype(float)[:, None])
    direction = np.exp(2j * np.pi * np.arange(n_outputs) / n_outputs)
    y = np.argmax(X @ np.array([direction.real, direction.imag]), axis=1)
    X += 0.1 * np.column_stack([direction.real, direction.imag])[y]
    return Dataset(X, y)


@any_outputs
@pytest.mark.parametrize("n_samples", [3, 40, 2000])
@pytest.mark.parametrize("tol", [0.0, 1e-4])
def test_separable_rows_without_a_penalty_have_no_optimum(n_outputs, n_samples, tol):
    data = separable(n_outputs, n_samples)
    result = run(problem_of(data, "none"), data, settings=settings_of(tol))
    assert result.ended_by is EndedBy.SEPARABLE
    assert np.all(np.isfinite(result.state.theta))


@any_outputs
@pytest.mark.parametrize("penalty", ["l2", "l1", "elastic net"])
def test_separable_rows_with_a_penalty_have_an_optimum(n_outputs, penalty):
    data = separable(n_outputs)
    problem = problem_of(data, penalty)
    result = run(problem, data)
    assert result.ended_by is EndedBy.CONVERGED
    assert relative_gap(problem, data, result.state.theta) <= 1e-11


@pytest.mark.parametrize("weight", [1e-3, 1e-5, 1e-7])
def test_one_mislabelled_row_of_small_weight_is_not_separable(weight):
    # The last row lies between rows of the other class: no threshold separates it.
    x = np.r_[np.linspace(-2, -1, 20), np.linspace(1, 2, 20), -1.5]
    y = np.r_[np.zeros(20), np.ones(21)]
    sample_weight = np.r_[np.ones(40), weight]
    data = Dataset(x[:, None], y[:, None], sample_weight / sample_weight.mean())
    result = run(problem_of(data, "none"), data, settings=settings_of(1e-4))
    assert result.ended_by is EndedBy.CONVERGED


def test_resuming_at_the_optimum_stays_there():
    data = data_of()
    problem = problem_of(data)
    first = run(problem, data)
    again = run(problem, data, state=first.state)
    np.testing.assert_allclose(again.state.theta, first.state.theta, rtol=1e-7)
    assert again.last_objective <= first.last_objective * (1 + 1e-14)


@pytest.mark.parametrize("tol", [0.0, -inf])
@any_penalty
@any_outputs
def test_without_tol_training_ends_at_rounding_error(tol, penalty, n_outputs):
    data = many_rows("standardised", n_outputs)
    problem = problem_of(data, penalty)
    result = run(problem, data, settings=settings_of(tol))
    assert result.ended_by is EndedBy.CONVERGED
    assert relative_gap(problem, data, result.state.theta) <= 1e-13


def test_a_non_finite_objective_is_an_error():
    data = data_of()
    problem = problem_of(data)
    theta = np.full(problem.architecture.n_parameters, 1e200)
    with pytest.raises(ValueError, match="Training reached"):
        run(problem, data, state=replace(start_of(problem, data), theta=theta))


# Resumed runs.


def states_of(problem, data, **keywords):
    """Return the states after each step of a run."""
    watcher = Watcher()
    run(problem, data, monitor=watcher, **keywords)
    return watcher.states


RUNS_TO_RESUME = {
    "few rows": lambda: (data_of(), "l2", 0.0),
    "few rows, l1": lambda: (data_of(), "l1", 0.0),
    "many rows": lambda: (data_of(1, 20_000, 10), "l2", 1e-6),
    "many rows, l1": lambda: (data_of(1, 20_000, 10), "l1", 1e-6),
    "many rows, softmax": lambda: (data_of(3, 20_000, 10), "l2", 1e-6),
    "many rows, float32": lambda: (data_of(1, 20_000, 10, np.float32), "l2", 1e-4),
    "skewed": lambda: (many_rows("skewed"), Penalty(l2=1e-6), 1e-8),
    "rare": lambda: (many_rows("rare"), Penalty(l2=1e-6), 1e-8),
    "rare, 20 000": lambda: (many_rows("rare", 1, 20_000), Penalty(l2=1e-6), 1e-8),
    "skewed, 20 000": lambda: (many_rows("skewed", 3, 20_000), Penalty(l2=1e-6), 1e-8),
    "one huge row": lambda: (hard_rows("one huge row"), Penalty(l2=1e-6), 0.0),
    "wide": lambda: (data_of(1, 2000, 300), "l2", 1e-6),
    "wide, softmax": lambda: (data_of(3, 1500, 100, sparse=True), "l2", 1e-6),
    "wide, float32": lambda: (data_of(1, 2000, 300, np.float32), "l2", 1e-4),
}


@pytest.mark.parametrize("name", RUNS_TO_RESUME)
def test_a_resumed_run_is_the_same_bit_for_bit(name):
    data, penalty, tol = RUNS_TO_RESUME[name]()
    problem, settings = problem_of(data, penalty), settings_of(tol)
    whole = states_of(problem, data, settings=settings)
    for n_steps in range(1, len(whole)):
        state = run(problem, data, n_steps, settings=settings).state
        np.testing.assert_array_equal(state.theta, whole[n_steps - 1].theta)
        resumed = run(problem, data, 1, state, settings).state
        np.testing.assert_array_equal(resumed.theta, whole[n_steps].theta, str(n_steps))


def test_steps_count_as_epochs():
    data = data_of()
    state = run(problem_of(data), data, n_steps=3).state
    assert (state.step, state.epoch) == (3, 3)


def test_given_state_is_not_modified():
    data = data_of()
    problem = problem_of(data)
    state = start_of(problem, data)
    run(problem, data, state=state)
    assert (state.step, state.memory.sample_size, state.theta.any()) == (0, 0, False)


# Curves, monitors and validation.


def test_curve_is_the_objective_before_each_step():
    data, watcher = data_of(), Watcher()
    problem = problem_of(data)
    result = run(problem, data, monitor=watcher)
    thetas = [start_of(problem, data).theta, *(state.theta for state in watcher.states)]
    expected = [objective_of(problem, data, theta) for theta in thetas]
    np.testing.assert_allclose(
        [*result.curves.objectives, result.last_objective], expected, rtol=1e-12
    )


def test_last_loss_is_the_objective_at_the_last_theta():
    data = data_of(1, 20_000, 10)
    problem = problem_of(data)
    result = run(problem, data, settings=settings_of(1e-4))
    expected = objective_of(problem, data, result.state.theta)
    assert result.last_objective == pytest.approx(expected, rel=1e-12)


def test_monitor_sees_each_step():
    data, watcher = data_of(), Watcher()
    result = run(problem_of(data), data, monitor=watcher)
    assert [state.epoch for state in watcher.states] == [
        *range(1, len(result.curves.objectives) + 1)
    ]
    assert watcher.objectives == result.curves.objectives


def test_monitor_can_end_training():
    data, watcher = data_of(), Watcher(stop_at=2)
    result = run(problem_of(data), data, monitor=watcher)
    assert (len(result.curves.objectives), result.ended_by) == (2, EndedBy.MONITOR)


def test_validate_scores_each_step():
    data, scored = data_of(), []

    def validate(theta):
        scored.append(theta.copy())
        return Validation(0.7, float(len(scored)))

    watcher = Watcher()
    result = run(problem_of(data), data, 3, validate=validate, monitor=watcher)
    assert result.curves.validation_scores == [1.0, 2.0, 3.0] == watcher.scores
    thetas = [state.theta for state in watcher.states]
    np.testing.assert_array_equal(scored, thetas)


def test_the_best_theta_by_validation_is_kept():
    data, scores = data_of(), iter([0.1, 0.7, 0.3])
    watcher = Watcher()
    settings = settings_of(stopping_rule=StoppingRule(0.0, 5))

    def validate(theta):
        return Validation(0.7, next(scores))

    how = {"settings": settings, "validate": validate, "monitor": watcher}
    progress = run(problem_of(data), data, 3, **how).state.progress
    np.testing.assert_array_equal(progress.best_theta, watcher.states[1].theta)
    assert (progress.best, progress.best_epoch) == (-0.7, 2)


def test_training_ends_without_a_better_score():
    data = data_of()
    settings = settings_of(1e-4, stopping_rule=StoppingRule(1e-4, 2))
    how = {"settings": settings, "validate": lambda theta: Validation(0.7, 0.5)}
    result = run(problem_of(data), data, **how)
    # The first score counts as an improvement, the next two do not.
    assert (len(result.curves.objectives), result.ended_by) == (3, EndedBy.CONVERGED)


def test_progress_holds_the_best_objective_and_the_last_improvement():
    data = data_of()
    result = run(problem_of(data), data, n_steps=3)
    progress = result.state.progress
    assert progress.best == result.last_objective
    assert progress.last_improvement == result.curves.objectives[-1] - result.last_objective


# Interrupts.


def test_interrupt_after_a_step_returns_its_model():
    data, watcher = data_of(), Watcher(interrupt_at=3)
    problem = problem_of(data)
    result, expected = run(problem, data, monitor=watcher), run(problem, data, 3)
    assert result.ended_by is EndedBy.INTERRUPT
    np.testing.assert_array_equal(result.state.theta, expected.state.theta)
    assert result.curves.objectives == expected.curves.objectives
    assert result.last_objective == expected.last_objective


class Interrupted(LocalRows):
    """Rows that are interrupted in a given pass."""

    left: list

    def evaluate(self, *arguments):
        self.left[0] -= 1
        if not self.left[0]:
            raise KeyboardInterrupt
        return super().evaluate(*arguments)


def interrupted_rows(data, problem, n_passes):
    """Return Rows that are interrupted in pass `n_passes`, as are samples of them."""
    rows = Interrupted(data, problem.loss)
    object.__setattr__(rows, "left", [n_passes])
    return rows


@pytest.mark.parametrize("n_passes", range(4, 8))
def test_interrupt_within_a_step_returns_the_step_before(n_passes):
    data, watcher = data_of(), Watcher()
    problem = problem_of(data)
    rows = interrupted_rows(data, problem, n_passes)
    result = run(problem, data, monitor=watcher, rows=rows)
    assert result.ended_by is EndedBy.INTERRUPT
    assert len(result.curves.objectives) == result.state.step == len(watcher.states)
    np.testing.assert_array_equal(result.state.theta, watcher.states[-1].theta)
    expected = objective_of(problem, data, result.state.theta)
    assert result.last_objective == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n_passes", [1, 2, 3])
def test_interrupt_before_the_first_step_is_raised(n_passes):
    data = data_of()
    problem = problem_of(data)
    with pytest.raises(KeyboardInterrupt):
        run(problem, data, rows=interrupted_rows(data, problem, n_passes))


# Kernels.


@any_penalty
@any_outputs
@pytest.mark.parametrize("sparse", [False, True])
def test_optimum_is_the_same_without_kernels(monkeypatch, penalty, n_outputs, sparse):
    data = data_of(n_outputs, sparse=sparse)
    problem = problem_of(data, penalty)
    ours = run(problem, data).last_objective
    monkeypatch.setattr(linear_passes.compiled, "supports_passes", lambda loss, data: False)
    assert run(problem, data).last_objective == pytest.approx(ours, rel=1e-12)
