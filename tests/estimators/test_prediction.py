"""Predictions for plain arrays skip scikit-learn's validation, with the same results."""

import warnings

import numpy as np
import pytest
import sklearn
from scipy.sparse import csr_array

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier
from sklearn_nn._data import inputs
from sklearn_nn._engine.epochs import prediction
from sklearn_nn._engine.objective.losses import LOSSES

METHODS = ["predict", "predict_proba", "predict_log_proba", "decision_function"]
N_FEATURES = 3


def fitted(estimator_class, n_classes=3, dtype=np.float64):
    """Return a model of three features, trained for two epochs."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(40, N_FEATURES)).astype(dtype)
    model = estimator_class(max_iter=2, tol=None, random_state=0)
    return model.fit(X, np.arange(40) % n_classes)


MODELS = {
    f"{estimator_class.__name__}-{n_classes}": fitted(estimator_class, n_classes)
    for estimator_class in (SGDLogisticClassifier, BackpropMLPClassifier)
    for n_classes in (2, 3)
}
every_model = pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
every_method = pytest.mark.parametrize("method", METHODS)


def with_value(value, shape=(5, N_FEATURES), place=(2, 1)):
    """Return ones of this shape with `value` in one place."""
    X = np.ones(shape)
    X[place] = value
    return X


BAD = {
    "NaN": with_value(np.nan),
    "infinity": with_value(np.inf),
    "minus infinity": with_value(-np.inf),
    "NaN in one row": with_value(np.nan, (1, N_FEATURES), (0, 2)),
    "NaN in the last of many rows": with_value(np.nan, (600, N_FEATURES), (599, 2)),
    "NaN in float32": with_value(np.nan).astype(np.float32),
    "NaN in Fortran order": np.asfortranarray(with_value(np.nan)),
    "NaN in every second row": np.repeat(with_value(np.nan), 2, axis=0)[::2],
    "more features": np.ones((5, N_FEATURES + 1)),
    "fewer features": np.ones((5, N_FEATURES - 1)),
    "no features": np.ones((5, 0)),
    "no rows": np.ones((0, N_FEATURES)),
    "one axis": np.ones(N_FEATURES),
    "three axes": np.ones((2, 2, N_FEATURES)),
    "no axis": np.array(1.0),
    "complex": np.ones((5, N_FEATURES), dtype=complex),
    "text": np.full((5, N_FEATURES), "a"),
    "objects": np.full((5, N_FEATURES), None),
}


def error_of(model, method, X):
    """Return type and message of the error that the method raises."""
    with pytest.raises((ValueError, TypeError)) as raised:
        getattr(model, method)(X)
    return type(raised.value), str(raised.value)


@every_model
@every_method
@pytest.mark.parametrize("X", BAD.values(), ids=list(BAD))
def test_errors_equal_those_of_validate_data(monkeypatch, model, method, X):
    ours = error_of(model, method, X)
    monkeypatch.setattr(inputs, "is_plain", lambda *arguments: False)
    monkeypatch.setattr(prediction, "checks_finite", lambda layers: False)
    assert ours == error_of(model, method, X)


GOOD = {
    "float64": np.linspace(-3, 3, 15).reshape(5, N_FEATURES),
    "float32": np.linspace(-3, 3, 15, dtype=np.float32).reshape(5, N_FEATURES),
    "integers": np.arange(15).reshape(5, N_FEATURES),
    "booleans": np.ones((2, N_FEATURES), dtype=bool),
    "Fortran order": np.asfortranarray(np.linspace(-3, 3, 15).reshape(5, N_FEATURES)),
    "one row": np.ones((1, N_FEATURES)),
    "many rows": np.linspace(-3, 3, 1800).reshape(600, N_FEATURES),
    "large": np.full((2, N_FEATURES), 1e300),
    "list": np.linspace(-3, 3, 15).reshape(5, N_FEATURES).tolist(),
    "CSR": csr_array(np.linspace(-3, 3, 15).reshape(5, N_FEATURES)),
}


@every_model
@every_method
@pytest.mark.parametrize("X", GOOD.values(), ids=list(GOOD))
def test_predictions_are_the_same_with_validate_data(monkeypatch, model, method, X):
    ours = getattr(model, method)(X)
    monkeypatch.setattr(inputs, "is_plain", lambda *arguments: False)
    np.testing.assert_array_equal(ours, getattr(model, method)(X))


def counting_validation(monkeypatch):
    """Return a list that grows by one entry for each call of validate_data."""
    calls, validate_data = [], inputs.validate_data

    def counted(*arguments, **keywords):
        calls.append(None)
        return validate_data(*arguments, **keywords)

    monkeypatch.setattr(inputs, "validate_data", counted)
    return calls


has_kernels = pytest.mark.skipif(
    not prediction.checks_finite([None]), reason="built without kernels"
)


@has_kernels
@every_model
def test_plain_arrays_are_not_validated(monkeypatch, model):
    calls = counting_validation(monkeypatch)
    model.predict_proba(GOOD["float64"])
    assert not calls


@every_model
@pytest.mark.parametrize("name", ["float32", "integers", "list", "CSR"])
def test_everything_else_is_validated_once(monkeypatch, model, name):
    calls = counting_validation(monkeypatch)
    model.predict_proba(GOOD[name])
    assert len(calls) == 1


@every_model
def test_plain_arrays_are_validated_with_array_api_dispatch(monkeypatch, model):
    calls = counting_validation(monkeypatch)
    monkeypatch.setattr(inputs, "get_config", lambda: {"array_api_dispatch": True})
    model.predict_proba(GOOD["float64"])
    assert len(calls) == 1


def test_an_array_for_a_model_with_feature_names_warns():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(np.eye(6, 3), columns=["a", "b", "c"])
    model = SGDLogisticClassifier(max_iter=2, tol=None).fit(X, [0, 1] * 3)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(X.to_numpy())


@every_model
def test_nan_is_not_an_error_with_assume_finite(model):
    with sklearn.config_context(assume_finite=True), warnings.catch_warnings():
        # Without kernels, NumPy warns of operations on the NaN.
        warnings.simplefilter("ignore", RuntimeWarning)
        proba = model.predict_proba(BAD["NaN"])
    assert np.isnan(proba[2]).all()
    assert np.isfinite(proba[[0, 1, 3, 4]]).all()


@every_model
@every_method
def test_unfitted_model_raises_not_fitted_error(model, method):
    with pytest.raises(sklearn.exceptions.NotFittedError, match="not fitted yet"):
        getattr(sklearn.base.clone(model), method)(GOOD["float64"])


@pytest.mark.parametrize("key", LOSSES, ids="-".join)
def test_outputs_equal_predict_proba_of_the_loss(key):
    logits = np.array([[-800.0, 0.0, 2.0], [1.0, 1.0, 40.0]])
    expected = LOSSES[key].predict_proba(logits)
    np.testing.assert_array_equal(prediction.OUTPUTS[key[1]](logits), expected)


def test_binary_output_has_the_probabilities_of_both_classes():
    both = prediction.OUTPUTS["binary"](np.array([[-800.0], [0.0], [2.0]]))
    assert both[1].tolist() == [0.5, 0.5]
    assert both[0].tolist() == [1.0, 0.0]
    np.testing.assert_allclose(both.sum(axis=1), 1, rtol=2.3e-16)


@every_method
@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (4, 3), (9,), ()], ids=str)
def test_edited_coefficients_of_another_shape_are_an_error(method, shape):
    model = fitted(SGDLogisticClassifier)
    model.coef_ = np.ones(shape)
    with pytest.raises((ValueError, IndexError)):
        getattr(model, method)(GOOD["float64"])


@every_method
def test_edited_layers_of_mismatched_shapes_are_an_error(method):
    model = fitted(BackpropMLPClassifier)
    model.coefs_[1] = np.ones((model.coefs_[1].shape[0] + 1, 3))
    with pytest.raises(ValueError, match="mismatch in its core dimension"):
        getattr(model, method)(GOOD["float64"])


@pytest.mark.parametrize("n_layers", [1, 3, 70])
def test_edited_number_of_layers_is_an_error(n_layers):
    X, y = np.eye(4), [0, 1, 0, 1]
    model = BackpropMLPClassifier((4,), max_iter=1, tol=None).fit(X, y)
    model.coefs_ = [np.ones((4, 4))] * (n_layers - 1) + [np.ones((4, 1))]
    model.intercepts_ = [np.zeros(4)] * (n_layers - 1) + [np.zeros(1)]
    with pytest.raises(ValueError, match=f"fitted with 2 arrays .* now have {n_layers}"):
        model.predict_proba(X)
