"""Data sets for convergence.py: raw, standardised and large ones.

Labels are 0, 1, ... and X is float64 (wide-20k-f32: float32), dense or CSR, in its original
units.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from data import dense, noisy_labels, sparse
from scipy.sparse import csr_array, diags_array
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.preprocessing import StandardScaler, normalize


class Problem(NamedTuple):
    """A data set; `load` takes the folder of data files and returns X and y."""

    name: str
    load: Callable
    file: str | None = None  # that `load` needs in the folder
    is_small: bool = False


def from_sklearn(loader, standardise, odd, folder):
    """Return X and y of a data set from scikit-learn, labels modulo 2 if `odd`."""
    X, y = loader(return_X_y=True)
    X = StandardScaler().fit_transform(X) if standardise else X.astype(np.float64)
    return X, y % 2 if odd else y


def a9a(is_sparse, folder):
    """Return the training rows of a9a, 32,560 x 123, all stored values 1."""
    with np.load(Path(folder, "a9a.npz")) as parts:
        indices, begins, y = (parts[f"{k}_train"] for k in ("indices", "indptr", "y"))
    indices = indices.astype(np.int32)
    X = csr_array((np.ones(indices.size), indices, begins), shape=(y.size, 123))
    return X if is_sparse else X.toarray(), y.astype(np.intp)


def mnist(odd, folder):
    """Return the training rows of MNIST, 60,000 x 784, values from 0 to 255."""
    with np.load(Path(folder, "mnist.npz")) as parts:
        X, y = parts["X_train"].astype(np.float64), parts["y_train"].astype(np.intp)
    return X, y % 2 if odd else y


def part_of_mnist(odd, folder):
    """Return the first 20,000 training rows of MNIST, values from 0 to 1."""
    X, y = mnist(odd, folder)
    return X[:20_000] / 255, y[:20_000]


def isotropic(n_samples, n_features, folder, n_classes=2, dtype=np.float64):
    """Return standard normal X and labels of a noisy linear rule."""
    X, y = dense(n_samples, n_features, n_classes)
    return X.astype(dtype, copy=False), y


def badly_scaled(n_samples, n_features, folder):
    """Return the same with standard deviations 0.01 to 10 and means ten times as large."""
    X, y = dense(n_samples, n_features)
    rng = np.random.default_rng(1)
    scales = rng.permutation(np.geomspace(0.01, 10, n_features))
    return X * scales + 10 * scales * rng.normal(size=n_features), y


def text(folder):
    """Return CSR 200,000 x 100,000 like tf-idf: 60 to 80 positive values per row, norm 1.

    One in five of the thousand most frequent words affects the label.
    """
    X, _ = sparse(200_000, 100_000, n_stored=80)
    n_rows = np.bincount(X.indices, minlength=X.shape[1])
    idf = 1 + np.log((1 + X.shape[0]) / (1 + n_rows))
    X = csr_array(normalize(X @ diags_array(idf)))
    rng = np.random.default_rng(1)
    words = rng.choice(np.argsort(-n_rows)[:1000], 200, replace=False)
    return X, noisy_labels(X[:, words], 2, 4, rng)


def small_problems():
    """Return the data sets from scikit-learn as Problems, each raw and standardised."""
    sources = (
        ("breast_cancer", load_breast_cancer, False),
        ("digits2", load_digits, True),
        ("digits10", load_digits, False),
        ("wine", load_wine, False),
        ("iris", load_iris, False),
    )
    return [
        Problem(name + ending, partial(from_sklearn, load, standardise, odd), is_small=True)
        for name, load, odd in sources
        for ending, standardise in (("-raw", False), ("-std", True))
    ]


PROBLEMS = (
    *small_problems(),
    Problem("a9a-dense", partial(a9a, False), "a9a.npz"),
    Problem("a9a-csr", partial(a9a, True), "a9a.npz"),
    Problem("mnist2-20k", partial(part_of_mnist, True), "mnist.npz"),
    Problem("mnist10-20k", partial(part_of_mnist, False), "mnist.npz"),
    Problem("mnist2", partial(mnist, True), "mnist.npz"),
    Problem("mnist10", partial(mnist, False), "mnist.npz"),
    Problem("isotropic-50k", partial(isotropic, 50_000, 100)),
    Problem("isotropic-1M", partial(isotropic, 1_000_000, 20)),
    Problem("scales-50k", partial(badly_scaled, 50_000, 100)),
    Problem("scales-1M", partial(badly_scaled, 1_000_000, 20)),
    Problem("text", text),
    Problem("wide-20k", partial(isotropic, 20_000, 200)),
    Problem("wide-50k", partial(isotropic, 50_000, 500)),
    Problem("wide-5k", partial(isotropic, 5_000, 3_000)),
    Problem("wide-20k-f32", partial(isotropic, 20_000, 2_000, dtype=np.float32)),
    Problem("classes-30k", partial(isotropic, 30_000, 300, n_classes=10)),
)
