"""Training of a network on the rows of a fold."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from .. import _fitted, _training
from .._data.labels import Encoding
from .._data.validation import ValidationRows
from .._engine.arrays import to_numpy
from .._engine.epochs import prediction
from .._engine.stopping import EndedBy
from .._engine.types import Validation
from .._methods import method_of
from .calibration import class_logits, row_losses


class Rows(NamedTuple):
    """Encoded rows of a fold."""

    X: Any  # (n, n_columns) float32, dense or CSR; on the device of the table
    labels: Any  # (n,) class indices
    weight: Any  # (n,) sample times class weight, or None


@dataclass
class HeldOut:
    """Held-out rows of a fold, and what the network of each epoch predicts for them."""

    rows: Rows
    is_judged: Any  # (n,) bool: rows that choose the epoch
    n_classes: int
    problem: Any = None  # of the engine, set when training begins
    logits: list = field(default_factory=list)  # of each epoch, (n, n_outputs)
    losses: list = field(default_factory=list)  # of each epoch, (n,) float32

    def __call__(self, theta):
        """Return the Validation of theta (n_parameters,)."""
        architecture = self.problem.architecture
        layers = architecture.layers(theta)
        logits, _ = prediction.predict(
            layers, self.rows.X, architecture.activations, "logits"
        )
        self.logits.append(to_numpy(logits))
        losses = row_losses(self.logits_at(-1), self.rows.labels)
        self.losses.append(losses.astype(np.float32))
        loss = self.judged_mean(losses)
        return Validation(loss, -loss)

    def logits_at(self, epoch):
        """Return the logits (n, n_classes) after an epoch, from 0."""
        return class_logits(self.logits[epoch], self.n_classes)

    def judged_mean(self, losses):
        """Return the mean loss of the judged rows, NaN if there is none."""
        judged, weight = self.is_judged, self.rows.weight
        if not judged.any():
            return np.nan
        weight = None if weight is None else weight[judged]
        return float(np.average(losses[judged], weights=weight))


def train_fold(network, encoding: Encoding, training: Rows, held_out: HeldOut, monitor):
    """Fit the network on the training rows; `held_out` gets the logits of each epoch.

    The network keeps the epoch of least loss on the held-out rows that are judged, or the
    last one if there is none. It learns all classes of the encoding, also those that the
    training rows lack.
    """
    network.early_stopping = bool(held_out.is_judged.any())
    method, classes = method_of(network), encoding.classes
    prepared = _training.prepare(
        network,
        method,
        training.X,
        classes[training.labels],
        training.weight,
        lambda y, fitted: encoding,
        ValidationRows(held_out.rows.X, classes[held_out.rows.labels]),
    )
    held_out.problem = prepared.problem
    run = _training.run(prepared._replace(validate=held_out), monitor)
    if run.ended_by is EndedBy.INTERRUPT:
        raise KeyboardInterrupt
    scale = prepared.weight_scale(run.state)
    _fitted.set_fitted(network, method, prepared.start, run, scale, prepared.like)
    return network
