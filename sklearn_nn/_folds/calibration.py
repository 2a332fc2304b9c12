"""Probabilities from logits and a temperature, and the temperature of least log-loss."""

from math import log

import numpy as np
from scipy.optimize import minimize_scalar

from .._engine.arrays import log_sum_exp, namespace, widened

# Bounds of log(temperature). Networks that need more have no information.
BOUND = np.log(20.0)
# Standard deviation of log(temperature) before any row is seen: it keeps the temperature
# of few rows near 1.
PRIOR = 0.5


def class_logits(logits, n_classes):
    """Return logits (n, n_classes), from one output, the log odds, if there are two."""
    if n_classes != 2:
        return logits
    xp = namespace(logits)
    return xp.concat([xp.zeros_like(logits), logits], axis=1)


def log_proba_of(logits, temperature=1.0):
    """Return the logarithm of the probabilities of logits (n, n_classes), in float64.

    The temperature divides the logits.
    """
    scaled = widened(logits) / temperature
    return scaled - log_sum_exp(scaled, axis=1)


def row_losses(logits, labels, temperature=1.0):
    """Return the log-loss (n,) of each row with these class indices, in nats."""
    log_proba = log_proba_of(logits, temperature)
    return -log_proba[np.arange(len(labels)), labels]


def best_temperature(logits, labels, weight) -> float:
    """Return the temperature of least log-loss.

    Parameters
    ----------
    logits : array of shape (n, n_classes)
    labels : array of shape (n,)
        Class indices.
    weight : array of shape (n,)
        Numbers of repetitions, > 0.

    Notes
    -----
    It minimises sum_i w_i loss_i + (log T)^2 / (2 PRIOR^2): one number for all classes,
    with a normal prior for log T. (Guo, Pleiss, Sun and Weinberger, "On calibration of
    modern neural networks", ICML 2017, https://arxiv.org/abs/1706.04599)
    """

    def objective(log_temperature):
        losses = row_losses(logits, labels, np.exp(log_temperature))
        prior = (log_temperature / PRIOR) ** 2 / 2
        return (np.sum(weight * losses) + prior) / np.sum(weight)

    found = minimize_scalar(
        objective, bounds=(-BOUND, BOUND), method="bounded", options={"xatol": 1e-4}
    )
    return float(np.exp(found.x))


def mean_log_proba(log_probas):
    """Return the logarithm of the mean probability of several networks."""
    stacked = namespace(log_probas[0]).stack(log_probas)
    return log_sum_exp(stacked, axis=0)[0, ...] - log(len(log_probas))
