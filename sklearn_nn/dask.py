"""Training on a cluster: the rows stay in blocks where Dask has them, only sums travel.

One function, `fit`. Needs dask and distributed: ``pip install 'sklearn_nn[dask]'``.

Each pass over the data is a graph of tasks: one for each block, a function of the block and
of what the pass asks (a point, or the state of training), and a tree that adds up what they
return, always in the order of the blocks. No worker keeps anything that Dask could not
compute again, so that a worker that dies costs its tasks and no more. Blocks are loaded for
each pass and then forgotten, unless the caller has persisted them.

The logistic model is fitted by Newton's method (_engine/newton.py), which asks for sums
over all rows and so has the same optimum wherever they lie; networks by training blocks
side by side and averaging them (_engine/rounds.py).
"""

import copy
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse, vstack

from . import _inputs, _labels, _parameters, _weights
from ._checkpoint import path_parameters, resumed_state
from ._classifier import GradientClassifier, unchanged_on_error
from ._engine import newton, rounds
from ._engine.passes import Evaluation, Rows
from ._engine.reference import select
from ._engine.types import Dataset
from ._logistic import SGDLogisticClassifier
from ._monitor import Printer

# How often a task is run again that has failed (reading a file, say); a worker's death does
# not count, Dask has its own limit for that (distributed.scheduler.allowed-failures).
RETRIES = 2
# Sums are added in groups of so many: a worker holds only these, the client one.
FAN_IN = 8
# Bytes of rows that the client may gather: random samples, on which Newton's method takes
# its first steps and most Hessians. Small beside any computer's memory, and still more rows
# than most models have parameters, by far.
MOST_GATHERED = 2**26
# So many rows at least it gathers if they fit, all of them if there are no more.
ROWS_GATHERED = 10_000


def fit(estimator, X, y, sample_weight=None, *, client=None, merges_per_epoch=8):
    """Train an estimator on rows that lie on the workers of a Dask cluster.

    `SGDLogisticClassifier` comes to the optimum that `fit` would find with all rows in one
    memory, however they are spread over blocks. `BackpropMLPClassifier` trains all blocks
    side by side and averages their parameters several times an epoch.

    Parameters
    ----------
    estimator : SGDLogisticClassifier or BackpropMLPClassifier
        With learning_rate='auto' (and no learning_rate_init), or solver 'sgd' or 'adam',
        respectively, and without early stopping.
    X : dask array of shape (n_samples, n_features), or list of delayed
        Dense or with blocks in CSR. A list has a delayed block of rows in each place: an
        array, a sparse matrix or a data frame (as from `dask.dataframe`'s `to_delayed`).
        Blocks need not have the same number of rows; each must fit in a worker's memory a
        few times over.
    y : dask array of shape (n_samples,) or (n_samples, n_outputs), or list of delayed
        Labels, in blocks like those of X.
    sample_weight : dask array of shape (n_samples,) or list of delayed, default=None
        Weights >= 0, in blocks like those of X. A row of weight 0 counts as absent, and
        only ratios matter.
    client : distributed.Client, default=None
        Of the cluster; None is the current one.
    merges_per_epoch : int, default=8
        How often models of blocks are averaged in an epoch of `BackpropMLPClassifier`, if
        blocks have so many batches. More of them cost passes over the blocks, fewer let
        blocks drift apart that hold different labels.

    Returns
    -------
    estimator : estimator
        The same object, with its fitted attributes: it predicts, is stored, and goes on by
        `partial_fit` or `warm_start` like any other.

    Raises
    ------
    ImportError
        If dask or distributed is not installed.
    TypeError
        If `estimator` is none of this package, or X and y are of other types.
    ValueError
        If there is no client, a block is not valid (the error has a note with its number),
        blocks do not fit each other, parameters are not supported, or training diverges. A
        model that was fitted before stays as it was.

    Warns
    -----
    ConvergenceWarning
        As the `fit` of the estimator.

    Notes
    -----
    Every pass loads every block anew, unless they are persisted (``X = X.persist()``),
    which pays where they fit in the cluster's memory. A fit of the logistic model takes
    some ten passes (more if the Hessian cannot stand on a sample of 64 MB), an epoch of a
    network `merges_per_epoch`. The same blocks give the same model, whatever workers there
    are.

    An epoch of a network takes as many steps in a row as the largest block has batches, so
    that with many blocks it learns less than an epoch in one memory. Their mean is less
    noisy than one of them: a learning rate times the number of blocks makes up for it where
    blocks have all labels mixed. On 45,000 rows of 6 classes, 100 epochs of 'adam' had on
    other rows the accuracy 0.86 in one memory; 0.74 and 0.69 in 4 and 16 mixed blocks; 0.85
    and 0.86 there with 4 and 16 times the learning rate; and with these 0.75 and 0.77 in
    blocks sorted by label (0.82 in 4 with 32 merges an epoch). So mix the rows if you can.

    Its `loss_curve_` holds the mean over the rows of the averaged model's loss before the
    round in which a row takes part, plus the penalty.

    References
    ----------
    S. Stich, "Local SGD converges fast and communicates little", ICLR 2019,
    https://arxiv.org/abs/1805.09767

    H. B. McMahan, E. Moore, D. Ramage, S. Hampson and B. Aguera y Arcas,
    "Communication-efficient learning of deep networks from decentralized data", AISTATS
    2017, https://arxiv.org/abs/1602.05629

    Examples
    --------
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_nn import SGDLogisticClassifier
    >>> from sklearn_nn.dask import fit
    >>> X, y = load_iris(return_X_y=True)
    >>> with Client(processes=False, n_workers=1, dashboard_address=":0"):
    ...     rows, labels = da.from_array(X, chunks=(50, 4)), da.from_array(y, chunks=50)
    ...     model = fit(SGDLogisticClassifier(random_state=0), rows, labels)
    >>> round(model.score(X, y), 2)
    0.98
    """
    client = client_to_use(client)
    if not isinstance(estimator, GradientClassifier):
        raise TypeError(
            "estimator must be a SGDLogisticClassifier or BackpropMLPClassifier; got "
            f"{estimator!r}."
        )
    estimator._check_parameters()
    check_supported(estimator, merges_per_epoch)
    with unchanged_on_error(estimator):
        kept = estimator._kept(one_epoch=False)
        cluster, blocks = Cluster(client), blocks_of(X, y, sample_weight)
        blocks = prepare(estimator, cluster, blocks, kept)
        run = train(estimator, blocks, kept, merges_per_epoch)
    estimator._warn(run)
    return estimator


