"""Looking at training, and at what was learned
============================================

A number at the end says little about how a model came to be. Three pictures and a check say
more: the curves of training, the weights of the first layer, and whether the gradient is
the gradient.
"""

from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_nn import (
    BackpropMLPClassifier,
    LossCurveDisplay,
    SGDLogisticClassifier,
    WeightsDisplay,
    check_gradient,
)

X, y = load_digits(return_X_y=True)
X = X / 16  # pixels from 0 to 1
X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.4, random_state=0)

# %%
# Curves
# ------
# Rows to validate with go into `fit`, which does not train on them. With early stopping
# their score decides when it is enough, and the display marks the epoch whose weights were
# kept.

model = BackpropMLPClassifier(
    (50,),
    learning_rate="one_cycle",
    learning_rate_init=0.02,
    max_iter=40,
    tol=None,
    random_state=0,
).fit(X_train, y_train, X_val=X_val, y_val=y_val)
display = LossCurveDisplay.from_estimator(model)

# %%
# Where the validation loss turns up while the training loss still falls, the model has
# begun to learn its rows by heart: `early_stopping=True` with `scoring='loss'` ends there.

stopped = BackpropMLPClassifier(
    (50,),
    learning_rate=0.02,
    early_stopping=True,
    scoring="loss",
    n_iter_no_change=15,
    random_state=0,
).fit(X_train, y_train, X_val=X_val, y_val=y_val)
display = LossCurveDisplay.from_estimator(stopped)
print(f"best epoch {stopped.best_epoch_} of {stopped.n_iter_}")

# %%
# Weights
# -------
# Each hidden unit of a network for images is itself a small image: red where a bright pixel
# speaks for it, blue where against.

display = WeightsDisplay.from_estimator(model, image_shape=(8, 8))

# %%
# A linear model has one for each class, and with a penalty they look like what they look
# for.

linear = SGDLogisticClassifier(alpha=0.01, random_state=0).fit(X_train, y_train)
display = WeightsDisplay.from_estimator(linear, image_shape=(8, 8))

# %%
# Without `image_shape` the weights are bars, by the names of the features. l1 leaves few.

data = load_breast_cancer(as_frame=True)
features = StandardScaler().set_output(transform="pandas").fit_transform(data.data)
sparse = SGDLogisticClassifier(penalty="l1", alpha=0.02).fit(features, data.target)
display = WeightsDisplay.from_estimator(sparse, max_features=12)

# %%
# Is the gradient the gradient?
# -----------------------------
# Where a model does not learn, the first question is whether its gradient is at fault.
# `check_gradient` compares it with central differences of the objective, on your data and
# with your parameters. Errors of 1e-11 to 1e-7 are normal; a wrong gradient has errors of
# about 1.

print(check_gradient(model, X_train[:100], y_train[:100]))

# sphinx_gallery_thumbnail_number = 3
