"""What is said at the end of a run."""

import numpy as np
import pytest
from methods import both
from sklearn.exceptions import ConvergenceWarning

from sklearn_nn import BackpropMLPClassifier
from sklearn_nn._engine.stopping import EndedBy
from sklearn_nn._engine.types import Progress, TrainingRun, TrainingState, empty_curves
from sklearn_nn._methods import EPOCHS, LBFGS
from sklearn_nn._monitoring.convergence import CLEARLY_WORSE, interruption, shortfall


def run_that(ended_by, last_loss=0.5, improvement=0.001, first_loss=0.7):
    """Return a run of three epochs, in which knowing nothing costs 1 nat."""
    progress = Progress(last_improvement=improvement)
    state = TrainingState(np.zeros(1), (), progress=progress)
    curves = empty_curves()
    curves.grow([first_loss, 0.6, last_loss])
    return TrainingRun(state, curves, last_loss, 1.0, EndedBy(ended_by))


def said(run, tol=1e-4, method=EPOCHS, is_cycle=False):
    """Return what `shortfall` says of a run with max_iter=3."""
    return shortfall(run, method, 3, tol, is_cycle=is_cycle)


def test_convergence_is_not_worth_a_word():
    assert said(run_that("stopping_rule")) is None


def test_a_whole_cycle_is_what_was_wanted():
    assert said(run_that("max_iter"), is_cycle=True) is None
    assert "worse" in said(run_that("max_iter", last_loss=50.0), is_cycle=True)


@both
@pytest.mark.parametrize("learning_rate", ["cosine", "one_cycle"])
def test_a_fit_of_a_whole_cycle_does_not_warn(estimator_class, learning_rate, rows):
    X, y, _ = rows()
    model = estimator_class(learning_rate=learning_rate, max_iter=3, random_state=0)
    assert model.fit(X, y).n_iter_ == 3  # a warning would be an error


def test_lbfgs_has_no_cycle(rows):
    X, y, _ = rows()
    model = BackpropMLPClassifier(solver="lbfgs", learning_rate="cosine", max_iter=2)
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        model.fit(X, y)


@pytest.mark.parametrize("ended_by", ["interrupt", "monitor"])
def test_whoever_stopped_training_knows(ended_by):
    assert said(run_that(ended_by, last_loss=50.0)) is None


@pytest.mark.parametrize("ended_by", ["max_iter", "stopping_rule"])
def test_without_a_tol_nothing_is_said(ended_by):
    assert said(run_that(ended_by, last_loss=50.0), tol=None) is None


def test_running_out_of_epochs_names_the_improvement_beside_tol():
    text = said(run_that("max_iter"))
    assert text.startswith("max_iter=3 was reached before convergence: the last epoch")
    assert "improved the objective by 0.001, with tol=0.0001" in text
    assert "worse" not in text


@pytest.mark.parametrize("ended_by", ["max_iter", "stopping_rule", "stalled", "max_fun"])
def test_a_run_that_ends_worse_than_it_began_is_called_so(ended_by):
    text = said(run_that(ended_by, last_loss=50.0))
    assert "objective, 50, is worse than the first's, 0.7, and than that of zero" in text


def test_a_run_that_has_improved_is_not_called_worse():
    text = said(run_that("max_iter", last_loss=50.0, first_loss=60.0))
    assert "worse" not in text


def test_a_single_epoch_has_no_improvement_to_name():
    text = said(run_that("max_iter", improvement=np.inf))
    assert "inf" not in text
    assert "the first" in text


def test_noise_of_the_steps_is_not_called_worse():
    assert said(run_that("stopping_rule", last_loss=CLEARLY_WORSE)) is None


@pytest.mark.parametrize("ended_by", ["max_iter", "max_fun", "stalled"])
def test_advice_for_lbfgs_speaks_of_its_parameters(ended_by):
    text = said(run_that(ended_by), method=LBFGS)
    assert "max_fun" in text
    assert "learning_rate" not in text
    assert "iteration improved" in text


def test_interruption_counts_the_finished_epochs():
    assert "that of 3 finished epochs" in interruption(run_that("interrupt"))
    assert interruption(run_that("max_iter")) is None
