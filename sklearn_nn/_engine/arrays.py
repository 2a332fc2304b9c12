"""Array functions that the other files need, in whatever array library the data is in."""

import numpy as np
from scipy import special
from scipy.sparse import issparse

try:
    import array_api_compat
except ModuleNotFoundError:  # what is in NumPy needs none
    array_api_compat = None

# How arrays come into the memory of the host, by the name of their library.
TO_HOST = {
    "torch": lambda array: array.detach().cpu().numpy(),
    "cupy": lambda array: array.get(),
    "dpnp": lambda array: array.asnumpy(),
    "array_api_strict": lambda array: np.asarray(
        array.to_device(namespace(array).Device("CPU_DEVICE"))
    ),
}
# Libraries whose own functions scipy.special calls; others come to the host for them.
WITH_SPECIAL = ("numpy", "torch", "cupy")
# The namespace of each type of array, and the most exact float of each namespace and
# device, met so far: to ask for them in each step would take as long as the step.
NAMESPACES, WIDEST_FLOATS = {}, {}


def namespace(array):
    """Return the array API namespace of `array` (NumPy for an ndarray).

    Raises
    ------
    ImportError
        If the array is of a library whose own functions do not follow the array API,
        such as PyTorch, and array-api-compat is missing.
    """
    if isinstance(array, (np.ndarray, np.generic)):
        return np
    kind = type(array)
    if kind not in NAMESPACES:
        NAMESPACES[kind] = namespace_found(array)
    return NAMESPACES[kind]


def namespace_found(array):
    """Return the namespace of an array that is not NumPy's."""
    if array_api_compat is not None:
        return array_api_compat.array_namespace(array)
    try:
        return array.__array_namespace__()
    except AttributeError:
        raise ImportError(
            f"Arrays of the type {type(array).__module__}.{type(array).__qualname__} need "
            "the package array-api-compat: pip install sklearn_nn[array-api]."
        ) from None


def detached(array):
    """Return the array without the record that PyTorch keeps to differentiate it."""
    return array.detach() if getattr(array, "requires_grad", False) is True else array


def library(array):
    """Return the name of the library that `array` is of, as 'numpy' or 'torch'."""
    return namespace(array).__name__.split(".")[-1]


def to_numpy(array):
    """Return `array` as an ndarray in the memory of the host, shared where it is there."""
    if isinstance(array, np.ndarray):
        return array
    return TO_HOST.get(library(array), np.asarray)(array)


def numpy_dtype(array):
    """Return NumPy's dtype of the numbers of an array or a CSR matrix."""
    return np.dtype(str(array.dtype).split(".")[-1])


def moved_to(like, array):
    """Return `array` (or None) in the library and on the device of `like`.

    Its dtype stays, but where the device has no float64 it becomes float32.
    """
    if array is None or array is like or are_together(like, array):
        return array
    array = to_numpy(array)
    if isinstance(like, np.ndarray):
        return array
    xp = namespace(like)
    if array.dtype == np.float64 and widest_float(like) != xp.float64:
        array = array.astype(np.float32)
    # A copy: what is in the memory of the host would be shared.
    return xp.asarray(array, device=like.device, copy=True)


