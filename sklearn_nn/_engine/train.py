"""Training, in words and symbols.

Minimise over theta, the weights W and intercepts b of a network f in one vector,

    J(theta) = 1/n sum_i w_i loss(f(x_i; theta), y_i)  +  alpha * penalty(W)
                         |        |                                 |
                     losses.py  network.py                     penalties.py

by repeated steps along the gradient of J on a batch of rows,

    theta_{t+1}, slots_{t+1} = optimizer.step(theta_t, slots_t, grad J_batch, rate_t)
                               optimizers.py                              schedules.py

This file is the loop over epochs: it draws the order of the rows, has an epoch run, checks
that the numbers are finite, and asks stopping.py whether to go on.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from . import compiled, divergence, reference
from .stopping import Decision
from .types import TrainingRun, TrainingState


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
    validate : callable theta -> float, optional
        Score of the validation data, higher is better. It takes the objective's place
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
    first_epoch = state.epoch
    rng = np.random.RandomState(0)
    rng.set_state(state.random_state)
    nothing = divergence.zero_logits_loss(problem, data)
    limit = divergence.DIVERGED * nothing
    state = with_first_candidate(state, validate)
    objectives, scores, ended_by = [], [], "max_iter"
    try:
        for _ in range(n_epochs):
            if monitor is not None:
                monitor.epoch_begin()
            epoch = advance(problem, state, data, rng, limit, validate)
            objectives.append(epoch.objective)
            if epoch.score is not None:
                scores.append(epoch.score)
            state = epoch.state
            if monitor is not None and monitor.epoch_end(*epoch[:4]):
                ended_by = "monitor"
                break
            if epoch.decision is Decision.STOP:
                ended_by = "stopping_rule"
                break
    except KeyboardInterrupt:
        if state.epoch == first_epoch:
            raise
        ended_by = "interrupt"
    divergence.check_end(problem, state, data, limit, epoch.learning_rate)
    # An interrupt may fall between the curves' growth and the new state.
    n_epochs = state.epoch - first_epoch
    del objectives[n_epochs:], scores[n_epochs:]
    return TrainingRun(state, objectives, objectives[-1], nothing, scores, ended_by)


def with_first_candidate(state, validate):
    """Return the state with its parameters as the best so far, if training goes on.

    A model that has been trained, and looks anew for the best validation score, must not
    end with worse parameters than it had.
    """
    if validate is None or state.epoch == 0 or np.isfinite(state.progress.best):
        return state
    theta = state.shown_theta
    progress = state.progress._replace(best=-validate(theta), best_theta=theta)
    return replace(state, progress=progress)


class Epoch(NamedTuple):
    """What one epoch led to."""

    state: TrainingState
    objective: float  # nats per sample
    score: float | None  # of the validation data
    learning_rate: float  # of the last step
    decision: Decision


def advance(problem, state, data, rng, limit, validate):
    """Return the next Epoch; `limit` is the objective that counts as divergence."""
    order = draw_order(problem, data, rng)
    # What is not finite is found by the checks, not by NumPy's warnings.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        rates = learning_rates(problem, state, data)
        run_epoch = fastest_epoch(problem, data)
        state, objective = run_epoch(problem, state, data, order, rates)
        divergence.check_epoch(state, objective, limit, rates[-1])
        score = None if validate is None else validate(state.shown_theta)
    progress, decision = judge(problem, state, objective, score, rates[-1])
    # Taking the generator's state costs as much as a small epoch.
    random_state = state.random_state if order is None else rng.get_state()
    state = replace(state, progress=progress, random_state=random_state)
    return Epoch(state, objective, score, rates[-1], decision)


def fastest_epoch(problem, data):
    """Return the implementation of `run_epoch` for this problem and kind of data."""
    if compiled.supports(problem, data):
        return compiled.run_epoch
    return reference.run_epoch


def draw_order(problem, data, rng):
    """Return the order of the rows in an epoch; None where one batch holds them all."""
    if not problem.shuffle or problem.batch_size >= data.n_samples:
        return None
    return rng.permutation(data.n_samples)


def learning_rates(problem, state, data):
    """Return the learning rate of each step of the coming epoch."""
    n_batches = -(-data.n_samples // problem.batch_size)  # rounded up
    return problem.schedule.learning_rates(
        state.step, n_batches, state.progress.rate_factor
    )


def judge(problem, state, objective, score, learning_rate):
    """Return the progress after an epoch, the best theta included, and the decision."""
    criterion = objective if score is None else -score
    before = state.progress
    progress, decision = problem.stopping_rule.update(before, criterion, learning_rate)
    if score is not None and criterion < before.best:
        progress = progress._replace(best_theta=state.shown_theta)
    return progress, decision
