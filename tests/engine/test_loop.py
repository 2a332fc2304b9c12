"""The training loop: epochs, stopping rule, monitors, interrupts, the best theta."""

from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest

from sklearn_nn._engine.loop import Advance, run
from sklearn_nn._engine.stopping import EndedBy, StoppingRule
from sklearn_nn._engine.types import Progress, TrainingState, Validation

NEVER = StoppingRule(-inf, inf)


class Countdown:
    """A Training whose theta and objective are 1 / n after n epochs in total."""

    null_loss = 7.0

    def __init__(self, rule=NEVER, early_stopping=False, max_together=1):
        self.stopping_rule, self.early_stopping = rule, early_stopping
        self.max_together = max_together
        self.calls = []
        self.interrupt_in = None  # the epoch that Ctrl-C interrupts
        self.converges_at = self.stalls_at = inf

    def begin(self, state):
        self.calls.append("begin")

    def reason_to_end(self, state):
        return EndedBy.CONVERGED if state.epoch >= self.converges_at else None

    def advance(self, state, n_most):
        n = int(min(n_most, self.max_together))
        self.calls.append(n)
        if state.epoch >= self.stalls_at:
            return Advance(state, [objective_at(state.epoch + 1)], None, EndedBy.STALLED)
        if (
            self.interrupt_in is not None
            and state.epoch < self.interrupt_in <= state.epoch + n
        ):
            raise KeyboardInterrupt
        epochs = range(state.epoch + 1, state.epoch + n + 1)
        theta = np.array([objective_at(epochs[-1])])
        new = replace(state, theta=theta, epoch=state.epoch + n, step=state.step + n)
        return Advance(new, [objective_at(e) for e in epochs], [0.5 / e for e in epochs])

    def complete_state(self, state):
        return replace(state, random_state=("complete", state.epoch))

    def finish(self, state, curves):
        return 42.0, 0.25


def objective_at(epoch):
    """Return the objective of an epoch."""
    return 1.0 / epoch


class Watcher:
    """A Monitor that records epochs, and stops or interrupts training at given ones."""

    def __init__(self, before=inf, after=inf, every=1, interrupt_after=inf):
        self.before, self.after, self.every = before, after, every
        self.interrupt_after = interrupt_after
        self.epochs_seen, self.n_begun, self.states = [], 0, []

    def epoch_begin(self):
        self.n_begun += 1
        return self.n_begun > self.before

    def epoch_end(self, state, curves):
        self.epochs_seen.append(state.epoch)
        self.states.append(state)
        assert len(curves.objectives) == state.epoch
        if state.epoch >= self.interrupt_after:
            raise KeyboardInterrupt
        return state.epoch >= self.after

    def n_unwatched(self, epoch):
        return self.every - 1 - epoch % self.every


def new_state(epoch=0):
    """Return the state of a model after `epoch` epochs."""
    return TrainingState(np.array([9.0]), ("seed",), step=epoch, epoch=epoch)


def score_by(best_epoch):
    """Return a `validate` whose score is highest after `best_epoch`."""
    return lambda theta: Validation(0.5, -abs(1 / float(theta[0]) - best_epoch))


def test_all_epochs_run():
    done = run(Countdown(), new_state(), 4)
    assert done.ended_by is EndedBy.MAX_ITER
    assert done.curves.objectives == [1, 1 / 2, 1 / 3, 1 / 4]
    assert done.curves.learning_rates == [0.5, 0.25, 0.5 / 3, 0.125]
    assert (done.state.epoch, done.state.step) == (4, 4)
    assert (done.last_objective, done.gap, done.null_loss) == (42.0, 0.25, 7.0)


def test_the_first_epoch_is_not_refused():
    # Without an epoch there would be no curve, and no model.
    done = run(Countdown(), new_state(), 4, monitor=Watcher(before=0))
    assert done.ended_by is EndedBy.MONITOR
    assert done.curves.objectives == [1]


def test_a_run_resumes_from_another():
    first = run(Countdown(), new_state(), 3)
    done = run(Countdown(), first.state, 2)
    assert done.curves.objectives == [1 / 4, 1 / 5]
    assert done.state.epoch == 5


def test_final_state_is_complete():
    assert run(Countdown(), new_state(), 3).state.random_state == ("complete", 3)


def test_monitors_see_complete_states():
    watcher = Watcher()
    run(Countdown(), new_state(), 2, monitor=watcher)
    assert [s.random_state for s in watcher.states] == [("complete", 1), ("complete", 2)]


@pytest.mark.parametrize("max_together", [1, 2, 7, 100])
def test_epochs_run_together_end_at_the_stopping_rule(max_together):
    # Improvements are 1/2, 1/6, 1/12, 1/20: the third and fourth in a row are too small.
    rule = StoppingRule(tol=0.1, n_iter_no_change=2)
    training = Countdown(rule, max_together=max_together)
    done = run(training, new_state(), 50)
    assert done.ended_by is EndedBy.CONVERGED
    assert done.curves.objectives == [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]
    assert done.state.progress == Progress(1 / 5, 2, 1 / 4 - 1 / 5)


def test_stopping_rule_lowers_the_learning_rate():
    rule = StoppingRule(tol=0.1, n_iter_no_change=2, lowers_rate=True)
    done = run(Countdown(rule), new_state(), 5)
    assert done.ended_by is EndedBy.MAX_ITER
    assert done.state.progress.rate_factor == 1 / 5


