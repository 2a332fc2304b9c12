"""Data that several files of this folder use."""

import numpy as np
import pytest
from sklearn.datasets import (
    load_breast_cancer,
    load_iris,
    make_multilabel_classification,
)
from sklearn.preprocessing import StandardScaler


@pytest.fixture(scope="module")
def iris():
    """Return (X, y) of iris, standardised, rows in a random order."""
    X, y = load_iris(return_X_y=True)
    order = np.random.RandomState(0).permutation(len(y))
    return StandardScaler().fit_transform(X)[order], y[order]


@pytest.fixture(scope="module")
def cancer():
    """Return (X, y) of 200 rows of breast_cancer, standardised."""
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X[:200]), y[:200]


@pytest.fixture(scope="module")
def hard_pair(iris):
    """Return (X, y) of the two classes of iris that overlap, in two features."""
    X, y = iris
    return X[y > 0][:, :2], (y[y > 0] == 2).astype(int)


@pytest.fixture(scope="module")
def mislabelled(cancer):
    """Return (X, y, y with a third of the labels flipped, weights that are 0 there)."""
    X, y = cancer
    flipped = np.random.RandomState(1).uniform(size=len(y)) < 1 / 3
    return X, y, np.where(flipped, 1 - y, y), (~flipped).astype(float)


@pytest.fixture(scope="module")
def multilabel():
    """Return (X, Y) with three labels per row."""
    X, Y = make_multilabel_classification(
        n_samples=120, n_features=6, n_classes=3, random_state=0
    )
    return StandardScaler().fit_transform(X), Y
