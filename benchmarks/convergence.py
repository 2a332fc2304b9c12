"""How close fits with defaults get to the optimum, and how fast, compared with peers.

    python benchmarks/convergence.py [--sets NAME ...] [--data DIR] [--quick]

All minimise J(W, b) = mean log-loss + 1e-4 / 2 ||W||^2 in the units of the data, on one
thread; a gap is (J - J*) / J*. --sets takes names of problems.py or their beginnings. Sets
that need a file are left out if neither --data nor SKLEARN_NN_DATA names its folder. All
sets take long, mostly for the peers and for J* of MNIST. --cache names a folder that stores
each J* by the name of its data set: empty it if a data set changes. --quick runs the small
sets in about half a minute. The output is tables in Markdown and a list of goals.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import NamedTuple

import held_out
import numpy as np
from optimum import cached_optimum
from peers import (
    OURS,
    OURS_LONGER,
    RACERS,
    estimators,
    fit_in_turns,
    fit_once,
    in_turns_with,
    time_to,
)
from problems import PROBLEMS
from report import duration, print_table, print_versions, three_digits
from threadpoolctl import threadpool_limits

CLOSE = 1e-4  # relative gap; a race ends at our gap or at this one, the larger of them
MANY_ROWS = 20_000
FITS = ("data", "model", "time", "gap", "warned", "epochs")
RACES = ("data", "gap to reach", "our time", "peer", "its time", "its epochs", "ratio")


class Race(NamedTuple):
    """A peer's fit down to a gap; ratio is its time / ours, or a lower bound of it."""

    peer: str
    target_gap: float
    budget: float  # seconds
    outcome: object  # None if it did not reach the gap
    ratio: float


class Result(NamedTuple):
    """The results on a data set."""

    name: str
    n_rows: int
    optimum: float
    outcomes: dict
    races: list

    def gap(self, name):
        """Return the relative gap of a model."""
        return self.outcomes[name].objective / self.optimum - 1


def parse_arguments():
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description="Compare how fast fits with defaults reach the optimum."
    )
    parser.add_argument("--sets", nargs="+", default=[""], help="names or their beginnings")
    parser.add_argument(
        "--data", default=os.environ.get("SKLEARN_NN_DATA", ""), help="folder of data files"
    )
    parser.add_argument("--cache", help="folder that stores optima between runs")
    parser.add_argument("--quick", action="store_true", help="small sets, short races")
    options = parser.parse_args()
    options.longest = 1 if options.quick else 20  # seconds of a peer in a race
    options.problems = [
        problem
        for problem in PROBLEMS
        if problem.name.startswith(tuple(options.sets))
        and (problem.is_small or not options.quick)
    ]
    if not options.problems:
        names = ", ".join(problem.name for problem in PROBLEMS)
        parser.error(f"There is no set {options.sets}; there are {names}.")
    return options


def race(peer, name, result, X, y, longest):
    """Return the Race of a peer against our fit with defaults."""
    ours = result.outcomes[OURS]
    target_gap = max(result.gap(OURS), CLOSE)
    budget = min(longest, 10 * ours.seconds)
    target = result.optimum * (1 + target_gap)
    outcome = time_to(target, peer, X, y, budget)
    if outcome is None:
        return Race(name, target_gap, budget, None, budget / ours.seconds)
    ours, outcome = in_turns_with(ours, outcome, X, y)
    return Race(name, target_gap, budget, outcome, outcome.seconds / ours.seconds)


def compared(problem, X, y, options):
    """Return the Result of all fits and races on a data set."""
    known = cached_optimum(problem.name, X, y, options.cache)
    models = estimators(X, y)
    outcomes = fit_in_turns(models, X, y)
    smallest = min(known, *(one.objective for one in outcomes.values()))
    result = Result(problem.name, X.shape[0], smallest, outcomes, [])
    if outcomes[OURS].model is None:
        return result
    races = [
        race(models[name], name, result, X, y, options.longest)
        for name in RACERS
        if name in models
    ]
    return result._replace(races=races)


