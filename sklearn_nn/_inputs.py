"""From what users pass to what the engine takes: the only place that encodes.

Validation is scikit-learn's; its private helper `_check_sample_weight` was checked with
scikit-learn 1.6 to 1.9.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.model_selection import train_test_split
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import (
    check_classification_targets,
    type_of_target,
    unique_labels,
)
from sklearn.utils.validation import (
    _check_sample_weight,
    column_or_1d,
    validate_data,
)

from ._engine.arrays import take_rows
from ._engine.types import Dataset

FLOATS = (np.float64, np.float32)  # float32 is kept, everything else becomes float64


@dataclass(frozen=True)
class Encoding:
    """How labels become what a loss compares logits with, and back.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted labels; for multilabel y the column numbers.
    multilabel : bool
    """

    classes: Any
    multilabel: bool = False

    @property
    def n_outputs(self):
        """Number of logits: one decides between two classes."""
        binary = len(self.classes) == 2 and not self.multilabel
        return 1 if binary else len(self.classes)

    @property
    def out_activation(self):
        """'softmax' where exactly one class is right, else 'logistic' for each output."""
        binary = len(self.classes) == 2
        return "logistic" if self.multilabel or binary else "softmax"

    def class_indices(self, y):
        """Return the position of each label of y (n,) in `classes`."""
        unseen = np.setdiff1d(y, self.classes)
        if len(unseen):
            raise ValueError(
                f"y has the labels {unseen.tolist()}, which are not among the classes "
                f"{self.classes.tolist()}. Name all classes in the first call."
            )
        return np.searchsorted(self.classes, y)

    def encode(self, y, dtype):
        """Return y as the losses take it: see `Dataset.y`."""
        if self.multilabel != (y.ndim == 2) or (
            self.multilabel and y.shape[1] != self.n_outputs
        ):
            raise ValueError(
                f"y of shape {y.shape} does not fit the {self.n_outputs} outputs of the "
                f"model: expected {'indicators' if self.multilabel else 'one label'} for "
                "each row, as in the first call."
            )
        if self.multilabel:
            return np.asarray(y, dtype=dtype, order="C")
        indices = self.class_indices(y)
        if self.out_activation == "softmax":
            return indices
        return indices.astype(dtype)[:, None]

    def decide(self, logits):
        """Return the most probable class indices (n,) or indicators, from logits (n, k)."""
        if self.multilabel:
            return (logits > 0).astype(int)
        if self.out_activation == "softmax":
            return np.argmax(logits, axis=1)
        return (logits[:, 0] > 0).astype(int)

    def targets(self, encoded):
        """Return what `decide` should have returned for encoded labels."""
        if self.multilabel or self.out_activation == "softmax":
            return encoded.astype(int)
        return encoded[:, 0].astype(int)


def validate_labelled(estimator, X, y, dtype, reset, multilabel_allowed):
    """Return X as float ndarray or CSR, y as an array of labels or indicators.

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
        X,
        y,
        accept_sparse="csr",
        dtype=dtype,
        reset=reset,
        multi_output=multilabel_allowed,
    )
    if issparse(y):
        y = y.toarray()
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    check_classification_targets(y)
    if y.ndim == 2 and type_of_target(y) != "multilabel-indicator":
        raise ValueError(
            f"y must hold one label a row, or 0 and 1 in each column (multilabel); got "
            f"the target type {type_of_target(y)!r} of shape {y.shape}."
        )
    return X, y


def encoding_of(y):
    """Return the Encoding of the labels in y (n,), or of indicators (n, n_outputs)."""
    if y.ndim == 2:
        return Encoding(np.arange(y.shape[1]), multilabel=True)
    return Encoding(np.unique(y))


def check_same_classes(encoding, kept):
    """Raise ValueError unless a warm start has the classes of the first fit."""
    same_kind = encoding.multilabel == kept.multilabel
    if same_kind and np.array_equal(encoding.classes, kept.classes):
        return
    raise ValueError(
        f"warm_start=True needs the same classes in every fit: y has "
        f"{encoding.classes.tolist()}, the model was fitted with "
        f"{kept.classes.tolist()}. Set warm_start=False, or use partial_fit for data "
        "that comes in chunks."
    )


def partial_fit_encoding(y, classes, kept):
    """Return the Encoding for a chunk of labels y: made in the first call, then kept.

    Parameters
    ----------
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
    classes : array-like of shape (n_classes,) or None
    kept : Encoding or None
        None in the first call.
    """
    if classes is None:
        if kept is None:
            raise ValueError(
                "The first call to partial_fit needs classes, all labels that will ever "
                f"come; this call has the labels {encoding_of(y).classes.tolist()}."
            )
        return kept
    given = Encoding(unique_labels(classes), multilabel=y.ndim == 2)
    if given.multilabel and not np.array_equal(given.classes, np.arange(y.shape[1])):
        raise ValueError(
            f"For multilabel y, classes are the column numbers {list(range(y.shape[1]))}; "
            f"got {given.classes.tolist()}."
        )
    if kept is not None and not np.array_equal(given.classes, kept.classes):
        raise ValueError(
            f"classes={given.classes.tolist()} are not those of the first call, "
            f"{kept.classes.tolist()}, which are fixed. Leave classes out, or begin with "
            "a new estimator."
        )
    return given if kept is None else kept


def positive_rows(weight):
    """Return the indices of positive weights, or None if all are positive."""
    rows = np.flatnonzero(weight)
    if len(rows) == 0:
        raise ValueError(
            "All sample weights are zero, so there is no row to learn from. At least one "
            "sample_weight (times class_weight) must be positive."
        )
    return None if len(rows) == len(weight) else rows


