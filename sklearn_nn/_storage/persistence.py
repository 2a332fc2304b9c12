"""How models are stored and come back: pickles, and flat dicts of arrays.

What is stored is made of plain containers, numbers, strings and arrays (_records.py), and
says which format it has. So a model of one release loads in the next, whose records and
constructors may have gained fields and parameters, or says why not.
"""

import copy
import inspect
from contextlib import contextmanager
from dataclasses import replace
from numbers import Integral, Real

import numpy as np
from scipy.sparse import csr_matrix

from .._data.labels import Encoding
from .._data.sample_weights import WeightScale
from .._engine.newton import stream
from .._engine.newton.coordinates import Coordinates
from .._engine.objective.activations import ACTIVATIONS
from .._engine.objective.penalties import Penalty
from .._engine.types import Architecture, Progress, TrainingState
from .._version import __version__
from .checkpoint import NOT_THE_PATH, Checkpoint, constructor_parameters
from .plain import from_arrays, plain, rebuilt, to_arrays

# To be raised when what was stored before can no longer be read.
FORMAT = 1
# All that a checkpoint may consist of.
RECORDS = (
    Checkpoint,
    TrainingState,
    Progress,
    Architecture,
    Encoding,
    WeightScale,
    stream.StreamState,
    Coordinates,
    Penalty,
)


def architecture_of(layer_sizes, activation=None, **fields):
    """Return the Architecture of stored fields; the first code had one activation."""
    if activation is not None:
        fields["activations"] = (activation,) * (len(layer_sizes) - 2)
    return Architecture(layer_sizes, **fields)


# A class that has lost or renamed a field since gets a function here instead, which takes
# the fields as they were stored.
READERS = {
    **{record.__name__: record for record in RECORDS},
    "Architecture": architecture_of,
}
# Fitted attributes that the first code did not set, and what stands for them.
NEW_ATTRIBUTES = {
    "best_epoch_": lambda state: None,
    "learning_rate_curve_": lambda state: None,
    "loss_": lambda state: state["loss_curve_"][-1],
    "validation_loss_curve_": lambda state: None,
}
# What a field of a record may be, by its annotation: NumPy's numbers, too.
KINDS = {int: Integral, float: Real, **{kind: kind for kind in (str, bool, tuple, dict)}}
# Where a pickle says which format it has; those of the first code do not.
ORIGIN = "_sklearn_nn_origin"


