"""Standardised coordinates: variance about 1, and mean 0 for models with an intercept."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse

from ..arrays import (
    Matrix,
    Rows,
    Vector,
    largest_of_columns,
    moved_to,
    namespace,
    numpy_dtype,
    take_columns,
    to_numpy,
)
from ..types import Dataset

# A column is constant if its deviations are within this many rounding errors.
ROUNDINGS_OF_COLUMN = 10.0
# Values are far out if they are this many deviations from the mean; leaving them out is
# repeated at most MAX_TRIMS times.
FAR_OUT, MAX_TRIMS = 6.0, 20
# Numbers of dense columns that are standardised at once, so that they stay in the cache.
NUMBERS_AT_ONCE = 2**18
# No scale is below 2**-MAX_EXPONENT.
MAX_EXPONENT = 480


class Coordinates(NamedTuple):
    """u_j = (x_j - centre_j) / scale_j, for which coefficients are v_j = scale_j w_j.

    The intercept becomes c = b + sum_j centre_j w_j, so that u v + c = x w + b. Logits,
    loss, penalty and optimum stay the same; only the path to the optimum differs. A point
    in these coordinates has the shape (n_features + 1, n_outputs), intercepts last.
    """

    centre: Vector  # (n_features,), zeros without intercept
    scale: Vector  # (n_features,), powers of two: scaling by them does not round

    def point_of(self, theta: Vector) -> Matrix:
        """Return the point of theta (n_parameters,), of a model without hidden layer."""
        original = theta.astype(np.float64).reshape((len(self.scale) + 1, -1))
        intercept = original[-1] + self.centre @ original[:-1]
        return np.vstack([original[:-1] * self.scale[:, None], intercept])

    def theta_of(self, point: Matrix) -> Vector:
        """Return the theta (n_parameters,) of a point, in float64 and the user's units."""
        weight = point[:-1] / self.scale[:, None]
        return np.vstack([weight, point[-1] - self.centre @ weight]).reshape(-1)

    def centred_products(self, matrix: Matrix) -> Matrix:
        """Return the sum of omega u^T u, from that of rows that are scaled, not centred.

        Each row u ends with a 1: the last row of the matrix has the sums of omega u.
        """
        if not self.centre.any():
            return matrix
        shift = np.append(self.centre / self.scale, 0.0)
        outer = shift[:, None] * matrix[-1]
        return matrix - outer - outer.T + shift[:, None] * shift * matrix[-1, -1]

    def convert(self, X: Rows) -> Rows:
        """Return the rows of X in these coordinates; CSR is only scaled, not centred."""
        if issparse(X):
            return X.multiply((1 / self.scale).astype(X.dtype)).tocsr()
        return (X - self.centre.astype(X.dtype)) / self.scale.astype(X.dtype)


