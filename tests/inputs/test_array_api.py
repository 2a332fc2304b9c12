"""Models of arrays of other libraries equal those of NumPy, on the device of the rows.

devices.py lists the libraries, and the devices that the machine has.
"""

import pickle

import numpy as np
import pytest
import sklearn
from devices import WITHOUT_FLOAT64, arrays_at
from numpy.testing import assert_allclose, assert_array_equal
from optimizers import every_optimizer
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.metrics import get_scorer

from sklearn_nn import (
    BackpropMLPClassifier,
    SGDLogisticClassifier,
    check_gradient,
    learning_rate_range_test,
    to_onnx,
)
from sklearn_nn._data import array_api, validation
from sklearn_nn._engine import arrays
from sklearn_nn._engine.epochs import prediction, reference
from sklearn_nn._engine.epochs.optimizers import SGD
from sklearn_nn._engine.epochs.records import EpochMemory, EpochSettings
from sklearn_nn._engine.epochs.schedules import SCHEDULES
from sklearn_nn._engine.objective.activations import ACTIVATIONS
from sklearn_nn._engine.objective.losses import LOSSES
from sklearn_nn._engine.objective.penalties import PENALTIES
from sklearn_nn._engine.objective.problem import Problem
from sklearn_nn._engine.stopping import StoppingRule
from sklearn_nn._engine.types import Architecture, Dataset, TrainingState

N, P = 40, 5


@pytest.fixture(autouse=True)
def dispatch():
    """Let scikit-learn accept arrays of other libraries."""
    with sklearn.config_context(array_api_dispatch=True):
        yield


def rows_of(kind="three", dtype=np.float64):
    """Return X, y and positive weights; `kind` says which labels y has."""
    rng = np.random.RandomState(3)
    X = rng.normal(size=(N, P)).astype(dtype)
    scores = X[:, :3] + 0.3 * rng.normal(size=(N, 3))
    y = {
        "two": 5 * (scores[:, 0] > 0),
        "three": scores.argmax(axis=1) - 1,
        "multilabel": (scores > 0).astype(int),
    }[kind]
    return X, y, rng.uniform(0.5, 2.0, size=N)


def logistic(**parameters):
    """Return an SGDLogisticClassifier, with learning rate 0.1 unless another is given."""
    few = {"learning_rate": 0.1, "batch_size": 16, "max_iter": 5, "tol": None}
    return SGDLogisticClassifier(**{**few, "random_state": 0, **parameters})


def network(**parameters):
    """Return a small BackpropMLPClassifier."""
    few = {"learning_rate_init": 0.01, "batch_size": 16, "max_iter": 5, "tol": None}
    return BackpropMLPClassifier((6, 4), **{**few, "random_state": 0, **parameters})


MODELS = {
    "sgd": logistic(),
    "adam_l1": logistic(solver="adam", penalty="elasticnet", alpha=0.01),
    "plain_sgd_averaged": logistic(momentum=0, average=5, batch_size=1),
    "auto": SGDLogisticClassifier(random_state=0),
    "auto_l1": SGDLogisticClassifier("l1", alpha=0.01, random_state=0),
    "balanced": logistic(class_weight="balanced"),
    "no_intercept": logistic(fit_intercept=False, nesterovs_momentum=False),
    "early_stopping": logistic(early_stopping=True, validation_fraction=0.3),
    "network": network(),
    "network_sgd": network(solver="sgd", learning_rate="invscaling", activation="tanh"),
    "network_dropout": network(dropout=0.3),
    "network_adamw": network(
        solver="adamw", activation=("gelu", "silu"), max_gradient_norm=0.5
    ),
    "network_lbfgs": network(solver="lbfgs", activation="logistic"),
    "network_full_batch": network(batch_size="full", shuffle=False, loss="squared_error"),
    "network_early_stopping": network(
        early_stopping=True, scoring="loss", validation_fraction=0.3
    ),
}
every_model = pytest.mark.parametrize("name", MODELS)
KINDS = ("two", "three", "multilabel")
every_kind = pytest.mark.parametrize("kind", KINDS)


def every_model_and_kind(*names):
    """Parametrize over models and the kinds of y that they accept."""
    pairs = [(name, kind) for name in names or MODELS for kind in KINDS]
    return pytest.mark.parametrize(
        ("name", "kind"),
        [p for p in pairs if p[1] != "multilabel" or p[0].startswith("network")],
    )


