"""Dropout masks depend only on key, step and layer; predictions use all units."""

import numpy as np
import pytest
from networks import network_of, random_theta
from scipy.sparse import csr_array

from sklearn_nn import BackpropMLPClassifier
from sklearn_nn._engine.epochs import compiled
from sklearn_nn._engine.epochs.optimizers import SGD
from sklearn_nn._engine.epochs.records import EpochSettings
from sklearn_nn._engine.epochs.reference import objective_and_gradient
from sklearn_nn._engine.objective import dropout, network
from sklearn_nn._engine.objective.activations import ACTIVATIONS
from sklearn_nn._engine.objective.losses import LOSSES
from sklearn_nn._engine.objective.penalties import PENALTIES
from sklearn_nn._engine.objective.problem import Problem
from sklearn_nn._engine.types import Dataset

SIZES = (4, 6, 5, 3)


def make_problem(activation="tanh"):
    """Return the Problem of a network."""
    return Problem(
        architecture=network_of(SIZES, activation),
        loss=LOSSES["log_loss", "softmax"],
        penalty=PENALTIES["l2"](0.1, 0.0),
    )


def masks_of(rates, step, like):
    """Return the masks of one step on six rows, for these dropout rates."""
    settings = EpochSettings(
        optimizer=SGD(),
        schedule=None,
        stopping_rule=None,
        batch_size=6,
        dropout=rates,
        dropout_key=3,
    )
    return dropout.masks(settings, SIZES, step, 6, like)


def make_batch(problem, n_rows=6):
    """Return random parameters and rows."""
    rng = np.random.RandomState(1)
    theta = 2 * random_theta(problem.architecture, rng, np.float64)
    return theta, Dataset(rng.normal(size=(n_rows, 4)), rng.randint(3, size=n_rows))


@pytest.fixture
def rows():
    """Return 40 rows and labels that depend on them."""
    X = np.random.RandomState(0).normal(size=(40, 4))
    return X, (X[:, 0] * X[:, 1] > 0).astype(int)


def model(**parameters):
    """Return a small network that trains for a few epochs."""
    defaults = {"hidden_layer_sizes": (8,), "max_iter": 4, "tol": None, "batch_size": 10}
    return BackpropMLPClassifier(**{**defaults, "random_state": 0, **parameters})


def learned(model):
    """Return all parameters of a fitted model as one vector."""
    return np.concatenate([part.ravel() for part in model.coefs_ + model.intercepts_])


# Masks.


