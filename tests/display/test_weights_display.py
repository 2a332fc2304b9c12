"""WeightsDisplay draws the first layer's weights."""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier, WeightsDisplay


@pytest.fixture(autouse=True)
def closed_figures():
    """Close all figures after a test."""
    yield
    plt.close("all")


def named(load):
    """Return a standardised data frame and the labels as strings."""
    data = load(as_frame=True)
    X = StandardScaler().set_output(transform="pandas").fit_transform(data.data)
    return X, data.target_names[data.target]


@pytest.fixture(scope="module")
def iris():
    """Return SGDLogisticClassifier fitted to iris."""
    return SGDLogisticClassifier().fit(*named(load_iris))


@pytest.fixture(scope="module")
def digits(standardised):
    """Return BackpropMLPClassifier with 40 hidden units fitted to digits."""
    model = BackpropMLPClassifier((40,), max_iter=2, tol=None, random_state=0)
    return model.fit(*standardised("digits"))


def ticks(display):
    """Return the labels of the bars' axis."""
    return [label.get_text() for label in display.ax_.get_yticklabels()]


def legend(display):
    """Return the labels in the legend."""
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def titles(display):
    """Return the titles of the images."""
    return [text.get_text() for text in display.ax_.texts]


# Bars.


def test_bars_are_the_weights(iris):
    display = WeightsDisplay.from_estimator(iris)
    widths = [[bar.get_width() for bar in bars] for bars in display.bars_]
    np.testing.assert_array_equal(widths, iris.coef_)
    assert display.image_ is None


def test_bars_are_labelled_with_features_and_classes(iris):
    display = WeightsDisplay.from_estimator(iris)
    assert ticks(display) == list(iris.feature_names_in_)
    assert legend(display) == ["class setosa", "class versicolor", "class virginica"]


def test_binary_model_has_bars_of_the_second_class_only():
    model = SGDLogisticClassifier(alpha=0.01).fit(*named(load_breast_cancer))
    display = WeightsDisplay.from_estimator(model)
    assert display.ax_.get_xlabel() == "weight (class malignant)"
    assert display.ax_.get_legend() is None
    assert len(display.features_) == 30


def test_features_without_names_are_numbered(digits):
    display = WeightsDisplay.from_estimator(digits, max_units=1, max_features=64)
    assert ticks(display) == [str(j) for j in range(64)]


def test_sparse_coefficients_are_drawn(rows):
    X, y, _ = rows()
    model = SGDLogisticClassifier(penalty="l1", alpha=0.05).fit(X, y)
    before = model.coef_
    display = WeightsDisplay.from_estimator(model.sparsify())
    np.testing.assert_array_equal(display.weights, before)


def test_network_without_hidden_layer_is_labelled_with_classes(rows):
    X, y, _ = rows()
    model = BackpropMLPClassifier((), max_iter=2, tol=None).fit(X, y)
    display = WeightsDisplay.from_estimator(model)
    assert legend(display) == ["class 0", "class 1", "class 2"]


def test_hidden_units_are_numbered(digits):
    display = WeightsDisplay.from_estimator(digits, max_units=4)
    assert legend(display) == [f"unit {k}" for k in display.units_]


def test_bars_of_hidden_units_are_the_weights_of_the_first_layer(digits):
    display = WeightsDisplay.from_estimator(digits, max_units=4)
    widths = [[bar.get_width() for bar in bars] for bars in display.bars_]
    expected = digits.coefs_[0][np.ix_(display.features_, display.units_)].T
    np.testing.assert_array_equal(widths, expected)


# Heat maps.


@pytest.mark.parametrize("max_units", [None, 5, 39])
def test_heat_map_shows_the_weights_of_features_and_units(digits, max_units):
    display = WeightsDisplay.from_estimator(digits, max_units=max_units)
    expected = digits.coefs_[0][np.ix_(display.features_, display.units_)]
    np.testing.assert_array_equal(display.image_.get_array(), expected)
    assert display.bars_ is None
    assert len(display.features_) == 40
    assert len(set(display.units_)) == (max_units or 40)
    assert ticks(display) == [str(j) for j in display.features_]
    columns = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert columns == [str(k) for k in display.units_]
    assert display.ax_.get_xlabel() == "hidden unit"


