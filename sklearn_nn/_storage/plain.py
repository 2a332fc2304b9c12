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

from .._engine.arrays import check_compressed, to_numpy
from .entries import naming, reason

# Containers in containers; what the package stores has about 20 levels.
DEEPEST = 60
PLAIN = (type(None), bool, int, float, str)
CONTAINERS = (dict, list, tuple)
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
        # Names need not be unique: `to_arrays` makes them so.
        pairs = [[part(key, "keys"), part(item, key)] for key, item in value.items()]
        return {"dict": pairs}
    if kind.__module__.startswith("sklearn_nn."):
        raise TypeError(
            f"{kind.__name__} cannot be stored; add it to FIELDS of contents.py."
        )
    return leaf(value, name)


def unknown_tag(tagged, name):
    """Raise ValueError for a dict with an unknown tag."""
    raise ValueError(f"expected a known tag, got {sorted(tagged)}")


class MalformedError(ValueError):
    """A part of a stored value is not as `plain` makes it; the message names the part."""


def rebuilt(value, readers, leaf=unknown_tag, name=""):
    """Convert a plain value back.

    `readers` is a dict of class name -> callable (**fields) -> record. Raise MalformedError
    if a record is unknown, lacks a field, or has an unknown one, or for any other value
    that is not plain. `leaf` is a callable (dict, name) -> value, for tags that only the
    caller knows.
    """
    try:
        return rebuilt_part(value, readers, leaf, name)
    except MalformedError:
        raise
    except Exception as error:
        raise MalformedError(f"{name}: {reason(error)}") from error


def rebuilt_part(value, readers, leaf, name):
    """Return the result of `rebuilt`, or raise any error."""

    def part(value, key):
        return rebuilt(value, readers, leaf, f"{name}.{key}" if name else str(key))

    if isinstance(value, list):
        return [part(item, i) for i, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    if "record" in value:
        fields = {key: part(field, key) for key, field in value["fields"].items()}
        return record_of(value["record"], fields, readers)
    if "tuple" in value:
        return tuple(part(item, i) for i, item in enumerate(value["tuple"]))
    if "dict" in value:
        keys = [part(key, "keys") for key, _ in value["dict"]]
        pairs = zip(keys, value["dict"], strict=True)
        return {key: part(item, key) for key, (_, item) in pairs}
    if "floats" in value:
        return part(value["floats"], "floats").tolist()
    if "csr" in value:
        arrays = (part(array, i) for i, array in enumerate(value["csr"]))
        return csr_of(*arrays, shape=tuple(value["shape"]))
    return leaf(value, name)


def csr_of(data, indices, indptr, shape):
    """Return a CSR matrix, or raise ValueError if an index is out of range."""
    for indices_or_pointers in (indices, indptr):
        if indices_or_pointers.dtype.kind != "i":  # scipy would warn
            raise ValueError(f"indices have the type {indices_or_pointers.dtype}")
    matrix = csr_matrix((data, indices, indptr), shape=shape)
    check_compressed(matrix, "it")
    return matrix


def check_nesting(value, is_tree=False):
    """Raise ValueError if containers are nested deeper than code that recurses can follow.

    A tree contains each of its containers once. So a short file cannot stand for a value
    that takes all memory.
    """
    level, seen, n_seen = [value], set(), 0
    for _ in range(DEEPEST):
        parts = [part for container in level for part in parts_of(container)]
        level = [part for part in parts if isinstance(part, CONTAINERS) and len(part)]
        n_seen += len(level)
        level = list({id(part): part for part in level if id(part) not in seen}.values())
        seen.update(map(id, level))
        if is_tree and n_seen > len(seen):
            raise ValueError("it contains the same list or dict twice")
        if not level:
            return
    raise ValueError(f"it is nested more than {DEEPEST} times")


def parts_of(container):
    """Return the parts of a container, keys of a dict too."""
    if isinstance(container, dict):
        return [*container.keys(), *container.values()]
    return container if isinstance(container, CONTAINERS) else ()


def record_of(name, fields, readers):
    """Return the record of this class name with the stored fields."""
    if name not in readers:
        raise ValueError(f"{name} is not a record; expected one of {', '.join(readers)}")
    try:
        return readers[name](**fields)
    except TypeError as error:  # a missing or unknown field
        raise ValueError(f"{name} was stored with other fields: {error}") from error


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
        if id(array) not in names:
            while name in arrays or name == STRUCTURE:  # that of another array
                name += "_"
            names[id(array)] = name, array
            arrays[name] = np.array(to_numpy(array))
        return names[id(array)][0]

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

    def leaf(tagged, name):
        if "own" in tagged:
            # If there is none, a new object, which differs from all others.
            return own.get(tagged["own"], np.random.RandomState(0))
        if "objects" in tagged:
            objects = np.empty(len(tagged["objects"]), dtype=object)
            objects[:] = rebuilt(tagged["objects"], readers, leaf, name)
            return objects.reshape(tagged["shape"])
        if "array" in tagged:
            key = tagged["array"]
            if key not in copies:  # an array that occurs twice is copied once
                copies[key] = native(np.array(arrays[key]))
            return copies[key]
        if "number" in tagged:
            return np.asarray(arrays[tagged["number"]])[()]
        return unknown_tag(tagged, name)

    with naming(f"{STRUCTURE}: "):
        structure = json.loads(np.asarray(arrays[STRUCTURE]).item())
        check_nesting(structure)
    return rebuilt(structure, readers, leaf)


def native(array):
    """Return the array in the byte order of this machine."""
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
