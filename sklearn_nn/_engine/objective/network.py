"""The multilayer perceptron: forward pass to logits, backward pass to gradients."""

from typing import NamedTuple

from ..arrays import Matrix, Rows, affine, sum_over_rows
from ..types import Layer
from .activations import ACTIVATIONS


class Cache(NamedTuple):
    """Values that the forward pass saves for backpropagation."""

    inputs: list  # of each layer: X, then hidden outputs (n_samples, fan_in_l)
    saved: list  # of each hidden layer: z or f(z), see activations.Activation
    masks: list  # of each hidden layer: (n_samples, fan_out_l), or None
    logits: Matrix  # (n_samples, n_outputs)


def forward(layers: list[Layer], X: Rows, activations: tuple, masks=None) -> Cache:
    """Return the Cache of the forward pass for the rows of X (n_samples, n_features).

    Layers are ordered from the input side. There is one activation, and one mask or None
    (see dropout.py), for each hidden layer; the last layer is linear.
    """
    inputs, saved, masks = [X], [], masks or [None] * len(activations)
    hidden = zip(layers[:-1], activations, masks, strict=True)
    for (weight, intercept), name, mask in hidden:
        function, _, saves_input = ACTIVATIONS[name]
        z = affine(intercept, inputs[-1], weight)
        a = function(z)
        inputs.append(a if mask is None else a * mask)
        saved.append(z if saves_input else a)
    weight, intercept = layers[-1]
    return Cache(inputs, saved, masks, affine(intercept, inputs[-1], weight))


def backward(
    layers: list[Layer], cache: Cache, delta: Matrix, activations: tuple
) -> list[Layer]:
    """Return the gradient with respect to each layer, by backpropagation.

    `delta` (n_samples, n_outputs) is the derivative with respect to the logits; the other
    arguments are those of `forward`, and its Cache.

    References
    ----------
    D. Rumelhart, G. Hinton and R. Williams, "Learning representations by
    back-propagating errors", Nature 323, 1986.
    """
    gradients = []
    for number in reversed(range(len(layers))):
        layer, layer_input = layers[number], cache.inputs[number]
        # dJ/dW_l = a_{l-1}^T @ delta_l                      (fan_in_l, fan_out_l)
        # dJ/db_l = sum over samples of delta_l              (fan_out_l,)
        gradients.append(Layer(layer_input.T @ delta, sum_over_rows(delta)))
        if number:
            # delta_{l-1} = (delta_l @ W_l^T) * mask * f'(z_{l-1})  (n_samples, fan_in_l)
            saved, mask = cache.saved[number - 1], cache.masks[number - 1]
            delta = delta @ layer.weight.T
            delta = delta if mask is None else delta * mask
            activation = ACTIVATIONS[activations[number - 1]]
            delta = activation.multiply_derivative(delta, saved)
    return gradients[::-1]
