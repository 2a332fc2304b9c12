"""Law 4. How the rows are stored does not affect the model."""

from pathlib import Path

import numpy as np
import pytest
from law_models import either_storage, parameters_of
from methods import both, every_method, textbook_logistic
from optimizers import LINEAR_SOLVERS, PARAMETERS
from scipy.sparse import coo_array, csc_matrix, csr_array, csr_matrix
from sklearn.base import clone

from sklearn_nn import SGDLogisticClassifier


def _memory_map(X, tmp_path):
    """Return X as a read-only memory map."""
    np.save(tmp_path / "X.npy", X)
    return np.load(tmp_path / "X.npy", mmap_mode="r")


def _frame(X, tmp_path):
    """Return X as a pandas data frame."""
    import pandas as pd

    return pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])


def _polars(X, tmp_path):
    """Return X as a polars data frame."""
    import polars as pl

    return pl.DataFrame(X, schema=[f"x{j}" for j in range(X.shape[1])])


DENSE = {
    "fortran": lambda X, tmp_path: np.asfortranarray(X),
    "strided": lambda X, tmp_path: np.repeat(X, 2, axis=1)[:, ::2],
    "big_endian": lambda X, tmp_path: X.astype(">f8"),
    "list": lambda X, tmp_path: X.tolist(),
    "memmap": _memory_map,
    "pandas": _frame,
    "polars": _polars,
}
SPARSE = {
    "csr_array": csr_array,
    "csr_matrix": csr_matrix,
    "csc_matrix": csc_matrix,
    "coo_array": coo_array,
    "int64": lambda X: _with_long_indices(csr_array(X)),
}


def _with_long_indices(X):
    """Return a CSR array with int64 indices."""
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X


@every_method
@pytest.mark.parametrize("batch_size", [1, 16, "full"])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("storage", DENSE)
@pytest.mark.filterwarnings("ignore:.* has no effect")
def test_dense_storage_does_not_matter(
    estimator_class, batch_size, shuffle, storage, rows, tmp_path
):
    X, y, weight = rows()
    parameters = {"batch_size": batch_size, "shuffle": shuffle, "random_state": 0}
    model = estimator_class(max_iter=4, tol=None, **parameters)
    plain = clone(model).fit(X, y, sample_weight=weight)
    model.fit(DENSE[storage](X, tmp_path), y, sample_weight=weight)
    np.testing.assert_array_equal(parameters_of(model), parameters_of(plain))


@both
@pytest.mark.parametrize("batch_size", [1, 16, "full"])
@pytest.mark.parametrize("storage", SPARSE)
def test_sparse_storage_does_not_matter(estimator_class, batch_size, storage, rows):
    X, y, weight = rows()
    model = estimator_class(max_iter=4, tol=None, batch_size=batch_size, random_state=0)
    plain = clone(model).fit(X, y, sample_weight=weight)
    model.fit(SPARSE[storage](X), y, sample_weight=weight)
    # 4 epochs of at most 70 steps, each with some rounding errors.
    scale = np.max(np.abs(parameters_of(plain)))
    np.testing.assert_allclose(
        parameters_of(model), parameters_of(plain), rtol=0, atol=1e-12 * scale
    )
    np.testing.assert_allclose(
        model.predict_proba(SPARSE[storage](X)), plain.predict_proba(X), atol=1e-12
    )


@every_method
@either_storage
def test_float32_is_computed_in_float32(estimator_class, sparse, rows):
    X, y, weight = rows(sparse=sparse)
    model = estimator_class(max_iter=4, tol=None, random_state=0)
    model.fit(X.astype(np.float32), y, sample_weight=weight)
    assert parameters_of(model).dtype == np.float32
    assert model.predict_proba(X.astype(np.float32)).dtype == np.float32
    model.partial_fit(X, y)
    assert parameters_of(model).dtype == np.float32


NUMPY_FLOATS = {
    "alpha": 1e-3,
    "momentum": 0.8,
    "beta_1": 0.8,
    "beta_2": 0.99,
    "epsilon": 1e-7,
    "learning_rate": 0.01,
    "learning_rate_init": 0.01,
    "power_t": 0.3,
}


