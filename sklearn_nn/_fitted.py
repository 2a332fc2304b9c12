"""Fitted attributes, set after a training run."""

import copy
from dataclasses import replace

import numpy as np

from ._data import array_api
from ._data.sample_weights import WeightScale
from ._engine.arrays import moved_to
from ._engine.stopping import EndedBy
from ._engine.types import Curves, TrainingRun, TrainingState
from ._storage.history import History

# Fitted attributes that are properties, read from the history.
CURVES = {
    "loss_curve_": "objectives",
    "learning_rate_curve_": "learning_rates",
    "validation_loss_curve_": "validation_losses",
    "validation_scores_": "validation_scores",
}


def set_fitted(estimator, method, start, run, weight_scale, like=array_api.NUMPY):
    """Set all fitted attributes after a run; for the arguments see `set_attributes`."""
    history = set_attributes(estimator, method, start, run, weight_scale, like)
    is_generator = isinstance(estimator.random_state, np.random.RandomState)
    if is_generator and not start.is_resumed:
        # As in all of scikit-learn, fitting advances the user's generator.
        estimator.random_state.set_state(run.state.random_state)
    # Last, because it writes to a buffer in place.
    estimator._history = history.extended(run.curves)


def attributes_at(estimator, prepared, state: TrainingState, curves: Curves) -> dict:
    """Return {name: value} of the fitted attributes as if training ended at this epoch."""
    model, before = copy.copy(estimator), vars(estimator)
    run = TrainingRun(state, curves, curves.objectives[-1], np.nan, EndedBy.MAX_ITER)
    scale, like = prepared.weight_scale(state), prepared.like
    history = set_attributes(model, prepared.method, prepared.start, run, scale, like)
    # In its own buffer: training must not write to that of the callbacks' model.
    model._history = History.of(history.values()).extended(curves)
    return {
        name: value
        for name, value in vars(model).items()
        if name not in before or value is not before[name]
    }


def set_attributes(
    estimator, method, start, run: TrainingRun, weight_scale: WeightScale, like
) -> History:
    """Set all fitted attributes except the curves; return the History before the run.

    `method` has trained, from `start`. `weight_scale` is that of the rows that the run has
    seen. Attributes get the library and device of the array `like`.
    """
    state, checkpoint = run.state, start.checkpoint
    stops_early = method.stops_early(estimator)
    theta = state.progress.best_theta if stops_early else None
    theta = state.averaged_theta if theta is None else theta
    estimator._checkpoint = replace(
        checkpoint,
        state=state,
        model_theta=theta,
        parameters=start.parameters,
        ended_by=run.ended_by.value,
        weight_scale=checkpoint.weight_scale.including(*weight_scale),
    )
    encoding, architecture = checkpoint.encoding, checkpoint.architecture
    estimator._set_model(architecture.layers(moved_to(like, theta)), encoding)
    estimator.classes_ = array_api.labels_at(like, encoding.classes)
    estimator.n_iter_, estimator.t_ = len(run.curves.objectives), state.step
    history = estimator._history if start.is_resumed else History()
    set_best(estimator, stops_early, start, run, history)
    return history


def set_best(estimator, stops_early: bool, start, run: TrainingRun, history: History):
    """Set the attributes of the best epoch: its number, loss and score."""
    best, objectives = run.state.progress.best, run.curves.objectives
    estimator.loss_ = run.last_objective
    if estimator._has_gap:
        estimator.gap_ = None if run.gap is None or stops_early else run.gap.proven
    if not stops_early:
        estimator.best_loss_, estimator.best_validation_score_ = best, None
        estimator.best_epoch_ = None
        return
    estimator.best_loss_, estimator.best_validation_score_ = None, -best
    # With 10 epochs before the run and 5 in it, the best is epoch 13 if 2 came after it. If
    # the best epoch is older than the run, its number has not changed.
    n_before, n_run = history.n_epochs, len(objectives)
    n_since_best = run.state.epoch - run.state.progress.best_epoch
    if n_since_best < n_run:
        estimator.best_epoch_ = n_before + n_run - n_since_best
        estimator.loss_ = objectives[n_run - n_since_best - 1]
        return
    known = estimator.best_epoch_ if start.is_resumed else None
    estimator.best_epoch_ = n_before if known is None else known
    curve = [*history.curve("objectives"), *objectives]
    estimator.loss_ = curve[estimator.best_epoch_ - 1]


def curve_property(attribute: str) -> property:
    """Return the property of an estimator for this key of CURVES."""

    def curve(estimator):
        if "_history" not in vars(estimator):
            raise AttributeError(
                f"{type(estimator).__name__} has no {attribute}: it has not been fitted."
            )
        values = estimator._history.curve(CURVES[attribute])
        # A curve without any value is None.
        return None if attribute != "loss_curve_" and np.isnan(values).all() else values

    return property(curve)
