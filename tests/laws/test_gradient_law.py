"""Gradients equal central differences; decay and clipping act as documented."""

from dataclasses import replace

import numpy as np
import pytest
from law_models import assert_same_model, either_storage
from networks import random_theta
from scipy.sparse import csr_array

from sklearn_nn import BackpropMLPClassifier
from sklearn_nn._engine.epochs.optimizers import SGD, Adam
from sklearn_nn._engine.epochs.records import EpochMemory, EpochSettings, zero_slots
from sklearn_nn._engine.epochs.reference import objective_and_gradient, run_epoch
from sklearn_nn._engine.epochs.schedules import Schedule
from sklearn_nn._engine.objective.activations import ACTIVATIONS
from sklearn_nn._engine.objective.losses import LOSSES
from sklearn_nn._engine.objective.penalties import PENALTIES
from sklearn_nn._engine.objective.problem import Problem
from sklearn_nn._engine.stopping import StoppingRule
from sklearn_nn._engine.types import Architecture, Dataset, TrainingState

PLAIN = EpochSettings(
    optimizer=SGD(),
    schedule=Schedule("constant", 0.1),
    stopping_rule=StoppingRule(1e-4, 10),
    batch_size=6,
)

# Law 5. Backpropagation gives the gradient of the objective.


def random_problem(loss, activation, depth, penalty, fit_intercept=True):
    """Return (problem, theta, batch) for `depth` hidden layers and 6 weighted rows.

    `activation` is one name, or one for each hidden layer.
    """
    rng = np.random.RandomState(11)
    n_outputs = 3
    sizes = (4, *(5, 3, 4)[:depth], n_outputs)
    if isinstance(activation, str):
        activation = (activation,) * depth
    architecture = Architecture(sizes, activation, fit_intercept)
    problem = Problem(
        architecture=architecture,
        loss=LOSSES[loss],
        penalty=PENALTIES[penalty](0.1, 0.15),
    )
    y = rng.randint(0, n_outputs, size=6)
    if loss[1] == "logistic":
        y = rng.randint(0, 2, size=(6, n_outputs)).astype(float)
    batch = Dataset(rng.normal(size=(6, 4)), y, rng.uniform(0.5, 2, size=6))
    return problem, random_theta(architecture, rng, np.float64) * 2, batch


def central_differences(function, theta, h):
    """Return the numerical gradient of `function` (theta -> float) at theta."""
    gradient = np.empty_like(theta)
    for j in range(len(theta)):
        step = np.zeros_like(theta)
        step[j] = h
        gradient[j] = (function(theta + step) - function(theta - step)) / (2 * h)
    return gradient


@pytest.mark.parametrize("loss", LOSSES, ids="-".join)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("depth", [0, 1, 2, 3])
@pytest.mark.parametrize("penalty", ["l2", None])
@either_storage
def test_gradient_equals_central_differences(loss, activation, depth, penalty, sparse):
    problem, theta, batch = random_problem(loss, activation, depth, penalty)
    if sparse:
        batch = batch._replace(X=csr_array(batch.X))
    _, gradient = objective_and_gradient(problem, theta, batch)
    numeric = central_differences(
        lambda theta: objective_and_gradient(problem, theta, batch)[0], theta, h=1e-5
    )
    # Error of the differences: h^2 times a third derivative, plus eps / h = 2e-11.
    np.testing.assert_allclose(gradient, numeric, rtol=0, atol=1e-8)
    assert np.max(np.abs(gradient)) > 1e-3


@pytest.mark.parametrize("first", ACTIVATIONS)
@pytest.mark.parametrize("second", ACTIVATIONS)
def test_gradient_of_mixed_layers_equals_central_differences(first, second):
    names = (first, second, "tanh")
    problem, theta, batch = random_problem(("log_loss", "softmax"), names, 3, "l2")
    _, gradient = objective_and_gradient(problem, theta, batch)
    numeric = central_differences(
        lambda theta: objective_and_gradient(problem, theta, batch)[0], theta, h=3e-6
    )
    # As above; h is smaller, because with 'identity' the third derivative reaches 100.
    np.testing.assert_allclose(gradient, numeric, rtol=0, atol=1e-8)


