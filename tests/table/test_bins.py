"""Bins of columns of numbers: their edges, and the columns that they add."""

import numpy as np
import pandas as pd
import pytest
from frames import mixed_frame
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix

from sklearn_nn._table.bins import (
    MOST_BINNED_COLUMNS,
    MOST_BINS,
    SMALLEST_BIN,
    bins_of,
    fit_bins,
    positions,
)
from sklearn_nn._table.encoder import fit_encoder
from sklearn_nn._table.schema import read_new


def bins_of_column(values, labels, weight=None):
    """Return the bins of one column without missing values."""
    numbers = np.asarray(values, dtype=np.float32)[:, None]
    return fit_bins(numbers, np.ones(numbers.shape, bool), np.asarray(labels), weight)


def fitted(X, labels, weight=None):
    """Return an encoder that is fitted on these rows."""
    names = list(map(str, X.columns)) if hasattr(X, "columns") else None
    schema, table = read_new(X, "from_dtype", names)
    return fit_encoder(schema, table, labels, weight)


def test_edges_are_thresholds_between_classes():
    values = np.arange(200) / 100
    bins = bins_of_column(values, (values >= 0.5) & (values < 1.2))
    # Thresholds are half way between rows of different classes.
    edges = [0, 0.495, 1.195, 1.99]
    assert_allclose(bins.start, edges[:-1], atol=1e-6)
    assert_allclose(bins.width, np.diff(edges), rtol=1e-5)
    assert bins.column.tolist() == [0, 0, 0]


def test_positions_are_linear_in_a_bin_and_constant_outside():
    bins = bins_of([np.float32([0, 1, 3])])
    numbers = np.float32([[-5.0], [0], [0.5], [1], [2], [3], [9]])
    expected = [[0, 0], [0, 0], [0.5, 0], [1, 0], [1, 0.5], [1, 1], [1, 1]]
    assert positions(numbers, bins).tolist() == expected


def test_a_number_is_the_sum_of_its_positions():
    rng = np.random.RandomState(0)
    values = rng.normal(size=500).astype(np.float32)
    bins = bins_of_column(values, np.abs(values) > 1)
    total = positions(values[:, None], bins) @ bins.width + values.min()
    assert_allclose(total, values, atol=1e-5)


def test_a_bin_has_enough_rows_and_a_column_few_bins():
    rng = np.random.RandomState(0)
    values, labels = rng.normal(size=400), rng.randint(3, size=400)
    bins = bins_of_column(values, labels)
    assert 2 <= len(bins.start) <= MOST_BINS
    position = positions(values.astype(np.float32)[:, None], bins)
    n_rows = np.bincount((position[:, 1:] > 0).sum(axis=1))
    assert n_rows.min() >= SMALLEST_BIN


def test_a_column_of_two_values_has_no_bins():
    values = np.arange(100) % 2
    assert len(bins_of_column(values, values).start) == 0


@pytest.mark.parametrize("values", [np.zeros(100), np.arange(100.0), np.arange(0)])
def test_a_column_that_does_not_tell_classes_apart_has_no_bins(values):
    assert len(bins_of_column(values, np.zeros(len(values), dtype=int)).start) == 0


def test_weights_are_repetitions():
    frame, y = mixed_frame(200)
    labels = (y == "yes").astype(int)
    weight = np.random.RandomState(0).randint(1, 4, size=200)
    rows = np.repeat(np.arange(200), weight)
    weighted = fitted(frame, labels, weight.astype(float))
    repeated = fitted(frame.loc[rows], labels[rows])
    assert len(weighted.bins.start) > 0
    assert_array_equal(weighted.transform(frame), repeated.transform(frame))


def test_missing_numbers_have_no_edge_and_the_position_of_the_median():
    rng = np.random.RandomState(0)
    x = rng.normal(size=(300, 1))
    labels = (x[:, 0] > 0.3).astype(int)
    labels[:50] = 1  # would draw the first edge to the median
    x[:50] = np.nan
    encoder, present = fitted(x, labels), fitted(x[50:], labels[50:])
    assert_array_equal(encoder.bins.start, present.bins.start)
    rows = encoder.transform(np.array([[np.nan], [np.median(x[50:])]]))
    assert_allclose(rows[0, 2:], rows[1, 2:], atol=1e-6)


def test_names_of_bins_are_those_of_columns():
    x = np.linspace(-1, 1, 200)
    frame = pd.DataFrame({"a": np.ones(200), "b": x, "c": x**2})
    encoder = fitted(frame, (x > 0.5).astype(int))
    names = encoder.get_feature_names_out().tolist()
    assert names[:5] == ["a", "b", "c", "b_bin_0", "b_bin_1"]
    assert all(name.startswith("c_bin_") for name in names[5:])
    assert encoder.transform(frame).shape == (200, len(names))


def test_sparse_rows_and_wide_tables_have_no_bins():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(100, MOST_BINNED_COLUMNS))
    labels = (X[:, 0] > 0).astype(int)
    assert len(fitted(X, labels).bins.column) > 0
    wide = np.hstack([X, X[:, :1]])
    assert len(fitted(wide, labels).bins.column) == 0
    assert len(fitted(csr_matrix(X), labels).bins.column) == 0


def test_extreme_numbers_stay_finite():
    most = np.finfo(float).max
    x = np.array([-most, -1, 0, 1, most, 5e-324] * 40)[:, None]
    encoder = fitted(x, (x[:, 0] > 0).astype(int))
    assert np.isfinite(encoder.transform(x)).all()
    assert (encoder.bins.width > 0).all()


def test_neighbouring_floats_are_no_empty_bins():
    values = np.float32(1) + np.arange(4) * np.finfo(np.float32).eps
    numbers = np.repeat(values.astype(np.float32), 50)
    bins = bins_of_column(numbers, np.repeat([0, 1, 0, 1], 50))
    assert (bins.width > 0).all()
