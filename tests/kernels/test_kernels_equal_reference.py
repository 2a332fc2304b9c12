"""Compiled epochs equal the reference in every combination of options.

An epoch has a few steps, because rounding errors grow with training. Unless a test gives
another reason, the bound is 100 eps of the data's type: ten steps of about ten rounding
errors. Every instruction set of this machine is compared. Input arrays are read-only.
"""

import itertools
from dataclasses import replace
from math import inf

import numpy as np
import pytest
from epochs_to_compare import (
    ACTIVATIONS,
    ADAM,
    BINARY,
    DTYPES,
    LOSSES,
    OPTIMIZERS,
    PATHS,
    RARE_STORAGES,
    STORAGES,
    Case,
    assert_equal,
    by_level,
    differences,
    either_dtype,
    epoch_of,
    with_memory,
    with_state,
)
from optimizers import every_optimizer
from storages import frozen

from sklearn_nn._engine import objective as registries
from sklearn_nn._engine.epochs import compiled, reference
from sklearn_nn._engine.epochs.optimizers import SGD
from sklearn_nn._engine.epochs.prediction import OUTPUTS
from sklearn_nn._engine.objective.penalties import PENALTIES, Penalty
from sklearn_nn._engine.types import (
    Layer,
)


def check(cases):
    """Assert that kernels and reference agree on all cases, and list those that fail."""
    texts, n_cases, n_failed = [], 0, 0
    for case in cases:
        n_cases += 1
        lines = differences(epoch_of(case))
        if lines:
            n_failed += 1
            texts += [str(case), *lines]
    assert n_cases
    assert not texts, f"{n_failed} of {n_cases} cases\n" + "\n".join(texts[:60])


def product(**values):
    """Yield a Case for each combination of these values of fields."""
    for combination in itertools.product(*values.values()):
        yield Case(**dict(zip(values, combination, strict=True)))


# Every entry of a registry has a kernel.

# Names in Python, in C, and the file with the switches.
MIRRORS = {
    "activation": (
        registries.activations.ACTIVATIONS,
        compiled.kernels.ACTIVATIONS,
        "activations.h",
    ),
    "loss": (
        [compiled.loss_name(loss) for loss in registries.losses.LOSSES.values()],
        compiled.kernels.LOSSES,
        "losses.h and one_row.h",
    ),
    "optimizer": (
        [compiled.optimizer_name(optimizer) for optimizer in every_optimizer()],
        compiled.kernels.OPTIMIZERS,
        "optimizers.h",
    ),
    "output": (OUTPUTS, compiled.kernels.OUTPUTS, "losses.h"),
}


@pytest.mark.parametrize("kind", MIRRORS)
def test_every_registry_entry_has_a_kernel(kind):
    in_python, in_c, files = MIRRORS[kind]
    missing = set(in_python) - set(in_c)
    assert not missing, (
        f"No kernel for {kind} {missing}. Add it to `enum {kind}` of kernels.h, to the "
        f"switches of {files}, and to the enum and the dictionary in kernels.pyx."
    )
    assert set(in_python) == set(in_c)


# All combinations of loss, optimizer, penalty, network, dtype and storage, with random
# options; and all combinations of options, with every storage and kernel path.

OPTIONS = {
    "batch_size": (1, 3, 9),  # 7 rows: the second leaves a short last batch
    "is_ordered": (True, False),
    "is_subset": (True, False),
    "is_weighted": (True, False),
    "average_from": (0, 1, 2),
    "max_gradient_norm": (None, 0.3),  # some gradients are longer and some are not
    "fit_intercept": (True, False),
}
NETWORKS = [
    ((), "identity"),
    *itertools.product([(4,), (5, 3)], ACTIVATIONS),
]


@pytest.mark.parametrize("loss", LOSSES, ids="-".join)
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_epochs_are_equal_in_every_combination(loss, optimizer):
    rng = np.random.RandomState(1)
    cases = product(
        loss=[loss],
        optimizer=[optimizer],
        penalty=PENALTIES,
        hidden=[()],
        dtype=DTYPES,
        storage=STORAGES,
    )
    check(
        case._replace(
            hidden=hidden,
            activation=activation,
            **{name: values[rng.randint(len(values))] for name, values in OPTIONS.items()},
        )
        for case in cases
        for hidden, activation in NETWORKS
    )


@pytest.mark.parametrize("path", PATHS)
def test_epochs_are_equal_with_every_option(path):
    rng = np.random.RandomState(2)
    check(
        case._replace(dtype=DTYPES[rng.randint(2)], **PATHS[path])
        for case in product(storage=STORAGES, **OPTIONS)
    )


