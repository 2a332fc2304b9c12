"""Print versions, and tables in Markdown."""

import importlib.util
import platform
import warnings
from importlib.metadata import version
from pathlib import Path

from threadpoolctl import threadpool_info

from sklearn_nn._engine.epochs.compiled import instruction_sets

LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "pandas", "sklearn_nn")


def has(module):
    """Say whether a module can be imported."""
    return importlib.util.find_spec(module) is not None


def ignore_known_warnings():
    """Ignore the warnings of peers that stop at max_iter, as they should here."""
    for message in ("Stochastic Optimizer: Maximum", "lbfgs failed to converge"):
        warnings.filterwarnings("ignore", message=message)


def print_versions(n_threads=1):
    """Print versions and hardware, on which the times depend, as a Markdown list."""
    found = [("Python", platform.python_version())]
    for library in LIBRARIES:
        try:
            found.append((library, version(library)))
        except ModuleNotFoundError:  # not installed, or run from the source
            continue
    print("- " + ", ".join(f"{name} {number}" for name, number in found))
    for library in threadpool_info():
        if library["user_api"] == "blas":
            architecture = library.get("architecture", "unknown processor")
            print(f"- {library['internal_api']} {library['version']} ({architecture})")
    print(f"- kernels: {(instruction_sets() or ['none, only NumPy'])[0]}")
    threads = "one thread" if n_threads == 1 else f"{n_threads} threads"
    print(f"- processor: {processor()}; {threads} for all")


def processor():
    """Return the model name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def print_table(title, header, rows):
    """Print a table in Markdown with right-aligned numbers.

    Parameters
    ----------
    title : str
    header : sequence of str
    rows : list of sequences of str, as long as `header`; the first is a name
    """
    columns = list(zip(header, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    # A column holds numbers if all of its cells begin with a digit; the first never does.
    is_number = [all(cell[0].isdigit() for cell in cells) for _, *cells in columns]
    is_number[0] = False
    rules = [
        "-" * (width - number) + ":" * number
        for width, number in zip(widths, is_number, strict=True)
    ]
    print(f"\n### {title}\n")
    for row in (header, rules, *rows):
        cells = [
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, is_number, strict=True)
        ]
        print(f"| {' | '.join(cells)} |")
    print(flush=True)


def duration(seconds):
    """Return a time with three digits, in s, ms or us."""
    for unit, length in (("s", 1), ("ms", 1e-3)):
        if seconds >= length:
            return f"{three_digits(seconds / length)} {unit}"
    return f"{three_digits(seconds / 1e-6)} us"


def three_digits(number):
    """Return a positive number with three digits, or more if it is 1000 or larger."""
    n_decimals = 2 if number < 10 else 1 if number < 100 else 0
    return f"{number:.{n_decimals}f}"
