"""LossCurveDisplay draws the curves of training."""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from sklearn_nn import BackpropMLPClassifier, LossCurveDisplay, SGDLogisticClassifier

N_EPOCHS = 30
EPOCH = np.arange(1, N_EPOCHS + 1)


@pytest.fixture(autouse=True)
def closed_figures():
    """Close all figures after a test."""
    yield
    plt.close("all")


class Trained(BaseEstimator):
    """An estimator that learns nothing and has every curve."""

    def fit(self, X=None, y=None):
        """Set the curves."""
        self.loss_curve_ = list(1 / EPOCH)
        self.validation_loss_curve_ = list(1.1 / EPOCH)
        self.validation_scores_ = list(1 - 1 / EPOCH)
        self.learning_rate_curve_ = list(0.1 / EPOCH)
        self.best_epoch_ = 7
        return self


def drawn(display, name):
    """Return the values of a curve in the display."""
    return np.asarray(display.lines_[name].get_ydata(), dtype=float)


def test_drawn_curves_are_those_of_the_estimator():
    model = Trained().fit()
    display = LossCurveDisplay.from_estimator(model)
    np.testing.assert_array_equal(drawn(display, "training loss"), model.loss_curve_)
    np.testing.assert_array_equal(
        drawn(display, "validation loss"), model.validation_loss_curve_
    )
    np.testing.assert_array_equal(
        drawn(display, "validation score"), model.validation_scores_
    )
    np.testing.assert_array_equal(
        drawn(display, "learning rate"), model.learning_rate_curve_
    )


def test_epochs_count_from_1():
    display = LossCurveDisplay.from_estimator(Trained().fit())
    np.testing.assert_array_equal(display.lines_["training loss"].get_xdata(), EPOCH)


def test_losses_share_an_axis_and_other_curves_have_their_own():
    display = LossCurveDisplay.from_estimator(Trained().fit())
    axis = {name: display.axes_.index(line.axes) for name, line in display.lines_.items()}
    assert axis == {
        "training loss": 0,
        "validation loss": 0,
        "validation score": 1,
        "learning rate": 2,
    }
    assert [axes.get_ylabel() for axes in display.axes_] == [
        "loss",
        "validation score",
        "learning rate",
    ]


def test_best_epoch_is_marked_in_all_axes():
    display = LossCurveDisplay.from_estimator(Trained().fit())
    for axes in display.axes_:
        assert list(axes.lines[-1].get_xdata()) == [7, 7]
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend[-1] == "model of epoch 7 kept"


def test_only_losses_are_drawn_on_given_axes():
    _, axes = plt.subplots()
    display = LossCurveDisplay.from_estimator(Trained().fit(), ax=axes)
    assert display.ax_ is axes
    assert display.axes_ == [axes]
    assert set(display.lines_) == {"training loss", "validation loss"}


def test_constant_learning_rate_is_not_drawn():
    display = LossCurveDisplay(loss_curve=1 / EPOCH, learning_rate_curve=0.1 + 0 * EPOCH)
    assert set(display.plot().lines_) == {"training loss"}


@pytest.mark.parametrize(
    ("rates", "unit"), [(0.1, "epoch"), (np.nan, "iteration"), (None, "iteration")]
)
def test_x_axis_counts_iterations_if_there_is_no_learning_rate(rates, unit):
    curve = None if rates is None else rates + 0 * EPOCH
    display = LossCurveDisplay(loss_curve=1 / EPOCH, learning_rate_curve=curve)
    assert display.plot().ax_.get_xlabel() == unit


def test_an_epoch_without_neighbours_is_drawn_as_a_point():
    # Epochs 4 and 6 have no value, so no line leads to epoch 5.
    curve = [0.5, 0.4, 0.3, np.nan, 0.2, np.nan]
    line = LossCurveDisplay(loss_curve=curve).plot().lines_["training loss"]
    assert line.get_marker() == "o"
    assert np.flatnonzero(line.get_markevery()).tolist() == [4]


def test_curve_of_only_nan_is_not_drawn():
    display = LossCurveDisplay(
        loss_curve=1 / EPOCH, validation_scores=[np.nan] * N_EPOCHS
    ).plot()
    assert set(display.lines_) == {"training loss"}


@pytest.mark.parametrize(
    "model",
    [
        SGDLogisticClassifier(),
        SGDLogisticClassifier(learning_rate="invscaling", max_iter=5, tol=None),
        BackpropMLPClassifier(max_iter=5, tol=None),
        BackpropMLPClassifier(max_iter=5, tol=None, early_stopping=True),
        BackpropMLPClassifier(solver="lbfgs", tol=1e-2),
    ],
    ids=["newton", "invscaling", "adam", "early stopping", "lbfgs"],
)
def test_every_training_method_can_be_drawn(model, rows, tmp_path):
    X, y, _ = rows()
    model = clone(model).fit(X, y)
    display = LossCurveDisplay.from_estimator(model)
    np.testing.assert_array_equal(drawn(display, "training loss"), model.loss_curve_)
    assert display.ax_.get_title() == type(model).__name__
    display.figure_.savefig(tmp_path / "picture.png")


def test_mlp_of_sklearn_can_be_drawn(rows):
    X, y, _ = rows()
    model = MLPClassifier(max_iter=3, early_stopping=True, random_state=0)
    with pytest.warns(ConvergenceWarning):
        model.fit(X, y)
    display = LossCurveDisplay.from_estimator(model)
    assert set(display.lines_) == {"training loss", "validation score"}


def test_unfitted_estimator_is_an_error():
    with pytest.raises(NotFittedError):
        LossCurveDisplay.from_estimator(BackpropMLPClassifier())


def test_estimator_without_curve_is_an_error(rows):
    X, y, _ = rows()
    with pytest.raises(TypeError, match="loss_curve_; DecisionTreeClassifier has none"):
        LossCurveDisplay.from_estimator(DecisionTreeClassifier().fit(X, y))


def test_error_for_a_pipeline_says_what_to_pass(rows):
    X, y, _ = rows()
    model = make_pipeline(SGDLogisticClassifier()).fit(X, y)
    with pytest.raises(TypeError, match=r"pipeline\[-1\]"):
        LossCurveDisplay.from_estimator(model)
    LossCurveDisplay.from_estimator(model[-1])


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"LossCurveDisplay.plot requires matplotlib"):
        LossCurveDisplay(loss_curve=[1.0]).plot()


def test_plot_draws_a_new_figure_each_time():
    display = LossCurveDisplay.from_estimator(Trained().fit())
    first = display.figure_
    assert display.plot() is display
    assert display.figure_ is not first
