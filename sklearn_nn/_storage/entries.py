"""Kinds of entries of a stored model, and the check that an entry is of its kind.

A kind is an object with `check(value, name, known)`, or the class of a record, whose fields
have kinds in `known.fields`. A check raises ValueError with the name of the entry, such as
'checkpoint.state.theta'.
"""

import reprlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.sparse import issparse

from .._data import array_api
from .._engine.arrays import check_compressed, is_finite, numpy_dtype
from .._parameters import check_parameter, is_too_large

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
DOUBLE = (np.dtype(np.float64),)
LARGEST = float(np.finfo(np.float64).max)
LARGEST_COUNT = 2**53  # every smaller one is exact as a float
N_WORDS = 624  # of the state of a Mersenne twister


@dataclass(frozen=True)
class Known:
    """What the checks of other entries have found."""

    fields: dict  # {class of a record: {name of a field: kind}}
    sizes: dict  # {name: an int, or the ints of several axes}
    dtype: Any = None  # of theta
    estimator_class: Any = None
    # {(id, lower limit): array} of those that are finite; arrays that live keep their ids.
    checked: dict = field(default_factory=dict)


def wrong(name, expected, given):
    """Return the error for an entry that is not as expected."""
    if hasattr(given, "dtype") and hasattr(given, "shape"):
        given = f"an array of {given.dtype} of the shape {tuple(given.shape)}"
    else:
        given = reprlib.repr(given)
    return ValueError(f"{name} should be {expected}, but is {given}")


def reason(error):
    """Return the error's message without its full stop; for a KeyError, what is missing."""
    if isinstance(error, KeyError) and error.args:
        return f"it lacks {error.args[0]!r}"
    return str(error).rstrip(".") or type(error).__name__


@contextmanager
def naming(prefix: str):
    """Add the beginning of the names of entries to errors about a part of a model."""
    try:
        yield
    except Exception as error:
        raise ValueError(f"{prefix}{reason(error)}") from error


def check_entry(kind, value, name, known: Known):
    """Raise ValueError unless the value is of this kind."""
    if not isinstance(kind, type):
        kind.check(value, name, known)
        return
    if type(value).__name__ != kind.__name__:
        raise wrong(name, f"of the class {kind.__name__}", value)
    for part, of_part in known.fields[kind].items():
        check_entry(of_part, getattr(value, part), f"{name}.{part}", known)


def is_number(value) -> bool:
    """Return whether a value is a real number, not bool, that a float can hold."""
    if type(value) is float:
        return True
    is_real = isinstance(value, Real) and not isinstance(value, bool)
    return is_real and not is_too_large(value)


def is_array(value) -> bool:
    """Return whether a value is an array that the package makes, of any library."""
    if isinstance(value, np.ndarray):
        return type(value) in (np.ndarray, np.memmap)
    return hasattr(value, "__dlpack__") and not isinstance(value, np.generic)


@dataclass(frozen=True)
class Anything:
    """Any value, which is checked elsewhere or never used."""

    def check(self, value, name, known):
        """Do nothing."""


@dataclass(frozen=True)
class Whole:
    """A whole number, such as a count."""

    least: int = 0
    most: int = LARGEST_COUNT

    def check(self, value, name, known):
        """Raise ValueError unless the value is one."""
        is_whole = type(value) is int or (
            isinstance(value, Integral) and not isinstance(value, bool)
        )
        if not is_whole or not self.least <= value <= self.most:
            raise wrong(name, f"a whole number from {self.least} to {self.most}", value)


@dataclass(frozen=True)
class Number:
    """A number; only infinite bounds let it be infinite."""

    least: float = -LARGEST
    most: float = LARGEST
    or_nan: bool = False

    def check(self, value, name, known):
        """Raise ValueError unless the value is one."""
        number = float(value) if is_number(value) else None
        if number is None or not (
            self.least <= number <= self.most or (self.or_nan and number != number)
        ):
            raise wrong(name, f"a number from {self.least} to {self.most}", value)


