"""Functions of arrays, in any array library."""

from functools import wraps
from typing import Any

import numpy as np
from scipy import special
from scipy.sparse import issparse

from .one_pass import ONE_PASS

try:
    import array_api_compat
except ModuleNotFoundError:  # NumPy works without it
    array_api_compat = None

# Arrays of any library, named by their axes; comments beside fields say their shapes.
Vector = Any  # one axis
Matrix = Any  # two axes
Rows = Any  # a matrix, or a CSR matrix, with a row per sample

# How to copy arrays to the host, by the name of their library.
TO_HOST = {
    "torch": lambda array: without_bfloat16(array.detach().cpu()).numpy(),
    "cupy": lambda array: array.get(),
    "dpnp": lambda array: array.asnumpy(),
    "array_api_strict": lambda array: np.asarray(
        array.to_device(namespace(array).Device("CPU_DEVICE"))
    ),
}
# How to take elements by their numbers >= 0, if not by `take` of the standard: that of
# array-api-compat for PyTorch also allows negative ones, by three operations more.
TAKE = {"torch": lambda array, index: array.index_select(0, index)}
# Libraries that scipy.special supports; arrays of others are copied to the host for it.
WITH_SPECIAL = ("numpy", "torch", "cupy")
# Formats of sparse matrices with indices and pointers.
COMPRESSED = ("csr", "csc")
# Caches: the namespace of each array type, and the widest float of each namespace and
# device. Finding them in each step would take as long as the step.
NAMESPACES, WIDEST_FLOATS = {}, {}


def namespace(array):
    """Return the array API namespace of `array` (NumPy for an ndarray).

    Raises
    ------
    ImportError
        If the library does not implement the array API itself (PyTorch does not), and
        array-api-compat is not installed.
    """
    if isinstance(array, (np.ndarray, np.generic)):
        return np
    kind = type(array)
    if kind not in NAMESPACES:
        NAMESPACES[kind] = find_namespace(array)
    return NAMESPACES[kind]


def find_namespace(array):
    """Return the namespace of an array of another library than NumPy."""
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
    """Return the array without PyTorch's graph for differentiation."""
    return array.detach() if getattr(array, "requires_grad", False) is True else array


def library(array):
    """Return the name of the array's library, such as 'numpy' or 'torch'."""
    return namespace(array).__name__.split(".")[-1]


def to_numpy(array):
    """Return `array` as an ndarray on the host, without a copy if it is there already."""
    if isinstance(array, np.ndarray):
        return array
    return TO_HOST.get(library(array), np.asarray)(array)


def without_bfloat16(tensor):
    """Return a tensor, in float32 instead of bfloat16, which NumPy does not have."""
    return tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor


def numpy_dtype(array):
    """Return the dtype of an array or a CSR matrix, as NumPy's."""
    if isinstance(array.dtype, np.dtype):
        return array.dtype
    return np.dtype(str(array.dtype).split(".")[-1])


def moved_to(like, array):
    """Return `array` (or None) in the library and on the device of `like`.

    The dtype stays the same, except that float64 becomes float32 if the device lacks it.
    """
    if array is None or array is like or are_together(like, array):
        return array
    array = to_numpy(array)
    if isinstance(like, np.ndarray):
        return array
    xp = namespace(like)
    if array.dtype == np.float64 and lacks_float64(like):
        array = array.astype(np.float32)
    # A copy: arrays on the host would share memory.
    return xp.asarray(array, device=like.device, copy=True)


