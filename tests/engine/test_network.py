"""Forward pass and backpropagation equal hand calculations and loops over single units."""

import numpy as np
import pytest
from networks import network_of, random_theta
from scipy.sparse import csr_array

from sklearn_nn._engine.objective.activations import ACTIVATIONS
from sklearn_nn._engine.objective.network import backward, forward
from sklearn_nn._engine.types import Architecture, Layer

every_activation = pytest.mark.parametrize("activation", ACTIVATIONS)
every_depth = pytest.mark.parametrize("hidden", [(), (5,), (5, 3), (1, 4, 2)], ids=str)

# One row through 2 inputs, 2 hidden units and 1 output.
HAND_LAYERS = [
    Layer(np.array([[1.0, -1.0], [0.5, 1.0]]), np.array([0.5, 0.0])),
    Layer(np.array([[2.0], [-3.0]]), np.array([0.25])),
]
HAND_X = np.array([[1.0, 2.0]])


def network(hidden, activation, n_samples=7, dtype=np.float64):
    """Return layers (4 inputs, 3 outputs), rows, activations and delta.

    Arrays are random and read-only.
    """
    rng = np.random.RandomState(1)
    architecture = network_of((4, *hidden, 3), activation)
    theta = random_theta(architecture, rng, dtype)
    X = rng.normal(size=(n_samples, 4)).astype(dtype)
    delta = rng.normal(size=(n_samples, 3)).astype(dtype)
    for array in (theta, X, delta):
        array.flags.writeable = False
    return architecture.layers(theta), X, architecture.activations, delta


# By hand.


def test_forward_equals_hand_calculation():
    cache = forward(HAND_LAYERS, HAND_X, ("relu",))
    # 1*1 + 2*0.5 + 0.5 and 1*-1 + 2*1 + 0; then 2.5*2 - 1*3 + 0.25.
    assert cache.inputs[1].tolist() == [[2.5, 1.0]]
    assert cache.logits.tolist() == [[2.25]]


def test_backward_equals_hand_calculation():
    cache = forward(HAND_LAYERS, HAND_X, ("relu",))
    first, last = backward(HAND_LAYERS, cache, np.array([[1.0]]), ("relu",))
    assert last.weight.tolist() == [[2.5], [1.0]]
    assert last.intercept.tolist() == [1.0]
    # Both units are active, so delta = (2, -3); times the inputs 1 and 2.
    assert first.weight.tolist() == [[2.0, -3.0], [4.0, -6.0]]
    assert first.intercept.tolist() == [2.0, -3.0]


def test_gradient_through_relu_at_zero_is_zero():
    layers = [HAND_LAYERS[0]._replace(intercept=np.array([-2.0, -1.0])), HAND_LAYERS[1]]
    cache = forward(layers, HAND_X, ("relu",))  # both units get exactly 0
    gradient = backward(layers, cache, np.array([[1.0]]), ("relu",))[0]
    assert cache.logits.tolist() == [[0.25]]
    assert np.all(gradient.weight == 0)
    assert np.all(gradient.intercept == 0)


def test_each_hidden_layer_has_its_own_activation():
    layers = [*HAND_LAYERS[:1] * 2, HAND_LAYERS[1]]
    cache = forward(layers, HAND_X, ("relu", "tanh"))
    # As above (2.5, 1), then 2.5*1 + 1*0.5 + 0.5 and 2.5*-1 + 1*1.
    assert cache.inputs[1].tolist() == [[2.5, 1.0]]
    assert cache.inputs[2].tolist() == [np.tanh([3.5, -1.5]).tolist()]


# Against loops over single units.


def unit_by_unit(layers, x, activations):
    """Return the logits of one row, computed one unit at a time."""
    functions = [ACTIVATIONS[name].function for name in (*activations, "identity")]
    for (weight, intercept), function in zip(layers, functions, strict=True):
        z = [
            sum(x[i] * weight[i, j] for i in range(len(x))) + intercept[j]
            for j in range(len(intercept))
        ]
        x = [function(np.array(value)) for value in z]
    return x


