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

import numpy as np
from scipy.sparse import csr_matrix, issparse

from .._engine.arrays import check_compressed
from .._parameters import check, check_values, constructor_parameters
from .._version import __version__
from . import contents, fold_contents
from .checkpoint import NOT_THE_PATH
from .entries import Known, check_random_state, naming, reason, wrong
from .history import History
from .plain import CONTAINERS, check_nesting, from_arrays, plain, rebuilt, to_arrays

# Increase it when earlier releases can no longer read what this one stores. READERS must
# refuse what this one can no longer read. The first release has 1.
FORMAT = 1
# All records that a stored model may contain.
RECORDS = (*contents.FIELDS, *fold_contents.FIELDS)
# If a class loses or renames a field, replace it here by a function of the stored fields.
READERS = {record.__name__: record for record in RECORDS}
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
    with unfit_state(estimator):
        restored = restored_from(estimator, state)
    replace_attributes(estimator, restored)


def restored_from(estimator, state):
    """Return a copy of the estimator that is fitted as a state says, or raise an error."""
    restored = without_fitted(estimator)
    version = checked_origin(state["origin"], type(estimator).__name__)
    with naming_release(version):
        learned = from_arrays(state, READERS, own_objects(estimator))
        vars(restored).update(checked_fitted(learned["fitted"], type(estimator)))
        restored._checkpoint = learned["checkpoint"]
        contents.check_history(learned["history"])
        restored._history = History.of(learned["history"])
        contents.check_model(restored)
        check_layer_sizes(restored)
    restored._checkpoint = with_new_parameters(restored._checkpoint, type(estimator))
    return restored


def check_layer_sizes(estimator):
    """Raise ValueError unless the model has the layers of the estimator's parameters."""
    architecture = estimator._checkpoint.architecture
    n_features, *_, n_outputs = given = architecture.layer_sizes
    wanted = estimator._architecture(n_features, n_outputs).layer_sizes
    if given != wanted:
        raise ValueError(f"the layer sizes should be {wanted}, but it has {given}")


def checked_fitted(fitted, estimator_class) -> dict:
    """Return fitted attributes; raise ValueError if a name is that of something else."""
    for name in fitted:
        if not is_fitted_name(name) or name in names_of_class(estimator_class):
            raise ValueError(f"it has the attribute {name!r}, which is not a fitted one")
    return fitted


def is_fitted_name(name) -> bool:
    """Return whether a name is that of a fitted attribute by scikit-learn's rule."""
    return name.endswith("_") and not name.startswith("_")


@cache
def names_of_class(estimator_class) -> frozenset:
    """Return the names, as of methods, that our classes and scikit-learn's define."""
    return frozenset().union(
        *(
            vars(base)
            for base in estimator_class.__mro__
            if base.__module__.split(".")[0] in ("sklearn_nn", "sklearn", "builtins")
        )
    )


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
            vars(restored).update(checked_fitted(learned["fitted"], type(estimator)))
            restored.estimators_ = [
                network_from(network_class, parameters, state, prefix_of(k))
                for k, parameters in enumerate(learned["parameters"])
            ]
            fold_contents.check_model(restored, network_class)
    replace_attributes(estimator, restored)


def network_from(network_class, parameters, state, prefix):
    """Return the network whose arrays in the state have names with this prefix."""
    names = [name for name in state if name.startswith(prefix)]
    part = {name.removeprefix(prefix): state[name] for name in names}
    with naming(prefix):
        network = network_class(**parameters)
        check(network)
        return restored_from(network, part)


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
    except Exception as error:
        raise ValueError(
            f"The state does not fit {type(estimator).__name__}: {reason(error)}. Expected "
            "the result of get_state of an estimator with the same class and parameters. "
            "The estimator is unchanged."
        ) from error