class Persistent:
    """Mixin of both estimators: how they are copied, pickled and kept in arrays."""

    def get_state(self):
        """Return all that was learned, and all that training needs to go on, as arrays.

        For a store without pickle: `np.savez(file, **model.get_state())`, and
        `model.set_state(np.load(file))` on an estimator with the same parameters, which
        are not in it. It predicts the same, and `partial_fit` and `warm_start` go on bit
        for bit.

        Returns
        -------
        state : dict of str -> ndarray
            Copies, none of type object: numbers, strings, under 'structure' a text in
            JSON that says how they belong together, and under 'origin' the class, the
            format and the release. Of a model of another array library (PyTorch's
            tensors, say) they are NumPy's too, and so is the model that gets them.

        Raises
        ------
        NotFittedError
            If the estimator has not been fitted.
        TypeError
            If a fitted attribute has been set to what no array can hold.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn_nn import SGDLogisticClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> state = SGDLogisticClassifier().fit(X, y).get_state()
        >>> SGDLogisticClassifier().set_state(state).score(X, y)
        0.98
        """
        self._check_fitted()
        learned = {"fitted": fitted_attributes(self), "checkpoint": self._checkpoint}
        arrays = to_arrays(learned, RECORDS, own_objects(self))
        origin = (type(self).__name__, str(FORMAT), __version__)
        return {**arrays, "origin": np.array(origin)}

    def set_state(self, state):
        """Make the model that of `get_state`; see there.

        Parameters
        ----------
        state : mapping of str -> ndarray
            From `get_state` of an estimator of this class with the same constructor
            parameters: where others differ from those that training had, they act as
            after `set_params` on the fitted model. Its arrays are copied.

        Returns
        -------
        self : estimator
            The estimator, fitted as the one that the state is from. A RandomState that it
            was given stays where it is: training goes on with that of the state.

        Raises
        ------
        ValueError
            If the state is of another class or a newer format, lacks something, or has
            other layers than the parameters say. The estimator stays as it was.
        """
        self._check_parameters()
        restored = copy.copy(self)
        for name in fitted_attributes(self):
            delattr(restored, name)
        try:
            version = checked_origin(state["origin"], type(self).__name__)
            with naming_release(version):
                learned = from_arrays(state, READERS, own_objects(self))
                checkpoint = with_new_parameters(learned["checkpoint"], type(self))
                vars(restored).update(with_new_attributes(learned["fitted"]))
                restored._checkpoint = checkpoint
                check_consistent(restored)
        except (ValueError, TypeError, AttributeError, LookupError) as error:
            # A state that was cut or edited may fail anywhere.
            raise ValueError(
                f"The state does not fit {type(self).__name__}: {reason(error)}. Expected "
                "what get_state of an estimator with the same class and parameters "
                "returned; the estimator is as it was."
            ) from error
        vars(self).clear()
        vars(self).update(vars(restored))
        return self

    def __copy__(self):
        # As Python would without __getstate__; callbacks ask for a copy in every epoch.
        copied = type(self).__new__(type(self))
        vars(copied).update(vars(self))
        return copied

    def __getstate__(self):
        state = dict(super().__getstate__())
        # A sparse matrix, too, is to skops a class that has to be trusted.
        made_plain = [
            name
            for name, value in state.items()
            if name == "_checkpoint" or isinstance(value, csr_matrix)
        ]
        state |= {name: plain(state[name], RECORDS) for name in made_plain}
        origin = {"format": FORMAT, "version": __version__, "plain": made_plain}
        return {**state, ORIGIN: origin}

    def __setstate__(self, state):
        state = dict(state)
        origin = state.pop(ORIGIN, None)
        if origin is None:  # the first code left records as they were
            version, made_plain = "0.1.0", [n for n in state if n == "_checkpoint"]
            # They may lack a field of today.
            state |= {name: plain(state[name], RECORDS) for name in made_plain}
        else:
            version, made_plain = origin["version"], origin["plain"]
            check_format(origin["format"], version)
        with naming_release(version):
            state |= {name: rebuilt(state[name], READERS) for name in made_plain}
        if "_checkpoint" in state:
            checkpoint = with_new_parameters(state["_checkpoint"], type(self))
            state = with_new_attributes({**state, "_checkpoint": checkpoint})
        super().__setstate__({**new_parameters(state, type(self)), **state})


@contextmanager
def naming_release(version):
    """Add to an error which release has stored the model, if it is not this one."""
    try:
        yield
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        if version == __version__:
            raise
        raise ValueError(
            f"{reason(error)}. The model was stored by sklearn_nn {version}, and this is "
            f"sklearn_nn {__version__}: load it with the former, or train anew."
        ) from error


def fitted_attributes(estimator):
    """Return {name: value} of what scikit-learn takes for fitted attributes."""
    return {
        name: value
        for name, value in vars(estimator).items()
        if name.endswith("_") and not name.startswith("_")
    }


def with_new_attributes(known):
    """Return {name: value} with the fitted attributes that came with a later release."""
    missing = [name for name in NEW_ATTRIBUTES if name not in known]
    return {**known, **{name: NEW_ATTRIBUTES[name](known) for name in missing}}


def own_objects(estimator):
    """Return {name: value} of the parameters that `path_parameters` does not copy."""
    return {
        name: value
        for name, value in constructor_parameters(estimator)
        if isinstance(value, np.random.RandomState) or callable(value)
    }


def new_parameters(known, estimator_class):
    """Return {name: default} of the constructor parameters that are not in `known`.

    They came with a later release, in which the default does what was done before.
    """
    missing = estimator_class._parameter_constraints.keys() - known.keys()
    if not missing:  # reading a signature takes long
        return {}
    parameters = inspect.signature(estimator_class).parameters
    return {name: p.default for name, p in parameters.items() if name in missing}


