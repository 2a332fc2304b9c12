"""skl2onnx converts estimators of scikit-learn that contain those of the package."""

import sys
from functools import partial

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_nn
from sklearn_nn import (
    BackpropMLPClassifier,
    BackpropMLPClassifierCV,
    SGDLogisticClassifier,
    register_onnx_converters,
)
from sklearn_nn._onnx.registration import CLASSIFIERS

skl2onnx = pytest.importorskip("skl2onnx")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

MLP = partial(BackpropMLPClassifier, (4,), max_iter=3, tol=None, random_state=0)
LAST = {
    "network": MLP,
    "gelu": partial(MLP, activation="gelu"),
    "linear": partial(SGDLogisticClassifier, max_iter=10, tol=None, random_state=0),
    "table": partial(BackpropMLPClassifierCV, (4,), max_iter=2, cv=2, random_state=0),
}


def voting(model, **settings):
    """Return a vote of a classifier, the same after a scaler, and another classifier."""
    members = [model, make_pipeline(StandardScaler(), model), LogisticRegression()]
    pairs = [(f"member_{i}", member) for i, member in enumerate(members)]
    # skl2onnx does not convert flatten_transform=True, which concerns only `transform`.
    return VotingClassifier(pairs, flatten_transform=False, **settings)


def stacking(model, **settings):
    """Return a stack of a classifier and another, with the classifier at the end."""
    pairs = [("ours", model), ("other", LogisticRegression())]
    return StackingClassifier(pairs, model, cv=2, **settings)


CONTAINERS = {
    "pipeline": lambda model: make_pipeline(StandardScaler(), model),
    "calibrated": partial(CalibratedClassifierCV, cv=2),
    "calibrated in a pipeline": lambda model: make_pipeline(
        StandardScaler(), CalibratedClassifierCV(model, cv=2, ensemble=False)
    ),
    "voting": partial(voting, voting="soft"),
    "weighted voting": partial(voting, voting="soft", weights=np.array([1, 2, 3])),
    "stacking": stacking,
    "one against the rest": OneVsRestClassifier,
    "bagging": partial(BaggingClassifier, n_estimators=2, random_state=0),
    "search": lambda model: GridSearchCV(model, {"max_iter": [2, 3]}, cv=2),
}
ANIMALS = np.array(["ant", "bee", "cow"])
LABELS = {
    "two": lambda k: k // 2,
    "three": lambda k: k - 1,
    "two strings": lambda k: ANIMALS[k // 2],
    "strings": lambda k: ANIMALS[k],
}


@pytest.fixture(autouse=True)
def converters():
    """Register the converters."""
    register_onnx_converters()


def drawn(seed=0, dtype=np.float64):
    """Return rows and their classes 0, 1, 2, which the first feature predicts."""
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(60, 4)).astype(dtype)
    k = np.arange(60) % 3
    X[:, 0] += k
    return X, k


def run(estimator, X, **options):
    """Return the outputs of a valid graph by skl2onnx, with the dtype of X."""
    exported = skl2onnx.to_onnx(estimator, X[:1], options={"zipmap": False, **options})
    onnx.checker.check_model(exported, full_check=True)
    session = onnxruntime.InferenceSession(
        exported.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"X": X})


def assert_same(estimator, X, atol):
    """Assert that the graph predicts what the estimator does."""
    label, proba = run(estimator, X)
    expected = estimator.predict_proba(X)
    assert proba.dtype == X.dtype
    assert_allclose(proba, expected, rtol=0, atol=atol)
    # Rounding may change the label of a tie.
    highest = np.sort(expected, axis=1)[:, -2:]
    is_clear = highest[:, 1] - highest[:, 0] > 2 * atol
    assert_array_equal(label[is_clear], estimator.predict(X)[is_clear])


# Estimators that contain ours.


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    container=st.sampled_from(sorted(CONTAINERS)),
    last=st.sampled_from(sorted(LAST)),
    labels=st.sampled_from(sorted(LABELS)),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 1000),
)
def test_containers_predict_the_same(container, last, labels, dtype, seed):
    X, k = drawn(seed, dtype)
    model = CONTAINERS[container](LAST[last]()).fit(X, LABELS[labels](k))
    # In float32, a few roundings of numbers near 1. onnxruntime has erf in float32 only,
    # and the networks for tables compute in float32.
    exact = dtype == np.float64 and last in ("network", "linear")
    assert_same(model, X, atol=1e-12 if exact else 5e-6)


def test_stacks_of_logits_predict_the_same():
    X, k = drawn()
    model = stacking(MLP(), stack_method="decision_function").fit(X, k)
    assert_same(model, X, atol=1e-12)


def test_hard_votes_are_the_same():
    X, k = drawn()
    model = voting(MLP()).fit(X, ANIMALS[k])
    assert_array_equal(run(model, X)[0], model.predict(X))


def test_multilabel_pipelines_predict_the_same():
    X, k = drawn()
    y = np.stack([k == 0, k > 0, k < 2], axis=1).astype(int)
    model = make_pipeline(StandardScaler(), MLP()).fit(X, y)
    label, proba = run(model, X)
    assert_array_equal(label, model.predict(X))
    assert_allclose(proba, model.predict_proba(X), rtol=0, atol=1e-12)


# Options.


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("last", ["network", "linear", "table"])
def test_raw_scores_are_those_of_decision_function(last, labels):
    X, k = drawn()
    model = LAST[last]().fit(X, labels(k))
    expected = model.decision_function(X)
    if expected.ndim == 1:
        expected = np.stack([-expected, expected], axis=1)
    _, scores = run(model, X, raw_scores=True)
    assert_allclose(scores, expected, rtol=0, atol=5e-6 if last == "table" else 1e-12)


def test_class_labels_are_an_output():
    X, k = drawn()
    *_, labels = run(MLP().fit(X, ANIMALS[k]), X, output_class_labels=True)
    assert labels.tolist() == ANIMALS.tolist()


def test_zipmap_gives_a_dictionary_for_each_row():
    X, k = drawn(dtype=np.float32)
    model = MLP().fit(X, ANIMALS[k])
    _, rows = run(model, X, zipmap=True)
    assert_allclose(
        [[row[name] for name in ANIMALS] for row in rows],
        model.predict_proba(X),
        rtol=0,
        atol=5e-6,
    )


# Registration.


def test_every_classifier_is_registered():
    public = [getattr(sklearn_nn, name) for name in sklearn_nn.__all__]
    assert set(CLASSIFIERS) == {one for one in public if hasattr(one, "predict_proba")}


def test_several_inputs_are_an_error():
    X, k = drawn()
    kind = skl2onnx.common.data_types.DoubleTensorType([None, 2])
    with pytest.raises(RuntimeError, match="at most 1 input"):
        skl2onnx.convert_sklearn(
            MLP().fit(X, k), initial_types=[("first", kind), ("second", kind)]
        )


def test_without_skl2onnx_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match="register_onnx_converters needs skl2onnx: pip"):
        register_onnx_converters()
