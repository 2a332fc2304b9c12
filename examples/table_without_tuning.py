"""Pandas with categorical columns and holes
=========================================

Four classifiers on one data frame of numbers, categories and missing values.

`BackpropMLPClassifierCV` and HistGradientBoostingClassifier take the frame as it is. For
`SGDLogisticClassifier` and `BackpropMLPClassifier` a ColumnTransformer encodes it: numbers
are filled with the median and scaled, categories are one-hot. The labels are drawn with
known probabilities, so that no model can expect a lower log-loss than these have. They
depend on the age as a wave, and on the city and the plan together; a linear model sees
neither.

Expect a table of log-loss and accuracy on 5,000 new rows. Both kinds of network come near
to the bound, then the trees, and the linear model is the worst. `BackpropMLPClassifierCV`
is a little better than it expected of itself (`cv_log_loss_`), for which it needs no test
set. The script saves a picture as table_without_tuning.png::

    python examples/table_without_tuning.py [--rows 2000]
"""

import argparse

import numpy as np

try:
    import pandas as pd
except ImportError:
    raise SystemExit("This example needs pandas: pip install pandas") from None
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import accuracy_score, log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_nn import (
    BackpropMLPClassifier,
    BackpropMLPClassifierCV,
    SGDLogisticClassifier,
)


def customers(n_rows, seed):
    """Return a table of customers, whether each one stays, and the true probabilities."""
    rng = np.random.RandomState(seed)
    age = rng.uniform(18, 80, size=n_rows)
    income = np.exp(rng.normal(10, 0.7, size=n_rows))  # a few are very large
    visits = rng.poisson(3, size=n_rows)
    city = rng.choice(["Bern", "Oslo", "Rome", "Riga"], size=n_rows)
    plan = rng.choice(["basic", "plus"], size=n_rows)
    logit = np.sin(age / 10) + 0.8 * np.log(income / 22_000) + 0.4 * (visits - 3)
    logit += np.where(city == "Oslo", 1.0, -0.3) * np.where(plan == "plus", 1, -1)
    proba = 1 / (1 + np.exp(-2 * logit))
    stays = np.where(rng.uniform(size=n_rows) < proba, "stays", "leaves")
    X = pd.DataFrame(
        {"age": age, "income": income, "visits": visits, "city": city, "plan": plan}
    )
    return X, stays, np.stack([1 - proba, proba], axis=1)


def with_holes(X, seed):
    """Return the table with 5 % of the incomes and cities missing, and its categories."""
    rng, X = np.random.RandomState(seed), X.copy()
    for column in ("income", "city"):
        X.loc[rng.uniform(size=len(X)) < 0.05, column] = None
    return X.astype({"city": "category", "plan": "category"})


def encoded(classifier):
    """Return a pipeline that turns the table into scaled numbers for a classifier."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    encoder = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (OneHotEncoder(), make_column_selector(dtype_include="category")),
    )
    return make_pipeline(encoder, classifier)


def save_picture(losses, bound):
    """Save the log-losses as bars, and say where."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("No picture: pip install 'sklearn_nn[plot]'")
        return
    figure = Figure(figsize=(6.5, 3), layout="constrained")
    axes = figure.subplots()
    axes.barh(list(losses)[::-1], list(losses.values())[::-1], color="#1f5fa8")
    axes.axvline(bound, color="black", linestyle="--", label="true probabilities")
    axes.set(xlabel="log-loss of new rows, nats")
    axes.legend(loc="lower right")
    figure.savefig("table_without_tuning.png", dpi=120)
    print("Saved table_without_tuning.png in this folder.")


def main():
    """Train all, and print how good they are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2000)
    n_rows = parser.parse_args().rows
    X, y, _ = customers(n_rows, seed=0)
    X_test, y_test, proba_test = customers(5000, seed=1)
    X, X_test = with_holes(X, seed=2), with_holes(X_test, seed=3)
    print(X.head(4).to_string(), "\n")

    network = BackpropMLPClassifierCV(random_state=0)
    models = {
        "network": network,
        "trees": HistGradientBoostingClassifier(random_state=0),
        "linear model": encoded(SGDLogisticClassifier()),
        "one network": encoded(BackpropMLPClassifier(early_stopping=True, random_state=0)),
    }
    print(f"{'':22}{'log-loss':>9}{'accuracy':>10}")
    losses = {}
    for name, model in models.items():
        model.fit(X, y)
        losses[name] = log_loss(y_test, model.predict_proba(X_test))
        accuracy = accuracy_score(y_test, model.predict(X_test))
        print(f"{name:22}{losses[name]:9.3f}{accuracy:10.3f}")
        if model is network:
            expected = network.cv_log_loss_, network.cv_score_
            print(f"{'  expected of itself':22}{expected[0]:9.3f}{expected[1]:10.3f}")
    bound = log_loss(y_test, proba_test)
    print(f"{'true probabilities':22}{bound:9.3f}")
    save_picture(losses, bound)


if __name__ == "__main__":
    main()