either_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])
METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function")
every_method = pytest.mark.parametrize("method", METHODS)


def parameters_of(model):
    """Return all fitted coefficients and intercepts as a list of arrays."""
    if isinstance(model, SGDLogisticClassifier):
        return [model.coef_, model.intercept_]
    return [*model.coefs_, *model.intercepts_]


def assert_same_parameters(model, expected):
    """Assert that the parameters equal those of `expected`, a NumPy model, to rounding.

    Gradient steps differ by up to 600 eps here, and L-BFGS, which divides by differences,
    by 1300 eps; other processors may sum in other orders. On a GPU, L-BFGS was 9000 eps
    from NumPy's model.
    """
    n_eps = 2e4 if expected.get_params().get("solver") == "lbfgs" else 5e3
    for here, there in zip(parameters_of(model), parameters_of(expected), strict=True):
        here = arrays.to_numpy(here)
        assert here.dtype == there.dtype
        bound = n_eps * np.finfo(there.dtype).eps * max(1, np.abs(there).max())
        assert_allclose(here, there, rtol=0, atol=bound)


class Watcher:
    """A callback of scikit-learn that keeps the model of each epoch."""

    def __init__(self):
        self.models = []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        self.models.append(fitted_estimator)


@every_model_and_kind()
@either_dtype
def test_coefficients_equal_those_of_numpy(at, name, kind, dtype):
    model, (X, y, _) = clone(MODELS[name]), rows_of(kind, dtype)
    expected = clone(model).fit(X, y)
    model.fit(at(X), at(y))
    assert_same_parameters(model, expected)
    here, there = model.loss_curve_, expected.loss_curve_
    if name.startswith("auto"):
        # So few rows go on to rounding error, which may take another step.
        assert abs(len(here) - len(there)) <= 1
        here, there = (curve[: min(len(here), len(there))] for curve in (here, there))
    assert_allclose(here, there, rtol=5e3 * np.finfo(dtype).eps)
    assert type(model.loss_curve_[0]) is float


@every_model
def test_weighted_coefficients_equal_those_of_numpy(at, name):
    X, y, weight = rows_of("two")
    weight[::7] = 0
    expected = clone(MODELS[name]).fit(X, y, weight)
    assert_same_parameters(clone(MODELS[name]).fit(at(X), at(y), at(weight)), expected)


@every_model_and_kind()
def test_results_have_the_library_and_device_of_the_rows(at, name, kind):
    model, (X, y, _) = clone(MODELS[name]), rows_of(kind, np.float32)
    X = at(X)
    model.fit(X, at(y))
    results = [*parameters_of(model), *(getattr(model, m)(X) for m in METHODS)]
    for array in [*results, model.classes_]:
        assert arrays.are_together(X, array)


@every_method
@every_model_and_kind("sgd", "auto", "network")
def test_predictions_equal_those_of_numpy(at, name, kind, method):
    model, (X, y, _) = clone(MODELS[name]), rows_of(kind)
    expected = getattr(clone(model).fit(X, y), method)(X)
    predicted = arrays.to_numpy(getattr(model.fit(at(X), at(y)), method)(at(X)))
    assert predicted.dtype == expected.dtype
    assert_allclose(predicted, expected, rtol=1e-11, atol=1e-11)


@every_method
@pytest.mark.parametrize("name", ["sgd", "network"])
def test_rows_are_predicted_in_parts(at, name, method, monkeypatch):
    model, (X, y, _) = clone(MODELS[name]), rows_of()
    expected = getattr(clone(model).fit(X, y), method)(X)
    model.fit(at(X), at(y))
    # 40 rows, 7 at a time: the last part has 5.
    width = 6 if name == "network" else 3
    monkeypatch.setattr(prediction, "NUMBERS_AT_ONCE", 7 * width)
    n_parts = len(prediction.parts_of(at(X), model._layers()))
    assert n_parts == 6
    predicted = arrays.to_numpy(getattr(model, method)(at(X)))
    assert_allclose(predicted, expected, rtol=1e-11, atol=1e-11)


