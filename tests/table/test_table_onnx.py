"""One ONNX graph from numbers and strings to probabilities."""

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from frames import mixed_frame, quick
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix

from sklearn_nn import to_onnx


def run(model, feeds):
    """Return label and probabilities of an estimator's graph."""
    exported = to_onnx(model)
    onnx.checker.check_model(exported, full_check=True)
    session = onnxruntime.InferenceSession(
        exported.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    assert [given.name for given in session.get_inputs()] == list(feeds)
    return session.run(["label", "probabilities"], feeds)


def feeds_of(X):
    """Return the inputs of the graph for a frame: a column each."""
    feeds = {}
    for name in X:
        column = X[name].astype(object).where(X[name].notna(), None)
        is_string = any(isinstance(value, str) for value in column)
        if is_string:
            values = np.array(["" if v is None else v for v in column], dtype=object)
        else:
            values = np.array([np.nan if v is None else float(v) for v in column])
        feeds[name] = values[:, None]
    return feeds


def assert_same(model, feeds, X):
    """Assert that the graph predicts what the estimator does."""
    label, proba = run(model, feeds)
    assert_array_equal(label, model.predict(X))
    assert proba.dtype == np.float32
    assert_allclose(proba, model.predict_proba(X), atol=2e-6)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_frame_with_missing_values_is_predicted_the_same(n_classes):
    X, y = mixed_frame()
    if n_classes == 3:
        y = np.where(np.arange(len(y)) % 3 == 0, "maybe", y)
    model = quick().fit(X, y)
    assert len(model.encoders_[0].bins.column) > 0
    new, _ = mixed_frame(seed=1)
    new.loc[:9, "city"] = "Atlantis"
    new.loc[10:12, "age"] = 1e300
    assert_same(model, feeds_of(new), new)


def test_arrays_of_numbers_are_one_input():
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(80, 4)), np.arange(80) % 2
    X[::5, 1] = np.nan
    X[:, 2] = 7.0
    X[:, 0] += y
    assert_same(quick().fit(X, y), {"X": X}, X)
    sparse = quick().fit(csr_matrix(X), y)
    assert_same(sparse, {"X": X}, csr_matrix(X))


def test_numbers_and_booleans_as_categories_are_numbers():
    X = pd.DataFrame(
        {
            "level": np.arange(60) % 4 * 1.5,
            "flag": [True, False, None] * 20,
            "s": list("abcdef") * 10,
        }
    )
    X.loc[::7, "level"] = np.nan
    y = np.arange(60) % 2
    model = quick(categorical_features=["level", "flag", "s"]).fit(X, y)
    new = X.assign(level=X["level"] + (np.arange(60) > 50) * 100)
    assert_same(model, feeds_of(new), new)


def test_an_empty_string_may_be_a_category():
    X = pd.DataFrame({"s": ["", "b", "c"] * 20})
    model = quick().fit(X, np.arange(60) % 2)
    assert_same(model, feeds_of(X), X)


def test_one_class_is_exported():
    X = np.arange(20.0)[:, None]
    model = quick().fit(X, np.full(20, 3))
    assert_same(model, {"X": X}, X)


def test_a_column_with_the_name_of_an_output_is_an_error():
    X = pd.DataFrame({"label": np.arange(40.0)})
    with pytest.raises(ValueError, match=r"columns \['label'\] have names of outputs"):
        to_onnx(quick().fit(X, np.arange(40) % 2))
