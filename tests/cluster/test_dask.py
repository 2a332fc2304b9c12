"""Training on a cluster gives the same model as training in memory."""

import copy
import os
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_digits, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier

da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")

from dask import delayed  # noqa: E402

from sklearn_nn.dask import _cluster, fit  # noqa: E402

MEMORY_LIMIT = 320 * 2**20  # bytes for each of two workers; Python itself takes 170 MB
TOL = 1e-10  # coefficients then agree to about sqrt(TOL)
CLOSE = {"rtol": 0, "atol": 1e-4}


@pytest.fixture(scope="module")
def client():
    """Return the client of a cluster of two processes."""
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            memory_limit=MEMORY_LIMIT,
            dashboard_address=":0",  # any free port: other tests may run a cluster
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def logistic(**parameters):
    """Return a logistic model that is trained to its optimum."""
    return SGDLogisticClassifier(**{"tol": TOL, "random_state": 0, **parameters})


def data(n_classes=2, n_samples=6000, by_label=True):
    """Return (X, y), by default sorted by label, so that a block has one or two labels."""
    rng = np.random.RandomState(3)
    X = rng.normal(size=(n_samples, 5))
    logits = X @ rng.normal(size=(5, n_classes)) + rng.gumbel(size=(n_samples, n_classes))
    y = np.argmax(logits, axis=1)
    order = np.argsort(y, kind="stable") if by_label else slice(None)
    return X[order], y[order]


def blocks(values, rows=2000):
    """Return values as a list of delayed blocks of `rows` rows."""
    starts = range(0, values.shape[0], rows)
    return [delayed(values[start : start + rows]) for start in starts]


def objective(model, X, y):
    """Return the objective of a binary logistic model with the default penalty."""
    z = model.decision_function(X)
    loss = np.mean(np.logaddexp(0, (1 - 2 * y) * z))
    return loss + 0.5 * model.alpha * np.sum(model.coef_**2)


# The logistic model.

N_COPIES, PART_ROWS = 9, 40_000


def part(number):
    """Return (X, y) of a block of 16 MB with one label; numbers repeat modulo 5."""
    number %= 5
    rng = np.random.default_rng(number)
    y = np.full(PART_ROWS, int(number >= 3))
    X = rng.standard_normal((PART_ROWS, 50))
    X[:, :10] += 0.3 * y[:, None]
    return X, y


def test_data_larger_than_the_memory_of_the_cluster_has_the_same_optimum(client):
    parts = [delayed(part, nout=2)(number) for number in range(5 * N_COPIES)]
    X, y = zip(*[part(number) for number in range(5)], strict=True)
    X, y = np.concatenate(X), np.concatenate(y)
    assert N_COPIES * X.nbytes > 2 * MEMORY_LIMIT
    model = logistic(tol=1e-8)
    fit(model, [p[0] for p in parts], [p[1] for p in parts], client=client)
    # Repeating all rows equally often changes neither their mean nor the optimum.
    expected = logistic().fit(X, y)
    best = objective(expected, X, y)
    assert (objective(model, X, y) - best) / best <= 1e-6
    np.testing.assert_allclose(model.coef_, expected.coef_, **CLOSE)


@pytest.mark.parametrize(
    ("n_classes", "parameters"),
    [
        (2, {}),
        (2, {"penalty": "l1", "alpha": 1e-3}),
        (2, {"fit_intercept": False}),
        (3, {}),
        (3, {"penalty": "elasticnet", "alpha": 1e-3}),
    ],
)
def test_blocks_sorted_by_label_have_the_same_optimum(client, n_classes, parameters):
    X, y = data(n_classes)
    rows, labels = da.from_array(X, chunks=(2000, 5)), da.from_array(y, chunks=2000)
    model = fit(logistic(**parameters), rows, labels, client=client)
    expected = logistic(**parameters).fit(X, y)
    np.testing.assert_allclose(model.coef_, expected.coef_, **CLOSE)
    np.testing.assert_allclose(model.intercept_, expected.intercept_, **CLOSE)


@pytest.mark.parametrize("rows", [1500, 2500, 6000])
def test_sizes_of_blocks_do_not_matter(client, rows):
    X, y = data(by_label=False)
    model = fit(logistic(), blocks(X, rows), blocks(y, rows), client=client)
    np.testing.assert_allclose(model.coef_, logistic().fit(X, y).coef_, **CLOSE)


