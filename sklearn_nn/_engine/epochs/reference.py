"""One epoch as in a textbook: the specification, in any array library.

for each batch:
    objective, gradient = J(theta), dJ/dtheta on the batch
    gradient            = clipped to the maximum norm, if there is one
    theta               = its weights decayed, if the penalty is a decay
    theta, slots        = optimizer.step(theta, slots, gradient, learning_rate)
    average             = mean of theta over the steps, if averaging is on
"""

from dataclasses import replace
from math import inf
from typing import Any, NamedTuple

import numpy as np

from ..arrays import (
    Vector,
    alike,
    minus_quotient,
    moved_to,
    namespace,
    plus_multiple,
    widened,
    widest_float,
    zero_like,
)
from ..objective import dropout, network
from ..objective.problem import Problem
from ..rows import batches
from ..types import Dataset, TrainingState
from .optimizers import clipped
from .records import EpochMemory, EpochSettings


class Iterate(NamedTuple):
    """What a step changes."""

    theta: Vector  # (n_parameters,)
    slots: tuple  # of the optimizer
    average: Any  # (n_parameters,) in the widest float, zeros at first; None: no average
    total: Any  # sum of the objective before each step, times the rows of its batch


class Scalars(NamedTuple):
    """Numbers of a step that are known before it.

    They are floats, or arrays of one number each in the dtype of theta, on its device.
    """

    learning_rate: Any
    corrected_rate: Any  # the optimizer's; see optimizers.py
    n_averaged: Any  # number of thetas in the average after the step; inf: not begun


def run_epoch(
    problem: Problem,
    settings: EpochSettings,
    state: TrainingState,
    data: Dataset,
    order: Vector | None,
    learning_rates: list,
):
    """Return the state after one pass over the data, and the epoch's objective.

    A pure function: random orders and learning rates are arguments.

    Parameters
    ----------
    problem : Problem
    settings : EpochSettings
    state : TrainingState
        With an EpochMemory.
    data : Dataset of n_samples rows
    order : integer array of shape (n_samples,), or None for the order of the data
    learning_rates : list of float, one per batch

    Returns
    -------
    state : TrainingState
        With new theta, slots, average and step numbers.
    objective : float
        Mean over the rows of the loss before each step, plus the penalty (nats).
    """
    order, sizes = moved_to(data.y, order), problem.architecture.layer_sizes
    scalars = scalars_of(settings, state, learning_rates)
    iterate = first_iterate(settings, state)
    if not isinstance(iterate.theta, np.ndarray):
        iterate = copy_of(iterate)  # steps may overwrite arrays of other libraries
    numbers_of_steps = on_device(scalars, iterate.theta)
    steps = zip(batches(data, order, settings.batch_size), numbers_of_steps, strict=True)
    for k, (batch, numbers) in enumerate(steps, start=1):
        masks = dropout.masks(
            settings, sizes, state.step + k, batch.n_samples, iterate.theta
        )
        iterate = take_step(problem, settings, iterate, batch, numbers, masks)
    return state_after(state, iterate, scalars), float(iterate.total / data.n_samples)


def first_iterate(settings, state) -> Iterate:
    """Return the Iterate at the start of an epoch."""
    average = None
    if settings.average_from:
        before = state.memory.average
        average = 0 * widened(state.theta) if before is None else before
    # An array on the device: reading a number would wait for all earlier steps.
    total = widened(zero_like(state.theta))
    return Iterate(state.theta, state.memory.slots, average, total)


def arrays_of(iterate: Iterate) -> list:
    """Return the arrays of an Iterate."""
    theta, slots, average, total = iterate
    return [theta, *slots, *([] if average is None else [average]), total]


def copy_of(iterate: Iterate) -> Iterate:
    """Return the Iterate in arrays of its own."""
    theta, slots, average, total = iterate
    average = None if average is None else copied(average)
    return Iterate(copied(theta), tuple(map(copied, slots)), average, copied(total))


def copied(array):
    """Return a copy."""
    return namespace(array).asarray(array, copy=True)


def scalars_of(settings, state, learning_rates) -> list[Scalars]:
    """Return the Scalars of each step of the epoch after `state`, in floats."""
    memory, scalars = state.memory, []
    n_averaged = memory.n_averaged
    for k, learning_rate in enumerate(learning_rates, start=1):
        is_averaged = settings.average_from and state.step + k >= settings.average_from
        n_averaged += bool(is_averaged)
        corrected = settings.optimizer.corrected_rate(
            learning_rate, memory.n_slot_updates + k
        )
        n = float(n_averaged) if is_averaged else inf
        scalars.append(Scalars(learning_rate, corrected, n))
    return scalars


