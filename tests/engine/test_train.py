"""Training by epochs: row order, learning rates, average, end, interrupts, validation."""

from dataclasses import replace
from math import inf, log

import numpy as np
import pytest
from small_problems import make_problem, make_settings

from sklearn_nn._engine.epochs import train as training
from sklearn_nn._engine.epochs.optimizers import Adam
from sklearn_nn._engine.epochs.records import EpochMemory, zero_slots
from sklearn_nn._engine.epochs.reference import objective_and_gradient
from sklearn_nn._engine.epochs.schedules import Schedule
from sklearn_nn._engine.objective.penalties import Penalty
from sklearn_nn._engine.rows import copy_of_rows
from sklearn_nn._engine.stopping import EndedBy, StoppingRule
from sklearn_nn._engine.types import (
    Architecture,
    Dataset,
    TrainingState,
    Validation,
)

N_SAMPLES, SEED = 7, 3
NEVER = StoppingRule(-inf, inf)


def frozen(array):
    """Make the array read-only, and return it."""
    array.flags.writeable = False
    return array


def make_data(n_samples=N_SAMPLES, dtype=np.float64):
    """Return read-only rows."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(n_samples, 2)).astype(dtype)
    y = (np.arange(n_samples) % 2).astype(dtype)[:, None]
    return Dataset(frozen(X), frozen(y))


def make_state(settings, dtype=np.float64):
    """Return the state before the first epoch, with read-only arrays."""
    theta = frozen(np.zeros(make_problem().architecture.n_parameters, dtype))
    memory = EpochMemory(tuple(frozen(slot) for slot in zero_slots(settings, theta)))
    random_state = np.random.RandomState(SEED).get_state()
    return TrainingState(theta, random_state, memory=memory)


def test_orders_drawn_ahead_are_the_same_orders():
    settings, data, state = make_settings(), make_data(), make_state(make_settings())
    plain, other = (training.Orders(settings, data, state.random_state) for _ in range(2))
    for n_ahead in (0, 1, 2, 0, 1):
        for _ in range(n_ahead):
            other.draw_ahead()
        for one, another in zip(plain.random_state(), other.random_state(), strict=True):
            np.testing.assert_array_equal(one, another)
        np.testing.assert_array_equal(plain.draw(), other.draw())


def train(settings, state, data, n_epochs, **kwargs):
    """Train from the given state."""
    return training.train_in_epochs(
        make_problem(), settings, state, data, n_epochs, **kwargs
    )


def run(settings, n_epochs, data=None, **kwargs):
    """Train from zero."""
    data = make_data() if data is None else data
    return train(settings, make_state(settings), data, n_epochs, **kwargs)


@pytest.fixture
def epochs(monkeypatch):
    """Return a list that records order, learning rates and final theta of each epoch."""
    record, run_epochs = [], training.run_epochs

    def recorded(problem, settings, state, data, order, rates):
        new, objectives = run_epochs(problem, settings, state, data, order, rates)
        record.append({"order": order, "rates": list(rates), "theta": new.theta.copy()})
        return new, objectives

    monkeypatch.setattr(training, "run_epochs", recorded)
    monkeypatch.setattr(training, "MAX_EPOCHS_PER_CALL", 1)
    return record


class Watcher:
    """A Monitor that records epochs, and calls `action` after epoch `at_epoch`."""

    def __init__(self, at_epoch=None, action=None):
        self.at_epoch, self.action = at_epoch, action
        self.n_begun, self.ended = 0, []

    def epoch_begin(self):
        self.n_begun += 1

    def n_unwatched(self, epoch):
        return 0

    def epoch_end(self, state, curves):
        self.ended.append((state, *(curve[-1] for curve in curves)))
        return state.epoch == self.at_epoch and self.action()


def stop():
    """Request the end of training."""
    return True


def interrupt():
    """Raise KeyboardInterrupt, as Ctrl-C does."""
    raise KeyboardInterrupt


# The order of the rows.


def test_order_is_drawn_by_permutation(epochs):
    run(make_settings(), 3)
    rng = np.random.RandomState(SEED)
    for epoch in epochs:
        np.testing.assert_array_equal(epoch["order"], rng.permutation(N_SAMPLES))


def test_state_keeps_the_advanced_generator(epochs):
    run_of_two = run(make_settings(), 2)
    rng = np.random.RandomState(0)
    rng.set_state(run_of_two.state.random_state)
    expected = np.random.RandomState(SEED)
    for _ in range(2):
        expected.permutation(N_SAMPLES)
    np.testing.assert_array_equal(rng.permutation(9), expected.permutation(9))


@pytest.mark.parametrize(
    "changes",
    [{"batch_size": N_SAMPLES}, {"batch_size": N_SAMPLES + 1}, {"shuffle": False}],
    ids=str,
)
def test_no_order_is_drawn_for_one_batch_or_without_shuffle(changes, epochs):
    result = run(make_settings(**changes), 2)
    assert [epoch["order"] for epoch in epochs] == [None, None]
    np.testing.assert_equal(
        result.state.random_state, np.random.RandomState(SEED).get_state()
    )


# Batches.


@pytest.mark.parametrize(
    ("batch_size", "n_steps"), [(1, 7), (2, 4), (3, 3), (6, 2), (7, 1), (8, 1), (500, 1)]
)
def test_short_last_batch_counts_as_a_step(batch_size, n_steps):
    state = run(make_settings(batch_size=batch_size), 2).state
    assert (state.step, state.epoch) == (2 * n_steps, 2)
    assert state.memory.n_slot_updates == 2 * n_steps


def test_a_batch_larger_than_the_data_is_a_full_batch():
    exact, larger = (run(make_settings(batch_size=size), 3) for size in (N_SAMPLES, 500))
    np.testing.assert_array_equal(larger.state.theta, exact.state.theta)


def test_epoch_of_one_sample_is_one_step():
    result = run(make_settings(), 1, make_data(n_samples=1))
    assert result.state.step == 1
    assert result.curves.objectives == [pytest.approx(log(2), 1e-15)]  # all logits are 0


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7])
@pytest.mark.parametrize("weighted", [False, True])
def test_epoch_takes_a_step_for_each_batch_in_order(batch_size, weighted, epochs):
    problem, data = make_problem(), make_data()
    if weighted:
        data = data._replace(sample_weight=frozen(np.linspace(0.5, 1.5, N_SAMPLES)))
    result = run(make_settings(batch_size=batch_size), 1, data)
    order, theta, total = epochs[0]["order"], np.zeros(3), 0.0
    order = np.arange(N_SAMPLES) if order is None else order
    for start in range(0, N_SAMPLES, batch_size):
        batch = copy_of_rows(data, order[start : start + batch_size])
        objective, gradient = objective_and_gradient(problem, theta, batch)
        theta = theta - 0.5 * gradient
        total += objective * batch.n_samples  # a short batch has less weight
    # Seven steps of about ten rounding errors, partly in another order.
    np.testing.assert_allclose(result.state.theta, theta, rtol=0, atol=70 * 2.3e-16)
    assert result.curves.objectives == pytest.approx([total / N_SAMPLES], rel=70 * 2.3e-16)


def test_objective_and_gradient_equal_hand_calculation():
    # Rows 1 and -1 with labels 1 and 0 and weights 1/2 and 3/2, at weight 0, intercept 0:
    # p = 1/2, loss log 2; delta = (-1/2 * 1/2, 1/2 * 3/2) / 2 = (-1/8, 3/8).
    data = Dataset(np.array([[1.0], [-1.0]]), np.array([[1.0], [0]]), np.array([0.5, 1.5]))
    problem = make_problem(architecture=Architecture((1, 1)))
    objective, gradient = objective_and_gradient(problem, np.zeros(2), data)
    assert objective == pytest.approx(log(2), rel=4 * 2.3e-16)  # 4 rounding errors
    assert gradient.tolist() == [-0.5, 0.25]


def test_penalty_excludes_intercepts():
    # The row is 0, so that the loss does not depend on the weight 2; p of logit 0 is 1/2.
    data = Dataset(np.zeros((1, 1)), np.array([[1.0]]))
    problem = make_problem(architecture=Architecture((1, 1)), penalty=Penalty(l2=0.5))
    objective, gradient = objective_and_gradient(problem, np.array([2.0, 0.0]), data)
    assert objective == log(2) + 0.25 * 2**2
    assert gradient.tolist() == [1.0, -0.5]


def test_first_objective_is_computed_before_the_step():
    assert run(make_settings(batch_size=7), 1).curves.objectives == [
        pytest.approx(log(2), 1e-15)
    ]


def test_last_loss_is_the_last_objective():
    result = run(make_settings(), 4)
    assert result.last_objective == result.curves.objectives[-1]


# Learning rates.


def test_each_step_has_its_learning_rate(epochs):
    run(make_settings(schedule=Schedule("invscaling", 0.5, 0.5)), 2)
    rates = epochs[0]["rates"] + epochs[1]["rates"]
    # 1/sqrt of the step number: three rounding errors.
    assert rates == pytest.approx([0.5 / k**0.5 for k in range(1, 7)], rel=4 * 2.3e-16)


def test_rate_is_lowered_after_n_iter_no_change_epochs(epochs):
    # Only the first epoch counts as an improvement by 10 nats.
    rule = StoppingRule(10.0, 2, lowers_rate=True)
    run(make_settings(stopping_rule=rule, schedule=Schedule("adaptive", 0.5)), 6)
    rates = [epoch["rates"][0] for epoch in epochs]
    # Two divisions.
    expected = [0.5, 0.5, 0.5, 0.1, 0.1, 0.02]
    assert rates == pytest.approx(expected, rel=4 * 2.3e-16)


def test_training_ends_at_a_learning_rate_below_1e_6():
    rule = StoppingRule(10.0, 1, lowers_rate=True)
    settings = make_settings(stopping_rule=rule, schedule=Schedule("adaptive", 4e-6))
    # Epoch 2 lowers the rate from 4e-6 to 8e-7; epoch 3 stops.
    result = run(settings, 50)
    assert (result.state.epoch, result.ended_by) == (3, EndedBy.CONVERGED)


# The average.


@pytest.mark.parametrize("average_from", [1, 3, 5])
def test_average_is_the_mean_of_thetas_since_average_from(average_from, epochs):
    state = run(make_settings(batch_size=7, average_from=average_from), 5).state
    thetas = [epoch["theta"] for epoch in epochs[average_from - 1 :]]
    assert state.memory.n_averaged == len(thetas)
    # Five steps of the running mean, numbers below 1.
    np.testing.assert_allclose(state.averaged_theta, np.mean(thetas, axis=0), atol=1e-15)


def test_averaged_theta_is_theta_before_averaging_begins():
    state = run(make_settings(batch_size=7, average_from=4), 3).state
    assert state.averaged_theta is state.theta


def test_average_does_not_change_theta():
    plain, averaged = (run(make_settings(average_from=n), 3) for n in (0, 1))
    np.testing.assert_array_equal(averaged.state.theta, plain.state.theta)


# How training ends.


def test_training_ends_after_n_epochs():
    result = run(make_settings(), 4)
    assert (result.state.epoch, result.ended_by) == (4, EndedBy.MAX_ITER)
    assert len(result.curves.objectives) == 4


def test_stopping_rule_ends_training():
    result = run(make_settings(stopping_rule=StoppingRule(10.0, 3)), 50)
    assert (result.state.epoch, result.ended_by) == (4, EndedBy.CONVERGED)


def test_monitor_ends_training():
    result = run(make_settings(), 50, monitor=Watcher(3, stop))
    assert (result.state.epoch, result.ended_by) == (3, EndedBy.MONITOR)


def test_monitor_sees_each_epoch():
    watcher = Watcher()
    result = run(make_settings(), 3, monitor=watcher)
    states, objectives, rates, losses, scores = zip(*watcher.ended, strict=True)
    assert watcher.n_begun == 3
    assert [state.epoch for state in states] == [1, 2, 3]
    assert list(objectives) == result.curves.objectives
    assert np.isnan([losses, scores]).all()
    assert rates == (0.5, 0.5, 0.5)


def test_monitor_sees_the_state_that_is_returned():
    watcher = Watcher()
    assert run(make_settings(), 3, monitor=watcher).state is watcher.ended[-1][0]


def test_monitor_does_not_change_theta():
    plain, watched = run(make_settings(), 3), run(make_settings(), 3, monitor=Watcher())
    np.testing.assert_array_equal(watched.state.theta, plain.state.theta)


def interrupting_score(at_call):
    """Return a `validate` that is interrupted in call `at_call`."""
    calls = []

    def validate(theta):
        calls.append(theta)
        return interrupt() if len(calls) == at_call else Validation(0.7, 0.5)

    return validate


def test_interrupt_within_an_epoch_returns_the_epoch_before():
    result = run(make_settings(), 50, validate=interrupting_score(4))
    expected = run(make_settings(), 3)
    assert result.ended_by is EndedBy.INTERRUPT
    np.testing.assert_array_equal(result.state.theta, expected.state.theta)
    assert result.curves.objectives == expected.curves.objectives
    assert len(result.curves.validation_scores) == 3


def test_interrupt_between_epochs_returns_the_epochs_so_far():
    result = run(make_settings(), 50, monitor=Watcher(3, interrupt))
    assert (result.state.epoch, result.ended_by) == (3, EndedBy.INTERRUPT)
    assert len(result.curves.objectives) == 3


def test_interrupt_in_the_first_epoch_is_raised():
    with pytest.raises(KeyboardInterrupt):
        run(make_settings(), 50, validate=interrupting_score(1))


def test_training_resumes_identically_after_an_interrupt():
    settings, data = make_settings(optimizer=Adam(0.9, 0.999, 1e-8)), make_data()
    cut = run(settings, 50, validate=interrupting_score(4))
    state = train(settings, cut.state, data, 2).state
    np.testing.assert_array_equal(state.theta, run(settings, 5).state.theta)


# Validation.


def scripted(scores):
    """Return a `validate` that gives one score a call, and twice the score as loss."""
    script = iter(scores)
    return lambda theta: Validation(2 * (score := next(script)), score)


def test_curves_have_the_validation_of_each_epoch():
    scores = [0.5, 0.75, 0.25]
    curves = run(make_settings(), 3, validate=scripted(scores)).curves
    assert curves.validation_scores == scores
    assert curves.validation_losses == [1.0, 1.5, 0.5]


def test_validation_without_early_stopping_has_no_effect():
    settings = make_settings(stopping_rule=StoppingRule(0.0, 2))
    watched = run(settings, 4, validate=scripted([0.5, 0.4, 0.3, 0.2]))
    plain = run(settings, 4)
    assert watched.state.progress == plain.state.progress
    np.testing.assert_array_equal(watched.state.theta, plain.state.theta)


def test_best_theta_is_that_of_the_first_best_score(epochs):
    scores = [0.5, 0.75, 0.75, 0.25]
    result = run(make_settings(early_stopping=True), 4, validate=scripted(scores))
    np.testing.assert_array_equal(result.state.progress.best_theta, epochs[1]["theta"])
    assert result.state.progress.best == -0.75
    assert result.state.progress.best_epoch == 2


def test_no_best_theta_without_validation():
    assert run(make_settings(), 2).state.progress.best_theta is None


def test_early_stopping_uses_the_score_instead_of_the_objective():
    settings = make_settings(stopping_rule=StoppingRule(0.125, 2), early_stopping=True)
    # 0.5 and 0.75 improve by at least 0.125; 0.8 and 0.7 do not.
    result = run(settings, 50, validate=scripted([0.5, 0.75, 0.8, 0.7]))
    assert (result.state.epoch, result.ended_by) == (4, EndedBy.CONVERGED)


def test_score_is_that_of_the_average():
    seen = []

    def validate(theta):
        seen.append(theta)
        return Validation(0.7, 0.5)

    state = run(make_settings(average_from=1), 1, validate=validate).state
    np.testing.assert_array_equal(seen[0], state.memory.average)


# Purity. Data and state of `run` are read-only.


def test_given_state_is_not_modified():
    problem = make_problem(penalty=Penalty(0.1, 0.1))
    settings = make_settings(optimizer=Adam(0.9, 0.999, 1e-8))
    state = make_state(settings)
    given = [(record, replace(record)) for record in (state, state.memory)]
    training.train_in_epochs(problem, settings, state, make_data(), 3)
    for record, before in given:
        assert all(vars(record)[name] is value for name, value in vars(before).items())


def test_same_state_gives_the_same_run():
    settings = make_settings()
    state, data = make_state(settings), make_data()
    first, second = (train(settings, state, data, 3) for _ in range(2))
    np.testing.assert_array_equal(first.state.theta, second.state.theta)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["constant", "invscaling"])
def test_dtype_is_preserved(dtype, name):
    problem = make_problem(penalty=Penalty(0.1, 0.1))
    settings = make_settings(
        optimizer=Adam(0.9, 0.999, 1e-8), schedule=Schedule(name, 0.5), average_from=1
    )
    state, data = make_state(settings, dtype), make_data(dtype=dtype)
    data = data._replace(sample_weight=np.ones(N_SAMPLES, dtype))
    state = training.train_in_epochs(problem, settings, state, data, 2).state
    slots = state.memory.slots
    assert {a.dtype for a in (state.averaged_theta, state.theta, *slots)} == {
        np.dtype(dtype)
    }
    assert state.memory.average.dtype == np.float64


def test_zero_slots_are_n_slots_vectors_of_zeros():
    theta = np.ones(3, np.float32)
    slots = zero_slots(make_settings(optimizer=Adam(0.9, 0.999, 1e-8)), theta)
    assert [slot.tolist() for slot in slots] == [[0, 0, 0]] * 2
    assert {slot.dtype for slot in slots} == {np.dtype(np.float32)}