@every_model_and_kind("sgd", "auto", "network")
def test_score_equals_that_of_numpy(at, name, kind):
    model, (X, y, _) = clone(MODELS[name]), rows_of(kind)
    expected = clone(model).fit(X, y).score(X, y)
    # scikit-learn computes the mean of tensors in float32.
    assert abs(model.fit(at(X), at(y)).score(at(X), at(y)) - expected) < 1e-7


@pytest.mark.parametrize("name", ["sgd", "adam_l1", "plain_sgd_averaged", "network"])
def test_fit_of_n_epochs_equals_n_partial_fits_bit_for_bit(at, name):
    X, y, _ = rows_of()
    X, y = at(X), at(y)
    whole = clone(MODELS[name]).fit(X, y)
    pieces = clone(MODELS[name])
    for _ in range(whole.max_iter):
        pieces.partial_fit(X, y, classes=at(np.array([-1, 0, 1])))
        pieces = pickle.loads(pickle.dumps(pieces))
    for here, there in zip(parameters_of(pieces), parameters_of(whole), strict=True):
        assert_array_equal(arrays.to_numpy(here), arrays.to_numpy(there))
    assert pieces.loss_curve_ == whole.loss_curve_


def test_stream_without_learning_rate_equals_that_of_numpy(at):
    X, y, _ = rows_of()
    model, expected = SGDLogisticClassifier(), SGDLogisticClassifier()
    for part in (slice(0, 25), slice(25, N)):
        model.partial_fit(at(X[part]), at(y[part]), classes=[-1, 0, 1])
        expected.partial_fit(X[part], y[part], classes=[-1, 0, 1])
    for here, there in zip(parameters_of(model), parameters_of(expected), strict=True):
        assert arrays.are_together(here, at(X))
        assert_allclose(arrays.to_numpy(here), there, rtol=1e-12)


def test_training_resumes_by_another_method_as_with_numpy(at):
    X, y, _ = rows_of()
    model, expected = SGDLogisticClassifier(), SGDLogisticClassifier()
    for learning_rate in ("auto", 0.1, "auto"):
        for m, place in ((model, at), (expected, np.asarray)):
            m.set_params(learning_rate=learning_rate, warm_start=True, random_state=0)
            m.set_params(tol=None, max_iter=3).fit(place(X), place(y))
    assert_same_parameters(model, expected)


@every_model
def test_warm_start_resumes_as_with_numpy(at, name):
    X, y, _ = rows_of()
    model = clone(MODELS[name]).set_params(warm_start=True)
    expected = clone(model).fit(X, y).fit(X[::2], y[::2])
    model.fit(at(X), at(y)).fit(at(X[::2]), at(y[::2]))
    assert_same_parameters(model, expected)


def test_training_resumes_from_edited_coefficients(at):
    X, y, _ = rows_of()
    model, expected = logistic(warm_start=True), logistic(warm_start=True).fit(X, y)
    model.fit(at(X), at(y))
    expected.coef_, model.coef_ = expected.coef_ + 1, model.coef_ + 1
    assert_same_parameters(model.fit(at(X), at(y)), expected.fit(X, y))


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("scoring", ["loss", "accuracy", "neg_log_loss", None])
def test_validation_rows_are_scored_as_with_numpy(at, scoring, solver):
    X, y, weight = rows_of()
    model = network(scoring=scoring, early_stopping=True, solver=solver)
    given = {"X_val": X[:20], "y_val": y[:20], "sample_weight_val": weight[:20]}
    expected = clone(model).fit(X, y, **given)
    model.fit(at(X), at(y), **{key: at(value) for key, value in given.items()})
    assert_same_parameters(model, expected)
    for curve in ("validation_scores_", "validation_loss_curve_"):
        assert_allclose(getattr(model, curve), getattr(expected, curve), rtol=1e-10)


@pytest.mark.parametrize("kind", ["two", "three"])
@pytest.mark.parametrize("is_weighted", [True, False])
@either_dtype
def test_log_loss_of_validation_rows_is_that_of_the_scorer(at, kind, is_weighted, dtype):
    # With rows so far from the boundary, probabilities are clipped.
    X, y, weight = rows_of(kind, dtype)
    X = 20 * X
    weight = weight if is_weighted else None
    model = network(scoring="neg_log_loss", learning_rate_init=0.3)
    model.fit(at(X), at(y), X_val=at(X), y_val=at(y), sample_weight_val=weight)
    scorer = get_scorer("neg_log_loss")
    on_host = network().set_state(model.get_state())
    weights = {} if weight is None else {"sample_weight": weight}
    # log_loss computes logarithms of probabilities near 1 in the dtype of X.
    bound = 10 * float(np.finfo(dtype).eps)
    expected = scorer(on_host, X, y, **weights)
    assert model.validation_scores_[-1] == pytest.approx(expected, rel=bound, abs=bound)


