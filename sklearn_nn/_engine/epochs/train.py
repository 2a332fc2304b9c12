"""Training in epochs.

The objective is a function of theta, all weights W and intercepts b of a network f:

    J(theta) = 1/n sum_i w_i loss(f(x_i; theta), y_i)  +  alpha * penalty(W)
                         |        |                                 |
                     losses.py  network.py                     penalties.py

Each step follows the gradient of J on a mini-batch of rows:

    theta_{t+1}, slots_{t+1} = optimizer.step(theta_t, slots_t, grad J_batch, rate_t)
                               optimizers.py                              schedules.py

This file prepares each epoch: it draws the order of the rows, computes the learning rates,
runs the epoch (or several tiny ones) by compiled.py, cuda_graph.py or reference.py, and
checks that the numbers are finite. loop.py decides when to stop.
"""

from dataclasses import replace
from math import ceil

from .. import loop
from ..generators import generator_at
from ..objective.problem import Problem
from ..rows import lay_out
from ..types import Dataset, TrainingRun, TrainingState
from . import compiled, cuda_graph, divergence, reference
from .records import EpochMemory, EpochSettings, zero_slots
from .schedules import Steps

# Tiny epochs take less time than the Python around them. So one call runs several, with at
# most this many multiplications, about a millisecond, and at most this many epochs.
WORK_PER_CALL, MAX_EPOCHS_PER_CALL = 2e7, 1000


def train_in_epochs(
    problem: Problem,
    settings: EpochSettings,
    state: TrainingState,
    data: Dataset,
    n_epochs: int,
    validate=None,
    monitor=None,
) -> TrainingRun:
    """Train from a state with an EpochMemory, in memory; see `loop.run`."""
    training = EpochTraining(problem, settings, data, n_epochs)
    return loop.run(training, state, n_epochs, validate, monitor)


def resumed_memory(memory, settings, theta, forgets_average, forgets_slots) -> EpochMemory:
    """Return the EpochMemory to resume with from `theta`.

    It is empty at the start and if another method trained before.
    """
    if not isinstance(memory, EpochMemory):
        return EpochMemory(zero_slots(settings, theta))
    if forgets_average:
        memory = replace(memory, average=None, n_averaged=0)
    if forgets_slots or len(memory.slots) != settings.optimizer.n_slots:
        memory = replace(memory, slots=zero_slots(settings, theta), n_slot_updates=0)
    return memory


class EpochTraining:
    """Epochs on rows in memory, as the Training that `loop.run` drives."""

    def __init__(self, problem, settings, data, n_epochs):
        data = lay_out(data, settings.batch_size)
        graphs = cuda_graph.graphed_epochs(problem, settings, data, n_epochs)
        self.graphs = graphs  # None: epochs run without
        self.problem, self.settings, self.data = problem, settings, data
        self.stopping_rule = settings.stopping_rule
        self.early_stopping = settings.early_stopping
        self.null_loss = problem.null_loss
        self.limit = divergence.DIVERGED * self.null_loss
        self.epochs_per_call = epochs_per_call(problem, settings, data)
        self.n_epochs = n_epochs
        self.start, self.completed = None, None  # TrainingStates
        self.orders, self.n_drawn = None, 0

    def begin(self, state):
        """Set the generator of orders to the state's."""
        self.start = state
        self.orders = Orders(self.settings, self.data, state.random_state)
        self.n_drawn = 0

    def reason_to_end(self, state):
        """Return None: only the stopping rule ends training in epochs."""
        return

    def advance(self, state, n_most):
        """Train for at most `n_most` epochs; raise ValueError if training diverges.

        If one of several epochs diverges, only the first is returned. So the loop reaches
        the diverging epoch one by one, and the error names it.
        """
        problem, settings, data = self.problem, self.settings, self.data
        n_epochs = min(n_most, self.epochs_per_call)
        self.n_drawn += n_epochs
        order = self.orders.draw()
        rates = learning_rates(settings, state, data, n_epochs)
        if self.graphs is None:
            new, objectives = run_epochs(problem, settings, state, data, order, rates)
        else:
            is_last = state.epoch + 1 == self.start.epoch + self.n_epochs
            new, objective = self.graphs.run_epoch(
                state,
                order,
                rates.tolist(),
                meanwhile=None if is_last else self.orders.draw_ahead,
            )
            objectives = [objective]
        if n_epochs > 1 and not divergence.is_sound(new, objectives, self.limit):
            return self.advance(state, 1)
        n = n_batches(settings, data)
        last_rates = rates[n - 1 :: n].tolist()
        divergence.check_epoch(new, objectives[-1], self.limit, last_rates[-1])
        return loop.Advance(new, objectives, last_rates)

    def complete_state(self, state):
        """Return the state with the present `random_state` of the generator of orders.

        Reading it takes as long as an epoch of few rows.
        """
        if not draws_order(self.settings, self.data) or state is self.completed:
            return state
        n_epochs = state.epoch - self.start.epoch
        if n_epochs < self.n_drawn:
            # An unfinished epoch draws its order again when training resumes.
            self.begin(self.start)
            while self.n_drawn < n_epochs:
                self.n_drawn += 1
                self.orders.draw()
        self.completed = replace(state, random_state=self.orders.random_state())
        return self.completed

    def finish(self, state, curves):
        """Return the last epoch's objective; raise ValueError if its last step diverged."""
        rate = curves.learning_rates[-1]
        divergence.check_end(self.problem, state, self.data, self.limit, rate)
        return curves.objectives[-1], None


