"""Curves over all calls grow in place, and nothing that shares them grows with them."""

import copy
import pickle
import tracemalloc

import numpy as np
import pytest
from methods import every_method
from sklearn.datasets import load_iris

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier
from sklearn_nn._data import sample_weights
from sklearn_nn._engine.types import Curves
from sklearn_nn._storage.history import History

NAN = float("nan")
X, Y = load_iris(return_X_y=True)


def run_of(*objectives, rate=NAN):
    """Return the Curves of a run with these objectives, without validation rows."""
    nothing = [NAN] * len(objectives)
    return Curves(list(objectives), [rate] * len(objectives), nothing, nothing)


# The history.


def test_epochs_follow_each_other():
    history = History().extended(run_of(3.0, 2.0)).extended(run_of(1.0))
    assert history.n_epochs == 3
    assert history.curve("objectives") == [3.0, 2.0, 1.0]


def test_a_curve_without_a_value_is_none():
    history = History().extended(run_of(3.0, 2.0))
    assert history.curve("learning_rates") is None
    assert History().curve("objectives") is None


def test_epochs_without_a_value_are_nan_once_others_have_one():
    history = History().extended(run_of(3.0)).extended(run_of(2.0, rate=0.5))
    np.testing.assert_equal(history.curve("learning_rates"), [NAN, 0.5])


def test_an_earlier_history_stays_as_it_was():
    before = History().extended(run_of(3.0))
    after = before.extended(run_of(2.0))
    assert after.values is before.values
    assert before.curve("objectives") == [3.0]


def test_epochs_after_a_call_that_failed_take_its_place():
    before = History().extended(run_of(3.0))
    before.extended(run_of(9.0))  # lost
    assert before.extended(run_of(2.0)).curve("objectives") == [3.0, 2.0]


def test_histories_of_two_models_part():
    mine = History().extended(run_of(3.0))
    theirs = mine.shared()
    mine, theirs = mine.extended(run_of(2.0)), theirs.extended(run_of(1.0))
    assert mine.curve("objectives") == [3.0, 2.0]
    assert theirs.curve("objectives") == [3.0, 1.0]
    assert theirs.extended(run_of(0.0)).values is theirs.values  # it has its own now


def test_growth_copies_each_epoch_a_constant_number_of_times():
    history, n_copied = History(), 0
    for i in range(20_000):
        grown = history.extended(run_of(float(i)))
        n_copied += 0 if grown.values is history.values else history.n_epochs
        history = grown
    # A half more room at each copy: 2 copies of an epoch, and 1 for the last.
    assert n_copied < 3 * 20_000
    assert history.curve("objectives") == [float(i) for i in range(20_000)]


def test_trimmed_has_no_room():
    history = History().extended(run_of(3.0, 2.0)).trimmed()
    assert history.values.shape == (4, 2)
    assert history.curve("objectives") == [3.0, 2.0]


# Models.


def streamed(estimator_class):
    """Return a model after three calls of `partial_fit`."""
    model = estimator_class(random_state=0)
    for _ in range(3):
        model.partial_fit(X, Y, classes=[0, 1, 2])
    return model


@every_method
def test_a_list_that_a_user_holds_does_not_grow(estimator_class):
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
def test_a_copy_and_its_original_go_their_ways(estimator_class, copied):
    model = streamed(estimator_class)
    other, before = copied(model), model.loss_curve_
    model.partial_fit(X, Y)
    assert other.loss_curve_ == before
    other.partial_fit(X[::2], Y[::2])
    assert other.loss_curve_[:3] == model.loss_curve_[:3] == before
    assert other.loss_curve_[3] != model.loss_curve_[3]
    assert len(other.loss_curve_) == len(model.loss_curve_) == 4


@every_method
def test_curves_of_a_call_that_fails_are_lost(estimator_class):
    model = streamed(estimator_class)
    before = model.loss_curve_
    with pytest.raises(ValueError, match="labels"):
        model.partial_fit(X, Y + 1)
    assert model.loss_curve_ == before
    model.partial_fit(X, Y)
    again = streamed(estimator_class).partial_fit(X, Y)
    assert model.loss_curve_ == again.loss_curve_


@every_method
def test_curves_of_a_call_that_fails_at_its_very_end_are_lost(estimator_class, monkeypatch):
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


def test_an_interrupt_in_the_midst_of_growth_is_mended(monkeypatch):
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
def test_warm_starts_grow_the_same_curves_as_calls_in_a_new_process(estimator_class):
    model = estimator_class(random_state=0, warm_start=True, max_iter=2, tol=None)
    other = model.fit(X, Y)
    other = pickle.loads(pickle.dumps(model))
    assert model.fit(X, Y).loss_curve_ == other.fit(X, Y).loss_curve_


def with_long_curves(model, n_epochs):
    """Return the model, its curves longer by so many epochs."""
    values = np.ones((4, n_epochs + 10))
    model._history = History(values, n_epochs)
    return model


@every_method
def test_a_call_takes_no_memory_for_the_past(estimator_class):
    model = with_long_curves(streamed(estimator_class), 1_000_000)
    values = model._history.values
    model.partial_fit(X, Y)  # whatever a first call sets up
    tracemalloc.start()
    model.partial_fit(X, Y)
    copy.copy(model)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert model._history.values is values
    assert model.loss_curve_[-1] != 1.0
    assert peak < 1_000_000  # bytes; one curve has 8,000,000


@pytest.mark.parametrize("name", ["loss_curve_", "learning_rate_curve_"])
def test_a_model_that_is_not_fitted_has_no_curves(name):
    assert not hasattr(BackpropMLPClassifier(), name)
    with pytest.raises(AttributeError, match=f"no {name}: it has not been fitted"):
        getattr(BackpropMLPClassifier(), name)
