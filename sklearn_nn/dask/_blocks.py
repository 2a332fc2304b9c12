"""From user input to valid blocks of rows, with scaled weights."""

from typing import Any, NamedTuple

import numpy as np

from .._data import array_api, labels, sample_weights
from .._storage.checkpoint import Checkpoint
from .._training import check_class_weight, check_n_classes
from ._cluster import ClusterBlocks
from ._workers import Query, Recipe, summary_of


class Block(NamedTuple):
    """A block of rows, as delayed objects of Dask."""

    X: Any
    y: Any
    sample_weight: Any  # or None


def blocks_of(X, y, sample_weight):
    """Return the list of Blocks in the user's arguments."""
    import dask.array

    if isinstance(X, dask.array.Array):
        return blocks_of_arrays(X, y, sample_weight)
    columns = [X, y] if sample_weight is None else [X, y, sample_weight]
    if not all(isinstance(column, (list, tuple)) for column in columns):
        raise TypeError(
            "X must be a dask array, or X, y and sample_weight lists of delayed blocks; "
            f"got {' and '.join(type(column).__name__ for column in columns)}."
        )
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1 or lengths[0] == 0:
        raise ValueError(
            "X, y and sample_weight must be lists of the same length, at least 1; got "
            f"the lengths {lengths}."
        )
    weights = [None] * len(X) if sample_weight is None else sample_weight
    return [Block(*parts) for parts in zip(X, y, weights, strict=True)]


def blocks_of_arrays(X, y, sample_weight):
    """Return the list of Blocks of dask arrays."""
    import dask

    if X.ndim != 2:
        raise ValueError(
            f"X must have the shape (n_samples, n_features); got {X.ndim} dimension(s)."
        )
    columns = [whole_rows(X), with_blocks_of(y, X, "y")]
    if sample_weight is not None:
        columns.append(with_blocks_of(sample_weight, X, "sample_weight"))
    # Together, so that a file with X and y is loaded once.
    columns = dask.optimize(*columns)
    delayed = [column.to_delayed(optimize_graph=False).ravel() for column in columns]
    return [
        Block(*parts, *[None] * (3 - len(parts))) for parts in zip(*delayed, strict=True)
    ]


def with_blocks_of(values, X, name):
    """Return y or weights as a dask array with the blocks of X."""
    import dask.array

    if not isinstance(values, dask.array.Array):
        raise TypeError(
            f"{name} must be a dask array, because X is one; got {type(values).__name__}. "
            "Convert it with dask.array.from_array."
        )
    values, n_samples = whole_rows(values), [X.shape[0], values.shape[0]]
    if np.isnan(n_samples).any():  # workers compare the lengths of each block
        if values.numblocks[0] != X.numblocks[0]:
            raise ValueError(
                f"{name} must have as many blocks as X, {X.numblocks[0]}, because lengths "
                f"of blocks are unknown; got {values.numblocks[0]}."
            )
        return values
    if n_samples[0] != n_samples[1]:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: {n_samples}"
        )
    return values.rechunk({0: X.chunks[0]})


def whole_rows(values):
    """Return a dask array whose blocks have all columns."""
    return values.rechunk({1: -1}) if values.ndim == 2 else values


def valid_blocks(estimator, cluster, blocks, origin) -> ClusterBlocks:
    """Return the ClusterBlocks, and set the estimator's feature attributes."""
    checkpoint = origin if isinstance(origin, Checkpoint) else None
    found = summaries_of(estimator, cluster, blocks, checkpoint)
    summaries = [summary for _, _, summary in found]
    set_features(estimator, found, checkpoint)
    encoding = labels.common_encoding([summary.encoding for summary in summaries])
    if origin is not None:
        labels.check_same_classes(encoding, origin.encoding)
    check_n_classes(estimator, encoding.classes)
    by_class, n_rows, mean_weight = weights_of(estimator, summaries, encoding)
    check_class_weight(estimator, encoding)
    dtype = np.result_type(*[summary.dtype for summary in summaries])
    recipe = Recipe(unfitted(estimator), dtype, encoding, by_class, mean_weight)
    with_rows = [(found[i][1], int(n)) for i, n in enumerate(n_rows) if n]
    blocks, n_rows = zip(*with_rows, strict=True)
    n_all_rows = sum(int(summary.n_rows.sum()) for summary in summaries)
    n_bytes = sum(summary.n_bytes for summary in summaries) / n_all_rows
    return ClusterBlocks(cluster, blocks, recipe, n_rows, n_bytes)


