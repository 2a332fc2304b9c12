"""The networks of all folds."""

from typing import NamedTuple

import numpy as np
from sklearn.utils.parallel import Parallel, delayed

from .._engine.threads import one_blas_thread
from .._mlp import BackpropMLPClassifier
from .._monitoring.monitors import MonitorList
from .._monitoring.printing import Printer
from .._table.encoder import TableEncoder, fit_encoder, with_forest
from .data import TrainingData
from .splits import Split
from .training import HeldOut, Rows, train_fold

# With batch_size='auto', an epoch has about this many steps, unless batches would be
# smaller or larger than these limits.
STEPS_PER_EPOCH, SMALLEST_BATCH, LARGEST_BATCH = 16, 16, 256


class Fold(NamedTuple):
    """The model of a fold, its rows, and its predictions of the held-out ones."""

    split: Split
    encoder: TableEncoder
    network: BackpropMLPClassifier
    held_out: HeldOut


def network_of(estimator, seed: int, n_training: int) -> BackpropMLPClassifier:
    """Return the network, not fitted, for this number of training rows."""
    automatic = min(max(n_training // STEPS_PER_EPOCH, SMALLEST_BATCH), LARGEST_BATCH)
    return BackpropMLPClassifier(
        estimator.hidden_layer_sizes,
        estimator.activation,
        dropout=estimator.dropout,
        solver="adamw",
        alpha=estimator.alpha,
        learning_rate="one_cycle",
        learning_rate_init=estimator.learning_rate_init,
        max_iter=estimator.max_iter,
        batch_size={"auto": automatic}.get(estimator.batch_size, estimator.batch_size),
        tol=None,  # the cycle is never cut
        early_stopping=True,
        scoring="loss",
        random_state=seed,
    )


def fit_folds(estimator, data: TrainingData, splits, seeds, tasks) -> list[Fold]:
    """Return the fitted Fold of each split.

    They are trained by `n_jobs` threads. Each has its own seed, so that the number of
    threads does not change them. `tasks` are FoldTasks, or None without callbacks.
    """

    def fit(k):
        return fit_fold(estimator, data, splits[k], int(seeds[k]), monitors_of(k))

    def monitors_of(k):
        label = f"fold {k + 1}  "
        printers = [Printer(estimator.verbose, label=label)] if estimator.verbose else []
        return printers + ([] if tasks is None else [tasks.of_fold(k)])

    with one_blas_thread():
        # A device trains one network after the other: several would share it.
        n_jobs = 1 if data.is_on_device else estimator.n_jobs
        threads = Parallel(n_jobs=n_jobs, backend="threading")
        return threads(delayed(fit)(k) for k in range(len(splits)))


def fit_fold(estimator, data: TrainingData, split: Split, seed, monitors) -> Fold:
    """Return the fitted Fold of this split."""
    encoder, votes = encoder_of(estimator, data, split.training, seed)

    def rows_of(numbers, votes=None):
        weight = None if data.weight is None else data.weight[numbers]
        encoded = encoder.encode(data.table.take(numbers), votes)
        return Rows(encoded, data.labels[numbers], weight)

    n_classes = len(data.encoding.classes)
    held_out = HeldOut(rows_of(split.held_out), split.is_judged, n_classes)
    network = network_of(estimator, seed, len(split.training))
    monitor = MonitorList(monitors) if monitors else None
    training = rows_of(split.training, votes)
    train_fold(network, data.encoding, training, held_out, monitor)
    if monitor is not None:
        monitor.end()
    errors = [m.error for m in monitors if getattr(m, "error", None) is not None]
    if errors:
        raise errors[0]
    return Fold(split, encoder, network, held_out)


def encoder_of(estimator, data: TrainingData, training, seed):
    """Return the encoder of these training rows, and votes on them for `encode`."""
    table, labels = data.table.take(training), data.labels[training]
    weight = None if data.weight is None else data.weight[training]
    encoder = fit_encoder(data.schema, table, labels, weight)
    if estimator.n_trees == 0:
        return encoder, None
    units = None
    if data.groups is not None:
        units = np.unique(data.groups[training], return_inverse=True)[1]
    of_classes = np.bincount(labels, weight, minlength=len(data.encoding.classes))
    shares = (of_classes / of_classes.sum()).astype(np.float32)
    return with_forest(
        encoder,
        table,
        labels,
        shares,
        n_trees=estimator.n_trees,
        seed=seed,
        weight=weight,
        units=units,
    )


def logits_of(network, X):
    """Return the network's logits (n, n_outputs) of encoded rows."""
    logits = network.decision_function(X)
    return logits[:, None] if logits.ndim == 1 else logits
