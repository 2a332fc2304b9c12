"""Compare with LogisticRegression and MLPClassifier
=================================================

Compare both estimators with scikit-learn's own on two real data sets.

breast_cancer (569 rows, 30 features, 2 classes) and digits (1797 rows, 64 features, 10
classes) come with scikit-learn. Half of the rows, stratified, are for training, half for
testing. SGDLogisticClassifier is compared with LogisticRegression, and
BackpropMLPClassifier with MLPClassifier. Each follows a StandardScaler in a Pipeline and
has its defaults, except for `max_iter` and one parameter. GridSearchCV (log-loss, 3 folds)
chooses that parameter: the strength of the penalty (alpha or C) of the linear models, the
step size of the networks.

Expect one table per data set, with

- the parameter that the grid search chose;
- test accuracy in %, with its standard error below the table;
- log-loss of the test rows in nats;
- Brier score for calibration: half the squared distance between the predicted
  probabilities and the 0/1 labels, mean over rows; for two classes it equals
  sklearn.metrics.brier_score_loss. 0 is best;
- seconds to fit the chosen pipeline on all training rows: median of 3 fits on one thread.

Expect accuracies near 98 % (linear models) and 97 % (networks) on breast_cancer, near 96 %
and 97 % on digits, and in each pair the same accuracy within a standard error. Seconds
vary with the machine. The script takes about 20 seconds on two cores. If matplotlib is
installed, it saves compare_with_logistic_regression.png, a picture of the errors, the
log-losses and the calibration of the predicted probabilities.
"""

import time
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier

PICTURE = "compare_with_logistic_regression.png"
N_BINS = 5
# With fewer cases, the standard error of a frequency can exceed 0.16.
SMALLEST_BIN = 10


class Candidate(NamedTuple):
    """A classifier and candidate values for one of its parameters."""

    classifier: Any
    parameter: str
    values: list
    color: str
    line_width: float  # in the picture; a thin line stays visible on a thick one

    @property
    def name(self):
        """Name of the class."""
        return type(self.classifier).__name__


class Result(NamedTuple):
    """The results of a candidate on the test rows of one data set."""

    candidate: Candidate
    chosen: float
    proba: np.ndarray  # (n_test, n_classes)
    accuracy: float  # in [0, 1]
    log_loss: float  # nats
    brier: float  # in [0, 1]
    seconds: float


CANDIDATES = [
    Candidate(
        SGDLogisticClassifier(random_state=0),
        "alpha",
        [0.1, 0.01, 0.001, 0.0001, 0.00001],
        "#1f5fa8",
        3.0,
    ),
    Candidate(
        LogisticRegression(max_iter=1000),
        "C",
        [0.01, 0.1, 1.0, 10.0, 100.0],
        "#9cc3ec",
        1.5,
    ),
    Candidate(
        BackpropMLPClassifier(max_iter=1000, random_state=0),
        "learning_rate",
        [0.001, 0.003, 0.01],
        "#c8500a",
        3.0,
    ),
    Candidate(
        MLPClassifier(max_iter=1000, random_state=0),
        "learning_rate_init",
        [0.001, 0.003, 0.01],
        "#f7bd8d",
        1.5,
    ),
]


def indicators(y, n_classes):
    """Return labels 0, 1, ... (n,) one-hot encoded, (n, n_classes)."""
    return np.eye(n_classes)[y]


def brier_score(y, proba):
    """Return half the squared distance between probabilities and labels, mean over rows."""
    distances = np.sum((proba - indicators(y, proba.shape[1])) ** 2, axis=1)
    return 0.5 * float(np.mean(distances))


