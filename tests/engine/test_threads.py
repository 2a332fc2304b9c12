"""Threads: results do not depend on their number, and BLAS keeps its own."""

import threading

import numpy as np
import pytest
from scipy.sparse import random as random_csr
from threadpoolctl import threadpool_limits

from sklearn_nn import SGDLogisticClassifier
from sklearn_nn._engine import threads
from sklearn_nn._engine.epochs import compiled
from sklearn_nn._engine.threads import LIMIT, Threads, n_blas_threads, one_blas_thread


@pytest.fixture(autouse=True)
def two_threads_at_least():
    """Let BLAS have two threads, also on a machine that has only one core."""
    with threadpool_limits(2, user_api="blas"):
        if n_blas_threads() < 2:
            pytest.skip("BLAS was built for one thread.")
        yield
        assert n_blas_threads() == 2


def rows(kind):
    """Return X and y that are large enough for several parts of a pass."""
    rng = np.random.default_rng(0)
    if kind == "sparse":
        X = random_csr(60_000, 500, 0.1, random_state=0, format="csr")
        logits = X[:, :10].toarray().sum(axis=1)
    else:
        X = rng.normal(size=(30_000, 200 if kind == "wide" else 100))
        logits = X[:, 0]
    if kind == "three classes":
        return X, np.digitize(logits + rng.logistic(size=len(logits)), [-1, 1])
    return X, (logits + rng.logistic(size=X.shape[0]) > 0).astype(int)


@pytest.mark.parametrize("kind", ["dense", "wide", "sparse", "three classes"])
def test_any_number_of_threads_gives_the_same_bits(kind):
    X, y = rows(kind)
    models = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads, user_api="blas"):
            model = SGDLogisticClassifier(random_state=0).fit(X, y)
            models.append((model.coef_, model.intercept_, model.predict_proba(X)))
    for one, two in zip(*models, strict=True):
        np.testing.assert_array_equal(one, two)


def test_results_are_in_the_order_of_the_arguments():
    pool = Threads(3)
    assert pool.map(lambda i: i * i, list(range(50))) == [i * i for i in range(50)]
    pool.close()


def test_an_error_in_a_thread_is_raised():
    def fail(i):
        raise ValueError(f"part {i}")

    with one_blas_thread() as pool, pytest.raises(ValueError, match="part 0"):
        pool.map(fail, [0, 1, 2])


def fail_inside():
    with one_blas_thread() as pool:
        assert (n_blas_threads(), pool.n_threads) == (1, 2)
        raise ValueError("inside")


def test_blas_has_one_thread_inside_and_its_own_after_an_error():
    with pytest.raises(ValueError, match="inside"):
        fail_inside()
    assert n_blas_threads() == 2


@pytest.mark.parametrize("main_ends_first", [True, False])
def test_fits_at_the_same_time_restore_the_number_of_threads(main_ends_first):
    begun, may_end, seen = threading.Event(), threading.Event(), []

    def other():
        with one_blas_thread() as pool:
            seen.append(pool.n_threads)
            begun.set()
            may_end.wait(10)

    thread = threading.Thread(target=other)
    with one_blas_thread():
        thread.start()
        begun.wait(10)
        assert n_blas_threads() == 1
        if not main_ends_first:
            may_end.set()
            thread.join()
            assert n_blas_threads() == 1
    may_end.set()
    thread.join()
    # The other fit used no more threads.
    assert (n_blas_threads(), seen, LIMIT.limiter) == (2, [1], None)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_predictions_by_threads_have_the_same_bits(kind, monkeypatch):
    X, y = rows(kind)
    model = SGDLogisticClassifier(random_state=0, max_iter=1, tol=None).fit(X, y)
    expected, of_few = model.predict_proba(X), model.predict_proba(X[:7])
    monkeypatch.setattr(compiled, "PARALLEL_WORK", 1)
    np.testing.assert_array_equal(model.predict_proba(X), expected)
    np.testing.assert_array_equal(model.predict_proba(X[:7]), of_few)


def test_small_work_starts_no_thread(monkeypatch):
    pools = []
    monkeypatch.setattr(threads, "ThreadPoolExecutor", pools.append)
    X = np.random.RandomState(0).normal(size=(500, 5))
    SGDLogisticClassifier().fit(X, X[:, 0] > 0).predict_proba(X)
    assert pools == []
