"""Compare with LogisticRegression and MLPClassifier
=================================================

Compare the three estimators with scikit-learn's, by quality and by time:

- **Linear models** on wine (13 features in very different units) and digits (64 pixels),
  raw and scaled: SGDLogisticClassifier and LogisticRegression, with its default solver,
  lbfgs, and with newton-cholesky. All minimise the same objective J, because
  ``C = 1 / (alpha * n)``. The gap is (J - J*) / J*: how far J of the training rows is above
  its minimum J*, which two solvers find with a tolerance of 1e-10.
- **Networks** on scaled digits: BackpropMLPClassifier and MLPClassifier.
- **A table** of 2,000 loans, drawn at random, with numbers, categories and missing values.
  BackpropMLPClassifierCV and HistGradientBoostingClassifier (trees) take it as it is.
  MLPClassifier gets encoders, early stopping, and a search for penalty and learning rate.

Parameters that are not shown have their defaults (and max_iter=1000). A grid search
(log-loss, 3 folds) chooses alpha or C, and learning rates. Expect three tables: log-loss
in nats and accuracy of test rows, time to fit the chosen model (median of 3 fits in turns),
and time of the search and this fit together. Times are processor time on one thread. At the
end each claim is printed with the figures that it rests on, or as not confirmed if they do
not support it.

The script takes about half a minute. With matplotlib it saves
compare_with_logistic_regression.png; the table needs pandas.
"""

import time
import warnings
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_digits, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from sklearn_nn import (
    BackpropMLPClassifier,
    BackpropMLPClassifierCV,
    SGDLogisticClassifier,
)

try:
    import pandas as pd
except ImportError:
    pd = None

PICTURE = "compare_with_logistic_regression.png"
ALPHAS = [1.0, 0.1, 0.01, 0.001, 0.0001]
RATES = [0.001, 0.003, 0.01]
N_FOLDS, N_TURNS = 3, 3
CLOSE = 1e-3  # gap that counts as the optimum
SMALLEST_GAP = 1e-9  # below it is rounding error
TINY = np.finfo(float).eps  # the least probability in a log-loss, as in scikit-learn

OURS, LBFGS, CHOLESKY = "SGDLogisticClassifier", "LogisticRegression", "newton-cholesky"
NETWORK, MLP = "BackpropMLPClassifier", "MLPClassifier"
TABLE, TUNED, TREES = "BackpropMLPClassifierCV", "MLPClassifier, tuned", "trees"
BLUE, PALE_BLUE, GREY = "#1f5fa8", "#8fb8e0", "#8a8a8a"
ORANGE, PALE_ORANGE = "#c8500a", "#f7bd8d"
COLORS = {OURS: BLUE, LBFGS: PALE_BLUE, CHOLESKY: GREY, NETWORK: ORANGE, MLP: PALE_ORANGE}
COLORS |= {TABLE: ORANGE, TUNED: PALE_ORANGE, TREES: GREY}


class Split(NamedTuple):
    """Training and test rows of a task."""

    X_train: Any
    X_test: Any
    y_train: np.ndarray
    y_test: np.ndarray


class Result(NamedTuple):
    """The chosen and fitted model of a candidate, and its figures."""

    model: Any
    chosen: dict  # parameters that a search chose
    losses: np.ndarray  # (n_test,), nats
    right: np.ndarray  # (n_test,), 0 or 1
    seconds: float  # of one fit
    total: float  # seconds of the search and one fit
    warned: bool  # that training did not converge
    gap: float = np.nan


class Claim(NamedTuple):
    """A claim, the figures that it rests on, and whether these support it."""

    text: str
    figures: str
    holds: bool

    def __str__(self):
        """Return the closing sentence."""
        return f"{'' if self.holds else 'NOT CONFIRMED: '}{self.text}: {self.figures}."


