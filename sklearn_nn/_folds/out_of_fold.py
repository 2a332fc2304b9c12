"""Out-of-fold predictions whose epoch and temperature the other folds have chosen.

A network that keeps the epoch of least loss on its held-out rows flatters itself on these
rows. So the epoch and the temperature with which a fold is scored are those that are best
for the held-out rows of all other folds. (With one fold there are no others: it is scored
after the last epoch, with temperature 1.)
"""

from typing import Any, NamedTuple

import numpy as np

from .calibration import best_temperature, log_proba_of
from .data import TrainingData
from .networks import Fold

# Means of probabilities are less extreme than those of single networks, from which the
# temperature is estimated: part of its logarithm is left for the mean of several. On 14
# tables, half of it was better than all of it or none, by less than 1 % of the log-loss.
PART_OF_MEAN = 0.5


class OutOfFold(NamedTuple):
    """Predictions for the rows that were held out, and how good they are."""

    log_proba: Any  # (n_rows, n_classes), mean over repetitions; NaN if never held out
    log_loss: float  # with sample weights, nats
    accuracy: float
    temperature: float  # of all folds


def out_of_fold(folds: list[Fold], data: TrainingData, calibrates) -> OutOfFold:
    """Return the out-of-fold predictions, and the temperature of the model."""
    losses = [np.array(fold.held_out.losses) for fold in folds]
    epochs = [chosen_epoch(folds, losses, k) for k in range(len(folds))]
    temperatures, temperature = [1.0] * len(folds), 1.0
    if calibrates:
        temperatures = [temperature_of(folds, epochs, k) for k in range(len(folds))]
        kept = [(fold.network.best_epoch_ or fold.network.n_iter_) - 1 for fold in folds]
        temperature = temperature_of(folds, kept)
        if len(folds) > 1:
            temperature **= PART_OF_MEAN
    log_proba = combined(folds, epochs, temperatures, data)
    return OutOfFold(log_proba, *scores_of(log_proba, data), temperature)


def combined(folds, epochs, temperatures, data: TrainingData):
    """Return the log-probabilities (n_rows, n_classes), the mean where folds overlap."""
    n_rows, n_classes = len(data.labels), len(data.encoding.classes)
    total, n_times = np.full((n_rows, n_classes), -np.inf), np.zeros(n_rows)
    for fold, epoch, temperature in zip(folds, epochs, temperatures, strict=True):
        rows = fold.split.held_out
        log_proba = log_proba_of(fold.held_out.logits_at(epoch), temperature)
        total[rows] = np.logaddexp(total[rows], log_proba)
        n_times[rows] += 1
    total[n_times == 0] = np.nan
    return total - np.log(np.maximum(n_times, 1))[:, None]


def scores_of(log_proba, data: TrainingData):
    """Return log-loss and accuracy of the rows that are not NaN, by sample weight."""
    rows = np.flatnonzero(~np.isnan(log_proba[:, 0]))
    weight = None if data.sample_weight is None else data.sample_weight[rows]
    losses = -log_proba[rows, data.labels[rows]]
    is_right = np.argmax(log_proba[rows], axis=1) == data.labels[rows]
    return tuple(float(np.average(v, weights=weight)) for v in (losses, is_right))


def others_of(folds: list[Fold], k: int | None) -> list:
    """Return (j, which rows) of the folds whose judged rows are not held out in fold k.

    None for k returns all folds.
    """
    own = [] if k is None else folds[k].split.held_out
    others = [
        (j, fold.split.is_judged & ~np.isin(fold.split.held_out, own))
        for j, fold in enumerate(folds)
    ]
    return [(j, chosen) for j, chosen in others if chosen.any()]


def chosen_epoch(folds, losses, k) -> int:
    """Return the epoch, from 0, of least mean loss of the rows of the other folds.

    `losses` has for each fold those of each epoch and row (n_epochs, n_held_out).
    """
    n_epochs = min(len(of_fold) for of_fold in losses)  # a callback may end some early
    total = np.zeros(n_epochs)
    others = others_of(folds, k)
    for j, chosen in others:
        weight = folds[j].held_out.rows.weight
        weight = np.ones(len(chosen)) if weight is None else weight
        total += losses[j][:n_epochs, chosen] @ weight[chosen]
    return int(np.argmin(total)) if others else n_epochs - 1


def temperature_of(folds, epochs, k=None) -> float:
    """Return the temperature of the other folds' rows, or of all rows if k is None."""
    logits, labels, weights = [], [], []
    for j, chosen in others_of(folds, k):
        held_out = folds[j].held_out
        logits.append(held_out.logits_at(epochs[j])[chosen])
        labels.append(held_out.rows.labels[chosen])
        weight = held_out.rows.weight
        weights.append(np.ones(chosen.sum()) if weight is None else weight[chosen])
    if not logits:
        return 1.0
    return best_temperature(*map(np.concatenate, (logits, labels, weights)))
