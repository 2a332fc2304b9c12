"""Models can be stored in five ways and resume bit for bit."""

import copy
import inspect
import io
import json
import pickle
from collections import namedtuple
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import NamedTuple

import cloudpickle
import joblib
import numpy as np
import pytest
import skops.io
import stored
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier
from sklearn_nn._storage import contents, fold_contents, persistence
from sklearn_nn._storage.plain import plain, rebuilt

CLASSES = (
    "sklearn_nn._logistic.SGDLogisticClassifier",
    "sklearn_nn._mlp.BackpropMLPClassifier",
)
MLP, LOGISTIC = partial(BackpropMLPClassifier, (4,)), SGDLogisticClassifier
TEXTBOOK = partial(SGDLogisticClassifier, learning_rate=0.1)
ANIMALS = np.array(["ant", "bee", "cow"])


# Five ways to store a model, each a function model -> model.


def by_pickle(model):
    """Return the model after a round trip through a pickle."""
    return pickle.loads(pickle.dumps(model))


def by_cloudpickle(model):
    """Return the model after a round trip through cloudpickle, which clusters use."""
    return cloudpickle.loads(cloudpickle.dumps(model))


def by_joblib(model):
    """Return the model after a round trip through a joblib file."""
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


def by_skops(model):
    """Return the model after a round trip through skops that trusts only its class."""
    content = skops.io.dumps(model)
    untrusted = skops.io.get_untrusted_types(data=content)
    assert untrusted == [f"{type(model).__module__}.{type(model).__name__}"]
    return skops.io.loads(content, trusted=untrusted)


def by_savez(model):
    """Return a new estimator with the state read from a file of np.savez."""
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **model.get_state())
    file.seek(0)
    return clone(model).set_state(np.load(file, allow_pickle=False))


WAYS = [copy.copy, copy.deepcopy, by_pickle, by_cloudpickle, by_joblib, by_skops, by_savez]
every_way = pytest.mark.parametrize("round_trip", WAYS, ids=lambda way: way.__name__)


# Partly trained models, by fit or partial_fit.


def by_fit(model, X, y):
    """Train by `fit`, which mostly ends at max_iter."""
    model.fit(X, y)


def by_partial_fit(model, X, y):
    """Train by `partial_fit`."""
    model.partial_fit(X, y, classes=range(y.shape[1]) if y.ndim == 2 else np.unique(y))


def unchanged(y):
    """Return the labels unchanged."""
    return y


def animals(y):
    """Return labels that are strings."""
    return ANIMALS[y]


def objects(y):
    """Return labels that are strings in an array of objects, as pandas has them."""
    return ANIMALS.astype(object)[y]


def two(y):
    """Return booleans."""
    return y > 0


def indicators(y):
    """Return three columns of 0 and 1."""
    return np.stack([y == 0, y > 0, y < 2], axis=1).astype(int)


class Training(NamedTuple):
    """An estimator, how it is trained, and a function that changes the labels first."""

    estimator: object
    train: object = by_fit
    labels: object = unchanged


