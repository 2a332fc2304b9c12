"""The history grows in place, and models that share it keep separate curves."""

import copy
import pickle
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from methods import every_method
from sklearn.base import clone
from sklearn.datasets import load_iris

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier
from sklearn_nn._data import sample_weights
from sklearn_nn._engine.types import Curves
from sklearn_nn._storage.history import Buffer, History

NAN = float("nan")
X, Y = load_iris(return_X_y=True)


def run_of(*objectives, rate=NAN):
    """Return the Curves of a run with these objectives, without validation rows."""
    missing = [NAN] * len(objectives)
    return Curves(list(objectives), [rate] * len(objectives), missing, missing)


# The history.


def test_extended_appends_epochs():
    history = History().extended(run_of(3.0, 2.0)).extended(run_of(1.0))
    assert history.n_epochs == 3
    assert history.curve("objectives") == [3.0, 2.0, 1.0]


def test_a_missing_value_is_nan():
    history = History().extended(run_of(3.0)).extended(run_of(2.0, rate=0.5))
    np.testing.assert_equal(history.curve("learning_rates"), [NAN, 0.5])
    assert History().curve("objectives") == []


def test_extending_does_not_change_the_earlier_history():
    before = History().extended(run_of(3.0))
    after = before.extended(run_of(2.0))
    assert after.buffer is before.buffer
    assert before.curve("objectives") == [3.0]


def test_the_second_extension_of_a_history_gets_its_own_buffer():
    # The second may be a copy of the model, or the model itself after a failed call.
    before = History().extended(run_of(3.0))
    first, second = before.extended(run_of(2.0)), before.extended(run_of(1.0))
    assert first.curve("objectives") == [3.0, 2.0]
    assert second.curve("objectives") == [3.0, 1.0]
    assert second.extended(run_of(0.0)).buffer is second.buffer


def test_any_history_can_be_extended_by_any_number_of_epochs():
    rng = np.random.RandomState(0)
    known = [(History(), [])]
    for _ in range(300):
        history, values = known[rng.randint(len(known))]
        more = rng.uniform(size=rng.randint(4)).tolist()
        known.append((history.extended(run_of(*more)), values + more))
    for history, values in known:
        assert history.curve("objectives") == values


def test_threads_can_extend_the_same_history():
    before = History().extended(run_of(*range(50)))

    def extended(i):
        history = before
        for _ in range(20):
            history = history.extended(run_of(float(i)))
        return history.curve("objectives")[50:]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(extended, range(100)))
    assert found == [[float(i)] * 20 for i in range(100)]


def test_growth_copies_each_epoch_a_constant_number_of_times():
    history, n_copied = History(), 0
    for i in range(20_000):
        grown = history.extended(run_of(float(i)))
        n_copied += 0 if grown.buffer is history.buffer else history.n_epochs
        history = grown
    # The buffer grows by half at each copy: 1 + 2/3 + (2/3)^2 + ... = 3 copies an epoch.
    assert n_copied < 3 * 20_000
    assert history.curve("objectives") == [float(i) for i in range(20_000)]


def test_a_history_of_read_only_values_can_be_extended():
    values = np.ones((4, 2))
    values.flags.writeable = False
    history = History.of(values)
    assert history.extended(run_of()) is history
    assert history.extended(run_of(3.0)).curve("objectives") == [1.0, 1.0, 3.0]


# Models.


def streamed(estimator_class):
    """Return a model after three calls of `partial_fit`."""
    model = estimator_class(random_state=0)
    for _ in range(3):
        model.partial_fit(X, Y, classes=[0, 1, 2])
    return model


@every_method
def test_a_returned_curve_is_independent_of_the_model(estimator_class):
    model = streamed(estimator_class)
    held = model.loss_curve_
    before = list(held)
    model.partial_fit(X, Y)
    assert held == before
    assert model.loss_curve_[:3] == before
    held.clear()
    assert len(model.loss_curve_) == 4


@every_method
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_and_its_original_have_separate_curves(estimator_class, copied):
    model = streamed(estimator_class)
    other, before = copied(model), model.loss_curve_
    model.partial_fit(X, Y)
    assert other.loss_curve_ == before
    other.partial_fit(X[::2], Y[::2])
    assert other.loss_curve_[:3] == model.loss_curve_[:3] == before
    assert other.loss_curve_[3] != model.loss_curve_[3]
    assert len(other.loss_curve_) == len(model.loss_curve_) == 4


