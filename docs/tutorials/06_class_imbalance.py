"""Class imbalance: weights, thresholds, scores
============================================

If one row in thirty is a case, a model that never predicts a case is right 97 times in 100.
The remedy depends on what is wrong: the score, the decision, or the weight of a row.
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
    """Print the results of a fitted model on the test rows."""
    decided, proba = model.predict(X_test), model.predict_proba(X_test)[:, 1]
    found = confusion_matrix(y_test, decided)
    print(
        f"{name:24} found {found[1, 1]:3d} of {found[1].sum()}  "
        f"false alarms {found[0, 1]:4d}  "
        f"balanced accuracy {balanced_accuracy_score(y_test, decided):.3f}  "
        f"log loss {log_loss(y_test, proba):.3f}"
    )


# %%
# Weights or a threshold
# ----------------------
# `class_weight='balanced'` gives each class the same total weight: the weight of a row is
# ``sum(w) / (n_classes * sum of w in the class)``. In the objective a weight counts as
# repeated rows, so this has the effect of copying cases. It moves the decision and the
# probabilities. scikit-learn's `TunedThresholdClassifierCV` moves only the decision.

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
# Look at the last column: the log loss of the balanced models is worse, because they
# predict as if half of all rows were cases. If you need probabilities, do not balance, or
# correct them: with two classes, the log odds of the balanced model are too high by about
# the logarithm of the ratio of the class weights.

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
# All linear models *rank* the cases almost equally well. They differ in the threshold at
# which a row becomes a predicted case.

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
# Sample weights
# --------------
# `sample_weight` multiplies `class_weight`. Only ratios matter, and a weight of 0 equals no
# row. A weight of 3 equals three copies of the row; the tests of this package check this.

small, labels = X_train[:400], y_train[:400]
copies = np.where(labels == 1, 3, 1)
weighted = SGDLogisticClassifier(tol=1e-10).fit(small, labels, sample_weight=copies)
repeated = SGDLogisticClassifier(tol=1e-10).fit(
    np.repeat(small, copies, axis=0), np.repeat(labels, copies)
)
np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-5, atol=1e-8)

# %%
# Choosing an appropriate score
# -----------------------------
# In `GridSearchCV`, choose the `scoring` that you need: "balanced_accuracy",
# "average_precision" or "neg_log_loss". Accuracy would select the model that never finds a
# case. For early stopping, set the same: `scoring='balanced_accuracy'`, or 'loss'.
