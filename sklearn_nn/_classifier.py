"""Base class of both estimators: fit, partial_fit, and storage of models."""

from abc import abstractmethod
from collections.abc import Mapping
from contextlib import contextmanager
from typing import Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from . import _fitted, _parameters, _training
from ._data import array_api, inputs, labels
from ._data.labels import Encoding
from ._data.sample_weights import NoWeightError
from ._engine.arrays import Vector
from ._engine.types import Architecture, Layer
from ._methods import method_of
from ._monitoring import convergence
from ._monitoring.callbacks import (
    N_FRAMES,
    CallbackSupportMixin,
    tasks_of,
)
from ._monitoring.monitors import MonitorList
from ._monitoring.printing import Printer
from ._parameters import ClassSettings
from ._predictor import Predictor, with_short_names
from ._storage import contents, persistence


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


@with_short_names
class GradientClassifier(CallbackSupportMixin, Predictor):
    """Abstract base of the two classifiers.

    Their `fit` and `partial_fit` document what is theirs, and call `_fit` and
    `_partial_fit`.
    """

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

    def _fit(self, X, y, sample_weight, validation_rows):
        """Train as `fit` of the classes says; its user's call is two frames above."""
        _parameters.check(self)
        method = method_of(self)
        convergence.warn_of_ignored(self, method, stacklevel=4 + N_FRAMES)
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
            stacklevel=4 + N_FRAMES,
            loss_and_entropy=lambda: _training.loss_and_entropy(prepared, theta),
        )
        return self

    def _partial_fit(self, X, y, classes, sample_weight):
        """Train as `partial_fit` of the classes says."""
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
        convergence.warn_of_ignored(self, method, stacklevel=4)
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
        >>> model = SGDLogisticClassifier().fit(X, y)
        >>> restored = SGDLogisticClassifier().set_state(model.get_state())
        >>> (restored.predict_proba(X) == model.predict_proba(X)).all().item()
        True
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
            If the state is of another class or a newer format, has other layers than the
            parameters, or has an entry that is missing or not valid, which the error names.
            The estimator stays unchanged.
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
        check = contents.check_model
        super().__setstate__(persistence.from_pickle(state, type(self), check))
