"""A training run on the blocks of a cluster."""

from .. import _fitted, _training
from .._engine.epochs import local_sgd
from .._engine.newton import steps
from .._methods import NEWTON
from .._monitoring.printing import Printer
from ._cluster import ClusterRows


def train(estimator, method, blocks, checkpoint, merges_per_epoch):
    """Train on the blocks and set the fitted attributes; return the TrainingRun."""
    recipe, n_features = blocks.recipe, estimator.n_features_in_
    start = _training.start_of(
        estimator, checkpoint, recipe.encoding, n_features, recipe.dtype
    )
    problem, settings, state = _training.begin(estimator, method, start, blocks.n_samples)
    n_epochs = estimator.max_iter
    monitor = Printer(estimator.verbose) if estimator.verbose else None
    if method is NEWTON:
        rows = ClusterRows(blocks, problem.loss)
        run = steps.minimise(problem, settings, state, rows, n_epochs, None, monitor)
    else:
        how = n_epochs, merges_per_epoch, monitor
        run = local_sgd.train(problem, settings, state, blocks, *how)
    if monitor is not None:
        monitor.end()
    n_epochs_done = run.state.epoch - state.epoch
    rows_seen = _training.seen(recipe.mean_weight, blocks.n_samples, n_epochs_done)
    _fitted.finish(estimator, method, start, run, rows_seen)
    return run