def on_device(scalars: list[Scalars], theta) -> list[Scalars]:
    """Return the Scalars as arrays on the device of `theta`, which are moved at once.

    For NumPy, they stay floats. A GPU may round otherwise with a Python number than with an
    array, which they are in a replayed step: both must give the same bits.
    """
    if isinstance(theta, np.ndarray):
        return scalars
    table = alike(theta, np.asarray(scalars))
    return [scalars_in(table[k, ...]) for k in range(len(scalars))]


def scalars_in(row) -> Scalars:
    """Return the Scalars in an array (3,)."""
    return Scalars(*(row[k, ...] for k in range(len(Scalars._fields))))


def take_step(problem, settings, iterate, batch, numbers, masks=None) -> Iterate:
    """Return the Iterate after a step on the rows of `batch`, with these Scalars."""
    theta, slots, average, total = iterate
    objective, gradient = objective_and_gradient(problem, theta, batch, masks)
    total = plus_multiple(total, batch.n_samples, objective)
    gradient = clipped(gradient, settings.max_gradient_norm)
    theta = decayed(problem, theta, numbers.learning_rate)
    theta, slots = settings.optimizer.step(
        theta, slots, gradient, numbers.corrected_rate, proximal_of(problem)
    )
    if average is not None:
        average = running_mean(average, theta, numbers.n_averaged)
    return Iterate(theta, slots, average, total)


def state_after(state, iterate, scalars) -> TrainingState:
    """Return the state after the epoch with these Scalars, which began at `state`."""
    memory, n_steps = state.memory, len(scalars)
    n_averaged = memory.n_averaged + sum(numbers.n_averaged < inf for numbers in scalars)
    average = iterate.average
    if average is None or n_averaged == 0:
        average = memory.average
    return replace(
        state,
        theta=iterate.theta,
        step=state.step + n_steps,
        epoch=state.epoch + 1,
        memory=EpochMemory(
            iterate.slots, memory.n_slot_updates + n_steps, average, n_averaged
        ),
    )


def objective_and_gradient(problem, theta, batch, masks=None):
    """Return J(theta) on the rows of `batch`, a number, and its gradient (n_parameters,).

    J = 1/n sum_i w_i loss(y_i, f(x_i)) + penalty(W); intercepts are not penalised. The
    gradient leaves out the l1 part of J, which the proximal step takes, and the decay.
    `masks` are those of dropout.
    """
    xp, architecture = namespace(theta), problem.architecture
    layers = architecture.layers(theta)
    cache = network.forward(layers, batch.X, architecture.activations, masks)
    values, delta = problem.loss.value_and_gradient(cache.logits, batch.y)
    if batch.sample_weight is not None:
        values = values * batch.sample_weight
        delta = delta * batch.sample_weight[:, None]
    delta = delta / batch.n_samples
    gradients = network.backward(layers, cache, delta, architecture.activations)
    # In the widest float, because a float32 sum over many rows loses digits.
    loss = xp.sum(values, dtype=widest_float(values)) / batch.n_samples
    objective = loss + problem.penalty.value(theta[: architecture.n_weights])
    return objective, flat_gradient(problem, layers, gradients)


def flat_gradient(problem, layers, gradients):
    """Return the gradient of all layers and of the penalty, in the order of theta."""
    weights, intercepts, xp = [], [], namespace(gradients[0].intercept)
    for layer, gradient in zip(layers, gradients, strict=True):
        weight = problem.penalty.add_gradient(gradient.weight, layer.weight)
        weights.append(xp.reshape(weight, (-1,)))
        trained = problem.architecture.fit_intercept
        intercepts.append(gradient.intercept if trained else 0 * gradient.intercept)
    return xp.concat(weights + intercepts)


def decayed(problem, theta, learning_rate):
    """Return theta with its weights decayed, or theta itself without decay."""
    if not problem.penalty.decay:
        return theta
    n_weights = problem.architecture.n_weights
    weights = problem.penalty.decayed(theta[:n_weights], learning_rate)
    return namespace(theta).concat([weights, theta[n_weights:]])


def proximal_of(problem):
    """Return the penalty's proximal step on theta, or None without an l1 part."""
    if not problem.penalty.l1:
        return None
    n_weights = problem.architecture.n_weights

    def proximal(theta, step_size):
        xp = namespace(theta)
        if np.ndim(step_size):  # one for each parameter
            step_size = step_size[:n_weights]
        shrunk = problem.penalty.proximal(theta[:n_weights], step_size)
        return xp.concat([shrunk, theta[n_weights:]])

    return proximal


def running_mean(mean, value, n):
    """Return the mean of n values from that of the first n - 1 and the n-th.

    In the widest float: in float32, rounding would lose the n-th value's share if n is
    large. An infinite n returns the mean as it is, unless a value is not finite.
    """
    return minus_quotient(mean, mean - value, n)
