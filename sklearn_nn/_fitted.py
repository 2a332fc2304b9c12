"""What training leaves on an estimator: fitted attributes, and where to go on from."""

import copy
from dataclasses import replace

import numpy as np

from ._data import array_api
from ._engine.arrays import moved_to
from ._engine.stopping import EndedBy
from ._engine.types import TrainingRun
from ._storage.history import History

# Fitted attributes that are made from the history when they are asked for.
CURVES = {
    "loss_curve_": "objectives",
    "learning_rate_curve_": "learning_rates",
    "validation_loss_curve_": "validation_losses",
    "validation_scores_": "validation_scores",
}


def finish(estimator, method, start, run, rows_seen, like=array_api.NUMPY):
    """Set the fitted attributes after a run; for the arguments see `show`."""
    history = show(estimator, method, start, run, rows_seen, like)
    is_generator = isinstance(estimator.random_state, np.random.RandomState)
    if is_generator and not start.goes_on:
        # As everywhere in scikit-learn, fitting has used the user's generator.
        estimator.random_state.set_state(run.state.random_state)
    # Last, because it writes into an array in place.
    estimator._history = history.extended(run.curves)


def attributes_at(estimator, prepared, state, curves):
    """Return {name: value} of the attributes as if training had ended at this epoch.

    Parameters
    ----------
    estimator : GradientClassifier
    prepared : Prepared
        What training began with.
    state : TrainingState
    curves : Curves
        Of the run so far.
    """
    model, before = copy.copy(estimator), vars(estimator)
    run = TrainingRun(state, curves, curves.objectives[-1], np.nan, EndedBy.MAX_ITER)
    rows_seen, like = prepared.rows_seen(state), prepared.like
    history = show(model, prepared.method, prepared.start, run, rows_seen, like)
    # In a buffer of its own: what callbacks have is not what training will write behind.
    model._history = History.of(history.values()).extended(curves)
    return {
        name: value
        for name, value in vars(model).items()
        if name not in before or value is not before[name]
    }


def show(estimator, method, start, run, rows_seen, like):
    """Set all fitted attributes but the curves; return the History before the run.

    Parameters
    ----------
    estimator : GradientClassifier
    method : Method
        That has trained it.
    start : Start
        From which the run began.
    run : TrainingRun
    rows_seen : WeightScale
        Of the rows that the run has seen.
    like : array
        Attributes get its library and its device.
    """
    state, checkpoint = run.state, start.checkpoint
    stops_early = method.stops_early(estimator)
    shown = state.progress.best_theta if stops_early else None
    shown = state.averaged_theta if shown is None else shown
    estimator._checkpoint = replace(
        checkpoint,
        state=state,
        shown_theta=shown,
        parameters=start.parameters,
        ended_by=run.ended_by.value,
        weight_scale=checkpoint.weight_scale.including(*rows_seen),
    )
    encoding, architecture = checkpoint.encoding, checkpoint.architecture
    estimator._show_model(architecture.layers(moved_to(like, shown)), encoding)
    estimator.classes_ = array_api.labels_at(like, encoding.classes)
    estimator.n_iter_, estimator.t_ = len(run.curves.objectives), state.step
    history = estimator._history if start.goes_on else History()
    show_best(estimator, stops_early, start, run, history)
    return history


def show_best(estimator, stops_early, start, run, history):
    """Set the attributes that say how good the model is, and which epoch it is of."""
    best, objectives = run.state.progress.best, run.curves.objectives
    estimator.loss_ = run.last_loss
    if not stops_early:
        estimator.best_loss_, estimator.best_validation_score_ = best, None
        estimator.best_epoch_ = None
        return
    estimator.best_loss_, estimator.best_validation_score_ = None, -best
    # Of 10 epochs before the run and 5 in it, epoch 13 is the best if 2 came after it; if
    # the best is older than the run, it is still the one that was known before.
    n_before, n_run = history.n_epochs, len(objectives)
    n_since_best = run.state.epoch - run.state.progress.best_epoch
    if n_since_best < n_run:
        estimator.best_epoch_ = n_before + n_run - n_since_best
        estimator.loss_ = objectives[n_run - n_since_best - 1]
        return
    known = estimator.best_epoch_ if start.goes_on else None
    estimator.best_epoch_ = n_before if known is None else known
    curve = [*history.curve("objectives"), *objectives]
    estimator.loss_ = curve[estimator.best_epoch_ - 1]


def curve_of(attribute):
    """Return the property of an estimator that is this one of the CURVES."""

    def curve(estimator):
        if "_history" not in vars(estimator):
            raise AttributeError(
                f"{type(estimator).__name__} has no {attribute}: it has not been fitted."
            )
        values = estimator._history.curve(CURVES[attribute])
        # A method that knows no such number has no such curve.
        return None if attribute != "loss_curve_" and np.isnan(values).all() else values

    return property(curve)
