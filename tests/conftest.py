"""Data and settings that several test files use."""

import os
from importlib.metadata import version

# scikit-learn accepts arrays of other libraries only if this variable is set before scipy
# is imported, and scipy is at least 1.14.
if tuple(map(int, version("scipy").split(".")[:2])) >= (1, 14):
    os.environ.setdefault("SCIPY_ARRAY_API", "1")

import numpy as np
import pytest
from devices import DEVICES, arrays_at
from scipy.sparse import csr_array
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

# BLAS threads slow down products of matrices this small, especially if several test
# processes share the machine.
threadpool_limits(1, user_api="blas")

# Open no window: examples and doctests draw figures, too.
os.environ["MPLBACKEND"] = "Agg"

LOADERS = {
    "iris": load_iris,
    "wine": load_wine,
    "breast_cancer": load_breast_cancer,
    "digits": load_digits,
}


@pytest.fixture(params=DEVICES)
def at(request):
    """Return a function ndarray -> array of another library, on a separate device."""
    return arrays_at(request.param)


@pytest.fixture(scope="session")
def standardised():
    """Return a function name -> (X, y), a data set of scikit-learn, standardised."""

    def load(name):
        X, y = LOADERS[name](return_X_y=True)
        return StandardScaler().fit_transform(X), y

    return load


@pytest.fixture(scope="session")
def rows():
    """Return a function (n_classes, sparse) -> (X, y, sample_weight) of 70 random rows."""

    def make(n_classes=3, sparse=False, n_samples=70, n_features=6):
        rng = np.random.RandomState(7)
        X = rng.normal(size=(n_samples, n_features))
        X[rng.uniform(size=X.shape) < 0.3] = 0.0
        y = np.arange(n_samples) % n_classes
        X[:, 0] += y  # makes the classes learnable
        weight = rng.uniform(0.5, 2.0, size=n_samples)
        return (csr_array(X) if sparse else X), y, weight

    return make
