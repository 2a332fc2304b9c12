r"""XOR: backpropagation by hand
============================

One neuron draws one line, and no line separates XOR. This page shows how a hidden layer
solves XOR. It derives the gradient of a network with two inputs, two hidden units and one
output, computes it in six lines of NumPy, and compares it with the estimator's gradient.
"""

import matplotlib.pyplot as plt
import numpy as np

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
y = np.array([0, 1, 1, 0])

# %%
# Why one neuron is not enough
# ----------------------------
# By symmetry the optimum of logistic regression is the null model: w = 0, a probability of
# 1/2 for each row, and a loss of log 2.

linear = SGDLogisticClassifier(penalty=None, tol=1e-10).fit(X, y)
print("probabilities", linear.predict_proba(X)[:, 1].round(9), " w", linear.coef_.round(9))

# %%
# Two neurons draw two lines, and a third can combine their outputs. With these hand-chosen
# weights, the first hidden unit is OR, the second is AND, and the output is "OR, but not
# AND".


def sigmoid(z):
    """Return 1 / (1 + exp(-z))."""
    return 1 / (1 + np.exp(-z))


by_hand = [
    np.array([[20.0, 20.0], [20.0, 20.0]]),  # W1, inputs x hidden units
    np.array([-10.0, -30.0]),  # b1
    np.array([[20.0], [-20.0]]),  # W2, hidden units x outputs
    np.array([-10.0]),  # b2
]


def forward(X, W1, b1, W2, b2):
    """Return the hidden units' outputs (n, 2) and the probability (n, 1)."""
    hidden = sigmoid(X @ W1 + b1)
    return hidden, sigmoid(hidden @ W2 + b2)


hidden, p = forward(X, *by_hand)
for row, (unit_1, unit_2), output in zip(X, hidden, p[:, 0], strict=True):
    print(f"{row}   OR {unit_1:.3f}   AND {unit_2:.3f}   XOR {output:.3f}")

# %%
# The gradient, from the output backwards
# ---------------------------------------
# This is the forward pass; each of the n rows of a batch is a row of the matrices:
#
# .. math::
#
#     \begin{aligned}
#     z_1 &= X W_1 + b_1 & (n \times 2) \qquad a_1 &= \sigma(z_1) \\
#     z_2 &= a_1 W_2 + b_2 & (n \times 1) \qquad p &= \sigma(z_2)
#     \end{aligned}
#
# Let :math:`\delta_l` be the derivative of a row's loss with respect to :math:`z_l`, the
# *input* of a layer's activation. At the output it is the same as for one neuron. To go
# back one layer, the chain rule multiplies by the weights, which are the derivative of
# :math:`z_2` with respect to :math:`a_1`, and by the slope of the sigmoid, which is
# :math:`a (1 - a)` for an output :math:`a`:
#
# .. math::
#
#     \delta_2 = p - y, \qquad
#     \delta_1 = (\delta_2 W_2^\mathsf{T}) \odot a_1 \odot (1 - a_1)
#
# The derivative with respect to a weight is the weight's input times the delta of its
# output, averaged over the rows:
#
# .. math::
#
#     \begin{aligned}
#     \frac{\partial J}{\partial W_2} &= \tfrac1n a_1^\mathsf{T} \delta_2 & \quad
#     \frac{\partial J}{\partial b_2} &= \tfrac1n \textstyle\sum_i \delta_{2,i} \\
#     \frac{\partial J}{\partial W_1} &= \tfrac1n X^\mathsf{T} \delta_1 & \quad
#     \frac{\partial J}{\partial b_1} &= \tfrac1n \textstyle\sum_i \delta_{1,i}
#     \end{aligned}
#
# This is backpropagation [1]_. The program:


def gradient_by_hand(X, y, W1, b1, W2, b2):
    """Return the derivatives of the mean log loss with respect to W1, b1, W2, b2."""
    hidden, p = forward(X, W1, b1, W2, b2)
    delta_2 = p - y[:, None]
    delta_1 = (delta_2 @ W2.T) * hidden * (1 - hidden)
    n = len(X)
    return [X.T @ delta_1 / n, delta_1.mean(0), hidden.T @ delta_2 / n, delta_2.mean(0)]


# %%
# Three ways to compute the gradient
# ----------------------------------
# The estimator does not return its gradient, but a step reveals it: plain gradient descent
# with rate 1 moves by minus the gradient. If you edit `coefs_` and `intercepts_`, training
# resumes from your values. So we insert our weights, make one step, and take the
# difference.

rng = np.random.default_rng(0)
theta = [rng.normal(size=shape) for shape in ((2, 2), (2,), (2, 1), (1,))]

network = BackpropMLPClassifier(
    hidden_layer_sizes=(2,),
    activation="logistic",
    solver="sgd",
    learning_rate=1.0,
    momentum=0,
    alpha=0,
    batch_size="full",
    random_state=0,
)
network.partial_fit(X, y, classes=[0, 1])  # creates the weights that we edit
network.coefs_ = [theta[0].copy(), theta[2].copy()]
network.intercepts_ = [theta[1].copy(), theta[3].copy()]
network.partial_fit(X, y)
after = [
    network.coefs_[0],
    network.intercepts_[0],
    network.coefs_[1],
    network.intercepts_[1],
]
by_estimator = [before - now for before, now in zip(theta, after, strict=True)]


