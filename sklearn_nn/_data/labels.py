"""Class labels: encoding for the losses, and decoding."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.utils.multiclass import unique_labels

from .._engine.arrays import as_type, moved_to, namespace, to_numpy
from . import array_api, device_labels

LARGEST_EXACT = 2**53  # float64 holds all integers up to it
# Labels of so many rows are counted if their integers are in a range of this size.
MANY_ROWS, LARGEST_RANGE = 10_000, 2**16


@dataclass(frozen=True)
class Encoding:
    """Conversion of labels to the targets of a loss, and back.

    Labels y of another library than NumPy have one axis, and are encoded where they are.
    """

    classes: Any  # ndarray (n_classes,): sorted labels; for multilabel y the column numbers
    multilabel: bool = False
    # Whether indicators are predicted as CSR, because those of the first call were sparse.
    sparse: bool = False

    @property
    def n_outputs(self) -> int:
        """Number of logits; two classes have one."""
        binary = len(self.classes) == 2 and not self.multilabel
        return 1 if binary else len(self.classes)

    @property
    def out_activation(self) -> str:
        """'softmax' for exclusive classes, unless there are two; else 'logistic'."""
        binary = len(self.classes) == 2
        return "logistic" if self.multilabel or binary else "softmax"

    def unseen(self, y):
        """Return the labels of y (n,) that are not among `classes`."""
        if not isinstance(y, np.ndarray):
            y = device_labels.classes_in(y)
        try:
            return np.setdiff1d(*exactly_comparable(y, self.classes))
        except TypeError:  # labels of types that have no order
            known = set(self.classes.tolist())
            unseen = [one for one in dict.fromkeys(y.tolist()) if one not in known]
            return np.array([*unseen, None], dtype=object)[:-1]  # of one axis, always

    def class_indices(self, y):
        """Return the index of each label of y (n,) in `classes`."""
        if not isinstance(y, np.ndarray):
            return self.indices_on_device(y)
        y, classes = exactly_comparable(y, self.classes)
        if y.dtype.kind in "biu" and classes.dtype.kind in "biu":
            # Faster than `unseen`, which is slower than a step on a row.
            indices = positions_in(classes, y)
            if indices is not None:
                return indices
        unseen = self.unseen(y)
        if len(unseen):
            raise ValueError(
                f"y has the labels {unseen.tolist()}, which are not among the classes "
                f"{self.classes.tolist()}. Remove these rows, or pass all classes in the "
                "first call."
            )
        return np.searchsorted(classes, y)

    def indices_on_device(self, y):
        """Return the index of each label of y (n,), of another library, in `classes`."""
        indices = device_labels.positions_in(self.classes, y)
        if indices is not None:
            return indices
        self.class_indices(device_labels.classes_in(y))  # raises if a label is unknown
        return moved_to(y, self.class_indices(to_numpy(y)))

    def check_shape(self, y):
        """Raise ValueError unless y has one label, or indicators, as in training."""
        if self.multilabel != (y.ndim == 2) or (
            self.multilabel and y.shape[1] != self.n_outputs
        ):
            raise ValueError(
                f"y of shape {y.shape} does not fit the {self.n_outputs} outputs of the "
                f"model: expected {'indicators' if self.multilabel else 'one label'} for "
                "each row, as in training."
            )

    def encode(self, y, dtype):
        """Return y encoded for the losses; see `Dataset.y`."""
        self.check_shape(y)
        if self.multilabel and not np.all((y == 0) | (y == 1)):
            raise ValueError(
                "Multilabel y must hold 0 and 1; got the values "
                f"{np.unique(y).tolist()[:10]}."
            )
        if self.multilabel:
            return np.asarray(y, dtype=dtype, order="C")
        indices = self.class_indices(y)
        if self.out_activation == "softmax":
            return indices
        return as_type(indices, array_api.dtype_at(indices, dtype))[:, None]

    def decide(self, logits):
        """Return the most probable class (n,), or indicators, from logits (n, k)."""
        xp = np if type(logits) is np.ndarray else namespace(logits)  # saves time
        if self.out_activation == "softmax":
            return xp.argmax(logits, axis=1)
        is_likely = (logits if self.multilabel else logits[:, 0]) > 0
        return as_type(is_likely, xp.int64)

    def indicators(self, decided):
        """Return decided indicators (n, n_outputs) as the user's were, dense or CSR."""
        return csr_matrix(to_numpy(decided)) if self.sparse else decided

    def labels(self, targets):
        """Return class indices as labels, for scorers; indicators stay unchanged."""
        targets = to_numpy(targets)
        return targets if self.multilabel else self.classes[targets]

    def targets(self, encoded):
        """Return encoded labels as class indices or indicators, like those of `decide`."""
        if not self.multilabel and self.out_activation == "logistic":
            encoded = encoded[:, 0]
        return as_type(encoded, namespace(encoded).int64)


def exactly_comparable(y, classes):
    """Return labels and classes, as objects if NumPy would round integers to compare them.

    The common type of int64 and uint64, or of an integer and a float, is float64, which
    merges integers above 2**53.
    """
    if y.dtype == classes.dtype:
        return y, classes
    kinds = {y.dtype.kind, classes.dtype.kind}
    if not kinds <= set("iuf") or np.result_type(y, classes).kind in kinds - {"f"}:
        return y, classes
    if kinds == {"f"} or not any(has_large(labels) for labels in (y, classes)):
        return y, classes
    return y.astype(object), classes.astype(object)


