"""The one loop of training: over epochs, rounds of blocks, or Newton steps.

A method takes its steps (`Training`). What is the same for all of them stands here: curves,
validation, the best parameters, monitors, Ctrl-C, the number of epochs and the reason of
the end. Of L-BFGS scipy owns the loop; its callback reports to the same `Recorder`.
"""

from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np

from .stopping import Decision, EndedBy, with_best_theta, with_first_candidate
from .types import TrainingRun, TrainingState, empty_curves


class Advance(NamedTuple):
    """What a method has done at once: several epochs, one, or an end without a step."""

    state: TrainingState  # after it
    objectives: list  # of each epoch, nats per sample
    learning_rates: list | None = None  # of the last step of each, None for no such thing
    ended_by: EndedBy | None = None  # where no step could be taken


class Training(Protocol):
    """A method at work on a problem and its rows.

    Attributes
    ----------
    null_loss : float
        Loss of the null model, whose logits are all zero.
    stopping_rule : StoppingRule or None
        Judges each epoch; None where only `arrived` ends training.
    early_stopping : bool
        Whether the rule looks at validation scores, not at objectives.
    """

    def begin(self, state):
        """Get ready to go on from this state."""

    def arrived(self, state):
        """Return why training should end now, as EndedBy, or None.

        Asked after each epoch, but not before the first.
        """

    def advance(self, state, n_most):
        """Return an Advance from this state by at most so many epochs, at least one."""

    def complete(self, state):
        """Return the state with what costs too much to be kept up to date in each epoch.

        Asked at the end, and after each epoch that a monitor looks at.
        """

    def finish(self, state, curves):
        """Return the last loss, and the estimated gap or None where it is not known.

        Raises ValueError if the last step diverged.
        """


class Recorder:
    """What is told of each epoch, and to whom."""

    def __init__(self, state, validate=None, monitor=None):
        self.state = state  # after the last finished epoch
        self.first_epoch = state.epoch
        self.curves = empty_curves()
        self.validate = validate  # callable theta -> Validation, or None
        self.monitor = monitor

    @property
    def n_epochs(self):
        """Number of finished epochs."""
        return self.state.epoch - self.first_epoch

    def n_unwatched(self):
        """Return how many epochs may follow at once before the next that is looked at."""
        if self.validate is not None:
            return 0
        if self.monitor is None:
            return np.inf
        return self.monitor.n_unwatched(self.state.epoch)

    def begin_epoch(self):
        """Tell that an epoch begins; return True if the monitor stops training."""
        return self.monitor is not None and self.monitor.epoch_begin()

    def validation(self, theta):
        """Return the Validation of theta, or None without validation rows."""
        return None if self.validate is None else self.validate(theta)

    def end_epoch(self, advance, validation=None):
        """Take epochs as finished; return True if the monitor stops training."""
        self.curves.grow(advance.objectives, advance.learning_rates, validation)
        self.state = advance.state
        return self.monitor is not None and self.monitor.epoch_end(self.state, self.curves)

    def cut_curves(self):
        """Drop what an interrupt has left between the curves' growth and the state's."""
        # Training that could not take a single step has an entry all the same.
        self.curves.cut(max(1, self.n_epochs))


# What is not finite in training is found by divergence.py, not by NumPy's warnings; those
# of callbacks are theirs.
QUIET = {"over": "ignore", "invalid": "ignore", "divide": "ignore"}


def run(training, state, n_epochs, validate=None, monitor=None):
    """Train for at most `n_epochs` epochs.

    Parameters
    ----------
    training : Training
    state : TrainingState
        Of a new model or any earlier run, with the method's own memory; it is not changed.
    n_epochs : int
    validate : callable theta -> Validation, optional
        Called after each epoch. With early stopping its score takes the objective's place
        in the stopping rule, and the best theta is kept in `state.progress`.
    monitor : Monitor, optional

    Returns
    -------
    TrainingRun

    Raises
    ------
    ValueError
        If training diverges.
    KeyboardInterrupt
        If it comes before the first epoch has ended; later it ends the run.
    """
    if training.early_stopping:
        state = with_first_candidate(state, validate)
    recorder = Recorder(state, validate, monitor)
    try:
        training.begin(state)
        ended_by = follow(training, recorder, n_epochs)
    except KeyboardInterrupt:
        if recorder.n_epochs == 0:
            raise
        ended_by = EndedBy.INTERRUPT
    recorder.cut_curves()
    state, curves = training.complete(recorder.state), recorder.curves
    last_loss, gap = training.finish(state, curves)
    return TrainingRun(state, curves, last_loss, training.null_loss, ended_by, gap)


def follow(training, recorder, n_epochs):
    """Have `training` advance until something ends it; return why, as EndedBy."""
    while True:
        n_done = recorder.n_epochs
        # At least one step is taken, so that there is a curve.
        ended_by = training.arrived(recorder.state) if n_done else None
        if ended_by is not None:
            return ended_by
        if n_done == n_epochs:
            return EndedBy.MAX_ITER
        if recorder.begin_epoch():
            return EndedBy.MONITOR
        n_most = min(n_epochs - n_done, 1 + recorder.n_unwatched())
        advance, validation, decision = advanced(training, recorder, n_most)
        if advance.ended_by is not None:
            if n_done == 0:
                recorder.curves.grow(advance.objectives)
            return advance.ended_by
        if recorder.monitor is not None:
            advance = advance._replace(state=training.complete(advance.state))
        if recorder.end_epoch(advance, validation):
            return EndedBy.MONITOR
        if decision is Decision.STOP:
            return EndedBy.STOPPING_RULE


@np.errstate(**QUIET)
def advanced(training, recorder, n_most):
    """Return the next Advance, the Validation of its end and the Decision after it."""
    advance = training.advance(recorder.state, n_most)
    if advance.ended_by is not None:
        return advance, None, Decision.GO_ON
    validation = recorder.validation(advance.state.averaged_theta)
    advance, decision = judged(training, recorder.state, advance, validation)
    return advance, validation, decision


def judged(training, before, advance, validation):
    """Return the Advance with its progress, and what the stopping rule decides.

    If the rule stops in the midst of epochs that were run at once, only those up to the
    stop are run again. That gives the same: orders are not drawn where epochs are run at
    once.
    """
    if training.stopping_rule is None:
        return advance, Decision.GO_ON
    criteria = [-validation.score] if training.early_stopping else advance.objectives
    rate = advance.learning_rates[-1] if advance.learning_rates else 0.0
    progress, decision, n_judged = training.stopping_rule.follow(
        before.progress, criteria, rate
    )
    if n_judged < len(criteria):
        advance = training.advance(before, n_judged)
    state = replace(advance.state, progress=progress)
    if training.early_stopping:
        state = with_best_theta(state, before.progress)
    return advance._replace(state=state), decision
