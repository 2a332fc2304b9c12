"""Records that all methods share: arrays and numbers, without mathematics."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np

from .arrays import Matrix, Rows, Vector, namespace


class Layer(NamedTuple):
    """Parameters of one layer, or the gradient with respect to them."""

    weight: Matrix  # (fan_in, fan_out)
    intercept: Vector  # (fan_out,)


@dataclass(frozen=True)
class Architecture:
    """The shape of a network, and the order of its parameters in one vector.

    `theta` holds all weights, layer after layer in C order, then all intercepts. So the
    penalty, which acts on weights only, acts on the prefix `theta[:n_weights]`.
    """

    layer_sizes: tuple  # (n_features, *hidden_layer_sizes, n_outputs)
    activations: tuple = ()  # keys of ACTIVATIONS, one for each hidden layer
    fit_intercept: bool = True  # whether intercepts are trained; if not, they do not change

    @property
    def n_weights(self) -> int:
        """Number of weights, the penalised part of theta."""
        return sum(fan_in * fan_out for fan_in, fan_out in pairwise(self.layer_sizes))

    @property
    def n_parameters(self) -> int:
        """Length of theta."""
        return self.n_weights + sum(self.layer_sizes[1:])

    def layers(self, theta: Vector) -> list[Layer]:
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

    def flatten(self, layers: list[Layer]) -> Vector:
        """Return the parameters of `layers` as theta; raise ValueError for other shapes."""
        shapes = [tuple(tuple(array.shape) for array in layer) for layer in layers]
        expected = [((m, n), (n,)) for m, n in pairwise(self.layer_sizes)]
        if shapes != expected:
            raise ValueError(
                f"Training resumes only with parameters of the same shapes: expected "
                f"weights and intercepts {expected}, got {shapes}. Fit a new model "
                "instead (warm_start=False)."
            )
        xp = namespace(layers[0].weight)
        weights = [xp.reshape(layer.weight, (-1,)) for layer in layers]
        return xp.concat(weights + [layer.intercept for layer in layers])


class Dataset(NamedTuple):
    """Encoded rows to train on.

    `rows` are the indices of the rows of X that are used, so that leaving rows out (weight
    0, held out for validation) does not copy X. `y` and `sample_weight` belong to those
    rows.
    """

    X: Rows  # (n_rows_of_X, n_features)
    y: Any  # (n_samples,) class indices for softmax, else (n_samples, n_outputs) 0 or 1
    sample_weight: Vector | None = None  # (n_samples,), of mean 1 in `fit`; None: all ones
    rows: Vector | None = None  # (n_samples,) indices into X; None: all rows in order

    @property
    def n_samples(self) -> int:
        """Number of rows that are used."""
        return self.y.shape[0]


class Progress(NamedTuple):
    """Memory of the stopping rule. A lower criterion is better."""

    best: float = np.inf  # lowest criterion so far; Newton: of the last step
    n_no_improvement: int = 0  # consecutive epochs
    last_improvement: float = np.inf
    rate_factor: float = 1.0  # factor of the learning rate under 'adaptive'
    best_theta: Any = None  # (n_parameters,), with early stopping only
    best_epoch: int = 0  # epoch of best_theta; 0: the start of training


@dataclass(frozen=True)
class TrainingState:
    """Everything that changes during training, so that it can resume from any epoch.

    There are three vectors of parameters. `theta` is the start of the next step.
    `averaged_theta` is the mean of theta over the steps if the method computes one, else
    theta. `progress.best_theta`, with early stopping only, is the `averaged_theta` of the
    epoch with the best validation score, or that of the start. A model predicts with
    best_theta if there is one, else with averaged_theta; its checkpoint keeps these
    parameters as `model_theta`.
    """

    theta: Vector  # (n_parameters,)
    random_state: tuple  # of numpy's RandomState.get_state()
    step: int = 0  # updates of theta
    epoch: int = 0  # finished epochs, or iterations of a method without epochs
    progress: Progress = field(default_factory=Progress)
    # Of the method: epochs.records.EpochMemory, newton.records.NewtonMemory or
    # newton.experts.StreamMemory. None before training, and for scipy's L-BFGS.
    memory: Any = None

    @property
    def averaged_theta(self) -> Vector:
        """Mean of theta over the steps if the method computes one, else theta."""
        return self.theta if self.memory is None else self.memory.averaged(self.theta)


class Validation(NamedTuple):
    """Loss and score of a model on the validation rows."""

    loss: float  # mean over the rows, without the penalty; nats per sample
    score: float  # higher is better


class Curves(NamedTuple):
    """Values of each epoch of a run: lists of equal length, with NaN for missing values."""

    objectives: list  # nats per sample
    learning_rates: list  # of the last step
    validation_losses: list
    validation_scores: list

    def grow(self, objectives, learning_rates=None, validation: Validation | None = None):
        """Add epochs: their objectives and rates, and the Validation of the last one."""
        missing = [np.nan] * len(objectives)
        loss, score = missing, missing
        if validation is not None:
            loss, score = [validation.loss], [validation.score]
        self.objectives.extend(objectives)
        self.learning_rates.extend(missing if learning_rates is None else learning_rates)
        self.validation_losses.extend(loss)
        self.validation_scores.extend(score)

    def cut(self, n_epochs: int):
        """Keep only the first `n_epochs` epochs."""
        for curve in self:
            del curve[n_epochs:]


def empty_curves() -> Curves:
    """Return Curves without an epoch."""
    return Curves([], [], [], [])


class Gap(NamedTuple):
    """The relative gap (J - J*) / J at the end of Newton's method."""

    estimated: float
    proven: float | None  # an upper bound, if there is one


class TrainingRun(NamedTuple):
    """Result of a training run."""

    state: TrainingState
    curves: Curves
    last_objective: float  # of the last epoch; L-BFGS and Newton: of the final theta
    null_loss: float
    ended_by: Any  # stopping.EndedBy
    gap: Gap | None = None  # Newton only


class Monitor(Protocol):
    """An observer of training: the engine's interface to callbacks and printing."""

    def epoch_begin(self) -> bool:
        """Return True to stop training before this epoch."""

    def epoch_end(self, state: TrainingState, curves: Curves) -> bool:
        """Return True to stop training after this epoch, the last of the `curves`."""

    def n_unwatched(self, epoch: int) -> int:
        """Return the number of epochs after this one that need not be reported."""
