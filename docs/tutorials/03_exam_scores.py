r"""Exam scores: why to scale features
==================================

A hundred applicants have two exam scores between 30 and 100, and are admitted or not. The
data are simulated from a known logistic model. (A well-known course has real data; if you
have its file, :ref:`an example <sphx_glr_auto_examples_exam_scores.py>` reproduces the
published results.)
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_nn import SGDLogisticClassifier

rng = np.random.default_rng(3)
X = rng.uniform(30, 100, size=(100, 2))
y = (rng.random(100) < 1 / (1 + np.exp(-(X @ [0.2, 0.2] - 25)))).astype(int)

# %%
# Coefficients are log odds
# -------------------------
# A coefficient is a change of the log odds: one more point in exam 1 multiplies the odds of
# admission by :math:`e^{w_1}`.

model = SGDLogisticClassifier(penalty=None).fit(X, y)
print("w", model.coef_[0].round(3), " b", model.intercept_.round(2))
print("odds ratio per point:", np.exp(model.coef_[0]).round(3))
print("P(admitted | 45, 85) =", model.predict_proba([[45, 85]])[0, 1].round(3))

grid = np.stack(np.meshgrid(np.linspace(28, 102, 150), np.linspace(28, 102, 150)), axis=-1)
proba = model.predict_proba(grid.reshape(-1, 2))[:, 1].reshape(150, 150)
fig, ax = plt.subplots(figsize=(6, 4.6), layout="constrained")
shades = ax.contourf(
    grid[..., 0], grid[..., 1], proba, levels=np.linspace(0, 1, 11), cmap="RdBu", alpha=0.7
)
ax.contour(grid[..., 0], grid[..., 1], proba, levels=[0.5], colors="black")
ax.scatter(*X[y == 1].T, color="#1f5fa8", edgecolor="white", label="admitted")
ax.scatter(*X[y == 0].T, color="#c8500a", marker="X", edgecolor="white", label="not")
ax.set(xlabel="exam 1, points", ylabel="exam 2, points")
ax.legend(loc="lower left")
fig.colorbar(shades, label="P(admitted)")
plt.show()

# %%
# Raw features make a narrow valley
# ---------------------------------
# Near its optimum J is a bowl whose curvature is the *Hessian* :math:`H = \frac1n \sum_i
# p_i (1 - p_i)\, \tilde x_i \tilde x_i^\mathsf{T}`, where :math:`\tilde x` is the row with
# a 1 for the intercept. Gradient descent diverges if the rate is above :math:`2 /
# \lambda_{\max}`. Along the flattest direction, one step closes only the fraction
# :math:`\text{rate} \cdot \lambda_{\min}` of the gap. So the number of steps grows with the
# *condition number* :math:`\lambda_{\max} / \lambda_{\min}`.


def eigenvalues(X):
    """Return the eigenvalues of the Hessian at the optimum for these features."""
    fitted = SGDLogisticClassifier(penalty=None).fit(X, y)
    p = fitted.predict_proba(X)[:, 1]
    rows = np.column_stack([X, np.ones(len(X))])
    return np.linalg.eigvalsh(rows.T @ (rows * (p * (1 - p))[:, None]) / len(X))


scaled = StandardScaler().fit_transform(X)
for name, features in (("raw", X), ("standardised", scaled)):
    curvature = eigenvalues(features)
    print(
        f"{name:13} largest rate near the optimum {2 / curvature[-1]:8.4f}, "
        f"condition number {curvature[-1] / curvature[0]:10.1f}"
    )

# %%
# On raw scores the largest stable rate is tiny, and the intercept needs thousands of steps
# to reach its optimum. After `StandardScaler` the same method needs a few hundred. The
# default learning_rate='auto' standardises internally, while J and its optimum stay those
# of your units: for raw and for scaled features it takes a few Newton steps.


def gaps(features, learning_rate, n_steps, best):
    """Return J - J* before each step of plain gradient descent."""
    fitted = SGDLogisticClassifier(
        penalty=None,
        learning_rate=learning_rate,
        momentum=0,
        batch_size="full",
        max_iter=n_steps,
        tol=None,
    ).fit(features, y)
    return np.array(fitted.loss_curve_) - best


def log_loss_of(fitted):
    """Return the mean loss in nats, from log probabilities, which are always finite."""
    return -np.mean(fitted.predict_log_proba(X)[np.arange(len(y)), y])


best = log_loss_of(SGDLogisticClassifier(penalty=None, tol=None).fit(X, y))
auto = np.array(SGDLogisticClassifier(penalty=None).fit(X, y).loss_curve_) - best
fig, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
ax.loglog(gaps(X, 0.001, 100_000, best), color="#c8500a", label="raw, rate 0.001")
ax.loglog(gaps(scaled, 2.0, 3_000, best), color="#1f5fa8", label="standardised, rate 2")
steps = np.arange(1, len(auto) + 1)
ax.loglog(steps, auto, "k.-", label="raw, learning_rate='auto' (Newton steps)")
ax.set(xlabel="step", ylabel="J - J*, nats per row", ylim=(1e-10, 2))
ax.set_title("Gap to the optimum")
ax.legend(fontsize="small")
plt.show()

# %%
# The same optimum as LogisticRegression
# --------------------------------------
# `LogisticRegression(C)` minimises a sum and we minimise a mean: `alpha = 1 / (C * n)`.

C = 10.0
ours = SGDLogisticClassifier(alpha=1 / (C * len(y)), tol=1e-10).fit(scaled, y)
theirs = LogisticRegression(C=C, tol=1e-10).fit(scaled, y)
print("ours  ", ours.coef_[0], ours.intercept_)
print("theirs", theirs.coef_[0], theirs.intercept_)
np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-5)

# %%
# Failures are reported
# ---------------------
# A run that has not converged warns and reports its last improvement. A rate that is too
# large raises an error with advice instead of a model full of NaN.

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always", ConvergenceWarning)
    SGDLogisticClassifier(learning_rate=0.001, max_iter=20).fit(X, y)
print(f"{caught[0].category.__name__}: {caught[0].message}\n")

try:
    SGDLogisticClassifier(learning_rate=1e15, momentum=0).fit(X, y)
except ValueError as error:
    print(f"ValueError: {error}")

# %%
# Put the scaler into a pipeline, so that rows to predict are scaled like the training rows.

new = rng.uniform(30, 100, size=(1000, 2))
admitted = rng.random(1000) < 1 / (1 + np.exp(-(new @ [0.2, 0.2] - 25)))
pipeline = make_pipeline(StandardScaler(), SGDLogisticClassifier(learning_rate=0.5))
print("accuracy on new applicants", pipeline.fit(X, y).score(new, admitted.astype(int)))

# %%
# **Next.** No line can separate some labels, such as
# :ref:`XOR <sphx_glr_auto_tutorials_04_xor.py>`.
