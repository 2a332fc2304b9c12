"""Standardised coordinates: the same model, with features of mean 0 and deviation near 1.

Tolerances of `N_EPS` eps allow for about ten rounding errors in a sum over a few features,
relative to the sum of magnitudes.
"""

import numpy as np
import pytest
from scipy.sparse import csr_array, issparse

from sklearn_nn._engine.newton.coordinates import standardised
from sklearn_nn._engine.types import Dataset

N_EPS = 100
EPS = np.finfo(np.float64).eps

# Scales are powers of two, so that deviations are within a factor of sqrt(2) of 1. The 1e-6
# allows for rounding errors of the moments.
LOWER, UPPER = 2**-0.5 * (1 - 1e-6), 2**0.5 * (1 + 1e-6)


def column(name, n=200, seed=0):
    """Return the named column (n,)."""
    noise = np.random.RandomState(seed).normal(size=n)
    return {
        "normal": noise,
        "1e-12": 1e-12 * noise,
        "1e12": 1e12 * noise,
        "1e-140": 1e-140 * noise,
        "1e200": 1e200 * noise,
        "offset": 1e6 + noise,
        "huge offset": 1e9 + 1e-3 * noise,
        "large scale and offset": 1e212 + 1e200 * noise,
        "skewed": np.exp(3 * noise),
        "binary": (noise > 0).astype(float),
        "rare": (np.arange(n) == 3).astype(float),
    }[name]


VARYING = (
    "normal",
    "1e-12",
    "1e12",
    "1e-140",
    "1e200",
    "offset",
    "huge offset",
    "large scale and offset",
    "skewed",
    "binary",
    "rare",
)


def data_of(X, weight=None):
    """Return a Dataset with unused labels."""
    return Dataset(X, np.zeros((X.shape[0], 1), X.dtype), weight)


def coordinates_of(X, weight=None, centred=True):
    """Return the Coordinates of all rows."""
    return standardised(data_of(X, weight), centred)


def moderate(dtype=np.float64):
    """Return rows (200, 6) whose squares fit into float32."""
    names = ("normal", "1e-12", "1e12", "offset", "skewed", "binary")
    return np.column_stack([column(name, seed=i) for i, name in enumerate(names)]).astype(
        dtype
    )


def theta_of(X, n_outputs, dtype=np.float64):
    """Return parameters with which each feature changes logits by about 1."""
    rng = np.random.RandomState(1)
    weight = rng.normal(size=(X.shape[1], n_outputs)) / np.abs(X).max(axis=0)[:, None]
    return np.vstack([weight, rng.normal(size=n_outputs)]).reshape(-1).astype(dtype)


def dense(U):
    """Return rows as an ndarray."""
    return U.toarray() if issparse(U) else U


def moved_logits(coordinates, X, theta):
    """Return the logits computed in standardised coordinates."""
    point = coordinates.point_of(theta)
    return dense(coordinates.convert(X)) @ point[:-1] + point[-1]


def plain_logits(X, theta):
    """Return the logits in the user's units, and the sums of the terms' magnitudes."""
    theta = theta.reshape((X.shape[1] + 1, -1))
    magnitude = np.abs(X) @ np.abs(theta[:-1]) + np.abs(theta[-1])
    return X @ theta[:-1] + theta[-1], magnitude


# The same model.


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("centred", [True, False])
def test_logits_are_equal_in_both_coordinates(n_outputs, centred):
    X = moderate()
    theta = theta_of(X, n_outputs)
    logits, magnitude = plain_logits(X, theta)
    moved = moved_logits(coordinates_of(X, centred=centred), X, theta)
    assert np.all(np.abs(moved - logits) <= N_EPS * EPS * magnitude)


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_logits_of_sparse_rows_are_equal_in_both_coordinates(n_outputs):
    X = moderate()
    theta, sparse = theta_of(X, n_outputs), csr_array(X)
    logits, magnitude = plain_logits(X, theta)
    moved = moved_logits(coordinates_of(sparse, centred=False), sparse, theta)
    assert np.all(np.abs(moved - logits) <= N_EPS * EPS * magnitude)


@pytest.mark.parametrize("name", VARYING)
def test_logits_are_equal_for_a_column_of_any_size(name):
    X = column(name)[:, None]
    theta = theta_of(X, 1)
    logits, magnitude = plain_logits(X, theta)
    moved = moved_logits(coordinates_of(X), X, theta)
    assert np.all(np.abs(moved - logits) <= N_EPS * EPS * magnitude)


