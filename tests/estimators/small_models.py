"""Small data and models for tests of bad input, and functions that compare models."""

import dataclasses
import re
import warnings

import numpy as np
import pytest

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier

CLASSES = [SGDLogisticClassifier, BackpropMLPClassifier]
every_class = pytest.mark.parametrize("estimator_class", CLASSES)

X = np.random.RandomState(0).randn(24, 3)
y = np.arange(24) % 2
MULTILABEL = np.column_stack([y, 1 - y, np.arange(24) % 3 == 0]).astype(int)


def small(estimator_class, **parameters):
    """Return an estimator that trains three epochs of three batches and never warns."""
    defaults = {"max_iter": 3, "tol": None, "batch_size": 8, "random_state": 0}
    if estimator_class is BackpropMLPClassifier:
        defaults["hidden_layer_sizes"] = (4,)
    return estimator_class(**{**defaults, **parameters})


def fit(model, X, y, sample_weight=None):
    """Fit from scratch."""
    return model.set_params(warm_start=False).fit(X, y, sample_weight=sample_weight)


def warm_fit(model, X, y, sample_weight=None):
    """Resume training by `fit` with warm_start=True."""
    return model.set_params(warm_start=True).fit(X, y, sample_weight=sample_weight)


def partial_fit(model, X, y, sample_weight=None):
    """Train one epoch by `partial_fit`, with all classes given."""
    return model.partial_fit(X, y, classes=[0, 1], sample_weight=sample_weight)


every_training = pytest.mark.parametrize("train", [fit, warm_fit, partial_fit])


def later_partial_fit(model, given_X, given_y, sample_weight=None):
    """Train by `partial_fit` on valid rows, then on the given ones."""
    return partial_fit(partial_fit(model, X, y), given_X, given_y, sample_weight)


any_call = pytest.mark.parametrize("train", [fit, partial_fit, later_partial_fit])
fit_and_partial_fit = pytest.mark.parametrize("train", [fit, partial_fit])


def plain(value):
    """Return `value` as nested built-in types that compare bit for bit."""
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, value.tobytes())
    if isinstance(value, np.random.RandomState):
        return plain(value.get_state())
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        return {field.name: plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *(plain(item) for item in value)]
    return value


def learned(model):
    """Return all fitted public attributes, comparable bit for bit."""
    return {
        name: plain(getattr(model, name))
        for name in dir(model)  # vars would lack the curves, which are properties
        if name.endswith("_") and not name.startswith("_") and hasattr(model, name)
    }


def with_entry(value):
    """Return X with one entry replaced by `value`."""
    changed = X.copy()
    changed[5, 1] = value
    return changed


def coefficients(model):
    """Return weights and intercepts of either estimator as one vector."""
    if isinstance(model, SGDLogisticClassifier):
        return np.concatenate([model.coef_.ravel(), model.intercept_])
    return np.concatenate([part.ravel() for part in model.coefs_ + model.intercepts_])


def error_of(train, model, X, y, sample_weight):
    """Return the message of the ValueError that training raises, or None."""
    try:
        train(model, X, y, sample_weight)
    except ValueError as error:
        return str(error)
    return None


def raises_or_gives_probabilities(model, X, y, sample_weight=None, train=fit):
    """Assert that training raises ValueError with a message, or gives finite numbers."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* has no effect")
        warnings.filterwarnings("ignore", ".* too few rows to be held out")
        message = error_of(train, model, X, y, sample_weight)
    if message is not None:
        assert re.search(r"\w+( \S+){3}", message), message
        return
    assert np.all(np.isfinite(coefficients(model)))
    proba = model.predict_proba(X)
    assert np.all(np.isfinite(proba))
    if np.ndim(y) == 1:
        # A float32 sum of three probabilities is off by less than 4 eps, 5e-7.
        np.testing.assert_allclose(proba.sum(axis=1), 1.0, rtol=0, atol=5e-7)