@contextmanager
def invalid_pickle(estimator_class):
    """Raise ValueError for any error: see `unfit_state`."""
    try:
        yield
    except Exception as error:
        name = estimator_class.__name__
        raise ValueError(
            f"This is not a valid pickle of {name}: {reason(error)}. Expected the result "
            "of pickle.dumps, joblib.dump or skops.io.dump of an estimator."
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


def from_pickle(state, estimator_class, check_learned) -> dict:
    """Check the content of a pickle; return the attributes that `to_pickle` stored.

    `check_learned` raises an error unless a fitted model, the argument, is valid.
    """
    with invalid_pickle(estimator_class):
        state = dict(state)
        if ORIGIN not in state:
            raise ValueError("it does not state its format")
        origin = state.pop(ORIGIN)
        check_origin(origin, state)
        check_format(origin["format"], origin["version"])
        with naming_release(origin["version"]):
            state |= {name: learned(state[name], name) for name in origin["plain"]}
            return checked_attributes(state, estimator_class, check_learned)


def check_origin(origin, state):
    """Raise ValueError unless format, release and plain entries of a pickle are stated."""
    valid = (
        type(origin) is dict
        and type(origin.get("format")) is int
        and isinstance(origin.get("version"), str)
        and type(origin.get("plain")) is list
        and all(isinstance(name, str) and name in state for name in origin["plain"])
    )
    if not valid:
        raise wrong(ORIGIN, "a dict of format, version and names of plain entries", origin)


def learned(value, name):
    """Return what a pickle contains in plain containers, rebuilt."""
    with naming(f"{name}: "):
        check_nesting(value, is_tree=True)
    return rebuilt(value, READERS, name=name)


def checked_attributes(state, estimator_class, check_learned) -> dict:
    """Return the attributes of a pickled estimator, or raise an error."""
    names = names_of_class(estimator_class)
    for name, value in state.items():
        if not isinstance(name, str) or name in names:
            raise ValueError(f"it has the attribute {name!r}, which is not a fitted one")
        if isinstance(value, CONTAINERS):
            check_nesting(value)
        if issparse(value):
            check_compressed(value, name)
        if isinstance(value, np.random.RandomState):
            check_random_state(value, name, Known({}, {}))
    state = {**new_parameters(state.keys(), estimator_class), **state}
    if "_history" in state:
        contents.check_history(state["_history"])
        state["_history"] = History.of(state["_history"])
    model = estimator_class.__new__(estimator_class)
    vars(model).update(state)
    check_learned(model)
    if "_checkpoint" in state:
        checkpoint = with_new_parameters(state["_checkpoint"], estimator_class)
        state["_checkpoint"] = checkpoint
    return state


@contextmanager
def naming_release(version):
    """Add to an error which release stored the model, if it was another one."""
    try:
        yield
    except Exception as error:
        if version == __version__:
            raise
        raise ValueError(
            f"{reason(error)}. The model was stored by sklearn_nn {version}, and this is "
            f"sklearn_nn {__version__}: load it with the former, or train a new model."
        ) from error


def fitted_attributes(estimator):
    """Return {name: value} of the attributes that are fitted by scikit-learn's rule."""
    return {name: value for name, value in vars(estimator).items() if is_fitted_name(name)}


def own_objects(estimator):
    """Return {name: value} of the parameters that are generators or callables."""
    return {
        name: value
        for name, value in constructor_parameters(estimator)
        if isinstance(value, np.random.RandomState) or callable(value)
    }


def new_parameters(known, estimator_class):
    """Return {name: default} of the constructor parameters whose names are not `known`.

    They were added by a later release, whose defaults keep the earlier behaviour.
    """
    missing = estimator_class._parameter_constraints.keys() - known
    if not missing:  # reading a signature is slow
        return {}
    parameters = inspect.signature(estimator_class).parameters
    return {name: p.default for name, p in parameters.items() if name in missing}


def with_new_parameters(checkpoint, estimator_class):
    """Return the checkpoint with all parameters that determine the path."""
    new = new_parameters({*checkpoint.parameters, *NOT_THE_PATH}, estimator_class)
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
    origin = np.asarray(origin)
    if origin.shape != (3,) or origin.dtype.kind != "U" or not origin[1].isdecimal():
        raise wrong("origin", "strings: class, format and release", origin)
    stored_class, stored_format, version = origin.tolist()
    check_format(int(stored_format), version)
    if stored_class != class_name:
        raise ValueError(f"it is of the class {stored_class}")
    return version
