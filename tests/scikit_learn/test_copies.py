"""Stored, copied and cloned models are equal, and their repr shows their parameters."""

import copy
import pickle

import joblib
import numpy as np
import pytest
from methods import both, every_method, textbook_logistic
from numpy.testing import assert_array_equal
from quick_models import (
    assert_same_model,
    differ,
    model_arrays,
    quick,
)
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import (
    GridSearchCV,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier

every_class = pytest.mark.parametrize(
    "estimator_class", [SGDLogisticClassifier, BackpropMLPClassifier]
)


# Storage and copies. Each configuration keeps a different state between calls.

STATEFUL = [
    pytest.param(estimator_class, parameters, id=f"{estimator_class.__name__}-{name}")
    for estimator_class, name, parameters in [
        (SGDLogisticClassifier, "newton", {"max_iter": 3}),
        (textbook_logistic, "momentum", {}),
        (textbook_logistic, "adam", {"solver": "adam"}),
        (textbook_logistic, "average", {"average": True}),
        (textbook_logistic, "adaptive", {"learning_rate": "adaptive"}),
        (BackpropMLPClassifier, "adam", {}),
        (BackpropMLPClassifier, "momentum", {"solver": "sgd"}),
    ]
]
stateful = pytest.mark.parametrize(("estimator_class", "parameters"), STATEFUL)


def stored_by_pickle(model, folder):
    """Return the model after a round trip through a pickle."""
    return pickle.loads(pickle.dumps(model))


def stored_by_joblib(model, folder):
    """Return the model loaded from a file, its arrays read-only memory maps."""
    joblib.dump(model, folder / "model.joblib")
    loaded = joblib.load(folder / "model.joblib", mmap_mode="r")
    assert not model_arrays(loaded)[0].flags.writeable
    return loaded


def stored_by_deepcopy(model, folder):
    """Return a deep copy of the model."""
    return copy.deepcopy(model)


every_way = pytest.mark.parametrize(
    "stored", [stored_by_pickle, stored_by_joblib, stored_by_deepcopy]
)


@stateful
@every_way
def test_a_stored_model_predicts_as_before(
    estimator_class, parameters, stored, iris, tmp_path
):
    X, y = iris
    model = quick(estimator_class, **parameters).fit(X, y)
    loaded = stored(model, tmp_path)
    assert_same_model(loaded, model)
    assert_array_equal(loaded.predict(X), model.predict(X))
    assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert_array_equal(loaded.decision_function(X), model.decision_function(X))


@stateful
@every_way
@pytest.mark.parametrize("seed", [lambda: 3, lambda: np.random.RandomState(3)])
def test_partial_fit_resumes_after_storage(
    estimator_class, parameters, stored, seed, iris, tmp_path
):
    X, y = iris
    model = quick(estimator_class, **parameters, batch_size=20, random_state=seed())
    model.partial_fit(X, y, classes=[0, 1, 2])
    loaded = stored(model, tmp_path)
    before = copy.deepcopy(model_arrays(loaded))
    for _ in range(3):
        model.partial_fit(X, y)
    # Training the original has not changed the stored model ...
    for array, other in zip(model_arrays(loaded), before, strict=True):
        assert_array_equal(array, other)
    # ... which takes the same path when it is trained.
    for _ in range(3):
        loaded.partial_fit(X, y)
    assert_same_model(loaded, model)
    assert loaded.loss_curve_ == model.loss_curve_


@stateful
@every_way
def test_warm_start_resumes_after_storage(
    estimator_class, parameters, stored, iris, tmp_path
):
    X, y = iris
    model = quick(estimator_class, **parameters, batch_size=20, warm_start=True)
    loaded = stored(model.fit(X, y), tmp_path)
    assert_same_model(loaded.fit(X, y), model.fit(X, y))
    assert loaded.loss_curve_ == model.loss_curve_
    assert len(loaded.loss_curve_) == 2 * model.max_iter


@every_way
def test_lbfgs_resumes_after_storage(stored, hard_pair, tmp_path):
    X, y = hard_pair
    model = quick(BackpropMLPClassifier, solver="lbfgs", warm_start=True, max_iter=5)
    loaded = stored(model.fit(X, y), tmp_path)
    assert_same_model(loaded.fit(X, y), model.fit(X, y))


@every_method
@every_way
def test_early_stopping_resumes_after_storage(estimator_class, stored, iris, tmp_path):
    X, y = iris
    n_epochs = 3 if estimator_class is SGDLogisticClassifier else 10  # Newton: steps
    model = quick(estimator_class, early_stopping=True, warm_start=True, max_iter=n_epochs)
    loaded = stored(model.fit(X, y), tmp_path)
    assert_same_model(loaded.fit(X, y), model.fit(X, y))
    assert loaded.validation_scores_ == model.validation_scores_
    assert len(loaded.validation_scores_) == 2 * n_epochs


@every_method
def test_a_memory_mapped_model_can_be_edited_by_assignment(estimator_class, iris, tmp_path):
    X, y = iris
    model = quick(estimator_class).fit(X, y)
    loaded = stored_by_joblib(model, tmp_path)
    for each in (model, loaded):
        if estimator_class is not BackpropMLPClassifier:
            each.intercept_ = each.intercept_ + 1.0
        else:
            each.intercepts_ = [each.intercepts_[0], each.intercepts_[1] + 1.0]
        each.partial_fit(X, y)
    assert_same_model(loaded, model)


@stateful
def test_clone_is_unfitted_and_fits_to_the_same_model(estimator_class, parameters, iris):
    X, y = iris
    model = quick(estimator_class, **parameters).fit(X, y)
    copied = clone(model)
    assert copied.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        copied.predict(X)
    assert_same_model(copied.fit(X, y), model)


@every_method
def test_clone_copies_the_random_state(estimator_class, iris):
    X, y = iris
    model = quick(estimator_class, random_state=np.random.RandomState(5), batch_size=20)
    copied = clone(model)
    assert copied.random_state is not model.random_state
    assert_same_model(copied.fit(X, y), model.fit(X, y))


@both
def test_a_second_fit_draws_new_numbers_from_the_generator(estimator_class, iris):
    X, y = iris  # as everywhere in scikit-learn
    model = quick(estimator_class, random_state=np.random.RandomState(5), batch_size=20)
    first = clone(model).fit(X, y)
    assert_same_model(model.fit(X, y), first)
    assert differ(model.fit(X, y), first)


@pytest.mark.parametrize("sizes", [[5, 4], np.array([5, 4]), 5, np.int64(5), ()])
def test_clone_keeps_the_type_of_hidden_layer_sizes(sizes, iris):
    X, y = iris
    copied = clone(quick(BackpropMLPClassifier, hidden_layer_sizes=sizes))
    assert type(copied.hidden_layer_sizes) is type(sizes)
    hidden = np.atleast_1d(np.asarray(sizes, dtype=int)).tolist()
    assert [len(bias) for bias in copied.fit(X, y).intercepts_] == [*hidden, 3]


@every_class
def test_html_shows_the_class_and_whether_it_is_fitted(estimator_class, iris):
    model = quick(estimator_class)
    unfitted = estimator_html_repr(model)
    fitted = estimator_html_repr(model.fit(*iris))
    for html in (unfitted, fitted):
        assert estimator_class.__name__ in html
        assert "random_state" in html
    assert "<span>Not fitted</span>" in unfitted
    assert "<span>Fitted</span>" in fitted


@every_class
def test_html_of_a_pipeline_shows_the_class(estimator_class):
    pipeline = make_pipeline(StandardScaler(), GridSearchCV(estimator_class(), {}))
    assert estimator_class.__name__ in estimator_html_repr(pipeline)


@every_class
def test_repr_shows_the_parameters_that_are_not_defaults(estimator_class):
    assert repr(estimator_class()) == f"{estimator_class.__name__}()"
    changed = estimator_class(alpha=0.5, random_state=0)
    assert repr(changed) == f"{estimator_class.__name__}(alpha=0.5, random_state=0)"
