"""Networks that many tests use."""

from sklearn_nn._engine.objective.initial import initial_theta
from sklearn_nn._engine.types import Architecture


def network_of(layer_sizes, activation, fit_intercept=True):
    """Return an Architecture whose hidden layers all have this activation."""
    names = (activation,) * (len(layer_sizes) - 2)
    return Architecture(layer_sizes, names, fit_intercept)


def random_theta(architecture, rng, dtype):
    """Return initial parameters, drawn as `fit` draws them."""
    names = (*architecture.activations, "tanh")
    return initial_theta(architecture.layer_sizes, names, rng, dtype)