def test_every_parameter_of_an_optimizer_is_in_numpy_floats():
    missing = set(PARAMETERS) - set(NUMPY_FLOATS) - {"nesterovs_momentum"}
    assert not missing, f"Add {missing} to NUMPY_FLOATS of {Path(__file__).name}."


@every_method
@pytest.mark.parametrize("solver", LINEAR_SOLVERS)
@pytest.mark.parametrize("name", NUMPY_FLOATS)
@pytest.mark.filterwarnings("ignore:.* has no effect")
def test_numpy_floats_as_parameters_keep_float32(estimator_class, solver, name, rows):
    X, y, _ = rows()
    model = estimator_class(solver=solver, max_iter=4, tol=None, random_state=0)
    model.set_params(**{name: np.float64(NUMPY_FLOATS[name])}).fit(X.astype(np.float32), y)
    plain = clone(model).set_params(**{name: NUMPY_FLOATS[name]})
    plain.fit(X.astype(np.float32), y)
    np.testing.assert_array_equal(parameters_of(model), parameters_of(plain), strict=True)
    assert parameters_of(model).dtype == np.float32


def test_average_in_float32_equals_that_in_float64(rows):
    X, y, _ = rows()
    parameters = {"average": True, "batch_size": 1, "learning_rate": 0.05, "momentum": 0}
    models = [
        textbook_logistic(max_iter=150, tol=None, random_state=0, **parameters).fit(
            X.astype(dtype), y
        )
        for dtype in (np.float32, np.float64)
    ]
    # A float32 mean would sum rounding errors over 10,000 steps; X itself has only one.
    scale = np.max(np.abs(parameters_of(models[1])))
    np.testing.assert_allclose(
        *map(parameters_of, models), rtol=0, atol=20 * np.finfo(np.float32).eps * scale
    )


def test_intercept_gradient_of_many_float32_rows_is_accurate():
    rng = np.random.RandomState(0)
    n_samples = 200_000
    y = rng.randint(0, 3, size=n_samples)
    X = np.zeros((n_samples, 1), dtype=np.float32)
    model = textbook_logistic(
        momentum=0, learning_rate=1.0, batch_size="full", max_iter=1, tol=None
    ).fit(X, y)
    # At zero logits the step is the class frequency minus 1/3.
    expected = np.bincount(y) / n_samples - 1 / 3
    np.testing.assert_allclose(model.intercept_, expected, rtol=0, atol=1e-7)


@every_method
@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int64, np.bool_, np.float16])
def test_other_dtypes_are_computed_in_float64(estimator_class, dtype, rows):
    X, y, _ = rows()
    X = (X > 0.5).astype(dtype)
    model = estimator_class(max_iter=4, tol=None, random_state=0).fit(X, y)
    plain = clone(model).fit(X.astype(np.float64), y)
    np.testing.assert_array_equal(parameters_of(model), parameters_of(plain), strict=True)


@every_method
def test_integer_and_string_labels_give_the_same_model(estimator_class, rows):
    X, y, _ = rows()
    names = np.array(["ant", "bee", "cat"])
    model = estimator_class(max_iter=4, tol=None, random_state=0)
    by_number, by_name = clone(model).fit(X, y), clone(model).fit(X, names[y])
    np.testing.assert_array_equal(parameters_of(by_number), parameters_of(by_name))
    np.testing.assert_array_equal(names[by_number.predict(X)], by_name.predict(X))


@pytest.mark.parametrize("storage", DENSE)
@pytest.mark.parametrize("n_samples", [500, 1500])
def test_storage_does_not_matter_if_a_stream_follows_epochs(storage, n_samples, tmp_path):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(n_samples, 7)) * np.logspace(-2, 2, 7)
    y = (X @ rng.normal(size=7) > 0).astype(int)
    models = []
    for stored in (np.asarray, lambda rows: DENSE[storage](rows, tmp_path)):
        model = SGDLogisticClassifier(
            learning_rate=0.1, max_iter=3, tol=None, random_state=0
        )
        model.fit(stored(X / np.logspace(-2, 2, 7)), y)
        model.set_params(learning_rate="auto").partial_fit(stored(X), y)
        models.append(model)
    np.testing.assert_array_equal(models[0].coef_, models[1].coef_)