def test_blocks_of_columns_are_joined(client):
    X, y = data()
    rows, labels = da.from_array(X, chunks=(3000, 2)), da.from_array(y, chunks=1000)
    model = fit(logistic(), rows, labels, client=client)
    np.testing.assert_allclose(model.coef_, logistic().fit(X, y).coef_, **CLOSE)


def test_same_blocks_give_the_same_model_bit_for_bit(client):
    X, y = data(3)
    first, second = (fit(logistic(), blocks(X), blocks(y), client=client) for _ in "ab")
    np.testing.assert_array_equal(first.coef_, second.coef_)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_samples_too_large_for_the_client_stay_on_the_workers(
    client, monkeypatch, n_classes
):
    # 4000 bytes are 100 rows: most samples need more, and then use all rows.
    monkeypatch.setattr(_cluster, "MAX_BYTES_GATHERED", 4000)
    X, y = data(n_classes)
    model = fit(logistic(), blocks(X), blocks(y), client=client)
    np.testing.assert_allclose(model.coef_, logistic().fit(X, y).coef_, **CLOSE)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_csr_blocks_have_the_same_optimum(client, monkeypatch, n_classes):
    monkeypatch.setattr(_cluster, "MAX_BYTES_GATHERED", 4000)
    X, y = data(n_classes)
    X[np.abs(X) < 1] = 0
    model = fit(logistic(), blocks(csr_array(X)), blocks(y), client=client)
    np.testing.assert_allclose(model.coef_, logistic().fit(csr_array(X), y).coef_, **CLOSE)


def test_hessian_products_on_the_workers_have_the_same_optimum(client, monkeypatch):
    # 40 features and 5 classes: too many parameters to form the Hessian.
    monkeypatch.setattr(_cluster, "MAX_BYTES_GATHERED", 4000)
    rng = np.random.RandomState(0)
    X = rng.normal(size=(3000, 40))
    y = np.sort(np.argmax(X[:, :5] + rng.gumbel(size=(3000, 5)), axis=1))
    model = fit(logistic(alpha=1e-2), blocks(X, 1000), blocks(y, 1000), client=client)
    np.testing.assert_allclose(model.coef_, logistic(alpha=1e-2).fit(X, y).coef_, **CLOSE)


def test_float32_stays_float32(client):
    X, y = data()
    X = X.astype(np.float32)
    model = fit(logistic(tol=1e-5), blocks(X), blocks(y), client=client)
    assert model.coef_.dtype == np.float32
    expected = logistic(tol=1e-5).fit(X, y)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=0, atol=2e-2)


# Labels and weights.


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 3.0, 1: 1.0, 2: 0.5}])
def test_sample_and_class_weights_are_those_of_the_whole_data(client, class_weight):
    X, y = data(3)
    weight = np.random.RandomState(0).randint(0, 4, size=len(y)).astype(float)
    weight[:2000] = 0  # a whole block
    model = logistic(class_weight=class_weight)
    fit(model, blocks(X), blocks(y), blocks(weight), client=client)
    expected = logistic(class_weight=class_weight).fit(X, y, weight)
    np.testing.assert_allclose(model.coef_, expected.coef_, **CLOSE)


def test_classes_are_the_union_over_all_blocks(client):
    X, y = data(3)
    names = np.array(["blue", "amber", "red"])[y]
    model = fit(logistic(), blocks(X), blocks(names), client=client)
    assert model.classes_.tolist() == ["amber", "blue", "red"]
    assert set(model.predict(X)) == {"amber", "blue", "red"}
    np.testing.assert_allclose(model.coef_, logistic().fit(X, names).coef_, **CLOSE)


def test_empty_blocks_do_not_matter(client):
    X, y = data()
    rows = [delayed(X[:0]), *blocks(X), delayed(X[:0])]
    labels = [delayed(y[:0]), *blocks(y), delayed(y[:0])]
    model = fit(logistic(), rows, labels, client=client)
    np.testing.assert_allclose(model.coef_, logistic().fit(X, y).coef_, **CLOSE)


def test_feature_names_come_from_data_frames(client):
    X, y = data()
    frame = pd.DataFrame(X, columns=list("abcde"))
    model = fit(logistic(), blocks(frame), blocks(pd.Series(y)), client=client)
    assert model.feature_names_in_.tolist() == list("abcde")
    np.testing.assert_allclose(model.predict(frame), logistic().fit(X, y).predict(X))


