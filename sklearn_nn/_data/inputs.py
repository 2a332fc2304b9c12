"""From what users pass to the engine's Dataset; validation is scikit-learn's."""

import numpy as np
from scipy.sparse import issparse
from sklearn import get_config
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_array, column_or_1d, validate_data

from .._engine.arrays import alike, detached, moved_to, numpy_dtype
from .._engine.rows import view_of_rows
from .._engine.types import Dataset
from . import array_api
from .sample_weights import positive_rows


def validate_labelled(estimator, X, y, dtype, reset, multilabel_allowed):
    """Return X as float array or CSR, y as an ndarray of labels or indicators.

    Parameters
    ----------
    estimator : estimator
        Its `n_features_in_` and `feature_names_in_` are set if `reset`, else compared.
    X, y
        As the user passed them.
    dtype : dtype or tuple of dtypes
    reset : bool
    multilabel_allowed : bool

    Raises
    ------
    ValueError
        As scikit-learn words it.
    """
    X, y = validate_data(
        estimator,
        detached(X),
        array_api.on_host(y),
        accept_sparse="csr",
        dtype=dtype,
        reset=reset,
        multi_output=multilabel_allowed,
    )
    y = plain_labels(y, warn=True)
    check_classification_targets(y)
    if y.ndim == 2 and type_of_target(y) != "multilabel-indicator":
        raise ValueError(
            f"y must hold one label a row, or 0 and 1 in each column (multilabel); got "
            f"the target type {type_of_target(y)!r} of shape {y.shape}."
        )
    return X, y


def validate_validation(estimator, X, y, rows):
    """Return X_val, beside `rows` to train on if they are foreign, and y_val as ndarray."""
    stays_on_host = not array_api.is_foreign(rows)
    if stays_on_host:
        X = array_api.on_host(X)
    dtype = array_api.floats_of(X, rows)
    X = validate_data(estimator, detached(X), accept_sparse="csr", dtype=dtype, reset=False)
    if not stays_on_host:
        X = alike(rows, X.toarray() if issparse(X) else X)
    y = array_api.on_host(y)
    y = check_array(y, ensure_2d=False, dtype=None, accept_sparse=True, input_name="y_val")
    return X, plain_labels(y, warn=True)


def plain_labels(y, warn):
    """Return labels y as ndarray, of one axis if it has one column."""
    y = y.toarray() if issparse(y) else np.asarray(y)
    return column_or_1d(y, warn=warn) if y.ndim == 2 and y.shape[1] == 1 else y


def validate_rows(estimator, X, dtype, ensure_all_finite):
    """Return X, to predict for, as array or CSR of this dtype.

    scikit-learn's validation takes longer than predicting a row. It is left out where it
    would find nothing: for plain arrays, whose values are looked at later.
    """
    if not ensure_all_finite and is_plain(estimator, X, dtype):
        return X
    return validate_data(
        estimator,
        detached(X),
        accept_sparse="csr",
        dtype=dtype,
        reset=False,
        ensure_all_finite=ensure_all_finite,
    )


def is_plain(estimator, X, dtype):
    """Say whether X is an ndarray as the model wants it, and has nothing to be named."""
    return (
        type(X) is np.ndarray
        and X.dtype == dtype
        and X.ndim == 2
        and X.shape[0] > 0
        and X.shape[1] == estimator.n_features_in_
        and not hasattr(estimator, "feature_names_in_")
        and not get_config()["array_api_dispatch"]
    )


def make_dataset(X, y, weight, rows, encoding):
    """Return the encoded Dataset of the given rows, with weights not yet scaled.

    Parameters
    ----------
    X : array or CSR of shape (n, n_features)
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Of the `rows`.
    weight : ndarray of shape (n_samples,) or None
        Of the `rows`; rows of weight 0 (by class_weight) are left out here.
    rows : ndarray of shape (n_samples,) or None
    encoding : Encoding
    """
    data = Dataset(X, encoding.encode(y, numpy_dtype(X)), weight, rows)
    positions = None if weight is None else positive_rows(weight)
    return data if positions is None else view_of_rows(data, positions)


def beside_rows(data):
    """Return `data`, whose y, weights and rows are on the host, all where its X is."""
    if issparse(data.X):
        return data
    return Dataset(data.X, *(moved_to(data.X, array) for array in data[1:]))