TRAININGS = {
    "mlp, adam": Training(MLP()),
    "mlp, chunks": Training(MLP(), by_partial_fit),
    "mlp, sgd": Training(MLP(solver="sgd", learning_rate="adaptive", momentum=0.5)),
    "mlp, lbfgs": Training(MLP(solver="lbfgs")),
    "mlp, early stopping": Training(MLP(early_stopping=True)),
    "mlp, multilabel": Training(MLP(), labels=indicators),
    "mlp, multilabel, chunks": Training(MLP(), by_partial_fit, indicators),
    "mlp, class weight": Training(MLP(class_weight={0: 1.0, 1: 2, 2: np.float64(3)})),
    "mlp, balanced": Training(MLP(class_weight="balanced"), labels=animals),
    "mlp, numpy numbers": Training(
        MLP(alpha=np.float32(0.1), tol=np.float64(1e-3), batch_size=np.int64(50))
    ),
    "mlp, list of sizes": Training(BackpropMLPClassifier([3, 2])),
    "mlp, array of sizes": Training(BackpropMLPClassifier(np.array([3, 2]))),
    "mlp, no stopping rule": Training(MLP(n_iter_no_change=np.inf, tol=None)),
    "mlp, one class": Training(MLP(), labels=np.zeros_like),
    "mlp, activations": Training(
        BackpropMLPClassifier((4, 3), activation=["gelu", "tanh"])
    ),
    "mlp, adamw": Training(MLP(solver="adamw", max_gradient_norm=0.5)),
    "mlp, cosine": Training(MLP(learning_rate="cosine")),
    "mlp, validation loss": Training(MLP(early_stopping=True, scoring="loss")),
    "textbook": Training(TEXTBOOK()),
    "textbook, chunks": Training(TEXTBOOK(), by_partial_fit, animals),
    "textbook, average": Training(TEXTBOOK(average=10)),
    "textbook, two classes": Training(TEXTBOOK(solver="adam"), labels=two),
    "textbook, early stopping": Training(TEXTBOOK(early_stopping=True, average=True)),
    "auto": Training(LOGISTIC()),
    "auto, l1": Training(LOGISTIC(penalty="l1", alpha=0.01), labels=animals),
    "auto, early stopping": Training(LOGISTIC(early_stopping=True), labels=objects),
    "auto, stream": Training(LOGISTIC(), by_partial_fit),
    "auto, stream of objects": Training(LOGISTIC(penalty=None), by_partial_fit, objects),
}
every_training = pytest.mark.parametrize("training", TRAININGS.values(), ids=TRAININGS)
SEEDS = {"int": lambda: 3, "RandomState": lambda: np.random.RandomState(3)}
either_seed = pytest.mark.parametrize("seed", SEEDS.values(), ids=SEEDS)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def data_of(training, dtype=np.float64):
    """Return X, y of iris; the features are not standardised."""
    X, y = load_iris(return_X_y=True)
    return X.astype(dtype), training.labels(y)


def trained(training, seed=SEEDS["int"], dtype=np.float64):
    """Return a model that has been trained for two epochs or one chunk."""
    model = clone(training.estimator)
    model.set_params(max_iter=2, warm_start=True, random_state=seed())
    training.train(model, *data_of(training, dtype))
    return model


def all_of(model):
    """Return all fitted attributes and the whole checkpoint as plain containers."""

    def leaf(value, name):
        return "generator" if isinstance(value, np.random.RandomState) else value

    everything = {**persistence.fitted_attributes(model), "checkpoint": model._checkpoint}
    return plain(everything, persistence.RECORDS, leaf)


def assert_same(given, wanted, X):
    """Assert that two models are equal bit for bit."""
    np.testing.assert_equal(given.predict(X), wanted.predict(X))
    np.testing.assert_array_equal(given.predict_proba(X), wanted.predict_proba(X))
    np.testing.assert_equal(all_of(given), all_of(wanted), strict=True)


# Law 1: a model can be stored at any time and resumes.


@every_way
@every_training
@either_seed
def test_training_resumes_bit_for_bit(round_trip, training, seed):
    X, y = data_of(training)
    model = trained(training, seed)
    other = round_trip(model)
    assert_same(other, model, X)
    for _ in range(2):
        training.train(model, X, y)
        training.train(other, X, y)
        assert_same(other, model, X)
        assert other.loss_curve_ == model.loss_curve_


@every_way
@pytest.mark.parametrize("name", ["mlp, adam", "auto", "auto, stream", "textbook"])
def test_training_in_float32_resumes_bit_for_bit(round_trip, name):
    X, y = data_of(TRAININGS[name], np.float32)
    model = trained(TRAININGS[name], dtype=np.float32)
    other = round_trip(model)
    TRAININGS[name].train(model, X, y)
    TRAININGS[name].train(other, X, y)
    assert_same(other, model, X)


@every_way
def test_a_stored_fit_can_resume_as_a_stream(round_trip):
    # The stream begins with Newton's memory of the rows.
    X, y = load_iris(return_X_y=True)
    model = SGDLogisticClassifier(random_state=0).fit(X, y)
    other = round_trip(model)
    assert_same(other.partial_fit(X, y), model.partial_fit(X, y), X)


@every_way
def test_replacing_the_generator_has_the_same_effect_after_storage(round_trip):
    X, y = load_iris(return_X_y=True)
    model = trained(TRAININGS["mlp, sgd"], SEEDS["RandomState"])
    model.set_params(random_state=np.random.RandomState(3))
    other = round_trip(model)
    assert_same(other.fit(X, y), model.fit(X, y), X)


