"""Labels and weights that are on the device of the rows, and stay there.

Only usual ones do. The host looks at all others: it raises the errors, and gives warnings.
"""

import numpy as np

from .._engine.arrays import (
    are_together,
    as_type,
    detached,
    is_finite,
    is_in_host_memory,
    lacks_float64,
    moved_to,
    namespace,
    numpy_dtype,
    take,
    to_numpy,
    widened,
)
from . import array_api

# Types of labels that every library can sort.
INTEGERS = ("bool", "uint8", "int8", "int16", "int32", "int64")
FLOATS = ("float32", "float64")
# Below it, float64 holds all integers, and rounds no other number to one of them.
SMALLEST_INEXACT = 2**53


def name_of_dtype(array) -> str:
    """Return the name of an array's dtype; NumPy does not have that of every array."""
    return str(array.dtype).split(".")[-1]


def are_beside(rows, values) -> bool:
    """Return whether the user's `values` are a vector on the device of `rows` (n, p).

    The host's memory is no device: NumPy reads it without a copy.
    """
    return (
        array_api.is_foreign(rows)
        and array_api.is_foreign(values)
        and are_together(rows, values)
        and not is_in_host_memory(values)
        and not lacks_float64(values)
        and tuple(values.shape) == tuple(rows.shape[:1])
    )


def are_usual_labels(X, y) -> bool:
    """Return whether the labels y of the rows X can be encoded on their device.

    They are integers of a range that is smaller than half of the number of rows, so that
    they are certainly labels of classes.
    """
    name = name_of_dtype(y) if are_beside(X, y) and y.shape[0] else None
    if name not in INTEGERS + FLOATS:
        return False
    xp, y = namespace(y), sortable(detached(y))
    if name in FLOATS and not bool(xp.all(xp.isfinite(y) & (y == xp.floor(y)))):
        return False
    least, most = to_numpy(xp.stack([xp.min(y), xp.max(y)])).tolist()
    return most - least < y.shape[0] // 2


def where_encoded(X, y):
    """Return the user's y as it is if it can stay on the device of X, else on the host."""
    return y if are_usual_labels(X, y) else array_api.on_host(y)


def usual_weight(y, sample_weight):
    """Return the user's weights as float64 beside the labels y, or None if not usual."""
    if not are_beside(y, sample_weight):
        return None
    xp, weight = namespace(y), detached(sample_weight)
    if not xp.isdtype(weight.dtype, ("bool", "integral", "real floating")):
        return None
    weight = widened(weight)
    return weight if is_finite(weight) and bool(xp.all(weight >= 0)) else None


def sortable(labels):
    """Return labels as they are, or as integers if they are truth values."""
    xp = namespace(labels)
    return as_type(labels, xp.uint8) if labels.dtype == xp.bool else labels


def classes_in(y):
    """Return the sorted labels of y (n,), as an ndarray (n_classes,) of the same dtype."""
    classes = to_numpy(namespace(y).unique_values(sortable(y)))
    return np.unique(classes).astype(numpy_dtype(y))


def positions_in(classes, y):
    """Return the position of each label of y in the sorted `classes`, beside y.

    None if a label is not there, or if no type holds labels of both exactly.
    """
    exact, xp = exact_type(classes, numpy_dtype(y)), namespace(y)
    if exact is None:
        return None
    known = moved_to(y, classes.astype(exact))
    y = as_type(y, known.dtype)
    positions = xp.clip(xp.searchsorted(known, y), 0, len(classes) - 1)
    return positions if bool(xp.all(take(known, positions) == y)) else None


def exact_type(classes, dtype):
    """Return a type that holds these classes and labels of this dtype exactly, or None."""
    kinds = classes.dtype.kind + dtype.kind
    if set(kinds) <= set("biu") and np.can_cast(classes.dtype, np.int64):
        return np.int64
    if not set(kinds) <= set("biuf") or np.max(np.abs(classes)) >= SMALLEST_INEXACT:
        return None
    return np.float64


def sums_by_class(indices, values, n_classes: int):
    """Return the sum of the values in each class as an ndarray (n_classes,)."""
    xp = namespace(indices)
    zero = xp.zeros_like(values)
    sums = [xp.sum(xp.where(indices == k, values, zero)) for k in range(n_classes)]
    return to_numpy(xp.stack(sums))
