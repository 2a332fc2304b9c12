"""Votes of trees: honest on training rows, and equal to those of scikit-learn's trees."""

import numpy as np
import pandas as pd
import pytest
from devices import DEVICES, arrays_at
from frames import quick
from numpy.testing import assert_array_equal
from scipy.sparse import csr_matrix

from sklearn_nn._engine.arrays import are_together, to_numpy
from sklearn_nn._engine.epochs import compiled
from sklearn_nn._table import forest as forest_module
from sklearn_nn._table.forest import (
    MOST_DRAWS,
    SCALE,
    count_votes,
    drawn,
    fit_forest,
    rounded_down,
    votes_of,
)

N_TREES = 30


def rows_of(seed, n_rows=200, n_columns=4, n_classes=3):
    """Return encoded rows with ties, and labels that depend on them."""
    rng = np.random.RandomState(seed)
    X = np.round(rng.normal(size=(n_rows, n_columns)), 1).astype(np.float32)
    signal = X[:, 0] * X[:, 1] + 0.3 * rng.normal(size=n_rows)
    edges = np.quantile(signal, np.linspace(0, 1, n_classes + 1)[1:-1])
    return X, np.searchsorted(edges, signal)


def fitted(X, labels, n_trees=N_TREES, seed=0, **options):
    """Return a forest that may use all columns, and its votes on the rows."""
    shares = np.bincount(labels) / len(labels)
    columns = np.arange(X.shape[1])
    arguments = X, columns, labels, shares.astype(np.float32), n_trees, seed
    return fit_forest(*arguments, **options)


def shares_of(votes, forest):
    """Return the shares of the trees that vote for each class."""
    return votes / SCALE + forest.shares


@pytest.mark.parametrize("n_classes", [2, 3, 7])
def test_votes_are_those_of_the_trees_of_scikit_learn(monkeypatch, n_classes):
    trees, draws = [], []

    def recorded(X, labels, weight, rng, fit=forest_module.fit_tree):
        trees.append(fit(X, labels, weight, rng))
        draws.append(weight)
        return trees[-1]

    monkeypatch.setattr(forest_module, "fit_tree", recorded)
    X, labels = rows_of(0, n_classes=n_classes)
    forest, votes = fitted(X, labels)
    new, _ = rows_of(1)
    voted = np.array([tree.predict(new) for tree in trees])
    expected = (voted[:, :, None] == np.arange(n_classes)).mean(axis=0)
    np.testing.assert_allclose(
        shares_of(votes_of(new, forest), forest), expected, atol=1e-6
    )
    # On training rows, only trees vote that did not see the row.
    left_out = np.array(draws) == 0
    voted = np.array([tree.predict(X) for tree in trees])
    counts = [((voted == k) & left_out).sum(axis=0) for k in range(n_classes)]
    expected = np.stack(counts, axis=1) / left_out.sum(axis=0)[:, None]
    np.testing.assert_allclose(shares_of(votes, forest), expected, atol=1e-6)


def test_votes_on_training_rows_know_nothing_of_their_labels():
    rng = np.random.RandomState(0)
    X, labels = rng.normal(size=(2000, 5)).astype(np.float32), rng.randint(2, size=2000)
    forest, votes = fitted(X, labels)
    is_right = np.argmax(votes, axis=1) == labels
    assert abs(is_right.mean() - 0.5) < 3 * 0.5 / np.sqrt(2000)
    # The same trees know the rows that they were fitted on.
    assert np.mean(np.argmax(votes_of(X, forest), axis=1) == labels) > 0.95


def test_rows_of_a_group_are_drawn_together():
    rng = np.random.RandomState(0)
    units = np.repeat(np.arange(200), 5)
    n_times = drawn(units, rng).reshape(200, 5)
    assert (n_times == n_times[:, :1]).all()
    # Rows that are nearly equal within a group, whose labels are noise.
    X = rng.normal(size=(200, 3))[units] + 1e-3 * rng.normal(size=(1000, 3))
    X, labels = X.astype(np.float32), rng.randint(2, size=200)[units]
    (_, honest), (_, flattered) = fitted(X, labels, units=units), fitted(X, labels)
    assert abs(np.mean(honest.argmax(axis=1) == labels) - 0.5) < 3 * 0.5 / np.sqrt(200)
    assert np.mean(flattered.argmax(axis=1) == labels) > 0.9


def test_a_tree_draws_at_most_so_many_rows():
    rng = np.random.RandomState(0)
    assert drawn(np.arange(100), rng).sum() == 100
    assert drawn(np.arange(3 * MOST_DRAWS), rng).sum() == MOST_DRAWS
    units = np.repeat(np.arange(MOST_DRAWS), 2)
    assert drawn(units, rng).sum() == MOST_DRAWS


def test_rows_that_all_trees_saw_have_no_votes():
    forest, votes = fitted(np.ones((1, 2), dtype=np.float32), np.zeros(1, dtype=int))
    assert_array_equal(votes, [[0]])
    assert_array_equal(votes_of(np.zeros((2, 2), dtype=np.float32), forest), [[0], [0]])


