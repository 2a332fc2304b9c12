"""The schema of a table: which columns are numbers, and the categories of the others."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_array

from .._data import array_api
from .._engine.arrays import check_sparse, detached, take, to_numpy
from .._engine.rows import without_duplicates
from . import columns
from .columns import CATEGORIES, EMPTY, NUMBERS, Column

# Names of the types of categories, for messages.
TYPE_NAMES = {str: "strings", bool: "booleans", float: "numbers"}


class Table(NamedTuple):
    """Rows of a table as numbers and codes."""

    numbers: Any  # (n_rows, n_numbers), dense or CSR, NaN is missing; on the device of X
    codes: Any  # (n_rows, n_categorical) integers, ndarray: see `Schema.vocabularies`

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.numbers.shape[0]

    def take(self, rows) -> "Table":
        """Return the rows with these indices, or all for None."""
        if rows is None:
            return self
        numbers = self.numbers[rows] if issparse(self.numbers) else take(self.numbers, rows)
        return Table(numbers, self.codes[rows])


@dataclass(frozen=True)
class Schema:
    """The columns of a table.

    The code of a category is its index in the vocabulary of its column. The length of the
    vocabulary is the code of a missing value, and -1 that of a category not in it.
    """

    names: tuple  # of all columns, str
    numeric: tuple  # indices of the columns of numbers
    categorical: tuple  # indices of the columns of categories
    vocabularies: tuple  # for each of these, the sorted categories, a tuple

    def read(self, X) -> Table:
        """Return the rows of a user's X; raise an error if a column has another type."""
        X = readable(X)
        if is_numeric_array(X) and not self.categorical:
            return Table(X, np.empty((X.shape[0], 0), dtype=np.int64))
        return self.table_of(all_columns(X))

    def table_of(self, found: list[Column]) -> Table:
        """Return the Table of these columns."""
        n_rows = len(found[0].values)
        numbers = np.empty((n_rows, len(self.numeric)))
        for k, j in enumerate(self.numeric):
            numbers[:, k] = numbers_of(found[j])
        codes = np.empty((n_rows, len(self.categorical)), dtype=np.int64)
        for k, j in enumerate(self.categorical):
            codes[:, k] = codes_of(found[j], self.vocabularies[k])
        return Table(numbers, codes)


def read_new(X, categorical_features, feature_names) -> tuple[Schema, Table]:
    """Return the Schema of a user's X, and its rows.

    `categorical_features` is the constructor's parameter, and `feature_names` are the
    names of columns that are strings, or None.
    """
    X = readable(X)
    n_columns = X.shape[1]
    names = tuple(
        str(name)
        for name in (
            [f"x{j}" for j in range(n_columns)] if feature_names is None else feature_names
        )
    )
    chosen = chosen_columns(categorical_features, n_columns, feature_names)
    if is_numeric_array(X) and not chosen:
        schema = Schema(names, tuple(range(n_columns)), (), ())
        return schema, Table(X, np.empty((X.shape[0], 0), dtype=np.int64))
    if issparse(X):
        raise ValueError(
            f"categorical_features={categorical_features!r} cannot be used with a sparse "
            "X. Pass a dense array or a data frame."
        )
    found = with_kinds(all_columns(X), chosen)
    numeric = tuple(j for j, column in enumerate(found) if column.kind != CATEGORIES)
    categorical = tuple(j for j, column in enumerate(found) if column.kind == CATEGORIES)
    vocabularies = tuple(vocabulary_of(found[j]) for j in categorical)
    schema = Schema(names, numeric, categorical, vocabularies)
    return schema, schema.table_of(found)


def readable(X):
    """Return X as a data frame, an array of numbers or objects, or CSR, validated.

    Raise ValueError if it has not two axes, no row or no column, or infinite values.
    """
    X = columns.with_methods_of_pandas(X)
    if columns.is_frame(X):
        if 0 in X.shape:
            raise ValueError(
                f"Found array with 0 sample(s) or 0 feature(s) (shape={X.shape}) while a "
                "minimum of 1 is required."
            )
        return X
    X = detached(X)
    has_numbers = issparse(X) or array_api.is_foreign(X)
    if not has_numbers and np.asarray(X).dtype.kind in "OUS":
        # As objects, because an array of strings and numbers would have only strings.
        return check_array(np.asarray(X, dtype=object), dtype=None, ensure_all_finite=False)
    check_sparse(X, "X")
    dtype = array_api.floats_of(X)
    X = check_array(X, accept_sparse="csr", dtype=dtype, ensure_all_finite="allow-nan")
    return without_duplicates(X)


def is_numeric_array(X):
    """Return whether X, the result of `readable`, is CSR or a dense array of numbers."""
    return not columns.is_frame(X) and X.dtype != object