def test_float32_logits_are_equal_within_float32_rounding():
    X = moderate(np.float32)
    theta = theta_of(X, 2, np.float32)
    logits, magnitude = plain_logits(X.astype(np.float64), theta.astype(np.float64))
    moved = moved_logits(coordinates_of(X), X, theta)
    assert np.all(np.abs(moved - logits) <= N_EPS * np.finfo(np.float32).eps * magnitude)


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_theta_of_inverts_point_of(n_outputs, centred):
    X = moderate()
    theta, coordinates = theta_of(X, n_outputs), coordinates_of(X, centred=centred)
    back = coordinates.theta_of(coordinates.point_of(theta))
    # Weights are only scaled by powers of two; intercepts add and subtract the centres.
    np.testing.assert_array_equal(back[:-n_outputs], theta[:-n_outputs])
    shift = np.abs(coordinates.centre) @ np.abs(theta.reshape((-1, n_outputs))[:-1]) + 1
    assert np.all(np.abs(back - theta)[-n_outputs:] <= N_EPS * EPS * shift)


def test_point_of_inverts_theta_of():
    X = moderate()
    coordinates = coordinates_of(X)
    point = np.random.RandomState(2).normal(size=(X.shape[1] + 1, 2))
    back = coordinates.point_of(coordinates.theta_of(point))
    np.testing.assert_array_equal(back[:-1], point[:-1])
    shift = np.abs(coordinates.centre / coordinates.scale).sum() + 1
    np.testing.assert_allclose(back[-1], point[-1], atol=N_EPS * EPS * shift)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_points_are_float64(dtype):
    X = moderate(dtype)
    assert coordinates_of(X).point_of(theta_of(X, 1, dtype)).dtype == np.float64


@pytest.mark.parametrize("storage", [np.asarray, csr_array])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_keep_their_dtype(dtype, storage):
    X = storage(moderate(dtype))
    assert coordinates_of(X).convert(X).dtype == dtype


@pytest.mark.parametrize("storage", [np.asarray, csr_array])
def test_given_rows_are_not_modified(storage):
    X = storage(moderate())
    before = X.copy()
    coordinates_of(X).convert(X)
    np.testing.assert_array_equal(dense(X), dense(before))


# Scales.


@pytest.mark.parametrize("name", VARYING)
@pytest.mark.parametrize("storage", [np.asarray, csr_array])
def test_scales_are_powers_of_two(name, storage):
    scale = coordinates_of(storage(column(name)[:, None])).scale
    assert np.frexp(scale)[0].tolist() == [0.5]


WITHOUT_TAILS = [name for name in VARYING if name != "skewed"]


@pytest.mark.parametrize("name", WITHOUT_TAILS)
def test_deviation_is_within_sqrt_2_of_one(name):
    X = column(name)[:, None]
    U = coordinates_of(X).convert(X)
    assert LOWER <= U.std() <= UPPER


@pytest.mark.parametrize("name", WITHOUT_TAILS)
def test_mean_is_zero(name):
    X = column(name)[:, None]
    U = coordinates_of(X).convert(X)
    # The mean has a rounding error of some eps of its size.
    rounding = N_EPS * EPS * np.abs(X).max() / coordinates_of(X).scale[0]
    assert abs(U.mean()) <= rounding


@pytest.mark.parametrize("storage", [np.asarray, csr_array])
def test_root_mean_square_is_near_one_without_centring(storage):
    X = moderate()
    U = dense(coordinates_of(storage(X), centred=False).convert(X))
    size = np.sqrt((U**2).mean(axis=0))[[0, 1, 2, 3, 5]]  # without "skewed"
    assert np.all((size >= LOWER) & (size <= UPPER))


@pytest.mark.parametrize("factor", [2.0**-40, 0.5, 2.0, 2.0**300])
def test_standardised_rows_do_not_depend_on_units(factor):
    X = moderate()
    U, V = coordinates_of(X).convert(X), coordinates_of(factor * X).convert(factor * X)
    np.testing.assert_array_equal(U, V)


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_order_makes_no_difference(centred, order):
    X = moderate()
    expected = coordinates_of(X, centred=centred)
    got = coordinates_of(np.array(X, order=order), centred=centred)
    np.testing.assert_array_equal(got.scale, expected.scale)
    np.testing.assert_allclose(got.centre, expected.centre, rtol=0, atol=EPS * 1e14)


