"""The split into training and validation rows, each with all classes unless multilabel."""

import numpy as np
from sklearn.model_selection import train_test_split


def split_validation(data, encoding, fraction, rng):
    """Return positions of training and validation rows, stratified unless multilabel.

    `fraction` in (0, 1) is the validation part. Raise ValueError if a part would lack a
    class.
    """
    positions = np.arange(data.n_samples)
    if encoding.multilabel:
        return split_positions(positions, None, fraction, rng)
    labels = encoding.targets(data.y)
    counts = np.bincount(labels, minlength=len(encoding.classes))
    check_splittable(counts, encoding.classes, fraction)
    parts = split_positions(positions, labels, fraction, rng)
    present = np.flatnonzero(counts)
    if any(len(np.setdiff1d(present, labels[part])) for part in parts):
        raise ValueError(fraction_message(counts, encoding.classes, fraction))
    return parts


def split_positions(positions, stratify, fraction, rng):
    """Return the training and the validation positions, sorted."""
    training, validation = train_test_split(
        positions, test_size=fraction, stratify=stratify, random_state=rng
    )
    return np.sort(training), np.sort(validation)


def check_splittable(counts, classes, fraction):
    """Raise ValueError if a class has only one row, or a part is too small."""
    single = classes[counts == 1]
    if len(single):
        raise ValueError(
            f"early_stopping needs at least 2 rows of each class, one to train on and one "
            f"to validate with; the classes {single.tolist()} have 1 row. Add rows, remove "
            "these classes, or set early_stopping=False."
        )
    n_classes, n_validation = np.sum(counts > 0), np.ceil(fraction * counts.sum())
    if min(n_validation, counts.sum() - n_validation) < n_classes:
        raise ValueError(fraction_message(counts, classes, fraction))


def fraction_message(counts, classes, fraction):
    """Return the error message if a part of the split would lack a class."""
    smallest = np.min(counts[counts > 0])
    rare = classes[counts == smallest].tolist()
    lower = np.ceil(1e4 / smallest) / 1e4  # rounded so that both bounds work as printed
    return (
        f"validation_fraction={fraction} would leave a class out of the training or the "
        f"validation rows: the smallest classes, {rare}, have {smallest} of "
        f"{counts.sum()} rows. A validation_fraction from {lower:.4f} to {1 - lower:.4f} "
        "works."
    )