def by_attributes(model):
    """Return a new estimator with the same attributes, as move_estimator_to does."""
    moved = clone(model)
    for name, value in vars(model).items():
        setattr(moved, name, value)
    return moved


@every_method
def test_models_that_share_all_attributes_have_separate_curves(estimator_class):
    model = streamed(estimator_class)
    other, before = by_attributes(model), model.loss_curve_
    alone = copy.deepcopy(model)
    model.partial_fit(X, Y)
    other.partial_fit(X, 2 - Y)
    assert model.loss_curve_ == alone.partial_fit(X, Y).loss_curve_
    assert model.loss_curve_[:3] == other.loss_curve_[:3] == before
    assert model.loss_curve_[3] != other.loss_curve_[3]


@every_method
def test_a_copy_made_during_a_failed_call_keeps_its_curves(estimator_class):
    # A callback may hold the copy. The model itself is restored and can train again.
    model = streamed(estimator_class)
    before = vars(model).copy()
    model.partial_fit(X, Y)
    held, curve = copy.copy(model), model.loss_curve_
    vars(model).update(before)
    model.partial_fit(X, 2 - Y)
    assert held.loss_curve_ == curve
    assert model.loss_curve_ != curve


@every_method
def test_a_failed_call_adds_no_epoch(estimator_class):
    model = streamed(estimator_class)
    before = model.loss_curve_
    with pytest.raises(ValueError, match="labels"):
        model.partial_fit(X, Y + 1)
    assert model.loss_curve_ == before
    model.partial_fit(X, Y)
    again = streamed(estimator_class).partial_fit(X, Y)
    assert model.loss_curve_ == again.loss_curve_


@every_method
def test_an_interrupt_at_the_end_of_a_call_adds_no_epoch(estimator_class, monkeypatch):
    model = streamed(estimator_class)
    before = model.loss_curve_

    def interrupted(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sample_weights.WeightScale, "including", interrupted)
        with pytest.raises(KeyboardInterrupt):
            model.partial_fit(X, Y)
    assert model.loss_curve_ == before
    again = streamed(estimator_class)
    assert model.partial_fit(X, Y).loss_curve_ == again.partial_fit(X, Y).loss_curve_


def test_an_interrupt_after_the_history_grew_adds_no_epoch(monkeypatch):
    model, again = streamed(SGDLogisticClassifier), streamed(SGDLogisticClassifier)
    extended = History.extended

    def interrupted(history, curves):
        extended(history, curves)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(History, "extended", interrupted)
        with pytest.raises(KeyboardInterrupt):
            model.partial_fit(X[::3], Y[::3])
    assert model.loss_curve_ == again.loss_curve_
    assert model.partial_fit(X, Y).loss_curve_ == again.partial_fit(X, Y).loss_curve_


@every_method
def test_a_warm_start_after_pickling_gives_the_same_curves(estimator_class):
    model = estimator_class(random_state=0, warm_start=True, max_iter=2, tol=None)
    model.fit(X, Y)
    other = pickle.loads(pickle.dumps(model))
    assert model.fit(X, Y).loss_curve_ == other.fit(X, Y).loss_curve_


def with_long_curves(model, n_epochs):
    """Return the model with a history of `n_epochs` epochs, all values 1."""
    model._history = History(Buffer(np.ones((4, n_epochs + 10)), n_epochs), n_epochs)
    return model


@every_method
def test_memory_use_of_a_call_does_not_grow_with_the_history(estimator_class):
    model = with_long_curves(streamed(estimator_class), 1_000_000)
    buffer = model._history.buffer
    model.partial_fit(X, Y)  # set-up of a first call is not measured
    tracemalloc.start()
    model.partial_fit(X, Y)
    copy.copy(model)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert model._history.buffer is buffer
    assert model.loss_curve_[-1] != 1.0
    assert peak < 1_000_000  # bytes; one curve has 8,000,000


@pytest.mark.parametrize("name", ["loss_curve_", "learning_rate_curve_"])
def test_an_unfitted_model_has_no_curves(name):
    assert not hasattr(BackpropMLPClassifier(), name)
    with pytest.raises(AttributeError, match=f"no {name}: it has not been fitted"):
        getattr(BackpropMLPClassifier(), name)
