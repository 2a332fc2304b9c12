"""Predictions of a fitted model: logits, classes, probabilities."""

import inspect
from abc import ABCMeta, abstractmethod

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from ._data import array_api, inputs
from ._data.given import complete_model
from ._engine.arrays import Matrix, Rows, Vector, namespace
from ._engine.epochs import prediction
from ._engine.objective.losses import LOSSES
from ._engine.types import Layer
from ._version import CLASS_PAGE


def with_short_names(base):
    """Name the public methods of a base class without it.

    Python's errors (of an unknown argument, say) would show the name of the base class,
    which users do not know.
    """
    for name in vars(base):
        method = inspect.unwrap(getattr(base, name))
        if inspect.isfunction(method) and not name.startswith("_"):
            method.__qualname__ = name
    return base


@with_short_names
class Predictor(ClassifierMixin, BaseEstimator, metaclass=ABCMeta):
    """Abstract base of the two classifiers: predictions."""

    _doc_link_module, _doc_link_template = "sklearn_nn", CLASS_PAGE
    _multilabel_allowed = False
    _min_n_classes = 1
    _has_gap = False  # whether training without a learning rate may prove a gap
    _coefficient_names: tuple  # fitted attributes of the layers: weights, intercepts

    @abstractmethod
    def _layers(self) -> list[Layer]:
        """Return the layers in the fitted attributes."""

    def decision_function(self, X: Rows) -> Matrix:
        """Return the logits of each row.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) for two classes, else (n_samples, n_outputs)
            For two classes the log odds of `classes_[1]`.
        """
        if "_checkpoint" not in vars(self):
            return complete_model(self).decision_function(X)
        logits = self._logits(X, "decision_function")
        return logits[:, 0] if self._is_binary() else logits

    def predict(self, X: Rows) -> Vector:
        """Return the most probable class of each row.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels; for multilabel y (networks only) 0 and 1, (n_samples, n_outputs), as CSR
            if the y of the first training call was sparse.
        """
        if "_checkpoint" not in vars(self):
            return complete_model(self).predict(X)
        logits = self._logits(X, "predict")
        decision = self._checkpoint.encoding.decide(logits)
        if decision.ndim == 2:
            return self._checkpoint.encoding.indicators(decision)
        return array_api.labels_of(self.classes_, decision)

    def predict_proba(self, X: Rows) -> Matrix:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of `classes_`. Rows sum to 1, except for multilabel y (networks
            only), where each column is a separate probability.
        """
        if "_checkpoint" not in vars(self):
            return complete_model(self).predict_proba(X)
        binary = self._is_binary()
        output = "binary" if binary else self._checkpoint.encoding.out_activation
        return self._predict(X, output, "predict_proba")

    def predict_log_proba(self, X: Rows) -> Matrix:
        """Return the logarithm of the probability of each class.

        Computed from the logits, so that it is finite even if `predict_proba` is 0.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In nats, in the order of `classes_`.
        """
        if "_checkpoint" not in vars(self):
            return complete_model(self).predict_log_proba(X)
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

    def _is_binary(self):
        """Return whether one logit decides between two classes."""
        encoding = self._checkpoint.encoding
        return encoding.n_outputs == 1 and encoding.out_activation == "logistic"

    def _logits(self, X, method):
        """Return the logits of the rows of X, of shape (n_samples, n_outputs)."""
        return self._predict(X, "logits", method)

    def _predict(self, X, output, method):
        """Return the `output` of prediction.OUTPUTS for the rows of X."""
        layers = self._layers()
        array_api.check_same_place(self, X, layers[0].weight, method)
        # Edited coefficients may be integers; X must stay floating-point.
        xp = namespace(layers[0].weight)
        dtype = xp.result_type(layers[0].weight, xp.float32)
        finite_later = xp is np and prediction.checks_finite(layers)
        rows = inputs.validate_rows(self, X, dtype, ensure_all_finite=not finite_later)
        activations = self._checkpoint.architecture.activations
        if len(layers) != len(activations) + 1:
            raise ValueError(
                f"The model was fitted with {len(activations) + 1} arrays of weights; "
                f"coefs_ and intercepts_ now have {len(layers)}. Edit only their values, "
                "or fit a new model with other hidden_layer_sizes."
            )
        predicted, finite = prediction.predict(layers, rows, activations, output)
        if finite_later and not finite:
            # Raises scikit-learn's error, unless the user set assume_finite=True.
            inputs.validate_rows(self, X, dtype, ensure_all_finite=True)
        return predicted
