"""Training and held-out rows of each fold."""

import warnings
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import PredefinedSplit, StratifiedGroupKFold, StratifiedKFold

from .._monitoring.callbacks import N_FRAMES
from .data import TrainingData

DEFAULT_FOLDS = 5  # scikit-learn's meaning of None


class Split(NamedTuple):
    """Row numbers of a fold."""

    training: Any  # (n_training,) sorted
    held_out: Any  # (n_held_out,) sorted
    is_judged: Any  # (n_held_out,) bool: whether training rows have the row's class


def splits_of(cv, data: TrainingData, params: dict, seed: int) -> list[Split]:
    """Return the splits of the rows of `data` by the constructor's parameter `cv`.

    `params` are further arguments of the splitter's `split`, such as groups, and `seed` is
    that of the shuffle of an int.
    """
    cv = DEFAULT_FOLDS if cv is None else cv
    if isinstance(cv, Integral):
        pairs = stratified_pairs(int(cv), data, params.get("groups"), seed)
    elif isinstance(cv, PredefinedSplit):  # its row numbers are the user's
        pairs = mapped_pairs(cv.split(), data.kept, data.n_samples)
    elif hasattr(cv, "split"):
        pairs = cv.split(np.zeros((len(data.labels), 1)), data.labels, **params)
    else:
        pairs = mapped_pairs(cv, data.kept, data.n_samples)
    splits = [split_of(training, held_out, data.labels) for training, held_out in pairs]
    if not splits:
        raise ValueError(f"cv={cv!r} has no splits; at least one is needed.")
    warn_of_missing_classes(splits)
    return splits


def stratified_pairs(n_folds, data, groups, seed):
    """Yield training and held-out rows of stratified folds.

    Rows of a class with fewer rows (or groups) than folds are in every training part, but
    those of a held-out group in neither.
    """
    labels, n_classes = data.labels, len(data.encoding.classes)
    units = np.arange(len(labels)) if groups is None else groups
    n_units = [len(np.unique(units[labels == k])) for k in range(n_classes)]
    is_common = np.array(n_units) >= n_folds
    if not is_common.any():
        name = "rows" if groups is None else "groups"
        raise ValueError(
            f"cv={n_folds} needs a class with at least {n_folds} {name}; with "
            f"n_samples={len(labels)}, the largest class has {max(n_units)}. Lower cv, or "
            "add rows."
        )
    common = np.flatnonzero(is_common[labels])
    rare = np.flatnonzero(~is_common[labels])
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    folds = kind(n_folds, shuffle=True, random_state=seed)
    groups = None if groups is None else groups[common]
    for training, held_out in folds.split(common, labels[common], groups):
        training, held_out = common[training], common[held_out]
        is_apart = ~np.isin(units[rare], units[held_out])  # not of a held-out group
        yield np.concatenate([training, rare[is_apart]]), held_out


def mapped_pairs(pairs, kept_rows, n_samples):
    """Yield pairs of row numbers of an iterable, as positions among the kept rows."""
    position = np.arange(n_samples)
    if kept_rows is not None:
        position = np.full(n_samples, -1)
        position[kept_rows] = np.arange(len(kept_rows))
    for pair in pairs:
        parts = [np.asarray(part) for part in pair] if np.iterable(pair) else []
        if len(parts) != 2:
            raise ValueError(
                "cv must be a number of folds, a splitter, or an iterable of pairs of "
                f"training and held-out rows; got an iterable of {pair!r}."
            )
        # A mask is also an index of rows.
        parts = [np.flatnonzero(p) if p.dtype == bool else p for p in parts]
        for part in parts:
            check_row_numbers(part, n_samples)
        parts = [position[part.astype(int)] for part in parts]
        yield [part[part >= 0] for part in parts]


def check_row_numbers(numbers, n_samples):
    """Raise ValueError unless these are numbers of rows; negative ones, from the end."""
    if numbers.ndim != 1 or (len(numbers) and numbers.dtype.kind not in "iu"):
        raise ValueError(
            "cv must hold pairs of arrays of row numbers, or of masks; got an array of "
            f"shape {numbers.shape} and type {numbers.dtype}."
        )
    outside = numbers[(numbers < -n_samples) | (numbers >= n_samples)]
    if len(outside):
        raise ValueError(
            f"cv has the row number {outside[0]}, outside of the {n_samples} rows of X."
        )


def split_of(training, held_out, labels):
    """Return the Split; raise ValueError if a part is empty."""
    for name, part in (("training", training), ("held-out", held_out)):
        if len(part) == 0:
            raise ValueError(f"A split of cv has no {name} rows (with positive weight).")
    held_out = np.sort(held_out)
    is_judged = np.isin(labels[held_out], labels[training])
    return Split(np.sort(training), held_out, is_judged)


def warn_of_missing_classes(splits):
    """Warn if a fold has rows to hold out whose class it cannot learn."""
    n_folds = sum(not split.is_judged.all() for split in splits)
    n_rows = sum(np.sum(~split.is_judged) for split in splits)
    if n_rows:
        warnings.warn(
            f"In {n_folds} of {len(splits)} splits, the training rows lack a class of the "
            f"held-out rows. These {n_rows} held-out rows do not count when the epoch and "
            "the temperature are chosen; cv_log_loss_ and cv_score_ include them.",
            UserWarning,
            # The user's call is above `fit`, `splits_of` and this function.
            stacklevel=4 + N_FRAMES,
        )
