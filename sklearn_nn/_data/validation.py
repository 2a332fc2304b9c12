"""Validation rows, held out or the user's own: loss and score of a model on them."""

from contextlib import contextmanager
from inspect import signature
from math import isnan, log, log1p
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import check_scoring
from sklearn.utils.validation import check_consistent_length

from .._engine.arrays import (
    Rows,
    moved_to,
    namespace,
    numpy_dtype,
    to_numpy,
    widened,
)
from .._engine.epochs import prediction
from .._engine.objective.losses import LOSSES
from .._engine.rows import copy_of_rows
from .._engine.types import Dataset, Validation
from . import array_api, inputs, sample_weights
from .labels import Encoding


class ValidationRows(NamedTuple):
    """Validation rows as the user passes them to `fit`."""

    X: Any = None
    y: Any = None
    sample_weight: Any = None

    def are_given(self) -> bool:
        """Return whether there are rows; raise ValueError if X or y is missing."""
        if self.X is None and self.y is None and self.sample_weight is None:
            return False
        for name, value in (("X_val", self.X), ("y_val", self.y)):
            if value is None:
                raise ValueError(
                    f"{name} is missing: validation needs both X_val and y_val, and may "
                    "have sample_weight_val."
                )
        return True


NO_ROWS = ValidationRows()


@contextmanager
def naming_validation_rows():
    """Say in an error, which names X or y, that the validation rows are meant."""
    try:
        yield
    except (ValueError, TypeError) as error:
        text = f"In the validation rows (X_val, y_val, sample_weight_val): {error}"
        raise ValueError(text) from error


def validation_dataset(
    estimator, validation_rows: ValidationRows, encoding: Encoding, rows: Rows
) -> Dataset:
    """Return the user's validation rows as a Dataset, on the device of the training `rows`.

    Class weights do not apply to them. Raise ValueError if they are not valid, have other
    features than the estimator, or labels that are not among the classes.
    """
    with naming_validation_rows():
        X, y = inputs.validate_validation(
            estimator, validation_rows.X, validation_rows.y, rows
        )
        check_consistent_length(X, y)
        y, weight, kept = sample_weights.drop_weightless(y, validation_rows.sample_weight)
        encoding.check_shape(y)
    unseen = [] if encoding.multilabel else encoding.unseen(y)
    if len(unseen):
        raise ValueError(
            f"y_val has the labels {unseen.tolist()}, which are not among the classes "
            f"{encoding.classes.tolist()} of y. Remove these rows from X_val and y_val, or "
            "add rows with these labels to X and y."
        )
    with naming_validation_rows():
        data = inputs.make_dataset(X, y, weight, kept, encoding)
    return copy_of_rows(data, slice(0, data.n_samples))


def checked_score(score, scoring):
    """Return a score as a float; raise ValueError if it is not a number."""
    if not isinstance(score, Real) or isnan(score):
        raise ValueError(
            f"scoring={scoring!r} must return a number for the validation rows; got "
            f"{score!r}. Choose a score that is defined for these rows."
        )
    return float(score)


def check_takes_weights(scoring):
    """Raise ValueError if a callable `scoring` has no argument for sample weights."""
    try:
        parameters = signature(scoring).parameters
    except (TypeError, ValueError):  # a function of C, whose signature is not known
        return
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    if "sample_weight" not in parameters and not takes_any:
        raise ValueError(
            f"scoring={scoring!r} must take the argument sample_weight, because the "
            "validation rows have weights: scoring(estimator, X, y, sample_weight=None)."
        )


class Validator:
    """Loss and score on the validation rows, as a function of theta."""

    def __init__(self, problem, data, score):
        self.problem = problem
        self.data = data  # rows in order, with unscaled weights
        self.score = score  # theta, logits, loss -> float

    def __call__(self, theta):
        """Return the Validation of theta (n_parameters,), which may be on the host."""
        architecture = self.problem.architecture
        layers = architecture.layers(moved_to(array_api.like(self.data.X), theta))
        logits, _ = prediction.predict(
            layers, self.data.X, architecture.activations, "logits"
        )
        loss = self.loss(logits)
        return Validation(loss, self.score(theta, logits, loss))

    def loss(self, logits):
        """Return the mean loss over the rows, in nats per sample."""
        values, _ = self.problem.loss.value_and_gradient(logits, self.data.y)
        return mean_of(values, self.data.sample_weight)


def mean_of(values, weight):
    """Return the mean of one value per row as a float, computed where they are."""
    xp, values = namespace(values), widened(values)
    if weight is None:
        return float(xp.mean(values))
    weight = widened(weight)
    return float(xp.sum(values * weight) / xp.sum(weight))


def validator(problem, data, encoding, scoring, model_at):
    """Return the callable theta -> Validation.

    `data` are the validation rows. `scoring` is that of the estimators, but not None.
    `model_at` is a callable theta -> fitted estimator.
    """
    rows, targets = inputs.beside_rows(data), encoding.targets(data.y)
    is_on_device = array_api.is_foreign(data.X)
    if scoring == "loss":
        score = minus_loss
    elif scoring == "accuracy":
        score = accuracy_on(rows, moved_to(rows.y, targets), encoding)
    elif scoring == "neg_log_loss" and is_on_device and not encoding.multilabel:
        score = minus_log_loss_on(rows, encoding)
    else:
        score = scorer_on(data, encoding.labels(targets), scoring, model_at)
    return Validator(problem, rows, score)


def minus_loss(theta, logits, loss):
    """Return the score of scoring='loss'."""
    return -loss


def accuracy_on(rows, targets, encoding):
    """Return the accuracy on these rows, as a function of theta, logits and loss.

    It takes less time than scikit-learn's scorer, and is computed on the device.
    """

    def accuracy(theta, logits, loss):
        is_right = encoding.decide(logits) == targets
        if is_right.ndim == 2:
            is_right = namespace(is_right).all(is_right, axis=1)
        return mean_of(is_right, rows.sample_weight)

    return accuracy


def minus_log_loss_on(rows, encoding):
    """Return scikit-learn's 'neg_log_loss' on rows of a device, as `accuracy_on`.

    Its probabilities are at least eps and at most 1 - eps of their dtype.
    """
    value_and_gradient = LOSSES["log_loss", encoding.out_activation].value_and_gradient

    def minus_log_loss(theta, logits, loss):
        eps = float(np.finfo(numpy_dtype(logits)).eps)
        values, _ = value_and_gradient(logits, rows.y)
        values = namespace(values).clip(widened(values), -log1p(-eps), -log(eps))
        return -mean_of(values, rows.sample_weight)

    return minus_log_loss


def scorer_on(data, labels, scoring, model_at):
    """Return the score of another scorer, as `accuracy_on`.

    Few of scikit-learn's metrics support other array libraries: scorers get ndarrays.
    """
    X, weight = map(array_api.on_host, (data.X, data.sample_weight))
    if weight is not None and callable(scoring):
        check_takes_weights(scoring)
    weights = {} if weight is None else {"sample_weight": weight}

    def scored(theta, logits, loss):
        model = model_at(to_numpy(theta))
        scorer = check_scoring(model, scoring)
        return checked_score(scorer(model, X, labels, **weights), scoring)

    return scored
