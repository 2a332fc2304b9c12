"""Coefficients that the user sets on an estimator that is not fitted, as in federations."""

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse
from methods import every_method, textbook_logistic
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from small_models import CLASSES, MULTILABEL, X, coefficients, learned, small, y

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier

LABELS = {
    "two classes": y,
    "three classes": np.arange(24) % 3,
    "strings": np.array(["b", "a", "c"])[np.arange(24) % 3],
    "multilabel": MULTILABEL,
}
PREDICTIONS = ["predict", "predict_proba", "predict_log_proba", "decision_function"]
LINEAR, NETWORK = ("coef_", "intercept_"), ("coefs_", "intercepts_")
METHODS = [SGDLogisticClassifier, textbook_logistic, BackpropMLPClassifier]
# The linear model has one label per row.
every_kind = pytest.mark.parametrize(
    ("estimator_class", "kind"),
    [
        (method, kind)
        for method in METHODS
        for kind in LABELS
        if kind != "multilabel" or method is BackpropMLPClassifier
    ],
)


def names_of(model):
    """Return the names of the attributes that a user sets."""
    names = NETWORK if isinstance(model, BackpropMLPClassifier) else LINEAR
    return (*names, "classes_")


def given(fitted, **parameters):
    """Return a new estimator with the coefficients and classes of a fitted one."""
    model = type(fitted)(**fitted.get_params()).set_params(**parameters)
    for name in names_of(fitted):
        setattr(model, name, copy.deepcopy(getattr(fitted, name)))
    if getattr(fitted, "out_activation_", None) == "logistic":
        model.out_activation_ = "logistic"
    return model


def fitted_on(estimator_class, kind, **parameters):
    """Return a model fitted on these labels."""
    return small(estimator_class, **parameters).fit(X, LABELS[kind])


@every_kind
@pytest.mark.parametrize("method", PREDICTIONS)
def test_given_coefficients_predict_as_the_fitted_model(estimator_class, kind, method):
    model = fitted_on(estimator_class, kind)
    predicted = getattr(given(model), method)(X)
    np.testing.assert_array_equal(predicted, getattr(model, method)(X))


@every_method
def test_prediction_changes_no_attribute(estimator_class):
    model = given(fitted_on(estimator_class, "three classes"))
    before = set(vars(model))
    model.predict(X)
    assert set(vars(model)) == before


@pytest.mark.parametrize("labels", [y, np.arange(24) % 3])
def test_given_coefficients_predict_as_those_of_logistic_regression(labels):
    other = LogisticRegression().fit(X, labels)
    model = SGDLogisticClassifier()
    for name in names_of(model):
        setattr(model, name, getattr(other, name))
    np.testing.assert_allclose(model.predict_proba(X), other.predict_proba(X), rtol=1e-12)


@every_kind
@pytest.mark.parametrize("by_partial_fit", [False, True])
def test_training_begins_at_given_coefficients(estimator_class, kind, by_partial_fit):
    # A step too small to move: the model stays where training began.
    steps = {"learning_rate": 1e-300}
    if estimator_class is BackpropMLPClassifier:
        steps["solver"] = "sgd"
    model = given(fitted_on(estimator_class, kind), warm_start=True, **steps)
    before = copy.deepcopy(coefficients(model))
    if by_partial_fit:
        model.partial_fit(X, LABELS[kind])
    else:
        model.fit(X, LABELS[kind])
    np.testing.assert_array_equal(coefficients(model), before)


@every_method
def test_without_warm_start_given_coefficients_do_not_matter(estimator_class):
    model = fitted_on(estimator_class, "two classes")
    again = given(model)
    for name in names_of(model)[:2]:
        value = getattr(again, name)
        zero = [0 * one for one in value] if isinstance(value, list) else 0 * value
        setattr(again, name, zero)
    assert learned(again.fit(X, y)) == learned(model)


def test_a_warm_start_at_the_optimum_takes_one_step():
    model = SGDLogisticClassifier(tol=1e-6).fit(X, y)
    again = given(model, warm_start=True).fit(X, y)
    assert again.n_iter_ < model.n_iter_
    np.testing.assert_allclose(again.coef_, model.coef_, rtol=1e-3)


