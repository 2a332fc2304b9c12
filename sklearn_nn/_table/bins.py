"""Bins of columns of numbers: where in them a value is, as further columns of a network.

A network learns thresholds of single columns slowly. With a column per bin, a step of the
decision is a weight of the first layer.
"""

from typing import Any, NamedTuple

import numpy as np
from sklearn.tree import DecisionTreeClassifier

from .._engine.arrays import moved_to, namespace, take_columns

# On 14 tables, 4 bins were as good as 8, and take less time.
MOST_BINS = 4
# A bin has at least this weight of training rows.
SMALLEST_BIN = 32.0
# With more columns of numbers there are no bins: training would take several times as long.
MOST_BINNED_COLUMNS = 100

NO_EDGES = np.zeros(1, dtype=np.float32)


class Bins(NamedTuple):
    """Intervals of encoded columns; those of a column are adjacent, and at least two."""

    column: Any  # (n_bins,) index of a column, ascending
    start: Any  # (n_bins,) float32, ascending in a column
    width: Any  # (n_bins,) float32, > 0


def bins_of(edges) -> Bins:
    """Return the Bins between the ascending edges of each column."""
    column = [np.full(len(e) - 1, j) for j, e in enumerate(edges)]
    start = [e[:-1] for e in edges]
    width = [np.diff(e) for e in edges]
    return Bins(
        np.concatenate([np.empty(0, dtype=int), *column]),
        np.concatenate([np.empty(0, dtype=np.float32), *start]),
        np.concatenate([np.empty(0, dtype=np.float32), *width]),
    )


def fit_bins(numbers, is_present, labels, weight=None) -> Bins:
    """Return the Bins of columns whose values help to tell classes apart.

    Parameters
    ----------
    numbers : array of shape (n_rows, n_columns)
        Encoded numbers, float32.
    is_present : bool array of shape (n_rows, n_columns)
        False where a number is missing.
    labels : array of shape (n_rows,)
        Class indices.
    weight : array of shape (n_rows,), or None
        Numbers of repetitions, > 0; None is 1 each.

    Notes
    -----
    The edges are the thresholds of a decision tree of the column, and its least and largest
    value. A column whose tree has one leaf has no bins. (Gorishniy, Rubachev and Babenko,
    "On embeddings for numerical features in tabular deep learning", NeurIPS 2022, section
    3.2.2, https://arxiv.org/abs/2203.05556. They replace the number by its bins, which are
    one layer's input; here, the number remains beside them.)
    """
    n_columns = numbers.shape[1]
    if n_columns > MOST_BINNED_COLUMNS:
        return bins_of([])
    edges = []
    for j in range(n_columns):
        rows = is_present[:, j]
        of_rows = None if weight is None else weight[rows]
        edges.append(edges_of(numbers[rows, j], labels[rows], of_rows))
    return bins_of(edges)


def edges_of(values, labels, weight):
    """Return the edges (n_bins + 1,) of the bins of a column, or NO_EDGES."""
    if len(values) == 0:
        return NO_EDGES
    first, last = values.min(), values.max()
    if np.all((values == first) | (values == last)):  # positions would be the number again
        return NO_EDGES
    total = len(values) if weight is None else weight.sum()
    tree = DecisionTreeClassifier(
        max_leaf_nodes=MOST_BINS,
        # A share of the weight, because min_samples_leaf counts rows of any weight.
        min_weight_fraction_leaf=min(SMALLEST_BIN / total, 0.5),
        random_state=0,
    )
    tree = tree.fit(values[:, None], labels, sample_weight=weight).tree_
    thresholds = tree.threshold[tree.children_left >= 0]
    inner = np.unique(thresholds.astype(np.float32))
    inner = inner[(inner > first) & (inner < last)]  # a threshold may be rounded to one
    if len(inner) == 0:
        return NO_EDGES
    return np.concatenate([[first], inner, [last]]).astype(np.float32)


def positions(numbers, bins: Bins):
    """Return where each number is in each bin of its column, (n_rows, n_bins) float32.

    It is 0 below the bin, 1 above it, and linear between. The result is in the library and
    on the device of `numbers`.
    """
    distance = take_columns(numbers, bins.column) - moved_to(numbers, bins.start)
    return namespace(numbers).clip(distance / moved_to(numbers, bins.width), 0.0, 1.0)
