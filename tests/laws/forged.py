"""Fitted models of all kinds, forged at random, and how each way to load them ends.

`python forged.py FIRST N` runs N forged cases, one line for each:

    number, way and model; the forged entry; how it ended
"""

import copy
import json
import pickle
import sys
import warnings
from contextlib import redirect_stdout, suppress
from functools import cache
from io import StringIO
from unittest import mock

import numpy as np
import skops.io
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from sklearn_nn import (
    BackpropMLPClassifier,
    BackpropMLPClassifierCV,
    SGDLogisticClassifier,
)

WAYS = ("state", "pickle", "skops")
MLP, LOGISTIC = BackpropMLPClassifier, SGDLogisticClassifier
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)) * (RNG.random(size=(60, 4)) < 0.7)
Y = np.arange(60) % 3
X[:, 0] += Y
WIDE = csr_matrix(RNG.normal(size=(60, 400)) * (RNG.random(size=(60, 400)) < 0.02))
TABLE = np.column_stack([X[:, :2].astype(object), np.array(["a", "b", "c"])[Y[::-1]]])
TABLE[::7, 0], TABLE[::9, 2], TABLE[0, 2] = None, None, "rare"
INDICATORS = csr_matrix((X[:, :2] > 0.2).astype(int))
NAMES = np.array(["ant", "bee", "cow"])


def streamed(model, rows=X, y=Y):
    """Return the model after two chunks."""
    classes = range(y.shape[1]) if y.ndim == 2 else np.unique(y)
    return model.partial_fit(rows[:40], y[:40], classes=classes).partial_fit(rows, y)


def rated(**parameters):
    """Return a logistic model trained with a learning rate."""
    parameters = {"learning_rate": 0.1, "max_iter": 3, "random_state": 0, **parameters}
    return LOGISTIC(**parameters)


def network(**parameters):
    """Return a small network."""
    parameters = {
        "hidden_layer_sizes": (3,),
        "max_iter": 2,
        "random_state": 0,
        **parameters,
    }
    return MLP(**parameters)


# Each a function without arguments that returns a fitted model, and its rows and labels.
MODELS = {
    "newton": lambda: (LOGISTIC().fit(X, Y), X, Y),
    "newton, two classes, float32": lambda: (
        LOGISTIC(max_iter=2).fit(X.astype("f4"), Y > 0),
        X.astype("f4"),
        Y > 0,
    ),
    "newton, early stopping, strings": lambda: (
        LOGISTIC(early_stopping=True, random_state=0).fit(X, NAMES[Y]),
        X,
        NAMES[Y],
    ),
    "newton, sparsified": lambda: (
        LOGISTIC(penalty="l1", alpha=0.05).fit(X, Y).sparsify(),
        X,
        Y,
    ),
    "stream": lambda: (streamed(LOGISTIC()), X, Y),
    "stream, wide": lambda: (streamed(LOGISTIC(), WIDE, Y), WIDE, Y),
    "rate, momentum, objects": lambda: (
        rated(class_weight={"ant": 2.0, "bee": np.float64(1), "cow": 1}).fit(
            X, NAMES.astype(object)[Y]
        ),
        X,
        NAMES.astype(object)[Y],
    ),
    "rate, average, sparsified": lambda: (
        rated(average=2, solver="adam").fit(csr_matrix(X), Y).sparsify(),
        csr_matrix(X),
        Y,
    ),
    "rate, early stopping": lambda: (
        rated(early_stopping=True, random_state=np.random.RandomState(0)).fit(X, Y),
        X,
        Y,
    ),
    "mlp, adam": lambda: (network(class_weight={0: 1, np.int64(1): 2}).fit(X, Y), X, Y),
    "mlp, adaptive, float32, multilabel": lambda: (
        network(solver="sgd", learning_rate="adaptive").fit(X.astype("f4"), INDICATORS),
        X.astype("f4"),
        INDICATORS,
    ),
    "mlp, early stopping, two layers": lambda: (
        network(early_stopping=True, hidden_layer_sizes=(3, 2), dropout=0.1).fit(X, Y),
        X,
        Y,
    ),
    "mlp, lbfgs": lambda: (network(solver="lbfgs").fit(X, Y), X, Y),
    "cv": lambda: (table_network().fit(TABLE, NAMES[Y]), TABLE, NAMES[Y]),
    "cv, sparse": lambda: (table_network().fit(csr_matrix(X), Y > 1), csr_matrix(X), Y > 1),
}