def share_of_ants(model, X, y):
    """Return a user-defined score, not a sensible one."""
    return np.mean(model.predict(X) == 0)


# Not by skops, which would have to trust the function.
@pytest.mark.parametrize("round_trip", [w for w in WAYS if w is not by_skops])
def test_a_user_defined_scorer_does_not_count_as_changed(round_trip):
    training = Training(MLP(early_stopping=True, scoring=share_of_ants))
    model, (X, y) = trained(training), data_of(training)
    other = round_trip(model)
    assert other._checkpoint.parameters["scoring"] is other.scoring
    assert_same(other.fit(X, y), model.fit(X, y), X)


@every_way
def test_feature_names_are_stored(round_trip):
    frame = load_iris(as_frame=True)
    model = MLP(max_iter=2).fit(frame.data, frame.target)
    other = round_trip(model)
    assert other.feature_names_in_.tolist() == model.feature_names_in_.tolist()
    assert other.feature_names_in_.dtype == object
    np.testing.assert_array_equal(other.predict(frame.data), model.predict(frame.data))


@every_way
def test_sparse_coefficients_stay_sparse(round_trip):
    X, y = load_iris(return_X_y=True)
    model = LOGISTIC(penalty="l1", alpha=0.1).fit(X, y).sparsify()
    other = round_trip(model)
    assert (other.coef_ != model.coef_).nnz == 0
    assert_same(other.densify(), model.densify(), X)


@every_way
def test_edited_coefficients_are_stored(round_trip):
    model = trained(TRAININGS["textbook"])
    X, y = data_of(TRAININGS["textbook"])
    model.coef_[0, 0] = 5.0
    other = round_trip(model)
    assert other.coef_[0, 0] == 5.0
    assert_same(other.fit(X, y), model.fit(X, y), X)


@pytest.mark.parametrize("round_trip", [w for w in WAYS if w is not by_savez])
@pytest.mark.parametrize("make", [MLP, LOGISTIC])
def test_an_unfitted_estimator_can_be_stored(round_trip, make):
    model = make(alpha=0.5, random_state=7)
    assert round_trip(model).get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        round_trip(model).predict([[1.0]])


# Contents of a state.


def test_state_maps_strings_to_arrays_without_objects():
    for training in TRAININGS.values():
        for name, array in trained(training).get_state().items():
            assert type(name) is str
            assert type(array) is np.ndarray
            assert array.dtype.kind in "biufUS"


def test_state_stores_a_shared_array_once():
    state = trained(TRAININGS["mlp, adam"]).get_state()
    assert "checkpoint.state.theta" in state
    assert "checkpoint.model_theta" not in state  # the same object
    checkpoint = MLP().set_state(state)._checkpoint
    assert checkpoint.model_theta is checkpoint.state.theta


def test_state_is_a_snapshot():
    training = TRAININGS["mlp, chunks"]
    X, y = data_of(training)
    model = trained(training)
    state, proba = model.get_state(), model.predict_proba(X)
    model.coefs_[0][:] = 1.0
    training.train(model, X, y)
    np.testing.assert_array_equal(model.set_state(state).predict_proba(X), proba)
    model.coefs_[0][:] = 1.0
    np.testing.assert_array_equal(model.set_state(state).predict_proba(X), proba)


def test_state_needs_a_fitted_model():
    with pytest.raises(NotFittedError):
        MLP().get_state()


def test_get_state_names_the_attribute_that_it_cannot_store():
    model = trained(TRAININGS["textbook"])
    model.note_ = object()
    with pytest.raises(TypeError, match=r"fitted\.note_ is a object"):
        model.get_state()


def test_set_state_removes_earlier_fitted_attributes():
    frame = load_iris(as_frame=True)
    model = MLP(max_iter=2).fit(frame.data, frame.target)
    model.set_state(trained(TRAININGS["mlp, adam"]).get_state())
    assert "feature_names_in_" not in vars(model)


def test_set_state_treats_changed_parameters_as_set_params_does():
    X, y = load_iris(return_X_y=True)
    model = trained(TRAININGS["mlp, sgd"])
    other = clone(model).set_params(alpha=0.5).set_state(model.get_state())
    assert_same(other.fit(X, y), model.set_params(alpha=0.5).fit(X, y), X)


# Invalid states.


