"""sigmoid, softmax and their logarithms are accurate everywhere; rows are in C order."""

import mpmath
import numpy as np
import pytest
from scipy import special
from scipy.sparse import csr_array

from sklearn_nn._engine import arrays, one_pass
from sklearn_nn._engine.arrays import (
    log1pexp,
    log_softmax,
    namespace,
    sigmoid,
    softmax,
    sum_over_rows,
    take_rows,
)
from sklearn_nn._engine.epochs.optimizers import Adam, adam_step

# 0; linear; curved; saturated; exp(-z) below the smallest normal float32; near overflow.
MAGNITUDES = [0.0, 1e-8, 1.0, 40.0, 100.0, 700.0]
LOGITS = sorted({sign * z for z in MAGNITUDES for sign in (-1, 1)})
FUNCTIONS = {f.__name__: f for f in (sigmoid, log1pexp, log_softmax, softmax)}
BY_ELEMENT = ["sigmoid", "log1pexp"]

either_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])
every_function = pytest.mark.parametrize("name", FUNCTIONS)


@pytest.fixture(autouse=True)
def digits():
    """Compute with 700 digits in mpmath, enough for 1 + exp(-1400)."""
    with mpmath.workdps(700):
        yield


def exactly(array):
    """Return the values of a vector as exact mpmath numbers."""
    return [mpmath.mpf(float(value)) for value in array]


def assert_close(computed, exact, n_eps, absolute=0.0):
    """Assert that |computed - exact| is at most n_eps * eps * max(|exact|, absolute).

    Underflow may add twice the smallest subnormal number. `n_eps` is one number, or one
    for each value.
    """
    info = np.finfo(computed.dtype)
    bounds = np.broadcast_to(n_eps, computed.shape)
    for value, expected, bound in zip(exactly(computed), exact, bounds, strict=True):
        allowed = float(bound) * float(info.eps) * max(abs(expected), absolute)
        assert abs(value - expected) <= allowed + 2 * float(info.smallest_subnormal)


def rows_of_logits(dtype):
    """Return rows (n, 3): all pairs of LOGITS, followed by 0 or -40."""
    return np.array([(a, b, c) for a in LOGITS for b in LOGITS for c in (0, -40)], dtype)


# Accuracy. Errors of NumPy's exp, log1p and log are at most 2 eps, those of + and / half an
# eps: about 4 eps together.


@either_dtype
def test_sigmoid_is_within_4_eps_of_mpmath(dtype):
    z = np.array(LOGITS, dtype)
    exact = [1 / (1 + mpmath.exp(-value)) for value in exactly(z)]
    assert_close(sigmoid(z), exact, 4)


@either_dtype
def test_log1pexp_is_within_4_eps_of_mpmath(dtype):
    z = np.array(LOGITS, dtype)
    exact = [mpmath.log1p(mpmath.exp(value)) for value in exactly(z)]
    assert_close(log1pexp(z), exact, 4)


@either_dtype
def test_log_softmax_is_within_4_eps_of_mpmath(dtype):
    z = rows_of_logits(dtype)
    for row, log_proba in zip(z, log_softmax(z), strict=True):
        total = mpmath.fsum(mpmath.exp(value) for value in exactly(row))
        exact = [value - mpmath.log(total) for value in exactly(row)]
        # Absolute if p is near 1: log p is a difference from the largest logit.
        assert_close(log_proba, exact, 4, absolute=1.0)


@either_dtype
def test_softmax_is_within_4_eps_of_mpmath_besides_rounding_of_its_argument(dtype):
    z = rows_of_logits(dtype)
    for row, proba in zip(z, softmax(z), strict=True):
        powers = [mpmath.exp(value) for value in exactly(row)]
        exact = [power / mpmath.fsum(powers) for power in powers]
        # The rounding error of z - max(z) is eps/2 of its size; exp makes it relative.
        assert_close(proba, exact, 4 + (row.max() - row))


