"""Predictions of the kernels equal the reference."""

import copy
import itertools

import numpy as np
import pytest
from epochs_to_compare import (
    ACTIVATIONS,
    N_EPS,
    RARE_STORAGES,
    STORAGES,
    by_level,
    distance,
    either_dtype,
    structure,
)
from networks import network_of, random_theta
from scipy.sparse import csr_array
from storages import csr_with_zeros, frozen

from sklearn_nn._engine.epochs import compiled
from sklearn_nn._engine.epochs.prediction import OUTPUTS
from sklearn_nn._engine.objective import network
from sklearn_nn._engine.types import (
    Layer,
)

if compiled.kernels is None:
    pytest.skip("the kernels were not built", allow_module_level=True)


PREDICTING_NETWORKS = [
    ((5, 1), "identity"),
    ((5, 3), "identity"),
    *(((5, 9, 4, 2), activation) for activation in ACTIVATIONS),
    ((1030, 3), "identity"),
    ((5, 40, 1), "relu"),
]


def random_layers(sizes, dtype, activation="tanh"):
    """Return layers of random parameters."""
    architecture = network_of(sizes, activation)
    theta = random_theta(architecture, np.random.RandomState(0), dtype)
    return architecture.layers(theta)


def random_rows(n, p, dtype):
    """Return random rows in which a third of the values is 0."""
    rng = np.random.RandomState(1)
    X = rng.normal(size=(n, p)).astype(dtype)
    X[rng.uniform(size=X.shape) < 1 / 3] = 0
    return X


def expected_output(layers, X, activations, output):
    """Return the prediction of the reference."""
    return OUTPUTS[output](network.forward(layers, X, activations).logits)


def assert_predictions_equal(layers, X, activation, output="logits"):
    """Assert that kernels and reference predict the same."""
    activations = (activation,) * (len(layers) - 1)
    expected = expected_output(layers, X, activations, output)
    for level, result in by_level(compiled.predict, layers, X, activations, output):
        text = f"{level}, rows {X.shape}, {activation}, {output}"
        assert distance(expected, result[0], X.dtype) <= N_EPS, text


@pytest.mark.parametrize("storage", [*STORAGES, *RARE_STORAGES])
@either_dtype
def test_logits_are_equal(storage, dtype):
    # The kernels work in blocks of 256 rows.
    store = {**STORAGES, **RARE_STORAGES}[storage]
    for (sizes, activation), n in itertools.product(
        PREDICTING_NETWORKS, (1, 256, 257, 600)
    ):
        X = frozen(store(random_rows(n, sizes[0], dtype)))
        if compiled.supports_rows(len(sizes) - 1, X):
            layers = random_layers(sizes, dtype, activation)
            assert_predictions_equal(layers, X, activation)


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("n", [1, 255, 256, 257, 600])
@either_dtype
def test_every_output_is_equal(output, n, dtype):
    for k in (1,) if output == "binary" else (1, 2, 3, 10):
        layers = random_layers((5, 4, k), dtype)
        for store in (np.asarray, csr_array):
            assert_predictions_equal(
                layers, store(random_rows(n, 5, dtype)), "tanh", output
            )


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("size", [0.0, 40.0, 800.0])
@either_dtype
def test_every_output_is_equal_at_extreme_logits(output, size, dtype):
    k = 1 if output == "binary" else 3
    weight = size * np.array([[1, -1, 0.5], [0, 1, 1]], dtype)[:, :k]
    X = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]], dtype)
    layers = [Layer(weight.copy(), np.zeros(k, dtype))]
    assert_predictions_equal(layers, X, "identity", output)


@pytest.mark.usefixtures("product_by")
@either_dtype
def test_logits_are_equal_by_either_product(dtype):
    layers, X = random_layers((1050, 180, 3), dtype), random_rows(300, 1050, dtype)
    assert_predictions_equal(layers, X, "tanh")


def test_logits_have_the_dtype_of_the_rows_for_any_weights():
    layers, X = random_layers((5, 9, 2), np.float64), random_rows(7, 5, np.float32)
    others = [Layer(np.asfortranarray(w), frozen(np.repeat(b, 2))[::2]) for w, b in layers]
    exact = [Layer(*(part.astype(np.float32) for part in layer)) for layer in layers]
    expected = expected_output(exact, X, ("tanh",), "logits")
    for level, (logits, _) in by_level(compiled.predict, others, X, ("tanh",), "logits"):
        assert distance(expected, logits, np.float32) <= N_EPS, level


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("sizes", [(5, 1), (5, 3), (5, 9, 2)], ids=str)
def test_prediction_does_not_modify_its_arguments(storage, sizes):
    X, layers = random_rows(300, 5, np.float64), random_layers(sizes, np.float64)
    X = STORAGES[storage](X)
    arrays = [X] if isinstance(X, np.ndarray) else [X.data, *structure(X)]
    arrays += [part for layer in layers for part in layer]
    before = copy.deepcopy(arrays)
    by_level(compiled.predict, layers, X, ("tanh",) * (len(layers) - 1), "logits")
    for array, copied in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copied)


def finite_flags(X, sizes):
    """Return the set of answers of all instruction sets to whether X is finite."""
    layers = random_layers(sizes, X.dtype)
    results = by_level(compiled.predict, layers, X, ("tanh",) * (len(layers) - 1), "logits")
    return {finite for _, (_, finite) in results}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("storage", STORAGES)
@either_dtype
def test_a_non_finite_value_is_found_anywhere(value, storage, dtype):
    for sizes, n in itertools.product([(19, 1), (19, 3), (19, 4, 2)], (1, 300)):
        for place in {(0, 0), (n - 1, 18), (n // 2, 9), (min(n, 256) - 1, 18), (n // 7, 0)}:
            X = np.ones((n, 19), dtype)
            X[place] = value
            X = STORAGES[storage](X)
            assert finite_flags(X, sizes) == {False}, (sizes, n, place)


@pytest.mark.parametrize("storage", STORAGES)
@either_dtype
def test_values_near_the_largest_float_are_finite(storage, dtype):
    for sizes in [(19, 1), (19, 3), (19, 4, 2)]:
        X = np.full((300, 19), np.finfo(dtype).max)
        X[::2] *= -1
        assert finite_flags(STORAGES[storage](X), sizes) == {True}, sizes


def test_unused_entries_of_a_sparse_matrix_need_not_be_finite():
    X = csr_with_zeros(np.ones((3, 5)))  # unused entries are NaN
    assert finite_flags(X, (5, 3)) == {True}
