"""L-BFGS finds known optima and reports its iterations as epochs."""

from math import inf, log

import numpy as np
import pytest
from networks import network_of, random_theta
from scipy.optimize import minimize

from sklearn_nn._engine.epochs import lbfgs
from sklearn_nn._engine.epochs.lbfgs import LBFGSSettings, train_with_lbfgs
from sklearn_nn._engine.epochs.reference import objective_and_gradient
from sklearn_nn._engine.objective.losses import LOSSES
from sklearn_nn._engine.objective.penalties import Penalty
from sklearn_nn._engine.objective.problem import Problem
from sklearn_nn._engine.stopping import EndedBy
from sklearn_nn._engine.types import Dataset, TrainingState

TOL = 1e-9


def make_problem(layer_sizes=(2, 1), l2=0.0):
    """Return a network with log loss and an l2 penalty."""
    return Problem(
        architecture=network_of(layer_sizes, "tanh"),
        loss=LOSSES["log_loss", "logistic"],
        penalty=Penalty(l2),
    )


def make_data(dtype=np.float64):
    """Return 20 rows of two features, with overlapping classes."""
    rng = np.random.RandomState(0)
    y = (np.arange(20) % 2).astype(dtype)[:, None]
    X = (rng.normal(size=(20, 2)) + y).astype(dtype)
    X.flags.writeable = y.flags.writeable = False
    return Dataset(X, y)


def make_state(problem, dtype=np.float64):
    """Return a random initial state, whose theta is read-only."""
    rng = np.random.RandomState(1)
    theta = random_theta(problem.architecture, rng, dtype)
    theta.flags.writeable = False
    return TrainingState(theta, rng.get_state())


def run(problem, data=None, n_iterations=500, tol=TOL, max_fun=10_000, monitor=None):
    """Minimise from `make_state`."""
    data = make_data() if data is None else data
    state, settings = make_state(problem, data.X.dtype), LBFGSSettings(tol, max_fun)
    return train_with_lbfgs(problem, settings, state, data, n_iterations, monitor=monitor)


class Watcher:
    """A Monitor that records states, and is interrupted at a given epoch."""

    def __init__(self, interrupt_at=None):
        self.interrupt_at, self.states, self.objectives = interrupt_at, [], []

    def epoch_begin(self):
        pass

    def epoch_end(self, state, curves):
        self.states.append(state)
        self.objectives.append(curves.objectives[-1])
        if state.epoch == self.interrupt_at:
            raise KeyboardInterrupt


# Closed forms: rows of zeros leave only the intercept, whose optimum is the log odds.


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
    result = run(make_problem(), Dataset(np.zeros((len(y), 2)), y, weight))
    # L-BFGS ends if the gradient p (1 - p) * error is at most tol, or if 14 digits of the
    # objective are right, p (1 - p) / 2 * error^2 = 1e-14. Here the second happens first.
    assert result.state.theta[-1] == pytest.approx(expected, abs=1e-6)


def test_gradient_at_the_end_is_within_tol():
    problem, data = make_problem(l2=0.1), make_data()
    result = run(problem)
    assert result.ended_by is EndedBy.CONVERGED
    _, gradient = objective_and_gradient(problem, result.state.theta, data)
    assert np.max(np.abs(gradient)) <= TOL


@pytest.mark.parametrize("layer_sizes", [(2, 1), (2, 3, 1)], ids=str)
def test_result_equals_that_of_scipy(layer_sizes):
    problem, data = make_problem(layer_sizes, l2=0.01), make_data()
    start = make_state(problem).theta
    expected = minimize(
        lambda theta: objective_and_gradient(problem, theta, data),
        start,
        jac=True,
        method="L-BFGS-B",
        options={"gtol": 1e-4, "maxiter": 500},
    )
    result = run(problem, tol=1e-4)
    np.testing.assert_array_equal(result.state.theta, expected.x)
    assert (result.state.epoch, result.last_objective) == (expected.nit, expected.fun)