def median_fit_seconds(pipeline, X, y):
    """Return the median time of three fits in seconds."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        clone(pipeline).fit(X, y)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def evaluate(candidate, X_train, X_test, y_train, y_test):
    """Choose the parameter on the training rows and return the Result on the test rows."""
    pipeline = Pipeline([("scale", StandardScaler()), ("classify", candidate.classifier)])
    name = f"classify__{candidate.parameter}"
    search = GridSearchCV(
        pipeline, {name: candidate.values}, scoring="neg_log_loss", cv=3, n_jobs=2
    ).fit(X_train, y_train)
    proba = search.predict_proba(X_test)
    return Result(
        candidate=candidate,
        chosen=search.best_params_[name],
        proba=proba,
        accuracy=accuracy_score(y_test, search.predict(X_test)),
        log_loss=log_loss(y_test, proba),
        brier=brier_score(y_test, proba),
        seconds=median_fit_seconds(search.best_estimator_, X_train, y_train),
    )


def compare(X, y):
    """Return the labels of the test rows and the Results of all candidates."""
    parts = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
    # These matrices are too small for several threads, and one gives steadier times.
    with threadpool_limits(1):
        results = [evaluate(candidate, *parts) for candidate in CANDIDATES]
    return parts[-1], results


def standard_error(accuracy, n_rows):
    """Return the standard error of an accuracy measured on `n_rows` rows."""
    return np.sqrt(accuracy * (1 - accuracy) / n_rows)


def print_table(name, y_test, results):
    """Print one aligned line per candidate."""
    n_rows = len(y_test)
    print(f"\n{name}: {n_rows} test rows, {len(np.unique(y_test))} classes")
    header = f"{'model':<24}{'chosen parameter':<28}{'accuracy':>9}{'log-loss':>10}"
    print(f"{header}{'Brier':>9}{'fit time':>11}")
    print("-" * 91)
    for result in results:
        chosen = f"{result.candidate.parameter} = {result.chosen:g}"
        print(
            f"{result.candidate.name:<24}{chosen:<28}{100 * result.accuracy:7.1f} %"
            f"{result.log_loss:10.4f}{result.brier:9.4f}{result.seconds:9.3f} s"
        )
    error = max(standard_error(result.accuracy, n_rows) for result in results)
    print(f"Standard error of an accuracy: up to {100 * error:.1f} %.")


def reliability(y, proba):
    """Return mean predicted probability and observed frequency in bins of probability.

    The probabilities of all classes are pooled (for two classes this makes the curve
    symmetric). Bins with few cases are omitted.
    """
    predicted, happened = proba.ravel(), indicators(y, proba.shape[1]).ravel()
    bins = np.minimum((predicted * N_BINS).astype(int), N_BINS - 1)
    counts = np.bincount(bins, minlength=N_BINS)
    kept = counts >= SMALLEST_BIN
    sums = [np.bincount(bins, values, N_BINS)[kept] for values in (predicted, happened)]
    return sums[0] / counts[kept], sums[1] / counts[kept]


def draw_bars(axes, results, values, title, label, whiskers=None):
    """Draw one horizontal bar per candidate, from zero, with its value at the end.

    `whiskers` are standard errors, one per candidate.
    """
    names = [result.candidate.name for result in results]
    colors = [result.candidate.color for result in results]
    bars = axes.barh(names, values, color=colors, xerr=whiskers, ecolor="0.5", capsize=3)
    axes.bar_label(bars, [label.format(value) for value in values], padding=4)
    axes.invert_yaxis()  # first candidate on top, as in the table
    longest = max(values) if whiskers is None else max(np.add(values, whiskers))
    axes.set_xlim(0, 1.2 * longest)  # room for the value beside the longest bar
    axes.locator_params(axis="x", nbins=5)
    axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)


def draw_reliability(axes, y_test, results):
    """Draw observed frequency over predicted probability, one line per candidate."""
    axes.plot([0, 1], [0, 1], color="0.7", linestyle="--", label="perfect calibration")
    for result in results:
        axes.plot(
            *reliability(y_test, result.proba),
            marker="o",
            markersize=2.5 * result.candidate.line_width,
            linewidth=result.candidate.line_width,
            color=result.candidate.color,
            label=result.candidate.name,
        )
    axes.set(title="Calibration", xlabel="predicted probability", aspect="equal")
    axes.set(ylabel="observed frequency", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    axes.spines[["top", "right"]].set_visible(False)


def save_picture(outcomes):
    """Save bars and calibration curves of {name: (y_test, results)}, if possible."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("\nmatplotlib is not installed, so there is no picture.")
        return
    figure = Figure(figsize=(13, 8), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)  # inches
    rows = figure.subfigures(len(outcomes), 1)
    for row, (name, (y_test, results)) in zip(rows, outcomes.items(), strict=True):
        row.suptitle(f"{name}, {len(y_test)} test rows", fontsize="x-large", weight="bold")
        left, middle, right = row.subplots(1, 3)
        errors = [100 * (1 - result.accuracy) for result in results]
        whiskers = [
            100 * standard_error(result.accuracy, len(y_test)) for result in results
        ]
        title = "Test error, % (with standard error)"
        draw_bars(left, results, errors, title, "{:.1f} %", whiskers)
        losses = [result.log_loss for result in results]
        draw_bars(middle, results, losses, "Test log-loss, nats", "{:.3f}")
        middle.set_yticklabels([])
        draw_reliability(right, y_test, results)
    handles, labels = right.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    figure.savefig(PICTURE, dpi=120)
    print(f"\nSaved {PICTURE}.")


def main():
    """Print a table for each data set and save the picture."""
    data = {
        "breast_cancer": load_breast_cancer(return_X_y=True),
        "digits": load_digits(return_X_y=True),
    }
    outcomes = {}
    for name, (X, y) in data.items():
        outcomes[name] = compare(X, y)
        print_table(name, *outcomes[name])
    save_picture(outcomes)


if __name__ == "__main__":
    main()
