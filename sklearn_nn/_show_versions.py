"""What a bug report should say about an installation."""

import platform
import sys
from importlib.metadata import version

import sklearn_nn

from ._engine import compiled

DEPENDENCIES = ("numpy", "scipy", "scikit-learn", "threadpoolctl")


def show_versions():
    """Print the versions of the package and its dependencies, and which code trains.

    The line "training" says whether epochs run in compiled kernels, and for which
    instruction set of the processor, or in NumPy, where the package was installed without
    a C compiler. Both give the same models to rounding.

    Examples
    --------
    >>> import sklearn_nn
    >>> sklearn_nn.show_versions()  # doctest: +ELLIPSIS
    sklearn_nn ...
    """
    lines = [("sklearn_nn", sklearn_nn.__version__)]
    lines += [(name, version(name)) for name in DEPENDENCIES]
    lines += [
        ("python", sys.version.split()[0]),
        ("machine", platform.platform()),
        ("training", training()),
    ]
    for name, value in lines:
        sys.stdout.write(f"{name:<14}{value}\n")


def training():
    """Return what runs the epochs, in words."""
    found = compiled.instruction_sets()
    if not found:
        return "NumPy (installed without a C compiler)"
    return f"compiled kernels for {found[compiled.LEVEL]}, of {', '.join(found)}"
