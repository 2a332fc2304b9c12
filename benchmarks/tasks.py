"""The tasks T1 to T6: functions that yield Pairs of peer and ours.

With `quick` the data are small. `compare.py` measures a pair before it asks for the next,
so few data sets are in memory at a time.
"""

from functools import partial

import numpy as np
from data import dense, images, sparse, standardised, xor
from report import has
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.neural_network import MLPClassifier
from turns import Pair

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier

DTYPES = ("float64", "float32")


def sgd_classifier(**parameters):
    """Return SGDClassifier for logistic regression, which stops only at max_iter."""
    model = SGDClassifier(loss="log_loss", learning_rate="constant", eta0=0.01, tol=None)
    return model.set_params(random_state=0, **parameters)


def sgd_logistic(**parameters):
    """Return our logistic regression with plain steps like those of SGDClassifier."""
    model = SGDLogisticClassifier(learning_rate=0.01, momentum=0, tol=None)
    return model.set_params(random_state=0, **parameters)


def networks(**parameters):
    """Return scikit-learn's network and ours, which stop only at max_iter."""
    peer = MLPClassifier(tol=0, n_iter_no_change=np.inf, random_state=0, **parameters)
    ours = BackpropMLPClassifier(tol=None, random_state=0, **parameters)
    return peer, ours


def fit(model, X, y):
    """Return the model after a fit; raise RuntimeError if it stopped before max_iter."""
    model.fit(X, y)
    if model.n_iter_ != model.max_iter:
        raise RuntimeError(f"{model} ended after {model.n_iter_} epochs.")
    return model


def epochs(n):
    """Return the number of epochs as text."""
    return f"{n:,} epoch{'s' if n > 1 else ''}"


def fit_pair(case, models, X, y):
    """Return the Pair of whole fits of both models."""
    peer, ours = models
    runs = (partial(fit, model, X, y) for model in models)
    if peer.max_iter != ours.max_iter:
        raise RuntimeError(f"{case}: the numbers of epochs differ.")
    return Pair(case, X.dtype.name, type(peer).__name__, *runs)


def in_each_dtype(X):
    """Yield X in float64 and in float32."""
    for dtype in DTYPES:
        yield X.astype(dtype, copy=False)


def dense_binary(quick):
    """T1: logistic regression on dense data."""
    n_samples = 2000 if quick else 200_000
    X64, y = dense(n_samples, 100)
    for X in in_each_dtype(X64):
        for batch_size, rate in ((1, 0.01), (32, 0.05)):
            ours = sgd_logistic(batch_size=batch_size, learning_rate=rate, max_iter=5)
            case = f"{n_samples:,} x 100, batches of {batch_size}, 5 epochs"
            yield fit_pair(case, (sgd_classifier(max_iter=5), ours), X, y)
        for batch_size in (32, 256) if has("torch") else ():
            ours = sgd_logistic(batch_size=batch_size, learning_rate=0.05, max_iter=1)
            yield torch_logistic_pair(ours, X, y)


def torch_logistic_pair(ours, X, y):
    """Return the Pair of the PyTorch loop and ours, with our settings."""
    from torch_loop import fit_logistic

    size, rate, n_epochs = ours.batch_size, ours.learning_rate, ours.max_iter
    case = f"{len(X):,} x {X.shape[1]}, batches of {size}, {epochs(n_epochs)}"
    peer = partial(fit_logistic, X, y, size, rate, n_epochs)
    return Pair(case, X.dtype.name, "PyTorch", peer, partial(fit, ours, X, y))


def dense_classes(quick):
    """T2: ten classes; ours is one softmax, SGDClassifier one model per class."""
    n_samples = 2000 if quick else 200_000
    X64, y = dense(n_samples, 100, n_classes=10)
    case = f"{n_samples:,} x 100, 10 classes, batches of 32, 2 epochs"
    for X in in_each_dtype(X64):
        ours = sgd_logistic(batch_size=32, learning_rate=0.05, max_iter=2)
        yield fit_pair(case, (sgd_classifier(max_iter=2), ours), X, y)


def sparse_binary(quick):
    """T3: logistic regression on sparse rows, one row per step."""
    n_samples, n_features = (2000, 5000) if quick else (200_000, 100_000)
    X64, y = sparse(n_samples, n_features)
    for X in in_each_dtype(X64):
        for penalty in ("l2", "l1"):
            settings = {"penalty": penalty, "max_iter": 2}
            models = sgd_classifier(**settings), sgd_logistic(batch_size=1, **settings)
            case = f"CSR {n_samples:,} x {n_features:,}, 80 a row, {penalty}, 2 epochs"
            yield fit_pair(case, models, X, y)


