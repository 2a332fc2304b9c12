"""From user input to the engine's Dataset, validated by scikit-learn."""

import numpy as np
from scipy.sparse import issparse
from sklearn import get_config
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_array, column_or_1d, validate_data

from .._engine.arrays import alike, check_sparse, detached, moved_to, numpy_dtype
from .._engine.rows import view_of_rows, without_duplicates
from .._engine.types import Dataset
from . import array_api, device_labels
from .labels import are_clearly_classes
from .sample_weights import positive_rows


def validate_labelled(estimator, X, y, dtype, reset, multilabel_allowed):
    """Return the user's X as a floating-point array or CSR, and y as labels or indicators.

    Labels of another library have been found to be usual ones (device_labels.py).

    With `reset`, set the estimator's `n_features_in_` and `feature_names_in_`, else compare
    them. Raise ValueError if X or y is not valid. scikit-learn's validation takes longer
    than a stream's step of a row. It is skipped for plain arrays, of which it would return
    the same.
    """
    is_known = not reset and is_plain(estimator, X, dtype)
    if is_known and are_plain_labels(y, len(X)) and np.isfinite(X).all():
        return X, y
    check_sparse(X, "X")
    if array_api.is_foreign(y):
        return validate_data(estimator, detached(X), dtype=dtype, reset=reset), detached(y)
    check_sparse(y, "y")
    if not multilabel_allowed:
        check_one_column(y)
    check_types(y)
    X, y = validate_data(
        estimator,
        detached(X),
        y,
        accept_sparse="csr",
        dtype=dtype,
        reset=reset,
        multi_output=multilabel_allowed,
    )
    X, y = without_duplicates(X), plain_labels(y, warn=True)
    if not are_clearly_classes(y):
        check_classification_targets(y)
    if y.ndim == 2 and type_of_target(y) != "multilabel-indicator":
        raise ValueError(
            f"y must hold one label per row, or 0 and 1 in each column (multilabel); got "
            f"the target type {type_of_target(y)!r} of shape {y.shape}."
        )
    return X, y


def validate_validation(estimator, X, y, rows):
    """Return X_val, on the device of the training `rows`, and y_val where it is encoded."""
    stays_on_host = not array_api.is_foreign(rows)
    if stays_on_host:
        X = array_api.on_host(X)
    dtype = array_api.floats_of(X, rows)
    check_sparse(X, "X")
    X = validate_data(estimator, detached(X), accept_sparse="csr", dtype=dtype, reset=False)
    if not stays_on_host:
        X = alike(rows, X.toarray() if issparse(X) else X)
    y = device_labels.where_encoded(X, y)
    if array_api.is_foreign(y):
        return X, detached(y)
    check_sparse(y, "y")
    y = check_array(y, ensure_2d=False, dtype=None, accept_sparse=True, input_name="y_val")
    return X, plain_labels(y, warn=True)


def check_one_column(y):
    """Raise ValueError if y has several columns, and say what to use for them."""
    try:
        shape = y.shape if hasattr(y, "shape") else np.asarray(y).shape
    except ValueError:  # lists of several lengths, which scikit-learn's check refuses
        return
    if len(shape) == 2 and shape[1] > 1:
        raise ValueError(
            f"y should be a 1d array, got an array of shape {tuple(shape)} instead. For "
            "several labels per row (multilabel), use BackpropMLPClassifier, or one model "
            "per column: sklearn.multioutput.MultiOutputClassifier."
        )


def plain_labels(y, warn):
    """Return y as ndarray, with one axis if it has one column."""
    y = y.toarray() if issparse(y) else np.asarray(y)
    return column_or_1d(y, warn=warn) if y.ndim == 2 and y.shape[1] == 1 else y


def is_missing(label):
    """Return whether a label is None or pandas' NA, which has no truth value."""
    return label is None or type(label).__name__ == "NAType"


def check_types(y, name="y"):
    """Raise ValueError if labels are missing, or strings and others.

    Their comparisons would raise a TypeError that does not name y.
    """
    if y is None or issparse(y):
        return
    try:
        labels = np.asarray(y)
    except ValueError:  # lists of several lengths, which scikit-learn's check refuses
        return
    if labels.dtype != object:
        return
    labels = labels.ravel().tolist()
    missing = [is_missing(label) for label in labels]
    if any(missing):
        raise ValueError(
            f"Input {name} contains missing labels: {sum(missing)} of {len(missing)}, "
            f"first in row {missing.index(True)}. Remove them, from y with the rows of X."
        )
    examples = {isinstance(label, str): label for label in reversed(labels)}
    if len(examples) > 1:
        raise ValueError(
            f"{name} mixes strings and other labels, such as {examples[True]!r} and "
            f"{examples[False]!r}. Convert all labels to one type."
        )


def validate_labels(y):
    """Return the user's y as an ndarray of one label per row; raise if it is not that."""
    if y is None:
        raise ValueError("fit requires y to be passed, but the target y is None.")
    y = array_api.on_host(y)
    check_one_column(y)
    check_types(y)
    y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
    y = column_or_1d(y, warn=True)
    check_classification_targets(y)
    return y


def validate_rows(estimator, X, dtype, ensure_all_finite):
    """Return rows to predict as an array or CSR of this dtype.

    scikit-learn's validation takes longer than the prediction of a row. It is skipped for
    plain arrays if the caller checks later that values are finite.
    """
    if not ensure_all_finite and is_plain(estimator, X, dtype):
        return X
    check_sparse(X, "X")
    return validate_data(
        estimator,
        detached(X),
        accept_sparse="csr",
        dtype=dtype,
        reset=False,
        ensure_all_finite=ensure_all_finite,
    )


def is_plain(estimator, X, dtype):
    """Return whether X is an ndarray that needs no validation but of its values."""
    return (
        type(X) is np.ndarray
        and X.dtype == dtype
        and X.ndim == 2
        and X.shape[0] > 0
        and X.shape[1] == estimator.n_features_in_
        and not hasattr(estimator, "feature_names_in_")
        and not get_config()["array_api_dispatch"]
    )


def are_plain_labels(y, n_samples):
    """Return whether y is an ndarray of integers that needs no validation."""
    return (
        type(y) is np.ndarray
        and y.shape == (n_samples,)
        and y.dtype.kind in "biu"
        # scikit-learn warns of more labels: they could be values of a regression.
        and (n_samples <= 20 or len(np.unique(y)) <= n_samples // 2)
    )


def make_dataset(X, y, weight, rows, encoding):
    """Return the encoded Dataset of these rows of X, with unscaled weights.

    `rows` (n_samples,) are indices into X (n, n_features), None for all. `y` and `weight`
    (or None) belong to these rows. Rows of weight 0 (by class_weight) are left out.
    """
    data = Dataset(X, encoding.encode(y, numpy_dtype(X)), weight, rows)
    positions = None if weight is None else positive_rows(weight)
    return data if positions is None else view_of_rows(data, positions)


def beside_rows(data: Dataset) -> Dataset:
    """Return `data` with y, weights and row numbers moved to the device of X."""
    if issparse(data.X):
        return data
    return Dataset(data.X, *(moved_to(data.X, array) for array in data[1:]))
