"""The rows of a linear model, and what Newton's method asks of them.

`LinearRows` is the interface. Rows in memory are `LocalRows`, whose passes are those of the
kernels, or of linear_passes.py; rows on a GPU are `DeviceRows`, and those on the workers of
a cluster dask's ClusterRows.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from scipy.sparse import issparse

from ..arrays import Matrix, Vector
from ..epochs import compiled
from ..objective.losses import Loss
from ..rows import copy_of_rows, widened
from ..threads import ONE, Threads
from ..types import Dataset
from . import dual, linear_passes
from .coordinates import Coordinates, standardised

# Sparse columns whose mean is more than this number of deviations are shifted exactly.
FAR_FROM_ZERO = 10.0
# A column that varies among this many rows, the first ones, is not constant.
ROWS_THAT_VARY = 1000
# Blocks of a Hessian with more numbers are not formed.
MAX_HESSIAN_NUMBERS = 2**24


class Evaluation(NamedTuple):
    """Result of one pass at a point."""

    loss: float  # mean, nats per sample
    gradient: Matrix  # (n_features + 1, n_outputs), float64
    # (n_features + 1, n_outputs), bounds that of the loss's Hessian; None if not needed
    diagonal: Matrix | None
    proba: Any  # (n_samples, n_outputs), for Hessian products; ClusterRows has its own kind

    @property
    def is_lazy(self) -> bool:
        """Whether the diagonal is computed when it is first asked for."""
        return False

    @property
    def diagonal_of_intercepts(self) -> Vector:
        """(n_outputs,), the last row of the diagonal."""
        return self.diagonal[-1]


class LinearRows(Protocol):
    """What Newton's method asks of the rows, wherever they are."""

    @property
    def n_samples(self) -> int:
        """Number of rows."""

    @property
    def max_sample_size(self) -> int:
        """Largest sample that is in memory, and so costs less than all rows."""

    @property
    def min_sample_size(self) -> int:
        """Smallest sample that is worth drawing: a smaller one takes as long."""

    @property
    def dtype(self):
        """Data type of X, which bounds the accuracy of sums."""

    @property
    def values_per_row(self) -> float:
        """Number of features, or the mean number of stored values."""

    @property
    def least_weight(self) -> float:
        """Smallest weight of a row, if their mean is 1."""

    def sample(self, n_samples: int, rng) -> "LinearRows":
        """Return `n_samples` rows, spread evenly over their order, or all rows."""

    def standardised(self, centred: bool) -> Coordinates:
        """Return Coordinates in which the rows have variance about 1."""

    def at(self, coordinates: Coordinates) -> "LinearRows":
        """Return the same rows, prepared for passes in these coordinates."""

    def widened(self) -> "LinearRows":
        """Return the same rows in float64, if that is possible."""

    def evaluate(self, coordinates, point: Matrix, needs_diagonal=True) -> Evaluation:
        """Return the Evaluation at a point (n_features + 1, n_outputs).

        Its diagonal may be None if it is not needed. It may also be a record with the
        properties of an Evaluation.
        """

    def slope_along(self, coordinates: Coordinates, point: Matrix, move: Matrix):
        """Return the function length -> slope of the mean loss at point + length * move."""

    def hessian_product(self, coordinates, proba, damping, direction) -> Matrix:
        """Return the damped Hessian, at the point with `proba`, times a direction."""

    def hessian_cost(self, n_outputs: int) -> float:
        """Return about how many Hessian products take as long as its factored blocks."""

    def hessian_blocks(self, coordinates, proba, damping) -> np.ndarray:
        """Return the blocks (n_outputs, n_features + 1, n_features + 1) of the Hessian."""

    def hessian(self, coordinates, proba, damping) -> Matrix:
        """Return the damped Hessian (n_parameters, n_parameters)."""

    def dual(self, coordinates, proba, direction, has_intercept) -> dual.Dual:
        """Return the Dual of the point that a step in this direction predicts."""


def spread_index(n_samples: int, n_all: int, rng) -> Vector:
    """Return the number of a random row in each of `n_samples` equal parts of all rows."""
    positions = (np.arange(n_samples) + rng.uniform(size=n_samples)) / n_samples
    return np.minimum((positions * n_all).astype(np.int64), n_all - 1)


