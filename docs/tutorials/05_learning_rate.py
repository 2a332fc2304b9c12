"""Choosing a learning rate
========================

The learning rate is the one number that gradient descent cannot do without. For logistic
regression this package can (`learning_rate='auto'`). For a network it matters more than
anything else you can set, and this page is about finding it.
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
# Logistic regression needs none
# ------------------------------
# `SGDLogisticClassifier()` takes raw features and ends within `tol` of its optimum: it
# takes Newton steps on random samples of the rows, which grow to all of them, in
# standardised coordinates. `partial_fit` without a learning rate is a method for streams.

X, y = load_breast_cancer(return_X_y=True)
model = SGDLogisticClassifier().fit(X, y)
print(f"{model.n_iter_} Newton steps, objective {model.loss_curve_[-1]:.4f}")

# %%
# Give it a number, and it is the textbook's method: standardise features then. (The penalty
# is then on the coefficients of standardised features, so that this objective is another
# one.)

textbook = SGDLogisticClassifier(learning_rate=0.1, random_state=0)
pipeline = make_pipeline(StandardScaler(), textbook).fit(X, y)
print(f"{textbook.n_iter_} epochs, objective {textbook.loss_curve_[-1]:.4f}")

# %%
# A network: too small, right, too large
# --------------------------------------
# The curves are the objective on the training rows. A rate ten times too small learns ten
# times as slowly; a rate a little too large is fast at first and then rattles about; one
# that is much too large destroys what was learned. `BackpropMLPClassifier` takes a number
# where MLPClassifier takes `learning_rate_init`, so that a grid over `learning_rate` does
# what it says.

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
scaler = StandardScaler().fit(X_train)
X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)


def network(**parameters):
    """Return a network of 100 hidden units for 40 epochs, trained."""
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
# So: try powers of ten, or of three, and let validation choose. The best rate depends on
# the solver (Adam's is near 0.001 whatever the scale of the loss, plain SGD's is often a
# hundred times that) and on the batch size.

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
# A range test
# ------------
# A quicker way to a first guess is a hundred steps, each at a rate that is larger than the
# one before by the same factor, from far too small to far too large [4]_. At first nothing
# happens, then the loss falls, and in the end it explodes. `learning_rate_range_test`
# suggests a tenth of the rate at which the smoothed loss is lowest; the estimator stays as
# it is.

display = LearningRateDisplay.from_estimator(
    BackpropMLPClassifier(alpha=1e-3, random_state=0), X_train, y_train
)
plt.show()
fitted = network(learning_rate=display.suggestion)
print(
    f"suggestion {display.suggestion:.2g}: test accuracy {fitted.score(X_test, y_test):.3f}"
)

# %%
# It is a guess that takes the time of a few epochs, not a search: the docstring of
# :func:`~sklearn_nn.learning_rate_range_test` says how near it came to the best of many
# rates on 36 problems.

# %%
# Schedules
# ---------
# With a constant rate the noise of the batches keeps the model at a distance from the
# optimum. Long steps to get near and short ones to arrive do better [1]_. A name in place
# of the number takes its size from `learning_rate_init`:
#
# - 'constant' stays there;
# - 'invscaling' is ``learning_rate_init / t**power_t``, t the number of the update;
# - 'adaptive' is divided by 5 whenever `n_iter_no_change` epochs bring no improvement of
#   `tol`;
# - 'cosine' falls to 0 along half a cosine in `max_iter` epochs [2]_; with
#   `warmup_fraction` it rises along a line before;
# - 'one_cycle' rises from 1/25 of `learning_rate_init` to all of it, and falls to almost 0
#   [3]_.
#
# The last two know the length of training beforehand. Give `fit` `tol=None`, so that the
# stopping rule does not cut them short, and compare them at one `max_iter`: half as many
# epochs are another schedule.

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
# For logistic regression we know how far it is to the optimum, because 'auto' has been
# there.

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
