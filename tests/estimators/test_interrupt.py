"""After Ctrl-C a model is that of the last finished epoch or step, or unchanged."""

import copy

import numpy as np
import pytest
from methods import both
from optimizers import LINEAR_SOLVERS
from small_models import (
    X,
    every_training,
    fit,
    learned,
    partial_fit,
    plain,
    small,
    warm_fit,
    y,
)

from sklearn_nn import BackpropMLPClassifier, SGDLogisticClassifier
from sklearn_nn._engine.epochs import lbfgs
from sklearn_nn._engine.epochs import train as training
from sklearn_nn._engine.newton import training as newton_training


def interrupt_epoch(monkeypatch, n):
    """Make the n-th epoch from now raise KeyboardInterrupt before it ends."""
    run_epochs, n_begun = training.run_epochs, []

    def interrupted(*arguments):
        n_begun.append(None)
        result = run_epochs(*arguments)
        if len(n_begun) == n:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(training, "run_epochs", interrupted)
    monkeypatch.setattr(training, "MAX_EPOCHS_PER_CALL", 1)


def interrupted_in_epoch_4(monkeypatch, estimator_class, **parameters):
    """Return a model whose fit of 10 epochs was interrupted in the fourth."""
    model = small(estimator_class, max_iter=10, **parameters)
    with monkeypatch.context() as patch:
        interrupt_epoch(patch, 4)
        with pytest.warns(UserWarning, match="interrupted.* 3 finished epochs"):
            model.fit(X, y)
    return model


@both
@pytest.mark.parametrize("solver", LINEAR_SOLVERS)
@pytest.mark.parametrize("random_state", [0, np.random.RandomState(5)], ids=str)
def test_interrupt_gives_the_last_finished_epoch(
    monkeypatch, estimator_class, solver, random_state
):
    parameters = {"solver": solver, "random_state": copy.deepcopy(random_state)}
    model = interrupted_in_epoch_4(monkeypatch, estimator_class, **parameters)
    parameters = {"solver": solver, "random_state": copy.deepcopy(random_state)}
    expected = small(estimator_class, max_iter=3, **parameters).fit(X, y)
    assert learned(model) == learned(expected)


@both
def test_interrupt_with_early_stopping_gives_the_best_finished_epoch(
    monkeypatch, estimator_class
):
    parameters = {"early_stopping": True, "validation_fraction": 0.25}
    model = interrupted_in_epoch_4(monkeypatch, estimator_class, **parameters)
    expected = small(estimator_class, max_iter=3, **parameters).fit(X, y)
    assert learned(model) == learned(expected)


@both
def test_training_resumes_after_an_interrupt(monkeypatch, estimator_class):
    model = interrupted_in_epoch_4(monkeypatch, estimator_class).partial_fit(X, y)
    expected = small(estimator_class, max_iter=4).fit(X, y)
    np.testing.assert_array_equal(model.predict_log_proba(X), expected.predict_log_proba(X))


@both
@pytest.mark.parametrize("random_state", [0, np.random.RandomState(5)], ids=str)
@pytest.mark.parametrize("train", [fit, partial_fit])
def test_interrupt_in_the_first_epoch_leaves_a_new_estimator_unchanged(
    monkeypatch, estimator_class, random_state, train
):
    model = small(estimator_class, random_state=copy.deepcopy(random_state))
    before = plain({**vars(model), "warm_start": False})
    interrupt_epoch(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        train(model, X, y)
    assert plain(vars(model)) == before


@both
@every_training
def test_interrupt_in_the_first_epoch_leaves_a_fitted_model_unchanged(
    monkeypatch, estimator_class, train
):
    model = small(estimator_class, warm_start=train is warm_fit).fit(X, y)
    before = plain(vars(model))
    interrupt_epoch(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        train(model, X + 1.0, y)
    assert plain(vars(model)) == before


def interrupt_newton(monkeypatch, n):
    """Make the n-th step of Newton's method raise KeyboardInterrupt before it ends."""
    step, n_begun = newton_training.step, []

    def interrupted(*arguments):
        n_begun.append(None)
        result = step(*arguments)
        if len(n_begun) == n:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(newton_training, "step", interrupted)


def interrupted_in_step_4(monkeypatch, **parameters):
    """Return a model without learning rate whose fit was interrupted in the fourth step."""
    model = small(SGDLogisticClassifier, max_iter=10, **parameters)
    with monkeypatch.context() as patch:
        interrupt_newton(patch, 4)
        with pytest.warns(UserWarning, match="interrupted.* 3 finished"):
            model.fit(X, y)
    return model


@pytest.mark.parametrize(
    "parameters",
    [{}, {"penalty": "l1"}, {"early_stopping": True, "validation_fraction": 0.25}],
    ids=str,
)
@pytest.mark.parametrize("random_state", [0, np.random.RandomState(5)], ids=str)
def test_interrupt_without_a_rate_gives_the_last_finished_step(
    monkeypatch, parameters, random_state
):
    state = copy.deepcopy(random_state)
    model = interrupted_in_step_4(monkeypatch, random_state=state, **parameters)
    state = copy.deepcopy(random_state)
    expected = small(SGDLogisticClassifier, random_state=state, **parameters).fit(X, y)
    assert learned(model) == learned(expected)


def test_training_without_a_rate_resumes_after_an_interrupt(monkeypatch):
    model = interrupted_in_step_4(monkeypatch).set_params(max_iter=1)
    warm_fit(model, X, y)
    expected = small(SGDLogisticClassifier, max_iter=4).fit(X, y)
    np.testing.assert_array_equal(model.coef_, expected.coef_)


@pytest.mark.parametrize("random_state", [0, np.random.RandomState(5)], ids=str)
def test_interrupt_in_the_first_step_leaves_a_new_estimator_unchanged(
    monkeypatch, random_state
):
    model = small(SGDLogisticClassifier, random_state=copy.deepcopy(random_state))
    before = plain(vars(model))
    interrupt_newton(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert plain(vars(model)) == before


@pytest.mark.parametrize("train", [fit, warm_fit])
def test_interrupt_in_the_first_step_leaves_a_fitted_model_unchanged(monkeypatch, train):
    model = small(SGDLogisticClassifier, warm_start=train is warm_fit).fit(X, y)
    before = plain(vars(model))
    interrupt_newton(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        train(model, X + 1.0, y)
    assert plain(vars(model)) == before


def interrupt_lbfgs(monkeypatch, n):
    """Make the n-th evaluation of the objective by L-BFGS raise KeyboardInterrupt."""
    evaluate, n_begun = lbfgs.objective_and_gradient, []

    def interrupted(*arguments):
        n_begun.append(None)
        if len(n_begun) == n:
            raise KeyboardInterrupt
        return evaluate(*arguments)

    monkeypatch.setattr(lbfgs, "objective_and_gradient", interrupted)


def test_interrupt_of_lbfgs_gives_the_last_finished_iteration(monkeypatch):
    model = small(BackpropMLPClassifier, solver="lbfgs", max_iter=50)
    with monkeypatch.context() as patch:
        interrupt_lbfgs(patch, 8)
        with pytest.warns(UserWarning, match="interrupted"):
            model.fit(X, y)
    expected = small(BackpropMLPClassifier, solver="lbfgs", max_iter=model.n_iter_)
    assert learned(model) == learned(expected.fit(X, y))


def test_interrupt_of_lbfgs_in_the_first_iteration_changes_nothing(monkeypatch):
    model = small(BackpropMLPClassifier, solver="lbfgs")
    before = plain(vars(model))
    interrupt_lbfgs(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert plain(vars(model)) == before
