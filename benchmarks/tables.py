"""Real tables, as data frames, and their splits."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.model_selection import train_test_split

# Small, so that many tables and splits take minutes.
MOST_TRAINING_ROWS, MOST_TEST_ROWS = 2000, 3000
TRAINING_PART = 0.6  # of a table with fewer rows
LOADERS = {
    "breast_cancer": load_breast_cancer,
    "digits_8x8": load_digits,
    "iris": load_iris,
    "wine": load_wine,
}


class Split(NamedTuple):
    """Training and test rows of a table."""

    X_train: Any  # data frames, with categorical columns of dtype category
    X_test: Any
    y_train: Any
    y_test: Any


def names_of_tables() -> list[str]:
    """Return the names of the tables: the user's, or else those of scikit-learn."""
    folder = folder_of_tables()
    if folder is None:
        return list(LOADERS)
    return [path.name.split(".")[0] for path in sorted(folder.glob("*.csv.gz"))]


def folder_of_tables():
    """Return the folder `tabular` in SKLEARN_NN_DATA, or None if there is none.

    A table is a file name.csv.gz, with columns num_*, cat_* and target.
    """
    folder = Path(os.environ.get("SKLEARN_NN_DATA", "")) / "tabular"
    return folder if os.environ.get("SKLEARN_NN_DATA") and folder.is_dir() else None


def load(name):
    """Return the frame and the labels (class indices) of a table."""
    folder = folder_of_tables()
    if folder is None:
        frame, labels = LOADERS[name](return_X_y=True, as_frame=True)
        return frame, np.unique(labels, return_inverse=True)[1]
    frame = pd.read_csv(folder / f"{name}.csv.gz")
    labels = np.unique(frame.pop("target").to_numpy(), return_inverse=True)[1]
    categorical = [column for column in frame if column.startswith("cat_")]
    return frame.astype(dict.fromkeys(categorical, "category")), labels


def split_of(name, seed, n_training=MOST_TRAINING_ROWS) -> Split:
    """Return the stratified Split of a table with this seed."""
    X, y = load(name)
    n_train = min(n_training, int(TRAINING_PART * len(y)))
    n_test = min(MOST_TEST_ROWS, len(y) - n_train)
    return Split(
        *train_test_split(
            X, y, train_size=n_train, test_size=n_test, stratify=y, random_state=seed
        )
    )