def all_columns(X) -> list[Column]:
    """Return the columns of a frame or a dense array."""
    if is_numeric_array(X):
        X = X.toarray() if issparse(X) else to_numpy(X)
        return [
            columns.number_column(f"number {j}", X[:, j].astype(np.float64))
            for j in range(X.shape[1])
        ]
    return columns.columns_of(X)


def chosen_columns(categorical_features, n_columns, feature_names):
    """Return the set of indices in `categorical_features`, or None for 'from_dtype'.

    Raise ValueError if an index or a name is not that of a column.
    """
    if isinstance(categorical_features, str) and categorical_features == "from_dtype":
        return None
    chosen = [] if categorical_features is None else categorical_features
    chosen = np.atleast_1d(np.asarray(chosen))
    if chosen.ndim != 1:
        raise ValueError(bad_choice(categorical_features, "has more than one axis"))
    if chosen.dtype.kind == "b":
        if len(chosen) != n_columns:
            given = f"is a mask of {len(chosen)} values for {n_columns} columns"
            raise ValueError(bad_choice(categorical_features, given))
        return set(np.flatnonzero(chosen).tolist())
    if chosen.dtype.kind in "iu" or not len(chosen):
        outside = [j for j in chosen.tolist() if not 0 <= j < n_columns]
        if outside:
            given = f"has {outside}, and X has {n_columns} columns"
            raise ValueError(bad_choice(categorical_features, given))
        return set(map(int, chosen))
    known = [] if feature_names is None else list(feature_names)
    unknown = [name for name in chosen.tolist() if name not in known]
    if unknown:
        given = f"has {unknown}, which are not names of columns of X"
        raise ValueError(bad_choice(categorical_features, given))
    return {known.index(name) for name in chosen.tolist()}


def bad_choice(categorical_features, given):
    """Return the message for a `categorical_features` that does not fit X."""
    return (
        f"categorical_features={categorical_features!r} {given}. Pass 'from_dtype', None, "
        "or the names, the indices or a mask of the categorical columns."
    )


def with_kinds(found: list[Column], chosen) -> list[Column]:
    """Return the columns, those that are `chosen` (a set, or None) as categories.

    Raise ValueError if another column has strings or booleans.
    """
    if chosen is None:
        return found
    kinds = [
        columns.as_categories(column) if j in chosen else column
        for j, column in enumerate(found)
    ]
    for j, column in enumerate(kinds):
        if column.kind == CATEGORIES and j not in chosen and type_of(column) is str:
            raise columns.column_error(
                column.name,
                "holds strings, but is not among categorical_features",
                "Add it, drop it, or set categorical_features='from_dtype'.",
            )
    return [
        numbers_of_booleans(column) if j not in chosen else column
        for j, column in enumerate(kinds)
    ]


def numbers_of_booleans(column):
    """Return a column of booleans that is not chosen as categorical, as numbers."""
    if column.kind != CATEGORIES:
        return column
    values = [np.nan if value is None else float(value) for value in column.values]
    return Column(column.name, NUMBERS, np.array(values))


def vocabulary_of(column: Column) -> tuple:
    """Return the sorted categories of a column, without the missing value.

    Raise ValueError for numbers so large that float64 has merged integers.
    """
    categories = sorted(set(column.values.tolist()) - {None})
    large = [one for one in categories if not isinstance(one, str) and abs(one) >= 2**53]
    if large:
        raise columns.column_error(
            column.name,
            f"has the category {large[0]:.0f}: as categories, numbers must be below 2**53, "
            "because float64 does not hold all larger integers",
            "Convert it to strings.",
        )
    return tuple(categories)


def type_of(column: Column):
    """Return the type of the categories of a column."""
    return next(type(value) for value in column.values if value is not None)


def numbers_of(column: Column):
    """Return the values of a column of numbers; raise ValueError if it has others."""
    if column.kind == CATEGORIES and type_of(column) is bool:
        column = numbers_of_booleans(column)
    if column.kind == CATEGORIES:
        example = next(value for value in column.values if value is not None)
        raise columns.column_error(
            column.name,
            f"held numbers in fit, and now {TYPE_NAMES[type(example)]} ({example!r})",
            "Pass numbers, with NaN where they are missing.",
        )
    return column.values.astype(np.float64)


def codes_of(column: Column, vocabulary: tuple):
    """Return the codes (n_rows,) of a column of categories.

    Raise ValueError if it has categories of another type.
    """
    if column.kind == EMPTY:
        return np.full(len(column.values), len(vocabulary))
    column = columns.as_categories(column)
    expected, given = type(vocabulary[0]), type_of(column)
    if (expected is str) != (given is str):
        raise columns.column_error(
            column.name,
            f"held {TYPE_NAMES[expected]} in fit, and now {TYPE_NAMES[given]}",
            f"Convert it to {TYPE_NAMES[expected]}.",
        )
    codes = {value: code for code, value in enumerate(vocabulary)}
    codes[None] = len(vocabulary)
    return np.array([codes.get(value, -1) for value in column.values.tolist()])
