"""Networks for tables train on the device of a numeric array, as with NumPy."""

import pickle

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold

from sklearn_nn import BackpropMLPClassifierCV, to_onnx
from sklearn_nn._engine import arrays
from sklearn_nn._table.encoder import fit_encoder
from sklearn_nn._table.quantiles import weighted_quantiles
from sklearn_nn._table.schema import read_new

METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function")


@pytest.fixture(autouse=True)
def dispatch():
    """Let scikit-learn accept arrays of other libraries."""
    with sklearn.config_context(array_api_dispatch=True):
        yield


def rows_of(n_classes=3, dtype=np.float64):
    """Return X with missing values and a constant column, y and positive weights."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(60, 4)) * [1, 100, 0.01, 1]
    y = X[:, :n_classes].argmax(axis=1) if n_classes > 2 else (X[:, 0] > 0).astype(int)
    X[::7, 1], X[:, 3] = np.nan, 2.0
    return X.astype(dtype), 5 * y, rng.uniform(0.5, 2.0, size=60)


def model_of(**parameters):
    """Return a small model."""
    few = {"max_iter": 5, "n_trees": 5, "cv": 3, "random_state": 0, **parameters}
    return BackpropMLPClassifierCV((6,), **few)


def assert_same_models(model, expected):
    """Assert that networks and what was chosen by held-out rows are equal to rounding."""
    for here, there in zip(model.estimators_, expected.estimators_, strict=True):
        for one, other in zip(here.coefs_, there.coefs_, strict=True):
            one = arrays.to_numpy(one)
            assert one.dtype == other.dtype
            # The encoded rows and the networks are float32.
            assert_allclose(one, other, rtol=0, atol=1e-4)
    assert_array_equal(arrays.to_numpy(model.best_epochs_), expected.best_epochs_)
    proba = arrays.to_numpy(model.oof_predict_proba_)
    assert_allclose(proba, expected.oof_predict_proba_, rtol=0, atol=1e-4)
    for name in ("temperature_", "cv_log_loss_", "cv_score_"):
        assert getattr(model, name) == pytest.approx(getattr(expected, name), rel=1e-4)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_models_equal_those_of_numpy(at, n_classes, dtype):
    X, y, weight = rows_of(n_classes, dtype)
    expected = model_of().fit(X, y, weight)
    assert_same_models(model_of().fit(at(X), at(y), at(weight)), expected)


@pytest.mark.parametrize(
    "parameters",
    [
        {"class_weight": "balanced"},
        {"class_weight": {0: 0.0, 5: 1.0, 10: 2.0}},
        {"cv": StratifiedKFold(2), "n_jobs": 2},
        {"dropout": 0.0, "calibrate": False},
    ],
    ids=str,
)
def test_models_of_every_option_equal_those_of_numpy(at, parameters):
    X, y, weight = rows_of()
    weight[::5] = 0
    expected = model_of(**parameters).fit(X, y, weight)
    assert_same_models(model_of(**parameters).fit(at(X), y, weight), expected)


def test_groups_may_be_on_the_host(at):
    X, y, _ = rows_of()
    groups = np.arange(60) // 2
    expected = model_of().fit(X, y, groups=groups)
    assert_same_models(model_of().fit(at(X), at(y), groups=groups), expected)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_results_have_the_library_and_device_of_the_rows(at, n_classes):
    X, y, _ = rows_of(n_classes)
    model, expected = model_of().fit(at(X), at(y)), model_of().fit(X, y)
    coefs = [network.coefs_[0] for network in model.estimators_]
    attributes = [model.classes_, model.best_epochs_, model.oof_predict_proba_]
    for array in [*coefs, *attributes]:
        assert arrays.are_together(array, at(X))
    for method in METHODS:
        predicted = getattr(model, method)(at(X))
        assert arrays.are_together(predicted, at(X))
        there = getattr(expected, method)(X)
        assert_allclose(arrays.to_numpy(predicted), there, rtol=0, atol=1e-3)


def test_string_labels_stay_ndarrays(at):
    X, y, _ = rows_of()
    names = np.array(["a", "b", "c"])[y // 5]
    model, expected = model_of().fit(at(X), names), model_of().fit(X, names)
    assert_array_equal(model.classes_, expected.classes_)
    assert_array_equal(model.predict(at(X)), expected.predict(X))


def test_chosen_categories_are_encoded_on_the_host(at):
    X, y, _ = rows_of()
    X[:, 3] = np.arange(60) % 4
    model = model_of(categorical_features=[3]).fit(at(X), at(y))
    expected = model_of(categorical_features=[3]).fit(X, y)
    assert_same_models(model, expected)
    proba = model.predict_proba(at(X))
    assert arrays.are_together(proba, at(X))
    assert_allclose(arrays.to_numpy(proba), expected.predict_proba(X), rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_rows_of_another_library_than_the_model_are_an_error(at, method):
    X, y, _ = rows_of()
    wanted = rf"{method}\(\) must use the same namespace and the same device"
    for fitted, rows in ((at, X), (np.asarray, at(X))):
        model = model_of().fit(fitted(X), y)
        with pytest.raises(ValueError, match=wanted):
            getattr(model, method)(rows)


def test_pickled_and_stored_models_predict_the_same(at):
    X, y, _ = rows_of()
    model = model_of().fit(at(X), at(y))
    expected = arrays.to_numpy(model.predict_proba(at(X)))
    again = pickle.loads(pickle.dumps(model)).predict_proba(at(X))
    assert_array_equal(arrays.to_numpy(again), expected)
    state = model.get_state()
    assert all(type(array) is np.ndarray for array in state.values())
    on_host = model_of().set_state(state)
    assert_allclose(on_host.predict_proba(X), expected, rtol=0, atol=1e-5)


def test_onnx_graph_equals_that_of_the_numpy_model(at):
    pytest.importorskip("onnx")
    X, y, _ = rows_of()
    graphs = [to_onnx(model_of().fit(place(X), place(y))) for place in (at, np.asarray)]
    assert len({str(graph.graph.node) for graph in graphs}) == 1


def test_infinite_values_are_an_error(at):
    X, y, _ = rows_of()
    X[3, 2] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        model_of().fit(at(X), y)


def test_without_dispatch_tensors_become_ndarrays():
    torch = pytest.importorskip("torch")
    X, y, _ = rows_of()
    with sklearn.config_context(array_api_dispatch=False):
        model = model_of().fit(torch.asarray(X), torch.asarray(y))
        expected = model_of().fit(X, y)
        proba = model.predict_proba(torch.asarray(X))
    assert type(model.oof_predict_proba_) is np.ndarray
    assert_array_equal(proba, expected.predict_proba(X))


def test_rows_that_require_a_gradient_are_detached():
    torch = pytest.importorskip("torch")
    X, y, _ = rows_of()
    tracked = torch.asarray(X).requires_grad_()
    model = clone(model_of()).fit(tracked, y)
    assert not model.predict_proba(tracked).requires_grad


# Encoding.


@pytest.mark.parametrize("is_weighted", [True, False])
def test_encoded_rows_equal_those_of_numpy(at, is_weighted):
    X, y, weight = (np.concatenate([values] * 5) for values in rows_of())
    weight = weight if is_weighted else None
    encoded = []
    for rows in (at(X), X):
        schema, table = read_new(rows, "from_dtype", None)
        encoder = fit_encoder(schema, table, y, weight)
        encoded.append(encoder.encode(table))
    assert len(encoder.bins.column)
    assert arrays.are_together(encoded[0], at(X))
    eps = np.finfo(np.float32).eps
    assert_allclose(arrays.to_numpy(encoded[0]), encoded[1], rtol=eps, atol=0)


@pytest.mark.parametrize("is_weighted", [True, False])
def test_quantiles_equal_those_of_numpy(at, is_weighted):
    rng = np.random.RandomState(2)
    values = np.round(rng.normal(size=50), 1)  # with ties
    weight = rng.randint(1, 4, size=50).astype(float) if is_weighted else None
    probabilities = np.linspace(0, 1, 21)
    expected = weighted_quantiles(values, weight, probabilities)
    there = None if weight is None else at(weight)
    assert_array_equal(weighted_quantiles(at(values), there, probabilities), expected)