class Orders:
    """The orders of the rows in coming epochs, one after the other."""

    def __init__(self, settings, data, random_state):
        self.settings, self.data = settings, data
        self.rng = generator_of_orders(settings, data, random_state)
        self.ahead = None  # the next order, and the generator's state before it

    def draw(self):
        """Return the order of the next epoch; see `draw_order`."""
        if self.ahead is None:
            return draw_order(self.settings, self.data, self.rng)
        (order, _), self.ahead = self.ahead, None
        return order

    def draw_ahead(self):
        """Draw the next order already: of a million rows it takes as long as an epoch."""
        if self.rng is not None and self.ahead is None:
            before = self.rng.get_state()
            self.ahead = draw_order(self.settings, self.data, self.rng), before

    def random_state(self):
        """Return the generator's state after the last order that `draw` returned."""
        return self.rng.get_state() if self.ahead is None else self.ahead[1]


def run_epochs(problem, settings, state, data, order, rates):
    """Return the new state and the objective of each epoch, by kernels if possible."""
    if compiled.supports(problem, settings, data):
        return compiled.run_epochs(problem, settings, state, data, order, rates)
    # Python floats: a NumPy scalar would turn float32 parameters into float64.
    rates = rates.tolist()
    state, objective = reference.run_epoch(problem, settings, state, data, order, rates)
    return state, [objective]


def epochs_per_call(problem, settings, data) -> int:
    """Return the number of epochs per call of `run_epochs`: one unless they are tiny."""
    if draws_order(settings, data) or not compiled.supports(problem, settings, data):
        return 1
    work = n_batches(settings, data) * compiled.work_of_step(problem, settings, data)
    return max(1, min(MAX_EPOCHS_PER_CALL, int(WORK_PER_CALL / work)))


def draws_order(settings, data):
    """Return whether the order of rows is random: not if one batch has all rows."""
    return settings.shuffle and settings.batch_size < data.n_samples


def generator_of_orders(settings, data, random_state):
    """Return the generator of orders in this state, or None if no order is drawn."""
    return generator_at(random_state) if draws_order(settings, data) else None


def draw_order(settings, data, rng):
    """Return the order of the rows in an epoch; None for that of the data."""
    return rng.permutation(data.n_samples) if draws_order(settings, data) else None


def n_batches(settings, data) -> int:
    """Return the number of batches of an epoch."""
    return ceil(data.n_samples / settings.batch_size)


def learning_rates(settings, state, data, n_epochs):
    """Return the learning rate of each step of the next epochs, in float64."""
    n = n_batches(settings, data)
    steps = Steps(n_epochs * n, state.step, state.epoch, n)
    return settings.schedule.learning_rates(steps, state.progress.rate_factor)
