r"""One neuron learns the OR gate
=============================

Logistic regression is a network of one neuron. This page builds it from the formula and
trains it one row at a time, as the perceptron was trained. `SGDLogisticClassifier` then
gives the same numbers.

The neuron adds its weighted inputs and maps the sum to a probability:

.. math::

    z = w_1 x_1 + w_2 x_2 + b, \qquad p = \sigma(z) = \frac{1}{1 + e^{-z}}

`z` is the *logit*: the logarithm of the odds :math:`p / (1 - p)`. The *log loss*, or
cross-entropy, is :math:`-\log p` if the label is 1 and :math:`-\log(1 - p)` if it is 0, in
nats. Its derivative is simple, because the slope of the sigmoid, :math:`p (1 - p)`,
cancels:

.. math::

    \ell(z, y) = -y \log p - (1 - y) \log(1 - p)
    \quad\Longrightarrow\quad
    \frac{d\ell}{dz} = p - y, \qquad
    \frac{\partial \ell}{\partial w_j} = (p - y)\, x_j, \qquad
    \frac{\partial \ell}{\partial b} = p - y

*Stochastic gradient descent* [1]_ takes one row and makes a step against this gradient.
Rosenblatt's perceptron [2]_ makes the same step with the hard decision 0 or 1 instead of
`p`, so that it moves only if it is wrong; our neuron also moves if it is right but unsure.
"""

import matplotlib.pyplot as plt
import numpy as np

from sklearn_nn import SGDLogisticClassifier

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
y = np.array([0, 1, 1, 1])

# %%
# By hand
# -------
# All parameters start at zero, so that the first probability is 1/2. The step size, called
# the *learning rate*, is 1. One pass over all rows is an *epoch*.


def sigmoid(z):
    """Return 1 / (1 + exp(-z))."""
    return 1 / (1 + np.exp(-z))


w, b, learning_rate = np.zeros(2), 0.0, 1.0
lines = []  # (w1, w2, b) after each epoch
for epoch in range(1, 26):
    for row, label in zip(X, y, strict=True):
        p = sigmoid(row @ w + b)
        w = w - learning_rate * (p - label) * row
        b = b - learning_rate * (p - label)
        if epoch in (1, 25):
            print(f"epoch {epoch:2d}  row {row}  p was {p:.4f}   w {w.round(4)}  b {b:.4f}")
    lines.append((*w, b))

# %%
# With the estimator
# ------------------
# The parameters of the estimator describe the same method: no penalty, steps of constant
# size 1 without momentum, one row per step, in the given order, for exactly 25 epochs.

model = SGDLogisticClassifier(
    penalty=None,
    learning_rate=1.0,
    momentum=0,
    batch_size=1,
    shuffle=False,
    max_iter=25,
    tol=None,
)
model.fit(X, y)
print("w", model.coef_[0].round(4), " b", model.intercept_.round(4))
np.testing.assert_allclose([*model.coef_[0], *model.intercept_], [*w, b], rtol=1e-13)

# %%
# Training row by row with `partial_fit` gives the same model, bit for bit. In this way you
# can inspect it between any two steps.

by_row = model.__class__(**model.get_params())
for _ in range(25):
    for i in range(4):
        by_row.partial_fit(X[i : i + 1], y[i : i + 1], classes=[0, 1])
assert np.array_equal(by_row.coef_, model.coef_)

# %%
# The neuron learns a line
# ------------------------
# The probability is 1/2 on the line :math:`w_1 x_1 + w_2 x_2 + b = 0`. This line turns and
# moves until it separates 00 from the other three rows.

fig, ax = plt.subplots(figsize=(5, 4.4), layout="constrained")
x1 = np.linspace(-0.5, 1.5, 2)
for epoch, shade in ((1, "0.8"), (3, "0.65"), (8, "0.45"), (25, "black")):
    w1, w2, intercept = lines[epoch - 1]
    ax.plot(x1, -(w1 * x1 + intercept) / w2, color=shade, label=f"after epoch {epoch}")
ax.scatter(*X.T, c=np.where(y, "#1f5fa8", "#c8500a"), s=140, zorder=3)
for (a, c), label in zip(X, y, strict=True):
    ax.annotate(f"{a:.0f} OR {c:.0f} = {label}", (a + 0.06, c + 0.06))
ax.set(xlim=(-0.5, 1.5), ylim=(-0.5, 1.5), xlabel="$x_1$", ylabel="$x_2$")
ax.set(title="The line of p = 1/2", aspect="equal")
ax.legend(loc="lower right", fontsize="small")
plt.show()

# %%
# **Next.** A method that uses all rows in each step is :ref:`gradient descent
# <sphx_glr_auto_tutorials_02_majority.py>`.
#
# .. [1] H. Robbins and S. Monro, "A stochastic approximation method", Annals of
#    Mathematical Statistics 22, 1951.
# .. [2] F. Rosenblatt, "The perceptron: a probabilistic model for information storage and
#    organization in the brain", Psychological Review 65, 1958.
