"""Versions and build of an installation, for bug reports."""

import platform
import sys
from importlib.metadata import version
from pathlib import Path

from ._engine.epochs import compiled
from ._version import __version__

DEPENDENCIES = ("numpy", "scipy", "scikit-learn", "threadpoolctl")


def show_versions() -> None:
    """Print the versions of the package and its dependencies, and how it trains.

    The line "training" tells whether epochs run in compiled kernels, and with which
    instruction set, or in NumPy, if the package was installed without a C compiler or runs
    from its sources. Both give the same models up to rounding errors.

    Examples
    --------
    >>> import sklearn_nn
    >>> sklearn_nn.show_versions()  # doctest: +ELLIPSIS
    sklearn_nn ...
    """
    lines = [("sklearn_nn", __version__)]
    lines += [(name, version(name)) for name in DEPENDENCIES]
    lines += [
        ("python", sys.version.split()[0]),
        ("machine", platform.platform()),
        ("folder", str(Path(__file__).parent)),
        ("training", training()),
    ]
    for name, value in lines:
        sys.stdout.write(f"{name:<14}{value}\n")


def training():
    """Return a description of the code that runs the epochs."""
    found = compiled.instruction_sets()
    if not found:
        return "NumPy (no compiled kernels beside this code)"
    return f"compiled kernels for {found[compiled.LEVEL]}, of {', '.join(found)}"
