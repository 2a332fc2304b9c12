"""Predict each chunk of a stream, then learn it: partial_fit beside SGDClassifier's.

    python benchmarks/streams.py

Five made streams of 20,000 rows and 20 features, in units that lie up to four powers of ten
apart. In the first nothing changes; then scales and means wander, once with the meaning of
standardised features fixed, once that of raw ones; then the coefficients turn around once;
then they change at once, in the middle. Ours has no parameter. SGDClassifier takes the best
of five constant rates, chosen in hindsight for each number: on raw features, and behind a
StandardScaler that learns along.

Each number is the mean log-loss (nats) of all rows but the first chunk's, each predicted
before it was learned. Below 0.693 something has been learned.
"""

import warnings

import numpy as np
from scipy.special import expit
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import StandardScaler

from sklearn_nn import SGDLogisticClassifier

N_SAMPLES, N_FEATURES, CHUNKS = 20_000, 20, (10, 100, 1000)
RATES = 10.0 ** np.arange(-4, 1)


def wander(rng, deviation):
    """Return values (n, p) that walk, with a new direction every 500 rows."""
    n_turns = N_SAMPLES // 500 + 2
    turns = np.cumsum(rng.normal(size=(n_turns, N_FEATURES)) * deviation, axis=0)
    place = np.arange(N_SAMPLES) / 500
    return np.stack(
        [np.interp(place, np.arange(n_turns), turn) for turn in turns.T], axis=1
    )


def streams(seed=0):
    """Yield name, X and logits of each stream."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(N_SAMPLES, N_FEATURES))
    first, second = 2 * rng.normal(size=(2, N_FEATURES)) / np.sqrt(N_FEATURES)
    scale = 10 ** rng.uniform(-2, 2, N_FEATURES)
    yield "nothing changes", (Z + 3) * scale, Z @ first
    drifting = scale * 10 ** wander(rng, 0.1)
    yield "scales and means wander", (Z + wander(rng, 0.3)) * drifting, Z @ first
    U = Z * np.exp(np.clip(wander(rng, 0.2), -2, 1)) + np.clip(wander(rng, 0.2), -2, 2)
    yield "the same, raw meaning fixed", U * scale, U @ first
    angle = np.linspace(0, 2 * np.pi, N_SAMPLES)[:, None]
    turning = np.cos(angle) * first + np.sin(angle) * second
    yield "coefficients turn around", Z * scale, np.sum(Z * turning, axis=1)
    after = np.arange(N_SAMPLES)[:, None] >= N_SAMPLES // 2
    yield "a sudden change", Z * scale, np.sum(Z * np.where(after, second, first), axis=1)


def log_losses(logits, y):
    """Return the log-loss of each row, finite for any logits."""
    return np.logaddexp(0, np.where(y == 1, -logits, logits))


def progressive_loss(model, X, y, chunk, scaler=None):
    """Return the mean log-loss of the rows, each before it was learned."""
    losses = []
    for start in range(0, len(y), chunk):
        rows, labels = X[start : start + chunk], y[start : start + chunk]
        if start:
            seen = rows if scaler is None else scaler.transform(rows)
            losses.append(log_losses(model.decision_function(seen), labels))
        if scaler is not None:
            rows = scaler.partial_fit(rows).transform(rows)
        model.partial_fit(rows, labels, classes=[0, 1])
    return np.mean(np.concatenate(losses))


def best_sgd(X, y, chunk, scaled):
    """Return the loss of SGDClassifier with the best of the rates."""
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
    warnings.simplefilter("ignore", RuntimeWarning)  # SGDClassifier's overflows
    print("| stream | rows a chunk | ours | SGDClassifier, raw | SGDClassifier, scaled |")
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