def rows_of_fits(result):
    """Return the rows of the table of fits."""
    rows = []
    for name, outcome in result.outcomes.items():
        epochs = getattr(outcome.model, "n_iter_", None)
        rows.append(
            (
                *(result.name, name, duration(outcome.seconds)),
                "failed" if outcome.model is None else f"{max(result.gap(name), 0):.1e}",
                "yes" if outcome.warned else "no",
                "-" if epochs is None else f"{np.max(epochs)}",
            )
        )
    return rows


def rows_of_races(result):
    """Return the rows of the table of times to the same gap."""
    rows = []
    for one in result.races:
        cells = (
            result.name,
            f"{one.target_gap:.1e}",
            duration(result.outcomes[OURS].seconds),
        )
        if one.outcome is None:
            missed = f"not in {duration(one.budget)}", "-", f"above {one.ratio:.1f}"
            rows.append((*cells, one.peer, *missed))
        else:
            epochs = f"{np.max(one.outcome.model.n_iter_)}"
            time = duration(one.outcome.seconds)
            rows.append((*cells, one.peer, time, epochs, three_digits(one.ratio)))
    return rows


def beats_lbfgs(result):
    """Say whether ours is faster than lbfgs, or ten times closer in thrice its time."""
    ours, peer = result.outcomes[OURS], result.outcomes["lbfgs"]
    is_closer = 10 * result.gap(OURS) < result.gap("lbfgs")
    limit = 3 * peer.seconds if is_closer else peer.seconds
    return ours.model is not None and ours.seconds < limit


def beats_stochastic(result):
    """Say whether no stochastic peer reaches the same gap in our time."""
    slower = [
        one.outcome is None or one.ratio > 1 for one in result.races if one.peer != "lbfgs"
    ]
    return bool(slower) and all(slower)


# Functions Result -> whether the goal holds, or None if it does not apply to the data.
GOALS = {
    "gap <= 1e-3 with defaults, no warning": lambda result: (
        result.gap(OURS) <= 1e-3 and not result.outcomes[OURS].warned
    ),
    "gap <= 1e-6 with tol=1e-8": lambda result: result.gap(OURS_LONGER) <= 1e-6,
    "faster than lbfgs, or a tenth of its gap in less than three times its time "
    f"({MANY_ROWS:,} rows and more)": lambda result: (
        None if result.n_rows < MANY_ROWS else beats_lbfgs(result)
    ),
    "faster than saga and SGDClassifier to the same gap": beats_stochastic,
}


def print_goals(results):
    """Print on how many sets each goal holds, and on which it does not."""
    print("### Goals\n")
    for goal, holds in GOALS.items():
        found = {result.name: holds(result) for result in results}
        found = {name: holds for name, holds in found.items() if holds is not None}
        missed = [name for name, holds in found.items() if not holds]
        where = f"; not on {', '.join(missed)}" if missed else ""
        print(f"- {goal}: on {len(found) - len(missed)} of {len(found)} sets{where}")


def main():
    """Fit all models and print the tables."""
    options = parse_arguments()
    print_versions()
    results, halves = [], []
    with threadpool_limits(1):
        X, y = PROBLEMS[0].load("")
        for model in estimators(X, y).values():
            fit_once(model, X, y)  # the first calls load code
        for problem in options.problems:
            if problem.file and not Path(options.data, problem.file).exists():
                print(f"- {problem.name} is left out: there is no {problem.file}")
                continue
            print(problem.name, file=sys.stderr, flush=True)
            X, y = problem.load(options.data)
            results.append(compared(problem, X, y, options))
            halves.append(held_out.row(problem.name, X, y))
    print_table(
        "Fits with defaults", FITS, [r for one in results for r in rows_of_fits(one)]
    )
    races = [row for one in results for row in rows_of_races(one)]
    print_table("Time to the same gap", RACES, races)
    print_table("Held-out half of the rows", held_out.HEADER, halves)
    print_goals(results)


if __name__ == "__main__":
    main()
