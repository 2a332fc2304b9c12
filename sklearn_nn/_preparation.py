"""From data and parameters to all that a training run needs."""

import copy
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import check_random_state

from . import _parameters
from ._data import array_api, inputs, labels, sample_weights, split, validation
from ._engine.arrays import alike, moved_to, numpy_dtype
from ._engine.epochs.reference import select
from ._engine.objective import dropout
from ._engine.objective.losses import LOSSES
from ._engine.types import Dataset, Problem, TrainingState
from ._predictor import Predictor
from ._storage.checkpoint import (
    Checkpoint,
    first_checkpoint,
    path_parameters,
    resumed_state,
)


class Prepared(NamedTuple):
    """All that a training run needs."""

    kept: Checkpoint | None  # that training goes on from, None where it begins
    start: Checkpoint  # the same, or that of a new model
    problem: Problem
    state: TrainingState
    data: Dataset  # weights scaled
    mean_weight: float  # before that
    validate: Callable | None  # theta -> Validation
    like: Any  # array of the library and device that fitted attributes are to have

    def rows_seen(self, state):
        """Return the WeightScale of the rows seen when training has come to `state`."""
        n_rows = self.data.n_samples * max(1, state.epoch - self.state.epoch)
        return sample_weights.WeightScale(self.mean_weight, n_rows)


