"""A stream that drifts
====================

Learn from rows as they arrive, while what they mean changes.

A shop asks for each order whether it will be returned. Orders arrive in chunks of 200, with
features in very different units: price, age of the account in days, pages seen, share of
the discount. After a third of the stream the reason for returns changes at once, and from
two thirds on prices rise slowly, as in an inflation. `SGDLogisticClassifier` has nothing to
tune: `partial_fit` without a learning rate standardises by itself, and forgets at the rate
that predicts best. (It has no penalty here, because a penalty acts on coefficients in the
units of X, and that of a share is large.) scikit-learn's SGDClassifier learns the same
chunks behind a StandardScaler that follows them, with each of three constant learning
rates.

Each chunk is predicted before it is learned, so that the log-loss is that of new rows
("predict, then learn"). The labels are drawn with known probabilities, whose log-loss no
model can beat. Expect the mean loss above that bound for each third of the stream: ours is
lower than with each of the three rates over the whole stream. The script saves a picture of
the losses as stream.png.
"""

import numpy as np
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import StandardScaler

from sklearn_nn import SGDLogisticClassifier

N_CHUNKS, N_ROWS = 300, 200
# Effect on the log odds of one standard deviation, before and after the change.
BEFORE, AFTER = np.array([1.5, -1.0, 0.5, 0.0]), np.array([-0.5, -1.0, 0.5, 1.5])


def chunks(seed=0):
    """Yield (X, y, true probabilities) of each chunk."""
    rng = np.random.default_rng(seed)
    for i in range(N_CHUNKS):
        z = rng.normal(size=(N_ROWS, 4))
        effects = BEFORE if i < N_CHUNKS // 3 else AFTER
        proba = 1 / (1 + np.exp(-(z @ effects - 0.5)))
        inflation = 1 + max(0, i - 2 * N_CHUNKS // 3) / 100
        price = (120 + 40 * z[:, 0]) * inflation
        age, pages, discount = 900 + 300 * z[:, 1], 9 + 3 * z[:, 2], 0.2 + 0.05 * z[:, 3]
        X = np.column_stack([price, age, pages, discount])
        yield X, (rng.random(N_ROWS) < proba).astype(int), proba


class ScaledSGD:
    """SGDClassifier with a constant rate behind a StandardScaler, chunk by chunk."""

    def __init__(self, rate):
        self.scaler = StandardScaler()
        self.model = SGDClassifier(
            loss="log_loss", learning_rate="constant", eta0=rate, random_state=0
        )

    def partial_fit(self, X, y, classes):
        """Learn the scale, then the chunk."""
        scaled = self.scaler.partial_fit(X).transform(X)
        self.model.partial_fit(scaled, y, classes=classes)

    def predict_proba(self, X):
        """Return probabilities of both classes."""
        return self.model.predict_proba(self.scaler.transform(X))


def log_loss(y, proba):
    """Return the mean loss in nats of the probabilities of label 1."""
    return -np.mean(np.log(np.where(y == 1, proba, 1 - proba)))


def losses_above_bound(model):
    """Return the log-loss of each chunk before it was learned, minus that of the truth."""
    losses = []
    for i, (X, y, proba) in enumerate(chunks()):
        if i > 0:
            predicted = model.predict_proba(X)[:, 1]
            losses.append(log_loss(y, predicted) - log_loss(y, proba))
        model.partial_fit(X, y, classes=[0, 1])
    return np.array(losses)


def save_picture(losses):
    """Save the moving means of the losses, and say where."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("No picture: pip install 'sklearn_nn[plot]'")
        return
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    colors = ["#c8500a", "#1f5fa8", "#2a8a4a", "0.6"]
    for color, (name, values) in zip(colors, losses.items(), strict=True):
        smooth = np.convolve(values, np.ones(15) / 15, mode="valid")
        axes.plot(np.arange(15, 15 + len(smooth)), smooth, color=color, label=name)
    for change, text in ((1, "another reason"), (2, "prices rise")):
        axes.axvline(change * N_CHUNKS / 3, color="0.8", linestyle=":", zorder=0)
        axes.annotate(
            text,
            (change * N_CHUNKS / 3 + 2, 0.97),
            xycoords=("data", "axes fraction"),
            va="top",
        )
    axes.set(xlabel="chunk of 200 rows", ylabel="log-loss above the bound, nats")
    axes.set(ylim=(-0.005, 0.12))
    axes.legend(fontsize="small", frameon=False, loc="center right")
    figure.savefig("stream.png", dpi=120)
    print("Saved stream.png in this folder.")


def main():
    """Print the mean losses of each third of the stream."""
    models = {"SGDLogisticClassifier": SGDLogisticClassifier(penalty=None)}
    for rate in (0.001, 0.01, 0.1):
        models[f"SGDClassifier, rate {rate:g}"] = ScaledSGD(rate)
    losses = {name: losses_above_bound(model) for name, model in models.items()}
    print(
        f"{'log-loss above the bound':26} {'start':>8}{'change':>8}{'drift':>8}{'all':>8}"
    )
    for name, values in losses.items():
        thirds = [part.mean() for part in np.array_split(values, 3)]
        columns = "".join(f"{value:8.4f}" for value in [*thirds, values.mean()])
        print(f"{name:26} {columns}")
    best = min(losses, key=lambda name: losses[name].mean())
    print(f"lowest over the whole stream: {best}")
    save_picture(losses)


if __name__ == "__main__":
    main()