@pytest.mark.parametrize("storage", RARE_STORAGES)
@either_dtype
def test_rare_storages_are_equal_or_not_supported(storage, dtype):
    cases = [
        Case(dtype=dtype, storage=storage, batch_size=size, hidden=hidden)
        for size, hidden in itertools.product((1, 3, 9), ((), (4,)))
    ]
    if storage == "CSR, strided":
        assert not any(is_supported(case) for case in cases)
    else:
        check(cases)


def is_supported(case):
    """Return whether the kernels support a case."""
    epoch = epoch_of(case)
    return compiled.supports(epoch.problem, epoch.settings, epoch.data)


# Other arguments.


def with_data(epoch, **changes):
    """Return the Epoch with changes to its data."""
    return epoch._replace(data=epoch.data._replace(**changes))


def strided(array):
    """Return a copy as every second row of an array whose other rows are wrong."""
    larger = np.repeat(array, 2, axis=0)
    larger[1::2] = larger[::-1][1::2]
    return frozen(larger)[::2]


def test_a_given_average_is_continued():
    epoch = epoch_of(Case(average_from=4))
    average = frozen(np.linspace(-1, 1, len(epoch.state.theta)))
    epoch = with_memory(with_state(epoch, step=9), average=average, n_averaged=6)
    assert_equal(epoch)


def test_a_state_keeps_its_average_if_averaging_is_off():
    epoch = epoch_of(Case())
    average = frozen(np.ones(len(epoch.state.theta)))
    assert_equal(with_memory(epoch, average=average, n_averaged=2))


def test_average_is_none_before_averaging_begins():
    assert_equal(epoch_of(Case(average_from=50)))


@pytest.mark.parametrize("loss", LOSSES, ids="-".join)
def test_labels_may_be_strided(loss):
    epoch = epoch_of(Case(loss=loss))
    assert_equal(with_data(epoch, y=strided(epoch.data.y)))


@pytest.mark.parametrize("loss", LOSSES, ids="-".join)
def test_labels_may_be_in_fortran_order(loss):
    epoch = epoch_of(Case(loss=loss))
    assert_equal(with_data(epoch, y=np.asfortranarray(epoch.data.y)))


def test_class_indices_may_be_of_another_integer_type():
    epoch = epoch_of(Case())
    assert_equal(with_data(epoch, y=epoch.data.y.astype(np.int32)))


def test_weights_may_be_strided():
    epoch = epoch_of(Case())
    assert_equal(with_data(epoch, sample_weight=strided(epoch.data.sample_weight)))


@pytest.mark.parametrize("loss", LOSSES, ids="-".join)
@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_row_of_weight_0_counts_as_a_row(loss, batch_size):
    epoch = epoch_of(Case(loss=loss, batch_size=batch_size))
    weight = epoch.data.sample_weight * (np.arange(7) % 3 > 0)
    assert_equal(with_data(epoch, sample_weight=weight))


def test_strided_row_numbers_are_equal_or_not_supported():
    epoch = epoch_of(Case(is_subset=True))
    epoch = with_data(epoch, rows=strided(epoch.data.rows))
    if compiled.supports(epoch.problem, epoch.settings, epoch.data):
        assert_equal(epoch)


def test_rows_may_repeat_and_be_in_any_order():
    epoch = epoch_of(Case(n_samples=6, is_weighted=False))
    assert_equal(with_data(epoch, rows=frozen(np.array([5, 0, 5, 3, 1, 1]))))


def test_order_may_be_strided():
    epoch = epoch_of(Case())
    assert_equal(epoch._replace(order=strided(epoch.order)))


def test_order_may_be_of_another_integer_type():
    epoch = epoch_of(Case())
    assert_equal(epoch._replace(order=epoch.order.astype(np.int32)))


@either_dtype
def test_first_steps_of_adam_are_equal(dtype):
    # From zero slots with the usual epsilon. Features are positive and labels all 1, so
    # that no gradient cancels and relative rounding errors stay small.
    epoch = epoch_of(Case(BINARY, optimizer=ADAM, dtype=dtype, n_outputs=2, rate=0.05))
    X, y = frozen(np.abs(epoch.data.X) + 1), frozen(np.ones_like(epoch.data.y))
    slots = tuple(frozen(np.zeros_like(slot)) for slot in epoch.state.memory.slots)
    epoch = with_memory(with_data(epoch, X=X, y=y), slots=slots, n_slot_updates=0)
    assert_equal(epoch)


# Boundaries between branches.