def client_to_use(client):
    """Return the client given or the current one; say what is missing if there is none."""
    try:
        import dask.array  # noqa: F401
        import distributed
    except ImportError as error:
        raise ImportError(
            "Training on a cluster needs dask and distributed: "
            "pip install 'sklearn_nn[dask]'."
        ) from error
    if client is not None:
        return client
    try:
        return distributed.get_client()
    except ValueError as error:
        raise ValueError(
            "There is no Dask client. Start one, client = distributed.Client(...), or pass "
            "it as client."
        ) from error


def check_supported(estimator, merges_per_epoch):
    """Raise ValueError for parameters with which blocks cannot be trained."""
    is_logistic = isinstance(estimator, SGDLogisticClassifier)
    if estimator.early_stopping:
        raise ValueError(
            "early_stopping=True is not supported on a cluster. Set early_stopping=False; "
            "the stopping rule then looks at the objective."
        )
    if is_logistic and not _parameters.is_automatic(estimator):
        raise ValueError(
            "On a cluster SGDLogisticClassifier trains with learning_rate='auto' and "
            "learning_rate_init=None, whose result does not depend on where the rows lie; "
            f"got learning_rate={estimator.learning_rate!r} and "
            f"learning_rate_init={estimator.learning_rate_init!r}."
        )
    if estimator.solver == "lbfgs":
        raise ValueError(
            "solver='lbfgs' is not supported on a cluster. Set solver='adam' or 'sgd'."
        )
    if not isinstance(merges_per_epoch, int) or merges_per_epoch < 1:
        raise ValueError(
            f"merges_per_epoch must be an integer >= 1; got {merges_per_epoch!r}."
        )


