"""Estimators that train in a few milliseconds, and comparisons of two models."""

import numpy as np
import pytest
from methods import textbook_logistic
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier

# Few epochs, and tol=None so that they give no ConvergenceWarning.
QUICK = {
    SGDLogisticClassifier: {"tol": None, "random_state": 0},
    textbook_logistic: {
        "batch_size": 25,
        "max_iter": 30,
        "tol": None,
        "random_state": 0,
    },
    BackpropMLPClassifier: {
        "hidden_layer_sizes": (8,),
        "learning_rate_init": 0.02,
        "max_iter": 40,
        "tol": None,
        "random_state": 0,
    },
}

either_logistic = pytest.mark.parametrize(
    "logistic", [SGDLogisticClassifier, textbook_logistic]
)


def quick(estimator_class, **parameters):
    """Return an estimator that trains in a few milliseconds."""
    return estimator_class(**{**QUICK[estimator_class], **parameters})


def model_arrays(model):
    """Return all coefficients and intercepts of a fitted model."""
    if isinstance(model, SGDLogisticClassifier):
        return [model.coef_, model.intercept_]
    return [*model.coefs_, *model.intercepts_]


def assert_same_model(model, expected):
    """Assert that two fitted models are of one class and equal bit for bit."""
    assert type(model) is type(expected)
    for array, other in zip(model_arrays(model), model_arrays(expected), strict=True):
        assert_array_equal(array, other)


def assert_close_model(model, expected, rtol):
    """Assert that two fitted models are equal up to `rtol` of their largest value."""
    for array, other in zip(model_arrays(model), model_arrays(expected), strict=True):
        assert_allclose(array, other, rtol=rtol, atol=rtol * np.abs(other).max())


def differ(model, other):
    """Say whether two fitted models differ by much more than rounding."""
    pairs = zip(model_arrays(model), model_arrays(other), strict=True)
    return not all(np.allclose(array, array_2, rtol=1e-3) for array, array_2 in pairs)
