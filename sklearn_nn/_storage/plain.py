"""Conversion of records to plain containers and back, so that a stored model does not
depend on the package's classes.

A plain value is None, a bool, a number, a string, an array, a list of plain values, or a
dict with one tag:

    {"record": class name, "fields": {name: plain value}}     a dataclass or NamedTuple
    {"tuple": [plain values]}
    {"dict": [[plain key, plain value], ...]}
    {"floats": array}                                         a list of floats
    {"csr": [data, indices, indptr], "shape": [rows, columns]}  a sparse matrix

If a record has gained a field since it was stored, the field gets its default.
"""

import json
from dataclasses import is_dataclass

import numpy as np
from scipy.sparse import csr_matrix, issparse

from .._engine.arrays import to_numpy

PLAIN = (type(None), bool, int, float, str)
STRUCTURE = "structure"  # key of the JSON text in a flat dict of arrays


def unchanged(value, name):
    """Return the value: for a store, like pickle, that takes any Python object."""
    return value


def plain(value, records, leaf=unchanged, name=""):
    """Convert a value to a plain one.

    `records` are the dataclasses and NamedTuples that it may contain; any other class of
    the package raises TypeError. `leaf` is a callable (value, name) -> plain value, for
    arrays and all other values that are not containers. A part of a value is named
    '<name>.<part>'.
    """

    def part(value, key):
        return plain(value, records, leaf, f"{name}.{key}" if name else str(key))

    kind = type(value)
    if kind in PLAIN:
        return value
    if kind in records:
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
        raise TypeError(
            f"{kind.__name__} cannot be stored; add it to RECORDS of persistence.py."
        )
    return leaf(value, name)


def unknown_tag(tagged):
    """Raise ValueError for a dict with an unknown tag."""
    raise ValueError(f"expected a known tag, got {sorted(tagged)}.")


def rebuilt(value, readers, leaf=unknown_tag):
    """Convert a plain value back.

    `readers` is a dict of class name -> callable (**fields) -> record. Raise ValueError if
    a record is unknown, lacks a field, or has an unknown one. `leaf` is a callable dict ->
    value, for tags that only the caller knows.
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
    """Return the record of this class name with the stored fields."""
    if name not in readers:
        raise ValueError(f"{name} is not a record; expected one of {', '.join(readers)}.")
    try:
        return readers[name](**fields)
    except TypeError as error:  # a missing or unknown field
        raise ValueError(f"{name} was stored with other fields: {error}.") from error


def to_arrays(value, records, own):
    """Convert a value to a flat dict of copied arrays that need no pickle.

    Each array gets its name ('checkpoint.state.theta'), and the rest is JSON under
    'structure'. An array that occurs twice is stored once. `own` is a dict of generators
    and functions, which are compared by identity: they are only named, and `from_arrays`
    inserts its own. Raise TypeError if arrays cannot hold a value.
    """
    arrays, names = {}, {}

    def stored(array, name):
        # Keeps the array alive, because only then its id is unique.
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
        # Arrays of any library of the array API.
        if hasattr(value, "__dlpack__"):
            return {"array": stored(value, name)}
        if isinstance(value, np.generic):
            return {"number": stored(value, name)}
        if isinstance(value, (dict, list, tuple)):  # of a user's subclass
            kind = next(k for k in (dict, list, tuple) if isinstance(value, k))
            return plain(kind(value), records, leaf, name)
        raise TypeError(
            f"{name} is a {type(value).__name__}, which arrays cannot hold. Pickle the "
            "estimator, or replace the value by numbers, strings or arrays."
        )

    structure = plain(value, records, leaf)
    # As bytes: a NumPy string takes four bytes per character.
    return {**arrays, STRUCTURE: np.array(json.dumps(structure).encode())}


def from_arrays(arrays, readers, own):
    """Convert the result of `to_arrays`, or an open file of np.savez, back; copy arrays.

    Raise ValueError, KeyError or TypeError for anything else.
    """
    copies = {}

    def leaf(tagged):
        if "own" in tagged:
            # If there is none, a new object, which differs from all others.
            return own.get(tagged["own"], np.random.RandomState(0))
        if "objects" in tagged:
            objects = np.empty(len(tagged["objects"]), dtype=object)
            objects[:] = rebuilt(tagged["objects"], readers, leaf)
            return objects.reshape(tagged["shape"])
        if "array" in tagged:
            name = tagged["array"]
            if name not in copies:  # an array that occurs twice is copied once
                copies[name] = np.array(arrays[name])
            return copies[name]
        if "number" in tagged:
            return np.asarray(arrays[tagged["number"]])[()]
        return unknown_tag(tagged)

    structure = json.loads(np.asarray(arrays[STRUCTURE]).item())
    return rebuilt(structure, readers, leaf)
