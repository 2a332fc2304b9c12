"""A plot of the weights of the first layer: as images, bars or a heat map."""

from math import ceil, sqrt
from numbers import Integral
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from .._data.steps import steps_of
from .._engine.arrays import Rows, to_numpy
from .pyplot import pyplot

# Limits of what can be distinguished: images; bars of one feature; bars on a page, with the
# spaces between features; columns and rows of a heat map.
MAX_IMAGES, MAX_COLOURS, MAX_BARS, MAX_COLUMNS, MAX_ROWS = 25, 4, 80, 50, 40
# Red is positive, blue negative, white 0.
COLOURS = "RdBu_r"
# Inches: the longer side of an image, the space between images, the space above them for
# their names; a bar; a cell of a heat map; margins with other names; the minimum width of
# a figure.
IMAGE, SPACE, NAME_SPACE, BAR, CELL, MARGIN, MIN_WIDTH = 1.1, 0.1, 0.26, 0.16, 0.2, 1.4, 4.2


class WeightsDisplay:
    """Plot of the weights between the features and the first layer's units.

    Use `from_estimator`. With `image_shape`, each unit (of a linear model: each class) is a
    small image of its weights. Without it, there is a bar for each feature and unit, or, of
    more than four units, a heat map of features (rows) and units (columns). There, hidden
    units are sorted by the feature of their largest weight, so that those that read the
    same feature are side by side. Colours are symmetric about 0. If there are too many
    units or features, only those with the largest weights are drawn, and the title says so.

    Weights of features in different units cannot be compared, unless each is multiplied by
    the standard deviation of its feature: see `X` of `from_estimator`.

    Parameters
    ----------
    weights : array-like of shape (n_units, n_features)
        Weights of each unit.

    unit_names : array-like of shape (n_units,), default=None
        Names of the units; None numbers them from 0.

    feature_names : array-like of shape (n_features,), default=None
        Names of the features; None numbers them from 0.

    scales : array-like of shape (n_features,), default=None
        Multiply the weights of each feature, such as its standard deviation; None is 1.

    image_shape : tuple of int, default=None
        Rows and columns of an image whose pixels, row by row, are the features.

    estimator_name : str, default=None
        Title of the plot.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes with the weights.
    figure_ : matplotlib Figure
        The figure with the axes.
    units_ : ndarray of int
        The units drawn, in this order.
    features_ : ndarray of int
        The features drawn, in this order.
    image_ : AxesImage or None
        The heat map; or all small images in one, with NaN between them.
    bars_ : list of BarContainer, or None
        The bars of each unit.

    See Also
    --------
    LossCurveDisplay : Plot of the training.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_nn import SGDLogisticClassifier, WeightsDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> model = SGDLogisticClassifier(alpha=0.01).fit(X, y)
    >>> display = WeightsDisplay.from_estimator(model, image_shape=(8, 8))
    >>> len(display.units_)
    10

    A network for a table in a pipeline, with the names of its columns:

    >>> from sklearn.datasets import load_wine
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_nn import BackpropMLPClassifier
    >>> X, y = load_wine(return_X_y=True, as_frame=True)
    >>> network = BackpropMLPClassifier((20,), learning_rate=0.02, random_state=0)
    >>> pipeline = make_pipeline(StandardScaler(), network).fit(X, y)
    >>> display = WeightsDisplay.from_estimator(pipeline)
    >>> display.ax_.get_yticklabels()[0].get_text()
    'alcohol'
    """

    def __init__(
        self,
        *,
        weights: ArrayLike,
        unit_names: ArrayLike | None = None,
        feature_names: ArrayLike | None = None,
        scales: ArrayLike | None = None,
        image_shape: tuple[int, int] | None = None,
        estimator_name: str | None = None,
    ):
        self.weights = weights
        self.unit_names = unit_names
        self.feature_names = feature_names
        self.scales = scales
        self.image_shape = image_shape
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: Rows | None = None,
        *,
        image_shape: tuple[int, int] | None = None,
        max_units: int | None = None,
        max_features: int | None = None,
        ax=None,
    ) -> Self:
        """Draw the first layer of a fitted model.

        Parameters
        ----------
        estimator : estimator
            A fitted classifier of this package, or another with `coefs_` or `coef_`; or a
            Pipeline or a fitted search that ends in one. Features are those of the
            classifier, after the other steps, with their names.
        X : array-like or sparse matrix of shape (n_samples, n_features), default=None
            Rows as for `predict`. If given, each weight is multiplied by the standard
            deviation of its feature.
        image_shape : tuple of int, default=None
            Rows and columns of an image whose pixels, row by row, are the features.
        max_units : int, default=None
            Maximum number of units to draw; None is 25 images, or 50 in a heat map.
        max_features : int, default=None
            Maximum number of features with bars or in a heat map; None is as many as fit a
            page: 40 with one unit or in a heat map, 20 with bars of three.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a new figure.

        Returns
        -------
        display : WeightsDisplay
            The display, drawn.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If it has neither `coefs_` nor `coef_`.
        ValueError
            If X has other features than the model, `image_shape` does not have one pixel
            per feature, or a limit is below 1.
        """
        steps = steps_of(estimator)
        classifier = steps.classifier
        check_is_fitted(classifier)
        weights, unit_names = first_layer(classifier)
        display = cls(
            weights=weights,
            unit_names=unit_names,
            feature_names=steps.feature_names(),
            scales=None if X is None else deviations(steps.transformed(X), weights),
            image_shape=image_shape,
            estimator_name=type(classifier).__name__,
        )
        return display.plot(ax=ax, max_units=max_units, max_features=max_features)

    def plot(
        self, ax=None, *, max_units: int | None = None, max_features: int | None = None
    ) -> Self:
        """Draw the weights.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a new figure.
        max_units : int, default=None
            Maximum number of units to draw; None is 25 images, or 50 in a heat map.
        max_features : int, default=None
            Maximum number of features with bars or in a heat map; None is as many as fit a
            page: 40 with one unit or in a heat map, 20 with bars of three.

        Returns
        -------
        self : WeightsDisplay
            The display.
        """
        check_limit(max_units, "max_units")
        check_limit(max_features, "max_features")
        weights = np.asarray(self.weights, dtype=float)
        check_image_shape(self.image_shape, weights.shape[1])
        weights = weights * (1 if self.scales is None else np.asarray(self.scales))
        as_images = self.image_shape is not None
        most = MAX_IMAGES if as_images else MAX_COLUMNS
        self.units_ = largest_rows(weights, max_units or most)
        as_bars = not as_images and len(self.units_) <= MAX_COLOURS
        most = MAX_BARS // (len(self.units_) + 1) if as_bars else MAX_ROWS
        most = weights.shape[1] if as_images else max_features or most
        self.features_ = largest_rows(weights[self.units_].T, most)
        self.image_, self.bars_ = None, None
        if as_images:
            self._draw_images(ax, weights)
        elif as_bars:
            self._draw_bars(ax, weights)
        else:
            self._draw_heat_map(ax, weights)
        self.figure_ = self.ax_.figure
        self.ax_.set_title(self._title(*weights.shape))
        return self

    def _draw_images(self, ax, weights):
        """Draw an image of each unit."""
        drawn = weights[self.units_]
        grid = grid_of(len(drawn), self.image_shape)
        self.ax_ = new_axes(ax, size_of_images(grid))
        names = names_of(self.unit_names, self.units_, "unit ")
        self.image_ = draw_images(self.ax_, drawn, grid, names, self._label())

    def _draw_bars(self, ax, weights):
        """Draw a bar of each unit and feature."""
        drawn = weights[np.ix_(self.units_, self.features_)]
        self.ax_ = new_axes(ax, size_of_bars(*drawn.shape))
        names = names_of(self.unit_names, self.units_, "unit ")
        features = names_of(self.feature_names, self.features_)
        self.bars_ = draw_bars(self.ax_, drawn, names, features, self._label())

    def _draw_heat_map(self, ax, weights):
        """Draw a heat map of features and units."""
        if self.unit_names is None:
            columns = weights[np.ix_(self.units_, self.features_)]
            self.units_ = self.units_[order_of_units(columns)]
        drawn = weights[np.ix_(self.units_, self.features_)]
        self.ax_ = new_axes(ax, size_of_heat_map(*drawn.shape))
        names = names_of(self.unit_names, self.units_)
        features = names_of(self.feature_names, self.features_)
        self.image_ = draw_heat_map(self.ax_, drawn, names, features, self._label())
        if self.unit_names is None:
            self.ax_.set_xlabel("hidden unit")

    def _label(self):
        """Return the name of what is drawn."""
        return "weight" if self.scales is None else "weight times deviation of the feature"

    def _title(self, n_units, n_features):
        """Return the title, with a line for units or features that are not drawn."""
        parts = [
            f"{len(drawn)} of {total} {kind}"
            for drawn, total, kind in (
                (self.units_, n_units, "units"),
                (self.features_, n_features, "features"),
            )
            if len(drawn) < total
        ]
        note = [", ".join(parts) + " (largest weights)"] if parts else []
        return "\n".join([*filter(None, [self.estimator_name]), *note])


