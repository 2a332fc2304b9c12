"""The cost of callbacks: the same fits with and without them.

    python benchmarks/callbacks.py [--turns N]

An epoch of XOR in full batches takes about a microsecond, so the overhead of an epoch is
easiest to see. 'no callback' is `set_callbacks()` without any, which must cost nothing. A
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
CALLBACKS = {
    "no callback": tuple,
    "ProgressBar": lambda: (ProgressBar(),),
    "ScoringMonitor": lambda: (ScoringMonitor(scoring="accuracy"),),
}
LENGTHS = (1, 100, 1000, 10_000, 100_000)


def network(n_epochs):
    """Return a network with four hidden units."""
    return BackpropMLPClassifier(
        (4,), solver="sgd", batch_size="full", max_iter=n_epochs, tol=None, random_state=0
    )


def seconds(n_epochs, callbacks):
    """Return the time that a fit takes."""
    estimator = network(n_epochs)
    if callbacks is not None:
        estimator.set_callbacks(*callbacks)
    with contextlib.redirect_stdout(io.StringIO()):
        start = time.perf_counter()
        estimator.fit(X, Y)
        return time.perf_counter() - start


def main():
    """Print a table of median milliseconds without and with callbacks, and of ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=5)
    turns = parser.parse_args().turns
    seconds(1, None)
    print("| epochs | callback | without, ms | with, ms | with / without |")
    print("|---|---|---|---|---|")
    for n_epochs in LENGTHS:
        n_repeats = turns if n_epochs > 1 else 200 * turns  # short fits are noisy
        for name, make in CALLBACKS.items():
            pairs = [
                (seconds(n_epochs, None), seconds(n_epochs, make()))
                for _ in range(n_repeats)
            ]
            without, with_callbacks = np.median(pairs, axis=0)
            ratio = np.median([after / before for before, after in pairs])
            row = f"| {n_epochs} | {name} | {1e3 * without:.2f} |"
            print(f"{row} {1e3 * with_callbacks:.2f} | {ratio:.2f} |")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
