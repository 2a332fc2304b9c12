"""The split into training and validation rows, each with all classes unless multilabel."""

import numpy as np
from sklearn.model_selection import train_test_split

from .._engine.arrays import to_numpy


def split_validation(data, encoding, fraction, rng):
    """Return positions of training and validation rows, stratified unless multilabel.

    `fraction` in (0, 1) is the validation part. Also return the classes that are too rare
    to be held out, whose rows are all trained on. The order of the positions is random, as
    MLPClassifier's. Raise ValueError if no class can be held out.
    """
    n_samples = data.n_samples
    leaves_none = encoding.multilabel and np.ceil(fraction * n_samples) == n_samples
    if n_samples == 1 or leaves_none:
        raise ValueError(few_rows_message(n_samples, fraction))
    positions = np.arange(n_samples)
    if encoding.multilabel:
        parts = train_test_split(positions, test_size=fraction, random_state=rng)
        return *parts, encoding.classes[:0]
    labels = to_numpy(encoding.targets(data.y))  # drawn by scikit-learn
    counts = np.bincount(labels, minlength=len(encoding.classes))
    is_common = counts >= 2
    while is_common.any():
        common = positions[is_common[labels]]
        parts = stratified_parts(common, labels[common], fraction, rng)
        is_missing = is_common.copy()
        if parts is None:  # too few rows for so many classes
            is_missing &= counts == counts[is_common].min()
        else:
            is_missing[np.intersect1d(*(labels[part] for part in parts))] = False
        if not is_missing.any():
            rare = positions[~is_common[labels]]
            training = np.concatenate([parts[0], rare]) if len(rare) else parts[0]
            return training, parts[1], encoding.classes[~is_common & (counts > 0)]
        is_common &= ~is_missing
    if counts.max() < 2:
        raise ValueError(
            "early_stopping needs a class with at least 2 rows, one to train on and one to "
            "validate with; each class has 1 row. Add rows, or set early_stopping=False."
        )
    raise ValueError(fraction_message(counts, encoding.classes, fraction))


def stratified_parts(positions, labels, fraction, rng):
    """Return training and validation positions, or None if there are too few rows."""
    n_classes, n_validation = len(np.unique(labels)), int(np.ceil(fraction * len(labels)))
    if min(n_validation, len(labels) - n_validation) < n_classes:
        return None
    return train_test_split(
        positions, test_size=fraction, stratify=labels, random_state=rng
    )


def rare_message(rare, validation_fraction):
    """Return the warning about classes that are trained on, and not held out."""
    return (
        f"The classes {rare.tolist()} have too few rows to be held out with "
        f"validation_fraction={validation_fraction}: all their rows are trained on, and "
        "none validates. Raise validation_fraction, or pass X_val and y_val."
    )


def few_rows_message(n_samples, validation_fraction):
    """Return the error message if no row is left to train on, in scikit-learn's words."""
    text = (
        f"With n_samples={n_samples} and validation_fraction={validation_fraction}, the "
        "resulting train set will be empty: early_stopping needs at least 2 rows"
    )
    if n_samples > 1:
        return f"{text}, and a smaller validation_fraction."
    return f"{text}, and got 1 sample. Add rows, or set early_stopping=False."


def fraction_message(counts, classes, fraction):
    """Return the error message if no class can be in both parts of the split."""
    largest = counts.max()
    names = classes[counts == largest].tolist()
    lower = np.ceil(1e4 / largest) / 1e4  # rounded so that both bounds work as printed
    return (
        f"validation_fraction={fraction} leaves no class with rows in both parts: the "
        f"largest classes, {names}, have {largest} of {counts.sum()} rows. A "
        f"validation_fraction from {lower:.4f} to {1 - lower:.4f} works."
    )