def train(estimator, blocks, kept, merges_per_epoch):
    """Train on the blocks and set the fitted attributes; return the TrainingRun."""
    recipe, encoding, n_samples = blocks.recipe, blocks.recipe.encoding, blocks.n_samples
    n_features = estimator.n_features_in_
    architecture = estimator._architecture(n_features, encoding.n_outputs)
    start, theta = estimator._start(kept, encoding, architecture, recipe.dtype)
    problem = estimator._problem(architecture, encoding, n_samples)
    parameters = path_parameters(estimator)
    state = resumed_state(start, problem, theta, parameters)
    monitor, n_epochs = Printer() if estimator.verbose else None, estimator.max_iter
    if _parameters.is_automatic(estimator):
        rows = ClusterRows(blocks, problem.loss)
        run = newton.minimise(problem, state, rows, n_epochs, None, monitor)
    else:
        run = rounds.train(problem, state, blocks, n_epochs, merges_per_epoch, monitor)
    n_rows_seen = n_samples * max(1, run.state.epoch - state.epoch)
    scale = start.weight_scale.including(recipe.mean_weight, n_rows_seen)
    end = replace(start, parameters=parameters, ended_by=run.ended_by, weight_scale=scale)
    estimator._finish(end, run, kept)
    return run


# Blocks as the caller has them.


class Block(NamedTuple):
    """Rows that lie together, as Dask's delayed objects."""

    X: Any
    y: Any
    sample_weight: Any  # or None


def blocks_of(X, y, sample_weight):
    """Return the list of Blocks that the user's arguments are made of."""
    import dask.array

    if isinstance(X, dask.array.Array):
        return blocks_of_arrays(X, y, sample_weight)
    columns = [X, y] if sample_weight is None else [X, y, sample_weight]
    if not all(isinstance(column, (list, tuple)) for column in columns):
        raise TypeError(
            "X must be a dask array, or X, y and sample_weight lists of delayed blocks; "
            f"got {' and '.join(type(column).__name__ for column in columns)}."
        )
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1 or lengths[0] == 0:
        raise ValueError(
            "X, y and sample_weight must be lists of as many blocks, at least one; got "
            f"{lengths} blocks."
        )
    weights = [None] * len(X) if sample_weight is None else sample_weight
    return [Block(*parts) for parts in zip(X, y, weights, strict=True)]


def blocks_of_arrays(X, y, sample_weight):
    """Return the list of Blocks of dask arrays."""
    import dask

    if X.ndim != 2:
        raise ValueError(
            f"X must have the shape (n_samples, n_features); got {X.ndim} dimension(s)."
        )
    columns = [whole_rows(X), aligned(y, X, "y")]
    if sample_weight is not None:
        columns.append(aligned(sample_weight, X, "sample_weight"))
    # Together, so that what X and y have in common (a file) is loaded once for both.
    columns = dask.optimize(*columns)
    delayed = [column.to_delayed(optimize_graph=False).ravel() for column in columns]
    return [
        Block(*parts, *[None] * (3 - len(parts))) for parts in zip(*delayed, strict=True)
    ]


def aligned(values, X, name):
    """Return y or weights as a dask array with the blocks of X."""
    import dask.array

    if not isinstance(values, dask.array.Array):
        raise TypeError(
            f"{name} must be a dask array, because X is one; got {type(values).__name__}. "
            "dask.array.from_array makes one."
        )
    values, n_samples = whole_rows(values), [X.shape[0], values.shape[0]]
    if np.isnan(n_samples).any():  # lengths are compared on the workers, block by block
        if values.numblocks[0] != X.numblocks[0]:
            raise ValueError(
                f"{name} must have as many blocks as X, whose lengths are unknown: "
                f"{X.numblocks[0]}; got {values.numblocks[0]}."
            )
        return values
    if n_samples[0] != n_samples[1]:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: {n_samples}"
        )
    return values.rechunk({0: X.chunks[0]})


def whole_rows(values):
    """Return a dask array whose blocks have all columns."""
    return values.rechunk({1: -1}) if values.ndim == 2 else values


# What runs on workers: functions of a block, and of what a pass asks.


class Summary(NamedTuple):
    """What the client needs to know of a block before training."""

    encoding: _labels.Encoding
    n_rows: Any  # (n_classes,) of each class; of weight 0 none count; (1,) if multilabel
    weight: Any  # their sums of weights
    n_features: int
    feature_names: Any  # ndarray, or None
    dtype: Any
    n_bytes: int  # of X


@dataclass(frozen=True)
class Asked:
    """What a pass asks of every block: no tuple, which Dask might take for a task."""

    recipe: Any  # Recipe, None before there is one
    question: Any  # more arguments


