"""Functions that run on the workers of a cluster.

They are pure, so that any worker can run them again. Most return sums over the rows of one
block, which `sum_of` adds.
"""

import copy
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

from .._data import inputs, labels, sample_weights
from .._engine.epochs import local_sgd
from .._engine.newton import dual
from .._engine.newton.linear_rows import LocalRows
from .._engine.rows import copy_of_rows, without_duplicates


class Summary(NamedTuple):
    """Summary of a block for the client before training."""

    encoding: labels.Encoding
    n_rows: Any  # (n_classes,) rows of positive weight in each class; (1,) if multilabel
    weight: Any  # sums of their weights
    n_features: int
    feature_names: Any  # ndarray, or None
    dtype: Any
    n_bytes: int  # of X


@dataclass(frozen=True)
class Query:
    """Arguments of a pass for all blocks; not a tuple, which Dask may take for a task."""

    recipe: Any  # Recipe, or None before there is one
    common: Any  # other arguments


class Recipe(NamedTuple):
    """How to convert a block to a Dataset."""

    estimator: Any  # not fitted, but with its feature attributes
    dtype: Any
    encoding: labels.Encoding
    by_class: Any  # (n_classes,) class weights, or None
    mean_weight: float


def summary_of(block, query, number):
    """Return the Summary of a block, None if it has no rows, or the error if it is invalid.

    The error is returned, because Dask would retry a task that raises. So `fit` reports the
    first block with an error, not the first error in time.
    """
    estimator, dtypes, multilabel_allowed = query.common
    estimator = copy.copy(estimator)  # other tasks share it, and validation writes to it
    X, y, weight = block
    if X.shape[0] == 0:
        return None
    try:
        X, y = inputs.validate_labelled(estimator, X, y, dtypes, True, multilabel_allowed)
        if weight is not None and not np.any(weight):
            return None
        y, weight, _ = sample_weights.drop_weightless(y, weight)
    except (TypeError, ValueError) as error:
        return error
    encoding = labels.encoding_of(y)
    indices = np.zeros(len(y), int) if y.ndim == 2 else encoding.class_indices(y)
    parts = [X.data, X.indices] if issparse(X) else [X]
    return Summary(
        encoding,
        np.bincount(indices),
        np.bincount(indices, weight),
        X.shape[1],
        getattr(estimator, "feature_names_in_", None),
        X.dtype,
        sum(part.nbytes for part in parts),
    )


def dataset_of(block, recipe):
    """Return the Dataset of a valid block."""
    X, y, weight = block
    estimator, encoding, by_class = recipe.estimator, recipe.encoding, recipe.by_class
    X = inputs.validate_rows(estimator, X, recipe.dtype, ensure_all_finite=False)
    X = aligned(without_duplicates(X))
    y = inputs.plain_labels(y, warn=False)
    y, weight, rows = sample_weights.drop_weightless(y, weight)
    if by_class is not None:
        of_row = by_class[encoding.class_indices(y)]
        weight = of_row if weight is None else weight * of_row
    data = inputs.make_dataset(X, y, weight, rows, encoding)
    return sample_weights.scale_weights(data, recipe.mean_weight)


def aligned(X):
    """Return X with aligned arrays, copied if necessary.

    Some messages between workers are not aligned. NumPy would train on them instead of the
    kernels, more slowly and with other rounding errors, so that the model would depend on
    the route of a block.
    """
    if not issparse(X):
        return np.require(X, requirements="A")
    parts = [np.require(part, requirements="A") for part in (X.data, X.indices, X.indptr)]
    return type(X)(tuple(parts), shape=X.shape)


def gathered_rows(block, query, index):
    """Return these rows of a block as a Dataset of their own."""
    return copy_of_rows(dataset_of(block, query.recipe), index)


def rows_of(block, query, loss, coordinates) -> LocalRows:
    """Return the LocalRows of a block."""
    return LocalRows(dataset_of(block, query.recipe), loss).at(coordinates)


def evaluation_of(block, query, number):
    """Return sums over a block: weights; and loss, gradient and diagonal, weighted."""
    loss, coordinates, point = query.common
    rows = rows_of(block, query, loss, coordinates)
    evaluation, total = rows.evaluate(coordinates, point), rows.total_weight()
    sums = evaluation.loss, evaluation.gradient, evaluation.diagonal
    return total, *(total * value for value in sums)


def proba_of(block, query, number):
    """Return the probabilities (n_samples, n_outputs) of a block's rows."""
    loss, coordinates, point = query.common
    return rows_of(block, query, loss, coordinates).evaluate(coordinates, point).proba


def product_of(block, query, proba):
    """Return sums over a block: weights; and the Hessian times a direction, weighted."""
    loss, coordinates, damping, direction = query.common
    rows = rows_of(block, query, loss, coordinates)
    total = rows.total_weight()
    return total, total * rows.hessian_product(coordinates, proba, damping, direction)


def hessian_of(block, query, number):
    """Return sums over a block: weights; and the Hessian or its blocks, weighted."""
    loss, coordinates, point, damping, in_blocks = query.common
    rows = rows_of(block, query, loss, coordinates)
    # Probabilities are computed again: one product, beside n_features for the Hessian.
    proba, total = rows.evaluate(coordinates, point).proba, rows.total_weight()
    hessian = rows.hessian_blocks if in_blocks else rows.hessian
    return total, total * hessian(coordinates, proba, damping)


def dual_of(block, query, proba):
    """Return sums over a block: weights; and those of a dual point.

    These are divergence, residual and curvature.
    """
    loss, coordinates, direction, shift = query.common
    rows = rows_of(block, query, loss, coordinates)
    change = rows.logits(coordinates, direction)
    found = dual.predicted(rows.data, proba, change, shift)
    residual = rows.weighted_sum(coordinates, found.error)
    curvature = dual.curvature(rows.data, proba)
    sums = found.divergence, residual, curvature
    return rows.total_weight(), *sums


def sums_after_round(block, query, number):
    """Return the Sums of a block after a round of training, as a tuple."""
    problem, settings, state, part = query.common
    data = dataset_of(block, query.recipe)
    return tuple(local_sgd.train_block(problem, settings, state, data, number, part))


def objective_of(block, query, number):
    """Return the number of rows of a block, and the sum of their objectives."""
    problem, theta = query.common
    return local_sgd.objective_of_block(problem, theta, dataset_of(block, query.recipe))


def sum_of(parts):
    """Return the elementwise sum of tuples of numbers or arrays."""
    with np.errstate(over="ignore", invalid="ignore"):  # the client checks for divergence
        return tuple(
            sum(values[1:], start=values[0]) for values in zip(*parts, strict=True)
        )
