"""Time a path of 100 penalties by warm starts, compared with LogisticRegression.

    python benchmarks/path.py [--quick]

Each model fits 100 values of alpha, from strong to weak, and resumes from the previous fit,
as LogisticRegressionCV does. The objective J is mean log-loss + alpha ||w||^2 / 2 or
alpha ||w||_1 on standardised features. Peers have the default tolerance of
LogisticRegressionCV, 1e-4, or a smaller one; ours has its default. A gap is the largest
(J - J*) / J* on the path, where J* is the smallest J of all models and of ours with
tol=1e-9. Seconds are processor time on one thread, medians of three paths in turns; the
ratio is the peer's time / ours.
--quick runs the first 30 values on the small data once.
"""

import argparse
import time
import warnings

import numpy as np
from data import dense, standardised
from report import duration, print_table, print_versions, three_digits
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from sklearn_nn import SGDLogisticClassifier

N_ALPHAS, N_TURNS = 100, 3
OURS, EXACT = "ours", "ours, tol=1e-9"
HEADER = ("data", "penalty", "peer", "its time", "its gap", "our time", "our gap", "ratio")


def models_of(penalty):
    """Return {name: model} of ours and the peers."""
    ours = {"penalty": penalty, "warm_start": True, "random_state": 0}
    solver = {"l2": "lbfgs", "l1": "saga"}[penalty]
    models = {
        OURS: SGDLogisticClassifier(**ours),
        EXACT: SGDLogisticClassifier(tol=1e-9, max_iter=10_000, **ours),
    }
    for tol in (1e-4, 1e-6) if penalty == "l2" else (1e-4,):
        peer = LogisticRegression(
            solver=solver, tol=tol, max_iter=10_000, warm_start=True, random_state=0
        )
        if penalty == "l1" and peer.penalty == "l2":  # before scikit-learn 1.8
            peer.set_params(penalty="l1")
        elif penalty == "l1":
            peer.set_params(l1_ratio=1)
        models[f"{solver}, tol={tol:.0e}"] = peer
    return models


def path(model, X, y, alphas):
    """Return the seconds of all fits, and their coefficients and intercepts."""
    is_ours, found, seconds = isinstance(model, SGDLogisticClassifier), [], 0.0
    for alpha in alphas:
        strength = {"alpha": alpha} if is_ours else {"C": 1 / (alpha * len(y))}
        model.set_params(**strength)
        start = time.process_time()
        model.fit(X, y)
        seconds += time.process_time() - start
        found.append((model.coef_[0].copy(), model.intercept_[0]))
    return seconds, found


def objectives(X, y, penalty, alphas, found):
    """Return J of each fit of a path, an array (n_alphas,)."""
    values = []
    for alpha, (w, intercept) in zip(alphas, found, strict=True):
        losses = np.logaddexp(0, np.where(y == 1, -1, 1) * (X @ w + intercept))
        size = np.sum(w**2) / 2 if penalty == "l2" else np.sum(np.abs(w))
        values.append(losses.mean() + alpha * size)
    return np.array(values)


def rows_of(name, X, y, penalty, alphas, n_turns):
    """Return the rows of the table for all peers."""
    seconds, values = {}, {}
    for turn in range(n_turns):
        for which, model in models_of(penalty).items():
            if which == EXACT and turn:
                continue
            one, found = path(model, X, y, alphas)
            seconds.setdefault(which, []).append(one)
            values[which] = objectives(X, y, penalty, alphas, found)
    smallest = np.min(list(values.values()), axis=0)
    gaps = {which: np.max(J / smallest - 1) for which, J in values.items()}
    times = {which: np.median(found) for which, found in seconds.items()}
    return [
        (
            *(name, penalty, which, duration(times[which]), f"{gaps[which]:.0e}"),
            *(duration(times[OURS]), f"{gaps[OURS]:.0e}"),
            three_digits(times[which] / times[OURS]),
        )
        for which in times
        if which not in (OURS, EXACT)
    ]


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small data, 30 values, once")
    is_quick = parser.parse_args().quick
    sets = {"breast_cancer": lambda: standardised(load_breast_cancer)}
    if not is_quick:
        sets["20,000 x 50"] = lambda: dense(20_000, 50)
    rows = []
    print_versions()
    warnings.simplefilter("ignore", ConvergenceWarning)  # the gap tells it
    with threadpool_limits(1):
        for name, load in sets.items():
            X, y = load()
            for penalty, first in (("l2", 1), ("l1", 0.5)):
                alphas = np.geomspace(first, 1e-4, N_ALPHAS)[: 30 if is_quick else None]
                n_turns = 1 if is_quick else N_TURNS
                rows += rows_of(name, X, y, penalty, alphas, n_turns)
    print_table(f"Paths of {len(alphas)} penalties", HEADER, rows)


if __name__ == "__main__":
    main()
