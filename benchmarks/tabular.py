"""Compare classifiers on real tables: error, log-loss, AUC and time.

python benchmarks/tabular.py [--splits 5] [--rows 2000] [--cache tabular.jsonl]
    [--models NAME ...] [--tables NAME ...] [--each] [--plot benchmarks/tabular.svg]

Every fit is stored in the cache, a line each, so that a second call only adds what is
missing (delete lines of models that have changed). `SKLEARN_NN_DATA` is the folder with the
tables; without it, they are data sets of scikit-learn (see tables.py).
"""

import argparse
import json
import time
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import tables
from scipy.stats import rankdata
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss, roc_auc_score
from tabular_peers import BASELINE, OURS, PEERS, installed_peers, probabilities
from threadpoolctl import threadpool_limits

# Added to error and log-loss before means of logarithms are taken: on tables that are
# nearly solved, ratios would be noise.
FLOOR = 0.01
FIGURES = ("error", "log_loss", "auc", "seconds")


def measure(model, table, seed, n_training) -> dict:
    """Return the figures of one fit."""
    split = tables.split_of(table, seed, n_training)
    classifier = PEERS[model][0](seed, split.X_train)
    start = time.process_time()
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier.fit(split.X_train, split.y_train)
        seconds = time.process_time() - start
        proba = probabilities(classifier, split.X_test)
    y, labels = split.y_test, np.arange(proba.shape[1])
    binary = proba.shape[1] == 2
    figures = {
        "error": float(np.mean(np.argmax(proba, axis=1) != y)),
        "log_loss": float(log_loss(y, proba, labels=labels)),
        "auc": float(roc_auc_score(y, proba[:, 1] if binary else proba, multi_class="ovr")),
        "seconds": seconds,
    }
    # What a fit tells about itself, without a test set.
    if hasattr(classifier, "cv_log_loss_"):
        figures["cv_log_loss"] = classifier.cv_log_loss_
    return figures


def collect(models, names, n_splits, n_training, cache) -> dict:
    """Return {(model, table, split): figures}, and add fits that the cache lacks."""
    cache.touch()
    lines = [json.loads(line) for line in cache.read_text("utf-8").splitlines()]
    known = {
        (line["model"], line["table"], line["split"], line["rows"]): line["figures"]
        for line in lines
    }
    found = {}
    for table in names:
        for seed in range(n_splits):
            for model in models:
                key = (model, table, seed, n_training)
                if key not in known:
                    figures = known[key] = measure(model, table, seed, n_training)
                    line = dict(zip(("model", "table", "split", "rows"), key, strict=True))
                    with cache.open("a", encoding="utf-8") as file:
                        file.write(json.dumps({**line, "figures": figures}) + "\n")
                found[key[:3]] = known[key]
    return found


def array_of(found, model, names, n_splits, figure):
    """Return the figures of a model (n_tables, n_splits)."""
    return np.array([[found[model, t, s][figure] for s in range(n_splits)] for t in names])


def ratio(found, model, names, n_splits, figure):
    """Return the geometric mean over tables relative to the baseline, and its error.

    The standard error is that of the means over the splits.
    """
    ours, base = (
        np.log(array_of(found, name, names, n_splits, figure) + FLOOR)
        for name in (model, BASELINE)
    )
    each = (ours - base).mean(axis=0)
    mean = np.exp(each.mean())
    return mean, mean * each.std(ddof=1) / np.sqrt(n_splits) if n_splits > 1 else np.nan


def mean_ranks(found, models, names, n_splits, figure):
    """Return {model: mean rank over tables} by the mean of a figure over the splits."""
    means = [array_of(found, m, names, n_splits, figure).mean(axis=1) for m in models]
    ranks = rankdata(means, axis=0).mean(axis=1)  # ties share their mean rank
    return dict(zip(models, ranks, strict=True))


