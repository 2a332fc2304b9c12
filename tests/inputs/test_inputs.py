"""Conversion of labels, weights and rows for the engine, and the validation split."""

import numpy as np
import pytest
from scipy.sparse import csc_matrix, csr_array, csr_matrix
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection import train_test_split
from sklearn.utils.class_weight import compute_sample_weight

from sklearn_nn import (
    BackpropMLPClassifier,
    BackpropMLPClassifierCV,
    SGDLogisticClassifier,
)
from sklearn_nn._data import array_api, inputs, labels, sample_weights, split
from sklearn_nn._data.labels import Encoding
from sklearn_nn._data.sample_weights import WeightScale
from sklearn_nn._engine.types import Dataset

ENCODINGS = {
    "one class": Encoding(np.array([4])),
    "two classes": Encoding(np.array(["no", "yes"])),
    "three classes": Encoding(np.array([-1, 0, 5])),
    "multilabel": Encoding(np.arange(3), multilabel=True),
}
every_encoding = pytest.mark.parametrize("kind", ENCODINGS)


def labels_of(kind):
    """Return labels of this kind, with the classes unsorted."""
    if kind == "multilabel":
        return np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]])
    classes = ENCODINGS[kind].classes
    return classes[np.array([2, 0, 1, 0]) % len(classes)]


def make_rows(n_samples=6, order="C"):
    """Return a read-only X (n_samples, 2) whose rows all differ."""
    X = np.array(np.arange(2.0 * n_samples).reshape(n_samples, 2), order=order)
    X.flags.writeable = False
    return X


# Encoding.


@pytest.mark.parametrize(
    ("kind", "n_outputs", "out_activation"),
    [
        ("one class", 1, "softmax"),
        ("two classes", 1, "logistic"),
        ("three classes", 3, "softmax"),
        ("multilabel", 3, "logistic"),
    ],
)
def test_classes_determine_outputs_and_activation(kind, n_outputs, out_activation):
    encoding = ENCODINGS[kind]
    assert (encoding.n_outputs, encoding.out_activation) == (n_outputs, out_activation)


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_each_label_of_multilabel_has_an_output(n_outputs):
    encoding = labels.encoding_of(np.zeros((3, n_outputs)))
    assert (encoding.n_outputs, encoding.out_activation) == (n_outputs, "logistic")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("one class", [0, 0, 0, 0]),
        ("two classes", [[0], [0], [1], [0]]),
        ("three classes", [2, 0, 1, 0]),
        ("multilabel", [[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]]),
    ],
)
def test_labels_are_encoded_for_the_losses(kind, expected):
    encoded = ENCODINGS[kind].encode(labels_of(kind), np.float32)
    assert encoded.tolist() == expected


