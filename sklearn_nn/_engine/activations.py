"""Hidden activations: f(z), and f'(z) written through the output a = f(z)."""

from collections.abc import Callable
from typing import NamedTuple

from .arrays import as_type, namespace, sigmoid


class Activation(NamedTuple):
    """A function and how it multiplies what comes back through it."""

    function: Callable  # z -> a
    multiply_derivative: Callable  # (delta, a) -> delta * f'(z), with a = f(z)


def identity(z):
    """Return z."""
    return z


def tanh(z):
    """Return the hyperbolic tangent."""
    return namespace(z).tanh(z)


def relu(z):
    """Return max(z, 0) (Nair and Hinton 2010)."""
    xp = namespace(z)
    return xp.maximum(z, xp.zeros((), dtype=z.dtype, device=z.device))


def multiply_identity_derivative(delta, a):
    """f' = 1."""
    return delta


def multiply_logistic_derivative(delta, a):
    """f' = a (1 - a)."""
    return delta * (a * (1 - a))


def multiply_tanh_derivative(delta, a):
    """f' = 1 - a^2."""
    return delta * (1 - a * a)


def multiply_relu_derivative(delta, a):
    """f' = 1 where a > 0, and 0 at the kink, as in MLPClassifier."""
    return delta * as_type(a > 0, delta.dtype)


ACTIVATIONS = {
    "identity": Activation(identity, multiply_identity_derivative),
    "logistic": Activation(sigmoid, multiply_logistic_derivative),
    "tanh": Activation(tanh, multiply_tanh_derivative),
    "relu": Activation(relu, multiply_relu_derivative),
}