def test_units_of_a_heat_map_are_in_the_order_of_their_largest_weights(digits):
    weights = np.asarray(WeightsDisplay.from_estimator(digits).image_.get_array())
    feature = np.argmax(np.abs(weights), axis=0)
    assert np.all(np.diff(feature) >= 0)
    largest = weights[feature, np.arange(40)]
    assert np.all(np.diff(largest)[np.diff(feature) == 0] <= 0)


def test_classes_of_a_heat_map_stay_in_order(standardised):
    model = SGDLogisticClassifier(alpha=0.01).fit(*standardised("digits"))
    display = WeightsDisplay.from_estimator(model)
    assert display.units_.tolist() == list(range(10))
    columns = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert columns == [f"class {k}" for k in range(10)]


# Deviations.


@pytest.mark.parametrize("storage", [np.asarray, csr_array, pd.DataFrame])
def test_weights_times_deviations_do_not_depend_on_units(storage, rows):
    X, y, _ = rows()
    factors = 10.0 ** np.arange(6)
    drawn = []
    for scale in (np.ones(6), factors):
        model = SGDLogisticClassifier(alpha=0.01).fit(X, y)
        model.coef_ = model.coef_ / scale
        display = WeightsDisplay.from_estimator(model, storage(X * scale))
        drawn.append([[bar.get_width() for bar in bars] for bars in display.bars_])
        expected = model.coef_ * np.std(X * scale, axis=0)
        np.testing.assert_allclose(drawn[-1], expected, rtol=1e-12)
    np.testing.assert_allclose(*drawn, rtol=1e-12)
    assert display.ax_.get_xlabel() == "weight times deviation of the feature"


def test_largest_weights_times_deviations_are_drawn():
    display = WeightsDisplay(weights=[[3.0, 2.0, 1.0]], scales=[1.0, 0.1, 5.0])
    assert display.plot(max_features=2).features_.tolist() == [0, 2]


# Pipelines and searches.


def test_pipelines_and_searches_are_drawn_as_their_classifier():
    X, y = load_iris(return_X_y=True, as_frame=True)
    pipeline = make_pipeline(StandardScaler(), SGDLogisticClassifier())
    search = GridSearchCV(pipeline, {"sgdlogisticclassifier__alpha": [1e-4, 1e-2]}, cv=2)
    for model in (pipeline.fit(X, y), search.fit(X, y)):
        best = getattr(model, "best_estimator_", model)
        display = WeightsDisplay.from_estimator(model, X)
        expected = WeightsDisplay.from_estimator(best[-1], best[:-1].transform(X))
        np.testing.assert_array_equal(display.weights, expected.weights)
        np.testing.assert_array_equal(display.scales, expected.scales)
        np.testing.assert_allclose(display.scales, 1.0)
        assert ticks(display) == list(X.columns)
        assert display.ax_.get_title() == "SGDLogisticClassifier"


def test_features_have_the_names_that_an_encoder_gives():
    X = pd.DataFrame({"age": np.arange(60.0), "city": ["Rome", "Oslo", "Bern"] * 20})
    columns = ColumnTransformer(
        [("a", StandardScaler(), ["age"]), ("c", OneHotEncoder(), ["city"])],
        verbose_feature_names_out=False,
    )
    model = make_pipeline(columns, SGDLogisticClassifier()).fit(X, np.arange(60) > 20)
    names = ["age", "city_Bern", "city_Oslo", "city_Rome"]
    assert ticks(WeightsDisplay.from_estimator(model, X)) == names


# Limits.


def test_units_and_features_with_the_largest_weights_are_drawn():
    weights = [[0.1, 0.0, 3.0], [0.0, 0.2, 0.0], [0.5, -2.0, 0.3]]
    display = WeightsDisplay(weights=weights).plot(max_units=2, max_features=2)
    assert display.units_.tolist() == [0, 2]
    assert display.features_.tolist() == [1, 2]


def test_title_says_how_many_units_and_features_are_drawn():
    weights = np.arange(1.0, 13).reshape(3, 4)
    display = WeightsDisplay(weights=weights).plot(max_units=2, max_features=3)
    assert display.ax_.get_title() == "2 of 3 units, 3 of 4 features (largest weights)"