class Recipe(NamedTuple):
    """How a block becomes a Dataset."""

    estimator: Any  # not fitted, but for what it knows of the features
    dtype: Any
    encoding: _labels.Encoding
    by_class: Any  # (n_classes,) class weights, or None
    mean_weight: float


def summary_of(block, asked, number):
    """Return the Summary of a block, None if it has no rows, or what is wrong with it.

    An error is returned and not raised, because it would be tried again; and so the first
    block's is reported, not the first that came.
    """
    estimator, dtypes, multilabel_allowed = asked.question
    estimator = copy.copy(estimator)  # which validation writes to; others have it too
    X, y, weight = block
    if X.shape[0] == 0:
        return None
    try:
        X, y = _inputs.validate_labelled(estimator, X, y, dtypes, True, multilabel_allowed)
        if weight is not None and not np.any(weight):
            return None
        y, weight, _ = _weights.drop_weightless(X, y, weight)
    except (TypeError, ValueError) as error:
        return error
    encoding = _labels.encoding_of(y)
    indices = np.zeros(len(y), int) if y.ndim == 2 else encoding.class_indices(y)
    parts = [X.data, X.indices] if issparse(X) else [X]
    return Summary(
        encoding,
        np.bincount(indices),
        np.bincount(indices, weight),
        X.shape[1],
        getattr(estimator, "feature_names_in_", None),
        X.dtype,
        sum(part.nbytes for part in parts),
    )


def dataset_of(block, recipe):
    """Return the Dataset of a block that has been found valid."""
    X, y, weight = block
    estimator, encoding, by_class = recipe.estimator, recipe.encoding, recipe.by_class
    X = _inputs.validate_rows(estimator, X, recipe.dtype, ensure_all_finite=False)
    X = at_whole_addresses(X)
    y = _inputs.plain_labels(y, warn=False)
    y, weight, rows = _weights.drop_weightless(X, y, weight)
    if by_class is not None:
        of_row = by_class[encoding.class_indices(y)]
        weight = of_row if weight is None else weight * of_row
    data = _inputs.make_dataset(X, y, weight, rows, encoding)
    return _weights.scale_weights(data, recipe.mean_weight)


def at_whole_addresses(X):
    """Return X with its numbers at multiples of their size, as a copy where they are not.

    They are not in some messages from worker to worker. The kernels would leave such rows
    to NumPy, slower and rounded otherwise, so that a block's way would show in the model.
    """
    if not issparse(X):
        return np.require(X, requirements="A")
    parts = [np.require(part, requirements="A") for part in (X.data, X.indices, X.indptr)]
    return type(X)(tuple(parts), shape=X.shape)


def gathered_rows(block, asked, index):
    """Return these rows of a block as a Dataset of their own."""
    return select(dataset_of(block, asked.recipe), index)


def evaluation_of(block, asked, number):
    """Return sums over a block: weights; and loss, gradient and diagonal, weighted."""
    loss, coordinates, point = asked.question
    rows = Rows(dataset_of(block, asked.recipe), loss)
    evaluation, total = rows.evaluate(coordinates, point), rows.total_weight()
    sums = evaluation.loss, evaluation.gradient, evaluation.diagonal
    return total, *(total * value for value in sums)


def proba_of(block, asked, number):
    """Return the probabilities (n_samples, n_outputs) of a block's rows."""
    loss, coordinates, point = asked.question
    return Rows(dataset_of(block, asked.recipe), loss).evaluate(coordinates, point).proba


def product_of(block, asked, proba):
    """Return sums over a block: weights; and the Hessian times a direction, weighted."""
    loss, coordinates, damping, direction = asked.question
    rows = Rows(dataset_of(block, asked.recipe), loss)
    total = rows.total_weight()
    return total, total * rows.hessian_product(coordinates, proba, damping, direction)


def hessian_of(block, asked, number):
    """Return sums over a block: weights; and the Hessian, weighted, or None."""
    loss, coordinates, point, damping = asked.question
    rows = Rows(dataset_of(block, asked.recipe), loss)
    # Cheaper again than kept: it is one product more, beside as many as there are features.
    proba, total = rows.evaluate(coordinates, point).proba, rows.total_weight()
    hessian = rows.hessian(coordinates, proba, damping)
    return total, None if hessian is None else total * hessian


