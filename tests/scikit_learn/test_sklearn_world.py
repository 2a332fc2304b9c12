"""Both estimators inside scikit-learn: searches, ensembles, routing, frames, storage.

Where a meta-estimator of scikit-learn fits a model, the expected model is the one fitted
by hand on the same rows with the same weights and seed. The arithmetic is then the same,
so the two are compared bit for bit unless a comment gives a reason for a tolerance.
"""

import copy
import pickle

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from methods import both, every_method, textbook_logistic
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import loguniform, randint
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import (
    load_breast_cancer,
    load_iris,
    load_wine,
    make_classification,
    make_multilabel_classification,
)
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import RFE, SelectFromModel
from sklearn.inspection import permutation_importance
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier

# Few epochs, and tol=None so that ending after them is no ConvergenceWarning.
QUICK = {
    SGDLogisticClassifier: {"tol": None, "random_state": 0},
    textbook_logistic: {
        "batch_size": 25,
        "max_iter": 30,
        "tol": None,
        "random_state": 0,
    },
    BackpropMLPClassifier: {
        "hidden_layer_sizes": (8,),
        "learning_rate_init": 0.02,
        "max_iter": 40,
        "tol": None,
        "random_state": 0,
    },
}


every_class = pytest.mark.parametrize(
    "estimator_class", [SGDLogisticClassifier, BackpropMLPClassifier]
)
either_logistic = pytest.mark.parametrize(
    "logistic", [SGDLogisticClassifier, textbook_logistic]
)


def quick(estimator_class, **parameters):
    """Return an estimator that trains in a few milliseconds."""
    return estimator_class(**{**QUICK[estimator_class], **parameters})


def model_arrays(model):
    """Return all coefficients and intercepts of a fitted model."""
    if isinstance(model, SGDLogisticClassifier):
        return [model.coef_, model.intercept_]
    return [*model.coefs_, *model.intercepts_]


def assert_same_model(model, expected):
    """Assert that two fitted models are of one class and equal bit for bit."""
    assert type(model) is type(expected)
    for array, other in zip(model_arrays(model), model_arrays(expected), strict=True):
        assert_array_equal(array, other)


def assert_close_model(model, expected, rtol):
    """Assert that two fitted models are equal up to `rtol` of their largest value."""
    for array, other in zip(model_arrays(model), model_arrays(expected), strict=True):
        assert_allclose(array, other, rtol=rtol, atol=rtol * np.abs(other).max())


def differ(model, other):
    """Say whether two fitted models differ by much more than rounding."""
    pairs = zip(model_arrays(model), model_arrays(other), strict=True)
    return not all(np.allclose(array, array_2, rtol=1e-3) for array, array_2 in pairs)


@pytest.fixture(scope="module")
def iris():
    """Return (X, y) of iris, standardised, rows in a random order."""
    X, y = load_iris(return_X_y=True)
    order = np.random.RandomState(0).permutation(len(y))
    return StandardScaler().fit_transform(X)[order], y[order]


@pytest.fixture(scope="module")
def cancer():
    """Return (X, y) of 200 rows of breast_cancer, standardised."""
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X[:200]), y[:200]


@pytest.fixture(scope="module")
def hard_pair(iris):
    """Return (X, y) of the two classes of iris that overlap, in two features."""
    X, y = iris
    return X[y > 0][:, :2], (y[y > 0] == 2).astype(int)


@pytest.fixture(scope="module")
def mislabelled(cancer):
    """Return (X, y, y with a third of the labels flipped, weights that are 0 there)."""
    X, y = cancer
    flipped = np.random.RandomState(1).uniform(size=len(y)) < 1 / 3
    return X, y, np.where(flipped, 1 - y, y), (~flipped).astype(float)


@pytest.fixture(scope="module")
def multilabel():
    """Return (X, Y) with three labels a row."""
    X, Y = make_multilabel_classification(
        n_samples=120, n_features=6, n_classes=3, random_state=0
    )
    return StandardScaler().fit_transform(X), Y


# Pipelines and cross-validation.


@every_method
def test_pipeline_with_scaler_equals_scaling_by_hand(estimator_class):
    X, y = load_wine(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), quick(estimator_class)).fit(X, y)
    X_scaled = StandardScaler().fit_transform(X)
    by_hand = quick(estimator_class).fit(X_scaled, y)
    assert_array_equal(pipeline.predict_proba(X), by_hand.predict_proba(X_scaled))
    # LogisticRegression() reaches 1.0 on these rows.
    assert pipeline.score(X, y) > 0.99


@every_method
def test_pipeline_passes_sample_weight_to_its_last_step(estimator_class, mislabelled):
    X, _, y_wrong, weight = mislabelled
    pipeline = Pipeline([("scale", StandardScaler()), ("model", quick(estimator_class))])
    pipeline.fit(X, y_wrong, model__sample_weight=weight)
    X_scaled = StandardScaler().fit_transform(X)
    by_hand = quick(estimator_class).fit(X_scaled, y_wrong, sample_weight=weight)
    assert_same_model(pipeline["model"], by_hand)
    assert differ(pipeline["model"], quick(estimator_class).fit(X_scaled, y_wrong))