def edited(state, change):
    """Return a state with its structure changed by change(structure)."""
    structure = json.loads(state["structure"].item())
    change(dict(structure["dict"]))
    return {**state, "structure": np.array(json.dumps(structure).encode())}


def without(name):
    """Return a function that leaves a key out of a state."""
    return lambda state: {k: v for k, v in state.items() if k != name}


def with_array(name, array):
    """Return a function that puts an array into a state."""
    return lambda state: {**state, name: array}


def without_field(name):
    """Return a function that leaves a field out of the checkpoint of a state."""
    return partial(edited, change=lambda parts: parts["checkpoint"]["fields"].pop(name))


def with_field(name, value=1):
    """Return a function that sets a field of the checkpoint of a state."""
    fields = {name: value}
    return partial(
        edited, change=lambda parts: parts["checkpoint"]["fields"].update(fields)
    )


THETA = "checkpoint.state.theta"
MALFORMED = {
    "empty": (lambda state: {}, "it lacks 'origin'"),
    "no structure": (without("structure"), "it lacks 'structure'"),
    "wrong origin": (with_array("origin", np.zeros(3)), "origin should be strings"),
    "incomplete origin": (
        with_array("origin", np.array("1")),
        "origin should be strings",
    ),
    "not a dict": (lambda state: None, "NoneType"),
    "no theta": (without(THETA), f"it lacks '{THETA}'"),
    "no coefs": (without("fitted.coefs_.0"), "fitted.coefs_.0"),
    "structure is no text": (with_array("structure", np.zeros(3)), "structure|scalar"),
    "cut structure": (with_array("structure", np.array(b'{"dict": [')), "Expecting value"),
    "structure is a number": (with_array("structure", np.array(b"3")), "int"),
    "short theta": (
        with_array(THETA, np.zeros(3)),
        r"state\.theta should be of the shape \(35,\), but has \(3,\)",
    ),
    "integer theta": (
        with_array(THETA, np.zeros(35, int)),
        r"theta should be of the type float32 or .*, but has int64",
    ),
    "object theta": (
        with_array(THETA, np.zeros(35, object)),
        r"theta should be of the type float32 or .*, but has object",
    ),
    "wrong coefs": (
        with_array("fitted.coefs_.0", np.zeros((3, 4))),
        r"coefs_\.0 should be",
    ),
    "too few classes": (with_array("fitted.classes_", np.arange(2)), r"encoding\.classes"),
    "too many classes": (with_array("fitted.classes_", np.arange(5)), r"encoding\.classes"),
    "invalid random state": (
        with_array("checkpoint.state.random_state.1", np.zeros(3)),
        r"random_state\.1 should be of the shape \(624,\)",
    ),
    "no weight scale": (without_field("weight_scale"), "Checkpoint .*weight_scale"),
    "text for a record": (
        with_field("weight_scale", "x"),
        "weight_scale should be of the class WeightScale, but is 'x'",
    ),
    "no history": (
        lambda state: edited(state, lambda parts: parts["history"].clear()),
        "known tag",
    ),
    "too few curves": (
        with_array("history", np.zeros((3, 2))),
        r"history should be of the shape \(4, 2\), but has \(3, 2\)",
    ),
    "curves in 1D": (
        with_array("history", np.zeros(4)),
        r"history should be of the shape \(4, 4\)",
    ),
    "curves are a number": (with_array("history", np.float64(1)), "history"),
    "curves of text": (
        with_array("history", np.full((4, 2), "a")),
        "history should be of the type float64",
    ),
    "complex curves": (with_array("history", np.zeros((4, 2), complex)), "history"),
    "text for a dict": (with_field("parameters", "x"), "parameters should be a dict"),
    "number for a text": (with_field("ended_by", 3), "ended_by should be a str, but is 3"),
    "unknown field": (with_field("temperature"), "Checkpoint .*temperature"),
}


