"""Weights of rows: sample weight times class weight, scaled to mean 1.

`_check_sample_weight` is private in name; it was checked with scikit-learn 1.6 to 1.9.
"""

from typing import NamedTuple

import numpy as np
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import _check_sample_weight

from .._engine.arrays import numpy_dtype
from . import array_api


def positive_rows(weight):
    """Return the indices of positive weights, or None if all are positive."""
    rows = np.flatnonzero(weight)
    if len(rows) == 0:
        raise ValueError(
            "All sample weights are zero, so no row counts. At least one sample_weight "
            "(in training times class_weight) must be positive."
        )
    return None if len(rows) == len(weight) else rows


def drop_weightless(y, sample_weight):
    """Return the rows of positive weight, and y and the weights at those rows.

    Parameters
    ----------
    y : ndarray of shape (n,) or (n, n_outputs)
    sample_weight : array-like of shape (n,), a number, or None
        As the user passed it.

    Returns
    -------
    y : ndarray
    sample_weight : ndarray of float64, or None
    rows : ndarray of int, or None if all rows take part
    """
    if sample_weight is None:
        return y, None, None
    sample_weight = _check_sample_weight(
        array_api.on_host(sample_weight), y, dtype=np.float64, ensure_non_negative=True
    )
    check_finite_weight(sample_weight, "sample_weight")  # numbers pass unchecked
    rows = positive_rows(sample_weight)
    if rows is None:
        return y, sample_weight, None
    return y[rows], sample_weight[rows], rows


def combined_weight(sample_weight, class_weight, encoding, y):
    """Return sample_weight * class_weight[y] (n,) in float64, or None for all ones.

    Parameters
    ----------
    sample_weight : ndarray of shape (n_samples,) or None
    class_weight : dict, 'balanced' or None
    encoding : Encoding
    y : ndarray of shape (n_samples,) of labels, or indicators
    """
    if class_weight is None:
        return sample_weight
    check_one_label(class_weight, encoding)
    indices, n_classes = encoding.class_indices(y), len(encoding.classes)
    if sample_weight is None:
        sample_weight = np.ones(len(indices))
    with np.errstate(over="ignore"):  # checked below
        of_class = np.bincount(indices, sample_weight, minlength=n_classes)
        total = sample_weight.sum()
        by_class = weight_by_class(class_weight, encoding.classes, of_class, total)
        weight = sample_weight * by_class[indices]
    check_finite_weight(weight, f"sample_weight times class_weight={class_weight!r}")
    return weight


def weight_by_class(class_weight, classes, of_class, total):
    """Return what a class weight multiplies rows of each class with, (n_classes,).

    Parameters
    ----------
    class_weight : dict or 'balanced'
    classes : ndarray of shape (n_classes,)
    of_class : ndarray of shape (n_classes,)
        Sum of the sample weights of the rows of each class.
    total : float
        Sum of all sample weights.
    """
    if class_weight == "balanced":
        return total / len(classes) / of_class
    return compute_class_weight(class_weight, classes=classes, y=classes)


def check_one_label(class_weight, encoding):
    """Raise ValueError if there is a class weight for rows of more than one label."""
    if class_weight is not None and encoding.multilabel:
        raise ValueError(
            f"class_weight={class_weight!r} cannot be used with multilabel y, where a row "
            "has no single class. Use sample_weight."
        )


def check_finite_weight(weight, name):
    """Raise ValueError unless all weights are finite."""
    if not np.all(np.isfinite(weight)):
        raise ValueError(f"{name} must be finite for each row; got NaN or infinity.")


class WeightScale(NamedTuple):
    """The mean of all weights seen so far, kept incrementally over chunks of rows."""

    mean: float = 0.0
    n_rows: int = 0

    def including(self, chunk_mean, n_rows):
        """Return the scale after `n_rows` more rows of mean weight `chunk_mean`."""
        total = self.n_rows + n_rows
        # n_rows / total is 1 for the first chunk, and equal chunks add exactly 0: so
        # repeating a chunk repeats its weights bit for bit.
        mean = self.mean + (chunk_mean - self.mean) * (n_rows / total)
        return WeightScale(mean, total)


def scale_weights(data, mean):
    """Return `data` with its weights divided by `mean`, in the dtype of X."""
    if data.sample_weight is None and mean == 1.0:
        return data
    weight = np.ones(data.n_samples) if data.sample_weight is None else data.sample_weight
    dtype = numpy_dtype(data.X)
    # A weight > 0 stays so: rows of weight 0 have been left out.
    weight = np.maximum(weight / mean, np.finfo(dtype).tiny).astype(dtype)
    return data._replace(sample_weight=weight)


def mean_weight(data):
    """Return the mean weight of the rows of `data` as a float."""
    if data.sample_weight is None:
        return 1.0
    largest = float(np.max(data.sample_weight))  # without it, a sum could overflow
    return largest * float(np.mean(data.sample_weight / largest))