def unfitted(estimator):
    """Return the estimator with its feature attributes, but without its model."""
    blank = type(estimator)(**estimator.get_params(deep=False))
    for name in ("n_features_in_", "feature_names_in_"):
        if name in vars(estimator):
            vars(blank)[name] = vars(estimator)[name]
    return blank


def summaries_of(estimator, cluster, blocks, checkpoint):
    """Return (number, Block, Summary) of each block that has rows."""
    dtypes = array_api.FLOATS if checkpoint is None else checkpoint.state.theta.dtype
    blank = type(estimator)(**estimator.get_params(deep=False))
    query = Query(None, (blank, dtypes, estimator._multilabel_allowed))
    numbers = range(len(blocks))
    summaries = cluster.results(cluster.map(summary_of, blocks, query, numbers))
    for number, summary in enumerate(summaries):
        if isinstance(summary, Exception):
            summary.add_note(f"In block {number} of {len(blocks)}.")
            raise summary
    found = zip(numbers, blocks, summaries, strict=True)
    found = [each for each in found if each[2] is not None]
    if not found:
        raise ValueError(
            "There are no rows to train on: all blocks are empty, or all weights are zero."
        )
    return found


def set_features(estimator, found, checkpoint):
    """Set `n_features_in_` and `feature_names_in_`; raise ValueError if blocks differ."""
    _, _, first = found[0]
    n_features, names = first.n_features, first.feature_names
    if checkpoint is not None:
        n_features = estimator.n_features_in_
        names = vars(estimator).get("feature_names_in_")
    for number, _, summary in found:
        if summary.n_features != n_features:
            raise ValueError(
                f"X has {summary.n_features} features in block {number}, but "
                f"{type(estimator).__name__} is expecting {n_features} features as input."
            )
        if not np.array_equal(summary.feature_names, names):
            raise ValueError(
                f"The feature names of block {number} are not those of the first block (or "
                f"of the model, with warm_start=True): expected {names}, got "
                f"{summary.feature_names}."
            )
    vars(estimator).pop("feature_names_in_", None)
    estimator.n_features_in_ = n_features
    if names is not None:
        estimator.feature_names_in_ = names


def weights_of(estimator, summaries, encoding):
    """Return class weights, numbers of rows and the mean weight over all blocks.

    Returns
    -------
    by_class : ndarray of shape (n_classes,) or None
        Class weights.
    n_rows : ndarray of int of shape (n_blocks,)
        Number of rows of positive weight in each block.
    mean_weight : float
        Mean of sample weight times class weight over these rows.
    """
    class_weight = estimator.class_weight
    sample_weights.check_one_label(class_weight, encoding)
    n_columns = 1 if encoding.multilabel else len(encoding.classes)
    n_rows, weight = np.zeros((2, len(summaries), n_columns))
    for i, summary in enumerate(summaries):
        places = slice(None)
        if not encoding.multilabel:
            places = encoding.class_indices(summary.encoding.classes)
        n_rows[i, places], weight[i, places] = summary.n_rows, summary.weight
    by_class, of_class = None, weight.sum(axis=0)
    if class_weight is not None:
        total = of_class.sum()
        by_class = sample_weights.weight_by_class(
            class_weight, encoding.classes, of_class, total
        )
        n_rows, of_class = n_rows * (by_class > 0), of_class * by_class
    mean_weight = of_class.sum() / n_rows.sum() if n_rows.any() else 0.0
    if not 0 < mean_weight < np.inf:
        raise ValueError(
            "The weights of all rows (sample_weight times class_weight) must have a "
            f"positive and finite mean; got {mean_weight}."
        )
    return by_class, n_rows.sum(axis=1).astype(int), float(mean_weight)