@pytest.mark.parametrize(("change", "message"), MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize("fitted", [True, False])
def test_an_invalid_state_leaves_the_model_unchanged(change, message, fitted):
    state = trained(TRAININGS["mlp, adam"]).get_state()
    model = trained(TRAININGS["mlp, adam"]) if fitted else MLP()
    before = vars(model).copy()
    with pytest.raises(ValueError, match=message) as caught:
        model.set_state(change(state))
    assert "does not fit BackpropMLPClassifier" in str(caught.value)
    assert vars(model) == before
    assert all(value is before[name] for name, value in vars(model).items())


def test_a_state_of_another_class_is_an_error():
    state = trained(TRAININGS["textbook"]).get_state()
    with pytest.raises(ValueError, match="of the class SGDLogisticClassifier"):
        MLP().set_state(state)


def test_a_state_of_other_hidden_layers_is_an_error():
    state = trained(TRAININGS["mlp, adam"]).get_state()
    with pytest.raises(ValueError, match=r"layer sizes should be \(4, 5, 3\)"):
        BackpropMLPClassifier((5,)).set_state(state)


@pytest.mark.parametrize("name", ["auto", "auto, stream"])
def test_a_state_whose_memory_has_another_shape_is_an_error(name):
    state = trained(TRAININGS[name]).get_state()
    key = next(key for key in state if key.startswith("checkpoint.state.memory"))
    with pytest.raises(ValueError, match=r"memory\..* should be of the shape"):
        LOGISTIC().set_state({**state, key: np.zeros(7)})


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.complex128])
def test_a_stream_of_another_dtype_is_an_error(dtype):
    # The kernels read its arrays as float64.
    model = trained(TRAININGS["auto, stream"])
    state = model.get_state()
    keys = [key for key in state if key.startswith("checkpoint.state.memory")]
    changed = {key: state[key].astype(dtype) for key in keys}
    with pytest.raises(ValueError, match=r"memory\.centre should be of the type float64"):
        LOGISTIC().set_state({**state, **changed})


@pytest.mark.parametrize(("field", "value"), [("n_rows", "x"), ("penalty", None)])
def test_a_state_whose_memory_has_a_wrong_type_is_an_error(field, value):
    state = trained(TRAININGS["auto"]).get_state()

    def change(parts):
        fields = parts["checkpoint"]["fields"]["state"]["fields"]["memory"]["fields"]
        fields["known_rows"]["fields"][field] = value

    with pytest.raises(ValueError, match=f"{field} should be"):
        LOGISTIC().set_state(edited(state, change))


def test_set_state_validates_the_parameters():
    state = trained(TRAININGS["mlp, adam"]).get_state()
    with pytest.raises(ValueError, match="alpha"):
        MLP(alpha=-1).set_state(state)


def test_partial_fit_validates_the_parameters_of_a_pickle():
    model = trained(TRAININGS["auto, stream"])
    vars(model)["penalty"] = "zz"
    loaded = pickle.loads(pickle.dumps(model))
    with pytest.raises(ValueError, match="'penalty' parameter"):
        by_partial_fit(loaded, *data_of(TRAININGS["auto, stream"]))


# Other releases.


def test_the_error_for_a_newer_format_says_which_release_reads_it(monkeypatch):
    monkeypatch.setattr(persistence, "FORMAT", 2)
    monkeypatch.setattr(persistence, "__version__", "9.9.9")
    model = trained(TRAININGS["mlp, adam"])
    state, pickled = model.get_state(), pickle.dumps(model)
    monkeypatch.undo()
    state["structure"] = np.array(b'{"tag of format 2": 1}')  # not even read
    says = r"by sklearn_nn 9\.9\.9 in format 2; .* Install sklearn_nn 9\.9\.9 or later"
    with pytest.raises(ValueError, match=says):
        MLP().set_state(state)
    with pytest.raises(ValueError, match=says):
        pickle.loads(pickled)


@pytest.fixture
def later_release(monkeypatch):
    """Return a function that simulates a release with a new parameter and new fields."""
    fields, defaults = zip(*contents.Progress._field_defaults.items(), strict=True)
    Progress = namedtuple("Progress", (*fields, "n_cooled"), defaults=(*defaults, 5))

    NOT_COOLED = Progress()

    @dataclass(frozen=True)
    class TrainingState(contents.TrainingState):
        progress: Progress = NOT_COOLED
        temperature: float = 2.0

    def upgrade():
        readers = {
            **persistence.READERS,
            "TrainingState": TrainingState,
            "Progress": Progress,
        }
        monkeypatch.setattr(persistence, "READERS", readers)
        records = (*persistence.RECORDS, TrainingState, Progress)
        monkeypatch.setattr(persistence, "RECORDS", records)
        for estimator in (SGDLogisticClassifier, BackpropMLPClassifier):
            constraints = {**estimator._parameter_constraints, "cooling": ["boolean"]}
            monkeypatch.setattr(estimator, "_parameter_constraints", constraints)
            monkeypatch.setattr(estimator, "__init__", with_cooling(estimator.__init__))

    return upgrade


