"""Initial parameters of a network: how each layer is drawn."""

from itertools import pairwise

import numpy as np

from ..types import Architecture, Layer


def mlp_classifier(fan_in, fan_out, activation, rng):
    """Draw a layer as scikit-learn's MLPClassifier does.

    Uniform in +-sqrt(f / (fan_in + fan_out)) with f = 2 for 'logistic' and 6 otherwise;
    first the weights, then the intercepts.
    """
    bound = np.sqrt((2.0 if activation == "logistic" else 6.0) / (fan_in + fan_out))
    weight = rng.uniform(-bound, bound, (fan_in, fan_out))
    return Layer(weight, rng.uniform(-bound, bound, fan_out))


def glorot(fan_in, fan_out, activation, rng):
    """Draw weights of Glorot and Bengio 2010, equation 16; intercepts are 0."""
    bound = np.sqrt(6.0 / (fan_in + fan_out))
    return Layer(rng.uniform(-bound, bound, (fan_in, fan_out)), np.zeros(fan_out))


def he(fan_in, fan_out, activation, rng):
    """Draw weights of He et al. 2015, equation 10: normal; intercepts are 0."""
    weight = rng.normal(0.0, np.sqrt(2.0 / fan_in), (fan_in, fan_out))
    return Layer(weight, np.zeros(fan_out))


# Each (fan_in, fan_out, activation, rng) -> Layer.
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
    # Written layer after layer: a copy of all numbers in float64 takes as long as drawing.
    for views, fans, activation in zip(
        architecture.layers(theta), pairwise(layer_sizes), activations, strict=True
    ):
        drawn = INITS[init](*fans, activation, rng)
        views.weight[...], views.intercept[...] = drawn
    return theta
