"""The multilayer perceptron: forward to logits, backward to gradients."""

from .activations import ACTIVATIONS
from .arrays import as_type, namespace, widest_float
from .types import Layer


def forward(layers, X, activation):
    """Return each layer's input and the logits.

    Parameters
    ----------
    layers : list of Layer
        Input side first.
    X : array or CSR matrix of shape (n_samples, n_features)
    activation : str
        Of the hidden layers; the last layer is linear.

    Returns
    -------
    inputs : list of arrays
        inputs[l] is what layer l received: X, then hidden outputs (n_samples, fan_in_l).
    logits : array of shape (n_samples, n_outputs)
    """
    function = ACTIVATIONS[activation].function
    inputs = [X]
    for weight, intercept in layers[:-1]:
        inputs.append(function(inputs[-1] @ weight + intercept))
    weight, intercept = layers[-1]
    return inputs, inputs[-1] @ weight + intercept


def backward(layers, inputs, delta, activation):
    """Return the gradient with respect to each layer, by backpropagation.

    Parameters
    ----------
    layers, inputs, activation
        As given to and returned by `forward`.
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
    multiply_derivative = ACTIVATIONS[activation].multiply_derivative
    gradients = []
    for layer, layer_input in zip(reversed(layers), reversed(inputs), strict=True):
        # dJ/dW_l = a_{l-1}^T @ delta_l                      (fan_in_l, fan_out_l)
        # dJ/db_l = sum over samples of delta_l              (fan_out_l,)
        # float64, because a float32 sum over many rows loses digits.
        over_rows = xp.sum(delta, axis=0, dtype=widest_float(delta))
        over_rows = as_type(over_rows, delta.dtype)
        gradients.append(Layer(layer_input.T @ delta, over_rows))
        if layer_input is not inputs[0]:
            # delta_{l-1} = (delta_l @ W_l^T) * f'(z_{l-1})  (n_samples, fan_in_l)
            delta = multiply_derivative(delta @ layer.weight.T, layer_input)
    return gradients[::-1]