def test_arrays_of_unknown_length_have_the_same_optimum(client):
    X, y = data(3)
    rows, labels = da.from_array(X, chunks=(2000, 5)), da.from_array(y, chunks=2000)
    chosen = labels != 1
    model = fit(logistic(), rows[chosen], labels[chosen], client=client)
    expected = logistic().fit(X[y != 1], y[y != 1])
    np.testing.assert_allclose(model.coef_, expected.coef_, **CLOSE)


# Workers that die.


def dying(values, marker, n_loads):
    """Return values; the worker that loads them for the `n_loads`-th time dies."""
    with open(marker, "a") as file:
        file.write("x")
    if os.path.getsize(marker) == n_loads:
        os._exit(1)
    return values


@pytest.mark.parametrize("n_loads", [1, 3, 5])
def test_death_of_a_worker_does_not_change_the_logistic_model(
    client, tmp_path, monkeypatch, n_loads
):
    monkeypatch.setattr(_cluster, "MAX_BYTES_GATHERED", 4000)
    X, y = data(3)
    marker = str(tmp_path / "loads")
    mortal = blocks(X)
    mortal[1] = delayed(dying)(mortal[1], marker, n_loads)
    model = fit(logistic(), mortal, blocks(y), client=client)
    assert os.path.getsize(marker) > n_loads
    expected = fit(logistic(), blocks(X), blocks(y), client=client)
    np.testing.assert_array_equal(model.coef_, expected.coef_)


def test_death_of_a_worker_does_not_change_a_network(client, tmp_path):
    X, y = data(3)
    marker = str(tmp_path / "loads")
    mortal = blocks(X)
    mortal[1] = delayed(dying)(mortal[1], marker, 4)
    models = [
        BackpropMLPClassifier((8,), max_iter=2, random_state=0, tol=None) for _ in "ab"
    ]
    for model, rows in zip(models, [mortal, blocks(X)], strict=True):
        fit(model, rows, blocks(y), client=client, merges_per_epoch=2)
    assert os.path.getsize(marker) > 4
    np.testing.assert_array_equal(models[0].coefs_[0], models[1].coefs_[0])


# Networks.


