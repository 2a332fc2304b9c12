"""From fitted layers to predictions, by the fastest way there is."""

from ..arrays import namespace, sigmoid, softmax
from ..objective.network import forward
from . import compiled


def both_classes(logits):
    """Return the probabilities (n, 2) of two classes between which one logit decides."""
    xp = namespace(logits)
    return sigmoid(xp.concat([-logits, logits], axis=1))


# What can be asked for: a function of the logits (n_samples, n_outputs).
OUTPUTS = {
    "logits": lambda logits: logits,
    "binary": both_classes,
    "logistic": sigmoid,
    "softmax": softmax,
}


def predict(layers, X, activations, output):
    """Return what the network predicts, and whether X was found to be finite.

    Parameters
    ----------
    layers : list of Layer
        Input side first.
    X : array or CSR matrix of shape (n_samples, n_features)
    activations : tuple of str
        One for each hidden layer.
    output : a key of OUTPUTS

    Returns
    -------
    predicted : array of shape (n_samples, n_outputs), with 2 columns if 'binary'
    finite : bool, or None if nobody looked
    """
    if compiled.supports_layers(layers, X, activations):
        return compiled.predict(layers, X, activations, output)
    return OUTPUTS[output](forward(layers, X, activations).logits), None


def looks_for_finite(layers):
    """Say whether `predict` will look at it, in passing: only kernels do."""
    return compiled.supports_depth(len(layers))