def test_gradient_of_a_fixed_intercept_is_zero():
    problem, theta, batch = random_problem(
        ("log_loss", "softmax"), "tanh", 1, "l2", fit_intercept=False
    )
    _, gradient = objective_and_gradient(problem, theta, batch)
    n_weights = problem.architecture.n_weights
    assert np.all(gradient[n_weights:] == 0)
    assert np.all(gradient[:n_weights] != 0)


# Decay.


def test_adamw_without_decay_is_adam(rows):
    X, y, weight = rows()
    models = [
        BackpropMLPClassifier(solver=solver, alpha=0, max_iter=4, tol=None, random_state=0)
        for solver in ("adam", "adamw")
    ]
    for model in models:
        model.fit(X, y, sample_weight=weight)
    assert_same_model(*models, X, y, weight)


def by_partial_fit(problem, settings, theta, data):
    """Return theta after an epoch at learning rate 0.1, from slots of 0."""
    memory = EpochMemory(zero_slots(settings, theta))
    steps = -(-data.n_samples // settings.batch_size)
    state = TrainingState(theta, (), memory=memory)
    return run_epoch(problem, settings, state, data, None, [0.1] * steps)[0].theta


@pytest.mark.parametrize("batch_size", [1, 2, 6])
def test_decay_with_plain_gradient_descent_equals_l2(batch_size):
    l2, theta, data = random_problem(("log_loss", "softmax"), "tanh", 2, "l2")
    decay = replace(l2, penalty=PENALTIES["decay"](l2.penalty.l2, 0.0))
    plain = replace(PLAIN, batch_size=batch_size)
    expected, computed = (by_partial_fit(each, plain, theta, data) for each in (l2, decay))
    # At most six steps with a few rounding errors each.
    np.testing.assert_allclose(computed, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("optimizer", [SGD(), Adam(0.9, 0.999, 1e-8)], ids=str)
def test_decay_shrinks_weights_but_not_intercepts(optimizer):
    problem, theta, data = random_problem(("log_loss", "softmax"), "tanh", 1, None)
    decay = replace(problem, penalty=PENALTIES["decay"](0.5, 0.0))
    settings = replace(PLAIN, optimizer=optimizer, batch_size=data.n_samples)
    without, with_decay = (
        by_partial_fit(each, settings, theta, data) for each in (problem, decay)
    )
    taken = without - with_decay
    n = problem.architecture.n_weights
    # One step at learning rate 0.1.
    np.testing.assert_allclose(taken[:n], 0.1 * 0.5 * theta[:n], rtol=0, atol=1e-15)
    assert np.all(taken[n:] == 0)


# Clipping.


@pytest.mark.parametrize("part", [0.1, 0.9, 2.0])
def test_gradient_of_loss_and_penalty_is_clipped(part):
    problem, theta, data = random_problem(("log_loss", "softmax"), "tanh", 2, "l2")
    _, gradient = objective_and_gradient(problem, theta, data)
    length = np.linalg.norm(gradient)
    clipping = replace(PLAIN, batch_size=data.n_samples, max_gradient_norm=part * length)
    # One step at learning rate 0.1; the norm is that of all parameters.
    expected = theta - 0.1 * min(part, 1) * gradient
    reached = by_partial_fit(problem, clipping, theta, data)
    np.testing.assert_allclose(reached, expected, rtol=0, atol=1e-15)


def test_decay_of_adamw_is_not_clipped(rows):
    X, y, _ = rows()
    # Clipping removes the gradient; decay remains: 1 - 0.1 * 0.5 in each of 3 epochs.
    model = BackpropMLPClassifier(
        solver="adamw", alpha=0.5, learning_rate=0.1, max_gradient_norm=1e-300, epsilon=1.0
    )
    model.set_params(max_iter=3, tol=None, batch_size="full", random_state=0).fit(X, y)
    architecture, rng = model._checkpoint.architecture, np.random.RandomState(0)
    first = architecture.layers(model._initial_theta(architecture, rng, np.float64))
    for coef, intercept, layer in zip(model.coefs_, model.intercepts_, first, strict=True):
        np.testing.assert_allclose(coef, 0.95**3 * layer.weight, rtol=1e-15)
        np.testing.assert_array_equal(intercept, layer.intercept)
