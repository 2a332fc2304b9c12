"""Networks that many tests begin with."""

from sklearn_nn._engine.objective.initial import initial_theta
from sklearn_nn._engine.types import Architecture


def network_of(layer_sizes, activation, fit_intercept=True):
    """Return the Architecture whose hidden layers all have this activation."""
    names = (activation,) * (len(layer_sizes) - 2)
    return Architecture(layer_sizes, names, fit_intercept)


def random_theta(architecture, rng, dtype):
    """Return parameters as `fit` begins with."""
    names = (*architecture.activations, "tanh")
    return initial_theta(architecture.layer_sizes, names, rng, dtype)
