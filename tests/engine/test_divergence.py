"""Divergence raises an error with advice, after an epoch or at the end of training."""

import re
from math import inf, nan

import numpy as np
import pytest

from sklearn_nn._engine.epochs import divergence
from sklearn_nn._engine.epochs.optimizers import SGD
from sklearn_nn._engine.epochs.records import EpochMemory, EpochSettings
from sklearn_nn._engine.epochs.schedules import Schedule
from sklearn_nn._engine.epochs.train import train_in_epochs
from sklearn_nn._engine.objective.losses import LOSSES
from sklearn_nn._engine.objective.penalties import Penalty
from sklearn_nn._engine.objective.problem import Problem
from sklearn_nn._engine.stopping import StoppingRule
from sklearn_nn._engine.types import Architecture, Dataset, TrainingState

LIMIT = 1e10
NOT_FINITE = [nan, inf, -inf]


def make_problem(key=("log_loss", "softmax"), n_outputs=3):
    """Return a linear model of one feature."""
    return Problem(
        architecture=Architecture((1, n_outputs)),
        loss=LOSSES[key],
        penalty=Penalty(l2=1.0),
    )


def make_data(key=("log_loss", "softmax"), dtype=np.float64):
    """Return two rows of three classes."""
    y = np.array([0, 2])
    if key[1] == "logistic":
        y = np.array([[0, 1, 1], [1, 0, 0]], dtype)
    return Dataset(np.array([[1.0], [-1.0]], dtype), y)


def state_at(theta, slots=()):
    """Return the state after 7 epochs."""
    theta, memory = np.array(theta, float), EpochMemory(slots)
    random_state = np.random.RandomState(0).get_state()
    return TrainingState(theta, random_state, epoch=7, memory=memory)


def test_divergence_begins_at_1e10_null_losses():
    assert divergence.DIVERGED == 1e10


# After an epoch.


@pytest.mark.parametrize("objective", [0.0, 1.0, LIMIT])
def test_epoch_up_to_the_limit_passes(objective):
    divergence.check_epoch(state_at([0.0]), objective, LIMIT, 0.1)


@pytest.mark.parametrize("objective", [1.01e10, inf, nan])
def test_epoch_above_the_limit_raises(objective):
    with pytest.raises(ValueError, match=re.escape(f"epoch 7: objective {objective:.3g}")):
        divergence.check_epoch(state_at([0.0]), objective, LIMIT, 0.1)


@pytest.mark.parametrize("value", NOT_FINITE)
def test_epoch_with_a_non_finite_parameter_raises(value):
    with pytest.raises(ValueError, match="diverged in epoch 7"):
        divergence.check_epoch(state_at([0.0, value]), 1.0, LIMIT, 0.1)


# At the end.


def test_end_with_small_parameters_does_not_use_the_data():
    theta = [divergence.LARGE_PARAMETER, *[0.0] * 5]
    divergence.check_end(make_problem(), state_at(theta), None, LIMIT, 0.1)


def test_end_with_large_parameters_and_a_small_objective_passes():
    # Only an intercept is large: it has no penalty, and no loss if its class is right.
    data = Dataset(np.ones((1, 1)), np.array([0]))
    theta = [0.0, 0.0, 0.0, 1e9, 0.0, 0.0]
    divergence.check_end(make_problem(), state_at(theta), data, LIMIT, 0.1)


@pytest.mark.parametrize("size", [1e9, 1e200])
def test_end_with_a_large_objective_raises(size):
    state = state_at([size] * 6)  # the l2 penalty is at least 1e18
    with pytest.raises(ValueError, match="diverged in epoch 7: objective"):
        divergence.check_end(make_problem(), state, make_data(), LIMIT, 0.1)


@pytest.mark.parametrize("value", NOT_FINITE)
def test_end_with_non_finite_slots_raises(value):
    state = state_at([0.0], slots=(np.zeros(1), np.array([value])))
    with pytest.raises(ValueError, match="gradients too large to square"):
        divergence.check_end(make_problem(), state, make_data(), LIMIT, 0.1)


# During training.


@pytest.mark.parametrize("n_epochs", [1, 50])
def test_error_in_training_names_epoch_and_learning_rate(n_epochs):
    settings = EpochSettings(
        optimizer=SGD(),
        schedule=Schedule("constant", 1e30),
        stopping_rule=StoppingRule(-inf, inf),
        batch_size=2,
    )
    start = state_at(np.linspace(-1, 1, 6))
    with pytest.raises(ValueError, match=r"epoch \d+: objective .*learning rate 1e\+30"):
        train_in_epochs(make_problem(), settings, start, make_data(), n_epochs)


def test_message_says_what_to_try():
    text = divergence.message(state_at([0.0]), "objective inf", 0.25)
    assert text == (
        "Training diverged in epoch 7: objective inf, learning rate 0.25. Try a smaller "
        "learning_rate_init (or number for learning_rate), or scale the features, for "
        "instance with StandardScaler; if learning_rate * alpha is near 1 or more, try a "
        "smaller alpha."
    )


def test_message_of_lbfgs_names_the_iteration():
    text = divergence.message(state_at([0.0]), "objective inf", None)
    assert "iteration 7 of lbfgs" in text
    assert "learning" not in text
