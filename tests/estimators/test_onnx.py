"""Exported graphs predict the same in onnxruntime as the estimators."""

import copy
import subprocess
import sys
from functools import partial

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.special import erf
from sklearn.datasets import load_wine
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier, to_onnx
from sklearn_nn._engine.objective.activations import ACTIVATIONS
from sklearn_nn._onnx import graph as onnx_graph

MLP = partial(BackpropMLPClassifier, (5,), max_iter=3, tol=None, random_state=0)
LOGISTIC = partial(SGDLogisticClassifier, max_iter=10, tol=None, random_state=0)
ANIMALS = np.array(["ant", "bee", "cow"])
LABELS = {
    "three": lambda k: k,
    "two": lambda k: k // 2,
    "bool": lambda k: k > 0,
    "strings": lambda k: ANIMALS[k],
    "two strings": lambda k: ANIMALS[k // 2],
    "objects": lambda k: ANIMALS.astype(object)[k],
    "not ASCII": lambda k: np.array(["Bär", "蜂", ""])[k],
    "floats": lambda k: np.array([-1.0, 0.0, 2.5e9])[k],
    "int8": lambda k: k.astype(np.int8) - 5,
}
MULTILABEL = {
    "multilabel": lambda k: np.stack([k == 0, k > 0, k < 2], axis=1).astype(int),
    "multilabel of two": lambda k: np.stack([k == 0, k > 0], axis=1).astype(int),
}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def drawn(n_samples=60, seed=0, scale=1.0):
    """Return float32 rows and their classes 0, 1, 2, which the first feature predicts."""
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(n_samples, 4)).astype(np.float32)
    k = np.arange(n_samples) % 3
    X[:, 0] += k
    return X * np.float32(scale), k


def run(model, X):
    """Return label and probabilities of a model for X; assert that the model is valid."""
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(["label", "probabilities"], {"X": X})


def assert_same_predictions(estimator, X):
    """Assert that onnxruntime and the estimator predict the same for float32 X."""
    label, proba = run(to_onnx(estimator), X)
    expected = estimator.predict(X)
    np.testing.assert_array_equal(label, expected)
    assert label.shape == expected.shape
    assert proba.dtype == np.float32
    assert proba.shape == estimator.predict_proba(X).shape
    # The tolerance that the docstring of to_onnx states.
    np.testing.assert_allclose(proba, estimator.predict_proba(X), rtol=0, atol=1e-5)


# Every label, activation, depth and dtype.


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("make", [MLP, LOGISTIC], ids=["mlp", "logistic"])
def test_predictions_are_the_same_for_all_labels(make, labels):
    X, k = drawn()
    assert_same_predictions(make().fit(X.astype(np.float64), labels(k)), X)


@pytest.mark.parametrize("labels", MULTILABEL.values(), ids=MULTILABEL)
@pytest.mark.parametrize("hidden_layer_sizes", [(), (5,)])
def test_predictions_are_the_same_for_multilabel(labels, hidden_layer_sizes):
    X, k = drawn()
    model = MLP().set_params(hidden_layer_sizes=hidden_layer_sizes)
    assert_same_predictions(model.fit(X.astype(np.float64), labels(k)), X)


@pytest.mark.parametrize("label", [7, "only"])
def test_probabilities_of_one_class_are_ones(label):
    X, k = drawn()
    model = MLP().fit(X, np.full(len(k), label))
    assert_same_predictions(model, X)
    np.testing.assert_array_equal(run(to_onnx(model), X)[1], np.ones((len(X), 1)))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("hidden_layer_sizes", [(), (6,), (6, 5)])
def test_predictions_are_the_same_for_all_activations(
    activation, dtype, hidden_layer_sizes
):
    X, k = drawn(scale=3.0)
    model = MLP(activation=activation).set_params(hidden_layer_sizes=hidden_layer_sizes)
    assert_same_predictions(model.fit(X.astype(dtype), k), X)


def test_every_activation_can_be_exported():
    missing = set(ACTIVATIONS) - set(onnx_graph.ACTIVATIONS)
    assert not missing, f"Add {missing} to ACTIVATIONS of sklearn_nn/_onnx/graph.py."


