"""Columns of a table as plain values: numbers, or categories with None for missing."""

from numbers import Real
from typing import Any, NamedTuple

import numpy as np

NUMBERS, CATEGORIES, EMPTY = "numbers", "categories", "missing values"
# What to do about columns that are neither numbers nor categories.
TEMPORAL_ADVICE = (
    "Replace it by numbers, such as the days since a date, the month or the weekday, or "
    "drop it."
)
OTHER_ADVICE = "Replace it by numbers or strings, or drop it."


class Column(NamedTuple):
    """A column of the user's table."""

    name: str  # for messages, quoted or 'number 3'
    kind: str  # NUMBERS, CATEGORIES, or EMPTY if all values are missing
    values: Any  # (n_rows,) float with NaN, or objects: str, bool or float, and None


def is_frame(X) -> bool:
    """Return whether X is a data frame, whose columns have types of their own."""
    return hasattr(X, "columns") and (hasattr(X, "iloc") or hasattr(X, "get_column"))


def with_methods_of_pandas(X):
    """Return X, or a pandas data frame of another table, such as pyarrow's."""
    foreign = hasattr(X, "__dataframe__") and not is_frame(X) and hasattr(X, "to_pandas")
    return X.to_pandas() if foreign else X


def columns_of(X) -> list[Column]:
    """Return the columns of a data frame, or of an array of objects or strings."""
    if not is_frame(X):
        return [object_column(f"number {j}", X[:, j]) for j in range(X.shape[1])]
    names = list(X.columns)
    read = column_of_pandas if hasattr(X, "iloc") else column_of_polars
    return [read(repr(name), X, j) for j, name in enumerate(names)]


def column_of_pandas(name, X, j):
    """Return column j of a pandas data frame."""
    series = X.iloc[:, j]
    dtype = series.dtype
    kind = getattr(dtype, "kind", "O")
    if str(dtype) == "category":
        categories = np.asarray(series.astype(object), dtype=object)
        return category_column(name, categories, of_any_type=True)
    if kind in "mM" or str(dtype).startswith("period"):
        raise column_error(name, f"holds dates or times ({dtype})", TEMPORAL_ADVICE)
    if kind in "iuf":
        return number_column(name, series.to_numpy(dtype=np.float64, na_value=np.nan))
    return object_column(name, series.to_numpy(dtype=object))


def column_of_polars(name, X, j):
    """Return column j of a polars data frame."""
    series = X.to_series(j)
    if series.dtype.is_temporal():
        raise column_error(name, f"holds dates or times ({series.dtype})", TEMPORAL_ADVICE)
    if series.dtype.is_numeric():
        return number_column(name, series.to_numpy().astype(np.float64))
    return object_column(name, objects(series.to_list()))


def objects(values):
    """Return a list as an array of objects of one axis."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def number_column(name, values):
    """Return the Column of numbers; raise ValueError if one is infinite."""
    if np.isinf(values).any():
        row = int(np.flatnonzero(np.isinf(values))[0])
        advice = "Replace infinite values by finite ones, or by NaN if they are missing."
        raise column_error(name, f"has an infinite value in row {row}", advice)
    kind = EMPTY if len(values) and np.isnan(values).all() else NUMBERS
    return Column(name, kind, values)


def object_column(name, values):
    """Return the Column of Python objects, whose types tell the kind."""
    present = [value for value in values.tolist() if not is_missing(value)]
    if not present:
        return Column(name, EMPTY, np.full(len(values), np.nan))
    if all(is_number(kind) for kind in set(map(type, present))):
        numbers = [np.nan if is_missing(value) else float(value) for value in values]
        return number_column(name, np.array(numbers))
    return category_column(name, values)


def is_number(kind):
    """Return whether a type is one of numbers, not bool."""
    return issubclass(kind, Real) and not issubclass(kind, (bool, np.bool_))


def category_column(name, values, of_any_type=False):
    """Return the Column of categories; raise an error if their types are mixed.

    With `of_any_type`, categories that are not strings, booleans or numbers (intervals,
    say) are named by their text.
    """
    plain = [plain_category(value) for value in values.tolist()]
    kinds = {type(value) for value in plain} - {type(None)}
    if not kinds <= {str, bool, float} and of_any_type:
        plain = [None if value is None else str(value) for value in plain]
        kinds = {str}
    if len(kinds) > 1 or not kinds <= {str, bool, float}:
        raise mixed_error(name, plain, kinds)
    return Column(name, CATEGORIES if kinds else EMPTY, objects(plain))


def mixed_error(name, values, kinds):
    """Return the error for a column of several types, or of one that is not supported."""
    examples = {kind: next(v for v in values if type(v) is kind) for kind in kinds}
    listed = ", ".join(
        f"{kind.__name__} ({examples[kind]!r})"
        for kind in sorted(kinds, key=lambda kind: kind.__name__)
    )
    is_temporal = any(hasattr(kind, "isoformat") for kind in kinds)
    if len(kinds) > 1 and not is_temporal:
        advice = "Convert it to one type, such as str."
        return column_error(name, f"mixes types: {listed}", advice)
    advice = TEMPORAL_ADVICE if is_temporal else OTHER_ADVICE
    # The words of NumPy, which scikit-learn's contract expects.
    given = f"holds {listed}, but an argument must be a string or a number"
    return column_error(name, given, advice, TypeError)


def column_error(name, given, advice, error=ValueError):
    """Return an error about a column."""
    return error(f"Column {name} {given}. {advice}")


def as_categories(column: Column) -> Column:
    """Return a Column as categories, whose values are numbers if those of it are."""
    if column.kind != NUMBERS:
        return column
    values = [None if np.isnan(value) else value for value in column.values.tolist()]
    return Column(column.name, CATEGORIES, objects(values))


def is_missing(value) -> bool:
    """Return whether a value is None, NaN, or the missing value of a library."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, Real) and value != value


def plain_category(value):
    """Return a category as str, bool or float, None if missing, others unchanged."""
    if isinstance(value, str):
        return str(value)
    if is_missing(value):
        return None
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    return float(value) if isinstance(value, Real) else value