def timed(fit, *data):
    """Return processor seconds of a call, and whether it did not converge."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        start = time.process_time()
        fit(*data)
        seconds = time.process_time() - start
    return seconds, any(issubclass(one.category, ConvergenceWarning) for one in caught)


def searched(model, grid, split):
    """Return the model with the parameters that a grid search chose, these, and seconds."""
    if not grid:
        return clone(model), {}, 0.0
    search = GridSearchCV(model, grid, scoring="neg_log_loss", cv=N_FOLDS, refit=False)
    seconds, _ = timed(search.fit, split.X_train, split.y_train)
    chosen = search.best_params_
    for name in chosen.keys() & {"logisticregression__C"}:
        # The fit on all rows has the alpha of the folds, which have fewer rows.
        chosen[name] *= 1 - 1 / N_FOLDS
    return clone(model).set_params(**chosen), chosen, seconds


def compared(candidates, split):
    """Return {name: Result} of candidates {name: (model, grid)}."""
    found = {name: searched(*pair, split) for name, pair in candidates.items()}
    times = {name: [] for name in found}
    for _ in range(N_TURNS):  # in turns: other programs disturb all alike
        for name, (model, _, _) in found.items():
            times[name].append(timed(model.fit, split.X_train, split.y_train))
    results = {}
    for name, (model, chosen, search_seconds) in found.items():
        proba = model.predict_proba(split.X_test)
        true_class = np.searchsorted(model.classes_, split.y_test)
        results[name] = Result(
            model=model,
            chosen={key.split("__")[-1]: value for key, value in chosen.items()},
            losses=-np.log(np.maximum(proba[np.arange(len(proba)), true_class], TINY)),
            right=np.where(model.predict(split.X_test) == split.y_test, 1, 0),
            seconds=(seconds := float(np.median([one[0] for one in times[name]]))),
            total=search_seconds + seconds,
            warned=times[name][0][1],
        )
    return results


# Linear models


def linear_candidates(n_rows, scalers):
    """Return pipelines and grids of equal objectives, for folds of `n_rows` rows."""
    C = {"logisticregression__C": [1 / (alpha * n_rows) for alpha in ALPHAS]}

    def pipeline(classifier):
        return make_pipeline(*scalers, classifier)

    cholesky = LogisticRegression(solver="newton-cholesky", max_iter=1000)
    return {
        OURS: (
            pipeline(SGDLogisticClassifier(random_state=0)),
            {"sgdlogisticclassifier__alpha": ALPHAS},
        ),
        LBFGS: (pipeline(LogisticRegression(max_iter=1000)), C),
        CHOLESKY: (pipeline(cholesky), C),
    }


def objective(pipeline, alpha, split):
    """Return J of the training rows: mean log-loss + alpha / 2 ||coef||^2."""
    loss = log_loss(split.y_train, pipeline.predict_proba(split.X_train))
    return loss + alpha / 2 * np.sum(pipeline[-1].coef_ ** 2)


def optimum(results, alpha, split):
    """Return J*, the lower end of two solvers with a tolerance of 1e-10."""
    strengths = {OURS: {"alpha": alpha}, CHOLESKY: {"C": 1 / (alpha * len(split.y_train))}}
    ends = []
    for solver, strength in strengths.items():
        exact = clone(results[solver].model)
        exact[-1].set_params(tol=1e-10, **strength)
        timed(exact.fit, split.X_train, split.y_train)
        ends.append(objective(exact, alpha, split))
    return min(ends)


def with_gaps(results, split):
    """Return the results of linear models with their gaps."""
    optima, gaps = {}, {}
    for name, result in results.items():
        alpha = result.chosen.get("alpha")
        if alpha is None:  # rounded, so that equal strengths have one optimum
            alpha = float(f"{1 / (result.chosen['C'] * len(split.y_train)):.6g}")
        if alpha not in optima:
            optima[alpha] = optimum(results, alpha, split)
        gaps[name] = max(objective(result.model, alpha, split) / optima[alpha] - 1, 0.0)
    return {name: result._replace(gap=gaps[name]) for name, result in results.items()}


def compare_linear():
    """Return {task: results} of raw and scaled wine and digits."""
    tasks = {}
    for name, (X, y), n_train in (
        ("wine", load_wine(return_X_y=True), 90),
        ("digits", load_digits(return_X_y=True), 900),
    ):
        split = Split(
            *train_test_split(X, y, train_size=n_train, stratify=y, random_state=0)
        )
        for units, scalers in (("raw", []), ("scaled", [StandardScaler()])):
            # n_train is a multiple of the folds, so that all folds have the same alpha.
            candidates = linear_candidates(n_train - n_train // N_FOLDS, scalers)
            results = compared(candidates, split)
            tasks[f"{units} {name}"] = with_gaps(results, split)
    return tasks


# Networks


def compare_networks():
    """Return the results of two networks on digits."""
    X, y = load_digits(return_X_y=True)
    parts = train_test_split(X, y, train_size=900, stratify=y, random_state=0)
    ours = BackpropMLPClassifier(max_iter=1000, random_state=0)
    theirs = MLPClassifier(max_iter=1000, random_state=0)
    candidates = {
        NETWORK: (
            make_pipeline(StandardScaler(), ours),
            {"backpropmlpclassifier__learning_rate": RATES},
        ),
        MLP: (
            make_pipeline(StandardScaler(), theirs),
            {"mlpclassifier__learning_rate_init": RATES},
        ),
    }
    return compared(candidates, Split(*parts))


# A table


def loans(n_rows, seed):
    """Return a table of loans, with missing values, and whether each one was repaid."""
    rng = np.random.RandomState(seed)
    age = rng.uniform(18, 75, size=n_rows)
    income = np.exp(rng.normal(10.3, 0.6, size=n_rows))
    years = rng.choice([1, 2, 5, 10], size=n_rows)
    amount = income * years * np.exp(rng.normal(-2, 0.8, size=n_rows))
    job = rng.choice(["clerk", "nurse", "builder", "artist"], size=n_rows)
    home = rng.choice(["rents", "owns"], size=n_rows)
    burden = np.log(amount / (income * years)) + 2
    logit = 1 - 1.5 * burden + 1.5 * np.sin(age / 12) - 1.5 * (years == 10)
    logit += np.where((job == "artist") | (age < 25), -1, 0.5) * (home == "rents")
    y = np.where(rng.uniform(size=n_rows) < 1 / (1 + np.exp(-2 * logit)), "repaid", "lost")
    columns = {"age": age, "income": income, "amount": amount, "years": years}
    X = pd.DataFrame(columns | {"job": job, "home": home})
    for name in ("income", "job"):
        X.loc[rng.uniform(size=n_rows) < 0.05, name] = None
    return X.astype({"job": "category", "home": "category"}), y


def encoded(classifier):
    """Return a pipeline that prepares the columns of a table for a classifier."""
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    columns = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (OneHotEncoder(), make_column_selector(dtype_include="category")),
    )
    return make_pipeline(columns, classifier)


def compare_table():
    """Return the results of classifiers on the table of loans."""
    (X, y), (X_test, y_test) = loans(2000, seed=0), loans(5000, seed=1)
    mlp = MLPClassifier(max_iter=1000, early_stopping=True, random_state=0)
    grid = {
        "mlpclassifier__alpha": [0.0001, 0.01, 1.0],
        "mlpclassifier__learning_rate_init": [0.001, 0.01],
    }
    candidates = {
        TABLE: (BackpropMLPClassifierCV(random_state=0), {}),
        TUNED: (encoded(mlp), grid),
        TREES: (HistGradientBoostingClassifier(random_state=0), {}),
    }
    return compared(candidates, Split(X, X_test, y, y_test))


# Claims


def standard_error(values):
    """Return the standard error of a mean."""
    return values.std(ddof=1) / np.sqrt(len(values))


def difference(results, one, other):
    """Return the mean difference of the test losses of two models, and its error."""
    losses = results[one].losses - results[other].losses
    return losses.mean(), standard_error(losses)


def milliseconds(result):
    """Return the time of a fit as text."""
    return f"{1000 * result.seconds:.0f} ms"


def text_of(gap):
    """Return a gap as text."""
    below = "" if gap >= SMALLEST_GAP else "<"
    return below + f"{max(gap, SMALLEST_GAP):.0e}".replace("e-0", "e-")


def ending(result):
    """Return time and gap of a linear model as text."""
    warning = ", with a warning" if result.warned else ""
    return f"{milliseconds(result)} (gap {text_of(result.gap)}{warning})"


def claim_of_raw_features(results):
    """Return the claim on raw features, against the default solver."""
    ours, lbfgs = results[OURS], results[LBFGS]
    return Claim(
        "The optimum needs no scaled features",
        f"on raw wine {OURS} takes {ending(ours)}, {LBFGS} {ending(lbfgs)}",
        ours.gap <= CLOSE and ours.seconds < lbfgs.seconds,
    )


def claim_of_units(raw, scaled):
    """Return the claim that a penalty depends on units, though the optimum is found."""
    losses = [results[OURS].losses.mean() for results in (raw, scaled)]
    return Claim(
        "The penalty acts in the units of the features, so that scaling still pays",
        f"on wine the log-loss of test rows is {losses[0]:.3f} raw, {losses[1]:.3f} scaled",
        losses[1] < losses[0],
    )


def claim_of_one_solver(tasks):
    """Return the claim on all tasks: the largest gap and the largest ratio of times."""
    names = (OURS, LBFGS, CHOLESKY)
    gaps = {name: max(results[name].gap for results in tasks.values()) for name in names}
    ratios = dict.fromkeys(names, 0.0)
    for results in tasks.values():
        close = [one.seconds for one in results.values() if one.gap <= CLOSE]
        for name in names:
            ratio = results[name].seconds / min(close, default=np.inf)
            ratios[name] = max(ratios[name], ratio)
    each = [f"{name} {text_of(gaps[name])}, {ratios[name]:.1f} times" for name in names]
    return Claim(
        "One solver for all four tasks",
        "the largest gap, and the longest time relative to the fastest model within a gap "
        f"of {text_of(CLOSE)}, are {'; '.join(each)}",
        gaps[OURS] <= CLOSE and ratios[OURS] == min(ratios.values()),
    )


def claim_of_scaled_features(tasks):
    """Return the claim of equal models on scaled features, and who is faster."""
    scaled = [results for task, results in tasks.items() if "scaled" in task]
    pairs = [difference(results, OURS, LBFGS) for results in scaled]
    factors = [results[LBFGS].seconds / results[OURS].seconds for results in scaled]
    return Claim(
        "On scaled features both find the same model",
        f"log-losses of test rows differ by at most {max(abs(d) for d, _ in pairs):.4f}; "
        f"there {LBFGS} takes {min(factors):.2f} to {max(factors):.2f} times the time of "
        f"{OURS}",
        all(abs(mean) <= max(2 * error, CLOSE) for mean, error in pairs),
    )


def claim_of_networks(results):
    """Return the claim on accuracy and time of two networks."""
    ours, theirs = results[NETWORK], results[MLP]
    right = ours.right - theirs.right
    error = standard_error(right)
    return Claim(
        "A network of the same accuracy in less time",
        f"on digits {NETWORK} has {100 * ours.right.mean():.1f} % right after "
        f"{milliseconds(ours)}, {MLP} {100 * theirs.right.mean():.1f} % after "
        f"{milliseconds(theirs)} (standard error of the difference {100 * error:.1f} %)",
        right.mean() >= -2 * error and ours.seconds < theirs.seconds,
    )


def claim_of_table(results):
    """Return the claim on a table, against a tuned network and trees."""
    pairs = [difference(results, TABLE, other) for other in (TUNED, TREES)]
    others = [
        f"{results[name].losses.mean():.3f} for {name} ({results[name].total:.1f} s; "
        f"{-mean:+.3f}, standard error {error:.3f})"
        for name, (mean, error) in zip((TUNED, TREES), pairs, strict=True)
    ]
    return Claim(
        "A table needs no tuning",
        f"log-loss {results[TABLE].losses.mean():.3f} for {TABLE} "
        f"({results[TABLE].total:.1f} s), {others[0]} and {others[1]}",
        all(mean <= 2 * error for mean, error in pairs),
    )


def claim_of_expectation(results):
    """Return the claim on what the network expected of itself."""
    ours = results[TABLE]
    error = standard_error(ours.losses)
    expected, found = ours.model.cv_log_loss_, ours.losses.mean()
    return Claim(
        "It says what to expect, without a test set",
        f"cv_log_loss_ is {expected:.3f}, the log-loss of test rows {found:.3f}",
        abs(found - expected) <= 0.1 * expected + 2 * error,
    )


# Tables and the picture


def print_table(title, results):
    """Print one aligned line per model."""
    linear = OURS in results
    gap = f"{'gap':>9}" if linear else ""
    print(f"\n{title}")
    print(
        f"{'model':<25}{'chosen':<44}{'log-loss':>9}{'right':>8}{gap}{'fit':>9}{'total':>9}"
    )
    for name, result in results.items():
        chosen = ", ".join(f"{key} = {value:.2g}" for key, value in result.chosen.items())
        gap = f"{text_of(result.gap):>9}" if linear else ""
        print(
            f"{name:<25}{chosen or '-':<44}{result.losses.mean():9.4f}"
            f"{100 * result.right.mean():6.1f} %{gap}{result.seconds:7.3f} s"
            f"{result.total:7.2f} s{'  not converged' if result.warned else ''}"
        )


def draw_bars(axes, results, values, title, labels, errors=None):
    """Draw a horizontal bar for each model, with its label at the end."""
    names = list(results)
    colors = [COLORS[name] for name in names]
    bars = axes.barh(names, values, color=colors, xerr=errors, ecolor="0.4", capsize=3)
    axes.bar_label(bars, labels, padding=4)
    axes.invert_yaxis()  # the first model on top, as in the tables
    ends = values if errors is None else np.add(values, errors)
    axes.set_xlim(0, 1.6 * max(ends))  # room for the label beside the longest bar
    axes.set_title(title, loc="left", fontsize="medium", weight="bold")
    axes.set_xticks([])
    axes.spines[["top", "right", "bottom"]].set_visible(False)


def draw_linear(axes, tasks):
    """Draw time and gap of linear models."""
    for axis, (task, results) in zip(axes, tasks.items(), strict=True):
        labels = [
            f"{milliseconds(one)}, gap {text_of(one.gap)}"
            + (" (not optimal)" if one.gap > CLOSE else "")
            for one in results.values()
        ]
        values = [1000 * one.seconds for one in results.values()]
        title = f"Linear models, {task}: time, gap to the optimum"
        draw_bars(axis, results, values, title, labels)


def draw_networks(axes, results):
    """Draw error and time of networks."""
    errors = [100 - 100 * one.right.mean() for one in results.values()]
    whiskers = [100 * standard_error(one.right) for one in results.values()]
    labels = [f"{error:.1f} %" for error in errors]
    title = "Networks, scaled digits: test error"
    draw_bars(axes[0], results, errors, title, labels, whiskers)
    values = [one.seconds for one in results.values()]
    labels = [milliseconds(one) for one in results.values()]
    draw_bars(axes[1], results, values, "Networks: time", labels)


def draw_table(axes, results):
    """Draw log-loss and time of classifiers on the table."""
    losses = [one.losses.mean() for one in results.values()]
    whiskers = [standard_error(one.losses) for one in results.values()]
    labels = [f"{loss:.3f} nats" for loss in losses]
    title = "A table of loans: test log-loss"
    draw_bars(axes[0], results, losses, title, labels, whiskers)
    values = [one.total for one in results.values()]
    labels = [f"{value:.1f} s" for value in values]
    draw_bars(axes[1], results, values, "The table: time of search and fit", labels)


def save_picture(tasks, networks, table):
    """Save a picture of all results, if possible."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("\nmatplotlib is not installed, so there is no picture.")
        return
    figure = Figure(figsize=(13, 8), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)  # inches
    left, right = figure.subplots(4, 2).T
    draw_linear(left, tasks)
    draw_networks(right[:2], networks)
    if table:
        draw_table(right[2:], table)
    else:
        for axes in right[2:]:
            axes.set_axis_off()
    figure.supxlabel(
        "Times are processor time on one thread. Whiskers are standard errors.", fontsize=9
    )
    figure.savefig(PICTURE, dpi=120)
    print(f"\nSaved {PICTURE}.")


def main():
    """Print tables and claims, and save the picture."""
    with threadpool_limits(1):
        tasks = compare_linear()
        networks = compare_networks()
        table = compare_table() if pd is not None else {}
    for task, results in tasks.items():
        print_table(f"Linear models, {task}", results)
    print_table("Networks, scaled digits", networks)
    claims = [
        claim_of_raw_features(tasks["raw wine"]),
        claim_of_units(tasks["raw wine"], tasks["scaled wine"]),
        claim_of_one_solver(tasks),
        claim_of_scaled_features(tasks),
        claim_of_networks(networks),
    ]
    if table:
        print_table("A table of loans", table)
        claims += [claim_of_table(table), claim_of_expectation(table)]
    else:
        print("\npandas is not installed, so there is no table of loans.")
    print("", *claims, sep="\n")
    save_picture(tasks, networks, table)


if __name__ == "__main__":
    main()