def drop_weightless(X, y, sample_weight):
    """Return the rows of positive weight, and y and the weights at those rows.

    Parameters
    ----------
    X : ndarray or CSR of shape (n, n_features)
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
        sample_weight, X, dtype=np.float64, ensure_non_negative=True
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
    if encoding.multilabel:
        raise ValueError(
            f"class_weight={class_weight!r} cannot be used with multilabel y, where a row "
            "has no single class. Use sample_weight."
        )
    indices, n_classes = encoding.class_indices(y), len(encoding.classes)
    if sample_weight is None:
        sample_weight = np.ones(len(indices))
    with np.errstate(over="ignore"):  # checked below
        if class_weight == "balanced":
            weight_of_class = np.bincount(indices, sample_weight, minlength=n_classes)
            by_class = sample_weight.sum() / n_classes / weight_of_class
        else:
            by_class = compute_class_weight(class_weight, classes=encoding.classes, y=y)
        weight = sample_weight * by_class[indices]
    check_finite_weight(weight, f"sample_weight times class_weight={class_weight!r}")
    return weight


def check_finite_weight(weight, name):
    """Raise ValueError unless all weights are finite."""
    if not np.all(np.isfinite(weight)):
        raise ValueError(f"{name} must be finite for each row; got NaN or infinity.")


def make_dataset(X, y, weight, rows, encoding):
    """Return the encoded Dataset of the given rows, with weights not yet scaled.

    Parameters
    ----------
    X : ndarray or CSR of shape (n, n_features)
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Of the `rows`.
    weight : ndarray of shape (n_samples,) or None
        Of the `rows`; rows of weight 0 (by class_weight) are left out here.
    rows : ndarray of shape (n_samples,) or None
    encoding : Encoding
    """
    data = Dataset(X, encoding.encode(y, X.dtype), weight, rows)
    positions = None if weight is None else positive_rows(weight)
    return data if positions is None else select_samples(data, positions)


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
    return data._replace(sample_weight=(weight / mean).astype(data.X.dtype))


def mean_weight(data):
    """Return the mean weight of the rows of `data` as a float."""
    if data.sample_weight is None:
        return 1.0
    largest = float(np.max(data.sample_weight))  # without it, a sum could overflow
    return largest * float(np.mean(data.sample_weight / largest))


def lay_out(data, batch_size):
    """Return `data` as C-contiguous rows in their order if one batch holds them all.

    That batch is then gathered once and not in every epoch.
    """
    if batch_size < data.n_samples:
        return data
    rows = slice(None) if data.rows is None else data.rows
    return data._replace(X=take_rows(data.X, rows), rows=None)


def split_validation(data, encoding, fraction, rng):
    """Split off validation rows, stratified unless multilabel.

    Parameters
    ----------
    data : Dataset
    encoding : Encoding
    fraction : float in (0, 1)
    rng : numpy.random.RandomState

    Returns
    -------
    training, validation : ndarray of int
        Positions among the samples of `data`.

    Raises
    ------
    ValueError
        If a class would be missing from either part.
    """
    positions = np.arange(data.n_samples)
    if encoding.multilabel:
        return split_positions(positions, None, fraction, rng)
    labels = encoding.targets(data.y)
    counts = np.bincount(labels, minlength=len(encoding.classes))
    check_splittable(counts, encoding.classes, fraction)
    parts = split_positions(positions, labels, fraction, rng)
    present = np.flatnonzero(counts)
    if any(len(np.setdiff1d(present, labels[part])) for part in parts):
        raise ValueError(fraction_message(counts, encoding.classes, fraction))
    return parts


def split_positions(positions, stratify, fraction, rng):
    """Return the sorted training and the validation positions."""
    training, validation = train_test_split(
        positions, test_size=fraction, stratify=stratify, random_state=rng
    )
    return np.sort(training), np.sort(validation)


def check_splittable(counts, classes, fraction):
    """Raise ValueError if a class has one row, or the parts cannot hold all classes."""
    single = classes[counts == 1]
    if len(single):
        raise ValueError(
            f"early_stopping needs at least 2 rows of each class, one to learn from and "
            f"one to validate with; the classes {single.tolist()} have 1 row. Add rows, "
            "leave these classes out, or set early_stopping=False."
        )
    n_classes, n_validation = np.sum(counts > 0), np.ceil(fraction * counts.sum())
    if min(n_validation, counts.sum() - n_validation) < n_classes:
        raise ValueError(fraction_message(counts, classes, fraction))


def fraction_message(counts, classes, fraction):
    """Return what to say where a part of the split would lose a class."""
    smallest = np.min(counts[counts > 0])
    rare = classes[counts == smallest].tolist()
    lower = np.ceil(1e4 / smallest) / 1e4  # rounded so that both bounds work as printed
    return (
        f"validation_fraction={fraction} would leave a class out of the training or the "
        f"validation rows: the smallest classes, {rare}, have {smallest} of "
        f"{counts.sum()} rows. validation_fraction must be at least {lower:.4f} and at "
        f"most {1 - lower:.4f}."
    )


def select_samples(data, positions):
    """Return the given samples of `data`; X is shared, not copied."""
    rows = positions if data.rows is None else data.rows[positions]
    weight = None if data.sample_weight is None else data.sample_weight[positions]
    return Dataset(data.X, data.y[positions], weight, rows)
