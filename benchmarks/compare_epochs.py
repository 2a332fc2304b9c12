"""Compare the time of whole fits with scikit-learn's, for the same number of epochs.

    python benchmarks/compare_epochs.py

Expect one line a case: the median seconds of both, and the ratio scikit-learn / ours
(above 1 means that ours is faster). It takes a minute or two.

How it is measured: both models fit the same data for the same number of epochs, in turns,
seven times; the ratio is the median over the seven turns. BLAS is held to one thread, and
seconds are CPU time of the process, which on one thread is the time that passes on an
idle machine, but is disturbed less by other programs. Every pair is fitted once before,
uncounted.
"""

import argparse
import platform
import time
import warnings
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import scipy
import scipy.sparse
import sklearn
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info, threadpool_limits

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier


class Case(NamedTuple):
    """Two untrained models and the data that both are fitted to."""

    name: str
    peer: Any
    ours: Any
    X: np.ndarray
    y: np.ndarray


def scaled(load):
    """Return standardised X and y of a data set of scikit-learn."""
    X, y = load(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def mnist_shaped(dtype):
    """Return random X (10000, 784) in [0, 1) and random labels 0 to 9."""
    rng = np.random.default_rng(0)
    X = rng.random((10_000, 784), dtype=np.float32).astype(dtype)
    return X, rng.integers(10, size=len(X))


def linear_data():
    """Return X (20000, 100) and labels 0, 1 that follow a noisy linear rule."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 100))
    noise = rng.logistic(size=len(X))
    return X, (X @ rng.normal(size=100) / 3 + noise > 0).astype(int)


def sparse_data():
    """Return CSR X (5000, 20000), 40 values a row, and noisy labels 0, 1, like text."""
    rng = np.random.default_rng(0)
    X = scipy.sparse.random_array(
        (5000, 20_000), density=0.002, format="csr", rng=rng, dtype=np.float64
    )
    return X, (X @ rng.normal(size=20_000) + rng.logistic(size=5000) > 0).astype(int)


def network_case(name, data, n_epochs, **parameters):
    """Return a Case of both networks, with the same parameters and no early end."""
    peer = MLPClassifier(tol=0, n_iter_no_change=np.inf)
    ours = BackpropMLPClassifier(tol=None)
    for model in (peer, ours):
        model.set_params(max_iter=n_epochs, random_state=0, **parameters)
    return Case(f"{name}, {n_epochs} epochs", peer, ours, *data)


def linear_case(name, data, batch_size, n_epochs):
    """Return a Case of SGDClassifier, one row a step, and ours in batches."""
    peer = SGDClassifier(loss="log_loss", max_iter=n_epochs, tol=None, random_state=0)
    ours = SGDLogisticClassifier(
        batch_size=batch_size, max_iter=n_epochs, tol=None, random_state=0
    )
    X, y = data
    name = f"logistic {name}, batch {batch_size}, {n_epochs} epochs"
    return Case(name, peer, ours, X, y)


def cases():
    """Yield functions that make the cases, so that one data set is alive at a time."""
    yield partial(network_case, "iris", scaled(load_iris), 200)
    yield partial(network_case, "digits", scaled(load_digits), 50)
    for dtype in (np.float32, np.float64):
        name = f"MNIST-shaped, {np.dtype(dtype).name}"
        yield partial(network_case, name, mnist_shaped(dtype), 3)
    xor = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
    yield partial(
        network_case,
        "XOR",
        xor,
        4000,
        hidden_layer_sizes=(2,),
        activation="logistic",
        solver="sgd",
        learning_rate_init=0.5,
        momentum=0,
        alpha=0,
    )
    for batch_size in (32, 200):
        yield partial(linear_case, "20000 x 100", linear_data(), batch_size, 10)
    yield partial(linear_case, "CSR 5000 x 20000", sparse_data(), 200, 10)


def cpu_seconds(model, X, y):
    """Fit the model; return the CPU seconds that it took."""
    start = time.process_time()
    with warnings.catch_warnings():
        # MLPClassifier always warns when it has done the epochs that were asked for.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    return time.process_time() - start


def measure(case, n_repeats):
    """Return the seconds of peer and ours, an array of shape (n_repeats, 2)."""
    models = (case.peer, case.ours)
    for model in models:  # first calls load code and warm caches
        cpu_seconds(model, case.X, case.y)
    if case.peer.n_iter_ != case.ours.n_iter_:
        raise RuntimeError(f"{case.name}: the numbers of epochs differ.")
    return np.array(
        [[cpu_seconds(model, case.X, case.y) for model in models] for _ in range(n_repeats)]
    )


def print_versions():
    """Print what the numbers depend on."""
    blas = {library["internal_api"] for library in threadpool_info()}
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, ", end="")
    print(f"SciPy {scipy.__version__}, scikit-learn {sklearn.__version__}, ", end="")
    print(f"{', '.join(sorted(blas))}; one thread\n")


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description="Time whole fits beside scikit-learn's.")
    parser.add_argument("--repeats", type=int, default=7, help="at least 5")
    n_repeats = parser.parse_args().repeats
    print_versions()
    header = f"{'case':<47}{'scikit-learn':>13}{'ours':>11}{'ratio':>8}{'from-to':>14}"
    print(f"{header}\n{'-' * len(header)}")
    with threadpool_limits(1):
        for make_case in cases():
            case = make_case()
            seconds = measure(case, n_repeats)
            peer, ours = np.median(seconds, axis=0)
            ratios = seconds[:, 0] / seconds[:, 1]
            spread = f"{ratios.min():.2f}-{ratios.max():.2f}"
            print(
                f"{case.name:<47}{peer:11.4f} s{ours:9.4f} s{np.median(ratios):8.2f}"
                f"{spread:>14}"
            )


if __name__ == "__main__":
    main()
