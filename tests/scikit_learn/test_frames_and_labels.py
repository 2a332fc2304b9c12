"""Both estimators learn from data frames and from labels of every type."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from methods import every_method
from numpy.testing import assert_array_equal
from quick_models import assert_same_model, either_logistic, quick
from sklearn.base import clone
from sklearn.datasets import (
    load_breast_cancer,
)
from sklearn.feature_selection import SelectFromModel
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_nn import BackpropMLPClassifier

# Data frames.


@pytest.fixture(params=["pandas", "polars"])
def as_frame(request):
    """Return a function (X, names) -> data frame of pandas or polars."""
    if request.param == "pandas":
        return lambda X, names: pd.DataFrame(X, columns=names)
    return lambda X, names: pl.DataFrame(X, schema=names)


NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]


@every_method
def test_a_frame_gives_the_same_model_as_its_array(estimator_class, as_frame, iris):
    X, y = iris
    frame = as_frame(X, NAMES)
    model, expected = quick(estimator_class).fit(frame, y), quick(estimator_class).fit(X, y)
    assert_same_model(model, expected)
    assert_array_equal(model.predict_proba(frame), expected.predict_proba(X))
    assert model.feature_names_in_.tolist() == NAMES
    assert not hasattr(expected, "feature_names_in_")


@every_method
def test_partial_fit_keeps_the_first_feature_names(estimator_class, as_frame, iris):
    X, y = iris
    model = quick(estimator_class).partial_fit(as_frame(X, NAMES), y, classes=[0, 1, 2])
    assert model.feature_names_in_.tolist() == NAMES
    with pytest.raises(ValueError, match="feature names should match"):
        model.partial_fit(as_frame(X, NAMES[::-1]), y)


@every_method
def test_wrong_feature_names_are_an_error(estimator_class, as_frame, iris):
    X, y = iris
    model = quick(estimator_class).fit(as_frame(X, NAMES), y)
    for wrong in (NAMES[::-1], [*NAMES[:3], "colour"]):
        with pytest.raises(ValueError, match="feature names should match"):
            model.predict(as_frame(X, wrong))


@every_method
def test_missing_feature_names_give_a_warning(estimator_class, as_frame, iris):
    X, y = iris
    frame = as_frame(X, NAMES)
    named, nameless = quick(estimator_class).fit(frame, y), quick(estimator_class).fit(X, y)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        proba = named.predict_proba(X)
    with pytest.warns(UserWarning, match="fitted without feature names"):
        assert_array_equal(nameless.predict_proba(frame), proba)


@every_method
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_set_output_passes_names_to_the_model(estimator_class, library, as_frame, iris):
    X, y = iris
    frame = as_frame(X, NAMES)
    scaler = StandardScaler().set_output(transform=library)
    pipeline = make_pipeline(scaler, quick(estimator_class)).fit(frame, y)
    assert pipeline[-1].feature_names_in_.tolist() == NAMES
    X_scaled = StandardScaler().fit_transform(frame)
    assert isinstance(X_scaled, np.ndarray)
    assert_same_model(pipeline[-1], quick(estimator_class).fit(X_scaled, y))


@either_logistic
def test_set_output_passes_selected_names_to_the_model(logistic, cancer):
    X, y = cancer
    frame = pd.DataFrame(X, columns=load_breast_cancer().feature_names)
    sparse = quick(logistic, penalty="l1", alpha=0.05, max_iter=200)
    selector = SelectFromModel(sparse).set_output(transform="pandas")
    pipeline = make_pipeline(selector, quick(BackpropMLPClassifier)).fit(frame, y)
    kept = frame.columns[clone(sparse).fit(frame, y).coef_[0] != 0]
    assert pipeline[-1].feature_names_in_.tolist() == kept.tolist()
    assert_same_model(pipeline[-1], quick(BackpropMLPClassifier).fit(frame[kept], y))


@every_method
def test_columns_of_different_types_become_float64(estimator_class, iris):
    X, y = iris
    frame = pd.DataFrame(
        {
            "float32": X[:, 0].astype(np.float32),
            "int": np.round(X[:, 1]).astype(int),
            "bool": X[:, 2] > 0,
            "nullable": pd.array(np.round(X[:, 3]).astype(int), dtype="Int64"),
        }
    )
    model = quick(estimator_class).fit(frame, y)
    array = np.column_stack(
        [X[:, 0].astype(np.float32), np.round(X[:, 1]), X[:, 2] > 0, np.round(X[:, 3])]
    )
    assert array.dtype == np.float64
    assert_same_model(model, quick(estimator_class).fit(array, y))


# Labels.

LABELS = {
    "numpy strings": lambda names: names,
    "objects": lambda names: names.astype(object),
    "list": lambda names: names.tolist(),
    "pandas strings": pd.Series,
    "pandas Categorical": pd.Categorical,
    "series of categories": lambda names: pd.Series(pd.Categorical(names)),
    "polars strings": pl.Series,
    "polars Categorical": lambda names: pl.Series(names, dtype=pl.Categorical),
    # Its categories are not in the sorted order of classes_.
    "polars Enum": lambda names: pl.Series(
        names, dtype=pl.Enum(["virginica", "setosa", "versicolor"])
    ),
}


@every_method
@pytest.mark.parametrize("kind", LABELS)
def test_string_labels_of_every_type_give_the_same_model(estimator_class, kind, iris):
    X, y = iris
    names = np.array(["setosa", "versicolor", "virginica"])
    model = quick(estimator_class).fit(X, LABELS[kind](names[y]))
    expected = quick(estimator_class).fit(X, y)
    assert_same_model(model, expected)
    assert model.classes_.tolist() == names.tolist()
    assert_array_equal(model.predict(X), names[expected.predict(X)])
    assert model.score(X, LABELS[kind](names[y])) == expected.score(X, y) > 0.9


@every_method
@pytest.mark.parametrize("container", [np.array, list, pd.Series, pl.Series])
def test_bool_labels_stay_bool(estimator_class, container, hard_pair):
    X, y = hard_pair
    model = quick(estimator_class).fit(X, container(y.astype(bool).tolist()))
    expected = quick(estimator_class).fit(X, y)
    assert_same_model(model, expected)
    assert model.predict(X).dtype == bool
    assert_array_equal(model.predict(X), expected.predict(X) == 1)


@every_method
def test_keys_of_class_weight_are_the_labels(estimator_class, iris):
    X, y = iris
    names = np.array(["setosa", "versicolor", "virginica"])
    by_name = {"setosa": 1.0, "versicolor": 4.0, "virginica": 0.5}
    model = quick(estimator_class, class_weight=by_name).fit(X, pd.Series(names[y]))
    weight = np.array([1.0, 4.0, 0.5])[y]
    assert_same_model(model, quick(estimator_class).fit(X, y, sample_weight=weight))
