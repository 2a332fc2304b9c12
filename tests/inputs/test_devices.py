"""Training without a learning rate on a device, and bad or unusual arrays of devices.

The models are those of NumPy on the host, and the rows stay where they are. PyTorch's
tensors on the processor, which train on the host, count as a device here.
"""

import numpy as np
import pytest
import sklearn
from devices import arrays_at
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier, _methods
from sklearn_nn._engine import arrays
from sklearn_nn._engine.newton import device_rows, stream
from sklearn_nn._engine.newton.device_rows import DeviceRows


@pytest.fixture(autouse=True)
def dispatch(monkeypatch):
    """Let scikit-learn accept other arrays, and tensors of the processor be on a device.

    Streams of few features stay there, too.
    """
    monkeypatch.setattr(_methods, "LEAST_STREAM_WIDTH", 1)
    monkeypatch.setattr(_methods, "is_in_host_memory", lambda array: False)
    with sklearn.config_context(array_api_dispatch=True):
        yield


def classes(n_classes, n_samples=1500, dtype=np.float64):
    """Return X in many units, y and weights."""
    rng = np.random.RandomState(n_classes)
    Z = rng.normal(size=(n_samples, 6))
    y = (
        Z @ rng.normal(size=(6, n_classes)) + rng.gumbel(size=(n_samples, n_classes))
    ).argmax(1)
    X = (Z * 10 ** rng.uniform(-2, 1, 6) + rng.normal(size=6)).astype(dtype)
    return X, y, rng.uniform(0.5, 2, n_samples)


def assert_same_model(model, expected, bound):
    """Assert that coefficients and losses equal those of NumPy's model."""
    for name in ("coef_", "intercept_"):
        here, there = arrays.to_numpy(getattr(model, name)), getattr(expected, name)
        assert here.dtype == there.dtype
        assert_allclose(here, there, rtol=0, atol=bound * np.max(np.abs(there)))
    assert model.loss_ == pytest.approx(expected.loss_, rel=bound)


SETTINGS = {
    "default": {},
    "no intercept": {"fit_intercept": False},
    "l1": {"penalty": "l1", "alpha": 1e-3},
    "elasticnet": {"penalty": "elasticnet", "alpha": 1e-3},
    "no penalty": {"penalty": None},
    "exact": {"tol": 1e-9},
    "balanced": {"class_weight": "balanced"},
    "early stopping": {"early_stopping": True},
    "early stopping, loss": {"early_stopping": True, "scoring": "loss"},
    "all rows at once": {"batch_size": "full"},
}


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", SETTINGS)
def test_model_and_gap_are_those_of_the_host(at, name, n_classes):
    X, y, weight = classes(n_classes)
    model = SGDLogisticClassifier(random_state=0, **SETTINGS[name])
    expected = clone(model).fit(X, y, weight)
    model.fit(at(X), at(y), at(weight))
    assert_same_model(model, expected, 1e-9)
    assert model.n_iter_ == expected.n_iter_
    assert (model.gap_ is None) == (expected.gap_ is None)
    if model.gap_ is not None:
        assert model.gap_ == pytest.approx(expected.gap_, rel=1e-3, abs=1e-13)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", ["default", "no intercept", "l1", "elasticnet"])
def test_model_of_float32_is_that_of_the_host_within_tol(at, name, n_classes):
    X, y, weight = classes(n_classes, dtype=np.float32)
    model = SGDLogisticClassifier(random_state=0, **SETTINGS[name])
    expected = clone(model).fit(X, y, weight)
    model.fit(at(X), at(y), at(weight))
    # Coefficients may differ by more: the last step may be another one.
    assert model.loss_ == pytest.approx(expected.loss_, rel=model.tol)
    assert model.gap_ <= model.tol
    assert arrays.numpy_dtype(model.coef_) == np.float32


@pytest.mark.parametrize("load", [load_breast_cancer, load_digits])
def test_optimum_of_real_data_is_reached_and_proven(at, load):
    X, y = load(return_X_y=True)
    model = SGDLogisticClassifier(random_state=0).fit(at(X), at(y))
    expected = SGDLogisticClassifier(random_state=0).fit(X, y)
    # The path may differ: these data are nearly separable.
    assert model.loss_ == pytest.approx(expected.loss_, rel=model.tol)
    assert model.gap_ <= model.tol


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["default", "no penalty", "no intercept"])
def test_constant_columns_have_the_coefficients_of_the_host(at, name, dtype):
    X, y, _ = classes(2, dtype=dtype)
    X = np.hstack([X, np.full((len(X), 1), 3.3, dtype), np.ones((len(X), 1), dtype)])
    model = SGDLogisticClassifier(random_state=0, **SETTINGS[name])
    expected = clone(model).fit(X, y)
    bound = 1e5 * float(np.finfo(dtype).eps)
    assert_same_model(model.fit(at(X), at(y)), expected, bound)