# Not the log-loss of multilabel y, which scikit-learn's scorer defines otherwise.
@pytest.mark.parametrize(
    ("scoring", "kind"),
    [
        *[(scoring, kind) for scoring in ("loss", "accuracy") for kind in KINDS],
        *[("neg_log_loss", kind) for kind in ("two", "three")],
    ],
)
def test_usual_scores_copy_neither_rows_nor_logits_to_the_host(
    at, scoring, kind, monkeypatch
):
    X, y, _ = rows_of(kind)
    shapes, to_numpy = [], arrays.to_numpy

    def recorded(array):
        if not isinstance(array, np.ndarray):
            shapes.append(tuple(array.shape))
        return to_numpy(array)

    X_val, y_val, X, y = at(X[:11]), y[:11], at(X), at(y)
    for module in (arrays, array_api, validation):
        monkeypatch.setattr(module, "to_numpy", recorded)
    network(scoring=scoring).fit(X, y, X_val=X_val, y_val=y_val)
    assert not [shape for shape in shapes if shape[:1] == (11,)]


def test_validation_rows_of_auto_may_be_of_any_library(at):
    X, y, _ = rows_of()
    expected = SGDLogisticClassifier(random_state=0).fit(X, y, X_val=X, y_val=y)
    for place in (at, np.asarray):
        model = SGDLogisticClassifier(random_state=0)
        model.fit(at(X), at(y), X_val=place(X), y_val=place(y))
        here, there = (m.validation_loss_curve_ for m in (model, expected))
        assert_allclose(here, there, rtol=1e-10)


@every_kind
def test_validation_rows_of_numpy_are_moved_to_the_rows(at, kind):
    X, y, _ = rows_of(kind)
    expected = network().fit(X, y, X_val=X, y_val=y)
    model = network().fit(at(X), at(y), X_val=X, y_val=y)
    assert_allclose(
        model.validation_loss_curve_, expected.validation_loss_curve_, rtol=1e-10
    )


def test_rows_and_validation_rows_may_mix_sparse_and_dense(at):
    X, y, _ = rows_of()
    expected = network().fit(X, y, X_val=X, y_val=y).validation_loss_curve_
    for rows, X_val in ((at(X), csr_array(X)), (csr_array(X), at(X))):
        model = network().fit(rows, y, X_val=X_val, y_val=y)
        assert_allclose(model.validation_loss_curve_, expected, rtol=1e-10)


def test_callbacks_get_models_on_the_device_of_the_rows(at):
    pytest.importorskip("sklearn.callback", reason="new in scikit-learn 1.9")
    X, y, _ = rows_of()
    watcher, expected = Watcher(), Watcher()
    network().set_callbacks(watcher).fit(at(X), at(y))
    network().set_callbacks(expected).fit(X, y)
    assert len(watcher.models) == len(expected.models) == 6
    for here, there in zip(watcher.models, expected.models, strict=True):
        assert_same_parameters(here, there)
        assert arrays.are_together(here.predict(at(X)), at(X))


def test_string_labels_stay_ndarrays(at):
    X, y, _ = rows_of()
    names = np.array(["a", "b", "c"])
    model = network().fit(at(X), names[y + 1])
    expected = network().fit(X, names[y + 1])
    assert_array_equal(model.classes_, names)
    assert_array_equal(model.predict(at(X)), expected.predict(X))
    assert_same_parameters(model, expected)


def test_labels_and_weights_of_numpy_are_moved_to_the_rows(at):
    X, y, weight = rows_of()
    model = network().fit(at(X), y, weight)
    assert_same_parameters(model, network().fit(X, y, weight))
    assert arrays.are_together(model.classes_, at(X))


