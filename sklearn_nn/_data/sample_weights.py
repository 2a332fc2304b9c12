"""Weights of rows: sample weight times class weight, scaled to mean 1.

`_check_sample_weight` is private; it was checked with scikit-learn 1.6 to 1.9.
"""

from typing import NamedTuple

import numpy as np
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import _check_sample_weight

from .._engine.arrays import (
    as_type,
    is_finite,
    moved_to,
    namespace,
    numpy_dtype,
    take,
    to_numpy,
    widened,
)
from .._engine.types import Dataset
from . import array_api, device_labels

ALL_ZERO = (
    "All sample weights are zero. At least one sample_weight (in training, times "
    "class_weight) must be positive."
)


class NoWeightError(ValueError):
    """All rows have the weight 0."""

    def __init__(self, message=ALL_ZERO):  # with an argument, so that pickle can load it
        super().__init__(message)


def positive_rows(weight):
    """Return the indices of positive weights, or None if all are positive."""
    [rows] = namespace(weight).nonzero(weight)
    if rows.shape[0] == 0:
        raise NoWeightError
    return None if rows.shape[0] == weight.shape[0] else rows


def are_zero(sample_weight, n_samples: int) -> bool:
    """Return whether the user's weights, a number or one for each row, are all 0."""
    values = np.asarray(array_api.on_host(sample_weight))
    fits = values.dtype.kind in "biuf" and values.shape in ((), (n_samples,))
    return fits and not values.any()


def drop_weightless(y, sample_weight):
    """Return y, weights (float64, or None) and numbers of the rows of positive weight.

    `sample_weight` is the user's array-like, number or None. The numbers are None for all
    rows. Weights and numbers are where y is.
    """
    if sample_weight is None:
        return y, None, None
    weight = device_labels.usual_weight(y, sample_weight)
    if weight is None:
        weight = moved_to(y, weight_on_host(sample_weight, y.shape[0]))
    rows = positive_rows(weight)
    if rows is None:
        return y, weight, None
    return take(y, rows), take(weight, rows), rows


def weight_on_host(sample_weight, n_samples: int):
    """Return the user's weights, validated, as an ndarray (n_samples,) in float64."""
    if are_zero(sample_weight, n_samples):
        raise NoWeightError  # scikit-learn's error would have another type
    sample_weight, of_rows = array_api.on_host(sample_weight), np.broadcast_to(0, n_samples)
    try:
        weight = _check_sample_weight(
            sample_weight, of_rows, dtype=np.float64, ensure_non_negative=True
        )
    except TypeError as error:  # of a dict, say
        raise TypeError(
            f"sample_weight must be a number, or an array of one number for each row; got "
            f"{type(sample_weight).__name__}: {error}."
        ) from error
    check_finite_weight(weight, "sample_weight")  # scalars were not checked
    return weight


def combined_weight(sample_weight, class_weight, encoding, y):
    """Return sample_weight * class_weight[y] (n,) in float64, or None for all ones."""
    if class_weight is None:
        return sample_weight
    encoding.check_shape(y)
    if encoding.multilabel and class_weight == "balanced":
        return balanced_weight(sample_weight, y)
    check_one_label(class_weight, encoding)
    indices, n_classes = encoding.class_indices(y), len(encoding.classes)
    if sample_weight is None:
        sample_weight = ones_beside(indices)
    with np.errstate(over="ignore"):  # checked below
        of_class = sums_by_class(indices, sample_weight, n_classes)
        total = float(namespace(indices).sum(sample_weight))
        by_class = weight_by_class(class_weight, encoding.classes, of_class, total)
        weight = sample_weight * take(moved_to(indices, by_class), indices)
    check_finite_weight(weight, f"sample_weight times class_weight={class_weight!r}")
    return weight


def ones_beside(y):
    """Return a weight of 1 for each row (n,), in float64, where y is."""
    xp = namespace(y)
    return xp.ones(y.shape[0], dtype=xp.float64, device=y.device)


def sums_by_class(indices, weight, n_classes: int):
    """Return the sum of the weights of each class as an ndarray (n_classes,)."""
    if isinstance(indices, np.ndarray):
        return np.bincount(indices, weight, minlength=n_classes)
    return device_labels.sums_by_class(indices, weight, n_classes)


