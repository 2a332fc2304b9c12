"""Accuracy and log-loss on held-out rows: ours compared with LogisticRegression."""

import numpy as np
from optimum import row_losses
from peers import OURS, estimators, fit_once, logistic_regression
from sklearn.model_selection import train_test_split

# LogisticRegression's max_iter; on raw and large data more would take minutes.
MAX_ITER, MAX_ITER_LARGE, MANY_ROWS = 10_000, 1000, 20_000
HEADER = (
    *("data", "rows", "our accuracy", "lbfgs's", "ours - lbfgs's"),
    *("our log-loss", "lbfgs's", "ours - lbfgs's", "lbfgs warned"),
)


def difference(ours, peers):
    """Return the mean difference of two arrays and its standard error, as text."""
    each = ours - peers
    return f"{each.mean():+.4f} +- {each.std() / np.sqrt(each.size):.4f}"


def row(name, X, y):
    """Return the row of the table: fits on one half of the rows, scores on the other."""
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.5, stratify=y, random_state=0
    )
    n_samples = X_train.shape[0]
    max_iter = MAX_ITER if X.shape[0] < MANY_ROWS else MAX_ITER_LARGE
    models = (
        estimators(X_train, y_train)[OURS],
        logistic_regression(n_samples, max_iter=max_iter),
    )
    ours, peer = (fit_once(model, X_train, y_train) for model in models)
    if ours.model is None:
        return (name, f"{n_samples:,}", "failed", *["-"] * (len(HEADER) - 3))
    hits, losses = [], []
    for model in (ours.model, peer.model):
        hits.append((model.predict(X_test) == y_test).astype(np.float64))
        logits = X_test @ model.coef_.T + model.intercept_
        losses.append(row_losses(logits, y_test))
    cells = [name, f"{n_samples:,}"]
    for figures in (hits, losses):
        cells += [f"{one.mean():.4f}" for one in figures] + [difference(*figures)]
    return (*cells, "yes" if peer.warned else "no")