@pytest.fixture(scope="module")
def digits():
    """Return X, y for training and for testing, with shuffled rows."""
    X, y = load_digits(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    order = np.random.RandomState(0).permutation(len(X))
    X, y = X[order], y[order]
    return X[:1400], y[:1400], X[1400:], y[1400:]


@pytest.mark.parametrize(("by_label", "margin"), [(False, 0.02), (True, 0.03)])
def test_network_is_about_as_accurate_as_in_memory(client, digits, by_label, margin):
    X, y, X_test, y_test = digits
    if by_label:
        order = np.argsort(y, kind="stable")
        X, y = X[order], y[order]
    parameters = {"batch_size": 32, "max_iter": 10, "tol": None, "random_state": 0}
    parameters["learning_rate"] = 0.005
    expected = BackpropMLPClassifier(**parameters).fit(X, y).score(X_test, y_test)
    model = BackpropMLPClassifier(**parameters)
    fit(model, blocks(X, 350), blocks(y, 350), client=client, merges_per_epoch=4)
    assert model.n_iter_ == len(model.loss_curve_) == 10
    assert model.score(X_test, y_test) >= expected - margin


def test_full_batch_gradient_descent_is_the_same_as_in_memory(client):
    # One full-batch step in each block: their mean is the step on all rows.
    X, y = data(3)
    weight = np.random.RandomState(0).uniform(0.5, 2, size=len(y))
    parameters = {"solver": "sgd", "batch_size": "full", "learning_rate": 0.1}
    models = [
        BackpropMLPClassifier((8,), max_iter=4, tol=None, random_state=0, **parameters)
        for _ in "ab"
    ]
    models[0].fit(X, y, weight)
    fit(models[1], blocks(X, 1700), blocks(y, 1700), blocks(weight, 1700), client=client)
    # Rounding error of four steps with sums over some thousand rows.
    tight = {"rtol": 0, "atol": 1e-12}
    np.testing.assert_allclose(models[0].coefs_[0], models[1].coefs_[0], **tight)
    np.testing.assert_allclose(models[0].loss_curve_, models[1].loss_curve_, **tight)


def test_multilabel_blocks_give_the_same_network_as_in_memory(client):
    X, y = make_multilabel_classification(600, 6, n_classes=3, random_state=0)
    parameters = {"solver": "sgd", "batch_size": "full", "max_iter": 2, "tol": None}
    models = [BackpropMLPClassifier((4,), random_state=0, **parameters) for _ in "ab"]
    models[0].fit(X, y)
    fit(models[1], blocks(X, 200), blocks(y, 200), client=client)
    np.testing.assert_allclose(models[0].coefs_[0], models[1].coefs_[0], rtol=1e-10)
    assert models[1].predict(X).shape == y.shape


def test_stopping_rule_ends_training_and_max_iter_warns(client):
    X, y = data()
    model = BackpropMLPClassifier((4,), random_state=0, learning_rate=0.01, tol=1e-2)
    fit(model, blocks(X), blocks(y), client=client, merges_per_epoch=1)
    assert model.n_iter_ < model.max_iter
    with pytest.warns(ConvergenceWarning, match="max_iter=1 was reached"):
        fit(model.set_params(max_iter=1), blocks(X), blocks(y), client=client)


def test_divergence_is_an_error_that_leaves_the_model_unchanged(client):
    X, y = data()
    model = BackpropMLPClassifier((4,), solver="sgd", max_iter=3, tol=None, random_state=0)
    fit(model, blocks(X), blocks(y), client=client)
    before = copy.deepcopy(model.coefs_)
    model.set_params(learning_rate=1e6, activation="identity")
    with pytest.raises(ValueError, match="Training diverged in epoch 1"):
        fit(model, blocks(1e3 * X), blocks(y), client=client)
    np.testing.assert_array_equal(model.coefs_[0], before[0])


# Models after a fit on the cluster.


@pytest.mark.parametrize(
    "make", [logistic, lambda: BackpropMLPClassifier((4,), max_iter=2, tol=None)]
)
def test_fitted_model_can_be_pickled_and_resumed(client, make):
    X, y = data(3)
    model = fit(make(), blocks(X), blocks(y), client=client)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    n_steps = again.t_
    again.partial_fit(X, y)
    assert again.t_ > n_steps
    again.set_params(warm_start=True)
    n_epochs = len(again.loss_curve_)
    fit(again, blocks(X), blocks(y), client=client)
    assert len(again.loss_curve_) > n_epochs
    n_epochs = len(again.loss_curve_)
    assert len(again.fit(X, y).loss_curve_) > n_epochs


def test_warm_starts_of_one_epoch_equal_a_single_fit(client):
    X, y = data(3)
    whole = BackpropMLPClassifier((4,), max_iter=3, tol=None, random_state=0)
    parts = copy.deepcopy(whole).set_params(max_iter=1, warm_start=True)
    fit(whole, blocks(X), blocks(y), client=client, merges_per_epoch=2)
    for _ in range(3):
        fit(parts, blocks(X), blocks(y), client=client, merges_per_epoch=2)
    np.testing.assert_array_equal(parts.coefs_[0], whole.coefs_[0])
    assert parts.loss_curve_ == whole.loss_curve_


def test_grid_search_runs_on_the_cluster(client):
    X, y = data(3, n_samples=600)
    grid = {"alpha": [1e-4, 1e-1]}
    search = GridSearchCV(logistic(), grid, cv=3)
    expected = copy.deepcopy(search).fit(X, y)
    with client.as_current(), joblib.parallel_config(backend="dask"):
        search.fit(X, y)
    scores = [s.cv_results_["mean_test_score"] for s in (search, expected)]
    np.testing.assert_array_equal(*scores)


# Errors.


def test_error_for_an_invalid_block_has_its_number(client):
    X, y = data()
    bad = X.copy()
    bad[5000, 2] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN") as caught:
        fit(logistic(), blocks(bad), blocks(y), client=client)
    assert "block 2 of 3" in caught.value.__notes__[0]


def test_blocks_with_different_numbers_of_features_are_an_error(client):
    X, y = data()
    rows = blocks(X)
    rows[1] = delayed(X[2000:4000, :4])
    with pytest.raises(ValueError, match="X has 4 features in block 1"):
        fit(logistic(), rows, blocks(y), client=client)


def test_different_numbers_of_rows_and_labels_are_an_error(client):
    X, y = data()
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        fit(logistic(), blocks(X), [*blocks(y)[:2], delayed(y[:3])], client=client)
    rows, labels = da.from_array(X, chunks=2000), da.from_array(y[:-1], chunks=2000)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        fit(logistic(), rows, labels, client=client)


def test_one_class_is_an_error(client):
    X, y = data()
    with pytest.raises(ValueError, match="at least 2 classes"):
        fit(logistic(), blocks(X), blocks(0 * y), client=client)


def test_labels_of_two_types_are_an_error(client):
    X, y = data()
    labels = [*blocks(y)[:2], delayed(np.full(2000, "one"))]
    with pytest.raises(ValueError, match="strings in some"):
        fit(logistic(), blocks(X), labels, client=client)


def test_invalid_weights_are_an_error(client):
    X, y = data()
    with pytest.raises(ValueError, match="no rows to train on"):
        fit(logistic(), blocks(X), blocks(y), blocks(0.0 * y), client=client)
    with pytest.raises(ValueError, match="Negative values in data passed to"):
        fit(logistic(), blocks(X), blocks(y), blocks(-1.0 * y), client=client)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (logistic(learning_rate=0.1), "learning_rate='auto'"),
        (logistic(early_stopping=True), "early_stopping"),
        (BackpropMLPClassifier(solver="lbfgs"), "lbfgs"),
        (logistic(alpha=-1.0), "alpha"),
    ],
)
def test_unsupported_parameters_are_an_error(client, model, message):
    X, y = data()
    with pytest.raises(ValueError, match=message):
        fit(model, blocks(X), blocks(y), client=client)


