"""Law 2. The weight of a row equals its repetition, and a weight of 0 its absence."""

import copy

import numpy as np
from law_models import (
    N_EPOCHS,
    either_method,
    either_storage,
    every_configuration,
    fit,
    parameters_of,
)
from methods import both, every_method


@every_configuration
def test_integer_weights_equal_repetitions_in_full_batches(
    estimator_class, parameters, rows
):
    X, y, _ = rows(n_classes=2 if "class_weight" in parameters else 3)
    counts = np.random.RandomState(0).randint(0, 4, size=len(y))
    parameters = {**parameters, "batch_size": "full", "tol": None, "max_iter": 20}
    weighted = estimator_class(random_state=0, **parameters)
    fit(weighted, X, y, sample_weight=counts)
    repeated = estimator_class(random_state=0, **parameters)
    fit(repeated, np.repeat(X, counts, axis=0), np.repeat(y, counts))
    # Rounding errors of sums in another order, which 20 steps may amplify.
    scale = np.max(np.abs(parameters_of(repeated)))
    np.testing.assert_allclose(
        parameters_of(weighted), parameters_of(repeated), rtol=0, atol=1e-11 * scale
    )


@either_method
@either_storage
def test_weight_zero_equals_absence(estimator_class, parameters, sparse, rows):
    X, y, weight = rows(n_classes=2 if "class_weight" in parameters else 3, sparse=sparse)
    absent = np.random.RandomState(0).uniform(size=len(y)) < 0.3
    weight[absent] = 0
    model = estimator_class(max_iter=N_EPOCHS, random_state=0, **parameters)
    fit(model, X, y, sample_weight=weight)
    without = estimator_class(max_iter=N_EPOCHS, random_state=0, **parameters)
    fit(without, X[np.flatnonzero(~absent)], y[~absent], sample_weight=weight[~absent])
    np.testing.assert_array_equal(parameters_of(model), parameters_of(without))
    assert model.t_ == without.t_


@every_method
def test_weight_zero_equals_absence_with_early_stopping(estimator_class, standardised):
    X, y = standardised("wine")
    weight = np.ones(len(y))
    weight[::3] = 0
    parameters = {"early_stopping": True, "max_iter": 5, "tol": None, "random_state": 0}
    model = estimator_class(**parameters).fit(X, y, sample_weight=weight)
    without = estimator_class(**parameters).fit(X[weight > 0], y[weight > 0])
    np.testing.assert_array_equal(parameters_of(model), parameters_of(without))
    assert model.validation_scores_ == without.validation_scores_


@either_method
def test_only_ratios_of_weights_matter(estimator_class, parameters, rows):
    X, y, weight = rows(n_classes=2 if "class_weight" in parameters else 3)
    models = [
        fit(
            estimator_class(max_iter=N_EPOCHS, random_state=0, **parameters),
            X,
            y,
            sample_weight=scale * weight,
        )
        for scale in (1, 4096.0)  # a power of two: no rounding
    ]
    np.testing.assert_array_equal(*map(parameters_of, models))


@every_method
def test_equal_weights_equal_no_weights(estimator_class, rows):
    X, y, _ = rows()
    models = [estimator_class(max_iter=5, tol=None, random_state=0) for _ in range(2)]
    models[0].fit(X, y)
    models[1].fit(X, y, sample_weight=np.full(len(y), 7.0))
    np.testing.assert_array_equal(*map(parameters_of, models))


@every_method
def test_class_weight_equals_sample_weight(estimator_class, rows):
    X, y, weight = rows()
    by_class = {0: 1.0, 1: 3.0, 2: 0.5}
    one = estimator_class(max_iter=5, tol=None, random_state=0, class_weight=by_class)
    other = estimator_class(max_iter=5, tol=None, random_state=0)
    one.fit(X, y, sample_weight=weight)
    other.fit(X, y, sample_weight=weight * np.array([by_class[label] for label in y]))
    np.testing.assert_array_equal(parameters_of(one), parameters_of(other))


@both
def test_balanced_gives_each_class_the_same_total_weight(estimator_class, rows):
    X, y, weight = rows()
    weight[y == 0] *= 9
    totals = np.bincount(y, weight)
    balanced = {k: weight.sum() / (3 * totals[k]) for k in range(3)}
    models = [
        estimator_class(max_iter=5, tol=None, random_state=0, class_weight=class_weight)
        for class_weight in ("balanced", balanced)
    ]
    for model in models:
        model.fit(X, y, sample_weight=weight)
    # The weights may differ in their last digit.
    np.testing.assert_allclose(*map(parameters_of, models), rtol=1e-12)


@both
def test_partial_fit_scales_by_the_mean_of_all_weights_seen(estimator_class, rows):
    X, y, _ = rows()
    # Chunks of weights 1 and 3: the mean is 2 after the second, whose rows count 3 / 2.
    parameters = {"solver": "sgd", "momentum": 0, "shuffle": False, "batch_size": "full"}
    model = estimator_class(random_state=0, alpha=0, learning_rate_init=0.1, **parameters)
    model.partial_fit(X, y, classes=[0, 1, 2], sample_weight=np.ones(len(y)))
    faster = copy.deepcopy(model).set_params(learning_rate_init=0.15)
    model.partial_fit(X, y, sample_weight=np.full(len(y), 3.0))
    faster.partial_fit(X, y)
    np.testing.assert_allclose(parameters_of(model), parameters_of(faster), rtol=1e-12)