@every_method
@pytest.mark.parametrize("method", ["predict_proba", "decision_function"])
def test_cross_val_predict_equals_predicting_each_fold(estimator_class, method, iris):
    X, y = iris
    labels = np.array(["setosa", "versicolor", "virginica"])[y]
    predicted = cross_val_predict(quick(estimator_class), X, labels, cv=3, method=method)
    expected = np.full((len(y), 3), np.nan)
    for train, test in StratifiedKFold(3).split(X, labels):
        model = quick(estimator_class).fit(X[train], labels[train])
        expected[test] = getattr(model, method)(X[test])
    assert_array_equal(predicted, expected)


@every_method
def test_cross_val_predict_gives_probabilities_of_two_classes(estimator_class, cancer):
    X, y = cancer
    proba = cross_val_predict(
        quick(estimator_class), X, y, cv=3, method="predict_proba", n_jobs=2
    )
    assert proba.shape == (len(y), 2)
    assert_allclose(proba.sum(axis=1), 1.0, rtol=1e-15)  # one rounding of a sum of two
    assert roc_auc_score(y, proba[:, 1]) > 0.98  # LogisticRegression(): 0.99


@every_method
def test_scorers_score_the_probabilities_of_the_model(estimator_class, cancer):
    X, y = cancer
    train, test = np.arange(100), np.arange(100, 200)
    scores = cross_validate(
        quick(estimator_class),
        X,
        y,
        cv=[(train, test)],
        scoring=["accuracy", "neg_log_loss", "roc_auc"],
    )
    model = quick(estimator_class).fit(X[train], y[train])
    proba = model.predict_proba(X[test])
    assert scores["test_accuracy"] == [np.mean(model.predict(X[test]) == y[test])]
    # The scorer passes the second column alone, and log_loss makes the first from it: a
    # rounding of 1, which is much of a probability near 0.
    assert scores["test_neg_log_loss"] == [-log_loss(y[test], proba[:, 1])]
    assert_allclose(proba.sum(axis=1), 1.0, rtol=1e-15)  # one rounding of a sum of two
    assert scores["test_roc_auc"] == [
        roc_auc_score(y[test], model.decision_function(X[test]))
    ]


@every_method
def test_workers_train_on_memory_mapped_data(estimator_class, iris):
    X, y = iris
    weight = np.linspace(0.5, 2.0, len(y))
    # max_nbytes=1: every array reaches the workers as a read-only memory map.
    with joblib.parallel_config("loky", n_jobs=2, max_nbytes=1):
        results = cross_validate(
            quick(estimator_class),
            X,
            y,
            cv=3,
            params={"sample_weight": weight},
            return_estimator=True,
            error_score="raise",
        )
    for model, (train, _) in zip(
        results["estimator"], StratifiedKFold(3).split(X, y), strict=True
    ):
        by_hand = quick(estimator_class).fit(X[train], y[train], weight[train])
        # Workers have one BLAS thread each, which may change the order of sums: some
        # 100 steps of about 100 roundings.
        assert_close_model(model, by_hand, rtol=1e4 * np.finfo(float).eps)
        assert differ(model, clone(by_hand).fit(X[train], y[train]))


@every_method
@pytest.mark.parametrize("incremental", [False, True])
def test_learning_curve_equals_training_by_hand(estimator_class, incremental, iris):
    X, y = iris
    train, test = np.arange(100), np.arange(100, 150)
    sizes = [20, 50, 100]
    _, train_scores, test_scores = learning_curve(
        quick(estimator_class),
        X,
        y,
        train_sizes=sizes,
        cv=[(train, test)],
        exploit_incremental_learning=incremental,
    )
    model, start = quick(estimator_class), 0
    for size, train_score, test_score in zip(sizes, train_scores, test_scores, strict=True):
        if incremental:
            model.partial_fit(X[start:size], y[start:size], classes=[0, 1, 2])
        else:
            model.fit(X[:size], y[:size])
        start = size
        assert train_score == [model.score(X[:size], y[:size])]
        assert test_score == [model.score(X[test], y[test])]


def test_learning_curve_refuses_increments_of_lbfgs(iris):
    with pytest.raises(ValueError, match="partial_fit"):
        learning_curve(
            BackpropMLPClassifier(solver="lbfgs"), *iris, exploit_incremental_learning=True
        )


# Searches.


@every_method
@pytest.mark.parametrize("parameter", ["learning_rate", "learning_rate_init"])
def test_grid_search_tunes_the_learning_rate(estimator_class, parameter, iris):
    X, y = iris
    rates = [1e-6, 1e-3, 0.05]
    search = GridSearchCV(quick(estimator_class), {parameter: rates}, cv=3, n_jobs=2)
    search.fit(X, y)
    by_hand = [
        cross_val_score(quick(estimator_class, **{parameter: rate}), X, y, cv=3).mean()
        for rate in rates
    ]
    assert_array_equal(search.cv_results_["mean_test_score"], by_hand)
    # A step of 1e-6 leaves the model where it started.
    assert search.best_params_ == {parameter: 0.05}
    assert search.best_score_ > 0.9
    assert_same_model(
        search.best_estimator_, quick(estimator_class, **{parameter: 0.05}).fit(X, y)
    )


