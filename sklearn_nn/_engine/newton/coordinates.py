"""Standardised coordinates: the same model, seen where one step suits all features."""

from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

# Deviations within this many roundings of a column's size are those of a constant.
ROUNDINGS = 10.0
# No scale is below 2 to minus this.
SMALLEST_EXPONENT = 480


class Coordinates(NamedTuple):
    """u_j = (x_j - centre_j) / scale_j, in which theta has v_j = scale_j w_j.

    The intercept becomes c = b + sum_j centre_j w_j, so that u v + c = x w + b: logits,
    loss and penalty are the same numbers, and so is the optimum. Only the path to it is
    another. Points there are arrays of shape (n_features + 1, n_outputs), the intercepts
    in the last row.
    """

    centre: Any  # (n_features,), zeros for sparse rows, which must stay sparse
    scale: Any  # (n_features,), powers of two, so that scaling does not round

    def point_of(self, theta):
        """Return theta (n_parameters,), of a model without hidden layer, as a point."""
        original = theta.astype(np.float64).reshape((len(self.scale) + 1, -1))
        intercept = original[-1] + self.centre @ original[:-1]
        return np.vstack([original[:-1] * self.scale[:, None], intercept])

    def theta_of(self, point):
        """Return a point as theta (n_parameters,) in float64, in the user's units."""
        weight = point[:-1] / self.scale[:, None]
        return np.vstack([weight, point[-1] - self.centre @ weight]).reshape(-1)

    def rows(self, X):
        """Return the rows of X, dense or CSR, in these coordinates."""
        if issparse(X):
            return X.multiply((1 / self.scale).astype(X.dtype)).tocsr()
        return (X - self.centre.astype(X.dtype)) / self.scale.astype(X.dtype)


def standardised(data, centred):
    """Return Coordinates in which the rows of `data` have about variance 1.

    Parameters
    ----------
    data : Dataset
        Its rows may be a sample: any coordinates lead to the same optimum. Moments are
        weighted, so that a weight is a repetition.
    centred : bool
        Whether means become 0, for dense rows of a model with an intercept.
    """
    X, weight = data.X, data.sample_weight
    weight = np.ones(data.n_samples) if weight is None else weight.astype(np.float64)
    weight = weight / weight.sum()
    largest = bounded(power_of_two(largest_of_columns(X)), X.dtype)
    if issparse(X):
        values = X.data / largest[X.indices]  # without it, squares could overflow
        of_row = np.repeat(weight, np.diff(X.indptr))
        squares = np.bincount(X.indices, of_row * values**2, minlength=X.shape[1])
        scale = largest * root_or_one(squares)
        return Coordinates(np.zeros(X.shape[1]), bounded(scale, X.dtype))
    U = X / largest
    mean = np.zeros(X.shape[1])
    if centred:
        mean = weight @ U
        mean = mean + weight @ (U - mean)  # without the rounding of a sum of many rows
    # As the kernels will see it: x - centre is then the same number everywhere.
    centre = (mean * largest).astype(X.dtype).astype(np.float64)
    squares = weight @ (U - centre / largest) ** 2
    rounding = ROUNDINGS * np.finfo(X.dtype).eps * np.abs(mean)
    squares = np.where(squares <= rounding**2, 0.0, squares)
    return Coordinates(centre, bounded(largest * root_or_one(squares), X.dtype))


def bounded(scale, dtype):
    """Return scales whose inverse is a number of that type, and their inverse squared one
    of float64, which a penalty is multiplied with.
    """
    most = np.finfo(dtype).maxexp - 2
    return np.clip(scale, 2.0 ** -min(most, SMALLEST_EXPONENT), 2.0**most)


def largest_of_columns(X):
    """Return the largest magnitude in each column of X (n, p), in float64."""
    if issparse(X):
        largest = np.zeros(X.shape[1])
        np.maximum.at(largest, X.indices, np.abs(X.data))
        return largest
    return np.max(np.abs(X), axis=0).astype(np.float64)


def root_or_one(squares):
    """Return the power of two nearest to each root; 1 where nothing varies."""
    return power_of_two(np.sqrt(squares))


def power_of_two(values):
    """Return the power of two next to each value > 0, and 1 for 0."""
    exponent = np.rint(np.log2(np.where(values > 0, values, 1.0)))
    return np.exp2(np.minimum(exponent, 1023))  # the largest power that is a number
