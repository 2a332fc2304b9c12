"""LossCurveDisplay draws the curves of training."""

import sys
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklearn_nn import (
    BackpropMLPClassifier,
    BackpropMLPClassifierCV,
    LossCurveDisplay,
    SGDLogisticClassifier,
)

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


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"LossCurveDisplay.plot requires matplotlib"):
        LossCurveDisplay(loss_curve=[1.0]).plot()


def test_plot_draws_a_new_figure_each_time():
    display = LossCurveDisplay.from_estimator(Trained().fit())
    first = display.figure_
    assert display.plot() is display
    assert display.figure_ is not first


# Pipelines and searches.


def test_pipelines_and_searches_are_drawn_as_their_classifier(rows):
    X, y, _ = rows()
    pipeline = make_pipeline(StandardScaler(), SGDLogisticClassifier())
    search = GridSearchCV(pipeline, {"sgdlogisticclassifier__alpha": [1e-4, 1e-2]}, cv=2)
    for model in (pipeline.fit(X, y), search.fit(X, y)):
        classifier = getattr(model, "best_estimator_", model)[-1]
        display = LossCurveDisplay.from_estimator(model)
        assert display.loss_curve == classifier.loss_curve_
        assert display.ax_.get_title() == "SGDLogisticClassifier"


def test_unfitted_pipeline_is_an_error():
    with pytest.raises(NotFittedError):
        LossCurveDisplay.from_estimator(make_pipeline(SGDLogisticClassifier()))


# Several runs.


def legend(display):
    """Return the labels in the legend."""
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def test_named_runs_on_the_same_axes_have_a_colour_each():
    first = LossCurveDisplay.from_estimator(Trained().fit(), name="first")
    second = LossCurveDisplay.from_estimator(Trained().fit(), name="second", ax=first.ax_)
    colours = []
    for display in (first, second):
        training, validation = (
            display.lines_[f"{k} loss"] for k in ("training", "validation")
        )
        assert training.get_color() == validation.get_color()
        assert (training.get_linestyle(), validation.get_linestyle()) == ("-", "--")
        colours.append(training.get_color())
    assert colours[0] != colours[1]
    styles = ["training, with penalty", "validation", "epoch of the model"]
    assert legend(second) == ["first", "second", *styles]


def test_kept_epochs_of_named_runs_are_dots_on_their_curves():
    model = Trained().fit()
    display = LossCurveDisplay.from_estimator(model, name="first")
    dots = [
        [line.get_xydata()[0].tolist() for line in axes.lines if len(line.get_xdata()) == 1]
        for axes in display.axes_
    ]
    assert dots == [
        [[7, model.loss_curve_[6]], [7, model.validation_loss_curve_[6]]],
        [[7, model.validation_scores_[6]]],
        [],
    ]


def test_only_the_lowest_axes_have_the_unit():
    first = LossCurveDisplay.from_estimator(Trained().fit(), name="first")
    LossCurveDisplay.from_estimator(Trained().fit(), name="second", ax=first.ax_)
    assert [axes.get_xlabel() for axes in first.axes_] == ["", "", "epoch"]


def test_unnamed_runs_on_the_same_axes_have_different_colours():
    first = LossCurveDisplay.from_estimator(Trained().fit())
    second = LossCurveDisplay.from_estimator(Trained().fit(), ax=first.ax_)
    lines = [*first.ax_.lines]
    colours = {line.get_color() for line in lines if len(line.get_xdata()) == N_EPOCHS}
    assert len(colours) == 4
    assert second.ax_.get_title() == "Trained"


def test_named_runs_leave_the_title():
    _, axes = plt.subplots()
    axes.set_title("Mine")
    LossCurveDisplay.from_estimator(Trained().fit(), name="first", ax=axes)
    assert axes.get_title() == "Mine"


@pytest.mark.parametrize("name", [None, "mine"])
def test_all_folds_of_networks_for_tables_are_drawn(name, rows):
    X, y, _ = rows()
    model = BackpropMLPClassifierCV((4,), max_iter=5, cv=3, random_state=0).fit(X, y)
    display = LossCurveDisplay.from_estimator(model, name=name)
    for curve, attribute in (
        ("training loss", "loss_curve_"),
        ("validation loss", "validation_loss_curve_"),
        ("learning rate", "learning_rate_curve_"),
    ):
        lines = [line.get_ydata().tolist() for line in display.lines_[curve]]
        assert lines == [getattr(network, attribute) for network in model.estimators_]
    assert display.best_epoch == model.best_epochs_.tolist()
    folds = [f"fold {k}" if name is None else f"{name}, fold {k}" for k in (1, 2, 3)]
    assert legend(display)[:3] == folds
    assert display.axes_[-1].get_xlabel() == "epoch"


def test_runs_without_names_are_numbered():
    display = LossCurveDisplay(loss_curve=[1 / EPOCH, 2 / EPOCH[:5]]).plot()
    assert legend(display) == ["run 1", "run 2"]
    assert [len(line.get_ydata()) for line in display.lines_["training loss"]] == [30, 5]


# Axes.


@pytest.mark.parametrize("log_scale", [False, True])
def test_axis_of_losses_may_be_logarithmic(log_scale):
    display = LossCurveDisplay.from_estimator(Trained().fit(), log_scale=log_scale)
    assert display.ax_.get_yscale() == ("log" if log_scale else "linear")


@pytest.mark.parametrize(
    ("scoring", "label"),
    [
        (None, "accuracy"),
        ("balanced_accuracy", "balanced_accuracy"),
        (make_scorer(f1_score, average="macro"), "f1_score"),
        (partial(min), "score"),
    ],
)
def test_axis_of_the_score_has_its_name(scoring, label):
    model = Trained().fit()
    model.scoring = scoring
    display = LossCurveDisplay.from_estimator(model)
    assert display.axes_[1].get_ylabel() == f"validation {label}"


def test_score_that_is_minus_the_loss_is_not_drawn(rows):
    X, y, _ = rows()
    model = BackpropMLPClassifier(max_iter=5, tol=None, early_stopping=True).fit(X, y)
    display = LossCurveDisplay.from_estimator(model)
    assert set(display.lines_) == {"training loss", "validation loss"}


@pytest.mark.parametrize(("solver", "unit"), [("adam", "epoch"), ("lbfgs", "iteration")])
def test_x_axis_of_sklearns_network_counts_what_its_solver_does(solver, unit, rows):
    X, y, _ = rows()
    model = MLPClassifier(solver=solver, max_iter=3, random_state=0)
    with pytest.warns(ConvergenceWarning):
        model.fit(X, y)
    if not hasattr(model, "loss_curve_"):
        model.loss_curve_ = [1.0]  # 'lbfgs' has no curve
    assert LossCurveDisplay.from_estimator(model).ax_.get_xlabel() == unit
