"""Predictions from fitted layers, by compiled kernels if they support the data."""

from ..arrays import Rows, namespace, sigmoid, softmax
from ..objective.network import forward
from ..types import Layer
from . import compiled


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
    return OUTPUTS[output](forward(layers, X, activations).logits), None


def checks_finite(layers: list[Layer]) -> bool:
    """Return whether `predict` checks if X is finite: only the kernels do."""
    return compiled.supports_depth(len(layers))
