"""Are the probabilities calibrated?
=================================

Among rows with a predicted probability of 0.8, four in five should be cases. Models trained
on the log loss, the default of both estimators, come close to this, unless they overfit or
use balanced weights. This page checks the calibration and shows how to improve it.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.calibration import CalibratedClassifierCV, CalibrationDisplay
from sklearn.datasets import load_iris, make_classification
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.metrics import brier_score_loss, log_loss
from sklearn.model_selection import cross_val_predict, train_test_split
from sklearn.multiclass import OneVsRestClassifier

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier

X, y = make_classification(
    n_samples=16_000, n_features=20, n_informative=5, flip_y=0.15, random_state=1
)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)
X_train, X_later, y_train, y_later = train_test_split(
    X_train, y_train, test_size=0.5, random_state=0
)

# %%
# Four models
# -----------
# We compare a linear model; a network that overfits its training rows; the same network
# with early stopping on held-out rows; and the overfitted network with a sigmoid on top,
# fitted to other held-out rows (Platt's method, in scikit-learn).

linear = SGDLogisticClassifier(random_state=0).fit(X_train, y_train)
overfitted = BackpropMLPClassifier(
    (100,), alpha=0, learning_rate=0.01, max_iter=60, tol=None, random_state=0
).fit(X_train, y_train)
stopped = BackpropMLPClassifier(
    (100,), alpha=0, learning_rate=0.001, early_stopping=True, random_state=0
).fit(X_train, y_train)
mended = CalibratedClassifierCV(FrozenEstimator(overfitted), method="sigmoid").fit(
    X_later, y_later
)
models = {
    "linear": linear,
    "network, overfitted": overfitted,
    "network, stopped early": stopped,
    "overfitted, with CalibratedClassifierCV": mended,
}
fig, ax = plt.subplots(figsize=(6, 5.4), layout="constrained")
colors = ["0.5", "#c8500a", "#1f5fa8", "#e0a080"]
print(f"{'':42}{'log loss':>9}{'Brier':>8}{'accuracy':>10}")
for (name, model), color in zip(models.items(), colors, strict=True):
    proba = model.predict_proba(X_test)[:, 1]
    CalibrationDisplay.from_predictions(
        y_test, proba, n_bins=10, strategy="quantile", name=name, ax=ax, color=color
    )
    scores = log_loss(y_test, proba), brier_score_loss(y_test, proba)
    print(f"{name:42}{scores[0]:9.3f}{scores[1]:8.3f}{model.score(X_test, y_test):10.3f}")
ax.set(xlabel="predicted probability", ylabel="share of cases", title="Reliability")
ax.legend(fontsize="small")
plt.show()

# %%
# The overfitted network decides well but is far too confident. The log loss and the Brier
# score show this; accuracy does not. So stop early, use a penalty (`alpha`), or calibrate
# on separate rows.

# %%
# Losses from logits instead of probabilities
# -------------------------------------------
# The network returns *logits*, and every loss is computed from them. A confident error has
# its full loss: for a logit of 800 with the wrong sign, it is 800 nats. A probability that
# is clipped to have a finite logarithm would hide the difference between 40 and 800.

model = SGDLogisticClassifier().fit([[0.0], [1.0]], [0, 1])
model.coef_, model.intercept_ = np.array([[1600.0]]), np.array([-800.0])  # edited by hand
print("probabilities    ", model.predict_proba([[0.0], [0.52], [1.0]])[:, 1])
print("log probabilities", model.predict_log_proba([[0.0], [0.52], [1.0]])[:, 1])

# %%
# One softmax instead of one versus the rest
# ------------------------------------------
# For more than two classes both estimators train one *softmax*, :math:`p_k = e^{z_k} /
# \sum_j e^{z_j}`, on the log loss of all classes together. In one versus the rest, each
# model is trained alone; their probabilities are normalised afterwards, so that no model
# was trained for the final result. In iris the middle class lies between the other two, and
# no line separates it from "the rest". Each row is predicted by a model that was not
# trained on it.

X_iris, y_iris = load_iris(return_X_y=True)
alpha, n = 0.01, 0.9 * len(y_iris)  # rows of nine folds of ten
linear_model = LogisticRegression(C=1 / (alpha * n), max_iter=5000)
for name, model in (
    ("one softmax", SGDLogisticClassifier(alpha=alpha)),
    ("one versus rest, at its optimum", OneVsRestClassifier(linear_model)),
    ("SGDClassifier(loss='log_loss')", SGDClassifier(loss="log_loss", alpha=alpha)),
):
    proba = cross_val_predict(model, X_iris, y_iris, cv=10, method="predict_proba")
    accuracy = np.mean(proba.argmax(axis=1) == y_iris)
    print(f"{name:34} log loss {log_loss(y_iris, proba):.3f}   accuracy {accuracy:.3f}")
