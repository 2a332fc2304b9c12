"""Encoding of a table as numbers of one scale, fitted on weighted training rows.

scikit-learn's transformers are not used, because they have no weights: with RobustScaler,
SimpleImputer and the rare categories of OneHotEncoder, a row of weight 2 would differ from
two rows.
"""

from dataclasses import dataclass, replace
from itertools import chain, count
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, hstack, issparse

from .._engine.arrays import as_type, moved_to, namespace, to_numpy, widened
from .bins import Bins, bins_of, fit_bins, positions
from .forest import NO_FOREST, Forest, fit_forest, votes_of
from .quantiles import centre_and_scale, stored_centre_and_scale
from .schema import Schema, Table

# Numbers far from the median approach this many scales: RealMLP's smooth clip.
CLIP = 3.0
# A category with fewer rows has no column of its own.
MIN_ROWS = 3
# With more columns for one variable, the encoded rows are sparse.
MOST_DENSE_COLUMNS = 50
UNSEEN = -1  # level of a category that training rows did not have, if none was rare


@dataclass(frozen=True)
class TableEncoder:
    """Encodes rows of a table as float32 rows of a network.

    A number x becomes z / sqrt(1 + (z / 3)^2), where z = (x - median) / scale. The scale is
    the distance of the quartiles, or half the range if that is 0. A missing number becomes
    the median, and has an indicator if some training rows had missing values. A dense
    number has a column for each of its bins, too, if the table has few numbers. Categories
    are one-hot, and share a column if they are rare; a missing value is a category. A
    category that the training rows did not have is encoded as a rare one, or as zeros if
    none was rare. Two levels are one column of -1 and 1. The last columns are the votes of
    a forest, one for each class. Sparse rows are scaled, but not shifted, and have no
    votes.
    """

    schema: Schema
    centre: Any  # (n_numbers,) medians; 0 for sparse rows
    scale: Any  # (n_numbers,), 0 for a constant
    has_indicator: Any  # (n_numbers,) bool
    bins: Bins  # of the encoded numbers
    # For each categorical column the level of each code (n_categories + 2,): of the
    # categories, a missing value, and a category without code.
    levels: tuple
    n_levels: tuple  # of each categorical column
    has_rare: tuple  # of each: whether its last level is that of rare categories
    forest: Forest = NO_FOREST

    def transform(self, X):
        """Return a user's rows encoded.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            With the columns of the training rows.

        Returns
        -------
        ndarray or csr_matrix of shape (n_samples, n_columns), float32
            Sparse if X is, or if a categorical column has more than 50 columns.

        Notes
        -----
        All trees vote on all rows, on those that they were fitted on, too: on training rows
        the votes are almost the labels. Do not train another model on them there.
        """
        return self.encode(self.schema.read(X))

    def encode(self, table: Table, votes=None):
        """Return the rows of a Table encoded, (n_rows, n_columns) float32, dense or CSR.

        `votes` (n_rows, n_classes) stand for those of the forest. None: the forest votes.
        """
        if issparse(table.numbers):
            return self.encoded_sparse(table.numbers)
        seen = self.seen_by_forest(table)
        if votes is None:
            votes = self.votes(seen)
        if self.is_mixed:
            return self.encoded_mixed(seen, table.codes, votes)
        return namespace(seen).concat([seen, moved_to(seen, votes)], axis=1)

    @property
    def is_mixed(self) -> bool:
        """Return whether the encoded rows of a dense table are sparse."""
        return max(self.n_columns_of_categories(), default=0) > MOST_DENSE_COLUMNS

    def seen_by_forest(self, table):
        """Return the dense encoded columns: numbers, and categories if not too many."""
        numbers = self.encoded_numbers(table.numbers)
        if not self.n_levels or self.is_mixed:
            return numbers
        return np.concatenate([numbers, self.encoded_categories(table.codes)], axis=1)

    def votes(self, seen):
        """Return the forest's votes on the columns that it sees; none without trees."""
        return votes_of(seen, self.forest) if len(self.forest.root) else seen[:, :0]

    def n_columns_of_categories(self) -> list[int]:
        """Return the number of encoded columns of each categorical column."""
        return [1 if n <= 2 else n for n in self.n_levels]

    def n_columns_of_numbers(self) -> int:
        """Return the number of encoded columns of numbers: with indicators and bins."""
        n_indicators = int(np.count_nonzero(self.has_indicator))
        return len(self.centre) + n_indicators + len(self.bins.column)

    def n_seen_columns(self) -> int:
        """Return the number of columns of `seen_by_forest`."""
        n_of_categories = 0 if self.is_mixed else sum(self.n_columns_of_categories())
        return self.n_columns_of_numbers() + n_of_categories

    def encoded_categories(self, codes):
        """Return the encoded columns of the codes (n_rows, n_categorical)."""
        n_columns, start = self.n_columns_of_categories(), 0
        encoded = np.zeros((len(codes), sum(n_columns)), dtype=np.float32)
        rows = np.arange(len(codes))
        for j, n in enumerate(n_columns):
            level = self.levels[j][codes[:, j]]
            seen = level != UNSEEN
            if n == 1:
                encoded[seen, start] = 2 * level[seen] - 1
            else:
                encoded[rows[seen], start + level[seen]] = 1
            start += n
        return encoded

    def encoded_numbers(self, numbers):
        """Return the encoded numbers, indicators and bins (n_rows, n) of dense rows.

        They are in the library and on the device of `numbers`.
        """
        xp, n_numbers = namespace(numbers), len(self.centre)
        with_indicator = np.flatnonzero(self.has_indicator).tolist()
        shape = numbers.shape[0], self.n_columns_of_numbers()
        encoded = xp.empty(shape, dtype=xp.float32, device=numbers.device)
        start = n_numbers + len(with_indicator)
        for j in range(n_numbers):  # by column, so that little memory is needed
            encoded[:, j] = as_type(self.encoded_number(numbers[:, j], j), xp.float32)
        for k, j in enumerate(with_indicator, start=n_numbers):
            encoded[:, k] = as_type(xp.isnan(numbers[:, j]), xp.float32)
        encoded[:, start:] = positions(encoded, self.bins)
        return encoded

    def encoded_number(self, values, j):
        """Return the values of column j of the numbers, encoded."""
        if self.scale[j] == 0:
            return namespace(values).zeros_like(values)
        scale = float(self.scale[j])
        return clipped(widened(values), scale, float(self.centre[j]) / scale)

    def encoded_mixed(self, numbers, codes, votes):
        """Return CSR encoded rows of encoded numbers, codes and votes."""
        n_rows, start = numbers.shape
        n_columns = self.n_columns_of_categories()
        # Each row has the same number of entries, in the order of columns.
        n_entries = start + len(n_columns) + votes.shape[1]
        columns = np.empty((n_rows, n_entries), dtype=np.int32)
        values = np.empty((n_rows, n_entries), dtype=np.float32)
        columns[:, :start], values[:, :start] = np.arange(start), numbers
        width = start
        for j, n in enumerate(n_columns):
            level = self.levels[j][codes[:, j]]
            seen = level != UNSEEN
            columns[:, start + j] = width + (np.where(seen, level, 0) if n > 1 else 0)
            values[:, start + j] = seen * (1 if n > 1 else 2 * level - 1)
            width += n
        end = start + len(n_columns)
        columns[:, end:], values[:, end:] = width + np.arange(votes.shape[1]), votes
        ends = np.arange(n_rows + 1, dtype=np.int32) * n_entries
        shape = (n_rows, width + votes.shape[1])
        return csr_matrix((values.ravel(), columns.ravel(), ends), shape=shape)

    def encoded_sparse(self, numbers):
        """Return CSR encoded rows of CSR numbers, scaled but not shifted."""
        is_missing = np.isnan(numbers.data)
        column = numbers.indices
        scale = np.where(self.scale > 0, self.scale, np.inf)  # a constant becomes 0
        values = clipped(numbers.data, scale[column]).astype(np.float32)
        encoded = csr_matrix((values, column, numbers.indptr), shape=numbers.shape)
        if not self.has_indicator.any():
            return encoded
        indicators = csr_matrix(
            (is_missing.astype(np.float32), column, numbers.indptr), shape=numbers.shape
        )[:, self.has_indicator]
        indicators.eliminate_zeros()
        return hstack([encoded, indicators], format="csr")

    def get_feature_names_out(self, input_features=None):
        """Return the names of the encoded columns.

        Parameters
        ----------
        input_features : None
            Not used.

        Returns
        -------
        ndarray of str
            'age', 'age_missing', 'age_bin_0', 'city_Paris', 'city_missing', 'city_other',
            'votes_0'. A column with two levels has the name of its second one. If a name
            is already taken (by a category 'missing', say), '_2' is added, or the next
            number.
        """
        names = [self.schema.names[j] for j in self.schema.numeric]
        with_indicator = np.flatnonzero(self.has_indicator)
        names += [f"{names[k]}_missing" for k in with_indicator]
        column = self.bins.column
        number = np.arange(len(column)) - np.searchsorted(column, column)
        names += [f"{names[k]}_bin_{i}" for k, i in zip(column, number, strict=True)]
        for k, j in enumerate(self.schema.categorical):
            levels = self.names_of_levels(k)
            levels = levels if len(levels) > 2 else levels[-1:]
            names += [f"{self.schema.names[j]}_{level}" for level in levels]
        names += [f"votes_{k}" for k in range(len(self.forest.shares))]
        return np.array(distinct(names), dtype=object)

    def names_of_levels(self, k):
        """Return the names of the levels of a categorical column."""
        vocabulary = [*map(str, self.schema.vocabularies[k]), "missing"]
        n_kept = self.n_levels[k] - self.has_rare[k]
        level = self.levels[k]
        kept = [vocabulary[np.flatnonzero(level == i)[0]] for i in range(n_kept)]
        return kept + ["other"] * self.has_rare[k]


