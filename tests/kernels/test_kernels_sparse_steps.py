"""Lazy steps of the kernels on sparse rows equal steps on all weights."""

from dataclasses import replace
from math import copysign, exp, log, log1p

import numpy as np
import pytest
from epochs_to_compare import (
    BINARY,
    N_EPS,
    Case,
    Epoch,
    assert_equal,
    by_level,
    csr_of,
    distance,
    either_dtype,
    epoch_of,
    problem_of,
    settings_of,
)
from storages import frozen

from sklearn_nn._engine.epochs import compiled
from sklearn_nn._engine.epochs.records import EpochMemory
from sklearn_nn._engine.objective.penalties import Penalty
from sklearn_nn._engine.types import (
    Dataset,
    TrainingState,
)

if compiled.kernels is None:
    pytest.skip("the kernels were not built", allow_module_level=True)


# Plain gradient descent of a linear model on sparse rows: a feature is penalised only when
# it occurs again. Batches have one row unless a test says otherwise.


def sparse_epoch(X, y, theta, rates, penalty, fit_intercept=True):
    """Return the Epoch of a linear model with one logit, and one row of X per step."""
    case = Case(BINARY, n_features=X.shape[1], n_outputs=1, batch_size=1)
    problem = problem_of(case._replace(fit_intercept=fit_intercept))
    problem = replace(problem, penalty=penalty)
    data = Dataset(frozen(csr_of(X, np.int32)), frozen(y.astype(X.dtype)[:, None]))
    theta = frozen(np.array(theta, X.dtype))
    state = TrainingState(theta, (), memory=EpochMemory(slots=()))
    return Epoch(problem, settings_of(case), state, data, None, list(rates))