def trained(block, asked, number):
    """Return the Sums of a block after a round of training."""
    problem, state, part = asked.question
    data = dataset_of(block, asked.recipe)
    return tuple(rounds.train_block(problem, state, data, number, part))


def objective_of(block, asked, number):
    """Return the number of rows of a block, and its objective's sum over them."""
    problem, theta = asked.question
    return rounds.objective_of_block(problem, theta, dataset_of(block, asked.recipe))


def added(parts):
    """Return the sum of tuples of numbers and arrays, in their order; with a None, None."""
    with np.errstate(over="ignore", invalid="ignore"):  # found where the sums are used
        return tuple(
            None if any(v is None for v in values) else sum(values[1:], start=values[0])
            for values in zip(*parts, strict=True)
        )


# What runs on the client.


@dataclass(frozen=True)
class Cluster:
    """Where tasks run."""

    client: Any  # distributed.Client

    def each(self, function, blocks, asked, others):
        """Return the delayed function(block, asked, other) of each block.

        What is asked is one task of its own: sent once, and known to the scheduler, so that
        no worker has the only copy.
        """
        from dask import delayed

        asked = delayed(asked, traverse=False)
        return [
            delayed(function)(tuple(block), asked, other)
            for block, other in zip(blocks, others, strict=True)
        ]

    def total(self, parts):
        """Return the sum of delayed tuples, added on the workers in a fixed order."""
        from dask import delayed

        while len(parts) > 1:
            groups = [parts[i : i + FAN_IN] for i in range(0, len(parts), FAN_IN)]
            parts = [delayed(added)(group) for group in groups]
        return self.results(parts)[0]

    def results(self, tasks):
        """Return what delayed objects come to."""
        with parameters_may_be_large():
            futures = self.client.compute(tasks, retries=RETRIES)
        return self.client.gather(futures)

    def kept(self, tasks):
        """Return delayed objects whose values stay on the workers while these exist."""
        with parameters_may_be_large():
            return self.client.persist(tasks, retries=RETRIES)


def parameters_may_be_large():
    """Return a context without Dask's warning that a graph has much data in it.

    A point or a state of training must be in it: what is scattered dies with its worker.
    """
    import dask

    return dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TB"})


def prepare(estimator, cluster, blocks, kept):
    """Return the ClusterBlocks, and tell the estimator of its features."""
    found = summaries_of(estimator, cluster, blocks, kept)
    summaries = [summary for _, _, summary in found]
    set_features(estimator, found, kept)
    encoding = _labels.common_encoding([summary.encoding for summary in summaries])
    if kept is not None:
        _labels.check_same_classes(encoding, kept.encoding)
    estimator._check_n_classes(encoding)
    by_class, n_rows, mean_weight = weights_of(estimator, summaries, encoding)
    dtype = np.result_type(*[summary.dtype for summary in summaries])
    recipe = Recipe(unfitted(estimator), dtype, encoding, by_class, mean_weight)
    with_rows = [(found[i][1], int(n)) for i, n in enumerate(n_rows) if n]
    blocks, n_rows = zip(*with_rows, strict=True)
    n_all_rows = sum(int(summary.n_rows.sum()) for summary in summaries)
    n_bytes = sum(summary.n_bytes for summary in summaries) / n_all_rows
    return ClusterBlocks(cluster, blocks, recipe, n_rows, n_bytes)


def unfitted(estimator):
    """Return the estimator without its model, but with what it knows of the features."""
    blank = type(estimator)(**estimator.get_params(deep=False))
    for name in ("n_features_in_", "feature_names_in_"):
        if name in vars(estimator):
            vars(blank)[name] = vars(estimator)[name]
    return blank


def summaries_of(estimator, cluster, blocks, kept):
    """Return (number, Block, Summary) of each block that has rows."""
    dtypes = _inputs.FLOATS if kept is None else kept.state.theta.dtype
    blank = type(estimator)(**estimator.get_params(deep=False))
    asked = Asked(None, (blank, dtypes, estimator._multilabel_allowed))
    everything = range(len(blocks))
    summaries = cluster.results(cluster.each(summary_of, blocks, asked, everything))
    for number, summary in enumerate(summaries):
        if isinstance(summary, Exception):
            summary.add_note(f"In block {number} of {len(blocks)}.")
            raise summary
    found = zip(everything, blocks, summaries, strict=True)
    found = [each for each in found if each[2] is not None]
    if not found:
        raise ValueError(
            "There is no row to learn from: blocks are empty, or all weights are zero."
        )
    return found


