r"""A majority vote by gradient descent
===================================

Three bits vote; the label is 1 where two or more are set. All eight rows take part in every
step: that is gradient descent on the objective that both estimators minimise,

.. math::

    J(w, b) = \frac{1}{n} \sum_{i=1}^{n} \ell(z_i, y_i)
    + \alpha\, \tfrac12 \lVert w \rVert^2, \qquad z = X w + b

In matrices, with :math:`p = \sigma(z)`,

.. math::

    \nabla_w J = \tfrac1n X^\mathsf{T} (p - y) + \alpha w, \qquad
    \frac{\partial J}{\partial b} = \tfrac1n \textstyle\sum_i (p_i - y_i)

Two conventions matter when you compare with a book or another library. The loss here is the
*mean* over the rows: a rate of 0.1 for the *sum* over eight rows is a rate of 0.8 here. And
the intercept has no penalty.
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
    """Return w, b and the objective before each step, from zero."""
    w, b, curve = np.zeros(X.shape[1]), 0.0, []
    for _ in range(n_steps):
        z = X @ w + b
        # log(1 + exp(z)) - y z is -y log p - (1 - y) log(1 - p), without a logarithm of 0.
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
    """Return plain gradient descent of 200 steps of 0.8, with some parameters changed."""
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
# The bits are equal, the start is zero, and each step treats them alike: so all three
# weights stay equal. Nothing breaks the symmetry. A network that began at zero could not
# learn for the same reason: all its hidden units would stay one and the same. That is why
# `BackpropMLPClassifier` draws its initial weights.

# %%
# Batches
# -------
# With one row in a step, or two, the same epoch holds eight steps, or four, each along the
# gradient of a part. The path is noisy, but an epoch goes further.

fig, ax = plt.subplots(figsize=(6.5, 3.8), layout="constrained")
for batch_size, color in (("full", "black"), (2, "#1f5fa8"), (1, "#c8500a")):
    fitted = textbook(batch_size=batch_size, learning_rate=0.1, max_iter=100).fit(X, y)
    ax.semilogy(fitted.loss_curve_, color=color, label=f"batch_size={batch_size!r}")
ax.set(xlabel="epoch", ylabel="objective, nats per row")
ax.set_title("A hundred epochs with steps of 0.1")
ax.legend()
plt.show()

# %%
# Why a penalty
# -------------
# These labels can be separated without an error. Then twice the weights have a lower loss,
# and four times the weights a lower one still: without a penalty there is no optimum to
# arrive at, and training ends because it stops, not because it is done.

for n_steps in (200, 2_000, 20_000):
    fitted = textbook(max_iter=n_steps).fit(X, y)
    print(f"{n_steps:6d} steps: w {fitted.coef_[0, 0]:8.4f}")

# %%
# With a penalty the optimum is finite, and does not depend on how it is found. Left to
# itself, `SGDLogisticClassifier` needs no learning rate: it takes Newton steps to the
# optimum.

by_steps = textbook(penalty="l2", alpha=0.01, max_iter=20_000).fit(X, y)
by_itself = SGDLogisticClassifier(alpha=0.01).fit(X, y)
print("20,000 gradient steps", by_steps.coef_[0], by_steps.intercept_)
print(f"{by_itself.n_iter_} Newton steps       ", by_itself.coef_[0], by_itself.intercept_)
np.testing.assert_allclose(by_itself.coef_, by_steps.coef_, rtol=1e-6)

# %%
# **What next.** Real features have units:
# :ref:`what they do to gradient descent <sphx_glr_auto_tutorials_03_exam_scores.py>`.