def test_invalid_arguments_are_an_error(client):
    X, y = data()
    with pytest.raises(TypeError, match="dask array, or X, y and sample_weight lists"):
        fit(logistic(), X, y, client=client)
    with pytest.raises(TypeError, match="y must be a dask array"):
        fit(logistic(), da.from_array(X, chunks=2000), y, client=client)
    with pytest.raises(TypeError, match="estimator must be"):
        fit(StandardScaler(), blocks(X), blocks(y), client=client)
    with pytest.raises(ValueError, match="lists of the same length"):
        fit(logistic(), blocks(X), blocks(y)[:1], client=client)
    with pytest.raises(ValueError, match="merges_per_epoch"):
        fit(logistic(), blocks(X), blocks(y), client=client, merges_per_epoch=0)


def test_missing_client_is_an_error():
    if distributed.client._get_global_client() is None:
        with pytest.raises(ValueError, match="There is no Dask client"):
            fit(logistic(), [], [])


def test_without_dask_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(ImportError, match=r"pip install 'sklearn_nn\[dask\]'"):
        fit(logistic(), [], [])


def test_persisted_blocks_have_the_same_optimum(client):
    X, y = data()
    rows = client.persist(da.from_array(X, chunks=(2000, 5)))
    labels = client.persist(da.from_array(y, chunks=2000))
    model = fit(logistic(), rows, labels, client=client)
    np.testing.assert_allclose(model.coef_, logistic().fit(X, y).coef_, **CLOSE)


def test_callbacks_are_an_error(client):
    callbacks = pytest.importorskip("sklearn.callback")
    X, y = data()
    callback = callbacks.ScoringMonitor(scoring="accuracy")
    with pytest.raises(ValueError, match="Callbacks are not supported on a cluster"):
        fit(SGDLogisticClassifier().set_callbacks(callback), X, y, client=client)


def test_a_model_of_tensors_resumes_on_the_cluster(client):
    torch = pytest.importorskip("torch")
    X, y = data()
    model = BackpropMLPClassifier((5,), max_iter=2, tol=None, random_state=0)
    on_host = clone(model).set_params(warm_start=True).fit(X, y)
    with config_context(array_api_dispatch=True):
        tensors = clone(on_host).fit(torch.asarray(X), torch.asarray(y))
    for each in (on_host, tensors):
        fit(each, blocks(X), blocks(y), client=client)
    np.testing.assert_allclose(
        tensors.predict_proba(X), on_host.predict_proba(X), rtol=1e-9
    )


def test_a_warm_start_begins_at_given_coefficients(client):
    X, y = data(n_samples=600)
    rows, labels = da.from_array(X, chunks=(200, 5)), da.from_array(y, chunks=200)
    optimum = logistic().fit(X, y)
    model = logistic(warm_start=True)
    model.coef_, model.intercept_ = optimum.coef_, optimum.intercept_
    model.classes_ = optimum.classes_
    fit(model, rows, labels, client=client)
    assert model.n_iter_ == 1
    np.testing.assert_allclose(model.coef_, optimum.coef_, **CLOSE)
