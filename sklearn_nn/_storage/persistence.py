"""Storage of models: pickles, and flat dicts of arrays.

A stored model consists of plain containers, numbers, strings and arrays (plain.py), and
states its format. So later releases, whose records and constructors may have more fields
and parameters, can load it, or raise an error that says why not.
"""

import copy
import inspect
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from numbers import Integral, Real
from types import UnionType
from typing import Any, get_args, get_type_hints

import numpy as np
from scipy.sparse import csr_matrix

from .._data.labels import Encoding
from .._data.sample_weights import WeightScale
from .._engine.epochs.records import EpochMemory
from .._engine.generators import generator_at
from .._engine.newton import experts
from .._engine.newton.coordinates import Coordinates
from .._engine.newton.records import KnownRows, NewtonMemory
from .._engine.objective.activations import ACTIVATIONS
from .._engine.objective.penalties import Penalty
from .._engine.types import Architecture, Curves, Progress, TrainingState
from .._parameters import check, check_values, constructor_parameters
from .._table.bins import Bins
from .._table.encoder import TableEncoder
from .._table.schema import Schema
from .._version import __version__
from .checkpoint import NOT_THE_PATH, Checkpoint
from .history import History
from .plain import from_arrays, plain, rebuilt, to_arrays

# Increase it when earlier releases can no longer read what this one stores. READERS must
# refuse what this one can no longer read. The first release has 1.
FORMAT = 1
# The memory records of the training methods.
MEMORIES = (EpochMemory, NewtonMemory, experts.StreamMemory)
# All records that a stored model may contain.
RECORDS = (
    Checkpoint,
    TrainingState,
    Progress,
    *MEMORIES,
    KnownRows,
    Coordinates,
    Penalty,
    Architecture,
    Encoding,
    WeightScale,
    TableEncoder,
    Bins,
    Schema,
)
# If a class loses or renames a field, replace it here by a function of the stored fields.
READERS = {record.__name__: record for record in RECORDS}
# Types of a field of a record, by its annotation; numbers may be NumPy's.
KINDS = {int: Integral, float: Real, Any: object}
# Key of the format in a pickle.
ORIGIN = "_sklearn_nn_origin"


def state_of(estimator):
    """Return the result of `get_state` for a fitted estimator."""
    learned = {
        "fitted": fitted_attributes(estimator),
        "checkpoint": estimator._checkpoint,
        "history": estimator._history.values(),
    }
    arrays = to_arrays(learned, RECORDS, own_objects(estimator))
    origin = (type(estimator).__name__, str(FORMAT), __version__)
    return {**arrays, "origin": np.array(origin)}


def restore(estimator, state):
    """Restore the estimator from `state_of`, or raise ValueError and change nothing."""
    check(estimator)
    restored = without_fitted(estimator)
    with unfit_state(estimator):
        version = checked_origin(state["origin"], type(estimator).__name__)
        with naming_release(version):
            learned = from_arrays(state, READERS, own_objects(estimator))
            checkpoint = with_new_parameters(learned["checkpoint"], type(estimator))
            vars(restored).update(learned["fitted"])
            restored._checkpoint = checkpoint
            check_consistent(restored, learned["history"])
            restored._history = History.of(learned["history"])
    replace_attributes(estimator, restored)


def state_of_folds(estimator):
    """Return the result of `get_state` for a fitted estimator with a network per fold."""
    fitted = fitted_attributes(estimator)
    networks = fitted.pop("estimators_")
    parameters = [network.get_params() for network in networks]
    arrays = to_arrays({"fitted": fitted, "parameters": parameters}, RECORDS, {})
    for k, network in enumerate(networks):
        state = network.get_state()
        arrays |= {prefix_of(k) + name: array for name, array in state.items()}
    origin = (type(estimator).__name__, str(FORMAT), __version__)
    return {**arrays, "origin": np.array(origin)}