@every_method
def test_grid_search_compares_numbers_with_schedules(estimator_class, iris):
    X, y = iris
    rates = [1e-6, "constant", "invscaling", "adaptive"]
    if estimator_class is not BackpropMLPClassifier:
        rates.append("auto")
    search = GridSearchCV(quick(estimator_class), {"learning_rate": rates}, cv=3)
    search.fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    by_hand = [
        cross_val_score(quick(estimator_class, learning_rate=rate), X, y, cv=3).mean()
        for rate in rates
    ]
    assert_array_equal(scores, by_hand)
    assert np.all(scores[1:] > scores[0])


@every_method
def test_randomized_search_draws_numpy_numbers(estimator_class, iris):
    X, y = iris
    distributions = {"learning_rate": loguniform(1e-3, 0.1), "batch_size": randint(5, 50)}
    if estimator_class is BackpropMLPClassifier:
        distributions["hidden_layer_sizes"] = randint(2, 9)
    search = RandomizedSearchCV(
        quick(estimator_class), distributions, n_iter=4, cv=2, random_state=0
    ).fit(X, y)
    plain = {name: np.asarray(value).item() for name, value in search.best_params_.items()}
    assert_same_model(search.best_estimator_, quick(estimator_class, **plain).fit(X, y))
    assert search.best_score_ > 0.9


@every_method
def test_halving_search_spends_epochs(estimator_class, iris):
    X, y = iris
    search = HalvingGridSearchCV(
        quick(estimator_class),
        {"alpha": [1e-4, 0.1, 10.0, 100.0], "learning_rate": [1e-3]},
        resource="max_iter",
        min_resources=10,
        max_resources=40,
        factor=2,
        cv=3,
        random_state=0,
    ).fit(X, y)
    assert search.n_resources_ == [10, 20, 40]
    assert search.n_candidates_ == [4, 2, 1]
    assert search.best_params_["max_iter"] == 40
    assert len(search.best_estimator_.loss_curve_) == 40
    assert_same_model(
        search.best_estimator_, quick(estimator_class, **search.best_params_).fit(X, y)
    )


@every_method
def test_halving_search_spends_rows(estimator_class, iris):
    X, y = iris
    search = HalvingGridSearchCV(
        quick(estimator_class),
        {"learning_rate": [1e-6, 1e-5, 1e-4, 0.05]},
        min_resources=30,
        factor=2,
        cv=3,
        random_state=0,
    ).fit(X, y)
    assert search.n_resources_ == [30, 60, 120]
    assert search.best_params_ == {"learning_rate": 0.05}
    assert_same_model(
        search.best_estimator_, quick(estimator_class, learning_rate=0.05).fit(X, y)
    )


@every_method
def test_class_weight_is_searched_inside_a_pipeline(estimator_class, hard_pair):
    X, y = hard_pair
    rare = np.flatnonzero(y)[:10]  # 10 rows of class 1 beside all of class 0
    rows = np.concatenate([np.flatnonzero(y == 0), rare])
    X, y = X[rows], y[rows]
    weights = [None, "balanced", {0: 50.0, 1: 1.0}]
    pipeline = make_pipeline(
        StandardScaler(),
        GridSearchCV(
            quick(estimator_class),
            {"class_weight": weights},
            scoring="balanced_accuracy",
            cv=3,
        ),
    ).fit(X, y)
    search = pipeline[-1]
    scores = search.cv_results_["mean_test_score"]
    assert search.best_params_ == {"class_weight": "balanced"}
    assert scores[1] > scores[0]
    assert scores[1] > scores[2]
    by_hand = quick(estimator_class, class_weight="balanced")
    assert_same_model(
        search.best_estimator_, by_hand.fit(StandardScaler().fit_transform(X), y)
    )


@every_method
def test_decision_threshold_moves_predictions(estimator_class, hard_pair):
    X, y = hard_pair
    model = quick(estimator_class).fit(X, y)
    moved = FixedThresholdClassifier(
        quick(estimator_class), threshold=0.8, response_method="predict_proba"
    ).fit(X, y)
    expected = (model.predict_proba(X)[:, 1] >= 0.8).astype(int)
    assert_array_equal(moved.predict(X), expected)
    assert np.any(expected != model.predict(X))


# Ensembles and calibration.


@every_method
@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibration_repairs_shifted_probabilities(estimator_class, method, hard_pair):
    X, y = hard_pair
    train, test = np.arange(0, 100, 2), np.arange(1, 100, 2)
    # These weights say that class 1 is 30 times as frequent as it is.
    shifted = quick(estimator_class, class_weight={0: 1.0, 1: 30.0})
    calibrated = CalibratedClassifierCV(shifted, method=method, cv=3, ensemble=False)
    before = clone(shifted).fit(X[train], y[train]).predict_proba(X[test])
    after = calibrated.fit(X[train], y[train]).predict_proba(X[test])
    assert_allclose(after.sum(axis=1), 1.0, rtol=1e-15)  # one rounding of a sum of two
    assert log_loss(y[test], after) < 0.7 * log_loss(y[test], before)
    # Half of the rows are of class 1, up to what 50 rows can tell.
    assert np.mean(before[:, 1]) > 0.75
    assert_allclose(np.mean(after[:, 1]), 0.5, atol=0.1)


@every_method
def test_calibration_passes_sample_weights(estimator_class, mislabelled):
    X, y, y_wrong, weight = mislabelled
    calibrated = CalibratedClassifierCV(quick(estimator_class), cv=3, ensemble=False)
    calibrated.fit(X, y_wrong, sample_weight=weight)
    inner = calibrated.calibrated_classifiers_[0].estimator
    assert_same_model(inner, quick(estimator_class).fit(X, y_wrong, weight))
    assert differ(inner, quick(estimator_class).fit(X, y_wrong))
    assert calibrated.score(X, y) > 0.95