def with_new_parameters(checkpoint, estimator_class):
    """Return the checkpoint with all parameters that decide the path."""
    new = new_parameters(checkpoint.parameters, estimator_class)
    new = {name: value for name, value in new.items() if name not in NOT_THE_PATH}
    return replace(checkpoint, parameters={**new, **checkpoint.parameters})


def check_format(stored_format, version):
    """Raise ValueError if a newer release has stored in a way that is not known here."""
    if stored_format > FORMAT:
        raise ValueError(
            f"The model was stored by sklearn_nn {version} in format {stored_format}; this "
            f"is sklearn_nn {__version__}, which reads formats up to {FORMAT}. "
            f"Install sklearn_nn {version} or later to load it."
        )


def checked_origin(origin, class_name):
    """Return the release that a state is of; raise ValueError if it does not fit here."""
    stored_class, stored_format, version = np.asarray(origin).tolist()
    check_format(int(stored_format), version)
    if stored_class != class_name:
        raise ValueError(f"it is of the class {stored_class}")
    return version


def check_consistent(estimator):
    """Raise ValueError unless all arrays have the shapes that belong together."""
    checkpoint, n_features = estimator._checkpoint, estimator.n_features_in_
    architecture, encoding = checkpoint.architecture, checkpoint.encoding
    check_kinds(checkpoint, checkpoint.state, checkpoint.state.progress)
    check_kinds(architecture, encoding, checkpoint.weight_scale)
    wanted = estimator._architecture(n_features, encoding.n_outputs)
    check_equal("layer sizes", architecture.layer_sizes, wanted.layer_sizes)
    n_activations = len(wanted.activations)
    check_equal("number of activations", len(architecture.activations), n_activations)
    unknown = set(architecture.activations) - set(ACTIVATIONS)
    if unknown:
        raise ValueError(f"it has the activations {unknown}, which are not known here")
    check_equal("classes_", list(estimator.classes_), list(encoding.classes))
    architecture.flatten(estimator._layers())  # raises if the shapes are others
    state, shape = checkpoint.state, (architecture.n_parameters,)
    vectors = [state.theta, checkpoint.shown_theta, *state.slots]
    vectors += [v for v in (state.average, state.progress.best_theta) if v is not None]
    for vector in vectors:
        check_equal("shape of a vector of parameters", vector.shape, shape)
        check_equal("kind of its numbers", vector.dtype.kind, "f")
    for random_state in (state.random_state, checkpoint.split_random_state):
        np.random.RandomState(0).set_state(random_state)  # raises if it is none
    check_past(state.past, n_features, architecture.layer_sizes[-1])


def check_kinds(*records):
    """Raise ValueError unless numbers, strings and tuples stand where they should."""
    for record in records:
        for name, kind in type(record).__annotations__.items():
            value = getattr(record, name)
            if not isinstance(value, KINDS.get(kind, object)):
                raise ValueError(f"{name} should be {kind.__name__}, and it is {value!r}")


def check_past(past, n_features, n_outputs):
    """Raise ValueError unless what is known of rows is of a model of this shape."""
    if past is None:
        return
    if isinstance(past, stream.StreamState):
        arrays, wanted = past, stream.begin(n_features, n_outputs)
    else:
        coordinates, diagonal, _, _ = past
        arrays = (*coordinates, diagonal)
        one, all_parameters = np.zeros(n_features), np.zeros((n_features + 1, n_outputs))
        wanted = (one, one, all_parameters)
    shapes = [[np.shape(array) for array in each] for each in (arrays, wanted)]
    check_equal("shapes of what is known of rows", *shapes)


def check_equal(name, given, wanted):
    """Raise ValueError unless a state has what belongs there."""
    if given != wanted:
        raise ValueError(f"the {name} should be {wanted}, and it has {given}")


def reason(error):
    """Return what went wrong with a state, in words; a KeyError only has the key."""
    if isinstance(error, KeyError):
        return f"it lacks {error.args[0]!r}"
    return str(error).rstrip(".")