# Constant columns.


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        *((value, np.float64) for value in (0, 1, -3, 0.1, 1e-12, 1e12, 1e200, 1e-140)),
        *((value, np.float32) for value in (0, 1, -3, 0.1, 1e-12, 1e12)),
    ],
)
def test_a_constant_column_becomes_almost_zero(value, dtype):
    X = np.full((7, 1), value, dtype)
    U = coordinates_of(X).convert(X)
    # The unit is the column's size, because its deviation is 0.
    assert np.max(np.abs(U)) <= N_EPS * np.finfo(dtype).eps


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, 1e12, 1e200])
def test_an_uncentred_constant_column_has_size_near_one(value):
    X = np.full((7, 1), value)
    U = coordinates_of(X, centred=False).convert(X)
    expected = 0.0 if value == 0 else 1.0
    assert expected * LOWER <= np.max(np.abs(U)) <= expected * UPPER


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.1, 1.1, 1e6, 1e12])
def test_differences_in_the_last_digit_count_as_constant(value, dtype):
    X = np.full((100, 1), value, dtype)
    X[::2] = np.nextafter(X[0], dtype(np.inf))
    assert np.max(np.abs(coordinates_of(X).convert(X))) <= N_EPS * np.finfo(dtype).eps


@pytest.mark.parametrize("deviation", [1e-3, 1e-6, 1e-9])
def test_a_small_deviation_above_rounding_is_scaled_to_one(deviation):
    X = 1.0 + deviation * column("normal")[:, None]
    assert LOWER <= coordinates_of(X).convert(X).std() <= UPPER


@pytest.mark.parametrize("storage", [np.asarray, csr_array])
def test_a_column_of_zeros_has_scale_one(storage):
    coordinates = coordinates_of(storage(np.zeros((5, 2))))
    assert (coordinates.centre.tolist(), coordinates.scale.tolist()) == ([0, 0], [1, 1])


@pytest.mark.parametrize("storage", [np.asarray, csr_array])
def test_one_row_has_finite_coordinates(storage):
    X = storage(np.array([[0.0, 3.0, -1e12, 1e200]]))
    coordinates = coordinates_of(X)
    U = dense(coordinates.convert(X))
    assert np.all(np.isfinite(coordinates.scale))
    assert np.all(np.abs(U) <= 2)


# Sparse rows.


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("density", [1.0, 0.3])
def test_coordinates_of_sparse_rows_equal_those_of_dense_rows(density, centred):
    X = moderate()[:, [0, 1, 2, 3, 5]]
    X = X * (np.random.RandomState(3).uniform(size=X.shape) < density)
    X[:, 2] = 0
    weight = np.random.RandomState(4).uniform(0.1, 3, 200)
    sparse, expected = (
        coordinates_of(rows, weight, centred=centred) for rows in (csr_array(X), X)
    )
    np.testing.assert_allclose(sparse.centre, expected.centre, rtol=1e-14, atol=1e-14)
    np.testing.assert_array_equal(sparse.scale, expected.scale)


@pytest.mark.parametrize("mean", [1e3, 1e5, 1e7])
def test_a_full_sparse_column_has_the_deviation_of_the_dense_one(mean):
    X = np.random.RandomState(0).normal(size=(100, 2))
    X[:, 0] += mean
    X[0, 1] = 0
    sparse, dense = coordinates_of(csr_array(X)), coordinates_of(X)
    np.testing.assert_array_equal(sparse.scale, dense.scale)
    np.testing.assert_allclose(sparse.centre, dense.centre, rtol=1e-15, atol=1e-16)


@pytest.mark.parametrize("storage", [np.asarray, csr_array])
@pytest.mark.parametrize("size", [1e2, 1e5, 1e12])
@pytest.mark.parametrize("n_outliers", [1, 5])
def test_values_far_out_do_not_hide_the_others(storage, size, n_outliers):
    X = np.random.RandomState(0).normal(size=(200, 1)) + 3
    X[:n_outliers] = size * np.arange(1, n_outliers + 1)[:, None]
    U = X - coordinates_of(storage(X)).centre
    U = U[n_outliers:] / coordinates_of(storage(X)).scale
    assert abs(U.mean()) < 0.1
    assert 0.5 < U.std() < 2


@pytest.mark.parametrize("size", [1e2, 1e5, 1e12])
@pytest.mark.parametrize("weighted", [False, True])
def test_values_far_out_among_those_stored_do_not_count(size, weighted):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(400, 1)) + 3
    X[rng.uniform(size=400) < 0.5] = 0.0
    weight = rng.uniform(0.5, 2, 400) if weighted else np.ones(400)
    expected = coordinates_of(csr_array(X[1:]), weight=weight[1:])
    X[0] = size
    found = coordinates_of(csr_array(X), weight=weight)
    np.testing.assert_allclose(found.centre, expected.centre, rtol=1e-12)
    np.testing.assert_array_equal(found.scale, expected.scale)