def test_weights_decide_leaves_of_equal_rows():
    X, labels = np.zeros((90, 1), dtype=np.float32), np.arange(90) % 3
    X[0, 0] = 1.0
    weight = np.where(labels == 1, 5.0, 1.0)
    forest, _ = fitted(X, labels, weight=weight)
    counts = count_votes(np.zeros((1, 1), dtype=np.float32), forest)
    assert_array_equal(counts, [[0, N_TREES, 0]])


def test_constant_columns_and_bins_do_not_change_votes():
    X, labels = rows_of(0)
    wider = np.insert(X, [0, 2], 1.0, axis=1)
    one, other = (quick(n_trees=9).fit(rows, labels) for rows in (X, wider))
    votes = [m.encoders_[0].transform(x)[:, -3:] for m, x in ((one, X), (other, wider))]
    assert_array_equal(*votes)
    seen = one.encoders_[0].forest.column
    names = one.encoders_[0].get_feature_names_out()[np.unique(seen)]
    assert not any("bin" in name for name in names)


@pytest.mark.parametrize("n_trees", [0, 3])
def test_the_network_reads_a_column_of_votes_for_each_class(n_trees):
    X, labels = rows_of(0)
    model = quick(n_trees=n_trees).fit(X, labels)
    encoder = model.encoders_[0]
    votes = [f"votes_{k}" for k in range(3)] if n_trees else []
    names = encoder.get_feature_names_out().tolist()
    assert [name for name in names if "votes" in name] == votes
    assert (
        encoder.transform(X).shape[1] == len(names) == model.estimators_[0].n_features_in_
    )


def test_trees_see_the_numbers_beside_many_categories():
    X, labels = rows_of(0, n_rows=600)
    frame = pd.DataFrame(X).add_prefix("x")
    frame["many"] = [f"v{i % 60}" for i in range(600)]
    model = quick(n_trees=9).fit(frame, labels)
    encoder = model.encoders_[0]
    rows = encoder.transform(frame)
    assert isinstance(rows, csr_matrix)
    numbers = encoder.encoded_numbers(encoder.schema.read(frame).numbers)
    assert_array_equal(rows[:, -3:].toarray(), votes_of(numbers, encoder.forest))


@pytest.mark.parametrize("kind", ["sparse", "only many categories"])
def test_rows_without_dense_columns_have_no_votes(kind):
    X, labels = rows_of(0, n_rows=600)
    many = pd.DataFrame({"many": [f"v{i % 60}" for i in range(600)]})
    rows = csr_matrix(X) if kind == "sparse" else many
    encoder = quick(n_trees=9).fit(rows, labels).encoders_[0]
    assert len(encoder.forest.root) == 0
    assert encoder.transform(rows).shape[1] == len(encoder.get_feature_names_out())


def test_interactions_of_thresholds_are_found_sooner():
    rng = np.random.RandomState(0)
    X = rng.uniform(size=(800, 6))
    y = (X[:, :4] > 0.3).all(axis=1)
    losses = [
        quick(hidden_layer_sizes=(64, 64), n_trees=n, max_iter=30).fit(X, y).cv_log_loss_
        for n in (0, 100)
    ]
    assert losses[1] < 0.8 * losses[0]


# The two ways to count votes.


@pytest.mark.skipif(compiled.kernels is None, reason="needs a C compiler")
@pytest.mark.parametrize("seed", range(100))
def test_kernels_count_as_the_reference(seed):
    rng = np.random.RandomState(seed)
    shape = rng.randint(1, 600), rng.randint(2, 9), rng.randint(1, 8)
    X, labels = rows_of(seed, *shape)
    forest, _ = fitted(X, labels, n_trees=rng.randint(1, 9), seed=seed)
    for rows in (X, np.asfortranarray(X), X[::-2]):
        assert_array_equal(compiled.count_votes(rows, forest), count_votes(rows, forest))


def test_parts_of_the_rows_have_the_same_votes(monkeypatch):
    X, labels = rows_of(0)
    forest, _ = fitted(X, labels)
    expected = count_votes(X, forest)
    monkeypatch.setattr(forest_module, "NUMBERS_AT_ONCE", 7 * N_TREES)
    assert_array_equal(count_votes(X, forest), expected)


@pytest.mark.parametrize("device", DEVICES)
def test_votes_on_a_device_are_those_of_numpy(device):
    at = arrays_at(device)
    X, labels = rows_of(0)
    forest, _ = fitted(X, labels)
    votes = votes_of(at(X), forest)
    assert are_together(votes, at(X))
    np.testing.assert_allclose(to_numpy(votes), votes_of(X, forest), rtol=1e-6, atol=1e-7)


def test_thresholds_in_float32_divide_float32_alike():
    rng = np.random.RandomState(0)
    thresholds = rng.normal(size=1000)
    rounded = rounded_down(thresholds)
    assert rounded.dtype == np.float32
    for x in (rounded, np.nextafter(rounded, np.float32(9)), np.float32(thresholds)):
        assert_array_equal(x <= rounded, x.astype(float) <= thresholds)