def with_cooling(init):
    """Return a constructor with one more parameter, which its signature shows."""
    signature = inspect.signature(init)

    def initialise(self, *arguments, cooling=False, **parameters):
        init(self, *arguments, **parameters)
        self.cooling = cooling

    new = inspect.Parameter("cooling", inspect.Parameter.KEYWORD_ONLY, default=False)
    parameters = [*signature.parameters.values(), new]
    initialise.__signature__ = signature.replace(parameters=parameters)
    return initialise


@pytest.mark.parametrize("name", ["mlp, sgd", "auto", "auto, stream"])
def test_a_pickle_loads_in_a_release_with_more_fields_and_parameters(name, later_release):
    training = TRAININGS[name]
    X, y = data_of(training)
    model = trained(training)
    pickled, state = pickle.dumps(model), model.get_state()
    training.train(model, X, y)
    parameters = model.get_params()
    later_release()
    new = type(model)(**parameters)
    for loaded in (pickle.loads(pickled), new.set_state(state)):
        assert loaded.get_params()["cooling"] is False
        assert loaded._checkpoint.state.temperature == 2.0
        assert loaded._checkpoint.state.progress.n_cooled == 5
        training.train(loaded, X, y)  # no parameter counts as changed
        np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
        assert loaded.loss_curve_ == model.loss_curve_


def test_the_error_for_a_pickle_of_a_later_release_names_the_unknown_field(later_release):
    model = trained(TRAININGS["mlp, sgd"])
    content = model.__getstate__()
    content["_checkpoint"]["fields"]["state"]["fields"]["temperature"] = 3.0
    content[persistence.ORIGIN]["version"] = "9.9.9"
    says = r"TrainingState .*temperature.* stored by sklearn_nn 9\.9\.9, and this is"
    with pytest.raises(ValueError, match=says):
        MLP().__setstate__(content)
    later_release()
    loaded = MLP()
    loaded.__setstate__(content)
    assert loaded._checkpoint.state.temperature == 3.0


@pytest.mark.parametrize("name", stored.MODELS)
@pytest.mark.parametrize("written", ["format_1"])
def test_a_pickle_of_each_format_loads_and_resumes(name, written):
    path = stored.FOLDER / f"{name}_{written}.pickle"
    loaded = stored.resume(name, pickle.loads(path.read_bytes()))
    model = stored.resume(name, stored.begin(name))
    assert loaded.t_ == model.t_
    assert vars(loaded).keys() == vars(model).keys()
    # The machine that wrote the file may round differently.
    np.testing.assert_allclose(loaded.loss_curve_, model.loss_curve_, rtol=1e-6)
    np.testing.assert_allclose(
        loaded.predict_proba(stored.X), model.predict_proba(stored.X), rtol=1e-6, atol=1e-9
    )


def test_pickles_of_the_current_format_exist():
    for name in stored.MODELS:
        assert (stored.FOLDER / f"{name}_format_{persistence.FORMAT}.pickle").exists()


# Copies.


def test_a_copy_shares_all_attributes():
    model = trained(TRAININGS["mlp, adam"])
    copied = copy.copy(model)
    assert vars(copied).keys() == vars(model).keys()
    assert all(value is vars(copied)[name] for name, value in vars(model).items())


def test_a_memory_mapped_model_resumes(tmp_path):
    X, y = load_iris(return_X_y=True)
    model = BackpropMLPClassifier((), solver="lbfgs", alpha=1.0, tol=1e-6, random_state=0)
    model.set_params(warm_start=True).fit(X, y)
    joblib.dump(model, tmp_path / "model")
    loaded = joblib.load(tmp_path / "model", mmap_mode="r")
    for _ in range(2):  # at the optimum, where a run may add no epoch
        assert loaded.fit(X, y).loss_curve_ == model.fit(X, y).loss_curve_


