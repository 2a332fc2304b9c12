"""Seconds that a model needs to reach a given training loss.

A faster epoch is no gain if more epochs are needed. Both models are trained epoch by epoch
(`partial_fit`). Each has the constant learning rate, from a short grid, that reaches the
loss in the minimum number of epochs. After each epoch the mean log-loss of all training
rows is computed, which is not timed. The target loss is slightly above the minimum; for
networks, it is a loss that the peer reaches in a few epochs.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from data import dense, images, standardised
from report import duration, three_digits
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from tasks import in_each_dtype, networks, sgd_classifier, sgd_logistic
from turns import seconds, summary

MOST_EPOCHS = 40
HEADER = (
    *("case", "dtype", "loss", "peer", "its rate", "epochs", "its time"),
    *("our rate", "epochs", "our time", "ratio to the loss", "ratio per epoch"),
)


class Course(NamedTuple):
    """A training run to a target loss: its epochs, its seconds and its final loss."""

    n_epochs: float  # infinite if the loss was not reached
    seconds: float
    loss: float


class Race(NamedTuple):
    """A peer and ours with the same target loss, each with the rates to try."""

    case: str
    target: Callable  # X, y -> target loss in nats per row
    peer: tuple  # model, name of its learning rate, values to try
    ours: tuple


def course(model, X, y, target):
    """Return the Course of a clone of the model."""
    # With an integer seed, some models would use the same row order in every epoch.
    model = clone(model).set_params(random_state=np.random.RandomState(0))
    classes, total = np.unique(y), 0.0
    for n_epochs in range(1, MOST_EPOCHS + 1):
        total += seconds(lambda: model.partial_fit(X, y, classes=classes), 1)
        loss = log_loss(y, model.predict_proba(X))
        if loss <= target:
            return Course(n_epochs, total, loss)
    return Course(np.inf, total, loss)


def best_rate(entry, X, y, target):
    """Return the model with the rate that needs the fewest epochs, and this rate."""
    model, name, rates = entry
    courses = {}
    for rate in rates:
        found = course(model.set_params(**{name: rate}), X, y, target)
        courses[rate] = found.n_epochs, found.loss
    rate = min(courses, key=courses.get)
    if courses[rate][0] == np.inf:
        raise RuntimeError(
            f"{model} reaches the loss {target:.4f} with no rate of {rates}."
        )
    return model.set_params(**{name: rate}), rate


def row_of(race, X, y, n_repeats):
    """Return the row of the table for a race on X and y."""
    target = race.target(X, y)
    found = [best_rate(entry, X, y, target) for entry in (race.peer, race.ours)]
    turns = [[course(model, X, y, target) for model, _ in found] for _ in range(n_repeats)]
    counts = np.array([[one.n_epochs for one in turn] for turn in turns])
    total = np.array([[one.seconds for one in turn] for turn in turns])
    times, each = summary(total), summary(total / counts)
    cells = [race.case, X.dtype.name, f"{target:.4f}", type(found[0][0]).__name__]
    for (_, rate), n_epochs, median in zip(found, counts[0], times[:2], strict=True):
        cells += [f"{rate:g}", f"{n_epochs:.0f}", duration(median)]
    return [*cells, three_digits(times.ratio), three_digits(each.ratio)]


def near_optimum(X, y):
    """Return a loss 0.2 % above the minimum; closer to it, chance decides."""
    model = LogisticRegression(C=np.inf, tol=1e-6).fit(X, y)
    return 1.002 * log_loss(y, model.predict_proba(X))


def fixed(loss):
    """Return a function of X and y that always returns `loss`."""
    return lambda X, y: loss


def races(quick):
    """Yield each Race and its data."""
    n_samples = 5000 if quick else 200_000
    rates = (0.0001, 0.0003, 0.001, 0.003)
    peer = sgd_classifier(), "eta0", rates
    name = f"T1, {n_samples:,} x 100"
    data = dense(n_samples, 100)
    for size in (1, 32):
        ours = sgd_logistic(batch_size=size), "learning_rate", [size * r for r in rates]
        yield Race(f"{name}, batches of {size}", near_optimum, peer, ours), data
    for name, data, loss in (
        ("digits, 100 hidden", standardised(load_digits), 0.05),
        ("784-100-10", images(2000 if quick else 10_000), 0.6),
    ):
        entries = [
            (model, "learning_rate_init", (0.001, 0.003, 0.01)) for model in networks()
        ]
        yield Race(name, fixed(loss), *entries), data


def rows(quick, n_repeats):
    """Return the rows of the table."""
    return [
        row_of(race, X, y, n_repeats)
        for race, (X64, y) in races(quick)
        for X in in_each_dtype(X64)
    ]