def largest_deviations(rows, centre: Vector) -> Vector:
    """Return the largest distance from the centre (p,) in each column of CSR rows (n, p).

    It is infinite for columns without all values.
    """
    largest = np.zeros(len(centre))
    np.maximum.at(largest, rows.indices, np.abs(rows.data - centre[rows.indices]))
    is_full = np.bincount(rows.indices, minlength=len(centre)) == rows.shape[0]
    return np.where(is_full, largest, np.inf)


@dataclass(frozen=True)
class LocalRows:
    """LinearRows in the memory of this process."""

    data: Dataset
    loss: Loss  # with a curvature
    shift: Vector | None = None  # (n_features,) subtracted from X; only `at` sets it
    threads: Threads = ONE  # of the passes

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return self.data.n_samples

    @property
    def max_sample_size(self) -> int:
        """Number of rows: any sample costs less than all of them."""
        return self.n_samples

    @property
    def min_sample_size(self) -> int:
        """A row: any sample takes less time than a larger one."""
        return 1

    @property
    def dtype(self):
        """Data type of X."""
        return self.data.X.dtype

    @property
    def values_per_row(self) -> float:
        """Number of features, or the mean number of stored values, at least 1."""
        X = self.data.X
        return max(1.0, X.nnz / X.shape[0]) if issparse(X) else X.shape[1]

    @property
    def least_weight(self) -> float:
        """Smallest weight of a row, if their mean is 1."""
        weight = self.data.sample_weight
        return 1.0 if weight is None else float(np.min(weight))

    def sample(self, n_samples: int, rng) -> "LocalRows":
        """Return `n_samples` of the rows, one from each of n_samples equal parts.

        So rows sorted by label, say, are represented evenly.
        """
        if n_samples >= self.n_samples:
            return self
        index = spread_index(n_samples, self.n_samples, rng)
        rows = index if self.data.rows is None else self.data.rows[index]
        weight = self.data.sample_weight
        weight = None if weight is None else weight[index]
        data = self.data._replace(y=self.data.y[index], sample_weight=weight, rows=rows)
        return LocalRows(data, self.loss, self.shift, self.threads)

    def standardised(self, centred: bool) -> Coordinates:
        """Return Coordinates in which the rows have variance about 1."""
        return standardised(copy_of_rows(self.data, slice(0, self.n_samples)), centred)

    def at(self, coordinates: Coordinates) -> "LocalRows":
        """Return the same rows, with sparse columns that need it shifted by their centres.

        Passes over sparse rows subtract centres from sums, which cancels digits if a mean
        is much larger than the deviation, or than those of all rows but a few far out: all
        digits of a constant column. Then nearly all values are stored. Columns with all
        values are shifted value by value in a copy of X, and stay sparse.
        """
        X, (centre, scale) = self.data.X, coordinates
        if not issparse(X):
            return self
        first = copy_of_rows(self.data, slice(0, min(ROWS_THAT_VARY, self.n_samples))).X
        spread = np.minimum(scale, largest_deviations(first, centre))
        may_be_shifted = np.abs(centre) > FAR_FROM_ZERO * spread
        if not may_be_shifted.any():
            return self
        rows = X if self.data.rows is None else X[self.data.rows]
        is_full = np.bincount(rows.indices, minlength=len(centre)) == self.n_samples
        shift = np.where(may_be_shifted & is_full, centre, 0.0)
        if not shift.any():
            return self
        values = (X.data - shift[X.indices]).astype(X.dtype)
        shifted = type(X)((values, X.indices, X.indptr), shape=X.shape)
        data = self.data._replace(X=shifted)
        return LocalRows(data, self.loss, shift, self.threads)

    def widened(self) -> "LocalRows":
        """Return the same rows in float64."""
        return LocalRows(widened(self.data), self.loss, None, self.threads)

    def evaluate(self, coordinates, point: Matrix, needs_diagonal=True) -> Evaluation:
        """Return the Evaluation at a point (n_features + 1, n_outputs).

        Its diagonal may be None if it is not needed.
        """
        arguments = point, self.threads, needs_diagonal
        sums = self.passes.evaluate(*self.seen(coordinates), *arguments)
        loss, gradient, diagonal, proba = sums
        total = self.total_weight()
        diagonal = None if diagonal is None else diagonal / total
        return Evaluation(loss / total, gradient / total, diagonal, proba)

    def slope_along(self, coordinates: Coordinates, point: Matrix, move: Matrix):
        """Return the function length -> slope of the mean loss at point + length * move."""
        logits, change = (self.logits(coordinates, at) for at in (point, move))
        data, total = self.data, self.total_weight()
        factor = change
        if data.sample_weight is not None:
            factor = change * data.sample_weight[:, None]

        def slope(length):
            delta = self.loss.value_and_gradient(logits + length * change, data.y)[1]
            return float(np.sum(delta * factor, dtype=np.float64)) / total

        return slope

    def hessian_product(self, coordinates, proba, damping, direction) -> Matrix:
        """Return the damped Hessian, at the point with `proba`, times a direction."""
        arguments = proba, damping, direction, self.threads
        product = self.passes.hessian_product(*self.seen(coordinates), *arguments)
        return product / self.total_weight()

    def hessian_cost(self, n_outputs: int) -> float:
        """Return about how many Hessian products take as long as its factored blocks.

        Times are in nanoseconds, rough ones of one machine with the kernels: of the calls,
        of the products of matrices, and of the Cholesky factors.
        """
        X, n, k, p = self.data.X, self.n_samples, n_outputs, float(self.data.X.shape[1])
        if k * (p + 1) ** 2 > MAX_HESSIAN_NUMBERS:
            return np.inf
        if issparse(X):
            stored = self.values_per_row
            product, rows = n * stored * k, n * stored**2 / 2 + 5 * p**2
        else:
            size = X.dtype.itemsize
            product = n * p * size * (0.05 + 0.02 * k)
            rows = n * p * size * (0.15 + 0.005 * p)
        return (2e5 + k * (rows + 0.02 * p**3)) / (1.5e5 + product)

    def hessian_blocks(self, coordinates, proba, damping) -> np.ndarray:
        """Return the blocks (n_outputs, n_features + 1, n_features + 1) of the Hessian."""
        arguments = proba, damping, self.threads
        blocks = linear_passes.hessian_blocks(*self.seen(coordinates), *arguments)
        return blocks / self.total_weight()

    def hessian(self, coordinates, proba, damping) -> Matrix:
        """Return the damped Hessian (n_parameters, n_parameters)."""
        if proba.shape[1] == 1:
            return self.hessian_blocks(coordinates, proba, damping)[0]
        _, data, seen = self.seen(coordinates)
        matrix = linear_passes.softmax_hessian(data, seen, proba, damping)
        return matrix / self.total_weight()

    def dual(self, coordinates, proba, direction, has_intercept) -> dual.Dual:
        """Return the Dual of the point that a step in this direction predicts."""
        change = self.logits(coordinates, direction)
        rows = dual.dual_rows(self.data, proba, change, has_intercept, self.threads)
        residual, total = self.weighted_sum(coordinates, rows.error), self.total_weight()
        return dual.Dual(rows.divergence / total, residual / total)

    def logits(self, coordinates: Coordinates, point: Matrix) -> Matrix:
        """Return the logits (n_samples, n_outputs) at a point."""
        return self.passes.logits(*self.seen(coordinates), point, self.threads)

    def weighted_sum(self, coordinates: Coordinates, factors: Matrix) -> Matrix:
        """Return the sum over the rows of [u_i, 1]^T factors_i, for factors (n, k)."""
        return self.passes.weighted_sum(*self.seen(coordinates), factors, self.threads)

    @property
    def passes(self):
        """The module whose functions pass over these rows: compiled, or of NumPy."""
        is_compiled = compiled.supports_passes(self.loss, self.data)
        return compiled if is_compiled else linear_passes

    def seen(self, coordinates: Coordinates):
        """Return the first arguments of a pass: with coordinates of X after its shift."""
        if self.shift is not None:
            coordinates = coordinates._replace(centre=coordinates.centre - self.shift)
        return self.loss, self.data, coordinates

    def total_weight(self) -> float:
        """Return the sum of the rows' weights."""
        weight = self.data.sample_weight
        return float(self.n_samples if weight is None else weight.sum(dtype=np.float64))
