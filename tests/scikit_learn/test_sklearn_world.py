"""Both estimators inside scikit-learn: ensembles, features, routing, multilabel targets.

The expected model of a meta-estimator is fitted by hand on the same rows with the same
weights and seed. The arithmetic is then the same, so the two are compared bit for bit
unless a comment gives a reason for a tolerance.
"""

import numpy as np
import pandas as pd
import pytest
from methods import every_method
from numpy.testing import assert_allclose, assert_array_equal
from quick_models import (
    QUICK,
    assert_close_model,
    assert_same_model,
    differ,
    either_logistic,
    quick,
)
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import (
    make_classification,
)
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.feature_selection import RFE, SelectFromModel
from sklearn.inspection import permutation_importance
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier

# Ensembles and calibration.


@every_method
@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibration_repairs_shifted_probabilities(estimator_class, method, hard_pair):
    X, y = hard_pair
    train, test = np.arange(0, 100, 2), np.arange(1, 100, 2)
    # With these weights class 1 counts as 30 times as frequent as it is.
    shifted = quick(estimator_class, class_weight={0: 1.0, 1: 30.0})
    calibrated = CalibratedClassifierCV(shifted, method=method, cv=3, ensemble=False)
    before = clone(shifted).fit(X[train], y[train]).predict_proba(X[test])
    after = calibrated.fit(X[train], y[train]).predict_proba(X[test])
    assert_allclose(after.sum(axis=1), 1.0, rtol=1e-15)  # one rounding of a sum of two
    assert log_loss(y[test], after) < 0.7 * log_loss(y[test], before)
    # Half of the rows are of class 1; 50 rows show that to about 0.1.
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
def test_calibration_of_three_classes_fits_a_model_per_fold(estimator_class, iris):
    X, y = iris
    calibrated = CalibratedClassifierCV(quick(estimator_class), cv=3).fit(X, y)
    assert calibrated.score(X, y) > 0.9
    for part, (train, _) in zip(
        calibrated.calibrated_classifiers_, StratifiedKFold(3).split(X, y), strict=True
    ):
        assert_same_model(part.estimator, quick(estimator_class).fit(X[train], y[train]))


@every_method
def test_bagging_passes_bootstrap_counts_as_weights(estimator_class, iris):
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
    # Rows of weight 0 are never drawn or count 0 times, so their labels do not matter.
    X, y, y_wrong, weight = mislabelled
    bagging = BaggingClassifier(quick(estimator_class), n_estimators=3, random_state=0)
    proba = clone(bagging).fit(X, y_wrong, sample_weight=weight).predict_proba(X)
    expected = clone(bagging).fit(X, y, sample_weight=weight).predict_proba(X)
    assert_array_equal(proba, expected)
    assert not np.allclose(proba, clone(bagging).fit(X, y_wrong).predict_proba(X))


@every_method
def test_adaboost_reweights_misclassified_rows(estimator_class, hard_pair):
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


def test_stacking_trains_on_out_of_fold_probabilities(iris):
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
    # Three roundings happen in another order.
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
def test_select_from_model_drops_features_with_zero_l1_coefficients(logistic, cancer):
    X, y = cancer
    sparse = quick(logistic, penalty="l1", alpha=0.05, max_iter=200)
    selector = SelectFromModel(sparse).fit(X, y)
    coef = clone(sparse).fit(X, y).coef_[0]
    assert 5 < np.sum(coef == 0) < 30  # exact zeros, but not everywhere
    assert_array_equal(selector.get_support(), coef != 0)
    assert_array_equal(selector.transform(X), X[:, coef != 0])


@either_logistic
def test_select_from_model_with_l2_keeps_features_above_mean_importance(logistic, iris):
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
def test_permutation_importance_finds_the_informative_feature(estimator_class):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(300, 4))
    y = X[:, 2] > 0
    model = quick(estimator_class).fit(X, y)
    importances = permutation_importance(
        model, X, y, n_repeats=5, random_state=0
    ).importances_mean
    # With the feature permuted, half of the predictions are right: the score falls by 1/2.
    assert model.score(X, y) > 0.95
    assert_allclose(importances[2], 0.5, atol=0.1)
    assert np.all(np.abs(np.delete(importances, 2)) < 0.05)


# Metadata routing.


