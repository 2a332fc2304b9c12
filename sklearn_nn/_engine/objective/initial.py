"""Where training of a network begins: how the parameters of each layer are drawn."""

from itertools import pairwise

import numpy as np

from ..types import Layer


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
    """Draw theta, layer after layer.

    Parameters
    ----------
    layer_sizes : tuple of int
        (n_features, *hidden_layer_sizes, n_outputs).
    activations : tuple of str
        One for each layer. The output layer has none of its own; MLPClassifier draws it
        like the hidden ones.
    rng : numpy.random.RandomState
    dtype : dtype of the returned vector
    init : a key of INITS

    Returns
    -------
    ndarray of shape (n_parameters,)

    References
    ----------
    X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward
    neural networks", AISTATS 2010.

    K. He, X. Zhang, S. Ren and J. Sun, "Delving deep into rectifiers: surpassing
    human-level performance on ImageNet classification", ICCV 2015,
    https://arxiv.org/abs/1502.01852
    """
    draw = INITS[init]
    layers = [
        draw(*fans, activation, rng)
        for fans, activation in zip(pairwise(layer_sizes), activations, strict=True)
    ]
    weights = [layer.weight.ravel() for layer in layers]
    return np.concatenate(weights + [layer.intercept for layer in layers]).astype(dtype)
