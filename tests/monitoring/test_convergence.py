"""Warnings at the end of a training run."""

import warnings

import numpy as np
import pytest
from methods import both
from sklearn.exceptions import ConvergenceWarning

from sklearn_nn import BackpropMLPClassifier
from sklearn_nn._engine.stopping import EndedBy
from sklearn_nn._engine.types import Progress, TrainingRun, TrainingState, empty_curves
from sklearn_nn._methods import EPOCHS, LBFGS
from sklearn_nn._monitoring.convergence import CLEARLY_WORSE, interruption, shortfall


def run_that(ended_by, last_objective=0.5, improvement=0.001, first_loss=0.7, n_none=0):
    """Return a run of three epochs whose null loss is 1 nat.

    The last `n_none` of them were no improvement by the stopping rule.
    """
    progress = Progress(last_improvement=improvement, n_no_improvement=n_none)
    state = TrainingState(np.zeros(1), (), progress=progress)
    curves = empty_curves()
    curves.grow([first_loss, 0.6, last_objective])
    return TrainingRun(state, curves, last_objective, 1.0, EndedBy(ended_by))


def warning_of(run, method=EPOCHS, **parameters):
    """Return the warning of `shortfall` for a run with max_iter=3, or None."""
    return shortfall(BackpropMLPClassifier(max_iter=3, **parameters), method, run)


def test_convergence_gives_no_warning():
    assert warning_of(run_that("converged")) is None


def test_a_whole_cycle_warns_only_if_the_loss_is_worse():
    cycle = {"learning_rate": "one_cycle"}
    assert warning_of(run_that("max_iter"), **cycle) is None
    text = warning_of(run_that("max_iter", last_objective=50.0), **cycle)
    assert text.startswith("The cycle of learning rates is over: the last epoch")
    assert "worse" in text


@both
@pytest.mark.parametrize("learning_rate", ["cosine", "one_cycle"])
def test_a_fit_of_a_whole_cycle_does_not_warn(estimator_class, learning_rate, rows):
    X, y, _ = rows()
    model = estimator_class(learning_rate=learning_rate, max_iter=3, random_state=0)
    assert model.fit(X, y).n_iter_ == 3  # a warning would be an error


def test_lbfgs_warns_at_max_iter_in_spite_of_a_cyclic_schedule(rows):
    X, y, _ = rows()
    model = BackpropMLPClassifier(solver="lbfgs", learning_rate="cosine", max_iter=2)
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        model.fit(X, y)


@pytest.mark.parametrize("ended_by", ["interrupt", "monitor"])
def test_a_deliberate_stop_gives_no_warning(ended_by):
    assert warning_of(run_that(ended_by, last_objective=50.0)) is None


@pytest.mark.parametrize("ended_by", ["max_iter", "converged"])
def test_tol_none_gives_no_warning(ended_by):
    assert warning_of(run_that(ended_by, last_objective=50.0), tol=None) is None


def test_warning_at_max_iter_states_the_last_improvement_and_tol():
    text = warning_of(run_that("max_iter"))
    assert text.startswith("max_iter=3 was reached before convergence: the last epoch")
    assert "improved the objective by 0.001, with tol=0.0001" in text
    assert "worse" not in text


@pytest.mark.parametrize("ended_by", ["max_iter", "converged", "stalled", "max_fun"])
def test_warning_states_that_the_last_loss_is_worse_than_the_first(ended_by):
    text = warning_of(run_that(ended_by, last_objective=50.0))
    assert (
        "The objective of the last epoch, 50, is worse than that of the first, 0.7" in text
    )


def test_a_loss_above_the_null_loss_is_not_worse_if_it_has_fallen():
    text = warning_of(run_that("max_iter", last_objective=50.0, first_loss=60.0))
    assert "worse" not in text


def test_warning_after_a_single_epoch_states_no_improvement():
    text = warning_of(run_that("max_iter", improvement=np.inf))
    assert "inf" not in text
    assert "the first" in text


@pytest.mark.parametrize("ended_by", ["max_iter", "stalled", "max_fun"])
@pytest.mark.parametrize("improvement", [-0.000118, 0.0, -np.inf])
@pytest.mark.parametrize("method", [EPOCHS, LBFGS])
def test_a_negative_improvement_is_not_shown(ended_by, improvement, method):
    text = warning_of(run_that(ended_by, improvement=improvement), method)
    if np.isfinite(improvement):
        assert "did not improve the objective, with tol=0.0001" in text
    assert "by -" not in text
    assert "-0.000118" not in text


@pytest.mark.parametrize("improvement", [-0.1, 0.00005])
def test_warning_names_n_iter_no_change_if_it_kept_training_going(improvement):
    run = run_that("max_iter", improvement=improvement, n_none=2)
    assert (
        "the last epoch did not improve the objective, with tol=0.0001, and training ends "
        "after n_iter_no_change=10 such epochs in a row, of which there were 2."
    ) in warning_of(run)
    assert "the learning rate falls after n_iter_no_change=10 such epochs in a row" in (
        warning_of(run, learning_rate="adaptive")
    )


def test_warning_names_n_iter_no_change_if_it_ended_training():
    text = warning_of(run_that("converged", last_objective=50.0), n_iter_no_change=4)
    assert text.startswith("The stopping rule ended training (n_iter_no_change=4): ")


@pytest.mark.parametrize("last_objective", [0.5, 50.0])
def test_advice_names_the_parameter_that_the_user_set(last_objective):
    run = run_that("max_iter", last_objective=last_objective)
    of_number = warning_of(run, learning_rate=0.5)
    assert "hange learning_rate, or" in of_number
    assert "learning_rate_init" not in of_number
    assert "hange learning_rate_init, or" in warning_of(run, learning_rate="adaptive")


def test_advice_for_a_worse_objective_is_not_to_train_longer():
    text = warning_of(run_that("converged", last_objective=50.0))
    assert text.endswith("Change learning_rate_init, or scale the features.")
    assert "Raise" not in text


@both
@pytest.mark.parametrize("learning_rate", [1e-9, 1.5, 30.0])
@pytest.mark.parametrize("n_iter_no_change", [1, 3, 50])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_no_warning_of_a_fit_contradicts_itself(
    estimator_class, learning_rate, n_iter_no_change, early_stopping, rows
):
    X, y, _ = rows()
    model = estimator_class(
        learning_rate=learning_rate,
        learning_rate_init=0.05,
        n_iter_no_change=n_iter_no_change,
        early_stopping=early_stopping,
        max_iter=8,
        random_state=0,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    for text in [str(each.message) for each in caught]:
        assert "by -" not in text
        assert "learning_rate_init" not in text
        assert text.count("tol=") <= 1


def test_a_small_rise_counts_as_noise():
    assert warning_of(run_that("converged", last_objective=CLEARLY_WORSE)) is None


@pytest.mark.parametrize("ended_by", ["max_iter", "max_fun", "stalled"])
def test_advice_for_lbfgs_names_its_parameters(ended_by):
    text = warning_of(run_that(ended_by), method=LBFGS)
    assert "max_fun" in text
    assert "learning_rate" not in text
    assert "iteration improved" in text


def test_warning_after_an_interrupt_counts_the_finished_epochs():
    assert "after 3 finished epochs" in interruption(run_that("interrupt"))
    assert interruption(run_that("max_iter")) is None