@dataclass(frozen=True)
class Text:
    """A string, of a set if one is given."""

    among: Any = None

    def check(self, value, name, known):
        """Raise ValueError unless the value is one."""
        if not isinstance(value, str):
            raise wrong(name, "a str", value)
        if self.among is not None and value not in self.among:
            raise wrong(name, f"one of {sorted(self.among)}", value)


@dataclass(frozen=True)
class Flag:
    """A bool."""

    def check(self, value, name, known):
        """Raise ValueError unless the value is one."""
        if not isinstance(value, (bool, np.bool_)):
            raise wrong(name, "a bool", value)


@dataclass(frozen=True)
class Choice:
    """None, or a value of one of the kinds, which are records if there are several."""

    kinds: tuple

    def check(self, value, name, known):
        """Raise ValueError unless the value is one."""
        if value is None:
            return
        names = [getattr(kind, "__name__", "") for kind in self.kinds]
        given = type(value).__name__
        if len(names) > 1 and given not in names:
            raise wrong(name, f"None or one of {names}", value)
        kind = self.kinds[names.index(given) if len(names) > 1 else 0]
        check_entry(kind, value, name, known)


@dataclass(frozen=True)
class Each:
    """A tuple of values of a kind, whose length is in a range or has a name."""

    kind: Any
    length: Any

    def check(self, value, name, known):
        """Raise ValueError unless the value is one."""
        length = self.length
        if isinstance(length, str):
            length = range(known.sizes[length], known.sizes[length] + 1)
        if not isinstance(value, tuple):
            raise wrong(name, "a tuple", value)
        if len(value) not in length:
            raise wrong(name, f"of a length from {length[0]} to {length[-1]}", value)
        for i, part in enumerate(value):
            check_entry(self.kind, part, f"{name}.{i}", known)


@dataclass(frozen=True)
class Array:
    """An array of finite numbers, of the dtype of theta or of one of these dtypes.

    The shape has numbers and names of sizes, and each of these may stand for several axes.
    """

    shape: tuple
    dtypes: tuple | None = None
    least: float = -LARGEST

    def check(self, value, name, known):
        """Raise ValueError unless the value is one."""
        dtypes = (known.dtype,) if self.dtypes is None else self.dtypes
        if self.dtypes == DOUBLE and not isinstance(value, np.ndarray):
            dtypes = FLOATS  # devices may lack float64
        check_array(value, name, known, self.shape, dtypes)
        if not all(value.shape) or type(value) is np.memmap:
            return  # a model in mapped memory is not read when it is loaded
        key = id(value), self.least
        if key in known.checked:  # theta and model_theta may be the same
            return
        if not is_within(value, self.least, LARGEST):
            limit = "" if self.least == -LARGEST else f" and at least {self.least}"
            raise wrong(name, f"finite{limit}", value)
        known.checked[key] = value


def check_array(value, name, known, shape, dtypes):
    """Raise ValueError unless the value is an array of this shape and one of the dtypes."""
    if not is_array(value):
        raise wrong(name, "an array", value)
    axes = []
    for size in shape:
        size = known.sizes.get(size, size)
        axes += size if isinstance(size, tuple) else [size]
    given, dtype = tuple(value.shape), numpy_dtype(value)
    if given != tuple(axes):
        raise ValueError(f"{name} should be of the shape {tuple(axes)}, but has {given}")
    if dtype not in dtypes:
        expected = " or ".join(map(str, dtypes))
        raise ValueError(f"{name} should be of the type {expected}, but has {dtype}")


def is_within(array, least: float, largest: float) -> bool:
    """Return whether all numbers are finite and within these limits.

    Those of another library are only finite, because limits of a checkpoint's arrays on a
    device are those of their dtype.
    """
    if not isinstance(array, np.ndarray):
        return is_finite(array)
    bound = float(np.finfo(array.dtype).max) if array.dtype.kind == "f" else LARGEST
    if array.dtype in FLOATS and least <= -bound and largest >= bound:
        flat = array.ravel(order="K")
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(flat @ flat):  # one pass, which is as fast as memory
                return True
    # NaN if one of them is.
    return bool(array.min() >= max(least, -bound) and array.max() <= min(largest, bound))


