"""Is our fit ever slower than lbfgs? Two questions to LogisticRegression's default solver.

Let G be the gap at which its default ends. First, how long does ours take to a gap of
max(G, 1e-4), compared with its default? Second, how long does our default take,
compared with lbfgs with the largest of its tolerances 1e-4, 1e-5, ... that reaches a gap of
1e-4?
"""

from typing import NamedTuple

import numpy as np
from peers import OURS, Outcome, estimators, fit_in_turns, fit_once, judged
from report import duration, three_digits

from sklearn_nn import SGDLogisticClassifier

CLOSE = 1e-4
TOLERANCES = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9)
SMALLEST_BUDGET = 5  # seconds of a fit to CLOSE, or ten times that of our default
HEADER = (
    *("data", "lbfgs", "its gap", "ours to that gap or 1e-4", "our gap", "ratio"),
    *("lbfgs to 1e-4", "its tol", "ours, default", "our gap", "ratio"),
)


class Duel(NamedTuple):
    """Outcomes on a data set; a ratio is the time of lbfgs / ours."""

    name: str
    optimum: float
    lbfgs: Outcome
    ours_as_close: Outcome
    lbfgs_close: Outcome | None  # None if no tolerance reaches CLOSE in the budget
    tol: float | None
    ours: Outcome
    budget: float

    def gap(self, outcome):
        """Return the relative gap of an outcome."""
        return max(outcome.objective / self.optimum - 1, 0)

    @property
    def ratios(self):
        """Return both ratios; the second may be a lower bound."""
        close = self.budget if self.lbfgs_close is None else self.lbfgs_close.seconds
        return (
            self.lbfgs.seconds / self.ours_as_close.seconds,
            close / self.ours.seconds,
        )


def tight_lbfgs(X, y, default, optimum, budget):
    """Return lbfgs with the largest tolerance that reaches CLOSE, or None."""
    n_iter = np.max(default.model.n_iter_)
    max_iter = max(100, int(budget / (default.seconds / n_iter)))
    for tol in TOLERANCES:
        model = estimators(X, y)["lbfgs"].set_params(tol=tol, max_iter=max_iter)
        outcome = judged(fit_once(model, X, y), X, y)
        if outcome.objective <= optimum * (1 + CLOSE):
            return model
        if np.max(model.n_iter_) >= max_iter:
            return None
    return None


def duel(name, X, y, optimum, outcomes):
    """Return the Duel on a data set, from the Outcomes of fits with defaults."""
    lbfgs, ours = outcomes["lbfgs"], outcomes[OURS]
    gap = max(lbfgs.objective / optimum - 1, CLOSE)
    budget = max(SMALLEST_BUDGET, 10 * ours.seconds)
    tight = tight_lbfgs(X, y, lbfgs, optimum, budget)
    models = {
        "lbfgs": estimators(X, y)["lbfgs"],
        # `tol` is relative to J, a gap to J*.
        "ours as close": SGDLogisticClassifier(tol=gap / (1 + gap), random_state=0),
        "ours": SGDLogisticClassifier(random_state=0),
    }
    if tight is not None:
        models["lbfgs close"] = tight
    found = fit_in_turns(models, X, y)
    return Duel(
        *(name, optimum, found["lbfgs"], found["ours as close"], found.get("lbfgs close")),
        *(None if tight is None else tight.tol, found["ours"], budget),
    )


def row(duel):
    """Return the row of the table."""
    first, second = duel.ratios
    cells = [duel.name]
    for one in (duel.lbfgs, duel.ours_as_close):
        cells += [duration(one.seconds), f"{duel.gap(one):.1e}"]
    cells.append(three_digits(first))
    if duel.lbfgs_close is None:
        cells += [f"not in {duration(duel.budget)}", "-"]
    else:
        cells += [duration(duel.lbfgs_close.seconds), f"{duel.tol:.0e}"]
    cells += [duration(duel.ours.seconds), f"{duel.gap(duel.ours):.1e}"]
    return (*cells, ("" if duel.lbfgs_close else "above ") + three_digits(second))
