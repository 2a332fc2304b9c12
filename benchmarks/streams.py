"""Predict each chunk of a stream, then learn it: ours compared with SGDClassifier.

    python benchmarks/streams.py

There are five artificial streams of 20,000 rows and 20 features. The units of the features
differ by up to four powers of ten:

1. nothing changes;
2. scales and means drift, and the label depends on the standardised features;
3. scales and means drift, and the label depends on the raw features;
4. the coefficients rotate by 360 degrees over the stream;
5. the coefficients change suddenly in the middle.

Ours has no parameter to tune. SGDClassifier has the best of five constant learning rates,
chosen in hindsight for each number, on raw features and after a StandardScaler with
partial_fit.

Each number is the mean log-loss (nats per row) of rows that are predicted before they are
learned; the first chunk is left out. The null loss is 0.693.

    python benchmarks/streams.py times

prints the process time of a call of partial_fit in milliseconds, of both in turns: the
median over the calls after the first one. Set OPENBLAS_NUM_THREADS=1.
"""

import sys
import warnings
from time import process_time

import numpy as np
from scipy.sparse import csr_array
from scipy.special import expit
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import StandardScaler

from sklearn_nn import SGDLogisticClassifier

N_SAMPLES, N_FEATURES, CHUNKS = 20_000, 20, (10, 100, 1000)
RATES = 10.0 ** np.arange(-4, 1)


def drift(rng, deviation):
    """Return random walks (n, p), linear between steps every 500 rows."""
    n_steps = N_SAMPLES // 500 + 2
    walks = np.cumsum(rng.normal(size=(n_steps, N_FEATURES)) * deviation, axis=0)
    time = np.arange(N_SAMPLES) / 500
    return np.stack([np.interp(time, np.arange(n_steps), walk) for walk in walks.T], axis=1)


def streams(seed=0):
    """Yield name, X and logits of each stream."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(N_SAMPLES, N_FEATURES))
    first, second = 2 * rng.normal(size=(2, N_FEATURES)) / np.sqrt(N_FEATURES)
    scale = 10 ** rng.uniform(-2, 2, N_FEATURES)
    yield "no change", (Z + 3) * scale, Z @ first
    drifting = scale * 10 ** drift(rng, 0.1)
    yield "drift, standardised rule", (Z + drift(rng, 0.3)) * drifting, Z @ first
    U = Z * np.exp(np.clip(drift(rng, 0.2), -2, 1)) + np.clip(drift(rng, 0.2), -2, 2)
    yield "drift, raw rule", U * scale, U @ first
    angle = np.linspace(0, 2 * np.pi, N_SAMPLES)[:, None]
    rotating = np.cos(angle) * first + np.sin(angle) * second
    yield "rotating coefficients", Z * scale, np.sum(Z * rotating, axis=1)
    after = np.arange(N_SAMPLES)[:, None] >= N_SAMPLES // 2
    yield "sudden change", Z * scale, np.sum(Z * np.where(after, second, first), axis=1)


def log_losses(logits, y):
    """Return the log-loss of each row, finite for any logits."""
    return np.logaddexp(0, np.where(y == 1, -logits, logits))


def progressive_loss(model, X, y, chunk, scaler=None):
    """Return the mean log-loss of rows, each predicted before it is learned."""
    losses = []
    for start in range(0, len(y), chunk):
        rows, labels = X[start : start + chunk], y[start : start + chunk]
        if start:
            scaled = rows if scaler is None else scaler.transform(rows)
            losses.append(log_losses(model.decision_function(scaled), labels))
        if scaler is not None:
            rows = scaler.partial_fit(rows).transform(rows)
        model.partial_fit(rows, labels, classes=[0, 1])
    return np.mean(np.concatenate(losses))


def best_sgd(X, y, chunk, scaled):
    """Return the loss of SGDClassifier with the best of RATES."""
    losses = []
    for rate in RATES:
        model = SGDClassifier(
            loss="log_loss", alpha=1e-6, learning_rate="constant", eta0=rate, random_state=0
        )
        scaler = StandardScaler() if scaled else None
        try:
            losses.append(progressive_loss(model, X, y, chunk, scaler))
        except ValueError:  # it has diverged
            losses.append(np.inf)
    return np.nanmin(losses)


def rows_of(kind, n_features, n_classes, n_samples):
    """Return X and y: normal features, or CSR with 60 values of 1 in each row."""
    rng = np.random.default_rng(0)
    y = rng.integers(n_classes, size=n_samples)
    if kind == "dense":
        return rng.normal(size=(n_samples, n_features)) + y[:, None] / 4, y
    # Some features are frequent, as some words are.
    columns = (n_features * rng.random((n_samples, 60)) ** 4).astype(int).reshape(-1)
    rows = np.repeat(np.arange(n_samples), 60)
    places = rows.astype(np.int32), columns.astype(np.int32)  # SGDClassifier needs int32
    X = csr_array((np.ones(len(rows)), places), shape=(n_samples, n_features))
    X.sum_duplicates()
    return X, y


def times(kind, n_features, n_classes, chunk, n_calls):
    """Return the median milliseconds of a call of ours, and of SGDClassifier's."""
    X, y = rows_of(kind, n_features, n_classes, chunk * n_calls)
    models = SGDLogisticClassifier(), SGDClassifier(loss="log_loss")
    spent = [[], []]
    for start in range(0, len(y), chunk):
        part = slice(start, start + chunk)
        rows, labels = X[part], y[part]
        for model, of_model in zip(models, spent, strict=True):
            before = process_time()
            model.partial_fit(rows, labels, classes=np.arange(n_classes))
            of_model.append(1000 * (process_time() - before))
    return [np.median(of_model[1:]) for of_model in spent]


# Kind, features, classes, rows per call, calls.
TIMED = [
    ("dense", 20, 2, 1, 1000),
    ("dense", 20, 2, 100, 300),
    ("dense", 20, 3, 1, 1000),
    ("dense", 100, 2, 1, 1000),
    ("dense", 100, 2, 100, 300),
    ("dense", 300, 2, 100, 30),
    ("CSR", 1_000_000, 2, 100, 15),
    ("CSR", 1_000_000, 3, 100, 15),
]


def print_times():
    """Print the table of times."""
    print("| rows | features | classes | rows per call | ours, ms | SGDClassifier, ms |")
    print("|---|---|---|---|---|---|")
    for kind, n_features, n_classes, chunk, n_calls in TIMED:
        ours, theirs = times(kind, n_features, n_classes, chunk, n_calls)
        name = f"| {kind} | {n_features:,} | {n_classes} | {chunk}"
        print(f"{name} | {ours:.2f} | {theirs:.2f} |", flush=True)


def main():
    """Print the table of losses, or of times."""
    if sys.argv[1:] == ["times"]:
        print_times()
        return
    warnings.simplefilter("ignore", RuntimeWarning)  # overflows in SGDClassifier
    print("| stream | rows per chunk | ours | SGDClassifier, raw | SGDClassifier, scaled |")
    print("|---|---|---|---|---|")
    for name, X, logits in streams():
        y = (np.random.default_rng(1).random(N_SAMPLES) < expit(logits)).astype(int)
        for chunk in CHUNKS:
            ours = progressive_loss(SGDLogisticClassifier(alpha=1e-6), X, y, chunk)
            raw, scaled = (best_sgd(X, y, chunk, scaled) for scaled in (False, True))
            print(
                f"| {name} | {chunk} | {ours:.4f} | {raw:.4f} | {scaled:.4f} |", flush=True
            )


if __name__ == "__main__":
    main()