@pytest.mark.parametrize(
    ("ours", "scipys"),
    [
        (sigmoid, special.expit),
        (log_softmax, lambda z: special.log_softmax(z, axis=1)),
        (softmax, lambda z: special.softmax(z, axis=1)),
    ],
    ids=["sigmoid", "log_softmax", "softmax"],
)
def test_function_equals_scipys(ours, scipys):
    z = np.random.RandomState(0).uniform(-30, 30, size=(50, 4))
    # Differences up to 60 are rounded before exp: 60 eps here and 60 eps in scipy.
    np.testing.assert_allclose(ours(z), scipys(z), rtol=120 * np.finfo(float).eps)


# Values known by hand.


def test_sigmoid_of_zero_is_a_half():
    assert sigmoid(np.array([0.0, -0.0])).tolist() == [0.5, 0.5]


def test_sigmoids_of_opposite_logits_sum_to_one():
    z = np.array(LOGITS)
    # Two rounding errors of numbers up to 1.
    np.testing.assert_allclose(sigmoid(z) + sigmoid(-z), 1, rtol=2 * np.finfo(float).eps)


def test_log1pexp_of_a_large_logit_is_the_logit():
    assert log1pexp(np.array([700.0, 1e300])).tolist() == [700.0, 1e300]


@either_dtype
@pytest.mark.parametrize("n_classes", [1, 2, 3, 8])
@pytest.mark.parametrize("logit", [0.0, -700.0, 700.0, 1e30])
def test_equal_logits_have_equal_probabilities(logit, n_classes, dtype):
    z = np.full((2, n_classes), logit, dtype)
    # One division.
    np.testing.assert_allclose(softmax(z), 1 / n_classes, rtol=np.finfo(dtype).eps)


@either_dtype
def test_softmax_sums_to_one(dtype):
    total = np.sum(softmax(rows_of_logits(dtype)), axis=1)
    # Three quotients and two sums.
    np.testing.assert_allclose(total, 1, rtol=4 * np.finfo(dtype).eps)


def test_a_single_class_has_log_probability_zero():
    assert log_softmax(np.array([[-700.0], [0.0], [3.0]])).ravel().tolist() == [0, 0, 0]


def test_log_softmax_is_finite_if_softmax_is_zero():
    z = np.array([[0.0, -1e6]])
    assert softmax(z)[0, 1] == 0
    assert log_softmax(z)[0, 1] == -1e6


# All functions.


@every_function
@pytest.mark.parametrize("n_samples", [0, 1, 5])
def test_shape_is_preserved(name, n_samples):
    assert FUNCTIONS[name](np.zeros((n_samples, 3))).shape == (n_samples, 3)


@every_function
@either_dtype
def test_dtype_is_preserved(name, dtype):
    assert FUNCTIONS[name](np.zeros((4, 3), dtype)).dtype == dtype


@every_function
def test_argument_is_not_written_to(name):
    z = rows_of_logits(np.float64)
    before = z.copy()
    FUNCTIONS[name](z)
    np.testing.assert_array_equal(z, before)


@every_function
def test_rows_are_independent(name):
    z = rows_of_logits(np.float64)
    alone = np.concatenate([FUNCTIONS[name](row[None, :]) for row in z])
    # At the end of a row, vectorised exp may use other instructions: 2 eps, unless it is 0.
    np.testing.assert_allclose(FUNCTIONS[name](z), alone, rtol=1e-15, atol=1e-300)


@pytest.mark.parametrize("name", BY_ELEMENT)
def test_elementwise_functions_accept_any_shape(name):
    assert FUNCTIONS[name](np.zeros((2, 3, 4))).shape == (2, 3, 4)


def test_namespace_of_an_ndarray_is_numpy():
    assert namespace(np.zeros(1)) is np


class WithoutNamespace:
    """An array of a library that does not follow the array API."""


def test_error_names_the_missing_package(monkeypatch):
    monkeypatch.setattr(arrays, "array_api_compat", None)
    with pytest.raises(ImportError, match=r"pip install sklearn_nn\[array-api\]"):
        namespace(WithoutNamespace())


def test_array_api_arrays_need_no_package(monkeypatch):
    strict = pytest.importorskip("array_api_strict")
    monkeypatch.setattr(arrays, "array_api_compat", None)
    monkeypatch.setattr(arrays, "NAMESPACES", {})
    assert namespace(strict.zeros(1)) is strict


# Functions that another library computes in one pass.


