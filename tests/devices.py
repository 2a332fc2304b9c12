"""Arrays of other libraries than NumPy, on all devices that the machine has.

array-api-strict has only the standard, and devices that do not mix, so that arrays which
stay on the host raise errors. PyTorch is what users have, on the processor or on a GPU;
CuPy is NumPy on a GPU. The tests of a library are skipped if it is not installed.
"""

from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest

# How to find out whether the machine has a device, named as 'library:device'.
GPUS = {
    "torch:cuda": lambda xp: xp.cuda.is_available(),
    "torch:mps": lambda xp: xp.backends.mps.is_available(),
    "cupy:0": lambda xp: xp.cuda.is_available(),
}


def exists(name):
    """Return whether the machine has this GPU, and the library for it."""
    library = name.split(":")[0]
    return find_spec(library) is not None and GPUS[name](import_module(library))


DEVICES = ["array_api_strict:device1", "torch:cpu"]
DEVICES += [name for name in ("torch:cuda", "cupy:0") if exists(name)]
WITHOUT_FLOAT64 = ["array_api_strict:no_float64"]
WITHOUT_FLOAT64 += ["torch:mps"] if exists("torch:mps") else []


def arrays_at(name):
    """Return a function ndarray -> array on the device of this name, or skip the test."""
    library, device = name.split(":")
    xp = pytest.importorskip(library)
    if library == "cupy":
        return xp.asarray
    if library == "array_api_strict":
        device = xp.Device(device)
    return lambda array: xp.asarray(np.asarray(array), device=device)
