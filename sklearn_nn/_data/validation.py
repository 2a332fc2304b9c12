"""Validation rows: held out or the user's own, and how good a model is on them."""

from contextlib import contextmanager
from math import isnan
from numbers import Real
from typing import Any, NamedTuple

from sklearn.metrics import accuracy_score, check_scoring
from sklearn.utils.validation import check_consistent_length

from .._engine.arrays import namespace, to_numpy, widened
from .._engine.epochs import prediction
from .._engine.rows import copy_of_rows
from .._engine.types import Validation
from . import array_api, inputs, sample_weights


class Given(NamedTuple):
    """Validation rows as a user passes them to `fit`."""

    X: Any = None
    y: Any = None
    sample_weight: Any = None

    def is_complete(self):
        """Say whether there are such rows; raise ValueError if there is a part of them."""
        if self.X is None and self.y is None and self.sample_weight is None:
            return False
        for name, value in (("X_val", self.X), ("y_val", self.y)):
            if value is None:
                raise ValueError(
                    f"{name} is missing: validation needs both X_val and y_val, and may "
                    "have sample_weight_val."
                )
        return True


NO_ROWS = Given()


@contextmanager
def naming_validation_rows():
    """Say of which arrays a ValueError speaks: scikit-learn's words are of X."""
    try:
        yield
    except ValueError as error:
        text = f"In the validation rows (X_val, y_val, sample_weight_val): {error}"
        raise ValueError(text) from error


def given_dataset(estimator, given, encoding, rows):
    """Return the user's validation rows as a Dataset.

    Parameters
    ----------
    estimator : estimator
        That has seen the training rows: X_val must have their features.
    given : Given
        Its weights count as they are: class weights are for training.
    encoding : Encoding
    rows : array or CSR
        The training rows: X_val is put beside them.

    Raises
    ------
    ValueError
        If they are not valid, or y_val has a label that is not among the classes.
    """
    with naming_validation_rows():
        X, y = inputs.validate_validation(estimator, given.X, given.y, rows)
        check_consistent_length(X, y)
        y, weight, places = sample_weights.drop_weightless(y, given.sample_weight)
    unseen = [] if encoding.multilabel or y.ndim == 2 else encoding.unseen(y)
    if len(unseen):
        raise ValueError(
            f"y_val has the labels {unseen.tolist()}, which are not among those to learn, "
            f"{encoding.classes.tolist()}. Leave these rows out of X_val and y_val, or add "
            "rows with these labels to X and y."
        )
    data = inputs.make_dataset(X, y, weight, places, encoding)
    return copy_of_rows(data, slice(0, data.n_samples))


def checked_score(score, scoring):
    """Return a score as a float; raise ValueError if it is not a number."""
    if not isinstance(score, Real) or isnan(score):
        raise ValueError(
            f"scoring={scoring!r} must give a number for the validation rows; got "
            f"{score!r}. Choose a score that is one number, and defined for these rows."
        )
    return float(score)


class Validator:
    """How good a model is on validation rows, as a function of theta."""

    def __init__(self, problem, data, score):
        self.problem = problem
        self.data = data  # of rows in order, weights as they are
        self.score = score  # theta, logits, loss -> float

    def __call__(self, theta):
        """Return the Validation of theta (n_parameters,)."""
        architecture = self.problem.architecture
        layers = architecture.layers(theta)
        logits, _ = prediction.predict(
            layers, self.data.X, architecture.activations, "logits"
        )
        loss = self.loss(logits)
        return Validation(loss, self.score(theta, logits, loss))

    def loss(self, logits):
        """Return the mean loss over the rows, in nats per sample."""
        values, _ = self.problem.loss.value_and_gradient(logits, self.data.y)
        values, weight = widened(values), self.data.sample_weight
        xp = namespace(values)
        if weight is None:
            return float(xp.mean(values))
        weight = widened(weight)
        return float(xp.sum(values * weight) / xp.sum(weight))


def validator(problem, data, encoding, scoring, model_at):
    """Return the callable theta -> Validation.

    Parameters
    ----------
    problem : Problem
    data : Dataset
        The validation rows, labels and weights on the host.
    encoding : Encoding
    scoring : 'loss', the name of a scorer, a callable (estimator, X, y) -> float or None
        None is accuracy.
    model_at : callable theta -> estimator
        That predicts with theta.
    """
    targets, weight = encoding.targets(data.y), data.sample_weight

    def accuracy(theta, logits, loss):
        decided = to_numpy(encoding.decide(logits))
        return accuracy_score(targets, decided, sample_weight=weight)

    def minus_loss(theta, logits, loss):
        return -loss

    # Few of scikit-learn's metrics take arrays of other libraries: they see the host's.
    X, labels = array_api.on_host(data.X), encoding.labels(targets)
    weights = {} if weight is None else {"sample_weight": weight}

    def scored(theta, logits, loss):
        model = model_at(to_numpy(theta))
        scorer = check_scoring(model, scoring)
        return checked_score(scorer(model, X, labels, **weights), scoring)

    data = inputs.beside_rows(data)
    if scoring is None:
        return Validator(problem, data, accuracy)
    return Validator(problem, data, minus_loss if scoring == "loss" else scored)