def first_layer(estimator):
    """Return the weights (n_units, n_features) of a fitted model, and the units' names.

    The units of a model without hidden layer are classes; hidden units have no names.
    """
    coefs, coef = getattr(estimator, "coefs_", None), getattr(estimator, "coef_", None)
    if coefs is not None:
        weights, is_linear = to_numpy(coefs[0]).T, len(coefs) == 1
    elif coef is not None:
        coef = coef.toarray() if issparse(coef) else to_numpy(coef)  # of `sparsify`
        weights, is_linear = np.atleast_2d(coef), True
    else:
        raise TypeError(
            "WeightsDisplay needs a fitted estimator with coefs_ or coef_; "
            f"{type(estimator).__name__} has neither. Pass a classifier of sklearn_nn (for "
            "BackpropMLPClassifierCV, one of its estimators_)."
        )
    classes = getattr(estimator, "classes_", None)
    if not is_linear or classes is None:
        return weights, None
    # Two classes have one logit, the log odds of the second.
    return weights, [f"class {label}" for label in classes[-len(weights) :]]


def deviations(X, weights):
    """Return the standard deviation of each column of X (n_features,).

    Raise ValueError unless X has a column for each of the weights (n_units, n_features).
    """
    # A scaler takes data frames, and sparse and missing values.
    scales = np.sqrt(StandardScaler(with_mean=False).fit(X).var_)
    if len(scales) != weights.shape[1]:
        raise ValueError(
            f"X must have {weights.shape[1]} features, as the weights; got {len(scales)}."
        )
    return scales


