"""How close fits with defaults get to the optimum, and how fast, compared with peers.

    python benchmarks/convergence.py [--sets NAME ...] [--data DIR] [--threads N] [--quick]

All minimise J(W, b) = mean log-loss + 1e-4 / 2 ||W||^2 in the units of the data; a gap is
(J - J*) / J*. BLAS has one thread, or --threads, and ours uses as many. --sets takes names
of problems.py or their beginnings. Sets that need a file are left out if neither --data nor
SKLEARN_NN_DATA names its folder. All sets take long, mostly for the peers and for J* of
MNIST. --cache names a folder that stores each J* by the name of its data set: empty it if a
data set changes. --longest limits a peer's fit in a race. --quick runs the small sets in
about half a minute. The output is tables in Markdown, of which the first is in README.md,
and a list of goals.
"""

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from typing import NamedTuple

import against_lbfgs
import held_out
import numpy as np
from against_lbfgs import CLOSE
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

MANY_ROWS, MANY_FEATURES = 20_000, 300
NOISE, NOISE_OF_SMALL = 1.05, 1.2  # ratios of times that count as equal
SUMMARY = ("data", "ours: time / gap", "lbfgs: time / gap")
FITS = ("data", "model", "time", "gap", "warned", "epochs")
RACES = ("data", "gap to reach", "our time", "peer", "its time", "its epochs", "ratio")


class Race(NamedTuple):
    """A peer's fit down to our gap or CLOSE, the larger of them.

    `ratio` is its time / ours, or a lower bound of it.
    """

    peer: str
    target_gap: float
    budget: float  # seconds
    outcome: object  # None if it did not reach the gap
    ratio: float


class Result(NamedTuple):
    """The results on a data set."""

    name: str
    shape: tuple
    optimum: float
    outcomes: dict
    races: list
    duel: against_lbfgs.Duel | None = None

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
    parser.add_argument("--threads", type=int, default=1, help="of BLAS and of ours")
    parser.add_argument(
        "--longest", type=float, help="seconds of a peer's fit in a race (default: 20)"
    )
    parser.add_argument("--quick", action="store_true", help="small sets, short races")
    options = parser.parse_args()
    options.longest = options.longest or (1 if options.quick else 20)
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
    result = Result(problem.name, X.shape, smallest, outcomes, [])
    if outcomes[OURS].model is None:
        return result
    races = [
        race(models[name], name, result, X, y, options.longest)
        for name in RACERS
        if name in models
    ]
    duel = against_lbfgs.duel(problem.name, X, y, smallest, outcomes)
    return result._replace(races=races, duel=duel)


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


def summary(result):
    """Return the row of the table in README.md."""
    cells = [result.name]
    for name in (OURS, "lbfgs"):
        one = result.outcomes[name]
        time = "failed" if one.model is None else duration(one.seconds)
        warns = " (warns)" if one.warned else ""
        cells.append(f"{time} / {max(result.gap(name), 0):.1e}{warns}")
    for name in RACERS:
        found = [one for one in result.races if one.peer == name]
        if not found:
            cells.append("-")
        elif found[0].outcome is None:
            cells.append(f"not in {duration(found[0].budget)}")
        else:
            cells.append(duration(found[0].outcome.seconds))
    return tuple(cells)


def is_no_slower(number, result):
    """Say whether ours is as fast as lbfgs by a ratio of its Duel; None for other sets."""
    is_large = result.shape[0] >= MANY_ROWS or result.shape[1] >= MANY_FEATURES
    if not is_large and not result.name.endswith("-std"):
        return None
    noise = NOISE if is_large else NOISE_OF_SMALL
    return result.duel is not None and result.duel.ratios[number] * noise >= 1


def beats_stochastic(result):
    """Say whether no stochastic peer reaches the same gap in our time."""
    slower = [one.outcome is None or one.ratio > 1 for one in result.races]
    return bool(slower) and all(slower)


# Functions Result -> whether the goal holds, or None if it does not apply to the data.
GOALS = {
    "gap <= 1e-3 with defaults, no warning": lambda result: (
        result.gap(OURS) <= 1e-3 and not result.outcomes[OURS].warned
    ),
    "gap <= 1e-6 with tol=1e-8": lambda result: result.gap(OURS_LONGER) <= 1e-6,
    "no slower than lbfgs with defaults, to its gap or 1e-4": partial(is_no_slower, 0),
    "no slower by default than lbfgs to 1e-4": partial(is_no_slower, 1),
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
    print_versions(options.threads)
    results, halves = [], []
    with threadpool_limits(options.threads):
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
    to_gap = [f"{name}: time to our gap or {CLOSE:.0e}" for name in RACERS]
    print_table("Summary", (*SUMMARY, *to_gap), [summary(one) for one in results])
    print_table(
        "Fits with defaults", FITS, [r for one in results for r in rows_of_fits(one)]
    )
    races = [row for one in results for row in rows_of_races(one)]
    print_table("Time to the same gap", RACES, races)
    duels = [against_lbfgs.row(one.duel) for one in results if one.duel]
    print_table("Compared with lbfgs", against_lbfgs.HEADER, duels)
    print_table("Held-out half of the rows", held_out.HEADER, halves)
    print_goals(results)


if __name__ == "__main__":
    main()