def report(found, models, names, n_splits):
    """Print a row for each model."""
    ranks = {f: mean_ranks(found, models, names, n_splits, f) for f in FIGURES[:2]}
    print(
        f"{len(names)} tables, {n_splits} splits. Ratios: geometric means of error + .01 "
        f"and log-loss + .01 to {BASELINE}, with standard errors over splits.\n"
    )
    print(
        f"{'':29}{'accuracy':>9}{'ratio of error':>16}{'log-loss':>9}"
        f"{'ratio of loss':>16}{'AUC':>7}{'CPU s':>7}{'ranks':>10}"
    )
    for model in models:
        of_model = (found, model, names, n_splits)
        error, loss, auc, seconds = (array_of(*of_model, f).mean() for f in FIGURES)
        ratios = [
            "{:.3f} +- {:.3f}".format(*ratio(*of_model, figure)) for figure in FIGURES[:2]
        ]
        print(
            f"{model:29}{1 - error:9.4f}{ratios[0]:>16}{loss:9.4f}{ratios[1]:>16}"
            f"{auc:7.4f}{seconds:7.2f}{ranks['error'][model]:5.1f}"
            f"{ranks['log_loss'][model]:5.1f}"
        )
    report_honesty(found, names, n_splits)


def report_honesty(found, names, n_splits):
    """Print how far `cv_log_loss_` is from the log-loss of the test rows."""
    pairs = [
        (found[OURS, table, split]["cv_log_loss"], found[OURS, table, split]["log_loss"])
        for table in names
        for split in range(n_splits)
        if (OURS, table, split) in found
    ]
    if pairs:
        logs = np.log(np.array(pairs) + FLOOR)
        factor = np.exp((logs[:, 0] - logs[:, 1]).mean())
        print(f"\ncv_log_loss_ / log-loss of test rows, geometric mean: {factor:.3f}")


def report_each(found, models, names, n_splits):
    """Print accuracy and log-loss of each table."""
    print(f"\n{'accuracy / log-loss':20}" + "".join(f"{m[-14:]:>16}" for m in models))
    for k, table in enumerate(names):
        cells = []
        for model in models:
            error, loss = (
                array_of(found, model, names, n_splits, f)[k].mean() for f in FIGURES[:2]
            )
            cells.append(f"{1 - error:9.3f} / {loss:.2f}")
        print(f"{table:20}" + "".join(f"{cell:>16}" for cell in cells))


def save_plot(found, models, names, n_splits, path):
    """Save a picture: ratio of the log-loss against CPU seconds of a fit."""
    # Equal figures give equal files.
    plt.rcParams.update({"svg.hashsalt": "tabular", "svg.fonttype": "none"})
    figure, axis = plt.subplots(figsize=(7, 4.4), layout="constrained")
    losses = {m: ratio(found, m, names, n_splits, "log_loss") for m in models}
    times = {m: array_of(found, m, names, n_splits, "seconds").mean() for m in models}
    for model in models:
        seconds, (loss, error) = times[model], losses[model]
        colour = "C0" if model == OURS else "0.4"
        axis.errorbar(seconds, loss, error, fmt="o", color=colour)
        # Of two neighbours, the name of the slower one is on the right; that of the fastest
        # of all is inside the axes.
        neighbour = min(
            (other for other in models if other != model),
            key=lambda other, loss=loss: abs(losses[other][0] - loss),
            default=model,
        )
        on_the_right = seconds > times[neighbour] or seconds == min(times.values())
        offset, side = ((7, -3), "left") if on_the_right else ((-7, -3), "right")
        where = {"xytext": offset, "textcoords": "offset points", "ha": side}
        axis.annotate(model, (seconds, loss), **where)
    axis.set_xscale("log")
    axis.margins(x=0.35)
    axis.grid(alpha=0.3)
    axis.set(xlabel="CPU seconds of a fit", ylabel=f"log-loss relative to {BASELINE}")
    figure.savefig(path, metadata={"Date": None} if path.endswith(".svg") else {})


def main():
    """Measure, and print or draw the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--rows", type=int, default=tables.MOST_TRAINING_ROWS)
    parser.add_argument("--cache", type=Path, default=Path("tabular.jsonl"))
    parser.add_argument("--models", nargs="+", choices=PEERS, default=installed_peers())
    parser.add_argument("--tables", nargs="+", default=tables.names_of_tables())
    parser.add_argument("--each", action="store_true")
    parser.add_argument("--plot")
    given = parser.parse_args()
    models = list(dict.fromkeys([BASELINE, *given.models]))  # ratios need it
    shape = models, given.tables, given.splits
    found = collect(*shape, given.rows, given.cache)
    report(found, *shape)
    if given.each:
        report_each(found, *shape)
    if given.plot:
        save_plot(found, *shape, given.plot)


if __name__ == "__main__":
    main()
