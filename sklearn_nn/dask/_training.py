"""A training run on the blocks of a cluster."""

from .. import _fitted, _training
from .._engine.epochs import local_sgd
from .._engine.newton import training
from .._engine.types import TrainingRun
from .._methods import NEWTON
from .._monitoring.printing import Printer
from ._cluster import ClusterRows


def train_on_cluster(estimator, method, blocks, origin, merges_per_epoch) -> TrainingRun:
    """Train on the blocks, set the fitted attributes, and return the TrainingRun."""
    recipe, n_features = blocks.recipe, estimator.n_features_in_
    start = _training.start_of(estimator, origin, recipe.encoding, n_features, recipe.dtype)
    problem, settings, state = _training.engine_inputs(
        estimator, method, start, blocks.n_samples
    )
    n_epochs = estimator.max_iter
    monitor = Printer(estimator.verbose) if estimator.verbose else None
    if method is NEWTON:
        rows = ClusterRows(blocks, problem.loss)
        run = training.train_with_newton(
            problem, settings, state, rows, n_epochs, None, monitor
        )
    else:
        run = local_sgd.train_on_blocks(
            problem, settings, state, blocks, n_epochs, merges_per_epoch, monitor
        )
    if monitor is not None:
        monitor.end()
    n_epochs_done = run.state.epoch - state.epoch
    weight_scale = _training.weight_scale_of(
        recipe.mean_weight, blocks.n_samples, n_epochs_done
    )
    _fitted.set_fitted(estimator, method, start, run, weight_scale)
    return run
