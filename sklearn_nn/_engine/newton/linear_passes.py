"""Passes over the rows of a linear model: the sums that second-order methods need.

With rows u_i in standardised coordinates, logits z_i = u_i V + c, the gradient d_i and the
curvature C_i of the loss with respect to z_i, and weights w_i (sums over i, / sum w_i):

    loss        sum w_i loss(z_i, y_i)
    gradient    sum w_i u_i^T d_i                            (n_features + 1, n_outputs)
    diagonal    sum w_i (u_i^2)^T max(p_i (1 - p_i), d_i^2)  bounds the Hessian's
    product     sum w_i u_i^T (C_i + damping d_i d_i^T) (u_i D + e)
                the damped Hessian times a direction (D, e)

The last element of a row is 1, for the intercept. The diagonal has max(...) because
p_i (1 - p_i) is near 0 for a confidently wrong row, although its loss can still fall a lot.
d_i^2 is near 1 there, and both have the same mean if the model is right.

These are NumPy's passes, with the arguments of those of the kernels; they use `threads` for
Hessians only.
"""

import numpy as np
from scipy.sparse import issparse

from ..arrays import Matrix, Rows, namespace
from ..epochs import compiled
from ..objective.losses import one_hot
from ..rows import batches, copy_of_rows
from ..threads import ONE
from .coordinates import Coordinates

# Rows that are copied to standardised coordinates at once.
ROWS_AT_ONCE = 1024
# A thread computes so many columns of a Hessian at once, or all of a smaller Hessian of a
# batch; so many batches are added together, in their order.
TILE, BATCHES_TOGETHER = 256, 16


def evaluate(loss, data, coordinates, point, threads=ONE, needs_diagonal=True):
    """Return sums over the rows: loss, gradient, diagonal; and probabilities.

    The diagonal is None if it is not needed.
    """
    total, gradient = 0.0, np.zeros(point.shape)
    diagonal, probas = np.zeros(point.shape), []
    for batch in batches(data, None, ROWS_AT_ONCE):
        U = StandardisedRows(coordinates, batch.X)
        logits = U.logits(point)
        values, delta = loss.value_and_gradient(logits, batch.y)
        proba = loss.predict_proba(logits)
        omega = np.maximum(proba * (1 - proba), delta * delta)
        if batch.sample_weight is not None:
            values = values * batch.sample_weight
            delta = delta * batch.sample_weight[:, None]
            omega = omega * batch.sample_weight[:, None]
        total += float(values.sum(dtype=np.float64))
        gradient += U.sums(delta)
        if needs_diagonal:
            diagonal += U.sums_of_squares(omega)
        probas.append(proba)
    diagonal = diagonal if needs_diagonal else None
    return total, gradient, diagonal, np.concatenate(probas)


def hessian_product(loss, data, coordinates, proba, damping, direction, threads=ONE):
    """Return the sum over the rows of w_i u_i^T (C_i + damping d_i d_i^T) (u_i D + e)."""
    product, start = np.zeros(direction.shape), 0
    for batch in batches(data, None, ROWS_AT_ONCE):
        U = StandardisedRows(coordinates, batch.X)
        logit_change = U.logits(direction)
        p = proba[start : start + batch.n_samples]
        change = loss.curvature(p, logit_change)
        if damping:
            error = p - (batch.y if batch.y.ndim == 2 else one_hot(batch.y, p))
            along = (error * logit_change).sum(axis=1, keepdims=True)
            change = change + damping * error * along
        if batch.sample_weight is not None:
            change = change * batch.sample_weight[:, None]
        product += U.sums(change)
        start += batch.n_samples
    return product


def logits(loss, data, coordinates, point, threads=ONE):
    """Return u_i V + c of each row, of shape (n_samples, n_outputs)."""
    parts = batches(data, None, ROWS_AT_ONCE)
    return np.concatenate(
        [StandardisedRows(coordinates, batch.X).logits(point) for batch in parts]
    )


def weighted_sum(loss, data, coordinates, factors, threads=ONE):
    """Return the sum over the rows of [u_i, 1]^T factors_i."""
    total, start = np.zeros((data.X.shape[1] + 1, factors.shape[1])), 0
    for batch in batches(data, None, ROWS_AT_ONCE):
        values = factors[start : start + batch.n_samples].astype(data.X.dtype)
        total += StandardisedRows(coordinates, batch.X).sums(values)
        start += batch.n_samples
    return total


def hessian_blocks(loss, data, coordinates, proba, damping, threads=ONE):
    """Return for each output the sum of w_i (C_i + damping d_i^2) [u_i, 1]^T [u_i, 1].

    C_i is p (1 - p): blocks of a softmax's Hessian on its diagonal.
    """
    error = proba - (data.y if data.y.ndim == 2 else one_hot(data.y, proba))
    omega = proba * (1 - proba) + damping * error**2
    if data.sample_weight is not None:
        omega = omega * data.sample_weight[:, None]
    if issparse(data.X) and compiled.supports_passes(loss, data):
        X, rows = data.X, data.rows
        return np.stack(
            [compiled.sparse_hessian(X, rows, coordinates, column) for column in omega.T]
        )
    width, n_outputs = data.X.shape[1] + 1, proba.shape[1]
    root, total = np.sqrt(omega), np.zeros((n_outputs, width, width))
    starts = list(range(0, data.n_samples, ROWS_AT_ONCE))
    if width > TILE:
        for start in starts:
            for k, V in enumerate(weighted_rows(data, coordinates, root, start)):
                add_in_tiles(total[k], V, threads)
        return total + np.tril(total, -1).swapaxes(1, 2)

    def products(start):
        return [V.T @ V for V in weighted_rows(data, coordinates, root, start)]

    for first in range(0, len(starts), BATCHES_TOGETHER):
        for some in threads.map(products, starts[first : first + BATCHES_TOGETHER]):
            total += some
    return total


