"""Votes of trees: what a forest says of each row, as further columns of a network.

Trees find interactions of thresholds sooner than a network. So they vote on the class of
each row, and the network reads their votes beside the columns. A training row is judged
only by the trees that were not fitted on it: the network learns how far votes on new rows
can be trusted.
"""

from typing import Any, NamedTuple

import numpy as np
from sklearn.tree import ExtraTreeClassifier

from .._engine.arrays import as_type, moved_to, namespace, take
from .._engine.epochs import compiled

# A tree is fitted on at most this many draws, so that time grows no faster than the rows.
MOST_DRAWS = 5000
# A split is the best of at most this many columns, and at most half of all.
MOST_TRIED = 50
# Factor of the shares of votes. On 14 tables, half of it gave 1.5 % more log-loss, a
# quarter 3.5 %, and twice of it was not better.
SCALE = 2.0
# Numbers of a part of the rows and trees that is computed at once without kernels.
NUMBERS_AT_ONCE = 2**20


class Forest(NamedTuple):
    """Decision trees of encoded rows, one after the other.

    A row goes to the left of a node if its column is <= the threshold. A leaf is its own
    child on both sides; other children come after their parent.
    """

    shares: Any  # (n_classes,) float32, of the training rows; empty if there are no trees
    root: Any  # (n_trees,) int32
    column: Any  # (n_nodes,) int32
    threshold: Any  # (n_nodes,) float32
    left: Any  # (n_nodes,) int32
    right: Any  # (n_nodes,) int32
    vote: Any  # (n_nodes,) int32, class index


NO_FOREST = Forest(
    shares=np.empty(0, dtype=np.float32),
    root=np.empty(0, dtype=np.int32),
    column=np.empty(0, dtype=np.int32),
    threshold=np.empty(0, dtype=np.float32),
    left=np.empty(0, dtype=np.int32),
    right=np.empty(0, dtype=np.int32),
    vote=np.empty(0, dtype=np.int32),
)


def fit_forest(X, columns, labels, shares, n_trees, seed, weight=None, units=None):
    """Return a Forest, and the votes on each training row of trees not fitted on it.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_columns), float32
        Encoded rows, in C order.
    columns : ndarray of shape (n_used,)
        Columns that the trees may use.
    labels : ndarray of shape (n_rows,)
        Class indices.
    shares : ndarray of shape (n_classes,), float32
        Of the classes among the rows.
    n_trees : int
    seed : int
    weight : ndarray of shape (n_rows,), or None
        Numbers of repetitions, > 0; None is 1 each.
    units : ndarray of shape (n_rows,), or None
        Number of the group of each row, from 0: rows of a group are drawn together. None
        is a group for each row.

    Returns
    -------
    forest : Forest
    votes : ndarray of shape (n_rows, n_classes), float32
        See `votes_of`; 0 for a row on which all trees were fitted.

    Notes
    -----
    Each tree is an ExtraTreeClassifier: grown until its leaves are pure, each split the
    best of one random threshold in half of the columns [1]_. It is fitted on a bootstrap
    sample, and judges the rows that this leaves out, "out of bag" [2]_. Such predictions,
    as inputs of another model, are stacked generalization [3]_.

    References
    ----------
    .. [1] P. Geurts, D. Ernst and L. Wehenkel, "Extremely randomized trees", Machine
       Learning 63, 2006, https://doi.org/10.1007/s10994-006-6226-1
    .. [2] L. Breiman, "Out-of-bag estimation", technical report, University of California,
       Berkeley, 1996
    .. [3] D. Wolpert, "Stacked generalization", Neural Networks 5, 1992,
       https://doi.org/10.1016/S0893-6080(05)80023-1
    """
    n_rows, rng = len(X), np.random.RandomState(seed)
    units = np.arange(n_rows) if units is None else units
    used = np.ascontiguousarray(X[:, columns])
    counts = np.zeros((n_rows, len(shares)), dtype=np.int64)
    trees = []
    for _ in range(n_trees):
        n_times = drawn(units, rng)
        tree = fit_tree(used, labels, n_times if weight is None else n_times * weight, rng)
        voted = tree.classes_[np.argmax(tree.tree_.value[:, 0, :], axis=1)]
        left_out = np.flatnonzero(n_times == 0)
        leaves = tree.tree_.apply(used[left_out])
        counts[left_out, voted[leaves]] += 1
        trees.append(nodes_of(tree.tree_, voted, columns))
    n_votes = counts.sum(axis=1, keepdims=True)
    votes = columns_of(counts, np.maximum(n_votes, 1).astype(np.float32), shares)
    return joined(trees, shares), votes * (n_votes > 0)


