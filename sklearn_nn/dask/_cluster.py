"""The rows of a cluster, as the engine asks about them: only sums travel."""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse, vstack

from .._engine.epochs import local_sgd
from .._engine.newton.passes import Evaluation, Rows
from .._engine.types import Dataset
from ._workers import (
    Asked,
    Recipe,
    added,
    evaluation_of,
    gathered_rows,
    hessian_of,
    objective_of,
    proba_of,
    product_of,
    trained,
)

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


@dataclass(frozen=True)
class ClusterBlocks:
    """The blocks of the data, as local_sgd.py asks about them."""

    cluster: Cluster
    blocks: tuple  # of Block
    recipe: Recipe
    n_rows: tuple  # of each block, all > 0
    n_bytes: float  # of a row

    @property
    def n_samples(self):
        """Number of rows."""
        return sum(self.n_rows)

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

    def train(self, problem, settings, state, part):
        """Return the local_sgd.Sums over all blocks after a round."""
        return local_sgd.Sums(*self.sums(trained, (problem, settings, state, part)))

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
    """The rows of all blocks, as newton/steps.py asks about them; see passes.Rows."""

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
