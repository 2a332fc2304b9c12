"""Local SGD: blocks of rows train in parallel, and their models are averaged.

Each block of rows may be on another machine. An epoch has several rounds. In each round,
every block trains on a part of its rows, from the same theta and slots:

    theta_b, slots_b = run_epochs(theta, slots) on n_b rows of block b

Then the model is the mean over the blocks:

    theta = sum_b n_b theta_b / sum_b n_b          slots = sum_b n_b slots_b / sum_b n_b

So every row is seen once per epoch, and blocks communicate once per round. If a round is
one step of gradient descent, the mean is the step of the mean gradient, however rows are
distributed. With several steps per round, the models of blocks whose rows differ drift
apart, the further the more steps (worst case: one label per block).

References
----------
R. McDonald, K. Hall and G. Mann, "Distributed training strategies for the structured
perceptron", NAACL 2010: means of parameters after each epoch ("iterative parameter
mixing").

S. Stich, "Local SGD converges fast and communicates little", ICLR 2019,
https://arxiv.org/abs/1805.09767: means after every few steps.

H. B. McMahan, E. Moore, D. Ramage, S. Hampson and B. Aguera y Arcas,
"Communication-efficient learning of deep networks from decentralized data", AISTATS 2017,
https://arxiv.org/abs/1602.05629: weights n_b, and blocks that differ. Their workers start
each round with an empty optimizer. Here slots are averaged like theta, because Adam needs
more steps than a round has to estimate the size of gradients.
"""

from dataclasses import replace
from math import ceil
from typing import NamedTuple, Protocol

import numpy as np

from .. import loop
from ..arrays import Matrix, Vector
from ..generators import generator_at
from ..objective import dropout
from ..objective.problem import Problem
from ..rows import batches, copy_of_rows
from ..types import Dataset, TrainingRun, TrainingState
from . import divergence, prediction
from .records import EpochSettings
from .schedules import Steps
from .train import n_batches, run_epochs

# Rows per batch when only the objective is computed.
ROWS_AT_ONCE = 1024


class Round(NamedTuple):
    """The part of its rows that each block trains on."""

    seed: int | None  # of the orders of this epoch; None: rows in their order
    number: int  # from 0
    n_rounds: int  # of the epoch


class Sums(NamedTuple):
    """Result of a round, summed over rows; the Sums of blocks can be added."""

    n_rows: int
    objective: float  # sum over the rows, before the round
    vectors: Matrix  # (1 + n_slots, n_parameters) in float64: theta, then the slots


def train_block(
    problem: Problem,
    settings: EpochSettings,
    state: TrainingState,
    data: Dataset,
    block: int,
    part: Round,
) -> Sums:
    """Return the Sums of one block after a round from `state`: a pure function.

    `block` is its number, so that each block has its own orders and masks.
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
    # BlockTraining checks that numbers are finite.
    with np.errstate(**loop.QUIET):
        # Before the round, not before each step: if blocks differ, each model soon fits its
        # own rows, but the mean model does not.
        n_rows, objective = objective_of_block(problem, state.theta, data)
        rates = learning_rates(settings, state, n_batches(settings, data), part)
        state, _ = run_epochs(problem, settings, state, data, None, rates)
        vectors = np.stack([state.theta, *state.memory.slots]).astype(np.float64)
        return Sums(n_rows, objective, n_rows * vectors)


def learning_rates(settings, state, n_steps, part):
    """Return the learning rate of each step of a round."""
    epoch = state.epoch + part.number / part.n_rounds
    steps = Steps(n_steps, state.step, epoch, n_steps * part.n_rounds)
    return settings.schedule.learning_rates(steps, state.progress.rate_factor)


def bounds(n_rows, part):
    """Return start and stop of a round's part of `n_rows` rows."""
    start, stop = n_rows * part.number, n_rows * (part.number + 1)
    return start // part.n_rounds, stop // part.n_rounds


