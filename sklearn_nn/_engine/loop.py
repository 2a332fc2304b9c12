"""The one loop of training: over epochs, rounds of blocks, or Newton steps.

A method takes the steps (`Training`). The loop does what is the same for all methods:
curves, validation, best parameters, monitors, Ctrl-C, the number of epochs, and the reason
for the end. scipy has the loop of L-BFGS; its callback reports to the same `Recorder`.
"""

from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np

from .arrays import Vector
from .stopping import (
    Decision,
    EndedBy,
    StoppingRule,
    with_best_theta,
    with_first_candidate,
)
from .types import (
    Curves,
    Monitor,
    TrainingRun,
    TrainingState,
    Validation,
    empty_curves,
)


class Advance(NamedTuple):
    """Result of one call of a method: one or several epochs, or an end without a step."""

    state: TrainingState  # after it
    objectives: list  # of each epoch, nats per sample
    learning_rates: list | None = None  # of the last step of each epoch, if it has one
    ended_by: EndedBy | None = None  # if no step could be taken


class Training(Protocol):
    """A method that trains on a problem and its rows."""

    null_loss: float
    stopping_rule: StoppingRule | None  # None: only `reason_to_end` ends training
    early_stopping: bool  # whether the rule judges validation scores

    def begin(self, state: TrainingState):
        """Prepare to resume from this state."""

    def reason_to_end(self, state: TrainingState) -> EndedBy | None:
        """Return why training should end now, or None.

        Called after each epoch, not before the first.
        """

    def advance(self, state: TrainingState, n_most: int) -> Advance:
        """Train for one to `n_most` epochs from this state."""

    def complete_state(self, state: TrainingState) -> TrainingState:
        """Return the state with parts that are too slow to update in each epoch.

        Called at the end, and after each epoch that is reported to a monitor.
        """

    def finish(self, state: TrainingState, curves: Curves):
        """Return the last objective, and the Gap or None.

        Raises ValueError if the last step diverged.
        """


class Recorder:
    """Records each epoch of a run, and reports it to a monitor."""

    def __init__(self, state: TrainingState, validate=None, monitor: Monitor | None = None):
        self.state = state  # after the last finished epoch
        self.first_epoch = state.epoch
        self.curves = empty_curves()
        self.validate = validate  # callable theta -> Validation, or None
        self.monitor = monitor

    @property
    def n_epochs(self) -> int:
        """Number of finished epochs."""
        return self.state.epoch - self.first_epoch

    def n_unwatched(self):
        """Return the number of coming epochs before the next validated or reported one."""
        if self.validate is not None:
            return 0
        if self.monitor is None:
            return np.inf
        return self.monitor.n_unwatched(self.state.epoch)

    def begin_epoch(self) -> bool:
        """Report that an epoch begins; return True if the monitor stops training."""
        return self.monitor is not None and self.monitor.epoch_begin()

    def validation(self, theta: Vector) -> Validation | None:
        """Return the Validation of theta, or None without validation rows."""
        return None if self.validate is None else self.validate(theta)

    def end_epoch(self, advance: Advance, validation: Validation | None = None) -> bool:
        """Record finished epochs; return True if the monitor stops training."""
        self.curves.grow(advance.objectives, advance.learning_rates, validation)
        self.state = advance.state
        return self.monitor is not None and self.monitor.epoch_end(self.state, self.curves)

    def cut_curves(self):
        """Drop entries of an epoch that an interrupt left without its state."""
        # Training that could not take a single step still has one entry.
        self.curves.cut(max(1, self.n_epochs))


# divergence.py finds numbers that are not finite; NumPy need not warn of them.
QUIET = {"over": "ignore", "invalid": "ignore", "divide": "ignore"}


def run(
    training: Training,
    state: TrainingState,
    n_epochs: int,
    validate=None,
    monitor: Monitor | None = None,
) -> TrainingRun:
    """Train for at most `n_epochs` epochs.

    Parameters
    ----------
    training : Training
    state : TrainingState
        Of a new model or any earlier run, with the method's own memory; it is not changed.
    n_epochs : int
    validate : callable theta -> Validation, optional
        Called after each epoch. With early stopping, the stopping rule judges its score
        instead of the objective, and `state.progress` keeps the best theta.
    monitor : Monitor, optional

    Returns
    -------
    TrainingRun

    Raises
    ------
    ValueError
        If training diverges.
    KeyboardInterrupt
        If it comes before the first epoch has finished; later it ends the run.
    """
    if training.early_stopping:
        state = with_first_candidate(state, validate)
    recorder = Recorder(state, validate, monitor)
    try:
        training.begin(state)
        ended_by = advance_to_the_end(training, recorder, n_epochs)
    except KeyboardInterrupt:
        if recorder.n_epochs == 0:
            raise
        ended_by = EndedBy.INTERRUPT
    recorder.cut_curves()
    state, curves = training.complete_state(recorder.state), recorder.curves
    last_objective, gap = training.finish(state, curves)
    return TrainingRun(state, curves, last_objective, training.null_loss, ended_by, gap)


def advance_to_the_end(training: Training, recorder: Recorder, n_epochs: int) -> EndedBy:
    """Advance until training ends; return why."""
    while True:
        n_done = recorder.n_epochs
        # The first step is always tried, so that there is a curve.
        ended_by = training.reason_to_end(recorder.state) if n_done else None
        if ended_by is not None:
            return ended_by
        if n_done == n_epochs:
            return EndedBy.MAX_ITER
        stops = recorder.begin_epoch()
        if stops and n_done:
            return EndedBy.MONITOR
        n_most = min(n_epochs - n_done, 1 + recorder.n_unwatched())
        advance, validation, decision = advance_and_judge(training, recorder, n_most)
        if advance.ended_by is not None:
            if n_done == 0:
                recorder.curves.grow(advance.objectives)
            return advance.ended_by
        if recorder.monitor is not None:
            advance = advance._replace(state=training.complete_state(advance.state))
        if recorder.end_epoch(advance, validation):
            return EndedBy.MONITOR
        if decision is Decision.STOP:
            return EndedBy.CONVERGED


@np.errstate(**QUIET)
def advance_and_judge(training: Training, recorder: Recorder, n_most: int):
    """Return the next Advance, the Validation at its end, and the Decision after it."""
    advance = training.advance(recorder.state, n_most)
    if advance.ended_by is not None:
        return advance, None, Decision.CONTINUE
    validation = recorder.validation(advance.state.averaged_theta)
    advance, decision = judge(training, recorder.state, advance, validation)
    return advance, validation, decision


def judge(training: Training, before: TrainingState, advance: Advance, validation):
    """Return the Advance with its progress, and the Decision of the stopping rule.

    If the rule does not continue before the last of several epochs, train again from
    `before`, up to that epoch. The result is the same, because such epochs draw no random
    order.
    """
    if training.stopping_rule is None:
        return advance, Decision.CONTINUE
    criteria = [-validation.score] if training.early_stopping else advance.objectives
    rate = advance.learning_rates[-1] if advance.learning_rates else 0.0
    progress, decision, n_judged = training.stopping_rule.judge(
        before.progress, criteria, rate
    )
    if n_judged < len(criteria):
        advance = training.advance(before, n_judged)
    state = replace(advance.state, progress=progress)
    if training.early_stopping:
        state = with_best_theta(state, before.progress)
    return advance._replace(state=state), decision