@pytest.mark.parametrize("loss", LOSSES, ids="-".join)
@either_dtype
def test_epochs_from_0_are_equal(loss, dtype):
    # Logits are 0, and so are the inputs of activations, at the kink of 'relu'.
    for hidden, activation in NETWORKS:
        epoch = epoch_of(Case(loss, activation, hidden, dtype=dtype, batch_size=8))
        theta = frozen(np.zeros_like(epoch.state.theta))
        assert_equal(with_state(epoch, theta=theta))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@either_dtype
def test_epochs_are_equal_at_hidden_inputs_of_0(activation, dtype):
    # Only the first layer is 0, so that non-zero gradients reach the kink.
    epoch = epoch_of(Case(hidden=(4,), activation=activation, dtype=dtype, batch_size=8))
    layers = epoch.problem.architecture.layers(epoch.state.theta)
    first = Layer(*(np.zeros_like(part) for part in layers[0]))
    theta = epoch.problem.architecture.flatten([first, layers[1]])
    assert_equal(with_state(epoch, theta=frozen(theta)))


@pytest.mark.parametrize("size", [40.0, 800.0])
@pytest.mark.parametrize("loss", LOSSES, ids="-".join)
@either_dtype
def test_epochs_are_equal_at_extreme_logits(loss, dtype, size):
    # Row i is unit vector i, so that theta holds the logits: confident, right or wrong. The
    # rate changes them by more than 100 eps.
    for n_outputs in (1, 2, 3):
        case = Case(loss, dtype=dtype, n_features=5, n_samples=5, n_outputs=n_outputs)
        epoch = epoch_of(case._replace(batch_size=5, penalty="elasticnet", rate=size / 40))
        logits = size * np.array(
            [[1, -1, 0], [-1, 1, 0], [1, 1, -1], [0, 1, 0], [-1, 0, 1]]
        )
        theta = np.append(logits[:, :n_outputs], np.zeros(n_outputs)).astype(dtype)
        epoch = with_data(epoch, X=frozen(np.eye(5, dtype=dtype)))
        assert_equal(with_state(epoch, theta=frozen(theta)))


@pytest.mark.parametrize("size", [40.0, 800.0])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@either_dtype
def test_epochs_are_equal_at_extreme_hidden_inputs(activation, dtype, size):
    epoch = epoch_of(Case(activation=activation, hidden=(4,), dtype=dtype, batch_size=8))
    layers = epoch.problem.architecture.layers(epoch.state.theta)
    far = Layer(layers[0].weight, size * np.array([1, -1, 1, -1], dtype))
    theta = epoch.problem.architecture.flatten([far, layers[1]])
    assert_equal(with_state(epoch, theta=frozen(theta)))


@pytest.mark.parametrize("storage", STORAGES)
@either_dtype
def test_epochs_are_equal_on_one_row(storage, dtype):
    cases = product(loss=LOSSES, dtype=[dtype], storage=[storage], penalty=PENALTIES)
    check(
        case._replace(n_samples=1, batch_size=size, hidden=hidden, n_outputs=k)
        for case in cases
        for size, hidden, k in itertools.product((1, 2), ((), (4,)), (1, 3))
    )


@pytest.mark.parametrize("activation", ACTIVATIONS)
@either_dtype
def test_epochs_are_equal_with_another_activation_in_each_layer(activation, dtype):
    cases = product(hidden=[(4, 5, 3)], dtype=[dtype], storage=["C"])
    check(
        case._replace(activation=(activation, other, activation))
        for case in cases
        for other in ACTIVATIONS
    )


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dropout", [(0.5, 0.2), (0.0, 0.9), (0.3, 0.0)], ids=str)
@either_dtype
def test_epochs_are_equal_with_dropout(activation, dropout, dtype):
    cases = product(storage=STORAGES, dtype=[dtype])
    check(
        case._replace(activation=activation, hidden=(11, 9), dropout=dropout, batch_size=n)
        for case in cases
        for n in (1, 3, 9)
    )


@pytest.mark.parametrize("n_units", [1, 2, 7, 8, 9, 255, 257, 511, 513])
@pytest.mark.parametrize("step", [0, 2**33, 2**62])
def test_dropout_is_equal_for_every_width_and_large_steps(n_units, step):
    # A mask that differs in one unit would change weights by far more than rounding error.
    epoch = epoch_of(Case(hidden=(n_units,), dropout=(0.5,), optimizer=SGD(), rate=1.0))
    assert_equal(with_state(epoch, step=step))


def test_dropout_rates_are_rounded_alike():
    for rate in (2.0**-33, 3 * 2.0**-33, 5 * 2.0**-33, 1 - 2.0**-20, 1 - 2.0**-40):
        assert_equal(epoch_of(Case(hidden=(200,), dropout=(rate,), batch_size=7)))