def check_image_shape(image_shape, n_features):
    """Raise ValueError unless None, or rows * columns equals the number of features."""
    if image_shape is None:
        return
    fits = np.shape(image_shape) == (2,) and min(image_shape) >= 1
    if not fits or np.prod(image_shape) != n_features:
        raise ValueError(
            "image_shape must be (rows, columns) with rows * columns equal to the number "
            f"of features, {n_features}; got {image_shape!r}. Use None for bars."
        )


def check_limit(limit, name):
    """Raise ValueError unless the limit is None or an integer of at least 1."""
    is_count = isinstance(limit, Integral) and not isinstance(limit, bool) and limit >= 1
    if limit is not None and not is_count:
        raise ValueError(f"{name} must be an integer >= 1 or None; got {limit!r}.")


def largest_rows(weights, most):
    """Return the indices, increasing, of the `most` rows with the largest weight."""
    if len(weights) <= most:
        return np.arange(len(weights))
    return np.sort(np.argsort(-np.max(np.abs(weights), axis=1), kind="stable")[:most])


def names_of(names, indices, prefix=""):
    """Return the names at the indices as text; without names, prefix and number."""
    return [f"{prefix}{i}" if names is None else str(names[i]) for i in indices]


def new_axes(ax, size):
    """Return `ax`, or the axes of a new figure of this size in inches."""
    if ax is not None:
        return ax
    return pyplot("WeightsDisplay.plot").subplots(figsize=size, layout="constrained")[1]


# Images.


class Grid(NamedTuple):
    """The layout of the images in a mosaic, in pixels."""

    n_rows: int
    n_columns: int
    height: int  # of an image
    width: int
    gap_above: int  # each image, for its name
    gap_beside: int
    pixel: float  # inches

    @property
    def shape(self):
        """Rows and columns of the mosaic."""
        rows = self.n_rows * (self.height + self.gap_above)
        return rows, self.n_columns * (self.width + self.gap_beside) - self.gap_beside

    def corner(self, k):
        """Return the top row and the left column of the k-th image."""
        row, column = divmod(k, self.n_columns)
        top = row * (self.height + self.gap_above) + self.gap_above
        return top, column * (self.width + self.gap_beside)


