"""Both estimators in pipelines, in cross-validation and in searches.

The expected model of a meta-estimator is fitted by hand on the same rows with the same
weights and seed. The arithmetic is then the same, so the two are compared bit for bit
unless a comment gives a reason for a tolerance.
"""

import joblib
import numpy as np
import pytest
from methods import every_method
from numpy.testing import assert_allclose, assert_array_equal
from quick_models import assert_close_model, assert_same_model, differ, quick
from scipy.stats import loguniform, randint
from sklearn.base import clone
from sklearn.datasets import (
    load_wine,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.metrics import log_loss, roc_auc_score
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
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_nn import BackpropMLPClassifier

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
    # Like the scorer, pass only the second column: log_loss computes the first as 1 - p,
    # whose rounding error is large for probabilities near 0.
    assert scores["test_neg_log_loss"] == [-log_loss(y[test], proba[:, 1])]
    assert_allclose(proba.sum(axis=1), 1.0, rtol=1e-15)  # one rounding of a sum of two
    assert scores["test_roc_auc"] == [
        roc_auc_score(y[test], model.decision_function(X[test]))
    ]


@every_method
def test_workers_train_on_memory_mapped_data(estimator_class, iris):
    X, y = iris
    weight = np.linspace(0.5, 2.0, len(y))
    # max_nbytes=1 sends every array to the workers as a read-only memory map.
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


def test_incremental_learning_curve_of_lbfgs_is_an_error(iris):
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
    # A learning rate of 1e-6 leaves the model almost untrained.
    assert search.best_params_ == {parameter: 0.05}
    assert search.best_score_ > 0.9
    assert_same_model(
        search.best_estimator_, quick(estimator_class, **{parameter: 0.05}).fit(X, y)
    )


@every_method
def test_grid_search_mixes_numbers_and_schedules(estimator_class, iris):
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
def test_randomized_search_accepts_numpy_numbers(estimator_class, iris):
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
def test_halving_search_uses_epochs_as_its_resource(estimator_class, iris):
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
def test_halving_search_uses_rows_as_its_resource(estimator_class, iris):
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
def test_grid_search_inside_a_pipeline_tunes_class_weight(estimator_class, hard_pair):
    X, y = hard_pair
    rare = np.flatnonzero(y)[:10]  # keep only 10 rows of class 1
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
def test_fixed_threshold_decides_predictions(estimator_class, hard_pair):
    X, y = hard_pair
    model = quick(estimator_class).fit(X, y)
    moved = FixedThresholdClassifier(
        quick(estimator_class), threshold=0.8, response_method="predict_proba"
    ).fit(X, y)
    expected = (model.predict_proba(X)[:, 1] >= 0.8).astype(int)
    assert_array_equal(moved.predict(X), expected)
    assert np.any(expected != model.predict(X))