def test_uniform_numbers_are_the_halves_of_philox_words():
    counter = [0, 5, 1, 0]
    words = np.random.Philox(key=9, counter=counter).random_raw(3)
    halves = [half for word in words.tolist() for half in (word % 2**32, word // 2**32)]
    assert dropout.uniform_numbers(9, 5, 1, 5).tolist() == halves[:5]


def test_philox_words_equal_the_published_ones():
    # Salmon et al. 2011, known answer of philox4x64-10 for counter and key of all ones
    # (Random123, kat_vectors); NumPy adds 1 to the counter first.
    ones = 2**64 - 1
    counter = np.array([ones - 1, ones, ones, ones], dtype=np.uint64)
    words = np.random.Philox(key=2**128 - 1, counter=counter).random_raw(4)
    assert [f"{word:016x}" for word in words.tolist()] == [
        "87b092c3013fe90b",
        "438c3c67be8d0224",
        "9cc7d7c69cd777b6",
        "a09caebf594f0ba0",
    ]


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_units_are_dropped_at_the_given_rate(rate):
    mask = dropout.mask(3, 1, 0, rate, (400, 250))
    assert set(np.unique(mask)) == {0.0, 1 / (1 - rate)}
    # 4 standard deviations of a fraction of 100,000 units.
    spread = 4 * (rate * (1 - rate) / mask.size) ** 0.5
    assert np.mean(mask == 0) == pytest.approx(rate, abs=spread)
    for axis in (0, 1):  # rows differ, and so do units
        assert np.std(np.mean(mask, axis=axis)) > 0


def test_masks_differ_between_steps_layers_keys_and_blocks():
    shape = (50, 20)
    block = dropout.key_of_block(3, 1)
    masks = [
        dropout.mask(key, step, layer, 0.5, shape)
        for key, step, layer in [(3, 1, 0), (3, 2, 0), (3, 1, 1), (4, 1, 0), (block, 1, 0)]
    ]
    for i, mask in enumerate(masks):
        for other in masks[:i]:
            # Half of 1000 coins agree, within 5 standard deviations.
            assert np.mean(mask == other) == pytest.approx(0.5, abs=0.08)


def test_first_rows_of_a_mask_do_not_depend_on_the_batch_size():
    mask = dropout.mask(3, 1, 0, 0.5, (9, 7))
    np.testing.assert_array_equal(mask[:5], dropout.mask(3, 1, 0, 0.5, (5, 7)))


def test_mean_of_masked_outputs_is_the_unmasked_output():
    problem = make_problem()
    theta, batch = make_batch(problem)
    layers, names = problem.architecture.layers(theta), problem.architecture.activations
    expected = network.forward(layers, batch.X, names).inputs[1]
    total = 0
    for step in range(1, 4001):
        masks = masks_of((0.4, 0.0), step, theta)
        total = total + network.forward(layers, batch.X, names, masks).inputs[1]
    # 5 standard deviations of a mean of 4000 values, each with sqrt(p / (1 - p)) = 0.82.
    np.testing.assert_allclose(total / 4000, expected, rtol=0, atol=5 * 0.82 / 4000**0.5)


def test_masks_have_the_dtype_of_the_parameters():
    masks = masks_of((0.4, 0.0), 1, np.zeros(1, np.float32))
    assert (masks[0].dtype, masks[1]) == (np.float32, None)


# The gradient.


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("rates", [(0.5, 0.5), (0.0, 0.3), (0.3, 0.0)], ids=str)
@pytest.mark.parametrize("store", [np.asarray, csr_array])
def test_gradient_of_a_masked_network_equals_central_differences(activation, rates, store):
    problem = make_problem(activation)
    theta, batch = make_batch(problem)
    batch, h = batch._replace(X=store(batch.X)), 3e-6
    masks = masks_of(rates, 1, theta)

    def objective(theta):
        return objective_and_gradient(problem, theta, batch, masks)[0]

    _, gradient = objective_and_gradient(problem, theta, batch, masks)
    steps = h * np.eye(len(theta))
    numeric = [(objective(theta + s) - objective(theta - s)) / (2 * h) for s in steps]
    # h^2 times a third derivative, plus eps / h = 7e-11.
    np.testing.assert_allclose(gradient, numeric, rtol=0, atol=1e-8)
    unmasked = objective_and_gradient(problem, theta, batch)[1]
    assert np.max(np.abs(gradient - unmasked)) > 1e-3


# The estimator.


@pytest.mark.parametrize("rates", [0, 0.0, [0.0], (np.float32(0.0),), np.zeros(1)], ids=str)
def test_rates_of_zero_equal_training_without_dropout(rates, rows):
    expected, off = model().fit(*rows), model(dropout=rates).fit(*rows)
    np.testing.assert_array_equal(learned(off), learned(expected))
    assert off.loss_curve_ == expected.loss_curve_


@pytest.mark.parametrize("rates", [0.0, 0.5, []])
def test_dropout_has_no_effect_without_hidden_layer(rates, rows):
    expected = model(hidden_layer_sizes=()).fit(*rows)
    dropping = model(hidden_layer_sizes=(), dropout=rates).fit(*rows)
    np.testing.assert_array_equal(learned(dropping), learned(expected))


def test_dropout_changes_training(rows):
    assert np.all(learned(model(dropout=0.5).fit(*rows)) != learned(model().fit(*rows)))


def test_a_single_rate_applies_to_every_layer(rows):
    sizes = {"hidden_layer_sizes": (8, 5)}
    one, each = model(dropout=0.5, **sizes), model(dropout=np.full(2, 0.5), **sizes)
    np.testing.assert_array_equal(learned(one.fit(*rows)), learned(each.fit(*rows)))


def test_dropout_does_not_change_initial_weights_or_row_order(rows):
    tiny = {"solver": "sgd", "learning_rate_init": 1e-300}
    np.testing.assert_array_equal(
        learned(model(dropout=0.5, **tiny).fit(*rows)), learned(model(**tiny).fit(*rows))
    )
    states = [
        model(dropout=rate).fit(*rows)._checkpoint.state.random_state for rate in (0.0, 0.5)
    ]
    np.testing.assert_equal(*states)


def test_predictions_use_all_units(rows):
    fitted = model(dropout=0.9).fit(*rows)
    hidden = np.maximum(rows[0] @ fitted.coefs_[0] + fitted.intercepts_[0], 0)
    logits = hidden @ fitted.coefs_[1] + fitted.intercepts_[1]
    # A few rounding errors of numbers of order 1.
    np.testing.assert_allclose(fitted.decision_function(rows[0]), logits[:, 0], atol=1e-14)


def test_validation_scores_use_all_units(rows):
    # Steps too short to change the parameters.
    tiny = {"solver": "sgd", "learning_rate_init": 1e-300, "early_stopping": True}
    X, y = np.tile(rows[0], (5, 1)), np.tile(rows[1], 5)
    scores = [
        model(dropout=rate, validation_fraction=0.5, **tiny).fit(X, y).validation_scores_
        for rate in (0.0, 0.9)
    ]
    assert scores[0] == scores[1]


def test_dropout_key_depends_on_the_seed_and_survives_partial_fit(rows):
    first, second = model(dropout=0.5).fit(*rows), model(dropout=0.5, random_state=1)
    keys = [
        dropout.key_of(fitted._checkpoint.start_random_state)
        for fitted in (first, second.fit(*rows), first.partial_fit(*rows))
    ]
    assert keys[0] == keys[2] != keys[1]


@pytest.mark.parametrize("store", [np.asarray, np.asfortranarray, csr_array])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_storage_of_rows_makes_no_difference(store, dtype, rows):
    X, y = rows[0].astype(dtype), rows[1]
    expected = learned(model(dropout=0.5).fit(X, y))
    computed = learned(model(dropout=0.5).fit(store(X), y))
    assert computed.dtype == dtype
    # 16 steps of Adam may amplify rounding; other masks would change the first digit.
    bound = 1e5 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(computed, expected, rtol=0, atol=bound)


def test_reference_trains_the_same_model(rows, monkeypatch):
    expected = learned(model(dropout=0.5).fit(*rows))
    monkeypatch.setattr(compiled, "kernels", None)
    computed = learned(model(dropout=0.5).fit(*rows))
    np.testing.assert_allclose(computed, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("rates", [[0.5, 0.5], []], ids=str)
def test_error_names_the_numbers_of_rates_and_layers(rates, rows):
    with pytest.raises(ValueError, match=rf"got {len(rates)}, .* for 1 in hidden_layer"):
        model(dropout=rates).fit(*rows)


@pytest.mark.parametrize("rate", [1.0, [1.0], np.nan, [np.nan]], ids=str)
def test_error_for_rate_1_or_nan_names_the_valid_range(rate, rows):
    with pytest.raises(ValueError, match=r"dropout.*\[0(\.0)?, 1(\.0)?\)"):
        model(dropout=rate).fit(*rows)


def test_lbfgs_refuses_dropout_and_says_why(rows):
    with pytest.raises(ValueError, match=r"dropout=0\.5 .*'lbfgs'.* random"):
        model(dropout=0.5, solver="lbfgs").fit(*rows)
    model(dropout=0.0, solver="lbfgs").fit(*rows)