def are_together(one, other):
    """Return whether two arrays have the same library and device."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return isinstance(one, np.ndarray) and isinstance(other, np.ndarray)
    return library(one) == library(other) and one.device == other.device


def alike(like, array):
    """Return `array` in the library, on the device and in the dtype of `like`."""
    if isinstance(array, np.ndarray):  # converted first, to move fewer bytes
        array = array.astype(numpy_dtype(like), copy=False)
    return as_type(moved_to(like, array), like.dtype)


def as_type(array, dtype):
    """Return `array` in this dtype, without a copy if it has it already."""
    if isinstance(array, (np.ndarray, np.generic)):  # np.astype came with NumPy 2.1
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


def lacks_float64(array):
    """Return whether the device of `array` has no float64."""
    return widest_float(array) != namespace(array).float64


def is_in_host_memory(array):
    """Return whether `array` is in the memory of the host, where NumPy can use it."""
    return isinstance(array, np.ndarray) or "cpu" in str(array.device).lower()


def widened(array):
    """Return `array` in the widest float of its device, for sums over many numbers."""
    return as_type(array, widest_float(array))


def in_one_pass(function):
    """Let one_pass.py compute a function of arrays if it can for the first one's library.

    It may overwrite arrays that the function's documentation names.
    """
    name = function.__name__

    @wraps(function)
    def of_library(array, *others):
        if isinstance(array, np.ndarray):
            return function(array, *others)
        own = ONE_PASS.get(library(array), {}).get(name)
        result = NotImplemented if own is None else own(array, *others)
        return function(array, *others) if result is NotImplemented else result

    return of_library


@in_one_pass
def affine(intercept, X, weight):
    """Return X @ weight + intercept, for X (n, fan_in) and weight (fan_in, fan_out)."""
    return X @ weight + intercept


@in_one_pass
def plus_multiple(array, factor, other):
    """Return array + factor * other, for a number that is not on the device."""
    return array + factor * other


@in_one_pass
def plus_product(array, factor, x, y):
    """Return array + factor * x * y, for a number that is not on the device."""
    return array + factor * x * y


@in_one_pass
def minus_quotient(array, numerator, denominator):
    """Return array - numerator / denominator; numbers only for NumPy."""
    return array - numerator / denominator


@in_one_pass
def moving_mean(mean, value, beta):
    """Return beta * mean + (1 - beta) * value."""
    return beta * mean + (1 - beta) * value


@in_one_pass
def positive_part(z):
    """Return max(z, 0)."""
    return namespace(z).maximum(z, zero_like(z))


@in_one_pass
def where_positive(array, z):
    """Return the array where z > 0, and 0 elsewhere, for finite numbers."""
    return array * as_type(z > 0, array.dtype)


def zero_like(array):
    """Return 0 in the dtype and on the device of `array`, as an array without axes."""
    return namespace(array).zeros((), dtype=array.dtype, device=array.device)


def sum_over_rows(array):
    """Return the sums of the columns of `array` (n, k), in its dtype.

    They are added in the widest float, because a float32 sum over many rows loses digits.
    """
    xp, groups = namespace(array), sums_of_groups(array)
    return as_type(xp.sum(groups, axis=0, dtype=widest_float(array)), array.dtype)


@in_one_pass
def sums_of_groups(array):
    """Return the rows of `array` (n, k), or sums of a few rows each."""
    return array


def is_finite(array):
    """Return whether all numbers of `array` are finite."""
    xp = namespace(array)
    return bool(xp.all(xp.isfinite(array)))


def are_equal(one, other):
    """Return whether two arrays of one library have the same shape and numbers."""
    xp = namespace(one)
    return tuple(one.shape) == tuple(other.shape) and bool(xp.all(one == other))


def take_rows(X, index):
    """Return the rows `index` (a slice or integers) of X, dense ones in C order.

    In C order, because matrix products of Fortran-ordered rows add in another order: the
    same data would give a model with different last digits.
    """
    if issparse(X):
        return X[index]
    if not isinstance(X, np.ndarray):
        return take(X, index)
    if isinstance(index, slice):
        return np.ascontiguousarray(X[index])
    return np.take(X, index, axis=0)  # always in C order, unlike X[index]


def take(array, index):
    """Return the elements `index` (a slice or integers >= 0) along the first axis."""
    if isinstance(index, slice) or isinstance(array, np.ndarray):
        return array[index, ...]
    if isinstance(index, np.ndarray):
        index = moved_to(array, index)
    if library(array) in TAKE:
        return TAKE[library(array)](array, index)
    return namespace(array).take(array, index, axis=0)


def take_columns(X, index):
    """Return the columns `index` (integers, ndarray) of dense X."""
    if isinstance(X, np.ndarray):
        return X[:, index]
    return namespace(X).take(X, moved_to(X, index), axis=1)


def check_sparse(X, name):
    """Raise ValueError if X is a CSR or CSC matrix with indices out of range.

    scipy checks them only in part, and compiled code follows them anywhere. Other values
    pass.
    """
    if issparse(X) and X.format in COMPRESSED and len(X.shape) == 2:
        check_compressed(X, name)


def check_compressed(X, name):
    """Raise ValueError unless X is a CSR or CSC matrix with indices in range."""
    parts = (X.data, X.indices, X.indptr) if X.format in COMPRESSED else ()
    valid = (
        len(parts) == 3
        and len(X.shape) == 2
        and all(type(part) in (np.ndarray, np.memmap) and part.ndim == 1 for part in parts)
        and all(part.dtype.kind == "i" and part.dtype.isnative for part in parts[1:])
        and has_valid_indices(X)
    )
    if not valid:
        raise ValueError(
            f"{name} should be a CSR or CSC matrix of the shape {X.shape}, but its indices "
            "or its pointers are out of range. Build it again from its entries."
        )


def has_valid_indices(X) -> bool:
    """Return whether pointers of a CSR or CSC matrix increase and indices are in range."""
    n_major, n_minor = X.shape if X.format == "csr" else X.shape[::-1]
    indices, indptr = X.indices, X.indptr
    if len(indptr) != n_major + 1 or len(indices) != len(X.data) or indptr[0] != 0:
        return False
    if indptr[-1] > len(indices) or (indptr[1:] < indptr[:-1]).any():
        return False
    # As unsigned, negative ones are larger than all others.
    unsigned = indices.view(indices.dtype.str.replace("i", "u"))
    return not len(indices) or int(unsigned.max()) < n_minor


def cumulative_sum(array):
    """Return the sums of the first 1, 2, ... elements of a vector."""
    if isinstance(array, np.ndarray):  # np.cumulative_sum came with NumPy 2.1
        return np.cumsum(array)
    return namespace(array).cumulative_sum(array)


def log_sum_exp(z, axis):
    """Return log(sum(exp(z))) along an axis, which stays with length 1, for finite z."""
    if isinstance(z, np.ndarray):
        return special.logsumexp(z, axis=axis, keepdims=True)
    xp = namespace(z)
    largest = xp.max(z, axis=axis, keepdims=True)
    return largest + xp.log(xp.sum(xp.exp(z - largest), axis=axis, keepdims=True))


def largest_of_columns(X: Rows) -> Vector:
    """Return the largest absolute value of each column of X (n, p), as NumPy's float64."""
    if issparse(X):
        largest = np.zeros(X.shape[1])
        np.maximum.at(largest, X.indices, np.abs(X.data))
        return largest
    xp = namespace(X)
    return to_numpy(xp.max(xp.abs(X), axis=0)).astype(np.float64)