def distinct(names):
    """Return the names in order, with a number added to each that is already taken."""
    taken = {}
    for name in names:
        numbered = (f"{name}_{k}" for k in count(2))
        taken[next(n for n in chain([name], numbered) if n not in taken)] = None
    return list(taken)


def clipped(values, scale, shift=0.0):
    """Return z / sqrt(1 + (z / 3)^2) for z = values / scale - shift, 0 for NaN."""
    xp = namespace(values)
    with np.errstate(over="ignore", invalid="ignore"):  # far beyond the clip
        z = values / scale - shift
        length = xp.hypot(xp.full_like(z, CLIP), z)
        z = xp.where(xp.isinf(z), xp.sign(z), z / length) * CLIP
    return xp.where(xp.isnan(values), xp.zeros_like(z), z)


def fit_encoder(schema: Schema, table: Table, labels, weight=None) -> TableEncoder:
    """Return the TableEncoder of these training rows.

    `labels` (n_rows,) are class indices, from which bins are found. `weight` (n_rows,) are
    numbers of repetitions, > 0, or None for 1 each.
    """
    centre_of = sparse_centres if issparse(table.numbers) else dense_centres
    centre, scale, n_missing = centre_of(table.numbers, weight)
    levels, n_levels, has_rare = [], [], []
    for k, vocabulary in enumerate(schema.vocabularies):
        level, n, rare = levels_of(table.codes[:, k], len(vocabulary) + 1, weight)
        levels.append(level)
        n_levels.append(n)
        has_rare.append(rare)
    encoder = TableEncoder(
        schema=schema,
        centre=centre,
        scale=scale,
        has_indicator=(n_missing > 0) & (n_missing < table.n_rows),
        bins=bins_of([]),
        levels=tuple(levels),
        n_levels=tuple(n_levels),
        has_rare=tuple(has_rare),
    )
    return encoder if issparse(table.numbers) else with_bins(encoder, table, labels, weight)