@every_method
def test_calibration_of_three_classes_keeps_them(estimator_class, iris):
    X, y = iris
    calibrated = CalibratedClassifierCV(quick(estimator_class), cv=3).fit(X, y)
    assert calibrated.score(X, y) > 0.9
    for part, (train, _) in zip(
        calibrated.calibrated_classifiers_, StratifiedKFold(3).split(X, y), strict=True
    ):
        assert_same_model(part.estimator, quick(estimator_class).fit(X[train], y[train]))


@every_method
def test_bagging_trains_on_bootstrap_counts_as_weights(estimator_class, iris):
    X, y = iris
    bagging = BaggingClassifier(quick(estimator_class), n_estimators=3, random_state=0)
    bagging.fit(X, y)
    for model, drawn in zip(bagging.estimators_, bagging.estimators_samples_, strict=True):
        by_hand = quick(estimator_class, random_state=model.random_state)
        by_hand.fit(X, y, sample_weight=np.bincount(drawn, minlength=len(y)))
        assert_same_model(model, by_hand)
        assert differ(model, clone(by_hand).fit(X, y))
    assert bagging.score(X, y) > 0.9


@every_method
def test_bagging_passes_sample_weights(estimator_class, mislabelled):
    # Rows of weight 0 are never drawn (or count 0 times), so their labels do not matter.
    X, y, y_wrong, weight = mislabelled
    bagging = BaggingClassifier(quick(estimator_class), n_estimators=3, random_state=0)
    proba = clone(bagging).fit(X, y_wrong, sample_weight=weight).predict_proba(X)
    expected = clone(bagging).fit(X, y, sample_weight=weight).predict_proba(X)
    assert_array_equal(proba, expected)
    assert not np.allclose(proba, clone(bagging).fit(X, y_wrong).predict_proba(X))


@every_method
def test_adaboost_reweights_the_rows_that_were_wrong(estimator_class, hard_pair):
    X, y = hard_pair
    boosting = AdaBoostClassifier(
        quick(estimator_class), n_estimators=2, learning_rate=0.5, random_state=0
    ).fit(X, y)
    first, second = (
        quick(estimator_class, random_state=model.random_state)
        for model in boosting.estimators_
    )
    weight = np.full(len(y), 1 / len(y))
    wrong = first.fit(X, y, weight).predict(X) != y
    assert_same_model(boosting.estimators_[0], first)
    # SAMME for two classes: J. Zhu et al., "Multi-class AdaBoost", 2009, algorithm 2.
    error = np.mean(wrong)
    assert 0 < error < 0.5
    weight *= np.exp(0.5 * np.log((1 - error) / error) * wrong)
    second.fit(X, y, weight)
    # Weights agree up to rounding, which some 100 steps keep below 1e4 eps.
    assert_close_model(boosting.estimators_[1], second, rtol=1e4 * np.finfo(float).eps)
    unweighted = quick(estimator_class, random_state=second.random_state).fit(X, y)
    assert differ(boosting.estimators_[1], unweighted)


@every_method
def test_adaboost_passes_sample_weights(estimator_class, mislabelled):
    X, y, y_wrong, weight = mislabelled
    weight = weight + 0.01  # AdaBoostClassifier takes the logarithm of each weight
    boosting = AdaBoostClassifier(quick(estimator_class), n_estimators=1, random_state=0)
    boosting.fit(X, y_wrong, sample_weight=weight)
    seed = boosting.estimators_[0].random_state
    by_hand = quick(estimator_class, random_state=seed)
    by_hand.fit(X, y_wrong, sample_weight=weight / weight.sum())
    assert_same_model(boosting.estimators_[0], by_hand)
    assert differ(by_hand, clone(by_hand).fit(X, y_wrong))
    assert boosting.score(X, y) > 0.9


def test_stacking_trains_on_probabilities_out_of_fold(iris):
    X, y = iris
    members = [
        ("linear", quick(SGDLogisticClassifier)),
        ("network", quick(BackpropMLPClassifier)),
    ]
    stacking = StackingClassifier(
        members, final_estimator=quick(SGDLogisticClassifier, max_iter=200), cv=3
    ).fit(X, y)
    out_of_fold = [
        cross_val_predict(model, X, y, cv=3, method="predict_proba") for _, model in members
    ]
    by_hand = quick(SGDLogisticClassifier, max_iter=200).fit(np.hstack(out_of_fold), y)
    assert_same_model(stacking.final_estimator_, by_hand)
    refitted = [clone(model).fit(X, y).predict_proba(X) for _, model in members]
    assert_array_equal(stacking.transform(X), np.hstack(refitted))
    assert stacking.score(X, y) > 0.95


def test_soft_voting_is_the_mean_of_probabilities(iris):
    X, y = iris
    linear, network = quick(SGDLogisticClassifier), quick(BackpropMLPClassifier)
    voting = VotingClassifier(
        [("linear", linear), ("network", network)], voting="soft", weights=[1, 3]
    ).fit(X, y)
    proba = (
        clone(linear).fit(X, y).predict_proba(X)
        + 3 * clone(network).fit(X, y).predict_proba(X)
    ) / 4
    # Three roundings in another order.
    assert_allclose(voting.predict_proba(X), proba, rtol=4 * np.finfo(float).eps)
    assert_array_equal(voting.predict(X), np.argmax(proba, axis=1))


