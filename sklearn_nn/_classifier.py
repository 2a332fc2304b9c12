"""The class behind both estimators: fit, partial_fit and predictions."""

import copy
import warnings
from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from . import (
    _array_api,
    _inputs,
    _labels,
    _outcome,
    _parameters,
    _split,
    _validation,
    _weights,
)
from ._callbacks import N_FRAMES, CallbackSupportMixin, tasks_of, with_callbacks
from ._checkpoint import Checkpoint, first_checkpoint, path_parameters, resumed_state
from ._engine import dropout, lbfgs, newton, online, prediction
from ._engine.arrays import alike, moved_to, namespace, numpy_dtype
from ._engine.losses import LOSSES
from ._engine.passes import Rows
from ._engine.reference import select
from ._engine.train import train
from ._engine.types import Curves, Dataset, Problem, TrainingRun, TrainingState
from ._monitor import Printer, Watchers
from ._persistence import Persistent


@contextmanager
def unchanged_on_error(estimator):
    """Give the estimator back all its attributes if the block raises."""
    before = vars(estimator).copy()
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


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
        return _weights.WeightScale(self.mean_weight, n_rows)


def longer(curve, n_before, more):
    """Return a curve of `n_before` epochs (None if NaN throughout) and `more` as a list."""
    if curve is None and np.all(np.isnan(more)):
        return None
    return [*([np.nan] * n_before if curve is None else curve), *more]


def has_epochs(estimator):
    """Say whether the solver works in epochs, which `partial_fit` needs."""
    if estimator.solver == "lbfgs":
        raise AttributeError(
            "partial_fit needs solver='sgd', 'adam' or 'adamw': solver='lbfgs' works on "
            "all rows at once."
        )
    return True


