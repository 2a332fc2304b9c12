"""Where training of a network begins."""

from itertools import pairwise

import numpy as np


def initial_theta(layer_sizes, activations, rng, dtype):
    """Draw theta as MLPClassifier does (Glorot and Bengio 2010, equation 16).

    Uniform in +-sqrt(f / (fan_in + fan_out)) with f = 2 for 'logistic' and 6 otherwise;
    per layer first the weights, then the intercepts.

    Parameters
    ----------
    layer_sizes : tuple of int
        (n_features, *hidden_layer_sizes, n_outputs).
    activations : tuple of str
        One for each layer, the last of which has none of its own: MLPClassifier draws it
        like the hidden ones.
    rng : numpy.random.RandomState
    dtype : dtype of the returned vector

    Returns
    -------
    ndarray of shape (n_parameters,)
    """
    weights, intercepts = [], []
    for fans, activation in zip(pairwise(layer_sizes), activations, strict=True):
        bound = np.sqrt((2.0 if activation == "logistic" else 6.0) / sum(fans))
        weights.append(rng.uniform(-bound, bound, fans[0] * fans[1]))
        intercepts.append(rng.uniform(-bound, bound, fans[1]))
    return np.concatenate(weights + intercepts).astype(dtype)