def test_training_a_copy_does_not_change_the_original():
    training = TRAININGS["mlp, chunks"]
    model = trained(training)
    before = copy.deepcopy(model)
    training.train(copy.copy(model).set_params(alpha=1.0), *data_of(training))
    assert_same(model, before, data_of(training)[0])
    assert model.alpha == before.alpha


def test_a_copy_takes_microseconds():
    # Callbacks copy the estimator in every epoch: no array may be touched.
    X, y = np.zeros((20, 500)), np.arange(20) % 2
    model = BackpropMLPClassifier((500,), max_iter=1).fit(X, y)
    times = []
    for _ in range(100):
        start = perf_counter()
        copy.copy(model)
        times.append(perf_counter() - start)
    assert min(times) < 1e-4  # 1 or 2 microseconds


def test_a_stored_model_shares_its_generator_with_its_checkpoint():
    model = trained(TRAININGS["mlp, sgd"], SEEDS["RandomState"])
    for store in WAYS:
        other = store(model)
        assert other._checkpoint.parameters["random_state"] is other.random_state


# Records.


def test_plain_values_survive_a_round_trip():
    values = [
        None,
        True,
        3,
        -np.inf,
        "text",
        [],
        (),
        {},
        [1.5, 2.5],
        [1.5, 2],
        ("a", [("b", None)]),
        {0: 1.0, "record": "Progress", True: {"tuple": ()}},
        {"record": {"array": "x"}, "fields": []},
    ]
    for value in values:
        again = rebuilt(plain(value, ()), {})
        assert again == value
        assert type(again) is type(value)


def test_storing_a_class_that_is_not_in_records_is_an_error():
    from sklearn_nn._engine.epochs.schedules import Schedule

    model = trained(TRAININGS["mlp, adam"])
    model._checkpoint = replace(model._checkpoint, ended_by=Schedule("constant", 0.1))
    with pytest.raises(TypeError, match="Schedule cannot be stored"):
        pickle.dumps(model)


@pytest.mark.parametrize("activations", [(), ("relu",) * 100_000, ("cube",)], ids=len)
def test_a_state_with_other_activations_is_an_error(activations):
    X, y = load_iris(return_X_y=True)
    model = BackpropMLPClassifier((3,), max_iter=1, tol=None).fit(X, y)
    checkpoint = model._checkpoint
    architecture = replace(checkpoint.architecture, activations=activations)
    model._checkpoint = replace(checkpoint, architecture=architecture)
    with pytest.raises(ValueError, match="activations"):
        BackpropMLPClassifier((3,)).set_state(model.get_state())


@pytest.mark.parametrize("record", persistence.RECORDS)
def test_every_field_of_a_record_has_a_kind(record):
    kinds = {**contents.FIELDS, **fold_contents.FIELDS}[record]
    assert kinds.keys() == record.__annotations__.keys()


def test_memory_of_every_method_has_a_kind():
    memories = {
        type(trained(training)._checkpoint.state.memory) for training in TRAININGS.values()
    }
    kinds = contents.FIELDS[contents.TrainingState]["memory"].kinds
    assert memories - {type(None)} == set(kinds)
    assert set(kinds) < set(persistence.RECORDS)


def test_a_pickle_without_a_format_is_an_error():
    content = trained(TRAININGS["mlp, adam"]).__getstate__()
    del content[persistence.ORIGIN]
    with pytest.raises(
        ValueError, match="not a valid pickle of BackpropMLPClassifier: it does not state"
    ):
        MLP().__setstate__(content)


@pytest.mark.parametrize("begin", ["fit", "partial_fit"])
def test_newton_and_streams_store_neither_slots_nor_average(begin):
    X, y = load_iris(return_X_y=True)
    model = SGDLogisticClassifier()
    model = (
        model.fit(X, y) if begin == "fit" else model.partial_fit(X, y, classes=[0, 1, 2])
    )
    stored_names = set(model.get_state())
    assert not any("slots" in name or "average" in name for name in stored_names)
    fields = model.__getstate__()["_checkpoint"]["fields"]["state"]["fields"]
    assert fields["memory"]["record"] in ("NewtonMemory", "StreamMemory")


def test_numpy_booleans_are_stored():
    X, y = load_iris(return_X_y=True)
    model = SGDLogisticClassifier(fit_intercept=np.True_).fit(X, y)
    loaded = SGDLogisticClassifier(fit_intercept=np.True_).set_state(model.get_state())
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
