"""Predictions from fitted layers, by compiled kernels if they support the data."""

import numpy as np
from scipy.sparse import issparse

from ..arrays import Rows, namespace, sigmoid, softmax
from ..objective.network import forward
from ..types import Layer
from . import compiled

# Outputs of the widest layer that are computed at once on a device: 256 MiB in float32.
NUMBERS_AT_ONCE = 2**26


def both_classes(logits):
    """Return the probabilities (n, 2) of two classes from one logit (n, 1)."""
    xp = namespace(logits)
    return sigmoid(xp.concat([-logits, logits], axis=1))


# Kinds of output: functions of the logits (n_samples, n_outputs).
OUTPUTS = {
    "logits": lambda logits: logits,
    "binary": both_classes,
    "logistic": sigmoid,
    "softmax": softmax,
}


def predict(layers: list[Layer], X: Rows, activations: tuple, output: str):
    """Return the network's output, and whether X is finite, or None if not checked.

    `output` is a key of OUTPUTS; the result has shape (n_samples, n_outputs), or 2 columns
    for 'binary'. The other arguments are those of `network.forward`.
    """
    if compiled.supports_layers(layers, X, activations):
        return compiled.predict(layers, X, activations, output)
    function, parts = OUTPUTS[output], parts_of(X, layers)
    if len(parts) == 1:
        return function(forward(layers, X, activations).logits), None
    predicted = [function(forward(layers, X[p, :], activations).logits) for p in parts]
    return namespace(X).concat(predicted, axis=0), None


def parts_of(X, layers):
    """Return slices of rows to predict one after the other: one for NumPy and CSR.

    A device has less memory than the host, and the forward pass keeps all hidden outputs.
    """
    n_rows = X.shape[0]
    if isinstance(X, np.ndarray) or issparse(X):
        return [slice(0, n_rows)]
    widest = max(intercept.shape[0] for _, intercept in layers)
    size = max(1, NUMBERS_AT_ONCE // widest)
    starts = range(0, n_rows, size)
    return [slice(start, min(start + size, n_rows)) for start in starts]


def checks_finite(layers: list[Layer]) -> bool:
    """Return whether `predict` checks if X is finite: only the kernels do."""
    return compiled.supports_depth(len(layers))