def arguments_of(name, dtype):
    """Return the arguments of a function with an entry in ONE_PASS, as ndarrays."""
    rng = np.random.RandomState(0)
    x, y, z = rng.normal(size=(3, 64, 8)).astype(dtype)
    vectors = (array.reshape(-1) for array in (x, y, z * z, x + y))
    return {
        "adam_step": (*vectors, dtype(0.1), Adam(0.9, 0.99, 1e-3)),
        "affine": (x[0], x, z[:8]),
        "minus_quotient": (x, y, np.abs(z) + 1),
        "moving_mean": (x, y, 0.9),
        "plus_multiple": (x, 0.3, y),
        "plus_product": (x, 0.3, y, z),
        "sums_of_groups": (x,),
        "where_positive": (x, y),
    }.get(name, (20 * x,))


@pytest.mark.parametrize("name", one_pass.ONE_PASS["torch"])
@either_dtype
def test_one_pass_equals_the_functions_of_the_standard(name, dtype, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(one_pass, "WITH_ADAM", ("cpu",))
    given = arguments_of(name, dtype)
    tensors = [torch.from_numpy(a) if isinstance(a, np.ndarray) else a for a in given]
    function = adam_step if name == "adam_step" else getattr(arrays, name)
    expected, computed = function(*given), function(*tensors)
    if not isinstance(expected, tuple):
        expected, computed = [expected], [computed]
    # Sums and products of at most eight numbers up to 5; logits are up to 70.
    bound = 100 * np.finfo(dtype).eps
    for array, tensor in zip(expected, computed, strict=True):
        assert tensor.dtype == tensors[0].dtype
        np.testing.assert_allclose(tensor.numpy(), array, rtol=bound, atol=bound)


@pytest.mark.parametrize("n_rows", [96, 97, 100, 1])
@pytest.mark.parametrize("library", ["numpy", "torch", "array_api_strict"])
def test_sums_over_rows_lose_no_digits(library, n_rows, monkeypatch):
    xp = pytest.importorskip(library)
    monkeypatch.setattr(one_pass, "MANY_NUMBERS", 0)
    values = np.random.RandomState(0).uniform(size=(n_rows, 3)).astype(np.float32)
    total = sum_over_rows(xp.asarray(values))
    assert total.dtype == xp.float32
    # Of a group of up to 32 rows: numbers up to 32 are rounded 31 times at most.
    exact = values.astype(np.float64).sum(axis=0)
    bound = 32 * np.finfo(np.float32).eps
    np.testing.assert_allclose(arrays.to_numpy(total), exact, rtol=bound)


def test_sums_over_many_rows_are_as_exact_as_in_float64():
    torch = pytest.importorskip("torch")
    values = np.random.RandomState(0).uniform(size=(2**17, 4)).astype(np.float32)
    exact = values.astype(np.float64).sum(axis=0)
    # Errors of the groups are random, and their sum is rounded once.
    bound = 2 * np.finfo(np.float32).eps
    total = sum_over_rows(torch.from_numpy(values)).numpy()
    np.testing.assert_allclose(total, exact, rtol=bound)


# Rows.

INDICES = {
    "slice": slice(1, 4),
    "all": slice(None),
    "integers": np.array([3, 0, 3]),
    "empty": np.array([], dtype=int),
}
every_index = pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)


@every_index
@pytest.mark.parametrize("order", ["C", "F"])
def test_dense_rows_are_in_c_order(index, order):
    X = np.array(np.arange(15.0).reshape(5, 3), order=order)
    rows = take_rows(X, index)
    np.testing.assert_array_equal(rows, np.arange(15.0).reshape(5, 3)[index])
    assert rows.flags.c_contiguous


@every_index
def test_sparse_rows_equal_dense_rows(index):
    X = np.arange(15.0).reshape(5, 3)
    np.testing.assert_array_equal(take_rows(csr_array(X), index).toarray(), X[index])


def test_slice_of_c_ordered_rows_is_a_view():
    X = np.zeros((5, 3))
    assert np.shares_memory(take_rows(X, slice(1, 4)), X)


def test_rows_selected_by_index_are_a_copy():
    X = np.zeros((5, 3))
    assert not np.shares_memory(take_rows(X, np.array([1, 2])), X)