# Clipping and decay.


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
@pytest.mark.parametrize("max_norm", [None, 1e-3, 0.3, 1e3])
@either_dtype
def test_epochs_are_equal_with_all_penalties_and_clipping(optimizer, max_norm, dtype):
    for hidden in ((), (4,)):
        case = Case(
            hidden=hidden, optimizer=optimizer, max_gradient_norm=max_norm, dtype=dtype
        )
        epoch = epoch_of(case)
        penalty = Penalty(l2=0.1, l1=0.05, decay=0.2)
        assert_equal(epoch._replace(problem=replace(epoch.problem, penalty=penalty)))


@pytest.mark.parametrize("value", [1e-30, 1e25, 1e150])
def test_gradients_of_any_length_are_clipped_alike(value):
    dtype = np.float32 if value < 1e38 else np.float64
    # All logits are 0, so that only the gradient has this size.
    epoch = epoch_of(Case(n_samples=3, max_gradient_norm=value, dtype=dtype))
    X = frozen(epoch.data.X * dtype(8 * value))
    epoch = with_data(with_state(epoch, theta=frozen(0 * epoch.state.theta)), X=X)
    assert_equal(epoch)


@pytest.mark.parametrize("value", [inf, 1e200], ids=["infinite", "square overflows"])
def test_a_gradient_of_non_finite_length_is_not_clipped(value):
    epoch = epoch_of(Case(n_samples=3, max_gradient_norm=0.1))
    X = frozen(np.where(epoch.data.X > 0, value, 0.0))
    epoch = with_data(with_state(epoch, theta=frozen(0 * epoch.state.theta)), X=X)
    plain = epoch._replace(settings=replace(epoch.settings, max_gradient_norm=None))
    with np.errstate(invalid="ignore", over="ignore"):
        expected = reference.run_epoch(*plain)[0].theta
        results = [
            reference.run_epoch(*epoch),
            *(result for _, result in by_level(compiled.run_epoch, *epoch)),
        ]
    assert not np.all(np.abs(expected) < 1e100)
    for state, _ in results:
        np.testing.assert_allclose(state.theta, expected, rtol=1e-14)


# Sizes at the edges of the tiles and panels of matrix products.

WIDTHS = (1, 7, 8, 9, 33, 100)


@pytest.mark.parametrize("loss", LOSSES, ids="-".join)
@pytest.mark.parametrize("n_features", [1, 7, 16, 100, 1030])
def test_epochs_are_equal_for_every_number_of_features(loss, n_features):
    cases = product(
        loss=[loss], hidden=[(), (9,)], dtype=DTYPES, storage=("C", "Fortran", "CSR, int32")
    )
    check(
        case._replace(n_features=n_features, n_outputs=k, batch_size=size, penalty="l2")
        for case in cases
        for k, size in itertools.product((1, 2, 3, 10), (1, 5))
    )


@pytest.mark.parametrize("first", WIDTHS)
@either_dtype
def test_epochs_are_equal_for_every_width(first, dtype):
    check(
        Case(hidden=(first, second), dtype=dtype, n_outputs=k, batch_size=size)
        for second, k, size in itertools.product(WIDTHS, (1, 3, 10), (1, 5))
    )


@either_dtype
def test_epochs_are_equal_for_every_number_of_rows(dtype):
    cases = product(dtype=[dtype], hidden=[(), (9,)], storage=("C", "CSR, int32"))
    check(
        case._replace(n_samples=n, batch_size=n, n_outputs=k)
        for case in cases
        for n, k in itertools.product((*range(1, 20), 100, 257, 1030), (1, 3))
    )


@pytest.mark.usefixtures("product_by")
@pytest.mark.parametrize("hidden", [(), (1,), (9,), (33, 8)], ids=str)
def test_epochs_are_equal_by_either_product(hidden):
    cases = product(hidden=[hidden], dtype=DTYPES, storage=("C", "Fortran", "CSR, int32"))
    check(
        case._replace(n_features=p, n_outputs=k, n_samples=n, batch_size=n)
        for case in cases
        for p, k, n in itertools.product((1, 2, 40), (1, 2, 7), (1, 2, 40))
    )


@pytest.mark.usefixtures("product_by")
@pytest.mark.parametrize("storage", ["C", "CSR, int32"])
@either_dtype
def test_epochs_are_equal_with_large_products(storage, dtype):
    # More than 2**23 multiplications, and more rows and features than a panel is deep.
    case = Case(hidden=(60, 150), activation="tanh", n_samples=1100, n_features=1050)
    check([case._replace(storage=storage, dtype=dtype, batch_size=1100)])