FORMULAS = {
    "identity": lambda z: z,
    "logistic": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "gelu": lambda z: z * (1 + erf(z / np.sqrt(2))) / 2,
    "silu": lambda z: z / (1 + np.exp(-z)),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "softplus": lambda z: np.logaddexp(0, z),
    "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
}


def test_every_exported_activation_has_a_formula():
    missing = set(onnx_graph.ACTIVATIONS) - set(FORMULAS)
    assert not missing, f"Add {missing} to FORMULAS of tests/estimators/test_onnx.py."


@pytest.mark.parametrize("activation", FORMULAS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exported_activations_equal_the_formulas(activation, dtype):
    z = np.array([-700, -80, -20, -3, -1, -0.1, 0, 0.1, 1, 3, 20, 80, 700], dtype=dtype)
    graph = onnx_graph.Graph(dtype)
    a = onnx_graph.ACTIVATIONS[activation](graph, graph.add("Identity", "X"))
    graph.add("Identity", a, output="probabilities")
    graph.add("Cast", "X", to=np.int64, output="label")
    with np.errstate(over="ignore"):
        expected = FORMULAS[activation](z.astype(np.float64))
    # onnxruntime has erf in float32 only, so gelu has float32 rounding errors.
    eps = np.finfo(np.float32 if activation == "gelu" else dtype).eps
    found = run_columns(graph, z, dtype)
    np.testing.assert_allclose(found, expected, rtol=10 * eps, atol=10 * eps)


def run_columns(graph, z, dtype):
    """Return the output of a graph of one feature for each number in z."""
    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    ends = [
        [onnx.helper.make_tensor_value_info(name, kind, ["N"])]
        for name in ("X", "probabilities")
    ]
    nodes, constants = onnx_graph.onnx_parts(graph)
    nodes = [node for node in nodes if node.output[0] != "label"]
    model = onnx.helper.make_model(
        onnx.helper.make_graph(nodes, "one", *ends, constants),
        opset_imports=[onnx.helper.make_opsetid("", onnx_graph.OPSET)],
        ir_version=onnx_graph.IR_VERSION,
    )
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"X": z})[0]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    hidden=st.lists(
        st.tuples(st.integers(1, 7), st.sampled_from(sorted(ACTIVATIONS))), max_size=3
    ),
    labels=st.sampled_from(sorted({**LABELS, **MULTILABEL})),
    dtype=st.sampled_from([np.float32, np.float64]),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
    seed=st.integers(0, 1000),
)
def test_predictions_are_the_same_for_any_network(hidden, labels, dtype, scale, seed):
    X, k = drawn(seed=seed, scale=scale)
    sizes, activations = [size for size, _ in hidden], [name for _, name in hidden]
    model = MLP().set_params(hidden_layer_sizes=sizes, activation=activations)
    y = {**LABELS, **MULTILABEL}[labels](k)
    model.fit((X / np.float32(scale)).astype(dtype), y)
    # Omit rows near a decision boundary of float32 models: rounding may change the label.
    logits = np.atleast_2d(model.decision_function(X).T).T
    ordered = np.sort(np.hstack([logits, np.zeros((len(X), 1))]), axis=1)
    far = np.min(np.diff(ordered, axis=1), axis=1) > 1e-5 * np.abs(logits).max(axis=1)
    X = X[far] if dtype == np.float32 and len(X[far]) else X
    assert_same_predictions(model, X)


# Limits of floating-point numbers.


@pytest.mark.parametrize("make", [MLP, LOGISTIC], ids=["mlp", "logistic"])
@pytest.mark.parametrize("labels", ["two", "three"])
def test_predictions_are_the_same_for_huge_logits(make, labels):
    X, k = drawn()
    model = make().fit(X, LABELS[labels](k))
    assert_same_predictions(model, X * np.float32(1e6))


def test_labels_follow_the_logits_if_probabilities_round_to_a_tie():
    # Both probabilities round to 0.5 in float32, and to equal numbers in each softmax.
    model = LOGISTIC().fit([[0.0], [1.0]], [0, 1])
    model.coef_[:], model.intercept_[:] = 1e-12, 0.0
    X = np.array([[1.0], [-1.0], [0.0]], dtype=np.float32)
    assert run(to_onnx(model), X)[0].tolist() == model.predict(X).tolist() == [1, 0, 0]


