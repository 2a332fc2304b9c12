"""What runs on the workers of a cluster: functions of a block, and of what a pass asks.

They are pure, so that any worker can run them again. Of each block they return sums over
its rows, which are then added up.
"""

import copy
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

from .._data import inputs, labels, sample_weights
from .._engine.epochs import local_sgd
from .._engine.newton.passes import Rows
from .._engine.rows import copy_of_rows


class Summary(NamedTuple):
    """What the client needs to know of a block before training."""

    encoding: labels.Encoding
    n_rows: Any  # (n_classes,) of each class; of weight 0 none count; (1,) if multilabel
    weight: Any  # their sums of weights
    n_features: int
    feature_names: Any  # ndarray, or None
    dtype: Any
    n_bytes: int  # of X


@dataclass(frozen=True)
class Asked:
    """What a pass asks of every block: no tuple, which Dask might take for a task."""

    recipe: Any  # Recipe, None before there is one
    question: Any  # more arguments


class Recipe(NamedTuple):
    """How a block becomes a Dataset."""

    estimator: Any  # not fitted, but for what it knows of the features
    dtype: Any
    encoding: labels.Encoding
    by_class: Any  # (n_classes,) class weights, or None
    mean_weight: float


def summary_of(block, asked, number):
    """Return the Summary of a block, None if it has no rows, or what is wrong with it.

    An error is returned and not raised, because it would be tried again; and so the first
    block's is reported, not the first that came.
    """
    estimator, dtypes, multilabel_allowed = asked.question
    estimator = copy.copy(estimator)  # which validation writes to; others have it too
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
    """Return the Dataset of a block that has been found valid."""
    X, y, weight = block
    estimator, encoding, by_class = recipe.estimator, recipe.encoding, recipe.by_class
    X = inputs.validate_rows(estimator, X, recipe.dtype, ensure_all_finite=False)
    X = at_whole_addresses(X)
    y = inputs.plain_labels(y, warn=False)
    y, weight, rows = sample_weights.drop_weightless(y, weight)
    if by_class is not None:
        of_row = by_class[encoding.class_indices(y)]
        weight = of_row if weight is None else weight * of_row
    data = inputs.make_dataset(X, y, weight, rows, encoding)
    return sample_weights.scale_weights(data, recipe.mean_weight)


def at_whole_addresses(X):
    """Return X with its numbers at multiples of their size, as a copy where they are not.

    They are not in some messages from worker to worker. The kernels would leave such rows
    to NumPy, slower and rounded otherwise, so that a block's way would show in the model.
    """
    if not issparse(X):
        return np.require(X, requirements="A")
    parts = [np.require(part, requirements="A") for part in (X.data, X.indices, X.indptr)]
    return type(X)(tuple(parts), shape=X.shape)


def gathered_rows(block, asked, index):
    """Return these rows of a block as a Dataset of their own."""
    return copy_of_rows(dataset_of(block, asked.recipe), index)


def evaluation_of(block, asked, number):
    """Return sums over a block: weights; and loss, gradient and diagonal, weighted."""
    loss, coordinates, point = asked.question
    rows = Rows(dataset_of(block, asked.recipe), loss)
    evaluation, total = rows.evaluate(coordinates, point), rows.total_weight()
    sums = evaluation.loss, evaluation.gradient, evaluation.diagonal
    return total, *(total * value for value in sums)


def proba_of(block, asked, number):
    """Return the probabilities (n_samples, n_outputs) of a block's rows."""
    loss, coordinates, point = asked.question
    return Rows(dataset_of(block, asked.recipe), loss).evaluate(coordinates, point).proba


def product_of(block, asked, proba):
    """Return sums over a block: weights; and the Hessian times a direction, weighted."""
    loss, coordinates, damping, direction = asked.question
    rows = Rows(dataset_of(block, asked.recipe), loss)
    total = rows.total_weight()
    return total, total * rows.hessian_product(coordinates, proba, damping, direction)


def hessian_of(block, asked, number):
    """Return sums over a block: weights; and the Hessian, weighted, or None."""
    loss, coordinates, point, damping = asked.question
    rows = Rows(dataset_of(block, asked.recipe), loss)
    # Cheaper again than kept: it is one product more, beside as many as there are features.
    proba, total = rows.evaluate(coordinates, point).proba, rows.total_weight()
    hessian = rows.hessian(coordinates, proba, damping)
    return total, None if hessian is None else total * hessian


def trained(block, asked, number):
    """Return the Sums of a block after a round of training."""
    problem, settings, state, part = asked.question
    data = dataset_of(block, asked.recipe)
    return tuple(local_sgd.train_block(problem, settings, state, data, number, part))


def objective_of(block, asked, number):
    """Return the number of rows of a block, and its objective's sum over them."""
    problem, theta = asked.question
    return local_sgd.objective_of_block(problem, theta, dataset_of(block, asked.recipe))


def added(parts):
    """Return the sum of tuples of numbers and arrays, in their order; with a None, None."""
    with np.errstate(over="ignore", invalid="ignore"):  # found where the sums are used
        return tuple(
            None if any(v is None for v in values) else sum(values[1:], start=values[0])
            for values in zip(*parts, strict=True)
        )
