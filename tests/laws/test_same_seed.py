"""Law 6. The same seed gives the same model, and predictions change nothing."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from law_models import either_method, either_seed, fit, parameters_of
from methods import both, every_method


@either_method
@either_seed
def test_same_seed_gives_the_same_model(estimator_class, parameters, seed, rows):
    X, y, weight = rows(n_classes=2 if "class_weight" in parameters else 3)
    models = [
        fit(
            estimator_class(max_iter=4, random_state=seed(), **parameters),
            X,
            y,
            sample_weight=weight,
        )
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*map(parameters_of, models))


@both
def test_fits_with_one_generator_differ(estimator_class, rows):
    X, y, _ = rows()
    model = estimator_class(
        max_iter=3, tol=None, batch_size=16, random_state=np.random.RandomState(0)
    )
    first = parameters_of(model.fit(X, y))
    second = parameters_of(model.fit(X, y))
    assert np.any(first != second)


@both
def test_models_without_seed_differ_across_threads(estimator_class, rows):
    X, y, _ = rows()

    def train(_):
        model = estimator_class(max_iter=20, tol=None, batch_size=5)
        return parameters_of(model.fit(X, y))

    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(train, range(4)))
    assert len({tuple(result) for result in results}) == 4


@every_method
def test_global_seed_determines_models_without_seed(estimator_class, rows):
    X, y, _ = rows()
    models = []
    for _ in range(2):
        np.random.seed(3)
        models.append(estimator_class(max_iter=3, tol=None, batch_size=5).fit(X, y))
    np.testing.assert_array_equal(*map(parameters_of, models))


@every_method
@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_predictions_from_eight_threads_are_the_same(estimator_class, method, rows):
    X, y, _ = rows(n_samples=700)
    model = estimator_class(max_iter=3, tol=None, random_state=0).fit(X, y)
    before = pickle.dumps(model)
    predict = getattr(model, method)
    expected = predict(X)
    with ThreadPoolExecutor(8) as threads:
        for result in threads.map(lambda _: predict(X), range(80)):
            np.testing.assert_array_equal(result, expected)
    assert pickle.dumps(model) == before
