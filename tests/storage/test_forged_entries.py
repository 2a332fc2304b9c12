"""Each entry of a stored model is checked, and the error names it."""

import copy
import pickle

import joblib
import numpy as np
import pytest
import skops.io
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import load_iris

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier
from sklearn_nn._storage import contents, entries
from sklearn_nn._storage.entries import Known
from sklearn_nn._storage.plain import DEEPEST, check_nesting

X, Y = load_iris(return_X_y=True)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def network():
    """Return a network trained by Adam."""
    return BackpropMLPClassifier((3,), max_iter=2, random_state=0).fit(X, Y)


def newton():
    """Return a model of Newton's method."""
    return SGDLogisticClassifier().fit(X, Y)


def sparse():
    """Return a model with sparse coefficients."""
    return newton().sparsify()


def stream():
    """Return a model of a stream."""
    return SGDLogisticClassifier().partial_fit(X, Y, classes=[0, 1, 2])


def textbook(**parameters):
    """Return a model trained with a learning rate."""
    model = SGDLogisticClassifier(learning_rate=0.1, max_iter=3, random_state=0)
    return model.set_params(**parameters).fit(X, Y)


def early():
    """Return a model that was stopped early, with its best parameters."""
    return textbook(early_stopping=True)


def averaged():
    """Return a model with averaged coefficients."""
    return textbook(average=True)


def with_entry(place, value):
    """Return a function that sets one entry of an array to a value."""

    def forge(array):
        array = array.copy()
        array[place] = value
        return array

    return forge


def as_type(dtype):
    """Return a function that converts an array."""
    return lambda array: array.astype(dtype)


STATE, MEMORY = "checkpoint.state.", "checkpoint.state.memory."
KNOWN_ROWS = MEMORY + "known_rows."
NAN, LAST = with_entry(-1, np.nan), with_entry(-1, -1)
# An array of a state, how it is forged, and the entry that the error names.
ARRAYS = [
    (sparse, "fitted.coef_.1", with_entry(0, 10**6), "fitted.coef_"),
    (sparse, "fitted.coef_.1", LAST, "fitted.coef_"),
    (sparse, "fitted.coef_.2", with_entry(1, 10**6), "fitted.coef_"),
    (sparse, "fitted.coef_.2", with_entry(-1, 2), "fitted.coef_"),
    (sparse, "fitted.coef_.2", as_type(float), "fitted.coef_"),
    (sparse, "fitted.coef_.0", NAN, "coef_"),
    (sparse, "fitted.coef_.0", as_type("f2"), "coef_"),
    (network, "fitted.coefs_.1", NAN, "coefs_.1"),
    (network, "fitted.coefs_.0", as_type(complex), "coefs_.0"),
    (network, "fitted.intercepts_.0", with_entry(0, np.inf), "intercepts_.0"),
    (network, MEMORY + "slots.0", as_type("f2"), MEMORY + "slots.0"),
    (network, MEMORY + "slots.1", NAN, MEMORY + "slots.1"),
    (network, STATE + "theta", NAN, STATE + "theta"),
    (network, STATE + "random_state.1", as_type(float), STATE + "random_state.1"),
    (network, STATE + "random_state.1", np.zeros_like, STATE + "random_state.1"),
    (network, "fitted.classes_", with_entry(0, 2), "encoding.classes"),
    (network, "history", as_type("f4"), "history"),
    (early, STATE + "progress.best_theta", NAN, STATE + "progress.best_theta"),
    (averaged, MEMORY + "average", as_type("f4"), MEMORY + "average"),
    (newton, KNOWN_ROWS + "coordinates.scale", with_entry(0, 0), "coordinates.scale"),
    (newton, KNOWN_ROWS + "diagonal", LAST, "known_rows.diagonal"),
    (stream, MEMORY + "scale", LAST, MEMORY + "scale"),
    (stream, MEMORY + "variance", LAST, MEMORY + "variance"),
    (stream, MEMORY + "mass", NAN, MEMORY + "mass"),
    (stream, MEMORY + "precision", lambda a: a[:, 0], MEMORY + "precision"),
]


@pytest.mark.parametrize(("make", "name", "forge", "named"), ARRAYS)
def test_an_array_that_is_not_valid_is_named(make, name, forge, named):
    model, other = make(), make()
    state, before = model.get_state(), vars(other).copy()
    with pytest.raises(ValueError, match=named.replace(".", r"\.")):
        other.set_state({**state, name: forge(state[name])})
    assert all(vars(other)[key] is value for key, value in before.items())
    assert vars(other).keys() == before.keys()


