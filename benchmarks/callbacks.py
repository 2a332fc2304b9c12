"""What callbacks cost: fits that are watched beside the same fits unwatched.

    python benchmarks/callbacks.py [--turns N]

XOR in full batches, whose epoch takes about a microsecond: no model shows more of what is
around an epoch. 'no callback' is `set_callbacks()` without any, which must cost nothing; a
progress bar's time should grow with the number of epochs, not with its square.
"""

import argparse
import contextlib
import io
import time

import numpy as np
from sklearn.callback import ProgressBar, ScoringMonitor
from threadpoolctl import threadpool_limits

from sklearn_nn import BackpropMLPClassifier

X, Y = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0, 1, 1, 0])
WATCHERS = {
    "no callback": tuple,
    "ProgressBar": lambda: (ProgressBar(),),
    "ScoringMonitor": lambda: (ScoringMonitor(scoring="accuracy"),),
}
LENGTHS = (1, 100, 1000, 10_000, 100_000)


def network(n_epochs):
    """Return a network of four hidden units."""
    return BackpropMLPClassifier(
        (4,), solver="sgd", batch_size="full", max_iter=n_epochs, tol=None, random_state=0
    )


def seconds(n_epochs, callbacks):
    """Return what a fit takes."""
    estimator = network(n_epochs)
    if callbacks is not None:
        estimator.set_callbacks(*callbacks)
    with contextlib.redirect_stdout(io.StringIO()):
        start = time.perf_counter()
        estimator.fit(X, Y)
        return time.perf_counter() - start


def main():
    """Print a table: milliseconds unwatched and watched, medians, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=5)
    turns = parser.parse_args().turns
    seconds(1, None)
    print("| epochs | watcher | unwatched, ms | watched, ms | watched / unwatched |")
    print("|---|---|---|---|---|")
    for n_epochs in LENGTHS:
        n_repeats = turns if n_epochs > 1 else 200 * turns  # short fits need many
        for name, make in WATCHERS.items():
            pairs = [
                (seconds(n_epochs, None), seconds(n_epochs, make()))
                for _ in range(n_repeats)
            ]
            plain, watched = np.median(pairs, axis=0)
            ratio = np.median([after / before for before, after in pairs])
            row = f"| {n_epochs} | {name} | {1e3 * plain:.2f} | {1e3 * watched:.2f} |"
            print(f"{row} {ratio:.2f} |")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