def test_labels_and_weights_of_another_library_are_moved_to_numpy(at):
    X, y, weight = rows_of()
    model, expected = network().fit(X, at(y), at(weight)), network().fit(X, y, weight)
    for here, there in zip(parameters_of(model), parameters_of(expected), strict=True):
        assert_array_equal(here, there)
    assert type(model.predict(X)) is np.ndarray


def test_sparse_rows_accept_labels_of_another_library(at):
    X, y, _ = rows_of()
    expected, model = network().fit(csr_array(X), y), network().fit(csr_array(X), at(y))
    assert_array_equal(model.coefs_[0], expected.coefs_[0])


@every_method
@pytest.mark.parametrize("name", ["sgd", "auto", "network"])
def test_rows_of_another_library_than_the_model_are_an_error(at, name, method):
    X, y, _ = rows_of()
    there, here = clone(MODELS[name]).fit(at(X), at(y)), clone(MODELS[name]).fit(X, y)
    wanted = rf"{method}\(\) must use the same namespace and the same device"
    for model, rows in ((there, X), (there, X.tolist()), (here, at(X))):
        with pytest.raises(ValueError, match=wanted):
            getattr(model, method)(rows)


@pytest.mark.parametrize("name", ["sgd", "network"])
def test_resuming_with_rows_of_another_library_is_an_error(at, name):
    X, y, _ = rows_of()
    model = clone(MODELS[name]).set_params(warm_start=True).fit(at(X), at(y))
    before = [arrays.to_numpy(array) for array in parameters_of(model)]
    for method in ("fit", "partial_fit"):
        with pytest.raises(ValueError, match=rf"{method}\(\) must use the same"):
            getattr(model, method)(X, y)
    for array, expected in zip(parameters_of(model), before, strict=True):
        assert_array_equal(arrays.to_numpy(array), expected)


@pytest.mark.parametrize("name", ["sgd", "adam_l1", "auto", "network"])
def test_moved_model_predicts_and_resumes_training(at, name):
    tools = pytest.importorskip("sklearn.utils._array_api")
    if not hasattr(tools, "move_estimator_to"):
        pytest.skip("move_estimator_to is new in scikit-learn 1.9")
    X, y, _ = rows_of()
    model = clone(MODELS[name]).set_params(warm_start=True).fit(at(X), at(y))
    expected = clone(MODELS[name]).set_params(warm_start=True).fit(X, y)
    moved = tools.move_estimator_to(model, tools.get_namespace(X)[0], "cpu")
    assert_allclose(moved.predict_proba(X), expected.predict_proba(X), rtol=1e-10)
    assert_same_parameters(moved.fit(X, y), expected.fit(X, y))


def test_without_dispatch_tensors_become_ndarrays():
    torch = pytest.importorskip("torch")
    X, y, _ = rows_of()
    with sklearn.config_context(array_api_dispatch=False):
        model = network().fit(torch.asarray(X), torch.asarray(y))
        expected = network().fit(X, y)
        assert type(model.predict(torch.asarray(X))) is np.ndarray
    assert_array_equal(model.coefs_[0], expected.coefs_[0])


@pytest.mark.parametrize("name", ["sgd", "adam_l1", "auto", "network", "network_lbfgs"])
def test_without_dispatch_a_model_of_tensors_becomes_one_of_ndarrays(name):
    torch = pytest.importorskip("torch")
    X, y, _ = rows_of()
    model = clone(MODELS[name]).set_params(warm_start=True)
    model.fit(torch.asarray(X), torch.asarray(y))
    expected = clone(model).fit(X, y)
    with sklearn.config_context(array_api_dispatch=False):
        for method in METHODS:
            predicted = getattr(model, method)(X)
            assert type(predicted) is np.ndarray
            assert_allclose(predicted, getattr(expected, method)(X), rtol=1e-9)
        assert_same_parameters(model.fit(X, y), expected.fit(X, y))


@pytest.mark.parametrize("name", ["sgd", "network"])
def test_gradient_check_and_range_test_accept_other_libraries(at, name):
    X, y, _ = rows_of()
    model, expected = clone(MODELS[name]), clone(MODELS[name])
    errors = [
        check_gradient(m.fit(place(X), place(y)), place(X), place(y)).max_error
        for m, place in ((model, at), (expected, np.asarray))
    ]
    assert max(errors) < 1e-6
    tests = [
        learning_rate_range_test(model, at(X), at(y)),
        learning_rate_range_test(expected, X, y),
    ]
    assert_allclose(tests[0].losses[:20], tests[1].losses[:20], rtol=1e-9)


