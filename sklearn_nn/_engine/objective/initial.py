"""Initial parameters of a network: how each layer is drawn."""

from functools import partial

import numpy as np

from ..types import Architecture, Layer

# Numbers that are drawn at once: their float64 stays in the cache.
NUMBERS_AT_ONCE = 2**14


def mlp_classifier(layer: Layer, activation, rng):
    """Draw a layer (OUT) as scikit-learn's MLPClassifier does.

    Uniform in +-sqrt(f / (fan_in + fan_out)) with f = 2 for 'logistic' and 6 otherwise;
    first the weights, then the intercepts.
    """
    factor = 2.0 if activation == "logistic" else 6.0
    bound = np.sqrt(factor / sum(layer.weight.shape))
    fill(layer.weight, partial(rng.uniform, -bound, bound))
    fill(layer.intercept[None, :], partial(rng.uniform, -bound, bound))


def glorot(layer: Layer, activation, rng):
    """Draw weights of Glorot and Bengio 2010, equation 16; intercepts are 0."""
    bound = np.sqrt(6.0 / sum(layer.weight.shape))
    fill(layer.weight, partial(rng.uniform, -bound, bound))
    layer.intercept[...] = 0.0


def he(layer: Layer, activation, rng):
    """Draw weights of He et al. 2015, equation 10: normal; intercepts are 0."""
    fan_in = layer.weight.shape[0]
    fill(layer.weight, partial(rng.normal, 0.0, np.sqrt(2.0 / fan_in)))
    layer.intercept[...] = 0.0


def fill(array, draw):
    """Fill an array (n, k) (OUT) by calls of `draw` with a shape, in the order of rows."""
    size = max(1, NUMBERS_AT_ONCE // array.shape[1])
    for start in range(0, len(array), size):
        rows = array[start : start + size]
        rows[...] = draw(rows.shape)


# Each (layer (OUT), activation, rng).
INITS = {"auto": mlp_classifier, "glorot": glorot, "he": he}


def initial_theta(layer_sizes, activations, rng, dtype, init="auto"):
    """Draw theta (n_parameters,), layer after layer, in this dtype.

    `layer_sizes` are those of the Architecture. `activations` has one name for each layer.
    The output layer has no activation; its name only says how to draw it, as in
    MLPClassifier. `init` is a key of INITS.

    References
    ----------
    X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward
    neural networks", AISTATS 2010.

    K. He, X. Zhang, S. Ren and J. Sun, "Delving deep into rectifiers: surpassing
    human-level performance on ImageNet classification", ICCV 2015,
    https://arxiv.org/abs/1502.01852
    """
    architecture = Architecture(layer_sizes)
    theta = np.empty(architecture.n_parameters, dtype)
    for layer, activation in zip(architecture.layers(theta), activations, strict=True):
        INITS[init](layer, activation, rng)
    return theta
