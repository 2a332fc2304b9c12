"""The class behind both estimators: fit, partial_fit and predictions."""

import copy
import warnings
from abc import ABCMeta, abstractmethod
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from . import _inputs, _labels, _outcome, _parameters, _split, _weights
from ._checkpoint import first_checkpoint, path_parameters, resumed_state
from ._engine import dropout, lbfgs, newton, online, prediction
from ._engine.losses import LOSSES
from ._engine.passes import Rows
from ._engine.reference import select
from ._engine.train import train
from ._engine.types import Problem
from ._monitor import Printer


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


def has_epochs(estimator):
    """Say whether the solver works in epochs, which `partial_fit` needs."""
    if estimator.solver == "lbfgs":
        raise AttributeError(
            "partial_fit needs solver='sgd' or 'adam': solver='lbfgs' works on all rows "
            "at once."
        )
    return True


class GradientClassifier(ClassifierMixin, BaseEstimator, metaclass=ABCMeta):
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
    def _dropout(self):
        """Return the part of each hidden layer's units that is left out, () for none."""

    @abstractmethod
    def _initial_theta(self, architecture, rng, dtype):
        """Return the parameters (n_parameters,) that training starts from."""

    @abstractmethod
    def _layers(self):
        """Return what the fitted attributes hold as a list of Layer."""

    @abstractmethod
    def _show_model(self, layers, encoding, run):
        """Set the attributes that hold the model to copies of `layers`."""

    def fit(self, X, y, sample_weight=None):
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

        Returns
        -------
        self : estimator
            The fitted estimator.

        Raises
        ------
        ValueError
            If data or parameters are not valid, or if training diverges. A model that
            was fitted before stays as it was.

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
        with unchanged_on_error(self):
            run = self._train(X, y, sample_weight, self._fit_encoding, one_epoch=False)
        self._warn(run)
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
            self._train(X, y, sample_weight, encoding_of, one_epoch=True)
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
        logits = self._logits(X)
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
        logits = self._logits(X)
        decision = self._checkpoint.encoding.decide(logits)
        return decision if decision.ndim == 2 else self.classes_[decision]

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
        return self._predict(X, output)

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
        logits = self._logits(X)
        if self._is_binary():
            logits = np.concatenate([-logits, logits], axis=1)
        encoding = self._checkpoint.encoding
        return LOSSES["log_loss", encoding.out_activation].predict_log_proba(logits)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
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

    def _train(self, X, y, sample_weight, encoding_of, one_epoch):
        """Train on (X, y) and set the fitted attributes; return the TrainingRun.

        Parameters
        ----------
        X, y, sample_weight
            As the user passed them.
        encoding_of : callable (y, kept Encoding or None) -> Encoding
        one_epoch : bool
            Whether this is a `partial_fit`.
        """
        kept = self._kept(one_epoch)
        data, encoding = self._dataset(X, y, sample_weight, encoding_of, kept)
        architecture = self._architecture(data.X.shape[1], encoding.n_outputs)
        start, theta = self._start(kept, encoding, architecture, data.X.dtype)
        data, validate, start = self._split(data, architecture, start)
        problem = self._problem(start, architecture, encoding, data.n_samples)
        parameters = path_parameters(self)
        state = resumed_state(start, problem, theta, parameters)
        chunk_mean, n_samples = _weights.mean_weight(data), data.n_samples
        scale = start.weight_scale if one_epoch else _weights.WeightScale()
        data = _weights.scale_weights(data, scale.including(chunk_mean, n_samples).mean)
        data = _inputs.lay_out(data, problem.batch_size)
        n_epochs = 1 if one_epoch else self.max_iter
        run = self._run(problem, state, data, n_epochs, validate, one_epoch)
        n_rows_seen = n_samples * max(1, run.state.epoch - state.epoch)
        end = replace(
            start,
            parameters=parameters,
            ended_by="max_iter" if one_epoch else run.ended_by,
            weight_scale=start.weight_scale.including(chunk_mean, n_rows_seen),
        )
        self._finish(end, run, kept)
        return run

    def _kept(self, one_epoch):
        """Return the Checkpoint that the coming call goes on from, None to begin anew."""
        goes_on = one_epoch or self.warm_start
        return getattr(self, "_checkpoint", None) if goes_on else None

    def _start(self, kept, encoding, architecture, dtype):
        """Return the Checkpoint to train from, and theta (n_parameters,) as it is shown."""
        if kept is not None:  # a user may have edited the attributes
            kept = replace(kept, architecture=architecture)
            return kept, architecture.flatten(self._layers()).astype(dtype)
        initial = self._initial(architecture, dtype)
        parameters = path_parameters(self)
        start = first_checkpoint(*initial, parameters, encoding, architecture)
        return start, start.shown_theta

    def _finish(self, checkpoint, run, kept):
        """Set the fitted attributes after a run; all else of `checkpoint` tells of it."""
        checkpoint = replace(
            checkpoint, state=run.state, shown_theta=self._theta_to_show(run.state)
        )
        self._show(checkpoint, run, kept)
        if kept is None and isinstance(self.random_state, np.random.RandomState):
            # As everywhere in scikit-learn, fitting has used the user's generator.
            self.random_state.set_state(run.state.random_state)

    def _dataset(self, X, y, sample_weight, encoding_of, kept):
        """Return the Dataset, weights not yet scaled, and its Encoding."""
        dtype = _inputs.FLOATS if kept is None else kept.state.theta.dtype
        X, y = _inputs.validate_labelled(
            self, X, y, dtype, kept is None, self._multilabel_allowed
        )
        y, weight, rows = _weights.drop_weightless(X, y, sample_weight)
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

    def _split(self, data, architecture, start):
        """Split off validation rows for early stopping.

        Returns
        -------
        data : Dataset
            To train on.
        validate : callable theta -> accuracy, or None
        start : Checkpoint
            Whose generator has drawn the split, if training begins.
        """
        if not self._stops_early():
            return data, None, start
        encoding, rng = start.encoding, np.random.RandomState(0)
        rng.set_state(start.split_random_state)
        training, validation = _split.split_validation(
            data, encoding, self.validation_fraction, rng
        )
        held_out = select(data, validation)
        targets = encoding.targets(held_out.y)

        def validate(theta):
            layers, activations = architecture.layers(theta), architecture.activations
            logits, _ = prediction.predict(layers, held_out.X, activations, "logits")
            decision = encoding.decide(logits)
            return accuracy_score(targets, decision, sample_weight=held_out.sample_weight)

        start = start.after_split(rng.get_state())
        return _inputs.select_samples(data, training), validate, start

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
            dropout=rates,
            dropout_key=dropout.key_of(start.split_random_state) if rates else 0,
        )

    def _run(self, problem, state, data, n_epochs, validate, one_epoch):
        """Return the TrainingRun of the solver."""
        monitor = Printer() if self.verbose else None
        if _parameters.is_automatic(self):
            if one_epoch:
                return online.learn(problem, state, data, monitor)
            rows = Rows(data, problem.loss)
            return newton.minimise(problem, state, rows, n_epochs, validate, monitor)
        if self.solver == "lbfgs":
            return lbfgs.minimise(problem, state, data, n_epochs, self.max_fun, monitor)
        return train(problem, state, data, n_epochs, validate, monitor)

    def _theta_to_show(self, state):
        """Return the best parameters if they were looked for, else the last."""
        best = state.progress.best_theta if self._stops_early() else None
        return state.shown_theta if best is None else best

    def _show(self, checkpoint, run, kept):
        """Set all fitted attributes."""
        layers = checkpoint.architecture.layers(checkpoint.shown_theta)
        self._show_model(layers, checkpoint.encoding, run)
        stops_early, best = self._stops_early(), checkpoint.state.progress.best
        self._checkpoint = checkpoint
        self.classes_ = checkpoint.encoding.classes
        self.n_iter_ = len(run.loss_curve)
        self.t_ = run.state.step
        self.best_loss_ = None if stops_early else best
        self.best_validation_score_ = -best if stops_early else None
        if kept is None:
            self.loss_curve_, self.validation_scores_ = [], None
        if stops_early:
            self.validation_scores_ = [
                *(self.validation_scores_ or []),
                *run.validation_scores,
            ]
        self.loss_curve_ = [*self.loss_curve_, *run.loss_curve]

    def _warn(self, run):
        """Warn if training ended before it should have, or nowhere."""
        interruption = _outcome.interruption(run)
        if interruption is not None:
            warnings.warn(interruption, stacklevel=3)
        shortfall = _outcome.shortfall(
            run,
            self.max_iter,
            self.tol,
            criterion="validation score" if self._stops_early() else "objective",
            by_lbfgs=self.solver == "lbfgs",
        )
        if shortfall is not None:
            warnings.warn(shortfall, ConvergenceWarning, stacklevel=3)

    # Prediction, step by step.

    def _check_fitted(self):
        """Raise NotFittedError unless there is a model."""
        if "_checkpoint" not in vars(self):  # faster than the function, which raises
            check_is_fitted(self)

    def _is_binary(self):
        """Say whether one logit decides between two classes."""
        encoding = self._checkpoint.encoding
        return encoding.n_outputs == 1 and encoding.out_activation == "logistic"

    def _logits(self, X):
        """Return the logits of the rows of X, of shape (n_samples, n_outputs)."""
        self._check_fitted()
        return self._predict(X, "logits")

    def _predict(self, X, output):
        """Return the `output` of prediction.OUTPUTS for the rows of X."""
        layers = self._layers()
        # Edited coefficients may be of integer type; X must not become that.
        dtype = np.result_type(layers[0].weight, np.float32)
        finite_later = prediction.looks_for_finite(layers)
        rows = _inputs.validate_rows(self, X, dtype, ensure_all_finite=not finite_later)
        activations = self._checkpoint.architecture.activations
        predicted, finite = prediction.predict(layers, rows, activations, output)
        if finite_later and not finite:
            # It raises, in scikit-learn's words, unless its users assume finite data.
            _inputs.validate_rows(self, X, dtype, ensure_all_finite=True)
        return predicted