# Fields of records in a pickle: the path below '_checkpoint', and a value.
FIELDS = [
    (network, "state.step", -1),
    (network, "state.epoch", 2**53 + 1),
    (network, "state.random_state", ("MT19937", np.ones(624, np.uint32), 625, 0, 0.0)),
    (network, "state.random_state", ("MT19937", np.ones(624, np.uint32), 0, 0, np.nan)),
    (network, "start_random_state", ("PCG64", np.ones(624, np.uint32), 0, 0, 0.0)),
    (network, "state.progress.rate_factor", 2.0),
    (network, "state.progress.best_epoch", 3),
    (network, "state.memory.n_averaged", 1),
    (network, "state.memory.n_slot_updates", 10**400),
    (network, "weight_scale.mean", np.nan),
    (network, "ended_by", "never"),
    (network, "parameters.alpha", -1.0),
    (network, "architecture.activations", ("cube",)),
    (network, "architecture.activations", ()),
    (network, "encoding.multilabel", 1),
    (newton, "encoding.multilabel", True),
    (newton, "encoding.sparse", True),
    (newton, "state.memory.damping", -1.0),
    (newton, "state.memory.known_rows.n_rows", 0),
    (newton, "state.memory.known_rows.penalty.l2", np.inf),
]


def content_with(content, path, value):
    """Return the content of a pickle with a field of its checkpoint replaced."""
    content = copy.deepcopy(content)
    part = content["_checkpoint"]
    *parents, last = path.split(".")
    for parent in parents:
        part = part["fields"][parent]
    if "dict" in part:
        part["dict"] = [[key, value if key == last else old] for key, old in part["dict"]]
    else:
        plain = {"tuple": list(value)} if isinstance(value, tuple) else value
        part["fields"][last] = plain
    return content


@pytest.mark.parametrize(("make", "path", "value"), FIELDS)
def test_a_field_that_is_not_valid_is_named(make, path, value):
    content = content_with(make().__getstate__(), path, value)
    other = type(make())()
    before = vars(other).copy()
    with pytest.raises(ValueError, match=path.replace(".", r"\.")):
        other.__setstate__(content)
    assert vars(other) == before


ATTRIBUTES = [
    ("n_features_in_", 5),
    ("feature_names_in_", np.array(["a"], dtype=object)),
    ("classes_", np.arange(2)),
    ("coefs_", []),
    ("intercepts_", None),
    ("t_", -1),
    ("best_epoch_", 3),
    ("n_iter_", "two"),
    ("predict", 3),
    ("_architecture", 3),
    (3, 3),
]


@pytest.mark.parametrize(("name", "value"), ATTRIBUTES)
def test_an_attribute_that_is_not_valid_is_named(name, value):
    content = {**network().__getstate__(), name: value}
    with pytest.raises(ValueError, match=f"not a valid pickle .*{name}"):
        BackpropMLPClassifier().__setstate__(content)


@pytest.mark.parametrize("name", ["_checkpoint", "_history", "coefs_", "t_", "classes_"])
def test_an_attribute_that_is_missing_is_named(name):
    content = network().__getstate__()
    del content[name]
    content["_sklearn_nn_origin"]["plain"] = [
        plain for plain in content["_sklearn_nn_origin"]["plain"] if plain != name
    ]
    with pytest.raises(ValueError, match=name):
        BackpropMLPClassifier().__setstate__(content)


def test_sparse_coefficients_in_a_skops_file_are_checked():
    model = sparse()
    model.coef_.indices[0] = 10**6
    content = skops.io.dumps(model)
    with pytest.raises(ValueError, match="coef_"):
        skops.io.loads(content, trusted=["sklearn_nn._logistic.SGDLogisticClassifier"])


def test_a_generator_of_a_pickle_is_checked():
    rng = np.random.RandomState(0)
    key = rng.get_state()[1]
    rng.set_state(("MT19937", key, 10**6, 0, 0.0))  # NumPy would read behind the key
    pickled = pickle.dumps(SGDLogisticClassifier(random_state=rng))
    with pytest.raises(ValueError, match=r"random_state\.2 should be a whole number"):
        pickle.loads(pickled)


def test_logits_that_overflow_are_an_error():
    model = network()
    model.coefs_ = [np.full_like(coef, 1e200) for coef in model.coefs_]
    with pytest.raises(ValueError, match="coefs_ should be so small"):
        pickle.loads(pickle.dumps(model))


def test_nested_containers_are_an_error():
    nested = []
    for _ in range(10**5):
        nested = [nested]
    with pytest.raises(ValueError, match=f"nested more than {DEEPEST} times"):
        check_nesting(nested)
    text = b"[" * 10**6 + b"]" * 10**6
    with pytest.raises(ValueError, match="structure: "):
        network().set_state({**network().get_state(), "structure": np.array(text)})


