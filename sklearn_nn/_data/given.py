"""The model of an estimator that is not fitted, but whose coefficients the user has set."""

import copy
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from .._engine.arrays import Vector, to_numpy
from .._engine.types import Architecture, Layer
from . import array_api
from .labels import Encoding


class GivenModel(NamedTuple):
    """A model to predict with, and from which a warm start begins."""

    layers: list[Layer]
    encoding: Encoding
    architecture: Architecture

    def theta(self, dtype) -> Vector:
        """Return the parameters (n_parameters,) as an ndarray of this dtype."""
        layers = [Layer(*map(to_numpy, layer)) for layer in self.layers]
        return self.architecture.flatten(layers).astype(dtype)


def given_model(estimator) -> GivenModel | None:
    """Return the model that the user has set, or None.

    Raise ValueError if its attributes are not consistent, and NotFittedError, which is a
    ValueError, if one is missing.
    """
    given, names = vars(estimator), estimator._coefficient_names
    if not given.keys() & set(names):
        return None
    needs_intercept = getattr(estimator, "fit_intercept", True)
    needed = [*(names if needs_intercept else names[:1]), "classes_"]
    missing = [name for name in needed if name not in given]
    if missing:
        raise NotFittedError(
            f"{type(estimator).__name__} is not fitted, and its coefficients are set "
            f"without {' and '.join(missing)}. Set {', '.join(needed)}, or call fit."
        )
    layers = given_layers(estimator)
    n_features, n_outputs = layers[0].weight.shape[0], layers[-1].weight.shape[-1]
    encoding = given_encoding(estimator, n_outputs)
    architecture = estimator._architecture(n_features, encoding.n_outputs)
    check_shapes(estimator, layers, encoding, architecture)
    known = given.get("n_features_in_", n_features)
    if known != n_features:
        raise ValueError(
            f"{names[0]} is for {n_features} features, but n_features_in_ is {known}."
        )
    return GivenModel(layers, encoding, architecture)


def given_layers(estimator) -> list[Layer]:
    """Return the layers; raise ValueError if they are not arrays of finite numbers."""
    names = " and ".join(estimator._coefficient_names)
    try:
        layers = estimator._layers()
        arrays = [to_numpy(array) for layer in layers for array in layer]
    except (TypeError, ValueError) as error:  # other lengths of lists, or of rows in lists
        raise ValueError(
            f"{names} must be arrays, or lists of the same length for a network: {error}."
        ) from error
    if not layers or layers[0].weight.ndim != 2:
        shapes = [array.shape for array in arrays]
        raise ValueError(f"{names} must hold weights with two axes; got {shapes}.")
    if not all(array.dtype.kind in "biuf" and np.isfinite(array).all() for array in arrays):
        raise ValueError(f"{names} must hold finite numbers.")
    return layers


def given_encoding(estimator, n_outputs: int) -> Encoding:
    """Return the Encoding of `classes_`, for multilabel y if the user says so."""
    classes = to_numpy(array_api.own(estimator.classes_))
    smallest = estimator._min_n_classes
    if classes.ndim != 1 or len(classes) < smallest or not is_increasing(classes):
        raise ValueError(
            f"classes_ must hold at least {smallest} labels in increasing order, as "
            f"numpy.unique returns them; got {estimator.classes_!r}."
        )
    encoding = Encoding(classes)
    if not estimator._multilabel_allowed:
        return encoding
    out_activation = vars(estimator).get("out_activation_")
    is_binary = len(classes) == 2 and n_outputs == 1
    encoding = replace(encoding, multilabel=out_activation == "logistic" and not is_binary)
    if encoding.multilabel and not np.array_equal(classes, np.arange(len(classes))):
        raise ValueError(
            "out_activation_='logistic' with several outputs means multilabel y, for which "
            f"classes_ must be the column numbers; got {classes.tolist()}."
        )
    if out_activation not in (None, encoding.out_activation):
        raise ValueError(
            f"out_activation_ is {out_activation!r}, but for {len(classes)} classes it is "
            f"{encoding.out_activation!r}."
        )
    return encoding


def is_increasing(classes) -> bool:
    """Return whether labels are sorted, without repetition, as those of a fitted model."""
    try:
        return np.array_equal(np.unique(classes), classes)
    except TypeError:  # labels of types that cannot be compared
        return False


def check_shapes(estimator, layers, encoding, architecture):
    """Raise ValueError unless the layers have the shapes of the architecture."""
    model = copy.copy(estimator)
    layers_wanted = architecture.layers(np.zeros(architecture.n_parameters))
    if shapes_of(layers) == shapes_of(layers_wanted):
        return
    names = estimator._coefficient_names
    model._set_model(layers_wanted, encoding)
    wanted = [shapes_of(getattr(model, name)) for name in names]
    model._set_model(layers, encoding)
    given = [shapes_of(getattr(model, name)) for name in names]
    network = ""
    if hasattr(estimator, "hidden_layer_sizes"):
        network = f" and hidden_layer_sizes={estimator.hidden_layer_sizes!r}"
    raise ValueError(
        f"{names[0]} and {names[1]} must have the shapes {wanted[0]} and {wanted[1]} for "
        f"{len(encoding.classes)} classes{network}; got {given[0]} and {given[1]}."
    )


def shapes_of(arrays):
    """Return the shape of an array, or a list of those of arrays in a list."""
    if isinstance(arrays, (list, Layer)):
        return [shapes_of(array) for array in arrays]
    return tuple(arrays.shape)


def complete_model(estimator):
    """Return a copy that predicts with the model that the user has set.

    Raise NotFittedError if there is none.
    """
    model = given_model(estimator)
    if model is None:
        check_is_fitted(estimator, "_checkpoint")  # raises
    complete = copy.copy(estimator)
    # Predictions read `encoding` and `architecture` of a fitted model's Checkpoint.
    complete._checkpoint, complete.classes_ = model, model.encoding.classes
    complete.n_features_in_ = model.architecture.layer_sizes[0]
    return complete