@every_method
def test_routing_passes_sample_weight_through_pipeline_and_search(
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
def test_routing_passes_sample_weight_to_fit_and_score(estimator_class, mislabelled):
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
def test_routing_omits_sample_weight_if_not_requested(estimator_class, mislabelled):
    X, _, y_wrong, weight = mislabelled
    with config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=True)
        model = quick(estimator_class).set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scaler, model).fit(X, y_wrong, sample_weight=weight)
    X_scaled = StandardScaler().fit(X, sample_weight=weight).transform(X)
    assert_same_model(pipeline[-1], quick(estimator_class).fit(X_scaled, y_wrong))


@every_method
def test_routing_without_a_request_is_an_error(estimator_class, mislabelled):
    X, _, y_wrong, weight = mislabelled
    with (
        config_context(enable_metadata_routing=True),
        pytest.raises(
            UnsetMetadataPassedError, match=type(quick(estimator_class)).__name__
        ),
    ):
        cross_validate(quick(estimator_class), X, y_wrong, params={"sample_weight": weight})


@every_method
def test_routing_passes_sample_weight_to_partial_fit(estimator_class, iris):
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


# Multilabel targets.


def test_multilabel_network_can_be_cross_validated(multilabel):
    X, Y = multilabel
    folds = [(np.arange(60), np.arange(60, 120)), (np.arange(60, 120), np.arange(60))]
    scores = cross_val_score(quick(BackpropMLPClassifier), X, Y, cv=folds)
    for score, (train, test) in zip(scores, folds, strict=True):
        model = quick(BackpropMLPClassifier).fit(X[train], Y[train])
        # In multilabel accuracy a row counts as right if all its labels are.
        assert score == np.mean(np.all(model.predict(X[test]) == Y[test], axis=1))
        most_frequent = np.mean(np.all(Y[test] == (Y[train].mean(axis=0) > 0.5), axis=1))
        assert score > most_frequent + 0.1


def test_multilabel_network_predicts_out_of_fold_probabilities(multilabel):
    X, Y = multilabel
    folds = [(np.arange(60), np.arange(60, 120)), (np.arange(60, 120), np.arange(60))]
    proba = cross_val_predict(
        quick(BackpropMLPClassifier), X, Y, cv=folds, method="predict_proba"
    )
    for train, test in folds:
        model = quick(BackpropMLPClassifier).fit(X[train], Y[train])
        assert_array_equal(proba[test], model.predict_proba(X[test]))


def test_multilabel_frame_gives_the_same_model_as_its_array(multilabel):
    X, Y = multilabel
    model = quick(BackpropMLPClassifier).fit(X, pd.DataFrame(Y, columns=list("abc")))
    assert_same_model(model, quick(BackpropMLPClassifier).fit(X, Y))


@every_method
def test_one_versus_rest_trains_one_model_per_label(estimator_class, multilabel):
    X, Y = multilabel
    rest = OneVsRestClassifier(quick(estimator_class), n_jobs=2).fit(X, Y)
    proba = np.empty(Y.shape)
    for label, model in enumerate(rest.estimators_):
        by_hand = quick(estimator_class).fit(X, Y[:, label])
        # Workers have one BLAS thread each, which may change the order of sums: some
        # 100 steps of about 100 roundings.
        assert_close_model(model, by_hand, rtol=1e4 * np.finfo(float).eps)
        proba[:, label] = by_hand.predict_proba(X)[:, 1]
    assert_allclose(rest.predict_proba(X), proba, rtol=1e-9)  # rounding error of the models
    assert_array_equal(rest.predict(X), proba > 0.5)


@every_method
def test_classifier_chain_passes_earlier_labels_to_each_model(estimator_class, multilabel):
    X, Y = multilabel
    chain = ClassifierChain(quick(estimator_class), order=[2, 0, 1], random_state=0)
    chain.fit(X, Y)
    links = [X, np.c_[X, Y[:, 2]], np.c_[X, Y[:, [2, 0]]]]
    for model, X_link, label in zip(chain.estimators_, links, [2, 0, 1], strict=True):
        by_hand = quick(estimator_class, random_state=model.random_state)
        assert_same_model(model, by_hand.fit(X_link, Y[:, label]))
    assert_array_equal(chain.predict(X)[:, 2], chain.estimators_[0].predict(X))
