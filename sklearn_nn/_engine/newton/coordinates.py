"""Standardised coordinates: variance about 1, and mean 0 for dense rows with intercept."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse

from ..arrays import Matrix, Rows, Vector, largest_of_columns
from ..types import Dataset

# A column is constant if its deviations are within this many rounding errors.
ROUNDINGS_OF_COLUMN = 10.0
# No scale is below 2**-MAX_EXPONENT.
MAX_EXPONENT = 480


class Coordinates(NamedTuple):
    """u_j = (x_j - centre_j) / scale_j, for which coefficients are v_j = scale_j w_j.

    The intercept becomes c = b + sum_j centre_j w_j, so that u v + c = x w + b. Logits,
    loss, penalty and optimum stay the same; only the path to the optimum differs. A point
    in these coordinates has the shape (n_features + 1, n_outputs), intercepts last.
    """

    centre: Vector  # (n_features,), zeros without intercept, and for rows that stay sparse
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

    def convert(self, X: Rows) -> Rows:
        """Return the rows of X, dense or CSR, in these coordinates."""
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
        Whether means become 0: for dense rows and a model with an intercept.
    """
    X, weight = data.X, data.sample_weight
    weight = np.ones(data.n_samples) if weight is None else weight.astype(np.float64)
    weight = weight / weight.sum()
    largest = bounded(power_of_two(largest_of_columns(X)), X.dtype)
    if issparse(X):
        values = X.data / largest[X.indices]  # so that squares do not overflow
        row_weight = np.repeat(weight, np.diff(X.indptr))
        squares = np.bincount(X.indices, row_weight * values**2, minlength=X.shape[1])
        scale = largest * root_or_one(squares)
        return Coordinates(np.zeros(X.shape[1]), bounded(scale, X.dtype))
    U = X / largest
    mean = np.zeros(X.shape[1])
    if centred:
        mean = weight @ U
        mean = mean + weight @ (U - mean)  # removes the rounding error of the first sum
    # Rounded to the type of X, as in the kernels: x - centre is the same number everywhere.
    centre = (mean * largest).astype(X.dtype).astype(np.float64)
    squares = weight @ (U - centre / largest) ** 2
    rounding = ROUNDINGS_OF_COLUMN * np.finfo(X.dtype).eps * np.abs(mean)
    squares = np.where(squares <= rounding**2, 0.0, squares)
    return Coordinates(centre, bounded(largest * root_or_one(squares), X.dtype))


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