def merged(state, sums, n_steps):
    """Return the mean state after a round, whose largest block took `n_steps` steps."""
    vectors = (sums.vectors / sums.n_rows).astype(state.theta.dtype)
    memory = replace(
        state.memory,
        slots=tuple(slot.copy() for slot in vectors[1:]),
        n_slot_updates=state.memory.n_slot_updates + n_steps,
    )
    theta, step = vectors[0].copy(), state.step + n_steps
    return replace(state, theta=theta, memory=memory, step=step)


def run_epoch_on_blocks(problem, settings, state, blocks, seed, n_rounds):
    """Return the state after an epoch, and the epoch's objective."""
    objective = 0.0
    for number in range(n_rounds):
        part = Round(seed, number, n_rounds)
        sums = blocks.train_round(problem, settings, state, part)
        start, stop = bounds(max(blocks.n_rows), part)
        n_steps = ceil((stop - start) / settings.batch_size)
        state = merged(state, sums, n_steps)
        objective += sums.objective
    return replace(state, epoch=state.epoch + 1), objective / blocks.n_samples


def rounds_per_epoch(settings, blocks, n_rounds):
    """Return `n_rounds`, or fewer: each needs a full batch of the largest block's rows."""
    return max(1, min(n_rounds, max(blocks.n_rows) // settings.batch_size))


class Blocks(Protocol):
    """What local SGD asks of the blocks, wherever they are."""

    n_rows: tuple  # of each block
    n_samples: int

    def train_round(self, problem, settings, state, part: Round) -> Sums:
        """Return the sum of `train_block` over all blocks."""

    def objective(self, problem: Problem, theta: Vector) -> float:
        """Return the mean objective over all rows."""


def train_on_blocks(
    problem: Problem,
    settings: EpochSettings,
    state: TrainingState,
    blocks: Blocks,
    n_epochs: int,
    n_rounds: int,
    monitor=None,
) -> TrainingRun:
    """Train for at most `n_epochs` epochs of `n_rounds` rounds; see `loop.run`.

    The settings must have no average over steps and no early stopping, and the state an
    EpochMemory. There are fewer rounds if blocks have fewer batches. The curve holds the
    mean over the rows of the objective before the round that uses the row.
    """
    training = BlockTraining(problem, settings, blocks, n_rounds)
    return loop.run(training, state, n_epochs, None, monitor)


class BlockTraining:
    """Epochs on parallel blocks, as the Training that `loop.run` drives."""

    def __init__(self, problem, settings, blocks, n_rounds):
        self.problem, self.settings, self.blocks = problem, settings, blocks
        self.stopping_rule, self.early_stopping = settings.stopping_rule, False
        self.null_loss = problem.null_loss
        self.limit = divergence.DIVERGED * self.null_loss
        self.n_rounds = rounds_per_epoch(settings, blocks, n_rounds)
        self.rng = None  # of the seeds of orders

    def begin(self, state):
        """Set the generator of seeds to the state's."""
        self.rng = generator_at(state.random_state)

    def reason_to_end(self, state):
        """Return None: only the stopping rule ends training in epochs."""
        return

    def advance(self, state, n_most):
        """Return the Advance of one epoch."""
        problem, settings = self.problem, self.settings
        seed = self.rng.randint(2**31) if settings.shuffle else None
        new, objective = run_epoch_on_blocks(
            problem, settings, state, self.blocks, seed, self.n_rounds
        )
        rate = last_learning_rate(settings, state, new.step - state.step)
        divergence.check_epoch(new, objective, self.limit, rate)
        new = replace(new, random_state=self.rng.get_state())
        return loop.Advance(new, [objective], [rate])

    def complete_state(self, state):
        """Return the state, which is complete after each epoch."""
        return state

    def finish(self, state, curves):
        """Return the last epoch's objective; raise ValueError if the last step diverged."""
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
    """Return the number of rows of a block, and the sum of their objectives."""
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
