"""The class behind both estimators: fit, partial_fit and fitted attributes."""

import copy
import warnings
from contextlib import contextmanager
from dataclasses import replace
from math import isnan

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.metaestimators import available_if

from . import _parameters
from ._data import array_api, labels, validation
from ._engine.arrays import moved_to
from ._engine.epochs import lbfgs
from ._engine.epochs.train import train
from ._engine.newton import online, steps
from ._engine.newton.passes import Rows
from ._engine.types import Curves, TrainingRun
from ._monitoring import convergence
from ._monitoring.callbacks import N_FRAMES, CallbackSupportMixin, tasks_of, with_callbacks
from ._monitoring.verbose import Printer, Watchers
from ._preparation import Preparation
from ._storage.checkpoint import path_parameters
from ._storage.persistence import Persistent


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


def longer(curve, n_before, more):
    """Return a curve of `n_before` epochs (None if NaN throughout) and `more` as a list."""
    # All epochs of a run have a value or none has.
    if curve is None and (not more or isnan(more[-1])):
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


class GradientClassifier(Persistent, CallbackSupportMixin, Preparation):
    """Classifier trained by gradients; abstract, see the two classes of the package."""

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
        given = validation.Given(X_val, y_val, sample_weight_val)
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
        coefficients may drift. Memory and time of a row do not grow with the rows seen
        (curves do, by an entry a call), and the same chunks give the same model. How near J
        comes to its optimum is measured, not proven: after one pass over many rows of one
        kind the relative gap was 1e-6 to 3e-4 with up to 123 coefficients, 6 to 19 % on
        digits and on words, whose coefficients are too many for a matrix (more than about
        360, fewer for three classes and more). After a `fit` the stream goes on from its
        model.

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
            return labels.partial_fit_encoding(y, classes, kept)

        with unchanged_on_error(self):
            kept = self._kept(one_epoch=True)
            prepared = self._prepare(X, y, sample_weight, encoding_of, kept)
            self._train(prepared, one_epoch=True)
        return self

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

    def _finish(self, start, run, kept, rows_seen, like=array_api.NUMPY):
        """Set the fitted attributes after a run; for the arguments see `_show`."""
        self._show(start, run, kept, rows_seen, like)
        if kept is None and isinstance(self.random_state, np.random.RandomState):
            # As everywhere in scikit-learn, fitting has used the user's generator.
            self.random_state.set_state(run.state.random_state)

    def _run(self, prepared, monitor, one_epoch):
        """Return the TrainingRun of the solver."""
        problem, state, data = prepared.problem, prepared.state, prepared.data
        n_epochs, validate = 1 if one_epoch else self.max_iter, prepared.validate
        if _parameters.is_automatic(self):
            if one_epoch:
                return online.learn(problem, state, data, monitor)
            rows = Rows(data, problem.loss)
            return steps.minimise(problem, state, rows, n_epochs, validate, monitor)
        if self.solver == "lbfgs":
            return lbfgs.minimise(
                problem, state, data, n_epochs, self.max_fun, validate, monitor
            )
        return train(problem, state, data, n_epochs, validate, monitor)

    def _theta_to_show(self, state):
        """Return the best parameters if they were looked for, else the last."""
        best = state.progress.best_theta if self._stops_early() else None
        return state.shown_theta if best is None else best

    def _show(self, start, run, kept, rows_seen, like=array_api.NUMPY):
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
        self.classes_ = array_api.labels_at(like, encoding.classes)
        self.n_iter_ = len(run.curves.objectives)
        self.t_ = run.state.step
        stops_early, best = self._stops_early(), run.state.progress.best
        self.best_loss_ = None if stops_early else best
        self.best_validation_score_ = -best if stops_early else None
        self._show_curves(run, kept)
        self.loss_ = run.last_loss
        if stops_early:
            self.loss_ = self.loss_curve_[self.best_epoch_ - 1]

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
        interruption = convergence.interruption(run)
        if interruption is not None:
            warnings.warn(interruption, stacklevel=stacklevel)
        has_cycle = _parameters.has_cycle(self) and self.solver != "lbfgs"
        if has_cycle and run.ended_by == "max_iter":
            run = run._replace(ended_by="cycle")  # which was to last so long
        shortfall = convergence.shortfall(
            run,
            self.max_iter,
            self.tol,
            criterion="validation score" if self._stops_early() else "objective",
            by_lbfgs=self.solver == "lbfgs",
        )
        if shortfall is not None:
            warnings.warn(shortfall, ConvergenceWarning, stacklevel=stacklevel)
