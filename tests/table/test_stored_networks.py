"""Copies, pickles, arrays and skops of networks for tables."""

import copy
import pickle

import numpy as np
import pytest
import skops.io
from frames import mixed_frame, quick
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sklearn_nn import BackpropMLPClassifierCV


@pytest.fixture(scope="module")
def fitted():
    """Return a fitted model and its table."""
    X, y = mixed_frame()
    return quick().fit(X, y), X


def by_arrays(model):
    """Return the model restored from its arrays, stored in a file without pickle."""
    state = model.get_state()
    assert all(array.dtype != object for array in state.values())
    return clone(model).set_state(state)


def by_skops(model):
    """Return the model restored by skops, which trusts only our classes."""
    dumped = skops.io.dumps(model)
    untrusted = skops.io.get_untrusted_types(data=dumped)
    assert all(name.startswith("sklearn_nn._mlp") for name in untrusted)
    return skops.io.loads(dumped, trusted=untrusted)


@pytest.mark.parametrize(
    "store",
    [by_arrays, by_skops, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))],
)
def test_a_stored_model_is_the_same(fitted, store):
    model, X = fitted
    restored = store(model)
    assert_array_equal(restored.predict_proba(X), model.predict_proba(X))
    assert_array_equal(restored.oof_predict_proba_, model.oof_predict_proba_)
    assert restored.feature_names_in_.tolist() == model.feature_names_in_.tolist()
    assert restored.cv_log_loss_ == model.cv_log_loss_
    names = [m.encoders_[0].get_feature_names_out().tolist() for m in (restored, model)]
    assert names[0] == names[1]


def test_arrays_go_through_a_file(fitted, tmp_path):
    model, X = fitted
    np.savez(tmp_path / "model.npz", **model.get_state())
    with np.load(tmp_path / "model.npz") as state:
        restored = BackpropMLPClassifierCV().set_state(state)
    assert_array_equal(restored.predict_proba(X), model.predict_proba(X))


def test_a_model_that_is_not_fitted_has_no_state():
    with pytest.raises(NotFittedError):
        BackpropMLPClassifierCV().get_state()


def edited(state, name, change):
    """Return the state with one array changed."""
    return {**state, name: change(state[name])}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fitted.encoders_.0.centre", r"encoders_\.0\.centre should be of the shape"),
        ("fitted.encoders_.1.levels.0", r"encoders_\.1\.levels\.0 should be of the shape"),
        (
            "fitted.encoders_.0.bins.start",
            r"encoders_\.0\.bins\.start should be of the shape",
        ),
        ("network_2.fitted.coefs_.0", r"network_2\..*coefs_\.0 should be of the shape"),
    ],
)
def test_an_edited_state_is_an_error_and_changes_nothing(fitted, name, message):
    model, X = fitted
    state = edited(model.get_state(), name, lambda array: array[:-1])
    other = copy.deepcopy(model)
    with pytest.raises(ValueError, match=message):
        other.set_state(state)
    assert_array_equal(other.predict_proba(X), model.predict_proba(X))


def test_bins_of_no_width_are_an_error(fitted):
    model, _ = fitted
    state = edited(model.get_state(), "fitted.encoders_.0.bins.width", np.zeros_like)
    with pytest.raises(ValueError, match="positive widths"):
        clone(model).set_state(state)


def put(value):
    """Return a function that sets the last entry of an array to this value."""

    def change(array):
        array = array.copy()
        array[-1] = value
        return array

    return change


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("root", put(10**6), r"forest\.root should be integers from 0 to \d+"),
        ("column", put(-1), r"forest\.column should be integers from 0"),
        ("vote", put(2), r"forest\.vote should be integers from 0 to 1,"),
        ("right", put(0), "children after their parents"),
        ("left", lambda array: array[::-1], "children after their parents"),
        ("threshold", put(np.nan), r"forest\.threshold should be"),
        ("vote", lambda array: array.astype(np.int64), r"forest\.vote should be"),
        ("shares", lambda array: array[:1], r"forest\.shares should be of the shape"),
    ],
)
def test_trees_that_could_read_elsewhere_or_never_end_are_an_error(
    fitted, part, change, message
):
    model, _ = fitted
    name = f"fitted.encoders_.0.forest.{part}"
    state = edited(model.get_state(), name, change)
    with pytest.raises(ValueError, match=message):
        clone(model).set_state(state)


def test_an_incomplete_state_is_an_error(fitted):
    model, _ = fitted
    for name in ("structure", "origin", "fitted.encoders_.0.centre", "network_0.structure"):
        state = model.get_state()
        del state[name]
        with pytest.raises(ValueError, match="does not fit"):
            BackpropMLPClassifierCV().set_state(state)


def test_the_state_of_another_class_is_an_error(fitted):
    model, _ = fitted
    with pytest.raises(ValueError, match=r"it is of the class BackpropMLPClassifier\."):
        BackpropMLPClassifierCV().set_state(model.estimators_[0].get_state())


def test_a_huge_number_of_levels_takes_no_memory(fitted):
    content = fitted[0].__getstate__()
    content["encoders_"][0]["fields"]["n_levels"]["tuple"][0] = 2**50
    with pytest.raises(ValueError, match=r"encoders_\.0\.levels\.0 should be \d+ levels"):
        BackpropMLPClassifierCV().__setstate__(content)