def restore_folds(estimator, state, network_class):
    """Restore the estimator from `state_of_folds`, or raise and change nothing."""
    check_values(estimator)
    restored = without_fitted(estimator)
    with unfit_state(estimator):
        version = checked_origin(state["origin"], type(estimator).__name__)
        with naming_release(version):
            learned = from_arrays(state, READERS, {})
            networks = []
            for k, parameters in enumerate(learned["parameters"]):
                prefix = prefix_of(k)
                names = [name for name in state if name.startswith(prefix)]
                part = {name.removeprefix(prefix): state[name] for name in names}
                networks.append(network_class(**parameters).set_state(part))
            vars(restored).update(learned["fitted"], estimators_=networks)
            check_folds(restored)
    replace_attributes(estimator, restored)


def prefix_of(k: int) -> str:
    """Return the beginning of the names of arrays of the network of fold k."""
    return f"network_{k}."


def without_fitted(estimator):
    """Return a copy of the estimator without fitted attributes."""
    copied = copy.copy(estimator)
    for name in fitted_attributes(estimator):
        delattr(copied, name)
    return copied


def replace_attributes(estimator, restored):
    """Give the estimator the attributes of another one."""
    vars(estimator).clear()
    vars(estimator).update(vars(restored))


@contextmanager
def unfit_state(estimator):
    """Raise ValueError for any error: a truncated or edited state may fail anywhere."""
    try:
        yield
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        raise ValueError(
            f"The state does not fit {type(estimator).__name__}: {reason(error)}. Expected "
            "the result of get_state of an estimator with the same class and parameters. "
            "The estimator is unchanged."
        ) from error


def to_pickle(attributes):
    """Return the attributes of an estimator for a pickle, in plain containers."""
    state = dict(attributes)
    if "_history" in state:
        state["_history"] = state["_history"].values().copy()
    # skops would not trust a sparse matrix without asking the user.
    made_plain = [
        name
        for name, value in state.items()
        if name in ("_checkpoint", "encoders_") or isinstance(value, csr_matrix)
    ]
    state |= {name: plain(state[name], RECORDS) for name in made_plain}
    origin = {"format": FORMAT, "version": __version__, "plain": made_plain}
    return {**state, ORIGIN: origin}


def from_pickle(state, estimator_class):
    """Check the format of a pickle; return the attributes that `to_pickle` stored."""
    state = dict(state)
    if ORIGIN not in state:
        raise ValueError(
            f"This is not a pickle of {estimator_class.__name__}: it does not state its "
            "format. Expected the result of pickle.dumps of an estimator."
        )
    origin = state.pop(ORIGIN)
    check_format(origin["format"], origin["version"])
    with naming_release(origin["version"]):
        state |= {name: rebuilt(state[name], READERS) for name in origin["plain"]}
    if "_checkpoint" in state:
        if "_history" not in state:
            raise ValueError(
                f"This pickle of {estimator_class.__name__} is incomplete: it has a model, "
                "but not '_history', its curves."
            )
        checkpoint = with_new_parameters(state["_checkpoint"], estimator_class)
        state["_checkpoint"] = checkpoint
        state["_history"] = History.of(state["_history"])
    return {**new_parameters(state, estimator_class), **state}


@contextmanager
def naming_release(version):
    """Add to an error which release stored the model, if it was another one."""
    try:
        yield
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        if version == __version__:
            raise
        raise ValueError(
            f"{reason(error)}. The model was stored by sklearn_nn {version}, and this is "
            f"sklearn_nn {__version__}: load it with the former, or train a new model."
        ) from error


def fitted_attributes(estimator):
    """Return {name: value} of the attributes that are fitted by scikit-learn's rule."""
    return {
        name: value
        for name, value in vars(estimator).items()
        if name.endswith("_") and not name.startswith("_")
    }


def own_objects(estimator):
    """Return {name: value} of the parameters that are generators or callables."""
    return {
        name: value
        for name, value in constructor_parameters(estimator)
        if isinstance(value, np.random.RandomState) or callable(value)
    }