def test_epochs_run_together_up_to_the_next_monitored_one():
    training, watcher = Countdown(max_together=100), Watcher(every=4)
    run(training, new_state(), 10, monitor=watcher)
    assert watcher.epochs_seen == [4, 8, 10]
    assert training.calls == ["begin", 4, 4, 2]


def test_validated_epochs_run_one_by_one():
    training = Countdown(max_together=100)
    done = run(training, new_state(), 3, validate=score_by(2))
    assert training.calls == ["begin", 1, 1, 1]
    assert done.curves.validation_losses == [0.5] * 3
    np.testing.assert_allclose(done.curves.validation_scores, [-1, 0, -1], atol=1e-12)
    assert done.state.progress.best_theta is None  # no early stopping


def test_early_stopping_keeps_the_best_theta():
    rule = StoppingRule(tol=0.0, n_iter_no_change=3)
    done = run(Countdown(rule, early_stopping=True), new_state(), 50, score_by(4))
    assert done.ended_by is EndedBy.CONVERGED
    assert len(done.curves.objectives) == 7
    assert done.state.progress.best_theta == [1 / 4]
    assert done.state.progress.best_epoch == 4


def test_resumed_model_keeps_its_theta_if_no_score_is_better():
    rule = StoppingRule(tol=0.0, n_iter_no_change=2)
    state = replace(new_state(epoch=5), theta=np.array([1 / 5]))
    done = run(Countdown(rule, early_stopping=True), state, 50, score_by(5))
    assert done.state.progress.best_theta == [1 / 5]
    assert done.state.progress.best_epoch == 0


@pytest.mark.parametrize("n_epochs", [1, 3])
def test_a_monitor_can_stop_before_an_epoch(n_epochs):
    done = run(Countdown(), new_state(), 9, monitor=Watcher(before=n_epochs))
    assert done.ended_by is EndedBy.MONITOR
    assert len(done.curves.objectives) == done.state.epoch == n_epochs


def test_a_monitor_takes_precedence_over_the_stopping_rule():
    rule = StoppingRule(tol=10.0, n_iter_no_change=1)
    done = run(Countdown(rule), new_state(), 9, monitor=Watcher(after=1))
    assert done.ended_by is EndedBy.MONITOR
    assert done.state.epoch == 1


def test_interrupt_in_the_first_epoch_is_raised():
    training = Countdown()
    training.interrupt_in = 1
    with pytest.raises(KeyboardInterrupt):
        run(training, new_state(), 5)


def test_interrupt_in_a_later_epoch_keeps_the_epochs_before():
    training = Countdown()
    training.interrupt_in = 3
    done = run(training, new_state(), 5)
    assert done.ended_by is EndedBy.INTERRUPT
    assert done.curves.objectives == [1, 1 / 2]
    assert done.state.theta == [1 / 2]
    assert done.state.random_state == ("complete", 2)


def test_interrupt_during_validation_discards_the_epoch():
    n_calls = []

    def validate(theta):
        n_calls.append(1)
        if len(n_calls) == 3:
            raise KeyboardInterrupt
        return Validation(0.5, 0.5)

    done = run(Countdown(), new_state(), 5, validate)
    assert done.ended_by is EndedBy.INTERRUPT
    assert {len(curve) for curve in done.curves} == {done.state.epoch} == {2}


def test_interrupt_in_a_monitor_keeps_the_epoch():
    done = run(Countdown(), new_state(), 5, monitor=Watcher(interrupt_after=3))
    assert done.ended_by is EndedBy.INTERRUPT
    assert len(done.curves.objectives) == done.state.epoch == 3


def test_a_converged_method_takes_no_step():
    training, watcher = Countdown(None), Watcher()
    training.converges_at = 2
    done = run(training, new_state(), 5, monitor=watcher)
    assert done.ended_by is EndedBy.CONVERGED
    assert (done.state.epoch, watcher.n_begun, watcher.epochs_seen) == (2, 2, [1, 2])


def test_convergence_in_the_last_epoch_is_not_max_iter():
    training = Countdown(None)
    training.converges_at = 2
    assert run(training, new_state(), 2).ended_by is EndedBy.CONVERGED


def test_at_least_one_step_is_taken():
    training = Countdown(None)
    training.converges_at = 0
    assert run(training, new_state(), 5).state.epoch == 1


@pytest.mark.parametrize("stalls_at", [0, 2])
def test_a_stalled_method_ends_training(stalls_at):
    training = Countdown(None)
    training.stalls_at = stalls_at
    done = run(training, new_state(), 5)
    assert done.ended_by is EndedBy.STALLED
    assert done.state.epoch == stalls_at
    # The curve has an entry even if training could not take a single step.
    assert len(done.curves.objectives) == max(1, stalls_at)
    assert np.isnan(done.curves.validation_scores[-1])


def test_non_finite_numbers_do_not_warn():
    class Overflowing(Countdown):
        def advance(self, state, n_most):
            np.array([1e308]) * 10
            np.array([inf]) - inf
            np.array([1.0]) / 0
            return super().advance(state, n_most)

    done = run(Overflowing(), new_state(), 2, lambda theta: Validation(nan, 0.0))
    assert done.state.epoch == 2
