"""The curves of a model over all calls, which grow without being copied."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .._engine.types import Curves

# Room left behind a history's last epoch, at least.
ROOM = 8


def no_values():
    """Return the values of no epoch."""
    return np.empty((len(Curves._fields), 0))


@dataclass(frozen=True)
class History:
    """What each epoch of a model came to: one row of numbers for each of Curves.

    A history is a value. The next one shares its array and writes behind the last epoch,
    so that a call costs the same however many there were before. Only one model may do so:
    the history of a copy, which `shared` returns, goes on in an array of its own.
    """

    values: Any = field(default_factory=no_values)  # (n_curves, at least n_epochs)
    n_epochs: int = 0
    grows: bool = True  # whether the next epochs may be written into `values`

    def extended(self, curves):
        """Return the History with the epochs of a run behind its own."""
        n_before, n_epochs = self.n_epochs, self.n_epochs + len(curves.objectives)
        values = self.values
        if not self.grows or n_epochs > values.shape[1]:
            # By a constant factor, so that a call copies a constant number of epochs on
            # average.
            values = np.empty((len(values), n_epochs + max(ROOM, n_before // 2)))
            values[:, :n_before] = self.values[:, :n_before]
        values[:, n_before:n_epochs] = curves
        return History(values, n_epochs)

    def shared(self):
        """Return this History for another model."""
        return replace(self, grows=False)

    def trimmed(self):
        """Return the History without room behind it."""
        return History(self.values[:, : self.n_epochs].copy(), self.n_epochs)

    def curve(self, name):
        """Return a curve as a list, or None if no epoch has a value."""
        values = self.values[Curves._fields.index(name), : self.n_epochs]
        return None if np.isnan(values).all() else values.tolist()