@pytest.mark.parametrize("kind", ["two classes", "multilabel"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_labels_of_sigmoids_have_the_dtype_of_the_logits(kind, dtype):
    assert ENCODINGS[kind].encode(labels_of(kind), dtype).dtype == dtype


@every_encoding
def test_decision_for_a_large_logit_is_the_target(kind):
    encoding = ENCODINGS[kind]
    encoded = encoding.encode(labels_of(kind), np.float64)
    if encoding.out_activation == "softmax":
        logits = 700.0 * (encoded[:, None] == np.arange(encoding.n_outputs))
    else:
        logits = 700.0 * (2 * encoded - 1)
    np.testing.assert_array_equal(encoding.decide(logits), encoding.targets(encoded))


@every_encoding
def test_ties_go_to_the_first_class_and_to_no_label(kind):
    decision = ENCODINGS[kind].decide(np.zeros((2, ENCODINGS[kind].n_outputs)))
    assert not np.any(decision)


def test_classes_are_sorted():
    assert labels.encoding_of(np.array([3, -1, 3, 2])).classes.tolist() == [-1, 2, 3]


@pytest.mark.parametrize("dtype", ["i1", "u1", "i8", "u4", "u8", "bool"])
@pytest.mark.parametrize(("first", "last"), [(0, 1), (3, 100), (-7, 5), (-(2**40), 2**40)])
def test_many_integer_labels_are_encoded_as_by_sorting(dtype, first, last):
    y = np.random.RandomState(0).randint(first, last + 1, size=labels.MANY_ROWS)
    y = y.astype(dtype)
    classes, indices = np.unique(y, return_inverse=True)
    encoding = labels.encoding_of(y)
    assert encoding.classes.dtype == classes.dtype
    np.testing.assert_array_equal(encoding.classes, classes)
    np.testing.assert_array_equal(encoding.class_indices(y), indices)


def test_an_unknown_label_of_many_is_named():
    y = np.arange(labels.MANY_ROWS) % 3
    for classes in ([0, 1], [0, 2], [1, 2]):
        with pytest.raises(ValueError, match=r"labels \[\d\], which are not among"):
            Encoding(np.array(classes)).class_indices(y)


def test_many_different_integers_are_checked_by_sklearn():
    y = np.arange(labels.MANY_ROWS)
    assert not labels.are_clearly_classes(y)
    assert not labels.are_clearly_classes(y.astype(float) % 2)
    assert labels.are_clearly_classes(y % 2)


@every_encoding
def test_labels_are_not_written_to(kind):
    y = labels_of(kind)
    before = y.copy()
    labels.encoding_of(y).encode(y, np.float64)
    np.testing.assert_array_equal(y, before)


def test_unknown_labels_are_named():
    with pytest.raises(ValueError, match=r"labels \[7, 9\].*classes \[-1, 0, 5\]"):
        ENCODINGS["three classes"].class_indices(np.array([0, 9, 7]))


@pytest.mark.parametrize(
    ("kind", "y"),
    [
        ("three classes", np.zeros((2, 3))),
        ("multilabel", np.zeros(2)),
        ("multilabel", np.zeros((2, 2))),
    ],
)
def test_y_of_another_kind_is_an_error(kind, y):
    with pytest.raises(ValueError, match="does not fit the 3 outputs"):
        ENCODINGS[kind].encode(y, np.float64)


def test_first_chunk_determines_the_classes():
    y = np.array([1, 1])
    first = labels.partial_fit_encoding(y, [3, 1, 2], None)
    assert first.classes.tolist() == [1, 2, 3]
    assert labels.partial_fit_encoding(y, None, first) is first


def test_later_chunks_may_give_the_classes_in_another_order():
    y, kept = np.array([1, 1]), Encoding(np.array([1, 2]))
    assert labels.partial_fit_encoding(y, [2, 1], kept) is kept


# X and y.


@pytest.mark.parametrize(
    ("given", "expected"),
    [(np.float32, np.float32), (np.float64, np.float64), (np.int8, np.float64)],
)
def test_float32_is_kept_and_other_dtypes_become_float64(given, expected):
    X, _ = inputs.validate_labelled(
        BaseEstimator(), np.ones((2, 1), given), [0, 1], array_api.FLOATS, True, False
    )
    assert X.dtype == expected


def test_valid_x_is_not_copied():
    given = make_rows()
    X, _ = inputs.validate_labelled(
        BaseEstimator(), given, [0, 1, 0, 1, 0, 1], array_api.FLOATS, True, False
    )
    assert X is given


def test_y_as_a_column_warns():
    with pytest.warns(DataConversionWarning):
        _, y = inputs.validate_labelled(
            BaseEstimator(), make_rows(2), [[0], [1]], array_api.FLOATS, True, True
        )
    assert y.tolist() == [0, 1]


def test_sparse_indicators_become_dense():
    indicators = np.array([[1, 0], [1, 1]])
    _, y = inputs.validate_labelled(
        BaseEstimator(), make_rows(2), csr_array(indicators), array_api.FLOATS, True, True
    )
    np.testing.assert_array_equal(y, indicators)


# Weights.


def test_without_weights_no_row_is_dropped():
    y = np.array([0, 1])
    assert sample_weights.drop_weightless(y, None) == (y, None, None)


def test_positive_weights_keep_all_rows():
    y = np.array([0, 1])
    kept, weight, rows = sample_weights.drop_weightless(y, [1, 2])
    assert kept is y
    assert weight.tolist() == [1.0, 2.0]
    assert rows is None


def test_rows_of_weight_zero_are_dropped():
    y, weight, rows = sample_weights.drop_weightless(
        np.array([5, 6, 7, 8]), [0, 0.5, -0.0, 2]
    )
    assert (y.tolist(), weight.tolist(), rows.tolist()) == ([6, 8], [0.5, 2], [1, 3])


def test_combined_weight_is_none_without_weights():
    encoding = ENCODINGS["two classes"]
    assert (
        sample_weights.combined_weight(None, None, encoding, labels_of("two classes"))
        is None
    )


def test_class_weights_multiply_sample_weights():
    y = np.array(["yes", "no", "yes"])
    weight = np.array([1.0, 2.0, 3.0])
    weight.flags.writeable = False
    combined = sample_weights.combined_weight(
        weight, {"yes": 10}, ENCODINGS["two classes"], y
    )
    assert combined.tolist() == [10, 2, 30]  # an unnamed class has weight 1


def test_balanced_weights_equal_a_hand_calculation():
    y = np.array(["no", "no", "no", "yes"])
    combined = sample_weights.combined_weight(None, "balanced", ENCODINGS["two classes"], y)
    # 4 rows / 2 classes / 3 rows, and 4 / 2 / 1.
    np.testing.assert_allclose(combined, [2 / 3, 2 / 3, 2 / 3, 2], rtol=1e-15)


def test_balanced_weights_equal_those_of_scikit_learn():
    y = np.random.RandomState(0).choice([-1, 0, 5], size=40)
    combined = sample_weights.combined_weight(
        None, "balanced", ENCODINGS["three classes"], y
    )
    expected = compute_sample_weight("balanced", y)
    # Two divisions in another order.
    np.testing.assert_allclose(combined, expected, rtol=1e-15)


def test_balanced_weights_count_a_weight_as_a_repetition():
    y, counts = np.array(["no", "no", "yes"]), np.array([1, 3, 2])
    encoding = ENCODINGS["two classes"]
    weighted = sample_weights.combined_weight(1.0 * counts, "balanced", encoding, y)
    repeated = sample_weights.combined_weight(
        None, "balanced", encoding, np.repeat(y, counts)
    )
    # A row of weight 3 has three times the weight of each of its repetitions.
    first_of_each = np.array([0, 1, 4])
    np.testing.assert_allclose(weighted / counts, repeated[first_of_each], rtol=1e-15)


# The scale of weights.


def test_scale_of_chunks_is_the_mean_of_all_weights():
    chunks = [np.array([1.0, 2, 6]), np.array([10.0]), np.array([0.5, 0.5])]
    scale = WeightScale()
    for chunk in chunks:
        scale = scale.including(chunk.mean(), len(chunk))
    # Three updates with a few rounding errors each.
    assert scale.mean == pytest.approx(np.concatenate(chunks).mean(), rel=1e-15)
    assert scale.n_rows == 6


@pytest.mark.parametrize("mean", [0.1, 1 / 3, 1e300, 7.0])
def test_equal_chunks_keep_the_scale_to_the_last_bit(mean):
    scale = WeightScale()
    for _ in range(50):
        scale = scale.including(mean, 7)
        assert scale.mean == mean


def test_including_a_chunk_does_not_change_the_given_scale():
    scale = WeightScale(2.0, 3)
    scale.including(8.0, 3)
    assert scale == (2.0, 3)


@pytest.mark.parametrize("size", [1e-300, 1.0, 1e308])
def test_mean_weight_does_not_overflow_or_underflow(size):
    data = Dataset(make_rows(3), np.zeros(3), size * np.array([0.5, 1.0, 1.5]))
    # Rounding errors of three weights and of their mean.
    assert sample_weights.mean_weight(data) == pytest.approx(size, rel=1e-15)


def test_mean_weight_without_weights_is_one():
    assert sample_weights.mean_weight(Dataset(make_rows(), np.zeros(6))) == 1


def test_scaled_weights_have_mean_one():
    data = Dataset(make_rows(3), np.zeros(3), np.array([1.0, 2.0, 6.0]))
    data.sample_weight.flags.writeable = False
    scaled = sample_weights.scale_weights(data, sample_weights.mean_weight(data))
    np.testing.assert_allclose(scaled.sample_weight, [1 / 3, 2 / 3, 2], rtol=1e-15)


def test_scaled_weights_have_the_dtype_of_x():
    data = Dataset(make_rows(3).astype(np.float32), np.zeros(3), np.ones(3))
    assert sample_weights.scale_weights(data, 2.0).sample_weight.dtype == np.float32


def test_scaled_weights_are_none_without_weights():
    data = Dataset(make_rows(), np.zeros(6))
    assert sample_weights.scale_weights(data, 1.0) is data


def test_missing_weights_after_weighted_chunks_count_as_ones():
    data = Dataset(make_rows(2), np.zeros(2))
    assert sample_weights.scale_weights(data, 4.0).sample_weight.tolist() == [0.25, 0.25]


# Rows are selected without copying X.


def test_rows_of_positive_weight_share_memory_with_x():
    X, y = make_rows(4), np.array([-1, 5, 0])
    rows = np.array([0, 2, 3])
    data = inputs.make_dataset(
        X, y, np.array([1.0, 0.0, 2.0]), rows, ENCODINGS["three classes"]
    )
    assert data.X is X
    assert data.rows.tolist() == [0, 3]
    assert data.y.tolist() == [0, 1]
    assert data.sample_weight.tolist() == [1, 2]


def test_dataset_of_all_rows_has_no_row_indices():
    X = make_rows(4)
    data = inputs.make_dataset(
        X, labels_of("three classes"), np.ones(4), None, ENCODINGS["three classes"]
    )
    assert data.X is X
    assert data.rows is None


# The validation split.


def parts_of(counts, fraction, seed=0, rows=None):
    """Return (training, validation, y) of a split of counts[k] rows of each class k."""
    y = np.repeat(np.arange(len(counts)), counts)
    np.random.RandomState(1).shuffle(y)
    encoding = Encoding(np.arange(len(counts)))
    data = Dataset(None, encoding.encode(y, np.float64), None, rows)
    rng = np.random.RandomState(seed)
    training, validation, rare = split.split_validation(data, encoding, fraction, rng)
    # Rows of rare classes are all trained on; those of all others are in both parts.
    assert not set(y[validation]) & set(rare)
    assert set(y) - set(rare) == set(y[validation]) <= set(y[training])
    return training, validation, y


# (rows of each class, fraction): the rarest class has just enough rows for both parts.
SPLITTABLE = [
    ([50, 50], 0.1),
    ([90, 10], 0.1),
    ([90, 10], 0.9),
    ([60, 30, 10], 0.1),
    ([60, 30, 10], 0.9),
    ([80, 10, 10, 10], 0.1),
    ([200, 2, 2], 0.5),
    ([2, 2, 2], 0.5),
    ([20] * 10, 0.1),
]
every_split = pytest.mark.parametrize(("counts", "fraction"), SPLITTABLE, ids=str)


@every_split
@pytest.mark.parametrize("seed", range(10))
def test_no_class_is_missing_from_either_part(counts, fraction, seed):
    training, validation, y = parts_of(counts, fraction, seed)
    for part in (training, validation):
        assert set(y[part]) == set(range(len(counts)))


@every_split
def test_each_class_has_its_share_of_the_validation_rows(counts, fraction):
    _, validation, y = parts_of(counts, fraction)
    in_validation = np.bincount(y[validation], minlength=len(counts))
    # Counts are whole numbers, and their total is rounded up.
    assert np.all(np.abs(in_validation - fraction * np.array(counts)) <= 1)


@every_split
def test_parts_contain_each_row_once(counts, fraction):
    training, validation, y = parts_of(counts, fraction)
    assert sorted([*training, *validation]) == list(range(len(y)))


@pytest.mark.parametrize("counts", [[97, 3], [60, 37, 3], [200, 5, 5], [12] * 8], ids=str)
@pytest.mark.parametrize("fraction", [0.1, 0.34, 0.6, 0.9])
def test_a_class_of_few_rows_is_in_both_parts_or_trained_on(counts, fraction):
    for seed in range(10):
        if counts == [12] * 8 and fraction * 96 < 8:
            continue  # too few validation rows for so many classes of one size
        training, validation, y = parts_of(counts, fraction, seed)
        assert set(y[training]) == set(range(len(counts)))
        assert sorted([*training, *validation]) == list(range(len(y)))


def test_order_of_the_parts_is_that_of_mlp_classifier():
    training, validation, y = parts_of([60, 40], 0.1, seed=3)
    rng = np.random.RandomState(3)
    expected = train_test_split(np.arange(100), test_size=0.1, stratify=y, random_state=rng)
    np.testing.assert_array_equal(training, expected[0])
    np.testing.assert_array_equal(validation, expected[1])


def test_same_seed_gives_the_same_split():
    first, second = parts_of([60, 30, 10], 0.2, seed=5), parts_of([60, 30, 10], 0.2, seed=5)
    np.testing.assert_array_equal(first[1], second[1])


def test_another_seed_gives_another_split():
    first, second = parts_of([60, 30, 10], 0.2, seed=5), parts_of([60, 30, 10], 0.2, seed=6)
    assert np.any(first[1] != second[1])


def test_split_gives_positions_not_rows_of_x():
    by_row = parts_of([6, 6], 0.5, rows=np.arange(100, 112))
    np.testing.assert_array_equal(by_row[1], parts_of([6, 6], 0.5)[1])


def test_multilabel_is_split_without_strata():
    data = Dataset(None, np.eye(10)[:, :3])  # each label occurs once
    training, validation, _ = split.split_validation(
        data, ENCODINGS["multilabel"], 0.3, np.random.RandomState(0)
    )
    assert (len(training), len(validation)) == (7, 3)


def test_classes_of_one_row_are_trained_on():
    training, _, y = parts_of([10, 1, 10], 0.5)
    assert 1 in y[training]
    with pytest.raises(ValueError, match="each class has 1 row"):
        parts_of([1, 1], 0.5)


def test_split_ignores_classes_without_rows():
    training, validation, _ = parts_of([6, 0, 6], 0.5)
    assert len(training) == len(validation) == 6


# Sparse matrices from files, whose structure scipy checks only in part.

FORGED = [("indices", 0, 10**6), ("indices", 0, -1), ("indptr", 1, 10**6), ("indptr", 3, 0)]


@pytest.mark.parametrize(("part", "place", "value"), FORGED)
@pytest.mark.parametrize("form", [csr_matrix, csc_matrix, csr_array])
@pytest.mark.parametrize(
    "model",
    [
        SGDLogisticClassifier(),
        BackpropMLPClassifier((2,), max_iter=1, tol=None),
        BackpropMLPClassifierCV((2,), max_iter=1, cv=2),
    ],
    ids=lambda model: type(model).__name__,
)
def test_sparse_rows_with_indices_out_of_range_are_an_error(
    model, form, part, place, value
):
    X, y = form(np.eye(6) + 1), np.arange(6) % 2
    fitted = clone(model).fit(X, y)
    getattr(X, part)[place] = value
    for use in (clone(model).fit, fitted.fit, lambda X, y: fitted.predict(X)):
        with pytest.raises(ValueError, match="X should be a CSR or CSC matrix"):
            use(X, y)
    if hasattr(model, "partial_fit"):
        with pytest.raises(ValueError, match="X should be a CSR or CSC matrix"):
            fitted.partial_fit(X, y)


def test_sparse_labels_with_indices_out_of_range_are_an_error():
    X, y = np.eye(6), csr_matrix(np.ones((6, 2), dtype=int))
    y.indices[0] = 10**6
    with pytest.raises(ValueError, match="y should be a CSR or CSC matrix"):
        BackpropMLPClassifier((2,)).fit(X, y)
