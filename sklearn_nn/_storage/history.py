"""The curves of a model over all calls, which grow without being copied."""

import threading
from dataclasses import dataclass, field

import numpy as np

from .._engine.types import Curves

# Room left behind the last epoch, at least.
ROOM = 8
# Two threads may train two copies of one model, whose histories share a buffer.
CLAIM = threading.Lock()


class Buffer:
    """Numbers of epochs, one row for each of Curves, and how many epochs are taken."""

    def __init__(self, values, n_taken):
        self.values = values  # (n_curves, at least n_taken)
        self.n_taken = n_taken

    def takes(self, start, stop):
        """Return whether the epochs from `start` to `stop` were free, and take them."""
        with CLAIM:
            free = self.n_taken == start and stop <= self.values.shape[1]
            if free:
                self.n_taken = stop
        return free


def empty_buffer():
    """Return the Buffer of no epoch."""
    return Buffer(np.empty((len(Curves._fields), 0)), 0)


@dataclass(frozen=True)
class History:
    """What each epoch of a model came to: its first `n_epochs` of a buffer.

    A history is a value. The next one shares its buffer and writes behind the last epoch,
    so that a call costs the same however many epochs there were before. Who comes second,
    be it a copy of the model or the model itself after a call that failed, finds the place
    taken and goes on in a buffer of its own.
    """

    buffer: Buffer = field(default_factory=empty_buffer)
    n_epochs: int = 0

    @classmethod
    def of(cls, values):
        """Return the History with these values (n_curves, n_epochs)."""
        n_epochs = values.shape[1]
        return cls(Buffer(values, n_epochs), n_epochs)

    def extended(self, curves):
        """Return the History with the epochs of a run behind its own."""
        start, stop = self.n_epochs, self.n_epochs + len(curves.objectives)
        if start == stop:
            return self
        buffer = self.buffer
        if not buffer.takes(start, stop):
            # Longer by a constant factor: on average each epoch is copied a constant
            # number of times.
            room = stop + max(ROOM, start // 2)
            buffer = Buffer(np.empty((len(Curves._fields), room)), stop)
            buffer.values[:, :start] = self.values()
        buffer.values[:, start:stop] = curves
        return History(buffer, stop)

    def values(self):
        """Return all numbers (n_curves, n_epochs), a view."""
        return self.buffer.values[:, : self.n_epochs]

    def curve(self, name):
        """Return one of the curves as a list, NaN where an epoch has no value."""
        return self.values()[Curves._fields.index(name)].tolist()
