"""Compare speed and memory with scikit-learn's models and a PyTorch loop (the peers).

    python benchmarks/compare.py [T1 ... T6 loss growth memory] [--quick]

Without names it runs all tasks, which takes about ten minutes; `--quick` runs them on small
data in about a minute, to check that they work. The output is tables in Markdown. A ratio
is the peer's time / ours, so above 1 ours is faster. README.md in this folder describes the
measurements.
"""

import argparse
import tempfile
from pathlib import Path

import growth
import memory
import time_to_loss
from report import (
    duration,
    has,
    ignore_known_warnings,
    print_table,
    print_versions,
    three_digits,
)
from tasks import TASKS
from threadpoolctl import threadpool_limits
from turns import measure

HEADER = ("case", "dtype", "peer", "peer's time", "our time", "ratio", "range")
OTHERS = ("loss", "growth", "memory")


def parse_arguments():
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description="Compare speed and memory with scikit-learn and a PyTorch loop."
    )
    parser.add_argument(
        "tasks", nargs="*", help=f"from {', '.join((*TASKS, *OTHERS))}; default: all"
    )
    parser.add_argument("--repeats", type=int, default=5, help="turns; at least 5")
    parser.add_argument("--quick", action="store_true", help="small data, one turn")
    parser.add_argument("--plot", metavar="FILE.svg", help="file for the picture of growth")
    parser.add_argument(
        "--memmap-folder",
        default=tempfile.gettempdir(),
        help="folder for a temporary file of 4 GB (default: %(default)s)",
    )
    options = parser.parse_args()
    if unknown := set(options.tasks) - {*TASKS, *OTHERS}:
        parser.error(f"There is no task {', '.join(sorted(unknown))}.")
    options.tasks = options.tasks or [*TASKS, *OTHERS]
    if options.plot and "growth" not in options.tasks:
        parser.error("--plot needs the task growth.")
    options.repeats = 1 if options.quick else options.repeats
    return options


def rows_of(pairs, n_repeats):
    """Return the rows of the table for an iterable of Pair."""
    rows = []
    for pair in pairs:
        times = measure(pair, n_repeats)
        spread = map(three_digits, (times.smallest_ratio, times.largest_ratio))
        rows.append(
            (
                *(pair.case, pair.dtype, pair.peer_name),
                *(duration(times.peer), duration(times.ours)),
                *(three_digits(times.ratio), "-".join(spread)),
            )
        )
    return rows


def run_growth(options):
    """Print and draw how time grows."""
    found = growth.points(options.quick, options.repeats)
    print_table("Growth of time per epoch, float64", growth.HEADER, growth.rows(found))
    if options.plot:
        from plot import save_growth

        save_growth(found, options.plot)


def run(name, options):
    """Run one task and print its table."""
    if name in TASKS:
        title, pairs = TASKS[name]
        print_table(title, HEADER, rows_of(pairs(options.quick), options.repeats))
    elif name == "loss":
        found = time_to_loss.rows(options.quick, options.repeats)
        print_table("Time to a training loss", time_to_loss.HEADER, found)
    elif name == "growth":
        run_growth(options)
    elif not Path("/proc/self/status").exists():
        print("Memory is left out: this system has no /proc to read it from.")
    else:
        found = memory.rows(options.quick, options.memmap_folder)
        print_table("Memory that a fit adds", memory.HEADER, found)


def main():
    """Print the versions and the table of each task."""
    options = parse_arguments()
    ignore_known_warnings()
    print_versions()
    if not has("torch"):
        print("PyTorch is not installed: its rows are left out.")
    with threadpool_limits(1):
        for name in options.tasks:
            run(name, options)


if __name__ == "__main__":
    main()