@pytest.mark.parametrize("name", ["sgd", "network"])
def test_onnx_graph_equals_that_of_the_numpy_model(at, name):
    pytest.importorskip("onnx")
    X, y, _ = rows_of()
    graphs = [
        to_onnx(clone(MODELS[name]).set_params(max_iter=1).fit(place(X), place(y)))
        for place in (at, np.asarray)
    ]
    assert len(set(map(str, (graph.graph.node for graph in graphs)))) == 1


def test_sparsified_coefficients_are_on_the_host(at):
    X, y, _ = rows_of()
    model = logistic().fit(at(X), at(y))
    expected = arrays.to_numpy(model.coef_)
    proba = arrays.to_numpy(model.predict_proba(at(X)))
    assert_array_equal(model.sparsify().coef_.toarray(), expected)
    assert_allclose(model.predict_proba(X), proba, rtol=1e-12)
    assert_allclose(model.densify().predict_proba(X), proba, rtol=1e-12)
    with pytest.raises(ValueError, match="the model is in numpy"):
        model.predict(at(X))


def test_scorers_get_numpy_arrays(at):
    X, y, weight = rows_of("two")
    given = {"X_val": at(X), "y_val": at(y), "sample_weight_val": at(weight)}
    model = network(scoring="roc_auc", early_stopping=True).fit(at(X), at(y), **given)
    on_host = {"X_val": X, "y_val": y, "sample_weight_val": weight}
    expected = network(scoring="roc_auc", early_stopping=True).fit(X, y, **on_host)
    assert_allclose(model.validation_scores_, expected.validation_scores_, rtol=1e-12)


def test_models_of_tensors_with_requires_grad_do_not_require_it():
    torch = pytest.importorskip("torch")
    X, y, _ = rows_of()
    tracked = torch.asarray(X).requires_grad_()
    model = network().fit(tracked, torch.asarray(y))
    assert not model.coefs_[0].requires_grad
    assert not model.predict_proba(tracked).requires_grad


@either_dtype
def test_integer_rows_become_the_widest_float(at, dtype):
    X, y, _ = rows_of()
    whole = np.rint(4 * X)
    model = network().fit(at(whole.astype(np.int64)), at(y))
    assert_same_parameters(model, network().fit(whole, y))


@pytest.mark.parametrize("device", WITHOUT_FLOAT64)
def test_a_device_without_float64_computes_in_float32(device):
    X, y, weight = rows_of(dtype=np.float32)
    there = [arrays_at(device)(array) for array in (X, y, weight.astype("f4"))]
    for name in ("plain_sgd_averaged", "adam_l1", "auto", "network", "network_lbfgs"):
        model = clone(MODELS[name]).fit(*there)
        assert all(array.dtype == there[0].dtype for array in parameters_of(model))
        expected = clone(MODELS[name]).fit(X, y, weight.astype("f4"))
        assert_same_parameters(model, expected)


@pytest.mark.parametrize("name", ["sgd", "network"])
def test_divergence_is_an_error(at, name):
    X, y, _ = rows_of()
    model = clone(MODELS[name]).set_params(solver="sgd", learning_rate=1e300)
    with pytest.raises(ValueError, match="Training diverged in epoch 1"):
        model.fit(at(X), at(y))