def test_voting_passes_sample_weights(mislabelled):
    X, _, y_wrong, weight = mislabelled
    members = [(model.__name__, quick(model)) for model in QUICK]
    voting = VotingClassifier(members, voting="soft")
    voting.fit(X, y_wrong, sample_weight=weight)
    for model, (_, member) in zip(voting.estimators_, members, strict=True):
        assert_same_model(model, clone(member).fit(X, y_wrong, sample_weight=weight))
        assert differ(model, clone(member).fit(X, y_wrong))


# Features.


@either_logistic
def test_select_from_model_drops_the_zeros_of_l1(logistic, cancer):
    X, y = cancer
    sparse = quick(logistic, penalty="l1", alpha=0.05, max_iter=200)
    selector = SelectFromModel(sparse).fit(X, y)
    coef = clone(sparse).fit(X, y).coef_[0]
    assert 5 < np.sum(coef == 0) < 30  # exact zeros, and something is left
    assert_array_equal(selector.get_support(), coef != 0)
    assert_array_equal(selector.transform(X), X[:, coef != 0])


@either_logistic
def test_select_from_model_with_l2_keeps_what_is_above_the_mean(logistic, iris):
    X, y = iris
    selector = SelectFromModel(quick(logistic)).fit(X, y)
    # For several classes a feature's importance is the 1-norm of its column.
    size = np.abs(quick(logistic).fit(X, y).coef_).sum(axis=0)
    assert_array_equal(selector.get_support(), size >= size.mean())
    assert 0 < selector.get_support().sum() < 4


@either_logistic
def test_recursive_elimination_drops_the_smallest_coefficient(logistic):
    X, y = make_classification(
        n_samples=200,
        n_features=8,
        n_informative=3,
        n_redundant=0,
        n_clusters_per_class=1,
        class_sep=2.0,
        shuffle=False,
        random_state=0,
    )
    selector = RFE(quick(logistic), n_features_to_select=3).fit(X, y)
    left = list(range(8))
    while len(left) > 3:
        coef = quick(logistic).fit(X[:, left], y).coef_[0]
        left.pop(np.argmin(coef**2))
    assert_array_equal(selector.get_support(indices=True), left)
    assert left == [0, 1, 2]  # shuffle=False puts the informative features first
    assert_same_model(selector.estimator_, quick(logistic).fit(X[:, left], y))


@every_method
def test_permutation_importance_finds_the_feature_that_matters(estimator_class):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(300, 4))
    y = X[:, 2] > 0
    model = quick(estimator_class).fit(X, y)
    importances = permutation_importance(
        model, X, y, n_repeats=5, random_state=0
    ).importances_mean
    # A permuted feature is right half of the time: the score falls from 1 to 1/2.
    assert model.score(X, y) > 0.95
    assert_allclose(importances[2], 0.5, atol=0.1)
    assert np.all(np.abs(np.delete(importances, 2)) < 0.05)


# Metadata routing.


@every_method
def test_routing_carries_sample_weight_through_pipeline_and_search(
    estimator_class, mislabelled
):
    X, _, y_wrong, weight = mislabelled
    with config_context(enable_metadata_routing=True):
        model = quick(estimator_class).set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipeline = Pipeline([("scale", scaler), ("model", model)])
        search = GridSearchCV(pipeline, {"model__alpha": [1e-4, 1.0]}, cv=3)
        search.fit(X, y_wrong, sample_weight=weight)
    X_scaled = StandardScaler().fit_transform(X)
    best = quick(estimator_class, alpha=search.best_params_["model__alpha"])
    expected = clone(best).fit(X_scaled, y_wrong, sample_weight=weight)
    assert_same_model(search.best_estimator_["model"], expected)
    assert differ(search.best_estimator_["model"], best.fit(X_scaled, y_wrong))


@every_method
def test_routing_carries_sample_weight_to_fit_and_score(estimator_class, mislabelled):
    X, _, y_wrong, weight = mislabelled
    with config_context(enable_metadata_routing=True):
        model = quick(estimator_class).set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=True)
        results = cross_validate(
            make_pipeline(StandardScaler().set_fit_request(sample_weight=False), model),
            X,
            y_wrong,
            cv=3,
            params={"sample_weight": weight},
            return_estimator=True,
        )
    folds = StratifiedKFold(3).split(X, y_wrong)
    for pipeline, score, (train, test) in zip(
        results["estimator"], results["test_score"], folds, strict=True
    ):
        X_train = StandardScaler().fit_transform(X[train])
        by_hand = quick(estimator_class)
        by_hand.fit(X_train, y_wrong[train], sample_weight=weight[train])
        assert_same_model(pipeline[-1], by_hand)
        assert differ(pipeline[-1], clone(by_hand).fit(X_train, y_wrong[train]))
        predicted = pipeline.predict(X[test])
        assert score == accuracy_score(y_wrong[test], predicted, sample_weight=weight[test])
        assert score != accuracy_score(y_wrong[test], predicted)