def test_a_stream_begins_at_given_coefficients_as_at_those_of_gradient_steps():
    model = textbook_logistic(max_iter=3, tol=None, random_state=0).fit(X, y)
    stream = given(model, learning_rate_init=None).partial_fit(X[:9], y[:9])
    model.set_params(learning_rate_init=None).partial_fit(X[:9], y[:9])
    np.testing.assert_array_equal(stream.coef_, model.coef_)


def test_given_coefficients_train_in_the_dtype_of_x():
    model = given(fitted_on(BackpropMLPClassifier, "two classes"), warm_start=True)
    model.fit(X.astype(np.float32), y)
    assert model.coefs_[0].dtype == np.float32


@every_method
def test_names_of_features_are_those_of_the_first_training(estimator_class):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    model = given(fitted_on(estimator_class, "two classes"), warm_start=True)
    model.fit(frame, y)
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    model.predict(frame)  # a warning would be an error


def test_a_federated_round():
    # Each client gets the mean of all clients' coefficients, and trains a new estimator.
    parts = [slice(0, 8), slice(8, 16), slice(16, 24)]
    coef, intercept = np.zeros((1, 3)), np.zeros(1)
    for _ in range(30):
        clients = []
        for part in parts:
            model = SGDLogisticClassifier(warm_start=True, alpha=0.1)
            model.coef_, model.intercept_ = coef, intercept
            model.classes_ = np.array([0, 1])
            model.set_params(learning_rate=0.1, batch_size="full", max_iter=5, tol=None)
            clients.append(model.fit(X[part], y[part]))
        coef = np.mean([client.coef_ for client in clients], axis=0)
        intercept = np.mean([client.intercept_ for client in clients], axis=0)
    together = SGDLogisticClassifier(alpha=0.1).fit(X, y)
    np.testing.assert_allclose(coef, together.coef_, atol=0.05)


def test_intercept_may_be_left_out_without_fit_intercept():
    model = SGDLogisticClassifier(fit_intercept=False, warm_start=True)
    model.coef_, model.classes_ = np.zeros((1, 3)), np.array([0, 1])
    np.testing.assert_array_equal(model.decision_function(X), np.zeros(24))
    assert model.fit(X, y).intercept_.tolist() == [0.0]


@pytest.mark.parametrize("form", [list, scipy.sparse.csr_matrix, np.float32, int])
def test_coefficients_may_be_lists_sparse_or_of_other_types(form):
    model = SGDLogisticClassifier(warm_start=True)
    values = np.array([[1, -2, 3]])
    forms = {
        list: lambda: values.tolist(),
        scipy.sparse.csr_matrix: lambda: scipy.sparse.csr_matrix(values),
    }
    model.coef_ = forms.get(form, lambda: values.astype(form))()
    model.intercept_, model.classes_ = [1], [0, 1]
    np.testing.assert_allclose(model.decision_function(X), X @ values[0] + 1, rtol=1e-5)
    assert set(model.predict(X)) <= {0, 1}
    assert np.isfinite(model.fit(X, y).coef_).all()


def test_given_coefficients_are_copied_by_pickle():
    model = given(fitted_on(SGDLogisticClassifier, "two classes"))
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


# Errors

