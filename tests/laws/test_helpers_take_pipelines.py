"""A helper gives the same for a pipeline or search as for its classifier and its rows."""

import pickle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal, assert_equal
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from sklearn_nn import (
    BackpropMLPClassifier,
    BackpropMLPClassifierCV,
    LearningRateDisplay,
    SGDLogisticClassifier,
    check_gradient,
    learning_rate_range_test,
)
from sklearn_nn._data.steps import steps_of


@pytest.fixture(autouse=True)
def closed_figures():
    """Close the figures of each test."""
    yield
    plt.close("all")


def network(**parameters):
    """Return a network that trains in a moment."""
    return BackpropMLPClassifier((4,), max_iter=3, tol=None, random_state=0, **parameters)


def table():
    """Return a frame of numbers and strings, labels and weights."""
    rng = np.random.RandomState(0)
    y = np.arange(80) % 2
    frame = pd.DataFrame(
        {
            "age": rng.normal(40, 10, size=80) + 20 * y,
            "income": rng.normal(1e4, 3e3, size=80),
            "city": rng.choice(["Rome", "Oslo", "Bern"], size=80),
        }
    )
    return frame, y, rng.uniform(0.5, 2, size=80)


def columns(sparse=False):
    """Return a transformer of the columns of the table."""
    numbers = ("numbers", StandardScaler(), ["age", "income"])
    text = ("text", OneHotEncoder(sparse_output=sparse), ["city"])
    return ColumnTransformer([numbers, text], sparse_threshold=float(sparse))


def dense(*steps):
    """Return a pipeline that begins with the columns of the table."""
    return make_pipeline(columns(), *steps)


# The loss of the linear model falls at all smaller rates.
STEPS = {"n_steps": 30, "largest_rate": 1e3}


class Logarithm(TransformerMixin, BaseEstimator):
    """A transformer of a user, which has no fitted attribute."""

    def fit(self, X, y=None):
        """Learn nothing."""
        return self

    def transform(self, X):
        """Return the logarithm of 1 + |x|."""
        return np.log1p(np.abs(X))


GRID = {"backpropmlpclassifier__alpha": [1e-4, 1e-2]}
# From the table to the classifier, fitted or not.
PIPELINES = {
    "columns": dense(network()),
    "sparse": make_pipeline(columns(sparse=True), network()),
    "pandas": dense(network()).set_output(transform="pandas"),
    "names chosen": dense(SelectKBest(k=3), network()).set_output(transform="pandas"),
    "nested": dense(make_pipeline("passthrough", StandardScaler(), network())),
    "nested at the end": make_pipeline(dense(network())),
    "without attributes": dense(Logarithm(), network()),
    "linear": dense(SGDLogisticClassifier(random_state=0)),
}
SEARCHES = {
    "grid": GridSearchCV(PIPELINES["columns"], GRID, cv=2),
    "random": RandomizedSearchCV(PIPELINES["pandas"], GRID, n_iter=1, cv=2),
    "search inside": dense(GridSearchCV(network(), {"alpha": [1e-4, 1e-2]}, cv=2)),
}
every_pipeline = pytest.mark.parametrize("name", PIPELINES)
everything = pytest.mark.parametrize("name", [*PIPELINES, *SEARCHES])


def fitted(name):
    """Return a pipeline or search, fitted to the table, by its name."""
    X, y, _ = table()
    return clone({**PIPELINES, **SEARCHES}[name]).fit(X, y)


def by_hand(estimator, X):
    """Return classifier and transformed rows of a fitted pipeline or search."""
    while not isinstance(estimator, (BackpropMLPClassifier, SGDLogisticClassifier)):
        if isinstance(estimator, Pipeline):
            for step in estimator[:-1]:
                X = X if step == "passthrough" else step.transform(X)
            estimator = estimator.steps[-1][1]
        else:
            estimator = estimator.best_estimator_
    return estimator, X


# Checks before training.


@everything
def test_gradient_check_is_that_of_the_classifier_and_its_rows(name):
    X, y, weight = table()
    model = fitted(name)
    classifier, rows = by_hand(model, X)
    found = check_gradient(model, X, y, weight, n_parameters=10)
    expected = check_gradient(classifier, rows, y, weight, n_parameters=10)
    assert_equal(vars(found), vars(expected))
    assert found.max_error < 1e-6


