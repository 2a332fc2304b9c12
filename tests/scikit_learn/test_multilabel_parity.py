"""Multilabel y as in scikit-learn: sparse indicators, balanced class weights."""

import pickle

import numpy as np
import pytest
import scipy.sparse
from sklearn.datasets import make_multilabel_classification
from sklearn.model_selection import cross_val_predict
from sklearn.neural_network import MLPClassifier
from sklearn.utils.class_weight import compute_sample_weight

from sklearn_nn import BackpropMLPClassifier, to_onnx
from sklearn_nn._data import sample_weights

X, Y = make_multilabel_classification(60, 5, n_classes=4, random_state=0)
CONTAINERS = ["csr_matrix", "csr_array", "csc_matrix", "coo_array", "lil_matrix"]


def network(**parameters):
    """Return a network that trains for few epochs and does not warn."""
    defaults = {"hidden_layer_sizes": (4,), "max_iter": 5, "tol": None, "random_state": 0}
    return BackpropMLPClassifier(**{**defaults, **parameters})


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("by_partial_fit", [False, True])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_sparse_indicators_give_sparse_predictions(container, by_partial_fit):
    predicted = []
    for model in (network(), MLPClassifier(max_iter=5)):
        y = getattr(scipy.sparse, container)(Y)
        if by_partial_fit:
            model.partial_fit(X, y, classes=np.arange(4)).partial_fit(X, y)
        else:
            model.fit(X, y)
        predicted.append(model.predict(X))
    ours, theirs = predicted
    assert type(ours) is type(theirs)
    assert ours.dtype == theirs.dtype
    dense = network()
    if by_partial_fit:
        dense.partial_fit(X, Y, classes=np.arange(4)).partial_fit(X, Y)
    else:
        dense.fit(X, Y)
    np.testing.assert_array_equal(ours.toarray(), dense.predict(X))


def test_sparse_indicators_stay_sparse_when_stored_and_resumed():
    y = scipy.sparse.csr_array(Y)
    model = network(warm_start=True).fit(X, y)
    for again in (
        pickle.loads(pickle.dumps(model)),
        network(warm_start=True).set_state(model.get_state()),
        model.fit(X, y),
        model.fit(X, Y),  # the first call decides
    ):
        assert scipy.sparse.issparse(again.predict(X))
    assert not scipy.sparse.issparse(network().fit(X, Y).predict(X))


@pytest.mark.parametrize("scoring", ["accuracy", "f1_micro", "roc_auc", None, "loss"])
def test_validation_scores_of_sparse_indicators_are_those_of_dense_ones(scoring):
    curves = [
        network(scoring=scoring).fit(X, y, X_val=X, y_val=y).validation_scores_
        for y in (Y, scipy.sparse.csr_array(Y))
    ]
    assert curves[0] == curves[1]


def test_a_scorer_of_validation_rows_gets_dense_indicators():
    def score(model, X, y):
        return np.mean(y == model.predict(X))  # NumPy's mean needs dense ones

    model = network(scoring=score).fit(X, scipy.sparse.csr_array(Y), X_val=X, y_val=Y)
    assert len(model.validation_scores_) == 5


def test_sparse_indicators_can_be_cross_validated():
    predicted = cross_val_predict(network(), X, scipy.sparse.csr_matrix(Y))
    np.testing.assert_array_equal(predicted.toarray(), cross_val_predict(network(), X, Y))


def test_a_graph_of_a_model_of_sparse_indicators_is_that_of_dense_ones():
    pytest.importorskip("onnx")
    graphs = [to_onnx(network().fit(X, y)) for y in (Y, scipy.sparse.csr_array(Y))]
    assert graphs[0] == graphs[1]


# Balanced class weights


def balanced(Y, sample_weight=None):
    """Return our weights of rows, scaled to mean 1."""
    weight = sample_weights.balanced_weight(sample_weight, Y)
    return weight / weight.mean()


@pytest.mark.parametrize("seed", range(40))
def test_balanced_weights_are_those_of_compute_sample_weight(seed):
    rng = np.random.RandomState(seed)
    n, k = rng.randint(2, 50), rng.randint(2, 9)
    Y = (rng.uniform(size=(n, k)) < rng.uniform(size=k)).astype(int)  # some of one value
    expected = compute_sample_weight("balanced", Y)
    np.testing.assert_allclose(balanced(Y), expected / expected.mean(), rtol=1e-12)
    counts = rng.randint(1, 4, size=n)
    repeated = np.repeat(Y, counts, axis=0)
    expected = counts * compute_sample_weight("balanced", repeated)[np.cumsum(counts) - 1]
    np.testing.assert_allclose(balanced(Y, counts), expected / expected.mean(), rtol=1e-12)


def test_balanced_weights_of_very_many_rare_columns_are_positive_and_finite():
    Y = np.eye(3000, dtype=int)
    assert np.isfinite(balanced(Y)).all()
    np.testing.assert_allclose(balanced(Y), 1.0)
    weight = balanced(np.vstack([Y, np.ones_like(Y[:1])]))
    assert (weight > 0).all()


@pytest.mark.parametrize("factor", [5e-324, 1e-300, 1e300, 1e308])
def test_a_factor_of_all_weights_changes_no_balanced_weight(factor):
    np.testing.assert_array_equal(balanced(Y, np.full(60, factor)), balanced(Y))


@pytest.mark.parametrize("early_stopping", [False, True])
def test_balanced_columns_train_as_these_sample_weights(early_stopping):
    parameters = {"early_stopping": early_stopping, "solver": "lbfgs", "max_iter": 20}
    if early_stopping:
        parameters["solver"] = "adam"
    model = network(class_weight="balanced", **parameters).fit(X, Y)
    weight = compute_sample_weight("balanced", Y)
    weighted = network(**parameters).fit(X, Y, sample_weight=weight)
    np.testing.assert_allclose(
        model.predict_proba(X), weighted.predict_proba(X), rtol=1e-6, atol=1e-9
    )


def test_a_weight_is_a_repetition_with_balanced_columns():
    counts = np.arange(60) % 3
    parameters = {"class_weight": "balanced", "batch_size": "full", "shuffle": False}
    model = network(**parameters).fit(X, Y, sample_weight=counts)
    rows = np.repeat(np.arange(60), counts)
    repeated = network(**parameters).fit(X[rows], Y[rows])
    np.testing.assert_allclose(
        model.predict_proba(X), repeated.predict_proba(X), rtol=1e-9, atol=1e-12
    )
