"""Data-parallel epochs: blocks of rows train side by side, and their models are averaged.

The rows lie in blocks, no two of which need to be in one place. An epoch is cut into
rounds. In each round every block trains, from the same theta and slots, on a part of its
rows,

    theta_b, slots_b = run_epochs(theta, slots) on n_b rows of block b

and then the model goes on from the means

    theta = sum_b n_b theta_b / sum_b n_b          slots = sum_b n_b slots_b / sum_b n_b

so that every row is seen once an epoch, and blocks need to meet once a round. Of one step
of gradient descent the mean is the step of the mean gradient, whatever lies in which block.
Of several steps it is not: blocks drift apart where their rows differ (each block holding
another label is the worst case), the more so the more steps a round has.

References
----------
R. McDonald, K. Hall and G. Mann, "Distributed training strategies for the structured
perceptron", NAACL 2010: means of parameters after each pass ("iterative parameter mixing").

S. Stich, "Local SGD converges fast and communicates little", ICLR 2019,
https://arxiv.org/abs/1805.09767: means every few steps.

H. B. McMahan, E. Moore, D. Ramage, S. Hampson and B. Aguera y Arcas,
"Communication-efficient learning of deep networks from decentralized data", AISTATS 2017,
https://arxiv.org/abs/1602.05629: weights n_b, and blocks that differ. Their workers begin
each round without memory; here the optimizer's slots are averaged like theta, because Adam
needs more steps than a round has to learn how large gradients are.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from .. import loop
from ..objective import dropout
from ..rows import batches, copy_of_rows
from . import divergence, prediction
from .schedules import Steps
from .train import n_batches, run_epochs

# Rows whose logits are computed at once where only the objective is asked for.
ROWS_AT_ONCE = 1024


class Round(NamedTuple):
    """Which part of its rows each block trains on."""

    seed: int | None  # of the orders of this epoch; None keeps the rows in their order
    number: int  # from 0
    n_rounds: int  # of the epoch


class Sums(NamedTuple):
    """What blocks have come to in a round, summed over their rows: sums can be added."""

    n_rows: int
    objective: float  # sum over the rows, before the round
    vectors: Any  # (1 + n_slots, n_parameters) in float64: theta, then the slots


def train_block(problem, settings, state, data, block, part):
    """Return the Sums of one block after a round: a pure function.

    Parameters
    ----------
    problem : Problem
    settings : EpochSettings
    state : TrainingState
        From which all blocks begin.
    data : Dataset
        The rows of the block.
    block : int
        Its number, so that blocks have orders and masks of their own.
    part : Round
    """
    start, stop = bounds(data.n_samples, part)
    if start == stop:  # a block of fewer rows than there are rounds
        return Sums(0, 0.0, np.zeros((1 + len(state.memory.slots), len(state.theta))))
    order = np.arange(data.n_samples)
    if part.seed is not None:
        order = np.random.RandomState([part.seed, block]).permutation(data.n_samples)
    data = copy_of_rows(data, order[start:stop])
    key = dropout.key_of_block(settings.dropout_key, block)
    settings = replace(settings, dropout_key=key)
    # What is not finite is found by the checks of BlockTraining.
    with np.errstate(**loop.QUIET):
        # Before the round, not before each step: where blocks differ, each soon does well
        # on its own rows, and their merged model does not.
        n_rows, objective = objective_of_block(problem, state.theta, data)
        rates = learning_rates(settings, state, n_batches(settings, data), part)
        state, _ = run_epochs(problem, settings, state, data, None, rates)
        vectors = np.stack([state.theta, *state.memory.slots]).astype(np.float64)
        return Sums(n_rows, objective, n_rows * vectors)


def learning_rates(settings, state, n_steps, part):
    """Return the learning rate of each of the `n_steps` of a round."""
    epoch = state.epoch + part.number / part.n_rounds
    steps = Steps(n_steps, state.step, epoch, n_steps * part.n_rounds)
    return settings.schedule.learning_rates(steps, state.progress.rate_factor)


def bounds(n_rows, part):
    """Return where a round's part of so many rows begins and ends."""
    start, stop = n_rows * part.number, n_rows * (part.number + 1)
    return start // part.n_rounds, stop // part.n_rounds


def merged(state, sums, n_steps):
    """Return the state in which all blocks go on after a round of at most `n_steps`."""
    vectors = (sums.vectors / sums.n_rows).astype(state.theta.dtype)
    memory = replace(
        state.memory,
        slots=tuple(slot.copy() for slot in vectors[1:]),
        n_slot_updates=state.memory.n_slot_updates + n_steps,
    )
    theta, step = vectors[0].copy(), state.step + n_steps
    return replace(state, theta=theta, memory=memory, step=step)