@in_one_pass
def sigmoid(z):
    """Return 1 / (1 + exp(-z)) without overflow, accurate in both tails.

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


@in_one_pass
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
    Uses max(z, 0) + log1p(exp(-abs(z))), where exp never overflows. Relative error
    below 4 eps against mpmath for abs(z) <= 700 (test_arrays.py).

    References
    ----------
    M. Maechler, "Accurately computing log(1 - exp(-abs(a)))", 2012, section 3,
    https://cran.r-project.org/package=Rmpfr
    """
    xp = namespace(z)
    return positive_part(z) + xp.log1p(xp.exp(-xp.abs(z)))


def normal_cdf(z):
    """Return the standard normal distribution function, accurate in both tails.

    It is (1 + erf(z / sqrt(2))) / 2. For PyTorch and CuPy, the environment variable
    SCIPY_ARRAY_API=1 must be set before scipy is imported.

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


@in_one_pass
def log_softmax(z):
    """Return log(softmax(z)) for z (n, n_classes), finite even if the softmax is 0."""
    xp = namespace(z)
    # The largest logit becomes 0, so that exp cannot overflow and its sum is at least 1.
    z = z - xp.max(z, axis=1, keepdims=True)
    return z - xp.log(xp.sum(xp.exp(z), axis=1, keepdims=True))


@in_one_pass
def softmax(z):
    """Return exp(z_k) / sum_j exp(z_j) along the last axis of z (n, n_classes)."""
    xp = namespace(z)
    e = xp.exp(z - xp.max(z, axis=1, keepdims=True))
    return e / xp.sum(e, axis=1, keepdims=True)
