"""Random data sets, the same in every run.

Labels follow a linear rule with noise, so a model can learn them, but not perfectly.
"""

import numpy as np
from scipy.sparse import csr_array
from sklearn.preprocessing import StandardScaler


def noisy_labels(X, n_classes, size_of_logits, rng):
    """Return labels drawn from a softmax of random linear functions of X.

    `size_of_logits` is the standard deviation of the logits.
    """
    logits = X @ rng.normal(size=(X.shape[1], n_classes))
    logits *= size_of_logits / logits.std()
    # The largest logit plus Gumbel noise is a draw from the softmax.
    return np.argmax(logits + rng.gumbel(size=logits.shape), axis=1)


def dense(n_samples, n_features, n_classes=2):
    """Return standard normal X in float64, and labels."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, n_features))
    return X, noisy_labels(X, n_classes, 2, rng)


def sparse(n_samples, n_features, n_stored=80):
    """Return CSR X in float64 with about `n_stored` values per row, like text, and labels.

    The frequency of the k-th most frequent feature is proportional to 1 / (k + 100), so a
    few features are in many rows and most features are in few.
    """
    rng = np.random.default_rng(0)
    steepness = np.log(n_features / 100 + 1)
    rank = 100 * np.expm1(steepness * rng.random((n_samples, n_stored)))
    # Mix frequent and rare features, as in a vocabulary.
    place = rng.permutation(n_features).astype(np.int32)
    columns = place[np.minimum(rank.astype(np.int64), n_features - 1)]
    values = rng.uniform(0.5, 1.5, size=columns.size) / np.sqrt(n_stored)
    begins = np.arange(0, columns.size + 1, n_stored, dtype=np.int32)
    X = csr_array((values, columns.ravel(), begins), shape=(n_samples, n_features))
    X.sum_duplicates()  # one row in two has a feature twice
    return X, noisy_labels(X, 2, 2, rng)


def images(n_samples):
    """Return X (n_samples, 784) in float64, like MNIST, and labels of ten classes.

    One pixel in five is between 0 and 1; the others are 0.
    """
    rng = np.random.default_rng(0)
    X = rng.random((n_samples, 784)) * (rng.random((n_samples, 784)) < 0.2)
    return X, noisy_labels(X - X.mean(), 10, 4, rng)


def xor():
    """Return the four rows of XOR."""
    return np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])


def standardised(load):
    """Return standardised X and y of a data set from scikit-learn."""
    X, y = load(return_X_y=True)
    return StandardScaler().fit_transform(X), y
