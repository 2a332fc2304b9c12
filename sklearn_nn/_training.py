"""From data and parameters to a training run.

`fit` and `partial_fit`, the cluster, and the dry run of a check call the same functions:

    origin     = origin_of(...)                    what training begins from, or None
    start      = start_of(...)                     the model at the start of training
    problem, settings, state = engine_inputs(...)  what the engine needs besides rows
"""

import copy
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_random_state

from ._data import (
    array_api,
    device_labels,
    inputs,
    labels,
    sample_weights,
    split,
    validation,
)
from ._data.given import GivenModel, given_model
from ._data.labels import Encoding
from ._data.sample_weights import WeightScale
from ._engine.arrays import Vector, alike, moved_to, namespace, numpy_dtype, widened
from ._engine.epochs import prediction
from ._engine.generators import generator_at
from ._engine.objective.losses import LOSSES
from ._engine.objective.problem import Problem
from ._engine.rows import batches, copy_of_rows, view_of_rows
from ._engine.stopping import EndedBy
from ._engine.types import Dataset, TrainingRun, TrainingState
from ._methods import Method
from ._monitoring.callbacks import N_FRAMES
from ._storage.checkpoint import (
    Checkpoint,
    first_checkpoint,
    path_parameters,
    resumed_state,
)

# Rows whose logits are in memory at once.
ROWS_AT_ONCE = 10_000


class Start(NamedTuple):
    """The model at the start of training."""

    checkpoint: Checkpoint  # of the fitted model, or of a new one
    theta: Vector  # (n_parameters,), of its fitted attributes
    parameters: dict  # `path_parameters` of the call
    is_resumed: bool  # whether training resumes from a fitted model


class Prepared(NamedTuple):
    """Everything that a training run on rows in memory needs."""

    method: Method
    start: Start
    problem: Problem
    settings: Any  # of the method
    state: TrainingState
    data: Dataset  # with scaled weights
    mean_weight: float  # before scaling
    n_epochs: int  # at most
    by_partial_fit: bool  # whether partial_fit trains
    validate: Callable | None  # theta -> Validation
    like: Vector  # array whose library and device fitted attributes get

    def weight_scale(self, state: TrainingState) -> WeightScale:
        """Return the WeightScale of the rows that the run has seen until `state`."""
        n_epochs = state.epoch - self.state.epoch
        return weight_scale_of(self.mean_weight, self.data.n_samples, n_epochs)


def prepare(
    estimator,
    method,
    X,
    y,
    sample_weight,
    encoding_of,
    validation_rows=validation.NO_ROWS,
    by_partial_fit=False,
) -> Prepared:
    """Prepare a training run on the user's X, y and sample_weight.

    Of the estimator, only `n_features_in_` and `feature_names_in_` change. `encoding_of` is
    a callable (y, Encoding of the resumed model or None) -> Encoding. With
    `by_partial_fit`, `partial_fit` trains: on all rows, with weights scaled by the mean of
    all weights that the model has seen.
    """
    origin = origin_of(estimator, by_partial_fit)
    if isinstance(origin, Checkpoint):
        fitted = estimator._layers()[0].weight
        caller = "partial_fit" if by_partial_fit else "fit"
        array_api.check_same_place(estimator, X, fitted, caller)
    data, encoding = dataset_of(estimator, method, X, y, sample_weight, encoding_of, origin)
    if not by_partial_fit:
        check_class_weight(estimator, encoding)
    place = array_api.NUMPY if method.steps_on_host else array_api.like(data.X)
    if isinstance(origin, Checkpoint):
        origin = origin.moved_to(place)
    n_features, dtype = data.X.shape[1], numpy_dtype(data.X)
    start = start_of(estimator, origin, encoding, n_features, dtype, place)
    validation_data = None
    if not by_partial_fit:
        data, validation_data, start = separate_validation(
            estimator, method, data, start, validation_rows
        )
    problem, settings, state = engine_inputs(estimator, method, start, data.n_samples)
    validate = None
    if validation_data is not None:
        validate = validator_of(
            estimator,
            method.stops_early(estimator),
            problem,
            validation_data,
            start.checkpoint,
        )
    mean_weight, scale = sample_weights.mean_weight(data), WeightScale()
    if by_partial_fit:
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
        n_epochs=1 if by_partial_fit else estimator.max_iter,
        by_partial_fit=by_partial_fit,
        validate=validate,
        like=array_api.like(X),
    )