def test_a_short_pickle_cannot_stand_for_a_long_value():
    value = [1.0]
    for _ in range(50):
        value = [value, value]
    with pytest.raises(ValueError, match="same list or dict twice"):
        check_nesting(value, is_tree=True)
    check_nesting(value)  # where it is not copied


def test_class_weights_with_numpy_keys_are_stored():
    weights = {np.int64(0): 1.0, np.int64(1): np.float64(2), np.int64(2): np.float64(3)}
    model = BackpropMLPClassifier((3,), class_weight=weights, max_iter=1).fit(X, Y)
    other = BackpropMLPClassifier((3,), class_weight=weights, max_iter=1)
    other.set_state(model.get_state())
    assert other._checkpoint.parameters["class_weight"] == weights


def test_values_of_memory_mapped_models_are_not_read(tmp_path):
    model = network()
    model.coefs_[0][0, 0] = np.nan
    joblib.dump(model, tmp_path / "model")
    joblib.load(tmp_path / "model", mmap_mode="r")
    with pytest.raises(ValueError, match=r"coefs_\.0 should be finite"):
        joblib.load(tmp_path / "model")


def test_arrays_of_another_byte_order_are_read():
    model = network()
    state = {
        name: array.astype(array.dtype.newbyteorder())
        if array.dtype.kind in "iuf"
        else array
        for name, array in model.get_state().items()
    }
    other = BackpropMLPClassifier((3,)).set_state(state)
    np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))
    assert other._checkpoint.state.theta.dtype.isnative


def test_edited_coefficients_of_other_types_are_loaded():
    model = newton()
    model.coef_ = model.coef_.tolist()
    model.intercept_ = np.zeros(3, dtype=int)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_an_array_is_checked_whole():
    known = Known(contents.FIELDS, {"n": 2}, np.dtype(float))
    kind = entries.Array(("n",))
    kind.check(np.zeros(2), "theta", known)
    for wrong in (
        np.array([0, np.nan]),
        np.array([np.inf, 0]),
        np.zeros(3),
        np.zeros(2, int),
    ):
        with pytest.raises(ValueError, match="theta should be"):
            kind.check(np.array(wrong), "theta", known)
    kind.check(np.full(2, 1e300), "theta", known)  # whose squares overflow


LABELS = [
    np.arange(3),
    np.arange(3, dtype=np.uint8),
    np.arange(3.0, dtype=np.float16),
    np.array(["a", "b", "c"]),
    np.array(["a", np.str_("b"), "c"], dtype=object),
    np.array(["2020-01-01", "2020-01-02", "2020-01-03"], dtype="datetime64[D]"),
    np.arange(3).astype("timedelta64[s]"),
    np.arange(3, dtype=">i8"),
]


@pytest.mark.parametrize("labels", LABELS, ids=lambda labels: str(labels.dtype))
def test_labels_of_each_type_that_fit_takes_are_loaded(labels):
    for model in (SGDLogisticClassifier(), BackpropMLPClassifier((2,), max_iter=1)):
        model.fit(X, labels[Y])
        loaded = pickle.loads(pickle.dumps(model))
        restored = clone(model).set_state(model.get_state())
        for other in (loaded, restored):
            np.testing.assert_array_equal(other.predict(X), model.predict(X))


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        (entries.Whole(), [0, np.int64(3)], [-1, 1.0, True, "1", 2**53 + 1]),
        (entries.Number(), [0, 1.5, np.float32(2)], [np.inf, np.nan, "1", 10**400, True]),
        (entries.Number(-np.inf, np.inf), [np.inf, -np.inf], [np.nan, None, 10**400]),
        (entries.Text({"a"}), ["a"], ["b", 1, None]),
        (entries.Flag(), [True, np.False_], [1, "x"]),
        (entries.Choice((entries.Whole(),)), [None, 1], [-1, "x"]),
        (entries.Each(entries.Whole(), range(1, 3)), [(1,), (1, 2)], [(), [1], (1, -1)]),
        (
            entries.Labels(),
            [np.array([0, 1]), np.array(["a", "b"], dtype=object), np.array([False, True])],
            [
                np.array([1, 0]),
                np.array([0, 0]),
                np.array([0.0, np.nan]),
                [0, 1],
                np.eye(2),
            ],
        ),
        (
            entries.Coefficients((2, 2)),
            [np.eye(2), csr_matrix(np.eye(2)), [[1, 2], [3, 4]]],
            [np.eye(3), csr_matrix(np.eye(3)), np.full((2, 2), np.nan), "x", [[1], [2, 3]]],
        ),
    ],
)
def test_values_of_a_kind(kind, right, wrong):
    known = Known(contents.FIELDS, {}, np.dtype(np.float64))
    for value in right:
        kind.check(value, "entry", known)
    for value in wrong:
        with pytest.raises(ValueError, match=r"entry|inhomogeneous"):
            kind.check(value, "entry", known)