def test_title_is_the_class_name_if_everything_is_drawn(iris):
    title = WeightsDisplay.from_estimator(iris).ax_.get_title()
    assert title == "SGDLogisticClassifier"


@pytest.mark.parametrize("value", [0, 2.5, "all", True])
@pytest.mark.parametrize("limit", ["max_units", "max_features"])
def test_invalid_limit_is_an_error(iris, limit, value):
    with pytest.raises(ValueError, match=f"{limit} must be an integer >= 1"):
        WeightsDisplay.from_estimator(iris, **{limit: value})


# Images.


def test_images_show_the_weights_of_each_unit(digits):
    display = WeightsDisplay.from_estimator(digits, image_shape=(8, 8), max_units=3)
    mosaic = np.asarray(display.image_.get_array().filled(np.nan))
    pixels = mosaic[~np.isnan(mosaic)]
    expected = digits.coefs_[0][:, display.units_]
    np.testing.assert_array_equal(np.sort(pixels), np.sort(expected.ravel()))
    rows, columns = np.nonzero(~np.isnan(mosaic))
    top, left = rows.min(), columns.min()
    first = mosaic[top : top + 8, left : left + 8]
    np.testing.assert_array_equal(first, expected[:, 0].reshape(8, 8))
    assert display.bars_ is None


def test_colours_are_symmetric_about_zero(digits):
    display = WeightsDisplay.from_estimator(digits, image_shape=(8, 8))
    low, high = display.image_.get_clim()
    assert low == -high
    assert high == np.max(np.abs(digits.coefs_[0]))


def test_images_are_titled_with_classes(standardised):
    model = SGDLogisticClassifier(alpha=0.01).fit(*standardised("digits"))
    display = WeightsDisplay.from_estimator(model, image_shape=(8, 8))
    assert titles(display) == [f"class {k}" for k in range(10)]


@pytest.mark.parametrize("image_shape", [(8, 8), (4, 16), (16, 4), (1, 64), (64, 1)])
@pytest.mark.parametrize("n_units", [1, 2, 7, 10, 25])
def test_images_do_not_overlap(image_shape, n_units):
    weights = 1.0 + np.arange(n_units * 64.0).reshape(n_units, 64)
    display = WeightsDisplay(weights=weights, image_shape=image_shape).plot()
    mosaic = display.image_.get_array().filled(np.nan)
    pixels = mosaic[~np.isnan(mosaic)]
    np.testing.assert_array_equal(np.sort(pixels), weights.ravel())


def test_zero_weights_can_be_drawn():
    display = WeightsDisplay(weights=np.zeros((2, 4)), image_shape=(2, 2)).plot()
    assert display.image_.get_clim() == (-1, 1)


def test_given_axes_are_used(digits):
    for image_shape in (None, (8, 8)):
        _, axes = plt.subplots()
        display = WeightsDisplay.from_estimator(digits, image_shape=image_shape, ax=axes)
        assert display.ax_ is axes
        assert display.figure_ is axes.figure


# Errors.


@pytest.mark.parametrize("image_shape", [(8, 7), (64,), 64, (4, 4, 4), (-8, -8)])
def test_image_shape_that_does_not_fit_is_an_error(digits, image_shape):
    with pytest.raises(ValueError, match="number of features, 64; got"):
        WeightsDisplay.from_estimator(digits, image_shape=image_shape)


def test_rows_with_other_features_are_an_error(iris):
    with pytest.raises(ValueError, match="X must have 4 features, as the weights; got 3"):
        WeightsDisplay.from_estimator(iris, np.ones((5, 3)))


def test_unfitted_estimator_is_an_error():
    with pytest.raises(NotFittedError):
        WeightsDisplay.from_estimator(SGDLogisticClassifier())


def test_estimator_without_weights_is_an_error(rows):
    X, y, _ = rows()
    with pytest.raises(TypeError, match="coef_; DecisionTreeClassifier has neither"):
        WeightsDisplay.from_estimator(DecisionTreeClassifier().fit(X, y))


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch, digits):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"WeightsDisplay.plot requires matplotlib"):
        WeightsDisplay.from_estimator(digits)