def grid_of(n_images, image_shape):
    """Return the Grid of `n_images` images: nearly square, with few empty places."""
    height, width = (int(side) for side in image_shape)
    pixel = IMAGE / max(height, width)
    at_least = ceil(sqrt(n_images * height / width))
    # The first minimum, so the one nearest to a square.
    n_columns = min(range(at_least, at_least + 3), key=lambda n: -n_images % n)
    n_columns = min(n_columns, n_images)
    return Grid(
        n_rows=ceil(n_images / n_columns),
        n_columns=n_columns,
        height=height,
        width=width,
        gap_above=max(1, round(NAME_SPACE / pixel)),
        gap_beside=max(1, round(SPACE / pixel)),
        pixel=pixel,
    )


def size_of_images(grid):
    """Return width and height of a figure with this Grid, in inches."""
    n_rows, n_columns = grid.shape
    width = MARGIN + n_columns * grid.pixel
    return max(MIN_WIDTH, width), MARGIN / 2 + n_rows * grid.pixel


def draw_images(axes, weights, grid, names, label):
    """Draw the weights (n_units, n_features) as images with names; return the AxesImage."""
    mosaic = np.full(grid.shape, np.nan)
    for k, (weight, name) in enumerate(zip(weights, names, strict=True)):
        top, left = grid.corner(k)
        bottom, right = top + grid.height, left + grid.width
        mosaic[top:bottom, left:right] = weight.reshape(grid.height, grid.width)
        # Pixels are centred on integers.
        x = np.array([left, right, right, left, left]) - 0.5
        y = np.array([top, top, bottom, bottom, top]) - 0.5
        axes.plot(x, y, color="0.7", linewidth=0.8, clip_on=False)
        axes.annotate(
            name,
            (left + (grid.width - 1) / 2, top - 0.5),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            fontsize="small",
        )
    axes.set_axis_off()
    return draw_colours(axes, mosaic, label, shrink=0.8)


def draw_colours(axes, weights, label, shrink):
    """Draw a matrix of weights in colours, with a colour bar; return the AxesImage."""
    largest = np.nanmax(np.abs(weights)) or 1.0
    image = axes.imshow(weights, cmap=COLOURS, vmin=-largest, vmax=largest)
    axes.figure.colorbar(image, ax=axes, label=label, shrink=shrink)
    return image


# Bars.


def size_of_bars(n_units, n_features):
    """Return width and height of a figure with bars, in inches."""
    return 6.4, MARGIN + n_features * (n_units + 1) * BAR


def draw_bars(axes, weights, unit_names, feature_names, label):
    """Draw the weights (n_units, n_features) as bars; return a BarContainer per unit."""
    n_units, n_features = weights.shape
    thickness = 1 / (n_units + 1)  # one more is the space between features
    middle = np.arange(n_features)
    bars = []
    for k, (weight, name) in enumerate(zip(weights, unit_names, strict=True)):
        place = middle + (k - (n_units - 1) / 2) * thickness
        bars.append(axes.barh(place, weight, height=thickness, label=name))
    axes.axvline(0, color="0.3", linewidth=0.8)
    axes.set_yticks(middle, feature_names)
    axes.set_ylim(n_features - 0.5, -0.5)  # the first feature on top
    axes.set_ylabel("feature")
    axes.grid(axis="x", alpha=0.3)
    if n_units == 1:
        axes.set_xlabel(f"{label} ({unit_names[0]})")
    else:
        axes.set_xlabel(label)
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return bars


# A heat map.


def order_of_units(weights):
    """Return the order of the units (n_units,) by the feature of their largest weight.

    With the same feature, the most positive weight is first.
    """
    feature = np.argmax(np.abs(weights), axis=1)
    largest = weights[np.arange(len(weights)), feature]
    return np.lexsort((-largest, feature))


def size_of_heat_map(n_units, n_features):
    """Return width and height of a figure with a heat map, in inches."""
    width = 2 * MARGIN + n_units * CELL  # names of features, and the colour bar
    return max(MIN_WIDTH, width), MARGIN + n_features * CELL


def draw_heat_map(axes, weights, unit_names, feature_names, label):
    """Draw the weights (n_units, n_features), a unit per column; return the AxesImage."""
    image = draw_colours(axes, weights.T, label, shrink=1.0)
    axes.set_aspect("auto")
    axes.set_yticks(np.arange(len(feature_names)), feature_names, fontsize="small")
    rotation = 90 if max(map(len, unit_names)) > 1 else 0
    axes.set_xticks(
        np.arange(len(unit_names)), unit_names, fontsize="small", rotation=rotation
    )
    axes.set_ylabel("feature")
    return image
