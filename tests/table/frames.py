"""Small tables of every kind of column, and quick networks for them."""

import numpy as np
import pandas as pd

from sklearn_nn import BackpropMLPClassifierCV

N_ROWS = 120


def quick(**parameters):
    """Return an estimator that trains in a tenth of a second."""
    defaults = {
        "hidden_layer_sizes": (8,),
        "max_iter": 10,
        "n_trees": 5,
        "cv": 3,
        "random_state": 0,
    }
    return BackpropMLPClassifierCV(**{**defaults, **parameters})


def mixed_frame(n_rows=N_ROWS, seed=0):
    """Return a pandas frame with missing values in columns of every kind, and labels."""
    rng = np.random.RandomState(seed)
    age = rng.uniform(18, 80, size=n_rows)
    city = rng.choice(["Rome", "Oslo", "Bern"], size=n_rows)
    frame = pd.DataFrame(
        {
            "age": np.where(rng.uniform(size=n_rows) < 0.1, np.nan, age),
            "visits": pd.array(rng.poisson(3, size=n_rows), dtype="Int64"),
            "member": pd.array(rng.uniform(size=n_rows) < 0.5, dtype="boolean"),
            "city": city.astype(object),
            "size": pd.Categorical(rng.choice(["S", "M", "L"], size=n_rows)),
            "code": rng.choice(["a", "b"], size=n_rows),
        }
    )
    for column in ("visits", "member", "city", "size", "code"):
        frame.loc[rng.uniform(size=n_rows) < 0.1, column] = None
    y = np.where((age > 50) ^ (city == "Oslo"), "yes", "no")
    return frame, y
