"""Our records as plain containers, and back: what is stored outlives the classes.

A plain value is None, a bool, a number, a string, an array, a list of plain values, or a
dict with one tag and what it stands for:

    {"record": class name, "fields": {name: plain value}}     a dataclass or NamedTuple
    {"tuple": [plain values]}
    {"dict": [[plain key, plain value], ...]}
    {"floats": array}                                         a list of floats
    {"csr": [data, indices, indptr], "shape": [rows, columns]}  a sparse matrix

A field that a record has gained since is left to its default when the record is read.
"""

import json
from dataclasses import is_dataclass

import numpy as np
from scipy.sparse import csr_matrix, issparse

from .._engine.arrays import to_numpy

PLAIN = (type(None), bool, int, float, str)
STRUCTURE = "structure"  # the name of what says how the arrays of a flat dict belong


def as_it_is(value, name):
    """Return the value: for a store that takes whatever Python can hold."""
    return value


def plain(value, records, leaf=as_it_is, name=""):
    """Return a value as a plain one.

    Parameters
    ----------
    value : any
    records : tuple of classes
        The dataclasses and NamedTuples that may be in it.
    leaf : callable (value, name) -> plain value
        For arrays and all else that is no container.
    name : str
        Of the value, to which those of its parts are appended after a dot.

    Raises
    ------
    TypeError
        If a class of this package is not among the records.
    """

    def part(value, key):
        return plain(value, records, leaf, f"{name}.{key}" if name else str(key))

    kind = type(value)
    if kind in PLAIN:
        return value
    if kind in records:
        # An instance out of an old pickle may lack fields that its class now has.
        fields = vars(value) if is_dataclass(value) else value._asdict()
        parts = {key: part(field, key) for key, field in fields.items()}
        return {"record": kind.__name__, "fields": parts}
    if kind is list and value and all(type(item) is float for item in value):
        return {"floats": leaf(np.array(value), name)}
    if kind in (list, tuple):
        parts = [part(item, i) for i, item in enumerate(value)]
        return parts if kind is list else {"tuple": parts}
    if issparse(value):
        csr = value.tocsr()
        arrays = (csr.data, csr.indices, csr.indptr)
        return {"csr": [part(a, i) for i, a in enumerate(arrays)], "shape": list(csr.shape)}
    if kind is dict:
        pairs = [[part(key, "keys"), part(item, key)] for key, item in value.items()]
        return {"dict": pairs}
    if kind.__module__.startswith("sklearn_nn."):
        raise TypeError(f"{kind.__name__} is to be stored; add it to the known records.")
    return leaf(value, name)


def unknown_tag(tagged):
    """Raise ValueError: no part of a plain value has other tags."""
    raise ValueError(f"expected a known tag, got {sorted(tagged)}.")


def rebuilt(value, readers, leaf=unknown_tag):
    """Return what `plain` has made plain.

    Parameters
    ----------
    value : plain value
    readers : dict of class name -> callable (**fields) -> record
    leaf : callable dict -> value
        The way back for tags that only the caller knows.

    Raises
    ------
    ValueError
        If a record is not known, lacks a field, or has one that is not known.
    """

    def part(value):
        return rebuilt(value, readers, leaf)

    if isinstance(value, list):
        return [part(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "record" in value:
        fields = {key: part(field) for key, field in value["fields"].items()}
        return record_of(value["record"], fields, readers)
    if "tuple" in value:
        return tuple(part(item) for item in value["tuple"])
    if "dict" in value:
        return {part(key): part(item) for key, item in value["dict"]}
    if "floats" in value:
        return part(value["floats"]).tolist()
    if "csr" in value:
        return csr_matrix(tuple(part(value["csr"])), shape=tuple(value["shape"]))
    return leaf(value)


def record_of(name, fields, readers):
    """Return the record of a class with the fields that were stored."""
    if name not in readers:
        raise ValueError(f"{name} is no record; expected one of {', '.join(readers)}.")
    try:
        return readers[name](**fields)
    except TypeError as error:  # a field too few or too many, as Python says
        raise ValueError(f"{name} was stored with other fields: {error}.") from error


def to_arrays(value, records, own):
    """Return a value as a flat dict of arrays that need no pickle.

    Parameters
    ----------
    value : any
    records : tuple of classes
    own : dict of str -> object
        What is not stored but named, if it is found: generators and functions, which are
        what they are by identity. `from_arrays` puts its own in their places.

    Returns
    -------
    dict of str -> ndarray
        Copies, each array under the name of its place ('checkpoint.state.theta'), and
        under 'structure' the rest as JSON. An array in two places is there once.

    Raises
    ------
    TypeError
        If there is something that no array can hold.
    """
    arrays, names = {}, {}

    def stored(array, name):
        # The array is kept beside its name: an id is unique only while it lives.
        first_name, _ = names.setdefault(id(array), (name, array))
        if first_name == name:
            arrays[name] = np.array(to_numpy(array))
        return first_name

    def leaf(value, name):
        own_names = [key for key, mine in own.items() if value is mine]
        if own_names:
            return {"own": own_names[0]}
        if isinstance(value, np.random.RandomState) or callable(value):
            return {"own": None}
        if isinstance(value, np.ndarray) and value.dtype == object:
            items = plain(value.ravel().tolist(), records, leaf, name)
            return {"objects": items, "shape": list(value.shape)}
        # Arrays of other libraries too, by what the array API has for their exchange.
        if hasattr(value, "__dlpack__"):
            return {"array": stored(value, name)}
        if isinstance(value, np.generic):
            return {"number": stored(value, name)}
        if isinstance(value, (dict, list, tuple)):  # of a class of the user's
            kind = next(k for k in (dict, list, tuple) if isinstance(value, k))
            return plain(kind(value), records, leaf, name)
        raise TypeError(
            f"{name} is a {type(value).__name__}, which cannot be kept in an array. Pickle "
            "the estimator, or set what it is to numbers, strings or arrays."
        )

    structure = plain(value, records, leaf)
    # ASCII, as one number a character would take four bytes.
    return {**arrays, STRUCTURE: np.array(json.dumps(structure).encode())}


def from_arrays(arrays, readers, own):
    """Return what `to_arrays` has made flat; arrays are copied.

    Parameters
    ----------
    arrays : mapping of str -> array
        Also an open file of np.savez.
    readers : dict of class name -> callable (**fields) -> record
    own : dict of str -> object

    Raises
    ------
    ValueError, KeyError, TypeError
        If it is not such a dict.
    """
    copies = {}

    def leaf(tagged):
        if "own" in tagged:
            # Or what nobody else has, so that it differs from anything.
            return own.get(tagged["own"], np.random.RandomState(0))
        if "objects" in tagged:
            objects = np.empty(len(tagged["objects"]), dtype=object)
            objects[:] = rebuilt(tagged["objects"], readers, leaf)
            return objects.reshape(tagged["shape"])
        if "array" in tagged:
            name = tagged["array"]
            if name not in copies:  # what was one array is one again
                copies[name] = np.array(arrays[name])
            return copies[name]
        if "number" in tagged:
            return np.asarray(arrays[tagged["number"]])[()]
        return unknown_tag(tagged)

    structure = json.loads(np.asarray(arrays[STRUCTURE]).item())
    return rebuilt(structure, readers, leaf)
