"""From data and parameters to a training run: free functions that all ways to train call.

`fit` and `partial_fit`, the cluster and the dry run of a check take the same steps:

    checkpoint = resumed_checkpoint(...)     what an earlier call has left, if it goes on
    start      = start_of(...)               the model that training begins with
    problem, settings, state = begin(...)    what the engine needs besides rows
"""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import check_random_state

from ._data import array_api, inputs, labels, sample_weights, split, validation
from ._engine.arrays import alike, moved_to, numpy_dtype
from ._engine.objective.losses import LOSSES
from ._engine.objective.problem import Problem
from ._engine.rows import copy_of_rows, view_of_rows
from ._engine.stopping import EndedBy
from ._engine.types import Dataset, TrainingState
from ._methods import Method
from ._storage.checkpoint import (
    Checkpoint,
    first_checkpoint,
    path_parameters,
    resumed_state,
)


class Start(NamedTuple):
    """The model that training begins with."""

    checkpoint: Checkpoint  # of the model that goes on, or that of a new one
    theta: Any  # (n_parameters,), what its fitted attributes hold
    parameters: dict  # `path_parameters` of the call
    goes_on: bool  # whether there was a model before


class Prepared(NamedTuple):
    """All that a training run on rows in memory needs."""

    method: Method
    start: Start
    problem: Problem
    settings: Any  # of the method
    state: TrainingState
    data: Dataset  # weights scaled
    mean_weight: float  # before that
    n_epochs: int  # at most
    one_epoch: bool  # whether it is partial_fit that trains
    validate: Callable | None  # theta -> Validation
    like: Any  # array of the library and device that fitted attributes are to have

    def rows_seen(self, state):
        """Return the WeightScale of the rows seen when training has come to `state`."""
        n_epochs = state.epoch - self.state.epoch
        return seen(self.mean_weight, self.data.n_samples, n_epochs)


def prepare(
    estimator,
    method,
    X,
    y,
    sample_weight,
    encoding_of,
    given=validation.NO_ROWS,
    one_epoch=False,
):
    """Return what a training run needs, as Prepared.

    Of the estimator it changes `n_features_in_` and `feature_names_in_` only.

    Parameters
    ----------
    estimator : GradientClassifier
    method : Method
    X, y, sample_weight
        As the user passed them.
    encoding_of : callable (y, Encoding of the model that goes on, or None) -> Encoding
    given : Given
        The user's validation rows.
    one_epoch : bool
        Whether it is `partial_fit` that trains: on all rows, their weights scaled by the
        mean of all that the model has seen.
    """
    checkpoint = resumed_checkpoint(estimator, one_epoch)
    if checkpoint is not None:
        fitted = estimator._layers()[0].weight
        caller = "partial_fit" if one_epoch else "fit"
        array_api.check_same_place(estimator, X, fitted, caller)
    data, encoding = dataset_of(
        estimator, method, X, y, sample_weight, encoding_of, checkpoint
    )
    rows, n_features = array_api.like(data.X), data.X.shape[1]
    if checkpoint is not None:
        checkpoint = checkpoint.moved_to(rows)
    dtype = numpy_dtype(data.X)
    start = start_of(estimator, checkpoint, encoding, n_features, dtype, rows)
    held_out = None
    if not one_epoch:
        data, held_out, start = with_validation(estimator, method, data, start, given)
    problem, settings, state = begin(estimator, method, start, data.n_samples)
    validate = None
    if held_out is not None:
        validate = validator_of(estimator, problem, held_out, start.checkpoint)
    mean_weight, scale = sample_weights.mean_weight(data), sample_weights.WeightScale()
    if one_epoch:
        scale = start.checkpoint.weight_scale
    scale = scale.including(mean_weight, data.n_samples)
    data = sample_weights.scale_weights(data, scale.mean)
    return Prepared(
        method=method,
        start=start,
        problem=problem,
        settings=settings,
        state=state,
        data=inputs.beside_rows(data),
        mean_weight=mean_weight,
        n_epochs=1 if one_epoch else estimator.max_iter,
        one_epoch=one_epoch,
        validate=validate,
        like=array_api.like(X),
    )


def resumed_checkpoint(estimator, one_epoch):
    """Return the Checkpoint that the coming call goes on from, None to begin anew."""
    goes_on = one_epoch or estimator.warm_start
    return getattr(estimator, "_checkpoint", None) if goes_on else None


def start_of(estimator, checkpoint, encoding, n_features, dtype, like=array_api.NUMPY):
    """Return the Start: from the checkpoint, or a new model if there is none.

    A new model has arrays like `like`, of this dtype of NumPy.
    """
    architecture = estimator._architecture(n_features, encoding.n_outputs)
    parameters = path_parameters(estimator)
    if checkpoint is not None:
        # Parameters may be others than they were, and a user may have edited attributes.
        checkpoint = replace(checkpoint, architecture=architecture)
        theta = alike(checkpoint.state.theta, architecture.flatten(estimator._layers()))
        return Start(checkpoint, theta, parameters, True)
    rng = generator_of(estimator)
    theta = moved_to(like, estimator._initial_theta(architecture, rng, dtype))
    drawn = rng.get_state()
    checkpoint = first_checkpoint(theta, drawn, parameters, encoding, architecture)
    return Start(checkpoint, theta, parameters, False)