# name: (attributes that replace the valid ones, what the message must contain)
BAD_LINEAR = {
    "features only": ({"coef_": np.zeros(3)}, "two axes"),
    "a row too many": (
        {"coef_": np.zeros((2, 3))},
        r"coef_ and intercept_ must have the shapes \(1, 3\) and \(1,\) for 2 classes; got "
        r"\(2, 3\) and \(1,\)",
    ),
    "too few rows": ({"classes_": np.arange(3)}, r"\(3, 3\) and \(3,\) for 3 classes"),
    "intercepts": ({"intercept_": np.zeros(2)}, r"got \(1, 3\) and \(2,\)"),
    "a number": ({"intercept_": 0.0}, r"got \(1, 3\) and \(\)"),
    "text": ({"coef_": np.full((1, 3), "a")}, "finite numbers"),
    "NaN": ({"coef_": np.full((1, 3), np.nan)}, "finite numbers"),
    "ragged": ({"coef_": [[1, 2], [3]]}, "must be arrays"),
    "None": ({"coef_": None}, "two axes"),
    "one class": ({"classes_": [0]}, "at least 2 labels in increasing order"),
    "order": ({"classes_": [1, 0]}, r"increasing order.*got \[1, 0\]"),
    "repeated": ({"classes_": [1, 1]}, "increasing order"),
    "mixed": ({"classes_": np.array(["a", 1], dtype=object)}, "increasing order"),
    "features": ({"n_features_in_": 4}, "coef_ is for 3 features, but n_features_in_ is 4"),
}
BAD_NETWORK = {
    "no layer": ({"coefs_": [], "intercepts_": []}, "two axes"),
    "lengths": ({"intercepts_": [np.zeros(4)]}, "lists of the same length"),
    "hidden layers": (
        {"coefs_": [np.zeros((3, 1))], "intercepts_": [np.zeros(1)]},
        r"must have the shapes \[\(3, 4\), \(4, 1\)\] and \[\(4,\), \(1,\)\] for 2 classes "
        r"and hidden_layer_sizes=\(4,\); got \[\(3, 1\)\] and \[\(1,\)\]",
    ),
    "units": (
        {"coefs_": [np.zeros((3, 5)), np.zeros((5, 1))]},
        r"got \[\(3, 5\), \(5, 1\)\]",
    ),
    "outputs": ({"classes_": np.arange(3)}, r"\[\(3, 4\), \(4, 3\)\].*for 3 classes"),
    "output activation": ({"out_activation_": "softmax"}, "2 classes it is 'logistic'"),
    "columns": (
        {
            "coefs_": [np.zeros((3, 4)), np.zeros((4, 2))],
            "intercepts_": [np.zeros(4), np.zeros(2)],
            "classes_": [1, 2],
            "out_activation_": "logistic",
        },
        r"column numbers; got \[1, 2\]",
    ),
}
CASES = [
    pytest.param(estimator_class, *case, id=f"{estimator_class.__name__}-{name}")
    for estimator_class, cases in zip(CLASSES, (BAD_LINEAR, BAD_NETWORK), strict=True)
    for name, case in cases.items()
]


@pytest.mark.parametrize(("estimator_class", "attributes", "message"), CASES)
@pytest.mark.parametrize("call", ["predict", "fit", "partial_fit"])
def test_inconsistent_coefficients_raise(estimator_class, attributes, message, call):
    model = given(small(estimator_class).fit(X, y), warm_start=True)
    vars(model).update(attributes)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=message):
        getattr(model, call)(X, *([] if call == "predict" else [y]))
    assert all(vars(model)[name] is value for name, value in before.items())
    assert vars(model).keys() == before.keys()


@every_method
@pytest.mark.parametrize("i", [0, 1, 2])
def test_error_names_the_missing_attribute(estimator_class, i):
    model = given(fitted_on(estimator_class, "two classes"), warm_start=True)
    name = names_of(model)[i]
    delattr(model, name)
    for call in (lambda: model.predict(X), lambda: model.fit(X, y)):
        with pytest.raises(NotFittedError, match=f"coefficients are set without {name}"):
            call()


@every_method
@pytest.mark.parametrize("call", [*PREDICTIONS, "fit", "partial_fit"])
def test_another_number_of_features_raises(estimator_class, call):
    model = given(fitted_on(estimator_class, "two classes"), warm_start=True)
    labels = [] if call in PREDICTIONS else [y]
    with pytest.raises(ValueError, match=r"X has 2 features, but .* expecting 3 features"):
        getattr(model, call)(X[:, :2], *labels)


@every_method
def test_other_labels_raise(estimator_class):
    model = given(fitted_on(estimator_class, "two classes"), warm_start=True)
    with pytest.raises(ValueError, match=r"\[1, 2\].*\[0, 1\]"):
        model.fit(X, y + 1)
    with pytest.raises(ValueError, match=r"labels \[2\].*\[0, 1\]"):
        model.partial_fit(X, y + 1)


@every_method
def test_get_state_needs_a_trained_model(estimator_class):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        given(fitted_on(estimator_class, "two classes")).get_state()