def new_parameters(known, estimator_class):
    """Return {name: default} of the constructor parameters that are not in `known`.

    They were added by a later release, whose defaults keep the earlier behaviour.
    """
    missing = estimator_class._parameter_constraints.keys() - known.keys()
    if not missing:  # reading a signature is slow
        return {}
    parameters = inspect.signature(estimator_class).parameters
    return {name: p.default for name, p in parameters.items() if name in missing}


def with_new_parameters(checkpoint, estimator_class):
    """Return the checkpoint with all parameters that determine the path."""
    new = new_parameters(checkpoint.parameters, estimator_class)
    new = {name: value for name, value in new.items() if name not in NOT_THE_PATH}
    return replace(checkpoint, parameters={**new, **checkpoint.parameters})


def check_format(stored_format, version):
    """Raise ValueError if the format is newer than this release can read."""
    if stored_format > FORMAT:
        raise ValueError(
            f"The model was stored by sklearn_nn {version} in format {stored_format}; this "
            f"is sklearn_nn {__version__}, which reads formats up to {FORMAT}. "
            f"Install sklearn_nn {version} or later to load it."
        )


def checked_origin(origin, class_name):
    """Return the release that stored a state; raise ValueError for another class."""
    stored_class, stored_format, version = np.asarray(origin).tolist()
    check_format(int(stored_format), version)
    if stored_class != class_name:
        raise ValueError(f"it is of the class {stored_class}")
    return version


def check_consistent(estimator, history):
    """Raise ValueError unless all arrays have consistent shapes and types.

    `history` holds the values of the estimator's curves.
    """
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
        raise ValueError(f"it has the unknown activations {unknown}")
    check_equal("classes_", list(estimator.classes_), list(encoding.classes))
    architecture.flatten(estimator._layers())  # raises if shapes differ
    state = checkpoint.state
    check_vectors(architecture, state.theta, checkpoint.model_theta)
    check_vectors(architecture, state.progress.best_theta)
    check_memory(state.memory, architecture)
    for random_state in (state.random_state, checkpoint.start_random_state):
        generator_at(random_state)  # raises if it is not one
    shape = np.shape(history)
    check_equal("shape of the curves", shape, (len(Curves._fields), *shape[-1:]))
    check_equal("dtype of the curves", history.dtype, np.float64)


def check_folds(estimator):
    """Raise ValueError unless each network has an encoder that fits it."""
    networks, encoders = estimator.estimators_, estimator.encoders_
    check_equal("number of encoders", len(encoders), len(networks))
    if not networks:
        raise ValueError("it has no networks")
    for encoder, network in zip(encoders, networks, strict=True):
        check_encoder(encoder)
        check_equal("schema", encoder.schema, encoders[0].schema)
        n_columns = len(encoder.get_feature_names_out())
        check_equal("number of encoded columns", n_columns, network.n_features_in_)
        check_equal("classes_", list(network.classes_), list(estimator.classes_))
    n_features = len(encoders[0].schema.names)
    check_equal("number of columns", n_features, estimator.n_features_in_)
    if not (isinstance(estimator.temperature_, float) and estimator.temperature_ > 0):
        raise ValueError(
            f"temperature_ should be positive, but is {estimator.temperature_}"
        )


def check_encoder(encoder):
    """Raise ValueError unless the arrays of an encoder have consistent shapes."""
    if not isinstance(encoder, TableEncoder):
        raise ValueError(f"encoders_ has {encoder!r}, which is no encoder")
    check_kinds(encoder, encoder.schema)
    schema = encoder.schema
    columns = sorted([*schema.numeric, *schema.categorical])
    check_equal("columns", columns, list(range(len(schema.names))))
    check_equal("number of vocabularies", len(schema.vocabularies), len(schema.categorical))
    for name in ("centre", "scale", "has_indicator"):
        shape = np.shape(getattr(encoder, name))
        check_equal(f"shape of {name}", shape, (len(schema.numeric),))
    check_bins(encoder.bins, len(schema.numeric))
    for name in ("levels", "n_levels", "has_rare"):
        n = len(getattr(encoder, name))
        check_equal(f"length of {name}", n, len(schema.categorical))
    triples = zip(schema.vocabularies, encoder.levels, encoder.n_levels, strict=True)
    for vocabulary, levels, n_levels in triples:
        check_equal("number of codes", len(levels), len(vocabulary) + 2)
        # All levels but -1 occur, so that each has a name.
        used = np.unique(levels[levels >= 0]).tolist()
        check_equal("levels", used, list(range(n_levels)))