def origin_of(estimator, by_partial_fit: bool) -> Checkpoint | GivenModel | None:
    """Return what the call begins from: None for a new model with initial parameters.

    A Checkpoint is that of a fitted model, which the call resumes; a GivenModel has the
    coefficients that the user has set on an estimator that is not fitted.
    """
    if not (by_partial_fit or estimator.warm_start):
        return None
    checkpoint = getattr(estimator, "_checkpoint", None)
    return given_model(estimator) if checkpoint is None else checkpoint


def start_of(
    estimator,
    origin: Checkpoint | GivenModel | None,
    encoding: Encoding,
    n_features: int,
    dtype,
    like=array_api.NUMPY,
) -> Start:
    """Return the Start of the model of `origin_of`, or of one with initial parameters.

    A new model has arrays of this NumPy dtype, in the library and on the device of `like`.
    """
    architecture = estimator._architecture(n_features, encoding.n_outputs)
    parameters = path_parameters(estimator)
    if isinstance(origin, Checkpoint):
        # Parameters may have changed, and a user may have edited attributes.
        checkpoint = replace(origin, architecture=architecture)
        theta = alike(checkpoint.state.theta, architecture.flatten(estimator._layers()))
        return Start(checkpoint, theta, parameters, True)
    rng = generator_of(estimator)
    if origin is None:
        theta = estimator._initial_theta(architecture, rng, dtype)
    else:
        check_n_features(estimator, n_features, origin)
        theta = origin.theta(dtype)
    theta = moved_to(like, theta)
    drawn = rng.get_state()
    checkpoint = first_checkpoint(theta, drawn, parameters, encoding, architecture)
    return Start(checkpoint, theta, parameters, False)


def engine_inputs(estimator, method: Method, start: Start, n_samples: int):
    """Return the Problem, the method's settings and the initial TrainingState."""
    checkpoint = start.checkpoint
    own = estimator._class_settings(checkpoint.architecture)
    problem = Problem(
        checkpoint.architecture,
        LOSSES[own.loss, checkpoint.encoding.out_activation],
        own.penalty,
    )
    drawn = checkpoint.start_random_state
    settings = method.settings(estimator, own, n_samples, drawn)
    state = resumed_state(checkpoint, method, settings, start.theta, start.parameters)
    return problem, settings, state


def generator_of(estimator):
    """Return the generator of a new model, from the estimator's `random_state`."""
    if isinstance(estimator.random_state, np.random.RandomState):
        # A copy, so that a failed call does not change the user's generator.
        return copy.deepcopy(estimator.random_state)
    if estimator.random_state is None:
        # A new seed, so that models in parallel threads draw different numbers.
        return np.random.RandomState(check_random_state(None).randint(2**31))
    return np.random.RandomState(estimator.random_state)


def check_n_features(estimator, n_features, given: GivenModel):
    """Raise ValueError unless the user has set coefficients for X."""
    expected = given.architecture.layer_sizes[0]
    if n_features != expected:
        # The words of scikit-learn.
        raise ValueError(
            f"X has {n_features} features, but {type(estimator).__name__} is expecting "
            f"{expected} features as input: its coefficients are set for them."
        )


def dataset_of(estimator, method, X, y, sample_weight, encoding_of, origin):
    """Return the Dataset, with unscaled weights, and its Encoding."""
    is_new = not isinstance(origin, Checkpoint)
    is_sparse = is_new and issparse(y)
    dtype = array_api.floats_of(X, None if is_new else origin.state.theta)
    moves_to_host = array_api.is_foreign(X) and method.needs_host(X)
    y = array_api.on_host(y) if moves_to_host else device_labels.where_encoded(X, y)
    X, y = inputs.validate_labelled(
        estimator, X, y, dtype, is_new, estimator._multilabel_allowed
    )
    if moves_to_host:
        X = array_api.on_host(X)
    y, weight, rows = sample_weights.drop_weightless(y, sample_weight)
    encoding = encoding_of(y, None if origin is None else origin.encoding)
    if is_sparse and encoding.multilabel:
        encoding = replace(encoding, sparse=True)
    check_n_classes(estimator, encoding.classes)
    class_weight = estimator.class_weight
    weight = sample_weights.combined_weight(weight, class_weight, encoding, y)
    return inputs.make_dataset(X, y, weight, rows, encoding), encoding


def fit_encoding(y, fitted: Encoding | None) -> Encoding:
    """Return the Encoding of y; raise ValueError if it differs from that of the model."""
    encoding = labels.encoding_of(y)
    if fitted is not None:
        labels.check_same_classes(encoding, fitted)
    return encoding


