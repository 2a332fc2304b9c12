"""Encoding of columns: numbers, categories, missing values, sparse rows."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from frames import mixed_frame
from scipy.sparse import csr_matrix, issparse

from sklearn_nn._table.encoder import MIN_ROWS, MOST_DENSE_COLUMNS, fit_encoder
from sklearn_nn._table.schema import read_new


def fitted(X, weight=None, categorical_features="from_dtype"):
    """Return an encoder that is fitted on the rows of X, and these encoded.

    All rows have the same label, so that there are no bins (see test_bins.py).
    """
    names = list(map(str, X.columns)) if hasattr(X, "columns") else None
    schema, table = read_new(X, categorical_features, names)
    encoder = fit_encoder(schema, table, np.zeros(X.shape[0], dtype=int), weight)
    return encoder, encoder.encode(table)


def column_of(encoder, encoded, name):
    """Return the encoded column with this name."""
    return encoded[:, list(encoder.get_feature_names_out()).index(name)]


def test_numbers_are_scaled_by_quartiles_and_clipped_smoothly():
    values = np.array([[1.0], [2], [3], [4], [5], [6], [7], [800]])
    _, encoded = fitted(values)
    z = (values - 4.5) / 4
    np.testing.assert_allclose(encoded, z / np.sqrt(1 + (z / 3) ** 2), rtol=1e-6)
    assert encoded.dtype == np.float32
    assert encoded.max() < 3


def test_a_missing_number_is_the_median_and_has_an_indicator():
    encoder, encoded = fitted(np.array([[1.0], [2], [np.nan], [3]]))
    assert list(encoder.get_feature_names_out()) == ["x0", "x0_missing"]
    assert encoded[2].tolist() == [0, 1]
    assert encoded[:, 1].tolist() == [0, 0, 1, 0]


def test_a_number_that_is_missing_only_later_is_the_median():
    encoder, _ = fitted(np.array([[1.0], [2], [3]]))
    assert encoder.transform(np.array([[np.nan], [2.0]])).tolist() == [[0], [0]]


def test_a_constant_and_an_all_missing_column_become_zeros():
    encoder, encoded = fitted(np.array([[7.0, np.nan], [7, np.nan], [7, np.nan]]))
    assert not encoded.any()
    assert not encoder.transform(np.array([[1e9, 3.0]])).any()


def test_extreme_numbers_stay_finite():
    most = np.finfo(float).max
    encoder, encoded = fitted(np.array([[-most], [-1], [0], [1], [most]]))
    assert np.isfinite(encoded).all()
    assert np.isfinite(encoder.transform(np.array([[most], [-most]]))).all()


def frame_of(values, **others):
    """Return a frame with one column of strings or objects."""
    return pd.DataFrame({"c": pd.Series(values, dtype=object), **others})


def test_categories_are_one_hot_and_a_missing_value_is_one():
    encoder, encoded = fitted(frame_of(["a", "b", "c", None] * MIN_ROWS))
    assert list(encoder.get_feature_names_out()) == ["c_a", "c_b", "c_c", "c_missing"]
    np.testing.assert_array_equal(encoded[:4], np.eye(4))


def test_two_levels_are_one_column():
    encoder, encoded = fitted(frame_of(["a", "b"] * MIN_ROWS))
    assert list(encoder.get_feature_names_out()) == ["c_b"]
    assert encoded[:2, 0].tolist() == [-1, 1]


def test_rare_and_unseen_categories_share_a_column():
    values = ["a"] * MIN_ROWS + ["b"] * MIN_ROWS + ["rare", "seldom"]
    encoder, encoded = fitted(frame_of(values))
    assert list(encoder.get_feature_names_out()) == ["c_a", "c_b", "c_other"]
    assert encoded[-2:].tolist() == [[0, 0, 1], [0, 0, 1]]
    assert encoder.transform(frame_of(["new", None])).tolist() == [[0, 0, 1], [0, 0, 1]]


def test_without_rare_categories_an_unseen_one_is_zeros():
    # A column that is 0 in all training rows would keep its random initial weights.
    for values in (["a", "b", "c"], ["a", "b"]):
        encoder, _ = fitted(frame_of(values * MIN_ROWS))
        assert not encoder.transform(frame_of(["new"])).any()


def test_declared_categories_without_rows_are_unseen():
    column = pd.Categorical(["a", "b", "c"] * MIN_ROWS, categories=list("abcd"))
    encoder, _ = fitted(pd.DataFrame({"c": column}))
    assert list(encoder.get_feature_names_out()) == ["c_a", "c_b", "c_c"]


def test_weights_are_repetitions():
    frame, _ = mixed_frame(60)
    weight = np.random.RandomState(0).randint(1, 4, size=60)
    weighted, _ = fitted(frame, weight.astype(float))
    repeated, _ = fitted(frame.loc[np.repeat(np.arange(60), weight)])
    np.testing.assert_array_equal(weighted.transform(frame), repeated.transform(frame))


def test_many_categories_make_the_rows_sparse():
    values = [f"v{i}" for i in range(MOST_DENSE_COLUMNS + 1)] * MIN_ROWS
    other = {
        "x": np.arange(len(values)) * 1.0,
        "b": [True, False, None] * (len(values) // 3),
    }
    encoder, encoded = fitted(frame_of(values, **other))
    assert issparse(encoded)
    assert encoded.has_canonical_format
    few = [f"v{i}" for i in range(MOST_DENSE_COLUMNS)] * MIN_ROWS
    assert not issparse(fitted(frame_of(few))[1])
    # The same numbers as in dense rows.
    table = encoder.schema.read(frame_of(values, **other))
    parts = encoder.encoded_numbers(table.numbers), encoder.encoded_categories(table.codes)
    np.testing.assert_array_equal(encoded.toarray(), np.hstack(parts))


def test_memory_of_sparse_rows_is_at_most_three_times_their_size():
    n_rows, n_categories = 30_000, 5000
    values = np.char.add("v", (np.arange(n_rows) % n_categories).astype(str))
    encoder, _ = fitted(frame_of(values))
    table = encoder.schema.read(frame_of(values))
    tracemalloc.start()
    encoded = encoder.encode(table)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    size = encoded.data.nbytes + encoded.indices.nbytes + encoded.indptr.nbytes
    assert encoded.shape == (n_rows, n_categories)
    assert peak <= 3 * size


def test_sparse_rows_are_scaled_but_not_shifted():
    dense = np.array([[0.0, 5], [0, 0], [2, np.nan], [0, 0], [0, -1], [4, 0], [0, 3]])
    encoder, encoded = fitted(csr_matrix(dense))
    assert issparse(encoded)
    values = encoded.toarray()
    _, scaled = fitted(dense)
    assert list(encoder.get_feature_names_out()) == ["x0", "x1", "x1_missing"]
    # The medians are 0, so that sparse and dense rows agree.
    np.testing.assert_allclose(values, scaled, rtol=1e-6)
    assert (values[:, 0] == 0).tolist() == (dense[:, 0] == 0).tolist()


@pytest.mark.parametrize("weighted", [False, True])
def test_scale_of_sparse_columns_is_that_of_dense_ones(weighted):
    rng = np.random.RandomState(0)
    dense = np.where(rng.uniform(size=(50, 4)) < 0.6, rng.normal(size=(50, 4)), 0)
    weight = rng.randint(1, 4, size=50).astype(float) if weighted else None
    sparse, _ = fitted(csr_matrix(dense), weight)
    full, _ = fitted(dense, weight)
    np.testing.assert_allclose(sparse.scale, full.scale, rtol=1e-14)


def test_names_out_are_as_many_as_columns():
    frame, _ = mixed_frame()
    encoder, encoded = fitted(frame)
    names = encoder.get_feature_names_out()
    assert len(names) == len(set(names)) == encoded.shape[1]
    assert {"age", "age_missing", "city_Oslo", "member_missing"} <= set(names)
    assert column_of(encoder, encoded, "city_Oslo").sum() == (frame["city"] == "Oslo").sum()


def test_entries_of_the_same_place_in_sparse_rows_are_summed():
    dense = np.array([[0.0, 5], [2, 0], [0, 3], [4, 0], [0, 1]])
    once = csr_matrix(dense)
    parts = [np.repeat(once.data / 2, 2), np.repeat(once.indices, 2), 2 * once.indptr]
    twice = csr_matrix(tuple(parts), shape=once.shape)
    expected, encoded = fitted(once)
    encoder, same = fitted(twice)
    np.testing.assert_array_equal(encoder.scale, expected.scale)
    np.testing.assert_array_equal(same.toarray(), encoded.toarray())
    assert not twice.has_canonical_format  # the user's matrix is as it was


def test_extreme_numbers_in_sparse_rows_stay_finite():
    encoder, _ = fitted(csr_matrix([[0.0], [1e-300], [3e-300], [5e-300]]))
    encoded = encoder.transform(csr_matrix([[1e10], [-1e10], [np.nan]]))
    assert encoded.toarray().ravel().tolist() == [3, -3, 0]


# Names of columns

NAMES_TAKEN = {
    "a category 'missing'": (
        {"c": ["missing", "b", None] * 3},
        ["c_b", "c_missing", "c_missing_2"],
    ),
    "a category 'other'": (
        {"c": ["other", "b"] * 4 + ["rare"]},
        ["c_b", "c_other", "c_other_2"],
    ),
    "another column": (
        {"a": ["b_c", "x", "y"] * 3, "a_b": ["c", "d", "e"] * 3},
        ["a_b_c", "a_x", "a_y", "a_b_c_2", "a_b_d", "a_b_e"],
    ),
    "an indicator": (
        {"a": [1.0, np.nan] * 4, "a_missing": np.arange(8.0)},
        ["a", "a_missing", "a_missing_2"],
    ),
    "a number": (
        {"a": [1.0, np.nan] * 4, "a_missing": np.arange(8.0), "a_missing_2": np.ones(8)},
        ["a", "a_missing", "a_missing_2", "a_missing_3"],
    ),
}


@pytest.mark.parametrize(("columns", "names"), NAMES_TAKEN.values(), ids=list(NAMES_TAKEN))
def test_names_of_encoded_columns_are_distinct(columns, names):
    encoder, encoded = fitted(pd.DataFrame(columns))
    assert encoder.get_feature_names_out().tolist() == names
    assert encoded.shape[1] == len(names)


# Large integers


@pytest.mark.parametrize("first", [2**53, 2**60, -(2**53) - 1, 2**63])
def test_integer_categories_that_float64_would_merge_raise(first):
    numbers = np.array([first, first + 1] * 4)
    message = r"has the category -?\d+: .* below 2\*\*53.* Convert it to strings"
    frame = pd.DataFrame({"c": numbers})
    for X, chosen in [
        (frame, ["c"]),
        (frame.astype("category"), "from_dtype"),
        (frame.astype(object), ["c"]),
        (numbers[:, None], [0]),
        (numbers[:, None].astype(object), [0]),
    ]:
        with pytest.raises(ValueError, match=message):
            fitted(X, categorical_features=chosen)
    encoder, _ = fitted(frame.astype(str))
    assert len(encoder.schema.vocabularies[0]) == 2


def test_large_categories_after_fit_are_unseen():
    encoder, _ = fitted(np.array([[1], [2], [2**53 - 1]] * 3), categorical_features=[0])
    encoded = encoder.transform(np.array([[2**53 - 1], [2**53], [2**60]]))
    assert encoded.tolist() == [[0, 0, 1], [0, 0, 0], [0, 0, 0]]