def rare_features(n, dtype):
    """Return rows and labels; feature 0 is in all rows, 1 in some, 2 in few, 3 in none."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(n, 4)).astype(dtype)
    X[:, 1:][rng.uniform(size=(n, 3)) > [0.1, 0.001, 0]] = 0
    return X, rng.randint(2, size=n)


def descend(epoch):
    """Return theta and the objective after plain steps on all weights, in float64."""
    l2, l1 = epoch.problem.penalty.l2, epoch.problem.penalty.l1
    *weights, intercept = epoch.state.theta.tolist()
    rows = epoch.data.X.toarray().astype(np.float64).tolist()
    labels, total = epoch.data.y[:, 0].tolist(), 0.0
    for row, label, rate in zip(rows, labels, epoch.learning_rates, strict=True):
        z = intercept
        for x, w in zip(row, weights, strict=True):
            z += x * w
            total += 0.5 * l2 * w * w + l1 * abs(w)
        e = exp(-abs(z))
        total += max(z, 0.0) - label * z + log1p(e)
        delta = (1.0 if z >= 0 else e) / (1 + e) - label
        for j, x in enumerate(row):
            w = weights[j] - rate * (delta * x + l2 * weights[j])
            weights[j] = copysign(max(abs(w) - rate * l1, 0.0), w)
        intercept -= rate * delta
    return np.array([*weights, intercept]), total / len(labels)


every_penalty = pytest.mark.parametrize(
    ("l2", "l1"), [(0.1, 0.0), (0.0, 1e-4), (0.1, 1e-4)], ids=["l2", "l1", "elasticnet"]
)


@every_penalty
@either_dtype
def test_many_sparse_steps_equal_plain_ones(l2, l1, dtype):
    # With l2, a step shrinks weights to 0.99, and all steps to 1e-873: the product of these
    # factors underflows. With l1, there are more steps than may be pending at a time.
    n_steps = 200_000
    X, y = rare_features(n_steps, dtype)
    theta = [1.0, -1.0, 1.0, -0.5, 0.25]
    epoch = sparse_epoch(X, y, theta, [0.1] * n_steps, Penalty(l2, l1))
    theta, objective = descend(epoch)
    # Rounding errors of a few eps add up like a random walk, to sqrt(n_steps) times that.
    # With l2 only the last hundred steps count. (Measured: 930 for l1 in float64, else
    # below 40.)
    bound = 5 * n_steps**0.5 * float(np.finfo(dtype).eps)
    for level, (state, computed) in by_level(compiled.run_epoch, *epoch):
        apart = np.max(np.abs(state.theta - theta)) / np.max(np.abs(theta))
        assert apart <= bound, level
        assert computed == pytest.approx(objective, rel=bound), level


@pytest.mark.parametrize("l2", [0.0, 0.01])
def test_many_sparse_batches_equal_the_reference(l2):
    # Softmax of 3 classes, 5,001 batches of 2 rows and one of 1.
    case = Case(storage="CSR, int32", batch_size=2, n_samples=10_003, n_features=6)
    epoch = epoch_of(case._replace(rate=0.5))
    problem = replace(epoch.problem, penalty=Penalty(l2, 1e-4))
    # Rounding errors add up like a random walk: 5 eps times the square root of n_steps.
    assert_equal(epoch._replace(problem=problem), n_eps=5 * 5_002**0.5)


@pytest.mark.parametrize("shrinking", [0.5, 0.9, 1 - 1e-10, 1.0, 1.5, 2.5])
@pytest.mark.parametrize("l1", [0.0, 0.01])
@either_dtype
def test_sparse_steps_of_any_length_are_equal(shrinking, l1, dtype):
    # learning_rate * l2 = 1 sets weights to 0; more than 1 changes their sign.
    X, y = rare_features(12, dtype)
    penalty = Penalty(shrinking / 0.5, l1)
    assert_equal(sparse_epoch(X, y, [1.0, -1.0, 1.0, -0.5, 0.25], [0.5] * 12, penalty))


@pytest.mark.parametrize("l1", [0.0, 0.01])
@either_dtype
def test_sparse_steps_of_changing_length_are_equal(l1, dtype):
    X, y = rare_features(12, dtype)
    rates = [0.1, 2.0, 0.01, 0.5, 0.5 - 1e-12, 3.0, 0.2, 0.2, 1e-9, 1.0, 0.4, 0.1]
    theta = [1.0, -1.0, 1.0, -0.5, 0.25]
    assert_equal(sparse_epoch(X, y, theta, rates, Penalty(2.0, l1)))


@pytest.mark.parametrize("l2", [0.0, 0.1])
@either_dtype
def test_sparse_steps_are_equal_when_weights_reach_0(l2, dtype):
    # Each step subtracts 0.05: the weights of features 1, 2 and 3 reach 0 in steps 2, 5 and
    # 9. Feature 3 does so between its two rows; the weight of feature 2 leaves 0 again.
    X = np.zeros((12, 4), dtype)
    X[:, 0], X[[3, 7], 1], X[[4, 9], 2], X[[0, 11], 3] = 1, 0.01, 2, -0.01
    theta = [1.0, -0.07, 0.22, 0.43, 0.25]
    epoch = sparse_epoch(X, np.arange(12) % 2, theta, [0.5] * 12, Penalty(l2, 0.1))
    assert_equal(epoch)


@pytest.mark.parametrize("l2", [0.0, 0.1])
@either_dtype
def test_sparse_steps_are_equal_when_many_weights_of_a_row_have_reached_0(l2, dtype):
    # More of them than are counted at once. Step t subtracts 0.5 / (1 + t) * 0.1: weights
    # below 0.19 reach 0 before the next row, in different steps.
    X = np.zeros((12, 150), dtype)
    X[[0, 7, 11]] = np.random.RandomState(0).uniform(-0.1, 0.1, (3, 150))
    theta = [*np.linspace(-0.3, 0.3, 150), 0.25]
    rates = (0.5 / np.arange(1.0, 13.0)).tolist()
    assert_equal(sparse_epoch(X, np.arange(12) % 2, theta, rates, Penalty(l2, 0.1)))


def shrunk(weights, n_steps, rate, penalty):
    """Return the weights after `n_steps` of the penalty alone, and its mean.

    For w > 0, w_t = a^t w - b (1 - a^t) / (1 - a) until that is 0.

    Returns
    -------
    weights : array of shape (n_weights,)
    penalty : float
        Mean of the penalty before each step.
    """
    t, a, b = np.arange(n_steps + 1)[:, None], 1 - rate * penalty.l2, rate * penalty.l1
    moved = b * (t if a == 1 else (1 - a**t) / (1 - a))
    path = np.maximum(a**t * np.abs(weights) - moved, 0)  # (n_steps + 1, n_weights)
    before = path[:-1]
    value = 0.5 * penalty.l2 * np.sum(before**2) + penalty.l1 * np.sum(before)
    return np.sign(weights) * path[-1], value / n_steps


@every_penalty
def test_weights_without_rows_shrink_by_the_closed_form(l2, l1):
    weights, penalty = np.array([3.0, -2.0, 0.125, -0.0625, 0.0]), Penalty(l2, 500 * l1)
    X, y = np.zeros((60, 5)), np.arange(60) % 2
    epoch = sparse_epoch(X, y, [*weights, 0.0], [0.5] * 60, penalty, fit_intercept=False)
    expected, value = shrunk(weights, 60, 0.5, penalty)
    for level, (state, objective) in by_level(compiled.run_epoch, *epoch):
        assert distance(expected, state.theta[:-1], np.float64) <= N_EPS, level
        # All logits are 0.
        assert objective == pytest.approx(log(2) + value, rel=N_EPS * 2.3e-16), level


@every_penalty
def test_l1_takes_weights_without_rows_to_exactly_0(l2, l1):
    X, y = np.zeros((60, 2)), np.arange(60) % 2
    epoch = sparse_epoch(X, y, [0.7, -0.7, 0.0], [0.5] * 60, Penalty(l2, 500 * l1))
    for level, (state, _) in by_level(compiled.run_epoch, *epoch):
        assert np.all(state.theta[:2] == 0) == (l1 > 0), level
