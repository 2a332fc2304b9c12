"""A method that follows another keeps the coefficients and begins with empty memory."""

import copy
from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import make_classification

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier

X, Y = make_classification(3000, 8, n_informative=6, random_state=0)
# Ways to train: (parameters, whether by partial_fit).
LOGISTIC = {
    "auto": ({"learning_rate": "auto"}, False),
    "stream": ({"learning_rate": "auto"}, True),
    "momentum": ({"learning_rate": 0.05, "solver": "sgd"}, False),
    "average": ({"learning_rate": 0.05, "solver": "sgd", "average": True}, False),
    "adam": ({"learning_rate": 0.01, "solver": "adam"}, False),
    "chunk": ({"learning_rate": 0.01, "solver": "adam"}, True),
}
NETWORK = {
    "momentum": ({"solver": "sgd", "learning_rate": 0.05}, False),
    "adam": ({"solver": "adam", "learning_rate": 0.01}, False),
    "lbfgs": ({"solver": "lbfgs"}, False),
}
CLASSES = {SGDLogisticClassifier: LOGISTIC, BackpropMLPClassifier: NETWORK}
METHODS = {"auto": "newton", "stream": "stream", "lbfgs": "lbfgs"}  # all others: epochs
EXTRA = {BackpropMLPClassifier: {"hidden_layer_sizes": (4,)}}


def trained(model, ways, name, rows=slice(None)):
    """Train the model further in the way `name`."""
    parameters, by_chunk = ways[name]
    model.set_params(**{"average": False, **parameters} if ways is LOGISTIC else parameters)
    if by_chunk:
        return model.partial_fit(X[rows], Y[rows], classes=[0, 1])
    return model.fit(X[rows], Y[rows])


def without_memory(model):
    """Return a copy with the same coefficients and counters, but empty memory."""
    model, checkpoint = copy.copy(model), model._checkpoint
    model._checkpoint = replace(checkpoint, state=replace(checkpoint.state, memory=None))
    return model


def coefficients(model):
    """Return all coefficients as one vector."""
    layers = [np.concatenate([w.ravel(), b.ravel()]) for w, b in model._layers()]
    return np.concatenate(layers)


@pytest.mark.parametrize(
    ("public", "before", "after"),
    [
        (public, before, after)
        for public, ways in CLASSES.items()
        for before in ways
        for after in ways
        if METHODS.get(before, "epochs") != METHODS.get(after, "epochs")
        and (before, after) != ("auto", "stream")  # the next test
    ],
)
@pytest.mark.filterwarnings("ignore:max_iter")
@pytest.mark.filterwarnings("ignore:.* has no effect")
def test_another_method_ignores_the_memory_of_the_previous_one(public, before, after):
    ways = CLASSES[public]
    parameters = {
        "max_iter": 3,
        "warm_start": True,
        "random_state": 0,
        **EXTRA.get(public, {}),
    }
    model = trained(public(**parameters), ways, before, slice(0, 2000))
    fresh = without_memory(model)
    trained(model, ways, after, slice(1000, 3000))
    trained(fresh, ways, after, slice(1000, 3000))
    np.testing.assert_array_equal(coefficients(model), coefficients(fresh))
    # And back to the first method.
    fresh = without_memory(model)
    trained(model, ways, before)
    if (after, before) != ("auto", "stream"):
        np.testing.assert_array_equal(
            coefficients(model), coefficients(trained(fresh, ways, before))
        )


def test_a_stream_takes_over_the_memory_of_newton():
    model = SGDLogisticClassifier(random_state=0).fit(X[:2000], Y[:2000])
    fresh = without_memory(model)
    before = coefficients(model)
    model.partial_fit(X[2000:], Y[2000:])
    fresh.partial_fit(X[2000:], Y[2000:])
    # With 2000 rows in its memory, new rows change the model less.
    assert np.linalg.norm(coefficients(model) - before) < np.linalg.norm(
        coefficients(fresh) - before
    )