@dataclass(frozen=True)
class Coefficients:
    """Coefficients in a fitted attribute, which a user may have edited.

    They are numbers of any type, also in lists, and may be sparse if there are two axes.
    """

    shape: tuple

    def check(self, value, name, known):
        """Raise ValueError unless the value is one."""
        if issparse(value):
            check_compressed(value, name)
            array = value.data
            shape = tuple(known.sizes.get(size, size) for size in self.shape)
            if value.shape != shape:
                raise wrong(name, f"of the shape {shape}", value)
        else:
            array = array_api.own(value)
            dtypes = (numpy_dtype(array),)
            check_array(array, name, known, self.shape, dtypes)
        dtype = numpy_dtype(array)
        # scipy has no sparse float16.
        if dtype.kind not in "biuf" or (issparse(value) and dtype == np.float16):
            raise wrong(name, "of numbers", value)
        if not all(array.shape) or type(array) is np.memmap:
            return
        bound = float(np.finfo(known.dtype).max)
        if not is_within(array, -bound, bound):
            raise wrong(name, f"finite in {known.dtype}", value)


@dataclass(frozen=True)
class Labels:
    """Sorted labels without repetition."""

    def check(self, value, name, known):
        """Raise ValueError unless the value is one."""
        is_vector = isinstance(value, np.ndarray) and value.ndim == 1 and len(value) > 0
        if not is_vector or value.dtype.kind not in "biufUOMm":
            raise wrong(name, "an array of labels", value)
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise wrong(name, "finite", value)
        kinds = {type(label) for label in value} if value.dtype == object else set()
        is_plain = all(issubclass(kind, (str, Real, np.bool_)) for kind in kinds)
        # Strings and numbers have no common order.
        if not is_plain or len({issubclass(kind, str) for kind in kinds}) > 1:
            raise wrong(name, "labels of one type", value)
        if not (value[1:] > value[:-1]).all():
            raise wrong(name, "sorted labels without repetition", value.tolist())


@dataclass(frozen=True)
class Generator:
    """A state of NumPy's RandomState, whose numbers NumPy does not check itself."""

    def check(self, value, name, known):
        """Raise ValueError unless the value is one."""
        is_state = type(value) is tuple and len(value) == 5
        if not is_state or not isinstance(value[0], str) or value[0] != "MT19937":
            raise wrong(name, "the state of a Mersenne twister", value)
        _, key, position, has_gauss, gauss = value
        check_array(key, f"{name}.1", known, (N_WORDS,), (np.dtype(np.uint32),))
        if not key[1:].any():  # it draws zeros for ever
            raise wrong(f"{name}.1", "numbers that are not all 0", key)
        Whole(0, N_WORDS).check(position, f"{name}.2", known)
        Whole(0, 1).check(has_gauss, f"{name}.3", known)
        Number().check(gauss, f"{name}.4", known)


@dataclass(frozen=True)
class Parameters:
    """Valid values of constructor parameters by name; others may be of a later release."""

    def check(self, value, name, known):
        """Raise ValueError unless the value is one."""
        if type(value) is not dict or not all(isinstance(key, str) for key in value):
            raise wrong(name, "a dict of parameters", value)
        estimator_class = known.estimator_class
        for key in estimator_class._parameter_constraints.keys() & value.keys():
            parameter = value[key]
            if isinstance(parameter, np.random.RandomState):
                # Also stands for a function that arrays cannot hold.
                check_random_state(parameter, f"{name}.{key}", known)
                continue
            with naming(f"{name}.{key}: "):
                check_parameter(estimator_class, key, parameter)


def check_random_state(value, name, known):
    """Raise ValueError unless a RandomState is one of the default generator, and valid."""
    state = value.get_state(legacy=False)
    if state["bit_generator"] != "MT19937":
        return  # others have no position
    key, position = state["state"]["key"], state["state"]["pos"]
    gauss = state["has_gauss"], state["gauss"]
    Generator().check(("MT19937", key, position, *gauss), name, known)
