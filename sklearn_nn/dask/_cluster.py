"""The rows of a cluster, as the engine needs them: sums, and a random sample."""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse, vstack

from .._engine.epochs import local_sgd
from .._engine.newton import dual
from .._engine.newton.linear_rows import Evaluation, LocalRows
from .._engine.types import Dataset
from ._workers import (
    Query,
    Recipe,
    dual_of,
    evaluation_of,
    gathered_rows,
    hessian_of,
    objective_of,
    proba_of,
    product_of,
    sum_of,
    sums_after_round,
)

# How often a failed task runs again (after an error of a file system, say). For the death
# of a worker, Dask has its own limit (distributed.scheduler.allowed-failures).
RETRIES = 2
# Number of results that a worker adds at once; the client gets one sum.
FAN_IN = 8
# Maximum size in bytes of the random sample that the client gathers, for the first steps
# and most Hessians of Newton's method. It fits into any computer's memory, and usually has
# far more rows than the model has parameters.
MAX_BYTES_GATHERED = 2**26
# Gather at least this many rows if they exist and fit.
MIN_ROWS_GATHERED = 10_000


@dataclass(frozen=True)
class Cluster:
    """Runs tasks on the workers."""

    client: Any  # distributed.Client

    def map(self, function, blocks, query, arguments):
        """Return the delayed function(block, query, argument) of each block.

        The query is a separate task: it is sent once, and the scheduler keeps it, so that
        no worker has the only copy.
        """
        from dask import delayed

        query = delayed(query, traverse=False)
        return [
            delayed(function)(tuple(block), query, argument)
            for block, argument in zip(blocks, arguments, strict=True)
        ]

    def total(self, parts):
        """Return the sum of delayed tuples, added on the workers in a fixed order."""
        from dask import delayed

        while len(parts) > 1:
            groups = [parts[i : i + FAN_IN] for i in range(0, len(parts), FAN_IN)]
            parts = [delayed(sum_of)(group) for group in groups]
        return self.results(parts)[0]

    def results(self, tasks):
        """Return the values of delayed objects."""
        with parameters_may_be_large():
            futures = self.client.compute(tasks, retries=RETRIES)
        return self.client.gather(futures)

    def persist(self, tasks):
        """Return delayed objects that keep their values on the workers."""
        with parameters_may_be_large():
            return self.client.persist(tasks, retries=RETRIES)


def parameters_may_be_large():
    """Return a context without Dask's warning of large data in a graph.

    The graph must contain the parameters: scattered data would be lost with its worker.
    """
    import dask

    return dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TB"})


@dataclass(frozen=True)
class ClusterBlocks:
    """The local_sgd.Blocks of a cluster."""

    cluster: Cluster
    blocks: tuple  # of Block
    recipe: Recipe
    n_rows: tuple  # of each block, all > 0
    n_bytes: float  # per row

    @property
    def n_samples(self):
        """Number of rows."""
        return sum(self.n_rows)

    def map(self, function, common, arguments=None):
        """Return the delayed function(block, Query, argument) of each block.

        `common` are the arguments for all blocks, and `arguments` has one for each, by
        default its number.
        """
        arguments = range(len(self.blocks)) if arguments is None else arguments
        query = Query(self.recipe, common)
        return self.cluster.map(function, self.blocks, query, arguments)

    def sums(self, function, common, arguments=None):
        """Return the sums of the function's results over all blocks."""
        return self.cluster.total(self.map(function, common, arguments))

    def train_round(self, problem, settings, state, part):
        """Return the local_sgd.Sums over all blocks after a round."""
        return local_sgd.Sums(
            *self.sums(sums_after_round, (problem, settings, state, part))
        )

    def objective(self, problem, theta):
        """Return the mean objective over all rows."""
        n_rows, objective = self.sums(objective_of, (problem, theta))
        return objective / n_rows

    def gathered(self, index):
        """Return these rows (ascending) of all blocks as a Dataset on the client."""
        ends = np.cumsum(self.n_rows)
        parts = np.split(index, np.searchsorted(index, ends[:-1]))
        nonempty = [
            (block, part - (end - n))
            for block, part, end, n in zip(
                self.blocks, parts, ends, self.n_rows, strict=True
            )
            if len(part)
        ]
        blocks, parts = zip(*nonempty, strict=True)
        tasks = self.cluster.map(gathered_rows, blocks, Query(self.recipe, None), parts)
        datasets = self.cluster.results(tasks)
        X = [data.X for data in datasets]
        weight = [data.sample_weight for data in datasets]
        return Dataset(
            vstack(X, format="csr") if issparse(X[0]) else np.concatenate(X),
            np.concatenate([data.y for data in datasets]),
            None if weight[0] is None else np.concatenate(weight),
        )


class Probabilities:
    """The probabilities of all rows at a point, computed on the workers when needed."""

    def __init__(self, blocks, at):
        self.blocks = blocks
        self.at = at  # loss, coordinates, point
        self.of_blocks = None

    def persisted(self):
        """Return the delayed probabilities of each block, which stay on the workers."""
        if self.of_blocks is None:
            tasks = self.blocks.map(proba_of, self.at)
            self.of_blocks = self.blocks.cluster.persist(tasks)
        return self.of_blocks


