"""Logistic regression on two features by plain SGD, which many tests of epochs use."""

from math import inf

from sklearn_nn._engine.epochs.optimizers import SGD
from sklearn_nn._engine.epochs.records import EpochSettings
from sklearn_nn._engine.epochs.schedules import Schedule
from sklearn_nn._engine.objective.losses import LOSSES
from sklearn_nn._engine.objective.penalties import Penalty
from sklearn_nn._engine.objective.problem import Problem
from sklearn_nn._engine.stopping import StoppingRule
from sklearn_nn._engine.types import Architecture


def make_problem(**changes):
    """Return the Problem of logistic regression on two features, with `changes`."""
    parameters = {
        "architecture": Architecture((2, 1)),
        "loss": LOSSES["log_loss", "logistic"],
        "penalty": Penalty(),
    }
    return Problem(**{**parameters, **changes})


def make_settings(**changes):
    """Return the EpochSettings of plain SGD, with `changes`."""
    parameters = {
        "optimizer": SGD(),
        "schedule": Schedule("constant", 0.5),
        "stopping_rule": StoppingRule(-inf, inf),
        "batch_size": 3,
    }
    return EpochSettings(**{**parameters, **changes})