def set_features(estimator, found, kept):
    """Set `n_features_in_` and `feature_names_in_`; raise ValueError if blocks differ."""
    _, _, first = found[0]
    n_features, names = first.n_features, first.feature_names
    if kept is not None:
        n_features = estimator.n_features_in_
        names = vars(estimator).get("feature_names_in_")
    for number, _, summary in found:
        if summary.n_features != n_features:
            raise ValueError(
                f"X has {summary.n_features} features in block {number}, but "
                f"{type(estimator).__name__} is expecting {n_features} features as input."
            )
        if not np.array_equal(summary.feature_names, names):
            raise ValueError(
                f"The feature names of block {number} are not those of the first block (or "
                f"of the model, with warm_start=True): expected {names}, got "
                f"{summary.feature_names}."
            )
    vars(estimator).pop("feature_names_in_", None)
    estimator.n_features_in_ = n_features
    if names is not None:
        estimator.feature_names_in_ = names


def weights_of(estimator, summaries, encoding):
    """Return what weights come to over all blocks.

    Returns
    -------
    by_class : ndarray of shape (n_classes,) or None
        Class weights.
    n_rows : ndarray of int of shape (n_blocks,)
        Of positive weight.
    mean_weight : float
        Of those rows, sample weight times class weight.
    """
    class_weight = estimator.class_weight
    _weights.check_one_label(class_weight, encoding)
    n_columns = 1 if encoding.multilabel else len(encoding.classes)
    n_rows, weight = np.zeros((2, len(summaries), n_columns))
    for i, summary in enumerate(summaries):
        places = slice(None)
        if not encoding.multilabel:
            places = encoding.class_indices(summary.encoding.classes)
        n_rows[i, places], weight[i, places] = summary.n_rows, summary.weight
    by_class, of_class = None, weight.sum(axis=0)
    if class_weight is not None:
        total = of_class.sum()
        by_class = _weights.weight_by_class(class_weight, encoding.classes, of_class, total)
        n_rows, of_class = n_rows * (by_class > 0), of_class * by_class
    mean_weight = of_class.sum() / n_rows.sum() if n_rows.any() else 0.0
    if not 0 < mean_weight < np.inf:
        raise ValueError(
            "The weights of all rows (sample_weight times class_weight) must have a "
            f"positive and finite mean; got {mean_weight}."
        )
    return by_class, n_rows.sum(axis=1).astype(int), float(mean_weight)


@dataclass(frozen=True)
class ClusterBlocks:
    """The blocks of the data, as rounds.py asks about them."""

    cluster: Cluster
    blocks: tuple  # of Block
    recipe: Recipe
    n_rows: tuple  # of each block, all > 0
    n_bytes: float  # of a row

    @property
    def n_samples(self):
        """Number of rows."""
        return sum(self.n_rows)

    @property
    def target(self):
        """The encoded label of some row."""
        encoding = self.recipe.encoding
        if encoding.multilabel:
            return np.zeros((1, encoding.n_outputs), self.recipe.dtype)
        return encoding.encode(encoding.classes[:1], self.recipe.dtype)

    def each(self, function, question, others=None):
        """Return the delayed function(block, Asked, other) of each block.

        `others` are what blocks are asked one by one, by default their numbers.
        """
        others = range(len(self.blocks)) if others is None else others
        asked = Asked(self.recipe, question)
        return self.cluster.each(function, self.blocks, asked, others)

    def sums(self, function, question, others=None):
        """Return the sums over all blocks of what the function returns."""
        return self.cluster.total(self.each(function, question, others))

    def train(self, problem, state, part):
        """Return the rounds.Sums over all blocks after a round."""
        state = replace(state, past=None)  # which may be large, and is not asked for
        return rounds.Sums(*self.sums(trained, (problem, state, part)))

    def objective(self, problem, theta):
        """Return the mean objective of all rows."""
        n_rows, objective = self.sums(objective_of, (problem, theta))
        return objective / n_rows

    def gathered(self, index):
        """Return these rows (ascending) of all blocks as a Dataset on the client."""
        ends = np.cumsum(self.n_rows)
        parts = np.split(index, np.searchsorted(index, ends[:-1]))
        asked = [
            (block, part - (end - n))
            for block, part, end, n in zip(
                self.blocks, parts, ends, self.n_rows, strict=True
            )
            if len(part)
        ]
        blocks, parts = zip(*asked, strict=True)
        tasks = self.cluster.each(gathered_rows, blocks, Asked(self.recipe, None), parts)
        datasets = self.cluster.results(tasks)
        X = [data.X for data in datasets]
        weight = [data.sample_weight for data in datasets]
        return Dataset(
            vstack(X, format="csr") if issparse(X[0]) else np.concatenate(X),
            np.concatenate([data.y for data in datasets]),
            None if weight[0] is None else np.concatenate(weight),
        )


