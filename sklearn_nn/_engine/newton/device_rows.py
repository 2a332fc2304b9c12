"""The rows of a linear model on a device, in any array library: LinearRows for a GPU.

Points, gradients and Hessians are small: they move between device and host, and the algebra
of a step runs on the host in float64. All arrays with an element per row stay on the
device. Products with X have its dtype, and sums over the rows are in float64, which the
device must have.

X is not copied into standardised coordinates. For u = (x - m) / s,

    u V + c = x (V / s) + c - (m / s) V
    sum u^T d = (sum x^T d - m^T sum d) / s

Divisions by s, powers of two, do not round; but digits cancel if m is much larger than s,
and all digits of a constant column. Then, or if squares of x could overflow, `at` makes a
standardised copy.
"""

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from ..arrays import (
    Matrix,
    Vector,
    alike,
    as_type,
    moved_to,
    namespace,
    numpy_dtype,
    plus_multiple,
    to_numpy,
    widened,
)
from ..objective.losses import Loss, one_hot
from ..rows import copy_of_rows
from ..types import Dataset
from . import dual, linear_passes
from .coordinates import Coordinates, standardised_dense
from .linear_rows import (
    FAR_FROM_ZERO,
    MAX_HESSIAN_NUMBERS,
    ROWS_THAT_VARY,
    spread_index,
)

# Samples of fewer numbers of X take as long as this many: calls take most of the time.
LEAST_NUMBERS = 2**26
# Copies of rows have at most this many numbers, and those for the scales of features.
NUMBERS_AT_ONCE, NUMBERS_FOR_SCALES = 2**26, 2**22
# Squares of numbers of the size of these scales are finite, and not 0, in float32.
SMALLEST_SCALE, LARGEST_SCALE = 2.0**-40, 2.0**40


