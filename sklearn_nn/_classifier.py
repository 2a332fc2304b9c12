"""Base class of both estimators: fit, partial_fit, and storage of models."""

from abc import abstractmethod
from collections.abc import Mapping
from contextlib import contextmanager
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from . import _fitted, _parameters, _training
from ._data import array_api, inputs, labels, validation
from ._data.labels import Encoding
from ._data.sample_weights import NoWeightError
from ._engine.arrays import Rows, Vector
from ._engine.epochs.optimizers import OPTIMIZERS
from ._engine.types import Architecture, Layer
from ._methods import method_of
from ._monitoring import convergence
from ._monitoring.callbacks import (
    N_FRAMES,
    CallbackSupportMixin,
    tasks_of,
    with_callbacks,
)
from ._monitoring.monitors import MonitorList
from ._monitoring.printing import Printer
from ._parameters import ClassSettings
from ._predictor import Predictor, with_short_names
from ._storage import persistence


@contextmanager
def unchanged_on_error(estimator):
    """Restore all attributes of the estimator if the block raises."""
    before = vars(estimator).copy()
    try:
        yield
    except BaseException as error:
        vars(estimator).clear()
        vars(estimator).update(before)
        if array_api.is_out_of_memory(error):
            raise array_api.out_of_memory(error) from error
        raise


def has_partial_fit(estimator):
    """Return True, or raise AttributeError if the method cannot resume after each epoch."""
    if not method_of(estimator, by_partial_fit=True).is_stepwise:
        raise AttributeError(
            f"partial_fit needs a solver among {sorted(OPTIMIZERS)}: solver='lbfgs' trains "
            "on all rows at once."
        )
    return True