def table_network():
    """Return a small network for tables."""
    return BackpropMLPClassifierCV((2,), max_iter=2, cv=2, random_state=0)


@cache
def fitted(name):
    """Return the model of this name, its rows and its labels."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return MODELS[name]()


# Forged values.

HUGE = 10**400
DEEP = []
for _ in range(5000):
    DEEP = [DEEP]
VALUES = (
    *(None, True, False, 0, 1, -1, 2, 7, 625, -(2**31), 2**31, 2**63, -(2**63), HUGE),
    *(0.0, 1.5, -1.5, 1e-300, 1e300, np.inf, -np.inf, np.nan),
    *("", "x", "relu", "adam", "max_iter", [], {}, [1], {"tuple": []}, ["a", "b"], DEEP),
    *(
        {"array": "origin"},
        {"number": "structure"},
        {"own": "alpha"},
        {"record": "Penalty"},
    ),
)
NUMBERS = (np.nan, np.inf, -np.inf, 0, 1, -1, 2**31 - 1, -(2**31), 1e30, -1e30, 1e300)
DTYPES = (
    "f2",
    "f4",
    "f8",
    "g",
    ">f8",
    "i1",
    "i4",
    "i8",
    "u4",
    "u8",
    "?",
    "c16",
    "U3",
    "S3",
)


def filled(array, rng, where):
    """Return a copy with a forged number at the places `where`."""
    if array.dtype.kind not in "biuf":
        return np.full_like(array, "zz")
    array, number = array.copy(), rng.choice(NUMBERS)
    if array.dtype.kind != "f":
        number = int(rng.integers(-3, 900)) if not np.isfinite(number) else int(number)
        number = int(np.clip(number, np.iinfo("i8").min, np.iinfo("i8").max))
        number = number % 2 if array.dtype == bool else np.array(number).astype(array.dtype)
    with np.errstate(over="ignore"):
        array[where] = number
    return array


def one_entry(array, rng):
    """Return the array with one forged entry."""
    if not array.size:
        return np.ones(3)
    return filled(array, rng, np.unravel_index(rng.integers(array.size), array.shape))


def of_other_type(array, rng):
    """Return the array in another dtype."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return array.astype(rng.choice(DTYPES))
    except ValueError:
        return np.zeros(array.shape)


# Functions (array, generator) -> array.
OF_ARRAYS = (
    one_entry,
    one_entry,
    one_entry,
    lambda array, rng: filled(array, rng, ...),
    of_other_type,
    of_other_type,
    lambda array, rng: array[:-1] if array.ndim else np.zeros(2),
    lambda array, rng: np.concatenate([array, array]) if array.ndim else array + array,
    lambda array, rng: array[:0] if array.ndim else np.zeros(0),
    lambda array, rng: array[::-1] if array.ndim else array,
    lambda array, rng: array.T if array.ndim > 1 else array[None],
    lambda array, rng: array.reshape(-1),
    lambda array, rng: array.astype(object),
    lambda array, rng: np.zeros(()),
    lambda array, rng: rng.permuted(array) if array.ndim else array,
    lambda array, rng: np.broadcast_to(array, (2, *array.shape)),
)


def places(value, path=()):
    """Yield the paths of all parts of nested dicts, lists and tuples."""
    parts = value.items() if isinstance(value, dict) else ()
    parts = enumerate(value) if isinstance(value, (list, tuple)) else parts
    for key, part in parts:
        yield (*path, key)
        yield from places(part, (*path, key))


def replaced(value, path, forge):
    """Return a copy of nested containers with one part forged, or left out."""
    key, *rest = path
    forged = dict(value) if isinstance(value, dict) else list(value)
    forged[key] = replaced(value[key], rest, forge) if rest else forge(value[key])
    if forged[key] is Ellipsis:
        del forged[key]
    return tuple(forged) if isinstance(value, tuple) else forged


def forge_part(part, rng):
    """Return another value for one part, or Ellipsis to leave it out."""
    if rng.random() < 0.06:
        return ...
    if isinstance(part, np.ndarray) and rng.random() < 0.95:
        return OF_ARRAYS[rng.integers(len(OF_ARRAYS))](part, rng)
    if isinstance(part, (list, tuple, dict)) and len(part) and rng.random() < 0.5:
        items = list(part.items()) if isinstance(part, dict) else list(part)
        if rng.random() < 0.5:
            items.append(items[rng.integers(len(items))])
        else:
            rng.shuffle(items)
        return type(part)(items)
    if type(part) in (int, float) and rng.random() < 0.5:
        return part + type(part)(rng.choice([-1, 1, 1000]))
    return VALUES[rng.integers(len(VALUES))]