def epoch(problem, settings, state, blocks, seed, n_rounds):
    """Return the state after an epoch, and the epoch's objective."""
    objective = 0.0
    for number in range(n_rounds):
        part = Round(seed, number, n_rounds)
        sums = blocks.train(problem, settings, state, part)
        start, stop = bounds(max(blocks.n_rows), part)
        n_steps = -(-(stop - start) // settings.batch_size)  # rounded up
        state = merged(state, sums, n_steps)
        objective += sums.objective
    return replace(state, epoch=state.epoch + 1), objective / blocks.n_samples


def rounds_of(settings, blocks, most):
    """Return the number of rounds of an epoch: each has a whole batch of a block's rows."""
    return max(1, min(most, max(blocks.n_rows) // settings.batch_size))


def train(problem, settings, state, blocks, n_epochs, n_rounds, monitor=None):
    """Return the TrainingRun of at most `n_epochs` epochs, each merged `n_rounds` times.

    Parameters
    ----------
    problem : Problem
    settings : EpochSettings
        Without averaging over steps and without early stopping.
    state : TrainingState
        With an EpochMemory.
    blocks
        With `n_rows` (of each block), `n_samples`, `train(problem, settings, state, Round)`
        -> Sums over all blocks, and `objective(problem, theta)` -> float.
    n_epochs, n_rounds : int
        A round has a whole batch of some block's rows, so there may be fewer.
    monitor : Monitor, optional

    Returns
    -------
    TrainingRun
        Its curve holds, for each epoch, the mean over the rows of the objective before the
        round in which the row takes part. For what is raised see `loop.run`.
    """
    training = BlockTraining(problem, settings, blocks, n_rounds)
    return loop.run(training, state, n_epochs, None, monitor)


class BlockTraining:
    """Epochs on blocks that train side by side, as loop.py drives them."""

    def __init__(self, problem, settings, blocks, n_rounds):
        self.problem, self.settings, self.blocks = problem, settings, blocks
        self.stopping_rule, self.early_stopping = settings.stopping_rule, False
        self.null_loss = problem.null_loss
        self.limit = divergence.DIVERGED * self.null_loss
        self.n_rounds = rounds_of(settings, blocks, n_rounds)
        self.rng = np.random.RandomState(0)  # of the seeds of orders

    def begin(self, state):
        """Set the generator of seeds to where the state has it."""
        self.rng.set_state(state.random_state)

    def arrived(self, state):
        """Return None: only the stopping rule ends training in epochs."""
        return

    def advance(self, state, n_most):
        """Return the Advance of one epoch."""
        problem, settings = self.problem, self.settings
        seed = self.rng.randint(2**31) if settings.shuffle else None
        new, objective = epoch(problem, settings, state, self.blocks, seed, self.n_rounds)
        rate = last_learning_rate(settings, state, new.step - state.step)
        divergence.check_epoch(new, objective, self.limit, rate)
        new = replace(new, random_state=self.rng.get_state())
        return loop.Advance(new, [objective], [rate])

    def complete(self, state):
        """Return the state, which is complete after each epoch."""
        return state

    def finish(self, state, curves):
        """Return the last epoch's objective; raise ValueError if its end diverged."""
        rate, theta = curves.learning_rates[-1], state.theta
        divergence.check_slots(state, rate)
        if np.max(np.abs(theta)) > divergence.LARGE_PARAMETER:
            objective = self.blocks.objective(self.problem, theta)
            divergence.check_epoch(state, objective, self.limit, rate)
        return curves.objectives[-1], None


def last_learning_rate(settings, state, n_steps):
    """Return the learning rate of the last of the `n_steps` of the epoch after `state`."""
    return float(learning_rates(settings, state, n_steps, Round(None, 0, 1))[-1])


def objective_of_block(problem, theta, data):
    """Return the number of rows of a block, and its objective's sum over them."""
    architecture, total = problem.architecture, 0.0
    layers = architecture.layers(theta)
    with np.errstate(over="ignore", invalid="ignore"):
        for batch in batches(data, None, ROWS_AT_ONCE):
            logits, _ = prediction.predict(
                layers, batch.X, architecture.activations, "logits"
            )
            values, _ = problem.loss.value_and_gradient(logits, batch.y)
            if batch.sample_weight is not None:
                values = values * batch.sample_weight
            total += float(values.sum(dtype=np.float64))
        penalty = problem.penalty.value(theta[: architecture.n_weights])
    return data.n_samples, total + data.n_samples * penalty