class ClusterRows:
    """The LinearRows of all blocks of a cluster."""

    def __init__(self, blocks, loss):
        self.blocks = blocks
        self.loss = loss
        self.gathered_rows = None  # LocalRows on the client, from which samples are drawn
        self.last = None, None  # point, and its Evaluation

    @property
    def n_samples(self):
        """Number of rows."""
        return self.blocks.n_samples

    @property
    def max_sample_size(self):
        """Number of rows that the client gathers."""
        n_most = max(1, int(MAX_BYTES_GATHERED / self.blocks.n_bytes))
        return min(self.n_samples, n_most, max(MIN_ROWS_GATHERED, self.n_samples // 2))

    @property
    def min_sample_size(self):
        """A row: any sample takes less time than a larger one."""
        return 1

    @property
    def dtype(self):
        """Data type of X."""
        return self.blocks.recipe.dtype

    @property
    def values_per_row(self):
        """Number of features, or the mean number of stored values."""
        return self.gathered(np.random.RandomState(0)).values_per_row

    @property
    def least_weight(self):
        """Smallest weight of a gathered row, if their mean is 1."""
        return self.gathered(np.random.RandomState(0)).least_weight

    def gathered(self, rng):
        """Return the LocalRows on the client, gathered in the first call."""
        if self.gathered_rows is None:
            n = self.max_sample_size
            positions = np.arange(n) + rng.uniform(size=n)
            index = (positions * (self.n_samples / n)).astype(np.int64)
            index = np.minimum(index, self.n_samples - 1)
            self.gathered_rows = LocalRows(self.blocks.gathered(index), self.loss)
        return self.gathered_rows

    def sample(self, n_samples, rng):
        """Return `n_samples` of the gathered rows, or all rows if fewer are gathered."""
        if n_samples > self.max_sample_size or n_samples >= self.n_samples:
            return self
        # A copy, so that the first call draws the same sample as a later one.
        return self.gathered(copy.deepcopy(rng)).sample(n_samples, rng)

    def standardised(self, centred):
        """Return Coordinates in which a sample of the rows has variance about 1."""
        rng = np.random.RandomState(0)  # any coordinates lead to the same optimum
        return self.gathered(rng).standardised(centred)

    def evaluate(self, coordinates, point, needs_diagonal=True):
        """Return the Evaluation at a point (n_features + 1, n_outputs), all of it."""
        last_point, evaluation = self.last
        if point is not last_point:  # gradient and Hessian need the same point
            at = self.loss, coordinates, point
            total, *sums = self.blocks.sums(evaluation_of, at)
            proba = Probabilities(self.blocks, at)
            evaluation = Evaluation(*(value / total for value in sums), proba)
            self.last = point, evaluation
        return evaluation

    def slope_along(self, coordinates, point, move):
        """Return the function length -> slope of the mean loss at point + length * move."""

        def slope(length):
            evaluation = self.evaluate(coordinates, point + length * move)
            return float(np.sum(evaluation.gradient * move))

        return slope

    def hessian_product(self, coordinates, proba, damping, direction):
        """Return the damped Hessian, at the point with `proba`, times a direction."""
        common = self.loss, coordinates, damping, direction
        total, product = self.blocks.sums(product_of, common, proba.persisted())
        return product / total

    def widened(self):
        """Return these rows: the workers keep their dtype."""
        return self

    def at(self, coordinates):
        """Return these rows: the workers prepare their own."""
        return self

    def hessian_cost(self, n_outputs):
        """Return about how many Hessian products take as long as `hessian_blocks`."""
        return self.gathered(np.random.RandomState(0)).hessian_cost(n_outputs)

    def hessian_blocks(self, coordinates, proba, damping):
        """Return the blocks (n_outputs, n_features + 1, n_features + 1) of the Hessian."""
        total, blocks = self.blocks.sums(hessian_of, (*proba.at, damping, True))
        return blocks / total

    def hessian(self, coordinates, proba, damping):
        """Return the damped Hessian (n_parameters, n_parameters)."""
        total, hessian = self.blocks.sums(hessian_of, (*proba.at, damping, False))
        return hessian / total

    def dual(self, coordinates, proba, direction, has_intercept):
        """Return the Dual of the point that a step in this direction predicts."""
        common = self.loss, coordinates, direction
        shift = np.zeros(direction.shape[1])
        for _ in range(dual.MAX_STEPS):
            arguments = (*common, shift), proba.persisted()
            total, *sums = self.blocks.sums(dual_of, *arguments)
            divergence, residual, curvature = sums
            error = residual[-1]
            if not has_intercept or dual.is_rounding(error, total, self.dtype):
                break
            shift = shift - dual.inverse_of(curvature) @ error
        return dual.Dual(divergence / total, residual / total)