def test_all_rows_are_one_batch(monkeypatch):
    n_rows = set()

    def counted(problem, theta, batch):
        n_rows.add(batch.n_samples)
        return objective_and_gradient(problem, theta, batch)

    monkeypatch.setattr(lbfgs, "objective_and_gradient", counted)
    run(make_problem(l2=0.1))
    assert n_rows == {20}


# What is reported.


def test_curve_is_the_objective_before_each_iteration():
    problem, data, watcher = make_problem(l2=0.1), make_data(), Watcher()
    result = run(problem, monitor=watcher)
    thetas = [make_state(problem).theta, *(state.theta for state in watcher.states)]
    objectives = [objective_and_gradient(problem, theta, data)[0] for theta in thetas]
    assert [*result.curves.objectives, result.last_objective] == objectives


def test_objective_falls_in_each_iteration():
    result = run(make_problem((2, 3, 1), l2=0.01))
    assert np.all(np.diff([*result.curves.objectives, result.last_objective]) < 0)


def test_monitor_sees_each_iteration():
    watcher = Watcher()
    result = run(make_problem(l2=0.1), monitor=watcher)
    n_iterations = len(result.curves.objectives)
    assert [state.epoch for state in watcher.states] == list(range(1, n_iterations + 1))
    assert watcher.objectives == result.curves.objectives


def test_iterations_count_as_steps_and_epochs():
    state = run(make_problem(l2=0.1), n_iterations=3).state
    assert (state.step, state.epoch) == (3, 3)


def test_best_is_the_last_objective():
    result = run(make_problem(l2=0.1), n_iterations=3)
    progress = result.state.progress
    assert progress.best == result.last_objective
    assert progress.last_improvement == result.curves.objectives[-1] - result.last_objective


# How training ends.


def test_training_ends_after_n_iterations():
    result = run(make_problem(l2=0.1), n_iterations=2)
    assert (len(result.curves.objectives), result.ended_by) == (2, EndedBy.MAX_ITER)


def test_training_ends_after_max_fun_evaluations():
    assert run(make_problem(l2=0.1), max_fun=3).ended_by is EndedBy.MAX_FUN


def test_start_at_the_optimum_takes_no_iteration():
    problem, data, settings = make_problem(l2=0.1), make_data(), LBFGSSettings(1e-6, 10_000)
    optimum = run(problem, tol=1e-6).state
    again = train_with_lbfgs(problem, settings, optimum, data, 500)
    np.testing.assert_array_equal(again.state.theta, optimum.theta)
    assert (again.curves.objectives, again.ended_by) == ([], EndedBy.CONVERGED)


@pytest.mark.parametrize("tol", [0.0, -inf])
def test_without_tol_the_objective_is_still_minimised(tol):
    data, problem = make_data(), make_problem(l2=0.1)
    _, gradient = objective_and_gradient(problem, run(problem, tol=tol).state.theta, data)
    # It ends when the objective falls by less than 1.4e-14 of its size, which is a gradient
    # of about the square root of that.
    assert np.max(np.abs(gradient)) < 1e-6


def test_interrupt_returns_the_last_iterate():
    watcher = Watcher(interrupt_at=3)
    result = run(make_problem(l2=0.1), monitor=watcher)
    expected = run(make_problem(l2=0.1), n_iterations=3)
    assert result.ended_by is EndedBy.INTERRUPT
    np.testing.assert_array_equal(result.state.theta, expected.state.theta)
    assert result.curves.objectives == expected.curves.objectives


def test_interrupt_before_the_first_iterate_is_raised(monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(lbfgs, "objective_and_gradient", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(make_problem())


def test_overflow_is_an_error_that_names_lbfgs():
    data = make_data()
    data = data._replace(X=1e300 * data.X)
    with pytest.raises(ValueError, match=r"diverged in iteration \d+ of lbfgs"):
        run(make_problem(l2=0.1), data)


# Types and purity. Data and the initial theta are read-only.


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_preserved(dtype):
    result = run(make_problem(l2=0.1), make_data(dtype), tol=1e-3)
    assert result.state.theta.dtype == dtype


def test_generator_is_not_used():
    problem = make_problem(l2=0.1)
    np.testing.assert_equal(
        run(problem).state.random_state, make_state(problem).random_state
    )