def test_probabilities_of_unscaled_features_are_accurate():
    # A float32 graph would be off by 2e-5, because its logits are sums of large numbers.
    X, y = load_wine(return_X_y=True)
    model = BackpropMLPClassifier(max_iter=50, random_state=0).fit(X, y)
    _, proba = run(to_onnx(model), X.astype(np.float32))
    expected = model.predict_proba(X.astype(np.float32))
    np.testing.assert_allclose(proba, expected, rtol=0, atol=1e-7)


# The exported model.


def test_edited_and_sparse_coefficients_are_exported():
    X, k = drawn()
    model = LOGISTIC(penalty="l1", alpha=0.1).fit(X, k)
    model.coef_[0, 1] = 3.0
    assert_same_predictions(model, X)
    assert_same_predictions(model.sparsify(), X)
    mlp = MLP().fit(X, k)
    mlp.coefs_[0][:] = np.arange(20).reshape(4, 5)
    mlp.intercepts_[1] = np.array([1, 2, 3])  # integers
    assert_same_predictions(mlp, X)


def test_activation_set_after_fit_does_not_affect_the_export():
    X, k = drawn()
    assert_same_predictions(MLP().fit(X, k).set_params(activation="tanh"), X)


def test_names_and_types_equal_those_of_skl2onnx():
    X, k = drawn()
    for labels, kind in ((k, "int64"), (ANIMALS[k], "string")):
        model = to_onnx(MLP().fit(X, labels))
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        given, found = session.get_inputs(), session.get_outputs()
        described = [(end.name, end.type, end.shape) for end in (*given, *found)]
        assert described == [
            ("X", "tensor(float)", ["N", 4]),
            ("label", f"tensor({kind})", ["N"]),
            ("probabilities", "tensor(float)", ["N", 3]),
        ]


@pytest.mark.parametrize("n_rows", [0, 1, 1000])
def test_any_number_of_rows_can_be_predicted(n_rows):
    X, k = drawn()
    label, proba = run(to_onnx(MLP().fit(X, k)), np.zeros((n_rows, 4), np.float32))
    assert (label.shape, proba.shape) == ((n_rows,), (n_rows, 3))


def test_model_has_opset_17_and_ir_version_8():
    X, k = drawn()
    model = to_onnx(MLP().fit(X, k))
    assert [(one.domain, one.version) for one in model.opset_import] == [("", 17)]
    assert model.ir_version == 8
    assert model.producer_name == "sklearn_nn"


def test_export_does_not_change_the_estimator():
    X, k = drawn()
    model = MLP().fit(X, k)
    before = copy.copy(vars(model))
    to_onnx(model)
    assert all(vars(model)[name] is value for name, value in before.items())
    assert vars(model).keys() == before.keys()


# Errors.


def test_unfitted_estimator_is_an_error():
    with pytest.raises(NotFittedError):
        to_onnx(MLP())


@pytest.mark.parametrize(
    "other", [LogisticRegression(), make_pipeline(StandardScaler(), LogisticRegression())]
)
def test_type_error_of_another_estimator_says_what_to_do(other):
    with pytest.raises(TypeError, match=r"got LogisticRegression\. Convert .* skl2onnx"):
        to_onnx(other)


def test_labels_beyond_64_bits_are_an_error():
    X, k = drawn()
    model = MLP().fit(X, k.astype(np.uint64) + np.uint64(2**63))
    with pytest.raises(ValueError, match=r"64 bits; the model has .*9223372036854775810"):
        to_onnx(model)


def test_without_onnx_the_error_says_what_to_install():
    code = (
        "import sys; sys.modules['onnx'] = None\n"
        "from sklearn_nn import SGDLogisticClassifier, to_onnx\n"
        "model = SGDLogisticClassifier().fit([[0.0], [1.0], [2.0]], [0, 0, 1])\n"
        "to_onnx(model)"
    )
    failed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (
        "ImportError: to_onnx needs onnx: pip install 'sklearn_nn[onnx]'" in failed.stderr
    )


def test_coefficients_set_on_an_unfitted_estimator_are_exported():
    X, k = drawn()
    fitted, model = LOGISTIC().fit(X, ANIMALS[k]), SGDLogisticClassifier()
    for name in ("coef_", "intercept_", "classes_"):
        setattr(model, name, getattr(fitted, name))
    label, _ = run(to_onnx(model), X)
    np.testing.assert_array_equal(label, fitted.predict(X))
