"""How time per epoch grows with rows, features and hidden width."""

from functools import partial
from typing import NamedTuple

from data import dense, images, sparse
from report import duration, three_digits
from tasks import fit_pair, networks, sgd_classifier, sgd_logistic
from turns import measure

N_EPOCHS = 3
HEADER = ("what grows", "size", "peer", "peer per epoch", "ours per epoch", "ratio")


class Point(NamedTuple):
    """Seconds per epoch of peer and ours at one size, and their ratio."""

    size: int
    peer_name: str
    peer: float
    ours: float
    ratio: float


def logistic_pair(data, size):
    """Return the Pair of logistic models with one row per step on `data(size)`."""
    models = (
        sgd_classifier(max_iter=N_EPOCHS),
        sgd_logistic(batch_size=1, max_iter=N_EPOCHS),
    )
    return fit_pair("", models, *data(size))


def network_pair(X, y, width):
    """Return the Pair of networks with one hidden layer and batches of 200."""
    return fit_pair("", networks(hidden_layer_sizes=(width,), max_iter=N_EPOCHS), X, y)


def curves(quick):
    """Return {what grows: (function of a size that returns a Pair, the sizes)}."""
    part = 20 if quick else 1
    n = 50_000 // part

    def pair_of_features(n_features):
        return dense(n, n_features)

    def pair_of_vocabulary(n_features):
        return sparse(n, n_features)

    return {
        "rows (logistic, dense, 100 features)": (
            partial(logistic_pair, partial(dense, n_features=100)),
            [size // part for size in (12_500, 25_000, 50_000, 100_000, 200_000)],
        ),
        f"features (logistic, dense, {n:,} rows)": (
            partial(logistic_pair, pair_of_features),
            [25, 50, 100, 200, 400],
        ),
        f"features (logistic, CSR, {n:,} rows, 80 a row)": (
            partial(logistic_pair, pair_of_vocabulary),
            [6250, 12_500, 25_000, 50_000, 100_000],
        ),
        f"hidden width (784-width-10, {n // 10:,} rows)": (
            partial(network_pair, *images(n // 10)),
            [32, 64, 128, 256, 512],
        ),
    }


def points(quick, n_repeats):
    """Return {what grows: list of Point} in float64."""
    found = {}
    for name, (pair_of, sizes) in curves(quick).items():
        found[name] = []
        for size in sizes:
            pair = pair_of(size)
            times = measure(pair, n_repeats)
            each = times.peer / N_EPOCHS, times.ours / N_EPOCHS
            found[name].append(Point(size, pair.peer_name, *each, times.ratio))
    return found


def rows(found):
    """Return the rows of the table for what `points` returned."""
    return [
        (
            name,
            f"{point.size:,}",
            point.peer_name,
            duration(point.peer),
            duration(point.ours),
            three_digits(point.ratio),
        )
        for name, line in found.items()
        for point in line
    ]