def has_large(labels) -> bool:
    """Return whether numbers are too large for float64 to hold all integers."""
    return bool(np.any((labels > LARGEST_EXACT) | (labels < -LARGEST_EXACT)))


def are_same_labels(one, other) -> bool:
    """Return whether two arrays hold the same labels in the same order."""
    return np.array_equal(*exactly_comparable(np.asarray(one), np.asarray(other)))


def encoding_of(y) -> Encoding:
    """Return the Encoding of the labels in y (n,), or of indicators (n, n_outputs)."""
    if y.ndim == 2:
        return Encoding(np.arange(y.shape[1]), multilabel=True)
    if not isinstance(y, np.ndarray):
        return Encoding(device_labels.classes_in(y))
    labels = counted_labels(y)
    return Encoding(np.unique(y) if labels is None else labels)


def counted_labels(y):
    """Return the sorted labels of y (n,), or None unless they are easy to count.

    Counting many integers in a small range is about 20 times as fast as sorting them.
    """
    if len(y) < MANY_ROWS or y.ndim > 1 or not is_integer(y):
        return None
    first, last = int(y.min()), int(y.max())
    if last - first > LARGEST_RANGE:
        return None
    counts = np.bincount(y.astype(np.int64, copy=False) - first)
    return (np.flatnonzero(counts) + first).astype(y.dtype)


def are_clearly_classes(y) -> bool:
    """Return whether y has few different integers, and so certainly labels of classes."""
    if len(y) < MANY_ROWS or y.ndim > 1 or not is_integer(y):
        return False
    return int(y.max()) - int(y.min()) < len(y) // 2


def positions_in(classes, y):
    """Return the position of each label of y (integers) in the sorted `classes`.

    None if a label is not there.
    """
    first, last = int(classes[0]), int(classes[-1])
    if len(y) < MANY_ROWS or not is_integer(y) or last - first > LARGEST_RANGE:
        positions = np.searchsorted(classes, y)
    elif last - first + 1 == len(classes):  # no integer between them is missing
        is_known = first <= int(y.min()) and int(y.max()) <= last
        return y.astype(np.int64) - first if is_known else None
    else:
        table = np.zeros(last - first + 1, dtype=np.int64)
        table[classes.astype(np.int64) - first] = np.arange(len(classes))
        positions = table.take(y.astype(np.int64) - first, mode="clip")
    return positions if np.array_equal(classes.take(positions, mode="clip"), y) else None


def is_integer(labels) -> bool:
    """Return whether int64 holds these labels exactly."""
    return labels.dtype.kind in "biu" and np.can_cast(labels.dtype, np.int64)


def common_encoding(encodings: list[Encoding]) -> Encoding:
    """Return the Encoding of the labels of all blocks, from one Encoding for each."""
    first = encodings[0]
    n_columns = {len(e.classes) if e.multilabel else 1 for e in encodings}
    if len(n_columns) > 1 or len({e.multilabel for e in encodings}) > 1:
        raise ValueError(
            "All blocks of y must be of the same kind, with the same number of columns; "
            f"got blocks with {sorted(n_columns)} columns."
        )
    if first.multilabel:
        return first
    if len({isinstance(e.classes[0], str) for e in encodings}) > 1:
        raise ValueError(
            "All blocks of y must have labels of the same kind; got strings in some and "
            "numbers in others."
        )
    return Encoding(np.unique(np.concatenate([e.classes for e in encodings])))


def check_same_classes(encoding: Encoding, fitted: Encoding):
    """Raise ValueError unless y has the classes of the fitted model (warm start)."""
    same_kind = encoding.multilabel == fitted.multilabel
    if same_kind and are_same_labels(encoding.classes, fitted.classes):
        return
    raise ValueError(
        f"warm_start=True needs the same classes in every fit: y has "
        f"{encoding.classes.tolist()}, the model was fitted with "
        f"{fitted.classes.tolist()}. Set warm_start=False, or use partial_fit for data "
        "in chunks."
    )


def partial_fit_encoding(y, classes, fitted: Encoding | None) -> Encoding:
    """Return the Encoding of a chunk: of `classes` in the first call, then the fitted."""
    if classes is None:
        if fitted is None:
            raise ValueError(
                "The first call to partial_fit needs classes, all labels that may occur in "
                f"any call; this call has the labels {encoding_of(y).classes.tolist()}."
            )
        return fitted
    same_kind = fitted is not None and fitted.multilabel == (y.ndim == 2)
    if same_kind and are_plainly_equal(classes, fitted.classes):
        return fitted
    classes = unique_labels(array_api.on_host(classes))
    given = Encoding(classes, multilabel=y.ndim == 2)
    if given.multilabel and not np.array_equal(given.classes, np.arange(y.shape[1])):
        raise ValueError(
            f"For multilabel y, classes are the column numbers {list(range(y.shape[1]))}; "
            f"got {given.classes.tolist()}."
        )
    if fitted is not None and not are_same_labels(given.classes, fitted.classes):
        raise ValueError(
            f"classes={given.classes.tolist()} are not those of the first call, "
            f"{fitted.classes.tolist()}, which are fixed. Omit classes, or use a new "
            "estimator."
        )
    return given if fitted is None else fitted


def are_plainly_equal(classes, fitted) -> bool:
    """Return whether the user's classes are certainly those of the model, in their order.

    scikit-learn's `unique_labels` is slower than a stream's step of a row.
    """
    if isinstance(classes, (list, tuple)) and len({type(one) for one in classes}) > 1:
        return False  # a mixture of types may be an error
    is_plain = isinstance(classes, (list, tuple, np.ndarray))
    return is_plain and are_same_labels(classes, fitted)