def test_few_stored_values_all_count():
    # One of 36 can be at most 6 times the root mean square.
    X = np.zeros((10_000, 1))
    X[:35], X[35] = 1e-3, 1e3
    assert coordinates_of(csr_array(X)).scale[0] > 5


def test_a_rare_feature_keeps_its_deviation():
    X = np.zeros((1000, 1))
    X[:3] = 1.0
    U = coordinates_of(X).convert(X)
    assert LOWER <= U.std() <= UPPER


@pytest.mark.parametrize("value", [1.0, 0.1, 1e9])
def test_a_constant_sparse_column_varies_by_nothing(value):
    X = np.random.RandomState(0).normal(size=(100, 2))
    X[:, 0] = value
    sparse, dense = coordinates_of(csr_array(X)), coordinates_of(X)
    np.testing.assert_array_equal(sparse.scale, dense.scale)


def test_csr_rows_stay_csr_with_the_same_zeros():
    X = csr_array(moderate())
    U = coordinates_of(X).convert(X)
    assert issparse(U)
    assert (U.format, U.nnz) == ("csr", X.nnz)


def test_explicit_zeros_and_order_of_indices_make_no_difference():
    X = csr_array(np.array([[1.0, 0.0, 3.0], [0.0, 5.0, 0.0]]))
    # The same matrix with an explicit zero, and the first row's indices in reverse.
    other = csr_array(([3.0, 1.0, 0.0, 5.0], [2, 0, 1, 1], [0, 3, 4]), shape=(2, 3))
    np.testing.assert_array_equal(coordinates_of(other).scale, coordinates_of(X).scale)


# Weights.


@pytest.mark.parametrize("storage", [np.asarray, csr_array])
@pytest.mark.parametrize("centred", [True, False])
def test_integer_weights_equal_repeated_rows(storage, centred):
    X = moderate()
    times = np.random.RandomState(5).randint(1, 6, size=len(X))
    weighted = coordinates_of(storage(X), times / times.mean(), centred)
    repeated = coordinates_of(storage(np.repeat(X, times, axis=0)), None, centred)
    np.testing.assert_array_equal(weighted.scale, repeated.scale)
    largest = np.abs(X).max(axis=0)
    assert np.all(abs(weighted.centre - repeated.centre) <= N_EPS * EPS * largest)


@pytest.mark.parametrize("factor", [1e-30, 1e30])
def test_only_ratios_of_weights_matter(factor):
    X, weight = moderate(), np.random.RandomState(6).uniform(0.5, 2, 200)
    some, others = coordinates_of(X, weight), coordinates_of(X, factor * weight)
    np.testing.assert_array_equal(some.scale, others.scale)
    np.testing.assert_allclose(some.centre, others.centre, rtol=1e-12)


# float32.


def test_the_centre_of_float32_rows_is_a_float32_number():
    centre = coordinates_of(moderate(np.float32)).centre
    np.testing.assert_array_equal(centre, centre.astype(np.float32))


def test_float32_rows_with_an_offset_are_centred_exactly():
    X = (1e4 + column("normal")[:, None]).astype(np.float32)
    coordinates = coordinates_of(X)
    exact = (X.astype(np.float64) - coordinates.centre) / coordinates.scale
    # The difference of two nearby float32 numbers is a float32 number (Sterbenz).
    np.testing.assert_array_equal(coordinates.convert(X), exact)


@pytest.mark.parametrize("size", [1e-30, 1e-12, 1e12, 1e30])
def test_float32_columns_of_any_size_are_scaled_to_one(size):
    X = (size * column("normal")[:, None]).astype(np.float32)
    assert LOWER <= coordinates_of(X).convert(X).astype(np.float64).std() <= UPPER


# The largest and smallest numbers of each type.


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("storage", [np.asarray, csr_array])
def test_coordinates_of_the_largest_numbers_are_finite(dtype, storage):
    X = np.finfo(dtype).max * np.array([[1.0], [0.0], [0.5]], dtype)
    coordinates = coordinates_of(storage(X))
    assert np.all(np.isfinite(coordinates.scale.astype(dtype)))
    assert np.all(np.isfinite(coordinates.centre))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("storage", [np.asarray, csr_array])
def test_coordinates_of_the_smallest_numbers_are_finite(dtype, storage):
    X = np.finfo(dtype).smallest_subnormal * np.array([[1.0], [-1.0], [3.0]], dtype)
    coordinates = coordinates_of(storage(X))
    assert np.all(np.isfinite((1 / coordinates.scale).astype(dtype)))
    assert np.all(np.isfinite(dense(coordinates.convert(storage(X)))))
