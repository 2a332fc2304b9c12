"""Losses: functions of logits and labels, one value per sample, never of probabilities.

Each loss is combined with an output activation, because only together they have a simple
and stable gradient with respect to the logits. The loss of a confident error is |logit|
nats; a loss of clipped probabilities stops at 36 (scikit-learn issue #16117).
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from ..arrays import as_type, log1pexp, log_softmax, namespace, sigmoid, softmax


class Loss(NamedTuple):
    """A loss with its output activation."""

    # (logits (n, k), y) -> values (n,), in nats for log_loss, gradient (n, k) per logit.
    value_and_gradient: Callable
    # (probabilities (n, k), change of the logits (n, k)) -> change of the gradient, or
    # None if the loss is not convex.
    curvature: Callable | None
    predict_proba: Callable  # logits (n, k) -> probabilities (n, k)
    predict_log_proba: Callable  # logits (n, k) -> their logarithms (n, k)
    is_categorical: bool  # whether y holds class indices (n,), not 0 or 1 (n, k)


def binary_cross_entropy(logits, y):
    """Return -y log p - (1 - y) log(1 - p), summed over outputs, and its gradient p - y.

    Parameters
    ----------
    logits : array of shape (n_samples, n_outputs)
    y : array of shape (n_samples, n_outputs)
        0 or 1, in the dtype of the logits.
    """
    xp = namespace(logits)
    # log1pexp(-z) if y = 1, else log1pexp(z). Equal to log1pexp(z) - y z, but without
    # cancellation if the prediction is right and confident.
    values = log1pexp((1 - 2 * y) * logits)
    return xp.sum(values, axis=1), sigmoid(logits) - y


def categorical_cross_entropy(logits, y):
    """Return -log p_y and its gradient p - one_hot(y).

    Parameters
    ----------
    logits : array of shape (n_samples, n_classes)
    y : integer array of shape (n_samples,)
        Class indices.
    """
    xp = namespace(logits)
    target, log_proba = one_hot(y, logits), log_softmax(logits)
    return -xp.sum(target * log_proba, axis=1), xp.exp(log_proba) - target


def binary_squared_error(logits, y):
    """Return 1/2 (p - y)^2 with p = sigmoid(logit), summed over outputs, and its gradient.

    Shapes as in `binary_cross_entropy`. By the chain rule the gradient is
    (p - y) p (1 - p); 1 - p is computed as sigmoid(-logit), accurate even if p is near 1.
    """
    xp = namespace(logits)
    proba = sigmoid(logits)
    error = proba - y
    gradient = error * (proba * sigmoid(-logits))
    return 0.5 * xp.sum(error * error, axis=1), gradient


def categorical_squared_error(logits, y):
    """Return 1/2 ||p - one_hot(y)||^2 with p = softmax(logits), and its gradient.

    Shapes as in `categorical_cross_entropy`. The softmax's Jacobian is diag(p) - p p^T, so
    with e = p - one_hot(y) the gradient is p (e - sum_j e_j p_j).
    """
    xp = namespace(logits)
    proba = softmax(logits)
    error = proba - one_hot(y, logits)
    gradient = proba * (error - xp.sum(error * proba, axis=1, keepdims=True))
    return 0.5 * xp.sum(error * error, axis=1), gradient


def binary_curvature(proba, change):
    """Return p (1 - p) dz: the change of the gradient p - y if logits change by dz."""
    return proba * (1 - proba) * change


def categorical_curvature(proba, change):
    """Return p (dz - sum_j p_j dz_j): the change of p - one_hot(y) for dz."""
    xp = namespace(proba)
    return proba * (change - xp.sum(proba * change, axis=1, keepdims=True))


def one_hot(y, logits):
    """Return y (n,) one-hot encoded, in the shape and dtype of `logits`."""
    xp = namespace(logits)
    classes = xp.arange(logits.shape[1], dtype=y.dtype, device=y.device)
    return as_type(y[:, None] == classes, logits.dtype)


def log_sigmoid(logits):
    """Return log sigmoid(z) = -log(1 + exp(-z)), finite for any finite z."""
    return -log1pexp(-logits)


def binary(value_and_gradient, curvature=None):
    """Return the Loss of 0/1 labels, whose output activation is the sigmoid."""
    return Loss(value_and_gradient, curvature, sigmoid, log_sigmoid, False)


def categorical(value_and_gradient, curvature=None):
    """Return the Loss of class indices, whose output activation is the softmax."""
    return Loss(value_and_gradient, curvature, softmax, log_softmax, True)


# By (loss, output activation).
LOSSES = {
    ("log_loss", "logistic"): binary(binary_cross_entropy, binary_curvature),
    ("log_loss", "softmax"): categorical(categorical_cross_entropy, categorical_curvature),
    ("squared_error", "logistic"): binary(binary_squared_error),
    ("squared_error", "softmax"): categorical(categorical_squared_error),
}


@cache
def null_loss(loss, n_outputs):
    """Return the loss of the null model, whose logits are all zero; any y has the same.

    A single class has the loss 0: then return 1 nat, so that it can serve as a scale.
    """
    logits = np.zeros((1, n_outputs))
    y = np.zeros(1, dtype=np.int64) if loss.is_categorical else np.zeros_like(logits)
    values, _ = loss.value_and_gradient(logits, y)
    return float(values[0]) or 1.0