def small_networks(quick):
    """T4: networks on small data, whose time is mostly overhead."""
    tiny = {"hidden_layer_sizes": (2,), "activation": "logistic"}
    # Plain gradient descent: no momentum, no penalty.
    plain = {"solver": "sgd", "learning_rate_init": 0.5, "momentum": 0, "alpha": 0}
    cases = (
        ("XOR, 2 hidden, full batch, sgd", xor(), 4000, {**tiny, **plain}),
        ("XOR, 2 hidden, full batch, adam", xor(), 4000, tiny),
        ("iris, 100 hidden, adam", standardised(load_iris), 200, {}),
        ("digits, 100 hidden, adam", standardised(load_digits), 50, {}),
    )
    for name, (X64, y), n_epochs, settings in cases:
        n_epochs = n_epochs // 10 if quick else n_epochs
        for X in in_each_dtype(X64):
            models = networks(max_iter=n_epochs, **settings)
            yield fit_pair(f"{name}, {epochs(n_epochs)}", models, X, y)


def image_networks(quick):
    """T5: networks on rows as long as MNIST's."""
    for hidden, n_samples, n_epochs in (((100,), 10_000, 2), ((512, 512), 5000, 1)):
        X64, y = images(500 if quick else n_samples)
        name = "-".join(map(str, (784, *hidden, 10)))
        for X in in_each_dtype(X64):
            for size in (200, 32):
                case = f"{name}, {len(X):,} rows, batches of {size}, {epochs(n_epochs)}"
                settings = {"hidden_layer_sizes": hidden, "batch_size": size}
                models = networks(max_iter=n_epochs, **settings)
                pair = fit_pair(case, models, X, y)
                yield pair
                if has("torch"):
                    from torch_loop import fit_network

                    peer = partial(fit_network, X, y, hidden, size, n_epochs)
                    yield pair._replace(peer_name="PyTorch", peer=peer)


def predictions(quick):
    """T6: predict_proba of one row and of many."""
    yield from one_row_predictions(50 if quick else 500)
    yield from many_row_predictions(2000 if quick else 60_000)


def predictors():
    """Yield the name of a model, a peer and ours; their accuracy does not matter."""
    yield "network, 100 hidden", *networks(max_iter=10)
    yield "logistic", LogisticRegression(), sgd_logistic(max_iter=10)


def one_row_predictions(n_calls):
    """Yield the pairs of predict_proba of one row of 20 features, in several containers."""
    X, y = dense(500, 20)
    kinds = {dtype: (X.astype(dtype), X[:1].astype(dtype)) for dtype in DTYPES}
    kinds["list"] = X, X[:1].tolist()
    if has("pandas"):
        import pandas as pd

        frame = pd.DataFrame(X, columns=[f"feature {j}" for j in range(20)])
        kinds["DataFrame"] = frame, frame[:1]
    for kind, (training, row) in kinds.items():
        form, dtype = ("array", kind) if kind in DTYPES else (kind, "float64")
        for name, *models in predictors():
            peer, ours = (partial(m.fit(training, y).predict_proba, row) for m in models)
            case = f"one row of 20, {form}, {name}"
            yield Pair(case, dtype, type(models[0]).__name__, peer, ours, n_calls)


def many_row_predictions(n_samples):
    """Yield the pairs of predict_proba of many rows of 784 features."""
    X64, y = images(n_samples)
    first = slice(0, 1000)  # enough to fit on
    for X in in_each_dtype(X64):
        for name, *models in predictors():
            for n_classes in (10,) if name.startswith("network") else (10, 2):
                for model in models:
                    model.fit(X[first], y[first] % n_classes)
                peer, ours = (partial(model.predict_proba, X) for model in models)
                case = f"{n_samples:,} x 784, {name}, {n_classes} classes"
                yield Pair(case, X.dtype.name, type(models[0]).__name__, peer, ours)


TASKS = {
    "T1": ("T1: logistic, dense, two classes", dense_binary),
    "T2": ("T2: logistic, dense, ten classes", dense_classes),
    "T3": ("T3: logistic, sparse, one row per step", sparse_binary),
    "T4": ("T4: small networks", small_networks),
    "T5": ("T5: networks on rows of 784", image_networks),
    "T6": ("T6: predict_proba", predictions),
}
