"""Choosing a learning rate
========================

Gradient descent needs a learning rate. For logistic regression this package has a method
without one (`learning_rate='auto'`). For a network the learning rate matters more than any
other parameter, and this page shows how to find it.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_nn import BackpropMLPClassifier, LearningRateDisplay, SGDLogisticClassifier

# %%
# Logistic regression needs no learning rate
# ------------------------------------------
# `SGDLogisticClassifier()` takes raw features and stops within `tol` of its optimum. It
# takes Newton steps in standardised coordinates, on random samples of the rows that grow
# until they hold all rows. Without a learning rate, `partial_fit` is a method for streams.

X, y = load_breast_cancer(return_X_y=True)
model = SGDLogisticClassifier().fit(X, y)
print(f"{model.n_iter_} Newton steps, objective {model.loss_curve_[-1]:.4f}")

# %%
# With a number as learning rate it is the textbook's method: standardise the features. (The
# penalty then acts on the coefficients of standardised features, so the objective differs.)

textbook = SGDLogisticClassifier(learning_rate=0.1, random_state=0)
pipeline = make_pipeline(StandardScaler(), textbook).fit(X, y)
print(f"{textbook.n_iter_} epochs, objective {textbook.loss_curve_[-1]:.4f}")

# %%
# A network: too small, right, too large
# --------------------------------------
# The curves show the objective on the training rows. A rate ten times too small learns ten
# times as slowly. A slightly too large rate is fast at first and then fluctuates; a much
# too large one destroys what was learned. In `BackpropMLPClassifier`, unlike in
# MLPClassifier, `learning_rate` may be a number, so that you can search over it.

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
scaler = StandardScaler().fit(X_train)
X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)


def network(**parameters):
    """Return a network of 100 hidden units, trained for 40 epochs."""
    settings = {"alpha": 1e-3, "max_iter": 40, "tol": None, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the largest rates
        return BackpropMLPClassifier(**settings | parameters).fit(X_train, y_train)


rates = [0.0001, 0.001, 0.01, 0.1, 1.0]
shades = plt.colormaps["viridis"](np.linspace(0, 0.9, len(rates)))
fig, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
for rate, shade in zip(rates, shades, strict=True):
    fitted = network(learning_rate=rate)
    accuracy = fitted.score(X_test, y_test)
    label = f"{rate:g}: test accuracy {accuracy:.3f}"
    ax.semilogy(fitted.loss_curve_, color=shade, label=label)
ax.set(xlabel="epoch", ylabel="objective, nats per row", title="Adam on digits")
ax.legend(title="learning rate", fontsize="small")
plt.show()

# %%
# So try powers of ten or of three, and let validation choose. The best rate depends on the
# batch size and on the solver: for Adam it is near 0.001 whatever the scale of the loss,
# for plain SGD often a hundred times as large.

search = GridSearchCV(
    BackpropMLPClassifier(max_iter=30, tol=None, random_state=0),
    {"learning_rate": [0.0003, 0.001, 0.003, 0.01, 0.03]},
    scoring="neg_log_loss",
    cv=3,
).fit(X_train, y_train)
for parameters, score in zip(
    search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
):
    print(f"learning_rate={parameters['learning_rate']:<7g} log loss {-score:.4f}")

# %%
# Range test
# ----------
# A range test gives a quicker first guess [4]_. It takes a hundred steps, and each step
# multiplies the rate by the same factor, from far too small to far too large. At first
# nothing happens, then the loss falls, and in the end it explodes.
# `learning_rate_range_test` suggests a tenth of the rate at which the smoothed loss is
# lowest. It does not change the estimator, which may be a pipeline: its other steps then
# transform the rows.

display = LearningRateDisplay.from_estimator(
    BackpropMLPClassifier(alpha=1e-3, random_state=0), X_train, y_train
)
plt.show()
fitted = network(learning_rate=display.suggestion)
print(
    f"suggestion {display.suggestion:.2g}: test accuracy {fitted.score(X_test, y_test):.3f}"
)

# %%
# Ten times less and ten times more are worse:

losses = [network(learning_rate=k * display.suggestion).loss_ for k in (0.1, 1, 10)]
print("final objectives:", np.round(losses, 3))
assert min(losses) == losses[1]

# %%
# The suggestion takes the time of a few epochs, but it is a guess and not a search. The
# docstring of :func:`~sklearn_nn.learning_rate_range_test` compares it with the best of
# many rates on 36 problems.

# %%
# Schedules
# ---------
# With a constant rate the noise of the batches keeps the model away from the optimum. It is
# better to begin with long steps and end with short ones [1]_. If `learning_rate` is a
# name, `learning_rate_init` sets its size:
#
# - 'constant' is always `learning_rate_init`;
# - 'invscaling' is ``learning_rate_init / t**power_t``, t being the number of the update;
# - 'adaptive' is divided by 5 whenever `n_iter_no_change` epochs bring no improvement of
#   `tol`;
# - 'cosine' falls to 0 along half a cosine in `max_iter` epochs [2]_; with
#   `warmup_fraction` it first rises linearly;
# - 'one_cycle' rises from 1/25 of `learning_rate_init` to its full value, and then falls to
#   almost 0 [3]_.
#
# The last two depend on the length of training. Set `tol=None`, so that the stopping rule
# does not cut them short, and compare them at the same `max_iter`: with half as many epochs
# the schedule is different.

X, y = load_breast_cancer(return_X_y=True)
X, alpha = StandardScaler().fit_transform(X), 0.01


def trained_by(schedule, n_epochs):
    """Yield a logistic model after each epoch of a schedule."""
    model = SGDLogisticClassifier(
        alpha=alpha,
        learning_rate=schedule,
        learning_rate_init=0.3,
        momentum=0,
        batch_size=10,
        max_iter=n_epochs,
        random_state=0,
    )
    for _ in range(n_epochs):
        yield model.partial_fit(X, y, classes=[0, 1])


def objective(model):
    """Return J of a logistic model."""
    loss = -np.mean(model.predict_log_proba(X)[np.arange(len(y)), y])
    return loss + alpha / 2 * np.sum(model.coef_**2)


# %%
# For logistic regression we know the distance to the optimum, because 'auto' finds it.

best = objective(SGDLogisticClassifier(alpha=alpha, tol=1e-12).fit(X, y))
schedules = {
    "constant": "0.6",
    "invscaling": "#c8500a",
    "adaptive": "#1f5fa8",
    "cosine": "#2a8a4a",
    "one_cycle": "#8a4ab0",
}
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for schedule, color in schedules.items():
    gaps = []
    for model in trained_by(schedule, n_epochs=100):
        gaps.append(objective(model) - best)
    left.semilogy(model.learning_rate_curve_, color=color, label=repr(schedule))
    right.semilogy(gaps, color=color)
left.set(xlabel="epoch", title="learning rate", ylim=(1e-5, 1))
right.set(xlabel="epoch", title="J - J*, nats per row (batches of 10)")
left.legend(fontsize="small", loc="lower left")
plt.show()

# %%
# .. [1] H. Robbins and S. Monro, "A stochastic approximation method", Annals of
#    Mathematical Statistics 22, 1951.
# .. [2] I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm
#    restarts", ICLR 2017, https://arxiv.org/abs/1608.03983
# .. [3] L. Smith and N. Topin, "Super-convergence: very fast training of neural networks
#    using large learning rates", 2018, https://arxiv.org/abs/1708.07120
# .. [4] L. Smith, "Cyclical learning rates for training neural networks", WACV 2017,
#    section 3.3, https://arxiv.org/abs/1506.01186