def begin(estimator, method, start, n_samples):
    """Return the Problem, the method's settings and the TrainingState to begin in."""
    checkpoint, objective = start.checkpoint, estimator._objective()
    problem = Problem(
        checkpoint.architecture,
        LOSSES[objective.loss, checkpoint.encoding.out_activation],
        objective.penalty,
    )
    drawn = checkpoint.split_random_state
    settings = method.settings(estimator, objective, n_samples, drawn)
    state = resumed_state(checkpoint, method, settings, start.theta, start.parameters)
    return problem, settings, state


def generator_of(estimator):
    """Return the generator that draws a new model, by the estimator's `random_state`."""
    if isinstance(estimator.random_state, np.random.RandomState):
        # A copy, so that a failed call leaves the user's generator as it was.
        return copy.deepcopy(estimator.random_state)
    if estimator.random_state is None:
        # A seed of its own: models that are trained at the same time in threads must not
        # draw the same numbers.
        return np.random.RandomState(check_random_state(None).randint(2**31))
    return np.random.RandomState(estimator.random_state)


def dataset_of(estimator, method, X, y, sample_weight, encoding_of, checkpoint):
    """Return the Dataset, weights not yet scaled, and its Encoding."""
    is_new = checkpoint is None
    dtype = array_api.floats_of(X, None if is_new else checkpoint.state.theta)
    X, y = inputs.validate_labelled(
        estimator, X, y, dtype, is_new, estimator._multilabel_allowed
    )
    if method.needs_host:
        X = array_api.on_host(X)
    y, weight, rows = sample_weights.drop_weightless(y, sample_weight)
    encoding = encoding_of(y, None if is_new else checkpoint.encoding)
    check_n_classes(estimator, encoding)
    class_weight = estimator.class_weight
    weight = sample_weights.combined_weight(weight, class_weight, encoding, y)
    return inputs.make_dataset(X, y, weight, rows, encoding), encoding


def fit_encoding(y, kept):
    """Return the Encoding for `fit`; of a model that goes on it must be the kept one."""
    encoding = labels.encoding_of(y)
    if kept is not None:
        labels.check_same_classes(encoding, kept)
    return encoding


def check_n_classes(estimator, encoding):
    """Raise ValueError unless there are classes to tell apart."""
    few, wanted = len(encoding.classes), estimator._smallest_n_classes
    if few < wanted:
        raise ValueError(
            f"{type(estimator).__name__} needs at least {wanted} "
            f"class{'es' if wanted > 1 else ''}, and there "
            f"{f'is {few} class' if few == 1 else f'are {few} classes'}: "
            f"{encoding.classes.tolist()}."
        )


def with_validation(estimator, method, data, start, given):
    """Return the rows to train on, those to validate with, and the Start.

    Returns
    -------
    data : Dataset
        To train on.
    held_out : Dataset, or None
        The user's validation rows, or for early stopping a part of the data.
    start : Start
        If training begins here, its generator has drawn the split.
    """
    encoding = start.checkpoint.encoding
    if given.is_complete():
        return data, validation.given_dataset(estimator, given, encoding, data.X), start
    if not method.stops_early(estimator):
        return data, None, start
    rng = np.random.RandomState(0)
    rng.set_state(start.checkpoint.split_random_state)
    training, held_out = split.split_validation(
        data, encoding, estimator.validation_fraction, rng
    )
    start = start._replace(checkpoint=start.checkpoint.after_split(rng.get_state()))
    return view_of_rows(data, training), copy_of_rows(data, held_out), start


def validator_of(estimator, problem, held_out, checkpoint):
    """Return the callable theta -> Validation on these rows."""

    def model_at(theta):
        model = copy.copy(estimator)
        vars(model).pop("feature_names_in_", None)  # its rows have no names any more
        model._checkpoint, encoding = checkpoint, checkpoint.encoding
        model.classes_ = array_api.labels_at(theta, encoding.classes)
        model._show_model(problem.architecture.layers(theta), encoding)
        return model

    return validation.validator(
        problem, held_out, checkpoint.encoding, estimator.scoring, model_at
    )


def seen(mean_weight, n_samples, n_epochs):
    """Return the WeightScale of rows that have been seen in so many epochs."""
    # Training that could not take a single step has seen them all the same.
    return sample_weights.WeightScale(mean_weight, n_samples * max(1, n_epochs))


def run(prepared, monitor):
    """Return the TrainingRun of what has been prepared."""
    done = prepared.method.run(
        prepared.problem,
        prepared.settings,
        prepared.state,
        prepared.data,
        prepared.n_epochs,
        prepared.validate,
        monitor,
    )
    if prepared.one_epoch:
        # partial_fit never ends training: the next call goes on with all counters.
        return done._replace(ended_by=EndedBy.MAX_ITER)
    return done
