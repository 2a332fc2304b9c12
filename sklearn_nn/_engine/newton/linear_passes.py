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
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from scipy.sparse import issparse

from ..arrays import Matrix, Rows
from ..epochs import compiled
from ..objective.losses import Loss, one_hot
from ..rows import batches, copy_of_rows
from ..types import Dataset
from .coordinates import Coordinates, standardised

# Rows that are copied to standardised coordinates at once.
ROWS_AT_ONCE = 1024
# Limits up to which a Hessian matrix is formed: features, stored values per sparse row (it
# sums all their pairs), and parameters of a softmax (a block for each pair of outputs).
MAX_FEATURES, MAX_STORED_VALUES, MAX_SOFTMAX_PARAMETERS = 1500, 50, 150


class Evaluation(NamedTuple):
    """Result of one pass at a point."""

    loss: float  # mean, nats per sample
    gradient: Matrix  # (n_features + 1, n_outputs), float64
    diagonal: Matrix  # (n_features + 1, n_outputs), bounds that of the loss's Hessian
    proba: Any  # (n_samples, n_outputs), for Hessian products; ClusterRows has its own kind


class LinearRows(Protocol):
    """What Newton's method asks of the rows, wherever they are."""

    @property
    def n_samples(self) -> int:
        """Number of rows."""

    @property
    def max_sample_size(self) -> int:
        """Largest sample that is in memory, and so costs less than all rows."""

    @property
    def dtype(self):
        """Data type of X, which bounds the accuracy of sums."""

    def sample(self, n_samples: int, rng) -> "LinearRows":
        """Return `n_samples` rows, spread evenly over their order, or all rows."""

    def standardised(self, centred: bool) -> Coordinates:
        """Return Coordinates in which the rows have variance about 1."""

    def evaluate(self, coordinates: Coordinates, point: Matrix) -> Evaluation:
        """Return the Evaluation at a point (n_features + 1, n_outputs)."""

    def hessian_product(self, coordinates, proba, damping, direction) -> Matrix:
        """Return the damped Hessian, at the point with `proba`, times a direction."""

    def hessian(self, coordinates, proba, damping) -> Matrix | None:
        """Return the damped Hessian (n_parameters, n_parameters), or None if too large."""


@dataclass(frozen=True)
class LocalRows:
    """LinearRows in the memory of this process."""

    data: Dataset
    loss: Loss  # with a curvature

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return self.data.n_samples

    @property
    def max_sample_size(self) -> int:
        """Number of rows: any sample costs less than all of them."""
        return self.n_samples

    @property
    def dtype(self):
        """Data type of X."""
        return self.data.X.dtype

    def sample(self, n_samples: int, rng) -> "LocalRows":
        """Return `n_samples` of the rows, one from each of n_samples equal parts.

        So rows sorted by label, say, are represented evenly.
        """
        if n_samples >= self.n_samples:
            return self
        positions = (np.arange(n_samples) + rng.uniform(size=n_samples)) / n_samples
        index = (positions * self.n_samples).astype(np.int64)
        index = np.minimum(index, self.n_samples - 1)
        rows = index if self.data.rows is None else self.data.rows[index]
        weight = self.data.sample_weight
        weight = None if weight is None else weight[index]
        data = self.data._replace(y=self.data.y[index], sample_weight=weight, rows=rows)
        return LocalRows(data, self.loss)

    def standardised(self, centred: bool) -> Coordinates:
        """Return Coordinates in which the rows have variance about 1."""
        return standardised(copy_of_rows(self.data, slice(0, self.n_samples)), centred)

    def evaluate(self, coordinates: Coordinates, point: Matrix) -> Evaluation:
        """Return the Evaluation at a point (n_features + 1, n_outputs)."""
        if compiled.supports_passes(self.loss, self.data):
            sums = compiled.evaluate(self.loss, self.data, coordinates, point)
        else:
            sums = evaluate(self.loss, self.data, coordinates, point)
        loss, gradient, diagonal, proba = sums
        total = self.total_weight()
        return Evaluation(loss / total, gradient / total, diagonal / total, proba)

    def hessian_product(self, coordinates, proba, damping, direction) -> Matrix:
        """Return the damped Hessian, at the point with `proba`, times a direction."""
        supported = compiled.supports_passes(self.loss, self.data)
        product = compiled.hessian_product if supported else hessian_product
        total = self.total_weight()
        return product(self.loss, self.data, coordinates, proba, damping, direction) / total

    def hessian(self, coordinates, proba, damping) -> Matrix | None:
        """Return the damped Hessian (n_parameters, n_parameters), or None if too large.

        It is formed only if it costs less than about 20 Hessian products: most steps need
        more products.
        """
        X = self.data.X
        n_values = X.nnz / X.shape[0] if issparse(X) else X.shape[1]
        max_values = MAX_STORED_VALUES if issparse(X) else MAX_FEATURES
        if proba.shape[1] > 1:
            if (X.shape[1] + 1) * proba.shape[1] > MAX_SOFTMAX_PARAMETERS:
                return None
            matrix = softmax_hessian(self.data, coordinates, proba, damping)
        elif X.shape[1] <= MAX_FEATURES and n_values <= max_values:
            matrix = hessian(self.loss, self.data, coordinates, proba, damping)
        else:
            return None
        return matrix / self.total_weight()

    def total_weight(self) -> float:
        """Return the sum of the rows' weights."""
        weight = self.data.sample_weight
        return float(self.n_samples if weight is None else weight.sum(dtype=np.float64))


