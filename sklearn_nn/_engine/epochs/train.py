"""Training in epochs, in words and symbols.

Minimise over theta, the weights W and intercepts b of a network f in one vector,

    J(theta) = 1/n sum_i w_i loss(f(x_i; theta), y_i)  +  alpha * penalty(W)
                         |        |                                 |
                     losses.py  network.py                     penalties.py

by repeated steps along the gradient of J on a batch of rows,

    theta_{t+1}, slots_{t+1} = optimizer.step(theta_t, slots_t, grad J_batch, rate_t)
                               optimizers.py                              schedules.py

This file prepares each epoch: it draws the order of the rows and the learning rates, has
the epoch run (or many tiny ones) by compiled.py or reference.py, and checks that the
numbers are finite. loop.py says when to go on.
"""

from dataclasses import replace

import numpy as np

from .. import loop
from ..rows import lay_out
from . import compiled, divergence, reference
from .records import EpochMemory, zero_slots
from .schedules import Steps

# A tiny epoch takes less time than the Python around it. So several are run in one call,
# until this many multiplications, about a millisecond, come together.
WORK_TOGETHER, MOST_TOGETHER = 2e7, 1000


def train(problem, settings, state, data, n_epochs, validate=None, monitor=None):
    """Return the TrainingRun of at most `n_epochs` epochs; see `loop.run`.

    Parameters
    ----------
    problem : Problem
    settings : EpochSettings
    state : TrainingState
        With an EpochMemory.
    data : Dataset
    n_epochs, validate, monitor
        As in `loop.run`.
    """
    training = EpochTraining(problem, settings, data)
    return loop.run(training, state, n_epochs, validate, monitor)


def resumed_memory(memory, settings, theta, forgets_average, forgets_slots):
    """Return the EpochMemory that training from `theta` goes on with.

    That of another method is of no use: then, as at the start, it is empty.
    """
    if not isinstance(memory, EpochMemory):
        return EpochMemory(zero_slots(settings, theta))
    if forgets_average:
        memory = replace(memory, average=None, n_averaged=0)
    if forgets_slots or len(memory.slots) != settings.optimizer.n_slots:
        memory = replace(memory, slots=zero_slots(settings, theta), n_slot_updates=0)
    return memory


class EpochTraining:
    """Epochs on rows in memory, as loop.py drives them."""

    def __init__(self, problem, settings, data):
        data = lay_out(data, settings.batch_size)
        self.problem, self.settings, self.data = problem, settings, data
        self.stopping_rule = settings.stopping_rule
        self.early_stopping = settings.early_stopping
        self.null_loss = problem.null_loss
        self.limit = divergence.DIVERGED * self.null_loss
        self.most_together = epochs_together(problem, settings, data)
        self.start, self.completed = None, None  # TrainingStates
        self.rng, self.n_drawn = None, 0  # of orders, where they are drawn

    def begin(self, state):
        """Set the generator of orders to where the state has it."""
        self.start = state
        self.rng, self.n_drawn = generator(self.settings, self.data, state.random_state), 0

    def arrived(self, state):
        """Return None: only the stopping rule ends training in epochs."""
        return

    def advance(self, state, n_most):
        """Return an Advance of at most `n_most` epochs; raise ValueError on divergence.

        If a later epoch of several diverges, only the first is returned: one by one, the
        loop comes to exactly the epoch that does.
        """
        problem, settings, data = self.problem, self.settings, self.data
        n_epochs = min(n_most, self.most_together)
        self.n_drawn += n_epochs
        order = draw_order(settings, data, self.rng)
        rates = learning_rates(settings, state, data, n_epochs)
        new, objectives = run_epochs(problem, settings, state, data, order, rates)
        if n_epochs > 1 and not divergence.is_sound(new, objectives, self.limit):
            return self.advance(state, 1)
        n = n_batches(settings, data)
        last_rates = rates[n - 1 :: n].tolist()
        divergence.check_epoch(new, objectives[-1], self.limit, last_rates[-1])
        return loop.Advance(new, objectives, last_rates)

    def complete(self, state):
        """Return the state with its `random_state` read from the generator of orders.

        Reading it takes as long as an epoch of few rows.
        """
        if self.rng is None or state is self.completed:
            return state
        n_epochs = state.epoch - self.start.epoch
        if n_epochs < self.n_drawn:
            # The order of an epoch that was not finished is drawn again when training
            # goes on.
            self.begin(self.start)
            while self.n_drawn < n_epochs:
                self.n_drawn += 1
                draw_order(self.settings, self.data, self.rng)
        self.completed = replace(state, random_state=self.rng.get_state())
        return self.completed

    def finish(self, state, curves):
        """Return the last epoch's objective; raise ValueError if its last step diverged."""
        rate = curves.learning_rates[-1]
        divergence.check_end(self.problem, state, self.data, self.limit, rate)
        return curves.objectives[-1], None


def run_epochs(problem, settings, state, data, order, rates):
    """Return the new state and the objective of each epoch, by the fastest way there is."""
    if compiled.supports(problem, settings, data):
        return compiled.run_epochs(problem, settings, state, data, order, rates)
    # Python floats: a NumPy scalar would turn float32 parameters into float64.
    rates = rates.tolist()
    state, objective = reference.run_epoch(problem, settings, state, data, order, rates)
    return state, [objective]


def epochs_together(problem, settings, data):
    """Return how many epochs a call of `run_epochs` may run: one unless they are tiny."""
    if draws_order(settings, data) or not compiled.supports(problem, settings, data):
        return 1
    work = n_batches(settings, data) * compiled.work_of_step(problem, settings, data)
    return max(1, min(MOST_TOGETHER, int(WORK_TOGETHER / work)))


def draws_order(settings, data):
    """Say whether the order of the rows is drawn: not where one batch holds them all."""
    return settings.shuffle and settings.batch_size < data.n_samples


def generator(settings, data, random_state):
    """Return the generator of orders, in this state; None where none is drawn."""
    if not draws_order(settings, data):
        return None
    rng = np.random.RandomState(0)
    rng.set_state(random_state)
    return rng


def draw_order(settings, data, rng):
    """Return the order of the rows in an epoch; None is that of the data."""
    return rng.permutation(data.n_samples) if draws_order(settings, data) else None


def n_batches(settings, data):
    """Return the number of batches of an epoch."""
    return -(-data.n_samples // settings.batch_size)  # rounded up


def learning_rates(settings, state, data, n_epochs):
    """Return the learning rate of each step (float64) of the coming epochs."""
    n = n_batches(settings, data)
    steps = Steps(n_epochs * n, state.step, state.epoch, n)
    return settings.schedule.learning_rates(steps, state.progress.rate_factor)
