"""The multilayer perceptron: forward to logits, backward to gradients."""

from typing import Any, NamedTuple

from ..arrays import as_type, namespace, widest_float
from ..types import Layer
from .activations import ACTIVATIONS


class Forward(NamedTuple):
    """What came forth on the way forward, and is needed on the way back."""

    inputs: list  # what layer l received: X, then hidden outputs (n_samples, fan_in_l)
    kept: list  # of each hidden layer z or f(z), see activations.Activation
    masks: list  # of each hidden layer (n_samples, fan_out_l), or None
    logits: Any  # (n_samples, n_outputs)


def forward(layers, X, activations, masks=None):
    """Return the Forward of the rows of X.

    Parameters
    ----------
    layers : list of Layer
        Input side first.
    X : array or CSR matrix of shape (n_samples, n_features)
    activations : tuple of str
        One for each hidden layer; the last layer is linear.
    masks : list of arrays or None, optional
        What the outputs of each hidden layer are multiplied with; see dropout.py.

    Returns
    -------
    Forward
    """
    inputs, kept, masks = [X], [], masks or [None] * len(activations)
    hidden = zip(layers[:-1], activations, masks, strict=True)
    for (weight, intercept), name, mask in hidden:
        function, _, keeps_input = ACTIVATIONS[name]
        z = inputs[-1] @ weight + intercept
        a = function(z)
        inputs.append(a if mask is None else a * mask)
        kept.append(z if keeps_input else a)
    weight, intercept = layers[-1]
    return Forward(inputs, kept, masks, inputs[-1] @ weight + intercept)


def backward(layers, passed, delta, activations):
    """Return the gradient with respect to each layer, by backpropagation.

    Parameters
    ----------
    layers, activations
        As given to `forward`.
    passed : Forward
        What it returned.
    delta : array of shape (n_samples, n_outputs)
        Derivative of the objective with respect to the logits.

    Returns
    -------
    list of Layer
        Derivatives with respect to weights (fan_in, fan_out) and intercepts (fan_out,).

    References
    ----------
    D. Rumelhart, G. Hinton and R. Williams, "Learning representations by
    back-propagating errors", Nature 323, 1986.
    """
    xp = namespace(delta)
    gradients = []
    for number in reversed(range(len(layers))):
        layer, layer_input = layers[number], passed.inputs[number]
        # dJ/dW_l = a_{l-1}^T @ delta_l                      (fan_in_l, fan_out_l)
        # dJ/db_l = sum over samples of delta_l              (fan_out_l,)
        # float64, because a float32 sum over many rows loses digits.
        over_rows = xp.sum(delta, axis=0, dtype=widest_float(delta))
        over_rows = as_type(over_rows, delta.dtype)
        gradients.append(Layer(layer_input.T @ delta, over_rows))
        if number:
            # delta_{l-1} = (delta_l @ W_l^T) * mask * f'(z_{l-1})  (n_samples, fan_in_l)
            kept, mask = passed.kept[number - 1], passed.masks[number - 1]
            delta = delta @ layer.weight.T
            delta = delta if mask is None else delta * mask
            activation = ACTIVATIONS[activations[number - 1]]
            delta = activation.multiply_derivative(delta, kept)
    return gradients[::-1]
