"""Rows of a Dataset: copies, views, batches."""

import numpy as np
from scipy.sparse import issparse

from .arrays import take, take_rows
from .arrays import widened as wide
from .types import Dataset


def copy_of_rows(data: Dataset, index) -> Dataset:
    """Return the samples `index` (a slice or integers) of `data`, with X in C order.

    They are copied, except that a slice of C-ordered rows shares memory with `data`.
    """
    rows = index if data.rows is None else take(data.rows, index)
    weight = None if data.sample_weight is None else take(data.sample_weight, index)
    return Dataset(take_rows(data.X, rows), take(data.y, index), weight)


def view_of_rows(data: Dataset, index) -> Dataset:
    """Return the samples `index` (integers) of `data`, its X shared."""
    rows = index if data.rows is None else take(data.rows, index)
    weight = None if data.sample_weight is None else take(data.sample_weight, index)
    return Dataset(data.X, take(data.y, index), weight, rows)


def batches(data: Dataset, order, batch_size: int):
    """Yield the mini-batches of `data` in the given order; the last one may be shorter."""
    n_samples = data.n_samples
    for start in range(0, n_samples, batch_size):
        index = slice(start, min(start + batch_size, n_samples))
        yield copy_of_rows(data, index if order is None else order[index])


def widened(data: Dataset) -> Dataset:
    """Return `data` in float64, without copies of what is float64 already."""
    X, y, weight, _ = data
    return data._replace(
        X=X.astype(np.float64, copy=False) if issparse(X) else wide(X),
        y=y if y.ndim == 1 else wide(y),  # class indices stay integers
        sample_weight=None if weight is None else wide(weight),
    )


def lay_out(data: Dataset, batch_size: int) -> Dataset:
    """Return `data` with its rows in a C-contiguous matrix if one batch holds them all.

    So they are copied once instead of in every epoch.
    """
    if batch_size < data.n_samples:
        return data
    rows = slice(None) if data.rows is None else data.rows
    return data._replace(X=take_rows(data.X, rows), rows=None)


def without_duplicates(X):
    """Return X, or a copy of CSR rows in which entries of the same place are summed.

    Training reads values one by one, and squares of parts are not that of their sum.
    """
    if not issparse(X) or X.has_canonical_format:
        return X
    X = X.copy()
    X.sum_duplicates()
    return X