def balanced_weight(sample_weight, indicators):
    """Return sample_weight times the balanced weights of all columns (n,), up to a factor.

    Only ratios of weights matter. The weight of a value in a column is total / (2 * weight
    of the value); that of the only value is 1. (With weights of 1, the product over the
    columns is that of scikit-learn's `compute_sample_weight`.)

    Parameters
    ----------
    sample_weight : array of shape (n,), or None
        Positive.
    indicators : array of shape (n, n_outputs)
        Ones, and other values that count as 0.
    """
    is_one = indicators == 1
    if sample_weight is None:
        sample_weight = np.ones(len(is_one))
    relative = sample_weight / sample_weight.max()  # so that the sum cannot overflow
    total, of_one, of_zero = relative.sum(), relative @ is_one, relative @ ~is_one
    both = (of_one > 0) & (of_zero > 0)
    # A sum of logarithms, because a product over many columns may overflow.
    log_one, log_zero = np.log(total / 2 / of_one[both]), np.log(total / 2 / of_zero[both])
    log_weight = np.where(is_one[:, both], log_one, log_zero).sum(axis=1)
    weight = relative * np.exp(log_weight - log_weight.max())
    return np.maximum(weight, np.finfo(np.float64).tiny)  # rows of weight 0 are left out


def weight_by_class(class_weight, classes, of_class, total):
    """Return the class weights (n_classes,).

    `of_class` are the sums of the sample weights in each class, and `total` the sum of all.
    """
    if class_weight == "balanced":
        # A class without rows (of a fitted model) has any weight.
        return total / len(classes) / np.where(of_class > 0, of_class, np.inf)
    return compute_class_weight(class_weight, classes=classes, y=classes)


def weighted_classes(class_weight, encoding):
    """Return the classes whose class weight is positive."""
    classes = encoding.classes
    return classes[weight_by_class(class_weight, classes, None, None) > 0]


def check_one_label(class_weight, encoding):
    """Raise ValueError for class weights with multilabel y."""
    if class_weight is not None and encoding.multilabel:
        raise ValueError(
            f"class_weight={class_weight!r} cannot be used with multilabel y, whose rows "
            "have several classes. Use sample_weight, or (not on a cluster) 'balanced'."
        )


def check_finite_weight(weight, name):
    """Raise ValueError unless all weights are finite."""
    if not is_finite(weight):
        raise ValueError(f"{name} must be finite for all rows; got NaN or infinity.")


class WeightScale(NamedTuple):
    """The mean of all weights so far, updated with each chunk of rows."""

    mean: float = 0.0
    n_rows: int = 0

    def including(self, chunk_mean: float, n_rows: int) -> "WeightScale":
        """Return the scale after `n_rows` more rows of mean weight `chunk_mean`."""
        total = self.n_rows + n_rows
        # n_rows / total is 1 for the first chunk, and a chunk with the same mean adds
        # exactly 0. So a repeated chunk has the same scaled weights, bit for bit.
        mean = self.mean + (chunk_mean - self.mean) * (n_rows / total)
        return WeightScale(mean, total)


def scale_weights(data: Dataset, mean: float) -> Dataset:
    """Return `data` with its weights divided by `mean`, in the dtype of X."""
    if data.sample_weight is None and mean == 1.0:
        return data
    weight = ones_beside(data.y) if data.sample_weight is None else data.sample_weight
    xp, dtype = namespace(weight), numpy_dtype(data.X)
    # Scaled weights must not underflow to 0, because rows of weight 0 are left out.
    least = xp.full_like(weight[:1], float(np.finfo(dtype).tiny))
    weight = xp.maximum(weight / mean, least)
    weight = as_type(weight, array_api.dtype_at(weight, dtype))
    return data._replace(sample_weight=weight)


def mean_weight(data: Dataset) -> float:
    """Return the mean weight of the rows of `data` as a float."""
    if data.sample_weight is None:
        return 1.0
    xp = namespace(data.sample_weight)
    largest = float(xp.max(data.sample_weight))  # so that the sum cannot overflow
    return largest * float(xp.mean(data.sample_weight / largest))


def entropy_of_shares(data: Dataset) -> float:
    """Return the entropy in nats of the weighted shares of the classes.

    For 0/1 columns (two classes, multilabel) it is the sum of their entropies.
    """
    y, weight = data.y, data.sample_weight
    weight = ones_beside(y) if weight is None else widened(weight)
    xp = namespace(weight)
    weight = weight / xp.sum(weight)
    if y.ndim == 1:
        shares = sums_by_class(y, weight, int(xp.max(y)) + 1)
    else:
        ones = to_numpy(weight @ widened(y))
        shares = np.concatenate([ones, 1 - ones])
    shares = shares[shares > 0]
    return float(-np.sum(shares * np.log(shares)))
