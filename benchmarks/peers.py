"""The models that are compared, and the time that they need to reach an objective.

All minimise the same objective, with ALPHA of optimum.py. Other parameters, except the
seed, have their defaults. Seconds are processor time if BLAS has one thread: it equals
wall-clock time, except that other programs on the machine do not lengthen it. With more
threads, seconds are wall-clock time.
"""

import time
import warnings
from typing import Any, NamedTuple

import numpy as np
from optimum import ALPHA, objective
from report import has
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, SGDClassifier
from threadpoolctl import threadpool_info

from sklearn_nn import SGDLogisticClassifier

OURS = "ours"
OURS_LONGER = "ours, tol=1e-8"
RACERS = ("saga", "SGDClassifier")  # against_lbfgs.py has lbfgs
SHORT = 0.05  # seconds; shorter fits are timed in several turns
N_TURNS = 7
LARGEST_HESSIAN = 3000  # maximum number of rows of the Hessian of newton-cholesky
# Four lengths per decade: a peer runs at most 1.8 times as many epochs as it needs.
LENGTHS = np.unique(np.round(10 ** np.arange(0, 5.1, 0.25)).astype(int)).tolist()


class Outcome(NamedTuple):
    """A fit: its seconds, its model (None after an error), whether it warned, its J."""

    seconds: float
    model: Any
    warned: bool
    objective: float


class TorchLoop(BaseEstimator):
    """A typical PyTorch loop: 20 epochs of Adam with defaults, batches of 200 rows."""

    def fit(self, X, y):
        import torch
        from torch_loop import train

        n_outputs = y.max() + 1 if y.max() > 1 else 1
        torch.manual_seed(0)
        layer = torch.nn.Linear(X.shape[1], n_outputs, dtype=torch.float64)
        groups = [
            {"params": [layer.weight], "weight_decay": ALPHA},
            {"params": [layer.bias], "weight_decay": 0},
        ]
        optimizer = torch.optim.Adam(groups, lr=1e-3, fused=True)
        if n_outputs == 1:
            loss, target = torch.nn.BCEWithLogitsLoss(), y[:, None].astype(np.float64)
        else:
            loss, target = torch.nn.CrossEntropyLoss(), y
        data = torch.from_numpy(X), torch.from_numpy(target)
        train(layer, loss, optimizer, data, batch_size=200, n_epochs=20)
        self.coef_, self.intercept_ = (p.detach().numpy() for p in layer.parameters())
        return self


def logistic_regression(n_samples, **options):
    """Return scikit-learn's LogisticRegression with the shared objective."""
    return LogisticRegression(C=1 / (ALPHA * n_samples), random_state=0, **options)


def estimators(X, y):
    """Return {name: model} of all models that can train on the data."""
    n_outputs = y.max() + 1 if y.max() > 1 else 1
    models = {
        OURS: SGDLogisticClassifier(random_state=0),
        OURS_LONGER: SGDLogisticClassifier(tol=1e-8, max_iter=10_000, random_state=0),
        "lbfgs": logistic_regression(X.shape[0]),
        "saga": logistic_regression(X.shape[0], solver="saga"),
    }
    if not issparse(X) and X.shape[1] * n_outputs <= LARGEST_HESSIAN:
        models["newton-cholesky"] = logistic_regression(
            X.shape[0], solver="newton-cholesky"
        )
    if n_outputs == 1:  # with more classes it trains one-vs-rest models
        models["SGDClassifier"] = SGDClassifier(
            loss="log_loss", alpha=ALPHA, random_state=0
        )
    if has("torch") and not issparse(X):
        models["PyTorch loop"] = TorchLoop()
    return models


def clock():
    """Return the function that tells the time, see above."""
    n_threads = [library["num_threads"] for library in threadpool_info()]
    return time.process_time if max(n_threads, default=1) == 1 else time.perf_counter


def fit_once(model, X, y):
    """Return the Outcome of a fit, without its objective."""
    now = clock()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        start = now()
        try:
            fitted = model.fit(X, y)
        except ValueError:  # training diverged
            fitted = None
        seconds = now() - start
    warned = any(issubclass(one.category, ConvergenceWarning) for one in caught)
    return Outcome(seconds, fitted, warned, np.inf)


def judged(outcome, X, y):
    """Return the Outcome with its objective, infinite after an error."""
    if outcome.model is None:
        return outcome
    model = outcome.model
    return outcome._replace(objective=objective(X, y, model.coef_, model.intercept_))


def fit_in_turns(models, X, y):
    """Return {name: Outcome}; seconds of short fits are medians over several turns."""
    outcomes = {name: [] for name in models}
    for _ in range(N_TURNS):
        for name, model in models.items():
            if sum(one.seconds for one in outcomes[name]) < N_TURNS * SHORT:
                outcomes[name].append(fit_once(model, X, y))
    return {
        name: judged(found[-1], X, y)._replace(
            seconds=float(np.median([one.seconds for one in found]))
        )
        for name, found in outcomes.items()
    }


def time_to(target, peer, X, y, budget):
    """Return the Outcome of the shortest fit with J <= target; None if over budget."""
    for max_iter in LENGTHS:
        tol = None if isinstance(peer, SGDClassifier) else 0
        model = clone(peer).set_params(max_iter=max_iter, tol=tol)
        outcome = judged(fit_once(model, X, y), X, y)
        if outcome.seconds > budget:
            return None
        if outcome.objective <= target:
            return outcome
        if outcome.model is None or np.max(outcome.model.n_iter_) < max_iter:
            return None  # it diverged, or stopped above the target
    return None


def in_turns_with(ours, peer, X, y):
    """Return the Outcomes of the same two fits, timed in turns if both are short."""
    if max(ours.seconds, peer.seconds) > SHORT:
        return ours, peer
    models = {"ours": ours.model, "peer": peer.model}
    return tuple(fit_in_turns(models, X, y).values())
