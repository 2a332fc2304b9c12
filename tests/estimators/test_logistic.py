"""Sparse coefficients, which only SGDLogisticClassifier supports."""

import pickle

import numpy as np
import pytest
from scipy.sparse import issparse
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError

from sklearn_nn import SGDLogisticClassifier

X, y = load_iris(return_X_y=True)


def fitted(**parameters):
    """Return a model some of whose coefficients are exactly 0."""
    return SGDLogisticClassifier("l1", alpha=0.05, **parameters).fit(X, y)


def test_sparse_coefficients_predict_the_same():
    model, dense = fitted(), fitted()
    assert model.sparsify() is model
    assert issparse(model.coef_)
    assert model.coef_.nnz == np.count_nonzero(dense.coef_) < dense.coef_.size
    np.testing.assert_array_equal(model.predict_proba(X), dense.predict_proba(X))


def test_densify_restores_the_coefficients():
    model, dense = fitted(), fitted()
    assert model.densify() is model
    np.testing.assert_array_equal(model.sparsify().densify().coef_, dense.coef_)
    assert isinstance(model.coef_, np.ndarray)


def test_sparse_coefficients_survive_pickling():
    model = pickle.loads(pickle.dumps(fitted().sparsify()))
    assert issparse(model.coef_)
    np.testing.assert_array_equal(model.predict(X), fitted().predict(X))


def test_training_resumes_from_sparse_coefficients():
    model, dense = fitted(warm_start=True), fitted(warm_start=True)
    np.testing.assert_array_equal(model.sparsify().fit(X, y).coef_, dense.fit(X, y).coef_)
    model.sparsify().partial_fit(X, y)
    np.testing.assert_array_equal(model.coef_, dense.partial_fit(X, y).coef_)


@pytest.mark.parametrize("method", ["sparsify", "densify"])
def test_unfitted_model_raises_not_fitted_error(method):
    with pytest.raises(NotFittedError):
        getattr(SGDLogisticClassifier(), method)()