@every_method
def test_routing_leaves_sample_weight_out_if_told_so(estimator_class, mislabelled):
    X, _, y_wrong, weight = mislabelled
    with config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=True)
        model = quick(estimator_class).set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scaler, model).fit(X, y_wrong, sample_weight=weight)
    X_scaled = StandardScaler().fit(X, sample_weight=weight).transform(X)
    assert_same_model(pipeline[-1], quick(estimator_class).fit(X_scaled, y_wrong))


@every_method
def test_routing_refuses_sample_weight_without_a_request(estimator_class, mislabelled):
    X, _, y_wrong, weight = mislabelled
    with (
        config_context(enable_metadata_routing=True),
        pytest.raises(
            UnsetMetadataPassedError, match=type(quick(estimator_class)).__name__
        ),
    ):
        cross_validate(quick(estimator_class), X, y_wrong, params={"sample_weight": weight})


@every_method
def test_routing_carries_sample_weight_to_partial_fit(estimator_class, iris):
    X, y = iris
    weight = np.linspace(0.1, 3.0, len(y))
    with config_context(enable_metadata_routing=True):
        model = quick(estimator_class).set_partial_fit_request(sample_weight=True)
        rest = OneVsRestClassifier(model)
        for _ in range(3):
            rest.partial_fit(X, y, classes=[0, 1, 2], sample_weight=weight)
    for label, fitted in enumerate(rest.estimators_):
        by_hand, unweighted = quick(estimator_class), quick(estimator_class)
        for _ in range(3):
            by_hand.partial_fit(X, y == label, classes=[0, 1], sample_weight=weight)
            unweighted.partial_fit(X, y == label, classes=[0, 1])
        assert_same_model(fitted, by_hand)
        assert differ(fitted, unweighted)


# Frames.


@pytest.fixture(params=["pandas", "polars"])
def as_frame(request):
    """Return a function (X, names) -> frame of one of the two libraries."""
    if request.param == "pandas":
        return lambda X, names: pd.DataFrame(X, columns=names)
    return lambda X, names: pl.DataFrame(X, schema=names)


NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]


@every_method
def test_a_frame_gives_the_model_of_its_array(estimator_class, as_frame, iris):
    X, y = iris
    frame = as_frame(X, NAMES)
    model, expected = quick(estimator_class).fit(frame, y), quick(estimator_class).fit(X, y)
    assert_same_model(model, expected)
    assert_array_equal(model.predict_proba(frame), expected.predict_proba(X))
    assert model.feature_names_in_.tolist() == NAMES
    assert not hasattr(expected, "feature_names_in_")


@every_method
def test_partial_fit_keeps_the_names_of_the_first_frame(estimator_class, as_frame, iris):
    X, y = iris
    model = quick(estimator_class).partial_fit(as_frame(X, NAMES), y, classes=[0, 1, 2])
    assert model.feature_names_in_.tolist() == NAMES
    with pytest.raises(ValueError, match="feature names should match"):
        model.partial_fit(as_frame(X, NAMES[::-1]), y)


@every_method
def test_wrong_feature_names_are_an_error(estimator_class, as_frame, iris):
    X, y = iris
    model = quick(estimator_class).fit(as_frame(X, NAMES), y)
    for wrong in (NAMES[::-1], [*NAMES[:3], "colour"]):
        with pytest.raises(ValueError, match="feature names should match"):
            model.predict(as_frame(X, wrong))


@every_method
def test_missing_feature_names_are_a_warning(estimator_class, as_frame, iris):
    X, y = iris
    frame = as_frame(X, NAMES)
    named, nameless = quick(estimator_class).fit(frame, y), quick(estimator_class).fit(X, y)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        proba = named.predict_proba(X)
    with pytest.warns(UserWarning, match="fitted without feature names"):
        assert_array_equal(nameless.predict_proba(frame), proba)


@every_method
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_names_arrive_through_set_output(estimator_class, library, as_frame, iris):
    X, y = iris
    frame = as_frame(X, NAMES)
    scaler = StandardScaler().set_output(transform=library)
    pipeline = make_pipeline(scaler, quick(estimator_class)).fit(frame, y)
    assert pipeline[-1].feature_names_in_.tolist() == NAMES
    X_scaled = StandardScaler().fit_transform(frame)
    assert isinstance(X_scaled, np.ndarray)
    assert_same_model(pipeline[-1], quick(estimator_class).fit(X_scaled, y))


@either_logistic
def test_selected_names_come_out_of_set_output(logistic, cancer):
    X, y = cancer
    frame = pd.DataFrame(X, columns=load_breast_cancer().feature_names)
    sparse = quick(logistic, penalty="l1", alpha=0.05, max_iter=200)
    selector = SelectFromModel(sparse).set_output(transform="pandas")
    pipeline = make_pipeline(selector, quick(BackpropMLPClassifier)).fit(frame, y)
    kept = frame.columns[clone(sparse).fit(frame, y).coef_[0] != 0]
    assert pipeline[-1].feature_names_in_.tolist() == kept.tolist()
    assert_same_model(pipeline[-1], quick(BackpropMLPClassifier).fit(frame[kept], y))