@with_short_names
class GradientClassifier(CallbackSupportMixin, Predictor):
    """Abstract base of the two classifiers."""

    # Properties, so that training need not copy the curves in each call.
    loss_curve_ = _fitted.curve_property("loss_curve_")
    learning_rate_curve_ = _fitted.curve_property("learning_rate_curve_")
    validation_loss_curve_ = _fitted.curve_property("validation_loss_curve_")
    validation_scores_ = _fitted.curve_property("validation_scores_")

    @abstractmethod
    def _architecture(self, n_features: int, n_outputs: int) -> Architecture:
        """Return the Architecture of the model."""

    @abstractmethod
    def _class_settings(self, architecture: Architecture) -> ClassSettings:
        """Return the settings that only this class has."""

    @abstractmethod
    def _initial_theta(self, architecture: Architecture, rng, dtype) -> Vector:
        """Return the initial parameters (n_parameters,)."""

    @abstractmethod
    def _set_model(self, layers: list[Layer], encoding: Encoding):
        """Set the fitted attributes of the model to copies of `layers`."""

    @with_callbacks
    def fit(
        self,
        X: Rows,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        X_val: Rows | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Train for at most `max_iter` epochs (or Newton steps, without a learning rate).

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data in any units; training is fastest on standardised features. float32 rows
            train in float32, all others in float64. A resumed model keeps the dtype of its
            first call.
        y : array-like of shape (n_samples,)
            Labels: strings, booleans or numbers. BackpropMLPClassifier also takes
            multilabel indicators of shape (n_samples, n_outputs), dense or sparse.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0; None means 1 each. Rows of weight 0 are ignored. Only ratios
            matter, because weights are scaled to mean 1.
        X_val : array-like or sparse matrix of shape (n_val, n_features), default=None
            Validation rows, evaluated after each epoch and never trained on. With
            `early_stopping` they replace the held-out part. (In a Pipeline,
            `transform_input=["X_val"]` transforms them like X.)
        y_val : array-like of shape (n_val,), default=None
            Labels of the validation rows. Each must occur in y.
        sample_weight_val : array-like of shape (n_val,), default=None
            Weights >= 0 of the validation rows in their loss and score, which ignore class
            weights.

        Returns
        -------
        self : estimator
            The fitted estimator.

        Raises
        ------
        ValueError
            If data or parameters are not valid, or if training diverges. A model fitted
            before stays unchanged.
        Exception
            If a callback raises one. The model is then as after Ctrl-C (Notes); before the
            first epoch has finished, the estimator stays unchanged.

        Warns
        -----
        UserWarning
            If learning_rate is 'auto' and a parameter was set that only steps with a
            learning rate read; or if early stopping cannot hold out a row of a rare class.
        ConvergenceWarning
            If training ends before it has converged (after `max_iter` epochs, say, unless
            they are a cycle of learning rates), if the final objective is over 10 % above
            both the first and the loss of all-zero logits, or if the final log-loss of the
            training rows, without dropout, is over 1 % above the entropy of the class
            shares. Not if `tol` is None.

        Notes
        -----
        Ctrl-C ends training with a warning. The model is that of the last finished epoch,
        or of the best one with early stopping. In the first epoch, KeyboardInterrupt is
        raised, and the estimator stays unchanged.
        """
        _parameters.check(self)
        method = method_of(self)
        convergence.warn_of_ignored(self, method, stacklevel=3 + N_FRAMES)
        validation_rows = validation.ValidationRows(X_val, y_val, sample_weight_val)
        tasks = tasks_of(self, X, y, sample_weight)
        with unchanged_on_error(self):
            prepared = _training.prepare(
                self, method, X, y, sample_weight, _training.fit_encoding, validation_rows
            )
            run = self._train(prepared, tasks)
        if tasks is not None and tasks.error is not None:
            raise tasks.error
        theta = self._checkpoint.model_theta
        convergence.warn(
            self,
            method,
            run,
            stacklevel=3 + N_FRAMES,
            loss_and_entropy=lambda: _training.loss_and_entropy(prepared, theta),
        )
        return self

    @available_if(has_partial_fit)
    def partial_fit(
        self,
        X: Rows,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch on these rows, or learn them as the next chunk of a stream.

        With a learning rate, a call is one epoch of mini-batches: n calls with the same
        rows give the same model as one `fit` of n epochs, bit for bit. Without one
        (learning_rate='auto'), the rows are the next chunk of a stream: see Notes. After a
        `fit`, training resumes from its model.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            A chunk of the data.
        y : array-like of shape (n_samples,)
            Its labels, or multilabel indicators (n_samples, n_outputs).
        classes : array-like of shape (n_classes,), default=None
            All labels that may occur in any call (for multilabel y: the column numbers).
            Required in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0, scaled by the mean of all weights that the model has seen. If all
            are 0, times class weights, the call changes nothing; in the first call this is
            an error.

        Returns
        -------
        self : estimator
            The fitted estimator.

        Raises
        ------
        ValueError
            As `fit`; and if the first call has no `classes`, y has a label that is not
            among them, `early_stopping` is True, or `class_weight` is 'balanced'.

        Notes
        -----
        A stream learns each row once. Features may have any units, and their means and
        scales, and the coefficients, may drift. Memory, and time per row, do not grow with
        the number of rows (curves grow by one entry per call). The same chunks give the
        same model.

        The gap to the optimum is measured, not proven. After one pass over many rows of the
        same distribution, the relative gap was 1e-6 to 3e-4 with up to 123 coefficients,
        and 6 to 19 % on MNIST and on words, which have too many features for a matrix (more
        than about 360; with k >= 3 classes, than 360 / sqrt(k)).
        """
        _parameters.check(self)
        if self.early_stopping:
            raise ValueError(
                "partial_fit does not support early_stopping=True, because it trains on "
                "all rows that it is given. Set early_stopping=False."
            )
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' is not supported by partial_fit, which never "
                "has all labels at once. Pass a dict of class weights, or sample_weight."
            )

        inputs.check_types(array_api.on_host(classes), "classes")

        def encoding_of(y, fitted):
            return labels.partial_fit_encoding(y, classes, fitted)

        method = method_of(self, by_partial_fit=True)
        convergence.warn_of_ignored(self, method, stacklevel=3)
        with unchanged_on_error(self):
            try:
                prepared = _training.prepare(
                    self, method, X, y, sample_weight, encoding_of, by_partial_fit=True
                )
            except NoWeightError:
                if not hasattr(self, "_checkpoint"):
                    raise
                return self  # there is nothing to learn
            self._train(prepared)
        return self

    def _train(self, prepared, tasks=None):
        """Train, set the fitted attributes and return the TrainingRun.

        Parameters
        ----------
        prepared : Prepared
        tasks : Tasks, or None without callbacks
        """
        monitors = [Printer(self.verbose)] if self.verbose else []
        if tasks is not None:
            monitors.append(tasks)
            tasks.fit_begin(lambda *epoch: _fitted.attributes_at(self, prepared, *epoch))
        monitor = MonitorList(monitors) if monitors else None
        run = _training.run(prepared, monitor)
        scale, like = prepared.weight_scale(run.state), prepared.like
        _fitted.set_fitted(self, prepared.method, prepared.start, run, scale, like)
        if monitor is not None:
            monitor.end()
        return run

    def get_state(self) -> dict[str, np.ndarray]:
        """Return the fitted model, and all that training needs to resume, as arrays.

        Stores a model without pickle: `np.savez(file, **model.get_state())`. To load it,
        call `model.set_state(np.load(file))` on an estimator with the same constructor
        parameters, which the state does not contain. It predicts the same, and
        `partial_fit` and `warm_start` resume bit for bit.

        Returns
        -------
        state : dict of str -> ndarray
            Copies, none of type object: numbers and strings; under 'structure' a JSON text
            that describes how they belong together; under 'origin' the class, the format
            and the release. The state of a model in another array library (PyTorch, say)
            has NumPy arrays, too, as does the model that is restored from it.

        Raises
        ------
        NotFittedError
            If the estimator has not been fitted.
        TypeError
            If a fitted attribute has been set to a value that arrays cannot hold.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn_nn import SGDLogisticClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> state = SGDLogisticClassifier().fit(X, y).get_state()
        >>> SGDLogisticClassifier().set_state(state).score(X, y)
        0.98
        """
        check_is_fitted(self, "_checkpoint")
        return persistence.state_of(self)

    def set_state(self, state: Mapping[str, np.ndarray]) -> Self:
        """Restore the fitted model from the result of `get_state`.

        Parameters
        ----------
        state : mapping of str -> ndarray
            From `get_state` of an estimator of this class with the same constructor
            parameters. Parameters that differ act as after `set_params` on the fitted
            model. The arrays are copied.

        Returns
        -------
        self : estimator
            The fitted estimator. Training resumes with the random state in `state`; a
            RandomState that this estimator was given is not advanced.

        Raises
        ------
        ValueError
            If the state is of another class or a newer format, is incomplete, or has other
            layers than the parameters. The estimator stays unchanged.
        """
        persistence.restore(self, state)
        return self

    def __copy__(self):
        # As without __getstate__, which is slow: callbacks need a copy in every epoch.
        copied = type(self).__new__(type(self))
        vars(copied).update(vars(self))
        return copied

    def __getstate__(self):
        return persistence.to_pickle(super().__getstate__())

    def __setstate__(self, state):
        super().__setstate__(persistence.from_pickle(state, type(self)))
