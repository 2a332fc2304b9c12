"""The curves of a model over all calls, extended without copying."""

from dataclasses import dataclass, field

import numpy as np

from .._engine.arrays import Matrix
from .._engine.types import Curves

# Minimum number of free entries of a new buffer.
MIN_FREE = 8


class Buffer:
    """Values of epochs, one row for each of Curves, and the first free epoch.

    Copies of a model share a buffer, and threads may train them in parallel. So the first
    free epoch is the only item of a list: popping it is atomic, and a thread that finds the
    list empty makes its own buffer. (A lock would not survive a fork.)
    """

    def __init__(self, values, first_free):
        self.values = values  # (n_curves, at least first_free)
        self.first_free = [first_free]

    def reserves(self, start, stop):
        """Reserve the epochs from `start` to `stop`; return False if they are not free."""
        try:
            first_free = self.first_free.pop()
        except IndexError:
            return False
        is_free = first_free == start and stop <= self.values.shape[1]
        self.first_free.append(stop if is_free else first_free)
        return is_free


def empty_buffer():
    """Return a Buffer without an epoch."""
    return Buffer(np.empty((len(Curves._fields), 0)), 0)


@dataclass(frozen=True)
class History:
    """Values of each epoch of a model: the first `n_epochs` of a buffer.

    A history is immutable. Its extension shares the buffer and writes behind the last
    epoch, so that the cost of a call does not depend on the number of earlier epochs. A
    second extension (of a copy of the model, or after a failed call) finds these entries
    taken and copies the values to its own buffer.
    """

    buffer: Buffer = field(default_factory=empty_buffer)
    n_epochs: int = 0

    @classmethod
    def of(cls, values: Matrix) -> "History":
        """Return the History with these values (n_curves, n_epochs)."""
        n_epochs = values.shape[1]
        return cls(Buffer(values, n_epochs), n_epochs)

    def extended(self, curves: Curves) -> "History":
        """Return the History with the epochs of a run appended."""
        start, stop = self.n_epochs, self.n_epochs + len(curves.objectives)
        if start == stop:
            return self
        buffer = self.buffer
        if not buffer.reserves(start, stop):
            # It grows by a constant factor, so that on average each epoch is copied a
            # constant number of times.
            room = stop + max(MIN_FREE, start // 2)
            buffer = Buffer(np.empty((len(Curves._fields), room)), stop)
            buffer.values[:, :start] = self.values()
        buffer.values[:, start:stop] = curves
        return History(buffer, stop)

    def values(self) -> Matrix:
        """Return all values (n_curves, n_epochs), as a view."""
        return self.buffer.values[:, : self.n_epochs]

    def curve(self, name: str) -> list:
        """Return one of the curves as a list, with NaN for missing values."""
        return self.values()[Curves._fields.index(name)].tolist()
