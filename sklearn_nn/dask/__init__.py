"""Training on a Dask cluster: workers return sums over their rows.

One function, `fit`. Needs dask and distributed: ``pip install 'sklearn_nn[dask]'``.

Each pass over the data is a graph of tasks. Each block has one task, which computes its
result from the block and a Query (a point, say, or the training state). A tree of tasks
adds up their results, always in the order of the blocks. Dask can recompute everything that
a worker holds, so that if a worker dies, only its tasks run again. Each pass loads the
blocks anew, unless the caller has persisted them.

Newton's method (_engine/newton) fits the logistic model. It needs sums over all rows, so
that the optimum does not depend on their distribution, and for its first steps a random
sample (at most 64 MB) on the client. Local SGD (_engine/epochs/local_sgd.py) trains
networks on all blocks in parallel.
"""

from numbers import Integral

from .. import _parameters
from .._classifier import GradientClassifier, unchanged_on_error
from .._data.array_api import NUMPY
from .._logistic import SGDLogisticClassifier
from .._methods import NEWTON, method_of
from .._monitoring import convergence
from .._storage.checkpoint import Checkpoint
from .._training import origin_of
from ._blocks import blocks_of, valid_blocks
from ._cluster import Cluster
from ._training import train_on_cluster


def fit(
    estimator: GradientClassifier,
    X,
    y,
    sample_weight=None,
    *,
    client=None,
    merges_per_epoch: int = 8,
) -> GradientClassifier:
    """Train an estimator on rows on the workers of a Dask cluster.

    `SGDLogisticClassifier` converges to the same optimum as `fit` with all rows in memory,
    however they are distributed over blocks. `BackpropMLPClassifier` trains on all blocks
    in parallel and averages their parameters several times per epoch.

    Parameters
    ----------
    estimator : SGDLogisticClassifier or BackpropMLPClassifier
        SGDLogisticClassifier with learning_rate='auto' and no learning_rate_init, or
        BackpropMLPClassifier with any solver except 'lbfgs'; without early stopping.
    X : dask array of shape (n_samples, n_features), or list of delayed
        Dense or with blocks in CSR. Each item of a list is a delayed block of rows: an
        array, a sparse matrix or a data frame (as from `to_delayed` of `dask.dataframe`).
        Blocks may have different numbers of rows; each must fit several times into a
        worker's memory.
    y : dask array of shape (n_samples,) or (n_samples, n_outputs), or list of delayed
        Labels, in blocks like those of X.
    sample_weight : dask array of shape (n_samples,) or list of delayed, default=None
        Weights >= 0, in blocks like those of X. Rows of weight 0 are ignored, and only
        ratios matter.
    client : distributed.Client, default=None
        None is the current client.
    merges_per_epoch : int, default=8
        How often `BackpropMLPClassifier` averages the models of blocks in an epoch, if
        blocks have that many batches. A larger number costs more passes over the blocks. A
        smaller number lets blocks with different labels drift apart.

    Returns
    -------
    estimator : estimator
        The same object, fitted. It can predict, be stored, and resume with `partial_fit` or
        `warm_start` like any other.

    Raises
    ------
    ImportError
        If dask or distributed is not installed.
    TypeError
        If `estimator` is not of this package, or X or y is of another type.
    ValueError
        If there is no client, a block is not valid (the error has a note with its number),
        blocks are not consistent, parameters are not supported, or training diverges. A
        model fitted before stays unchanged.

    Warns
    -----
    ConvergenceWarning
        As the `fit` of the estimator.

    Notes
    -----
    Every pass loads every block anew. Persist them (``X = X.persist()``) if they fit into
    the cluster's memory. A fit of the logistic model takes about ten passes (more if the
    Hessian needs more rows than fit into 64 MB), and an epoch of a network
    `merges_per_epoch`. The same blocks give the same model on any workers.

    An epoch of a network takes only as many successive steps as the largest block has
    batches. So with many blocks it learns less than an epoch in memory. But the mean of the
    blocks' steps is less noisy than one of them: if each block has all labels, multiply the
    learning rate by the number of blocks. With 100 epochs of 'adam' on 45,000 rows of 6
    classes, the accuracy on other rows was 0.86 in memory; 0.74 and 0.69 in 4 and 16 mixed
    blocks; 0.85 and 0.86 there with 4 and 16 times the learning rate. In blocks sorted by
    label it was 0.75 and 0.77 with these rates (0.82 in 4 blocks with 32 merges per epoch).
    So mix the rows if you can.

    The `loss_curve_` of a network holds the mean over the rows of the averaged model's loss
    at the last merge before the row is used, plus the penalty.

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
    >>> from sklearn.utils import shuffle
    >>> from sklearn_nn import SGDLogisticClassifier
    >>> from sklearn_nn.dask import fit
    >>> X, y = shuffle(*load_iris(return_X_y=True), random_state=0)
    >>> with Client(processes=False, n_workers=1, dashboard_address=":0"):
    ...     rows, labels = da.from_array(X[:100], chunks=(50, 4)), da.from_array(y[:100])
    ...     model = fit(SGDLogisticClassifier(random_state=0), rows, labels)
    >>> model.score(X[100:], y[100:])
    0.96
    """
    client = client_to_use(client)
    if not isinstance(estimator, GradientClassifier):
        raise TypeError(
            "estimator must be an SGDLogisticClassifier or BackpropMLPClassifier; got "
            f"{estimator!r}."
        )
    _parameters.check(estimator)
    method = method_of(estimator)
    check_supported(estimator, method, merges_per_epoch)
    convergence.warn_of_ignored(estimator, method, stacklevel=3)
    with unchanged_on_error(estimator):
        origin = origin_of(estimator, by_partial_fit=False)
        if isinstance(origin, Checkpoint):  # workers have NumPy arrays
            origin = origin.moved_to(NUMPY)
        cluster, blocks = Cluster(client), blocks_of(X, y, sample_weight)
        blocks = valid_blocks(estimator, cluster, blocks, origin)
        run = train_on_cluster(estimator, method, blocks, origin, merges_per_epoch)
    convergence.warn(estimator, method, run, stacklevel=3)
    return estimator


def client_to_use(client):
    """Return `client` or the current one; raise an error if there is none."""
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
            "one as client."
        ) from error


def check_supported(estimator, method, merges_per_epoch):
    """Raise ValueError for parameters that are not supported on a cluster."""
    is_logistic = isinstance(estimator, SGDLogisticClassifier)
    if getattr(estimator, "_skl_callbacks", []):
        raise ValueError(
            "Callbacks are not supported on a cluster. Remove them with set_callbacks(); "
            "verbose=True prints a line per epoch."
        )
    if estimator.early_stopping:
        raise ValueError(
            "early_stopping=True is not supported on a cluster. Set early_stopping=False; "
            "the stopping rule then judges the objective."
        )
    if is_logistic and method is not NEWTON:
        raise ValueError(
            "On a cluster, SGDLogisticClassifier needs learning_rate='auto' and "
            "learning_rate_init=None, whose result does not depend on the blocks; "
            f"got learning_rate={estimator.learning_rate!r} and "
            f"learning_rate_init={estimator.learning_rate_init!r}."
        )
    if not method.is_stepwise:
        raise ValueError(
            "solver='lbfgs' is not supported on a cluster. Set solver='adam' or 'sgd'."
        )
    whole = isinstance(merges_per_epoch, Integral) and merges_per_epoch is not True
    if not whole or merges_per_epoch < 1:
        raise ValueError(
            f"merges_per_epoch must be an integer >= 1; got {merges_per_epoch!r}."
        )