def test_samples_are_drawn_of_many_rows(at, monkeypatch):
    monkeypatch.setattr(device_rows, "LEAST_NUMBERS", 6000)
    drawn, sample = [], DeviceRows.sample

    def recorded(rows, n_samples, rng):
        drawn.append(n_samples)
        return sample(rows, n_samples, rng)

    monkeypatch.setattr(DeviceRows, "sample", recorded)
    X, y, weight = classes(2, n_samples=30_000)
    expected = SGDLogisticClassifier(random_state=0).fit(X, y, weight)
    model = SGDLogisticClassifier(random_state=0).fit(at(X), at(y), at(weight))
    assert {6000, 3000} & set(drawn)
    assert_same_model(model, expected, 1e-9)


def test_first_step_of_wide_rows_is_that_of_lbfgs(at, monkeypatch):
    monkeypatch.setattr(DeviceRows, "hessian_cost", lambda rows, n_outputs: np.inf)
    X, y, weight = classes(2)
    model = SGDLogisticClassifier(random_state=0).fit(at(X), at(y), at(weight))
    expected = SGDLogisticClassifier(random_state=0, tol=1e-9).fit(X, y, weight)
    assert model.loss_ <= expected.loss_ * (1 + model.tol)
    assert model.gap_ <= model.tol


def test_warm_start_and_streams_resume(at):
    X, y, _ = classes(3)
    model = SGDLogisticClassifier(random_state=0, warm_start=True, max_iter=2, tol=None)
    expected = clone(model)
    for m, place in ((model, at), (expected, np.asarray)):
        m.fit(place(X), place(y)).fit(place(X[::2]), place(y[::2]))
        m.partial_fit(place(X), place(y)).fit(place(X), place(y))
    assert_same_model(model, expected, 1e-9)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["default", "no intercept", "l1", "no penalty"])
def test_stream_is_that_of_the_host(at, name, dtype, n_classes):
    X, y, weight = classes(n_classes, dtype=dtype)
    model = SGDLogisticClassifier(random_state=0, **SETTINGS[name])
    expected = clone(model)
    for part in (slice(0, 30), slice(30, None)):
        given = X[part], y[part], list(range(n_classes)), weight[part]
        expected.partial_fit(*given)
        model.partial_fit(*map(at, given[:2]), given[2], at(given[3]))
    # Weights of float32 are rounded alike, and sums are in float64.
    assert_same_stream(model, expected, 1e-6 if dtype is np.float32 else 1e-9)


@pytest.mark.parametrize("least", [6, 7])
def test_streams_of_few_features_are_learned_on_the_host(at, least, monkeypatch):
    monkeypatch.setattr(_methods, "LEAST_STREAM_WIDTH", least)
    X, y, weight = classes(3)
    placed, learned = [], stream.train_on_chunk

    def recorded(problem, state, data, monitor):
        placed.append(type(data.X) is np.ndarray)
        return learned(problem, state, data, monitor)

    monkeypatch.setattr(stream, "train_on_chunk", recorded)
    model, expected = SGDLogisticClassifier(random_state=0), SGDLogisticClassifier()
    model.partial_fit(at(X), at(y), [0, 1, 2], at(weight))
    expected.partial_fit(X, y, [0, 1, 2], weight)
    assert placed == [X.shape[1] < least, True]
    assert_same_stream(model, expected, 1e-9)
    assert arrays.are_together(model.coef_, at(X))


def assert_same_stream(model, expected, bound):
    """Assert that coefficients equal those of NumPy's stream, and are on the device."""
    assert model.loss_curve_ == pytest.approx(expected.loss_curve_, rel=bound)
    for name in ("coef_", "intercept_"):
        here, there = arrays.to_numpy(getattr(model, name)), getattr(expected, name)
        assert here.dtype == there.dtype
        assert_allclose(here, there, rtol=0, atol=bound * np.max(np.abs(there)))


def test_a_stream_resumes_from_a_model_of_another_method(at):
    X, y, weight = classes(3)
    model = SGDLogisticClassifier(learning_rate=0.01, max_iter=1, tol=None, random_state=0)
    expected = clone(model)
    for m, place in ((model, at), (expected, np.asarray)):
        m.fit(place(X), place(y), place(weight)).set_params(learning_rate="auto")
        m.partial_fit(place(X), place(y), sample_weight=place(weight))
    assert_same_stream(model, expected, 1e-9)