def forge_plain(content, rng):
    """Return nested containers with one part forged, and its path."""
    found = list(places(content))
    path = found[rng.integers(len(found))]
    return replaced(content, path, lambda part: forge_part(part, rng)), path


def forge_state(state, rng):
    """Return a state with one array, or one part of its structure, forged; and its name."""
    name = rng.choice(list(state))
    is_structure = name.endswith("structure") and rng.random() < 0.95
    if is_structure or rng.random() < 0.5:
        name = rng.choice([n for n in state if n.endswith("structure")])
        forged, path = forge_plain(json.loads(state[name].item()), rng)
        try:
            text = json.dumps(forged)
        except RecursionError:
            text = json.dumps(replaced(forged, path, lambda part: 0))
            text = text.replace("0", "[" * 9**5 + "]" * 9**5, 1)
        return {**state, name: np.array(text.encode())}, (name, *path)
    return {**state, name: OF_ARRAYS[rng.integers(len(OF_ARRAYS))](state[name], rng)}, name


# Ways to load, each (model, generator) -> (forged entry, function that loads).


def by_state(model, rng):
    """Forge a state, which another fitted model loads."""
    state, entry = forge_state(model.get_state(), rng)
    other = copy.copy(model)

    def load():
        before = vars(other).copy()
        try:
            return other.set_state(state)
        except ValueError:
            assert vars(other).keys() == before.keys(), "has other attributes"
            assert all(vars(other)[k] is v for k, v in before.items()), "has changed"
            raise

    return entry, load


def by_pickle(model, rng):
    """Forge what a pickle contains."""
    content, entry = forge_plain(model.__getstate__(), rng)
    with suppress(RecursionError):  # pickles of C can nest deeper than Python's
        content = pickle.loads(pickle.dumps(content))

    def load():
        loaded = type(model).__new__(type(model))
        loaded.__setstate__(content)
        return loaded

    return entry, load


def by_skops(model, rng):
    """Forge what a skops file contains; only our classes are trusted."""
    content, entry = forge_plain(model.__getstate__(), rng)
    file = None
    forged = mock.patch.object(type(model), "__getstate__", return_value=content)
    with forged, suppress(Exception):  # skops cannot store it
        file = skops.io.dumps(clone(model))
    if file is None:
        return by_pickle(model, rng)
    trusted = [f"{c.__module__}.{c.__name__}" for c in (type(model), MLP)]
    return entry, lambda: skops.io.loads(file, trusted=trusted)


def use(model, rows, y):
    """Predict, train and store; raise AssertionError if predictions are not finite."""
    assert np.isfinite(model.decision_function(rows)).all(), "logits"
    assert np.isfinite(model.predict_proba(rows)).all(), "probabilities"
    assert model.predict(rows).shape[0] == rows.shape[0], "labels"
    if hasattr(model, "partial_fit"):
        proba = model.predict_proba(rows)
        try:
            model.partial_fit(rows, y)
        except ValueError:  # a parameter of the estimator, or training diverges
            after = model.predict_proba(rows)
            np.testing.assert_array_equal(after, proba, "partial_fit has changed")
        assert np.isfinite(model.predict_proba(rows)).all(), "trained probabilities"
        assert np.isfinite(model.decision_function(rows)).all(), "trained logits"


def outcome(number):
    """Return the names of a forged case, and how it ended: 'ValueError' or 'used'."""
    rng = np.random.default_rng(number)
    name, way = list(MODELS)[number % len(MODELS)], WAYS[number // len(MODELS) % 3]
    model, rows, y = fitted(name)
    entry, load = {"state": by_state, "pickle": by_pickle, "skops": by_skops}[way](
        model, rng
    )
    print(f"{number}; {way}, {name}; {entry}", end="; ", flush=True)
    with redirect_stdout(StringIO()):  # `verbose` may be forged
        try:
            loaded = load()
        except ValueError as error:
            return f"ValueError: {str(error)[:300]!r}"
        use(loaded, rows, y)
    return "used"


def main(first, n):
    """Print the outcome of n cases."""
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", ".* has no effect")  # a forged parameter
    for number in range(first, first + n):
        try:
            print(outcome(number), flush=True)
        except Exception as error:
            print(f"FAILED {type(error).__name__}: {str(error)[:300]!r}", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
