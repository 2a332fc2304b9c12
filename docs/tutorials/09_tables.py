"""A table, from reading it to an ONNX file
========================================

Tables have columns of several kinds, in any units, with holes. `BackpropMLPClassifierCV`
takes them as they are. This page reads a table from a file, trains, checks the
probabilities, asks which columns matter, and exports the model.
"""

import io

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.calibration import CalibrationDisplay
from sklearn.inspection import permutation_importance
from sklearn.metrics import log_loss

from sklearn_nn import BackpropMLPClassifierCV, LossCurveDisplay, to_onnx

# %%
# A file
# ------
# We make one: customers, and whether they stay. The probability depends on the age, the
# income, and the city together with the plan; the number of the customer says nothing.


def customers(n_rows, seed):
    """Return a table with holes, as text, as it would be in a file."""
    rng = np.random.RandomState(seed)
    age = rng.uniform(18, 80, size=n_rows).round()
    income = np.exp(rng.normal(10, 0.7, size=n_rows)).round()
    city = rng.choice(["Bern", "Oslo", "Riga", "Rome"], size=n_rows)
    plan = rng.choice(["basic", "plus"], size=n_rows)
    logit = np.sin(age / 10) + 0.8 * np.log(income / 22_000)
    logit += np.where(city == "Oslo", 1.0, -0.3) * np.where(plan == "plus", 1, -1)
    stays = rng.uniform(size=n_rows) < 1 / (1 + np.exp(-2 * logit))
    frame = pd.DataFrame(
        {"number": rng.permutation(n_rows), "age": age, "income": income}
        | {"city": city, "plan": plan, "stays": np.where(stays, "yes", "no")}
    )
    for column in ("income", "city"):
        frame.loc[rng.uniform(size=n_rows) < 0.05, column] = None
    return frame.to_csv(index=False)


train = pd.read_csv(io.StringIO(customers(1500, seed=0)))
test = pd.read_csv(io.StringIO(customers(3000, seed=1)))
y, y_test = train.pop("stays"), test.pop("stays")
print(train.head(4))

# %%
# Training
# --------
# There is nothing to choose. The network of each fold says how good it is on rows that it
# has not seen, with an epoch and a temperature that the other folds have chosen:

model = BackpropMLPClassifierCV(random_state=0).fit(train, y)
proba = model.predict_proba(test)
print(
    f"expected log-loss {model.cv_log_loss_:.3f}, of new rows {log_loss(y_test, proba):.3f}"
)
print(
    f"expected accuracy {model.cv_score_:.3f}, of new rows {model.score(test, y_test):.3f}"
)
assert log_loss(y_test, proba) < model.cv_log_loss_ + 0.03

# %%
# The mean of five networks, which predicts, is a little better than one network. What a
# network gets to see is in its encoder. Each keeps the epoch of its lowest validation loss.
# (The training loss rises because it has the penalty on the weights, which grow.)

print(model.encoders_[0].get_feature_names_out())
LossCurveDisplay.from_estimator(model, log_scale=True)

# %%
# Are the probabilities right?
# ----------------------------
# Among rows with a probability of 0.8, four in five should stay.

fig, ax = plt.subplots(figsize=(5, 4.6), layout="constrained")
CalibrationDisplay.from_predictions(
    y_test, proba[:, 1], pos_label="yes", n_bins=10, strategy="quantile", ax=ax
)

# %%
# Which columns matter?
# ---------------------
# The log-loss rises if the values of a column are shuffled among the rows. The number of
# the customer does not matter, as it should be.

importance = permutation_importance(
    model, test, y_test, scoring="neg_log_loss", n_repeats=3, random_state=0
)
for name, mean in zip(test, importance.importances_mean, strict=True):
    print(f"{name:8}{mean:7.3f}")
assert importance.importances_mean[0] < 0.02 < importance.importances_mean[1:].min()

# %%
# A file for another program
# --------------------------
# The ONNX graph takes the columns, strings included, and needs neither Python nor this
# package. Missing strings are '', and missing numbers NaN.

try:
    import onnxruntime
except ImportError:
    print("To run the graph: pip install onnxruntime")
else:
    graph = to_onnx(model).SerializeToString()
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    strings = {"city", "plan"}
    columns = {
        name: test[[name]].fillna("").to_numpy(object)
        if name in strings
        else test[[name]].to_numpy(float)
        for name in test
    }
    [labels] = session.run(["label"], columns)
    assert (labels == model.predict(test)).all()
    print(f"{len(graph):,} bytes; the same labels for {len(labels):,} rows")
