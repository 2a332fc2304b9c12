"""Local SGD in rounds on blocks equals training on all rows in the cases where it must."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from networks import network_of, random_theta

from sklearn_nn._engine.epochs import local_sgd
from sklearn_nn._engine.epochs.optimizers import SGD, Adam
from sklearn_nn._engine.epochs.records import EpochMemory, EpochSettings, zero_slots
from sklearn_nn._engine.epochs.reference import objective_and_gradient
from sklearn_nn._engine.epochs.schedules import CYCLES, SCHEDULES, Schedule
from sklearn_nn._engine.epochs.train import train_in_epochs
from sklearn_nn._engine.objective.losses import LOSSES
from sklearn_nn._engine.objective.penalties import PENALTIES
from sklearn_nn._engine.objective.problem import Problem
from sklearn_nn._engine.stopping import StoppingRule
from sklearn_nn._engine.types import Dataset, TrainingState

TIGHT = {"rtol": 0, "atol": 1e-13}  # rounding of a few steps with sums over 60 rows

# A small network of three classes.
PROBLEM = Problem(
    architecture=network_of((4, 5, 3), "tanh"),
    loss=LOSSES["log_loss", "softmax"],
    penalty=PENALTIES["l2"](1e-2, 0.0),
)


class Blocks:
    """Blocks of rows that all lie in this process."""

    def __init__(self, datasets):
        self.datasets = datasets
        self.n_rows = [data.n_samples for data in datasets]
        self.n_samples = sum(self.n_rows)

    def train_round(self, problem, settings, state, part):
        """Return the Sums over the blocks."""
        sums = [
            local_sgd.train_block(problem, settings, state, data, number, part)
            for number, data in enumerate(self.datasets)
        ]
        with np.errstate(invalid="ignore"):
            return local_sgd.Sums(*(sum(values) for values in zip(*sums, strict=True)))

    def objective(self, problem, theta):
        """Return the mean objective."""
        sums = [
            local_sgd.objective_of_block(problem, theta, data) for data in self.datasets
        ]
        return sum(total for _, total in sums) / self.n_samples


def settings(optimizer, batch_size, shuffle=False, rate=0.1, schedule="constant"):
    """Return the EpochSettings of three epochs."""
    return EpochSettings(
        optimizer=optimizer,
        schedule=Schedule(schedule, rate, n_epochs=3, warmup_fraction=0.4),
        stopping_rule=StoppingRule(tol=-np.inf, n_iter_no_change=10),
        batch_size=batch_size,
        shuffle=shuffle,
    )


def first_state(settings):
    """Return the state before training."""
    rng = np.random.RandomState(0)
    theta = random_theta(PROBLEM.architecture, rng, np.float64)
    memory = EpochMemory(zero_slots(settings, theta))
    return TrainingState(theta, rng.get_state(), memory=memory)


def train_together(settings, data, n_epochs):
    """Return the TrainingRun of `n_epochs` on all rows together."""
    return train_in_epochs(PROBLEM, settings, first_state(settings), data, n_epochs)


def train_blocks(settings, blocks, n_epochs, n_rounds):
    """Return the TrainingRun of `n_epochs` on blocks, each epoch in `n_rounds`."""
    state = first_state(settings)
    return local_sgd.train_on_blocks(PROBLEM, settings, state, blocks, n_epochs, n_rounds)


@pytest.fixture
def data():
    """Return 60 weighted rows of three classes, sorted by class."""
    rng = np.random.RandomState(1)
    y = np.repeat([0, 1, 2], 20)
    weight = rng.uniform(0.5, 1.5, size=60)
    return Dataset(rng.normal(size=(60, 4)) + y[:, None], y, weight / weight.mean())


def cut(data, *row_numbers):
    """Return the rows as Blocks, which begin at these row numbers."""
    bounds = [0, *row_numbers, data.n_samples]
    return Blocks(
        [
            Dataset(data.X[a:b], data.y[a:b], data.sample_weight[a:b])
            for a, b in pairwise(bounds)
        ]
    )


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_one_block_and_one_round_equal_ordinary_training(data, schedule):
    adam = settings(Adam(0.9, 0.999, 1e-8), batch_size=7, schedule=schedule)
    expected = train_together(adam, data, 3).state
    state = train_blocks(adam, cut(data), 3, 1).state
    np.testing.assert_allclose(state.theta, expected.theta, **TIGHT)
    slot, expected_slot = state.memory.slots[1], expected.memory.slots[1]
    np.testing.assert_allclose(slot, expected_slot, **TIGHT)
    assert (state.step, state.epoch) == (expected.step, expected.epoch) == (27, 3)


def test_one_step_in_each_block_equals_a_step_on_all_rows(data):
    descent = settings(SGD(), batch_size=60)
    expected = train_together(descent, data, 4)
    run = train_blocks(descent, cut(data, 11, 40), 4, 8)
    np.testing.assert_allclose(run.state.theta, expected.state.theta, **TIGHT)
    np.testing.assert_allclose(run.curves.objectives, expected.curves.objectives, **TIGHT)


@pytest.mark.parametrize("schedule", CYCLES)
def test_rounds_have_the_learning_rates_of_the_epoch(data, schedule):
    descent = settings(SGD(), batch_size=5, schedule=schedule)
    expected = train_together(descent, data, 3).state
    # One block in its given order: four rounds of three batches are an epoch.
    state = train_blocks(descent, cut(data), 3, 4).state
    np.testing.assert_allclose(state.theta, expected.theta, **TIGHT)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_curve_has_the_learning_rate_of_the_last_step(data, schedule):
    descent = settings(SGD(), 5, schedule=schedule)
    one = train_together(descent, data, 3)
    other = train_blocks(descent, cut(data), 3, 4)
    assert one.curves.learning_rates == other.curves.learning_rates


def test_rounds_of_an_epoch_have_every_row_once():
    for n_rows, n_rounds in [(10, 3), (2, 5), (7, 7)]:
        parts = [
            range(*local_sgd.bounds(n_rows, local_sgd.Round(None, number, n_rounds)))
            for number in range(n_rounds)
        ]
        assert [row for part in parts for row in part] == list(range(n_rows))


def test_objective_of_blocks_equals_the_reference(data):
    theta = first_state(settings(SGD(), batch_size=60)).theta
    expected, _ = objective_and_gradient(PROBLEM, theta, data)
    objective = cut(data, 11, 40).objective(PROBLEM, theta)
    np.testing.assert_allclose(objective, expected, rtol=1e-13)


def test_resumed_training_draws_the_next_row_orders(data):
    shuffled = settings(SGD(), batch_size=5, shuffle=True)
    blocks = cut(data, 30)
    whole = train_blocks(shuffled, blocks, 2, 2).state
    first = train_blocks(shuffled, blocks, 1, 2).state
    second = local_sgd.train_on_blocks(PROBLEM, shuffled, first, blocks, 1, 2).state
    np.testing.assert_array_equal(second.theta, whole.theta)
    again = replace(first, random_state=first_state(shuffled).random_state)
    other = local_sgd.train_on_blocks(PROBLEM, shuffled, again, blocks, 1, 2).state.theta
    assert not np.array_equal(other, whole.theta)


def test_blocks_drop_different_units(data):
    half = cut(data, 30).datasets[0]
    one = replace(settings(SGD(), batch_size=30), dropout=(0.5,), dropout_key=7)
    state, part = first_state(one), local_sgd.Round(None, 0, 1)
    first, again, second = (
        local_sgd.train_block(PROBLEM, one, state, half, block, part).vectors
        for block in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.any(np.isclose(first[0][: 4 * 5], second[0][: 4 * 5], rtol=1e-9, atol=0))


def test_one_block_with_dropout_equals_ordinary_training(data):
    dropping = settings(Adam(0.9, 0.999, 1e-8), batch_size=7)
    dropping = replace(dropping, dropout=(0.5,), dropout_key=7)
    expected = train_together(dropping, data, 3).state
    state = train_blocks(dropping, cut(data), 3, 1).state
    np.testing.assert_allclose(state.theta, expected.theta, **TIGHT)


def test_divergence_is_an_error(data):
    descent = settings(SGD(), batch_size=5, rate=1e200)
    with pytest.raises(ValueError, match="Training diverged in epoch 1"):
        train_blocks(descent, cut(data, 30), 5, 4)
