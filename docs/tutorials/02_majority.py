r"""A majority vote by gradient descent
===================================

Three bits vote; the label is 1 if two or more are set. Every step uses all eight rows: this
is gradient descent on the objective that both estimators minimise,

.. math::

    J(w, b) = \frac{1}{n} \sum_{i=1}^{n} \ell(z_i, y_i)
    + \alpha\, \tfrac12 \lVert w \rVert^2, \qquad z = X w + b

In matrix form, with :math:`p = \sigma(z)`,

.. math::

    \nabla_w J = \tfrac1n X^\mathsf{T} (p - y) + \alpha w, \qquad
    \frac{\partial J}{\partial b} = \tfrac1n \textstyle\sum_i (p_i - y_i)

Two conventions matter when you compare with a book or another library. The loss here is the
*mean* over the rows: a rate of 0.1 for the *sum* over eight rows is a rate of 0.8 here. The
intercept has no penalty.
"""

import matplotlib.pyplot as plt
import numpy as np

from sklearn_nn import SGDLogisticClassifier

X = np.array([[i >> 2 & 1, i >> 1 & 1, i & 1] for i in range(8)], dtype=float)
y = (X.sum(axis=1) >= 2).astype(int)

# %%
# Two hundred steps by hand
# -------------------------


def gradient_descent(X, y, learning_rate, alpha, n_steps):
    """Return w, b and the objective before each step, starting at zero."""
    w, b, curve = np.zeros(X.shape[1]), 0.0, []
    for _ in range(n_steps):
        z = X @ w + b
        # log(1 + exp(z)) - y z equals -y log p - (1 - y) log(1 - p) without a log(0).
        curve.append(np.mean(np.logaddexp(0, z) - y * z) + alpha / 2 * w @ w)
        delta = 1 / (1 + np.exp(-z)) - y
        w = w - learning_rate * (X.T @ delta / len(y) + alpha * w)
        b = b - learning_rate * delta.mean()
    return w, b, curve


w, b, curve = gradient_descent(X, y, learning_rate=0.8, alpha=0, n_steps=200)
print("w", w, " b", b)

# %%
# The estimator takes the same steps: `batch_size='full'` is gradient descent. `loss_curve_`
# is the objective before each step.


def textbook(**changed):
    """Return a model for 200 gradient steps of rate 0.8, with some parameters changed."""
    parameters = {
        "penalty": None,
        "learning_rate": 0.8,
        "momentum": 0,
        "batch_size": "full",
        "max_iter": 200,
        "tol": None,
        "random_state": 0,
    }
    return SGDLogisticClassifier(**parameters | changed)


model = textbook().fit(X, y)
np.testing.assert_allclose(model.coef_[0], w, rtol=1e-13)
np.testing.assert_allclose(model.loss_curve_, curve, rtol=1e-13)
print("p by number of bits set:", model.predict_proba(X)[[0, 1, 3, 7], 1])

# %%
# The three bits play the same role and their weights start at zero, so that each step
# changes all three weights equally. For the same reason, a network that starts at zero
# cannot learn: all its hidden units stay equal. Therefore `BackpropMLPClassifier` draws
# random initial weights.

# %%
# Batches
# -------
# With one or two rows per step, an epoch has eight or four steps, each along the gradient
# of its rows only. The path is noisy, but an epoch makes more progress.

fig, ax = plt.subplots(figsize=(6.5, 3.8), layout="constrained")
for batch_size, color in (("full", "black"), (2, "#1f5fa8"), (1, "#c8500a")):
    fitted = textbook(batch_size=batch_size, learning_rate=0.1, max_iter=100).fit(X, y)
    ax.semilogy(fitted.loss_curve_, color=color, label=f"batch_size={batch_size!r}")
ax.set(xlabel="epoch", ylabel="objective, nats per row")
ax.set_title("A hundred epochs with steps of 0.1")
ax.legend()
plt.show()

# %%
# Why a penalty is needed
# -----------------------
# These labels can be separated without error. Then doubling the weights lowers the loss,
# and doubling them again lowers it further: without a penalty there is no optimum to which
# training could converge.

for n_steps in (200, 2_000, 20_000):
    fitted = textbook(max_iter=n_steps).fit(X, y)
    print(f"{n_steps:6d} steps: w {fitted.coef_[0, 0]:8.4f}")

# %%
# With a penalty the optimum is finite, and every method finds the same one. By default,
# `SGDLogisticClassifier` needs no learning rate: it takes Newton steps to the optimum.

by_steps = textbook(penalty="l2", alpha=0.01, max_iter=20_000).fit(X, y)
by_itself = SGDLogisticClassifier(alpha=0.01).fit(X, y)
print("20,000 gradient steps", by_steps.coef_[0], by_steps.intercept_)
print(f"{by_itself.n_iter_} Newton steps       ", by_itself.coef_[0], by_itself.intercept_)
np.testing.assert_allclose(by_itself.coef_, by_steps.coef_, rtol=1e-6)

# %%
# **Next.** Real features have units, and
# :ref:`units affect gradient descent <sphx_glr_auto_tutorials_03_exam_scores.py>`.