def check_bins(bins, n_numbers):
    """Raise ValueError unless the bins are those of numbers, in ascending order."""
    column, start, width = map(np.asarray, bins)
    check_equal("number of starts of bins", len(start), len(column))
    check_equal("number of widths of bins", len(width), len(column))
    check_equal("columns of bins", column.tolist(), sorted(column.tolist()))
    if len(column) and not (column[0] >= 0 and column[-1] < n_numbers and width.min() > 0):
        raise ValueError("bins should have columns of numbers, and positive widths")


def check_vectors(architecture, *vectors):
    """Raise ValueError unless all vectors that are not None have the shape of theta."""
    for vector in vectors:
        if vector is not None:
            shape = (architecture.n_parameters,)
            check_equal("shape of a parameter vector", vector.shape, shape)
            check_equal("kind of its dtype", vector.dtype.kind, "f")


def check_memory(memory, architecture):
    """Raise ValueError unless a method's memory belongs to a model of this shape."""
    if memory is None:
        return
    if not isinstance(memory, MEMORIES):
        raise ValueError(f"it has an unknown memory, {memory!r}")
    check_kinds(memory)
    n_features, n_outputs = architecture.layer_sizes[0], architecture.layer_sizes[-1]
    if isinstance(memory, EpochMemory):
        check_vectors(architecture, *memory.slots, memory.average)
        return
    if isinstance(memory, experts.StreamMemory):
        arrays, wanted = memory, experts.empty_memory(n_features, n_outputs)
        dtypes = {np.asarray(array).dtype for array in memory}
        check_equal("types of the memory's arrays", dtypes, {np.dtype(np.float64)})
    elif memory.known_rows is None:
        return
    else:
        check_kinds(memory.known_rows, memory.known_rows.penalty)
        arrays = (*memory.known_rows.coordinates, memory.known_rows.diagonal)
        one, all_parameters = np.zeros(n_features), np.zeros((n_features + 1, n_outputs))
        wanted = (one, one, all_parameters)
    shapes = [[np.shape(array) for array in each] for each in (arrays, wanted)]
    check_equal("shapes of the memory's arrays", *shapes)


@cache
def kinds_of(record_class):
    """Return {field: (classes that its value may have, their name)} of a record.

    An annotation that cannot be checked is an error, so that no field is left unchecked.
    """

    def kinds(annotation):
        if isinstance(annotation, UnionType):
            return sum(map(kinds, get_args(annotation)), start=())
        kind = KINDS.get(annotation, annotation)
        if not isinstance(kind, type):
            raise TypeError(
                f"{record_class.__name__} has a field of the type {annotation!r}, which "
                "cannot be checked: use a class, Any, or a union of them."
            )
        return (kind,)

    hints = get_type_hints(record_class)
    return {
        name: (kinds(annotation), getattr(annotation, "__name__", str(annotation)))
        for name, annotation in hints.items()
    }


def check_kinds(*records):
    """Raise ValueError unless all fields of the records have the annotated types."""
    for record in records:
        for name, (kinds, wanted) in kinds_of(type(record)).items():
            value = getattr(record, name)
            if not isinstance(value, kinds):
                raise ValueError(f"{name} should be {wanted}, but is {value!r}")


def check_equal(name, given, wanted):
    """Raise ValueError unless the two values are equal."""
    if given != wanted:
        raise ValueError(f"the {name} should be {wanted}, but it has {given}")


def reason(error):
    """Return the error's message without its full stop; for a KeyError, what is missing."""
    if isinstance(error, KeyError):
        return f"it lacks {error.args[0]!r}"
    return str(error).rstrip(".")
