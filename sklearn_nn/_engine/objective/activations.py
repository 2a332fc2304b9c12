"""Hidden activations: f(z), and f'(z) as a function of the output a = f(z), or of z."""

from collections.abc import Callable
from math import pi, sqrt
from typing import NamedTuple

from ..arrays import (
    log1pexp,
    namespace,
    normal_cdf,
    positive_part,
    sigmoid,
    where_positive,
    zero_like,
)

# Slope of 'leaky_relu' below 0, of Maas et al., and the default of other libraries.
LEAK = 0.01


class Activation(NamedTuple):
    """A function and its derivative."""

    function: Callable  # z -> a
    multiply_derivative: Callable  # (delta, saved) -> delta * f'(z)
    saves_input: bool = False  # whether `saved` is z; else it is a = f(z)


def identity(z):
    """Return z."""
    return z


def tanh(z):
    """Return the hyperbolic tangent."""
    return namespace(z).tanh(z)


def relu(z):
    """Return max(z, 0) (Nair and Hinton 2010)."""
    return positive_part(z)


def leaky_relu(z):
    """Return z, or 0.01 z below 0 (Maas, Hannun and Ng 2013)."""
    return namespace(z).maximum(z, LEAK * z)


def elu(z):
    """Return z, or exp(z) - 1 below 0 (Clevert, Unterthiner and Hochreiter 2016)."""
    xp = namespace(z)
    # `where` computes both branches, and the one not taken must not overflow.
    return xp.where(z > 0, z, xp.expm1(xp.minimum(z, zero_like(z))))


def silu(z):
    """Return z sigmoid(z) (Hendrycks and Gimpel 2016; Elfwing, Uchibe and Doya 2018)."""
    return z * sigmoid(z)


def gelu(z):
    """Return z Phi(z), Phi the normal distribution function (Hendrycks and Gimpel 2016)."""
    return z * normal_cdf(z)


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
    """f' = 1 if a > 0, else 0; at the kink 0, as in MLPClassifier."""
    return where_positive(delta, a)


def multiply_leaky_relu_derivative(delta, a):
    """f' = 1 if a > 0, else 0.01; at the kink 0.01."""
    return namespace(a).where(a > 0, delta, LEAK * delta)


def multiply_softplus_derivative(delta, a):
    """f' = sigmoid(z) = 1 - exp(-a)."""
    return delta * -namespace(a).expm1(-a)


def multiply_elu_derivative(delta, a):
    """f' = exp(z) = a + 1 if a < 0, else 1."""
    return delta * (1 + namespace(a).minimum(a, zero_like(a)))


def multiply_silu_derivative(delta, z):
    """f' = s (1 + z sigmoid(-z)), s = sigmoid(z)."""
    return delta * (sigmoid(z) * (1 + z * sigmoid(-z)))


def multiply_gelu_derivative(delta, z):
    """f' = Phi(z) + z phi(z), phi(z) = exp(-z^2 / 2) / sqrt(2 pi)."""
    density = namespace(z).exp(-0.5 * z * z) / sqrt(2 * pi)
    return delta * (normal_cdf(z) + z * density)


ACTIVATIONS = {
    "identity": Activation(identity, multiply_identity_derivative),
    "logistic": Activation(sigmoid, multiply_logistic_derivative),
    "tanh": Activation(tanh, multiply_tanh_derivative),
    "relu": Activation(relu, multiply_relu_derivative),
    "leaky_relu": Activation(leaky_relu, multiply_leaky_relu_derivative),
    "softplus": Activation(log1pexp, multiply_softplus_derivative),
    "elu": Activation(elu, multiply_elu_derivative),
    "silu": Activation(silu, multiply_silu_derivative, saves_input=True),
    "gelu": Activation(gelu, multiply_gelu_derivative, saves_input=True),
}