def weighted_rows(data, coordinates, root, start):
    """Yield for each output a batch's rows [u_i, 1], times `root`, in the same array."""
    rows = slice(start, min(start + ROWS_AT_ONCE, data.n_samples))
    U = rows_with_ones(coordinates, copy_of_rows(data, rows).X)
    V = None
    for column in root[rows].T:
        V = np.multiply(U, column[:, None], out=V)
        yield V


def add_in_tiles(total, V, threads):
    """Add V^T V to the lower half of total, a tile of columns per thread."""

    def add_tile(first):
        tile = slice(first, first + TILE)
        # A product with itself: BLAS computes only one half.
        total[tile, tile] += np.tril(V[:, tile].T @ V[:, tile])
        total[tile.stop :, tile] += V[:, tile.stop :].T @ V[:, tile]

    threads.map(add_tile, list(range(0, len(total), TILE)))


def softmax_hessian(data, coordinates, proba, damping):
    """Return the Hessian for several outputs, in the order of theta: feature, then output.

    C = diag(p) - p p^T, whose rows sum to 0. So the blocks of outputs k and l are those of
    the products of the rows u (x) p, Kronecker products, and those of k and k their sums:
    p (1 - p) itself would lose the digits of a p near 1.
    """
    n_features, n_outputs = data.X.shape[1], proba.shape[1]
    size = (n_features + 1) * n_outputs
    total, damped, start = np.zeros((size, size)), np.zeros((size, size)), 0
    for batch in batches(data, None, ROWS_AT_ONCE):
        p = proba[start : start + batch.n_samples]
        root = 1.0
        if batch.sample_weight is not None:
            root = np.sqrt(batch.sample_weight)[:, None]
        U = root * rows_with_ones(coordinates, batch.X)
        total -= products_of_rows(U, p)
        if damping:
            damped += damping * products_of_rows(U, p - one_hot(batch.y, p))
        start += batch.n_samples
    return with_diagonal_blocks(total, n_outputs) + damped


def with_diagonal_blocks(total, n_outputs):
    """Return a softmax's Hessian from its blocks of different outputs, changed in place."""
    n = len(total) // n_outputs
    blocks = total.reshape((n, n_outputs, n, n_outputs))
    for k in range(n_outputs):
        blocks[:, k, :, k] = 0.0
        blocks[:, k, :, k] = -blocks[:, k].sum(axis=2)
    return total


def products_of_rows(U, values):
    """Return the sum over the rows of (u (x) v)^T (u (x) v), in any array library."""
    rows = U[:, :, None] * values[:, None, :]
    rows = namespace(U).reshape(rows, (U.shape[0], -1))
    return rows.T @ rows


def rows_with_ones(coordinates: Coordinates, X: Rows) -> Matrix:
    """Return [u_i, 1] of each row as a dense matrix (n_samples, n_features + 1)."""
    X = X.toarray() if issparse(X) else X
    U = np.ones((X.shape[0], X.shape[1] + 1), dtype=X.dtype)
    np.subtract(X, coordinates.centre.astype(X.dtype), out=U[:, :-1])
    U[:, :-1] *= (1 / coordinates.scale).astype(X.dtype)  # powers of two: exact
    return U


class StandardisedRows:
    """Rows in standardised coordinates, of which sparse ones are centred implicitly."""

    def __init__(self, coordinates: Coordinates, X: Rows):
        self.U = coordinates.convert(X)
        self.centre = None  # (n_features, 1), that is still to be subtracted
        if issparse(X) and coordinates.centre.any():
            self.centre = (coordinates.centre / coordinates.scale)[:, None]

    def logits(self, point: Matrix) -> Matrix:
        """Return u_i V + c of each row."""
        intercept = point[-1:]
        if self.centre is not None:
            intercept = intercept - self.centre.T @ point[:-1]
        theta = np.vstack([point[:-1], intercept]).astype(self.U.dtype)
        return self.U @ theta[:-1] + theta[-1]

    def sums(self, values: Matrix) -> Matrix:
        """Return [U, 1]^T values as float64, of shape (n_features + 1, n_outputs)."""
        total = values.sum(axis=0, dtype=np.float64)
        sums = self.U.T @ values
        if self.centre is not None:
            sums = sums - self.centre * total
        return np.vstack([sums, total])

    def sums_of_squares(self, values: Matrix) -> Matrix:
        """Return [U^2, 1]^T values as float64, of shape (n_features + 1, n_outputs)."""
        total = values.sum(axis=0, dtype=np.float64)
        squares = self.U.multiply(self.U) if issparse(self.U) else self.U * self.U
        sums = squares.T @ values
        if self.centre is not None:
            sums = sums - 2 * self.centre * (self.U.T @ values) + self.centre**2 * total
            sums = np.maximum(sums, 0.0)
        return np.vstack([sums, total])