@every_method
def test_columns_of_several_types_are_numbers(estimator_class, iris):
    X, y = iris
    frame = pd.DataFrame(
        {
            "float32": X[:, 0].astype(np.float32),
            "int": np.round(X[:, 1]).astype(int),
            "bool": X[:, 2] > 0,
            "nullable": pd.array(np.round(X[:, 3]).astype(int), dtype="Int64"),
        }
    )
    model = quick(estimator_class).fit(frame, y)
    array = np.column_stack(
        [X[:, 0].astype(np.float32), np.round(X[:, 1]), X[:, 2] > 0, np.round(X[:, 3])]
    )
    assert array.dtype == np.float64
    assert_same_model(model, quick(estimator_class).fit(array, y))


# Labels.

LABELS = {
    "numpy strings": lambda names: names,
    "objects": lambda names: names.astype(object),
    "list": lambda names: names.tolist(),
    "pandas strings": pd.Series,
    "pandas Categorical": pd.Categorical,
    "series of categories": lambda names: pd.Series(pd.Categorical(names)),
    "polars strings": pl.Series,
    "polars Categorical": lambda names: pl.Series(names, dtype=pl.Categorical),
    # Categories in another order than the sorted one, which classes_ has.
    "polars Enum": lambda names: pl.Series(
        names, dtype=pl.Enum(["virginica", "setosa", "versicolor"])
    ),
}


@every_method
@pytest.mark.parametrize("kind", LABELS)
def test_string_labels_of_every_kind_are_learned(estimator_class, kind, iris):
    X, y = iris
    names = np.array(["setosa", "versicolor", "virginica"])
    model = quick(estimator_class).fit(X, LABELS[kind](names[y]))
    expected = quick(estimator_class).fit(X, y)
    assert_same_model(model, expected)
    assert model.classes_.tolist() == names.tolist()
    assert_array_equal(model.predict(X), names[expected.predict(X)])
    assert model.score(X, LABELS[kind](names[y])) == expected.score(X, y) > 0.9


@every_method
@pytest.mark.parametrize("container", [np.array, list, pd.Series, pl.Series])
def test_bool_labels_stay_bool(estimator_class, container, hard_pair):
    X, y = hard_pair
    model = quick(estimator_class).fit(X, container(y.astype(bool).tolist()))
    expected = quick(estimator_class).fit(X, y)
    assert_same_model(model, expected)
    assert model.predict(X).dtype == bool
    assert_array_equal(model.predict(X), expected.predict(X) == 1)


@every_method
def test_class_weight_is_keyed_by_string_labels(estimator_class, iris):
    X, y = iris
    names = np.array(["setosa", "versicolor", "virginica"])
    by_name = {"setosa": 1.0, "versicolor": 4.0, "virginica": 0.5}
    model = quick(estimator_class, class_weight=by_name).fit(X, pd.Series(names[y]))
    weight = np.array([1.0, 4.0, 0.5])[y]
    assert_same_model(model, quick(estimator_class).fit(X, y, sample_weight=weight))


# Storage and copies. Each configuration keeps something else between calls.

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
    """Return the model out of a pickle."""
    return pickle.loads(pickle.dumps(model))


def stored_by_joblib(model, folder):
    """Return the model out of a file, with its arrays memory-mapped and read-only."""
    joblib.dump(model, folder / "model.joblib")
    loaded = joblib.load(folder / "model.joblib", mmap_mode="r")
    assert not model_arrays(loaded)[0].flags.writeable
    return loaded


def stored_by_deepcopy(model, folder):
    """Return a deep copy."""
    return copy.deepcopy(model)


either_way = pytest.mark.parametrize(
    "stored", [stored_by_pickle, stored_by_joblib, stored_by_deepcopy]
)


@stateful
@either_way
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
@either_way
@pytest.mark.parametrize("seed", [lambda: 3, lambda: np.random.RandomState(3)])
def test_partial_fit_goes_on_after_storage(
    estimator_class, parameters, stored, seed, iris, tmp_path
):
    X, y = iris
    model = quick(estimator_class, **parameters, batch_size=20, random_state=seed())
    model.partial_fit(X, y, classes=[0, 1, 2])
    loaded = stored(model, tmp_path)
    before = copy.deepcopy(model_arrays(loaded))
    for _ in range(3):
        model.partial_fit(X, y)
    # The stored model has not moved with the original ...
    for array, other in zip(model_arrays(loaded), before, strict=True):
        assert_array_equal(array, other)
    # ... and takes the same path when its turn comes.
    for _ in range(3):
        loaded.partial_fit(X, y)
    assert_same_model(loaded, model)
    assert loaded.loss_curve_ == model.loss_curve_


@stateful
@either_way
def test_warm_start_goes_on_after_storage(
    estimator_class, parameters, stored, iris, tmp_path
):
    X, y = iris
    model = quick(estimator_class, **parameters, batch_size=20, warm_start=True)
    loaded = stored(model.fit(X, y), tmp_path)
    assert_same_model(loaded.fit(X, y), model.fit(X, y))
    assert loaded.loss_curve_ == model.loss_curve_
    assert len(loaded.loss_curve_) == 2 * model.max_iter


@either_way
def test_lbfgs_goes_on_after_storage(stored, hard_pair, tmp_path):
    X, y = hard_pair
    model = quick(BackpropMLPClassifier, solver="lbfgs", warm_start=True, max_iter=5)
    loaded = stored(model.fit(X, y), tmp_path)
    assert_same_model(loaded.fit(X, y), model.fit(X, y))


