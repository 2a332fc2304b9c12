"""Arrays of other libraries than NumPy, where scikit-learn's `array_api_dispatch` is on.

Everything follows X: fitted attributes and predictions are arrays of its library, on its
device. Labels and weights are looked at on the host, as ndarrays, and moved to X then.
Where the setting is off, all that comes is made an ndarray, as everywhere in scikit-learn.
"""

import numpy as np
from sklearn import get_config

from .._engine.arrays import (
    are_together,
    library,
    moved_to,
    namespace,
    numpy_dtype,
    take,
    to_numpy,
    widest_float,
)

FLOATS = (np.float64, np.float32)  # float32 is kept, everything else becomes float64
# What stands for NumPy where the library of an array is asked for.
NUMPY = np.empty(0)


def is_foreign(array):
    """Say whether `array` is of another library, and scikit-learn is to keep it so."""
    if isinstance(array, np.ndarray) or not get_config()["array_api_dispatch"]:
        return False
    # PyTorch's have no namespace of their own, nor have data frames.
    return hasattr(array, "__dlpack__") and not isinstance(array, np.generic)


def like(X):
    """Return X if it is foreign, else an ndarray: an array to move others to."""
    return X if is_foreign(X) else NUMPY


def on_host(array):
    """Return `array` as an ndarray if it is foreign, else as it is."""
    return to_numpy(array) if is_foreign(array) else array


def own(array):
    """Return a fitted attribute as the array that it is, or else as an ndarray."""
    if isinstance(array, np.ndarray) or is_foreign(array):
        return array
    return to_numpy(array) if hasattr(array, "__dlpack__") else np.asarray(array)


def copied(array):
    """Return a copy in C order."""
    if isinstance(array, np.ndarray):
        return np.array(array, order="C")
    return namespace(array).asarray(array, copy=True)


def floats_of(X, kept=None):
    """Return the dtypes that X may have, in its library; others become the first.

    Parameters
    ----------
    X
        As the user passed it.
    kept : array or None
        Of the numbers of a model that goes on, whose dtype decides.
    """
    if kept is not None:
        name = numpy_dtype(kept).name
        return getattr(namespace(X), name) if is_foreign(X) else np.dtype(name)
    if not is_foreign(X):
        return FLOATS
    xp, widest = namespace(X), widest_float(X)
    return (xp.float64, xp.float32) if widest == xp.float64 else (xp.float32,)


def labels_at(like, labels):
    """Return labels in the library and on the device of `like` if they are numbers."""
    return moved_to(like, labels) if labels.dtype.kind in "biuf" else labels


def labels_of(classes, indices):
    """Return the labels with these indices: where the classes are, or on the host."""
    if type(indices) is np.ndarray and type(classes) is np.ndarray:
        return classes[indices]
    if are_together(classes, indices):
        return take(classes, indices)
    return to_numpy(classes)[to_numpy(indices)]


def check_same_place(estimator, X, fitted, method):
    """Raise ValueError unless X is of the library and on the device of the model.

    Parameters
    ----------
    estimator : estimator
    X
        As the user passed it.
    fitted : array
        One of the estimator's attributes.
    method : str
        That X was passed to.
    """
    if isinstance(X, np.ndarray) and isinstance(fitted, np.ndarray):
        return
    if are_together(like(X), like(fitted)):
        return
    places = [place_name(like(array)) for array in (fitted, X)]
    # The words of scikit-learn's check_same_namespace (1.9).
    raise ValueError(
        f"Inputs passed to {type(estimator).__name__}.{method}() must use the same "
        f"namespace and the same device as those passed to fit(): the model is in "
        f"{places[0]}, X in {places[1]}. Move X, or the model by "
        "sklearn.utils._array_api.move_estimator_to(estimator, xp, device), xp a "
        "namespace of the array API (array_api_compat.torch for PyTorch)."
    )


def place_name(array):
    """Return the library and the device of an array in words."""
    return (
        library(array)
        if library(array) == "numpy"
        else f"{library(array)} on {array.device}"
    )