def with_bins(encoder: TableEncoder, table: Table, labels, weight) -> TableEncoder:
    """Return the encoder with the bins of dense numbers, which are found on the host."""
    numbers = encoder.encoded_numbers(table.numbers)[:, : len(encoder.centre)]
    is_missing = namespace(table.numbers).isnan(table.numbers)
    bins = fit_bins(to_numpy(numbers), ~to_numpy(is_missing), labels, weight)
    return replace(encoder, bins=bins)


def with_forest(encoder: TableEncoder, table: Table, labels, shares, **options):
    """Return the encoder with a forest, and the votes on its training rows, or None.

    `shares` (n_classes,) float32 are those of the classes, and `options` further arguments
    of `fit_forest`. Trees see no bins and no constant columns, which would tell them
    nothing new. They are fitted on the host. Sparse rows, and categories alone that are
    many, have no forest.
    """
    if issparse(table.numbers):
        return encoder, None
    seen = to_numpy(encoder.seen_by_forest(table))
    end = encoder.n_columns_of_numbers()
    varies = seen.max(axis=0) > seen.min(axis=0)
    varies[end - len(encoder.bins.column) : end] = False
    columns = np.flatnonzero(varies)
    if len(columns) == 0:
        return encoder, None
    forest, votes = fit_forest(seen, columns, labels, shares, **options)
    return replace(encoder, forest=forest), votes