@dataclass(frozen=True)
class DeviceRows:
    """LinearRows whose arrays are on a device with float64."""

    data: Dataset  # without `rows`
    loss: Loss  # with a curvature
    held: Coordinates | None = None  # in which X is stored; only `at` sets them

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return self.data.n_samples

    @property
    def max_sample_size(self) -> int:
        """Number of rows: they are all in memory."""
        return self.n_samples

    @property
    def min_sample_size(self) -> int:
        """Smallest sample that costs less than all rows."""
        return LEAST_NUMBERS // self.data.X.shape[1]

    @cached_property
    def dtype(self):
        """Data type of X, as NumPy's."""
        return numpy_dtype(self.data.X)

    @property
    def values_per_row(self) -> float:
        """Number of features."""
        return self.data.X.shape[1]

    @cached_property
    def least_weight(self) -> float:
        """Smallest weight of a row, if their mean is 1."""
        weight = self.data.sample_weight
        return 1.0 if weight is None else float(namespace(weight).min(weight))

    @cached_property
    def total_weight(self) -> float:
        """Sum of the rows' weights."""
        weight = self.data.sample_weight
        return float(self.n_samples if weight is None else total_of(weight))

    def sample(self, n_samples: int, rng) -> "DeviceRows":
        """Return a copy of `n_samples` rows, one from each of n_samples equal parts."""
        if n_samples >= self.n_samples:
            return self
        index = moved_to(self.data.X, spread_index(n_samples, self.n_samples, rng))
        return DeviceRows(copy_of_rows(self.data, index), self.loss, self.held)

    def standardised(self, centred: bool) -> Coordinates:
        """Return Coordinates in which the rows have variance about 1.

        Of many rows, those at equal distances are used.
        """
        n_most = max(1, NUMBERS_FOR_SCALES // self.data.X.shape[1])
        X, weight = self.data.X, self.data.sample_weight
        xp, some = namespace(X), slice(None, None, -(-self.n_samples // n_most))
        if weight is None:
            weight = xp.ones(self.n_samples, dtype=xp.float64, device=X.device)
        X, weight = X[some, ...], widened(weight)[some]
        return standardised_dense(X, weight / xp.sum(weight), centred)

    def at(self, coordinates: Coordinates) -> "DeviceRows":
        """Return the same rows, as a standardised copy if digits of X could be lost."""
        X, (centre, scale) = self.data.X, coordinates
        is_far = np.abs(centre) > FAR_FROM_ZERO * scale
        is_extreme = (scale < SMALLEST_SCALE) | (scale > LARGEST_SCALE)
        is_constant = are_constant(X[: min(ROWS_THAT_VARY, self.n_samples), ...])
        if is_constant.any():
            is_constant = are_constant(X)
        if not (is_far | is_extreme | (is_constant & (centre != 0))).any():
            return self
        X = (X - alike(X, centre)) * alike(X, 1 / scale)
        return DeviceRows(self.data._replace(X=X), self.loss, coordinates)

    def widened(self) -> "DeviceRows":
        """Return the same rows in float64."""
        X, y, weight, _ = self.data
        y = y if y.ndim == 1 else widened(y)  # class indices stay integers
        weight = weight if weight is None else widened(weight)
        return DeviceRows(Dataset(widened(X), y, weight), self.loss)

    def evaluate(self, coordinates, point, needs_diagonal=True) -> "DeviceEvaluation":
        """Return the Evaluation at a point (n_features + 1, n_outputs).

        `needs_diagonal` is not used: the diagonal is lazy.
        """
        logits, total = self.logits(coordinates, point), self.total_weight
        values, delta = self.loss.value_and_gradient(logits, self.data.y)
        values, delta = self.weighted(values[:, None]), self.weighted(delta)
        gradient, loss = self.sums_and_total(coordinates, delta, values)
        proba = self.loss.predict_proba(logits)
        return DeviceEvaluation(loss / total, gradient / total, proba, self, coordinates)

    def diagonal(self, coordinates: Coordinates, proba) -> Matrix:
        """Return the diagonal of an Evaluation with these probabilities."""
        omega = self.bounds_of_curvature(proba)
        return self.sums_of_squares(coordinates, omega) / self.total_weight

    def bounds_of_curvature(self, proba):
        """Return weights times the larger of p (1 - p) and (p - y)^2, in this shape."""
        error = self.error_of(proba)
        return self.weighted(namespace(proba).maximum(proba * (1 - proba), error * error))

    def slope_along(self, coordinates: Coordinates, point: Matrix, move: Matrix):
        """Return the function length -> slope of the mean loss at point + length * move."""
        logits, change = (self.logits(coordinates, at) for at in (point, move))
        targets, factor = self.targets(logits), self.weighted(change)

        def slope(length):
            # Losses with a curvature have the gradient p - y.
            proba = self.loss.predict_proba(plus_multiple(logits, length, change))
            error = proba - targets
            return float(total_of(error * factor)) / self.total_weight

        return slope

    def hessian_product(self, coordinates, proba, damping, direction) -> Matrix:
        """Return the damped Hessian, at the point with `proba`, times a direction."""
        logit_change = self.logits(coordinates, direction)
        change = self.loss.curvature(proba, logit_change)
        if damping:
            error, xp = self.error_of(proba), namespace(proba)
            along = xp.sum(error * logit_change, axis=1, keepdims=True)
            change = change + damping * error * along
        return self.sums(coordinates, self.weighted(change)) / self.total_weight

    def hessian_cost(self, n_outputs: int) -> float:
        """Return about how many Hessian products take as long as its factored blocks.

        Times are in nanoseconds, rough ones of an NVIDIA H100: of the calls, of reading X,
        of its products, of moving the result, and of its Cholesky factor on the host.
        """
        n, p = self.data.X.shape
        if n_outputs * (p + 1) ** 2 > MAX_HESSIAN_NUMBERS:
            return np.inf
        reading = n * p * self.dtype.itemsize / 2500
        matrix = 4 * reading + n * p**2 / 2e4 + 9 * p**2 + 0.02 * p**3
        return (4e5 + n_outputs * matrix) / (2.4e5 + 2 * reading)

    def hessian_blocks(self, coordinates, proba, damping) -> np.ndarray:
        """Return the blocks (n_outputs, n_features + 1, n_features + 1) of the Hessian."""
        omega = proba * (1 - proba)
        if damping:
            omega = omega + damping * self.error_of(proba) ** 2
        root = namespace(proba).sqrt(self.weighted(omega))
        blocks = [self.block(coordinates, root[:, k]) for k in range(root.shape[1])]
        return np.stack(blocks) / self.total_weight

    def block(self, coordinates, root) -> Matrix:
        """Return the sum of root_i^2 [u_i, 1]^T [u_i, 1], for `root` (n_samples,)."""
        X, p, products, sums = self.data.X, self.data.X.shape[1], 0.0, 0.0
        total = total_of(root * root)
        for rows in self.chunks(p):
            V = X[rows, ...] * root[rows, None]
            products = products + widened(V.T @ V)
            sums = sums + widened(V.T @ root[rows])
        matrix = np.empty((p + 1, p + 1))
        matrix[:-1, :-1], matrix[-1, :-1], matrix[-1, -1] = on_host(products, sums, total)
        matrix[:-1, -1] = matrix[-1, :-1]
        held = self.seen(coordinates)
        inverse = np.append(1 / held.scale, 1.0)
        return held.centred_products(matrix * inverse * inverse[:, None])

    def hessian(self, coordinates, proba, damping) -> Matrix:
        """Return the damped Hessian (n_parameters, n_parameters); see linear_passes.py."""
        if proba.shape[1] == 1:
            return self.hessian_blocks(coordinates, proba, damping)[0]
        X, held, xp = self.data.X, self.seen(coordinates), namespace(proba)
        centre, inverse = alike(X, held.centre), alike(X, 1 / held.scale)
        root = xp.sqrt(self.weighted(xp.ones_like(proba[:, :1])))
        error, total, damped = self.error_of(proba), 0.0, 0.0
        products_of_rows = linear_passes.products_of_rows
        for rows in self.chunks(proba.shape[1] * (X.shape[1] + 1)):
            U = (X[rows, ...] - centre) * inverse * root[rows, ...]
            U = xp.concat([U, root[rows, ...]], axis=1)
            total = total - widened(products_of_rows(U, proba[rows, ...]))
            if damping:
                of_error = products_of_rows(U, error[rows, ...])
                damped = damped + damping * widened(of_error)
        total = linear_passes.with_diagonal_blocks(to_numpy(total), proba.shape[1])
        damped = to_numpy(damped) if damping else 0.0
        return (total + damped) / self.total_weight

    def dual(self, coordinates, proba, direction, has_intercept) -> dual.Dual:
        """Return the Dual of the point that a step in this direction predicts."""
        change, p = widened(self.logits(coordinates, direction)), widened(proba)
        target, xp = self.targets(p), namespace(p)
        shift, inverse = np.zeros(proba.shape[1]), None
        for _ in range(dual.MAX_STEPS):
            shares, relative = predicted(p, change + alike(p, shift)[None, :])
            a = (shares + shares * relative)[:, : target.shape[1]]
            error = self.weighted(a - target)
            sums = to_numpy(xp.sum(error, axis=0))
            if not has_intercept or dual.is_rounding(sums, self.n_samples, self.dtype):
                break
            if inverse is None:
                inverse = dual.inverse_of(self.curvature_of_outputs(p))
            shift = shift - inverse @ sums
        kl = xp.sum(shares * divergence(relative), axis=1, keepdims=True)
        residual, kl = self.sums_and_total(coordinates, error, self.weighted(kl))
        total = self.total_weight
        return dual.Dual(kl / total, residual / total)

    def curvature_of_outputs(self, p) -> Matrix:
        """Return the sum of w C, (n_outputs, n_outputs), for `p` in float64."""
        weighted, xp = self.weighted(p), namespace(p)
        if p.shape[1] == 1:
            return to_numpy(weighted.T @ (1 - p))
        return np.diag(to_numpy(xp.sum(weighted, axis=0))) - to_numpy(weighted.T @ p)

    def logits(self, coordinates: Coordinates, point: Matrix) -> Matrix:
        """Return the logits (n_samples, n_outputs) at a point."""
        X, xp = self.data.X, namespace(self.data.X)
        if not point.any():  # as at the start
            shape = self.n_samples, point.shape[1]
            return xp.zeros(shape, dtype=X.dtype, device=X.device)
        theta = self.seen(coordinates).theta_of(point).reshape(point.shape)
        theta = alike(X, theta)
        return X @ theta[:-1, :] + theta[-1:, :]

    def sums(self, coordinates: Coordinates, values: Matrix) -> Matrix:
        """Return the sum over the rows of [u_i, 1]^T values_i as float64, on the host."""
        return self.centred(coordinates, *on_host(*self.products(values)))

    def sums_and_total(self, coordinates: Coordinates, values: Matrix, others: Matrix):
        """Return `sums`, and the sum of `others` as a number; they move together."""
        products, sums, total = on_host(*self.products(values), total_of(others))
        return self.centred(coordinates, products, sums), float(total)

    def products(self, values: Matrix):
        """Return X^T values and sums of the values (1, n_outputs), in float64."""
        X, values = self.data.X, as_type(values, self.data.X.dtype)
        return widened(X.T @ values), total_of(values, axis=0)[None, :]

    def centred(self, coordinates: Coordinates, products: Matrix, sums: Matrix) -> Matrix:
        """Return the sums of [u_i, 1]^T values_i from those of [x_i, 1]^T values_i."""
        centre, scale = (column[:, None] for column in self.seen(coordinates))
        return np.vstack([(products - centre * sums) / scale, sums])

    def sums_of_squares(self, coordinates: Coordinates, values: Matrix) -> Matrix:
        """Return the sum over the rows of [u_i^2, 1]^T values_i, as `sums`."""
        X, held, squares = self.data.X, self.seen(coordinates), 0.0
        for rows in self.chunks(X.shape[1]):
            x = X[rows, ...]
            squares = squares + widened((x * x).T @ values[rows, ...])
        total = total_of(values, axis=0)[None, :]
        squares, sums, total = on_host(squares, widened(X.T @ values), total)
        # sum w (x - m)^2 = sum w x^2 - 2 m sum w x + m^2 sum w
        centre, scale = (column[:, None] for column in held)
        squares = squares - 2 * centre * sums + centre**2 * total
        return np.vstack([np.maximum(squares, 0.0) / scale / scale, total])

    def weighted(self, values):
        """Return values (n_samples, n_outputs) times the weights of the rows."""
        weight = self.data.sample_weight
        return values if weight is None else values * as_type(weight, values.dtype)[:, None]

    def error_of(self, proba):
        """Return the probabilities minus the targets."""
        return proba - self.targets(proba)

    def targets(self, proba):
        """Return the targets as 0 and 1, in the shape and dtype of the probabilities."""
        y = self.data.y
        return as_type(y, proba.dtype) if y.ndim == 2 else one_hot(y, proba)

    def seen(self, coordinates: Coordinates) -> Coordinates:
        """Return the coordinates relative to those in which X is stored."""
        if self.held is None:
            return coordinates
        centre, scale = self.held
        return Coordinates((coordinates.centre - centre) / scale, coordinates.scale / scale)

    def chunks(self, n_numbers: int):
        """Yield slices of the rows that have at most NUMBERS_AT_ONCE, n_numbers per row."""
        size = max(1, NUMBERS_AT_ONCE // n_numbers)
        for start in range(0, self.n_samples, size):
            yield slice(start, min(start + size, self.n_samples))


@dataclass(frozen=True, eq=False)
class DeviceEvaluation:
    """An Evaluation whose diagonal is computed when it is first asked for.

    It takes as long as all the rest, and steps by a matrix do without.
    """

    loss: float
    gradient: Matrix
    proba: Any
    rows: DeviceRows
    coordinates: Coordinates

    is_lazy = True

    @cached_property
    def diagonal(self) -> Matrix:
        """(n_features + 1, n_outputs), as that of an Evaluation."""
        return self.rows.diagonal(self.coordinates, self.proba)

    @cached_property
    def diagonal_of_intercepts(self) -> Vector:
        """(n_outputs,), the last row of the diagonal."""
        omega = self.rows.bounds_of_curvature(self.proba)
        return to_numpy(total_of(omega, axis=0)) / self.rows.total_weight


def are_constant(X) -> Vector:
    """Return whether each column of X (n, p) is constant."""
    xp = namespace(X)
    return to_numpy(xp.max(X, axis=0) == xp.min(X, axis=0))


def on_host(*arrays) -> list:
    """Return float64 arrays of the device as ndarrays, moved at once."""
    xp = namespace(arrays[0])
    flat = to_numpy(xp.concat([xp.reshape(array, (-1,)) for array in arrays]))
    parts, start = [], 0
    for array in arrays:
        end = start + prod(array.shape)
        parts.append(flat[start:end].reshape(array.shape))
        start = end
    return parts


def total_of(values, axis=None):
    """Return the sum in float64, on the device."""
    xp = namespace(values)
    return xp.sum(values, axis=axis, dtype=xp.float64)


def predicted(p, D):
    """Return shares of labels, and their relative changes to those of a; see dual.py.

    Both are (n, n_labels) in float64, for changes D (n, n_outputs) of the logits. The first
    labels are those of the logits.
    """
    xp = namespace(p)
    if p.shape[1] > 1:
        p = p / xp.sum(p, axis=1, keepdims=True)  # so that a step leaves one of them > 0
        relative = D - xp.sum(p * D, axis=1, keepdims=True)
        is_outside = xp.min(relative, axis=1, keepdims=True) < -1
        change = 1 + xp.maximum(relative, -xp.ones_like(p))
        total = xp.sum(p * change, axis=1, keepdims=True)
        return p, change / xp.where(is_outside, total, xp.ones_like(total)) - 1
    shares, others = xp.concat([p, 1 - p], axis=1), xp.concat([1 - p, p], axis=1)
    # Up to where a is 0 or 1; never 0 / 0.
    most = others / xp.maximum(shares, xp.full_like(p, np.finfo(np.float64).tiny))
    relative = xp.minimum(others * xp.concat([D, -D], axis=1), most)
    return shares, xp.maximum(relative, -xp.ones_like(p))


def divergence(e):
    """Return (1 + e) log(1 + e) - e >= 0 for e >= -1, by the series of dual.py if small."""
    xp = namespace(e)
    is_small = xp.abs(e) <= dual.SMALL
    small = xp.where(is_small, e, xp.zeros_like(e))
    large = xp.where(is_small | (e <= -1), xp.zeros_like(e), e)
    exact = (1 + large) * xp.log1p(large) - large
    exact = xp.where(e <= -1, xp.ones_like(e), exact)
    return xp.where(is_small, dual.series_of_divergence(small), exact)