class Preparation(Predictor):
    """The part of both estimators that gets training ready; abstract."""

    _smallest_n_classes = 1

    @abstractmethod
    def _architecture(self, n_features, n_outputs):
        """Return the Architecture of the model."""

    @abstractmethod
    def _loss_name(self):
        """Return the name of the loss: the first part of a key of LOSSES."""

    @abstractmethod
    def _penalty(self):
        """Return the Penalty."""

    @abstractmethod
    def _average_from(self):
        """Return the first step whose parameters are averaged, 0 for none."""

    @abstractmethod
    def _max_gradient_norm(self):
        """Return the length to which longer gradients are clipped, or None."""

    @abstractmethod
    def _dropout(self):
        """Return the part of each hidden layer's units that is left out, () for none."""

    @abstractmethod
    def _initial_theta(self, architecture, rng, dtype):
        """Return the parameters (n_parameters,) that training starts from."""

    @abstractmethod
    def _show_model(self, layers, encoding):
        """Set the attributes that hold the model to copies of `layers`."""

    def _check_parameters(self):
        """Raise InvalidParameterError or ValueError for a parameter that makes no sense."""
        self._validate_params()
        _parameters.check_booleans(self)
        _parameters.check_class_weight(self)

    def _fit_encoding(self, y, kept):
        """Return the Encoding for `fit`; when going on it must be the kept one."""
        encoding = labels.encoding_of(y)
        if kept is not None:
            labels.check_same_classes(encoding, kept)
        return encoding

    def _prepare(self, X, y, sample_weight, encoding_of, kept, given=None):
        """Return what a training run needs, as Prepared.

        Only what scikit-learn's validation of X sets is set on the estimator.

        Parameters
        ----------
        X, y, sample_weight
            As the user passed them.
        encoding_of : callable (y, kept Encoding or None) -> Encoding
        kept : Checkpoint or None
            That training goes on from.
        given : Given, or None
            The user's validation rows. None is for `partial_fit`, which has none, and
            whose weights are scaled by the mean of all that the model has seen.
        """
        if kept is not None:
            method = "partial_fit" if given is None else "fit"
            array_api.check_same_place(self, X, self._layers()[0].weight, method)
        data, encoding = self._dataset(X, y, sample_weight, encoding_of, kept)
        architecture = self._architecture(data.X.shape[1], encoding.n_outputs)
        rows = array_api.like(data.X)
        kept = None if kept is None else kept.moved_to(rows)
        dtype = numpy_dtype(data.X)
        start, theta = self._start(kept, encoding, architecture, dtype, rows)
        held_out = None
        if given is not None:
            data, held_out, start = self._split(data, start, given)
        problem = self._problem(start, architecture, encoding, data.n_samples)
        state = resumed_state(start, problem, theta, path_parameters(self))
        validate = None if held_out is None else self._validator(problem, held_out, start)
        mean_weight, n_samples = sample_weights.mean_weight(data), data.n_samples
        scale = start.weight_scale if given is None else sample_weights.WeightScale()
        scale = scale.including(mean_weight, n_samples)
        data = sample_weights.scale_weights(data, scale.mean)
        data = inputs.beside_rows(inputs.lay_out(data, problem.batch_size))
        like = array_api.like(X)
        return Prepared(kept, start, problem, state, data, mean_weight, validate, like)

    def _kept(self, one_epoch):
        """Return the Checkpoint that the coming call goes on from, None to begin anew."""
        goes_on = one_epoch or self.warm_start
        return getattr(self, "_checkpoint", None) if goes_on else None

    def _start(self, kept, encoding, architecture, dtype, like=array_api.NUMPY):
        """Return the Checkpoint to train from, and theta (n_parameters,) as it is shown.

        A new one has arrays like `like`, of this dtype of NumPy.
        """
        if kept is not None:  # a user may have edited the attributes
            kept = replace(kept, architecture=architecture)
            return kept, alike(kept.state.theta, architecture.flatten(self._layers()))
        theta, random_state = self._initial(architecture, dtype)
        theta, parameters = moved_to(like, theta), path_parameters(self)
        start = first_checkpoint(theta, random_state, parameters, encoding, architecture)
        return start, start.shown_theta

    def _dataset(self, X, y, sample_weight, encoding_of, kept):
        """Return the Dataset, weights not yet scaled, and its Encoding."""
        dtype = array_api.floats_of(X, None if kept is None else kept.state.theta)
        X, y = inputs.validate_labelled(
            self, X, y, dtype, kept is None, self._multilabel_allowed
        )
        if _parameters.is_automatic(self):  # its sums over rows are NumPy's and kernels
            X = array_api.on_host(X)
        y, weight, rows = sample_weights.drop_weightless(y, sample_weight)
        encoding = encoding_of(y, None if kept is None else kept.encoding)
        self._check_n_classes(encoding)
        weight = sample_weights.combined_weight(weight, self.class_weight, encoding, y)
        return inputs.make_dataset(X, y, weight, rows, encoding), encoding

    def _check_n_classes(self, encoding):
        """Raise ValueError unless there are classes to tell apart."""
        few, wanted = len(encoding.classes), self._smallest_n_classes
        if few < wanted:
            raise ValueError(
                f"{type(self).__name__} needs at least {wanted} "
                f"class{'es' if wanted > 1 else ''}, and there "
                f"{f'is {few} class' if few == 1 else f'are {few} classes'}: "
                f"{encoding.classes.tolist()}."
            )

    def _initial(self, architecture, dtype):
        """Return the initial theta, and the generator's state after drawing it."""
        if isinstance(self.random_state, np.random.RandomState):
            # A copy, so that a failed call leaves the user's generator as it was.
            rng = copy.deepcopy(self.random_state)
        elif self.random_state is None:
            # A seed of its own: models that are trained at the same time in threads must
            # not draw the same numbers.
            rng = np.random.RandomState(check_random_state(None).randint(2**31))
        else:
            rng = np.random.RandomState(self.random_state)
        return self._initial_theta(architecture, rng, dtype), rng.get_state()

    def _stops_early(self):
        """Say whether a validation score decides; lbfgs has no epochs to score."""
        return self.early_stopping and self.solver != "lbfgs"

    def _split(self, data, start, given):
        """Return the rows to train on, those to validate with, and the start of training.

        Returns
        -------
        data : Dataset
            To train on.
        held_out : Dataset, or None
            The user's validation rows, or for early stopping a part of the data.
        start : Checkpoint
            Whose generator has drawn the split, if training begins.
        """
        encoding = start.encoding
        if given.is_complete():
            return data, validation.given_dataset(self, given, encoding, data.X), start
        if not self._stops_early():
            return data, None, start
        rng = np.random.RandomState(0)
        rng.set_state(start.split_random_state)
        training, held_out = split.split_validation(
            data, encoding, self.validation_fraction, rng
        )
        start = start.after_split(rng.get_state())
        return inputs.select_samples(data, training), select(data, held_out), start

    def _validator(self, problem, held_out, start):
        """Return the callable theta -> Validation on these rows."""

        def model_at(theta):
            model = copy.copy(self)
            vars(model).pop("feature_names_in_", None)  # its rows have no names any more
            model._checkpoint = start
            model.classes_ = array_api.labels_at(theta, start.encoding.classes)
            model._show_model(problem.architecture.layers(theta), start.encoding)
            return model

        return validation.validator(
            problem, held_out, start.encoding, self.scoring, model_at
        )

    def _problem(self, start, architecture, encoding, n_samples):
        """Return the Problem that the parameters describe, of a model with this start."""
        rates = self._dropout()
        return Problem(
            architecture=architecture,
            loss=LOSSES[self._loss_name(), encoding.out_activation],
            penalty=self._penalty(),
            optimizer=_parameters.optimizer_of(self),
            schedule=_parameters.schedule_of(self),
            stopping_rule=_parameters.stopping_rule_of(self),
            batch_size=_parameters.batch_size_of(self, n_samples),
            shuffle=self.shuffle,
            average_from=self._average_from(),
            early_stopping=self._stops_early(),
            max_gradient_norm=self._max_gradient_norm(),
            dropout=rates,
            dropout_key=dropout.key_of(start.split_random_state) if rates else 0,
        )
