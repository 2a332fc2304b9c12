"""The curves of a model over all calls, which grow without being copied."""

from dataclasses import dataclass, field

import numpy as np

from .._engine.types import Curves

# Room left behind the last epoch, at least.
ROOM = 8


class Buffer:
    """Numbers of epochs, one row for each of Curves, and from which epoch on it is free.

    Two threads may train two copies of a model, whose histories share a buffer. So the
    number of the first free epoch is alone in a list: to pop it is atomic, and who finds
    the list empty does without. A lock would not outlive a fork.
    """

    def __init__(self, values, first_free):
        self.values = values  # (n_curves, at least first_free)
        self.first_free = [first_free]

    def takes(self, start, stop):
        """Return whether the epochs from `start` to `stop` were free, and take them."""
        try:
            first_free = self.first_free.pop()
        except IndexError:
            return False
        is_free = first_free == start and stop <= self.values.shape[1]
        self.first_free.append(stop if is_free else first_free)
        return is_free


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
