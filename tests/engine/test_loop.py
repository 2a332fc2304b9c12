"""The one loop: number of epochs, stopping rule, monitors, interrupts, the best theta."""

from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest

from sklearn_nn._engine.loop import Advance, run
from sklearn_nn._engine.stopping import EndedBy, StoppingRule
from sklearn_nn._engine.types import Progress, TrainingState, Validation

NEVER = StoppingRule(-inf, inf)


class Countdown:
    """A Training whose theta and objective after n epochs in all are 1 / n."""

    null_loss = 7.0

    def __init__(self, rule=NEVER, early_stopping=False, most_together=1):
        self.stopping_rule, self.early_stopping = rule, early_stopping
        self.most_together = most_together
        self.calls = []
        self.interrupt_in = None  # the epoch that Ctrl-C comes in
        self.arrives_at = self.stuck_at = inf

    def begin(self, state):
        self.calls.append("begin")

    def arrived(self, state):
        return EndedBy.STOPPING_RULE if state.epoch >= self.arrives_at else None

    def advance(self, state, n_most):
        n = int(min(n_most, self.most_together))
        self.calls.append(n)
        if state.epoch >= self.stuck_at:
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

    def complete(self, state):
        return replace(state, random_state=("complete", state.epoch))

    def finish(self, state, curves):
        return 42.0, 0.25


def objective_at(epoch):
    """Return the objective of an epoch."""
    return 1.0 / epoch


class Watcher:
    """A Monitor that notes what it is told, and stops where it is asked to."""

    def __init__(self, before=inf, after=inf, every=1, interrupt_after=inf):
        self.before, self.after, self.every = before, after, every
        self.interrupt_after = interrupt_after
        self.told, self.n_begun, self.states = [], 0, []

    def epoch_begin(self):
        self.n_begun += 1
        return self.n_begun > self.before

    def epoch_end(self, state, curves):
        self.told.append(state.epoch)
        self.states.append(state)
        assert len(curves.objectives) == state.epoch
        if state.epoch >= self.interrupt_after:
            raise KeyboardInterrupt
        return state.epoch >= self.after

    def n_unwatched(self, epoch):
        return self.every - 1 - epoch % self.every


def new_state(epoch=0):
    """Return the state of a model after so many epochs."""
    return TrainingState(np.array([9.0]), ("seed",), step=epoch, epoch=epoch)


def score_by(best_epoch):
    """Return a callable theta -> Validation whose score is highest after that epoch."""
    return lambda theta: Validation(0.5, -abs(1 / float(theta[0]) - best_epoch))


def test_all_epochs_are_run():
    done = run(Countdown(), new_state(), 4)
    assert done.ended_by is EndedBy.MAX_ITER
    assert done.curves.objectives == [1, 1 / 2, 1 / 3, 1 / 4]
    assert done.curves.learning_rates == [0.5, 0.25, 0.5 / 3, 0.125]
    assert (done.state.epoch, done.state.step) == (4, 4)
    assert (done.last_loss, done.gap, done.null_loss) == (42.0, 0.25, 7.0)


def test_a_run_goes_on_after_another():
    first = run(Countdown(), new_state(), 3)
    done = run(Countdown(), first.state, 2)
    assert done.curves.objectives == [1 / 4, 1 / 5]
    assert done.state.epoch == 5


def test_state_is_complete_in_the_end():
    assert run(Countdown(), new_state(), 3).state.random_state == ("complete", 3)


def test_state_is_complete_whenever_a_monitor_sees_it():
    watcher = Watcher()
    run(Countdown(), new_state(), 2, monitor=watcher)
    assert [s.random_state for s in watcher.states] == [("complete", 1), ("complete", 2)]


@pytest.mark.parametrize("most_together", [1, 2, 7, 100])
def test_epochs_run_together_end_where_the_rule_ends_them(most_together):
    # Improvements are 1/2, 1/6, 1/12, 1/20: the third and fourth in a row are too small.
    rule = StoppingRule(tol=0.1, n_iter_no_change=2)
    training = Countdown(rule, most_together=most_together)
    done = run(training, new_state(), 50)
    assert done.ended_by is EndedBy.STOPPING_RULE
    assert done.curves.objectives == [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]
    assert done.state.progress == Progress(1 / 5, 2, 1 / 4 - 1 / 5)


def test_rates_are_lowered_where_the_rule_says_so():
    rule = StoppingRule(tol=0.1, n_iter_no_change=2, lowers_rate=True)
    done = run(Countdown(rule), new_state(), 5)
    assert done.ended_by is EndedBy.MAX_ITER
    assert done.state.progress.rate_factor == 1 / 5


def test_epochs_run_together_up_to_the_next_that_is_watched():
    training, watcher = Countdown(most_together=100), Watcher(every=4)
    run(training, new_state(), 10, monitor=watcher)
    assert watcher.told == [4, 8, 10]
    assert training.calls == ["begin", 4, 4, 2]


