"""Class imbalance: weights, thresholds, scores
============================================

Where one row in thirty is a case, a model that never says so is right 97 times in 100. What
helps depends on what is wrong: the score, the decision, or the weight of a row.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_classification
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    confusion_matrix,
    log_loss,
)
from sklearn.model_selection import TunedThresholdClassifierCV, train_test_split

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier

X, y = make_classification(
    n_samples=12_000,
    n_features=10,
    n_informative=4,
    weights=[0.97],
    class_sep=1.0,
    flip_y=0.01,
    random_state=0,
)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
print(f"cases among the training rows: {y_train.mean():.1%}")


def report(name, model):
    """Print how a fitted model does on the test rows."""
    decided, proba = model.predict(X_test), model.predict_proba(X_test)[:, 1]
    found = confusion_matrix(y_test, decided)
    print(
        f"{name:24} found {found[1, 1]:3d} of {found[1].sum()}  "
        f"false alarms {found[0, 1]:4d}  "
        f"balanced accuracy {balanced_accuracy_score(y_test, decided):.3f}  "
        f"log loss {log_loss(y_test, proba):.3f}"
    )


# %%
# Weights, or a threshold
# -----------------------
# `class_weight='balanced'` gives each class the same total weight: a row of class k weighs
# ``sum(w) / (n_classes * sum of w in the class)``. In the objective a weight is a
# repetition, so it is as if cases had been copied. That moves the decision, and the
# probabilities with it. `TunedThresholdClassifierCV` of scikit-learn leaves the
# probabilities alone and moves the decision only.

plain = SGDLogisticClassifier(random_state=0).fit(X_train, y_train)
balanced = SGDLogisticClassifier(class_weight="balanced", random_state=0)
balanced.fit(X_train, y_train)
tuned = TunedThresholdClassifierCV(
    SGDLogisticClassifier(random_state=0), scoring="balanced_accuracy", random_state=0
).fit(X_train, y_train)
network = BackpropMLPClassifier(
    (30,), class_weight="balanced", alpha=1e-3, learning_rate=0.003, random_state=0
).fit(X_train, y_train)

report("plain", plain)
report("balanced", balanced)
report("plain, tuned threshold", tuned)
report("network, balanced", network)
print(f"the threshold: {tuned.best_threshold_:.3f}")

# %%
# Mind the last column: the log loss of the balanced models is worse, because they believe
# that half of all rows are cases. Where you need probabilities, do not balance, or correct
# for it: with two classes the balanced model's log odds are too high by about the logarithm
# of the ratio of the class weights.

weights = 1 / np.bincount(y_train)
odds_too_high = np.log(weights[1] / weights[0])
corrected = 1 / (1 + np.exp(-(balanced.decision_function(X_test) - odds_too_high)))
for name, proba in (
    ("balanced", balanced.predict_proba(X_test)),
    ("balanced, corrected", corrected),
    ("plain", plain.predict_proba(X_test)),
):
    print(f"{name:20} log loss {log_loss(y_test, proba):.4f}")

# %%
# How well cases are *ranked* hardly changes between the linear models. The decision is
# where a line crosses the probabilities, and each of them crosses somewhere else.

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
bins = np.linspace(0, 1, 41)
for ax, name, model in ((left, "plain", plain), (right, "balanced", balanced)):
    proba = model.predict_proba(X_test)[:, 1]
    for label, color in ((0, "#c8500a"), (1, "#1f5fa8")):
        ax.hist(
            proba[y_test == label], bins, color=color, alpha=0.6, label=f"label {label}"
        )
    ax.axvline(0.5, color="black", linestyle="--", linewidth=1)
    precision = average_precision_score(y_test, proba)
    ax.set(yscale="log", xlabel="predicted probability of a case", ylabel="test rows")
    ax.set_title(f"{name}: average precision {precision:.3f}")
left.legend()
plt.show()

# %%
# Weights of rows
# ---------------
# `sample_weight` multiplies `class_weight`. Only ratios matter, and 0 is absence. That is a
# law of this package, and the tests hold it to it: a weight of 3 is a row three times.

small, labels = X_train[:400], y_train[:400]
copies = np.where(labels == 1, 3, 1)
weighted = SGDLogisticClassifier(tol=1e-10).fit(small, labels, sample_weight=copies)
repeated = SGDLogisticClassifier(tol=1e-10).fit(
    np.repeat(small, copies, axis=0), np.repeat(labels, copies)
)
np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-5, atol=1e-8)

# %%
# Choosing by a score that fits
# -----------------------------
# `GridSearchCV(..., scoring="balanced_accuracy")`, "average_precision" or "neg_log_loss"
# choose for what you need. Accuracy would choose the model that never finds a case. For
# early stopping say the same: `scoring='balanced_accuracy'`, or 'loss'.