def standardised(data: Dataset, centred: bool) -> Coordinates:
    """Return Coordinates in which the rows of `data` have variance about 1.

    Parameters
    ----------
    data : Dataset
        All rows of its X, or of a sample: any coordinates lead to the same optimum. Moments
        are weighted, so that a weight acts as a repetition.
    centred : bool
        Whether means become 0: for a model with an intercept.
    """
    X, weight = data.X, data.sample_weight
    weight = np.ones(data.n_samples) if weight is None else weight.astype(np.float64)
    weight = weight / weight.sum()
    if issparse(X):
        return standardised_csr(X, weight, centred)
    size = max(1, NUMBERS_AT_ONCE // max(1, len(X)))
    starts = range(0, X.shape[1], size)
    parts = [standardised_dense(X[:, j : j + size], weight, centred) for j in starts]
    return Coordinates(*map(np.concatenate, zip(*parts, strict=True)))


def standardised_dense(X: Matrix, weight: Vector, centred: bool) -> Coordinates:
    """Return the Coordinates of dense rows, of any library; `weight` sums to 1.

    The functions of moments take arrays of any library, too, and return NumPy's.
    """
    dtype = numpy_dtype(X)
    largest, peak = largest_and_peak(X)
    mean, squares = moments_of(X / moved_to(X, largest), weight, peak, centred)
    # Rounded to the type of X, as in the kernels: x - centre is the same number everywhere.
    centre = (mean * largest).astype(dtype).astype(np.float64)
    scale = largest * root_or_one(varying(squares, mean, dtype))
    return Coordinates(centre, bounded(scale, dtype))


def largest_and_peak(X: Rows):
    """Return the largest absolute values of columns as powers of two, and over these."""
    peak = largest_of_columns(X)
    largest = bounded(power_of_two(peak), numpy_dtype(X))
    return largest, peak / largest


def moments_of(U: Matrix, weight: Vector, peak: Vector, centred: bool):
    """Return means, or zeros, and mean squares of the deviations of columns (n, p).

    `peak` has their largest absolute values.

    Values that are far out are left out: a single one can have all of the variance, so that
    all other rows look alike. A column of which nothing else varies keeps them.
    """
    xp = namespace(U)
    mean, squares = moments(U, weight[:, None], centred)
    may_be_far = peak + np.abs(mean) > FAR_OUT * np.sqrt(squares)
    if not may_be_far.any():
        return mean, squares
    columns, n_far = np.flatnonzero(may_be_far), 0
    for _ in range(MAX_TRIMS):
        deviations = xp.abs(take_columns(U, columns) - moved_to(U, mean[columns]))
        far = deviations > moved_to(U, FAR_OUT * np.sqrt(squares[columns]))
        counts = to_numpy(xp.count_nonzero(far, axis=0))
        is_new = np.flatnonzero(counts > n_far)
        columns, far, n_far = columns[is_new], take_columns(far, is_new), counts[is_new]
        if not len(columns):
            break
        kept = xp.where(far, xp.zeros_like(weight[0]), weight[:, None])
        inner_mean, inner = moments(take_columns(U, columns), kept, centred)
        varies = varying(inner, inner_mean, np.float64) > 0
        columns, n_far = columns[varies], n_far[varies]
        mean[columns], squares[columns] = inner_mean[varies], inner[varies]
    return mean, squares


def moments(U: Matrix, weight: Matrix, centred: bool):
    """Return means or zeros, and mean squares of deviations, by weights (n, 1 or p)."""
    xp = namespace(U)

    def mean_of(values):
        if weight.shape[1] == 1:
            return to_numpy(weight[:, 0] @ values) / total
        if xp is np:
            return np.einsum("ij,ij->j", weight, values) / total
        return to_numpy(xp.sum(weight * values, axis=0)) / total

    total, mean = to_numpy(xp.sum(weight, axis=0)), np.zeros(U.shape[1])
    if centred:
        mean = mean_of(U)
    deviations = U - moved_to(U, mean)
    # The mean of deviations is the rounding error of the first mean.
    error = mean_of(deviations) if centred else 0.0
    deviations *= deviations
    squares = mean_of(deviations)
    return mean + error, np.maximum(squares - error * error, 0.0)


def standardised_csr(X, weight: Vector, centred: bool) -> Coordinates:
    """Return the Coordinates of CSR rows; `weight` sums to 1.

    Columns are divided by `largest` first, so that squares do not overflow. Those without
    absent values are treated as dense ones. In others, stored values that are far out among
    them are left out.
    """
    n_samples, n_features = X.shape
    largest, peak = largest_and_peak(X)
    values = X.data / largest[X.indices]

    def sums(numbers):
        return np.bincount(X.indices, numbers, n_features)

    of_row = np.repeat(weight, np.diff(X.indptr))
    kept = of_row * are_near(X.indices, values, of_row, n_features)
    total = 1.0 - sums(of_row - kept)
    mean, absent = np.zeros(n_features), np.zeros(n_features)  # weight of absent values
    if centred:
        mean = sums(kept * values) / total
        absent = np.maximum(1.0 - sums(of_row), 0.0)
    squares = sums(kept * (values - mean[X.indices]) ** 2)
    squares = (squares + absent * mean**2) / total
    full = np.flatnonzero(np.bincount(X.indices, minlength=n_features) == n_samples)
    if len(full):
        U = X[:, full].toarray() / largest[full]
        mean[full], squares[full] = moments_of(U, weight, peak[full], centred)
    scale = largest * root_or_one(varying(squares, mean, X.dtype))
    return Coordinates(mean * largest, bounded(scale, X.dtype))


def are_near(indices: Vector, values: Vector, weight: Vector, n_features: int) -> Vector:
    """Return which stored values (n_stored,) are not far out among those of their column.

    A value is far out if it is more than FAR_OUT times their root mean square, for which
    there must be more than FAR_OUT^2 values. Zeros do not count, stored or not.
    """
    squares, near = values * values, np.ones(len(values), bool)
    for _ in range(MAX_TRIMS):
        counted = weight * (near & (squares > 0))
        size = np.bincount(indices, counted, n_features)
        limit = np.bincount(indices, counted * squares, n_features) * FAR_OUT**2
        far = near & (squares * size[indices] > limit[indices])
        if not far.any():
            break
        near &= ~far
    return near


def varying(squares: Vector, mean: Vector, dtype) -> Vector:
    """Return variances, with those that are rounding errors of the mean set to 0."""
    rounding = ROUNDINGS_OF_COLUMN * np.finfo(dtype).eps * np.abs(mean)
    return np.where(squares <= rounding**2, 0.0, squares)


def bounded(scale: Vector, dtype) -> Vector:
    """Return scales, clipped so that their inverses are finite.

    1 / scale must be finite in `dtype`, and 1 / scale^2, which multiplies penalties, in
    float64.
    """
    largest = np.finfo(dtype).maxexp - 2
    return np.clip(scale, 2.0 ** -min(largest, MAX_EXPONENT), 2.0**largest)


def root_or_one(squares: Vector) -> Vector:
    """Return the power of two nearest in ratio to each square root, and 1 for 0."""
    return power_of_two(np.sqrt(squares))


def power_of_two(values: Vector) -> Vector:
    """Return the power of two nearest in ratio to each value > 0, and 1 for 0."""
    exponent = np.rint(np.log2(np.where(values > 0, values, 1.0)))
    return np.exp2(np.minimum(exponent, 1023))  # 2**1024 overflows