def test_no_row_leaves_the_device(at, monkeypatch):
    X, y, weight = classes(2)
    rows, sizes = at(X), []
    library = arrays.library(rows)
    move = arrays.TO_HOST[library]

    def recorded(array):
        sizes.append(int(np.prod(array.shape)))
        return move(array)

    monkeypatch.setitem(arrays.TO_HOST, library, recorded)
    SGDLogisticClassifier(random_state=0).fit(rows, y, weight)
    # Only points, gradients, Hessians and sums leave.
    assert max(sizes) <= (X.shape[1] + 1) ** 2
    assert len(sizes) > 5


def test_tensors_of_the_processor_train_on_the_host(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.undo()
    X, y, weight = classes(3)
    with sklearn.config_context(array_api_dispatch=True):
        tensors = (torch.asarray(array) for array in (X, y, weight))
        model = SGDLogisticClassifier(random_state=0).fit(*tensors)
    expected = SGDLogisticClassifier(random_state=0).fit(X, y, weight)
    assert_array_equal(arrays.to_numpy(model.coef_), expected.coef_)


# Unusual and bad arrays

MODELS = {
    "auto": SGDLogisticClassifier(random_state=0),
    "network": BackpropMLPClassifier((4,), max_iter=2, tol=None, random_state=0),
}
every_model = pytest.mark.parametrize("name", MODELS)


@every_model
def test_labels_and_weights_may_be_on_another_device(name):
    here = arrays_at("array_api_strict:device1")
    there = arrays_at("array_api_strict:device2")
    X, y, weight = classes(2, n_samples=200)
    model = clone(MODELS[name]).fit(here(X), there(y), there(weight))
    expected = clone(MODELS[name]).fit(here(X), here(y), here(weight))
    assert model.loss_ == expected.loss_
    with pytest.raises(ValueError, match=r"must use the same namespace and the same dev"):
        model.predict(there(X))


@every_model
def test_validation_rows_of_another_device_are_moved(name):
    here = arrays_at("array_api_strict:device1")
    there = arrays_at("array_api_strict:device2")
    X, y, _ = classes(2, n_samples=200)
    model, expected = clone(MODELS[name]), clone(MODELS[name])
    model.fit(here(X), here(y), X_val=there(X), y_val=there(y))
    expected.fit(here(X), here(y), X_val=here(X), y_val=here(y))
    assert model.validation_loss_curve_ == expected.validation_loss_curve_


@every_model
def test_integer_rows_become_float64(at, name):
    X, y, _ = classes(2, n_samples=200)
    X = np.rint(10 * X)
    model = clone(MODELS[name]).fit(at(X.astype(np.int32)), at(y))
    expected = clone(MODELS[name]).fit(at(X), at(y))
    assert model.loss_ == expected.loss_


@every_model
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_becomes_float64(name, dtype):
    torch = pytest.importorskip("torch")
    X, y, weight = classes(2, n_samples=200)
    half = getattr(torch, dtype)
    X, weight = torch.asarray(X).to(half), torch.asarray(weight).to(half)
    model = clone(MODELS[name]).fit(X, torch.asarray(y), weight)
    expected = clone(MODELS[name]).fit(X.double(), torch.asarray(y), weight.double())
    assert model.loss_ == expected.loss_


@every_model
def test_tensors_that_require_gradients_are_detached(name):
    torch = pytest.importorskip("torch")
    X, y, weight = (torch.asarray(array) for array in classes(2, n_samples=200))
    expected = clone(MODELS[name]).fit(X, y, weight)
    X, weight = X.clone().requires_grad_(), weight.clone().requires_grad_()
    model = clone(MODELS[name]).fit(X, y, weight)
    assert model.loss_ == expected.loss_
    assert not model.predict_proba(X).requires_grad


@every_model
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_too_little_memory_leaves_the_model_as_it_was(name, method, monkeypatch):
    class OutOfMemoryError(RuntimeError):
        """As PyTorch and CuPy name it."""

    def fail(*arguments):
        raise OutOfMemoryError("Tried to allocate 2 GiB.")

    X, y, _ = classes(2, n_samples=200)
    model = clone(MODELS[name]).set_params(warm_start=True).fit(X, y)
    before = dict(vars(model))
    monkeypatch.setattr("sklearn_nn._training.run", fail)
    with pytest.raises(MemoryError, match=r"Pass fewer rows .* or float32 .* 2 GiB"):
        getattr(model, method)(X, y)
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[key] is value for key, value in before.items())