@every_activation
@every_depth
def test_forward_equals_unit_by_unit(hidden, activation):
    layers, X, activations, _ = network(hidden, activation)
    cache = forward(layers, X, activations)
    expected = [unit_by_unit(layers, x, activations) for x in X]
    # Sums of at most 5 terms in another order, through 4 layers.
    np.testing.assert_allclose(cache.logits, expected, rtol=0, atol=1e-14)


@every_activation
@every_depth
def test_gradient_of_a_batch_is_the_sum_over_its_rows(hidden, activation):
    layers, X, activations, delta = network(hidden, activation)
    together = backward(layers, forward(layers, X, activations), delta, activations)
    alone = [
        backward(layers, forward(layers, x[None], activations), d[None], activations)
        for x, d in zip(X, delta, strict=True)
    ]
    for number, layer in enumerate(together):
        for position, whole in enumerate(layer):
            parts = [gradients[number][position] for gradients in alone]
            # 7 terms of size about 1 in another order.
            np.testing.assert_allclose(whole, sum(parts), rtol=0, atol=1e-13)


@every_activation
@every_depth
def test_sparse_rows_equal_dense_rows(hidden, activation):
    layers, X, activations, delta = network(hidden, activation)
    results = []
    for rows in (X, csr_array(X)):
        cache = forward(layers, rows, activations)
        gradients = backward(layers, cache, delta, activations)
        results.append([cache.logits, *(array for layer in gradients for array in layer)])
    for dense, sparse in zip(*results, strict=True):
        # As above: sums in another order.
        np.testing.assert_allclose(sparse, dense, rtol=0, atol=1e-13)


# Shapes, types and purity. The arrays of `network` are read-only.


@every_activation
@every_depth
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_samples", [1, 7])
def test_gradients_have_shapes_and_dtype_of_the_layers(
    hidden, activation, dtype, n_samples
):
    layers, X, activations, delta = network(hidden, activation, n_samples, dtype)
    gradients = backward(layers, forward(layers, X, activations), delta, activations)
    for layer, gradient in zip(layers, gradients, strict=True):
        for parameter, slope in zip(layer, gradient, strict=True):
            assert (slope.shape, slope.dtype) == (parameter.shape, dtype)


@every_depth
def test_cache_has_the_input_of_each_layer(hidden):
    layers, X, activations, _ = network(hidden, "tanh")
    cache = forward(layers, X, activations)
    assert cache.inputs[0] is X
    assert [a.shape[1] for a in cache.inputs] == [4, *hidden]
    assert cache.logits.shape == (7, 3)


# Layout of the parameters in one vector.


@every_depth
def test_layers_are_views_of_theta(hidden):
    architecture = Architecture((4, *hidden, 3))
    theta = np.zeros(architecture.n_parameters)
    for weight, intercept in architecture.layers(theta):
        assert np.shares_memory(weight, theta)
        assert np.shares_memory(intercept, theta)


@every_depth
def test_flatten_inverts_layers(hidden):
    architecture = Architecture((4, *hidden, 3))
    theta = np.arange(architecture.n_parameters, dtype=float)
    np.testing.assert_array_equal(architecture.flatten(architecture.layers(theta)), theta)


def test_numbers_of_parameters_equal_hand_calculation():
    architecture = Architecture((4, 5, 3))
    assert architecture.n_weights == 4 * 5 + 5 * 3
    assert architecture.n_parameters == 4 * 5 + 5 * 3 + 5 + 3


def test_weights_come_before_intercepts():
    first, last = Architecture((2, 2, 1)).layers(np.arange(9.0))
    assert first.weight.tolist() == [[0, 1], [2, 3]]
    assert last.weight.tolist() == [[4], [5]]
    assert first.intercept.tolist() == [6, 7]
    assert last.intercept.tolist() == [8]


def test_flatten_error_names_both_shapes():
    layers = Architecture((4, 3)).layers(np.zeros(15))
    with pytest.raises(ValueError, match=r"expected .*\(5, 3\).* got .*\(4, 3\)"):
        Architecture((5, 3)).flatten(layers)