def check_class_weight(estimator, encoding):
    """Raise ValueError if a dict of class weights leaves too few classes."""
    class_weight = estimator.class_weight
    if isinstance(class_weight, dict):
        check_n_classes(estimator, sample_weights.weighted_classes(class_weight, encoding))


def check_n_classes(estimator, classes):
    """Raise ValueError if there are too few classes (of positive weight)."""
    n_classes, minimum = len(classes), estimator._min_n_classes
    if n_classes < minimum:
        raise ValueError(
            f"{type(estimator).__name__} needs at least {minimum} "
            f"class{'es' if minimum > 1 else ''}, and there "
            f"{f'is {n_classes} class' if n_classes == 1 else f'are {n_classes} classes'}: "
            f"{classes.tolist()}."
        )


def separate_validation(estimator, method, data, start, validation_rows):
    """Return the rows to train on, the rows to validate with, and the Start.

    Validation rows are the user's, or held out for early stopping, or None. The Start of a
    new model gets the state of its generator after the split.
    """
    encoding = start.checkpoint.encoding
    if validation_rows.are_given():
        validation_data = validation.validation_dataset(
            estimator, validation_rows, encoding, data.X
        )
        return data, validation_data, start
    if not method.stops_early(estimator):
        return data, None, start
    rng = generator_at(start.checkpoint.start_random_state)
    fraction = estimator.validation_fraction
    training, validation_data, rare = split.split_validation(data, encoding, fraction, rng)
    if len(rare):
        # The user's call is above `fit`, `_fit`, `prepare` and this function.
        warnings.warn(split.rare_message(rare, fraction), stacklevel=5 + N_FRAMES)
    start = start._replace(checkpoint=start.checkpoint.after_split(rng.get_state()))
    return view_of_rows(data, training), copy_of_rows(data, validation_data), start


def validator_of(estimator, stops_early, problem, validation_data, checkpoint):
    """Return the callable theta -> Validation on the validation rows.

    `stops_early` tells whether the score decides when training ends.
    """
    # Not all of scikit-learn's metrics take sparse indicators.
    encoding = replace(checkpoint.encoding, sparse=False)
    checkpoint = replace(checkpoint, encoding=encoding)

    def model_at(theta):
        model = copy.copy(estimator)
        vars(model).pop("feature_names_in_", None)  # validation rows have no names
        model._checkpoint = checkpoint
        model.classes_ = array_api.labels_at(theta, encoding.classes)
        model._set_model(problem.architecture.layers(theta), encoding)
        return model

    scoring = estimator.scoring
    if scoring is None:
        scoring = "loss" if stops_early else "accuracy"
    return validation.validator(problem, validation_data, encoding, scoring, model_at)


def loss_and_entropy(prepared: Prepared, theta):
    """Return the mean training loss of theta, without dropout, and that of class shares.

    The latter is the loss of the best constant prediction: the entropy of the (weighted)
    shares of the classes, summed over the outputs if multilabel.
    """
    problem, data = prepared.problem, prepared.data
    architecture = problem.architecture
    layers = architecture.layers(moved_to(array_api.like(data.X), theta))
    loss = 0.0
    for batch in batches(data, None, ROWS_AT_ONCE):
        logits, _ = prediction.predict(layers, batch.X, architecture.activations, "logits")
        values, _ = problem.loss.value_and_gradient(logits, batch.y)
        values = widened(values)
        if batch.sample_weight is not None:
            values = values * widened(batch.sample_weight)
        loss += float(namespace(values).sum(values)) / data.n_samples
    return loss, sample_weights.entropy_of_shares(data)


def weight_scale_of(mean_weight: float, n_samples: int, n_epochs: int) -> WeightScale:
    """Return the WeightScale of the rows that `n_epochs` epochs have seen."""
    # Training that could not take a single step has seen the rows, too.
    return WeightScale(mean_weight, n_samples * max(1, n_epochs))


def run(prepared: Prepared, monitor) -> TrainingRun:
    """Train, and return the TrainingRun."""
    done = prepared.method.run(
        prepared.problem,
        prepared.settings,
        prepared.state,
        prepared.data,
        prepared.n_epochs,
        prepared.validate,
        monitor,
    )
    if prepared.by_partial_fit:
        # partial_fit never ends training: the next call keeps all counters.
        return done._replace(ended_by=EndedBy.MAX_ITER)
    return done
