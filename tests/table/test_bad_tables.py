"""Bad tables and labels: each error says what was expected, what came, what to do."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
from frames import mixed_frame, quick
from scipy.sparse import csr_matrix
from sklearn.exceptions import NotFittedError
from sklearn.utils._param_validation import InvalidParameterError

from sklearn_nn import BackpropMLPClassifierCV

N = 40
Y = np.arange(N) % 2
DAYS = pd.date_range("2024-01-01", periods=N)


def table(**columns):
    """Return a frame with a column of numbers and others."""
    return pd.DataFrame({"x": np.arange(N) * 1.0, **columns})


def objects(*values):
    """Return N objects that repeat the values."""
    return pd.Series([values[i % len(values)] for i in range(N)], dtype=object)


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (table(when=DAYS), ValueError, "'when' holds dates.*days since a date"),
        (table(when=DAYS - DAYS[0]), ValueError, "'when' holds dates or times"),
        (table(when=DAYS.tz_localize("UTC")), ValueError, "'when' holds dates"),
        (table(when=DAYS.to_period("M")), ValueError, "'when' holds dates"),
        (table(when=objects(*DAYS)), TypeError, "'when' holds Timestamp.*days since"),
        (
            table(when=objects(datetime.date(2024, 1, 1))),
            TypeError,
            "'when' holds date.*weekday",
        ),
        (
            pl.from_dict({"d": [datetime.date(2024, 1, 1)] * N}),
            ValueError,
            "'d' holds dates",
        ),
        (table(m=objects("a", 1)), ValueError, "'m' mixes types: float.*str.*Convert it"),
        (table(m=objects("a", True)), ValueError, "'m' mixes types: bool"),
        (table(m=objects([1], [2])), TypeError, "'m' holds list"),
        (table(z=objects(1 + 2j)), TypeError, "'z' holds complex"),
        (
            table(y=[np.inf] + [1.0] * (N - 1)),
            ValueError,
            "'y' has an infinite value in row 0",
        ),
        (table(y=objects(1, -np.inf)), ValueError, "infinite value in row 1. Replace"),
        (np.full((N, 2), np.inf), ValueError, "infinity"),
        (np.arange(N), ValueError, "Expected 2D array"),
        (np.zeros((N, 2), dtype=complex), ValueError, "Complex data not supported"),
        (table()[:0], ValueError, "0 sample"),
        (table()[[]], ValueError, "0 feature"),
        (table()[:7], ValueError, "inconsistent numbers of samples"),
    ],
)
def test_a_bad_table_is_an_error(X, error, message):
    with pytest.raises(error, match=message):
        quick().fit(X, Y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.linspace(0, 1, N), "Unknown label type: continuous"),
        ([None] + ["a"] * (N - 1), "y contains missing labels: 1 of 40, first in row 0"),
        (
            ["b", pd.NA] + ["a"] * (N - 2),
            "y contains missing labels: 1 of 40, first in row 1",
        ),
        ([np.nan] + [1.0] * (N - 1), "Input y contains NaN"),
        (np.eye(N), "y should be a 1d array"),
        (None, "requires y to be passed"),
        (np.arange(N) // 2, "needs a class with at least 3 rows"),
    ],
)
def test_bad_labels_are_an_error(y, message):
    with pytest.raises(ValueError, match=message):
        quick().fit(table(), y)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"cv": 100}, "cv=100 needs a class with at least 100 rows.*Lower cv"),
        ({"cv": 1}, "'cv' parameter .* must be an int in the range .2, inf"),
        ({"categorical_features": ["z"]}, r"has \['z'\], which are not names"),
        ({"categorical_features": [7]}, r"has \[7\], and X has 2 columns"),
        ({"categorical_features": [True]}, "mask of 1 values for 2 columns"),
        ({"categorical_features": None}, "'s' holds strings, but is not among"),
        ({"hidden_layer_sizes": (0,)}, "hidden_layer_sizes must hold integers >= 1"),
        ({"dropout": [0.1]}, "dropout must have one entry for each hidden layer"),
    ],
)
def test_bad_parameters_are_an_error(parameters, message):
    X = table(s=objects("a", "b"))
    with pytest.raises(ValueError, match=message):
        quick(**{"hidden_layer_sizes": (8, 8), **parameters}).fit(X, Y)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_iter", 0),
        ("alpha", -1.0),
        ("learning_rate_init", True),
        ("cv", "five"),
        ("calibrate", "yes"),
        ("n_jobs", 1.5),
        ("categorical_features", "all"),
        ("class_weight", {0: -1}),
        ("batch_size", 0),
    ],
)
def test_invalid_parameters_are_named(name, value):
    with pytest.raises(InvalidParameterError, match=f"'{name}' parameter of Backprop.*CV"):
        quick(**{name: value}).fit(table(), Y)


def test_weights_are_checked():
    for weight, message in (
        (np.zeros(N), "All sample weights are zero"),
        (-np.ones(N), "Negative values"),
        (np.ones(N - 1), "sample_weight"),
    ):
        with pytest.raises(ValueError, match=message):
            quick().fit(table(), Y, sample_weight=weight)


def test_unknown_arguments_are_an_error():
    with pytest.raises(TypeError, match=r"unexpected arguments \['X_val'\]"):
        quick().fit(table(), Y, X_val=table())
    with pytest.raises(ValueError, match="groups must have one entry for each of the 40"):
        quick().fit(table(), Y, groups=[1, 2])
    with pytest.raises(ValueError, match=r"groups must have one entry .* \(40, 1\)"):
        quick().fit(table(), Y, groups=np.ones((40, 1)))
    with pytest.raises(ValueError, match="groups contains missing labels: 40 of 40"):
        quick().fit(table(), Y, groups=[None] * 40)


@pytest.fixture(scope="module")
def fitted():
    """Return a model and its table."""
    X, y = mixed_frame()
    return quick().fit(X, y), X


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: X.rename(columns={"age": "years"}), "unseen at fit time:\n- years"),
        (lambda X: X[X.columns[::-1]], "must be in the same order"),
        (lambda X: X.assign(new=1.0), "unseen at fit time:\n- new"),
        (lambda X: X.drop(columns="age"), "yet now missing:\n- age"),
        (lambda X: X.assign(age="old"), "'age' held numbers in fit, and now strings"),
        (lambda X: X.assign(city=1.0), "'city' held strings in fit, and now numbers"),
        (lambda X: X.assign(age=-np.inf), "'age' has an infinite value"),
        (lambda X: X.assign(age=DAYS[0]), "'age' holds dates"),
        (lambda X: X[:0], "0 sample"),
    ],
)
def test_a_table_with_other_columns_is_an_error(fitted, change, message):
    model, X = fitted
    with pytest.raises(ValueError, match=message):
        model.predict(change(X))


def test_a_sparse_matrix_has_no_categories():
    with pytest.raises(ValueError, match="cannot be used with a sparse X"):
        quick(categorical_features=[0]).fit(csr_matrix(np.ones((N, 2))), Y)


def test_prediction_before_fit_is_an_error():
    with pytest.raises(NotFittedError):
        BackpropMLPClassifierCV().predict(table())


# What is unusual but clear works.


def test_an_all_missing_and_a_one_category_column_are_no_information():
    X = table(missing=np.nan, none=objects(None), one=objects("a"))
    model = quick().fit(X, Y)
    encoder, encoded = model.encoders_[0], model.encoders_[0].transform(X)
    without = quick().fit(table(), Y).encoders_[0]
    is_shared = np.isin(encoder.get_feature_names_out(), without.get_feature_names_out())
    np.testing.assert_array_equal(encoded[:, is_shared], without.transform(table()))
    assert (encoded[:, ~is_shared] == encoded[0, ~is_shared]).all()
    assert model.predict(X).shape == (N,)


def test_unseen_categories_and_missing_values_are_predicted(fitted):
    model, X = fitted
    new = X[:4].assign(city="Atlantis", size=None, age=np.nan)
    assert np.isfinite(model.predict_proba(new)).all()


def test_a_column_that_is_missing_altogether_in_new_rows_is_predicted(fitted):
    model, X = fitted
    new = X[:4].astype(object)
    new[:] = None
    assert np.isfinite(model.predict_proba(new)).all()


def test_intervals_and_numbers_as_categories_are_categories():
    X = table(cut=pd.cut(np.arange(N), 4), number=pd.Categorical(np.arange(N) % 3))
    names = quick().fit(X, Y).encoders_[0].get_feature_names_out()
    assert "number_2.0" in names
    assert "cut_(-0.039, 9.75]" in names


def test_column_names_may_be_numbers():
    X = table(s=objects("a", "b", "c")).set_axis([0, 1], axis=1)
    model = quick().fit(X, Y)
    assert not hasattr(model, "feature_names_in_")
    assert model.predict(X).shape == (N,)