def dense_centres(numbers, weight):
    """Return medians, scales and numbers of missing values of the columns.

    The rows may be on a device; the results are on the host.
    """
    n_rows, n_columns = numbers.shape
    weight, isnan = moved_to(numbers, weight), namespace(numbers).isnan
    centre, scale, n_missing = np.zeros(n_columns), np.zeros(n_columns), []
    for j in range(n_columns):
        present = ~isnan(numbers[:, j])
        values = numbers[:, j][present]
        of_present = None if weight is None else weight[present]
        centre[j], scale[j] = centre_and_scale(values, of_present)
        n_missing.append(n_rows - values.shape[0])
    return centre, scale, np.array(n_missing, dtype=int)


def sparse_centres(numbers, weight):
    """Return zeros, scales and numbers of missing values of the columns of CSR rows."""
    by_column = numbers.tocsc()
    n_rows, n_columns = numbers.shape
    total = n_rows if weight is None else weight.sum()
    scale, n_missing = np.zeros(n_columns), np.zeros(n_columns, dtype=int)
    for j in range(n_columns):
        entries = slice(by_column.indptr[j], by_column.indptr[j + 1])
        values, rows = by_column.data[entries], by_column.indices[entries]
        present = ~np.isnan(values)
        of_stored = None if weight is None else weight[rows]
        stored_total = len(rows) if weight is None else of_stored.sum()
        of_present = None if weight is None else of_stored[present]
        _, scale[j] = stored_centre_and_scale(
            values[present], n_rows - len(rows), of_present, total - stored_total
        )
        n_missing[j] = len(present) - np.count_nonzero(present)
    return np.zeros(n_columns), scale, n_missing


def levels_of(codes, n_codes, weight):
    """Return the level of each code and of an unseen one, and the number of levels.

    Also return whether the last level is that of rare categories.
    """
    n_rows = np.bincount(codes, weight, minlength=n_codes)
    is_kept = n_rows > MIN_ROWS - 1e-6  # sums of weights have rounding errors
    has_rare = bool(np.any((n_rows > 0) & ~is_kept))
    n_kept = int(is_kept.sum())
    level = np.full(n_codes + 1, n_kept if has_rare else UNSEEN)
    level[:-1][is_kept] = np.arange(n_kept)
    return level, n_kept + has_rare, has_rare
