"""Arrays of other libraries than NumPy, if scikit-learn's `array_api_dispatch` is on.

Fitted attributes and predictions have the library and the device of X. Labels and weights
that are there already stay there (device_labels.py). Others are validated on the host, as
ndarrays, and then moved to the device of X. If the setting is off, all input is converted
to ndarrays, as in all of scikit-learn.
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

FLOATS = (np.float64, np.float32)  # float32 stays; other types become float64
# Stands for NumPy if an array only tells library and device.
NUMPY = np.empty(0)


def is_foreign(array):
    """Return whether `array` is of another library and array_api_dispatch is on."""
    if isinstance(array, np.ndarray) or not get_config()["array_api_dispatch"]:
        return False
    # Tensors of PyTorch have no __array_namespace__; neither have data frames.
    return hasattr(array, "__dlpack__") and not isinstance(array, np.generic)


def like(X):
    """Return an array with the library and device of the results: X if it is foreign."""
    return X if is_foreign(X) else NUMPY


def on_host(array):
    """Return `array` as an ndarray if it is foreign, else unchanged."""
    return to_numpy(array) if is_foreign(array) else array


def own(array):
    """Return a fitted attribute as an array: an edited one may be a list, say."""
    if isinstance(array, np.ndarray) or is_foreign(array):
        return array
    return to_numpy(array) if hasattr(array, "__dlpack__") else np.asarray(array)


def copied(array):
    """Return a copy in C order."""
    if isinstance(array, np.ndarray):
        return np.array(array, order="C")
    return namespace(array).asarray(array, copy=True)


def floats_of(X, fitted=None):
    """Return the dtypes that X may have, in its library: float32 stays, others change.

    With an array `fitted`, of a resumed model or of training rows, X gets its dtype.
    """
    if fitted is not None:
        dtype = np.dtype(numpy_dtype(fitted).name)  # in the machine's byte order
        return dtype_at(X, dtype) if is_foreign(X) else dtype
    if not is_foreign(X):
        return FLOATS
    xp, widest = namespace(X), widest_float(X)
    return (xp.float64, xp.float32) if widest == xp.float64 else (xp.float32,)


def dtype_at(like, dtype):
    """Return a dtype of NumPy as that of the library of `like`."""
    xp = namespace(like)
    return dtype if xp is np else getattr(xp, np.dtype(dtype).name)


def labels_at(like, labels):
    """Return numeric labels in the library and on the device of `like`."""
    return moved_to(like, labels) if labels.dtype.kind in "biuf" else labels


def labels_of(classes, indices):
    """Return the labels with these indices, on the host unless both are together."""
    if type(indices) is np.ndarray and type(classes) is np.ndarray:
        return classes[indices]
    if are_together(classes, indices):
        return take(classes, indices)
    return to_numpy(classes)[to_numpy(indices)]


def check_same_place(estimator, X, fitted, method):
    """Raise ValueError unless the user's X has the library and device of the model.

    `fitted` is one of the fitted attributes, and `method` the name of the method called.
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


def is_out_of_memory(error):
    """Return whether an array library raised the error for lack of memory of a device."""
    return type(error).__name__ == "OutOfMemoryError"


def out_of_memory(error):
    """Return the MemoryError to raise instead, which says what to make smaller."""
    return MemoryError(
        "The device has too little memory. Pass fewer rows (partial_fit takes them in "
        "chunks), or float32 instead of float64; with a learning rate, a smaller "
        "batch_size or layer helps, too. The estimator is unchanged. The array library "
        f"said: {error}"
    )


def place_name(array):
    """Return the name of an array's library and device."""
    return (
        library(array)
        if library(array) == "numpy"
        else f"{library(array)} on {array.device}"
    )