@pytest.mark.parametrize("name", ["sgd", "auto", "network"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_non_finite_rows_are_an_error(at, name, bad):
    X, y, _ = rows_of()
    model = clone(MODELS[name]).fit(at(X), at(y))
    X[3, 2] = bad
    with pytest.raises(ValueError, match="contains"):
        model.predict(at(X))
    with pytest.raises(ValueError, match="contains"):
        model.fit(at(X), at(y))


def test_verbose_prints_the_same_lines(at, capsys):
    X, y, _ = rows_of()
    logistic(verbose=True).fit(X, y)
    expected = [line[:30] for line in capsys.readouterr().out.splitlines()]
    logistic(verbose=True).fit(at(X), at(y))
    assert [line[:30] for line in capsys.readouterr().out.splitlines()] == expected


# The reference implementation, for every entry of the registries.

L2, PLAIN_SGD = PENALTIES["l2"](0.01, 0.5), SGD()


def epoch_of(
    at,
    activation="relu",
    loss=("log_loss", "softmax"),
    penalty=L2,
    optimizer=PLAIN_SGD,
    max_gradient_norm=None,
):
    """Return theta, slots, average and objective after an epoch on arrays of `at`."""
    rng = np.random.RandomState(1)
    architecture = Architecture((P, 4, 3), (activation,))
    problem = Problem(architecture, LOSSES[loss], penalty)
    settings = EpochSettings(
        optimizer=optimizer,
        schedule=None,
        stopping_rule=StoppingRule(-np.inf, 5),
        batch_size=16,
        average_from=2,
        max_gradient_norm=max_gradient_norm,
    )
    kind = "three" if loss[1] == "softmax" else "multilabel"
    X, y, weight = rows_of(kind)
    y = y + 1 if kind == "three" else y.astype(float)
    theta = rng.normal(size=architecture.n_parameters)
    slots = tuple(at(np.zeros_like(theta)) for _ in range(optimizer.n_slots))
    state = TrainingState(theta=at(theta), random_state=(), memory=EpochMemory(slots))
    data = Dataset(at(X), at(y), at(weight))
    state, objective = reference.run_epoch(
        problem, settings, state, data, rng.permutation(N), [0.1] * 3
    )
    memory = state.memory
    return [state.theta, *memory.slots, memory.average, np.array(objective)]


def assert_epoch_equals_numpys(at, **parts):
    """Assert that an epoch on arrays of `at` gives the same as on ndarrays."""
    here, there = epoch_of(at, **parts), epoch_of(np.asarray, **parts)
    for array, expected in zip(here, there, strict=True):
        assert_allclose(arrays.to_numpy(array), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_epoch_equals_numpys_for_every_activation(at, activation):
    assert_epoch_equals_numpys(at, activation=activation)


@pytest.mark.parametrize("loss", LOSSES, ids="-".join)
def test_epoch_equals_numpys_for_every_loss(at, loss):
    assert_epoch_equals_numpys(at, loss=loss)


@pytest.mark.parametrize("penalty", PENALTIES, ids=str)
@pytest.mark.parametrize("optimizer", every_optimizer(), ids=str)
def test_epoch_equals_numpys_for_every_optimizer_and_penalty(at, optimizer, penalty):
    penalty = PENALTIES[penalty](0.01, 0.5)
    assert_epoch_equals_numpys(at, optimizer=optimizer, penalty=penalty)


@pytest.mark.parametrize("max_norm", [1e-3, 0.1, 1e3])
def test_epoch_equals_numpys_with_clipped_gradients(at, max_norm):
    assert_epoch_equals_numpys(at, max_gradient_norm=max_norm)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_trains_as_with_numpy(at, schedule):
    X, y, _ = rows_of()
    model = network(learning_rate=schedule)
    assert_same_parameters(clone(model).fit(at(X), at(y)), clone(model).fit(X, y))


def test_epoch_reads_only_one_number_from_the_device(at, monkeypatch):
    kind = type(at(np.zeros(1)))

    def read(self):
        raise AssertionError("A number was read from the device.")

    real_float, n_read = kind.__float__, []

    def counted(self):
        n_read.append(1)
        return real_float(self)

    for method in ("__bool__", "__int__", "__index__"):
        if hasattr(kind, method):  # CuPy's have no __index__
            monkeypatch.setattr(kind, method, read)
    monkeypatch.setattr(kind, "__float__", counted)
    epoch_of(at, penalty=PENALTIES["elasticnet"](0.01, 0.5), max_gradient_norm=1.0)
    assert len(n_read) == 1


@pytest.mark.parametrize("name", MODELS)
def test_get_state_returns_numpy_arrays(name, at):
    X, y, _ = rows_of()
    model = clone(MODELS[name]).fit(at(X), at(y))
    state = model.get_state()
    assert all(type(array) is np.ndarray for array in state.values())
    on_host = clone(MODELS[name]).set_state(state)
    there = arrays.to_numpy(model.predict_proba(at(X)))  # sums in another order
    assert_allclose(on_host.predict_proba(X), there, rtol=1e-13, atol=1e-15)
