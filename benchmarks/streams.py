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
"""

import warnings

import numpy as np
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


def main():
    """Print the table."""
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
