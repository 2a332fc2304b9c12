"""Training, in words and symbols.

Minimise over theta, the weights W and intercepts b of a network f in one vector,

    J(theta) = 1/n sum_i w_i loss(f(x_i; theta), y_i)  +  alpha * penalty(W)
                         |        |                                 |
                     losses.py  network.py                     penalties.py

by repeated steps along the gradient of J on a batch of rows,

    theta_{t+1}, slots_{t+1} = optimizer.step(theta_t, slots_t, grad J_batch, rate_t)
                               optimizers.py                              schedules.py

This file is the loop over epochs: it draws the order of the rows, has an epoch run (or many
tiny ones), checks that the numbers are finite, and asks stopping.py whether to go on.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..stopping import Decision, with_best_theta, with_first_candidate
from ..types import TrainingRun, TrainingState, Validation, empty_curves
from . import compiled, divergence, reference
from .schedules import Steps

# A tiny epoch takes less time than the Python around it: so many are run in one call that
# this many multiplications, about a millisecond, come together.
WORK_TOGETHER, MOST_TOGETHER = 2e7, 1000


def zero_slots(problem, theta):
    """Return the optimizer's memory before its first step."""
    return tuple(0 * theta for _ in range(problem.optimizer.n_slots))


def train(problem, state, data, n_epochs, validate=None, monitor=None):
    """Run at most `n_epochs` epochs.

    Parameters
    ----------
    problem : Problem
    state : TrainingState
        Of a new model or of any earlier run; it is not changed.
    data : Dataset
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
    first_epoch, first_random_state = state.epoch, state.random_state
    rng = generator(problem, data, first_random_state)
    nothing = divergence.zero_logits_loss(problem, data)
    limit = divergence.DIVERGED * nothing
    state = with_first_candidate(problem, state, validate)
    curves, ended_by = empty_curves(), "max_iter"
    most_together = 1 if validate is not None else epochs_together(problem, data)
    try:
        while state.epoch < first_epoch + n_epochs:
            if monitor is not None and monitor.epoch_begin():
                ended_by = "monitor"
                break
            n_together = min(most_together, first_epoch + n_epochs - state.epoch)
            if monitor is not None and n_together > 1:
                n_together = min(n_together, 1 + monitor.n_unwatched(state.epoch))
            epochs = advance(problem, state, data, rng, limit, validate, n_together)
            curves.grow(epochs.objectives, epochs.learning_rates, epochs.validation)
            state = epochs.state
            if monitor is not None:
                state = with_random_state(state, rng)
                if monitor.epoch_end(state, curves):
                    ended_by = "monitor"
                    break
            if epochs.decision is Decision.STOP:
                ended_by = "stopping_rule"
                break
    except KeyboardInterrupt:
        if state.epoch == first_epoch:
            raise
        ended_by = "interrupt"
        # The order of the epoch that was not finished is drawn again when training goes on.
        rng = generator(problem, data, first_random_state)
        for _ in range(state.epoch - first_epoch):
            draw_order(problem, data, rng)
    if monitor is None or ended_by == "interrupt":
        state = with_random_state(state, rng)
    # An interrupt may fall between the curves' growth and the new state.
    curves.cut(state.epoch - first_epoch)
    divergence.check_end(problem, state, data, limit, curves.learning_rates[-1])
    last = curves.objectives[-1]
    return TrainingRun(state, curves, last, nothing, ended_by)


class Epochs(NamedTuple):
    """What one epoch led to, or several that were run in one call."""

    state: TrainingState
    objectives: list  # of each epoch, nats per sample
    learning_rates: list  # of the last step of each
    validation: Validation | None  # if there are validation rows; then it is one epoch
    decision: Decision


def advance(problem, state, data, rng, limit, validate, n_epochs):
    """Return the next Epochs; `limit` is the objective that counts as divergence.

    They are fewer than `n_epochs` where the stopping rule or the check for divergence
    speaks earlier: what is run together ends at exactly the epoch where one by one would.
    """
    order = draw_order(problem, data, rng)
    # What is not finite is found by the checks, not by NumPy's warnings.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        rates = learning_rates(problem, state, data, n_epochs)
        new, objectives = run_epochs(problem, state, data, order, rates)
        if n_epochs > 1 and not divergence.is_sound(new, objectives, limit):
            return advance(problem, state, data, rng, limit, validate, 1)
        last_rates = rates[:: -n_batches(problem, data)][::-1].tolist()
        divergence.check_epoch(new, objectives[-1], limit, last_rates[-1])
        validation = None if validate is None else validate(new.shown_theta)
    criteria = [-validation.score] if problem.early_stopping else objectives
    progress, decision, n_judged = problem.stopping_rule.follow(
        state.progress, criteria, last_rates[-1]
    )
    if n_judged < len(criteria):
        return advance(problem, state, data, rng, limit, validate, n_judged)
    new = replace(new, progress=progress)
    if problem.early_stopping:
        new = with_best_theta(new, state.progress)
    return Epochs(new, objectives, last_rates, validation, decision)


def run_epochs(problem, state, data, order, rates):
    """Return the new state and the objective of each epoch, by the fastest way there is."""
    if compiled.supports(problem, data):
        return compiled.run_epochs(problem, state, data, order, rates)
    # Python floats: a NumPy scalar would turn float32 parameters into float64.
    state, objective = reference.run_epoch(problem, state, data, order, rates.tolist())
    return state, [objective]


def epochs_together(problem, data):
    """Return how many epochs a call of `run_epochs` may run: one unless they are tiny."""
    if draws_order(problem, data) or not compiled.supports(problem, data):
        return 1
    work = n_batches(problem, data) * compiled.work_of_step(problem, data)
    return max(1, min(MOST_TOGETHER, int(WORK_TOGETHER / work)))


def draws_order(problem, data):
    """Say whether the order of the rows is drawn: not where one batch holds them all."""
    return problem.shuffle and problem.batch_size < data.n_samples


def generator(problem, data, random_state):
    """Return the generator of orders, in this state; None where none is drawn."""
    if not draws_order(problem, data):
        return None
    rng = np.random.RandomState(0)
    rng.set_state(random_state)
    return rng


def with_random_state(state, rng):
    """Return the state with that of the generator; reading it costs as much as an epoch."""
    return state if rng is None else replace(state, random_state=rng.get_state())


def draw_order(problem, data, rng):
    """Return the order of the rows in an epoch; None is that of the data."""
    return rng.permutation(data.n_samples) if draws_order(problem, data) else None


def n_batches(problem, data):
    """Return the number of batches of an epoch."""
    return -(-data.n_samples // problem.batch_size)  # rounded up


def learning_rates(problem, state, data, n_epochs):
    """Return the learning rate of each step (float64) of the coming epochs."""
    n = n_batches(problem, data)
    steps = Steps(n_epochs * n, state.step, state.epoch, n)
    return problem.schedule.learning_rates(steps, state.progress.rate_factor)
