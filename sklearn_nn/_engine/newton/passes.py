"""One pass over the rows of a linear model: all that a second-order method asks of them.

With rows u_i in standardised coordinates, logits z_i = u_i V + c and the loss's gradient
d_i and curvature C_i with respect to z_i, weights of mean 1 (all sums are over i, / n):

    loss        sum w_i loss(z_i, y_i)
    gradient    sum w_i u_i^T d_i                            (n_features + 1, n_outputs)
    diagonal    sum w_i (u_i^2)^T max(p_i (1 - p_i), d_i^2)  a bound of the Hessian's
    product     sum w_i u_i^T (C_i + damping d_i d_i^T) (u_i D + e)
                the Hessian, with damping, times a direction (D, e)

A row's last element, for the intercept, is 1. The Hessian's own diagonal has p_i (1 - p_i),
which is near 0 for a row that is surely wrong, though much is to be gained there; d_i^2 is
near 1 then, and both are the same on average where the model is right.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

from ..epochs import compiled
from ..objective.losses import one_hot
from ..rows import batches, copy_of_rows
from .coordinates import standardised

# Rows of a block: a copy of that many in standardised coordinates is all that is made.
ROWS_AT_ONCE = 1024
# A Hessian with more features is never made.
MOST_FEATURES = 1500
# Nor one of sparse rows with more values each: they have many pairs.
MOST_STORED = 50
# Nor one of more parameters than these of a softmax: it has a block for two outputs each.
MOST_SOFTMAX = 150


class Evaluation(NamedTuple):
    """What one pass says of a point."""

    loss: float  # mean, nats per sample
    gradient: Any  # (n_features + 1, n_outputs), float64
    diagonal: Any  # (n_features + 1, n_outputs), a bound of the loss's Hessian's
    proba: Any  # (n_samples, n_outputs), from which products with the Hessian follow


@dataclass(frozen=True)
class Rows:
    """The rows of a Dataset, as `steps.minimise` asks about them.

    Whatever has these methods can stand in its place, wherever its rows are.
    """

    data: Any  # Dataset
    loss: Any  # losses.Loss with a curvature

    @property
    def n_samples(self):
        """Number of rows."""
        return self.data.n_samples

    @property
    def n_at_hand(self):
        """Number of rows that a sample may have if it is to cost less than all of them."""
        return self.n_samples

    @property
    def dtype(self):
        """Of the numbers in the rows, which bounds how exact sums over them are."""
        return self.data.X.dtype

    def sample(self, n_samples, rng):
        """Return about so many of the rows as Rows: one from each of equal parts.

        Rows that lie in an order (sorted by label, say) are all the better represented.
        """
        if n_samples >= self.n_samples:
            return self
        places = (np.arange(n_samples) + rng.uniform(size=n_samples)) / n_samples
        index = np.minimum((places * self.n_samples).astype(np.int64), self.n_samples - 1)
        rows = index if self.data.rows is None else self.data.rows[index]
        weight = self.data.sample_weight
        weight = None if weight is None else weight[index]
        data = self.data._replace(y=self.data.y[index], sample_weight=weight, rows=rows)
        return Rows(data, self.loss)

    def standardised(self, centred):
        """Return Coordinates in which these rows have about variance 1."""
        everything = copy_of_rows(self.data, slice(0, self.n_samples))
        return standardised(everything, centred)

    def evaluate(self, coordinates, point):
        """Return the Evaluation of a point (n_features + 1, n_outputs)."""
        if compiled.supports_passes(self.loss, self.data):
            sums = compiled.evaluate(self.loss, self.data, coordinates, point)
        else:
            sums = evaluate(self.loss, self.data, coordinates, point)
        loss, gradient, diagonal, proba = sums
        total = self.total_weight()
        return Evaluation(loss / total, gradient / total, diagonal / total, proba)

    def hessian_product(self, coordinates, proba, damping, direction):
        """Return the damped Hessian, at the point of `proba`, times a direction."""
        supported = compiled.supports_passes(self.loss, self.data)
        product = compiled.hessian_product if supported else hessian_product
        total = self.total_weight()
        return product(self.loss, self.data, coordinates, proba, damping, direction) / total

    def hessian(self, coordinates, proba, damping):
        """Return the damped Hessian as a matrix (n_parameters, n_parameters), or None.

        There is one where it takes no longer than some twenty products, of which most
        steps need more: for one output of rows with few values, for several of few
        features.
        """
        X = self.data.X
        n_values = X.nnz / X.shape[0] if issparse(X) else X.shape[1]
        most = MOST_STORED if issparse(X) else MOST_FEATURES
        if proba.shape[1] > 1:
            if (X.shape[1] + 1) * proba.shape[1] > MOST_SOFTMAX:
                return None
            matrix = softmax_hessian(self.data, coordinates, proba, damping)
        elif X.shape[1] <= MOST_FEATURES and n_values <= most:
            matrix = hessian(self.loss, self.data, coordinates, proba, damping)
        else:
            return None
        return matrix / self.total_weight()

    def total_weight(self):
        """Return the sum of the rows' weights."""
        weight = self.data.sample_weight
        return float(self.n_samples if weight is None else weight.sum(dtype=np.float64))


def evaluate(loss, data, coordinates, point):
    """Return sums over the rows: loss, gradient, diagonal; and probabilities."""
    total, gradient = 0.0, np.zeros(point.shape)
    diagonal, probas = np.zeros(point.shape), []
    theta = point.astype(data.X.dtype)
    for batch in batches(data, None, ROWS_AT_ONCE):
        U = coordinates.rows(batch.X)
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
        U = coordinates.rows(batch.X)
        moved = U @ direction[:-1] + direction[-1]
        p = proba[start : start + batch.n_samples]
        change = loss.curvature(p, moved)
        if damping:
            error = p - (batch.y if batch.y.ndim == 2 else one_hot(batch.y, p))
            along = (error * moved).sum(axis=1, keepdims=True)
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
        U = coordinates.rows(batch.X)
        U = np.hstack([(U.toarray() if issparse(U) else U) * r, r])
        total += U.T @ U  # of one array, so that BLAS computes one half
        start += batch.n_samples
    return total


def softmax_hessian(data, coordinates, proba, damping):
    """Return the same for several outputs, in the order of theta: feature, then output.

    Its block for outputs k and l is U^T diag(C_kl + damping d_k d_l) U, where the softmax
    has C_kl = p_k (1 if k = l, else 0) - p_k p_l.
    """
    n_features, n_outputs = data.X.shape[1], proba.shape[1]
    shape = n_features + 1, n_outputs, n_features + 1, n_outputs
    total, start = np.zeros(shape), 0
    for batch in batches(data, None, ROWS_AT_ONCE):
        p = proba[start : start + batch.n_samples]
        error = p - one_hot(batch.y, p)
        weight = 1 if batch.sample_weight is None else batch.sample_weight[:, None]
        U = coordinates.rows(batch.X)
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


def sums_over_rows(U, values):
    """Return [U, 1]^T values, of shape (n_features + 1, n_outputs), in float64."""
    return np.vstack([U.T @ values, values.sum(axis=0, dtype=np.float64)])