def drawn(units, rng):
    """Return how often a tree sees each row (n_rows,): a bootstrap sample of the units."""
    n_units = units.max() + 1
    n_draws = int(np.ceil(n_units * min(1.0, MOST_DRAWS / len(units))))
    return np.bincount(rng.randint(n_units, size=n_draws), minlength=n_units)[units]


def fit_tree(X, labels, weight, rng):
    """Return a tree, fitted on the rows of positive weight."""
    most = min(-(-X.shape[1] // 2), MOST_TRIED)
    tree = ExtraTreeClassifier(max_features=most, random_state=rng.randint(2**31 - 1))
    return tree.fit(X, labels, sample_weight=weight, check_input=False)


def nodes_of(tree, voted, columns):
    """Return columns, thresholds, children left and right, and votes of a tree's nodes."""
    is_leaf, own = tree.children_left < 0, np.arange(tree.node_count)
    return (
        columns[np.where(is_leaf, 0, tree.feature)].astype(np.int32),
        rounded_down(np.where(is_leaf, 0.0, tree.threshold)),
        np.where(is_leaf, own, tree.children_left).astype(np.int32),
        np.where(is_leaf, own, tree.children_right).astype(np.int32),
        voted.astype(np.int32),
    )


def joined(trees, shares) -> Forest:
    """Return the Forest of the nodes of several trees."""
    column, threshold, left, right, vote = map(np.concatenate, zip(*trees, strict=True))
    sizes = [len(nodes[0]) for nodes in trees]
    root = np.cumsum([0, *sizes[:-1]], dtype=np.int32)
    first = np.repeat(root, sizes)
    return Forest(shares, root, column, threshold, left + first, right + first, vote)


def rounded_down(thresholds):
    """Return the largest float32 <= each threshold: it divides numbers in float32 alike."""
    rounded = thresholds.astype(np.float32)
    below = np.nextafter(rounded, np.float32(-np.inf))
    return np.where(rounded > thresholds, below, rounded)


def votes_of(X, forest: Forest):
    """Return the forest's columns (n_rows, n_classes), float32, of encoded rows.

    They are in the library and on the device of X.
    """
    count = compiled.count_votes if compiled.supports_votes(X) else count_votes
    return columns_of(count(X, forest), len(forest.root), moved_to(X, forest.shares))


def columns_of(counts, total, shares):
    """Return SCALE times the shares of votes less those of the classes, float32."""
    counts = as_type(counts, namespace(counts).float32)
    return SCALE * (counts / total - shares)


def count_votes(X, forest: Forest):
    """Return how many trees vote for each class (n_rows, n_classes), int32.

    The reference of compiled.count_votes, and its replacement on a device.
    """
    forest = Forest(*(moved_to(X, array) for array in forest))
    n_rows, size = X.shape[0], max(1, NUMBERS_AT_ONCE // forest.root.shape[0])
    slices = [slice(i, min(i + size, n_rows)) for i in range(0, n_rows, size)]
    counts = [count_in_part(X[rows, :], forest) for rows in slices]
    return namespace(X).concat(counts, axis=0)


def count_in_part(X, forest):
    """Return the result of `count_votes` for a few rows, computed at once."""
    xp, shape = namespace(X), (X.shape[0], forest.root.shape[0])
    numbers = xp.reshape(X, (-1,))
    first = xp.arange(shape[0], device=X.device)[:, None] * X.shape[1]
    # A number for each row and tree.
    first = xp.reshape(xp.broadcast_to(first, shape), (-1,))
    node = xp.reshape(xp.broadcast_to(forest.root[None, :], shape), (-1,))
    while True:
        values = take(numbers, first + take(forest.column, node))
        is_left = values <= take(forest.threshold, node)
        child = xp.where(is_left, take(forest.left, node), take(forest.right, node))
        if bool(xp.all(child == node)):
            break
        node = child
    voted = xp.reshape(take(forest.vote, node), shape)
    counts = [
        xp.sum(as_type(voted == k, xp.int32), axis=1, dtype=xp.int32)
        for k in range(forest.shares.shape[0])
    ]
    return xp.stack(counts, axis=1)
