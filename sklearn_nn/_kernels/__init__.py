"""Compiled kernels; see CONTRIBUTING.md."""

import sys
import warnings
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

HERE = Path(__file__).resolve().parent


def built_elsewhere(folder, search_path):
    """Return (file, advice) of kernels that were built, but are not in `folder`, or None.

    `folder` is `_kernels` of the imported package, and `search_path` a list like sys.path.
    """
    package = Path("sklearn_nn", "_kernels")
    places = [Path(entry).resolve() / package for entry in search_path]
    advice = "start Python in another folder, so that the installed package is imported"
    for place in places:
        for suffix in EXTENSION_SUFFIXES:
            if place != folder and (place / f"kernels{suffix}").is_file():
                return place / f"kernels{suffix}", advice
    source = folder.parents[1]
    by_advice = {
        f"copy them to {folder}": source.glob(f"*/{package}/kernels.*"),
        "build them for this version of Python, or install the package": folder.glob(
            "kernels.*"
        ),
    }
    for advice, files in by_advice.items():
        for file in sorted(files):
            if file.suffix in (".so", ".pyd"):
                return file, advice
    return None


def warn_if_built_elsewhere():
    """Warn if the package was imported without kernels, although there are some."""
    found = built_elsewhere(HERE, sys.path)
    if found is not None:
        file, advice = found
        warnings.warn(
            f"sklearn_nn was imported from {HERE.parent}, which has no compiled kernels: "
            f"training and predictions are much slower. There are kernels in {file}; to "
            f"use them, {advice}.",
            stacklevel=2,
        )
