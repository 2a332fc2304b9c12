"""Training on a cluster: the rows stay in blocks where Dask has them, only sums travel.

One function, `fit`. Needs dask and distributed: ``pip install 'sklearn_nn[dask]'``.

Each pass over the data is a graph of tasks: one for each block, a function of the block and
of what the pass asks (a point, or the state of training), and a tree that adds up what they
return, always in the order of the blocks. No worker keeps anything that Dask could not
compute again, so that a worker that dies costs its tasks and no more. Blocks are loaded for
each pass and then forgotten, unless the caller has persisted them.

The logistic model is fitted by Newton's method (_engine/newton), which asks for sums
over all rows and so has the same optimum wherever they lie; networks by training blocks
side by side and averaging them (_engine/epochs/local_sgd.py).
"""

from numbers import Integral

from .. import _parameters
from .._classifier import GradientClassifier, unchanged_on_error
from .._data.array_api import NUMPY
from .._logistic import SGDLogisticClassifier
from .._methods import NEWTON, method_of
from .._monitoring import convergence
from .._training import resumed_checkpoint
from ._blocks import blocks_of, prepare
from ._cluster import Cluster
from ._training import train


def fit(estimator, X, y, sample_weight=None, *, client=None, merges_per_epoch=8):
    """Train an estimator on rows that lie on the workers of a Dask cluster.

    `SGDLogisticClassifier` comes to the optimum that `fit` would find with all rows in one
    memory, however they are spread over blocks. `BackpropMLPClassifier` trains all blocks
    side by side and averages their parameters several times an epoch.

    Parameters
    ----------
    estimator : SGDLogisticClassifier or BackpropMLPClassifier
        With learning_rate='auto' (and no learning_rate_init), or solver 'sgd', 'adam' or
        'adamw', respectively, and without early stopping.
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
    _parameters.check(estimator)
    method = method_of(estimator)
    check_supported(estimator, method, merges_per_epoch)
    with unchanged_on_error(estimator):
        checkpoint = resumed_checkpoint(estimator, one_epoch=False)
        if checkpoint is not None:  # a model of tensors becomes one of NumPy's arrays
            checkpoint = checkpoint.moved_to(NUMPY)
        cluster, blocks = Cluster(client), blocks_of(X, y, sample_weight)
        blocks = prepare(estimator, cluster, blocks, checkpoint)
        run = train(estimator, method, blocks, checkpoint, merges_per_epoch)
    convergence.warn(estimator, method, run, stacklevel=3)
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


def check_supported(estimator, method, merges_per_epoch):
    """Raise ValueError for parameters with which blocks cannot be trained."""
    is_logistic = isinstance(estimator, SGDLogisticClassifier)
    if getattr(estimator, "_skl_callbacks", []):
        raise ValueError(
            "Callbacks are not supported on a cluster. Take them off, set_callbacks(); "
            "verbose=True prints a line an epoch."
        )
    if estimator.early_stopping:
        raise ValueError(
            "early_stopping=True is not supported on a cluster. Set early_stopping=False; "
            "the stopping rule then looks at the objective."
        )
    if is_logistic and method is not NEWTON:
        raise ValueError(
            "On a cluster SGDLogisticClassifier trains with learning_rate='auto' and "
            "learning_rate_init=None, whose result does not depend on where the rows lie; "
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
