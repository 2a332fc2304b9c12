"""The nouns of the engine: frozen records of arrays and numbers, without mathematics."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np

from .arrays import namespace


class Layer(NamedTuple):
    """The parameters of one layer (or a gradient with respect to them)."""

    weight: Any  # (fan_in, fan_out)
    intercept: Any  # (fan_out,)


@dataclass(frozen=True)
class Architecture:
    """The shape of a network, and how its parameters lie in one vector.

    `theta` holds all weights, layer after layer in C order, then all intercepts. So
    whatever acts on weights alone (the penalty) acts on the prefix `theta[:n_weights]`.

    Parameters
    ----------
    layer_sizes : tuple of int
        (n_features, *hidden_layer_sizes, n_outputs).
    activations : tuple of str
        Names of the hidden layers' activations, keys of `activations.ACTIVATIONS`.
    fit_intercept : bool
        Whether intercepts are trained; if not, they stay where they are.
    """

    layer_sizes: tuple
    activations: tuple = ()
    fit_intercept: bool = True

    @property
    def n_weights(self):
        """Number of weights, the penalised part of theta."""
        return sum(fan_in * fan_out for fan_in, fan_out in pairwise(self.layer_sizes))

    @property
    def n_parameters(self):
        """Length of theta."""
        return self.n_weights + sum(self.layer_sizes[1:])

    def layers(self, theta):
        """Return the layers of `theta` (n_parameters,) as views, input side first."""
        layers, start, intercept_start = [], 0, self.n_weights
        reshape = namespace(theta).reshape
        for fan_in, fan_out in pairwise(self.layer_sizes):
            weight = theta[start : start + fan_in * fan_out]
            intercept = theta[intercept_start : intercept_start + fan_out]
            layers.append(Layer(reshape(weight, (fan_in, fan_out)), intercept))
            start += fan_in * fan_out
            intercept_start += fan_out
        return layers

    def flatten(self, layers):
        """Return the parameters of `layers`, of this shape, as one vector like theta."""
        shapes = [tuple(tuple(array.shape) for array in layer) for layer in layers]
        expected = [((m, n), (n,)) for m, n in pairwise(self.layer_sizes)]
        if shapes != expected:
            raise ValueError(
                f"Training goes on only with parameters of the same shapes: expected "
                f"weights and intercepts {expected}, got {shapes}. Fit a new model "
                "instead (warm_start=False)."
            )
        xp = namespace(layers[0].weight)
        weights = [xp.reshape(layer.weight, (-1,)) for layer in layers]
        return xp.concat(weights + [layer.intercept for layer in layers])


class Dataset(NamedTuple):
    """Rows to learn from, already encoded.

    `rows` says which rows of X take part, so that leaving rows out (weight 0, a
    validation part) copies none of X. `y` and `sample_weight` belong to those rows.
    """

    X: Any  # (n_rows_of_X, n_features), dense or CSR
    y: Any  # (n_samples,) class index for softmax, (n_samples, n_outputs) of 0/1 else
    sample_weight: Any = None  # (n_samples,) of mean 1, or None for all ones
    rows: Any = None  # (n_samples,) indices into X, or None for all rows in order

    @property
    def n_samples(self):
        """Number of rows that take part."""
        return self.y.shape[0]


class Progress(NamedTuple):
    """What the stopping rule remembers. A criterion is better when lower."""

    best: float = np.inf  # lowest criterion so far, of those on the last step's rows
    n_no_improvement: int = 0  # consecutive epochs
    last_improvement: float = np.inf
    rate_factor: float = 1.0  # what 'adaptive' multiplies the learning rate with
    best_theta: Any = None  # (n_parameters,), kept only with early stopping
    best_epoch: int = 0  # that led to it; 0: it is what training began with


@dataclass(frozen=True)
class TrainingState:
    """All that changes during training: with it, training can be cut anywhere.

    There are three vectors of parameters. `theta` is where the next step begins.
    `averaged_theta` is its mean over the steps, where a method keeps one, else `theta`
    itself. `progress.best_theta` is kept with early stopping only: the `averaged_theta` of
    the epoch with the best validation score, or that with which training began. A model
    predicts with the best one if there is one, else with the averaged one; that is the
    `shown_theta` of its checkpoint.
    """

    theta: Any  # (n_parameters,)
    random_state: tuple  # of numpy's RandomState.get_state()
    step: int = 0  # updates of theta
    epoch: int = 0  # finished passes over the data, or iterations of a method without
    progress: Progress = field(default_factory=Progress)
    # What the method remembers, a record of its own: epochs.records.EpochMemory,
    # newton.records.NewtonMemory or newton.stream.StreamMemory. None before training, and
    # for L-BFGS, whose memory is scipy's.
    memory: Any = None

    @property
    def averaged_theta(self):
        """The mean of theta over the steps where a method keeps one, else theta."""
        return self.theta if self.memory is None else self.memory.averaged(self.theta)


class Validation(NamedTuple):
    """How good a model is on the validation rows."""

    loss: float  # mean over the rows, without the penalty; nats per sample
    score: float  # higher is better


class Curves(NamedTuple):
    """What each epoch of a run came to: lists that grow together, NaN where it has none."""

    objectives: list  # nats per sample
    learning_rates: list  # of the last step
    validation_losses: list
    validation_scores: list

    def grow(self, objectives, learning_rates=None, validation=None):
        """Add epochs: their objectives and rates, and the last one's Validation."""
        nothing = [np.nan] * len(objectives)
        loss, score = nothing, nothing
        if validation is not None:
            loss, score = [validation.loss], [validation.score]
        self.objectives.extend(objectives)
        self.learning_rates.extend(nothing if learning_rates is None else learning_rates)
        self.validation_losses.extend(loss)
        self.validation_scores.extend(score)

    def cut(self, n_epochs):
        """Drop what comes after so many epochs."""
        for curve in self:
            del curve[n_epochs:]


def empty_curves():
    """Return the Curves of no epoch."""
    return Curves([], [], [], [])


class TrainingRun(NamedTuple):
    """What one call of `loop.run` did."""

    state: TrainingState
    curves: Curves
    last_loss: float  # the last epoch's, or for L-BFGS and Newton that of the final theta
    null_loss: float  # that of knowing nothing
    ended_by: Any  # stopping.EndedBy
    gap: float | None = None  # of Newton: estimate of (J - J*) / J


class Monitor(Protocol):
    """Who watches training: the engine's only view of callbacks and printing."""

    def epoch_begin(self):
        """Return True to stop training before this epoch."""

    def epoch_end(self, state, curves):
        """Return True to stop training after this epoch, the last of the `curves`."""

    def n_unwatched(self, epoch):
        """Return how many epochs after this one it need not be told of, until the next."""