class GradientClassifier(
    Persistent, CallbackSupportMixin, ClassifierMixin, BaseEstimator, metaclass=ABCMeta
):
    """Classifier trained by gradients; abstract, see the two classes of the package."""

    _multilabel_allowed = False
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
    def _layers(self):
        """Return what the fitted attributes hold as a list of Layer."""

    @abstractmethod
    def _show_model(self, layers, encoding):
        """Set the attributes that hold the model to copies of `layers`."""

    @with_callbacks
    def fit(
        self,
        X,
        y,
        sample_weight=None,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
    ):
        """Train for at most `max_iter` epochs (or Newton steps, without a learning rate).

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data in any units; training is fastest on standardised features. float32 is
            computed in float32, everything else in float64; the first call decides for a
            model that goes on.
        y : array-like of shape (n_samples,)
            Labels: strings, booleans or numbers. BackpropMLPClassifier also takes
            multilabel indicators of shape (n_samples, n_outputs).
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0; None means 1 each. A row of weight 0 counts as absent, and only
            ratios matter: weights are scaled to mean 1.
        X_val : array-like or sparse matrix of shape (n_val, n_features), default=None
            Rows to validate with after each epoch, which are not trained on. With
            `early_stopping` they take the place of a part held out. (In a Pipeline,
            `transform_input=["X_val"]` has them transformed as X.)
        y_val : array-like of shape (n_val,), default=None
            Their labels, all of them among those in y.
        sample_weight_val : array-like of shape (n_val,), default=None
            Their weights >= 0 in validation loss and score; class weights do not count
            there.

        Returns
        -------
        self : estimator
            The fitted estimator.

        Raises
        ------
        ValueError
            If data or parameters are not valid, or if training diverges. A model that
            was fitted before stays as it was.
        Exception
            What a callback raises, after which the model is that of the last finished
            epoch.

        Warns
        -----
        ConvergenceWarning
            If `max_iter` epochs ended before the stopping rule was met, or the objective
            is worse in the end than at the start and than that of knowing nothing (unless
            `tol` is None).

        Notes
        -----
        Ctrl-C ends training with the model of the last finished epoch and a warning; in
        the first epoch it leaves the estimator as it was.
        """
        self._check_parameters()
        given = _validation.Given(X_val, y_val, sample_weight_val)
        tasks = tasks_of(self, X, y, sample_weight)
        with unchanged_on_error(self):
            kept = self._kept(one_epoch=False)
            prepared = self._prepare(X, y, sample_weight, self._fit_encoding, kept, given)
            run = self._train(prepared, tasks)
        if tasks is not None and tasks.error is not None:
            raise tasks.error
        self._warn(run, stacklevel=3 + N_FRAMES)
        return self

    @available_if(has_epochs)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one epoch over the rows given, in mini-batches.

        n calls with the same rows give the model of one `fit` of n epochs, bit for bit.
        Without a learning rate (learning_rate='auto') the rows are a chunk of a stream
        instead, each learned once: features may have any units, and means, scales and
        coefficients may drift. Memory and time of a row do not grow with the rows seen,
        and the same chunks give the same model. How near J comes to its optimum is
        measured, not proven: after one pass over many rows of one kind the relative gap
        was 1e-6 to 3e-4 with up to 123 coefficients, 6 to 19 % on digits and on words,
        whose coefficients are too many for a matrix (more than about 360, fewer for three
        classes and more). After a `fit` the stream goes on from its model.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            A chunk of the data.
        y : array-like of shape (n_samples,)
            Its labels, or multilabel indicators (n_samples, n_outputs).
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever come (for multilabel y: the column numbers). The
            first call needs it.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0, scaled by the mean of all weights that the model has seen.

        Returns
        -------
        self : estimator
            The estimator, one epoch further.

        Raises
        ------
        ValueError
            As `fit`; and if the first call has no `classes`, y has a label that is not
            among them, `early_stopping` is True, or `class_weight` is 'balanced'.
        """
        self._check_parameters()
        if self.early_stopping:
            raise ValueError(
                "partial_fit does not support early_stopping=True, because it trains on "
                "every row it is given. Set early_stopping=False."
            )
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' is not supported by partial_fit, which never "
                "has all labels at once. Pass a dict of class weights, or sample_weight."
            )

        def encoding_of(y, kept):
            return _labels.partial_fit_encoding(y, classes, kept)

        with unchanged_on_error(self):
            kept = self._kept(one_epoch=True)
            prepared = self._prepare(X, y, sample_weight, encoding_of, kept)
            self._train(prepared, one_epoch=True)
        return self

    def decision_function(self, X):
        """Return the logits, from which probabilities are computed.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) for two classes, else (n_samples, n_outputs)
            For two classes the log odds of `classes_[1]`.
        """
        logits = self._logits(X, "decision_function")
        return logits[:, 0] if self._is_binary() else logits

    def predict(self, X):
        """Return the most probable class of each row.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,), or of 0 and 1 (n_samples, n_outputs) if multilabel
        """
        logits = self._logits(X, "predict")
        decision = self._checkpoint.encoding.decide(logits)
        if decision.ndim == 2:
            return decision
        return _array_api.labels_of(self.classes_, decision)

    def predict_proba(self, X):
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of `classes_`; rows sum to 1, but for multilabel y, where each
            column is a probability of its own.
        """
        self._check_fitted()
        binary = self._is_binary()
        output = "binary" if binary else self._checkpoint.encoding.out_activation
        return self._predict(X, output, "predict_proba")

    def predict_log_proba(self, X):
        """Return the logarithm of the probability of each class.

        It is computed from the logits, so that it is finite where `predict_proba` is 0.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In nats, in the order of `classes_`.
        """
        logits = self._logits(X, "predict_log_proba")
        if self._is_binary():
            logits = namespace(logits).concat([-logits, logits], axis=1)
        encoding = self._checkpoint.encoding
        return LOSSES["log_loss", encoding.out_activation].predict_log_proba(logits)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.array_api_support = True
        tags.classifier_tags.multi_label = self._multilabel_allowed
        return tags

    # Training, step by step.

    def _check_parameters(self):
        """Raise InvalidParameterError or ValueError for a parameter that makes no sense."""
        self._validate_params()
        _parameters.check_booleans(self)
        _parameters.check_class_weight(self)

    def _fit_encoding(self, y, kept):
        """Return the Encoding for `fit`; when going on it must be the kept one."""
        encoding = _labels.encoding_of(y)
        if kept is not None:
            _labels.check_same_classes(encoding, kept)
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
            method, weight = (
                "partial_fit" if given is None else "fit",
                self._layers()[0].weight,
            )
            _array_api.check_same_place(self, X, weight, method)
        data, encoding = self._dataset(X, y, sample_weight, encoding_of, kept)
        architecture = self._architecture(data.X.shape[1], encoding.n_outputs)
        rows = _array_api.like(data.X)
        kept = None if kept is None else kept.moved_to(rows)
        dtype = numpy_dtype(data.X)
        start, theta = self._start(kept, encoding, architecture, dtype, rows)
        held_out = None
        if given is not None:
            data, held_out, start = self._split(data, start, given)
        problem = self._problem(start, architecture, encoding, data.n_samples)
        state = resumed_state(start, problem, theta, path_parameters(self))
        validate = None if held_out is None else self._validator(problem, held_out, start)
        mean_weight, n_samples = _weights.mean_weight(data), data.n_samples
        scale = start.weight_scale if given is None else _weights.WeightScale()
        scale = scale.including(mean_weight, n_samples)
        data = _weights.scale_weights(data, scale.mean)
        data = _inputs.beside_rows(_inputs.lay_out(data, problem.batch_size))
        like = _array_api.like(X)
        return Prepared(kept, start, problem, state, data, mean_weight, validate, like)

    def _train(self, prepared, tasks=None, one_epoch=False):
        """Train, set the fitted attributes and return the TrainingRun.

        Parameters
        ----------
        prepared : Prepared
        tasks : Tasks, or None if nobody calls back
        one_epoch : bool
            Whether this is a `partial_fit`.
        """
        monitors = [Printer(self.verbose)] if self.verbose else []
        if tasks is not None:
            monitors.append(tasks)
            tasks.begin(lambda *so_far: self._attributes_at(prepared, *so_far))
        monitor = Watchers(monitors) if monitors else None
        run = self._run(prepared, monitor, one_epoch)
        if one_epoch:
            run = run._replace(ended_by="max_iter")
        rows_seen = prepared.rows_seen(run.state)
        self._finish(prepared.start, run, prepared.kept, rows_seen, prepared.like)
        if monitor is not None:
            monitor.end()
        return run

    def _attributes_at(self, prepared, state, curves):
        """Return the fitted attributes as if training had ended at this epoch."""
        model = copy.copy(self)
        # What callbacks have is theirs: curves that no longer grow.
        curves = Curves(*(list(curve) for curve in curves))
        run = TrainingRun(state, curves, curves.objectives[-1], np.nan, "max_iter")
        rows_seen = prepared.rows_seen(state)
        model._show(prepared.start, run, prepared.kept, rows_seen, prepared.like)
        before = vars(self)
        return {
            name: value
            for name, value in vars(model).items()
            if name not in before or value is not before[name]
        }

    def _kept(self, one_epoch):
        """Return the Checkpoint that the coming call goes on from, None to begin anew."""
        goes_on = one_epoch or self.warm_start
        return getattr(self, "_checkpoint", None) if goes_on else None

    def _start(self, kept, encoding, architecture, dtype, like=_array_api.NUMPY):
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

    def _finish(self, start, run, kept, rows_seen, like=_array_api.NUMPY):
        """Set the fitted attributes after a run; for the arguments see `_show`."""
        self._show(start, run, kept, rows_seen, like)
        if kept is None and isinstance(self.random_state, np.random.RandomState):
            # As everywhere in scikit-learn, fitting has used the user's generator.
            self.random_state.set_state(run.state.random_state)

    def _dataset(self, X, y, sample_weight, encoding_of, kept):
        """Return the Dataset, weights not yet scaled, and its Encoding."""
        dtype = _array_api.floats_of(X, None if kept is None else kept.state.theta)
        X, y = _inputs.validate_labelled(
            self, X, y, dtype, kept is None, self._multilabel_allowed
        )
        if _parameters.is_automatic(self):  # its sums over rows are NumPy's and kernels
            X = _array_api.on_host(X)
        y, weight, rows = _weights.drop_weightless(y, sample_weight)
        encoding = encoding_of(y, None if kept is None else kept.encoding)
        self._check_n_classes(encoding)
        weight = _weights.combined_weight(weight, self.class_weight, encoding, y)
        return _inputs.make_dataset(X, y, weight, rows, encoding), encoding

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
            return data, _validation.given_dataset(self, given, encoding, data.X), start
        if not self._stops_early():
            return data, None, start
        rng = np.random.RandomState(0)
        rng.set_state(start.split_random_state)
        training, validation = _split.split_validation(
            data, encoding, self.validation_fraction, rng
        )
        start = start.after_split(rng.get_state())
        return _inputs.select_samples(data, training), select(data, validation), start

    def _validator(self, problem, held_out, start):
        """Return the callable theta -> Validation on these rows."""

        def model_at(theta):
            model = copy.copy(self)
            model._checkpoint = start
            model.classes_ = _array_api.labels_at(theta, start.encoding.classes)
            model._show_model(problem.architecture.layers(theta), start.encoding)
            return model

        return _validation.validator(
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

    def _run(self, prepared, monitor, one_epoch):
        """Return the TrainingRun of the solver."""
        problem, state, data = prepared.problem, prepared.state, prepared.data
        n_epochs, validate = 1 if one_epoch else self.max_iter, prepared.validate
        if _parameters.is_automatic(self):
            if one_epoch:
                return online.learn(problem, state, data, monitor)
            rows = Rows(data, problem.loss)
            return newton.minimise(problem, state, rows, n_epochs, validate, monitor)
        if self.solver == "lbfgs":
            return lbfgs.minimise(
                problem, state, data, n_epochs, self.max_fun, validate, monitor
            )
        return train(problem, state, data, n_epochs, validate, monitor)

    def _theta_to_show(self, state):
        """Return the best parameters if they were looked for, else the last."""
        best = state.progress.best_theta if self._stops_early() else None
        return state.shown_theta if best is None else best

    def _show(self, start, run, kept, rows_seen, like=_array_api.NUMPY):
        """Set all fitted attributes.

        Parameters
        ----------
        start : Checkpoint
            From which the run began.
        run : TrainingRun
        kept : Checkpoint or None
            `start`, unless the run has begun a new model.
        rows_seen : WeightScale
            Of the rows that the run has seen.
        like : array
            Attributes get its library and its device.
        """
        self._checkpoint = replace(
            start,
            state=run.state,
            shown_theta=self._theta_to_show(run.state),
            parameters=path_parameters(self),
            ended_by=run.ended_by,
            weight_scale=start.weight_scale.including(*rows_seen),
        )
        encoding, architecture = start.encoding, start.architecture
        theta = moved_to(like, self._checkpoint.shown_theta)
        self._show_model(architecture.layers(theta), encoding)
        self.classes_ = _array_api.labels_at(like, encoding.classes)
        self.n_iter_ = len(run.curves.objectives)
        self.t_ = run.state.step
        self.loss_ = run.last_loss
        stops_early, best = self._stops_early(), run.state.progress.best
        self.best_loss_ = None if stops_early else best
        self.best_validation_score_ = -best if stops_early else None
        self._show_curves(run, kept)

    def _show_curves(self, run, kept):
        """Set the curves, longer by those of the run, and which epoch the model is of."""
        if kept is None:
            self.loss_curve_, self.best_epoch_ = [], None
            self.learning_rate_curve_ = None
            self.validation_loss_curve_ = self.validation_scores_ = None
        curves, n, best_epoch = run.curves, len(self.loss_curve_), self.best_epoch_
        self.loss_curve_ = [*self.loss_curve_, *curves.objectives]
        self.learning_rate_curve_ = longer(
            self.learning_rate_curve_, n, curves.learning_rates
        )
        self.validation_loss_curve_ = longer(
            self.validation_loss_curve_, n, curves.validation_losses
        )
        self.validation_scores_ = longer(
            self.validation_scores_, n, curves.validation_scores
        )
        self.best_epoch_ = None
        if self._stops_early():
            # Epochs are counted over all calls; the run's are the last of them.
            n_left = run.state.epoch - run.state.progress.best_epoch
            is_new = n_left < len(curves.objectives)
            before = n if best_epoch is None else best_epoch
            self.best_epoch_ = len(self.loss_curve_) - n_left if is_new else before

    def _warn(self, run, stacklevel=3):
        """Warn if training ended before it should have, or nowhere.

        `stacklevel` is that of the user's call.
        """
        interruption = _outcome.interruption(run)
        if interruption is not None:
            warnings.warn(interruption, stacklevel=stacklevel)
        has_cycle = _parameters.has_cycle(self) and self.solver != "lbfgs"
        if has_cycle and run.ended_by == "max_iter":
            run = run._replace(ended_by="cycle")  # which was to last so long
        shortfall = _outcome.shortfall(
            run,
            self.max_iter,
            self.tol,
            criterion="validation score" if self._stops_early() else "objective",
            by_lbfgs=self.solver == "lbfgs",
        )
        if shortfall is not None:
            warnings.warn(shortfall, ConvergenceWarning, stacklevel=stacklevel)

    # Prediction, step by step.

    def _check_fitted(self):
        """Raise NotFittedError unless there is a model."""
        if "_checkpoint" not in vars(self):  # faster than the function, which raises
            check_is_fitted(self)

    def _is_binary(self):
        """Say whether one logit decides between two classes."""
        encoding = self._checkpoint.encoding
        return encoding.n_outputs == 1 and encoding.out_activation == "logistic"

    def _logits(self, X, method):
        """Return the logits of the rows of X, of shape (n_samples, n_outputs)."""
        self._check_fitted()
        return self._predict(X, "logits", method)

    def _predict(self, X, output, method):
        """Return the `output` of prediction.OUTPUTS for the rows of X."""
        layers = self._layers()
        _array_api.check_same_place(self, X, layers[0].weight, method)
        # Edited coefficients may be of integer type; X must not become that.
        xp = namespace(layers[0].weight)
        dtype = xp.result_type(layers[0].weight, xp.float32)
        finite_later = xp is np and prediction.looks_for_finite(layers)
        rows = _inputs.validate_rows(self, X, dtype, ensure_all_finite=not finite_later)
        activations = self._checkpoint.architecture.activations
        predicted, finite = prediction.predict(layers, rows, activations, output)
        if finite_later and not finite:
            # It raises, in scikit-learn's words, unless its users assume finite data.
            _inputs.validate_rows(self, X, dtype, ensure_all_finite=True)
        return predicted