def evaluate(loss, data, coordinates, point):
    """Return sums over the rows: loss, gradient, diagonal; and probabilities."""
    total, gradient = 0.0, np.zeros(point.shape)
    diagonal, probas = np.zeros(point.shape), []
    theta = point.astype(data.X.dtype)
    for batch in batches(data, None, ROWS_AT_ONCE):
        U = coordinates.convert(batch.X)
        logits = U @ theta[:-1] + theta[-1]
        values, delta = loss.value_and_gradient(logits, batch.y)
        proba = loss.predict_proba(logits)
        omega = np.maximum(proba * (1 - proba), delta * delta)
        if batch.sample_weight is not None:
            values = values * batch.sample_weight
            delta = delta * batch.sample_weight[:, None]
            omega = omega * batch.sample_weight[:, None]
        total += float(values.sum(dtype=np.float64))
        gradient += sums_over_rows(U, delta)
        diagonal += sums_over_rows(U.multiply(U) if issparse(U) else U * U, omega)
        probas.append(proba)
    return total, gradient, diagonal, np.concatenate(probas)


def hessian_product(loss, data, coordinates, proba, damping, direction):
    """Return the sum over the rows of w_i u_i^T (C_i + damping d_i d_i^T) (u_i D + e)."""
    product, start = np.zeros(direction.shape), 0
    direction = direction.astype(data.X.dtype)
    for batch in batches(data, None, ROWS_AT_ONCE):
        U = coordinates.convert(batch.X)
        logit_change = U @ direction[:-1] + direction[-1]
        p = proba[start : start + batch.n_samples]
        change = loss.curvature(p, logit_change)
        if damping:
            error = p - (batch.y if batch.y.ndim == 2 else one_hot(batch.y, p))
            along = (error * logit_change).sum(axis=1, keepdims=True)
            change = change + damping * error * along
        if batch.sample_weight is not None:
            change = change * batch.sample_weight[:, None]
        product += sums_over_rows(U, change)
        start += batch.n_samples
    return product


def hessian(loss, data, coordinates, proba, damping):
    """Return the sum over the rows of w_i (C_i + damping d_i^2) [u_i, 1]^T [u_i, 1]."""
    omega = proba * (1 - proba) + damping * (proba - data.y) ** 2
    if data.sample_weight is not None:
        omega = omega * data.sample_weight[:, None]
    if issparse(data.X) and compiled.supports_passes(loss, data):
        return compiled.sparse_hessian(data.X, data.rows, coordinates, omega)
    width, root = data.X.shape[1] + 1, np.sqrt(omega)
    total, start = np.zeros((width, width)), 0
    for batch in batches(data, None, ROWS_AT_ONCE):
        r = root[start : start + batch.n_samples]
        U = coordinates.convert(batch.X)
        U = np.hstack([(U.toarray() if issparse(U) else U) * r, r])
        total += U.T @ U  # a product with itself: BLAS computes only one half
        start += batch.n_samples
    return total


def softmax_hessian(data, coordinates, proba, damping):
    """Return the Hessian for several outputs, in the order of theta: feature, then output.

    The block of outputs k and l is U^T diag(C_kl + damping d_k d_l) U. The softmax has
    C_kl = p_k (1 if k = l, else 0) - p_k p_l.
    """
    n_features, n_outputs = data.X.shape[1], proba.shape[1]
    shape = n_features + 1, n_outputs, n_features + 1, n_outputs
    total, start = np.zeros(shape), 0
    for batch in batches(data, None, ROWS_AT_ONCE):
        p = proba[start : start + batch.n_samples]
        error = p - one_hot(batch.y, p)
        weight = 1 if batch.sample_weight is None else batch.sample_weight[:, None]
        U = coordinates.convert(batch.X)
        U = np.hstack([U.toarray() if issparse(U) else U, np.ones_like(p[:, :1])])
        for k in range(n_outputs):
            omega = damping * error[:, k : k + 1] * error - p[:, k : k + 1] * p
            omega[:, k] += p[:, k]
            omega = weight * omega
            for j in range(k + 1):
                block = U.T @ (U * omega[:, j : j + 1])
                total[:, k, :, j] += block
                if j < k:
                    total[:, j, :, k] += block
        start += batch.n_samples
    n_parameters = (n_features + 1) * n_outputs
    return total.reshape((n_parameters, n_parameters))


def sums_over_rows(U: Rows, values: Matrix) -> Matrix:
    """Return [U, 1]^T values as float64, of shape (n_features + 1, n_outputs)."""
    return np.vstack([U.T @ values, values.sum(axis=0, dtype=np.float64)])
