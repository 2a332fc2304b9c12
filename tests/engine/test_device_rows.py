"""Rows on a device give the sums of rows on the host, in any array library.

The expected values are those of LocalRows with NumPy's passes, on the same rows. The bound
is 100 eps of the data's type times the largest expected value, as for the kernels.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_nn._engine import arrays
from sklearn_nn._engine.newton import device_rows, dual
from sklearn_nn._engine.newton.coordinates import Coordinates, standardised
from sklearn_nn._engine.newton.device_rows import DeviceRows
from sklearn_nn._engine.newton.linear_rows import LocalRows
from sklearn_nn._engine.objective.losses import LOSSES
from sklearn_nn._engine.types import Dataset

N, P = 300, 4
any_outputs = pytest.mark.parametrize("n_outputs", [1, 3])
either_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])
any_damping = pytest.mark.parametrize("damping", [0.0, 0.3])


@pytest.fixture(autouse=True)
def few_numbers_at_once(monkeypatch):
    """Use several chunks of rows."""
    monkeypatch.setattr(device_rows, "NUMBERS_AT_ONCE", 500)
    monkeypatch.setattr(device_rows, "LEAST_NUMBERS", 0)


class Case:
    """The same rows on the host and on a device, and points."""

    def __init__(self, at, n_outputs=1, dtype=np.float64, weighted=True, units=1.0, mean=2):
        rng = np.random.RandomState(n_outputs)
        X = ((mean + rng.normal(size=(N, P))) * units).astype(dtype)
        y = rng.randint(2, size=(N, 1)).astype(dtype)
        y = rng.randint(n_outputs, size=N) if n_outputs > 1 else y
        weight = rng.uniform(0.5, 2, N).astype(dtype) if weighted else None
        data = Dataset(X, y, weight)
        there = Dataset(*(None if array is None else at(array) for array in data))
        loss = LOSSES["log_loss", "logistic" if n_outputs == 1 else "softmax"]
        self.coordinates = standardised(data, centred=True)
        self.here, self.there = LocalRows(data, loss), DeviceRows(there, loss)
        self.there = self.there.at(self.coordinates)
        self.point, self.direction = rng.normal(size=(2, P + 1, n_outputs))
        self.bound = 100 * np.finfo(dtype).eps

    def both(self, name, *arguments):
        """Return what a method with the coordinates returns on the host, and there."""
        rows = self.here, self.there
        return [getattr(some, name)(self.coordinates, *arguments) for some in rows]

    def at_point(self, name, *arguments):
        """As `both`, with the probabilities at the point as first argument."""
        results = []
        for rows in (self.here, self.there):
            proba = rows.evaluate(self.coordinates, self.point).proba
            results.append(getattr(rows, name)(self.coordinates, proba, *arguments))
        return results

    def assert_close(self, there, here):
        """Assert that a result on the device equals that of the host, to rounding."""
        assert isinstance(there, (float, np.ndarray))
        assert_allclose(there, here, rtol=0, atol=self.bound * np.max(np.abs(here)))


@pytest.mark.parametrize("weighted", [True, False])
@any_outputs
@either_dtype
def test_evaluation_equals_that_of_the_host(at, dtype, n_outputs, weighted):
    case = Case(at, n_outputs, dtype, weighted)
    here, there = case.both("evaluate", case.point)
    for name in ("loss", "gradient", "diagonal"):
        case.assert_close(getattr(there, name), getattr(here, name))
    case.assert_close(there.diagonal_of_intercepts, here.diagonal_of_intercepts)
    case.assert_close(arrays.to_numpy(there.proba), here.proba)
    assert arrays.are_together(there.proba, case.there.data.X)


@any_damping
@any_outputs
@either_dtype
def test_hessian_equals_that_of_the_host(at, dtype, n_outputs, damping):
    case = Case(at, n_outputs, dtype)
    for name in ("hessian", "hessian_blocks"):
        here, there = case.at_point(name, damping)
        case.assert_close(there, here)
    here, there = case.at_point("hessian_product", damping, case.direction)
    case.assert_close(there, here)


@any_outputs
@either_dtype
def test_slope_equals_that_of_the_host(at, dtype, n_outputs):
    case = Case(at, n_outputs, dtype)
    here, there = case.both("slope_along", case.point, case.direction)
    case.assert_close(there(1.5), here(1.5))


@pytest.mark.parametrize("length", [1e-6, 1.0, 30.0])
@pytest.mark.parametrize("has_intercept", [True, False])
@any_outputs
@either_dtype
def test_dual_point_equals_that_of_the_host(at, dtype, n_outputs, has_intercept, length):
    case = Case(at, n_outputs, dtype)
    here, there = case.at_point("dual", length * case.direction, has_intercept)
    # A softmax of float32 sums to 1 up to rounding, which the divergence of a tiny step
    # contains on both sides.
    assert_allclose(there.divergence, here.divergence, rtol=1e-4, atol=1e-13)
    largest = max(1.0, np.max(np.abs(here.residual)))
    assert_allclose(there.residual, here.residual, rtol=0, atol=case.bound * largest)


@pytest.mark.parametrize("e", [-1.0, -0.999, -0.021, -0.019, 0.0, 1e-9, 0.02, 3.0, 1e200])
def test_divergence_equals_that_of_the_host(at, e):
    found = arrays.to_numpy(device_rows.divergence(at(np.array([[e]]))))
    assert_allclose(found, dual.divergence(np.array([[e]])), rtol=1e-13)


@pytest.mark.parametrize(
    ("units", "mean"), [([1e-30, 1e-3, 1.0, 1e30], 0), ([1.0, 2.0, 3.0, 4.0], 1e4)]
)
@either_dtype
def test_no_digits_are_lost_in_extreme_units_and_far_from_zero(at, dtype, units, mean):
    case = Case(at, 1, dtype, units=np.array(units), mean=mean)
    case.bound *= 10  # the standardised values of both are rounded
    here, there = case.both("evaluate", case.point)
    for name in ("loss", "gradient", "diagonal"):
        case.assert_close(getattr(there, name), getattr(here, name))
    case.assert_close(*reversed(case.at_point("hessian", 0.0)))


@either_dtype
def test_other_coordinates_than_those_of_the_copy(at, dtype):
    case = Case(at, 1, dtype, mean=100)
    assert case.there.held is not None
    case.coordinates = Coordinates(np.full(P, 99.0), np.full(P, 2.0))
    here, there = case.both("evaluate", case.point)
    case.bound *= 100  # of the mean
    case.assert_close(there.gradient, here.gradient)


def test_sample_has_the_rows_of_the_host(at):
    case = Case(at)
    parts = (rows.sample(40, np.random.RandomState(0)) for rows in (case.here, case.there))
    here, there = parts
    assert_array_equal(arrays.to_numpy(there.data.X), here.data.X[here.data.rows])
    assert_array_equal(arrays.to_numpy(there.data.sample_weight), here.data.sample_weight)
    assert there.n_samples == 40
    assert case.there.sample(N, None) is case.there


def test_small_samples_are_not_worth_drawing(at, monkeypatch):
    case = Case(at)
    assert case.there.min_sample_size == 0
    monkeypatch.setattr(device_rows, "LEAST_NUMBERS", 2**20)
    assert case.there.min_sample_size == 2**20 // P


def test_scales_are_computed_on_some_rows(at, monkeypatch):
    case = Case(at)
    for there, here in zip(case.there.standardised(True), case.coordinates, strict=True):
        assert_array_equal(there, here)
    monkeypatch.setattr(device_rows, "NUMBERS_FOR_SCALES", 30 * P)
    data = case.here.data
    some = Dataset(data.X[::10], data.y[::10], data.sample_weight[::10])
    expected = standardised(some, centred=True)
    assert_array_equal(case.there.standardised(True).centre, expected.centre)


@any_outputs
def test_widened_rows_have_float64(at, n_outputs):
    wide = Case(at, n_outputs, np.float32).there.widened()
    assert wide.dtype == np.float64
    assert arrays.numpy_dtype(wide.data.sample_weight) == np.float64
    assert arrays.are_together(wide.data.X, at(np.zeros(1)))


def test_weights_of_rows(at):
    case = Case(at)
    assert case.there.least_weight == case.here.least_weight
    assert case.there.total_weight == pytest.approx(case.here.total_weight(), rel=1e-14)
    assert Case(at, weighted=False).there.least_weight == 1.0


def test_a_hessian_is_cheap_for_few_features_and_not_formed_for_many():
    costs = {}
    for n, p in ((1_000_000, 100), (200_000, 1000), (10_000, 10_000)):
        X = np.broadcast_to(np.float32(0), (n, p))
        costs[p] = DeviceRows(Dataset(X, np.zeros((n, 1))), None).hessian_cost(1)
    assert costs[100] < 4 < costs[1000] < costs[10_000] == np.inf