@everything
def test_range_test_is_that_of_the_classifier_and_its_rows(name):
    X, y, weight = table()
    model = fitted(name)
    classifier, rows = by_hand(model, X)
    found = learning_rate_range_test(model, X, y, weight, **STEPS)
    expected = learning_rate_range_test(classifier, rows, y, weight, **STEPS)
    assert_equal(found._asdict(), expected._asdict())
    display = LearningRateDisplay.from_estimator(model, X, y, weight, **STEPS)
    assert_array_equal(display.losses, expected.losses)
    assert display.estimator_name == type(classifier).__name__


@every_pipeline
def test_steps_before_an_unfitted_classifier_are_fitted_on_a_copy(name):
    X, y, weight = table()
    model = clone(PIPELINES[name])
    before = pickle.dumps(model)
    found = learning_rate_range_test(model, X, y, weight, **STEPS)
    expected = learning_rate_range_test(fitted(name), X, y, weight, **STEPS)
    assert_equal(found._asdict(), expected._asdict())
    assert check_gradient(model, X, y, weight, n_parameters=10).max_error < 1e-6
    assert pickle.dumps(model) == before


@everything
def test_a_fitted_pipeline_is_not_changed(name):
    X, y, _ = table()
    model = fitted(name)
    before = pickle.dumps(model)
    check_gradient(model, X, y, n_parameters=5)
    learning_rate_range_test(model, X, y, **STEPS)
    assert pickle.dumps(model) == before


def test_steps_get_the_weights_that_they_request():
    X, y, weight = table()
    X = X[["age", "income"]]
    with config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=True)
        last = network().set_fit_request(sample_weight=True)
        model = make_pipeline(scaler, last)
        found = learning_rate_range_test(model, X, y, weight, **STEPS)
        rows = StandardScaler().fit(X, sample_weight=weight).transform(X)
        expected = learning_rate_range_test(last, rows, y, weight, **STEPS)
        assert_equal(found._asdict(), expected._asdict())
        model = make_pipeline(StandardScaler(), last)  # requests no weights
        found = learning_rate_range_test(model, X, y, weight, **STEPS)
    plain = make_pipeline(StandardScaler(), network())
    expected = learning_rate_range_test(plain, X, y, weight, **STEPS)
    assert_equal(found._asdict(), expected._asdict())


class Counter:
    """A callback that counts fits."""

    def __init__(self):
        self.n_fits = 0

    def setup(self, estimator, context):
        """Count."""
        self.n_fits += 1

    def teardown(self, estimator, context):
        """Do nothing."""

    def on_fit_task_begin(self, estimator, context):
        """Do nothing."""

    def on_fit_task_end(self, estimator, context):
        """Do nothing."""


def test_callbacks_are_not_called_by_checks():
    pytest.importorskip("sklearn.callback")
    X, y, _ = table()
    callback = Counter()
    model = dense(network().set_callbacks(callback))
    learning_rate_range_test(model, X, y, **STEPS)
    check_gradient(model, X, y, n_parameters=5)
    assert callback.n_fits == 0
    model.fit(X, y)
    n_fits = callback.n_fits
    learning_rate_range_test(model, X, y, **STEPS)
    check_gradient(model, X, y, n_parameters=5)
    assert callback.n_fits == n_fits > 0


# Names of features.


@everything
def test_names_are_those_of_the_classifiers_columns(name):
    X, _, _ = table()
    model = fitted(name)
    classifier, _ = by_hand(model, X)
    encoded = columns().fit(X).get_feature_names_out()
    if name == "names chosen":
        encoded = encoded[model["selectkbest"].get_support()]
    if name == "without attributes":
        assert steps_of(model).feature_names() is None
        return
    assert list(steps_of(model).feature_names()) == list(encoded)
    assert len(encoded) == classifier.n_features_in_


def test_steps_without_names_of_columns_give_none():
    X, y, _ = table()
    numbers = X[["age", "income"]]
    model = make_pipeline(FunctionTransformer(np.log), network())
    assert steps_of(model.fit(numbers.abs().to_numpy(), y)).feature_names() is None


# Errors.


def test_search_that_is_not_fitted_is_an_error():
    X, y, _ = table()
    unfitted, without = (clone(SEARCHES["grid"]).set_params(refit=r) for r in (True, False))
    for search in (unfitted, without.fit(X, y)):
        with pytest.raises(NotFittedError, match="GridSearchCV has no best_estimator_"):
            check_gradient(search, X, y)


@pytest.mark.parametrize("check", [check_gradient, learning_rate_range_test])
def test_error_names_the_last_step(check):
    X, y, _ = table()
    for last in (LogisticRegression(), BackpropMLPClassifierCV()):
        name = type(last).__name__
        with pytest.raises(TypeError, match=f"{check.__name__} needs .*; got {name}"):
            check(dense(last), X, y)
