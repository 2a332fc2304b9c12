"""Splits into folds: rare classes, groups, weights of 0, masks, and clear errors."""

import numpy as np
import pytest
from sklearn.model_selection import (
    GroupKFold,
    PredefinedSplit,
    RepeatedStratifiedKFold,
    ShuffleSplit,
)

from sklearn_nn._data.labels import encoding_of
from sklearn_nn._folds.data import TrainingData
from sklearn_nn._folds.splits import splits_of


def data_of(labels, kept=None, n_samples=None):
    """Return TrainingData with these labels, without a table."""
    labels = np.asarray(labels)
    n_samples = len(labels) if n_samples is None else n_samples
    encoding = encoding_of(labels)
    indices = encoding.class_indices(labels)
    return TrainingData(None, None, encoding, indices, None, None, kept, n_samples)


def splits(cv, labels, seed=0, **params):
    """Return the splits of these labels."""
    return splits_of(cv, data_of(labels), params, seed)


def held_out_rows(found):
    """Return the held-out rows of all splits, one after the other."""
    return np.concatenate([split.held_out for split in found])


def test_every_row_is_held_out_once_and_folds_are_stratified():
    labels = np.arange(60) % 3
    found = splits(5, labels)
    assert sorted(held_out_rows(found)) == list(range(60))
    for split in found:
        assert np.bincount(labels[split.held_out]).tolist() == [4, 4, 4]
        assert not set(split.training) & set(split.held_out)
        assert len(split.training) == 48


def test_sorted_labels_are_shuffled_by_the_seed():
    labels = np.repeat([0, 1], 20)
    one, same, other = (splits(4, labels, seed) for seed in (0, 0, 1))
    assert all(
        np.array_equal(a.held_out, b.held_out) for a, b in zip(one, same, strict=True)
    )
    assert any(
        not np.array_equal(a.held_out, b.held_out) for a, b in zip(one, other, strict=True)
    )


def test_rare_classes_are_always_trained_on_and_never_held_out():
    labels = np.array([0] * 20 + [1] * 20 + [2] * 4)  # fewer than folds
    found = splits(5, labels)
    assert len(found) == 5
    for split in found:
        assert set(range(40, 44)) <= set(split.training)
        assert split.is_judged.all()
    assert sorted(held_out_rows(found)) == list(range(40))


def test_groups_are_not_divided():
    labels, groups = np.arange(60) % 2, np.arange(60) // 6
    for split in splits(5, labels, groups=groups):
        assert not set(groups[split.training]) & set(groups[split.held_out])


def test_a_class_in_fewer_groups_than_folds_is_always_trained_on():
    labels, groups = np.arange(60) % 2, np.arange(60) // 6
    labels[groups == 0] = 2
    for split in splits(5, labels, groups=groups):
        assert set(np.flatnonzero(groups == 0)) <= set(split.training)


def test_rows_of_a_rare_class_are_not_trained_on_if_their_group_is_held_out():
    labels, groups = np.arange(60) % 2, np.arange(60) // 6
    labels[[0, 30]] = 2
    found = splits(5, labels, groups=groups)
    for split in found:
        assert not set(groups[split.training]) & set(groups[split.held_out])
    assert sum(0 in split.training for split in found) == 4


def test_splitters_and_iterables_are_used_as_they_are():
    labels = np.arange(20) % 2
    assert len(splits(ShuffleSplit(3, random_state=0), labels)) == 3
    assert len(splits(RepeatedStratifiedKFold(n_splits=2, n_repeats=3), labels)) == 6
    groups = np.arange(20) // 4
    assert len(splits(GroupKFold(5), labels, groups=groups)) == 5
    predefined = PredefinedSplit([-1] * 10 + [0] * 10)
    [one] = splits(predefined, labels)
    assert one.held_out.tolist() == list(range(10, 20))
    [same] = splits([(np.arange(10), np.arange(10, 20))], labels)
    assert same.held_out.tolist() == one.held_out.tolist()
    mask = np.arange(20) < 10
    [same] = splits(iter([(mask, ~mask)]), labels)
    assert same.held_out.tolist() == one.held_out.tolist()


def test_row_numbers_of_an_iterable_are_mapped_to_the_kept_rows():
    kept = np.array([0, 2, 3, 5])
    data = data_of([0, 1, 0, 1], kept, n_samples=6)
    [split] = splits_of([([0, 1, 2, 3], [4, 5, -4])], data, {}, 0)
    assert kept[split.training].tolist() == [0, 2, 3]
    assert kept[split.held_out].tolist() == [2, 5]


def test_a_predefined_split_has_the_row_numbers_of_the_user():
    data = data_of([0, 1, 0, 1], kept=np.array([0, 2, 3, 5]), n_samples=6)
    [split] = splits_of(PredefinedSplit([-1, -1, -1, 0, 0, 0]), data, {}, 0)
    assert split.training.tolist() == [0, 1]
    assert split.held_out.tolist() == [2, 3]


def test_held_out_rows_of_a_class_that_is_not_trained_on_are_not_judged():
    labels = np.array([0, 0, 1, 1, 2, 2])
    with pytest.warns(UserWarning, match="lack a class of the held-out rows. These 2"):
        [split] = splits([([0, 1, 2], [3, 4, 5])], labels)
    assert split.is_judged.tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("cv", "labels", "message"),
    [
        (5, [0, 0, 1, 1], "needs a class with at least 5 rows.*largest class has 2"),
        (100, np.arange(20) % 2, "largest class has 10. Lower cv, or add rows"),
        ([], [0, 1], "has no splits"),
        ([([0, 1], [])], [0, 1, 1], "has no held-out rows"),
        ([([0, 1], [7])], [0, 1, 1], "row number 7, outside of the 3 rows"),
        ([([0, 1], [-4])], [0, 1, 1], "row number -4, outside of the 3 rows"),
        ([1, 2], [0, 1, 1], "pairs of training and held-out rows; got an iterable of 1"),
        ([([0, 1],)], [0, 1, 1], "got an iterable of"),
        ([([0, 1], [1.5])], [0, 1, 1], "pairs of arrays of row numbers"),
        ([([[0, 1]], [2])], [0, 1, 1], r"got an array of shape \(1, 2\)"),
        ([(["a"], [2])], [0, 1, 1], "type <U1"),
    ],
)
def test_impossible_splits_are_errors(cv, labels, message):
    with pytest.raises(ValueError, match=message):
        splits(cv, labels)


def test_groups_of_one_class_each_are_an_error():
    with pytest.raises(ValueError, match="at least 3 groups"):
        splits(3, np.repeat([0, 1], 6), groups=np.repeat([0, 1], 6))