# %%
# The third way does not use the chain rule: it computes the central difference
# :math:`(J(\theta + h e_j) - J(\theta - h e_j)) / 2h` for each parameter.


def objective(flat):
    """Return the mean log loss for a vector of all 9 parameters."""
    W1, b1, W2, b2 = flat[:4].reshape(2, 2), flat[4:6], flat[6:8, None], flat[8:]
    p = forward(X, W1, b1, W2, b2)[1][:, 0]
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


def flat(arrays):
    """Return arrays as one vector."""
    return np.concatenate([array.ravel() for array in arrays])


h = 1e-5
differences = [
    (objective(flat(theta) + h * e) - objective(flat(theta) - h * e)) / (2 * h)
    for e in np.eye(9)
]
table = np.stack([flat(gradient_by_hand(X, y, *theta)), flat(by_estimator), differences])
names = [
    "W1[0,0]",
    "W1[0,1]",
    "W1[1,0]",
    "W1[1,1]",
    "b1[0]",
    "b1[1]",
    "W2[0]",
    "W2[1]",
    "b2",
]
print(f"{'':10}{'by hand':>14}{'estimator':>14}{'difference':>14}")
for name, values in zip(names, table.T, strict=True):
    print(f"{name:10}" + "".join(f"{value:14.9f}" for value in values))
np.testing.assert_allclose(table[1], table[0], atol=1e-15)
np.testing.assert_allclose(table[2], table[0], atol=1e-9)

# %%
# Training
# --------
# The initial weights are MLPClassifier's for the same `random_state`. From most starts, but
# not from all, four thousand steps of gradient descent separate XOR. On the way, the loss
# stays on a plateau until the network breaks its symmetry. Some starts end on another
# plateau: a local minimum, or a region that is nearly as flat.

fig, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
models = []
for seed in range(10):
    model = BackpropMLPClassifier(
        hidden_layer_sizes=(2,),
        activation="logistic",
        solver="sgd",
        learning_rate=1.0,
        momentum=0,
        alpha=0,
        batch_size="full",
        max_iter=4000,
        tol=None,
        random_state=seed,
    ).fit(X, y)
    models.append(model)
    separated = model.score(X, y) == 1
    ax.semilogy(model.loss_curve_, color="#1f5fa8" if separated else "#c8500a")
ax.axhline(np.log(2), color="0.6", linestyle=":", zorder=0)
ax.annotate("log 2: null model", (2300, 0.76), color="0.4")
ax.set(xlabel="step", ylabel="objective, nats per row", title="XOR from ten starts")
plt.show()
n_separated = sum(model.score(X, y) == 1 for model in models)
print(f"{n_separated} of 10 starts separate XOR")

# %%
# In one of the runs, the two hidden units have learned two lines with a band between them.

best = min(models, key=lambda model: model.loss_curve_[-1])
grid = np.stack(np.meshgrid(*2 * [np.linspace(-0.4, 1.4, 200)]), axis=-1)
proba = best.predict_proba(grid.reshape(-1, 2))[:, 1].reshape(200, 200)
fig, ax = plt.subplots(figsize=(5.4, 4.4), layout="constrained")
levels = np.linspace(0, 1, 11)
shades = ax.contourf(grid[..., 0], grid[..., 1], proba, levels, cmap="RdBu", alpha=0.7)
for unit in range(2):
    w, b = best.coefs_[0][:, unit], best.intercepts_[0][unit]
    x1 = np.array([-0.4, 1.4])
    ax.plot(x1, -(w[0] * x1 + b) / w[1], color="black", linestyle="--")
ax.scatter(*X.T, c=np.where(y, "#1f5fa8", "#c8500a"), s=140, edgecolor="white", zorder=3)
ax.set(xlim=(-0.4, 1.4), ylim=(-0.4, 1.4), xlabel="$x_1$", ylabel="$x_2$")
ax.set(title="p, and the two hidden units' lines", aspect="equal")
fig.colorbar(shades, label="p")
plt.show()

# %%
# With more units every start succeeds. Adam [2]_ needs fewer steps, because it scales each
# coordinate's step by the size of that coordinate's gradients.

easy = [
    BackpropMLPClassifier((10,), "tanh", learning_rate=0.05, random_state=seed).fit(X, y)
    for seed in range(10)
]
print("ten hidden units and Adam:", sum(m.score(X, y) == 1 for m in easy), "of 10 starts,")
print("after at most", max(model.n_iter_ for model in easy), "steps")

# %%
# **Next.** How long should a step be? See
# :ref:`choosing a learning rate <sphx_glr_auto_tutorials_05_learning_rate.py>`.
#
# .. [1] D. Rumelhart, G. Hinton and R. Williams, "Learning representations by
#    back-propagating errors", Nature 323, 1986.
# .. [2] D. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015,
#    https://arxiv.org/abs/1412.6980