def test_epochs_that_are_validated_are_run_one_by_one():
    training = Countdown(most_together=100)
    done = run(training, new_state(), 3, validate=score_by(2))
    assert training.calls == ["begin", 1, 1, 1]
    assert done.curves.validation_losses == [0.5] * 3
    np.testing.assert_allclose(done.curves.validation_scores, [-1, 0, -1], atol=1e-12)
    assert done.state.progress.best_theta is None  # the score had no say


def test_best_theta_is_kept_with_early_stopping():
    rule = StoppingRule(tol=0.0, n_iter_no_change=3)
    done = run(Countdown(rule, early_stopping=True), new_state(), 50, score_by(4))
    assert done.ended_by is EndedBy.STOPPING_RULE
    assert len(done.curves.objectives) == 7
    assert done.state.progress.best_theta == [1 / 4]
    assert done.state.progress.best_epoch == 4


def test_a_model_that_goes_on_keeps_what_it_had_if_nothing_is_better():
    rule = StoppingRule(tol=0.0, n_iter_no_change=2)
    state = replace(new_state(epoch=5), theta=np.array([1 / 5]))
    done = run(Countdown(rule, early_stopping=True), state, 50, score_by(5))
    assert done.state.progress.best_theta == [1 / 5]
    assert done.state.progress.best_epoch == 0


@pytest.mark.parametrize("n_epochs", [1, 3])
def test_a_monitor_stops_before_an_epoch(n_epochs):
    done = run(Countdown(), new_state(), 9, monitor=Watcher(before=n_epochs))
    assert done.ended_by is EndedBy.MONITOR
    assert len(done.curves.objectives) == done.state.epoch == n_epochs


def test_a_monitor_stops_after_an_epoch_and_wins_over_the_rule():
    rule = StoppingRule(tol=10.0, n_iter_no_change=1)
    done = run(Countdown(rule), new_state(), 9, monitor=Watcher(after=1))
    assert done.ended_by is EndedBy.MONITOR
    assert done.state.epoch == 1


def test_interrupt_before_the_first_epoch_has_ended_is_raised():
    training = Countdown()
    training.interrupt_in = 1
    with pytest.raises(KeyboardInterrupt):
        run(training, new_state(), 5)


def test_interrupt_of_a_later_epoch_keeps_the_last_finished_one():
    training = Countdown()
    training.interrupt_in = 3
    done = run(training, new_state(), 5)
    assert done.ended_by is EndedBy.INTERRUPT
    assert done.curves.objectives == [1, 1 / 2]
    assert done.state.theta == [1 / 2]
    assert done.state.random_state == ("complete", 2)


def test_interrupt_while_validating_loses_the_epoch():
    n_calls = []

    def validate(theta):
        n_calls.append(1)
        if len(n_calls) == 3:
            raise KeyboardInterrupt
        return Validation(0.5, 0.5)

    done = run(Countdown(), new_state(), 5, validate)
    assert done.ended_by is EndedBy.INTERRUPT
    assert {len(curve) for curve in done.curves} == {done.state.epoch} == {2}


def test_interrupt_while_a_monitor_is_told_keeps_the_epoch():
    done = run(Countdown(), new_state(), 5, monitor=Watcher(interrupt_after=3))
    assert done.ended_by is EndedBy.INTERRUPT
    assert len(done.curves.objectives) == done.state.epoch == 3


def test_a_method_that_has_arrived_takes_no_step():
    training, watcher = Countdown(None), Watcher()
    training.arrives_at = 2
    done = run(training, new_state(), 5, monitor=watcher)
    assert done.ended_by is EndedBy.STOPPING_RULE
    assert (done.state.epoch, watcher.n_begun, watcher.told) == (2, 2, [1, 2])


def test_a_method_that_arrives_with_its_last_epoch_has_not_run_out_of_epochs():
    training = Countdown(None)
    training.arrives_at = 2
    assert run(training, new_state(), 2).ended_by is EndedBy.STOPPING_RULE


def test_at_least_one_step_is_taken():
    training = Countdown(None)
    training.arrives_at = 0
    assert run(training, new_state(), 5).state.epoch == 1


@pytest.mark.parametrize("stuck_at", [0, 2])
def test_a_method_without_a_step_ends_training(stuck_at):
    training = Countdown(None)
    training.stuck_at = stuck_at
    done = run(training, new_state(), 5)
    assert done.ended_by is EndedBy.STALLED
    assert done.state.epoch == stuck_at
    # Training that could not take a single step has an entry in its curve all the same.
    assert len(done.curves.objectives) == max(1, stuck_at)
    assert np.isnan(done.curves.validation_scores[-1])


def test_numbers_that_are_not_finite_do_not_warn():
    class Overflowing(Countdown):
        def advance(self, state, n_most):
            np.array([1e308]) * 10
            np.array([inf]) - inf
            np.array([1.0]) / 0
            return super().advance(state, n_most)

    done = run(Overflowing(), new_state(), 2, lambda theta: Validation(nan, 0.0))
    assert done.state.epoch == 2