@every_method
@either_way
def test_early_stopping_goes_on_after_storage(estimator_class, stored, iris, tmp_path):
    X, y = iris
    n_epochs = 3 if estimator_class is SGDLogisticClassifier else 10  # of Newton: steps
    model = quick(estimator_class, early_stopping=True, warm_start=True, max_iter=n_epochs)
    loaded = stored(model.fit(X, y), tmp_path)
    assert_same_model(loaded.fit(X, y), model.fit(X, y))
    assert loaded.validation_scores_ == model.validation_scores_
    assert len(loaded.validation_scores_) == 2 * n_epochs


@every_method
def test_a_memory_mapped_model_may_be_edited_by_assignment(estimator_class, iris, tmp_path):
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
def test_clone_is_unfitted_and_fits_to_the_same(estimator_class, parameters, iris):
    X, y = iris
    model = quick(estimator_class, **parameters).fit(X, y)
    copied = clone(model)
    assert copied.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        copied.predict(X)
    assert_same_model(copied.fit(X, y), model)


@every_method
def test_clone_copies_a_random_state(estimator_class, iris):
    X, y = iris
    model = quick(estimator_class, random_state=np.random.RandomState(5), batch_size=20)
    copied = clone(model)
    assert copied.random_state is not model.random_state
    assert_same_model(copied.fit(X, y), model.fit(X, y))


@both
def test_a_second_fit_finds_the_generator_further_on(estimator_class, iris):
    X, y = iris  # as everywhere in scikit-learn
    model = quick(estimator_class, random_state=np.random.RandomState(5), batch_size=20)
    first = clone(model).fit(X, y)
    assert_same_model(model.fit(X, y), first)
    assert differ(model.fit(X, y), first)


@pytest.mark.parametrize("sizes", [[5, 4], np.array([5, 4]), 5, np.int64(5), ()])
def test_clone_keeps_hidden_layer_sizes_of_every_type(sizes, iris):
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
def test_repr_shows_what_differs_from_the_defaults(estimator_class):
    assert repr(estimator_class()) == f"{estimator_class.__name__}()"
    changed = estimator_class(alpha=0.5, random_state=0)
    assert repr(changed) == f"{estimator_class.__name__}(alpha=0.5, random_state=0)"


# Several labels a row.


def test_multilabel_network_is_cross_validated(multilabel):
    X, Y = multilabel
    folds = [(np.arange(60), np.arange(60, 120)), (np.arange(60, 120), np.arange(60))]
    scores = cross_val_score(quick(BackpropMLPClassifier), X, Y, cv=folds)
    for score, (train, test) in zip(scores, folds, strict=True):
        model = quick(BackpropMLPClassifier).fit(X[train], Y[train])
        # The accuracy of multilabel y asks for all labels of a row to be right.
        assert score == np.mean(np.all(model.predict(X[test]) == Y[test], axis=1))
        most_frequent = np.mean(np.all(Y[test] == (Y[train].mean(axis=0) > 0.5), axis=1))
        assert score > most_frequent + 0.1


def test_multilabel_network_predicts_probabilities_out_of_fold(multilabel):
    X, Y = multilabel
    folds = [(np.arange(60), np.arange(60, 120)), (np.arange(60, 120), np.arange(60))]
    proba = cross_val_predict(
        quick(BackpropMLPClassifier), X, Y, cv=folds, method="predict_proba"
    )
    for train, test in folds:
        model = quick(BackpropMLPClassifier).fit(X[train], Y[train])
        assert_array_equal(proba[test], model.predict_proba(X[test]))


def test_multilabel_frame_gives_the_model_of_its_array(multilabel):
    X, Y = multilabel
    model = quick(BackpropMLPClassifier).fit(X, pd.DataFrame(Y, columns=list("abc")))
    assert_same_model(model, quick(BackpropMLPClassifier).fit(X, Y))


@every_method
def test_one_versus_rest_trains_a_model_for_each_label(estimator_class, multilabel):
    X, Y = multilabel
    rest = OneVsRestClassifier(quick(estimator_class), n_jobs=2).fit(X, Y)
    proba = np.empty(Y.shape)
    for label, model in enumerate(rest.estimators_):
        by_hand = quick(estimator_class).fit(X, Y[:, label])
        # Workers have one BLAS thread each, which may change the order of sums: some
        # 100 steps of about 100 roundings.
        assert_close_model(model, by_hand, rtol=1e4 * np.finfo(float).eps)
        proba[:, label] = by_hand.predict_proba(X)[:, 1]
    assert_allclose(rest.predict_proba(X), proba, rtol=1e-9)  # of these models' rounding
    assert_array_equal(rest.predict(X), proba > 0.5)


@every_method
def test_classifier_chain_feeds_each_model_the_labels_before(estimator_class, multilabel):
    X, Y = multilabel
    chain = ClassifierChain(quick(estimator_class), order=[2, 0, 1], random_state=0)
    chain.fit(X, Y)
    links = [X, np.c_[X, Y[:, 2]], np.c_[X, Y[:, [2, 0]]]]
    for model, X_link, label in zip(chain.estimators_, links, [2, 0, 1], strict=True):
        by_hand = quick(estimator_class, random_state=model.random_state)
        assert_same_model(model, by_hand.fit(X_link, Y[:, label]))
    assert_array_equal(chain.predict(X)[:, 2], chain.estimators_[0].predict(X))
