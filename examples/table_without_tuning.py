"""A table as it is: strings, holes and numbers of any scale, without tuning
=========================================================================

Trains BackpropMLPClassifierCV and HistGradientBoostingClassifier on the same data frame,
with default parameters, and prints log-loss and accuracy, beside what the network expected
of itself (`cv_log_loss_`). The network needs no test set for that. The labels of the table
are drawn with known probabilities: no model can expect a lower log-loss than these have.

    python examples/table_without_tuning.py [--rows 2000]
"""

import argparse

import numpy as np

try:
    import pandas as pd
except ImportError:
    raise SystemExit("This example needs pandas: pip install pandas") from None
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import accuracy_score, log_loss

from sklearn_nn import BackpropMLPClassifierCV


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
    """Return the table with 5 % of the incomes and cities missing."""
    rng, X = np.random.RandomState(seed), X.copy()
    for column in ("income", "city"):
        X.loc[rng.uniform(size=len(X)) < 0.05, column] = None
    return X


def as_categories(X):
    """Return the table with categories instead of strings, which trees need."""
    return X.astype({"city": "category", "plan": "category"})


def main():
    """Train both, and print how good they are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2000)
    n_rows = parser.parse_args().rows
    X, y, _ = customers(n_rows, seed=0)
    X_test, y_test, proba_test = customers(5000, seed=1)
    X, X_test = with_holes(X, seed=2), with_holes(X_test, seed=3)
    print(X.head(4).to_string(), "\n")

    network = BackpropMLPClassifierCV(random_state=0)
    trees = HistGradientBoostingClassifier(random_state=0)
    models = {"network": (network, X, X_test)}
    models["trees"] = (trees, as_categories(X), as_categories(X_test))
    print(f"{'':22}{'log-loss':>9}{'accuracy':>10}")
    for name, (model, train, test) in models.items():
        model.fit(train, y)
        loss = log_loss(y_test, model.predict_proba(test))
        accuracy = accuracy_score(y_test, model.predict(test))
        print(f"{name:22}{loss:9.3f}{accuracy:10.3f}")
    expected = network.cv_log_loss_, network.cv_score_
    print(f"{'  expected of itself':22}{expected[0]:9.3f}{expected[1]:10.3f}")
    bound = log_loss(y_test, proba_test)
    print(f"{'true probabilities':22}{bound:9.3f}")


if __name__ == "__main__":
    main()
