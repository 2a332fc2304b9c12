"""Steps that read and write the same arrays, so that one can be recorded and replayed.

A step of reference.py takes arrays and returns new ones. Here it reads theta, slots,
average and total from buffers, and its results are written there. The order of the rows,
the Scalars and the masks of dropout of an epoch are on the device before its first step,
and a counter on the device tells which batch is next. So all steps on full batches are the
same operations on the same arrays. If the last batch is shorter, its step is another one.
"""

import numpy as np

from ..arrays import alike, moved_to, namespace, take, widest_float, zero_like
from ..objective import dropout
from ..rows import copy_of_rows
from ..types import Dataset
from . import reference
from .reference import Iterate, Scalars, arrays_of, copy_of


class StaticSteps:
    """The buffers of epochs on `data`, and the steps on them."""

    def __init__(self, problem, settings, data: Dataset):
        self.problem, self.settings, self.data = problem, settings, data
        n = data.n_samples
        self.batch_size = min(settings.batch_size, n)
        self.n_full, self.n_rest = divmod(n, self.batch_size)
        xp, X, n_batches = namespace(data.X), data.X, self.n_full + (self.n_rest > 0)
        parameters, wide = (problem.architecture.n_parameters,), widest_float(X)

        def zeros(shape, dtype):
            return xp.zeros(shape, dtype=dtype, device=X.device)

        self.iterate = Iterate(
            theta=zeros(parameters, X.dtype),
            slots=tuple(
                zeros(parameters, X.dtype) for _ in range(settings.optimizer.n_slots)
            ),
            average=zeros(parameters, wide) if settings.average_from else None,
            total=zeros((), wide),
        )
        # Not 0, by which steps before the first epoch would divide.
        self.scalars = 1 + zeros((n_batches, len(Scalars._fields)), X.dtype)
        self.order = xp.arange(n, dtype=xp.int64, device=X.device)
        self.number = zeros((1,), xp.int64)  # of the next full batch
        self.first = zeros((1,), xp.int64)
        self.masks = Masks(problem, settings, self.n_full, self.batch_size, X)
        self.last_masks = Masks(problem, settings, 1, self.n_rest, X)

    def load(self, step, iterate: Iterate, order, scalars: list[Scalars]):
        """Begin an epoch after `step` steps: set all buffers, order, Scalars and masks.

        None as order is that of the data.
        """
        self.masks.load(step + 1)
        self.last_masks.load(step + 1 + self.n_full)
        write(self.iterate, iterate)
        if order is not None:
            self.order[...] = moved_to(self.order, order)
        self.scalars[...] = alike(self.scalars, np.asarray(scalars))
        self.rewind()

    def rewind(self):
        """Return to the first full batch."""
        self.number[...] = 0 * self.number

    def full_step(self):
        """Take the step on the next full batch."""
        rows, masks = self.rows_of_next(), self.masks.of_batch(self.number)
        self.step(rows, take(self.scalars, self.number)[0, ...], masks)
        self.number += 1

    def rows_of_next(self):
        """Return the positions of the rows of the next full batch, or a slice of all."""
        if self.batch_size == self.data.n_samples:
            return slice(0, self.batch_size)
        full = self.order[: self.n_full * self.batch_size]
        table = namespace(full).reshape(full, (self.n_full, self.batch_size))
        return take(table, self.number)[0, ...]

    def last_step(self):
        """Take the step on the last batch, of `n_rest` rows."""
        rows = self.order[self.n_full * self.batch_size :]
        masks = self.last_masks.of_batch(self.first)
        self.step(rows, self.scalars[self.n_full, ...], masks)

    def step(self, rows, scalars, masks):
        """Take a step on these rows; `scalars` (3,) are its Scalars."""
        numbers = reference.scalars_in(scalars)
        batch = copy_of_rows(self.data, rows)
        after = reference.take_step(
            self.problem, self.settings, self.iterate, batch, numbers, masks
        )
        write(self.iterate, after)


class Masks:
    """The masks of dropout of an epoch's batches of one size."""

    def __init__(self, problem, settings, n_batches, n_rows, like):
        self.key, self.rates = settings.dropout_key, settings.dropout
        xp, widths = namespace(like), problem.architecture.layer_sizes[1:-1]
        # Which units of each layer are kept: a byte each. Without rates there is no mask.
        self.kept = [
            xp.zeros((n_batches, n_rows, width), dtype=xp.bool, device=like.device)
            if rate
            else None
            for rate, width in zip(self.rates, widths, strict=False)
        ]
        self.zero = zero_like(like)
        self.values = [self.zero + 1 / (1 - rate) for rate in self.rates]  # of those kept

    def load(self, step):
        """Draw the masks of the steps from this number on, counted from 1."""
        for layer, (kept, rate) in enumerate(zip(self.kept, self.rates, strict=True)):
            if kept is None or 0 in kept.shape:
                continue
            drawn = [
                dropout.kept_units(self.key, step + k, layer, rate, kept.shape[1:])
                for k in range(kept.shape[0])
            ]
            kept[...] = moved_to(kept, np.stack(drawn))

    def of_batch(self, number):
        """Return the masks of the batch of this number (1,); see `dropout.masks`."""
        if not self.kept:
            return None
        where = namespace(self.zero).where
        return [
            None if kept is None else where(take(kept, number)[0, ...], value, self.zero)
            for kept, value in zip(self.kept, self.values, strict=True)
        ]


def write(buffers: Iterate, iterate: Iterate):
    """Copy the arrays of an Iterate into those of `buffers` (OUT), if they are others."""
    for buffer, array in zip(arrays_of(buffers), arrays_of(iterate), strict=True):
        if array is not buffer:
            buffer[...] = array


def run_epoch(static: StaticSteps, steps, state, order, learning_rates, meanwhile=None):
    """Return the result of `reference.run_epoch`; arrays of the new state are copies.

    `steps` are the methods `full_step` and `last_step` of `static`, or replays of them.
    `meanwhile` is called while the device computes.
    """
    full_step, last_step = steps
    scalars = reference.scalars_of(static.settings, state, learning_rates)
    iterate = reference.first_iterate(static.settings, state)
    static.load(state.step, iterate, order, scalars)
    for _ in range(static.n_full):
        full_step()
    if static.n_rest:
        last_step()
    if meanwhile is not None:
        meanwhile()
    iterate = copy_of(static.iterate)
    objective = float(iterate.total / static.data.n_samples)
    return reference.state_after(state, iterate, scalars), objective