def are_together(one, other):
    """Say whether two arrays are of the same library and on the same device."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return isinstance(one, np.ndarray) and isinstance(other, np.ndarray)
    return library(one) == library(other) and one.device == other.device


def alike(like, array):
    """Return `array` in the library, on the device and in the dtype of `like`."""
    if isinstance(array, np.ndarray):  # converted first, so that fewer bytes are moved
        array = array.astype(numpy_dtype(like), copy=False)
    return as_type(moved_to(like, array), like.dtype)


def as_type(array, dtype):
    """Return `array` in this dtype, itself if it has it."""
    if isinstance(array, (np.ndarray, np.generic)):  # NumPy 2.0 has no other way
        return array.astype(dtype, copy=False)
    return namespace(array).astype(array, dtype, copy=False)


def widest_float(array):
    """Return float64 of the library of `array`, or float32 on a device without float64."""
    xp = namespace(array)
    if xp is np:
        return np.float64
    key = xp.__name__, str(array.device)
    if key not in WIDEST_FLOATS:
        floats = xp.__array_namespace_info__().dtypes(
            device=array.device, kind="real floating"
        )
        WIDEST_FLOATS[key] = floats.get("float64", xp.float32)
    return WIDEST_FLOATS[key]


def widened(array):
    """Return `array` in the most exact type of its device, for sums over many numbers."""
    return as_type(array, widest_float(array))


def is_finite(array):
    """Say whether all numbers of `array` are finite."""
    xp = namespace(array)
    return bool(xp.all(xp.isfinite(array)))


def are_equal(one, other):
    """Say whether two arrays of one library have the same shape and numbers."""
    xp = namespace(one)
    return tuple(one.shape) == tuple(other.shape) and bool(xp.all(one == other))


def take_rows(X, index):
    """Return the rows `index` (a slice or integers) of X, dense ones in C order.

    C order, because a matrix product adds in another order for Fortran-ordered rows:
    the same data would give another model in the last digits.
    """
    if issparse(X):
        return X[index]
    if not isinstance(X, np.ndarray):
        return take(X, index)
    if isinstance(index, slice):
        return np.ascontiguousarray(X[index])
    return np.take(X, index, axis=0)  # always C order; X[index] may not be


def take(array, index):
    """Return the elements `index` (a slice or integers) along the first axis."""
    if isinstance(index, slice) or isinstance(array, np.ndarray):
        return array[index, ...]
    xp = namespace(array)
    if isinstance(index, np.ndarray):
        index = moved_to(array, index)
    return xp.take(array, index, axis=0)


def sigmoid(z):
    """Return 1 / (1 + exp(-z)) without overflow, in relative accuracy in both tails.

    Parameters
    ----------
    z : array of any shape
        Logits, any finite value.

    Returns
    -------
    array of the same shape and dtype
        Probabilities in [0, 1].
    """
    xp = namespace(z)
    e = xp.exp(-xp.abs(z))
    return xp.where(z >= 0, xp.ones_like(e), e) / (1 + e)


def log1pexp(z):
    """Return log(1 + exp(z)) without overflow.

    Parameters
    ----------
    z : array of any shape
        Logits, any finite value.

    Returns
    -------
    array of the same shape and dtype
        Values in nats.

    Notes
    -----
    Uses max(z, 0) + log1p(exp(-abs(z))), in which exp never overflows. Relative error
    below 4 eps against mpmath for abs(z) <= 700 (test_arrays.py).

    References
    ----------
    M. Maechler, "Accurately computing log(1 - exp(-abs(a)))", 2012, section 3,
    https://cran.r-project.org/package=Rmpfr
    """
    xp = namespace(z)
    return xp.maximum(z, xp.zeros_like(z)) + xp.log1p(xp.exp(-xp.abs(z)))


def normal_cdf(z):
    """Return the standard normal distribution function, in relative accuracy in both tails.

    It is (1 + erf(z / sqrt(2))) / 2. Arrays of other libraries than NumPy need the
    environment variable SCIPY_ARRAY_API=1 set before scipy is imported.

    Parameters
    ----------
    z : array of any shape

    Returns
    -------
    array of the same shape and dtype
        Probabilities in [0, 1].
    """
    if library(z) in WITH_SPECIAL:
        return special.ndtr(z)
    return moved_to(z, special.ndtr(to_numpy(z)))


def log_softmax(z):
    """Return the logarithm of `softmax` of z (n, n_classes), finite where that is 0."""
    xp = namespace(z)
    # The largest logit becomes 0: exp never overflows and its sum is at least 1.
    z = z - xp.max(z, axis=1, keepdims=True)
    return z - xp.log(xp.sum(xp.exp(z), axis=1, keepdims=True))


def softmax(z):
    """Return exp(z_k) / sum_j exp(z_j) along the last axis of z (n, n_classes)."""
    xp = namespace(z)
    e = xp.exp(z - xp.max(z, axis=1, keepdims=True))
    return e / xp.sum(e, axis=1, keepdims=True)
