"""Inspecting training and the learned weights
===========================================

The final score says little about how a model was trained. This page shows more: the
training curves, the weights of the first layer, and a check of the gradient.
"""

from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
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
# Give the validation rows to `fit`, which does not train on them. With early stopping their
# score decides when training ends, and the display marks the epoch whose weights were kept.

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
# When the validation loss begins to rise while the training loss still falls, the model
# overfits: `early_stopping=True` with `scoring='loss'` then ends training.

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
# To compare runs, give them names, and draw them on the same axes.

display = LossCurveDisplay.from_estimator(model, name="one cycle", log_scale=True)
display = LossCurveDisplay.from_estimator(stopped, name="constant", ax=display.ax_)

# %%
# Weights
# -------
# In a network for images, the weights of each hidden unit form a small image. They are red
# for pixels that activate the unit if bright, and blue for pixels that inhibit it.

display = WeightsDisplay.from_estimator(model, image_shape=(8, 8))

# %%
# A linear model has one image per class, and with a penalty each resembles its digit.

linear = SGDLogisticClassifier(alpha=0.01, random_state=0).fit(X_train, y_train)
display = WeightsDisplay.from_estimator(linear, image_shape=(8, 8))

# %%
# Without `image_shape` the weights are bars, labelled with the names of the features. With
# l1 only a few weights are not zero.

data = load_breast_cancer(as_frame=True)
features = StandardScaler().set_output(transform="pandas").fit_transform(data.data)
sparse = SGDLogisticClassifier(penalty="l1", alpha=0.02).fit(features, data.target)
display = WeightsDisplay.from_estimator(sparse, max_features=12)

# %%
# More than four units are a heat map, with hidden units side by side if their largest
# weight is that of the same feature. Weights of features in different units cannot be
# compared: with rows, here of a pipeline, each is multiplied by the deviation of its
# feature (1 after a StandardScaler).

network = BackpropMLPClassifier((20,), alpha=0.01, learning_rate=0.01, random_state=0)
pipeline = make_pipeline(StandardScaler(), network).fit(data.data, data.target)
display = WeightsDisplay.from_estimator(pipeline, data.data)

# %%
# Is the gradient correct?
# ------------------------
# If a model does not learn, first check whether its gradient is wrong. `check_gradient`
# compares it with central differences of the objective, on your data and with your
# parameters. Errors of 1e-11 to 1e-7 are normal; a wrong gradient has errors of about 1.

print(check_gradient(model, X_train[:100], y_train[:100]))

# sphinx_gallery_thumbnail_number = 4
