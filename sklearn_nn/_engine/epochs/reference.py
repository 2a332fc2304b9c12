"""One epoch as in a textbook: the specification, in any array library.

for each batch:
    objective, gradient = J(theta), dJ/dtheta on the batch
    gradient            = clipped to the maximum norm, if there is one
    theta               = its weights decayed, if the penalty is a decay
    theta, slots        = optimizer.step(theta, slots, gradient, learning_rate)
    average             = mean of theta over the steps, if averaging is on
"""

from dataclasses import replace

from ..arrays import Vector, moved_to, namespace, widened, widest_float
from ..objective import dropout, network
from ..objective.problem import Problem
from ..rows import batches
from ..types import Dataset, TrainingState
from .optimizers import clipped
from .records import EpochMemory, EpochSettings


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
    theta, memory = state.theta, state.memory
    slots, t = memory.slots, memory.n_slot_updates
    average, n_averaged = memory.average, memory.n_averaged
    proximal, order = proximal_of(problem), moved_to(data.y, order)
    sizes = problem.architecture.layer_sizes
    # Stays on the device: reading a number would wait for all earlier steps.
    total = 0.0
    steps = zip(batches(data, order, settings.batch_size), learning_rates, strict=True)
    for k, (batch, learning_rate) in enumerate(steps, start=1):
        masks = dropout.masks(settings, sizes, state.step + k, batch.n_samples, theta)
        objective, gradient = objective_and_gradient(problem, theta, batch, masks)
        total += objective * batch.n_samples
        gradient = clipped(gradient, settings.max_gradient_norm)
        theta = decayed(problem, theta, learning_rate)
        theta, slots = settings.optimizer.step(
            theta, slots, gradient, learning_rate, t + k, proximal
        )
        if settings.average_from and state.step + k >= settings.average_from:
            n_averaged += 1
            average = running_mean(average, theta, n_averaged)
    state = replace(
        state,
        theta=theta,
        step=state.step + len(learning_rates),
        epoch=state.epoch + 1,
        memory=EpochMemory(slots, t + len(learning_rates), average, n_averaged),
    )
    return state, float(total / data.n_samples)


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
        if not isinstance(step_size, float):
            step_size = step_size[:n_weights]
        shrunk = problem.penalty.proximal(theta[:n_weights], step_size)
        return xp.concat([shrunk, theta[n_weights:]])

    return proximal


def running_mean(mean, value, n):
    """Return the mean of n values from that of the first n - 1 and the n-th.

    In the widest float: in float32, rounding would lose the n-th value's share if n is
    large.
    """
    return widened(value) if n == 1 else mean + (value - mean) / n