class Probabilities:
    """The probabilities of all rows at a point: on the workers, and only if asked for."""

    def __init__(self, blocks, asked):
        self.blocks = blocks
        self.asked = asked  # loss, coordinates, point
        self.of_blocks = None

    def kept(self):
        """Return the delayed probabilities of each block, which from now on are kept."""
        if self.of_blocks is None:
            tasks = self.blocks.each(proba_of, self.asked)
            self.of_blocks = self.blocks.cluster.kept(tasks)
        return self.of_blocks


class ClusterRows:
    """The rows of all blocks, as newton.py asks about them; see passes.Rows."""

    def __init__(self, blocks, loss):
        self.blocks = blocks
        self.loss = loss
        self.at_hand = None  # Rows on the client, of which samples are taken
        self.last = None, None  # point, and its Evaluation

    @property
    def n_samples(self):
        """Number of rows."""
        return self.blocks.n_samples

    @property
    def n_at_hand(self):
        """Number of rows that the client gathers."""
        most = max(1, int(MOST_GATHERED / self.blocks.n_bytes))
        return min(self.n_samples, most, max(ROWS_GATHERED, self.n_samples // 2))

    @property
    def dtype(self):
        """Of the numbers in the rows."""
        return self.blocks.recipe.dtype

    def gathered(self, rng):
        """Return the rows on the client, gathered in the first call."""
        if self.at_hand is None:
            places = np.arange(self.n_at_hand) + rng.uniform(size=self.n_at_hand)
            index = (places * (self.n_samples / self.n_at_hand)).astype(np.int64)
            index = np.minimum(index, self.n_samples - 1)
            self.at_hand = Rows(self.blocks.gathered(index), self.loss)
        return self.at_hand

    def sample(self, n_samples, rng):
        """Return about so many of the rows; all of them if the client has not so many."""
        if n_samples > self.n_at_hand or n_samples >= self.n_samples:
            return self
        # A copy, so that the first call draws what a later one does.
        return self.gathered(copy.deepcopy(rng)).sample(n_samples, rng)

    def standardised(self, centred):
        """Return Coordinates in which a sample of the rows has about variance 1."""
        rng = np.random.RandomState(0)  # any coordinates lead to the same optimum
        return self.gathered(rng).standardised(centred)

    def evaluate(self, coordinates, point):
        """Return the Evaluation of a point (n_features + 1, n_outputs)."""
        before, evaluation = self.last
        if point is not before:  # a Hessian on all rows asks again where a gradient was
            asked = self.loss, coordinates, point
            total, *sums = self.blocks.sums(evaluation_of, asked)
            proba = Probabilities(self.blocks, asked)
            evaluation = Evaluation(*(value / total for value in sums), proba)
            self.last = point, evaluation
        return evaluation

    def hessian_product(self, coordinates, proba, damping, direction):
        """Return the damped Hessian, at the point of `proba`, times a direction."""
        asked = self.loss, coordinates, damping, direction
        total, product = self.blocks.sums(product_of, asked, proba.kept())
        return product / total

    def hessian(self, coordinates, proba, damping):
        """Return the damped Hessian, or None where products with it are less work."""
        _, _, point = proba.asked
        rng = np.random.RandomState(0)
        two = self.gathered(rng).sample(2, rng)
        if two.hessian(coordinates, two.evaluate(coordinates, point).proba, 0.0) is None:
            return None
        total, hessian = self.blocks.sums(hessian_of, (*proba.asked, damping))
        return None if hessian is None else hessian / total
